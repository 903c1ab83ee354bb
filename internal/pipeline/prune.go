package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Pruner is a [Ledger] that can remove old windows.
type Pruner interface {
	// Prune removes the windows that end before the given moment and says how many.
	Prune(ctx context.Context, before time.Time) (int, error)
}

// Expirer is a [Quarantine] that removes old originals.
type Expirer interface {
	// Expire removes the originals that are too old. One of a record that was not
	// delivered is removed only if it went into quarantine before warned, a moment
	// that an earlier call has returned: up to there it has been warned about. The
	// warnings are for the user.
	Expire(ctx context.Context, stream string, warned time.Time) (nowWarned time.Time, warnings []string, err error)
}

// pruneEvery is how often expired state is deleted.
const pruneEvery = 24 * time.Hour

// prune deletes old entries of ledger and quarantine, once a day.
func (t *run) prune(ctx context.Context) error {
	if last := time.Since(t.saved.Pruned); 0 <= last && last < pruneEvery || !t.pace.timeLeft(ctx) {
		return nil
	}
	p, prunes := t.delivery.ledger.(Pruner)
	prunes = prunes && t.AuditPolicy.Keep > 0
	q, expires := t.Quarantine.(Expirer)
	if !prunes && !expires {
		return nil
	}
	if prunes {
		if err := t.pruneLedger(ctx, p); err != nil {
			return err
		}
	}
	if expires && !t.expire(ctx, q) {
		return nil // the next run continues
	}
	t.next.Pruned = time.Now()
	return t.saveCheckpoint(ctx)
}

// pruneLedger never touches a window that the tail has yet to pass, because a
// backlog may be older, nor one of a record that this run has seen: what the
// source still repeats, it will repeat to the next run, too; nor one that is needed for something else.
func (t *run) pruneLedger(ctx context.Context, p Pruner) error {
	before := time.Now().Add(-t.AuditPolicy.Keep)
	if limit := t.saved.Through.Add(-24 * time.Hour); limit.Before(before) {
		before = limit
	}
	if !t.delivery.oldest.IsZero() && t.delivery.oldest.Before(before) {
		before = t.delivery.oldest
	}
	if t.Needed != nil {
		switch from, err := t.Needed(ctx); {
		case err != nil: // too much is kept, until it is known what is needed
			t.log.Warn("the ledger was not pruned", "stream", t.report.Stream, "error", err.Error())
			return nil
		case !from.IsZero() && from.Before(before):
			before = from
		}
	}
	n, err := p.Prune(ctx, before)
	if err != nil {
		return fmt.Errorf("prune ledger of %s: %w", t.report.Stream, err)
	}
	t.log.Debug("ledger pruned", "stream", t.report.Stream, "windows", n, "before", before)
	return nil
}

// expire reports whether it finished. What can't be removed is a warning:
// delivery is not affected.
func (t *run) expire(ctx context.Context, q Expirer) bool {
	cut := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		cut, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	warned, warnings, err := q.Expire(cut, t.report.Stream, t.saved.Warned)
	for _, text := range warnings {
		t.warn(text)
	}
	switch {
	case err == nil:
		t.next.Warned = warned
	case cut.Err() != nil && (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)):
		return false
	default:
		t.warn("quarantine could not be tidied: " + err.Error())
	}
	return true
}
