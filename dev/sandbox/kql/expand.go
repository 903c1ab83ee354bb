package kql

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// expand is mv-expand of one column: a row for each item of an array, or for each member of an object.
// A row without any stays, with a null.
func (r *run) expand() error {
	list, err := r.columns()
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return mistyped("'mv-expand' operator: the stand-in expands one column at a time")
	}
	value, err := r.scope("mv-expand").compile(list[0].of)
	if err != nil {
		return err
	}
	if value.typ != Dynamic {
		return mistyped("'mv-expand' operator: the expression must be dynamic, and is a %s", value.typ)
	}
	column := Column{list[0].nameOf("Column", 1), Dynamic}
	columns := slices.Clone(r.table.Columns)
	at := r.table.index(column.Name)
	if at < 0 {
		at = len(columns)
		columns = append(columns, column)
	}
	columns[at] = column
	var rows [][]any
	for _, row := range r.table.Rows {
		for _, item := range items(value.of(row)) {
			cells := append(slices.Clone(row), make([]any, len(columns)-len(row))...)
			cells[at] = item
			rows = append(rows, cells)
		}
	}
	r.table = &Table{columns, rows}
	return nil
}

// items are the parts of a dynamic value, or the value itself if it has none.
func items(v any) (parts []any) {
	value, ok := v.(Value)
	if !ok {
		return []any{v}
	}
	dec := jsontext.NewDecoder(bytes.NewReader(value))
	kind := dec.PeekKind()
	if kind != '[' && kind != '{' {
		return []any{notNull(value)}
	}
	_, _ = dec.ReadToken() // the bracket; a dynamic value is valid
	for dec.PeekKind() != ']' && dec.PeekKind() != '}' {
		part, err := dec.ReadValue()
		if err != nil {
			break
		}
		part = part.Clone()
		if kind == '[' {
			parts = append(parts, notNull(part))
			continue
		}
		member, err := dec.ReadValue()
		if err != nil {
			break
		}
		parts = append(parts, Value("{"+string(part)+":"+string(member)+"}"))
	}
	if len(parts) == 0 {
		return []any{nil}
	}
	return parts
}

func notNull(v Value) any {
	if v.Kind() == 'n' {
		return nil
	}
	return v
}
