package tenant

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// answerWithin is how long a subscriber may take to answer.
const answerWithin = 10 * time.Second

// Metadata says what a push holds beside the payload. The published recordings and examples
// disagree, so clients must take all of these.
type Metadata string

// The places of _metadata in a push.
const (
	MetadataLast  Metadata = ""      // as in the recordings of EventBridge
	MetadataFirst Metadata = "first" // as in the examples of the documentation
	// NoMetadata leaves it out of pushes of FIRE_AND_FORGET triggers, as the examples for HTTP do.
	NoMetadata Metadata = "none"
)

// Push is one event on its way to one subscriber.
type Push struct {
	Invocation   synth.Invocation // as it began
	Subscription Subscription
	Body         []byte // what is sent
	secret       string
	deadline     time.Time // of the answer
	trigger      Trigger
}

// Emit lets an event happen: it begins an invocation for each enabled subscription whose filter
// lets the input through, and returns what is to be sent. Nothing is sent yet. It panics if the
// tenant has no such trigger.
func (t *Tenant) Emit(triggerID string, input jsontext.Value) []Push {
	trigger, ok := t.trigger(triggerID)
	if !ok {
		panic("there is no trigger " + triggerID)
	}
	var pushes []Push
	for _, s := range t.Subscriptions() {
		if s.TriggerID == triggerID && s.Enabled && s.lets(input) {
			pushes = append(pushes, t.begin(trigger, s, input, "REAL_TIME"))
		}
	}
	return pushes
}

// Publish is Emit, and sends to all subscribers at the same time. It returns when each has
// answered or is given up.
func (t *Tenant) Publish(ctx context.Context, triggerID string, input jsontext.Value) []Push {
	pushes := t.Emit(triggerID, input)
	done := make(chan struct{}, len(pushes))
	for _, p := range pushes {
		go func() {
			defer func() { done <- struct{}{} }()
			_ = t.Send(ctx, p) // the status list shows what came of it
		}()
	}
	for range pushes {
		<-done
	}
	return pushes
}

// lets says whether a subscription's filter lets an input through.
func (s Subscription) lets(input jsontext.Value) bool {
	if s.Filter == "" {
		return true
	}
	path, err := parseJSONPath(s.Filter)
	return err == nil && path.matches(input)
}

// begin notes an invocation, in flight.
func (t *Tenant) begin(trigger Trigger, s Subscription, input jsontext.Value, kind string) Push {
	now := t.now().UTC()
	p := Push{
		Subscription: s, trigger: trigger, deadline: now.Add(seconds(s.ResponseDeadline)),
		Invocation: synth.Invocation{ID: t.uuid("invocation"), TriggerID: trigger.ID, SubscriptionID: s.ID, SubscriptionName: s.Name, Type: kind, Created: now},
	}
	if trigger.RequestResponse {
		p.secret = t.uuid("secret")
	}
	p.Body = t.pushBody(p, input)
	p.Invocation.Input = p.Body
	t.AddInvocation(p.Invocation)
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	if t.data.waiting == nil {
		t.data.waiting = map[string]Push{}
	}
	t.data.waiting[p.Invocation.ID] = p
	return p
}

// pushBody is the payload with what the service adds.
func (t *Tenant) pushBody(p Push, input jsontext.Value) []byte {
	input = jsontext.Value(bytes.TrimSpace(input))
	if p.Subscription.Type == "HTTP" && t.PushMetadata == NoMetadata && !p.trigger.RequestResponse {
		return input
	}
	var meta string
	if p.trigger.RequestResponse {
		mode := ""
		if h := p.Subscription.HTTP; h == nil || h.Mode != "SYNC" {
			mode = `"responseMode":"async",`
		}
		meta = fmt.Sprintf(`"_metadata":{"callbackURL":"%s/trigger-invocations/v1/%s/complete",%s"secret":%q,"triggerId":%q,"triggerType":"requestResponse","invocationId":%q}`,
			t.address(), p.Invocation.ID, mode, p.secret, p.trigger.ID, p.Invocation.ID)
	} else {
		meta = fmt.Sprintf(`"_metadata":{"triggerType":"fireAndForget","triggerId":%q,"invocationId":%q}`, p.trigger.ID, p.Invocation.ID)
	}
	members := bytes.TrimSpace(input[1 : len(input)-1])
	switch {
	case len(members) == 0:
		return []byte("{" + meta + "}")
	case t.PushMetadata == MetadataFirst:
		return []byte("{" + meta + "," + string(members) + "}")
	}
	return []byte("{" + string(members) + "," + meta + "}")
}

// address is where the tenant says it is.
func (t *Tenant) address() string {
	return cmp.Or(t.Address, "https://"+t.name()+".api.identitynow.example")
}

