// Package retry repeats an operation that failed for a reason that may pass.
//
// The adapter decides what is worth repeating: an error that has a RetryAfter method. How often and
// how long is decided here, and nowhere else.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Policy is how to repeat. The zero value is ready for use.
type Policy struct {
	Min         time.Duration // first wait; 0 means 500 ms
	Max         time.Duration // longest wait of our own; 0 means 30 s
	MaxAfter    time.Duration // longest wait that a service may ask for; 0 means 2 min
	MaxAttempts int           // 0 means as many as fit before the deadline
	// Jitter returns a random part of d, from 0 to d; nil means one based on package rand. A
	// simulation sets it so that its waits depend on its seed alone.
	Jitter func(d time.Duration) time.Duration
}

// waiter is an error that may go away after a while.
type waiter interface {
	error
	RetryAfter() time.Duration
}

// ErrNoTime is wrapped by an error that only says that there was no time for an attempt.
var ErrNoTime = fmt.Errorf("no time left: %w", context.DeadlineExceeded)

// Exhausted is returned when the next wait would exceed the deadline of ctx, or the attempts are
// used up. It wraps the last error.
type Exhausted struct {
	Err      error
	Attempts int
}

func (e *Exhausted) Error() string {
	if e.Attempts == 1 {
		return fmt.Sprintf("%v (no time to try again)", e.Err)
	}
	return fmt.Sprintf("%v (gave up after %d attempts)", e.Err, e.Attempts)
}
func (e *Exhausted) Unwrap() error { return e.Err }

// Do calls op until it succeeds, fails with an error that is not worth repeating, or no further
// attempt fits before ctx ends. It never sleeps past ctx's deadline: if the wait would, it returns
// at once. before, if not nil, is called before each repetition with the error and the wait.
func (p Policy) Do(ctx context.Context, before func(err error, wait time.Duration), op func(context.Context) error) error {
	var last error // the last one that was worth repeating
	for attempt := 1; ; attempt++ {
		err := op(ctx)
		var w waiter
		switch {
		case err == nil:
			return nil
		case last != nil && (errors.Is(err, ErrNoTime) || ctx.Err() != nil && errors.Is(err, ctx.Err())):
			// Interrupted during another attempt: the earlier error says more.
			return &Exhausted{last, attempt}
		case !errors.As(err, &w):
			return err
		}
		last = err
		if ctx.Err() != nil || (p.MaxAttempts > 0 && attempt >= p.MaxAttempts) {
			return &Exhausted{err, attempt}
		}
		wait := p.wait(attempt, w.RetryAfter())
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return &Exhausted{err, attempt}
		}
		if before != nil {
			before(err, wait)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return &Exhausted{err, attempt}
		}
	}
}

// wait is exponential with full jitter on its upper half, and never shorter than the service asked
// for, up to a limit.
func (p Policy) wait(attempt int, after time.Duration) time.Duration {
	lo, hi, ask := p.Min, p.Max, p.MaxAfter
	if lo == 0 {
		lo = 500 * time.Millisecond
	}
	if hi == 0 {
		hi = 30 * time.Second
	}
	if ask == 0 {
		ask = 2 * time.Minute
	}
	d := hi
	if shift := attempt - 1; shift < 16 && lo<<shift < hi {
		d = lo << shift
	}
	jitter := p.Jitter
	if jitter == nil {
		jitter = func(d time.Duration) time.Duration { return rand.N(d + 1) }
	}
	d = d/2 + jitter(d/2)
	return max(d, min(after, ask))
}
