// Package subscriptions decides which subscriptions of event triggers to create, change and
// delete, so that the events of a tenant reach the connector's hook, and makes the changes.
//
// It touches nothing but the connector's own subscriptions: over HTTP those that post to its
// hook's address, over EventBridge those with its names in the same AWS account and region.
// Doing something twice changes nothing the second time.
package subscriptions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// Target is where the events of one connection go to, and how the service must identify itself.
type Target struct {
	// Connection is the connection's name; "" if there is only one.
	Connection string
	// Hook is the address of the hook for event triggers, without a slash at its end.
	Hook string

	Auth               source.Auth
	Token              secret.String
	UserName           string
	Password           secret.String
	Delivery           source.Delivery
	AWSAccount, Region string // for [source.OverEventBridge]
}

// Action is what a step does.
type Action string

// The actions. Refuse means that nothing is done, and Step.Refused says why.
const (
	Create Action = "create"
	Update Action = "update"
	Keep   Action = "keep"
	Delete Action = "delete"
	Refuse Action = "refuse"
)

// Step is what is done about one subscription.
type Step struct {
	Action  Action
	Trigger string // its id
	// From is the subscription as it is, To as it will be.
	From, To source.Subscription
	// Changes say what an update changes.
	Changes []string
	Refused string
	// Notes are for the user to look at.
	Notes []string
}

// Wish is what subscribe is asked for.
type Wish struct {
	Triggers []source.Trigger
	// Filter replaces the filter; nil leaves that of an existing subscription alone.
	Filter *string
	// Enable enables subscriptions that are disabled.
	Enable bool
}

// Address is where the events of a trigger are posted.
func (t Target) Address(triggerID string) string { return t.Hook + "/" + triggerID }

// Prefix is how the names of all subscriptions begin that the connector creates.
const Prefix = "idn-sentinel "

// Name is the name of the subscription to a trigger.
func (t Target) Name(triggerID string) string {
	name := Prefix
	if t.Connection != "" {
		name += t.Connection + " "
	}
	return name + strings.TrimPrefix(triggerID, "idn:")
}

// Ours reports whether a subscription is this connector's.
func (t Target) Ours(s source.Subscription) bool {
	if t.Delivery == source.OverEventBridge {
		return s.Delivery == source.OverEventBridge && s.Name == t.Name(s.TriggerID) && s.AWSAccount == t.AWSAccount && s.AWSRegion == t.Region
	}
	return s.Delivery == source.OverHTTP && t.Hook != "" && t.own(s)
}

// own compares addresses: with and without the trigger's id at the end both lead to the hook.
func (t Target) own(s source.Subscription) bool {
	at := strings.TrimRight(s.URL, "/")
	return strings.EqualFold(at, t.Hook) || strings.EqualFold(at, t.Address(s.TriggerID)) ||
		strings.EqualFold(at, t.Hook+"/"+strings.ReplaceAll(s.TriggerID, ":", "%3A"))
}

// wanted is the subscription to a trigger as it should be.
func (t Target) wanted(triggerID string) source.Subscription {
	s := source.Subscription{
		TriggerID: triggerID, Name: t.Name(triggerID), Delivery: t.Delivery, Enabled: true,
		Description: "Sends events to Microsoft Sentinel. Managed by idnsentinel.",
	}
	if t.Delivery == source.OverEventBridge {
		s.AWSAccount, s.AWSRegion = t.AWSAccount, t.Region
		return s
	}
	s.URL, s.Auth, s.Token, s.UserName, s.Password = t.Address(triggerID), t.Auth, t.Token, t.UserName, t.Password
	return s
}

// Subscribe plans how every trigger of a wish gets one subscription of ours.
func (t Target) Subscribe(existing []source.Subscription, w Wish) (plan []Step) {
	for _, trigger := range w.Triggers {
		var own, others []source.Subscription
		for _, s := range existing {
			switch {
			case s.TriggerID != trigger.ID:
			case t.Ours(s):
				own = append(own, s)
			default:
				others = append(others, s)
			}
		}
		switch {
		case len(own) > 0:
			plan = append(plan, t.update(own, w))
		case trigger.Waits && len(others) > 0:
			plan = append(plan, Step{Action: Refuse, Trigger: trigger.ID, Refused: fmt.Sprintf("the only subscription that this trigger allows is taken by %q", others[0].Name)})
		default:
			to := t.wanted(trigger.ID)
			if w.Filter != nil {
				to.Filter = *w.Filter
			}
			plan = append(plan, Step{Action: Create, Trigger: trigger.ID, To: to})
		}
	}
	return plan
}

// update changes the first of our subscriptions to a trigger to what it should be. What a person
// chose stays: name, description, filter, and that it is disabled.
func (t Target) update(own []source.Subscription, w Wish) Step {
	from, want := own[0], t.wanted(own[0].TriggerID)
	to := t.keyed(from)
	step := Step{Action: Keep, Trigger: from.TriggerID, From: from}
	if t.Delivery == source.OverHTTP {
		if from.URL != want.URL || from.HasQuery {
			query := ""
			if from.HasQuery {
				query = "?…"
			}
			step.Changes = append(step.Changes, fmt.Sprintf("address %s%s to %s", from.URL, query, want.URL))
		}
		if from.Auth != want.Auth || from.UserName != want.UserName {
			step.Changes = append(step.Changes, fmt.Sprintf("authentication %s to %s", from.Auth, want.Auth))
		}
		to.URL, to.HasQuery = want.URL, false
	}
	if w.Filter != nil && *w.Filter != from.Filter {
		to.Filter = *w.Filter
		step.Changes = append(step.Changes, fmt.Sprintf("filter %q to %q", from.Filter, to.Filter))
	}
	if !from.Enabled {
		if w.Enable {
			to.Enabled = true
			step.Changes = append(step.Changes, "disabled to enabled")
		} else {
			step.Notes = append(step.Notes, "is disabled at the service: --enable enables it")
		}
	}
	if n := len(own) - 1; n > 0 {
		step.Notes = append(step.Notes, fmt.Sprintf("%d more subscriptions post to the same hook, so each event arrives %d times: delete them at the service, or unsubscribe and subscribe again", n, n+1))
	}
	if len(step.Changes) > 0 {
		step.Action, step.To = Update, to
	}
	return step
}

// keyed is a subscription with our credentials.
func (t Target) keyed(s source.Subscription) source.Subscription {
	if t.Delivery == source.OverHTTP {
		s.Auth, s.Token, s.UserName, s.Password = t.Auth, t.Token, t.UserName, t.Password
	}
	return s
}

// Rotate plans that each of our subscriptions gets the present credentials.
func (t Target) Rotate(existing []source.Subscription) (plan []Step) {
	for _, s := range existing {
		if t.Ours(s) {
			plan = append(plan, Step{Action: Update, Trigger: s.TriggerID, From: s, To: t.keyed(s), Changes: []string{"credentials"}})
		}
	}
	return plan
}

// Unsubscribe plans that our subscriptions to these triggers are deleted; nil means all.
func (t Target) Unsubscribe(existing []source.Subscription, triggers []string) (plan []Step) {
	for _, s := range existing {
		if t.Ours(s) && (triggers == nil || slices.Contains(triggers, s.TriggerID)) {
			plan = append(plan, Step{Action: Delete, Trigger: s.TriggerID, From: s})
		}
	}
	return plan
}
