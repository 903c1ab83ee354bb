package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// audit is an audit command in progress.
type audit struct {
	settingsFlags
	from, to string
	stream   string
	each     bool
	repair   bool
	arrived  bool          // --workspace
	settle   time.Duration // for --workspace
	report   string
	asJSON   bool
	console  *console
	out      io.Writer

	certified []certified // what was audited, for the report
}

const auditHelp = `Audit counts the events of a time range at the source and compares the count with what
was delivered, which the connector records for LEDGER_KEEP. It starts with the whole
range and halves what differs, down to windows of 5 minutes; it reads those again to
find what is missing. With --repair it delivers what is missing.

Times are RFC 3339 (2026-09-24T13:00:00Z), a date (which begins at midnight, UTC),
yesterday, today, relative (-24h, -30d), or now, which means the newest window that has
settled: some minutes ago. Windows are whole: --from is rounded down, --to up.

While a function or serve uses the same state, an audit without --repair takes a small
share of the source's rate limit: one request a second, so as not to slow them down.

With --workspace it compares with what has arrived in the workspace, which it queries
through the Logs Query API: records can be lost after they were acknowledged, for
instance over a daily cap. Your identity needs the role Log Analytics Reader. What was
sent in the last 15 minutes (--settle) is skipped: the workspace may not show it yet.
With --repair it sends again only what the workspace lacks.
Several tenants may write to one workspace: only rows that provably belong to this
tenant count, by their org, and each id once; where that count differs, and where
records have no org, they are compared by their ids.

It prints a table of the windows that differ, and a verdict:

  complete     everything that the source shows was delivered
  incomplete   some records are missing, or undelivered in quarantine; or the source
               counts more than it lists (see audit accept)
  unknown      the source or the state could not be read, or no longer has the
               records; or records have no id by which to find them in the workspace

A complete audit says what was compared: "proof: own count" is the number of
different ids, "proof: ids" is each single id.

The table also has windows in which the source shows less than was delivered, because
it no longer has some events. Such a difference can hide a missing record in another
window, unless --each-window compares every window separately. Events without a time
are in no window.

With --report it also writes a certificate, for those who ask for evidence: JSON with
tenant, range, version, verdict and counts, and for each window the number and a
checksum of the delivered ids. docs/operate.md describes it.

The exit status is 0 for complete, 1 for incomplete, and 2 for unknown and for a
wrong setting or flag.`

