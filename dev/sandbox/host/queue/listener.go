package queue

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// leastPolling is the shortest pause between two looks at an empty queue.
const leastPolling = 100 * time.Millisecond

// Counts are what listeners have done so far.
type Counts struct {
	Received, Succeeded, Failed, Poisoned atomic.Int64
	// AtWork is how many messages are at work now, Most the largest number of one listener so far.
	AtWork, Most atomic.Int64
	// Lost counts messages that could not be completed, because another listener has taken them over.
	Lost atomic.Int64
	// Errors counts failed looks at the queue.
	Errors atomic.Int64
}

// Listener is the queue trigger of one instance.
type Listener struct {
	Queue    Queue
	Settings Settings
	// Invoke runs the function, and reports whether it succeeded. It must end with its context.
	Invoke func(ctx context.Context, m Message) bool
	// Counts may be shared by several listeners; nil counts nothing.
	Counts *Counts
}

// Listen works until ctx ends. Then the instance is gone: messages at work are neither completed nor
// shown again. It returns when the invocations have ended.
func (l *Listener) Listen(ctx context.Context) {
	counts := l.Counts
	if counts == nil {
		counts = new(Counts)
	}
	hold := l.Settings.Hold
	if hold == 0 {
		hold = holdFor
	}
	done := make(chan struct{}, maxBatch+l.Settings.NewBatchThreshold+1)
	atWork, pause := 0, leastPolling
	var work sync.WaitGroup
	defer work.Wait()
	for ctx.Err() == nil {
		batch, err := l.Queue.Receive(ctx, l.Settings.BatchSize, hold)
		if err != nil && ctx.Err() == nil && !missing(err) {
			counts.Errors.Add(1)
		}
		for _, m := range batch {
			atWork++
			counts.Received.Add(1)
			work.Go(func() {
				l.process(ctx, m, hold, counts)
				done <- struct{}{}
			})
		}
		if n := int64(atWork); n > counts.Most.Load() {
			counts.Most.Store(n)
		}
		if len(batch) == 0 {
			// Random, and doubled at each time that there is nothing.
			wait := time.Duration(float64(pause) * (0.8 + 0.4*rand.Float64()))
			pause = min(2*pause, l.Settings.MaxPolling)
			atWork -= l.pass(ctx, wait, done)
			continue
		}
		pause = leastPolling
		for atWork > l.Settings.NewBatchThreshold && ctx.Err() == nil {
			select {
			case <-done:
				atWork--
			case <-ctx.Done():
			}
		}
	}
}

// pass waits, and returns how many invocations have ended meanwhile.
func (l *Listener) pass(ctx context.Context, wait time.Duration, done <-chan struct{}) (ended int) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-done:
			ended++
		case <-timer.C:
			return ended
		case <-ctx.Done():
			return ended
		}
	}
}

// process invokes the function with one message and completes it.
func (l *Listener) process(ctx context.Context, m Message, hold time.Duration, counts *Counts) {
	counts.AtWork.Add(1)
	defer counts.AtWork.Add(-1)
	if m.DequeueCount > l.Settings.MaxDequeueCount { // whoever had it last was killed
		l.complete(ctx, counts, func() error { return l.poison(ctx, m, counts) })
		return
	}
	delivered := m // renewals change m
	renewing, stop := context.WithCancel(ctx)
	var renewals sync.WaitGroup
	renewals.Go(func() {
		ticker := time.NewTicker(hold / 2)
		defer ticker.Stop()
		for {
			select {
			case <-renewing.Done():
				return
			case <-ticker.C:
				// Not ended by stop: the service might have given a new receipt already.
				if next, err := l.Queue.hide(ctx, m, hold); err == nil {
					m = next
				}
			}
		}
	})
	ok := l.Invoke(ctx, delivered)
	stop()
	renewals.Wait()
	if ctx.Err() != nil {
		return
	}
	l.complete(ctx, counts, func() error {
		switch {
		case ok:
			counts.Succeeded.Add(1)
			return l.Queue.remove(ctx, m)
		case m.DequeueCount >= l.Settings.MaxDequeueCount:
			counts.Failed.Add(1)
			return l.poison(ctx, m, counts)
		}
		counts.Failed.Add(1)
		_, err := l.Queue.hide(ctx, m, l.Settings.Visibility)
		return err
	})
}

// poison copies a message, as it is, to the queue for those that were given up.
func (l *Listener) poison(ctx context.Context, m Message, counts *Counts) error {
	if err := l.Queue.Poison().put(ctx, m.Text); err != nil {
		return err
	}
	counts.Poisoned.Add(1)
	return l.Queue.remove(ctx, m)
}

func (l *Listener) complete(ctx context.Context, counts *Counts, do func() error) {
	if err := do(); err != nil && ctx.Err() == nil {
		counts.Lost.Add(1)
	}
}
