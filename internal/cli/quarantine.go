package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

// originals is a quarantine command in progress.
type originals struct {
	settingsFlags
	stream    string
	reason    string
	all       bool
	olderThan time.Duration
	console   *console
	out       io.Writer

	connections []*app.Connection
	// app is the selected connection, store its quarantine.
	app   *app.Connection
	store *quarantine.Store
}

func quarantineCommand(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Inspect, resend or discard records that could not be delivered unchanged",
		Long: `Quarantine holds the unchanged original, byte for byte, of each record that could
not be delivered as it was, with the reason:

  rejected    the workspace rejected this single record
  unfit       it can't be made into a row that the workspace accepts
  unreadable  the source sent something that is not valid JSON or not a record of the
              stream, or it could not be read completely: the original is what was
              received
  conformed   a row was delivered, but changed to fit the columns of the table

Rejected, unfit and unreadable records are missing in the workspace ("undelivered"):
quarantine_waiting of the health table counts them. Resend them when the cause is
fixed, or discard them; unreadable records can only be inspected and discarded.
Originals are kept for QUARANTINE_KEEP; runs warn for a week before an undelivered
record expires.

Name a record by its id or by its key, which "quarantine list --json" shows.`,
		Example: `  idnsentinel quarantine list --settings local.settings.json --reason undelivered
  idnsentinel quarantine show --settings local.settings.json 2c9180835d2e5168015d32f890ca1581
  idnsentinel quarantine resend --settings local.settings.json --all`,
		Args:                       noSuchCommand,
		SuggestionsMinimumDistance: typos,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(listCommand(p), showCommand(p), resendCommand(p), discardCommand(p))
	return cmd
}

func newOriginals(p Process) *originals {
	return &originals{console: newConsole(p), out: p.Out}
}

func (o *originals) addFilters(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.stream, "stream", "", "only those of this `stream`, by its name or its short name, for instance Events")
	cmd.Flags().StringVar(&o.reason, "reason", "", "only those with this `reason`: rejected, unfit, unreadable, conformed, or undelivered for the first three")
}

// open reads the settings and builds the connector, which holds the originals in its state.
// A command that changes something needs exactly one connection.
func (o *originals) open(cmd *cobra.Command, changes bool) error {
	a, err := o.connect(cmd, o.console, o.out, changes, "no quarantine, unless --state names one")
	if err != nil {
		return err
	}
	o.connections = a.Connections()
	o.use(o.connections[0])
	return o.checkFilters(cmd)
}

// use selects a connection.
func (o *originals) use(c *app.Connection) { o.app, o.store = c, c.Quarantine() }

func (o *originals) checkFilters(cmd *cobra.Command) error {
	if o.stream != "" {
		var known []string
		found := ""
		for _, c := range o.connections {
			if name, ok := c.Named(o.stream); ok {
				found = name
			}
			known = append(known, c.Streams()...)
		}
		if found == "" {
			slices.Sort(known)
			return usage(cmd, fmt.Sprintf("--stream is %q: use %s", o.stream, strings.Join(slices.Compact(known), " or ")))
		}
		o.stream = found
	}
	switch o.reason {
	case "", "undelivered", string(pipeline.RejectedBySink), string(pipeline.Unfit), string(pipeline.Unreadable), string(pipeline.Conformed):
		return nil
	}
	return usage(cmd, fmt.Sprintf("--reason is %q: use rejected, unfit, unreadable, conformed or undelivered", o.reason))
}

// kinds returns the kinds that match the filters, undelivered first.
func (o *originals) kinds() []quarantine.Kind {
	switch o.reason {
	case "":
		return []quarantine.Kind{quarantine.Undelivered, quarantine.Conformed}
	case string(pipeline.Conformed):
		return []quarantine.Kind{quarantine.Conformed}
	}
	return []quarantine.Kind{quarantine.Undelivered}
}

