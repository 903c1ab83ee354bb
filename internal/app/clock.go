package app

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/version"
)

const (
	// clockLimit is how far this machine's clock may be off. The services refuse
	// signatures only at 15 minutes, but a search ends SETTLE_DELAY behind this
	// clock, one minute by default: a clock that is ahead by more reads what has
	// not settled.
	clockLimit = time.Minute
	// dateGrain is the precision of the header Date.
	dateGrain = time.Second
)

// clockWatch compares this machine's clock with the header Date of every answer
// that passes.
type clockWatch struct {
	client *http.Client // the one to use, which is watched
	base   http.RoundTripper

	mu   sync.Mutex
	seen map[string]sample // by host
}

// sample is one comparison: how far this machine is ahead, and how far that may be wrong.
type sample struct{ ahead, doubt time.Duration }

// newClockWatch watches a copy of c; nil is a client of package transport.
func newClockWatch(c *http.Client) *clockWatch {
	if c == nil {
		c = transport.NewClient(transport.Config{Version: version.String()})
	}
	own := *c
	w := &clockWatch{client: &own, base: c.Transport, seen: map[string]sample{}}
	if w.base == nil {
		w.base = http.DefaultTransport
	}
	own.Transport = w
	return w
}

// RoundTrip implements [http.RoundTripper].
func (w *clockWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := time.Now()
	resp, err := w.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		// The service looked at its clock at some moment of the exchange, and cut
		// what it saw to seconds.
		half := time.Since(sent) / 2
		w.note(req.URL.Host, sample{sent.Add(half).Sub(date.Add(dateGrain / 2)), half + dateGrain/2})
	}
	return resp, nil
}

// note keeps the most precise sample of each host.
func (w *clockWatch) note(host string, s sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, ok := w.seen[host]; !ok || s.doubt < old.doubt {
		w.seen[host] = s
	}
}

// finding judges the clock by all samples. names are those of the hosts.
func (w *clockWatch) finding(names map[string]string) Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := Finding{Item: "clock", State: Passed}
	if len(w.seen) == 0 {
		f.State, f.Detail = Skipped, "needs an answer of SailPoint or the workspace to compare with"
		return f
	}
	var near, off []string
	for _, host := range slices.Sorted(maps.Keys(w.seen)) {
		s, name := w.seen[host], names[host]
		if name == "" {
			name = host
		}
		if s.ahead.Abs()-s.doubt < clockLimit {
			near = append(near, fmt.Sprintf("within %v of %s", (s.ahead.Abs()+s.doubt).Round(time.Second), name))
			continue
		}
		direction := "ahead of"
		if s.ahead < 0 {
			direction = "behind"
		}
		off = append(off, fmt.Sprintf("%v %s %s", s.ahead.Abs().Round(time.Second), direction, name))
	}
	f.Detail = "this machine's clock is " + strings.Join(append(off, near...), " and ")
	if len(off) > 0 {
		f.State = Failed
		f.Detail += ": set the clock (switch time synchronisation on); signatures are refused at 15 minutes, and searches end SETTLE_DELAY behind this clock"
	}
	return f
}
