package app

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// rounds are the polls of several sources that begin together. A source that is done with its
// first one is polled again at an interval for as long as any other is not: the host doesn't start
// another run before this one ends, and a source that is throttled, doesn't answer or has a backlog
// may use the whole budget.
type rounds struct {
	again time.Duration // between the starts of two polls of a source; 0: each is polled once
	left  atomic.Int64  // sources whose first poll is not done
	done  chan struct{} // closed once none is left
	// onlyIfFree leaves a connection alone that another process polls: there are no reports then.
	onlyIfFree bool
}

func newRounds(sources int, again time.Duration) *rounds {
	r := &rounds{again: again, done: make(chan struct{})}
	r.left.Store(int64(sources))
	return r
}

// repeat polls a source until all sources have been polled, or ctx ends.
func (r *rounds) repeat(ctx context.Context, poll func()) {
	begun := time.Now()
	poll()
	r.finished(1)
	for r.again > 0 && r.wait(ctx, begun.Add(r.again)) {
		begun = time.Now()
		poll()
	}
}

// finished notes that the first polls of some sources are done, or will not be.
func (r *rounds) finished(sources int) {
	if r.left.Add(-int64(sources)) == 0 && sources > 0 {
		close(r.done)
	}
}

// shortestRound is how much time a further poll needs. One that the deadline cuts at once would
// count as a failure of a source that is well; the next run polls it instead.
const shortestRound = 15 * time.Second

// wait reports whether the moment came before all were done, and with enough time left for a poll.
func (r *rounds) wait(ctx context.Context, moment time.Time) bool {
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(moment) < shortestRound {
		return false
	}
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	select {
	case <-r.done:
	case <-ctx.Done():
	case <-timer.C:
		select {
		case <-r.done:
		default:
			return ctx.Err() == nil
		}
	}
	return false
}

// pollAll polls all sources of these connections concurrently, in [rounds].
func pollAll(ctx context.Context, connections []*Connection, again time.Duration) []pipeline.Report {
	sources := 0
	for _, c := range connections {
		sources += len(c.parts)
	}
	r := newRounds(sources, again)
	reports := make([][]pipeline.Report, len(connections))
	var polls sync.WaitGroup
	for i, c := range connections {
		polls.Go(func() { reports[i] = c.poll(ctx, r) })
	}
	polls.Wait()
	return slices.Concat(reports...)
}

// pollSome polls all connections once, no more than some at the same time. Those that are not reached
// before ctx ends report that time is up.
func pollSome(ctx context.Context, connections []*Connection, most int) []pipeline.Report {
	reports := make([][]pipeline.Report, len(connections))
	var polls errgroup.Group
	polls.SetLimit(most)
	for i, c := range connections {
		polls.Go(func() error {
			if ctx.Err() == nil {
				reports[i] = pollAll(ctx, []*Connection{c}, 0)
				return nil
			}
			for _, stream := range c.Streams() {
				reports[i] = append(reports[i], c.report(pipeline.Report{Stream: stream, State: pipeline.Budget}))
			}
			return nil
		})
	}
	_ = polls.Wait()
	return slices.Concat(reports...)
}

// pause waits for some time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// merge adds the results of later runs to the reports. A failure remains a failure.
func merge(reports, later []pipeline.Report) {
	for i, next := range later {
		sum := next
		before := reports[i]
		if sum.State != pipeline.Failed && before.State == pipeline.Failed {
			sum.State, sum.Err, sum.Error = before.State, before.Err, before.Error
		}
		for _, n := range []struct {
			sum    *int64
			before int64
		}{
			{&sum.Fetched, before.Fetched},
			{&sum.Sent, before.Sent},
			{&sum.Duplicates, before.Duplicates},
			{&sum.Conformed, before.Conformed},
			{&sum.Quarantined, before.Quarantined},
			{&sum.Spooled, before.Spooled},
			{&sum.Batches, before.Batches},
			{&sum.Retries, before.Retries},
			{&sum.WindowsChecked, before.WindowsChecked},
			{&sum.Mismatches, before.Mismatches},
			{&sum.Repaired, before.Repaired},
		} {
			*n.sum += n.before
		}
		sum.Seconds += before.Seconds
		if sum.AuditedThrough.IsZero() { // the later run did not audit
			sum.AuditedThrough = before.AuditedThrough
		}
		sum.Warnings = union(before.Warnings, next.Warnings)
		reports[i] = sum
	}
}

// union returns the texts of both, without duplicates.
func union(a, b []string) []string {
	all := a
	for _, text := range b {
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}
