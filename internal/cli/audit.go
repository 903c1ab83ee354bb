package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
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
	asJSON   bool
	console  *console
	out      io.Writer
}

const auditHelp = `Audit counts the events of a time range at the source and compares the count with what
was delivered, which the connector records for LEDGER_KEEP. It starts with the whole
range and halves what differs, down to windows of 5 minutes; it reads those again to
find what is missing. With --repair it delivers what is missing.

Times are RFC 3339 (2026-09-24T13:00:00Z), relative (-24h), or now, which means the
newest window that has settled: some minutes ago. Windows are whole: --from is
rounded down, --to up.

While a function or serve uses the same state, an audit without --repair takes a small
share of SailPoint's rate limit: one request a second, so as not to slow them down.

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
	flags.BoolVar(&c.asJSON, "json", false, "print JSON")
	return cmd
}

// The verdicts of an audit.
const (
	verdictComplete   = "complete"
	verdictIncomplete = "incomplete"
	verdictUnknown    = "unknown"
)

// How a complete audit was proven.
const (
	// proofIDs: each record that the source lists was found by its id.
	proofIDs = "ids"
	// proofCount: the number of different ids that certainly belong to this connection
	// agrees, and where it differed, the ids were compared.
	proofCount = "own count"
)

// judged is the outcome for one stream. Scripts rely on the JSON names.
type judged struct {
	Connection string    `json:"connection,omitzero"`
	Stream     string    `json:"stream"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Verdict    string    `json:"verdict"`
	Why        string    `json:"why"`
	// Proof says how a complete verdict was proven.
	Proof     string `json:"proof,omitzero"`
	Source    int64  `json:"source"`
	Delivered int64  `json:"delivered"`
	Missing   int64  `json:"missing"`
	Repaired  int64  `json:"repaired"`
	// Unexplained is how many more records the source counts than it lists.
	Unexplained int64                 `json:"unexplained,omitzero"`
	Waiting     int                   `json:"undelivered_in_quarantine"`
	Windows     []pipeline.WindowDiff `json:"windows"`
	Notes       []string              `json:"notes,omitempty"`
}

