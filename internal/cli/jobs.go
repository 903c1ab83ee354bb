package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
)

func jobsCommand(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "List, resume and cancel backfills",
		Long: `Jobs lists the backfills, which are kept in the state, resumes one that was stopped,
and cancels one that is no longer wanted. The command backfill makes them.`,
		Example: `  idnsentinel jobs list --settings local.settings.json
  idnsentinel jobs resume k7f3qa --settings local.settings.json
  idnsentinel jobs cancel k7f3qa --settings local.settings.json`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: typos,
	}
	cmd.AddCommand(jobsListCommand(p), jobsResumeCommand(p), jobsCancelCommand(p))
	return cmd
}

// jobsFlags are what the commands about jobs have in common.
type jobsFlags struct {
	settingsFlags
	console *console
	out     io.Writer
	memory  int64 // the limit for working on jobs
}

func jobsListCommand(p Process) *cobra.Command {
	c := &jobsFlags{console: newConsole(p), out: p.Out}
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List backfills: those that are not finished, and the last that are",
		Long: `List shows the backfills of all connections: those that are not finished in the order in
which they are worked on, and the last 20 of each stream that are.

  by command   an idnsentinel works on it, or has: jobs resume continues it
  by function  it was left to the function`,
		Example: `  idnsentinel jobs list --settings local.settings.json
  idnsentinel jobs list --settings local.settings.json --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, _, failed := c.list(cmd)
			if failed != nil && len(list) == 0 {
				return failed
			}
			if asJSON {
				if err := printJSON(c.out, jobRows(list)); err != nil {
					return err
				}
				return failed
			}
			if len(list) == 0 {
				c.console.say("there are no backfills")
			} else {
				writeJobs(c.out, list, time.Now(), c.console.columns)
			}
			return failed
		},
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func jobsResumeCommand(p Process) *cobra.Command {
	c := &jobsFlags{console: newConsole(p), out: p.Out}
	leave := false
	cmd := &cobra.Command{
		Use:   "resume ID",
		Short: "Continue a backfill, here or in the function",
		Long: `Resume works on a backfill that was stopped, from where it stopped. With --leave the
function works on it instead.`,
		Example: `  idnsentinel jobs resume k7f3qa --settings local.settings.json
  idnsentinel jobs resume k7f3qa --settings local.settings.json --leave`,
		Args: oneJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := c.find(cmd, args[0])
			if err != nil {
				return err
			}
			if err := j.Connection.LeaveJob(cmd.Context(), j.Stream, j.ID, leave); err != nil {
				return &failure{statusUnusable, err.Error(), ""}
			}
			if leave {
				c.console.say("job %s is left to the function", j.ID)
				return nil
			}
			w := worker{settingsFlags: &c.settingsFlags, console: c.console, out: c.out, memory: c.memory}
			return w.all(cmd.Context(), []app.StreamJob{j})
		},
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&leave, "leave", false, "leave it to the function")
	return cmd
}

func jobsCancelCommand(p Process) *cobra.Command {
	c := &jobsFlags{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "cancel ID",
		Short: "End a backfill; what it delivered stays delivered",
		Long: `Cancel ends a backfill, also one that is being worked on. What it delivered stays
delivered and is not sent again by another one within LEDGER_KEEP.`,
		Example: `  idnsentinel jobs cancel k7f3qa --settings local.settings.json`,
		Args:    oneJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := c.find(cmd, args[0])
			if err != nil {
				return err
			}
			if err := j.Connection.CancelJob(cmd.Context(), j.Stream, j.ID); err != nil {
				return &failure{statusUnusable, err.Error(), ""}
			}
			c.console.say("job %s is cancelled: %s; what it delivered stays delivered", j.ID, j.Progress())
			return nil
		},
	}
	c.add(cmd)
	return cmd
}

func oneJob(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return usage(cmd, cmd.Name()+" needs the id of one job: idnsentinel jobs list shows them")
}

// list returns all jobs of the selected connections, and a failure if some can't be read.
func (c *jobsFlags) list(cmd *cobra.Command) (list []app.StreamJob, connections []*app.Connection, failed error) {
	a, err := c.connect(cmd, c.console, c.out, false, "no state, and so no jobs, unless --state names a state")
	if err != nil {
		return nil, nil, err
	}
	c.memory = a.MemoryLimit()
	var errs []string
	for _, one := range a.Connections() {
		some, err := one.Jobs(cmd.Context())
		if err != nil {
			errs = append(errs, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		list = append(list, some...)
	}
	if len(errs) > 0 {
		failed = &failure{statusUnusable, strings.Join(errs, "; "), ""}
	}
	return list, a.Connections(), failed
}

// find returns an unfinished job.
func (c *jobsFlags) find(cmd *cobra.Command, id string) (app.StreamJob, error) {
	list, connections, failed := c.list(cmd)
	if connections == nil {
		return app.StreamJob{}, failed
	}
	for _, j := range list {
		switch {
		case !strings.EqualFold(j.ID, id):
		case j.Finished():
			return j, &failure{statusUnusable, fmt.Sprintf("job %s is %s already", j.ID, j.State), ""}
		default:
			return j, nil
		}
	}
	if failed != nil {
		return app.StreamJob{}, failed
	}
	var where []string
	for _, one := range connections {
		where = append(where, one.Name())
	}
	text := fmt.Sprintf("there is no job %q", id)
	if names := strings.Join(where, ", "); names != "" {
		text += " of the connections " + names + ": if its connection or its stream is gone from the settings, add it again to resume or cancel the job"
	} else {
		text += " in this state, or its stream is not among the settings any more"
	}
	return app.StreamJob{}, &failure{statusUnusable, text, c.command("jobs list") + " shows them"}
}

// writeJobs writes a table of jobs, and a line for each that has failed.
func writeJobs(out io.Writer, list []app.StreamJob, now time.Time, width func() int) {
	t := grid{head: []string{"JOB", "STREAM", "FROM", "TO", "STATE", "DONE", "READ", "SENT", "BY", "LAST"}}
	for i := range list {
		j := &list[i]
		by := "command"
		if j.Left {
			by = "function"
		}
		last := "-"
		if at := j.Updated; !at.IsZero() {
			last = lag(max(1, now.Sub(at).Seconds())) + " ago"
		}
		t.add(j.ID, j.Connection.Label(j.Connection.Short(j.Stream)), stamp(j.From), stamp(j.To), cmp.Or(j.Proof.Verdict, string(j.State)),
			fmt.Sprintf("%d%%", j.Percent()), number(j.Counts.Fetched), number(j.Counts.Sent), by, last)
	}
	t.write(out, width)
	for i := range list {
		j := &list[i]
		if j.Finished() || j.Failure.Text == "" {
			continue
		}
		fmt.Fprintf(out, "%s failed %s ago: %s\n", j.ID, lag(max(1, now.Sub(j.Failure.At).Seconds())), oneLine(j.Failure.Text))
	}
}
