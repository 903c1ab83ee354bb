package workflow

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/expr"
)

// function is one of the language: how many arguments it takes (most below 0: any number), and what it
// gives. A wrong type panics in the assertion and becomes an error in [scope.call].
type function struct {
	least, most int
	of          func(a []any) any
}

// pure are the functions that depend on nothing but their arguments.
func pure(name string) (function, bool) {
	shared := expr.Functions()
	f, ok := map[string]function{
		"add":                {2, 2, shared["add"]},
		"sub":                {2, 2, shared["sub"]},
		"adddays":            {2, 3, addDays},
		"and":                {2, -1, shared["and"]},
		"or":                 {2, -1, shared["or"]},
		"not":                {1, 1, shared["not"]},
		"if":                 {3, 3, shared["if"]},
		"coalesce":           {1, -1, shared["coalesce"]},
		"concat":             {1, -1, concat},
		"contains":           {2, 2, shared["contains"]},
		"createarray":        {1, -1, func(a []any) any { return a }},
		"decodeuricomponent": {1, 1, decode},
		"empty":              {1, 1, func(a []any) any { return length(a) == 0.0 }},
		"encodeuricomponent": {1, 1, func(a []any) any { return strings.ReplaceAll(url.QueryEscape(a[0].(string)), "+", "%20") }},
		"equals":             {2, 2, shared["equals"]},
		"first":              {1, 1, first},
		"greater":            {2, 2, shared["greater"]},
		"greaterorequals":    {2, 2, func(a []any) any { return a[0].(float64) >= a[1].(float64) }},
		"last":               {1, 1, last},
		"less":               {2, 2, shared["less"]},
		"join":               {2, 2, shared["join"]},
		"json":               {1, 1, shared["json"]},
		"length":             {1, 1, length},
		"replace":            {3, 3, shared["replace"]},
		"split":              {2, 2, shared["split"]},
		"string":             {1, 1, func(a []any) any { return expr.Text(a[0]) }},
		"take":               {2, 2, take},
		"tolower":            {1, 1, shared["tolower"]},
		"trim":               {1, 1, shared["trim"]},
		"union":              {2, -1, shared["union"]},
	}[name]
	return f, ok
}

// ofRun are the functions that look at the run, with the number of their arguments.
func ofRun(name string) (least, most int, ok bool) {
	n, ok := map[string][2]int{
		"actions": {1, 1}, "body": {1, 1}, "outputs": {1, 1}, "variables": {1, 1}, "parameters": {1, 1},
		"item": {0, 0}, "items": {1, 1}, "triggerbody": {0, 0}, "workflow": {0, 0}, "guid": {0, 0}, "utcnow": {0, 1}, "listcallbackurl": {0, 0},
	}[name]
	return n[0], n[1], ok
}

func concat(args []any) any {
	var b strings.Builder
	for _, a := range args {
		b.WriteString(expr.Text(a))
	}
	return b.String()
}

func decode(args []any) any {
	plain, err := url.PathUnescape(args[0].(string))
	if err != nil {
		panic(err)
	}
	return plain
}

// first is null of an empty list, and the empty text of an empty one.
func first(args []any) any {
	if list, ok := args[0].([]any); ok {
		if len(list) == 0 {
			return nil
		}
		return list[0]
	}
	return take([]any{args[0], 1.0})
}

// last is like first, from the end.
func last(args []any) any {
	if list, ok := args[0].([]any); ok {
		if len(list) == 0 {
			return nil
		}
		return list[len(list)-1]
	}
	text := []rune(args[0].(string))
	return string(text[max(0, len(text)-1):])
}

func length(args []any) any {
	switch v := args[0].(type) {
	case string:
		return float64(len([]rune(v)))
	case []any:
		return float64(len(v))
	case map[string]any:
		return float64(len(v))
	}
	panic(fmt.Sprintf("a %T has no length", args[0]))
}

func take(args []any) any {
	n := int(args[1].(float64))
	if list, ok := args[0].([]any); ok {
		return list[:min(n, len(list))]
	}
	runes := []rune(args[0].(string))
	return string(runes[:min(n, len(runes))])
}

func addDays(args []any) any {
	at, err := time.Parse(time.RFC3339Nano, args[0].(string))
	if err != nil {
		panic(err)
	}
	layout := stamp
	if len(args) == 3 {
		if args[2] != "yyyy-MM-dd" {
			panic(fmt.Sprintf("format %v is not supported by the interpreter", args[2]))
		}
		layout = time.DateOnly
	}
	return at.AddDate(0, 0, int(args[1].(float64))).Format(layout)
}

// stamp is how the language writes times.
const stamp = "2006-01-02T15:04:05.0000000Z"

var errNotSupported = errors.New("not supported by the interpreter")
