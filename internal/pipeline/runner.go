package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
)

// Runner runs one stream. The adapters are required, the rest has useful zero values.
type Runner struct {
	Source      Source
	Sink        Sink
	Locks       Locks
	Checkpoints Checkpoints
	// OpenLedger opens the stream's ledger for one run.
	OpenLedger func() Ledger
	Quarantine Quarantine
	// Spool, if set, takes what the sink does not, so that the checkpoint can move
	// on before the source forgets. The run counts as failed all the same.
	Spool Spool
	// Uncommitted, if set, carries from run to run what was acknowledged and could not be
	// committed.
	Uncommitted *Uncommitted
	// Remembers is how long the source keeps a record; 0 means for ever. A run that
	// comes later than that after the last that read to the end warns of what may be lost.
	Remembers time.Duration
	// Clock, if set, is asked before anything that a wrong clock would make destructive: a run
	// whose clock is off delivers, and then fails without auditing and pruning.
	Clock Clock
	// Longest is the longest that a run can hold the stream's lock, see [Overtime]. Held for
	// longer with nothing saved, the lock is somebody's who is not a run, and the run fails
	// instead of being [Locked]. 0 means that it may take any time.
	Longest time.Duration
	// Lookback is how far back a stream begins that has no checkpoint. Where it is set, a run
	// without one warns: it is the first, or its state is gone.
	Lookback time.Duration
	// Auditing says how closed windows are audited; the zero value audits nothing.
	Auditing Auditing
	Retry    retry.Policy
	Log      *slog.Logger
	// Progress, if set, is called after every commit with the numbers so far.
	Progress func(Report)
}

const (
	// writeGrace is how long a delivery may go on after the run was asked to
	// stop: an answer that is waited for is a batch that need not be repeated.
	writeGrace = 3 * time.Second
	// commitTimeout bounds a commit. It is not cut by the run's end: what was
	// acknowledged must be remembered.
	commitTimeout = 15 * time.Second
	// lateTimeout bounds all commits together that are made behind the run's end. What
	// they don't get done is begun anew by the next run.
	lateTimeout = 20 * time.Second
	// gatherFor is how long pages are gathered, at the most, before a batch that is
	// not full is sent. It is less where the whole run has little time.
	gatherFor = 10 * time.Second
	// gatherBytes is how much is gathered, at the most, to fill several batches.
	gatherBytes = 14 << 20
)

// Overtime is how long after its deadline a run may still hold its lock.
const Overtime = lateTimeout + commitTimeout

// Run does one run: it delivers what the source has until nothing is left, the
// deadline of ctx comes near, ctx is cancelled (both end as [Budget]), or
// something fails that does not pass. It never panics.
func (r *Runner) Run(ctx context.Context) Report {
	return r.locked(ctx, func(ctx context.Context, t *run) (State, error) { return t.all(ctx) })
}

func (r *Runner) newRun() *run {
	stream := r.Source.Stream()
	t := &run{Runner: r, log: r.Log, table: stream.Table, report: Report{Stream: stream.ID}}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	return t
}

// locked does something behind the lock of the stream, and never panics.
func (r *Runner) locked(ctx context.Context, do func(ctx context.Context, t *run) (State, error)) (report Report) {
	start := time.Now()
	t := r.newRun()
	defer func() {
		if p := recover(); p != nil {
			t.end(Failed, t.panicked(p))
		}
		t.report.Seconds = time.Since(start).Seconds()
		report = t.report
	}()
	held, release, err := r.Locks.Lock(ctx, t.report.Stream)
	switch {
	case errors.Is(err, ErrLocked):
		t.end(t.lockedOut(ctx, err))
		return
	case err != nil:
		t.end(Failed, err)
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
		defer cancel()
		if err := release(ctx); err != nil {
			t.log.Warn("lock was not released; it runs out by itself", "stream", t.report.Stream, "error", err.Error())
		}
	}()
	t.end(do(held, t))
	return
}

// panicked logs a panic where it happened and makes an error of it.
func (t *run) panicked(p any) error {
	t.log.Error("run panicked", "stream", t.report.Stream, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return fmt.Errorf("internal error: %v", p)
}

// end sets the outcome and the lag.
func (t *run) end(s State, err error) {
	t.report.State = s
	if err != nil {
		t.report.Err, t.report.Error = err, err.Error()+reassurance(s, err)
	}
	t.report.LagSeconds = t.lag()
	t.report.Unexplained = t.saved.Audit.Open()
	if n, ok := t.Sink.(Noticer); ok {
		for _, text := range n.Notices(t.table) {
			t.warn(text)
		}
	}
}

// reassurance says, for a failure that may pass, what comes next.
func reassurance(s State, err error) string {
	var passing *Retryable
	switch {
	case s != Failed || !errors.As(err, &passing):
		return ""
	case passing.After >= time.Second:
		return fmt.Sprintf(". Nothing is lost: the next run goes on here; the service asks for a pause of %v", passing.After.Round(time.Second))
	}
	return ". Nothing is lost: the next run goes on here"
}

// lag is the age in seconds of the moment up to which the stream is delivered. Before the
// first page is, that is where the stream begins.
func (t *run) lag() float64 {
	for _, at := range []time.Time{t.saved.Through, t.saved.Since, t.next.Since, t.begins} {
		if !at.IsZero() {
			return max(0, time.Since(at).Seconds())
		}
	}
	return 0
}

// detached is a context that outlives ctx, for what must be finished. All that is
// to be finished behind the end of ctx has lateTimeout together.
func (t *run) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	until := time.Now().Add(commitTimeout)
	if ctx.Err() != nil {
		if t.ended.IsZero() {
			t.ended = time.Now()
		}
		if last := t.ended.Add(lateTimeout); last.Before(until) {
			until = last
		}
	}
	return context.WithDeadline(context.WithoutCancel(ctx), until)
}
