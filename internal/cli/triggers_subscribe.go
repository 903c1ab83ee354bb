package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/app/subscriptions"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// subscribing is a subscribe command in progress.
type subscribing struct {
	*triggering
	all, waiting, enable, dryRun, noProbe, yes bool
	filter, payload                            string
}

func subscribeCommand(p Process) *cobra.Command {
	s := &subscribing{triggering: newTriggering(p)}
	cmd := &cobra.Command{
		Use:   "subscribe NAME... | --all-fire-and-forget",
		Short: "Subscribe the hook of this app to triggers",
		Long: `Subscribe creates a subscription for each named trigger, or changes the one that posts
to this app's hook already. It changes address, authentication and, with --filter, the
filter; name, description and the subscriptions of others stay as they are. A second
time it changes nothing.

The events are posted to the hook of the app, below /api/hooks, with WEBHOOK_TOKEN as
bearer token, or with WEBHOOK_USERNAME and WEBHOOK_PASSWORD. First the hook is probed:
it must accept the same token, else nothing is subscribed.

With --aws-account and --aws-region the subscription goes to Amazon EventBridge: see
docs/event-triggers.md for the AWS side.

A trigger of type REQUEST_RESPONSE makes the tenant wait for an answer, and has one
subscription only. It is not subscribed unless you pass --request-response; the hook
then gives the answer that changes nothing.

It needs the scopes sp:trigger-service-subscriptions:read and
sp:trigger-service-subscriptions:manage.

The exit status is 0 if all are subscribed, 1 if something failed, and 2 if nothing was
tried because a setting, a flag or a name is wrong.`,
		Example: `  # what would change
  idnsentinel triggers subscribe --settings local.settings.json --all-fire-and-forget --url https://APP.azurewebsites.net --dry-run

  idnsentinel triggers subscribe --settings local.settings.json identity-created source-deleted --url https://APP.azurewebsites.net
  idnsentinel triggers subscribe --settings local.settings.json identity-created --filter $.attributes --url https://APP.azurewebsites.net
  idnsentinel triggers subscribe --settings local.settings.json --all-fire-and-forget --aws-account 123456789012 --aws-region eu-west-1`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd, args) },
	}
	s.add(cmd)
	s.addURL(cmd)
	s.addEventBridge(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&s.all, "all-fire-and-forget", false, "all triggers that nothing waits for")
	flags.BoolVar(&s.waiting, "request-response", false, "allow triggers of type REQUEST_RESPONSE")
	flags.StringVar(&s.filter, "filter", "", "only events that this `JSONPath` matches, for one trigger; empty removes the filter")
	flags.StringVar(&s.payload, "filter-input", "", "validate --filter with the event in this `file`, instead of the service's example")
	flags.BoolVar(&s.enable, "enable", false, "enable subscriptions of this app that are disabled")
	flags.BoolVar(&s.dryRun, "dry-run", false, "only print what would change")
	flags.BoolVar(&s.noProbe, "no-probe", false, "don't probe the hook first")
	flags.BoolVar(&s.yes, "yes", false, "don't ask for confirmation, which --request-response needs")
	flags.BoolVar(&s.asJSON, "json", false, "print JSON")
	return cmd
}

func (s *subscribing) run(cmd *cobra.Command, names []string) error {
	filtered := cmd.Flags().Changed("filter")
	switch {
	case s.all && len(names) > 0:
		return usage(cmd, "name triggers or use --all-fire-and-forget, not both")
	case !s.all && len(names) == 0:
		return usage(cmd, "name triggers, or use --all-fire-and-forget")
	case filtered && len(names) != 1:
		return usage(cmd, "--filter needs exactly one trigger, because each has members of its own")
	case s.payload != "" && !filtered:
		return usage(cmd, "--filter-input needs --filter")
	}
	if err := s.open(cmd); err != nil {
		return err
	}
	wish := subscriptions.Wish{Enable: s.enable}
	var err error
	if wish.Triggers, err = s.wanted(cmd, names); err != nil {
		return err
	}
	known, err := s.subscriptions(cmd.Context())
	if err != nil {
		return err
	}
	to, err := s.target(cmd, known)
	if err == nil {
		err = s.credentials(cmd.Context(), &to)
	}
	if err == nil && filtered {
		wish.Filter = &s.filter
		err = s.checkFilter(cmd, wish.Triggers[0])
	}
	if err == nil {
		err = s.probe(cmd, to, wish.Triggers)
	}
	if err != nil {
		return err
	}
	plan := func(existing []source.Subscription) []subscriptions.Step { return to.Subscribe(existing, wish) }
	return s.carryOut(cmd, to, known, plan, s.dryRun)
}

// wanted returns the triggers to subscribe to.
func (s *subscribing) wanted(cmd *cobra.Command, names []string) (list []source.Trigger, err error) {
	all, err := s.triggers(cmd.Context())
	if err != nil {
		return nil, err
	}
	if s.all {
		for _, one := range all {
			if !one.Waits {
				list = append(list, one)
			}
		}
		return list, nil
	}
	if list, err = named(cmd, all, names); err != nil {
		return nil, err
	}
	var waiting []string
	for _, one := range list {
		if one.Waits {
			waiting = append(waiting, one.ID)
		}
	}
	switch {
	case len(waiting) == 0:
		return list, nil
	case !s.waiting:
		return nil, &failure{
			statusUnusable, strings.Join(waiting, ", ") + ": the tenant waits for an answer to this trigger (REQUEST_RESPONSE), and a slow one delays access requests",
			"polling delivers its invocations without a subscription; pass --request-response to subscribe nevertheless",
		}
	case s.yes || s.dryRun:
		return list, nil
	}
	return list, s.console.confirm("subscribe to "+strings.Join(waiting, ", ")+", whose answers decide over access requests", "nothing was changed")
}

