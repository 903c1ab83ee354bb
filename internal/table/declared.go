package table

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is the type of a declared column.
type Kind byte

// The kinds. Each of them accepts null.
const (
	Undeclared Kind = iota
	Any             // any JSON value ("dynamic")
	Text
	Moment // an ISO 8601 time with "T" and a zone
	Number
	Truth
)

// Declared are the rules of a stream with declared columns, as in a data collection rule. The
// service silently drops members that are not declared, and cuts values that are too long; so
//
//   - a member that is not declared, or whose value is not of the declared kind,
//     travels in the column Extra, one object, under its own name. That changes
//     no value; [Declared.AppendRow] does it when the row is sent.
//   - a member's value has at most MaxValue bytes: a text as text, anything else
//     as compact JSON. So has the object in Extra.
//   - text is valid Unicode, each object names a member once, and a number fits
//     a double: a parser on the way could lose anything else.
//
// [Declared.Conform] enforces the last two, and names what it had to change in the column [Marker].
// The rules must not change while they are in use, and are then safe for concurrent use.
type Declared struct {
	Columns map[string]Kind
	// Extra is the name of a declared column of kind Any.
	Extra string
	// MaxValue is in bytes of UTF-8. Less than 256 counts as 256; 0 means no limit.
	MaxValue int
}

// Conform is like [Rules.Conform]: it returns the record itself if it fits, else a row and what was
// changed.
func (d *Declared) Conform(raw jsontext.Value) (row jsontext.Value, changes []string, err error) {
	if d.fits(raw) {
		return raw, nil, nil
	}
	return d.repair(raw)
}

// AppendRow appends the row that is sent for a record: the record itself, byte for byte, or a row
// with the members that have no column gathered in Extra. A text that is not one JSON object is
// appended unchanged, for the service to refuse. An error means that those members do not fit in
// Extra.
func (d *Declared) AppendRow(dst []byte, raw jsontext.Value) ([]byte, error) {
	var slots [128]uint64
	s := declaredScanner{scanner: scanner{b: raw, seen: slots[:]}, d: d, limit: atLeast(0, 0)}
	if s.document() && !s.moved {
		return append(dst, raw...), nil
	}
	members, _, err := membersOf(raw, 0)
	if err != nil {
		return append(dst, raw...), nil //nolint:nilerr // the service reports it, in its own words
	}
	var row rowBuilder
	row.open(dst)
	for _, m := range members {
		row.put(d, m)
	}
	if size, limit := row.extraSize(d), d.maxValue(); size > limit {
		return dst, fmt.Errorf("members without a column of their own have %d bytes, more than the %d that a column holds", size, limit)
	}
	return row.close(d), nil
}

// takes reports whether a member, its name without quotation marks, has a column of its kind.
func (d *Declared) takes(name, value []byte) bool {
	switch kind := d.Columns[string(name)]; {
	case kind == Undeclared:
		return false
	case kind == Any || value[0] == 'n':
		return true
	case kind == Text:
		return value[0] == '"'
	case kind == Moment:
		return value[0] == '"' && isMoment(value[1:len(value)-1])
	case kind == Number:
		return value[0] == '-' || value[0]-'0' < 10
	case kind == Truth:
		return value[0] == 't' || value[0] == 'f'
	}
	return false
}

// isMoment accepts the form that the service is known to read, and the one with a zone of four
// digits, in which SailPoint writes some times.
func isMoment(text []byte) bool {
	var at time.Time
	if at.UnmarshalText(text) == nil {
		return true
	}
	_, err := time.Parse("2006-01-02T15:04:05Z0700", string(text))
	return err == nil
}

func (d *Declared) maxValue() int {
	if d.MaxValue == 0 {
		return atLeast(0, 0)
	}
	return max(d.MaxValue, 256)
}
