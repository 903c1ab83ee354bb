// Package kql runs a small part of the Kusto Query Language over tables in memory,
// for a stand-in of a workspace's query API.
//
//	table
//	| where Created >= ago(1h) and Type in ("AUTH", "SSO") and isnotempty(Name)
//	| extend Day = startofday(Created)
//	| summarize Events = count(), Ids = dcount(Id) by Type, bin(Created, 5m)
//	| sort by Events desc
//	| take 10
//
// # What it knows
//
// Statements: let NAME = scalar; and one query.
//
// Operators: where (filter), extend, project, project-away, project-keep,
// project-rename, mv-expand (of one column), distinct (also *), summarize, sort (order), top, take (limit), count, and
// print at the beginning.
//
// Aggregates: count, countif, dcount (exact here, about right at the service), sum,
// sumif, avg, min, max, arg_max, arg_min, take_any (any), make_set, make_list.
//
// In expressions: literals of all types (datetime(…), timespan such as 5m, dynamic(…)),
// == != < <= > >= =~ !~, + - * / %, and, or, not(), in, !in, in~, !in~, between,
// contains, has, startswith, endswith with ! and _cs, matches regex, members of dynamic values
// (a.b, a[0], a["b"]), and the functions that [Functions] lists.
//
// Everything else is an [Error], as the service reports what it can't read
// (SyntaxError) or can't resolve (SemanticError).
//
// hash() spreads values as the service's does, to other numbers.
package kql

import "fmt"

// Error is why a query can't be run.
type Error struct {
	Semantic  bool   // else it could not be parsed
	Code      string // SEM0100, SYN0002
	Message   string
	Line, Pos int // of a syntax error, from 1 and from 0
	Token     string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// resolve is the error of a name that nothing has.
func resolve(operator, what, name string) error {
	return &Error{Semantic: true, Code: "SEM0100", Message: fmt.Sprintf("'%s' operator: Failed to resolve %s named '%s'", operator, what, name)}
}

// mistyped is the error of an expression that can't be.
func mistyped(format string, args ...any) error {
	return &Error{Semantic: true, Code: "SEM0101", Message: fmt.Sprintf(format, args...)}
}
