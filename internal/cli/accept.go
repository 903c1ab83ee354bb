package cli

import (
	"fmt"
	"io"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// acceptance is an accept command in progress.
type acceptance struct {
	settingsFlags
	from, to string
	all, yes bool
	by, why  string
	console  *console
	out      io.Writer
}

func acceptCommand(p Process) *cobra.Command {
	c := &acceptance{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "accept [--all | --from TIME --to TIME] --why TEXT",
		Short: "List unexplained windows, and acknowledge those that need no explanation",
		Long: `Accept lists the windows in which the source counts more events than it lists.
Everything it lists was delivered; the other events were never seen. Such a window
stays unexplained in every report and in the alert until a later audit finds equal
counts, or until you acknowledge it here.

Without --all or --from it only lists. It asks for confirmation, unless you pass --yes.
The checkpoint records who, when and why. A window whose counts change after that is
unexplained again.

The exit status is 0 if no window is unexplained any more, 1 if some are, and 2 if
nothing was tried because a setting, a flag or the state is wrong.`,
		Example: `  idnsentinel audit accept --settings local.settings.json
  idnsentinel audit accept --settings local.settings.json --from 2026-09-24T13:00:00Z --to 2026-09-24T14:00:00Z --why case-4711
  idnsentinel audit accept --settings local.settings.json --all --why test-tenant --yes`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.add(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&c.all, "all", false, "acknowledge all unexplained windows")
	flags.StringVar(&c.from, "from", "", "acknowledge those that begin at this `time` or later")
	flags.StringVar(&c.to, "to", "now", "and before this `time`")
	flags.StringVar(&c.why, "why", "", "the reason, recorded with the checkpoint")
	flags.StringVar(&c.by, "by", "", "who acknowledges; default: the user of this machine")
	flags.BoolVar(&c.yes, "yes", false, "don't ask for confirmation")
	return cmd
}

func (c *acceptance) run(cmd *cobra.Command) error {
	change := c.all || c.from != ""
	switch {
	case c.all && c.from != "":
		return usage(cmd, "--all and --from exclude each other")
	case !change && (c.yes || c.why != "" || cmd.Flags().Changed("to")):
		return usage(cmd, "say which windows: --all, or --from and --to")
	case change && strings.TrimSpace(c.why) == "":
		return usage(cmd, "--why is missing: say why these windows need no explanation")
	}
	a, err := c.connect(cmd, c.console, c.out, change, "no checkpoint, unless --state names one")
	if err != nil {
		return err
	}
	left := int64(0)
	for _, connection := range a.Connections() {
		for _, name := range connection.Audited() {
			n, err := c.one(cmd, connection, name, change)
			if err != nil {
				return err
			}
			left += n
		}
	}
	if left > 0 {
		return &failure{status: statusFailed}
	}
	return nil
}

// one lists the windows of a stream, acknowledges the chosen ones, and returns how many are
// left.
func (c *acceptance) one(cmd *cobra.Command, a *app.Connection, name string, change bool) (left int64, err error) {
	open, err := a.Unexplained(cmd.Context(), name)
	if err != nil {
		return 0, &failure{statusUnusable, oneLine(err.Error()), c.hint(cmd)}
	}
	if len(open) == 0 {
		fmt.Fprintf(c.out, "%s: no window is unexplained\n", a.Label(name))
		return 0, nil
	}
	meant, err := c.meant(cmd, open, change, time.Now())
	if err != nil {
		return 0, err
	}
	c.list(a.Label(name), open)
	if !change || len(meant) == 0 {
		return count(open), nil
	}
	if !c.yes {
		action := fmt.Sprintf("acknowledge %s of %s", windows(int(count(meant))), a.Label(name))
		if err := c.console.confirm(action, "nothing was acknowledged"); err != nil {
			return 0, err
		}
	}
	done, rep, err := a.Acknowledge(cmd.Context(), name, meant, pipeline.Acknowledgement{By: c.who(), At: time.Now(), Why: strings.ToValidUTF8(c.why, "?")})
	if err != nil {
		return 0, &failure{statusUnusable, oneLine(err.Error()), c.hint(cmd)}
	}
	if err := c.unfinished(a.Label(name), rep); err != nil {
		return 0, err
	}
	fmt.Fprintf(c.out, "%s: acknowledged %s; %s\n", a.Label(name), windows(int(count(done))), remaining(rep.Unexplained))
	return rep.Unexplained, nil
}

func remaining(n int64) string {
	if n == 0 {
		return "none is left unexplained"
	}
	return windows(int(n)) + " left unexplained"
}

// meant returns the windows that the flags choose.
func (c *acceptance) meant(cmd *cobra.Command, open []pipeline.Difference, change bool, now time.Time) (chosen []pipeline.Difference, err error) {
	if !change || c.all {
		return open, nil
	}
	from, err := parseMoment(c.from, now)
	if err != nil {
		return nil, usage(cmd, "--from "+err.Error())
	}
	to, err := parseMoment(c.to, now)
	if err != nil {
		return nil, usage(cmd, "--to "+err.Error())
	}
	for _, d := range open {
		if !d.From.Before(from.at) && d.From.Before(to.at) && !d.To.After(to.at) {
			chosen = append(chosen, d)
		}
	}
	if len(chosen) == 0 {
		return nil, usage(cmd, "no unexplained window begins between --from and --to: without them all are listed")
	}
	return chosen, nil
}

func (c *acceptance) list(name string, open []pipeline.Difference) {
	t := grid{head: []string{"WINDOW FROM", "WINDOWS", "SOURCE", "DELIVERED", "LAST READ"}, right: true}
	for _, d := range open {
		source, delivered := number(d.Source), number(d.Ledger)
		if d.Skipped() && d.Source == 0 {
			source, delivered = "-", "-"
		}
		t.add(stamp(d.From), number(max(1, d.Windows)), source, delivered, when(d.Checked))
	}
	t.write(c.out, c.console.columns)
	why := "the source counts more than it lists; everything it lists was delivered"
	if slices.ContainsFunc(open, pipeline.Difference.Skipped) {
		why = "the checkpoint was moved past those without counts, see checkpoint set; of the others " + why
	}
	fmt.Fprintf(c.out, "%s: %s unexplained: %s\n", name, windows(int(count(open))), why)
}

// who returns the name to record.
func (c *acceptance) who() string {
	name := strings.TrimSpace(c.by)
	if name == "" {
		name = "unknown"
		if u, err := user.Current(); err == nil && u.Username != "" {
			name = u.Username
		}
	}
	return strings.ToValidUTF8(name, "?")
}

func count(list []pipeline.Difference) (n int64) {
	for _, d := range list {
		n += max(1, d.Windows)
	}
	return n
}
