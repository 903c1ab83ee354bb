package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// gatherFor is how long pages are gathered at most before a batch that is
// not full is sent. It is less where the whole run has little time.
const gatherFor = 10 * time.Second

// run is one run of a [Runner]: a reader fetches, a delivery brings the records to where they are
// safe, the checkpoint follows, and an auditor looks for what came late.
type run struct {
	*session
	delivery *delivery
	dirty    bool      // next is ahead of saved
	since    time.Time // when the oldest page that is gathered was
	// incomplete is why the last page may not be the end.
	incomplete error
	ackErr     error // why the source does not know what is delivered, see Acker
}

// run does everything a run has to do: the tail first, since it is what users wait for.
func (s *session) run(ctx context.Context) (State, error) {
	if err := s.load(ctx); err != nil {
		return s.outcome(ctx, err, 0)
	}
	s.next = s.saved
	s.warnOfGap()
	s.warnOfFirst()
	t := &run{session: s, delivery: newDelivery(s, s.OpenLedger())}
	return t.all(ctx)
}

func (t *run) all(ctx context.Context) (State, error) {
	d := t.delivery
	ahead := t.future(time.Now())
	if err := d.recommit(ctx); err != nil {
		return t.outcome(ctx, err)
	}
	t.ack(ctx) // the last run may have been killed between the commit and this
	if err := d.spool.drain(ctx); err != nil {
		return t.outcome(ctx, err)
	}
	state, err := t.tail(ctx)
	if err != nil {
		return state, err
	}
	if err := d.spool.drainAfterTail(ctx); err != nil {
		return t.outcome(ctx, err)
	}
	if err := d.spool.err(); err != nil {
		return Failed, err
	}
	if off := t.clockOff(); off != nil {
		t.warn("nothing was audited or pruned: " + off.Error())
		return Failed, off
	}
	a := &auditor{session: t.session, delivery: d}
	if state == Drained {
		if err := a.audit(ctx); err != nil {
			return t.outcome(ctx, err)
		}
		if err := t.prune(ctx); err != nil {
			return t.outcome(ctx, err)
		}
	}
	switch {
	case a.undecided != nil:
		return Failed, a.undecided
	case a.unread != nil:
		return Failed, a.unread
	case t.incomplete != nil:
		return Failed, t.incomplete
	case t.ackErr != nil:
		return Failed, fmt.Errorf("everything up to the checkpoint is delivered, but the source could not be notified and keeps it; the next run notifies it again: %w", t.ackErr)
	case ahead != nil:
		return Failed, ahead
	}
	return state, nil
}

