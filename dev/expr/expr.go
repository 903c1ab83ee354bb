// Package expr is what the expressions of Resource Manager templates and of Logic Apps workflows have in
// common: how they are written, and functions that mean the same in both. The packages that evaluate them,
// dev/deploy and dev/sentinel/workflow, keep their grammar and what only one of them has.
package expr

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// Reader reads the parts of an expression, from left to right.
type Reader struct {
	text string
	pos  int
}

// NewReader returns a reader at the beginning of a text.
func NewReader(text string) Reader { return Reader{text: text} }

// Rest is what has not been read.
func (r *Reader) Rest() string { return r.text[r.pos:] }

// Peek returns the next byte that is no space, 0 at the end.
func (r *Reader) Peek() byte {
	for r.pos < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.pos]) >= 0 {
		r.pos++
	}
	if r.pos == len(r.text) {
		return 0
	}
	return r.text[r.pos]
}

// Accept reads the byte c, if it is the next one.
func (r *Reader) Accept(c byte) bool {
	if r.Peek() != c {
		return false
	}
	r.pos++
	return true
}

// Word reads a name, which may be empty: letters, digits behind the first of them, and underscores.
func (r *Reader) Word() string {
	r.Peek()
	begin := r.pos
	for r.pos < len(r.text) && (r.text[r.pos] == '_' || r.text[r.pos]|0x20 >= 'a' && r.text[r.pos]|0x20 <= 'z' || r.pos > begin && '0' <= r.text[r.pos] && r.text[r.pos] <= '9') {
		r.pos++
	}
	return r.text[begin:r.pos]
}

// Literal reads a string or a number. There is none if ok is false.
func (r *Reader) Literal() (v any, ok bool, err error) {
	switch c := r.Peek(); {
	case c == '\'':
		v, err = r.quoted()
	case c == '-' || '0' <= c && c <= '9':
		begin := r.pos
		for r.pos++; r.pos < len(r.text) && strings.IndexByte("0123456789.", r.text[r.pos]) >= 0; r.pos++ {
		}
		v, err = strconv.ParseFloat(r.text[begin:r.pos], 64)
	default:
		return nil, false, nil
	}
	return v, true, err
}

// quoted reads a string, in which two quotes stand for one.
func (r *Reader) quoted() (string, error) {
	var b strings.Builder
	for r.pos++; r.pos < len(r.text); r.pos++ {
		if r.text[r.pos] == '\'' {
			if !strings.HasPrefix(r.text[r.pos:], "''") {
				r.pos++
				return b.String(), nil
			}
			r.pos++
		}
		b.WriteByte(r.text[r.pos])
	}
	return "", errors.New("a string does not end")
}

// Functions give those that depend on nothing but their arguments, and mean the same in both languages, by
// their names in lower case. Wrong types panic in an assertion.
func Functions() map[string]func(args []any) any {
	return map[string]func(args []any) any{
		"add":      func(a []any) any { return a[0].(float64) + a[1].(float64) },
		"and":      func(a []any) any { return every(a, true) },
		"coalesce": coalesce,
		"contains": contains,
		"equals":   func(a []any) any { return reflect.DeepEqual(a[0], a[1]) },
		"greater":  func(a []any) any { return a[0].(float64) > a[1].(float64) },
		"if":       func(a []any) any { return map[bool]any{true: a[1], false: a[2]}[a[0].(bool)] },
		"join":     join,
		"json":     parse,
		"less":     func(a []any) any { return a[0].(float64) < a[1].(float64) },
		"not":      func(a []any) any { return !a[0].(bool) },
		"or":       func(a []any) any { return !every(a, false) },
		"replace":  func(a []any) any { return strings.ReplaceAll(a[0].(string), a[1].(string), a[2].(string)) },
		"split":    split,
		"sub":      func(a []any) any { return a[0].(float64) - a[1].(float64) },
		"tolower":  func(a []any) any { return strings.ToLower(a[0].(string)) },
		"trim":     func(a []any) any { return strings.TrimSpace(a[0].(string)) },
		"union":    union,
	}
}

func every(args []any, want bool) bool {
	for _, a := range args {
		if a.(bool) != want {
			return false
		}
	}
	return true
}

func coalesce(args []any) any {
	for _, a := range args {
		if a != nil {
			return a
		}
	}
	return nil
}

// contains looks for an element of an array, a member of an object, or a part of a string.
func contains(args []any) any {
	switch in := args[0].(type) {
	case []any:
		return slices.ContainsFunc(in, func(v any) bool { return reflect.DeepEqual(v, args[1]) })
	case map[string]any:
		_, ok := in[args[1].(string)]
		return ok
	}
	return strings.Contains(args[0].(string), args[1].(string))
}

func join(args []any) any {
	var parts []string
	for _, v := range args[0].([]any) {
		parts = append(parts, Text(v))
	}
	return strings.Join(parts, args[1].(string))
}

func parse(args []any) any {
	var v any
	if err := json.Unmarshal([]byte(args[0].(string)), &v); err != nil {
		panic(err)
	}
	return v
}

func split(args []any) any {
	parts := []any{}
	for part := range strings.SplitSeq(args[0].(string), args[1].(string)) {
		parts = append(parts, part)
	}
	return parts
}

// union merges objects, nested ones too, where the later member stays, or arrays, of
// which equal elements stay once.
func union(args []any) any {
	if _, ok := args[0].([]any); ok {
		all := []any{}
		for _, a := range args {
			for _, v := range a.([]any) {
				if !slices.ContainsFunc(all, func(other any) bool { return reflect.DeepEqual(other, v) }) {
					all = append(all, v)
				}
			}
		}
		return all
	}
	all := map[string]any{}
	for _, a := range args {
		for name, v := range a.(map[string]any) {
			_, before := all[name].(map[string]any)
			if _, now := v.(map[string]any); before && now {
				v = union([]any{all[name], v})
			}
			all[name] = v
		}
	}
	return all
}

// Text writes a value as string() does: booleans with a capital, as .NET has them, nothing for null, and
// arrays and objects as JSON without spaces.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	data, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return string(data)
}
