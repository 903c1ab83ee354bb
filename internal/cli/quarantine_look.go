package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

func listCommand(p Process) *cobra.Command {
	o := newOriginals(p)
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what is in quarantine and why, undelivered records first",
		Long: `List prints a line for each original: stream, day of the event, reason, size, id of
the record, and what the workspace said or what was changed.

The exit status is 0, or 1 if an original can't be read, and 2 if a setting or a flag
is wrong.`,
		Example: `  idnsentinel quarantine list --settings local.settings.json
  idnsentinel quarantine list --settings local.settings.json --stream Events --reason undelivered
  idnsentinel quarantine list --settings local.settings.json --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.open(cmd, false); err != nil {
				return err
			}
			return o.list(cmd.Context(), asJSON)
		},
	}
	o.add(cmd)
	o.addFilters(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the keys")
	return cmd
}

// listed is an original in the output of list. Scripts rely on the JSON names.
type listed struct {
	Connection string    `json:"connection,omitzero"`
	Key        string    `json:"key"`
	Stream     string    `json:"stream"`
	Day        string    `json:"day"`
	ID         string    `json:"id"`
	Delivered  bool      `json:"delivered"`
	Reason     string    `json:"reason"`
	Detail     string    `json:"detail"`
	Size       int64     `json:"size"`
	Stored     time.Time `json:"stored"`
}

func (o *originals) list(ctx context.Context, asJSON bool) error {
	rows := []listed{} // an empty list is [] in JSON
	var shown []quarantine.Entry
	damaged := 0
	for _, c := range o.connections {
		o.use(c)
		n, err := o.gather(ctx, &rows, &shown)
		if err != nil {
			return err
		}
		damaged += n
	}
	switch {
	case asJSON:
		if err := printJSON(o.out, rows); err != nil {
			return err
		}
	case len(rows) == 0:
		o.console.say("nothing in quarantine%s", o.within())
	default:
		o.table(rows)
		o.console.say("%s", sums(shown))
	}
	if damaged > 0 {
		return &failure{statusFailed, fmt.Sprintf("%d of them can't be read, see their details", damaged), ""}
	}
	return nil
}

// gather adds the originals of one connection that match the filters, and returns how many
// of them can't be read.
func (o *originals) gather(ctx context.Context, rows *[]listed, shown *[]quarantine.Entry) (damaged int, err error) {
	entries, err := o.everything(ctx)
	if err != nil {
		return 0, err
	}
	err = o.read(ctx, entries, func(e quarantine.Entry, item quarantine.Item, damage error) {
		row := listed{
			Connection: o.app.Name(), Key: e.Key, Stream: e.Stream, Day: dayOf(e.Day), ID: item.ID, Delivered: e.Kind == quarantine.Conformed,
			Reason: string(item.Reason), Detail: item.Detail, Size: int64(len(item.Raw)), Stored: e.Stored.UTC(),
		}
		switch {
		case damage != nil:
			row.ID, row.Reason, row.Detail, row.Size = e.Key, "damaged", damage.Error(), e.Size
			damaged++
		case o.exact() && row.Reason != o.reason:
			return
		}
		*rows, *shown = append(*rows, row), append(*shown, e)
	})
	return damaged, err
}

// within describes the filters.
func (o *originals) within() string {
	text := ""
	if o.stream != "" {
		text += " of " + o.stream
	}
	if o.reason != "" {
		text += " that is " + o.reason
	}
	return text
}

func dayOf(t time.Time) string {
	if t.IsZero() {
		return "undated"
	}
	return t.Format(time.DateOnly)
}

func (o *originals) table(rows []listed) {
	t := grid{head: []string{"STREAM", "DAY", "REASON", "BYTES", "ID", "DETAIL"}}
	for _, r := range rows {
		t.add(app.Label(r.Connection, r.Stream), r.Day, r.Reason, number(r.Size), oneLine(r.ID), oneLine(r.Detail))
	}
	t.write(o.out, o.console.columns)
}

// oneLine makes external text safe for a table cell.
func oneLine(s string) string {
	const most = 400
	return text.Line(s, most)
}

// read reads several originals at a time and calls f for each, in order. damage says why
// one can't be read. It skips those that have been removed meanwhile.
func (o *originals) read(ctx context.Context, entries []quarantine.Entry, f func(e quarantine.Entry, item quarantine.Item, damage error)) error {
	const atOnce, inHand = 8, 32
	for len(entries) > 0 {
		n := min(inHand, len(entries))
		items, errs := make([]quarantine.Item, n), make([]error, n)
		var g errgroup.Group
		g.SetLimit(atOnce)
		for i, e := range entries[:n] {
			g.Go(func() error {
				items[i], errs[i] = o.store.Get(ctx, e.Key)
				return nil
			})
		}
		_ = g.Wait() // never fails
		for i, e := range entries[:n] {
			switch {
			case errors.Is(errs[i], quarantine.ErrGone):
			case errs[i] == nil, errors.Is(errs[i], quarantine.ErrUnreadable):
				f(e, items[i], errs[i])
			default:
				return o.broken(errs[i])
			}
		}
		entries = entries[n:]
	}
	return nil
}

func showCommand(p Process) *cobra.Command {
	o := newOriginals(p)
	var raw bool
	cmd := &cobra.Command{
		Use:   "show ID|KEY",
		Short: "Show one original: its details, then the record as the source wrote it",
		Long: `Show prints the details of an original, an empty line, and the record byte for byte as
it was received. With --raw it prints only these bytes.

The exit status is 0, 1 if the original can't be read, and 2 if there is none, or a
setting or a flag is wrong.`,
		Example: `  idnsentinel quarantine show --settings local.settings.json 2c9180835d2e5168015d32f890ca1581
  idnsentinel quarantine show --settings local.settings.json --raw 2c9180835d2e5168015d32f890ca1581`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(cmd, fmt.Sprintf("show takes one record id or key, but got %d", len(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.open(cmd, false); err != nil {
				return err
			}
			return o.show(cmd.Context(), args[0], raw)
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&raw, "raw", false, "print only the bytes of the record")
	return cmd
}

func (o *originals) show(ctx context.Context, name string, raw bool) error {
	var found []quarantine.Entry
	for _, c := range o.connections {
		o.use(c)
		var err error
		if found, _, err = o.match(ctx, []string{name}); err != nil {
			return err
		}
		if len(found) > 0 {
			break // ids belong to one source, and keys begin with the tenant
		}
	}
	if len(found) == 0 {
		return o.unknown(name)
	}
	if len(found) > 1 {
		var b strings.Builder
		for _, e := range found {
			b.WriteString("\n  " + e.Key)
		}
		return &failure{statusUnusable, fmt.Sprintf("there are %d originals of the record %q:%s", len(found), name, b.String()), "name one by its key"}
	}
	e := found[0]
	item, err := o.store.Get(ctx, e.Key)
	if err != nil {
		return &failure{statusFailed, err.Error(), ""}
	}
	if !raw {
		happened := "unknown"
		if !item.Time.IsZero() {
			happened = item.Time.Format(time.RFC3339Nano)
		}
		for _, line := range [][2]string{
			{"key", e.Key},
			{"stream", o.app.Label(item.Stream)},
			{"id", item.ID},
			{"time", happened},
			{"reason", string(item.Reason)},
			{"detail", item.Detail},
			{"stored", item.Stored.Format(time.RFC3339Nano)},
			{"bytes", fmt.Sprint(len(item.Raw))}, //nolint:perfsprint // among texts
		} {
			fmt.Fprintf(o.out, "%-8s%s\n", line[0]+":", oneLine(line[1]))
		}
		fmt.Fprintln(o.out)
	}
	if _, err := o.out.Write(item.Raw); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	if !raw && (len(item.Raw) == 0 || item.Raw[len(item.Raw)-1] != '\n') {
		fmt.Fprintln(o.out)
	}
	return nil
}
