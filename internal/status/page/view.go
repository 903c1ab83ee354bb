package page

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the style and the template
	"encoding/base64"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

const (
	// manyStreams is from where on only the worst are shown in detail.
	manyStreams = 20
	// manyRows and manyProblems are how many streams and problems are listed, the worst first.
	manyRows, manyProblems = 200, 50
	// manyRuns is how many runs are listed.
	manyRuns = 20
)

//go:embed style.css
var style string

//go:embed page.html
var source string

// policy is the Content-Security-Policy: nothing but the one style, by its hash, and the form.
var policy = "default-src 'none'; style-src '" + hash(style) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'" //nolint:gochecknoglobals // a constant that Go can't spell as const

var pages = template.Must(template.New("page").Parse(source)) //nolint:gochecknoglobals // a constant that Go can't spell as const

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// view is what the template shows.
type view struct {
	Style    template.CSS
	Title    string
	State    word
	At       string
	Snapshot status.Snapshot
	Streams  []row
	Details  []detail
	Hidden   int // streams without details
	More     int // streams without a row
	Problems []status.Problem
	Others   int // problems that are not listed
	Runs     []run
	Only     status.Only
	Found    int  // streams that Only shows
	Several  bool // connections
	Searched bool // the page answers the search
	MayRun   bool
	Version  string
	Versions []string // others that run
}

// word is a verdict with its class.
type word struct{ Class, Text string }

type row struct {
	Label, Lag, Success, Waiting string
	State                        word
}

type detail struct {
	row
	ID       string
	Facts    []fact
	Error    *status.LastError
	ErrorAt  string
	Warnings []string
	Days     []day
}

type fact struct{ Name, Text string }

type day struct {
	Name  string
	Hours []hour
}

type hour struct{ Class, Mark, Text string }

type run struct {
	At, Label, By string
	State         word
	Sent          int64
	Seconds       string
}

func verdict(v status.Verdict) word {
	texts := map[status.Verdict]string{
		status.OK: "OK", status.Attention: "Needs attention", status.Late: "Late", status.Unknown: "Unknown", status.Failing: "Failing",
	}
	return word{string(v), texts[v]}
}

// newView prepares a snapshot.
func newView(all status.Snapshot, only status.Only, mayRun bool) view {
	s := all.Narrowed(only)
	v := view{
		Style: template.CSS(style), State: verdict(s.State), At: moment(s.At), Snapshot: s, MayRun: mayRun, Version: s.Version, Only: only, Found: len(s.Streams), //nolint:gosec // our own file
	}
	v.Several = slices.ContainsFunc(all.Streams, func(one status.Status) bool { return one.Connection != all.Streams[0].Connection })
	v.Title = v.State.Text + " – connector status"
	v.Problems = s.Problems[:min(len(s.Problems), manyProblems)]
	v.Others = len(s.Problems) - len(v.Problems)
	for _, one := range s.Streams {
		for _, seen := range one.Seen {
			if text := seen.By + " " + seen.Version; seen.Version != s.Version && !slices.Contains(v.Versions, text) {
				v.Versions = append(v.Versions, text)
			}
		}
	}
	shown := s.Streams
	if len(shown) > manyStreams {
		shown = slices.Clone(shown)
		slices.SortStableFunc(shown, func(a, b status.Status) int { return b.State.Compare(a.State) })
	}
	for _, one := range shown[:min(len(shown), manyRows)] {
		v.Streams = append(v.Streams, rowOf(one, s.At))
	}
	for _, one := range shown[:min(len(shown), manyStreams)] {
		v.Details = append(v.Details, detailOf(one, s.At))
	}
	v.More, v.Hidden = len(shown)-len(v.Streams), len(shown)-len(v.Details)
	v.Runs = lastRuns(shown)
	return v
}

func rowOf(s status.Status, now time.Time) row {
	r := row{Label: s.Label(), State: verdict(s.State), Lag: "unknown", Success: "never", Waiting: "nothing"}
	if s.LagSeconds != nil {
		r.Lag = status.Age(time.Duration(*s.LagSeconds * float64(time.Second)))
	}
	if !s.LastSuccess.IsZero() {
		r.Success = status.Age(now.Sub(s.LastSuccess)) + " ago"
	}
	var waiting []string
	add := func(n status.Count, what string) {
		if n.N > 0 {
			waiting = append(waiting, number(n)+" "+what)
		}
	}
	add(s.Spool, "in the spool")
	if s.Inbox != nil {
		add(*s.Inbox, "in the inbox")
	}
	if s.Owed != nil {
		add(*s.Owed, "for answers")
	}
	if s.Forwarding != nil {
		add(s.Forwarding.Waiting, "to forward")
		add(s.Forwarding.Kept, "kept from the workflow")
	}
	add(s.Undelivered, "in quarantine")
	switch {
	case len(waiting) > 0:
		r.Waiting = strings.Join(waiting, ", ")
	case s.Partial:
		r.Waiting = "not counted"
	}
	return r
}

