package sailpoint

import (
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

const (
	maxTriggerID    = 128
	maxInvocationID = 256
	// plausible is how far the time of an EventBridge event may differ from its arrival:
	// EventBridge repeats it for a day at most.
	plausible = 7 * 24 * time.Hour
	// partner is how the source of an EventBridge event of SailPoint begins; the subscription's id
	// follows.
	partner = "aws.partner/sailpoint.com/"
)

// pushed is one pushed event.
type pushed struct {
	payload      jsontext.Value // the trigger's input, with its _metadata if it has one
	invocationID string         // "" if unknown
	eventID      string         // of EventBridge; "" if there is none
	triggerID    string         // "" if unknown
	addressed    bool           // only the address that it was posted to names the trigger
	triggerType  string         // as in _metadata
	subscription string         // "" if unknown
	at           time.Time

	callback string // address; "" if the sender expects none
	secret   secret.String
}

// openEnvelope reads an event: the payload of a trigger, or an EventBridge event with the payload
// as its detail. A transformer in EventBridge may have left out any of its other members.
func openEnvelope(body jsontext.Value, route string, at time.Time) (*pushed, error) {
	p := &pushed{payload: body, at: at}
	outer, err := members(body)
	if err != nil {
		return nil, err
	}
	if detail := outer["detail"]; detail.Kind() == jsontext.KindBeginObject && isEnvelope(outer, detail) {
		p.payload, p.eventID = detail, short(textOf(outer["id"]), maxInvocationID)
		if t, ok := parseTime([]byte(textOf(outer["time"]))); ok && t.Sub(at).Abs() < plausible {
			p.at = t.Truncate(time.Millisecond)
		}
		if kind := textOf(outer["detail-type"]); strings.Contains(kind, ":") {
			p.triggerID = short(kind, maxTriggerID)
		}
		if rest, ok := strings.CutPrefix(textOf(outer["source"]), partner); ok {
			id, _, _ := strings.Cut(rest, "/")
			p.subscription = short(id, maxInvocationID)
		}
	}
	if err := p.readMetadata(); err != nil {
		return nil, err
	}
	if p.triggerID == "" {
		p.triggerID, p.addressed = route, route != ""
	}
	return p, nil
}

// isEnvelope distinguishes an EventBridge event from a payload that has a member named detail. A
// transformer may have added members to the event; no payload has any of those that are asked for here.
// What shows none of these signs is kept whole, because then nothing of it is dropped.
func isEnvelope(outer map[string]jsontext.Value, detail jsontext.Value) bool {
	if strings.HasPrefix(textOf(outer["source"]), partner) || textOf(outer["detail-type"]) != "" {
		return true
	}
	inner, err := members(detail)
	if err == nil && inner["_metadata"].Kind() == jsontext.KindBeginObject && outer["_metadata"] == nil {
		return true
	}
	for name := range outer {
		switch name {
		case "detail", "version", "id", "detail-type", "source", "account", "time", "region", "resources":
		default:
			return false
		}
	}
	return true
}

// readMetadata reads the payload's _metadata, all of which is optional.
func (p *pushed) readMetadata() error {
	payload, err := members(p.payload)
	if err != nil {
		return err
	}
	if payload["_metadata"].Kind() != jsontext.KindBeginObject {
		return nil
	}
	own, err := members(payload["_metadata"])
	if err != nil {
		return err
	}
	if id := short(textOf(own["triggerId"]), maxTriggerID); id != "" {
		p.triggerID = id
	}
	p.triggerType = textOf(own["triggerType"])
	p.callback, p.secret = textOf(own["callbackURL"]), secret.New(textOf(own["secret"]))
	if p.invocationID = short(textOf(own["invocationId"]), maxInvocationID); p.invocationID == "" {
		p.invocationID = callbackID(p.callback)
	}
	return nil
}

// callbackID is the invocation's id in a callback address; "" if it has none.
func callbackID(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if m := callbackPath.FindStringSubmatch(u.EscapedPath()); m != nil {
		return m[1]
	}
	return ""
}

// record makes the row, without secrets.
func (p *pushed) record() (pipeline.Record, error) {
	rec := pipeline.Record{Time: p.at}
	var err error
	switch {
	case p.invocationID != "":
		rec.ID = p.invocationID + "|"
	case p.eventID != "":
		rec.ID = "event|" + p.eventID
	default:
		if rec.ID, err = bodyHash(p.triggerID, p.payload, p.at); err != nil {
			return rec, err
		}
	}
	var rows rowWriter
	rec.Raw, err = rows.row(p.asInvocation(), invocation{id: p.invocationID, triggerID: p.triggerID})
	return rec, err
}

// asInvocation writes the event as the status endpoint lists an invocation in flight.
func (p *pushed) asInvocation() jsontext.Value {
	raw := []byte("{")
	text := func(name, value string) {
		if value == "" {
			return
		}
		if raw[len(raw)-1] != '{' {
			raw = append(raw, ',')
		}
		raw = append(append(append(append(raw, '"'), name...), `":`...), quote(value)...)
	}
	text("id", p.invocationID)
	text("triggerId", p.triggerID)
	text("subscriptionId", p.subscription)
	text("created", formatMilli(p.at))
	raw = append(raw, `,"startInvocationInput":{`...)
	text("triggerId", p.triggerID)
	if raw[len(raw)-1] != '{' {
		raw = append(raw, ',')
	}
	raw = append(append(append(raw, `"input":`...), p.payload...), "}}"...)
	return raw
}

// isRead reports whether a member is looked at, of an event, its envelope, its metadata, and a person.
func isRead(name string) bool {
	switch name {
	case "detail", "version", "id", "detail-type", "source", "account", "time", "region", "resources",
		"_metadata", "triggerId", "triggerType", "callbackURL", "secret", "invocationId",
		"accessRequestId", "requestedFor", "requestedItems", "requestedBy", "name":
		return true
	}
	return false
}

// other stands for the members of an object that are not looked at: a large event may have many.
const other = ""

// members are the members of an object that are looked at, and one that stands for all others; of several
// with the same name the last counts. The values are parts of raw.
func members(raw jsontext.Value) (map[string]jsontext.Value, error) {
	all := map[string]jsontext.Value{}
	dec := newDecoder(raw)
	if _, err := dec.ReadToken(); err != nil {
		return nil, notJSON(err)
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadValue()
		if err != nil {
			return nil, notJSON(err)
		}
		key := unquote(name)
		if !isRead(key) {
			key = other
		}
		if all[key], err = part(dec, raw); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// part reads the next value of a decoder of raw, as a part of raw.
func part(dec *jsontext.Decoder, raw []byte) (jsontext.Value, error) {
	value, err := dec.ReadValue()
	if err != nil {
		return nil, notJSON(err)
	}
	end := int(dec.InputOffset())
	return raw[end-len(value) : end : end], nil
}

// textOf is the text of a string; "" for anything else.
func textOf(v jsontext.Value) string {
	if v.Kind() != jsontext.KindString {
		return ""
	}
	return unquote(v)
}

// short is a text, or "" if it is too long for an id.
func short(text string, most int) string {
	if len(text) > most {
		return ""
	}
	return text
}
