package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

const (
	// forwardBudget is how long a run of a forwarding may take before it lets another process have the
	// lock.
	forwardBudget = 4 * time.Minute
	// forwardsAtOnce bounds the forwardings of all connections that run at a time, and so their memory.
	forwardsAtOnce = 4
	// forwardAgain is the wait after a run that failed. It doubles up to forwardLongest.
	forwardAgain   = 30 * time.Second
	forwardLongest = 15 * time.Minute
	// lockRelease bounds the release of a lock after a stop.
	lockRelease = 5 * time.Second
)

// forwarding passes on what a source received, in the background and with a budget, a lock and a queue of
// its own. No run of a stream waits for it, and nothing that fails here fails a run.
type forwarding struct {
	c      *Connection
	of     source.Connector // that received it
	name   string           // of the lock and the health rows
	stream string           // that is filled from what is forwarded
	does   *forward.Forwarder
	log    *slog.Logger

	runs background // none begins for a while after one that failed

	mu       sync.Mutex // guards the fields below
	failures int        // since the last run that did not fail
	problem  string     // of the last run; "" if there was none
	told     time.Time  // when the last health row was written
	starts   int64      // since then
}

// newForwardings returns a forwarding for each source that has one. What only looks forwards nothing.
func newForwardings(c *Connection) (list []*forwarding) {
	if c.options.Look {
		return nil
	}
	for _, s := range c.streams {
		of, ok := s.of.(source.Forwarder)
		if !ok {
			continue
		}
		if name, does := of.Forwarding(); does != nil {
			f := &forwarding{c: c, of: s.of, name: name, stream: s.Stream().ID, does: does, log: c.log.With("forwarding", name)}
			f.runs.once = f.runOnce
			list = append(list, f)
		}
	}
	return list
}

// warning is what the report of a stream should say; "" if nothing.
func (f *forwarding) warning(stream string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stream != stream || f.problem == "" {
		return ""
	}
	return "forwarding to the workflow, which does not affect the rows: " + f.problem
}

// warnOfForwardings adds to the reports of streams what went wrong with the forwarding.
func (c *Connection) warnOfForwardings(reports []pipeline.Report) {
	for _, f := range c.forwardings {
		for i := range reports {
			if w := f.warning(reports[i].Stream); w != "" {
				reports[i].Warnings = union(reports[i].Warnings, []string{w})
			}
		}
	}
}

// runOnce makes one run, and reports whether another one should follow at once.
func (f *forwarding) runOnce(ctx context.Context) (more bool) {
	select {
	case f.c.forwards <- struct{}{}:
		defer func() { <-f.c.forwards }()
	case <-ctx.Done():
		return false
	}
	begun := time.Now()
	res, err := f.locked(ctx)
	if errors.Is(err, pipeline.ErrLocked) {
		return false // that process does it, or its lock ends before the next tick
	}
	if ctx.Err() == nil {
		res.Err = errors.Join(res.Err, err)
	}
	f.note(res)
	f.tellHealth(ctx, res, begun)
	return res.Err == nil && res.Waiting > 0
}

// locked runs under the lock. It has no deadline, because a wait for the rate limit would fail by one.
func (f *forwarding) locked(ctx context.Context) (res forward.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			f.log.Error("forwarding panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	held, release, err := f.c.locks.Lock(ctx, f.name)
	if err != nil {
		return res, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockRelease)
		defer cancel()
		_ = release(ctx) // it ends by itself
	}()
	held, cancel := context.WithCancel(held)
	defer cancel()
	timer := time.AfterFunc(forwardBudget, cancel)
	defer timer.Stop()
	return f.does.Run(held), nil
}

