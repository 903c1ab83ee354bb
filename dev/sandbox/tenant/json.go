package tenant

import (
	"bytes"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// object yields the members of a JSON object in their order; nothing of any other value.
func object(v jsontext.Value) iter.Seq2[string, jsontext.Value] {
	return func(yield func(string, jsontext.Value) bool) {
		d := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		if open, err := d.ReadToken(); err != nil || open.Kind() != '{' {
			return
		}
		for d.PeekKind() == '"' {
			name, err := d.ReadValue()
			if err != nil {
				return
			}
			text := textOf(name)
			value, err := d.ReadValue()
			if err != nil || !yield(text, value.Clone()) {
				return
			}
		}
	}
}
