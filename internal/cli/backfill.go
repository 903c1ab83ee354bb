package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
)

// backfill is a backfill command in progress.
type backfill struct {
	settingsFlags
	from, to  string
	stream    string
	dryRun    bool
	workspace bool
	leave     bool
	yes       bool
	asJSON    bool
	console   *console
	out       io.Writer
}

const backfillHelp = `Backfill delivers a time range from the source once more: what was before the first
run, or what a workspace has lost. What the connector remembers as delivered is not
sent again; it remembers for LEDGER_KEEP. For an older range, --workspace asks the
workspace which records it has, and sends only the others (your identity needs the role
Log Analytics Reader). Without it, what was delivered then comes a second time.

First it estimates: how many events the source counts, how many requests and minutes
that takes, and what may come twice and why. --dry-run stops there. After your
confirmation (or with --yes) it makes a job, which is kept in the state, and works on
it. The stream itself goes first, so new events arrive as usual.

Ctrl-C leaves the job: "idnsentinel jobs resume" continues it. With --leave the function
works on it instead, in what its runs leave of their time, at most half of it.
"idnsentinel jobs list" and "idnsentinel status" show how far it is.

At the end the range is compared with the source, with a verdict as of an audit.

Times are RFC 3339 (2026-09-24T13:00:00Z), a date (which begins at midnight, UTC),
yesterday, today, relative (-24h, -30d), or now, which means the newest window that has
settled. --to is not included. Windows are whole: --from is rounded down, --to up.

What a source can search by time can be read again. Trigger invocations, pushed events,
reports, task results, violations and alerts can't: they have no such search, or only
what is recent is shown. Where a source can't count, the estimate has no number of
events. docs/operate.md names the streams. Events without a time are in no range; the
runs deliver them.

The exit status is 0 if the range is complete (or the job was left to the function),
1 if it is not or the job ended early, 2 if nothing was begun, and 130 after Ctrl-C.`

func backfillCommand(p Process) *cobra.Command {
	c := &backfill{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "backfill",
		Short: "Deliver a time range once more, as a job that can be resumed",
		Long:  backfillHelp,
		Example: `  # what would be done
  idnsentinel backfill --settings local.settings.json --from -30d --dry-run

  idnsentinel backfill --settings local.settings.json --from 2026-08-01 --to 2026-09-01
  idnsentinel backfill --settings local.settings.json --from -90d --to -7d --workspace --leave --yes`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&c.from, "from", "", "begin of the `time` to deliver; required")
	flags.StringVar(&c.to, "to", "now", "end of the `time` to deliver, not included")
	flags.StringVar(&c.stream, "stream", "", "only this `stream`, by its name or its short name, for instance Events")
	flags.BoolVar(&c.dryRun, "dry-run", false, "only estimate")
	flags.BoolVar(&c.workspace, "workspace", false, "do not send what the workspace has")
	flags.BoolVar(&c.leave, "leave", false, "leave the job to the function")
	flags.BoolVar(&c.yes, "yes", false, "do not ask for confirmation")
	flags.BoolVar(&c.asJSON, "json", false, "print the estimates or the finished jobs as JSON to stdout")
	return cmd
}

func (c *backfill) run(cmd *cobra.Command) error {
	if c.from == "" {
		return usage(cmd, "--from is missing: where does the range begin? For instance --from -30d or --from 2026-09-01")
	}
	if c.dryRun && c.leave {
		return usage(cmd, "--dry-run makes no job, so there is nothing to --leave")
	}
	a, err := c.connect(cmd, c.console, c.out, true, "nothing to remember what was delivered, unless --state names a state")
	if err != nil {
		return err
	}
	one := a.Connections()[0]
	if c.workspace && one.Settings().ReadBack.WorkspaceID == "" {
		return &failure{statusUnusable, "--workspace needs CUSTOMER_ID, the ID of the workspace to query", c.hint(cmd)}
	}
	names, err := searchable(cmd, one, c.stream, "backfilled")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return nothingSearchable(cmd, "backfilled")
	}
	requests, estimates, err := c.estimate(cmd, one, names)
	if err != nil {
		return err
	}
	if c.dryRun {
		if c.asJSON {
			return printJSON(c.out, estimates)
		}
		c.console.say("nothing was done (--dry-run)")
		return nil
	}
	if err := c.confirmed(requests, estimates); err != nil {
		return err
	}
	var made []app.StreamJob
	for i, q := range requests {
		j, err := one.AddBackfill(cmd.Context(), q, estimates[i])
		if err != nil {
			return c.refused(one, q.Stream, err)
		}
		made = append(made, app.StreamJob{Connection: one, Stream: q.Stream, Job: j})
		c.console.say("job %s: %s from %s to %s", j.ID, one.Label(one.Short(q.Stream)), stamp(j.From), stamp(j.To))
	}
	if c.leave {
		c.console.say("left to the function: its runs work on it from now on; %s shows how far it is", c.command("jobs list"))
		return c.printed(made)
	}
	w := worker{settingsFlags: &c.settingsFlags, console: c.console, out: c.out, quiet: c.asJSON, memory: a.MemoryLimit()}
	return c.printedWith(made, w.all(cmd.Context(), made))
}

