package forward

import (
	"context"
	"fmt"
	"time"
)

const (
	// patience is how long a report is tried whose starts certainly did not happen, and leastTries how
	// often at least: the connector may have been off.
	patience   = 72 * time.Hour
	leastTries = 10
	// mostKept is how many rows or groups of one report may be in doubt, or refused, before the rest of
	// it is kept as well.
	mostKept = 20
	// mostRepeats is how often a start in doubt is repeated if the settings say so.
	mostRepeats = 5
	// keepFor is how long what can't be settled is kept.
	keepFor = 30 * 24 * time.Hour
)

// Entry is how far the forwarding of a report is.
type Entry struct {
	// ID, Name, ContentType, Received, Bytes and Parts describe the report.
	ID, Name, ContentType string
	Received              time.Time
	Bytes                 int64
	Parts                 int

	// Settled is how many records of the report, counted as they are read, need nothing more.
	Settled int
	// Read is set once all of them were read.
	Read bool
	// Starts is how many starts were confirmed.
	Starts int
	// Posting is the start that is being posted, and the intent to do so; nil if none is.
	Posting *Span
	// Again are starts to repeat, Doubts those of which it is not known whether they happened, and
	// Refused those that the workflow did not accept.
	Again, Doubts, Refused []Span
	// Since is when trying began, and Failures how often it failed since the last start.
	Since    time.Time
	Failures int
	// Parked is why nothing more is tried; "" if something is.
	Parked string
}

// Span is a run of records that belong to one start.
type Span struct {
	// First and Last count records from 1.
	First, Last int
	// At is when the start was posted.
	At time.Time
	// Tries is how often it was posted, and Why what came of it.
	Tries int
	Why   string
}

func (s Span) String() string {
	if s.First == s.Last {
		return fmt.Sprintf("row %d", s.First)
	}
	return fmt.Sprintf("rows %d to %d", s.First, s.Last)
}

// waits reports whether there is something to do.
func (e *Entry) waits() bool {
	return e.Parked == "" && (!e.Read || e.Posting != nil || len(e.Again) > 0)
}

// Done reports whether nothing is left to do or to keep.
func (e *Entry) Done() bool {
	return e.Read && e.Posting == nil && e.Parked == "" && len(e.Again)+len(e.Doubts)+len(e.Refused) == 0
}

// Kept reports whether the entry only waits for a person.
func (e *Entry) Kept() bool { return !e.Done() && !e.waits() }

// Repeat has everything that is kept tried again.
func (e *Entry) Repeat(now time.Time) {
	e.Again = append(append(e.Again, e.Doubts...), e.Refused...)
	for i := range e.Again {
		e.Again[i].Tries = max(e.Again[i].Tries, 1)
	}
	e.Doubts, e.Refused = nil, nil
	e.Parked, e.Failures, e.Since = "", 0, now
}

// leftover settles the intent that a process left which did not note the result.
func (e *Entry) leftover(repeat bool) bool {
	if e.Posting == nil {
		return false
	}
	e.doubt("the process was stopped before it noted the answer", repeat)
	return true
}

// doubt settles the start under way as one of which it is not known whether it happened.
func (e *Entry) doubt(why string, repeat bool) {
	s := *e.Posting
	s.Why = why
	if repeat && s.Tries < mostRepeats {
		e.Again = append(e.Again, s)
	} else {
		e.Doubts = append(e.Doubts, s)
	}
	e.settle()
	if len(e.Doubts) >= mostKept {
		e.Parked = fmt.Sprintf("%d starts are in doubt", len(e.Doubts))
	}
}

// refuse settles the start under way as one that the workflow does not accept.
func (e *Entry) refuse(why string) {
	s := *e.Posting
	s.Why = why
	e.Refused = append(e.Refused, s)
	e.settle()
	if len(e.Refused) >= mostKept {
		e.Parked = fmt.Sprintf("%d starts were refused", len(e.Refused))
	}
}

// settle: the records of the start under way need nothing more.
func (e *Entry) settle() {
	e.Settled = max(e.Settled, e.Posting.Last)
	e.Posting = nil
}

// withdraw takes back the start under way, which did not happen. One to repeat stays that.
func (e *Entry) withdraw() {
	if s := *e.Posting; s.Tries > 1 {
		s.Tries--
		e.Again = append([]Span{s}, e.Again...)
	}
	e.Posting = nil
}

// failed notes a start that certainly did not happen.
func (e *Entry) failed(why string, now time.Time) {
	e.Posting = nil
	e.Failures++
	if e.Failures >= leastTries && now.Sub(e.Since) > patience {
		e.Parked = why
	}
}

// Item is an entry as it is stored.
type Item struct {
	Entry
	// Tag is its version.
	Tag string
}

// Queue keeps the entries, and the reports as long as there is an entry for them.
type Queue interface {
	// Items lists the entries in the order of receipt, with a new one for each report that has none.
	// problems name what can't be read.
	Items(ctx context.Context) (list []Item, problems []string, err error)
	// Save replaces the version of an entry that was read, and notes the new one in it. An error means
	// that nothing may be posted.
	Save(ctx context.Context, item *Item) error
	// Finish removes an entry, and the report unless it is still to be delivered.
	Finish(ctx context.Context, item Item) error
	// PartOf returns a part of the report, counted from 1.
	PartOf(ctx context.Context, e Entry, number int) ([]byte, error)
	// Damaged reports whether an error of PartOf won't pass.
	Damaged(err error) bool
}

// Workflow is started by a post.
type Workflow interface {
	// Ready waits until a start may be posted: there is a token, and the rate limit lets a request
	// through. Its error is like that of Start, but never a [Doubt].
	Ready(ctx context.Context) error
	// Start posts one start. Without an error the service confirmed it. An error is [*Refused],
	// [*Doubt], or says that the workflow was certainly not started.
	Start(ctx context.Context, input []byte) error
}

// Refused says that the service does not accept what was posted.
type Refused struct{ Err error }

func (e *Refused) Error() string { return e.Err.Error() }
func (e *Refused) Unwrap() error { return e.Err }

// Doubt says that it is not known whether the workflow was started.
type Doubt struct{ Err error }

func (e *Doubt) Error() string { return e.Err.Error() }
func (e *Doubt) Unwrap() error { return e.Err }
