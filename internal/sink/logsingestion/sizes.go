package logsingestion

import "sync"

const (
	// firstRatio is the compression ratio assumed before the first batch: audit events
	// shrink to a sixth or less.
	firstRatio = 4
	// fill is the part of a request's limit that batches aim at, because they vary.
	fill = 0.9
	// leastTarget is the smallest target for batches.
	leastTarget = 64 << 10
	// From this size on the wire, a batch's ratio is representative.
	minSample = 32 << 10
	// afterRefusal is the size of batches after the service, or something in between,
	// refused one within the limits: it may count bytes before compression.
	afterRefusal = 1_000_000
)

// sizes learns how many bytes of records fill a request.
type sizes struct {
	mu    sync.Mutex
	most  int  // bytes of records
	known bool // a batch of twice most was refused
	ratio map[string]float64
}

func newSizes(most int) *sizes { return &sizes{most: most, ratio: make(map[string]float64)} }

// target is the target size of a batch. It suits the stream that compresses worst.
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

// packed records the ratio of a delivered batch. The average changes slowly.
func (s *sizes) packed(stream string, raw, wire int) {
	if wire < minSample {
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

// overflow records that raw bytes filled a request before the batch ended. It takes effect at once.
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

// refused records that a batch within the limits was refused as too large.
func (s *sizes) refused(raw int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = max(min(s.most, max(raw/2, 1), afterRefusal), leastTarget)
	s.known = true
}

// knownTooLarge reports whether a batch is larger than one that was refused.
func (s *sizes) knownTooLarge(raw int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known && raw > 2*s.most
}