// printed prints jobs as JSON if that is wanted.
func (c *backfill) printed(list []app.StreamJob) error {
	if !c.asJSON {
		return nil
	}
	return printJSON(c.out, jobRows(list))
}

func (c *backfill) printedWith(list []app.StreamJob, err error) error {
	if failed := c.printed(list); failed != nil {
		return failed
	}
	return err
}

// estimate estimates each stream, and prints that.
func (c *backfill) estimate(cmd *cobra.Command, a *app.Connection, names []string) (requests []app.BackfillRequest, list []app.Estimate, err error) {
	for _, name := range names {
		span, err := a.AuditRange(name, app.AuditRequest{Workspace: true})
		if err != nil {
			return nil, nil, err
		}
		from, to, _, err := between(c.from, c.to, span, time.Now())
		if err != nil {
			return nil, nil, usage(cmd, err.Error())
		}
		q := app.BackfillRequest{Stream: name, From: from, To: to, Workspace: c.workspace, Leave: c.leave}
		remove := c.console.show()
		e, err := a.Estimate(cmd.Context(), q)
		remove()
		if err != nil {
			return nil, nil, c.refused(a, name, err)
		}
		requests, list = append(requests, q), append(list, e)
		if !c.asJSON || !c.dryRun {
			c.explain(a, e)
		}
	}
	return requests, list, nil
}

// refused is the failure of a backfill that can't begin.
func (c *backfill) refused(a *app.Connection, stream string, err error) error {
	hint := c.again() + " tests every part separately"
	var overlap *app.OverlapError
	if errors.As(err, &overlap) || errors.Is(err, app.ErrNoCheckpoint) {
		hint = ""
	}
	return &failure{statusUnusable, a.Label(a.Short(stream)) + ": " + err.Error(), hint}
}

// explain prints an estimate.
func (c *backfill) explain(a *app.Connection, e app.Estimate) {
	name := a.Label(a.Short(e.Stream))
	events := "the source can't count its events"
	if e.Events >= 0 {
		events = fmt.Sprintf("%d events, of which %d are known to be delivered, so %d are to be sent", e.Events, min(e.Known, e.Events), e.Left())
		if c.workspace {
			events += " unless the workspace has them"
		}
	}
	fmt.Fprintf(c.words(), "%s from %s to %s: %s\n", name, stamp(e.From), stamp(e.To), events)
	switch {
	case e.Requests < 0 && e.Rate > 0:
		fmt.Fprintf(c.words(), "  the source is asked up to %.3g times a second\n", e.Rate)
	case e.Requests < 0:
	case e.Seconds < 0:
		fmt.Fprintf(c.words(), "  about %d requests to the source\n", e.Requests)
	case c.leave:
		fmt.Fprintf(c.words(), "  about %d requests to the source: %s at %.3g a second, in half of the function's time\n", e.Requests, minutes(2*e.Seconds), e.Rate)
	default:
		fmt.Fprintf(c.words(), "  about %d requests to the source: %s at %.3g a second\n", e.Requests, minutes(e.Seconds), e.Rate)
	}
	for _, r := range e.Repeats {
		n := "events"
		if r.Events >= 0 {
			n = fmt.Sprintf("up to %d events", r.Events)
		}
		fmt.Fprintf(c.words(), "  may come twice: %s from %s to %s: %s; --workspace sends only what the workspace lacks\n", n, stamp(r.From), stamp(r.To), r.Why)
	}
	if !c.workspace {
		fmt.Fprintln(c.words(), "  events that another connector, or another state, has delivered come again; --workspace sends only what the workspace lacks")
	}
	fmt.Fprintln(c.words(), "  after a kill, the batches in flight may come twice")
}

// words is where the estimate goes: stdout, unless JSON does.
func (c *backfill) words() io.Writer {
	if c.asJSON {
		return c.console
	}
	return c.out
}

// minutes writes the least that something takes, by an estimate.
func minutes(seconds float64) string {
	if seconds > 60 {
		seconds = 60 * math.Ceil(seconds/60)
	}
	return lag(max(1, seconds)) + " or more"
}

func (c *backfill) confirmed(requests []app.BackfillRequest, list []app.Estimate) error {
	if c.yes {
		return nil
	}
	n, known := int64(0), true
	for _, e := range list {
		n += max(0, e.Left())
		known = known && e.Events >= 0
	}
	what := fmt.Sprintf("send up to %d events to %d tables", n, len(requests))
	if len(requests) == 1 {
		what = fmt.Sprintf("send up to %d events to %s_CL", n, requests[0].Stream)
	}
	if !known {
		what = "send what the source has of the range"
	}
	return c.console.confirm(what, "not confirmed, so no job was made")
}

