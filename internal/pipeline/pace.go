package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

const (
	// writeGrace is how long a delivery may continue after the run was asked to
	// stop: a batch whose answer arrives need not be repeated.
	writeGrace = 3 * time.Second
	// commitTimeout bounds a commit. It is not cut by the run's end: what was
	// acknowledged must be remembered.
	commitTimeout = 15 * time.Second
	// lateTimeout bounds all commits together that are made after the run's end. What
	// they don't finish is begun anew by the next run.
	lateTimeout = 20 * time.Second
)

// Overtime is how long after its deadline a run may still hold its lock.
const Overtime = lateTimeout + commitTimeout

// pace knows how long steps take, and how much time is left for another one.
type pace struct {
	longest atomic.Int64  // fetch or flush so far, in nanoseconds
	page    time.Duration // the longest that a page took which a walk read again
	ended   time.Time     // when something was first finished after the run's end
}

// step notes how long a fetch or a flush took.
func (p *pace) step(d time.Duration) {
	for {
		old := p.longest.Load()
		if int64(d) <= old || p.longest.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// timeLeft reports whether another fetch, with the delivery that follows it,
// can be expected to end before the deadline.
func (p *pace) timeLeft(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx.Err() == nil
	}
	left := time.Until(deadline)
	// Twice the slowest step so far: one fetch and one flush. The floor is for
	// the first page, when nothing is known yet.
	return ctx.Err() == nil && left > max(2*time.Duration(p.longest.Load()), 100*time.Millisecond)
}

// shortForPage reports whether a walk's next page may well not come before the deadline.
func (p *pace) shortForPage(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= 2*p.page
}

// detached is a context that outlives ctx, for what must be finished. All that is
// finished after the end of ctx has lateTimeout together.
func (p *pace) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	until := time.Now().Add(commitTimeout)
	if ctx.Err() != nil {
		if p.ended.IsZero() {
			p.ended = time.Now()
		}
		if last := p.ended.Add(lateTimeout); last.Before(until) {
			until = last
		}
	}
	return context.WithDeadline(context.WithoutCancel(ctx), until)
}

// graceful is ctx with its deadline, but cancelled only writeGrace after ctx is,
// so that a delivery under way can end well. It ends at once when ctx ends for
// another reason than a plain cancel: then the lock is lost, and another process
// may be delivering already.
func graceful(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(24 * time.Hour) // as good as none
	}
	wctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	stop := context.AfterFunc(ctx, func() {
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, context.DeadlineExceeded):
			return // wctx has the same deadline, and says so when it ends
		case errors.Is(cause, context.Canceled):
			timer := time.NewTimer(writeGrace)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-wctx.Done():
			}
		}
		cancel()
	})
	return wctx, func() { stop(); cancel() }
}
