package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// spoolAfter is how many attempts of a write are made before the spool takes
// the batch: some seconds, so that the rest of the run can read on what the
// source is about to forget.
const spoolAfter = 4

// settle acts on the outcome of writing a batch. Where there is a spool and the
// sink is down, the spool takes what was not delivered.
func (t *run) settle(ctx context.Context, batch []Record, outcome error) error {
	if t.Spool == nil {
		return t.conclude(ctx, batch, outcome, false, t.remember)
	}
	open := map[string]bool{} // not yet settled
	for _, r := range batch {
		open[r.ID] = true
	}
	var forgot error // of the ledger: then not the sink is at fault, and the spool is no help
	err := t.conclude(ctx, batch, outcome, false, func(ctx context.Context, done []Record) error {
		for _, r := range done {
			delete(open, r.ID)
		}
		forgot = t.remember(ctx, done)
		return forgot
	})
	// A run that was asked to stop just reads again next time. One that ran out
	// of time in front of a sink that hangs would never get further.
	stopped := ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded)
	if err == nil || stopped || forgot != nil {
		return err
	}
	if t.down == nil {
		t.down = err
	}
	t.pending = slices.DeleteFunc(t.pending, func(r refusal) bool { return open[r.row.ID] }) // the spool has them
	rest := make([]Record, 0, len(open))
	for _, r := range batch {
		if open[r.ID] {
			rest = append(rest, r)
		}
	}
	return t.spool(ctx, rest)
}

// spool stores a batch and remembers it as delivered: from here on the spool
// answers for it. Neither is cut by the end of the run.
func (t *run) spool(ctx context.Context, batch []Record) error {
	if len(batch) == 0 {
		return nil
	}
	t.kept = true
	put, cancel := t.pace.detached(ctx)
	defer cancel()
	if err := t.Spool.Put(put, t.report.Stream, batch); err != nil {
		t.unsafe = fmt.Errorf("%w (and the spool could not take it: %w)", t.down, err)
		return t.unsafe
	}
	t.report.Spooled += int64(len(batch))
	// With a time of its own: what is in the spool and not in the ledger comes twice.
	return t.remember(context.WithoutCancel(ctx), batch)
}

// drainSpool delivers what earlier runs could not. When that fails the run goes
// on reading, because the source forgets.
func (t *run) drainSpool(ctx context.Context) error {
	if t.Spool == nil {
		return nil
	}
	begin := time.Now()
	outer := ctx
	if deadline, ok := ctx.Deadline(); ok {
		// A sink that hangs must leave time to read what the source may forget.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/4)
		defer cancel()
	}
	err := t.Spool.Drain(ctx, t.report.Stream, func(ctx context.Context, batch []Record) error {
		if batch = t.Uncommitted.unsent(batch); len(batch) == 0 {
			return nil // an earlier run could not remove it
		}
		// These are in the ledger already, unless the run that spooled them failed before
		// it could say so: then the source would bring them once more.
		if _, err := t.ledger.Claim(ctx, batch); err != nil {
			return err
		}
		if err := t.prove(ctx, batch); err != nil {
			return err
		}
		err := t.deliver(ctx, batch, false, func(ctx context.Context, done []Record) error {
			t.Uncommitted.sentFromSpool(done)
			return t.remember(ctx, done)
		})
		if err != nil {
			t.pending = nil
			return err
		}
		return t.decide(ctx) // without proof the batch stays in the spool
	})
	if err == nil {
		t.Uncommitted.spoolIsEmpty()
	}
	if outer.Err() == nil {
		t.pace.ended = time.Time{} // that was the end of the drain, not of the run
	}
	var refused *unproven
	if errors.As(err, &refused) && outer.Err() == nil && t.refusedSpool == nil {
		// The tail may bring the proof, so it must not be held up by the spool.
		t.refusedSpool = err
		return nil
	}
	if err != nil && outer.Err() == nil {
		// The sink is down, or an object of the spool can't be read. Either way
		// what comes now goes behind it, and is safe there.
		t.down = err
		t.log.Debug("spool is waiting", "stream", t.report.Stream, "seconds", time.Since(begin).Seconds(), "error", err.Error())
		return nil
	}
	return err
}

// drainAfterTail tries the spool again that was left because of a refusal, once the
// tail has shown whether the sink takes other records.
func (t *run) drainAfterTail(ctx context.Context) error {
	if t.report.Batches == 0 || t.down != nil {
		if t.down == nil {
			t.down = t.refusedSpool
		}
		return nil
	}
	return t.drainSpool(ctx)
}