func (c *audit) run(cmd *cobra.Command) error {
	if cmd.Flags().Changed("settle") && (!c.arrived || c.settle < 0) {
		return usage(cmd, "--settle belongs to --workspace, and is not negative")
	}
	a, err := c.connect(cmd, c.console, c.out, c.repair, "nothing to compare with, unless --state names a state")
	if err != nil {
		return err
	}
	verdicts := []judged{}
	worst := statusOK
	for _, connection := range a.Connections() {
		if c.arrived && connection.Settings().ReadBack.WorkspaceID == "" {
			return &failure{statusUnusable, "--workspace needs CUSTOMER_ID, the ID of the workspace to query", c.hint(cmd)}
		}
		names, err := c.names(cmd, connection)
		if err != nil {
			return err
		}
		for _, name := range names {
			j, err := c.one(cmd, connection, name)
			if err != nil {
				return err
			}
			verdicts = append(verdicts, j)
			worst = max(worst, statusOf(j.Verdict))
		}
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

// label names the stream in messages.
func (j judged) label() string { return app.Label(j.Connection, j.Stream) }

func statusOf(verdict string) int {
	switch verdict {
	case verdictComplete:
		return statusOK
	case verdictIncomplete:
		return statusFailed
	}
	return statusUnusable
}

// names returns the streams to audit.
func (c *audit) names(cmd *cobra.Command, a *app.Connection) ([]string, error) {
	names := a.Audited()
	if c.stream == "" {
		return names, nil
	}
	name, known := a.Named(c.stream)
	if slices.Contains(names, name) {
		return []string{name}, nil
	}
	if known {
		return nil, usage(cmd, fmt.Sprintf("--stream is %q, which can't be counted at the source: only %s can be audited", c.stream, strings.Join(names, " and ")))
	}
	return nil, usage(cmd, fmt.Sprintf("--stream is %q: only %s can be audited", c.stream, strings.Join(names, " and ")))
}

// one audits a stream and prints the outcome, unless the output is JSON.
func (c *audit) one(cmd *cobra.Command, a *app.Connection, name string) (judged, error) {
	q := app.AuditRequest{Workspace: c.arrived, Settle: c.settle}
	span, err := a.AuditRange(name, q)
	if err != nil {
		return judged{}, err
	}
	from, to, forgotten, err := between(c.from, c.to, span, time.Now())
	if err != nil {
		return judged{}, usage(cmd, err.Error())
	}
	j := judged{Connection: a.Name(), Stream: name, From: from, To: to, Windows: []pipeline.WindowDiff{}}
	if forgotten {
		j.Verdict = verdictUnknown
		j.Why = fmt.Sprintf("delivered ids are kept for %s (LEDGER_KEEP), from %s on: use a later --from", lag(a.Settings().LedgerKeep.Seconds()), stamp(span.From))
	} else {
		remove := c.console.show()
		q.AuditRequest = pipeline.AuditRequest{From: from, To: to, Each: c.each, Repair: c.repair}
		done, err := a.Audit(cmd.Context(), name, q)
		remove()
		j.judge(done, err, c)
	}
	if !c.asJSON {
		c.print(j)
	}
	return j, nil
}

// judge turns the findings into a verdict.
func (j *judged) judge(done app.AuditResult, err error, c *audit) {
	j.Source, j.Delivered, j.Missing, j.Repaired, j.Waiting = done.Source, done.Delivered, done.Missing, 0, done.Waiting
	j.Unexplained = done.Unexplained
	for _, w := range done.Windows {
		j.Windows = append(j.Windows, w)
		j.Repaired += w.Repaired
	}
	j.Notes = append(j.Notes, done.Warnings...)
	left := j.Missing - j.Repaired - done.Refused
	if done.NotYetVisible > 0 && left > 0 {
		j.Notes = append(j.Notes, fmt.Sprintf("%s can't be judged yet: records were sent there less than %s ago", windows(done.NotYetVisible), lag(c.settle.Seconds())))
	}
	missing := func(w pipeline.WindowDiff) bool { return w.Missing > w.Repaired+w.Refused }
	if slices.ContainsFunc(j.Windows, func(w pipeline.WindowDiff) bool { return missing(w) && w.From.Before(done.Since) }) {
		j.Notes = append(j.Notes, fmt.Sprintf("the first run began at %s (INITIAL_LOOKBACK): earlier events were never requested", stamp(done.Since)))
	}
	if slices.ContainsFunc(j.Windows, func(w pipeline.WindowDiff) bool { return missing(w) && w.To.After(done.Through) }) {
		j.Notes = append(j.Notes, fmt.Sprintf("the stream is delivered through %s: the next runs deliver later events", stamp(done.Through)))
	}
	j.decide(done, err, c, left, missing)
	switch {
	case j.Verdict != verdictComplete:
	case done.Identified == done.Source && done.Source > 0:
		j.Proof = proofIDs
	default:
		j.Proof = proofCount
	}
}

// decide sets the verdict and its reason. left is the number of records missing after the
// repair; missing reports whether a window has any.
func (j *judged) decide(done app.AuditResult, err error, c *audit, left int64, missing func(pipeline.WindowDiff) bool) {
	switch {
	case left > 0 && done.Error != "":
		j.Verdict, j.Why = verdictIncomplete, fmt.Sprintf("%d records or more are missing, and the audit ended early: %s", left, done.Error)
	case done.State == pipeline.Locked:
		j.Verdict, j.Why = verdictUnknown, "another run is active on the stream: try again later"
	case done.State == pipeline.Budget:
		j.Verdict, j.Why = verdictUnknown, "stopped before the end"
	case done.State == pipeline.Failed:
		j.Verdict, j.Why = verdictUnknown, done.Error
	case err != nil:
		j.Verdict, j.Why = verdictUnknown, err.Error()
	case left > 0:
		n := 0
		for _, w := range j.Windows {
			if missing(w) {
				n++
			}
		}
		j.Verdict = verdictIncomplete
		j.Why = fmt.Sprintf("%d of %d records are missing, in %s", left, j.Source, windows(n))
		if !c.repair {
			j.Why += "; --repair delivers them"
		}
	case j.Unexplained > 0:
		j.Verdict = verdictIncomplete
		j.Why = fmt.Sprintf("everything the source lists was delivered, but it counts %d more records than it lists: nothing is known about them; "+
			"idnsentinel audit accept acknowledges such windows", j.Unexplained)
	case j.Waiting > 0:
		j.Verdict = verdictIncomplete
		j.Why = fmt.Sprintf("%d of %d records could not be delivered and are in quarantine: idnsentinel quarantine list --reason undelivered shows why", j.Waiting, j.Source)
	case done.NotYetVisible > 0:
		j.Verdict = verdictUnknown
		j.Why = fmt.Sprintf("counts differ in %s that records were sent to less than %s ago: the workspace may not show them yet; try again later", windows(done.NotYetVisible), lag(c.settle.Seconds()))
	case done.Unproven > 0:
		j.Verdict = verdictUnknown
		j.Why = fmt.Sprintf("%d of %d records have no id, or a time outside of the range, so it can't be proven which rows of the workspace are theirs; all others are there", done.Unproven, j.Source)
	case j.Repaired > 0:
		j.Verdict = verdictComplete
		j.Why = fmt.Sprintf("%d of %d records were missing and have been delivered now", j.Repaired, j.Source)
	default:
		j.Verdict = verdictComplete
		j.Why = fmt.Sprintf("all %d records that the source shows were delivered", j.Source)
		if c.arrived {
			j.Why = fmt.Sprintf("all %d records that the source shows are in the workspace", j.Source)
		}
	}
}

func windows(n int) string {
	if n == 1 {
		return "1 window"
	}
	return fmt.Sprintf("%d windows", n)
}

func (c *audit) print(j judged) {
	if len(j.Windows) > 0 {
		delivered := "DELIVERED"
		if c.arrived {
			delivered = "ARRIVED"
		}
		fmt.Fprint(c.out, windowTable(j, delivered))
	}
	for _, note := range j.Notes {
		c.console.say("note: %s: %s", j.label(), note)
	}
	fmt.Fprintf(c.out, "%s: %s from %s to %s: %s\n", j.Verdict, j.label(), stamp(j.From), stamp(j.To), oneLine(j.Why))
	if j.Proof != "" {
		fmt.Fprintln(c.out, "proof: "+j.Proof)
	}
}

// windowTable has a line for each window that differs, and a line of totals.
func windowTable(j judged, delivered string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, source, have, missing, repaired int64) {
		fmt.Fprintf(w, "%-20s\t%d\t%d\t%d\t%d\t\n", name, source, have, missing, repaired)
	}
	fmt.Fprintf(w, "%-20s\tSOURCE\t%s\tMISSING\tREPAIRED\t\n", "WINDOW FROM", delivered)
	for _, one := range j.Windows {
		row(stamp(one.From), one.Source, one.Delivered, one.Missing, one.Repaired)
	}
	row("all windows", j.Source, j.Delivered, j.Missing, j.Repaired)
	_ = w.Flush() // can't fail in memory
	return b.String()
}
