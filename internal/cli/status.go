package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

// watchEvery is how often --watch looks again.
const watchEvery = 5 * time.Second

// statusView is a status command in progress.
type statusView struct {
	settingsFlags
	asJSON  bool
	watch   bool
	trouble bool
	all     bool
	console *console
	out     io.Writer
}

func statusCommand(p Process) *cobra.Command {
	v := &statusView{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether data flows, and if not, why and what to do",
		Long: `Status says for each stream how far it lags, when it last succeeded, its last error,
what waits in spool, inbox and quarantine, to be forwarded or for answers, and up to
when it is proven complete. First comes what to do.

It reads only the state, where each run of the function leaves its outcome, so it needs
neither the tenant nor the workspace, and takes five seconds at most. It is the same as
the function's status page. Nothing is changed.

The streams of several connections are sorted by trouble, and what many have for one
cause is one problem, with the text of one of them. A terminal shows the first 40
streams and the first 20 problems; --trouble omits what is ok, --connection shows one
connection, and --all, a pipe and --json show all.

` + settingsHelp + `

The exit status is 0 if data flows (ok, attention), 1 if it is late, fails, or that is
unknown, and 2 if a setting is wrong or missing.`,
		Example: `  idnsentinel status --settings local.settings.json

  # an app in Azure, with your own sign-in
  idnsentinel status --app func-acme --resource-group rg-acme

  # again and again, until Ctrl-C
  idnsentinel status --settings local.settings.json --watch

  # of hundreds of connections, those in trouble
  idnsentinel status --settings local.settings.json --trouble

  # for a script
  idnsentinel status --settings local.settings.json --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd) },
	}
	v.add(cmd)
	cmd.Flags().BoolVar(&v.asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&v.trouble, "trouble", false, "only streams that are not ok")
	cmd.Flags().BoolVar(&v.all, "all", false, "show all streams and problems on a terminal, too")
	cmd.Flags().BoolVar(&v.watch, "watch", false, "show it again every few seconds, until Ctrl-C")
	return cmd
}

func (v *statusView) run(cmd *cobra.Command) error {
	l, invalid := v.load()
	// Invalid settings of one connection are among what it says.
	if problems := new(config.Problems); invalid != nil && (!errors.As(invalid, &problems) || problems.Whole) {
		return l.unusable(cmd, &v.settingsFlags, invalid)
	}
	if l.look {
		return &failure{statusUnusable, "with INGESTION_API=NDJSON there is no state to look at", "omit --ingestion-api, or add --state"}
	}
	a, err := app.Open(l.Settings, l.options(v.console))
	if err != nil {
		return l.unusable(cmd, &v.settingsFlags, cmp.Or(invalid, err))
	}
	ctx := cmd.Context()
	for {
		s := a.Status(ctx)
		if err := v.print(s.Narrowed(status.Only{Trouble: v.trouble}), v.where(l)...); err != nil {
			return err
		}
		if v.watch && v.pause(ctx) {
			continue
		}
		if !s.State.Flows() {
			return &failure{status: statusFailed}
		}
		return nil
	}
}

// where says where the state is, and of which app.
func (v *statusView) where(l loaded) []string {
	lines := []string{"state: " + app.Place(l.Settings, app.Options{Person: l.person})}
	if v.deployed == nil {
		return lines
	}
	text := "app: " + v.deployed.summary()
	if !v.deployed.Running() {
		text += "; start it with " + v.deployed.Start()
	}
	return append(lines, text)
}

// pause reports whether to look again.
func (v *statusView) pause(ctx context.Context) bool {
	timer := time.NewTimer(watchEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (v *statusView) print(s status.Snapshot, where ...string) error {
	if v.asJSON {
		return printJSON(v.out, s)
	}
	var b strings.Builder
	if v.watch && v.console.columns != nil {
		b.WriteString("\x1b[H\x1b[2J") // clears the screen
	}
	r := render{Writer: &b, colours: colours(v.console.columns)}
	if v.console.columns != nil {
		r.width = max(v.console.columns(), minWidth)
		r.brief = !v.all
	}
	r.snapshot(s, where...)
	_, err := io.WriteString(v.out, b.String())
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// render writes a snapshot as text.
type render struct {
	io.Writer
	width   int // 0 means that lines may be of any length
	colours bool
	brief   bool // shows no more than a person reads
}

// What is shown of many connections.
const (
	manyRows     = 40
	manyProblems = 20
)

func (r *render) snapshot(s status.Snapshot, where ...string) {
	r.line("", 0, r.colour(s.State, string(s.State))+": "+s.Summary)
	r.line("", 0, s.At.Format(time.RFC3339)+"; "+safe(where[0]))
	for _, line := range where[1:] {
		r.line("", 0, safe(line))
	}
	problems, more := s.Problems, 0
	if r.brief && len(problems) > manyProblems {
		problems, more = problems[:manyProblems], len(problems)-manyProblems
	}
	for _, p := range problems {
		fmt.Fprintln(r)
		const most = 4
		of := p.Whose(most)
		if p.Example() {
			of += ", for example"
		}
		if of != "" {
			of += ": "
		}
		r.line("", 2, r.colour(p.State, string(p.State))+" "+safe(of+p.What))
		r.line("  -> ", 5, safe(p.Remedy))
	}
	if more > 0 {
		fmt.Fprintln(r)
		r.line("", 2, fmt.Sprintf("… and %d more problems: --connection shows those of one connection, --all shows all", more))
	}
	fmt.Fprintln(r)
	more = 0
	if r.brief && len(s.Streams) > manyRows {
		s.Streams, more = s.Streams[:manyRows], len(s.Streams)-manyRows
	}
	if table := tableOf(s); r.width == 0 || widest(table) <= r.width {
		fmt.Fprint(r, table)
	} else {
		r.list(s)
	}
	if more > 0 {
		r.line("", 2, fmt.Sprintf("… and %d more streams: --trouble omits what is ok, --connection shows one connection, --all shows all", more))
	}
	r.backfills(s)
}

// backfills has a line for each job.
func (r *render) backfills(s status.Snapshot) {
	first := true
	for _, one := range s.Streams {
		for _, b := range one.Backfills {
			if first {
				fmt.Fprintln(r)
				first = false
			}
			by := ""
			if b.Left && b.Verdict == "" {
				by = ", by the function"
			}
			r.line("", 2, safe(fmt.Sprintf("backfill %s: %s from %s to %s: %s%s", b.ID, one.Label(), stamp(b.From), stamp(b.To), b.Text, by)))
		}
	}
}

// safe makes a text from the state safe for a terminal.
func safe(s string) string {
	const most = 4000
	return text.Line(s, most)
}

// tableOf has a line for each stream.
func tableOf(s status.Snapshot) string {
	t := grid{head: []string{"STREAM", "STATE", "LAG", "LAST SUCCESS", "LAST RUN BY", "WAITING", "QUARANTINE", "PROVEN UP TO"}}
	for _, one := range s.Streams {
		cells := cellsOf(one, s.At)
		t.add(one.Label(), string(one.State), cells.lag, cells.success, cells.by, cells.waiting, cells.quarantine, cells.proven)
	}
	return t.table()
}

// list has a few short lines for each stream, for a terminal that the table is too wide for.
func (r *render) list(s status.Snapshot) {
	for i, one := range s.Streams {
		if i > 0 {
			fmt.Fprintln(r)
		}
		cells := cellsOf(one, s.At)
		r.line("", 2, one.Label()+": "+r.colour(one.State, string(one.State)))
		for _, line := range [][2]string{{"lag", cells.lag}, {"last success", cells.success}, {"last run by", cells.by}, {"waiting", cells.waiting}, {"quarantine", cells.quarantine}, {"proven up to", cells.proven}} {
			r.line("  ", 4, line[0]+": "+line[1])
		}
	}
}

type cells struct{ lag, success, by, waiting, quarantine, proven string }

func cellsOf(s status.Status, now time.Time) cells {
	c := cells{lag: "unknown", success: "never", by: "-", waiting: "-", quarantine: "-", proven: "-"}
	if s.LagSeconds != nil {
		c.lag = status.Age(time.Duration(*s.LagSeconds * float64(time.Second)))
	}
	if !s.LastSuccess.IsZero() {
		c.success = status.Age(now.Sub(s.LastSuccess)) + " ago"
	}
	if len(s.Seen) > 0 {
		c.by = safe(s.Seen[0].By + " " + s.Seen[0].Version)
	}
	var waiting []string
	if s.Spool.N > 0 {
		waiting = append(waiting, some(s.Spool)+" spooled")
	}
	if s.Inbox != nil && s.Inbox.N > 0 {
		waiting = append(waiting, some(*s.Inbox)+" in the inbox")
	}
	if s.Owed != nil && s.Owed.N > 0 {
		waiting = append(waiting, some(*s.Owed)+" for answers")
	}
	if s.Forwarding != nil && s.Forwarding.Waiting.N > 0 {
		waiting = append(waiting, some(s.Forwarding.Waiting)+" to forward")
	}
	if s.Forwarding != nil && s.Forwarding.Kept.N > 0 {
		waiting = append(waiting, some(s.Forwarding.Kept)+" kept from the workflow")
	}
	if s.Partial {
		c.waiting, c.quarantine = "not counted", "not counted"
	}
	c.waiting = cmp.Or(strings.Join(waiting, ", "), c.waiting)
	var kept []string
	if s.Undelivered.N > 0 {
		kept = append(kept, some(s.Undelivered)+" undelivered")
	}
	if s.Conformed.N > 0 {
		kept = append(kept, some(s.Conformed)+" conformed")
	}
	c.quarantine = cmp.Or(strings.Join(kept, ", "), c.quarantine)
	if !s.ProvenThrough.IsZero() {
		c.proven = s.ProvenThrough.Format("2006-01-02T15:04Z")
	}
	return c
}

// some is a number that may be larger.
func some(n status.Count) string {
	if n.More {
		return fmt.Sprintf("%d+", n.N)
	}
	return number(n.N)
}

// colour colours a word by a verdict.
func (r *render) colour(v status.Verdict, word string) string {
	if !r.colours {
		return word
	}
	return paint(map[status.Verdict]colour{status.OK: green, status.Attention: yellow, status.Late: yellow, status.Unknown: yellow, status.Failing: red}[v], word)
}

// line writes a line, broken at the terminal's width.
func (r *render) line(first string, indent int, text string) {
	if r.width > 0 {
		text = wrapped(text, r.width, len(first), indent)
	}
	fmt.Fprintln(r, first+text)
}
