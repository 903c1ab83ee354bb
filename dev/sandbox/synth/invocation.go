package synth

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// triggersJSON holds an example payload for every trigger that SailPoint publishes
// a schema or an example of; two where they disagree, or where more than one shape
// matters. ${…} marks what differs from one invocation to the next.
//
// The ids of idn:access-request-…, aggregation…, account-attributes-changed,
// account-correlated, campaign-…, certification-…, identity-…, post-provisioning,
// saved-search-complete, source-created, -updated and -deleted, and va-cluster-status-change are
// SailPoint's. Those of the others are not public, and made up here.
//
//go:embed triggers.json
var triggersJSON []byte

// trigger is an entry of triggers.json.
type trigger struct {
	Trigger string         `json:"trigger"`
	Kind    string         `json:"kind"` // FF: fire and forget, RR: request and response
	Payload jsontext.Value `json:"payload"`
}

// triggers reads the embedded payloads. They are part of the program, so an
// error in them is one of the program.
func triggers() []trigger {
	var list []trigger
	if err := json.Unmarshal(triggersJSON, &list); err != nil {
		panic(fmt.Sprintf("read triggers.json: %v", err))
	}
	return list
}

// Invocation is the delivery of an event trigger to one subscription.
type Invocation struct {
	ID               string // UUID
	TriggerID        string
	SubscriptionID   string
	SubscriptionName string
	// Type is REAL_TIME or TEST; "" means REAL_TIME.
	Type    string
	Created time.Time
	// Completed is zero while the invocation is in flight.
	Completed time.Time
	// Input is the trigger's payload, a JSON object.
	Input jsontext.Value
	// Output is the subscriber's answer; nil for fire-and-forget triggers.
	Output jsontext.Value
	// Error is why it failed; "" if it did not.
	Error string
}

// Failed says whether the invocation ended with an error.
func (inv Invocation) Failed() bool { return inv.Error != "" }

// AppendJSON appends the invocation as the status endpoint lists it. An
// invocation in flight has neither completed nor completeInvocationInput, or has
// null for both, depending on its id: clients must take either.
func (inv Invocation) AppendJSON(dst []byte) []byte {
	text := func(name, value string) {
		dst = append(append(append(dst, '"'), name...), `":`...)
		// The only error is that invalid UTF-8 was replaced.
		dst, _ = jsontext.AppendQuote(dst, value)
		dst = append(dst, ',')
	}
	value := func(name string, v jsontext.Value) {
		if len(v) == 0 {
			v = jsontext.Value("null")
		}
		dst = append(append(append(dst, '"'), name...), `":`...)
		dst = append(append(dst, v...), ',')
	}
	dst = append(dst, '{')
	text("id", inv.ID)
	text("triggerId", inv.TriggerID)
	text("subscriptionName", inv.SubscriptionName)
	text("subscriptionId", inv.SubscriptionID)
	if inv.Type == "" {
		inv.Type = "REAL_TIME"
	}
	text("type", inv.Type)
	text("created", inv.Created.UTC().Format("2006-01-02T15:04:05.000Z"))
	dst = append(dst, `"startInvocationInput":{`...)
	text("triggerId", inv.TriggerID)
	value("input", inv.Input)
	dst = append(dst, `"contentJson":{}},`...)
	switch {
	case !inv.Completed.IsZero():
		text("completed", inv.Completed.UTC().Format("2006-01-02T15:04:05.000Z"))
		dst = append(dst, `"completeInvocationInput":{`...)
		if inv.Failed() {
			dst = append(dst, `"localizedError":{"locale":"en-US",`...)
			text("message", inv.Error)
			dst = append(dst[:len(dst)-1], `},`...)
		} else {
			value("localizedError", nil)
		}
		value("output", inv.Output)
		dst = append(dst[:len(dst)-1], `},`...)
	case strings.HasSuffix(inv.ID, "0"):
		dst = append(dst, `"completed":null,"completeInvocationInput":null,`...)
	}
	dst[len(dst)-1] = '}'
	return dst
}

// TriggerIDs returns the ids of all triggers that invocations are made of.
func (g *Generator) TriggerIDs() []string {
	var ids []string
	for _, t := range g.triggers {
		if len(ids) == 0 || ids[len(ids)-1] != t.Trigger {
			ids = append(ids, t.Trigger)
		}
	}
	return ids
}

