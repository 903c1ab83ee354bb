package pipeline

import (
	"context"
	"errors"
	"time"
)

// inFlight is a batch that is being written.
type inFlight struct {
	batch  []Record
	result <-chan error
}

// sendRows writes the queued rows, several batches at a time if the sink
// allows it, and handles the results one by one in their order. Writing alone is
// concurrent: an answer takes long, and everything else is quick.
func (d *delivery) sendRows(ctx context.Context) error {
	writing, cut := context.WithCancel(ctx)
	var (
		pending = d.sizes.batches(d.rows)
		active  []inFlight
		failed  error
	)
	defer func() {
		cut()
		for _, f := range active { // only after a panic: wait for writes before the lock is released
			if err := <-f.result; err != nil {
				d.log.Debug("batch in flight was cut", "stream", d.report.Stream, "error", err.Error())
			}
		}
	}()
	for len(pending) > 0 || len(active) > 0 {
		for failed == nil && d.spool.sinkErr == nil && len(pending) > 0 && len(active) < d.sizes.parallel() {
			active = append(active, d.begin(writing, pending[0]))
			pending = pending[1:]
		}
		switch {
		case len(active) > 0:
			f := active[0]
			active = active[1:]
			// Halves of what was refused are cut, too.
			err := d.handleResult(writing, f.batch, <-f.result)
			if err != nil && failed == nil {
				// Start no more batches; those in flight get a moment: an answer that comes is
				// a batch that need not be repeated.
				failed, pending = err, nil
				defer time.AfterFunc(writeGrace, cut).Stop()
			}
		default: // the sink is down
			if err := d.spool.put(ctx, pending[0]); err != nil {
				return err
			}
			pending = pending[1:]
		}
	}
	if failed != nil {
		d.refusals.pending = nil // read again by the next run
		return failed
	}
	return d.refusals.retryPending(ctx)
}

// begin begins to write a batch.
func (d *delivery) begin(ctx context.Context, batch []Record) inFlight {
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- d.panicked(p)
			}
		}()
		result <- d.write(ctx, batch)
	}()
	return inFlight{batch, result}
}

// handleResult acts on the result of writing a batch. Where there is a spool and the
// sink is down, the spool takes what was not delivered.
func (d *delivery) handleResult(ctx context.Context, batch []Record, result error) error {
	if d.spool.store == nil {
		return d.resolve(ctx, batch, result, false, d.remember)
	}
	open := map[string]bool{} // not yet delivered
	for _, r := range batch {
		open[r.ID] = true
	}
	var ledgerErr error // then the sink is not at fault, and the spool does not help
	err := d.resolve(ctx, batch, result, false, func(ctx context.Context, done []Record) error {
		for _, r := range done {
			delete(open, r.ID)
		}
		if ledgerErr = d.remember(ctx, done); ledgerErr == nil && d.spool.refused != nil {
			d.carried.sent(done)
		}
		return ledgerErr
	})
	// A run that was asked to stop just reads again next time. One that ran out
	// of time while the sink hangs would never get further.
	stopped := ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded)
	if err == nil || stopped || ledgerErr != nil {
		return err
	}
	return d.spool.takeOver(ctx, batch, open, err)
}

// deliverBatch writes a batch and continues as [delivery.resolve] does.
func (d *delivery) deliverBatch(ctx context.Context, batch []Record, halved bool, onDone func(context.Context, []Record) error) error {
	return d.resolve(ctx, batch, d.write(ctx, batch), halved, onDone)
}

// resolve acts on the result of writing a batch. It delivers in pieces what the
// sink refused, and calls onDone for each piece that was acknowledged or put
// into quarantine. halved says that the batch is half of one that was refused for
// a reason that may be its size.
func (d *delivery) resolve(ctx context.Context, batch []Record, err error, halved bool, onDone func(context.Context, []Record) error) error {
	if err == nil {
		d.report.Sent += int64(len(batch))
		d.report.Batches++
		d.refusals.inRow = 0
		if err := onDone(ctx, batch); err != nil {
			// Only of what the sink has: spool and quarantine answer for the rest, and are
			// gone where the state is.
			d.carried.add(batch)
			return err
		}
		return nil
	}
	var rejected *Rejected
	if !errors.As(err, &rejected) || rejected.Ambiguous && halved {
		return err
	}
	if len(batch) > refusedLimit && !d.refusals.proven() {
		if batch, err = d.refusals.lookForProof(ctx, batch, onDone); err != nil {
			return err
		}
	}
	if len(batch) > 1 {
		mid := len(batch) / 2
		for _, half := range [][]Record{batch[:mid], batch[mid:]} {
			if err := d.deliverBatch(ctx, half, rejected.Ambiguous, onDone); err != nil {
				return err
			}
		}
		return nil
	}
	if rejected.Ambiguous {
		return err
	}
	return d.refusals.add(ctx, batch[0], err, onDone)
}

// write is one Write with its retries.
func (d *delivery) write(ctx context.Context, batch []Record) error {
	policy := d.Retry
	if d.spool.store != nil && policy.MaxAttempts == 0 {
		policy.MaxAttempts = spoolAfter
	}
	return policy.Do(ctx, d.countRetry("write"), func(ctx context.Context) error {
		return d.Sink.Write(ctx, d.table, batch)
	})
}
