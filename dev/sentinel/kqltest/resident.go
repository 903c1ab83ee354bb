package kqltest

import (
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// Resident is a workspace whose rows stay in the process that executes queries,
// for a rule that runs every hour of a month. Its parsers are executed once on
// each row; a query is given what the filters of its calls leave.
//
// There is one in a test binary: a second one takes its place.
type Resident struct {
	workspace *Workspace
	pending   map[string][]Row
	rows      int
}

// Schedule is when a query runs: Every so long, from From to To, both inclusive.
type Schedule struct {
	From, To time.Time
	Every    time.Duration
	// Always runs it also when nothing has come that it reads.
	Always bool
	// Narrow shows a run only the rows of those whom a row is about that came
	// since the last one: the user, the actor, the target. Calls
	// with an end of time see everything.
	Narrow bool
	// NRT shows a run only what came since the last one.
	NRT        bool
	Watchlists map[string][]string
}

// Played is what a schedule gave.
type Played struct {
	Calls  []Call  `json:"calls"` // what the query reads at the end of the schedule
	Runs   int     `json:"runs"`  // those that were executed
	Alerts []Fired `json:"alerts"`
}

// Call is one call of a parser: rows of the period that it asks for, and what its other filters leave of them.
type Call struct {
	Window int `json:"window"`
	Passed int `json:"passed"`
}

// Fired is a run that gave rows.
type Fired struct {
	Now  time.Time `json:"now"`
	Rows []Row     `json:"rows"`
}

// batch is how many rows are sent at once.
const batch = 4000

// Open returns a workspace without rows, as of the end of its time.
func (w *Workspace) Open(tb testing.TB, now time.Time) *Resident {
	tb.Helper()
	req := struct {
		*Workspace
		Resident []string `json:"resident"`
		Now      string   `json:"now"`
	}{w, w.Parsers(), now.Format(time.RFC3339)}
	if err := request(tb, "open", req, &struct{}{}); err != nil {
		tb.Fatal(err)
	}
	return &Resident{workspace: w, pending: map[string][]Row{}}
}

// Add adds a row. Rows with one id must follow each other.
func (r *Resident) Add(tb testing.TB, table string, row Row) {
	tb.Helper()
	r.pending[table] = append(r.pending[table], row)
	if r.rows++; r.rows%batch == 0 {
		r.flush(tb)
	}
}

func (r *Resident) flush(tb testing.TB) {
	tb.Helper()
	if len(r.pending) == 0 {
		return
	}
	err := request(tb, "add", struct {
		Rows map[string][]Row `json:"rows"`
	}{r.pending}, &struct{}{})
	if err != nil {
		tb.Fatal(err)
	}
	r.pending = map[string][]Row{}
}

// Play runs a query as a schedule would.
func (r *Resident) Play(tb testing.TB, query string, s Schedule) Played {
	tb.Helper()
	r.flush(tb)
	var out Played
	err := request(tb, "play", struct {
		Query      string              `json:"query"`
		Every      int64               `json:"every"`
		From       int64               `json:"from"`
		To         int64               `json:"to"`
		Always     bool                `json:"always"`
		Narrow     bool                `json:"narrow"`
		NRT        bool                `json:"nrt"`
		Watchlists map[string][]string `json:"watchlists,omitzero"`
	}{query, s.Every.Milliseconds(), s.From.UnixMilli(), s.To.UnixMilli(), s.Always, s.Narrow, s.NRT, s.Watchlists}, &out)
	if err != nil {
		tb.Fatalf("play: %v\n%s", err, query)
	}
	return out
}

// Rows is how many there are.
func (r *Resident) Rows() int { return r.rows }

// Parsers names the saved functions that are executed once.
func (w *Workspace) Parsers() []string {
	var names []string
	for _, f := range w.Functions {
		if slices.Contains([]string{"SailPointIDNEvents", "SailPointIDNTriggers", "SailPointIDNHealth", "SailPointIIQEvents"}, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// request sends an op with members of its own.
func request(tb testing.TB, op string, members, result any) error {
	tb.Helper()
	text, err := json.Marshal(members)
	if err != nil {
		return err
	}
	return exchange(tb, func(id int) ([]byte, error) {
		head, err := json.Marshal(struct {
			ID int    `json:"id"`
			Op string `json:"op"`
		}{id, op})
		if err != nil {
			return nil, err
		}
		return append(append(head[:len(head)-1], ','), text[1:]...), nil
	}, result)
}
