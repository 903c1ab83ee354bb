package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// AuditPolicy says how a stream's closed windows are audited: the count at the
// source is compared with the ledger's, and where they differ the window is
// read again and what is missing is delivered. Events that were indexed after
// the tail had passed come in this way.
type AuditPolicy struct {
	// Ages are how old windows are when they are looked at, ascending. The youngest is
	// also how often: at each audit everything between it and the oldest is compared, so what
	// shows up late by less than the oldest is found by the next audit. The ages between
	// say at which a window that is not explained yet is looked at again. None means no audit.
	Ages []time.Duration
	// Window is the width of the ledger's windows, and so the smallest piece compared.
	Window time.Duration
	// Keep is how long the ledger remembers; older windows can't be audited. 0 means for ever.
	Keep time.Duration
	// UndatedEvery is how often records without an event time are looked for. 0 means never.
	UndatedEvery time.Duration
}

// AuditState is how far a stream has been audited. It is stored with the checkpoint.
type AuditState struct {
	// Through is, for each age, the moment up to which windows were compared at that
	// age or later.
	Through []time.Time
	// AgeSeconds are these ages. Checkpoints of the first versions lack them.
	AgeSeconds []int64
	// Accepted are windows whose counts differ for a reason that is known.
	Accepted []Difference
	// Unexplained are windows of which the source counts more than was delivered, although
	// everything that it lists was.
	Unexplained []Difference
	// Acknowledged is who took windows off the unexplained ones, the latest last.
	Acknowledged []Acknowledgement
	// Undated is when records without an event time were last looked for.
	Undated time.Time
}

// forgotten reports whether the ledger may have pruned the window that begins then.
func (p AuditPolicy) forgotten(window time.Time) bool {
	return p.Keep > 0 && time.Since(window) > p.Keep
}

// errNoTime ends an audit that a later run continues.
var errNoTime = errors.New("no time left in this run")

// auditor looks for what the tail could not see: records that came late.
type auditor struct {
	*session
	delivery  *delivery
	undecided error // a record that was refused, with nothing to prove that it is at fault
	unread    error // records without an event time that can't be read
}

// audit looks at closed windows, as often as the youngest age says. Where the source can
// count, the whole range between the oldest age and the youngest is one request; where it
// can't, what has come to an age is read again and the ledger decides. An audit that can't
// be done is a warning; only failing to deliver what it found fails the run.
func (a *auditor) audit(ctx context.Context) error {
	if len(a.AuditPolicy.Ages) == 0 {
		return nil
	}
	if err := a.undated(ctx); err != nil {
		return err
	}
	src, ok := a.Source.(WindowReader)
	if !ok {
		return nil
	}
	defer func() {
		if len(a.saved.Audit.Through) > 0 {
			a.report.AuditedThrough = a.saved.Audit.Through[0]
		}
	}()
	if counts, ok := a.Source.(auditable); ok {
		return a.byCount(ctx, counts)
	}
	return a.byReading(ctx, src)
}

// byCount compares the counts of source and ledger.
func (a *auditor) byCount(ctx context.Context, src auditable) error {
	now := time.Now()
	from, to, through := a.due(now)
	if through == nil {
		return nil
	}
	a.next.Audit = a.saved.Audit.tidied(a.AuditPolicy.forgotten, from, a.AuditPolicy.Window)
	_, _, err := a.comparison(src).compare(ctx, from, to)
	if err == nil {
		err = a.recheck(ctx, src, now)
	}
	var f *auditError
	switch {
	case errors.Is(err, errNoTime):
		a.warnOfNoEnd()
		if a.report.Mismatches > 0 { // what was found out need not be found out again
			return a.saveCheckpoint(ctx)
		}
		return nil
	case errors.As(err, &f):
		a.warn("audit was not possible: " + f.Error())
		return nil
	case err != nil:
		return err
	}
	if a.undecided != nil { // to be looked at again by the next run
		return a.saveCheckpoint(ctx)
	}
	a.next.Audit.Through, a.next.Audit.AgeSeconds = through, seconds(a.AuditPolicy.Ages)
	return a.saveCheckpoint(ctx)
}

// overdue is how much later than it is due an audit may come to its end without a warning: after
// an outage it takes several runs.
const overdue = time.Hour

// warnOfNoEnd warns that no audit has come to its end for a long time. Such a run is drained, and
// what came late may be missing all the same.
func (a *auditor) warnOfNoEnd() {
	last := a.audited(0)
	if last.IsZero() {
		last = a.saved.Since
	}
	if time.Since(last) <= 2*a.AuditPolicy.Ages[0]+a.AuditPolicy.Window+overdue {
		return
	}
	a.warn(fmt.Sprintf("an audit takes longer than a run has time for: closed windows are compared with the source only up to %s, "+
		"and what came late after that may be missing; raise RUN_BUDGET, or give one run more time with idnsentinel poll --budget 1h", last.UTC().Format(time.RFC3339)))
}

// comparison compares by counts, and repairs where they differ.
func (a *auditor) comparison(src auditable) comparison {
	return comparison{session: a.session, ledger: a.delivery.ledger, src: src, known: a.known, found: a.repair(src)}
}

