package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// setting is a checkpoint set command in progress.
type setting struct {
	settingsFlags
	stream, to, cursor string
	yes, dryRun        bool
	console            *console
	out                io.Writer
}

func setCheckpointCommand(p Process) *cobra.Command {
	c := &setting{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "set --stream NAME --to TIME",
		Short: "Set where a stream continues, and say what that means",
		Long: `Set moves the checkpoint of one stream to a moment, or to a cursor that checkpoint show
--json has printed. It says what that means and asks for confirmation, unless you pass
--yes. It waits for a run that is active on the stream.

Back: everything since then is read again. What was delivered is recognized for
LEDGER_KEEP and not sent twice; what was delivered before that comes twice.

Ahead: the next runs do not read the range in between. It counts as unexplained, in
status, alerts and audit accept, until you acknowledge it there. Audits deliver what
they reach of it by themselves; idnsentinel audit --repair delivers it at once.

A damaged checkpoint is replaced, which is the way out if there is no copy to restore.
One that a newer version wrote is never replaced.

Times are RFC 3339 (2026-09-24T13:00:00Z), relative (-24h), or now.

The exit status is 0 if the checkpoint was set, 1 if not, and 2 if nothing was tried
because a setting or a flag is wrong.`,
		Example: `  # read the last two days again
  idnsentinel checkpoint set --settings local.settings.json --stream Events --to -48h

  # what that would mean
  idnsentinel checkpoint set --settings local.settings.json --stream Events --to -48h --dry-run`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&c.stream, "stream", "", "the `stream`, by its name or its short name, for instance Events")
	flags.StringVar(&c.to, "to", "", "the `time` to continue at")
	flags.StringVar(&c.cursor, "cursor", "", "the place to continue at, the `json` text that checkpoint show --json prints")
	flags.BoolVar(&c.dryRun, "dry-run", false, "only say what it would mean")
	flags.BoolVar(&c.yes, "yes", false, "don't ask for confirmation")
	return cmd
}

func (c *setting) run(cmd *cobra.Command) error {
	at, err := c.place(cmd)
	if err != nil {
		return err
	}
	a, err := c.connect(cmd, c.console, c.out, true, "no checkpoint, unless --state names one")
	if err != nil {
		return err
	}
	one := a.Connections()[0]
	name, ok := one.Named(c.stream)
	if !ok {
		return usage(cmd, noStream(one, c.stream))
	}
	move := func(rehearse bool) (pipeline.Moved, error) {
		m, rep, err := one.MoveCheckpoint(cmd.Context(), name, at, pipeline.Cursor(c.cursor), rehearse)
		switch {
		case errors.Is(err, app.ErrNotMovable):
			return m, usage(cmd, fmt.Sprintf("the checkpoint of %s can't be set to a moment: its source lists what it has, and each run reads all of that", one.Label(name)))
		case err != nil:
			return m, usage(cmd, "--cursor: "+oneLine(err.Error()))
		}
		return m, c.unfinished(one.Label(name), rep)
	}
	plan, err := move(true)
	if err != nil {
		return err
	}
	c.say(c.meaning(one, name, plan))
	if c.dryRun {
		return nil
	}
	if !c.yes {
		if err := c.console.confirm("set the checkpoint of "+one.Label(name), "the checkpoint was not changed"); err != nil {
			return err
		}
	}
	done, err := move(false)
	if err != nil {
		return err
	}
	c.say([]string{"set: the next run of " + one.Label(name) + " continues at " + stamp(done.At)})
	if done.Ahead {
		c.say(c.after(one, name, done.Skipped))
	}
	return nil
}

// place reads the flags that say where to continue.
func (c *setting) place(cmd *cobra.Command) (at time.Time, err error) {
	switch {
	case c.stream == "":
		return at, usage(cmd, "--stream is missing: name the stream, for instance --stream Events")
	case (c.to == "") == (c.cursor == ""):
		return at, usage(cmd, "say where to continue: with --to or with --cursor")
	case c.cursor != "" && !jsontext.Value(c.cursor).IsValid():
		return at, usage(cmd, "--cursor is not JSON: copy all of it from checkpoint show --json, in single quotes")
	case c.cursor != "":
		return at, nil
	}
	m, err := parseMoment(c.to, time.Now())
	if err != nil {
		return at, usage(cmd, "--to "+err.Error())
	}
	return m.at.Truncate(time.Second), nil
}

// meaning says what a move does, in sentences.
func (c *setting) meaning(a *app.Connection, name string, m pipeline.Moved) (lines []string) {
	label, keep := a.Label(name), a.Settings().LedgerKeep
	known := "what was delivered in the last " + lag(keep.Seconds()) + " (LEDGER_KEEP) is recognized and not sent again"
	twice := func(from time.Time) {
		if oldest := time.Now().Add(-keep); from.Before(oldest) {
			lines = append(lines, "what was delivered and happened before "+stamp(oldest)+" is no longer remembered, and comes twice")
		}
	}
	switch {
	case m.Damaged != nil:
		lines = append(lines,
			"the checkpoint of "+label+" can't be read, and is replaced: "+oneLine(m.Damaged.Error()),
			"it continues at "+stamp(m.At)+"; "+known,
			"how far it was is unknown: what happened earlier and was not delivered stays missing until an audit finds it")
		twice(m.At)
	case m.Before.Tag == "":
		lines = append(lines, label+" has no checkpoint yet: its first run begins at "+stamp(m.At)+", and neither at INITIAL_LOOKBACK nor where an older connector stopped")
	case m.From.IsZero():
		lines = append(lines, label+" continues at "+stamp(m.At)+"; "+known)
		twice(m.At)
	case m.From.Equal(m.To):
		lines = append(lines, label+" is at "+stamp(m.At)+" already")
	case m.Ahead:
		lines = append(lines,
			label+" goes ahead: the next runs do not read the "+lag(m.To.Sub(m.From).Seconds())+" from "+stamp(m.From)+" to "+stamp(m.To),
			"this range counts as unexplained until you acknowledge it; nothing says that all of it was delivered")
		if one := a.Audits(name); one {
			lines = append(lines, "audits of the next runs deliver what they reach of it, as far back as LEDGER_KEEP ("+lag(keep.Seconds())+")")
		} else {
			lines = append(lines, "no audit compares this stream: only setting the checkpoint back delivers the range")
		}
	default:
		lines = append(lines, label+" goes back: the "+lag(m.To.Sub(m.From).Seconds())+" from "+stamp(m.From)+" to "+stamp(m.To)+" are read again; "+known)
		twice(m.From)
	}
	return lines
}

// say prints lines that fit the terminal.
func (c *setting) say(lines []string) {
	for _, line := range lines {
		fmt.Fprintln(c.out, c.console.fit(line, 0, 2))
	}
}

// noStream says which streams there are.
func noStream(a *app.Connection, stream string) string {
	return fmt.Sprintf("--stream is %q: there are %s", stream, strings.Join(a.Streams(), ", "))
}

// settles is how young a time may be that an audit can't compare yet.
const settles = 20 * time.Minute

// after says what to do about a range that was passed over.
func (c *setting) after(a *app.Connection, name string, d pipeline.Difference) (lines []string) {
	to := stamp(d.To)
	if a.Audits(name) {
		end := to
		if time.Since(d.To) < settles {
			end = "now"
		}
		lines = append(lines, "deliver it now: "+c.command("audit")+" --stream "+name+" --from "+stamp(d.From)+" --to "+end+" --repair")
	}
	return append(lines, "then acknowledge: "+c.command("audit accept")+" --from "+stamp(d.From)+" --to "+to+" --why TEXT")
}
