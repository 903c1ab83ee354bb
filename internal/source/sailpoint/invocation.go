package sailpoint

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
)

// invocation is what is picked from a record of the status endpoint.
type invocation struct {
	id, triggerID      string // "" if absent
	created, completed string // as received
	hash               string // the identity if there is no id
}

// invocationNames are the members that readInvocation needs, in its order.
func invocationNames() []string { return []string{"id", "triggerId", "created", "completed"} }

func readInvocation(e jsonwalk.Element) invocation {
	// Texts of any length would be copied again and again: a longer id is taken for none.
	text := func(i, longest int) string {
		if e.Picks[i].Kind != jsonwalk.String || len(e.Picks[i].Text) > longest {
			return ""
		}
		return string(e.Picks[i].Text)
	}
	inv := invocation{id: text(0, maxID), triggerID: text(1, maxID), created: text(2, maxTime), completed: text(3, maxTime)}
	if done := e.Picks[3]; done.Kind == jsonwalk.String && len(done.Text) > maxTime {
		inv.completed = string(appendHash(nil, done.Text)) // not a time, and still another state
	}
	if inv.id == "" {
		inv.hash = string(appendHash(nil, e.Raw))
	}
	return inv
}

// recordID distinguishes the states of one invocation.
func (inv *invocation) recordID() string {
	if inv.id == "" {
		return inv.hash
	}
	return inv.id + "|" + inv.completed
}

// time is when the state began: completed, or else created.
func (inv *invocation) time() time.Time {
	if t, ok := parseTime([]byte(inv.completed)); ok {
		return t
	}
	t, _ := parseTime([]byte(inv.created))
	return t
}

// rowWriter makes rows of invocations; see the package comment. Members keep their order, and texts
// and numbers their spelling.
type rowWriter struct {
	masker
	inv         invocation
	triggerType string         // of the payload's _metadata
	input       jsontext.Value // startInvocationInput.input; nil if absent
}

// row returns the row of the invocation in raw. It does not share raw's memory.
func (w *rowWriter) row(raw jsontext.Value, inv invocation) (jsontext.Value, error) {
	w.inv, w.triggerType, w.input = inv, "", nil
	out := bytes.NewBuffer(make([]byte, 0, len(raw)+256))
	dec, enc := newDecoder(raw), newEncoder(out)
	err := object(dec, enc, func(name string, quoted jsontext.Value) error {
		switch name {
		case "startInvocationInput":
			return w.start(dec, enc, quoted)
		case "completeInvocationInput":
			return w.complete(dec, enc, quoted)
		case "Body", "Metadata": // unknown to the service, but they would collide with ours
			quoted = append(append(jsontext.Value{}, quoted[:len(quoted)-1]...), `_"`...)
		}
		return w.member(dec, enc, name, quoted, elsewhere)
	}, func() error {
		if err := w.body(enc); err != nil {
			return err
		}
		return write(enc, jsontext.String("Metadata"), func() error { return w.metadata(enc) })
	})
	if err != nil {
		return nil, fmt.Errorf("make a row of it: %w", err)
	}
	// The encoder makes room for twice as much, which would stay in memory with each of thousands of rows.
	return bytes.Clone(bytes.TrimRight(out.Bytes(), "\n")), nil
}

// start copies startInvocationInput without its input, which it keeps for Body.
func (w *rowWriter) start(dec *jsontext.Decoder, enc *jsontext.Encoder, quoted jsontext.Value) error {
	if dec.PeekKind() != jsontext.KindBeginObject {
		return w.member(dec, enc, "startInvocationInput", quoted, elsewhere)
	}
	if err := enc.WriteValue(quoted); err != nil {
		return err
	}
	return object(dec, enc, func(name string, quoted jsontext.Value) error {
		switch name {
		case "input":
			value, err := dec.ReadValue()
			w.input = bytes.Clone(value)
			return err
		case "contentJson":
			if err := enc.WriteValue(quoted); err != nil {
				return err
			}
			return w.asText(dec, enc)
		case "triggerId":
			if dec.PeekKind() == jsontext.KindString && w.inv.triggerID == "" {
				value, err := dec.ReadValue()
				if err != nil {
					return err
				}
				w.inv.triggerID = unquote(value)
				return write(enc, jsontext.String(name), func() error { return enc.WriteValue(value) })
			}
		}
		return w.member(dec, enc, name, quoted, elsewhere)
	}, nil)
}

