package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app/subscriptions"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

func triggersListCommand(p Process) *cobra.Command {
	t := newTriggering(p)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the triggers, and who is subscribed to them",
		Long: `List prints a line for each trigger of the tenant: whether the service waits for an
answer (REQUEST_RESPONSE) or not (FIRE_AND_FORGET), whether this app is subscribed, and
who else is.

It needs the scope sp:trigger-service-subscriptions:read.

The exit status is 0, or 1 if the service can't be read, and 2 if a setting or a flag is
wrong.`,
		Example: `  idnsentinel triggers list --settings local.settings.json
  idnsentinel triggers list --settings local.settings.json --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.list(cmd) },
	}
	t.add(cmd)
	t.addURL(cmd)
	cmd.Flags().BoolVar(&t.asJSON, "json", false, "print JSON, with every subscription")
	return cmd
}

// listedTrigger is a trigger in the output of list. Scripts rely on the JSON names.
type listedTrigger struct {
	Connection    string               `json:"connection,omitzero"`
	ID            string               `json:"id"`
	Name          string               `json:"name"`
	Type          string               `json:"type"`
	Subscribed    bool                 `json:"subscribed"`
	Subscriptions []listedSubscription `json:"subscriptions"`
}

type listedSubscription struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Delivery string `json:"delivery"`
	Address  string `json:"address,omitzero"`
	Enabled  bool   `json:"enabled"`
	Filter   string `json:"filter,omitzero"`
	Ours     bool   `json:"ours"`
}

// kindOf is the service's name for how a trigger works.
func kindOf(one source.Trigger) string {
	if one.Waits {
		return "REQUEST_RESPONSE"
	}
	return "FIRE_AND_FORGET"
}

func (t *triggering) list(cmd *cobra.Command) error {
	rows := []listedTrigger{}
	err := t.connections(cmd, func() error {
		triggers, err := t.triggers(cmd.Context())
		if err != nil {
			return err
		}
		known, err := t.subscriptions(cmd.Context())
		if err != nil {
			return err
		}
		if _, err := t.target(cmd, known); err != nil && t.url != "" {
			return err
		}
		ours := t.ours(cmd, known)
		for _, one := range triggers {
			row := listedTrigger{Connection: t.settings.Name, ID: one.ID, Name: one.Name, Type: kindOf(one), Subscriptions: []listedSubscription{}}
			for _, s := range known {
				if s.TriggerID != one.ID {
					continue
				}
				own := ours(s)
				row.Subscribed = row.Subscribed || own && s.Enabled
				row.Subscriptions = append(row.Subscriptions, listedSubscription{
					ID: s.ID, Name: s.Name, Delivery: string(s.Delivery), Address: whereTo(s), Enabled: s.Enabled, Filter: s.Filter, Ours: own,
				})
			}
			rows = append(rows, row)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case t.asJSON:
		return printJSON(t.out, rows)
	}
	t.tableOf(rows)
	return nil
}

// ours recognises the subscriptions of this app. Without an address, those that lead to any hook of the
// connector count, and those with its names.
func (t *triggering) ours(cmd *cobra.Command, known []source.Subscription) func(source.Subscription) bool {
	to, err := t.target(cmd, known)
	return func(s source.Subscription) bool {
		if s.Delivery == source.OverEventBridge {
			return s.Name == to.Name(s.TriggerID)
		}
		if err != nil {
			_, ok := t.hookOf(s)
			return ok
		}
		return to.Ours(s)
	}
}

// whereTo is where a subscription's events go.
func whereTo(s source.Subscription) string {
	switch {
	case s.Delivery == source.OverEventBridge:
		return "AWS account " + s.AWSAccount + ", " + s.AWSRegion
	case s.HasQuery:
		return s.URL + "?…"
	}
	return s.URL
}

func (t *triggering) tableOf(rows []listedTrigger) {
	several := slices.ContainsFunc(rows, func(r listedTrigger) bool { return r.Connection != "" })
	list := grid{head: []string{"TRIGGER", "TYPE", "THIS APP", "OTHERS"}}
	if several {
		list.head = append([]string{"CONNECTION"}, list.head...)
	}
	subscribed := 0
	for _, r := range rows {
		own, others := "-", []string{}
		for _, s := range r.Subscriptions {
			switch {
			case !s.Ours:
				others = append(others, s.Name)
			case s.Enabled:
				own = strings.ToLower(s.Delivery)
			case own == "-":
				own = "disabled"
			}
		}
		if r.Subscribed {
			subscribed++
		}
		row := []string{r.ID, r.Type, own, oneLine(strings.Join(others, ", "))}
		if several {
			row = append([]string{r.Connection}, row...)
		}
		list.add(row...)
	}
	list.write(t.out, t.console.columns)
	t.console.say("%d triggers, this app is subscribed to %d", len(rows), subscribed)
}

func invocationsCommand(p Process) *cobra.Command {
	t := newTriggering(p)
	most := 0
	trigger := ""
	cmd := &cobra.Command{
		Use:   "invocations",
		Short: "List what was pushed lately, failures first",
		Long: `Invocations lists what the service pushed lately, to all subscribers: failures first,
then what is still waiting, then the rest, newest first. The service remembers a
successful invocation for 24 hours, a failed one for 48, and 2000 in all.

What was not delivered to this app is not lost as long as it is in this list: the
function polls it.

It needs the scope sp:trigger-service-invocation-status:read.

The exit status is 0 if none failed, 1 if some did or the service can't be read, and 2
if a setting or a flag is wrong.`,
		Example: `  idnsentinel triggers invocations --settings local.settings.json
  idnsentinel triggers invocations --settings local.settings.json --trigger identity-created --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.invocations(cmd, trigger, most) },
	}
	t.add(cmd)
	cmd.Flags().StringVar(&trigger, "trigger", "", "only those of the trigger with this `name`")
	cmd.Flags().IntVar(&most, "limit", 100, "at most this `number` of the newest; 0 for all")
	cmd.Flags().BoolVar(&t.asJSON, "json", false, "print JSON")
	return cmd
}

