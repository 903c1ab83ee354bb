package pipeline

import (
	"context"
	"fmt"
	"time"
)

const (
	// gatherFor is how long pages are gathered at most before a batch that is
	// not full is sent. It is less where the whole run has little time.
	gatherFor = 10 * time.Second
	// gatherBytes is how much is gathered at most to fill several batches.
	gatherBytes = 14 << 20
)

// run is the state of one run of a [Runner].
type run struct {
	*session
	limits Limits
	ledger Ledger
	dirty  bool      // next is ahead of saved
	oldest time.Time // event time of the oldest record that the source has shown

	rows      []Record   // conformed, in order, not yet sent
	held      int        // bytes of the pages that they are part of
	lastPage  int        // bytes of the last page
	originals []original // of rows that were changed
	settled   []Record   // not to be sent: in quarantine instead
	memory    int64      // what the pages gathered have of Memory
	releases  []func()   // of the pages that rows are part of
	kept      bool       // something of these pages stays, so none of them is released
	since     time.Time  // when the oldest of them was gathered
	down      error      // why the sink is taken as down for the rest of the run; only with a spool
	unsafe    error      // why the spool could not take something
	// refusedSpool is why the spool was left: the sink refused a record of it before it took any.
	refusedSpool error
	refused      int       // records refused in a row, with no acknowledgement between
	pending      []refusal // of records that nothing has proved to be at fault yet, see refusal
	undecided    error     // of an audit: a record that was refused alone
	unacked      error     // why the source does not know what is delivered, see Acker
	expected     bool      // refusals say nothing new, see resend
}

// original is a record that was changed to fit the table, as it was.
type original struct {
	rec    Record
	reason Reason
	detail string
}

// all does everything a run has to do: the tail first, since it is what users wait for.
func (t *run) all(ctx context.Context) (State, error) {
	if err := t.load(ctx); err != nil {
		return t.outcome(ctx, err)
	}
	t.next, t.limits, t.ledger = t.saved, t.Sink.Limits(), t.OpenLedger()
	t.warnOfGap()
	t.warnOfFirst()
	ahead := t.future(time.Now())
	if err := t.recommit(ctx); err != nil {
		return t.outcome(ctx, err)
	}
	t.ack(ctx) // the last run may have been killed between the commit and this
	if err := t.drainSpool(ctx); err != nil {
		return t.outcome(ctx, err)
	}
	state, err := t.tail(ctx)
	if err == nil && t.refusedSpool != nil {
		err = t.drainAfterTail(ctx)
	}
	if err == nil && t.unsafe != nil {
		return Failed, t.unsafe
	}
	if err == nil && t.down != nil {
		return Failed, fmt.Errorf("%w; records that the source may forget are safe in the spool (%d in this run)", t.down, t.report.Spooled)
	}
	if off := t.clockOff(); err == nil && off != nil {
		t.warn("nothing was audited or pruned: " + off.Error())
		return Failed, off
	}
	if state == Drained {
		if err := t.audit(ctx); err != nil {
			state, err = t.outcome(ctx, err)
			return state, err
		}
		if err := t.prune(ctx); err != nil {
			return t.outcome(ctx, err)
		}
	}
	if err == nil && t.undecided != nil {
		return Failed, t.undecided
	}
	if err == nil && t.unacked != nil {
		return Failed, fmt.Errorf("everything up to the checkpoint is delivered, but the source could not be told so and keeps it; the next run tells it again: %w", t.unacked)
	}
	if err == nil && ahead != nil {
		return Failed, ahead
	}
	return state, err
}

// warnOfGap says that the source may have forgotten records that nobody has read.
func (t *run) warnOfGap() {
	last := t.saved.Through
	if t.Remembers == 0 || last.IsZero() || time.Since(last) <= t.Remembers {
		return
	}
	t.warn(fmt.Sprintf("the source keeps records for %.0f h and was last read to its end at %s: some that came behind that may be lost; "+
		"an alert on lag_seconds of the health table tells of it in time", t.Remembers.Hours(), last.UTC().Format(time.RFC3339)))
}