// exact reports whether the reason must be compared, because the kind is not specific
// enough.
func (o *originals) exact() bool {
	switch pipeline.Reason(o.reason) {
	case pipeline.RejectedBySink, pipeline.Unfit, pipeline.Unreadable:
		return true
	case pipeline.Conformed:
	}
	return false
}

// everything lists all entries that match the filters, as far as keys show.
func (o *originals) everything(ctx context.Context) (entries []quarantine.Entry, err error) {
	before := time.Now().Add(-o.olderThan)
	for _, kind := range o.kinds() {
		for e, err := range o.store.List(ctx, o.stream, kind) {
			if err != nil {
				return nil, o.broken(err)
			}
			if o.olderThan == 0 || e.Stored.Before(before) {
				entries = append(entries, e)
			}
		}
	}
	return entries, nil
}

// selected returns the entries for a command that changes something: the named ones, or
// with --all those that match the filters.
func (o *originals) selected(cmd *cobra.Command, names []string) ([]quarantine.Entry, error) {
	if !o.all {
		return o.find(cmd.Context(), names)
	}
	entries, err := o.everything(cmd.Context())
	if err != nil || !o.exact() {
		return entries, err
	}
	var rest []quarantine.Entry
	err = o.read(cmd.Context(), entries, func(e quarantine.Entry, item quarantine.Item, damage error) {
		if damage == nil && string(item.Reason) == o.reason {
			rest = append(rest, e)
		}
	})
	return rest, err
}

// oneWay checks that a command has either names or --all.
func (o *originals) oneWay(cmd *cobra.Command, names []string) error {
	filtered := o.stream != "" || o.reason != "" || o.olderThan != 0
	switch {
	case o.all && len(names) > 0:
		return usage(cmd, "name originals or use --all, not both")
	case !o.all && filtered:
		return usage(cmd, "--stream, --reason and --older-than need --all")
	case !o.all && len(names) == 0:
		return usage(cmd, "name originals by record id or key, or use --all")
	}
	return nil
}

// find returns the originals with these keys or record ids.
func (o *originals) find(ctx context.Context, names []string) ([]quarantine.Entry, error) {
	found, matched, err := o.match(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !matched[name] {
			return nil, o.unknown(name)
		}
	}
	return found, nil
}

// unknown is the failure for a name that doesn't exist.
func (o *originals) unknown(name string) error {
	return &failure{
		statusUnusable, fmt.Sprintf("there is no original of a record %q, and none with that key, in quarantine", name),
		o.command("quarantine list") + " shows what is there",
	}
}

// match is find without an error for unknown names.
func (o *originals) match(ctx context.Context, names []string) (found []quarantine.Entry, matched map[string]bool, err error) {
	matched = map[string]bool{}
	for e, err := range o.store.List(ctx, "", "") {
		if err != nil {
			return nil, nil, o.broken(err)
		}
		taken := false
		for _, name := range names {
			if e.Key == name || e.OfRecord(name) {
				matched[name], taken = true, true
			}
		}
		if taken {
			found = append(found, e)
		}
	}
	return found, matched, nil
}

// broken is the failure of a command after an error of the state store.
func (o *originals) broken(err error) error {
	return &failure{statusFailed, err.Error(), o.again() + " tests every part separately"}
}

// sums says how many originals there are of each kind.
func sums(entries []quarantine.Entry) string {
	missing, size := 0, int64(0)
	for _, e := range entries {
		if e.Kind == quarantine.Undelivered {
			missing++
		}
		size += e.Size
	}
	noun := "originals"
	if len(entries) == 1 {
		noun = "original"
	}
	return fmt.Sprintf("%d %s, %d of records that were not delivered, %d of rows that were changed; %s", len(entries), noun, missing, len(entries)-missing, bytesOf(size))
}

// bytesOf formats a size for people.
func bytesOf(n int64) string {
	const k = 1 << 10
	switch {
	case n < 10*k:
		return fmt.Sprintf("%d bytes", n)
	case n < 10*k*k:
		return fmt.Sprintf("%d KiB", n/k)
	}
	return fmt.Sprintf("%d MiB", n/k/k)
}
