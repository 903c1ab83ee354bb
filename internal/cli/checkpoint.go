package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
)

func checkpointCommand(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "checkpoint",
		Short: "Show how far each stream is, or set where it continues",
		Long: `The checkpoint of a stream says where the next run continues. It moves only after the
workspace has acknowledged everything before it, so there is rarely a reason to set it.

To deliver a range of time again, or one that was never read, the checkpoint need not
move: idnsentinel audit compares a range and delivers what is missing.`,
		Example: `  idnsentinel checkpoint show --settings local.settings.json
  idnsentinel checkpoint set --settings local.settings.json --stream Events --to 2026-09-24T00:00:00Z
  idnsentinel checkpoint import-legacy --settings local.settings.json`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: typos,
	}
	cmd.AddCommand(showCheckpointCommand(p), setCheckpointCommand(p), importCommand(p))
	return cmd
}

// checkpoints is a checkpoint show command in progress.
type checkpoints struct {
	settingsFlags
	stream  string
	asJSON  bool
	console *console
	out     io.Writer
}

func showCheckpointCommand(p Process) *cobra.Command {
	c := &checkpoints{console: newConsole(p), out: p.Out}
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the checkpoint of each stream: its place, how far it is delivered and audited",
		Long: `Show prints for each stream:

  DELIVERED UP TO  everything that happened before it was delivered
  LAG              how long ago that is
  CONTINUES AT     the moment from which the next run reads on
  AUDITED UP TO    up to where windows were compared with the source
  UNEXPLAINED      windows that need an explanation, see audit accept
  SAVED            when the checkpoint was last stored

With --json it also prints the cursor, which only the source understands, as it is
stored: checkpoint set --cursor takes it back.

The exit status is 0 if every checkpoint can be read, also if there is none yet, 1 if
one can't be used, and 2 if nothing was tried because a setting or a flag is wrong.`,
		Example: `  idnsentinel checkpoint show --settings local.settings.json
  idnsentinel checkpoint show --settings local.settings.json --stream Events --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.add(cmd)
	cmd.Flags().StringVar(&c.stream, "stream", "", "only this `stream`, by its name or its short name, for instance Events")
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print JSON")
	return cmd
}

// shownCheckpoint is a checkpoint for people and scripts, which rely on the JSON names.
type shownCheckpoint struct {
	Connection string `json:"connection,omitzero"`
	Stream     string `json:"stream"`
	// State is "none", "ok" or "unusable"; Error says why.
	State      string         `json:"state"`
	Error      string         `json:"error,omitzero"`
	Cursor     jsontext.Value `json:"cursor,omitzero"`
	Continues  time.Time      `json:"continues_at,omitzero"`
	Since      time.Time      `json:"delivered_from,omitzero"`
	Through    time.Time      `json:"delivered_through,omitzero"`
	LagSeconds *float64       `json:"lag_seconds"`
	// Audits says up to where windows were compared, for each age.
	Audits      []auditedTo `json:"audits,omitempty"`
	Unexplained int64       `json:"unexplained"`
	Saved       time.Time   `json:"saved,omitzero"`
	Writer      string      `json:"writer,omitzero"`
	label       string
}

// auditedTo is up to where windows were compared when they were as old as an age.
type auditedTo struct {
	AgeSeconds int64     `json:"age_seconds,omitzero"`
	Through    time.Time `json:"through"`
}

func (c *checkpoints) run(cmd *cobra.Command) error {
	a, err := c.connect(cmd, c.console, c.out, false, "no checkpoint, unless --state names one")
	if err != nil {
		return err
	}
	list := []shownCheckpoint{}
	failed := false
	for _, connection := range a.Connections() {
		names, err := c.names(cmd, connection, c.stream)
		if err != nil {
			return err
		}
		for _, name := range names {
			one := lookAt(connection, name, time.Now(), func() (app.Checkpoint, error) { return connection.Checkpoint(cmd.Context(), name) })
			failed = failed || one.State == stateUnusable
			list = append(list, one)
		}
	}
	if c.asJSON {
		if err := printJSON(c.out, list); err != nil {
			return err
		}
	} else {
		c.print(list)
	}
	if failed {
		return &failure{statusFailed, "", c.again() + " says more"}
	}
	return nil
}

// names returns the streams of a connection; with a name, only that one.
func (f *settingsFlags) names(cmd *cobra.Command, a *app.Connection, stream string) ([]string, error) {
	if stream == "" {
		return a.Streams(), nil
	}
	name, ok := a.Named(stream)
	if !ok {
		return nil, usage(cmd, noStream(a, stream))
	}
	return []string{name}, nil
}

// The states of a checkpoint.
const (
	stateNone     = "none"
	stateGood     = "ok"
	stateUnusable = "unusable"
)

// lookAt reads a checkpoint.
func lookAt(a *app.Connection, name string, now time.Time, read func() (app.Checkpoint, error)) shownCheckpoint {
	cp, err := read()
	s := shownCheckpoint{Connection: a.Name(), Stream: name, State: stateGood, label: a.Label(cp.Short)}
	stored := cp.Stored()
	switch {
	case err != nil:
		s.State, s.Error = stateUnusable, err.Error()
	case stored.Tag == "":
		s.State = stateNone
	}
	if stored.Cursor != "" {
		s.Cursor = jsontext.Value(stored.Cursor)
	}
	s.Continues, s.Since, s.Through = cp.At, stored.Since, stored.Through
	s.Unexplained, s.Saved, s.Writer = stored.Audit.Open(), cp.File.Updated, cp.File.Writer
	if !stored.Through.IsZero() {
		lag := max(0, now.Sub(stored.Through).Seconds())
		s.LagSeconds = &lag
	}
	for i, at := range stored.Audit.Through {
		one := auditedTo{Through: at}
		if len(stored.Audit.AgeSeconds) == len(stored.Audit.Through) {
			one.AgeSeconds = stored.Audit.AgeSeconds[i]
		}
		s.Audits = append(s.Audits, one)
	}
	return s
}

func (c *checkpoints) print(list []shownCheckpoint) {
	t := grid{head: []string{"STREAM", "DELIVERED UP TO", "LAG", "CONTINUES AT", "AUDITED UP TO", "UNEXPLAINED", "SAVED"}}
	for i := range list {
		s := &list[i]
		row := []string{s.label, when(s.Through), "-", when(s.Continues), "-", "-", when(s.Saved)}
		if s.LagSeconds != nil {
			row[2] = lag(*s.LagSeconds)
		}
		if len(s.Audits) > 0 {
			row[4] = when(s.Audits[0].Through)
		}
		switch {
		case s.Unexplained > 0:
			row[5] = number(s.Unexplained)
		case s.State == stateNone:
			row[1] = "none yet"
		case s.State == stateUnusable:
			row[1] = "can't be used"
		}
		t.add(row...)
	}
	t.write(c.out, c.console.columns)
	for i := range list {
		if s := &list[i]; s.Error != "" {
			fmt.Fprintln(c.out, c.console.fit(fmt.Sprintf("error: %s: %s", s.label, oneLine(s.Error)), 0, 0))
		}
	}
}
