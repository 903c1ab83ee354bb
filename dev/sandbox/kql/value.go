package kql

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Type is the type of a column.
type Type string

// The types. A null is nil whatever the type, but a string can't be null.
const (
	String   Type = "string"
	Long     Type = "long"     // int64
	Real     Type = "real"     // float64
	Bool     Type = "bool"     // bool
	Datetime Type = "datetime" // time.Time
	Timespan Type = "timespan" // time.Duration
	Dynamic  Type = "dynamic"  // Value
)

// Value is a dynamic one: JSON.
type Value = jsontext.Value

// Column is a column of a table.
type Column struct {
	Name string
	Type Type
}

// Table is what a query reads, and what it returns.
type Table struct {
	Columns []Column
	Rows    [][]any
}

func (t *Table) index(name string) int {
	for i, c := range t.Columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// typeOf is the type of a value that is not null.
func typeOf(v any) Type {
	switch v.(type) {
	case int64:
		return Long
	case float64:
		return Real
	case bool:
		return Bool
	case time.Time:
		return Datetime
	case time.Duration:
		return Timespan
	case Value:
		return Dynamic
	}
	return String
}

// parseLiteral reads what stands between the parentheses of datetime(…) and such.
func parseLiteral(kind, inside string) (any, error) {
	if inside == "null" {
		return nil, nil
	}
	switch kind {
	case "datetime":
		if at, ok := ParseTime(strings.Trim(inside, `"'`)); ok {
			return at, nil
		}
	case "timespan", "time":
		if d, ok := parseSpan(strings.Trim(inside, `"'`)); ok {
			return d, nil
		}
	case "guid":
		return strings.ToLower(inside), nil
	case "dynamic":
		if v := Value(inside); v.IsValid() {
			return v, nil
		}
	}
	return nil, errors.New("no " + kind)
}

// ParseTime reads a time in a form of ISO 8601. Without a zone it is in UTC.
func ParseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02", "2006-01"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// parseSpan reads 5m, 1.5h, or d.hh:mm:ss.
func parseSpan(s string) (time.Duration, bool) {
	if tokens, err := scan(s); err == nil && len(tokens) == 2 && tokens[0].kind == span {
		d, ok := tokens[0].value.(time.Duration)
		return d, ok
	}
	rest, negative := strings.CutPrefix(s, "-")
	days := 0
	if before, after, found := strings.Cut(rest, "."); found && !strings.Contains(before, ":") {
		var err error
		if days, err = strconv.Atoi(before); err != nil {
			return 0, false
		}
		rest = after
	}
	parts := strings.Split(rest, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	total := time.Duration(days) * 24 * time.Hour
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second}[:len(parts)] {
		f, err := strconv.ParseFloat(parts[i], 64)
		if err != nil {
			return 0, false
		}
		total += time.Duration(f * float64(unit))
	}
	if negative {
		total = -total
	}
	return total, true
}

// str is a value as text, as tostring() and strcat() have it.
func str(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.0000000Z")
	case time.Duration:
		return spanText(v)
	case Value:
		if v.Kind() == '"' {
			var s string
			_ = json.Unmarshal(v, &s)
			return s
		}
		return string(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// spanText is a timespan as d.hh:mm:ss.fffffff.
func spanText(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	days, d := d/(24*time.Hour), d%(24*time.Hour)
	out := fmt.Sprintf("%02d:%02d:%02d", d/time.Hour, d/time.Minute%60, d/time.Second%60)
	if days > 0 {
		out = fmt.Sprintf("%d.%s", days, out)
	}
	if ticks := d % time.Second / 100; ticks > 0 {
		out += fmt.Sprintf(".%07d", ticks)
	}
	return sign + out
}

// float is a number as a real.
func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case Value:
		if v.Kind() == '0' {
			f, err := strconv.ParseFloat(string(v), 64)
			return f, err == nil
		}
	}
	return 0, false
}

// compare orders two values of one type, null first. ok is false if they are not of one.
func compare(a, b any) (order int, ok bool) {
	switch {
	case a == nil && b == nil:
		return 0, true
	case a == nil:
		return -1, true
	case b == nil:
		return 1, true
	}
	if x, isNumber := float(a); isNumber {
		y, isNumber := float(b)
		return cmp.Compare(x, y), isNumber
	}
	switch x := a.(type) {
	case time.Time:
		y, ok := b.(time.Time)
		return x.Compare(y), ok
	case time.Duration:
		y, ok := b.(time.Duration)
		return cmp.Compare(x, y), ok
	case bool:
		y, ok := b.(bool)
		return cmp.Compare(rank(x), rank(y)), ok
	}
	return strings.Compare(str(a), str(b)), true
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// key is a value for grouping.
func key(values []any) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, "%T\x00%s\x01", v, str(v))
	}
	return b.String()
}

// Text is a value as text.
func Text(v any) string { return str(v) }
