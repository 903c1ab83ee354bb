package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Auditing says how a stream's closed windows are audited: the count at the
// source is compared with the ledger's, and where they differ the window is
// read again and what is missing is delivered. Events that were indexed after
// the tail had passed come in this way.
type Auditing struct {
	// Ages are how old windows are when they are looked at, ascending; each is also how
	// often: what is 1 h old once an hour. None means no audit.
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
	// Through is, for each age, the moment up to which windows were compared.
	Through []time.Time `json:"through,omitempty"`
	// AgeSeconds are these ages. Checkpoints of the first versions lack them.
	AgeSeconds []int64 `json:"age_seconds,omitempty"`
	// Accepted are windows whose counts still differed after they were read again.
	Accepted []Difference `json:"accepted,omitempty"`
	// Undated is when records without an event time were last looked for.
	Undated time.Time `json:"undated,omitzero"`
}

// Difference is a window whose counts differ although every record that the
// source shows of it is delivered: it lists one id twice, or has forgotten some.
type Difference struct {
	From   time.Time `json:"from"`
	Source int64     `json:"source"`
	Ledger int64     `json:"ledger"`
}

// errNoTime ends an audit that goes on in a later run.
var errNoTime = errors.New("no time left in this run")

// audit compares what is due, as one range: the largest age that is due takes
// the younger ones along, which saves their requests. An audit that can't be
// done is a warning; only failing to deliver what it found fails the run.
func (t *run) audit(ctx context.Context) error {
	if len(t.Auditing.Ages) == 0 {
		return nil
	}
	if err := t.auditUndated(ctx); err != nil {
		return err
	}
	src, ok := t.Source.(Auditable)
	if !ok {
		return nil
	}
	defer func() {
		if len(t.saved.Audit.Through) > 0 {
			t.report.AuditedThrough = t.saved.Audit.Through[0]
		}
	}()
	from, through := t.due(time.Now())
	if through == nil {
		return nil
	}
	t.next.Audit.Accepted = slices.DeleteFunc(slices.Clone(t.saved.Audit.Accepted), func(d Difference) bool { return t.forgotten(d.From) })
	_, _, err := t.compare(ctx, src, from, through[0], t.repair(src))
	var f *auditError
	switch {
	case errors.Is(err, errNoTime):
		return nil
	case errors.As(err, &f):
		t.warn("audit was not possible: " + f.Error())
		return nil
	case err != nil:
		return err
	}
	t.next.Audit.Through, t.next.Audit.AgeSeconds = through, seconds(t.Auditing.Ages)
	return t.moveCheckpoint(ctx)
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

// due returns the start of the range to compare, and for each age the moment up
// to which it is audited once [from, through[0]) has been compared. through is
// nil if nothing is due.
func (t *run) due(now time.Time) (from time.Time, through []time.Time) {
	a := t.Auditing
	if t.saved.Since.IsZero() {
		return from, nil
	}
	start := t.saved.Since.Truncate(a.Window)
	if t.forgotten(start) {
		start = now.Add(-a.Keep).Truncate(a.Window).Add(a.Window)
	}
	dueAge := -1
	through = make([]time.Time, len(a.Ages))
	until := make([]time.Time, len(a.Ages))
	for i, age := range a.Ages {
		through[i] = t.audited(i)
		if through[i].Before(start) || through[i].After(now.Add(-age)) { // too young: the clock was ahead
			through[i] = start
		}
		until[i] = now.Add(-age)
		if t.saved.Through.Before(until[i]) {
			until[i] = t.saved.Through
		}
		until[i] = until[i].Truncate(a.Window)
		if until[i].Sub(through[i]) >= max(age.Truncate(a.Window), a.Window) {
			dueAge = i
		}
	}
	if dueAge < 0 {
		return from, nil
	}
	from = through[dueAge]
	for i := range dueAge + 1 {
		if until[i].After(through[i]) {
			through[i] = until[i]
		}
	}
	return from, through
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

// differs is called for a window whose counts differ.
type differs func(ctx context.Context, from, to time.Time, have, want int64) error

// compare compares [from, to) and halves it as long as the counts differ. It
// returns the counts of the whole.
func (t *run) compare(ctx context.Context, src Auditable, from, to time.Time, found differs) (have, want int64, err error) {
	if !t.timeLeft(ctx) {
		return 0, 0, errNoTime
	}
	have, want, err = t.counts(ctx, src, from, to)
	if err != nil {
		return have, want, err
	}
	pieces := int64(to.Sub(from) / t.Auditing.Window)
	switch {
	case want-have == t.accepted(from, to):
		t.report.WindowsChecked += pieces
	case pieces > 1:
		mid := from.Add(time.Duration(pieces/2) * t.Auditing.Window)
		if _, _, err = t.compare(ctx, src, from, mid, found); err == nil {
			_, _, err = t.compare(ctx, src, mid, to, found)
		}
	default:
		t.report.WindowsChecked++
		t.report.Mismatches++
		err = found(ctx, from, to, have, want)
	}
	return have, want, err
}

// repair reads a window again, delivers what is missing, and accepts what then
// still differs.
func (t *run) repair(src Auditable) differs {
	return func(ctx context.Context, from, to time.Time, have, want int64) error {
		for range rereads {
			if err := t.reread(ctx, window(src, from, to)); err != nil {
				return err
			}
			before := want
			var err error
			if have, want, err = t.counts(ctx, src, from, to); err != nil {
				return err
			}
			if want == have || want == before {
				t.accept(from, want, have)
				return nil
			}
			// Something came while the pages were read, and may not be on them:
			// accepted as a difference, it would never be looked for again.
		}
		t.accept(from, have, have)
		return nil
	}
}

// rereads is how often a window that does not stop growing is read in one audit. The
// audit of an older age reads it again.
const rereads = 3

// window is FetchWindow as a walk.
func window(src Auditable, from, to time.Time) func(context.Context, Cursor) (Page, error) {
	return func(ctx context.Context, after Cursor) (Page, error) { return src.FetchWindow(ctx, from, to, after) }
}

// counts asks the ledger and the source.
func (t *run) counts(ctx context.Context, src Auditable, from, to time.Time) (have, want int64, err error) {
	if have, err = t.ledger.Count(ctx, from, to); err != nil {
		return 0, 0, err
	}
	err = t.Retry.Do(ctx, t.noteRetry("count"), func(ctx context.Context) (err error) {
		want, err = src.Count(ctx, from, to)
		return err
	})
	if err != nil {
		return 0, 0, &auditError{err}
	}
	return have, want, nil
}

// reread delivers what the ledger lacks of the pages that fetch gives.
func (t *run) reread(ctx context.Context, fetch func(context.Context, Cursor) (Page, error)) error {
	sent := t.report.Sent + t.report.Quarantined
	defer func() { t.report.Repaired += t.report.Sent + t.report.Quarantined - sent }()
	return t.walk(ctx, fetch, func(ctx context.Context, records []Record) error {
		if _, err := t.take(ctx, records); err != nil {
			return err
		}
		return t.deliverAll(ctx)
	})
}

// walk hands over the records of all pages that fetch gives.
func (t *run) walk(ctx context.Context, fetch func(context.Context, Cursor) (Page, error), take func(context.Context, []Record) error) error {
	var after Cursor
	for more := true; more; {
		if !t.timeLeft(ctx) {
			return errNoTime
		}
		var page Page
		err := t.Retry.Do(ctx, t.noteRetry("fetch window"), func(ctx context.Context) (err error) {
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
			return &auditError{fmt.Errorf("source %s says that there is more but does not advance", t.report.Stream)}
		}
		after, more = page.Next, page.More
	}
	return nil
}

// accepted is the sum of the known differences in [from, to).
func (t *run) accepted(from, to time.Time) (n int64) {
	for _, d := range t.next.Audit.Accepted {
		if !d.From.Before(from) && d.From.Before(to) {
			n += d.Source - d.Ledger
		}
	}
	return n
}

// accept notes what is left between the counts of a window that was read
// again, so that it is not read again for the same reason.
func (t *run) accept(from time.Time, want, have int64) {
	t.next.Audit.Accepted = slices.DeleteFunc(t.next.Audit.Accepted, func(d Difference) bool { return d.From.Equal(from) })
	if want == have {
		return
	}
	t.next.Audit.Accepted = append(t.next.Audit.Accepted, Difference{From: from, Source: want, Ledger: have})
	if want < have {
		t.warn(fmt.Sprintf("the source shows %d events of the window from %s, and %d were delivered: it has forgotten some", want, from.Format(time.RFC3339), have))
	} else {
		t.warn(fmt.Sprintf("the source counts %d events in the window from %s but lists %d different ones, all delivered", want, from.Format(time.RFC3339), have))
	}
}

// auditUndated looks for records that no window finds.
func (t *run) auditUndated(ctx context.Context) error {
	src, ok := t.Source.(Undated)
	every := t.Auditing.UndatedEvery
	if !ok || every == 0 || time.Since(t.saved.Audit.Undated) < every {
		return nil
	}
	err := t.reread(ctx, src.FetchUndated)
	var f *auditError
	switch {
	case errors.Is(err, errNoTime):
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
	return t.moveCheckpoint(ctx)
}
