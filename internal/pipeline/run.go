package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// run is the state of one run of a [Runner].
type run struct {
	*Runner
	log     *slog.Logger
	table   string // of the stream
	report  Report
	limits  Limits
	ledger  Ledger
	saved   Checkpoint // as stored
	next    Checkpoint // as it will be stored once everything gathered is delivered
	dirty   bool       // next is ahead of saved
	proven  bool       // the checkpoint can be saved, or need not be
	begins  time.Time  // where a stream without a checkpoint begins
	oldest  time.Time  // event time of the oldest record that the source has shown
	retries atomic.Int64
	cycle   atomic.Int64 // the longest fetch or flush so far, in nanoseconds

	rows      []Record   // conformed, in order, not yet sent
	held      int        // bytes of the pages that they are part of
	lastPage  int        // bytes of the last page
	originals []original // of rows that were changed
	settled   []Record   // not to be sent: in quarantine instead
	releases  []func()   // of the pages that rows are part of
	kept      bool       // something of these pages stays, so none of them is released
	since     time.Time  // when the oldest of them was gathered
	down      error      // why the sink is taken as down for the rest of the run; only with a spool
	unsafe    error      // why the spool could not take something
	// refusedSpool is why the spool was left: the sink refused a record of it before it took any.
	refusedSpool error
	ended        time.Time // when something was first finished behind the end
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

// fetched is what the fetching goroutine hands over: a page, an error, or the
// news that no time is left to fetch another.
type fetched struct {
	page   Page
	size   int64 // what it holds of the allowance for fetching ahead
	err    error
	budget bool
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

// load reads the checkpoint.
func (t *run) load(ctx context.Context) (err error) {
	if t.saved, err = t.Checkpoints.Load(ctx, t.report.Stream); err != nil {
		return err
	}
	t.saved.Audit = t.saved.Audit.modern()
	if t.saved.Tag == "" && t.saved.Cursor == "" && t.Lookback > 0 {
		t.begins = time.Now().Add(-t.Lookback)
	}
	return nil
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
	fetchCtx, stop := context.WithCancel(ctx)
	gatherFor := gatherFor
	if deadline, ok := ctx.Deadline(); ok {
		gatherFor = min(gatherFor, time.Until(deadline)/4)
	}
	pages := make(chan fetched, 64)
	ahead := semaphore.NewWeighted(int64(t.flushBytes()))
	go t.fetchAll(fetchCtx, t.saved.Cursor, pages, ahead)
	// The goroutine must be gone before the report is read, whatever way the run ends.
	defer func() {
		stop()
		for f := range pages { // nothing of it was gathered, so nothing of it is lost
			ahead.Release(f.size)
			t.log.Debug("page fetched ahead is dropped", "stream", t.report.Stream, "records", len(f.page.Records))
		}
		t.report.Retries = t.retries.Load()
	}()

	for f := range pages {
		ahead.Release(f.size)
		if f.budget || f.err != nil {
			// What was fetched before is good; it is delivered first.
			end := t.flush
			if f.budget {
				end = t.finish
			}
			if err := end(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			if f.budget {
				return Budget, nil
			}
			return t.outcome(ctx, f.err)
		}
		if err := t.gather(ctx, f.page); err != nil {
			return t.outcome(ctx, err)
		}
		if f.page.More && t.room() && time.Since(t.since) < gatherFor {
			continue
		}
		if f.page.More {
			if err := t.flush(ctx); err != nil {
				return t.outcome(ctx, err)
			}
			continue
		}
		if err := t.finish(ctx); err != nil {
			return t.outcome(ctx, err)
		}
		return Drained, nil
	}
	// The fetching goroutine left without a word: ctx has ended.
	if err := t.flush(ctx); err != nil {
		return t.outcome(ctx, err)
	}
	return t.outcome(ctx, context.Cause(ctx))
}

// fetchAll sends page after page, and closes the channel behind the last one. It
// fetches ahead of the delivery by as much as a flush holds, so that source and
// sink are both kept busy and memory stays bounded.
func (t *run) fetchAll(ctx context.Context, after Cursor, out chan<- fetched, ahead *semaphore.Weighted) {
	defer close(out)
	defer func() {
		if p := recover(); p != nil {
			out <- fetched{err: t.panicked(p)}
		}
	}()
	send := func(f fetched) bool {
		for _, r := range f.page.Records {
			f.size += int64(len(r.Raw))
		}
		f.size = min(f.size, int64(t.flushBytes()))
		if ahead.Acquire(ctx, f.size) != nil {
			return false
		}
		select {
		case out <- f:
			return f.err == nil && !f.budget
		case <-ctx.Done():
			return false
		}
	}
	for more := true; more; {
		if !t.timeLeft(ctx) {
			send(fetched{budget: true})
			return
		}
		var page Page
		begin := time.Now()
		err := t.Retry.Do(ctx, t.noteRetry("fetch"), func(ctx context.Context) (err error) {
			begin = time.Now()
			page, err = t.Source.Fetch(ctx, after)
			return err
		})
		t.noteCycle(time.Since(begin))
		if !send(fetched{page: page, err: err}) {
			return
		}
		if page.More && page.Next == after && len(page.Records) == 0 {
			send(fetched{err: fmt.Errorf("source %s says that there is more but does not advance", t.report.Stream)})
			return
		}
		after, more = page.Next, page.More
	}
}

// gather takes a page of the tail in.
func (t *run) gather(ctx context.Context, page Page) error {
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

// timeLeft reports whether another fetch, with the delivery that follows it,
// can be expected to end before the deadline.
func (t *run) timeLeft(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx.Err() == nil
	}
	left := time.Until(deadline)
	// Twice the slowest step so far: one fetch and one flush. The floor is for
	// the first page, when nothing is known yet.
	return ctx.Err() == nil && left > max(2*time.Duration(t.cycle.Load()), 100*time.Millisecond)
}

func (t *run) noteCycle(d time.Duration) {
	for {
		old := t.cycle.Load()
		if int64(d) <= old || t.cycle.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// noteRetry counts a repetition, and logs it at debug level: an outage of an
// hour should not fill the log.
func (t *run) noteRetry(op string) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		t.retries.Add(1)
		t.log.Debug("will try again", "stream", t.report.Stream, "op", op, "wait_seconds", wait.Seconds(), "error", err.Error())
	}
}

func (t *run) warn(text string) {
	for _, w := range t.report.Warnings {
		if w == text {
			return
		}
	}
	t.report.Warnings = append(t.report.Warnings, text)
}

// clockOff says why this machine's clock can't be relied on. Neither then is anything audited,
// accepted or pruned, nor does Through move: a moment that has not come yet would be
// taken for covered.
func (t *run) clockOff() error {
	if t.Clock == nil {
		return nil
	}
	return t.Clock.Off()
}

// outcome tells a run that was asked to end from one that failed.
func (t *run) outcome(ctx context.Context, err error) (State, error) {
	if ctx.Err() == nil {
		return Failed, err
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, context.Canceled):
		return Budget, nil // asked to stop
	case errors.Is(cause, context.DeadlineExceeded):
		if t.report.Sent > 0 || t.report.Fetched > 0 && len(t.rows) == 0 && t.retries.Load() == 0 {
			return Budget, nil
		}
		return Failed, fmt.Errorf("nothing was delivered within the time of the run (a longer RUN_BUDGET or smaller BATCH_BYTES gives a slow line more of it): %w", err)
	default: // the lock was lost
		return Failed, fmt.Errorf("run ended early: %w", cause)
	}
}
