package logsingestion

import "sync"

const (
	// firstRatio is what compression is taken to save before anything was seen:
	// audit events come to a sixth or less.
	firstRatio = 4
	// fill is how much of a request's limit a batch aims at: batches differ.
	fill = 0.9
	// leastTarget is where batches don't become smaller any more.
	leastTarget = 64 << 10
	// telling is the size on the wire from which on a batch says something about others.
	telling = 32 << 10
	// afterRefusal is the size of batches after the service, or something in between,
	// refused one that is within the limits: it may count before compression.
	afterRefusal = 1_000_000
)

// sizes learns how many bytes of records fill a request.
type sizes struct {
	mu    sync.Mutex
	most  int  // bytes of records
	known bool // somebody refused a batch of twice as much as most
	ratio map[string]float64
}

func newSizes(most int) *sizes { return &sizes{most: most, ratio: make(map[string]float64)} }

// target is the size of a batch to aim at. It suits the stream that compresses worst.
func (s *sizes) target() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	worst := 0.0
	for _, r := range s.ratio {
		if worst == 0 || r < worst {
			worst = r
		}
	}
	if worst == 0 {
		worst = firstRatio
	}
	return max(min(int(worst*fill*MaxWire), s.most), min(leastTarget, s.most))
}

// packed notes a batch that went through. The average follows slowly.
func (s *sizes) packed(stream string, raw, wire int) {
	if wire < telling {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := float64(raw) / float64(wire)
	if old := s.ratio[stream]; old != 0 {
		seen = old + (seen-old)/4
	}
	s.ratio[stream] = seen
}

// overflow notes that raw bytes filled a request, with more to come. It counts at once.
func (s *sizes) overflow(stream string, raw int) {
	if raw >= MaxRaw {
		return // it was not compressed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := float64(raw) / MaxWire
	if old := s.ratio[stream]; old == 0 || seen < old {
		s.ratio[stream] = seen
	}
}

// refused notes that a batch within the limits was too large for somebody.
func (s *sizes) refused(raw int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = max(min(s.most, max(raw/2, 1), afterRefusal), leastTarget)
	s.known = true
}

// hopeless says that a batch is larger than what was refused before.
func (s *sizes) hopeless(raw int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known && raw > 2*s.most
}
