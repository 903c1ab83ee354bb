package source

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// EventTriggers is a [Connector] whose service pushes events to those who subscribe to them. It
// administers the subscriptions. No run uses it: only a person who asks for exactly that.
//
// An error that may pass has a RetryAfter method. After one, a change may have been made or not:
// list again before repeating it.
type EventTriggers interface {
	// Triggers lists the kinds of events that can be subscribed to.
	Triggers(ctx context.Context) ([]Trigger, error)
	// Subscriptions lists the subscriptions of all subscribers, without their secrets.
	Subscriptions(ctx context.Context) ([]Subscription, error)
	// CheckFilter says what is wrong with a filter; "" if it is valid and matches the payload, a
	// JSON object.
	CheckFilter(ctx context.Context, filter string, payload jsontext.Value) (problem string, err error)
	// Subscribe creates a subscription. Its ID is ignored.
	Subscribe(ctx context.Context, s Subscription) error
	// Update changes a subscription. It sends the credentials of to again, changed or not.
	Update(ctx context.Context, from, to Subscription) error
	// Unsubscribe deletes a subscription.
	Unsubscribe(ctx context.Context, id string) error
	// Test pushes a test event to these subscriptions, enabled or not, and returns the invocations'
	// ids. There are none if the trigger has no such subscription or their filters do not match.
	// Without a payload the service sends its own example.
	Test(ctx context.Context, triggerID string, subscriptions []string, payload jsontext.Value) (ids []string, err error)
	// Invocations lists what was pushed lately, newest first, at most that many.
	Invocations(ctx context.Context, triggerID string, most int) ([]Invocation, error)
	// HookName is the name of the hook for pushed events in its address.
	HookName() string
	// Traces are the records by which an invocation may be known as delivered. pushed is the time
	// of the push by this machine's clock.
	Traces(i Invocation, pushed time.Time) []Trace
}

// Trigger is a kind of event that can be subscribed to.
type Trigger struct {
	ID, Name, Description string
	// Waits is set if the service waits for the subscriber's answer, and does or doesn't do
	// something by it.
	Waits bool
	// Example is a payload, a JSON object.
	Example jsontext.Value
}

// Delivery is how a subscriber gets its events.
type Delivery string

// The deliveries that the connector can receive. The service may know others.
const (
	OverHTTP        Delivery = "HTTP"
	OverEventBridge Delivery = "EVENTBRIDGE"
)

// Subscription is a subscriber of a trigger.
type Subscription struct {
	ID, TriggerID, Name, Description string
	Delivery                         Delivery
	Enabled                          bool
	Filter                           string

	// URL is where events are posted, without its query, which may hold a secret; HasQuery says
	// whether there is one.
	URL      string
	HasQuery bool
	// Auth says how the service identifies itself. Credentials are only written, never read.
	Auth     Auth
	Token    secret.String
	UserName string
	Password secret.String

	// AWSAccount and AWSRegion are for [OverEventBridge].
	AWSAccount, AWSRegion string
}

// Auth is how a service identifies itself to a subscriber.
type Auth string

// The kinds of authentication.
const (
	NoAuth      Auth = "none"
	BasicAuth   Auth = "basic"
	BearerToken Auth = "bearer token"
)

// Invocation is an event that is sent to one subscriber.
type Invocation struct {
	ID, TriggerID, SubscriptionID, SubscriptionName string
	Test                                            bool
	Created                                         time.Time
	// Completed is zero while the service waits; CompletedText is the same in its spelling.
	Completed     time.Time
	CompletedText string
	// Failure is why it failed; "" if it did not, or if the service does not say.
	Failure string
}

// Trace is a record in the ledger of a stream.
type Trace struct {
	// Stream is the id of the stream, Record that of the record.
	Stream, Record string
	// Time is about the time of the record.
	Time time.Time
	// Pushed is set if the record came by push, not by polling.
	Pushed bool
}
