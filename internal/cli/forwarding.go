package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/forward"
)

func forwardingCommand(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forwarding",
		Short: "Look at reports that wait to be forwarded to a workflow, and decide about those that are kept",
		Long: `With WORKFLOW_URL each report that is received starts a workflow, besides becoming
rows. A start whose answer was lost may have happened or not. It is not
repeated by itself: the report is kept until you decide. So is a report that the
workflow does not take, or could not be started for within three days. After 30 days
it is dropped. The rows in the workspace are not affected.`,
		Example: `  idnsentinel forwarding list --settings local.settings.json
  idnsentinel forwarding repeat --settings local.settings.json 20261129T120000.000000005Z-0123456789abcdef`,
		Args:                       noSuchCommand,
		SuggestionsMinimumDistance: typos,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(forwardingListCommand(p), forwardingChangeCommand(p, false), forwardingChangeCommand(p, true))
	return cmd
}

// forwardings is a forwarding command in progress.
type forwardings struct {
	settingsFlags
	yes     bool
	console *console
	out     io.Writer
}

func forwardingListCommand(p Process) *cobra.Command {
	c := &forwardings{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List reports that wait to be forwarded, or are kept, with the reason",
		Long: `List shows the reports that wait to be forwarded to the workflow, and those that are
kept because only you can decide about them, with the reason.

The exit status is 0 if none is kept, 1 if some are, and 2 if nothing was tried
because a setting, a flag or the state is wrong.`,
		Example: `  idnsentinel forwarding list --settings local.settings.json`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.list(cmd) },
	}
	c.add(cmd)
	return cmd
}

const noForwarding = "no forwarding, unless --state names a place"

func (c *forwardings) list(cmd *cobra.Command) error {
	a, err := c.connect(cmd, c.console, c.out, false, noForwarding)
	if err != nil {
		return err
	}
	kept, found := 0, false
	for _, one := range a.Connections() {
		list, problems, on, err := one.Forwarding(cmd.Context())
		if err != nil {
			return &failure{statusUnusable, oneLine(err.Error()), c.hint(cmd)}
		}
		found = found || on
		kept += len(problems)
		if on {
			kept += c.show(one, list, problems)
		}
	}
	switch {
	case !found:
		return notForwarding()
	case kept > 0:
		return &failure{status: statusFailed}
	}
	return nil
}

func notForwarding() error {
	return &failure{statusUnusable, "nothing is forwarded: WORKFLOW_URL is not set", "the README has the settings, and links to how to forward reports to a workflow"}
}

// show prints the reports of a connection, and returns how many are kept.
func (c *forwardings) show(a *app.Connection, list []forward.Entry, problems []string) (kept int) {
	var why strings.Builder
	t := grid{head: []string{"ID", "REPORT", "STARTS", "STATE"}}
	for i := range list {
		e := &list[i]
		state := "waits"
		if text := e.Why(); text != "" {
			state = "kept"
			kept++
			fmt.Fprintf(&why, "%s: %s\n", e.ID, text)
		}
		t.add(e.ID, oneLine(fmt.Sprintf("%.60q", e.Name)), number(int64(e.Starts)), state)
	}
	if len(list) > 0 {
		t.write(c.out, c.console.columns)
		fmt.Fprint(c.out, why.String())
	}
	for _, problem := range problems {
		fmt.Fprintln(c.out, oneLine(problem))
	}
	c.console.say("%s%d reports wait to be forwarded, %d are kept", connectionPrefix(a), len(list)-kept, kept)
	return kept
}

// connectionPrefix names a connection at the start of a line; "" if it has no name.
func connectionPrefix(a *app.Connection) string {
	if a.Name() == "" {
		return ""
	}
	return a.Name() + ": "
}

func forwardingChangeCommand(p Process, drop bool) *cobra.Command {
	c := &forwardings{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "repeat ID...",
		Short: "Start the workflow again for what is kept of a report",
		Long: `Repeat has the workflow started again for what is kept of a report: the starts in
doubt, those that were refused, and what was given up. Look at the executions of the
workflow first: one that did run runs a second time. Its input then says
"repeated": true, and has the same "key" as before.

The starts are made by the function's next run. The exit status is 0 if the report is
forwarded again, and 2 if nothing was changed.`,
		Example: `  idnsentinel forwarding repeat --settings local.settings.json 20261129T120000.000000005Z-0123456789abcdef`,
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, ids []string) error { return c.change(cmd, ids, drop) },
	}
	if drop {
		cmd.Use, cmd.Short = "drop ID...", "Forward nothing more of a report, and forget what is kept of it"
		cmd.Long = `Drop ends the forwarding of a report. Its rows in the workspace are not affected.

It asks for confirmation, unless you pass --yes. The exit status is 0 if nothing more
is forwarded, 1 if you declined, and 2 if nothing was changed.`
		cmd.Example = `  idnsentinel forwarding drop --settings local.settings.json --yes 20261129T120000.000000005Z-0123456789abcdef`
		cmd.Flags().BoolVar(&c.yes, "yes", false, "don't ask for confirmation")
	}
	c.add(cmd)
	return cmd
}

func (c *forwardings) change(cmd *cobra.Command, ids []string, drop bool) error {
	if len(ids) == 0 {
		return usage(cmd, "name the reports by their ids, as idnsentinel forwarding list shows them")
	}
	a, err := c.connect(cmd, c.console, c.out, true, noForwarding)
	if err != nil {
		return err
	}
	one := a.Connections()[0]
	if _, _, on, err := one.Forwarding(cmd.Context()); err == nil && !on {
		return notForwarding()
	}
	if drop && !c.yes {
		if err := c.console.confirm(fmt.Sprintf("forward nothing more of %d reports", len(ids)), "nothing was dropped"); err != nil {
			return err
		}
	}
	for _, id := range ids {
		switch err := one.ForwardAgain(cmd.Context(), id, drop); {
		case errors.Is(err, app.ErrNotKept):
			return &failure{statusUnusable, fmt.Sprintf("%.60q: %v", id, err), "idnsentinel forwarding list shows them"}
		case err != nil:
			return &failure{statusUnusable, oneLine(err.Error()), c.hint(cmd)}
		case drop:
			c.console.say("nothing more of %s is forwarded", id)
		default:
			c.console.say("%s is forwarded again with the next run of the function", id)
		}
	}
	return nil
}
