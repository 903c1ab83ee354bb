package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
)

// importing is a checkpoint import-legacy command in progress.
type importing struct {
	settingsFlags
	console *console
	out     io.Writer
}

func importCommand(p Process) *cobra.Command {
	c := &importing{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "import-legacy",
		Short: "Store where the function that this connector replaces stopped as the checkpoint",
		Long: `Import-legacy reads the checkpoint of the function that this connector replaces from the
account that LEGACY_CHECKPOINT names, and stores it as the checkpoint of each stream that
has none yet. A first run does the same by itself: this command does it at a moment of
your choice, before anything is sent, and shows where the stream will begin.

It never writes to the function's table and never replaces a checkpoint, so it can be
repeated, also after the first run.

The exit status is 0 if each such stream has a checkpoint then, 1 if the function left
none or it can't be read, and 2 if nothing was tried because a setting or a flag is
wrong.`,
		Example: `  idnsentinel checkpoint import-legacy --settings local.settings.json`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.add(cmd)
	return cmd
}

func (c *importing) run(cmd *cobra.Command) error {
	a, err := c.connect(cmd, c.console, c.out, true, "no checkpoint to store, unless --state names a state")
	if err != nil {
		return err
	}
	one := a.Connections()[0]
	names := one.Inheriting()
	if len(names) == 0 {
		return usage(cmd, "no stream of this connection continues where an older function stopped")
	}
	var missing []string
	for _, name := range names {
		left, err := c.one(cmd, one, name)
		if err != nil {
			return err
		}
		if !left {
			missing = append(missing, name)
		}
	}
	if len(missing) < len(names) { // an account often has the checkpoint of one function only
		for _, name := range missing {
			fmt.Fprintf(c.out, "%s: no function left a checkpoint, so the first run begins INITIAL_LOOKBACK back\n", one.Label(name))
		}
		return nil
	}
	return c.none(one)
}

// none says why there is nothing to import.
func (c *importing) none(a *app.Connection) error {
	what := "the function left no checkpoint in the account of the state"
	status := statusFailed
	if !a.Follows() {
		what, status = "there is no function to import from: LEGACY_CHECKPOINT is off, or auto without a key of the account of the state", statusUnusable
	}
	return &failure{status, what, "set LEGACY_CHECKPOINT to https://NAME.table.core.windows.net, NAME being the account that the old function has in AZURE_STORAGE_ACCOUNT_NAME or, without that, in AzureWebJobsStorage"}
}

// one imports the checkpoint of a stream. left is false if no function left one.
func (c *importing) one(cmd *cobra.Command, a *app.Connection, name string) (left bool, err error) {
	before, after, rep, err := a.AdoptCheckpoint(cmd.Context(), name)
	if err != nil {
		return false, &failure{statusUnusable, oneLine(err.Error()), c.hint(cmd)}
	}
	if err := c.unfinished(a.Label(name), rep); err != nil || after.Cursor == "" {
		return false, err
	}
	cp, err := a.Checkpoint(cmd.Context(), name)
	if err != nil {
		return false, &failure{statusFailed, oneLine(err.Error()), ""}
	}
	if before.Tag == after.Tag {
		fmt.Fprintf(c.out, "%s has a checkpoint already, at %s: nothing was changed\n", a.Label(name), when(cp.At))
		return true, nil
	}
	fmt.Fprintf(c.out, "%s: stored, the first run begins at %s, about where the function stopped\n", a.Label(name), when(cp.At))
	return true, nil
}
