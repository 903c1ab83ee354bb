package kql

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// aggregate makes one column, or several, of the rows of a group.
type aggregate struct {
	columns []Column
	of      func(rows [][]any) []any
}

func (s *scope) aggregate(n named) (aggregate, error) {
	if n.of.op != "call" {
		return aggregate{}, mistyped("'summarize' operator: needs aggregates, such as count()")
	}
	call := n.of
	switch call.name {
	case "arg_max", "arg_min":
		return s.argument(call)
	case "take_any", "any":
		if len(call.args) == 1 && call.args[0].op == "star" {
			return aggregate{s.columns, first}, nil
		}
	}
	args := make([]eval, len(call.args))
	for i, a := range call.args {
		var err error
		if args[i], err = s.compile(a); err != nil {
			return aggregate{}, err
		}
	}
	typ, of, ok := simple(call.name, args)
	if !ok {
		return aggregate{}, &Error{Semantic: true, Code: "SEM0260", Message: "Unknown function: '" + call.name + "'."}
	}
	column := n.name
	if column == "" {
		column = strings.TrimPrefix(call.name, "make_") + "_"
		if len(call.args) > 0 && call.args[0].op == "name" {
			column += call.args[0].name
		}
		if call.name == "take_any" || call.name == "any" {
			column = strings.TrimPrefix(column, call.name+"_")
		}
	}
	return aggregate{[]Column{{column, typ}}, func(rows [][]any) []any { return []any{of(rows)} }}, nil
}

func first(rows [][]any) []any {
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

// argument is the row with the largest or smallest value: the value and other columns.
func (s *scope) argument(call *expr) (aggregate, error) {
	if len(call.args) < 2 {
		return aggregate{}, mistyped("%s(): needs a value and columns", call.name)
	}
	value, err := s.compile(call.args[0])
	if err != nil {
		return aggregate{}, err
	}
	columns := []Column{{named{of: call.args[0]}.nameOf("max_", 1), value.typ}}
	rest := []eval{value}
	for _, a := range call.args[1:] {
		if a.op == "star" {
			for i, c := range s.columns {
				if c.Name != columns[0].Name {
					columns, rest = append(columns, c), append(rest, eval{c.Type, func(row []any) any { return row[i] }})
				}
			}
			continue
		}
		v, err := s.compile(a)
		if err != nil {
			return aggregate{}, err
		}
		columns, rest = append(columns, Column{named{of: a}.nameOf("Column", len(rest)), v.typ}), append(rest, v)
	}
	return aggregate{columns, func(rows [][]any) []any {
		var best []any
		for _, row := range rows {
			if best != nil {
				order, _ := compare(value.of(row), value.of(best))
				if order == 0 || (order < 0) == (call.name == "arg_max") {
					continue
				}
			}
			best = row
		}
		cells := make([]any, len(rest))
		for i, v := range rest {
			if best != nil {
				cells[i] = v.of(best)
			}
		}
		return cells
	}}, nil
}

// simple are the aggregates of one value.
func simple(name string, args []eval) (typ Type, of func(rows [][]any) any, ok bool) {
	condition := strings.HasSuffix(name, "if")
	wanted := map[string]int{
		"count": 0, "countif": 1, "dcount": 1, "dcountif": 2, "sum": 1, "sumif": 2, "avg": 1, "min": 1, "max": 1,
		"take_any": 1, "any": 1, "make_set": 1, "make_list": 1,
	}
	if n, known := wanted[name]; !known || len(args) < n {
		return "", nil, false
	}
	// values are those of the rows that count, without nulls.
	values := func(rows [][]any) []any {
		var list []any
		for _, row := range rows {
			if condition && args[len(args)-1].of(row) != true {
				continue
			}
			if len(args) == 0 {
				list = append(list, true)
			} else if v := args[0].of(row); v != nil {
				list = append(list, v)
			}
		}
		return list
	}
	typ = Long
	switch strings.TrimSuffix(name, "if") {
	case "count":
		return typ, func(rows [][]any) any { return int64(len(values(rows))) }, true
	case "dcount":
		return typ, func(rows [][]any) any { return int64(len(unique(values(rows)))) }, true
	case "sum":
		return args[0].typ, func(rows [][]any) any { return sum(args[0].typ, values(rows)) }, true
	case "avg":
		return Real, func(rows [][]any) any {
			list := values(rows)
			if len(list) == 0 {
				return nil
			}
			total := 0.0
			for _, v := range list {
				total += toFloat(v)
			}
			return total / float64(len(list))
		}, true
	case "min", "max":
		return args[0].typ, func(rows [][]any) any { return extreme(values(rows), name == "max") }, true
	case "take_any", "any":
		return args[0].typ, func(rows [][]any) any {
			if list := values(rows); len(list) > 0 {
				return list[0]
			}
			return nil
		}, true
	case "make_set":
		return Dynamic, func(rows [][]any) any { return array(unique(elements(values(rows)))) }, true
	}
	return Dynamic, func(rows [][]any) any { return array(values(rows)) }, true
}

func sum(typ Type, list []any) any {
	total := zero(typ)
	for _, v := range list {
		total = combine("+", typ, total, v)
	}
	return total
}

func extreme(list []any, largest bool) any {
	var best any
	for _, v := range list {
		if order, _ := compare(v, best); best == nil || (order != 0 && (order > 0) == largest) {
			best = v
		}
	}
	return best
}

// elements takes the elements of arrays, as a set does; a list keeps arrays whole.
func elements(list []any) (out []any) {
	for _, v := range list {
		if value, ok := v.(Value); !ok || value.Kind() != '[' {
			out = append(out, v)
			continue
		}
		for _, item := range items(v) {
			if item != nil {
				out = append(out, item)
			}
		}
	}
	return out
}

func unique(list []any) []any {
	seen := map[string]bool{}
	var out []any
	for _, v := range list {
		if k := key([]any{v}); !seen[k] {
			seen[k] = true
			out = append(out, v)
		}
	}
	return out
}

func array(list []any) any {
	out := []byte{'['}
	for i, v := range list {
		if i > 0 {
			out = append(out, ',')
		}
		switch v := v.(type) {
		case int64, float64:
			out = append(out, str(v)...)
		case Value:
			out = append(out, v...)
		case bool:
			out = append(out, strings.ToLower(str(v))...)
		default:
			out, _ = jsontext.AppendQuote(out, str(v))
		}
	}
	return Value(append(out, ']'))
}