// complete copies completeInvocationInput with its members as JSON text: the output is whatever the
// subscriber answered, and localizedError would make columns with longer names than a table allows.
func (w *rowWriter) complete(dec *jsontext.Decoder, enc *jsontext.Encoder, quoted jsontext.Value) error {
	if dec.PeekKind() != jsontext.KindBeginObject {
		return w.member(dec, enc, "completeInvocationInput", quoted, elsewhere)
	}
	if err := enc.WriteValue(quoted); err != nil {
		return err
	}
	return object(dec, enc, func(name string, quoted jsontext.Value) error {
		if isCredential(name) {
			return w.member(dec, enc, name, quoted, elsewhere)
		}
		if err := enc.WriteValue(quoted); err != nil {
			return err
		}
		return w.asText(dec, enc)
	}, nil)
}

// body writes the member Body: the input with a _metadata that names trigger and invocation. An
// input that is not an object can't have one and is written unchanged.
func (w *rowWriter) body(enc *jsontext.Encoder) error {
	input := w.input
	if input == nil || input.Kind() == jsontext.KindNull {
		input = jsontext.Value("{}")
	}
	dec := newDecoder(input)
	return write(enc, jsontext.String("Body"), func() error {
		if input.Kind() != jsontext.KindBeginObject {
			return w.value(dec, enc, "", elsewhere)
		}
		seen := false
		return object(dec, enc, func(name string, quoted jsontext.Value) error {
			if name != "_metadata" {
				return w.member(dec, enc, name, quoted, inBody)
			}
			seen = true
			if dec.PeekKind() != jsontext.KindBeginObject {
				return w.member(dec, enc, name, quoted, elsewhere)
			}
			return write(enc, jsontext.String(name), func() error { return w.ownMetadata(dec, enc) })
		}, func() error {
			if seen {
				return nil
			}
			return write(enc, jsontext.String("_metadata"), func() error { return w.metadata(enc) })
		})
	})
}

// ownMetadata copies the payload's _metadata and adds what is missing.
func (w *rowWriter) ownMetadata(dec *jsontext.Decoder, enc *jsontext.Encoder) error {
	var hasTrigger, hasInvocation bool
	return object(dec, enc, func(name string, quoted jsontext.Value) error {
		kind := dec.PeekKind()
		switch {
		case name == "triggerId" && kind != jsontext.KindNull:
			hasTrigger = true
		case name == "invocationId" && kind != jsontext.KindNull:
			hasInvocation = true
		case name == "triggerId", name == "invocationId":
			return dec.SkipValue() // replaced below
		case name == "triggerType" && kind == jsontext.KindString:
			value, err := dec.ReadValue()
			if err != nil {
				return err
			}
			w.triggerType = unquote(value)
			return write(enc, jsontext.String(name), func() error { return enc.WriteValue(value) })
		}
		return w.member(dec, enc, name, quoted, elsewhere)
	}, func() error { return w.ids(enc, !hasTrigger, !hasInvocation) })
}

// metadata writes an object with what is known about the invocation.
func (w *rowWriter) metadata(enc *jsontext.Encoder) error {
	if err := enc.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	if err := w.ids(enc, true, true); err != nil {
		return err
	}
	if w.triggerType != "" {
		if err := texts(enc, "triggerType", w.triggerType); err != nil {
			return err
		}
	}
	return enc.WriteToken(jsontext.EndObject)
}

func (w *rowWriter) ids(enc *jsontext.Encoder, trigger, invocation bool) error {
	if trigger && w.inv.triggerID != "" {
		if err := texts(enc, "triggerId", w.inv.triggerID); err != nil {
			return err
		}
	}
	if invocation && w.inv.id != "" {
		return texts(enc, "invocationId", w.inv.id)
	}
	return nil
}

// asText writes the next value as JSON text in a string. A string counts as such text already.
func (w *rowWriter) asText(dec *jsontext.Decoder, enc *jsontext.Encoder) error {
	switch dec.PeekKind() {
	case jsontext.KindString, jsontext.KindNull:
		return w.value(dec, enc, "", elsewhere)
	}
	var text bytes.Buffer
	if err := w.value(dec, newEncoder(&text), "", elsewhere); err != nil {
		return err
	}
	quoted, err := jsontext.AppendQuote(make([]byte, 0, 2*text.Len()), bytes.TrimRight(text.Bytes(), "\n"))
	if err != nil {
		return enc.WriteToken(jsontext.String(strings.TrimRight(text.String(), "\n"))) // which replaces invalid UTF-8
	}
	return enc.WriteValue(quoted)
}
