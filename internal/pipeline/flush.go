package pipeline

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

// refusedLimit is how many single records may be refused in a row before the
// run takes it that not the records are at fault but the setup.
const refusedLimit = 100

// flush delivers everything gathered and then moves the checkpoint, unless a refusal
// is pending.
func (t *run) flush(ctx context.Context) error {
	if !t.dirty {
		return nil
	}
	if err := t.deliverAll(ctx); err != nil {
		return err
	}
	if len(t.pending) > 0 { // the checkpoint stays in front of them
		t.since = time.Now()
		return nil
	}
	if err := t.saveCheckpoint(ctx); err != nil {
		return err
	}
	t.dirty = false
	t.ack(ctx)
	if t.Progress != nil {
		t.report.LagSeconds = t.lag()
		t.Progress(t.report)
	}
	return nil
}

// ack tells a source that wants to know it what is delivered. What it could not be told
// the next commit tells, or the next run when it begins.
func (t *run) ack(ctx context.Context) {
	src, ok := t.Source.(Acker)
	if !ok || t.saved.Tag == "" || t.saved.Cursor == "" {
		return
	}
	err := t.Retry.Do(ctx, t.countRetry("acknowledge"), func(ctx context.Context) error {
		return src.Ack(ctx, t.saved.Cursor)
	})
	if err != nil && ctx.Err() != nil {
		return // the end of the run is not the source's fault
	}
	t.unacked = err
}

// deliverAll delivers what is queued.
//
// The order is what the promises rest on: a proof that the state can be written,
// originals into quarantine, rows to the sink, each acknowledged batch into the ledger, and only then, by the
// caller, the checkpoint. A step that fails leaves all later ones undone.
func (t *run) deliverAll(ctx context.Context) error {
	begin := time.Now()
	defer func() { t.pace.step(time.Since(begin)) }()
	ctx, cancel := graceful(ctx)
	defer cancel()

	if err := t.prove(ctx, t.rows); err != nil {
		return err
	}
	if err := t.keepOriginals(ctx); err != nil {
		return err
	}
	if err := t.deliverRows(ctx); err != nil {
		return err
	}
	if err := t.remember(ctx, t.settled); err != nil {
		return err
	}
	clear(t.rows) // lets go of the pages
	t.rows, t.held, t.originals, t.settled = t.rows[:0], 0, nil, nil
	t.releasePages()
	return nil
}

// deliverRows writes the queued rows, several batches at a time if the sink
// allows it, and settles them one by one in their order. Writing alone is
// concurrent: an answer takes long, and everything else is quick.
func (t *run) deliverRows(ctx context.Context) error {
	writing, cut := context.WithCancel(ctx)
	var (
		waiting = t.cut()
		flying  []posted
		failed  error
	)
	defer func() {
		cut()
		for _, p := range flying { // a panic: nothing may be on its way when the lock is given back
			if err := <-p.outcome; err != nil {
				t.log.Debug("batch on its way was cut", "stream", t.report.Stream, "error", err.Error())
			}
		}
	}()
	for len(waiting) > 0 || len(flying) > 0 {
		for failed == nil && t.down == nil && len(waiting) > 0 && len(flying) < max(t.limits.Parallel, 1) {
			flying = append(flying, t.post(writing, waiting[0]))
			waiting = waiting[1:]
		}
		switch {
		case len(flying) > 0:
			p := flying[0]
			flying = flying[1:]
			// Halves of what was refused are cut, too.
			err := t.settle(writing, p.batch, t.fresh(writing, p, <-p.outcome))
			if err != nil && failed == nil {
				// No further one is begun. Those on their way get a moment: an answer that comes
				// is a batch that need not be repeated.
				failed, waiting = err, nil
				defer time.AfterFunc(writeGrace, cut).Stop()
			}
		default: // the sink is down
			if err := t.spool(ctx, waiting[0]); err != nil {
				return err
			}
			waiting = waiting[1:]
		}
	}
	if failed != nil {
		t.pending = nil // read again by the next run
		return failed
	}
	return t.settleRefusals(ctx)
}

// posted is a batch on its way.
type posted struct {
	batch   []Record
	outcome <-chan error
	proven  bool // the sink had taken another record before
}

