package okta

// pageSize is the page size, adapted to what the org can serve in time. It is used by one goroutine
// at a time.
type pageSize struct {
	most, now int
	good      int // full pages since the last change
}

const (
	// minPage is the smallest page to try when the org is slow: below that the page is not what
	// makes it slow.
	minPage = 50
	// streak is how many successive pages earn a larger size.
	streak = 8
)

// failed halves the size after a page of n events failed, but not below floor.
func (s *pageSize) failed(n, floor int) {
	s.good = 0
	if n <= s.now {
		s.now = max(n/2, min(floor, s.most))
	}
}

// served counts a page.
func (s *pageSize) served() {
	if s.good++; s.now < s.most && s.good >= streak {
		s.now, s.good = min(2*s.now, s.most), 0
	}
}