func auditCommand(p Process) *cobra.Command {
	c := &audit{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Prove that everything the source shows for a time range was delivered, or list what is missing",
		Long:  auditHelp,
		Example: `  # the last 24 hours
  idnsentinel audit --settings local.settings.json

  idnsentinel audit --settings local.settings.json --from 2026-09-24T00:00:00Z --to 2026-09-25T00:00:00Z
  idnsentinel audit --settings local.settings.json --from -6h --to -1h --repair

  # a month, with evidence
  idnsentinel audit --settings local.settings.json --from 2026-08-01 --to 2026-09-01 --report august.json

  # what has really arrived in the workspace
  idnsentinel audit --settings local.settings.json --workspace`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.add(cmd)
	cmd.AddCommand(acceptCommand(p))
	flags := cmd.Flags()
	flags.StringVar(&c.from, "from", "-24h", "begin of the `time` to audit")
	flags.StringVar(&c.to, "to", "now", "end of the `time` to audit, not included")
	flags.StringVar(&c.stream, "stream", "", "only this `stream`, by its name or its short name, for instance Events")
	flags.BoolVar(&c.each, "each-window", false, "compare every window separately, with a request for each 5 minutes")
	flags.BoolVar(&c.arrived, "workspace", false, "compare with what has arrived in the workspace")
	flags.DurationVar(&c.settle, "settle", app.DefaultSettle, "with --workspace: how long the workspace may take to show new rows")
	flags.BoolVar(&c.repair, "repair", false, "deliver what is missing")
	flags.StringVar(&c.report, "report", "", "also write a certificate to this `file`: what was compared, by which version, the verdict, and a checksum for each window of delivered ids")
	flags.BoolVar(&c.asJSON, "json", false, "print JSON")
	return cmd
}

func (c *audit) run(cmd *cobra.Command) error {
	if cmd.Flags().Changed("settle") && (!c.arrived || c.settle < 0) {
		return usage(cmd, "--settle belongs to --workspace, and is not negative")
	}
	a, err := c.connect(cmd, c.console, c.out, c.repair, "nothing to compare with, unless --state names a state")
	if err != nil {
		return err
	}
	defer holdMemory(a.MemoryLimit())()
	var report *reportFile
	if c.report != "" {
		if report, err = openReport(c.report); err != nil {
			return usage(cmd, err.Error())
		}
		defer report.discard()
	}
	verdicts := []app.Verdict{}
	worst := statusOK
	for _, connection := range a.Connections() {
		if c.arrived && connection.Settings().ReadBack.WorkspaceID == "" {
			return &failure{statusUnusable, "--workspace needs CUSTOMER_ID, the ID of the workspace to query", c.hint(cmd)}
		}
		names, err := searchable(cmd, connection, c.stream, "audited")
		if err != nil {
			return err
		}
		for _, name := range names {
			j, err := c.one(cmd, connection, name)
			if err != nil {
				return err
			}
			if report != nil {
				if err := c.certify(cmd.Context(), connection, j); err != nil {
					return err
				}
			}
			verdicts = append(verdicts, j)
			worst = max(worst, statusOf(j.Verdict))
		}
	}
	if len(verdicts) == 0 { // nothing was compared, which proves nothing
		return nothingSearchable(cmd, "audited")
	}
	if report != nil {
		if err := report.write(c.certified, time.Now()); err != nil {
			return err
		}
		c.console.say("the report is in %s", c.report)
	}
	if c.asJSON {
		if err := printJSON(c.out, verdicts); err != nil {
			return err
		}
	}
	switch worst {
	case statusOK:
		return nil
	case statusFailed:
		return &failure{status: statusFailed}
	}
	return &failure{statusUnusable, "", c.again() + " tests every part separately"}
}

func statusOf(verdict string) int {
	switch verdict {
	case app.VerdictComplete:
		return statusOK
	case app.VerdictIncomplete:
		return statusFailed
	}
	return statusUnusable
}

// searchable returns the streams that can be compared with their source and read from it again, because
// that can be searched by time; with a name, only that one. done is what a command does with them.
func searchable(cmd *cobra.Command, a *app.Connection, stream, done string) ([]string, error) {
	names := a.Audited()
	if stream == "" {
		return names, nil
	}
	name, known := a.Named(stream)
	switch {
	case slices.Contains(names, name):
		return []string{name}, nil
	case len(names) == 0:
		return nil, nothingSearchable(cmd, done)
	case known:
		return nil, usage(cmd, fmt.Sprintf("--stream is %q, whose source has no search by time, and shows only what is recent or was pushed: only %s can be %s", stream, strings.Join(names, " and "), done))
	}
	return nil, usage(cmd, fmt.Sprintf("--stream is %q: only %s can be %s", stream, strings.Join(names, " and "), done))
}

func nothingSearchable(cmd *cobra.Command, done string) error {
	return usage(cmd, "none of the configured streams can be "+done+": docs/operate.md names those that can")
}

// one audits a stream and prints the outcome, unless the output is JSON.
func (c *audit) one(cmd *cobra.Command, a *app.Connection, name string) (app.Verdict, error) {
	q := app.AuditRequest{Workspace: c.arrived, Settle: c.settle}
	span, err := a.AuditRange(name, q)
	if err != nil {
		return app.Verdict{}, err
	}
	from, to, forgotten, err := between(c.from, c.to, span, time.Now())
	if err != nil {
		return app.Verdict{}, usage(cmd, err.Error())
	}
	j := app.Verdict{Connection: a.Name(), Stream: name, From: from, To: to, Windows: []pipeline.WindowDiff{}}
	if forgotten {
		j.Verdict = app.VerdictUnknown
		j.Why = fmt.Sprintf("delivered ids are kept for %s (LEDGER_KEEP), from %s on: use a later --from, or --workspace; idnsentinel backfill delivers older ranges", lag(a.Settings().LedgerKeep.Seconds()), stamp(span.From))
	} else {
		p := &comparing{label: a.Label(a.Short(name)), from: from, to: to, all: int64(to.Sub(from) / span.Window), begun: time.Now()}
		remove := c.console.follow(p.line)
		q.AuditRequest = pipeline.AuditRequest{From: from, To: to, Each: c.each, Repair: c.repair, Checked: p.checked}
		q.Counted = p.counted
		done, err := a.Audit(cmd.Context(), name, q)
		remove()
		j = a.Judge(name, q, done, err)
	}
	if !c.asJSON {
		c.print(j)
	}
	return j, nil
}

// comparing is the progress of an audit.
type comparing struct {
	label    string
	from, to time.Time
	all      int64 // windows
	begun    time.Time

	mu      sync.Mutex
	done    int64
	through time.Time // up to which the rows of the workspace are counted
}

func (p *comparing) checked(windows int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = windows
}

func (p *comparing) counted(through time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.through = through
}

// line is the progress in a line.
func (p *comparing) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == 0 && !p.through.IsZero() && p.through.Before(p.to) {
		return fmt.Sprintf("%s: the workspace is counted through %s, %d%%", p.label, stamp(p.through), 100*p.through.Sub(p.from)/p.to.Sub(p.from))
	}
	text := fmt.Sprintf("%s: %d%%, %d of %s compared", p.label, 100*p.done/max(p.all, 1), p.done, windows(int(p.all)))
	if took := time.Since(p.begun); p.done > 0 && p.done < p.all && took > time.Second {
		text += ", about " + lag(max(1, took.Seconds()*float64(p.all-p.done)/float64(p.done))) + " left"
	}
	return text
}

func windows(n int) string {
	if n == 1 {
		return "1 window"
	}
	return fmt.Sprintf("%d windows", n)
}

func (c *audit) print(j app.Verdict) {
	if len(j.Windows) > 0 {
		delivered := "DELIVERED"
		if c.arrived {
			delivered = "ARRIVED"
		}
		windowTable(j, delivered).write(c.out, c.console.columns)
	}
	for _, note := range j.Notes {
		c.console.say("note: %s: %s", app.Label(j.Connection, j.Stream), note)
	}
	fmt.Fprintf(c.out, "%s: %s from %s to %s: %s\n", j.Verdict, app.Label(j.Connection, j.Stream), stamp(j.From), stamp(j.To), oneLine(j.Why))
	if j.Proof != "" {
		fmt.Fprintln(c.out, "proof: "+j.Proof)
	}
}

// windowTable has a line for each window that differs, and a line of totals.
func windowTable(j app.Verdict, delivered string) *grid {
	t := &grid{head: []string{"WINDOW FROM", "SOURCE", delivered, "MISSING", "REPAIRED"}, right: true, first: 20}
	for _, one := range j.Windows {
		t.add(stamp(one.From), number(one.Source), number(one.Delivered), number(one.Missing), number(one.Repaired))
	}
	t.add("all windows", number(j.Source), number(j.Delivered), number(j.Missing), number(j.Repaired))
	return t
}