// worker works on jobs while a person watches.
type worker struct {
	*settingsFlags
	console *console
	out     io.Writer
	quiet   bool // of verdicts: JSON follows
	memory  int64
}

// all works on jobs, one after the other. They are replaced by what they are then.
func (w *worker) all(ctx context.Context, list []app.StreamJob) error {
	failed := false
	for i := range list {
		j := &list[i]
		done, err := w.one(ctx, *j)
		if done.ID != "" {
			j.Job = done
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return w.left(list[i:])
		case errors.Is(err, jobs.ErrGone):
			w.console.say("job %s was cancelled: what it delivered stays delivered", j.ID)
			failed = true
		case err != nil:
			return &failure{statusFailed, fmt.Sprintf("job %s: %s", j.ID, oneLine(err.Error())), fmt.Sprintf("nothing is lost; %s continues it once that is fixed", w.resume(j.ID))}
		default:
			w.conclude(*j)
			failed = failed || j.Proof.Verdict != app.VerdictComplete
		}
	}
	if failed {
		return &failure{status: statusFailed}
	}
	return nil
}

func (w *worker) resume(id string) string { return w.command("jobs resume " + id) }

// left says what remains after Ctrl-C.
func (w *worker) left(list []app.StreamJob) error {
	for _, j := range list {
		w.console.say("job %s is kept: %s; %s continues it, also with --leave in the function; %s ends it",
			j.ID, j.Progress(), w.resume(j.ID), w.command("jobs cancel "+j.ID))
	}
	return &failure{status: statusFailed}
}

// conclude prints the verdict.
func (w *worker) conclude(j app.StreamJob) {
	for _, text := range j.Warnings {
		w.console.say("warning: %s: %s", j.ID, text)
	}
	if w.quiet {
		return
	}
	fmt.Fprintf(w.out, "%s: %s from %s to %s: %s\n", j.Proof.Verdict, j.Connection.Label(j.Stream), stamp(j.From), stamp(j.To), oneLine(j.Proof.Why))
	if j.Proof.By != "" {
		fmt.Fprintln(w.out, "proof: "+j.Proof.By)
	}
	fmt.Fprintf(w.out, "job %s: %d events read, %d sent, %d known, %d in quarantine, %s\n",
		j.ID, j.Counts.Fetched, j.Counts.Sent, j.Counts.Known, j.Counts.Quarantined, lag(math.Max(1, j.Seconds)))
}

// one works on a job and shows the progress.
func (w *worker) one(ctx context.Context, j app.StreamJob) (jobs.Job, error) {
	defer holdMemory(w.memory)()
	p := &pursuit{job: app.Working{Job: j.Job}, before: j.Counts.Fetched, begun: time.Now()}
	defer w.console.stopping(ctx)()
	defer w.console.follow(p.line)()
	return j.Connection.WorkOn(ctx, j.Stream, j.ID, p.set)
}

// pursuit is the progress of a job that is watched.
type pursuit struct {
	mu     sync.Mutex
	job    app.Working
	before int64 // events that an earlier command had read
	begun  time.Time
}

func (p *pursuit) set(w app.Working) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.ID == "" {
		w.Job = p.job.Job
	}
	p.job = w
}

// line is the progress in a line.
func (p *pursuit) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	// What a narrow terminal cuts off is the least important.
	progress, through, moved := strings.Cut(p.job.Progress(), " events read, through ")
	parts := []string{"job " + p.job.ID, progress}
	if took := time.Since(p.begun).Seconds(); took >= 1 && p.job.State == jobs.Delivering {
		if rate := float64(p.job.Counts.Fetched-p.before) / took; rate > 0 {
			parts = append(parts, fmt.Sprintf("%.0f/s", rate))
			if left := p.job.Events - p.job.Counts.Fetched; p.job.Events >= 0 && left > 0 {
				parts = append(parts, "about "+lag(math.Max(1, float64(left)/rate))+" left")
			}
		}
	}
	if moved {
		parts = append(parts, "through "+through)
	}
	if p.job.Waits != "" {
		parts = append(parts, oneLine(p.job.Waits))
	}
	return strings.Join(parts, ", ")
}

// jobRow is a job as JSON. Scripts rely on the names.
type jobRow struct {
	Connection string `json:"connection,omitzero"`
	Stream     string `json:"stream"`
	Percent    int    `json:"percent"`
	jobs.Job
}

func jobRows(list []app.StreamJob) []jobRow {
	rows := []jobRow{}
	for _, j := range list {
		row := jobRow{j.Connection.Name(), j.Stream, j.Percent(), j.Job}
		row.Job.Connection = ""
		rows = append(rows, row)
	}
	return slices.Clip(rows)
}
