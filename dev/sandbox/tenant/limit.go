package tenant

import (
	"cmp"
	"time"
)

// RateLimit is how many requests a client id may send. The zero value is the
// real service's limit.
type RateLimit struct {
	Requests int           // 0 means 100
	Per      time.Duration // a sliding window; 0 means 10 s
	Off      bool          // take everything, and count only
}

// client is what the limiter knows of one client id.
type client struct {
	seen     []time.Time // all requests within the window
	admitted []time.Time // those that were let through
}

// admit counts a request and says whether the client may send it, or how long
// it has to wait. Requests with no token or one that nobody knows share one limit.
func (t *Tenant) admit(clientID string) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limits == nil {
		t.limits = make(map[string]*client)
	}
	c := t.limits[clientID]
	if c == nil {
		c = &client{}
		t.limits[clientID] = c
	}
	now := time.Now()
	per := cmp.Or(t.RateLimit.Per, 10*time.Second)
	c.seen = append(since(c.seen, now.Add(-per)), now)
	t.peak = max(t.peak, len(c.seen))
	if t.RateLimit.Off {
		return 0, true
	}
	c.admitted = since(c.admitted, now.Add(-per))
	if len(c.admitted) >= cmp.Or(t.RateLimit.Requests, 100) {
		return c.admitted[0].Add(per).Sub(now), false
	}
	c.admitted = append(c.admitted, now)
	return 0, true
}

// since drops the times up to and including limit from the front.
func since(times []time.Time, limit time.Time) []time.Time {
	n := 0
	for n < len(times) && !times[n].After(limit) {
		n++
	}
	return times[n:]
}

// PeakRequests returns the largest number of API requests (not of tokens) that
// one client id sent within any window of the rate limit, refused ones included.
func (t *Tenant) PeakRequests() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.peak
}