// Send makes the one attempt that there is to deliver a push, and notes what came of it: the
// service sends nothing again. The error is what the tenant saw. EventBridge subscriptions go to
// the bus, see [Bus].
func (t *Tenant) Send(ctx context.Context, p Push) error {
	if p.Subscription.Type == "EVENTBRIDGE" {
		return t.sendEnvelope(ctx, p)
	}
	status, body, err := t.post(ctx, p)
	return t.judge(p, status, body, err)
}

func (t *Tenant) post(ctx context.Context, p Push) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	h := p.Subscription.HTTP
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(p.Body))
	if err != nil {
		return 0, nil, err
	}
	if t.PushChunked {
		req.ContentLength = -1
	}
	req.Header.Set("Content-Type", typeJSON)
	switch h.Auth {
	case "BASIC_AUTH":
		req.SetBasicAuth(h.UserName, h.Password)
	case "BEARER_TOKEN":
		req.Header.Set("Authorization", "Bearer "+h.Token)
	}
	resp, err := t.exchange(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return resp.StatusCode, body, err
}

// exchange sends a request and follows no redirect.
func (t *Tenant) exchange(req *http.Request) (*http.Response, error) {
	client := &http.Client{Transport: t.Pushes, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return client.Do(req)
}

// judge ends an invocation by the answer of its subscriber, or leaves it in flight for a later
// one.
func (t *Tenant) judge(p Push, status int, body []byte, err error) error {
	output := jsontext.Value(bytes.TrimSpace(body))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		err = errors.New("the subscriber did not answer in time")
	case err != nil:
		err = errors.New("the subscriber could not be reached")
	case status/100 != 2:
		err = fmt.Errorf("the subscriber answered with status %d", status)
	case !p.trigger.RequestResponse:
	case p.Subscription.HTTP.Mode == "ASYNC", p.Subscription.HTTP.Mode == "DYNAMIC" && status == http.StatusAccepted:
		// The answer comes to the callback address, or the deadline does.
		t.await(p)
		return nil
	case status != http.StatusOK || output.Kind() != '{' || !output.IsValid():
		err = errors.New("the subscriber's answer is not an output")
	}
	if err != nil {
		failure := strings.ToUpper(err.Error()[:1]) + err.Error()[1:] + "."
		if t.HideFailures && !p.trigger.RequestResponse {
			failure = ""
		}
		t.finish(p.Invocation.ID, t.now(), failure, nil)
		t.forget(p.Invocation.ID)
		return err
	}
	if !p.trigger.RequestResponse {
		output = nil
	}
	t.finish(p.Invocation.ID, t.now(), "", output)
	t.forget(p.Invocation.ID)
	return nil
}

// finish sets the end of an invocation, which may lie in the future.
func (t *Tenant) finish(id string, at time.Time, failure string, output jsontext.Value) {
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	t.data.finish(id, at, failure, output)
}

// finish is [Tenant.finish] for a caller that holds the lock.
func (d *data) finish(id string, at time.Time, failure string, output jsontext.Value) {
	for i := range d.invocations {
		if inv := &d.invocations[i]; inv.ID == id {
			inv.Completed, inv.Error, inv.Output = at, failure, output
		}
	}
}

// await leaves an invocation in flight until its deadline, unless its answer has come already.
func (t *Tenant) await(p Push) {
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	if _, waits := t.data.waiting[p.Invocation.ID]; waits {
		t.data.finish(p.Invocation.ID, p.deadline, "The subscriber did not answer before the deadline.", nil)
	}
}

// forget: nothing more may come for an invocation.
func (t *Tenant) forget(id string) {
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	delete(t.data.waiting, id)
}

// uuid returns an id that depends on the seed and on how many were made for the same purpose.
func (t *Tenant) uuid(purpose string) string {
	t.mu.Lock()
	if t.made == nil {
		t.made = map[string]int{}
	}
	t.made[purpose]++
	n := t.made[purpose]
	t.mu.Unlock()
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %d", t.Seed, purpose, n))
	return fmt.Sprintf("%x-%x-4%03x-a%03x-%x", sum[:4], sum[4:6], uint16(sum[6])<<4|uint16(sum[7])&15, uint16(sum[8])<<4|uint16(sum[9])&15, sum[10:16])
}

// seconds reads a duration of ISO 8601 that was checked before.
func seconds(text string) time.Duration {
	days, clock, _ := strings.Cut(strings.TrimPrefix(text, "P"), "T")
	var total time.Duration
	if n, ok := strings.CutSuffix(days, "D"); ok {
		var d int
		_, _ = fmt.Sscan(n, &d)
		total = time.Duration(d) * 24 * time.Hour
	}
	d, _ := time.ParseDuration(strings.ToLower(clock))
	return total + d
}
