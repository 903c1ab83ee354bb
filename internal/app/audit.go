package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

// youngest is how old a window must be, behind SETTLE_DELAY, before an audit can
// tell a missing record from one that the next run will bring.
const youngest = 5 * time.Minute

// audited reports whether the windows of a stream can be compared with the source.
func (s stream) audited() bool {
	_, ok := s.Source.(pipeline.WindowReader)
	return ok
}

// Audited are the names of the streams that can be audited.
func (c *Connection) Audited() (names []string) {
	for _, s := range c.streams {
		if s.audited() {
			names = append(names, s.Stream().ID)
		}
	}
	return names
}

// AuditRange is what of a stream can be audited at some moment.
type AuditRange struct {
	// Window is the width of the windows that are compared. From and To are on
	// borders of windows.
	Window   time.Duration
	From, To time.Time
}

// AuditRequest is what an audit is asked.
type AuditRequest struct {
	pipeline.AuditRequest
	// Workspace compares with what has arrived in the workspace instead of what was
	// acknowledged.
	Workspace bool
	// Settle is how long the workspace may take to show what it has acknowledged.
	Settle time.Duration
}

// AuditRange is what can be audited now: the ledger has forgotten what is before, and
// what is behind has not settled. The workspace forgets nothing, as far as
// anybody knows here.
func (c *Connection) AuditRange(name string, q AuditRequest) (AuditRange, error) {
	s, err := c.stream(name)
	if err != nil {
		return AuditRange{}, err
	}
	now := time.Now().UTC()
	span := AuditRange{
		Window: s.Window,
		From:   now.Add(-c.settings.LedgerKeep).Truncate(s.Window).Add(s.Window),
		To:     now.Add(-c.settings.SettleDelay - youngest).Truncate(s.Window),
	}
	if q.Workspace {
		span.From = time.Time{}
		span.To = now.Add(-c.settings.SettleDelay - youngest - q.Settle).Truncate(s.Window)
	}
	return span, nil
}

// AuditResult is the outcome of an audit.
type AuditResult struct {
	pipeline.AuditResult
	// Waiting are records of the time that was audited that could not be delivered
	// and lie in quarantine.
	Waiting int
	// Unproven are records that have no id in the workspace, and so may be there or not.
	Unproven int64
}

// Audit compares the source of a stream with what was delivered. With Repair
// it waits for a run that is at work on the stream.
func (c *Connection) Audit(ctx context.Context, name string, q AuditRequest) (AuditResult, error) {
	s, err := c.stream(name)
	if err != nil {
		return AuditResult{}, err
	}
	r := c.interactiveRunner(s)
	unproven := func() int64 { return 0 }
	if q.Workspace {
		if unproven, err = c.lookInWorkspace(r, s, &q); err != nil {
			return AuditResult{}, err
		}
	}
	done := AuditResult{AuditResult: r.Audit(ctx, q.AuditRequest)}
	done.Unproven = unproven()
	if done.State == pipeline.Drained {
		done.Waiting, err = c.undelivered(ctx, name, q.From, q.To)
	}
	return done, err
}

// undelivered is how many records of a time lie in quarantine. One whose original
// can't be read counts by its day.
func (c *Connection) undelivered(ctx context.Context, name string, from, to time.Time) (n int, err error) {
	q := c.Quarantine()
	for e, err := range q.List(ctx, name, quarantine.Undelivered) {
		if err != nil {
			return 0, err
		}
		if e.Day.Add(24*time.Hour).Before(from) || !e.Day.Before(to) {
			continue
		}
		item, err := q.Get(ctx, e.Key)
		switch {
		case errors.Is(err, quarantine.ErrGone):
		case errors.Is(err, quarantine.ErrUnreadable):
			n++
		case err != nil:
			return 0, fmt.Errorf("look for what was not delivered: %w", err)
		case !item.Time.Before(from) && item.Time.Before(to):
			n++
		}
	}
	return n, nil
}
