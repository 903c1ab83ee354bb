package schema

import (
	"fmt"
	"strings"
)

// Transform is the transformKql that makes the table's rows from its stream. It uses only what
// Azure Monitor allows in one, never fails on a row, and returns one row for each.
func (t Table) Transform() string {
	var first, columns []string
	guids := make(map[string]bool)
	for _, f := range t.Fields {
		if f.Form == GUID {
			guids[f.Name] = true
			first = append(first, "\n    "+f.Name+" = "+t.value(f))
		}
	}
	for _, f := range t.Fields {
		switch value := t.value(f); {
		case f.Form == GUID, value == f.Name:
			columns = append(columns, "\n    "+f.Name)
		case f.Form == NotGUID && guids[strings.TrimSuffix(f.Name, "_s")+"_g"]:
			columns = append(columns, fmt.Sprintf("\n    %s = iff(isempty(%s), %s, '')", f.Name, strings.TrimSuffix(f.Name, "_s")+"_g", value))
		default:
			columns = append(columns, "\n    "+f.Name+" = "+value)
		}
	}
	query := "source"
	if len(first) > 0 {
		query += "\n| extend" + strings.Join(first, ",")
	}
	return query + "\n| project" + strings.Join(columns, ",")
}

// value is the expression of a field.
func (t Table) value(f Field) string {
	text := t.text(f.From)
	if f.Or != "" {
		text = fmt.Sprintf("iff(isnotempty(%s), %s, %s)", text, text, t.text(f.Or))
	}
	switch f.Form {
	case AsIs:
		return f.From
	case GUID:
		return fmt.Sprintf("tostring(toguid(iff(strlen(%s) in (32, 36), %s, '')))", text, text)
	case Time:
		return "todatetime(" + text + ")"
	case Number:
		return "toreal(" + f.From + ")"
	case Truth:
		return "tobool(" + f.From + ")"
	case Generated:
		return fmt.Sprintf("iff(isnull(%s) or %s < ago(2d) or %s > now() + 1d, now(), %s)", f.From, f.From, f.From, f.From)
	case Fixed:
		return "'" + f.Constant + "'"
	case Text, NotGUID:
	}
	return text
}

// text is the expression for a place in the stream, as text.
func (t Table) text(path string) string {
	if t.Stream.Type(path) == String {
		return path
	}
	return "tostring(" + path + ")"
}