// tail walks the stream from the checkpoint to its end. The next pages are
// fetched while the last ones are delivered; everything else happens in order in
// this goroutine.
func (t *run) tail(ctx context.Context) (State, error) {
	gatherFor := gatherFor
	if deadline, ok := ctx.Deadline(); ok {
		gatherFor = min(gatherFor, time.Until(deadline)/4)
	}
	sizes := t.delivery.sizes
	r := newReader(ctx, t.session, t.saved.Cursor, sizes.several(sizes.first()))
	defer func() {
		r.close()
		t.delivery.pages.forget(t.Memory)
		t.report.Retries = t.retries.Load()
	}()
	for {
		var moment <-chan time.Time
		if t.dirty {
			moment = time.After(time.Until(t.since.Add(gatherFor)))
		}
		f, ok, late := r.next(moment)
		if late { // the source takes its time, or hangs: what is gathered goes without it
			if err := t.flush(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			continue
		}
		switch {
		case !ok: // ctx has ended
			if err := t.flush(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			return t.unanswered(ctx, context.Cause(ctx))
		case f.err != nil: // what was fetched before is good; it is delivered first
			if err := t.flush(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			return t.unanswered(ctx, f.err)
		case f.budget:
			if err := t.finish(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			return Budget, nil
		}
		if err := t.gather(ctx, f); err != nil {
			return t.outcome(ctx, err)
		}
		switch {
		case !f.page.More:
			if err := t.finish(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			return Drained, nil
		case f.alone:
			if err := t.flush(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			r.delivered(f)
		case !t.room() || time.Since(t.since) >= gatherFor:
			if err := t.flush(ctx); err != nil {
				return t.outcome(ctx, err)
			}
		}
	}
}

// outcome distinguishes a run that was asked to end from one that failed.
func (t *run) outcome(ctx context.Context, err error) (State, error) {
	return t.session.outcome(ctx, err, len(t.delivery.rows))
}

// unanswered is the outcome if the tail got no further page. If it got none at all until the
// deadline, that is the source's fault, and not that of the way to the sink.
func (t *run) unanswered(ctx context.Context, err error) (State, error) {
	late := errors.Is(context.Cause(ctx), context.DeadlineExceeded)
	if late && t.report.Fetched > 0 && t.report.Sent == 0 && len(t.delivery.rows) == 0 && t.retries.Load() > 0 {
		// All that it gave was delivered before, so nothing was sent, and that is not the sink's fault.
		return Failed, fmt.Errorf("the source did not answer with another page before the run's deadline; the next run tries again: %w", err)
	}
	if late && t.report.Fetched == 0 {
		return Failed, fmt.Errorf("the source did not answer with a page before the run's deadline; the next run tries again; if it is only slow, raise RUN_BUDGET: %w", err)
	}
	return t.outcome(ctx, err)
}

// gather takes a page of the tail in.
func (t *run) gather(ctx context.Context, f fetched) error {
	d, page := t.delivery, f.page
	if !t.dirty {
		t.since = time.Now()
	}
	fresh, err := d.enqueue(ctx, page.Records)
	if err != nil {
		t.Memory.give(f.held)
		return err
	}
	known := 0
	for _, is := range fresh {
		if !is {
			known++
		}
	}
	d.pages.hold(f, known, t.Memory)
	t.report.Fetched += int64(len(page.Records))
	t.report.Duplicates += int64(known)
	t.next.Cursor, t.dirty = page.Next, true
	if since := t.next.Since; since.IsZero() || since.After(time.Now().Add(clockSlack)) {
		t.next.Since = page.From
	}
	if t.clockOff() == nil {
		t.next.Through = t.through(page.Through)
	}
	for _, w := range page.Warnings {
		t.warn(w)
	}
	t.incomplete = page.Incomplete
	return nil
}

// room reports whether another page like the last one can be gathered: one too many
// would be sent as a small batch after the full ones.
func (t *run) room() bool {
	d := t.delivery
	return d.pages.held+d.pages.last <= d.sizes.several(d.sizes.batch())
}

// flush delivers everything gathered and then moves the checkpoint, unless a refusal
// is pending.
func (t *run) flush(ctx context.Context) error {
	if !t.dirty {
		return nil
	}
	if err := t.delivery.deliver(ctx); err != nil {
		return err
	}
	if len(t.delivery.refusals.pending) > 0 { // the checkpoint stays before them
		t.since = time.Now()
		return nil
	}
	if t.Saving != nil {
		t.Saving(t.report)
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

// finish is the flush at the end of the tail. What is pending then goes into the spool,
// where there is one; otherwise the run fails and the next one sends it again.
func (t *run) finish(ctx context.Context) error {
	d := t.delivery
	if err := t.flush(ctx); err != nil || len(d.refusals.pending) == 0 {
		return err
	}
	rows := make([]Record, len(d.refusals.pending))
	for i, r := range d.refusals.pending {
		rows[i] = r.row
	}
	err := d.refusals.decide(ctx)
	if d.spool.store == nil {
		return err
	}
	d.spool.down(err)
	if err := d.spool.put(ctx, rows); err != nil {
		return err
	}
	return t.flush(ctx)
}

// ack notifies a source that asked for it of what is delivered. What fails here is covered by
// the next commit, or by the next run when it begins.
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
	t.ackErr = err
}