// tail walks the stream from the checkpoint to its end. The next pages are
// fetched while the last ones are delivered; everything else happens in order in
// this goroutine.
func (t *run) tail(ctx context.Context) (State, error) {
	gatherFor := gatherFor
	if deadline, ok := ctx.Deadline(); ok {
		gatherFor = min(gatherFor, time.Until(deadline)/4)
	}
	r := t.read(ctx, t.saved.Cursor, t.flushBytes())
	defer func() {
		r.close()
		t.forgetPages()
		t.report.Retries = t.retries.Load()
	}()
	for {
		f, ok := r.next()
		switch {
		case !ok: // ctx has ended
			if err := t.flush(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			return t.outcome(ctx, context.Cause(ctx))
		case f.err != nil: // what was fetched before is good; it is delivered first
			if err := t.flush(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			return t.outcome(ctx, f.err)
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
		case f.page.More && f.alone:
			if err := t.flush(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			r.delivered(f)
		case f.page.More && t.room() && time.Since(t.since) < gatherFor:
		case f.page.More:
			if err := t.flush(ctx); err != nil {
				return t.outcome(ctx, err)
			}
		default:
			if err := t.finish(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			return Drained, nil
		}
	}
}

// outcome tells a run that was asked to end from one that failed.
func (t *run) outcome(ctx context.Context, err error) (State, error) {
	return t.session.outcome(ctx, err, len(t.rows))
}

// gather takes a page of the tail in.
func (t *run) gather(ctx context.Context, f fetched) error {
	page := f.page
	t.memory += f.held
	if !t.dirty {
		t.since = time.Now()
	}
	fresh, err := t.take(ctx, page.Records)
	if err != nil {
		return err
	}
	known := 0
	for _, is := range fresh {
		if !is {
			known++
		}
	}
	t.lastPage = 0
	for _, r := range page.Records {
		t.lastPage += len(r.Raw) + 1
	}
	t.hold(page, known)
	t.report.Fetched += int64(len(page.Records))
	t.report.Duplicates += int64(known)
	t.next.Cursor, t.dirty = page.Next, true
	if t.next.Since.IsZero() {
		t.next.Since = page.From
	}
	if t.clockOff() == nil {
		t.next.Through = t.through(page.Through)
	}
	for _, w := range page.Warnings {
		t.warn(w)
	}
	return nil
}

// hold notes what of a page is still needed.
func (t *run) hold(page Page, known int) {
	switch {
	case known < len(page.Records): // one record keeps all of its page in memory
		t.held += t.lastPage
		if page.Release != nil {
			t.releases = append(t.releases, page.Release)
		}
	case page.Release != nil:
		page.Release()
	}
	if t.held == 0 {
		t.forgetPages()
	}
}

// forgetPages gives back what the pages gathered so far have of the process's memory.
func (t *run) forgetPages() {
	t.Memory.give(t.memory)
	t.memory = 0
}

// releasePages gives the memory of pages back once all of it is settled. What is in
// quarantine or in the spool may still be on its way to there: the state's client is not
// bound to let go of it when it returns.
func (t *run) releasePages() {
	if !t.kept {
		for _, release := range t.releases {
			release()
		}
	}
	t.forgetPages()
	clear(t.releases)
	t.releases, t.kept = t.releases[:0], false
}

// take drops what the ledger knows, makes the rest fit the table and queues it.
func (t *run) take(ctx context.Context, records []Record) (fresh []bool, err error) {
	if fresh, err = t.ledger.Claim(ctx, records); err != nil {
		return nil, err
	}
	for i, rec := range records {
		if !rec.Time.IsZero() && (t.oldest.IsZero() || rec.Time.Before(t.oldest)) {
			t.oldest = rec.Time
		}
		switch {
		case !fresh[i]:
		case rec.Flaw != "":
			t.warnOfUnreadable(rec)
			fallthrough
		default:
			t.admit(rec)
		}
	}
	return fresh, nil
}

// admit queues a new record for the sink, or for quarantine if no row can be made of it.
func (t *run) admit(rec Record) {
	f := Fit(t.Sink, t.table, rec)
	if f.Reason != "" {
		t.reject(rec, f.Reason, f.Detail)
		return
	}
	if f.Changes != "" {
		t.report.Conformed++
		t.originals = append(t.originals, original{rec, Conformed, f.Changes})
	}
	t.rows = append(t.rows, f.Row)
}

// warnOfUnreadable says so once in a run; the log has each.
func (t *run) warnOfUnreadable(rec Record) {
	t.warn("the source sent records that can't be read; what came of them is in quarantine, and the stream goes on: " +
		`look at them with "idnsentinel quarantine list --reason unreadable"`)
	t.log.Warn("record can't be read", "stream", t.report.Stream, "record_id", shown(rec.ID), "reason", rec.Flaw, "bytes", len(rec.Raw))
}

// shown is an id for a log: one from outside may be of any length.
func shown(id string) string { return fmt.Sprintf("%.100q", id) }

// reject sends a record to quarantine instead of to the sink.
func (t *run) reject(rec Record, why Reason, detail string) {
	t.originals = append(t.originals, original{rec, why, detail})
	t.settled = append(t.settled, rec)
	t.report.Quarantined++
}

// room reports whether another page like the last one can be gathered: one too many
// would go out as a small batch behind the full ones.
func (t *run) room() bool { return t.held+t.lastPage <= several(t.batchBytes(), t.limits) }

// flushBytes is what a flush delivers in one go, as the sink saw it when the run began.
func (t *run) flushBytes() int { return several(t.firstBatch(), t.limits) }

// several is the size of as many batches as may be on their way at a time, within
// what is held in memory.
func several(batch int, l Limits) int {
	return batch * max(min(l.Parallel, gatherBytes/batch), 1)
}

// batchBytes is the size of a batch as the sink sees it now: it may have learned.
func (t *run) batchBytes() int {
	if n := t.Sink.Limits().BatchBytes; n > 0 {
		return n
	}
	return t.firstBatch()
}

// firstBatch is the size of a batch as it was when the run began.
func (t *run) firstBatch() int {
	if t.limits.BatchBytes > 0 {
		return t.limits.BatchBytes
	}
	return 4 << 20
}
