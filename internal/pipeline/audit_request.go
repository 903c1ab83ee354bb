package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// AuditRequest is an audit that a person requests.
type AuditRequest struct {
	// From and To are on the borders of ledger windows.
	From, To time.Time
	// Each compares every window by itself. Otherwise the whole is compared first,
	// and halved where it differs: cheap, but a record that the source has forgotten
	// can hide one that is missing. Of a source that can't count each window is read.
	Each bool
	// Repair delivers what is missing, holding the stream's lock. Otherwise nothing
	// is changed, and no lock is needed.
	Repair bool
	// Floor says that the ledger's count is a lower bound: a window whose counts differ is
	// compared by ids before anything in it counts as missing.
	Floor bool
	// NotYetVisible, if set, says that a window that differs can't be judged yet.
	NotYetVisible func(ctx context.Context, from, to time.Time) (bool, error)
	// Found, if set, is called for each window whose counts differ.
	Found func(WindowDiff)
	// Checked, if set, is called with the number of windows that are done.
	Checked func(windows int64)
}

// WindowDiff is a window whose counts differed.
type WindowDiff struct {
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Source    int64     `json:"source"`
	Delivered int64     `json:"delivered"` // before the repair
	// Missing is how many records of the source were not delivered. It can be less
	// than the difference, if the source counts what it does not list.
	Missing  int64 `json:"missing"`
	Repaired int64 `json:"repaired"` // of them: delivered now
	Refused  int64 `json:"refused"`  // of them: in quarantine now
	// Unexplained is how many more the source counts than it lists; no page has shown them.
	Unexplained int64 `json:"unexplained,omitzero"`
	// NotYetVisible: it can't be judged yet, and was left alone.
	NotYetVisible bool `json:"unsettled,omitzero"`
}

// AuditResult is what an [AuditRequest] found. It is complete only if its state is [Drained].
type AuditResult struct {
	Report
	From, To          time.Time
	Source, Delivered int64 // the counts of [From, To), Delivered before the repair
	Missing           int64 // records, before the repair
	Refused           int64
	Unexplained       int64 // records that the source counts and does not list
	NotYetVisible     int   // windows
	Identified        int64 // of Source: in windows that were compared by ids; the rest by count
	Windows           []WindowDiff
	// Since and Through come from the checkpoint.
	Since, Through time.Time
}

// Audit compares the counts of source and ledger between two moments, and says
// where they differ and what is missing.
func (r *Runner) Audit(ctx context.Context, ask AuditRequest) AuditResult {
	result := AuditResult{From: ask.From, To: ask.To}
	runner := *r
	if !ask.Repair {
		runner.Locks = noLock{}
	}
	result.Report = runner.locked(ctx, func(ctx context.Context, s *session) (State, error) {
		i := &requestedAudit{session: s, AuditRequest: ask, result: &result}
		err := i.all(ctx)
		s.report.Retries = s.retries.Load()
		switch {
		case err == nil:
			return Drained, nil
		case errors.Is(err, errNoTime) || ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
			return Budget, nil
		}
		return Failed, err
	})
	return result
}

// noLock is a no-op [Locks] for audits that only read.
type noLock struct{}

func (noLock) Lock(ctx context.Context, _ string) (context.Context, func(context.Context) error, error) {
	return ctx, func(context.Context) error { return nil }, nil
}

func (noLock) Since(context.Context, string, string) (time.Time, error) { return time.Now(), nil }

// requestedAudit is an [AuditRequest] being answered.
type requestedAudit struct {
	*session
	AuditRequest
	delivery *delivery // of what is missing
	ledger   *trackedLedger
	src      WindowReader
	result   *AuditResult
}

// trackedLedger is a ledger that notes whether a Claim failed: then it is unknown what is
// missing.
type trackedLedger struct {
	Ledger
	failed bool
	fresh  int64 // records that it did not know
}

func (a *trackedLedger) Claim(ctx context.Context, records []Record) ([]bool, error) {
	fresh, err := a.Ledger.Claim(ctx, records)
	a.failed = a.failed || err != nil
	for _, is := range fresh {
		if is {
			a.fresh++
		}
	}
	return fresh, err
}