func seconds(ages []time.Duration) []int64 {
	out := make([]int64, len(ages))
	for i, age := range ages {
		out[i] = int64(age / time.Second)
	}
	return out
}

// auditError is a failure to ask the source.
type auditError struct{ error }

func (e *auditError) Unwrap() error { return e.error }

// due returns the range to compare, and for each age the moment up to which it is
// audited then. through is nil if nothing is due.
func (a *auditor) due(now time.Time) (from, to time.Time, through []time.Time) {
	spans, start := a.spans(now)
	if spans == nil {
		return from, to, nil
	}
	from, to = spans[0].from, spans[0].to
	for _, s := range spans {
		through = append(through, s.to)
		if s.from.Before(from) {
			from = s.from
		}
	}
	// One period further back: what shows up in the moment of an audit is in the next.
	if from = from.Add(-a.AuditPolicy.Ages[0]).Truncate(a.AuditPolicy.Window); from.Before(start) {
		from = start
	}
	return from, to, through
}

// span is the range that has reached an age since the last audit. It is empty if its ends are equal.
type span struct{ from, to time.Time }

// spans returns one span for each age, or nil if no audit is due. start is where audits begin.
func (a *auditor) spans(now time.Time) (spans []span, start time.Time) {
	policy := a.AuditPolicy
	if a.saved.Since.IsZero() {
		return nil, start
	}
	start = a.saved.Since.Truncate(policy.Window)
	if policy.forgotten(start) {
		start = now.Add(-policy.Keep).Truncate(policy.Window).Add(policy.Window)
	}
	for i, age := range policy.Ages {
		last := a.audited(i)
		if last.Before(start) || last.After(now.Add(-age)) { // too young: the clock was ahead
			last = start
		}
		until := now.Add(-age)
		if a.saved.Through.Before(until) {
			until = a.saved.Through
		}
		s := span{last, last}
		if until = until.Truncate(policy.Window); until.After(last) {
			s.to = until
		}
		if i == 0 && s.to.Sub(s.from) < max(age.Truncate(policy.Window), policy.Window) {
			return nil, start
		}
		spans = append(spans, s)
	}
	return spans, start
}

// audited is the moment up to which windows were compared when they were as old
// as the i-th age, or older; zero if none were. The ages may be others than those of the
// last audit: what was looked at when it was younger has to be looked at again.
func (a *auditor) audited(i int) (through time.Time) {
	saved := a.saved.Audit
	if len(saved.AgeSeconds) != len(saved.Through) {
		if i < len(saved.Through) { // of a first version
			through = saved.Through[i]
		}
		return through
	}
	for j, age := range saved.AgeSeconds {
		if age >= int64(a.AuditPolicy.Ages[i]/time.Second) && saved.Through[j].After(through) {
			through = saved.Through[j]
		}
	}
	return through
}

// rereads is how often a window that does not stop growing is read in one audit. The
// audit of an older age reads it again.
const rereads = 3

// repair reads a window again, delivers what is missing, and judges what then
// still differs.
func (a *auditor) repair(src auditable) func(ctx context.Context, from, to time.Time, have, want int64) error {
	return func(ctx context.Context, from, to time.Time, _, want int64) error {
		for range rereads {
			var l listing
			err := a.delivery.reread(ctx, window(src, from, to), l.add)
			var refused *unproven
			switch {
			case errors.As(err, &refused): // the other windows need not wait for it
				a.undecided = err
				return nil
			case err != nil:
				return err
			}
			before := want
			var have int64
			if have, want, err = a.comparison(src).counts(ctx, from, to); err != nil {
				return err
			}
			if want == have || want == before {
				a.judge(from, want, have, l.rows)
				return nil
			}
			// Something came while the pages were read, and may not be on them:
			// taken for a difference that is known, it would never be looked for again.
		}
		a.next.Audit = a.next.Audit.without(from)
		return nil
	}
}

// undated looks for records that no window finds.
func (a *auditor) undated(ctx context.Context) error {
	src, ok := a.Source.(Undated)
	every := a.AuditPolicy.UndatedEvery
	if last := time.Since(a.saved.Audit.Undated); !ok || every == 0 || 0 <= last && last < every {
		return nil
	}
	err := a.delivery.reread(ctx, src.FetchUndated, func([]Record, []bool) {})
	var refused *unproven
	var f *auditError
	switch {
	case errors.Is(err, errNoTime):
		return nil
	case errors.As(err, &refused):
		a.undecided = err
		return nil
	case errors.Is(err, ErrUnsupported):
		a.log.Info("records without an event time can't be searched for", "stream", a.report.Stream, "error", err.Error())
	case errors.As(err, &f) && ctx.Err() == nil && !errors.As(err, new(*Retryable)): // it would not pass
		a.unread = fmt.Errorf("records without an event time are not delivered, because they can't be read: %w", f)
		return nil
	case errors.As(err, &f):
		a.warn("records without an event time could not be searched for: " + f.Error())
		return nil
	case err != nil:
		return err
	}
	a.next.Audit.Undated = time.Now()
	return a.saveCheckpoint(ctx)
}

// known is the difference in [from, to) that is known, explained or not.
func (a *auditor) known(from, to time.Time) int64 { return a.next.Audit.known(from, to) }
