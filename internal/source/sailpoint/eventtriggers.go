package sailpoint

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// eventTriggers are the endpoints that administer the subscriptions. Reading needs none of them.
type eventTriggers struct{ list, subscriptions, test *endpoint }

func newEventTriggers(version string) eventTriggers {
	one := func(name, method, scope, service, suffix string) *endpoint {
		ep := newEndpoint(name, method, scope, triggersPaths(version, service, suffix))
		ep.experimental = true
		return ep
	}
	return eventTriggers{
		list:          one("list triggers", http.MethodGet, subscriptionsScope, "triggers", ""),
		subscriptions: one("trigger subscriptions", http.MethodGet, subscriptionsScope, "trigger-subscriptions", ""),
		test:          one("test invocation", http.MethodPost, testScope, "trigger-invocations", "/test"),
	}
}

var _ source.EventTriggers = (*Connector)(nil)

// Triggers implements [source.EventTriggers].
func (c *Connector) Triggers(ctx context.Context) (list []source.Trigger, err error) {
	var rows []struct {
		ID, Name, Description, Type string
		ExampleInput                jsontext.Value
	}
	if err := listAll(ctx, c.client, call{ep: c.client.events.list, query: url.Values{"sorters": {"id"}}}, 0, &rows); err != nil {
		return nil, err
	}
	for _, r := range rows {
		// A type that is not known may wait, too.
		list = append(list, source.Trigger{ID: r.ID, Name: r.Name, Description: r.Description, Waits: r.Type != "FIRE_AND_FORGET", Example: r.ExampleInput})
	}
	return list, nil
}

// Invocations implements [source.EventTriggers].
func (c *Connector) Invocations(ctx context.Context, triggerID string, most int) (list []source.Invocation, err error) {
	query := url.Values{"sorters": {"-created"}}
	if triggerID != "" {
		query.Set("filters", "triggerId eq "+strconv.Quote(triggerID))
	}
	var rows []struct {
		ID, TriggerID, SubscriptionID, SubscriptionName, Type, Created, Completed string
		CompleteInvocationInput                                                   struct {
			LocalizedError struct{ Message string }
		}
	}
	if err := listAll(ctx, c.client, call{ep: c.client.triggers, query: query}, most, &rows); err != nil {
		return nil, err
	}
	for _, r := range rows {
		inv := source.Invocation{
			ID: r.ID, TriggerID: r.TriggerID, SubscriptionID: r.SubscriptionID, SubscriptionName: r.SubscriptionName, Test: r.Type == "TEST",
			CompletedText: r.Completed, Failure: r.CompleteInvocationInput.LocalizedError.Message,
		}
		inv.Created, _ = parseTime([]byte(r.Created))
		inv.Completed, _ = parseTime([]byte(r.Completed))
		list = append(list, inv)
	}
	return list, nil
}

// HookName implements [source.EventTriggers].
func (c *Connector) HookName() string { return new(Hook).Path() }

// Traces implements [source.EventTriggers]: a push is delivered as the first state of its
// invocation, and polling finds that state or the completed one.
func (c *Connector) Traces(i source.Invocation, pushed time.Time) []source.Trace {
	polled := c.client.Triggers().Stream().ID
	list := []source.Trace{{Stream: PushedStream().ID, Record: i.ID + "|", Time: pushed, Pushed: true}}
	if !i.Created.IsZero() {
		list = append(list, source.Trace{Stream: polled, Record: i.ID + "|", Time: i.Created})
	}
	if !i.Completed.IsZero() {
		list = append(list, source.Trace{Stream: polled, Record: i.ID + "|" + i.CompletedText, Time: i.Completed})
	}
	return list
}

// Test implements [source.EventTriggers].
func (c *Connector) Test(ctx context.Context, triggerID string, subscriptions []string, payload jsontext.Value) (ids []string, err error) {
	body, err := json.Marshal(struct {
		TriggerID     string         `json:"triggerId"`
		Content       struct{}       `json:"contentJson"`
		Subscriptions []string       `json:"subscriptionIds"`
		Input         jsontext.Value `json:"input,omitzero"`
	}{TriggerID: triggerID, Subscriptions: subscriptions, Input: payload})
	if err != nil {
		return nil, fmt.Errorf("test invocation: %w", err)
	}
	answer, err := c.client.exchange(ctx, call{ep: c.client.events.test, body: body})
	if err != nil || len(answer) == 0 { // 204: there is no such subscription
		return nil, err
	}
	var started []struct{ ID string }
	if err := decodeLenient(answer, &started); err != nil {
		return nil, c.client.malformed(c.client.events.test.name, answer, err)
	}
	for _, one := range started {
		ids = append(ids, one.ID)
	}
	return ids, nil
}

// listPages ends the list of a service that always answers with a full page.
const listPages = 40

// listAll reads the pages of a list into rows, until there are no more or the most that is wanted;
// 0 means all.
func listAll[T any](ctx context.Context, c *Client, call call, most int, rows *[]T) error {
	for range listPages {
		call.query.Set("limit", strconv.Itoa(triggersPage))
		call.query.Set("offset", strconv.Itoa(len(*rows)))
		call.query.Set("count", "true")
		page, err := c.readPage(ctx, call, smallBody, 0)
		if err != nil {
			return err
		}
		var part []T
		err = decodeLenient(page.body, &part)
		if err != nil {
			return c.malformed(call.ep.name, page.body, err)
		}
		*rows = append(*rows, part...)
		switch n := len(*rows); {
		case most > 0 && n >= most:
			*rows = (*rows)[:most]
			return nil
		case len(part) == 0, int64(n) == page.total:
			return nil
		}
	}
	return fmt.Errorf("%s: the list does not end after %d entries", call.ep.name, len(*rows))
}

// exchange sends a call and returns the body of the answer.
func (c *Client) exchange(ctx context.Context, call call) ([]byte, error) {
	resp, err := c.do(ctx, call) //nolint:bodyclose // ReadAll closes it
	if err != nil {
		return nil, err
	}
	body, err := transport.ReadAll(resp, smallBody)
	if err != nil {
		return nil, c.networkFailure(ctx, call.ep.name, err)
	}
	return body, nil
}

// decodeLenient decodes an answer: services add members, and what they repeat may be odd.
func decodeLenient(body []byte, to any) error {
	return json.Unmarshal(body, to, json.MatchCaseInsensitiveNames(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// withoutQuery is an address without its query, which may hold a key.
func withoutQuery(address string) (plain string, had bool) {
	plain, _, had = strings.Cut(address, "?")
	if u, err := url.Parse(plain); err == nil && u.User != nil {
		u.User = nil
		return u.String(), true
	}
	return plain, had
}
