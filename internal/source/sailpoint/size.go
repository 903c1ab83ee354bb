package sailpoint

import "sync"

const (
	// maxPage is the largest page that search serves.
	maxPage = 10_000
	// minPage is the smallest page to try when the service is slow: below that the page is not what
	// makes it slow.
	minPage = 50
	// firstStreak and lastStreak are how many successive full pages earn a larger size. The number
	// doubles with each failure, so that a size that the service can't serve is tried less and less
	// often.
	firstStreak, lastStreak = 8, 512
)

// pageSize is the page size of search, adapted to what the service can serve in time.
type pageSize struct {
	mu      sync.Mutex
	limit   int // from the configuration
	now     int
	streak  int // full pages since the last change
	earning int // full pages that earn a larger size
}

func (s *pageSize) init(limit int) { s.limit, s.now, s.earning = limit, limit, firstStreak }

func (s *pageSize) get() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// failed halves the size after a page of n rows failed, but not below floor.
func (s *pageSize) failed(n, floor int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streak = 0
	if n < s.now {
		return // already halved
	}
	next := max(s.now/2, min(floor, s.limit))
	if next == s.now {
		return
	}
	s.now = next
	s.earning = min(2*s.earning, lastStreak)
}

// restore returns to the configured size, once the rows that made pages too large or unreadable are
// passed.
func (s *pageSize) restore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.streak, s.earning = s.limit, 0, firstStreak
}

// served counts a full page.
func (s *pageSize) served() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == s.limit {
		return
	}
	if s.streak++; s.streak >= s.earning {
		s.streak = 0
		s.now = min(s.limit, s.now+(s.now+1)/2)
	}
}