// note remembers how a run ended, and logs what has changed.
func (f *forwarding) note(res forward.Result) {
	problem := ""
	if len(res.Notes) > 0 {
		problem = res.Notes[0]
		if n := len(res.Notes) - 1; n > 0 {
			problem += fmt.Sprintf(" (and %d more: idnsentinel forwarding list)", n)
		}
	}
	if res.Err != nil {
		problem = res.Err.Error()
	}
	f.mu.Lock()
	f.starts += res.Starts
	f.failures++
	wait := min(max(forwardAgain<<min(f.failures-1, 10), res.After), forwardLongest)
	if res.Err == nil {
		f.failures, wait = 0, 0
	}
	f.runs.pause(wait)
	changed := problem != f.problem
	f.problem = problem
	f.mu.Unlock()
	switch {
	case !changed:
	case res.Err != nil:
		f.log.Error("reports are not forwarded; they are kept, and their rows are delivered", "error", problem, "waiting", res.Waiting)
	case problem != "":
		f.log.Warn("forwarding needs attention", "problem", problem, "kept", res.Kept)
	default:
		f.log.Info("reports are forwarded", "starts", res.Starts)
	}
}

// tellHealth writes a health row, at most once a minute.
func (f *forwarding) tellHealth(ctx context.Context, res forward.Result, begun time.Time) {
	f.mu.Lock()
	due := f.c.settings.Health && time.Since(f.told) >= healthApart
	starts := f.starts
	if due {
		f.told, f.starts = time.Now(), 0
	}
	f.mu.Unlock()
	if !due || f.c.open() != nil {
		return
	}
	rep := pipeline.Report{
		Connection: f.c.settings.Name, Stream: f.name, State: pipeline.Drained, Fetched: int64(res.Waiting + res.Kept), Sent: starts,
		Spooled: int64(res.Waiting), Warnings: res.Notes, Seconds: time.Since(begun).Seconds(),
	}
	switch {
	case res.Err != nil:
		rep.State, rep.Error = pipeline.Failed, res.Err.Error()
	case res.Waiting > 0:
		rep.State = pipeline.Budget
	}
	if !res.Oldest.IsZero() {
		rep.LagSeconds = time.Since(res.Oldest).Seconds()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
	defer cancel()
	if err := f.c.writeHealth(ctx, rep, int64(res.Kept), time.Now()); err != nil {
		f.log.Warn("health row of the forwarding could not be written", "error", err.Error())
	}
}

// Forward waits until nothing is being forwarded any more, or ctx ends.
func (a *App) Forward(ctx context.Context) {
	for _, c := range a.connections {
		for _, f := range c.forwardings {
			f.runs.wait(ctx)
		}
	}
}

// ErrNotKept means that there is no report with that id whose forwarding was not finished.
var ErrNotKept = errors.New("no report with this id waits to be forwarded, or is kept")

// Forwarding lists the reports of a connection that wait to be forwarded, or are kept. on is false if
// nothing is forwarded.
func (c *Connection) Forwarding(ctx context.Context) (list []forward.Entry, problems []string, on bool, err error) {
	for _, f := range c.forwardings {
		items, more, err := f.does.Queue.Items(ctx)
		if err != nil {
			return nil, nil, true, err
		}
		problems = append(problems, more...)
		for _, item := range items {
			if !item.Done() {
				list = append(list, item.Entry)
			}
		}
	}
	return list, problems, len(c.forwardings) > 0, nil
}

// ForwardAgain has what is kept of a report forwarded again, and drop has none of it forwarded.
func (c *Connection) ForwardAgain(ctx context.Context, id string, drop bool) error {
	for _, f := range c.forwardings {
		if err := f.change(ctx, id, drop); !errors.Is(err, ErrNotKept) {
			return err
		}
	}
	return ErrNotKept
}

func (f *forwarding) change(ctx context.Context, id string, drop bool) error {
	items, _, err := f.does.Queue.Items(ctx)
	if err != nil {
		return err
	}
	for _, item := range items {
		switch {
		case item.ID != id || item.Done():
		case drop:
			return f.does.Queue.Finish(ctx, item)
		default:
			item.Repeat(time.Now())
			return f.does.Queue.Save(ctx, &item)
		}
	}
	return ErrNotKept
}
