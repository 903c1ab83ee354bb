package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// lookEvery is the time between two looks for the row of a test event.
const lookEvery = time.Second

// trial is a test command in progress.
type trial struct {
	*triggering
	timeout time.Duration
	payload string

	app *app.Connection
}

func testTriggerCommand(p Process) *cobra.Command {
	t := &trial{triggering: newTriggering(p)}
	cmd := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a test event, and wait until the workspace has acknowledged its row",
		Long: `Test has the service send a test event to this app's subscription, and waits until the
row is acknowledged by the workspace: the ledger in the app's state says so, so the
settings must name the same state (STATE_URL or the storage account).

The event looks like a real one, also in the workspace; only the invocation's type says
TEST. The service sends its own example unless --input has an event. A filter that does
not match it keeps it back; a disabled subscription does not.

It needs the scopes sp:trigger-service-subscriptions:read and
sp:trigger-service-invocation-status:manage.

The exit status is 0 if the row has arrived, 1 if it has not in time, and 2 if nothing
was tried because a setting, a flag or a name is wrong.`,
		Example: `  idnsentinel triggers test --settings local.settings.json identity-created
  idnsentinel triggers test --settings local.settings.json source-deleted --timeout 5m`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return usage(cmd, "name one trigger")
		},
		RunE: func(cmd *cobra.Command, args []string) error { return t.run(cmd, args[0]) },
	}
	t.add(cmd)
	t.addURL(cmd)
	t.addEventBridge(cmd)
	cmd.Flags().DurationVar(&t.timeout, "timeout", 2*time.Minute, "how long to wait for the row")
	cmd.Flags().StringVar(&t.payload, "input", "", "send the event in this `file`, which must fit the trigger's schema")
	return cmd
}

func (t *trial) run(cmd *cobra.Command, name string) error {
	var payload jsontext.Value
	var err error
	if t.timeout < lookEvery {
		return usage(cmd, fmt.Sprintf("--timeout is %v: use at least %v", t.timeout, lookEvery))
	}
	if t.payload != "" {
		if payload, err = readPayload(cmd, "--input", t.payload); err != nil {
			return err
		}
	}
	a, err := t.connect(cmd, t.console, t.out, true, "no ledger to see the row in, unless --state names one")
	if err != nil {
		return err
	}
	t.app = a.Connections()[0]
	t.settings, t.service = t.app.Settings(), t.app.EventTriggers()
	if t.service == nil {
		return t.noTriggers()
	}
	trigger, own, err := t.subscribed(cmd, name)
	if err != nil {
		return err
	}
	begin := time.Now()
	ids, err := t.service.Test(cmd.Context(), trigger.ID, own, payload)
	switch {
	case err != nil:
		return t.failed(err)
	case len(ids) == 0:
		return &failure{
			statusFailed, "the service sent nothing to the subscription of this app: its filter does not match the event",
			"pass an event that it matches as --input",
		}
	}
	t.console.say("%s: test event %s was sent; waiting for its row", trigger.ID, oneLine(ids[0]))
	return t.wait(cmd.Context(), trigger.ID, ids, begin)
}

// subscribed finds the trigger and this app's subscriptions to it.
func (t *trial) subscribed(cmd *cobra.Command, name string) (one source.Trigger, own []string, err error) {
	all, err := t.triggers(cmd.Context())
	if err != nil {
		return one, nil, err
	}
	list, err := named(cmd, all, []string{name})
	if err != nil {
		return one, nil, err
	}
	one = list[0]
	known, err := t.subscriptions(cmd.Context())
	if err != nil {
		return one, nil, err
	}
	ours := t.ours(cmd, known)
	for _, s := range known {
		if s.TriggerID == one.ID && ours(s) {
			own = append(own, s.ID)
		}
	}
	if len(own) == 0 {
		return one, nil, &failure{statusUnusable, "this app is not subscribed to " + one.ID, cmd.Parent().CommandPath() + " subscribe " + shortID(one.ID) + " subscribes it"}
	}
	return one, own, nil
}

// wait looks into the ledger until every invocation is delivered.
func (t *trial) wait(ctx context.Context, triggerID string, ids []string, begin time.Time) error {
	end := begin.Add(t.timeout)
	var latest map[string]source.Invocation
	for looks := 0; ; looks++ {
		if looks%5 == 1 { // the list is for the case that the hook gets nothing, and costs a request
			latest = t.states(ctx, triggerID, latest)
		}
		var missing []string
		for _, id := range ids {
			invocation := latest[id]
			invocation.ID = id
			trace, ok, err := t.app.Delivered(ctx, t.service.Traces(invocation, begin))
			if err != nil {
				return &failure{statusFailed, oneLine(err.Error()), t.again() + " tests every part separately"}
			}
			if !ok {
				missing = append(missing, id)
				continue
			}
			t.arrived(id, trace, time.Since(begin))
		}
		if ids = missing; len(ids) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return &failure{statusFailed, "stopped: the row has not arrived yet", ""}
		case <-time.After(lookEvery):
		}
		if time.Now().After(end) {
			return t.late(ids[0], t.states(ctx, triggerID, latest)[ids[0]])
		}
	}
}

func (t *trial) arrived(id string, trace source.Trace, after time.Duration) {
	how := "it was pushed"
	if !trace.Pushed {
		how = "by polling: the push did not arrive, or the hook did not see its invocation id"
	}
	fmt.Fprintf(t.out, "%s: the workspace has acknowledged the row after %v (%s)\n", oneLine(id), after.Round(100*time.Millisecond), how)
}

// states reads how the invocations stand; if that fails it keeps what is known.
func (t *trial) states(ctx context.Context, triggerID string, known map[string]source.Invocation) map[string]source.Invocation {
	byID := map[string]source.Invocation{}
	_, err := check.Attempt(ctx, 1, func(ctx context.Context) (string, error) {
		list, err := t.service.Invocations(ctx, triggerID, 250)
		for _, one := range list {
			byID[one.ID] = one
		}
		return "", err
	})
	if err != nil {
		return known
	}
	return byID
}

// late is the failure when time is up.
func (t *trial) late(id string, known source.Invocation) error {
	text := fmt.Sprintf("the row of test event %s has not arrived within %v", oneLine(id), t.timeout)
	switch {
	case known.Failure != "":
		text += "; the service says: " + strings.TrimSuffix(oneLine(known.Failure), ".")
	case known.ID == "":
		text += "; the service does not list the invocation"
	case known.Completed.IsZero():
		text += "; the service still waits for the subscriber"
	default:
		text += "; the service has sent the event, and reports no failure"
	}
	return &failure{statusFailed, text, "the log of the function app names what the hook refused; " + t.again() + " tests the rest"}
}