func (i *requestedAudit) all(ctx context.Context) (err error) {
	var ok bool
	if i.src, ok = i.Source.(WindowReader); !ok {
		return fmt.Errorf("the source of %s can't read its past again, so there is nothing to compare", i.report.Stream)
	}
	if err := i.load(ctx); err != nil {
		return err
	}
	if i.saved.Tag == "" {
		return errors.New("there is no checkpoint: nothing of this stream was ever delivered from here, or STATE_URL differs from the function's")
	}
	i.ledger = &trackedLedger{Ledger: i.OpenLedger()}
	i.delivery = newDelivery(i.session, i.ledger)
	i.next, i.proven = i.saved, true // the checkpoint stays where it is
	i.result.Since, i.result.Through = i.saved.Since, i.saved.Through
	width, compare := i.AuditPolicy.Window, i.readWindow
	if src, ok := i.Source.(auditable); ok {
		width = i.To.Sub(i.From)
		compare = comparison{session: i.session, ledger: i.ledger, src: src, known: i.explained, found: i.differs, checked: i.checked}.compare
	} else if !i.Repair && !i.Floor && i.NotYetVisible == nil {
		width, compare = readAtOnce*i.AuditPolicy.Window, i.readPiece
	}
	if i.Each {
		width = i.AuditPolicy.Window
	}
	for from := i.From; from.Before(i.To); from = from.Add(width) {
		to := from.Add(width)
		if to.After(i.To) {
			to = i.To
		}
		have, want, err := compare(ctx, from, to)
		i.result.Delivered += have
		i.result.Source += want
		if err != nil {
			return err
		}
	}
	if off := i.clockOff(); off != nil {
		return fmt.Errorf("an audit relies on this machine's clock, which is off, so it proves nothing: %w", off)
	}
	return i.addAccepted(ctx)
}

// addAccepted adds the windows whose difference an audit of a run has examined and
// accepted: they are known, but part of the result.
func (i *requestedAudit) addAccepted(ctx context.Context) error {
	for _, d := range i.saved.Audit.Accepted {
		same := func(c WindowDiff) bool { return c.From.Equal(d.From) }
		if d.From.Before(i.From) || !d.From.Before(i.To) || slices.ContainsFunc(i.result.Windows, same) {
			continue
		}
		to := d.From.Add(i.AuditPolicy.Window)
		have, err := i.ledger.Count(ctx, d.From, to)
		if err != nil {
			return err
		}
		i.note(WindowDiff{From: d.From, To: to, Source: d.Source, Delivered: have})
	}
	slices.SortFunc(i.result.Windows, func(a, b WindowDiff) int { return a.From.Compare(b.From) })
	return nil
}

func (i *requestedAudit) note(c WindowDiff) {
	i.result.Windows = append(i.result.Windows, c)
	if i.Found != nil {
		i.Found(c)
	}
}

// differs finds out what is missing in a window, and delivers it if asked to.
func (i *requestedAudit) differs(ctx context.Context, from, to time.Time, have, want int64) error {
	c := WindowDiff{From: from, To: to, Source: want, Delivered: have}
	listed := want
	var err error
	if c.NotYetVisible, err = i.early(ctx, from, to); err != nil {
		return err
	}
	fresh, byID := i.ledger.fresh, true
	switch {
	case c.NotYetVisible && !i.Floor:
		byID = false
	case c.NotYetVisible:
		c.Missing, listed, err = i.unknown(ctx, from, to)
	case !i.Repair && have == 0 && !i.Floor:
		c.Missing, byID = want, false
	default:
		listed, err = i.look(ctx, &c)
	}
	switch {
	case err != nil && c.NotYetVisible:
		c.Missing = 0
	case err == nil && i.Floor:
		c.identified(listed)
	case i.Floor:
		c.Missing = i.ledger.fresh - fresh
	case err != nil && !i.ledger.failed:
		// What could not be read or delivered is presumed missing.
		c.Missing = max(c.Missing, want-have)
	}
	if err == nil {
		c.Unexplained = max(0, min(want-listed, want-c.Delivered-c.Missing))
	}
	i.result.Delivered += c.Delivered - have
	if err == nil && byID && !c.NotYetVisible {
		i.result.Identified += want
	}
	if err == nil && i.Floor && c.same() {
		i.report.Mismatches--
		return nil
	}
	i.add(c)
	return err
}

// early reports whether a window can't be judged yet.
func (i *requestedAudit) early(ctx context.Context, from, to time.Time) (bool, error) {
	if i.NotYetVisible == nil {
		return false, nil
	}
	return i.NotYetVisible(ctx, from, to)
}