// checkFilter has the service validate the filter.
func (s *subscribing) checkFilter(cmd *cobra.Command, one source.Trigger) error {
	if s.filter == "" {
		return nil
	}
	payload, from := one.Example, "the service's example of "+one.ID
	if s.payload != "" {
		var err error
		if payload, err = readPayload(cmd, "--filter-input", s.payload); err != nil {
			return err
		}
		from = "the event in " + s.payload
	}
	problem, err := check.Attempt(cmd.Context(), check.Attempts, func(ctx context.Context) (string, error) { return s.service.CheckFilter(ctx, s.filter, payload) })
	switch {
	case err != nil:
		return s.failed(err)
	case problem == "":
		return nil
	case strings.Contains(problem, "match"):
		return &failure{statusUnusable, fmt.Sprintf("--filter %s does not match %s", quoted(s.filter), from), "put an event that it should match into a file, and pass it as --filter-input"}
	}
	return usage(cmd, fmt.Sprintf("--filter %s %s, says the service", quoted(s.filter), problem))
}

// readPayload reads an event from a file.
func readPayload(cmd *cobra.Command, flag, file string) (jsontext.Value, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, usage(cmd, flag+": "+err.Error())
	}
	payload := jsontext.Value(strings.TrimSpace(string(data)))
	if payload.Kind() != '{' || !payload.IsValid() {
		return nil, usage(cmd, flag+": "+file+" does not hold a JSON object")
	}
	return payload, nil
}

// probe checks that the hook would accept the events.
func (s *subscribing) probe(cmd *cobra.Command, to subscriptions.Target, triggers []source.Trigger) error {
	if s.noProbe || to.Delivery != source.OverHTTP || len(triggers) == 0 {
		return nil
	}
	return s.probeHook(cmd, to, triggers[0].ID, "--no-probe subscribes nevertheless; events that the hook refuses are polled later")
}

func (t *triggering) probeHook(cmd *cobra.Command, to subscriptions.Target, triggerID, hint string) error {
	if err := app.ProbeHook(cmd.Context(), t.options, to, triggerID); err != nil {
		return &failure{statusFailed, oneLine(err.Error()), hint}
	}
	return nil
}

// changed is a step in the output. Scripts rely on the JSON names.
type changed struct {
	Connection string   `json:"connection,omitzero"`
	Trigger    string   `json:"trigger"`
	Action     string   `json:"action"` // create, update, keep, delete, refuse
	Done       bool     `json:"done"`   // false with --dry-run
	Changes    []string `json:"changes,omitzero"`
	Notes      []string `json:"notes,omitzero"`
	Error      string   `json:"error,omitzero"`
}

// carryOut makes the changes of a plan and prints them, or only prints what it would do.
func (t *triggering) carryOut(cmd *cobra.Command, to subscriptions.Target, known []source.Subscription, plan func([]source.Subscription) []subscriptions.Step, dryRun bool) error {
	list, failures, counts := []changed{}, 0, map[subscriptions.Action]int{}
	report := func(s subscriptions.Step, err error) {
		one := changed{Connection: t.settings.Name, Trigger: s.Trigger, Action: string(s.Action), Changes: s.Changes, Notes: s.Notes, Done: !dryRun && err == nil}
		if err != nil {
			one.Error = oneLine(err.Error())
			failures++
		} else {
			counts[s.Action]++
		}
		list = append(list, one)
		if !t.asJSON {
			t.print(s, to, one, dryRun)
		}
	}
	var err error
	if dryRun {
		for _, s := range plan(known) {
			err := error(nil)
			if s.Action == subscriptions.Refuse {
				err = errors.New(s.Refused)
			}
			report(s, err)
		}
	} else {
		err = subscriptions.Apply(cmd.Context(), t.service, plan, report)
	}
	if t.asJSON {
		if err := printJSON(t.out, list); err != nil {
			return err
		}
	} else {
		would := ""
		if dryRun {
			would = "; nothing was changed"
		}
		t.console.say("%d created, %d updated, %d deleted, %d unchanged, %d failed%s",
			counts[subscriptions.Create], counts[subscriptions.Update], counts[subscriptions.Delete], counts[subscriptions.Keep], failures, would)
	}
	switch {
	case err != nil:
		return &failure{statusFailed, oneLine(err.Error()), "run the command again: it continues where it stopped"}
	case failures > 0:
		return &failure{status: statusFailed}
	}
	return nil
}

// print prints one step.
func (t *triggering) print(s subscriptions.Step, to subscriptions.Target, one changed, dryRun bool) {
	verb, detail := map[subscriptions.Action]string{
		subscriptions.Create: "created", subscriptions.Update: "updated", subscriptions.Delete: "deleted", subscriptions.Keep: "unchanged", subscriptions.Refuse: "failed",
	}[s.Action], ""
	switch s.Action {
	case subscriptions.Create:
		detail = describe(s.To, to)
	case subscriptions.Update:
		detail = strings.Join(s.Changes, ", ")
	case subscriptions.Delete, subscriptions.Keep:
		detail = whereTo(s.From)
	case subscriptions.Refuse:
	}
	switch {
	case one.Error != "":
		verb, detail = "failed", one.Error
	case dryRun && s.Action != subscriptions.Keep:
		verb = "would be " + verb
	}
	fmt.Fprintf(t.out, "%s %s: %s\n", s.Trigger, verb, oneLine(detail))
	for _, note := range s.Notes {
		t.console.say("note: %s: %s", s.Trigger, note)
	}
}
