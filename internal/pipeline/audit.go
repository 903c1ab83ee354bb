package pipeline

import (
	"context"
	"errors"
	"time"
)

// Auditing says how a stream's closed windows are audited: the count at the
// source is compared with the ledger's, and where they differ the window is
// read again and what is missing is delivered. Events that were indexed after
// the tail had passed come in this way.
type Auditing struct {
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

// Audit is how far a stream has been audited. It is stored with the checkpoint.
type Audit struct {
	// Through is, for each age, the moment up to which windows were compared at that
	// age or later.
	Through []time.Time `json:"through,omitempty"`
	// AgeSeconds are these ages. Checkpoints of the first versions lack them.
	AgeSeconds []int64 `json:"age_seconds,omitempty"`
	// Accepted are windows whose counts differ for a reason that is known.
	Accepted []Difference `json:"accepted,omitempty"`
	// Unexplained are windows of which the source counts more than was delivered, although
	// everything that it lists was.
	Unexplained []Difference `json:"unexplained,omitempty"`
	// Acknowledged is who took windows off the unexplained ones, the latest last.
	Acknowledged []Acknowledgement `json:"acknowledged,omitempty"`
	// Undated is when records without an event time were last looked for.
	Undated time.Time `json:"undated,omitzero"`
}

// errNoTime ends an audit that goes on in a later run.
var errNoTime = errors.New("no time left in this run")

// audit looks at closed windows, as often as the youngest age says. Where the source can
// count, the whole range between the oldest age and the youngest is one request; where it
// can't, what has come to an age is read again and the ledger decides. An audit that can't
// be done is a warning; only failing to deliver what it found fails the run.
func (t *run) audit(ctx context.Context) error {
	if len(t.Auditing.Ages) == 0 {
		return nil
	}
	if err := t.auditUndated(ctx); err != nil {
		return err
	}
	src, ok := t.Source.(WindowReader)
	if !ok {
		return nil
	}
	defer func() {
		if len(t.saved.Audit.Through) > 0 {
			t.report.AuditedThrough = t.saved.Audit.Through[0]
		}
	}()
	if counts, ok := t.Source.(auditable); ok {
		return t.auditByCount(ctx, counts)
	}
	return t.auditByReading(ctx, src)
}

// auditByCount compares the counts of source and ledger.
func (t *run) auditByCount(ctx context.Context, src auditable) error {
	now := time.Now()
	from, to, through := t.due(now)
	if through == nil {
		return nil
	}
	t.next.Audit = t.saved.Audit.tidied(t.forgotten, from, t.Auditing.Window)
	_, _, err := t.compare(ctx, comparison{src, t.known, t.repair(src)}, from, to)
	if err == nil {
		err = t.recheck(ctx, src, now)
	}
	var f *auditError
	switch {
	case errors.Is(err, errNoTime):
		if t.report.Mismatches > 0 { // what was found out need not be found out again
			return t.saveCheckpoint(ctx)
		}
		return nil
	case errors.As(err, &f):
		t.warn("audit was not possible: " + f.Error())
		return nil
	case err != nil:
		return err
	}
	if t.undecided != nil { // to be looked at again by the next run
		return t.saveCheckpoint(ctx)
	}
	t.next.Audit.Through, t.next.Audit.AgeSeconds = through, seconds(t.Auditing.Ages)
	return t.saveCheckpoint(ctx)
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
func (t *run) due(now time.Time) (from, to time.Time, through []time.Time) {
	spans, start := t.spans(now)
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
	if from = from.Add(-t.Auditing.Ages[0]).Truncate(t.Auditing.Window); from.Before(start) {
		from = start
	}
	return from, to, through
}

// span is what has come to an age since the last audit; nothing, if its ends are the same.
type span struct{ from, to time.Time }

// spans are those of the ages, nil if no audit is due. start is where audits begin.
func (t *run) spans(now time.Time) (spans []span, start time.Time) {
	a := t.Auditing
	if t.saved.Since.IsZero() {
		return nil, start
	}
	start = t.saved.Since.Truncate(a.Window)
	if t.forgotten(start) {
		start = now.Add(-a.Keep).Truncate(a.Window).Add(a.Window)
	}
	for i, age := range a.Ages {
		last := t.audited(i)
		if last.Before(start) || last.After(now.Add(-age)) { // too young: the clock was ahead
			last = start
		}
		until := now.Add(-age)
		if t.saved.Through.Before(until) {
			until = t.saved.Through
		}
		s := span{last, last}
		if until = until.Truncate(a.Window); until.After(last) {
			s.to = until
		}
		if i == 0 && s.to.Sub(s.from) < max(age.Truncate(a.Window), a.Window) {
			return nil, start
		}
		spans = append(spans, s)
	}
	return spans, start
}

// audited is the moment up to which windows were compared when they were as old
// as the i-th age, or older; zero if none were. The ages may be others than those of the
// last audit: what was looked at when it was younger has to be looked at again.
func (t *run) audited(i int) (through time.Time) {
	saved := t.saved.Audit
	if len(saved.AgeSeconds) != len(saved.Through) {
		if i < len(saved.Through) { // of a first version
			through = saved.Through[i]
		}
		return through
	}
	for j, age := range saved.AgeSeconds {
		if age >= int64(t.Auditing.Ages[i]/time.Second) && saved.Through[j].After(through) {
			through = saved.Through[j]
		}
	}
	return through
}

// forgotten reports whether the ledger may have pruned the window that begins then.
func (t *run) forgotten(window time.Time) bool {
	return t.Auditing.Keep > 0 && time.Since(window) > t.Auditing.Keep
}

// auditable is what is asked of a source whose windows are compared by their counts.
type auditable interface {
	Counter
	WindowReader
}

// comparison is one comparison of source and ledger.
type comparison struct {
	src auditable
	// known is the difference in a range that is known and needs no look.
	known func(from, to time.Time) int64
	// found is called for each window that differs by another number.
	found func(ctx context.Context, from, to time.Time, have, want int64) error
}

// compare compares [from, to), and narrows it down where it differs. It returns the counts
// of the whole.
func (t *run) compare(ctx context.Context, c comparison, from, to time.Time) (have, want int64, err error) {
	if !t.pace.timeLeft(ctx) {
		return 0, 0, errNoTime
	}
	if have, want, err = t.counts(ctx, c.src, from, to); err != nil {
		return have, want, err
	}
	return have, want, t.narrow(ctx, c, from, to, have, want)
}

// narrow halves [from, to), whose counts are given, as long as they differ. Only one half of
// the two is counted: the other has the rest.
func (t *run) narrow(ctx context.Context, c comparison, from, to time.Time, have, want int64) error {
	pieces := int64(to.Sub(from) / t.Auditing.Window)
	switch {
	case want-have == c.known(from, to):
		t.report.WindowsChecked += pieces
		return nil
	case pieces == 1:
		t.report.WindowsChecked++
		t.report.Mismatches++
		return c.found(ctx, from, to, have, want)
	case !t.pace.timeLeft(ctx):
		return errNoTime
	}
	mid := from.Add(time.Duration(pieces/2) * t.Auditing.Window)
	first, wanted, err := t.counts(ctx, c.src, from, mid)
	if err != nil {
		return err
	}
	if err := t.narrow(ctx, c, from, mid, first, wanted); err != nil {
		return err
	}
	return t.narrow(ctx, c, mid, to, have-first, want-wanted)
}

// repair reads a window again, delivers what is missing, and judges what then
// still differs.
func (t *run) repair(src auditable) func(ctx context.Context, from, to time.Time, have, want int64) error {
	return func(ctx context.Context, from, to time.Time, _, want int64) error {
		for range rereads {
			var l listing
			err := t.reread(ctx, window(src, from, to), l.add)
			var refused *unproven
			switch {
			case errors.As(err, &refused): // the other windows need not wait for it
				t.undecided = err
				return nil
			case err != nil:
				return err
			}
			before := want
			var have int64
			if have, want, err = t.counts(ctx, src, from, to); err != nil {
				return err
			}
			if want == have || want == before {
				t.judge(from, want, have, l.rows)
				return nil
			}
			// Something came while the pages were read, and may not be on them:
			// taken for a difference that is known, it would never be looked for again.
		}
		t.next.Audit = t.next.Audit.without(from)
		return nil
	}
}

// rereads is how often a window that does not stop growing is read in one audit. The
// audit of an older age reads it again.
const rereads = 3

// window is FetchWindow as a walk.
func window(src WindowReader, from, to time.Time) func(context.Context, Cursor) (Page, error) {
	return func(ctx context.Context, after Cursor) (Page, error) { return src.FetchWindow(ctx, from, to, after) }
}

// known is the difference in [from, to) that is known, explained or not.
func (t *run) known(from, to time.Time) int64 { return t.next.Audit.known(from, to) }

// counts asks the ledger and the source.
func (t *run) counts(ctx context.Context, src auditable, from, to time.Time) (have, want int64, err error) {
	if have, err = t.ledger.Count(ctx, from, to); err != nil {
		return 0, 0, err
	}
	err = t.Retry.Do(ctx, t.countRetry("count"), func(ctx context.Context) (err error) {
		want, err = src.Count(ctx, from, to)
		return err
	})
	if err != nil {
		return 0, 0, &auditError{err}
	}
	return have, want, nil
}

// reread delivers what the ledger lacks of the pages that fetch gives. note is called with
// the records of each, and which of them the ledger lacked.
func (t *run) reread(ctx context.Context, fetch func(context.Context, Cursor) (Page, error), note func(records []Record, missing []bool)) error {
	sent := t.report.Sent + t.report.Quarantined
	defer func() { t.report.Repaired += t.report.Sent + t.report.Quarantined - sent }()
	err := t.walk(ctx, fetch, func(ctx context.Context, records []Record) error {
		missing, err := t.take(ctx, records)
		if err != nil {
			return err
		}
		note(records, missing)
		return t.deliverAll(ctx)
	})
	if err == nil {
		err = t.decide(ctx)
	}
	t.pending = nil
	return err
}

// walk hands over the records of all pages that fetch gives.
func (t *run) walk(ctx context.Context, fetch func(context.Context, Cursor) (Page, error), take func(context.Context, []Record) error) error {
	var after Cursor
	for more := true; more; {
		if !t.pace.timeLeft(ctx) {
			return errNoTime
		}
		var page Page
		err := t.Retry.Do(ctx, t.countRetry("fetch window"), func(ctx context.Context) (err error) {
			page, err = fetch(ctx, after)
			return err
		})
		if err != nil {
			return &auditError{err}
		}
		if err := take(ctx, page.Records); err != nil {
			return err
		}
		if page.More && page.Next == after {
			return &auditError{t.standsStill()}
		}
		after, more = page.Next, page.More
	}
	return nil
}

// auditUndated looks for records that no window finds.
func (t *run) auditUndated(ctx context.Context) error {
	src, ok := t.Source.(Undated)
	every := t.Auditing.UndatedEvery
	if last := time.Since(t.saved.Audit.Undated); !ok || every == 0 || 0 <= last && last < every {
		return nil
	}
	err := t.reread(ctx, src.FetchUndated, func([]Record, []bool) {})
	var refused *unproven
	var f *auditError
	switch {
	case errors.Is(err, errNoTime):
		return nil
	case errors.As(err, &refused):
		t.undecided = err
		return nil
	case errors.Is(err, ErrUnsupported):
		t.log.Info("records without an event time can't be looked for", "stream", t.report.Stream, "error", err.Error())
	case errors.As(err, &f):
		t.warn("records without an event time could not be looked for: " + f.Error())
		return nil
	case err != nil:
		return err
	}
	t.next.Audit.Undated = time.Now()
	return t.saveCheckpoint(ctx)
}
