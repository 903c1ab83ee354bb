package transport

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// dateGrain is the precision of the Date header.
	dateGrain = time.Second
	// fresh is how long a sample is preferred to a less precise one.
	fresh = time.Minute
	// lately is how long a sample counts, by the monotonic clock.
	lately = 10 * time.Minute
	// jump is a change of this machine's clock that voids earlier samples.
	jump = 30 * time.Second
)

// Clock compares this machine's clock with the Date header of every answer that it sees. The zero
// value is ready for use; a nil one sees nothing.
type Clock struct {
	mu   sync.Mutex
	seen map[string]sample // by host
}

// sample is one comparison.
type sample struct {
	ahead, doubt time.Duration
	at           time.Time
}

// Skew is how far this machine's clock is ahead of a service's, and how far that value may be
// wrong.
type Skew struct {
	Host         string
	Ahead, Doubt time.Duration
}

// Watch returns a copy of client whose answers this clock sees.
func (c *Clock) Watch(client *http.Client) *http.Client {
	if c == nil {
		return client
	}
	own := *client
	if own.Transport == nil {
		own.Transport = http.DefaultTransport
	}
	own.Transport = watchedTrip{own.Transport, c}
	return &own
}

type watchedTrip struct {
	base  http.RoundTripper
	clock *Clock
}

// RoundTrip implements [http.RoundTripper].
func (w watchedTrip) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := time.Now()
	resp, err := w.base.RoundTrip(req)
	if err == nil {
		w.clock.observe(req.URL.Host, resp.Header, sent)
	}
	return resp, err
}

// CloseIdleConnections is called by [http.Client.CloseIdleConnections].
func (w watchedTrip) CloseIdleConnections() {
	if c, ok := w.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// observe notes the Date of the answer to a request that was sent at that time.
func (c *Clock) observe(host string, header http.Header, sent time.Time) {
	date, ok := dateOf(header.Get("Date"))
	if !ok {
		return
	}
	if age, err := strconv.Atoi(header.Get("Age")); err == nil && age > 0 {
		date = date.Add(time.Duration(age) * time.Second) // from a cache
	}
	// The service read its clock at some moment of the exchange, and truncated the time to seconds.
	half := time.Since(sent) / 2
	s := sample{sent.Add(half).Sub(date.Add(dateGrain / 2)), half + dateGrain/2, time.Now()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]sample{}
	}
	for other, old := range c.seen {
		if old.moved(s.at).Abs() > jump {
			delete(c.seen, other)
		}
	}
	if old, ok := c.seen[host]; !ok || s.doubt < old.doubt || s.at.Sub(old.at) > fresh {
		c.seen[host] = s
	}
}

// dateOf reads a Date header: as HTTP spells it, or as gateways do that spell it otherwise. The last
// second of a day may be a leap second.
func dateOf(text string) (time.Time, bool) {
	text = strings.Replace(text, ":60", ":59", 1)
	if date, err := http.ParseTime(text); err == nil {
		return date, true
	}
	for _, layout := range []string{time.RFC1123Z, "Mon, 02 Jan 2006 15:04:05 UTC", time.RFC3339} {
		if date, err := time.Parse(layout, text); err == nil {
			return date, true
		}
	}
	return time.Time{}, false
}

// moved is how far this machine's clock was set forward since the sample was taken.
func (s sample) moved(now time.Time) time.Duration {
	return now.Round(0).Sub(s.at.Round(0)) - now.Sub(s.at)
}

// Skews returns the skew against each service that has answered lately, by host.
func (c *Clock) Skews() []Skew {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	var skews []Skew
	for host, s := range c.seen {
		if now.Sub(s.at) <= lately {
			skews = append(skews, Skew{host, s.ahead + s.moved(now), s.doubt})
		}
	}
	slices.SortFunc(skews, func(a, b Skew) int { return cmp.Compare(a.Host, b.Host) })
	return skews
}
