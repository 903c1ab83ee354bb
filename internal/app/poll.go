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

// pollAll polls all connections concurrently. While any is still running, the others are
// polled again at the given interval: the host doesn't start another run before this one
// ends, and a connection that is throttled or has a backlog may use the whole budget. again
// 0 polls each once.
func pollAll(ctx context.Context, connections []*Connection, again time.Duration) []pipeline.Report {
	var left atomic.Int64 // connections whose first poll is not done
	left.Store(int64(len(connections)))
	done := make(chan struct{})
	reports := make([][]pipeline.Report, len(connections))
	var polls sync.WaitGroup
	for i, c := range connections {
		polls.Go(func() {
			begun := time.Now()
			reports[i] = c.Poll(ctx)
			if left.Add(-1) == 0 {
				close(done)
			}
			for again > 0 && waitUntil(ctx, begun.Add(again), done) {
				begun = time.Now()
				merge(reports[i], c.Poll(ctx))
			}
		})
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
				reports[i] = c.Poll(ctx)
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

// waitUntil reports whether the moment came before all were done and before ctx ended.
func waitUntil(ctx context.Context, moment time.Time, done <-chan struct{}) bool {
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-timer.C:
		select {
		case <-done:
		default:
			return ctx.Err() == nil
		}
	}
	return false
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
