package workspace

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// Column is a column of a table as a query sees it.
type Column struct {
	Name string
	Type string // string, real, bool, datetime or dynamic
}

// Row is a row as a query sees it: texts by column. A datetime is in RFC 3339 in
// UTC, a real and a bool as in JSON. A column without a value is absent.
type Row map[string]string

const (
	maxColumns = 500
	// maxName is that of the property: 45 by Microsoft's page. The suffix can't count,
	// for Okta_CL has a published column of 46 characters with it.
	maxName = 45
	// maxValue is what the service itself reports: "have been trimmed to the max
	// allowed size, 32766 bytes" (Azure-Sentinel issue 10826, and others).
	maxValue = 32_766

	// TimeGenerated outside of these bounds is replaced by the time of arrival.
	oldest = 2 * 24 * time.Hour
	newest = 24 * time.Hour
)

// columns makes rows of records, and columns as they are needed.
type columns struct {
	table   *Table
	columns []Column
	byBase  map[string][]string // the suffixes that a property has got so far
	rows    []Row
	losses  []string

	at  int           // the row at work
	via *schema.Table // whose columns are there
}

// newColumns begins with the columns that each classic table has.
func newColumns(t *Table) columns {
	return columns{table: t, byBase: make(map[string][]string), columns: []Column{
		{"TenantId", "string"},
		{"SourceSystem", "string"},
		{"MG", "string"},
		{"ManagementGroupName", "string"},
		{"TimeGenerated", "datetime"},
		{"Computer", "string"},
		{"RawData", "string"},
		{"AdditionalFields", "dynamic"},
		{"Type", "string"},
		{"_ResourceId", "string"},
		{"_SubscriptionId", "string"},
		{"_ItemId", "string"},
	}}
}

// Columns returns the columns in the order in which they came into being.
func (t *Table) Columns() []Column {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.derive()
	return slices.Clone(t.schema.columns)
}

// Rows returns the rows in order of arrival. Nil if the workspace is compact.
func (t *Table) Rows() []Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.derive()
	return slices.Clone(t.schema.rows)
}

// Losses says what the service would have lost of the rows without a word: cut
// values, digits that a double can't hold, columns with impossible or clashing
// names, repeated names, members that a stream does not declare or declares otherwise.
func (t *Table) Losses() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.derive()
	return append(slices.Clone(t.dropped), t.schema.losses...)
}

// derive makes rows of what came since it was called last.
func (t *Table) derive() {
	for _, r := range t.rows[len(t.schema.rows):] {
		t.schema.add(r)
	}
}

func (s *columns) add(r stored) {
	s.at = len(s.rows) + 1
	if r.via != nil {
		s.addMapped(r)
		return
	}
	row := Row{
		"TenantId": s.table.workspace, "Type": s.table.name, "SourceSystem": "RestAPI",
		"TimeGenerated": timeText(r.received),
	}
	if at, ok := timeOf(r.raw, r.timeField); ok && at.After(r.received.Add(-oldest)) && at.Before(r.received.Add(newest)) {
		row["TimeGenerated"] = timeText(at)
	}
	s.flatten(row, "", r.raw)
	s.rows = append(s.rows, row)
}

func (s *columns) lose(format string, args ...any) {
	s.losses = append(s.losses, fmt.Sprintf("row %d: ", s.at)+fmt.Sprintf(format, args...))
}

// timeOf reads the property that was named in time-generated-field.
func timeOf(raw []byte, field string) (at time.Time, ok bool) {
	if field == "" {
		return at, false
	}
	_ = eachMember(raw, func(name string, value jsontext.Value) {
		if name == field && value.Kind() == '"' {
			at, ok = parseTime(unquote(value))
		}
	})
	return at, ok
}

// eachMember calls f for the members of an object.
func eachMember(object []byte, f func(name string, value jsontext.Value)) error {
	dec := lenient(object)
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() == '"' {
		token, err := dec.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		f(name, value)
	}
	return nil
}

// flatten adds the members of an object to the row.
func (s *columns) flatten(row Row, prefix string, object []byte) {
	names := make(map[string]bool)
	_ = eachMember(object, func(name string, value jsontext.Value) {
		if names[name] {
			s.lose("name %q twice in one object", name)
		}
		names[name] = true
		base := prefix + name
		switch value.Kind() {
		case 'n':
		case '{':
			s.flatten(row, base+"_", value)
		default:
			s.put(row, base, value)
		}
	})
}

// put files one value under its column.
func (s *columns) put(row Row, base string, value jsontext.Value) {
	suffix, text := s.infer(base, value)
	name := base + suffix
	switch {
	case base == "Computer": // the one name that gets no suffix
		name = base
	case len(base) > maxName:
		s.lose("column name %s is longer than %d without its suffix", name, maxName)
		return
	case strings.IndexFunc(base, notInName) >= 0 || base == "":
		s.lose("column name %q has characters that are not allowed", name)
		return
	case !slices.Contains(s.byBase[base], suffix) && len(s.columns) >= maxColumns:
		s.addField(row, base, value)
		return
	case !slices.Contains(s.byBase[base], suffix):
		s.byBase[base] = append(s.byBase[base], suffix)
		s.columns = append(s.columns, Column{name, typeOf(suffix)})
	}
	if len(text) > maxValue {
		s.lose("value of %s truncated from %d to %d bytes", name, len(text), maxValue)
		text = strings.ToValidUTF8(text[:maxValue], "")
	}
	if _, ok := row[name]; ok && name != "Computer" {
		s.lose("two values for column %s", name)
	}
	row[name] = text
}

// addField files a value that finds no column any more under AdditionalFields.
func (s *columns) addField(row Row, base string, value jsontext.Value) {
	fields := strings.TrimSuffix(row["AdditionalFields"], "}")
	if fields == "" {
		fields = "{"
	} else {
		fields += ","
	}
	name, _ := jsontext.AppendQuote(nil, base)
	row["AdditionalFields"] = fields + string(name) + ":" + string(value) + "}"
}

func notInName(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// infer returns the suffix of the column that a value goes into, and the value
// as text. A property keeps to the types it has: a string that reads as a number
// or a boolean goes into the column of that type, if there is one and none for
// its own type.
func (s *columns) infer(base string, value jsontext.Value) (suffix, text string) {
	switch value.Kind() {
	case 't', 'f':
		return "_b", string(value)
	case '0':
		return "_d", s.number(base, string(value))
	case '[':
		compact := value.Clone()
		_ = compact.Compact()
		if !compact.IsValid() {
			s.lose("array in %s has repeated names or broken text", base)
		}
		return "_s", strings.ToValidUTF8(string(compact), "\uFFFD")
	}
	text = unquote(value)
	if _, err := jsontext.AppendUnquote(nil, value); err != nil {
		s.lose("broken text in %s", base)
	}
	suffix, text = inferText(text)
	has := s.byBase[base]
	switch {
	case slices.Contains(has, suffix):
	case slices.Contains(has, "_d") && isNumber(text):
		return "_d", s.number(base, text)
	case slices.Contains(has, "_b") && (strings.EqualFold(text, "true") || strings.EqualFold(text, "false")):
		return "_b", strings.ToLower(text)
	}
	return suffix, text
}

// number is what a double keeps of a number.
func (s *columns) number(base, literal string) string {
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil || !sameNumber(literal, f) {
		s.lose("digits of %s", base)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func typeOf(suffix string) string {
	switch suffix {
	case "_d":
		return "real"
	case "_b":
		return "bool"
	case "_t":
		return "datetime"
	}
	return "string"
}
