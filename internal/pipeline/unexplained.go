package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Difference is a window whose counts at the source and in the ledger differ.
type Difference struct {
	From time.Time
	// To is the end of several windows that are kept as one; zero for a single one.
	To     time.Time
	Source int64
	Ledger int64
	// Windows is how many of these differ. 0 means one.
	Windows int64
	// Reason is why the difference is accepted. Versions that did not know of unexplained
	// windows gave none.
	Reason Acceptance
	// Checked is when an unexplained window was last read.
	Checked time.Time
}

// Acceptance is why a window whose counts differ lacks nothing.
type Acceptance string

// The reasons.
const (
	// Forgotten: the source shows less than was delivered.
	Forgotten Acceptance = "forgotten"
	// Listed: everything that the source counts was on its pages, and delivered. It lists one
	// id twice, or an event under another time than its own.
	Listed Acceptance = "listed"
	// ByHand: a person took the window off the unexplained ones.
	ByHand Acceptance = "acknowledged"
)

// Acknowledgement is a person's word that windows need no explanation.
type Acknowledgement struct {
	From    time.Time
	To      time.Time
	Windows int64
	Source  int64
	Ledger  int64
	By      string
	At      time.Time
	Why     string
}

const (
	// firstCheck and lastCheck bound how long an unexplained window is left alone. Between
	// them it is looked at again each time when it is twice as old.
	firstCheck, lastCheck = 15 * time.Minute, 24 * time.Hour
	// checksAtOnce bounds how many of them an audit reads again.
	checksAtOnce = 4
	// maxUnexplained is how many windows that no audit compares any more are kept one by one.
	maxUnexplained = 500
	// maxAcknowledged is how many acknowledgements are kept.
	maxAcknowledged = 100
)

// windows is how many windows d stands for.
func (d Difference) windows() int64 { return max(1, d.Windows) }

// end is where d ends; width is the width of a window.
func (d Difference) end(width time.Duration) time.Time {
	if d.To.IsZero() {
		return d.From.Add(width)
	}
	return d.To
}

// add makes d one with another difference; width is the width of a window.
func (d *Difference) add(o Difference, width time.Duration) {
	if d.Windows == 0 || o.From.Before(d.From) {
		d.From = o.From
	}
	if end := o.end(width); end.After(d.To) {
		d.To = end
	}
	d.Windows += o.windows()
	if o.Reason == Skipped {
		d.Reason = Skipped
	}
	d.Source, d.Ledger = d.Source+o.Source, d.Ledger+o.Ledger
}

// modern is the audit of a checkpoint that an earlier version may have stored. That
// accepted whatever still differed after a window was read again, and so holes of a
// source that lists less than it counts: those are unexplained.
func (a AuditState) modern() AuditState {
	old := func(d Difference) bool { return d.Reason == "" && d.Source > d.Ledger }
	if !slices.ContainsFunc(a.Accepted, old) {
		return a
	}
	accepted := a.Accepted
	a.Accepted, a.Unexplained = nil, slices.Clone(a.Unexplained)
	for _, d := range accepted {
		if old(d) {
			a.Unexplained = append(a.Unexplained, d)
		} else {
			a.Accepted = append(a.Accepted, d)
		}
	}
	return a
}

// Open is how many windows are unexplained.
func (a AuditState) Open() (n int64) {
	for _, d := range a.modern().Unexplained {
		n += d.windows()
	}
	return n
}

// known is the sum of the known differences in [from, to), explained or not: they
// don't cause a window to be read again.
func (a AuditState) known(from, to time.Time) int64 {
	return sum(a.Accepted, from, to) + sum(a.Unexplained, from, to)
}

func sum(list []Difference, from, to time.Time) (n int64) {
	for _, d := range list {
		if d.To.IsZero() && !d.From.Before(from) && d.From.Before(to) {
			n += d.Source - d.Ledger
		}
	}
	return n
}

// without is a without what is known of the window that begins then.
func (a AuditState) without(from time.Time) AuditState {
	same := func(d Difference) bool { return d.To.IsZero() && d.From.Equal(from) }
	a.Accepted = slices.DeleteFunc(slices.Clone(a.Accepted), same)
	a.Unexplained = slices.DeleteFunc(slices.Clone(a.Unexplained), same)
	return a
}

// tidied drops accepted differences that the ledger can't compare any more. Unexplained
// ones stay: they are added up where nothing compares them, if they are forgotten
// or many. from is where the audit begins.
func (a AuditState) tidied(forgotten func(time.Time) bool, from time.Time, width time.Duration) AuditState {
	a.Accepted = slices.DeleteFunc(slices.Clone(a.Accepted), func(d Difference) bool { return forgotten(d.From) })
	list := slices.SortedFunc(slices.Values(a.Unexplained), func(x, y Difference) int { return x.From.Compare(y.From) })
	a.Unexplained = nil
	var total Difference
	for i, d := range list {
		many := len(list)-i > maxUnexplained && d.From.Before(from)
		if d.To.IsZero() && !forgotten(d.From) && !many {
			a.Unexplained = append(a.Unexplained, d)
			continue
		}
		total.add(d, width)
	}
	if total.Windows > 0 {
		a.Unexplained = append(a.Unexplained, total)
	}
	return a
}

