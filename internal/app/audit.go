package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

// youngest is how old a window must be, past SETTLE_DELAY, before an audit can distinguish
// a missing record from one that the next run will deliver.
const youngest = 5 * time.Minute

// audited reports whether the windows of a stream can be compared with the source.
func (s stream) audited() bool {
	_, ok := s.Source.(pipeline.WindowReader)
	return ok
}

// Audited returns the names of the streams that can be audited.
func (c *Connection) Audited() (names []string) {
	for _, s := range c.streams {
		if s.audited() {
			names = append(names, s.Stream().ID)
		}
	}
	return names
}

// AuditRange is the time range of a stream that can be audited now.
type AuditRange struct {
	// Window is the width of the compared windows. From and To are window boundaries.
	Window   time.Duration
	From, To time.Time
}

// AuditRequest says what to audit.
type AuditRequest struct {
	pipeline.AuditRequest
	// Workspace compares with what has arrived in the workspace instead of what it
	// acknowledged.
	Workspace bool
	// Settle is how long the workspace may take to show what it has acknowledged.
	Settle time.Duration
	// Counted, if set, is called with the moment up to which the rows of the workspace are counted.
	Counted func(through time.Time)
}

// AuditRange returns what can be audited now: the ledger has forgotten everything before
// From, and records after To have not settled. The retention of the workspace is unknown,
// so with Workspace there is no lower limit.
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
	// Waiting is the number of undelivered records in the audited range. They are in
	// quarantine.
	Waiting int
	// Unproven is the number of records that may or may not have arrived in the workspace:
	// they have no id, or a time outside of the audit.
	Unproven int64
}

// Audit compares a stream's source with what was delivered. With Repair it waits for a run
// that is active on the stream.
func (c *Connection) Audit(ctx context.Context, name string, q AuditRequest) (AuditResult, error) {
	s, err := c.stream(name)
	if err != nil {
		return AuditResult{}, err
	}
	if q.Repair { // it holds the lock
		c.beside(false)
	} else {
		defer c.shares(ctx)()
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

// undelivered counts the records in quarantine whose time is in the range. If an original
// can't be read, the day of its key decides.
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

// LedgerSums returns the checksums of the windows of delivered ids in a range, and how wide a window is.
func (c *Connection) LedgerSums(ctx context.Context, name string, from, to time.Time) (window time.Duration, sums []ledger.Sum, err error) {
	s, err := c.stream(name)
	if err != nil {
		return 0, nil, err
	}
	sums, err = ledger.Open(ledger.Config{Store: c.store, Tenant: c.settings.Tenant, Stream: name, Window: s.Window}).Sums(ctx, from, to)
	return s.Window, sums, err
}