// listedInvocation is an invocation in the output. Scripts rely on the JSON names.
type listedInvocation struct {
	Connection   string    `json:"connection,omitzero"`
	ID           string    `json:"id"`
	Trigger      string    `json:"trigger"`
	Subscription string    `json:"subscription"`
	Test         bool      `json:"test"`
	State        string    `json:"state"` // failed, waiting, completed
	Created      time.Time `json:"created"`
	Completed    time.Time `json:"completed,omitzero"`
	Failure      string    `json:"failure,omitzero"`
}

// The states of an invocation, in the order of the list.
func states() []string { return []string{"failed", "waiting", "completed"} }

func (t *triggering) invocations(cmd *cobra.Command, trigger string, most int) error {
	if most < 0 {
		return usage(cmd, "--limit is negative")
	}
	if trigger != "" && !strings.Contains(trigger, ":") {
		trigger = "idn:" + trigger
	}
	rows := []listedInvocation{}
	err := t.connections(cmd, func() error {
		var list []source.Invocation
		_, err := check.Attempt(cmd.Context(), check.Attempts, func(ctx context.Context) (_ string, err error) {
			list, err = t.service.Invocations(ctx, trigger, most)
			return "", err
		})
		if err != nil {
			return t.failed(err)
		}
		for _, one := range list {
			state := "completed"
			switch {
			case one.Failure != "":
				state = "failed"
			case one.Completed.IsZero():
				state = "waiting"
			}
			rows = append(rows, listedInvocation{
				t.settings.Name, one.ID, one.TriggerID, one.SubscriptionName, one.Test, state, one.Created.UTC(), one.Completed.UTC(), one.Failure,
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(rows, func(a, b listedInvocation) int {
		return slices.Index(states(), a.State) - slices.Index(states(), b.State)
	})
	if t.asJSON {
		err = printJSON(t.out, rows)
	} else {
		t.tableOfInvocations(rows)
	}
	if err == nil && len(rows) > 0 && rows[0].State == "failed" {
		return &failure{status: statusFailed}
	}
	return err
}

func (t *triggering) tableOfInvocations(rows []listedInvocation) {
	counts := map[string]int{}
	list := grid{head: []string{"CREATED", "STATE", "TRIGGER", "SUBSCRIPTION", "ID", "FAILURE"}}
	for _, r := range rows {
		counts[r.State]++
		name := r.Subscription
		if r.Test {
			name += " (test)"
		}
		trigger := r.Trigger
		if r.Connection != "" {
			trigger = r.Connection + "/" + trigger
		}
		list.add(stamp(r.Created), r.State, oneLine(trigger), oneLine(name), oneLine(r.ID), oneLine(r.Failure))
	}
	if len(rows) > 0 {
		list.write(t.out, t.console.columns)
	}
	t.console.say("%d invocations: %d failed, %d waiting, %d completed", len(rows), counts["failed"], counts["waiting"], counts["completed"])
}

// describe says what a subscription is, without its secrets.
func describe(s source.Subscription, to subscriptions.Target) string {
	text := whereTo(s)
	if s.Delivery == source.OverHTTP {
		text += ", " + string(to.Auth)
	}
	if s.Filter != "" {
		text += ", filter " + s.Filter
	}
	return text
}