// Payload returns a payload of a trigger without _metadata, and whether the trigger wants an
// answer; nil if nothing is known of it. Successive i go round the shapes that it has.
func (g *Generator) Payload(triggerID string, i int, at time.Time) (input jsontext.Value, requestResponse bool) {
	var shapes []trigger
	for _, t := range g.triggers {
		if t.Trigger == triggerID {
			shapes = append(shapes, t)
		}
	}
	if len(shapes) == 0 {
		return nil, false
	}
	d := newDice(g.seed, i, saltPayload)
	t := shapes[i%len(shapes)]
	return withoutMetadata(g.payload(t.Payload, at, &d)), t.Kind == "RR"
}

// withoutMetadata drops the member that the service adds to a payload.
func withoutMetadata(payload jsontext.Value) jsontext.Value {
	var members []jsontext.Value // names and values
	d := jsontext.NewDecoder(bytes.NewReader(payload))
	if _, err := d.ReadToken(); err != nil {
		panic(fmt.Sprintf("triggers.json: %v", err))
	}
	for d.PeekKind() == '"' {
		v, err := d.ReadValue()
		if err != nil {
			panic(fmt.Sprintf("triggers.json: %v", err))
		}
		members = append(members, v.Clone())
		if v, err = d.ReadValue(); err != nil {
			panic(fmt.Sprintf("triggers.json: %v", err))
		}
		members = append(members, v.Clone())
	}
	out := jsontext.Value{'{'}
	for i := 0; i < len(members); i += 2 {
		if string(members[i]) == `"_metadata"` {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, members[i]...), ':'), members[i+1]...)
	}
	return append(out, '}')
}

// Invocation returns invocation i. Successive ones go round the payloads; one is
// created every second from the start on, and completed up to 30 s later. One in
// 16 fails.
func (g *Generator) Invocation(i int) Invocation {
	d := newDice(g.seed, i, saltInvocation)
	t := g.triggers[i%len(g.triggers)]
	id := d.appendUUID(nil, uint32(d.roll()))
	// The subscription is the same for all invocations of a trigger.
	sub := newDice(g.seed, i%len(g.triggers), saltInvocation+1)
	inv := Invocation{
		ID: string(id), TriggerID: t.Trigger,
		SubscriptionID:   string(sub.appendUUID(nil, uint32(sub.roll()))),
		SubscriptionName: "Audit of " + strings.TrimPrefix(t.Trigger, "idn:"),
		Created:          time.UnixMilli(g.start).UTC().Add(time.Duration(i)*time.Second + time.Duration(d.n(1000))*time.Millisecond),
	}
	inv.Completed = inv.Created.Add(time.Duration(1+d.n(30_000)) * time.Millisecond)
	inv.Input = g.payload(t.Payload, inv.Created, &d)
	if t.Kind == "RR" {
		inv.Output = jsontext.Value(`{"approved":true,"comment":"","approver":"synthetic"}`)
	}
	if d.n(16) == 0 {
		inv.Error, inv.Output = "The subscriber answered with status 503.", nil
	}
	if d.n(64) == 0 {
		inv.Type = "TEST"
	}
	return inv
}

// payload fills in a template of triggers.json.
func (g *Generator) payload(template jsontext.Value, at time.Time, d *dice) jsontext.Value {
	out := make([]byte, 0, len(template)+256)
	rest := string(template)
	for {
		before, after, found := strings.Cut(rest, "${")
		out = append(out, before...)
		if !found {
			return out
		}
		name, after, _ := strings.Cut(after, "}")
		rest = after
		switch name {
		case "hex":
			out = d.appendHex(out, 32)
		case "uuid":
			out = d.appendUUID(out, uint32(d.roll()))
		case "person":
			out = append(out, g.people[d.n(len(g.people))]...)
		case "source":
			out = append(out, []string{"Active Directory", "Synthetic HR", "Synthetic ERP"}[d.n(3)]...)
		case "time":
			out = at.AppendFormat(out, "2006-01-02T15:04:05.000Z")
		case "micro":
			out = at.AppendFormat(out, "2006-01-02T15:04:05.000000Z")
		case "offset":
			out = at.AppendFormat(out, "2006-01-02T15:04:05.000+0000")
		case "secret":
			out = d.appendHex(append(append(out, g.canary...), '-'), 32)
		default:
			panic(fmt.Sprintf("triggers.json: unknown placeholder %q", name))
		}
	}
}
