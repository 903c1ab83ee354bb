package table

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
)

// Open is an object in the records of a table whose members are data: with a column for each of them
// the table would run out of columns. Known members stay where they are; if there are others, the
// whole object also travels as text, in a member at the top that is named after the path.
type Open struct {
	// Parent and Name are the path of the object.
	Parent, Name string
	Known        map[string]bool
}

// Column is the name of the column that holds the object as text, without a suffix.
func (o *Open) Column() string { return o.Parent + "_" + o.Name }

// Fold returns the row that is sent for a record: the record itself if the object has known members
// only, or is not there. No value changes. What can't be read is returned as it is.
func (o *Open) Fold(raw jsontext.Value) jsontext.Value {
	if row, ok := o.quickFold(raw); ok {
		return row
	}
	return o.decodedFold(raw)
}

// decodedFold is Fold for whatever a decoder can read.
func (o *Open) decodedFold(raw jsontext.Value) jsontext.Value {
	top, _, err := membersOf(raw, 0)
	if err != nil {
		return raw
	}
	for i, m := range top {
		if m.name != o.Parent || m.value.Kind() != '{' {
			continue
		}
		inner, text := o.known(m.value)
		if text == nil {
			return raw
		}
		top[i].value = inner
		row := []byte{'{'}
		for _, m := range top {
			row = appendNamed(row, 1, m.name, m.value)
		}
		return append(appendNamed(row, 1, o.Column(), quote(text)), '}')
	}
	return raw
}

// Folded are the rules for the rows that [Open.Fold] returns.
type Folded struct {
	Rules *Rules
	Open  *Open
}

// FitsOutline reports whether the row of a record with that outline is known to fit. False proves
// nothing. The text of the whole object is no longer than the record.
func (f *Folded) FitsOutline(o jsonwalk.Outline) bool {
	return o.Shape != nil && max(o.Longest, o.Size) <= f.Rules.maxValue() &&
		o.Shape.Verdict(f, func(skeleton []byte) bool {
			_, changes, err := f.Rules.Conform(f.Open.Fold(skeleton))
			return err == nil && len(changes) == 0
		})
}

// known returns the parent with the object's known members only, and the whole object as compact
// text; nil if it has no others.
func (o *Open) known(parent jsontext.Value) (kept, text jsontext.Value) {
	members, _, err := membersOf(parent, 0)
	if err != nil {
		return nil, nil
	}
	row := []byte{'{'}
	for _, m := range members {
		if m.name == o.Name && m.value.Kind() == '{' && text == nil {
			all, _, err := membersOf(m.value, 0)
			if err != nil {
				return nil, nil
			}
			object := []byte{'{'}
			for _, one := range all {
				if o.Known[one.name] {
					object = appendNamed(object, 1, one.name, one.value)
				} else {
					text = m.value
				}
			}
			if text == nil {
				return nil, nil
			}
			object = append(object, '}')
			m.value = object
		}
		row = appendNamed(row, 1, m.name, m.value)
	}
	if text == nil {
		return nil, nil
	}
	compact := text.Clone()
	_ = compact.Compact() // it was read before, so it is valid
	return append(row, '}'), compact
}
