package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
)

// session is what everything that is done to a stream has in common: a run, an audit that a
// person asks for, a resend. It holds the checkpoint, writes the report and watches the time.
type session struct {
	*Runner
	log     *slog.Logger
	table   string // of the stream
	report  Report
	saved   Checkpoint // as stored
	next    Checkpoint // as it will be stored once everything gathered is delivered
	proven  bool       // the checkpoint can be saved, or need not be
	begins  time.Time  // where a stream without a checkpoint begins
	retries atomic.Int64
	pace    pace
	carried *Uncommitted // from run to run, or if the runner has none, only of this one
}

func (r *Runner) newSession() *session {
	stream := r.Source.Stream()
	s := &session{Runner: r, log: r.Log, table: stream.Table, report: Report{Stream: stream.ID}, carried: r.Uncommitted}
	if s.carried == nil {
		s.carried = new(Uncommitted)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// locked does something while it holds the lock of the stream, and never panics.
func (r *Runner) locked(ctx context.Context, do func(ctx context.Context, s *session) (State, error)) (report Report) {
	start := time.Now()
	s := r.newSession()
	defer func() {
		if p := recover(); p != nil {
			s.end(Failed, s.panicked(p))
		}
		s.report.Seconds = time.Since(start).Seconds()
		report = s.report
	}()
	held, release, err := r.Locks.Lock(ctx, s.report.Stream)
	switch {
	case errors.Is(err, ErrLocked):
		s.end(s.lockedOut(ctx, err))
		return
	case err != nil:
		s.end(Failed, err)
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
		defer cancel()
		if err := release(ctx); err != nil {
			s.log.Warn("lock was not released; it expires on its own", "stream", s.report.Stream, "error", err.Error())
		}
	}()
	s.end(do(held, s))
	return
}

// panicked logs a panic where it happened and makes an error of it.
func (s *session) panicked(p any) error {
	s.log.Error("run panicked", "stream", s.report.Stream, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return fmt.Errorf("internal error: %v", p)
}

// end sets the outcome and the lag.
func (s *session) end(state State, err error) {
	s.report.State = state
	if err != nil {
		s.report.Err, s.report.Error = err, err.Error()+reassurance(state, err)
	}
	s.report.LagSeconds = s.lag()
	s.report.Unexplained = s.saved.Audit.Open()
	if n, ok := s.Sink.(Noticer); ok {
		for _, text := range n.Notices(s.table) {
			s.warn(text)
		}
	}
}

// outcome distinguishes a run that was asked to end from one that failed. queued is how many rows wait
// to be delivered.
func (s *session) outcome(ctx context.Context, err error, queued int) (State, error) {
	if ctx.Err() == nil {
		return Failed, err
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, context.Canceled):
		// Asked to stop. What it was waiting for is not a failure of the run.
		var waited *retry.Exhausted
		if errors.As(err, &waited) {
			s.warn("the run was asked to stop while it repeated what had failed: " + waited.Err.Error())
		}
		return Budget, nil
	case errors.Is(cause, context.DeadlineExceeded):
		if s.report.Sent > 0 || s.report.Fetched > 0 && queued == 0 && s.retries.Load() == 0 {
			return Budget, nil
		}
		return Failed, fmt.Errorf("no batch was delivered before the run's deadline; on a slow connection raise RUN_BUDGET or lower BATCH_BYTES: %w", err)
	default: // the lock was lost
		return Failed, fmt.Errorf("run ended early: %w", cause)
	}
}

// load reads the checkpoint.
func (s *session) load(ctx context.Context) (err error) {
	if s.saved, err = s.Checkpoints.Load(ctx, s.report.Stream); err != nil {
		return err
	}
	s.saved.Audit = s.saved.Audit.modern()
	if s.saved.Tag == "" && s.saved.Cursor == "" && s.Lookback > 0 {
		s.begins = time.Now().Add(-s.Lookback)
	}
	return nil
}

// saveCheckpoint stores the place after everything that is delivered. The end of the run does
// not cut it.
func (s *session) saveCheckpoint(ctx context.Context) error {
	ctx, cancel := s.pace.detached(ctx)
	defer cancel()
	saved, err := s.Checkpoints.Save(ctx, s.report.Stream, s.next)
	if err != nil {
		return err
	}
	s.saved, s.next, s.proven = saved, saved, true
	return nil
}

// proveCheckpoint saves the checkpoint as it was loaded. A stream that has none yet gets
// none by this: that new objects can be stored is what the ledger proves.
func (s *session) proveCheckpoint(ctx context.Context) error {
	if s.proven || s.saved.Tag == "" {
		return nil
	}
	saved, err := s.Checkpoints.Save(ctx, s.report.Stream, s.saved)
	if err != nil {
		return err
	}
	s.saved.Tag, s.next.Tag, s.proven = saved.Tag, saved.Tag, true
	return nil
}

// lag is the age in seconds of the moment up to which the stream is delivered. Before the
// first page is, that is where the stream begins; so it is for a list that was never read as a whole.
func (s *session) lag() float64 {
	for _, at := range []time.Time{s.saved.Through, s.saved.Since, s.next.Since, s.begins} {
		if !at.IsZero() {
			return max(0, time.Since(at).Seconds())
		}
	}
	return s.Lookback.Seconds()
}

// clockOff says why this machine's clock can't be relied on. Then nothing is audited,
// accepted or pruned, nor does Through move: a moment that has not come yet would be
// taken for covered.
func (s *session) clockOff() error {
	if s.Clock == nil {
		return nil
	}
	return s.Clock.Off()
}

// countRetry counts a repetition, and logs it at debug level: an outage of an
// hour should not fill the log.
func (s *session) countRetry(op string) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		s.retries.Add(1)
		s.log.Debug("will try again", "stream", s.report.Stream, "op", op, "wait_seconds", wait.Seconds(), "error", err.Error())
	}
}

// warn adds a warning to the report, once.
func (s *session) warn(text string) {
	if !slices.Contains(s.report.Warnings, text) {
		s.report.Warnings = append(s.report.Warnings, text)
	}
}

// reassurance says, for a failure that may pass, what comes next.
func reassurance(s State, err error) string {
	var passing *Retryable
	switch {
	case s != Failed || !errors.As(err, &passing):
		return ""
	case passing.After >= time.Second:
		return fmt.Sprintf(". Nothing is lost: the next run continues here; the service asks for a pause of %v", passing.After.Round(time.Second))
	}
	return ". Nothing is lost: the next run continues here"
}
