// Package tabular reads the rows of a report from a stream, whatever form the report has.
//
// SaaS Management's documentation says nothing about what a scheduled report looks like when it
// arrives. So a [Reader] finds out:
//
//	{"input": …}                  what follows, wrapped the way a workflow expects it
//	[{…}, {…}]                    a list of rows
//	{"generated": …, "rows": […]} a list below any name, alone or within "data"
//	{…}                           a single row
//	{…}⏎{…}                       a row on each line
//	Name;Email⏎"A";"a@b"          CSV with a header, separated by commas, semicolons or tabs
//
// and any of these compressed with gzip. It holds one row at a time, so memory does not grow with
// the report.
//
// A row is one JSON object, with its bytes unchanged; a CSV row becomes an object with the header's
// names. A row that can't be read costs only itself: it is returned with its bytes and with a
// [Row.Flaw]. What surrounds a list is returned as a row of its own with the number 0, because its
// members belong to the report as well. So all bytes of a report are in one row or another, except
// for the punctuation between them, or [Reader.Next] returns a [*Broken].
//
// What is harmless is accepted: a byte order mark, several members of the same name, strings with
// invalid UTF-8, missing commas between rows, lines without all of their fields or with more.
package tabular
