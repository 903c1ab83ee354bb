package app

import (
	"context"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

const (
	// lookAgain is how often a long command looks whether a function runs by now.
	lookAgain = 30 * time.Second
	// besideTimeout limits one look.
	besideTimeout = 3 * time.Second
)

// beside leaves most of the sources' rate limits to the process that runs the streams, or takes
// them. A process that runs the streams always has them.
func (c *Connection) beside(is bool) {
	for _, s := range c.sources {
		if one, ok := s.(source.Sharer); ok && c.options.Beside {
			one.Share(is)
		}
	}
}

// shares takes the whole rate limits while nothing else runs the streams, as far as the state
// shows, until stop is called.
func (c *Connection) shares(ctx context.Context) (stop func()) {
	if !c.options.Beside {
		return func() {}
	}
	c.beside(c.runsElsewhere(ctx))
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(lookAgain)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.beside(c.runsElsewhere(ctx))
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		watch.Wait()
		c.beside(true)
	}
}

// runsElsewhere reports whether a function or serve may be running the streams: one was heard of
// lately, or the state does not show it.
func (c *Connection) runsElsewhere(ctx context.Context) bool {
	if c.options.Look || c.settings.Tenant == "" {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, besideTimeout)
	defer cancel()
	now := time.Now()
	recent := func(at time.Time) bool { return now.Sub(at) <= status.SilentAfter(c.every(now), longest(c.budget)) }
	for _, stream := range c.Streams() {
		f, err := c.Runs().Load(ctx, stream)
		if err != nil || recent(f.Begun) {
			return true
		}
		for _, seen := range f.Seen {
			if seen.By != runs.ByHand && recent(seen.At) {
				return true
			}
		}
	}
	return false
}
