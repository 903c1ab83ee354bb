package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// stopTimeout is how long a post to a workflow that is under way is waited for.
const stopTimeout = 45 * time.Second

// minBudget is the shortest useful run.
const minBudget = time.Second

// poll is a poll command in progress.
type poll struct {
	settingsFlags
	budget  time.Duration
	asJSON  bool
	console *console
	out     io.Writer
}

func pollCommand(p Process) *cobra.Command {
	c := &poll{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "poll",
		Short: "Run once against the real services, or only print the records",
		Long: `Poll runs the connector once, as the function does on each tick of its timer: it
reads search events and trigger invocations of the tenant from where the last run
stopped (the checkpoint), and posts them to the workspace. It can run next to the
function: a stream that the other one is working on is "locked" and skipped.

` + settingsHelp + `

Preview first: with --ingestion-api ndjson the records are printed as lines of JSON
instead, {"stream":…,"record":…}, beginning INITIAL_LOOKBACK ago. If a workspace or a
rule is set, they are printed as they would be sent: CONFORMED counts those that are
changed to fit the columns, QUARANTINED those that can't be sent. A preview needs no
workspace and no storage account, and changes no checkpoint: each one starts over. Add
--state file:///dir to continue where the last one stopped; the records are then
printed as the source wrote them.

At the end a table on stderr says for each stream how the run ended: "drained"
(everything is delivered), "budget" (time was up, the next run continues), "locked",
or "failed" with the reason. Ctrl-C stops softly: what the workspace acknowledged
is remembered. A second Ctrl-C ends at once; then the batches in flight may be sent
again by the next run.

The exit status is 0 if no stream failed, 1 if one did, and 2 if nothing was tried
because a setting or a flag is wrong.`,
		Example: `  # one run with the settings of a file
  idnsentinel poll --settings local.settings.json

  # what would be sent, of the last hour
  INITIAL_LOOKBACK=1h idnsentinel poll --settings local.settings.json --ingestion-api ndjson

  # catch up for up to two hours
  idnsentinel poll --settings local.settings.json --budget 2h

  # the numbers of the run for a script
  idnsentinel poll --settings local.settings.json --json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.add(cmd)
	cmd.Flags().DurationVar(&c.budget, "budget", 0, "how long the run may take, such as 90s or 2h, instead of RUN_BUDGET; there is no upper limit")
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print the numbers of the run as JSON to stdout instead of the table")
	return cmd
}

func (c *poll) run(cmd *cobra.Command) error {
	if cmd.Flags().Changed("budget") && c.budget < minBudget {
		return usage(cmd, fmt.Sprintf("--budget is %v: use at least %v", c.budget, minBudget))
	}
	l, err := c.load()
	if err != nil {
		return l.unusable(cmd, &c.settingsFlags, err)
	}
	if c.budget > 0 {
		l.RunBudget = c.budget
	}
	toStdout := func(c config.Connection) bool { return c.IngestionAPI == config.UseNDJSON && c.NDJSONPath == "" }
	if c.asJSON && slices.ContainsFunc(l.Connections, toStdout) {
		return &failure{
			statusUnusable, "the records and the numbers of --json would both go to stdout",
			"set NDJSON_PATH to a file for the records, or omit --json",
		}
	}
	o := l.options(c.console)
	o.Out, o.Progress = c.out, c.console.progress
	a, err := c.open(cmd, l, o)
	if err != nil {
		return err
	}
	defer holdMemory(a.MemoryLimit())()
	c.console.short = a.Short
	c.announce(l, o)
	return c.conclude(cmd.Context(), l, c.poll(cmd.Context(), a, l.RunBudget))
}

func (c *poll) announce(l loaded, o app.Options) {
	if note := l.note(&c.settingsFlags); note != "" {
		c.console.say("%s", note)
	}
	for _, hint := range l.Hints {
		c.console.say("%s %s", hint.Setting, hint.Message)
	}
	first := l.Connections[0]
	switch {
	case l.look:
		c.console.say("preview only: records go to %s, checkpoints are not changed%s", cmp.Or(first.NDJSONPath, "stdout"), asSent(first))
	case first.Name == "" || len(l.Connections) == 1:
		c.console.say("polling tenant %s into %s; state: %s; budget %s", first.Tenant, first.IngestionAPI, app.Place(l.Settings, o), lag(l.RunBudget.Seconds()))
	default:
		c.console.say("polling %d connections (%s); state: %s; budget %s", len(l.Connections), l.names(), app.Place(l.Settings, o), lag(l.RunBudget.Seconds()))
	}
}

// asSent says how a preview shows records.
func asSent(c config.Connection) string {
	if c.Previewed == "" {
		return "; they are shown as the source wrote them, because no destination is set whose columns they would have to fit"
	}
	return "; they are shown as " + string(c.Previewed) + " would get them"
}

// poll does the run and shows its progress.
func (c *poll) poll(ctx context.Context, a *app.App, budget time.Duration) []pipeline.Report {
	defer c.console.show()()
	defer c.console.stopping(ctx)() // the message comes before the table
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	reports := a.Poll(ctx)
	a.Forward(ctx) // what was received, if it is forwarded
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	a.Stop(last)
	return reports
}

// conclude prints the outcome.
func (c *poll) conclude(ctx context.Context, l loaded, runs []pipeline.Report) error {
	failed := slices.ContainsFunc(runs, func(r pipeline.Report) bool { return r.State == pipeline.Failed })
	if c.asJSON {
		if err := printJSON(c.out, runs); err != nil {
			return err
		}
	} else {
		fmt.Fprint(c.console, table(runs, c.console.width))
		c.remarks(ctx, l, runs)
	}
	if failed && l.look {
		return &failure{statusFailed, "", "nothing was sent and nothing is kept: correct that, and run the preview again; " + c.again() + " tests every part"}
	}
	if failed {
		return &failure{statusFailed, "", c.again() + " tests every part separately"}
	}
	return nil
}

// table has one line for each stream, or a few on a narrow terminal.
func table(runs []pipeline.Report, width func() int) string {
	t := grid{head: []string{"STREAM", "STATE", "FETCHED", "SENT", "DUPLICATES", "CONFORMED", "QUARANTINED", "LAG"}, right: true}
	for _, r := range runs {
		t.add(label(r), string(r.State), number(r.Fetched), number(r.Sent), number(r.Duplicates), number(r.Conformed), number(r.Quarantined), lag(r.LagSeconds))
	}
	var b strings.Builder
	t.write(&b, width)
	return b.String()
}

// remarks prints what readers of the table should know, without repetition.
func (c *poll) remarks(ctx context.Context, l loaded, runs []pipeline.Report) {
	tell := func(kind string, of func(pipeline.Report) []string) {
		var texts []string
		streams := map[string][]string{}
		for _, r := range runs {
			for _, text := range of(r) {
				if streams[text] == nil {
					texts = append(texts, text)
				}
				streams[text] = append(streams[text], label(r))
			}
		}
		for _, text := range texts {
			c.console.say("%s: %s: %s", kind, strings.Join(streams[text], ", "), text)
		}
	}
	tell("note", func(r pipeline.Report) []string {
		switch {
		case r.State == pipeline.Locked:
			return []string{"another run is active on it, the function's or another poll; it was skipped"}
		case r.State == pipeline.Budget && ctx.Err() == nil && l.look:
			return []string{"time was up and there is more: use a larger --budget or a smaller INITIAL_LOOKBACK"}
		case r.State == pipeline.Budget && ctx.Err() == nil:
			return []string{"time was up and there is more: the next run continues; a larger --budget does more at once"}
		}
		if r.State == pipeline.Budget && !l.look {
			return []string{"it was stopped before its end; what was sent is recorded, and the next run continues from there"}
		}
		return nil
	})
	tell("note", func(r pipeline.Report) []string {
		if r.Quarantined == 0 || l.look {
			return nil
		}
		return []string{"records that could not be sent are in quarantine: idnsentinel quarantine list shows them with the reason"}
	})
	tell("note", func(r pipeline.Report) []string {
		if r.Unexplained == 0 || l.look {
			return nil
		}
		return []string{windows(int(r.Unexplained)) + " unexplained: the source counts more than it lists; idnsentinel audit accept lists them"}
	})
	tell("note", func(r pipeline.Report) []string {
		first := slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.HasPrefix(w, "no checkpoint") })
		if l.State.Dir == "" || l.look || !first || r.Sent == 0 {
			return nil
		}
		return []string{"these rows are remembered in the folder " + l.State.Dir + " only: a function in Azure, or a poll with another state, sends the same ones once more"}
	})
	tell("warning", func(r pipeline.Report) []string { return r.Warnings })
	tell("error", func(r pipeline.Report) []string {
		if r.Error == "" {
			return nil
		}
		return []string{r.Error}
	})
}

// printJSON prints v as indented JSON.
func printJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("encode the output: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
