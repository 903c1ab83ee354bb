package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app/subscriptions"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

func unsubscribeCommand(p Process) *cobra.Command {
	t := newTriggering(p)
	var all, dryRun, yes bool
	cmd := &cobra.Command{
		Use:   "unsubscribe NAME... | --all",
		Short: "Delete the subscriptions of this app",
		Long: `Unsubscribe deletes the subscriptions that post to this app's hook, or with
--aws-account and --aws-region those that subscribe created for EventBridge. It touches
no others.

Polling continues: events of triggers to which others are subscribed still arrive.

It asks for confirmation, unless you pass --yes. It needs the scopes
sp:trigger-service-subscriptions:read and sp:trigger-service-subscriptions:manage.

The exit status is 0 if they are deleted, 1 if something failed or you declined, and 2
if nothing was tried because a setting, a flag or a name is wrong.`,
		Example: `  idnsentinel triggers unsubscribe --settings local.settings.json source-deleted
  idnsentinel triggers unsubscribe --settings local.settings.json --all --yes`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, names []string) error {
			switch {
			case all && len(names) > 0:
				return usage(cmd, "name triggers or use --all, not both")
			case !all && len(names) == 0:
				return usage(cmd, "name triggers, or use --all")
			}
			return t.unsubscribe(cmd, names, dryRun, yes)
		},
	}
	t.add(cmd)
	t.addURL(cmd)
	t.addEventBridge(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all subscriptions of this app")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be deleted")
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask for confirmation")
	cmd.Flags().BoolVar(&t.asJSON, "json", false, "print JSON")
	return cmd
}

func (t *triggering) unsubscribe(cmd *cobra.Command, names []string, dryRun, yes bool) error {
	if err := t.open(cmd); err != nil {
		return err
	}
	var ids []string // nil means all
	if len(names) > 0 {
		all, err := t.triggers(cmd.Context())
		if err != nil {
			return err
		}
		list, err := named(cmd, all, names)
		if err != nil {
			return err
		}
		for _, one := range list {
			ids = append(ids, one.ID)
		}
	}
	known, err := t.subscriptions(cmd.Context())
	if err != nil {
		return err
	}
	to, err := t.target(cmd, known)
	if err != nil {
		return err
	}
	plan := func(existing []source.Subscription) []subscriptions.Step { return to.Unsubscribe(existing, ids) }
	n := len(plan(known))
	if n > 0 && !dryRun && !yes {
		noun := "subscriptions"
		if n == 1 {
			noun = "subscription"
		}
		where := to.Hook
		if where == "" {
			where = "AWS account " + to.AWSAccount
		}
		if err := t.console.confirm("delete "+strconv.Itoa(n)+" "+noun+" to "+where, "nothing was deleted"); err != nil {
			return err
		}
	}
	return t.carryOut(cmd, to, known, plan, dryRun)
}

func rotateTokenCommand(p Process) *cobra.Command {
	t := newTriggering(p)
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "rotate-token",
		Short: "Give the subscriptions of this app the present WEBHOOK_TOKEN",
		Long: `Rotate-token is the middle of three steps that replace the token without losing an
event:

  1. In the settings of the app, or in the vault that they refer to, move the value of
     WEBHOOK_TOKEN to WEBHOOK_TOKEN_PREVIOUS and set WEBHOOK_TOKEN to a new one. The app
     then accepts both. Set the same WEBHOOK_TOKEN here, or refer to the same secret.
  2. Run this command. It first probes that the hook accepts the new token; if not, it
     changes nothing. Then it sends the new token to each subscription of this app.
  3. Remove WEBHOOK_TOKEN_PREVIOUS from the settings of the app.

The token is never printed. With WEBHOOK_USERNAME and WEBHOOK_PASSWORD it sends those;
then both can't be accepted at once, so use a token while you change them. Over
EventBridge the token is in the connection of the API destination: change it in AWS.

It needs the scopes sp:trigger-service-subscriptions:read and
sp:trigger-service-subscriptions:manage.

The exit status is 0 if all have the new token, 1 if something failed, and 2 if nothing
was tried because a setting or a flag is wrong.`,
		Example: `  idnsentinel triggers rotate-token --settings local.settings.json --dry-run
  idnsentinel triggers rotate-token --settings local.settings.json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.rotate(cmd, dryRun) },
	}
	t.add(cmd)
	t.addURL(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would change")
	cmd.Flags().BoolVar(&t.asJSON, "json", false, "print JSON")
	return cmd
}

func (t *triggering) rotate(cmd *cobra.Command, dryRun bool) error {
	if err := t.open(cmd); err != nil {
		return err
	}
	known, err := t.subscriptions(cmd.Context())
	if err != nil {
		return err
	}
	to, err := t.target(cmd, known)
	if err == nil {
		err = t.credentials(cmd.Context(), &to)
	}
	if err != nil {
		return err
	}
	steps := to.Rotate(known)
	if len(steps) == 0 {
		return &failure{statusFailed, "no subscription posts to " + to.Hook, cmd.Parent().CommandPath() + " subscribe creates them"}
	}
	const hint = "nothing was changed: set the new WEBHOOK_TOKEN in the app's settings first, with the old one in WEBHOOK_TOKEN_PREVIOUS, and wait for a minute"
	if err := t.probeHook(cmd, to, steps[0].Trigger, hint); err != nil {
		return err
	}
	if err := t.carryOut(cmd, to, known, to.Rotate, dryRun); err != nil || dryRun {
		return err
	}
	t.console.say("now remove WEBHOOK_TOKEN_PREVIOUS from the settings of the app")
	return nil
}
