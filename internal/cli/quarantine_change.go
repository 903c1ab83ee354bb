package cli

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

func resendCommand(p Process) *cobra.Command {
	o := newOriginals(p)
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "resend ID|KEY... | --all",
		Short: "Resend undelivered records, with the column rules of this version",
		Long: `Resend sends undelivered records to the workspace again: when a new version can make
them fit, or when the workspace accepts what it rejected before. An acknowledged
record leaves quarantine; a record that is rejected again stays there.

It waits for a run that is active on the stream, and the function's next run waits
for it. Nothing is sent twice, except for the records in flight after a kill between
acknowledgement and removal.

The exit status is 0 if everything was delivered, 1 if some records stay, and 2 if
nothing was tried because a setting, a flag or a name is wrong.`,
		Example: `  # what would happen
  idnsentinel quarantine resend --settings local.settings.json --all --dry-run

  idnsentinel quarantine resend --settings local.settings.json 2c9180835d2e5168015d32f890ca1581
  idnsentinel quarantine resend --settings local.settings.json --all --reason unfit`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.oneWay(cmd, args); err != nil {
				return err
			}
			if err := o.open(cmd, true); err != nil {
				return err
			}
			if o.reason == string(pipeline.Conformed) {
				return usage(cmd, "--reason is conformed: these records were delivered, and would arrive twice")
			}
			if o.reason == "" {
				o.reason = "undelivered"
			}
			return o.resend(cmd, args, dryRun)
		},
	}
	o.add(cmd)
	o.addFilters(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "all undelivered records, limited by --stream and --reason")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be sent")
	return cmd
}

func (o *originals) resend(cmd *cobra.Command, names []string, dryRun bool) error {
	found, err := o.selected(cmd, names)
	if err != nil {
		return err
	}
	entries := slices.DeleteFunc(slices.Clone(found), func(e quarantine.Entry) bool { return e.Kind != quarantine.Undelivered })
	for _, name := range names {
		if !slices.ContainsFunc(entries, func(e quarantine.Entry) bool { return e.Key == name || e.OfRecord(name) }) {
			return &failure{
				statusUnusable, fmt.Sprintf("the record of %q was delivered, as a changed row: if resent, it would arrive twice", name),
				o.command("quarantine show") + " " + name + " shows what was changed",
			}
		}
	}
	if len(entries) == 0 {
		o.console.say("nothing in quarantine%s", o.within())
		return nil
	}
	if dryRun {
		return o.rehearse(cmd.Context(), entries)
	}
	return o.send(cmd.Context(), entries)
}

func (o *originals) rehearse(ctx context.Context, entries []quarantine.Entry) error {
	send, stay := 0, 0
	for stream, own := range o.byStream(entries) {
		err := o.app.Rehearse(ctx, stream, own, func(f app.ResendResult) {
			if f.Sent {
				send++
				note := ""
				if f.Changes != "" {
					note = ", changed to fit: " + oneLine(f.Changes)
				}
				fmt.Fprintf(o.out, "would send %s%s\n", oneLine(f.ID), note)
				return
			}
			stay++
			o.tellKept(f, "would keep")
		})
		if err != nil {
			return o.broken(err)
		}
	}
	o.console.say("%d would be sent, %d would stay; nothing was done", send, stay)
	if stay > 0 {
		return &failure{status: statusFailed}
	}
	return nil
}

func (o *originals) tellKept(f app.ResendResult, verb string) {
	name := f.ID
	if name == "" {
		name = f.Key
	}
	fmt.Fprintf(o.out, "%s %s: %s\n", verb, oneLine(name), oneLine(f.Kept))
}

// byStream yields each stream that has entries, with its entries.
func (o *originals) byStream(entries []quarantine.Entry) iter.Seq2[string, []quarantine.Entry] {
	return func(yield func(string, []quarantine.Entry) bool) {
		for _, stream := range o.app.Streams() {
			own := slices.DeleteFunc(slices.Clone(entries), func(e quarantine.Entry) bool { return e.Stream != stream })
			if len(own) > 0 && !yield(stream, own) {
				return
			}
		}
	}
}

// send sends one stream after the other, because each has its own lock.
func (o *originals) send(ctx context.Context, entries []quarantine.Entry) error {
	sent, stay, failed := 0, 0, false
	remove := o.console.show()
	defer func() { remove() }()
	for stream, own := range o.byStream(entries) {
		rep := o.app.Resend(ctx, stream, own, func(f app.ResendResult) {
			if f.Sent {
				sent++
				return
			}
			stay++
			o.tellKept(f, "kept")
		})
		switch rep.State {
		case pipeline.Locked:
			o.console.say("error: %s: another run is active on it: try again later", stream)
		case pipeline.Failed:
			o.console.say("error: %s: %s", stream, rep.Error)
		case pipeline.Budget:
			o.console.say("note: %s: stopped; the rest is still in quarantine", stream)
		case pipeline.Drained:
			continue
		}
		failed = true
	}
	remove()
	remove = func() {}
	o.console.say("%d sent and removed from quarantine, %d rejected again", sent, stay)
	if rest := len(entries) - sent - stay; rest > 0 {
		o.console.say("%d were not tried", rest)
	}
	switch {
	case failed:
		return &failure{statusFailed, "", o.again() + " tests every part separately"}
	case stay > 0:
		return &failure{statusFailed, "", o.command("quarantine discard") + " removes records that you do not need"}
	}
	return nil
}

func discardCommand(p Process) *cobra.Command {
	o := newOriginals(p)
	var yes bool
	cmd := &cobra.Command{
		Use:   "discard ID|KEY... | --all",
		Short: "Permanently remove originals from quarantine",
		Long: `Discard permanently removes originals. An undelivered record will then never be in
the workspace, and the source may no longer have it.

It asks for confirmation, unless you pass --yes.

The exit status is 0 if they are removed, 1 if something failed or you declined, and
2 if nothing was tried because a setting, a flag or a name is wrong.`,
		Example: `  idnsentinel quarantine discard --settings local.settings.json 2c9180835d2e5168015d32f890ca1581
  idnsentinel quarantine discard --settings local.settings.json --all --reason conformed --older-than 720h --yes`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.olderThan < 0 {
				return usage(cmd, "--older-than is negative: write the age, such as 720h for 30 days")
			}
			if err := o.oneWay(cmd, args); err != nil {
				return err
			}
			if err := o.open(cmd, true); err != nil {
				return err
			}
			return o.discard(cmd, args, yes)
		},
	}
	o.add(cmd)
	o.addFilters(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "all originals, limited by --stream, --reason and --older-than")
	cmd.Flags().DurationVar(&o.olderThan, "older-than", 0, "only originals that have been in quarantine for longer than this, such as 720h")
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask for confirmation")
	return cmd
}

func (o *originals) discard(cmd *cobra.Command, names []string, yes bool) error {
	ctx := cmd.Context()
	entries, err := o.selected(cmd, names)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		o.console.say("nothing in quarantine%s", o.within())
		return nil
	}
	if !yes {
		if err := o.console.confirm("permanently remove "+sums(entries), "nothing was removed"); err != nil {
			return err
		}
	}
	for i, e := range entries {
		if ctx.Err() != nil {
			return &failure{statusFailed, fmt.Sprintf("stopped: %d of %d were removed", i, len(entries)), ""}
		}
		if err := o.store.Delete(ctx, e.Key); err != nil {
			o.console.say("%d of %d were removed", i, len(entries))
			return o.broken(err)
		}
	}
	o.console.say("removed %s", sums(entries))
	return nil
}