// judge notes what is left between the counts of a window after everything that the source lists
// of it was delivered.
func (a *auditor) judge(from time.Time, want, have, listed int64) {
	a.next.Audit = a.next.Audit.without(from)
	known, d := &a.next.Audit, Difference{From: from, Source: want, Ledger: have}
	switch {
	case want == have:
	case want < have:
		d.Reason = Forgotten
		known.Accepted = append(known.Accepted, d)
		if listed >= have {
			a.warn(fmt.Sprintf("the source counts %d events in the window from %s but lists %d, and %d were delivered: its count is too low, "+
				"so an event that shows up late in this window may not be noticed", want, from.Format(time.RFC3339), listed, have))
			return
		}
		a.warn(fmt.Sprintf("the source shows %d events of the window from %s, and %d were delivered: it no longer has some of them", want, from.Format(time.RFC3339), have))
	case listed >= want:
		d.Reason = Listed
		known.Accepted = append(known.Accepted, d)
		a.warn(fmt.Sprintf("the source counts %d events in the window from %s, lists as many, and %d different ones of this window were delivered: it lists one twice or with another time", want, from.Format(time.RFC3339), have))
	default:
		d.Checked = time.Now()
		if !slices.ContainsFunc(a.saved.Audit.Unexplained, d.same) {
			a.warn(fmt.Sprintf("the source counts %d events in the window from %s but lists only %d, all delivered: the others are unexplained; "+
				"the window is read again periodically, and idnsentinel audit accept acknowledges it", want, from.Format(time.RFC3339), listed))
		}
		known.Unexplained = append(known.Unexplained, d)
	}
}

// recheck reads unexplained windows again, those first that were left alone longest.
func (a *auditor) recheck(ctx context.Context, src auditable, now time.Time) error {
	var due []Difference
	for _, d := range a.next.Audit.Unexplained {
		pause := min(max(d.Checked.Sub(d.From), firstCheck), lastCheck)
		if d.To.IsZero() && (now.Sub(d.Checked) >= pause || d.Checked.After(now)) {
			due = append(due, d)
		}
	}
	slices.SortStableFunc(due, func(x, y Difference) int { return x.Checked.Compare(y.Checked) })
	for _, d := range due[:min(len(due), checksAtOnce)] {
		if !a.pace.timeLeft(ctx) {
			return errNoTime
		}
		if err := a.repair(src)(ctx, d.From, d.From.Add(a.AuditPolicy.Window), d.Ledger, d.Source); err != nil {
			return err
		}
	}
	return nil
}

// Unexplained are the unexplained windows of the stored checkpoint. It needs no lock.
func (r *Runner) Unexplained(ctx context.Context) ([]Difference, error) {
	s := r.newSession()
	err := s.load(ctx)
	return s.saved.Audit.Unexplained, err
}

// Acknowledge takes those of these windows off the unexplained ones that have not changed since
// a person looked at them, and returns what it took off. It needs the stream's lock.
func (r *Runner) Acknowledge(ctx context.Context, windows []Difference, word Acknowledgement) (done []Difference, rep Report) {
	rep = r.locked(ctx, func(ctx context.Context, s *session) (State, error) {
		if err := s.load(ctx); err != nil {
			return s.outcome(ctx, err, 0)
		}
		s.next = s.saved
		done = s.next.Audit.acknowledge(windows, word, s.AuditPolicy.Window)
		if len(done) == 0 {
			return Drained, nil
		}
		if err := s.saveCheckpoint(ctx); err != nil {
			done = nil
			return s.outcome(ctx, err, 0)
		}
		return Drained, nil
	})
	return done, rep
}

// acknowledge makes accepted differences of unexplained ones.
func (a *AuditState) acknowledge(windows []Difference, word Acknowledgement, width time.Duration) (done []Difference) {
	var left []Difference
	var total Difference
	a.Accepted = slices.Clone(a.Accepted)
	for _, d := range a.Unexplained {
		if !slices.ContainsFunc(windows, d.same) {
			left = append(left, d)
			continue
		}
		done = append(done, d)
		total.add(d, width)
		d.Reason, d.Checked = ByHand, time.Time{}
		if d.To.IsZero() { // others are compared no more
			a.Accepted = append(a.Accepted, d)
		}
	}
	if len(done) > 0 {
		a.Unexplained = left
		word.From, word.To, word.Windows, word.Source, word.Ledger = total.From, total.To, total.Windows, total.Source, total.Ledger
		a.Acknowledged = append(slices.Clone(a.Acknowledged), word)
		a.Acknowledged = a.Acknowledged[max(0, len(a.Acknowledged)-maxAcknowledged):]
	}
	return done
}

// same reports whether o is the same difference, whenever it was looked at.
func (d Difference) same(o Difference) bool {
	return d.From.Equal(o.From) && d.To.Equal(o.To) && d.Source == o.Source && d.Ledger == o.Ledger
}
