package table

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// member is a top-level member of a record.
type member struct {
	name  string // decoded
	value jsontext.Value
}

// membersOf reads the members of a record, and tolerates what the caller will repair. If there are
// more than most (0: no limit), it returns the first ones, and how many are left.
func membersOf(raw jsontext.Value, most int) (members []member, left int, err error) {
	dec := lenient(raw)
	if kind := dec.PeekKind(); kind != '{' && kind != 0 {
		return nil, 0, errors.New("record is not a JSON object")
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, 0, broken(err)
	}
	for {
		token, err := dec.ReadToken()
		if err != nil {
			return nil, 0, broken(err)
		}
		if token.Kind() == '}' {
			break
		}
		name := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, 0, broken(err)
		}
		if most > 0 && len(members) >= most {
			left++
			continue
		}
		end := int(dec.InputOffset())
		members = append(members, member{name, raw[end-len(value) : end]})
	}
	switch _, err := dec.ReadToken(); {
	case err == nil:
		return nil, 0, errors.New("record is more than one JSON object")
	case errors.Is(err, io.EOF):
		return members, left, nil
	default:
		return nil, 0, broken(err)
	}
}

// rowBuilder puts each member into the row or into its Extra.
type rowBuilder struct {
	row   []byte
	start int
	extra []byte
	given jsontext.Value // the record's own Extra
}

func (b *rowBuilder) open(dst []byte) {
	b.row = append(dst, '{') //nolint:gocritic // the caller gets it back from close
	b.start = len(b.row)
}

func (b *rowBuilder) put(d *Declared, m member) {
	switch {
	case m.name == d.Extra && b.given == nil && d.takes([]byte(m.name), m.value):
		b.given = m.value
	case m.name != d.Extra && d.takes([]byte(m.name), m.value):
		b.row = appendNamed(b.row, b.start, m.name, m.value)
	default:
		b.extra = appendNamed(b.extra, 0, m.name, m.value)
	}
}

// extraSize is the size of the object in Extra; if the record's own Extra is all of it, that was
// measured as a value.
func (b *rowBuilder) extraSize(d *Declared) int {
	switch {
	case b.extra == nil:
		return 0
	case b.given == nil:
		return len(b.extra) + len(`{}`)
	}
	return len(b.extra) + len(b.given) + len(d.Extra) + len(`{,"":}`)
}

func (b *rowBuilder) close(d *Declared) []byte {
	switch {
	case b.extra != nil:
		if b.given != nil {
			b.extra = appendNamed(b.extra, 0, d.Extra, b.given)
		}
		b.row = appendNamed(b.row, b.start, d.Extra, nil)
		b.row = append(append(append(b.row, '{'), b.extra...), '}')
	case b.given != nil:
		b.row = appendNamed(b.row, b.start, d.Extra, b.given)
	}
	return append(b.row, '}')
}

// appendNamed appends a member to an object whose members begin at start.
func appendNamed(object []byte, start int, name string, value jsontext.Value) []byte {
	if len(object) > start {
		object = append(object, ',')
	}
	object = append(object, quote([]byte(name))...)
	object = append(object, ':')
	return append(object, value...)
}

// repair is the slow part of Conform. It may find that everything fits after all.
func (d *Declared) repair(raw jsontext.Value) (jsontext.Value, []string, error) {
	members, left, err := membersOf(raw, 2*maxLeaves)
	if err != nil {
		return nil, nil, err
	}
	var changes []string
	if left > 0 {
		changes = append(changes, fmt.Sprintf("%d of %d members left out", left, left+len(members)))
	}
	say := func(name, what string) { changes = append(changes, excerpt([]byte(name))+": "+what) }
	taken := make(names, len(members))
	for i := range members {
		m := &members[i]
		given := m.name
		if m.name = taken.take(given); m.name != given {
			say(given, "name given twice, the second is "+m.name)
		}
		if fixed, what := d.fix(m.value); what != "" {
			say(m.name, what)
			m.value = fixed
		}
	}
	if len(changes) == 0 && !raw.IsValid() {
		changes = append(changes, "invalid Unicode in a name replaced")
	}
	var row rowBuilder
	row.open(nil)
	for _, m := range members {
		row.put(d, m)
	}
	if len(changes) == 0 && row.extraSize(d) <= d.maxValue() {
		return raw, nil, nil
	}
	return d.build(members, changes)
}

// build makes a row that says what was changed.
func (d *Declared) build(members []member, changes []string) (jsontext.Value, []string, error) {
	var row rowBuilder
	row.open(nil)
	for _, m := range members {
		if m.name == Marker { // replaced by ours
			row.extra = appendNamed(row.extra, 0, m.name, m.value)
		} else {
			row.put(d, m)
		}
	}
	if size, limit := row.extraSize(d), d.maxValue(); size > limit {
		var whole rowBuilder
		whole.open(nil)
		whole.row = append(whole.row, row.extra...)
		if row.given != nil {
			whole.row = appendNamed(whole.row, whole.start, d.Extra, row.given)
		}
		row.extra, row.given = nil, shrink(append(whole.row, '}'), limit)
		changes = append(changes, fmt.Sprintf("members without a column of their own truncated from %d to %d bytes", size, len(row.given)))
	}
	if n := len(changes) - maxPhrases; n > 0 {
		changes = append(changes[:maxPhrases], fmt.Sprintf("and %d more", n))
	}
	row.put(d, member{Marker, quote(cut([]byte(strings.Join(changes, "; ")), min(maxMarker, d.maxValue())))})
	return row.close(d), changes, nil
}
