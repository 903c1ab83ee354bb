package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// checking is a check command in progress.
type checking struct {
	settingsFlags
	asJSON  bool
	width   int // of the items
	console *console
	out     io.Writer
}

// itemWidth has room for the usual items of a connection without a name.
const itemWidth = 26

func checkCommand(p Process) *cobra.Command {
	c := &checking{width: itemWidth, console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check settings, token, scopes, state and workspace separately; nothing is ingested",
		Long: `Check tests every part of the connector separately and prints a line for each: ok,
FAIL with the remedy, or skipped if it needs something that failed.

` + checkItems() + `
Nothing is ingested and no checkpoint is changed.

` + settingsHelp + `

Without a workspace or storage account, add --ingestion-api ndjson to check only the
source.

The exit status is 0 if all checks pass, 1 if a check failed, and 2 if a setting is wrong
or missing, in which case nothing else is tried.`,
		Example: `  # the settings of a file
  idnsentinel check --settings local.settings.json

  # an app in Azure, with your own sign-in
  idnsentinel check --app func-acme --resource-group rg-acme

  # only the source
  idnsentinel check --settings local.settings.json --ingestion-api ndjson

  # for a script
  idnsentinel check --settings local.settings.json --json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print the findings as JSON, all at the end")
	return cmd
}

// checkItems lists what a check tests, in order.
func checkItems() string {
	items := []source.Check{
		{Item: "app", Lines: []string{"with --app: the app runs, its functions are there and enabled, and the", "platform could resolve the Key Vault references"}},
		{Item: "settings", Lines: []string{"every setting is valid; what they come to, without secrets"}},
		{Item: "secret", Lines: []string{"each secret in a vault can be read: from where, and when"}},
	}
	for _, kind := range app.Manuals() {
		items = append(items, kind.Checks...)
	}
	items = append(items,
		source.Check{Item: "state", Lines: []string{"checkpoints can be kept: a probe is written, read and removed"}},
		source.Check{Item: "checkpoint", Lines: []string{"the checkpoint of each stream can be read, and how far it is"}},
		source.Check{Item: "backfills", Lines: []string{"the backfills of each stream that has some: none is damaged,", "failed or stuck"}},
		source.Check{Item: "function", Lines: []string{"the function has run lately, if it ever has: what the state shows of it"}},
		source.Check{Item: "workspace", Lines: []string{"CUSTOMER_ID and SHARED_KEY are accepted, or the data collection rule", "takes this identity and has every stream"}},
		source.Check{Item: "queue", Lines: []string{"with FAN_OUT=queue: the queue can be used, and no other app uses it"}},
		source.Check{Item: "clock", Lines: []string{"this machine's clock agrees with theirs"}},
	)
	var b strings.Builder
	for _, one := range items {
		name := one.Item
		for _, line := range one.Lines {
			fmt.Fprintf(&b, "  %-13s%s\n", name, line)
			name = ""
		}
	}
	return b.String()
}

func (c *checking) run(cmd *cobra.Command) error {
	l, err := c.load()
	var problems *config.Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	for _, one := range l.Connections {
		c.width = max(c.width, itemWidth+len(app.Label(one.Name, "")))
	}
	var all []check.Finding
	failed := false
	report := check.Report(func(f check.Finding) {
		// What is skipped needs something that failed, or says nothing about the app.
		failed = failed || f.State == check.Failed || cmd.Context().Err() != nil
		all = append(all, f)
		if !c.asJSON {
			c.print(f)
		}
	})
	if c.deployed != nil {
		c.deployed.check(cmd.Context(), report)
	}
	if problems != nil {
		return c.unusable(cmd, l, problems, all)
	}
	if note := l.note(&c.settingsFlags); note != "" {
		report.Pass("settings: origin", note)
	}
	app.Check(cmd.Context(), l.Settings, l.options(c.console), report)
	if c.asJSON {
		if err := printJSON(c.out, all); err != nil {
			return err
		}
	}
	if !c.asJSON && cmd.Context().Err() == nil {
		c.conclude(l, all)
	}
	if failed {
		return &failure{status: statusFailed}
	}
	return nil
}

// conclude says what the findings come to, and what to do next.
func (c *checking) conclude(l loaded, all []check.Finding) {
	counts := map[check.Verdict]int{}
	first := ""
	for _, f := range all {
		counts[f.State]++
		if f.State == check.Failed && first == "" {
			first = app.Label(f.Connection, f.Item)
		}
	}
	verdict, next := fmt.Sprintf("All %d checks passed.", len(all)), "Next: "+c.command("poll")+" does one run."
	switch {
	case counts[check.Failed] > 0:
		verdict = fmt.Sprintf("%d of %d checks failed.", counts[check.Failed], len(all))
		if n := counts[check.Skipped]; n > 0 {
			verdict = fmt.Sprintf("%d of %d checks failed, and %d were skipped, because they need what failed.", counts[check.Failed], len(all), n)
		}
		next = "Next: correct " + first + ", then run this check again."
	case counts[check.Skipped] > 0:
		verdict, next = fmt.Sprintf("%d of %d checks passed, and %d were skipped.", counts[check.Passed], len(all), counts[check.Skipped]), ""
	case l.look:
		next = "Next: " + c.command("poll") + " prints the records."
	}
	fmt.Fprintln(c.out)
	for _, line := range []string{verdict, next} {
		if line != "" {
			fmt.Fprintln(c.out, c.console.fit(line, 0, 0))
		}
	}
}

// unusable prints the problems of the settings as findings, after those that were made before.
func (c *checking) unusable(cmd *cobra.Command, l loaded, problems *config.Problems, before []check.Finding) error {
	findings := l.findings(problems)
	if c.asJSON {
		if err := printJSON(c.out, append(before, findings...)); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			c.print(f)
		}
		c.print(check.Finding{Item: "everything else", State: check.Skipped, Detail: "needs settings"})
	}
	return &failure{statusUnusable, "", c.hint(cmd)}
}

// narrow is the width of a terminal below which details get lines of their own.
const narrow = 70

func (c *checking) print(f check.Finding) {
	verdict, tint := string(f.State), green
	switch f.State {
	case check.Failed:
		verdict, tint = "FAIL", red
	case check.Skipped:
		tint = yellow
	default:
	}
	text := fmt.Sprintf("%-8s", verdict)
	if colours(c.console.columns) {
		text = paint(tint, verdict) + text[len(verdict):]
	}
	item := app.Label(f.Connection, f.Item)
	if c.console.columns != nil && c.console.columns() < narrow {
		const indent = 2
		fmt.Fprintf(c.out, "%s %s\n  %s\n", text, item, c.console.fit(f.Detail, indent, indent))
		return
	}
	indent := len("verdict  ") + c.width + 1
	fmt.Fprintf(c.out, "%s %-*s %s\n", text, c.width, item, c.console.fit(f.Detail, indent, indent))
}
