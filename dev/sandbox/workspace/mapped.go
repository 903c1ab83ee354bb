package workspace

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// maxMapped is the longest value of a column behind a data collection rule.
const maxMapped = 64 << 10

// addMapped makes a row as a rule does: what the stream declares of the record,
// and the table's columns of that.
func (s *columns) addMapped(r stored) {
	values := object{members: s.declared(r), inner: make(map[string]object)}
	s.declareColumns(r.via)
	row := Row{"TenantId": s.table.workspace, "Type": s.table.name, "SourceSystem": "RestAPI"}
	for i := range r.via.Fields {
		f := &r.via.Fields[i]
		text := s.mapped(f, values, r.received)
		if len(text) > maxMapped {
			s.lose("value of %s truncated from %d to %d bytes", f.Name, len(text), maxMapped)
			text = strings.ToValidUTF8(text[:maxMapped], "")
		}
		if text != "" {
			row[f.Name] = text
		} else {
			delete(row, f.Name)
		}
	}
	s.rows = append(s.rows, row)
}

// declareColumns makes the table's columns when its first row comes.
func (s *columns) declareColumns(t *schema.Table) {
	if s.via == t {
		return
	}
	s.via = t
	for _, f := range t.Fields {
		if !slices.ContainsFunc(s.columns, func(c Column) bool { return c.Name == f.Name }) {
			s.columns = append(s.columns, Column{f.Name, string(f.Type)})
		}
	}
}

// declared returns the members that the stream takes.
func (s *columns) declared(r stored) map[string]jsontext.Value {
	values := make(map[string]jsontext.Value)
	_ = eachMember(r.raw, func(name string, value jsontext.Value) {
		t := r.via.Stream.Type(name)
		_, twice := values[name]
		switch {
		case t == "":
			s.lose("member %q is not declared: dropped", name)
			return
		case twice:
			s.lose("name %q twice in one object", name)
		case value.Kind() == 'n':
			return
		case !fitsType(t, value):
			s.lose("value of %s is not a %s: dropped", name, t)
			return
		}
		s.lookAt(name, value)
		values[name] = value.Clone()
	})
	return values
}

// lookAt finds what a parser loses of a value.
func (s *columns) lookAt(name string, value jsontext.Value) {
	var size int
	if value.Kind() == '"' {
		size = len(unquote(value))
	} else {
		compact := value.Clone()
		_ = compact.Compact()
		size = len(compact)
	}
	if size > maxMapped {
		s.lose("value of %s has %d bytes, more than %d", name, size, maxMapped)
	}
	if !value.IsValid() {
		s.lose("%s has repeated names or broken text", name)
	}
	for dec := lenient(value); ; {
		token, err := dec.ReadToken()
		if err != nil {
			return
		}
		if token.Kind() == '0' {
			s.number(name, token.String())
		}
	}
}

func fitsType(t schema.Type, value jsontext.Value) bool {
	switch t {
	case schema.String:
		return value.Kind() == '"'
	case schema.DateTime:
		_, ok := parseTime(unquote(value))
		return value.Kind() == '"' && ok
	case schema.Real:
		return value.Kind() == '0'
	case schema.Bool:
		return value.Kind() == 't' || value.Kind() == 'f'
	}
	return true
}

// mapped is a column's value as text, "" if it has none.
func (s *columns) mapped(f *schema.Field, values object, now time.Time) string {
	value := values.at(f.From)
	if f.Or != "" && plainText(value) == "" {
		value = values.at(f.Or)
	}
	text := plainText(value)
	switch f.Form {
	case schema.AsIs:
		return asIs(f.Type, value)
	case schema.GUID:
		return guidOf(text)
	case schema.NotGUID:
		if guidOf(text) != "" {
			return ""
		}
	case schema.Time:
		at, ok := parseTime(text)
		if !ok {
			return ""
		}
		return timeText(at)
	case schema.Number:
		if !isNumber(text) {
			return ""
		}
		number, _ := strconv.ParseFloat(text, 64)
		return strconv.FormatFloat(number, 'g', -1, 64)
	case schema.Truth:
		if lower := strings.ToLower(text); lower == "true" || lower == "false" {
			return lower
		}
		return ""
	case schema.Generated:
		if at, ok := parseTime(text); ok && !at.Before(now.Add(-oldest)) && !at.After(now.Add(newest)) {
			return timeText(at)
		}
		return timeText(now)
	case schema.Fixed:
		return f.Constant
	}
	return text
}

// asIs is a value in a column of its own type.
func asIs(t schema.Type, value jsontext.Value) string {
	switch {
	case value == nil:
		return ""
	case t == schema.DateTime:
		at, _ := parseTime(unquote(value))
		return timeText(at)
	case t == schema.Dynamic:
		compact := value.Clone()
		_ = compact.Compact()
		return string(compact)
	}
	return plainText(value)
}

// plainText is a value as tostring makes it one.
func plainText(value jsontext.Value) string {
	switch value.Kind() {
	case 0, 'n':
		return ""
	case '"':
		return unquote(value)
	case '0':
		if number, err := strconv.ParseFloat(string(value), 64); err == nil && strings.ContainsAny(string(value), ".eE") {
			return strconv.FormatFloat(number, 'g', -1, 64)
		}
		return string(value)
	}
	compact := value.Clone()
	_ = compact.Compact()
	return string(compact)
}

// object is a JSON object whose members are objects only when somebody asks.
type object struct {
	members map[string]jsontext.Value
	inner   map[string]object
}

// at follows a path.
func (o *object) at(path string) jsontext.Value {
	first, rest, nested := strings.Cut(path, ".")
	value := o.members[first]
	if !nested {
		return value
	}
	if value.Kind() != '{' {
		return nil
	}
	in, ok := o.inner[first]
	if !ok {
		in = object{members: make(map[string]jsontext.Value), inner: make(map[string]object)}
		_ = eachMember(value, func(name string, v jsontext.Value) { in.members[name] = v.Clone() })
		o.inner[first] = in
	}
	return in.at(rest)
}

// guidOf is a text that is a GUID in the usual form, "" if it is none.
func guidOf(text string) string {
	if suffix, stored := inferText(text); suffix == "_g" {
		return strings.ToLower(stored)
	}
	return ""
}
