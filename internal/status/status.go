// Package status says whether data flows, and if not, why: for each stream how far it lags,
// when it last succeeded, its last error with the remedy, what waits, and what is proven complete.
//
// Everything comes from the state, where each run leaves its outcome. So it makes no difference who
// asks: the function itself, another instance of it, or a person's machine. Nothing is written.
//
// The verdict is never better than what is known. What could not be read is [Unknown], a stream
// without a run is [Failing], and old news is not good news: if no run has left an outcome for
// longer than one may take, the last one does not count.
package status

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
)

const (
	// Timeout limits a snapshot. What is not read by then is unknown.
	Timeout = 4 * time.Second
	// atOnce is how many requests to the store are under way.
	atOnce = 64
	// countMost is up to where objects are counted. A page of the blob service's listing has as many.
	countMost = 5000
	// mostInFull is of how many streams everything is read. With some seven requests for each, more
	// would take longer than Timeout.
	mostInFull = 1000
	// forwardsMost is how many reports are read to say how far their forwarding is.
	forwardsMost = 200
)

// Verdict is how a stream, or the whole, is.
type Verdict string

// The verdicts, from best to worst.
const (
	// OK means that data flows, and nothing needs a person.
	OK Verdict = "ok"
	// Attention means that data flows, and something needs a person.
	Attention Verdict = "attention"
	// Data comes later than it should.
	Late Verdict = "late"
	// Unknown means that the state could not be read.
	Unknown Verdict = "unknown"
	// Failing means that no data comes until something changes.
	Failing Verdict = "failing"
)

// Compare is positive if v is worse than another.
func (v Verdict) Compare(other Verdict) int {
	order := []Verdict{OK, Attention, Late, Unknown, Failing}
	return slices.Index(order, v) - slices.Index(order, other)
}

// Flows reports whether data flows and is not late.
func (v Verdict) Flows() bool { return v == OK || v == Attention }

// Config says what a snapshot is of.
type Config struct {
	Store       state.Store
	Connections []Connection
	// Version is the version of the program that asks.
	Version string
	// Every is the interval between two runs; 0 means a minute. Longest is the longest that a run
	// takes until it leaves an outcome.
	Every, Longest time.Duration
	// FanOut is set if connections are spread over instances by a queue.
	FanOut bool
}

// Connection is one connection.
type Connection struct {
	Name   string // "" if there is only one
	Tenant string
	// Problem says what is wrong with its settings; "" if nothing is.
	Problem string
	Streams []Stream
}

// Stream is what a snapshot needs to know about a stream.
type Stream struct {
	ID string
	// Short is its name for people.
	Short string
	// Inbox is the prefix of the objects that wait in its inbox, below the stream's; nil if nothing
	// is pushed.
	Inbox *string
	// Backfills is set if the stream can be read again, and so may have backfills.
	Backfills bool
	// Owes is set if answers may be owed to those who push: see package owed.
	Owes bool
	// Forwards is set if what the stream receives is passed on to a workflow: see package forward.
	Forwards bool
	// Window is the width of the ledger's windows.
	Window time.Duration
	// AuditAge is the youngest age at which windows are audited; 0 if they are not.
	AuditAge time.Duration
	// Settle is how long before now a search ends.
	Settle time.Duration
}

// Snapshot is how everything is at a moment. Scripts rely on the JSON names. The streams of several
// connections are in the order of their states, the worst first.
type Snapshot struct {
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	State   Verdict   `json:"state"`
	// Summary is the state in a sentence.
	Summary string `json:"summary"`
	// Problems are what a person should know, the worst first.
	Problems []Problem `json:"problems"`
	Streams  []Status  `json:"streams"`
	// Seconds is how long it took.
	Seconds float64 `json:"seconds"`
}

// Problem is something that is wrong, of one stream or several. Streams that have it for the same cause
// share one Problem, even if the numbers, times or names in its text differ.
type Problem struct {
	State Verdict `json:"state"`
	// Streams are the labels of the streams that have it.
	Streams []string `json:"streams"`
	// Connections is how many connections they belong to; 0 if there is only one, without a name.
	Connections int `json:"connections,omitzero"`
	// Texts is how many different texts they have for it: What is the text of the first.
	Texts int `json:"texts,omitzero"`
	// What is wrong, and what to do about it.
	What   string `json:"what"`
	Remedy string `json:"remedy"`

	each []found
}

// Example reports whether What is the text of one stream, and others have it with other numbers.
func (p Problem) Example() bool { return p.Texts > 1 }