// look finds out what is missing in a window by the ids, and delivers it if asked to.
func (i *requestedAudit) look(ctx context.Context, c *WindowDiff) (listed int64, err error) {
	if !i.Repair {
		c.Missing, listed, err = i.unknown(ctx, c.From, c.To)
		return listed, err
	}
	var l listing
	sent, refused := i.report.Sent, i.report.Quarantined
	err = i.delivery.reread(ctx, window(i.src, c.From, c.To), l.add)
	c.Repaired, c.Refused = i.report.Sent-sent, i.report.Quarantined-refused
	c.Missing = c.Repaired + c.Refused
	return l.rows, err
}

// checked reports how many windows are done.
func (i *requestedAudit) checked() {
	if i.Checked != nil {
		i.Checked(i.report.WindowsChecked)
	}
}

// readPiece compares several windows of a source that can't count, which it reads as one. If
// anything is missing, it looks at each.
func (i *requestedAudit) readPiece(ctx context.Context, from, to time.Time) (have, want int64, err error) {
	if !i.pace.timeLeft(ctx) {
		return 0, 0, errNoTime
	}
	window := i.AuditPolicy.Window
	if to.Sub(from) > window {
		missing, listed, err := i.unknown(ctx, from, to)
		if err != nil {
			return 0, 0, err
		}
		if missing == 0 {
			if have, err = i.ledger.Count(ctx, from, to); err != nil {
				return 0, 0, err
			}
			i.report.WindowsChecked += int64(to.Sub(from) / window)
			i.result.Identified += listed
			i.checked()
			return have, listed, nil
		}
		// The claims are in the way of another look.
		i.ledger = &trackedLedger{Ledger: i.OpenLedger()}
		i.delivery = newDelivery(i.session, i.ledger)
	}
	for at := from; at.Before(to); at = at.Add(window) {
		has, wants, err := i.readWindow(ctx, at, at.Add(window))
		have, want = have+has, want+wants
		if err != nil {
			return have, want, err
		}
	}
	return have, want, nil
}

// readWindow compares a window of a source that can't count. What it lists is what it has.
func (i *requestedAudit) readWindow(ctx context.Context, from, to time.Time) (have, want int64, err error) {
	if !i.pace.timeLeft(ctx) {
		return 0, 0, errNoTime
	}
	if have, err = i.ledger.Count(ctx, from, to); err != nil {
		return 0, 0, err
	}
	i.report.WindowsChecked++
	defer i.checked()
	c := WindowDiff{From: from, To: to, Delivered: have}
	early, err := i.early(ctx, from, to)
	if err != nil {
		return have, 0, err
	}
	if early {
		var missing int64
		missing, c.Source, err = i.unknown(ctx, from, to)
		c.NotYetVisible = missing > 0
	} else {
		c.Source, err = i.look(ctx, &c)
	}
	if i.Floor && err == nil && !c.NotYetVisible {
		c.Delivered = max(have, c.Source-c.Missing)
	}
	if err == nil && !c.NotYetVisible {
		i.result.Identified += c.Source
	}
	if c.Missing > 0 || c.NotYetVisible {
		i.report.Mismatches++
		i.add(c)
	}
	return c.Delivered, c.Source, err
}

// add adds a window that differs to the result.
func (i *requestedAudit) add(c WindowDiff) {
	i.result.Missing += c.Missing
	i.result.Unexplained += c.Unexplained
	i.result.Refused += c.Refused
	if c.NotYetVisible {
		i.result.NotYetVisible++
	}
	i.note(c)
}

// identified notes what the comparison of the ids of a window has shown, of which the source
// lists so many. Where nothing is missing it does not matter that it may be too early.
func (c *WindowDiff) identified(listed int64) {
	c.Delivered = max(c.Delivered, listed-c.Missing)
	if c.NotYetVisible = c.NotYetVisible && c.Missing > 0; c.NotYetVisible {
		c.Missing = 0
	}
}

// same reports whether the window does not differ after all.
func (c WindowDiff) same() bool {
	return c.Source == c.Delivered && c.Missing == 0 && c.Unexplained == 0 && !c.NotYetVisible
}

// explained is the difference in [from, to) that is known and needs no look.
func (i *requestedAudit) explained(from, to time.Time) int64 {
	return sum(i.next.Audit.Accepted, from, to)
}

// unknown is the number of records of a window that were not delivered, and of all that
// the source lists. The claims that it makes are forgotten.
func (i *requestedAudit) unknown(ctx context.Context, from, to time.Time) (n, listed int64, err error) {
	var l listing
	err = i.walk(ctx, window(i.src, from, to), func(ctx context.Context, records []Record) error {
		l.add(records, nil)
		fresh, err := i.ledger.Claim(ctx, records)
		for _, is := range fresh {
			if is {
				n++
			}
		}
		return err
	})
	return n, l.rows, err
}