func detailOf(s status.Status, now time.Time) detail {
	d := detail{row: rowOf(s, now), ID: s.Stream, Error: s.LastError, Warnings: s.Warnings}
	add := func(name, text string) { d.Facts = append(d.Facts, fact{name, cmp.Or(text, "–")}) }
	add("Tenant", s.Tenant)
	add("Lag", d.Lag)
	add("Last success", d.Success)
	add("Delivered up to", moment(s.DeliveredThrough))
	add("Proven complete up to", moment(s.ProvenThrough))
	add("Unexplained windows", number(status.Count{N: s.Unexplained}))
	add("Spool", age(s.Spool, now))
	if s.Inbox != nil {
		add("Inbox", age(*s.Inbox, now))
	}
	if s.Owed != nil {
		add("Answers to be posted", age(*s.Owed, now))
	}
	if f := s.Forwarding; f != nil {
		add("Reports to forward", age(f.Waiting, now))
		add("Reports kept from the workflow", age(f.Kept, now))
		add("Starts in doubt", number(status.Count{N: f.Doubts}))
		add("Starts refused", number(status.Count{N: f.Refused}))
	}
	add("Quarantine, undelivered", age(s.Undelivered, now))
	add("Quarantine, changed and delivered", number(s.Conformed))
	for _, b := range s.Backfills {
		text := moment(b.From) + " to " + moment(b.To) + ": " + b.Text
		if b.Left && b.Verdict == "" {
			text += ", by the function"
		}
		add("Backfill "+b.ID, text)
	}
	for _, seen := range s.Seen {
		add("Last run by "+by(seen), moment(seen.At))
	}
	if s.LastError != nil {
		d.ErrorAt = moment(s.LastError.At)
	}
	for _, h := range s.Hours(now) {
		name := h.From.Format("Mon 2 Jan")
		if n := len(d.Days); n == 0 || d.Days[n-1].Name != name {
			d.Days = append(d.Days, day{Name: name, Hours: blank(h.From.Hour())})
		}
		last := &d.Days[len(d.Days)-1]
		last.Hours = append(last.Hours, hourOf(h))
	}
	if n := len(d.Days); n > 0 {
		d.Days[n-1].Hours = append(d.Days[n-1].Hours, blank(24-len(d.Days[n-1].Hours))...)
		slices.Reverse(d.Days) // today first
	}
	return d
}

func by(s runs.Seen) string { return s.By + " " + s.Version }

// blank is for hours that are not shown.
func blank(n int) []hour { return make([]hour, max(0, n)) }

func hourOf(h status.Hour) hour {
	kinds := map[status.Cover]hour{
		status.Before:      {"before", "", "before the stream began"},
		status.Proven:      {"proven", "✓", "proven complete"},
		status.Delivered:   {"delivered", "·", "delivered, not yet proven"},
		status.Open:        {"open", "–", "not delivered yet"},
		status.Unexplained: {"unexplained", "!", "unexplained: the source counts more than it lists"},
	}
	kind := kinds[h.Cover]
	kind.Text = h.From.Format("15:04") + ", " + kind.Text
	return kind
}

// lastRuns merges the last runs of all streams, the latest first.
func lastRuns(streams []status.Status) (list []run) {
	type labelled struct {
		runs.Run
		label string
	}
	var all []labelled
	for _, s := range streams {
		for _, r := range s.Recent {
			all = append(all, labelled{r, s.Label()})
		}
	}
	slices.SortStableFunc(all, func(a, b labelled) int { return b.At.Compare(a.At) })
	words := map[pipeline.State]word{
		pipeline.Drained: {"ok", "done"}, pipeline.Budget: {"late", "more to come"}, pipeline.Failed: {"failing", "failed"}, pipeline.Locked: {"unknown", "locked"},
	}
	for _, r := range all[:min(len(all), manyRuns)] {
		list = append(list, run{
			At: r.At.UTC().Format("2 Jan 15:04:05"), Label: r.label, By: r.By, State: words[r.State], Sent: r.Sent,
			Seconds: time.Duration(r.Seconds * float64(time.Second)).Round(100 * time.Millisecond).String(),
		})
	}
	return list
}

func number(n status.Count) string {
	text := ""
	if n.More {
		text = "more than "
	}
	return text + strconv.FormatInt(n.N, 10)
}

func age(n status.Count, now time.Time) string {
	if n.N == 0 {
		return "0"
	}
	return number(n) + ", the oldest " + status.Age(now.Sub(n.Oldest)) + " old"
}

// moment writes a time for people; "" if it is zero.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// writePage writes the page.
func writePage(w http.ResponseWriter, code int, v view) { write(w, code, "page", v) }

// writeOutcome writes the page that answers the button.
func writeOutcome(w http.ResponseWriter, code int, o outcome) {
	write(w, code, "outcome", struct {
		Style template.CSS
		outcome
	}{template.CSS(style), o}) //nolint:gosec // our own file
}

// write executes a template before anything is sent.
func write(w http.ResponseWriter, code int, name string, data any) {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, data); err != nil {
		reply(w, http.StatusInternalServerError, problem{"the page could not be made: " + err.Error()})
		return
	}
	secure(w, "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(body.Bytes())
}