// Status is how a stream is.
type Status struct {
	Connection string  `json:"connection,omitzero"`
	Tenant     string  `json:"tenant"`
	Stream     string  `json:"stream"`
	Name       string  `json:"name"` // for people
	State      Verdict `json:"state"`
	// LagSeconds is the age of the moment up to which the stream is delivered; null if that is
	// unknown. A stream without such a moment has the age of the last run that read to its end.
	LagSeconds *float64 `json:"lag_seconds"`
	// LateAfterSeconds is the largest lag that is normal, by POLL_SCHEDULE and SETTLE_DELAY.
	LateAfterSeconds float64 `json:"late_after_seconds"`
	// LastRun is when a run last left an outcome or found another one at work, LastSuccess when one
	// last did not fail.
	LastRun     time.Time   `json:"last_run,omitzero"`
	LastSuccess time.Time   `json:"last_success,omitzero"`
	LastError   *LastError  `json:"last_error,omitzero"`
	Warnings    []string    `json:"warnings,omitempty"`
	Seen        []runs.Seen `json:"seen,omitempty"`
	// What waits.
	Spool       Count  `json:"spool"`
	Inbox       *Count `json:"inbox,omitzero"` // nil if nothing is pushed
	Owed        *Count `json:"owed,omitzero"`  // requests whose answers are still to be posted; nil if there can be none
	Undelivered Count  `json:"undelivered"`    // in quarantine, missing in the workspace
	Conformed   Count  `json:"conformed"`      // originals of rows that were changed to fit
	// Forwarding is nil if nothing is passed on.
	Forwarding *Forwarding `json:"forwarding,omitzero"`
	// HookProblem is what a push last asked a person to change; nil if none has for a day.
	HookProblem *HookProblem `json:"hook_problem,omitzero"`
	// DeliveredThrough is up to where the stream is delivered, ProvenThrough up to where it is proven
	// complete; zero if that is unknown.
	DeliveredThrough time.Time `json:"delivered_through,omitzero"`
	ProvenThrough    time.Time `json:"proven_through,omitzero"`
	Unexplained      int64     `json:"unexplained"` // windows
	// Backfills are the unfinished ones, and those that ended within the last day.
	Backfills []Backfill `json:"backfills,omitempty"`
	// Partial is set if there are so many streams that what waits, backfills, and what pushes have left
	// were not read of this one.
	Partial bool `json:"partial,omitzero"`
	// Completeness covers the last seven days.
	Completeness []Span     `json:"completeness,omitempty"`
	Recent       []runs.Run `json:"recent,omitempty"`
}

// Label names the stream, with its connection if there are several.
func (s *Status) Label() string { return label(s.Connection, s.Name) }

func label(connection, name string) string {
	if connection == "" {
		return name
	}
	return connection + "/" + name
}

// LastError is the last failure of a stream.
type LastError struct {
	At    time.Time `json:"at"`
	Since time.Time `json:"since"` // the first of the row
	Count int64     `json:"count"` // in a row
	Text  string    `json:"text"`
	// Over is set if a later run succeeded.
	Over bool `json:"over"`
}