// fresh is the outcome of a batch, asked for again if it is the refusal of a single
// record from before the first acknowledgement: the workspace may have been set right
// meanwhile, and then the acknowledgement proves nothing about that record.
func (t *run) fresh(ctx context.Context, p posted, outcome error) error {
	var rejected *Rejected
	if len(p.batch) == 1 && !p.proven && t.takesOthers() && errors.As(outcome, &rejected) {
		return t.write(ctx, p.batch)
	}
	return outcome
}

// post begins to write a batch.
func (t *run) post(ctx context.Context, batch []Record) posted {
	outcome, proven := make(chan error, 1), t.takesOthers()
	go func() {
		defer func() {
			if p := recover(); p != nil {
				outcome <- t.panicked(p)
			}
		}()
		outcome <- t.write(ctx, batch)
	}()
	return posted{batch, outcome, proven}
}

// cut makes batches of the queued rows.
func (t *run) cut() (batches [][]Record) {
	for rest := t.rows; len(rest) > 0; {
		n := t.fill(rest)
		batches = append(batches, rest[:n])
		rest = rest[n:]
	}
	return batches
}

// fill is the number of leading rows that make a batch.
func (t *run) fill(rows []Record) int {
	size, most := 0, t.Sink.Limits().BatchBytes
	for i, r := range rows {
		size += len(r.Raw) + 1
		if i > 0 && most > 0 && size > most {
			return i
		}
	}
	return len(rows)
}

// deliver writes a batch and goes on as [run.conclude] does.
func (t *run) deliver(ctx context.Context, batch []Record, halved bool, settled func(context.Context, []Record) error) error {
	return t.conclude(ctx, batch, t.write(ctx, batch), halved, settled)
}

// conclude acts on the outcome of writing a batch. It delivers in pieces what the
// sink refused, and calls settled for each piece that was acknowledged or put
// into quarantine. halved says that the batch is half of one that was refused for
// a reason that may be its size.
func (t *run) conclude(ctx context.Context, batch []Record, err error, halved bool, settled func(context.Context, []Record) error) error {
	if err == nil {
		t.report.Sent += int64(len(batch))
		t.report.Batches++
		t.refused = 0
		if err := settled(ctx, batch); err != nil {
			// Only of what the sink has: spool and quarantine answer for the rest, and are
			// gone where the state is.
			t.Uncommitted.add(batch)
			return err
		}
		return nil
	}
	var rejected *Rejected
	if !errors.As(err, &rejected) || rejected.Ambiguous && halved {
		return err
	}
	if len(batch) > refusedLimit && !t.takesOthers() {
		if batch, err = t.lookForProof(ctx, batch, settled); err != nil {
			return err
		}
	}
	if len(batch) > 1 {
		mid := len(batch) / 2
		for _, half := range [][]Record{batch[:mid], batch[mid:]} {
			if err := t.deliver(ctx, half, rejected.Ambiguous, settled); err != nil {
				return err
			}
		}
		return nil
	}
	if rejected.Ambiguous {
		return err
	}
	return t.refuse(ctx, batch[0], err, settled)
}

// write is one Write with its retries.
func (t *run) write(ctx context.Context, batch []Record) error {
	policy := t.Retry
	if t.Spool != nil && policy.MaxAttempts == 0 {
		policy.MaxAttempts = spoolAfter
	}
	return policy.Do(ctx, t.countRetry("write"), func(ctx context.Context) error {
		return t.Sink.Write(ctx, t.table, batch)
	})
}

// keepOriginals stores the untouched originals of this flush.
func (t *run) keepOriginals(ctx context.Context) error {
	t.kept = t.kept || len(t.originals) > 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, o := range t.originals {
		g.Go(func() error {
			return t.Quarantine.Put(ctx, t.report.Stream, o.rec, o.reason, o.detail)
		})
	}
	return g.Wait()
}

// remember commits delivered records to the ledger. The run's end does not cut it.
func (t *run) remember(ctx context.Context, delivered []Record) error {
	if len(delivered) == 0 {
		return nil
	}
	ctx, cancel := t.pace.detached(ctx)
	defer cancel()
	return t.ledger.Commit(ctx, delivered)
}
