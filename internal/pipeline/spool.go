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

// spooler takes what the sink does not, where the stream has a spool.
type spooler struct {
	store    Spool // nil: there is none
	d        *delivery
	sinkErr  error // why the sink counts as down for the rest of the run
	spoolErr error // why the spool could not take something
	// refused is why the spool was left: the sink refused a record of it before it took any.
	refused error
}

// err is the failure of a run whose records are in the spool, or not even there.
func (s *spooler) err() error {
	switch {
	case s.spoolErr != nil:
		return s.spoolErr
	case s.sinkErr != nil:
		return fmt.Errorf("%w; records that the source may delete are safe in the spool (%d in this run)", s.sinkErr, s.d.report.Spooled)
	}
	return nil
}

// down marks the sink as down for the rest of the run. The first reason counts.
func (s *spooler) down(err error) {
	if s.sinkErr == nil {
		s.sinkErr = err
	}
}

// takeOver stores those records of a batch that are open after its write failed.
func (s *spooler) takeOver(ctx context.Context, batch []Record, open map[string]bool, err error) error {
	s.down(err)
	s.d.refusals.pending = slices.DeleteFunc(s.d.refusals.pending, func(r refusal) bool { return open[r.row.ID] }) // the spool has them
	rest := make([]Record, 0, len(open))
	for _, r := range batch {
		if open[r.ID] {
			rest = append(rest, r)
		}
	}
	return s.put(ctx, rest)
}

// put stores a batch and remembers it as delivered: the spool now owns it. Neither step is
// cancelled when the run ends.
func (s *spooler) put(ctx context.Context, batch []Record) error {
	if len(batch) == 0 {
		return nil
	}
	d := s.d
	d.pages.keep()
	put, cancel := d.pace.detached(ctx)
	defer cancel()
	if err := s.store.Put(put, d.report.Stream, batch); err != nil {
		s.spoolErr = fmt.Errorf("%w (and it could not be spooled: %w)", s.sinkErr, err)
		return s.spoolErr
	}
	d.report.Spooled += int64(len(batch))
	// With a time of its own: what is in the spool and not in the ledger comes twice.
	return d.remember(context.WithoutCancel(ctx), batch)
}

// drain delivers what earlier runs could not. When that fails the run continues
// to read, because the source forgets.
func (s *spooler) drain(ctx context.Context) error {
	if s.store == nil {
		return nil
	}
	d, begin := s.d, time.Now()
	outer := ctx
	if deadline, ok := ctx.Deadline(); ok {
		// A sink that hangs must leave time to read what the source may forget.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/4)
		defer cancel()
	}
	err := s.store.Drain(ctx, d.report.Stream, s.deliver)
	if err == nil {
		d.carried.spoolIsEmpty()
	}
	if outer.Err() == nil {
		d.pace.ended = time.Time{} // that was the end of the drain, not of the run
	}
	var refused *unproven
	switch {
	case err == nil || outer.Err() != nil:
		return err
	case errors.As(err, &refused) && s.refused == nil:
		// The tail may bring the proof, so it must not be held up by the spool.
		s.refused = err
	default:
		// The sink is down, or an object of the spool can't be read. Either way
		// what comes now is stored after it, and is safe there.
		s.sinkErr = err
		d.log.Debug("spool is waiting", "stream", d.report.Stream, "seconds", time.Since(begin).Seconds(), "error", err.Error())
	}
	return nil
}

// deliver delivers a batch of the spool.
func (s *spooler) deliver(ctx context.Context, batch []Record) error {
	d := s.d
	if batch = d.carried.unsent(batch); len(batch) == 0 {
		return nil // an earlier run could not remove it, or it is there twice
	}
	// These are in the ledger already, unless the run that spooled them failed before
	// it could say so: then the source would bring them once more.
	if _, err := d.ledger.Claim(ctx, batch); err != nil {
		return err
	}
	if err := d.prove(ctx, batch); err != nil {
		return err
	}
	err := d.deliverBatch(ctx, batch, false, func(ctx context.Context, done []Record) error {
		d.carried.sent(done)
		return d.remember(ctx, done)
	})
	if err != nil {
		d.refusals.pending = nil
		return err
	}
	return d.refusals.decide(ctx) // without proof the batch stays in the spool
}

// drainAfterTail tries the spool again that was left because of a refusal, once the
// tail has shown whether the sink takes other records.
func (s *spooler) drainAfterTail(ctx context.Context) error {
	if s.refused == nil {
		return nil
	}
	if s.d.report.Batches > 0 && s.sinkErr == nil {
		return s.drain(ctx)
	}
	s.down(s.refused)
	return nil
}