// Backfill is a job that delivers a range once more.
type Backfill struct {
	ID   string    `json:"id"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// State is how far it is, and Verdict what its proof has shown, if it is done.
	State   jobs.State `json:"state"`
	Verdict string     `json:"verdict,omitzero"`
	Percent int        `json:"percent"`
	Events  int64      `json:"events"` // −1 if the source can't count
	Fetched int64      `json:"fetched"`
	Sent    int64      `json:"sent"`
	// Left is set if it was left to the function.
	Left bool `json:"left"`
	// Updated is when it was last worked on, and Text how far it is, for people.
	Updated time.Time `json:"updated,omitzero"`
	Text    string    `json:"text"`
}

// Count is a number of objects.
type Count struct {
	N int64 `json:"n"`
	// More is set if there are more than that.
	More bool `json:"more,omitzero"`
	// Oldest is when the oldest was stored; zero if there is none.
	Oldest time.Time `json:"oldest,omitzero"`
}

// Forwarding is how far the reports are that are passed on to a workflow. No rows wait for it.
type Forwarding struct {
	// Waiting are the reports that wait, and Kept those of which something waits for a person.
	Waiting Count `json:"waiting"`
	Kept    Count `json:"kept"`
	// Doubts are the starts of which it is not known whether they happened, Refused those that the
	// workflow did not take.
	Doubts  int64 `json:"doubts"`
	Refused int64 `json:"refused"`
	// Failures is how often the oldest that waits has failed since its last start.
	Failures int `json:"failures"`
	// Why is about the oldest that is kept.
	Why string `json:"why,omitzero"`
	// Unreadable names what can't be read.
	Unreadable []string `json:"unreadable,omitempty"`
}

// HookProblem is something that a push asked a person to change.
type HookProblem struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Take takes a snapshot. It takes no longer than [Timeout].
func Take(ctx context.Context, c Config) Snapshot {
	begun := time.Now()
	s := Snapshot{At: begun.UTC(), Version: c.Version, State: OK, Problems: []Problem{}, Streams: []Status{}}
	found := problems{}
	all := gather(ctx, c)
	for _, r := range all {
		j := judge{Config: c, now: begun, reading: r}
		j.alive = slices.ContainsFunc(all, j.heard)
		j.all()
		found.add(r.label(), r.connection, r.stream, j.problems)
		s.Streams = append(s.Streams, j.status)
	}
	if c.FanOut {
		queueState(ctx, c.Store, begun, &found)
		gaveUp(ctx, c.Store, begun, &found)
	}
	if len(c.Connections) > 1 { // with one, the order of the streams is more familiar
		slices.SortStableFunc(s.Streams, func(a, b Status) int { return b.State.Compare(a.State) })
	}
	s.Problems = append(s.Problems, found.sorted()...)
	for _, p := range s.Problems {
		s.State = worse(s.State, p.State)
	}
	if len(s.Streams) == 0 {
		s.State = Unknown
	}
	s.Summary = s.summary()
	s.Seconds = time.Since(begun).Seconds()
	return s
}

// Only is what to show of many connections.
type Only struct {
	// Connection is the name of one, Text part of a connection's or tenant's name; "" shows all.
	Connection, Text string
	// Trouble shows what is not OK.
	Trouble bool
}

// All reports whether everything is shown.
func (o Only) All() bool { return o == Only{} }

func (o Only) shows(s *Status) bool {
	text := strings.ToLower(o.Text)
	return (o.Connection == "" || strings.EqualFold(o.Connection, s.Connection)) &&
		(strings.Contains(strings.ToLower(s.Connection), text) || strings.Contains(strings.ToLower(s.Tenant), text)) &&
		(!o.Trouble || s.State != OK)
}

// Narrowed is the snapshot with only some of the streams, and with the problems that they have. State and
// summary still speak of all.
func (s Snapshot) Narrowed(to Only) Snapshot {
	if to.All() {
		return s
	}
	all := s.Streams
	s.Streams = []Status{}
	shown := map[string]bool{queueLabel: true} // labels of streams, and names of connections
	for i := range all {
		if to.shows(&all[i]) {
			s.Streams = append(s.Streams, all[i])
			shown[all[i].Label()], shown[all[i].Connection] = true, true
		}
	}
	problems := s.Problems
	s.Problems = []Problem{}
	for _, p := range problems {
		if p, ok := p.narrowed(func(label string) bool { return shown[label] }); ok {
			s.Problems = append(s.Problems, p)
		}
	}
	return s
}

// Broken is the snapshot of an app that can't be opened.
func Broken(version string, err error) Snapshot {
	p := Problem{State: Failing, Streams: []string{}, What: err.Error(), Remedy: "Correct the settings of the function app; idnsentinel check lists every problem. Then restart the app."}
	return Snapshot{At: time.Now().UTC(), Version: version, State: Failing, Problems: []Problem{p}, Streams: []Status{}, Summary: "The app can't start: its settings are wrong."}
}

func worse(a, b Verdict) Verdict {
	if b.Compare(a) > 0 {
		return b
	}
	return a
}

// summary is the state in a sentence.
func (s *Snapshot) summary() string {
	lag := -1.0
	for _, one := range s.Streams {
		if one.LagSeconds != nil {
			lag = max(lag, *one.LagSeconds)
		}
	}
	flows := "Data flows"
	if lag >= 0 {
		flows += ", " + Age(time.Duration(lag*float64(time.Second))) + " after the source at most"
	}
	switch s.State {
	case OK:
		return flows + "."
	case Attention:
		return flows + ", and something needs your attention."
	case Late:
		return s.troubled() + " late: data arrives later than it should."
	case Unknown:
		return "The state could not be read in full, so whether data flows is unknown."
	default:
		return s.troubled() + " failing or late: data is not delivered until that is fixed. Nothing is lost meanwhile, as long as the source keeps it."
	}
}

// troubled begins a sentence about the streams whose data does not flow, or is late.
func (s *Snapshot) troubled() string {
	bad := 0
	all, of := map[string]bool{}, map[string]bool{} // connections
	for i := range s.Streams {
		one := &s.Streams[i]
		all[one.Connection] = true
		if !one.State.Flows() {
			bad++
			of[one.Connection] = true
		}
	}
	text := streams(len(s.Streams))
	if bad < len(s.Streams) {
		text = itoa(int64(bad)) + " of " + text
	}
	if len(all) > 1 {
		text += fmt.Sprintf(" (%d of %d connections)", len(of), len(all))
	}
	if bad == 1 {
		return text + " is"
	}
	return text + " are"
}

func streams(n int) string {
	if n == 1 {
		return "1 stream"
	}
	return itoa(int64(n)) + " streams"
}
