package app

import (
	"context"
	"sync"
	"time"
)

// background makes runs in a goroutine of its own: one when it is nudged, and another one if it was
// nudged meanwhile.
type background struct {
	// once makes one run, and reports whether another one should follow without a nudge. Set it before
	// the first use.
	once func(ctx context.Context) (more bool)

	mu                      sync.Mutex // guards the fields below
	running, again, stopped bool
	cancel                  context.CancelFunc // of the run under way
	idle                    chan struct{}      // closed when no run is under way
	notBefore               time.Time          // a run may begin
}

// nudge has a run begin soon.
func (b *background) nudge() {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.stopped, time.Now().Before(b.notBefore):
	case b.running:
		b.again = true
	default:
		b.running, b.idle = true, make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		b.cancel = cancel
		go b.run(ctx)
	}
}

// run makes runs until everything that was there at the last nudge has had one.
func (b *background) run(ctx context.Context) {
	for more := true; more; {
		more = b.once(ctx)
		b.mu.Lock()
		if more = (more || b.again) && ctx.Err() == nil && !time.Now().Before(b.notBefore); !more {
			b.running = false
			b.cancel()
			close(b.idle)
		}
		b.again = false
		b.mu.Unlock()
	}
}

// pause has nudges ignored for some time; 0 ends that.
func (b *background) pause(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notBefore = time.Now().Add(d)
}

// stop ends a run softly, and waits for it until ctx ends. None begins afterwards.
func (b *background) stop(ctx context.Context) {
	b.mu.Lock()
	b.stopped = true
	if b.running {
		b.cancel()
	}
	b.mu.Unlock()
	b.wait(ctx)
}

// wait waits until no run is under way, or ctx ends.
func (b *background) wait(ctx context.Context) {
	b.mu.Lock()
	idle := b.idle
	b.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
}
