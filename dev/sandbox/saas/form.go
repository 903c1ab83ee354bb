package saas

import (
	"bytes"
	"encoding/csv"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Form is how a report is written.
type Form string

// The forms that are possible, as long as none is documented.
const (
	List      Form = ""           // [{…},{…}]
	Rows      Form = "rows"       // {"reportName":…,"rows":[…]}
	Nested    Form = "nested"     // {"reportName":…,"data":{"rows":[…]}}
	Input     Form = "input"      // {"input":[…]}, which the external trigger of a workflow takes
	InputRows Form = "input-rows" // {"input":{"rows":[…]}}
	Single    Form = "object"     // {…}, for a report with one row
	Lines     Form = "ndjson"     // a row on each line
	CSV       Form = "csv"
	Semicolon Form = "csv-semicolon" // with a byte order mark, as Excel writes it in half of Europe
	Tabs      Form = "csv-tabs"
)

// Forms returns all of them.
func Forms() []Form {
	return []Form{List, Rows, Nested, Input, InputRows, Single, Lines, CSV, Semicolon, Tabs}
}

// Write returns a report as it is sent, and its content type.
func (f Form) Write(r Report) (body []byte, contentType string) {
	switch f {
	case CSV:
		return table(r, ','), "text/csv"
	case Semicolon:
		return append([]byte("\xef\xbb\xbf"), table(r, ';')...), "text/csv; charset=utf-8"
	case Tabs:
		return table(r, '\t'), "text/tab-separated-values"
	case Lines:
		for _, row := range r.Rows {
			body = append(append(body, object(r.Columns, row)...), '\n')
		}
		return body, "application/x-ndjson"
	case Single:
		return object(r.Columns, r.Rows[0]), "application/json"
	}
	rows := list(r)
	switch f {
	case Rows:
		body = fmt.Appendf(nil, `{"reportName":%s,"rows":%s}`, quote(r.Name), rows)
	case Nested:
		body = fmt.Appendf(nil, `{"reportName":%s,"data":{"rows":%s}}`, quote(r.Name), rows)
	case Input:
		body = fmt.Appendf(nil, `{"input":%s}`, rows)
	case InputRows:
		body = fmt.Appendf(nil, `{"input":{"rows":%s}}`, rows)
	default:
		body = rows
	}
	return body, "application/json"
}

func quote(text string) []byte {
	quoted, _ := jsontext.AppendQuote(nil, text) // what is not UTF-8 is replaced
	return quoted
}

// object writes a row with its columns in their order.
func object(columns, row []string) []byte {
	out := []byte("{")
	for i, column := range columns {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, quote(column)...), ':'), quote(row[i])...)
	}
	return append(out, '}')
}

func list(r Report) []byte {
	out := []byte("[")
	for i, row := range r.Rows {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, object(r.Columns, row)...)
	}
	return append(out, ']')
}

func table(r Report, comma rune) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.Comma, w.UseCRLF = comma, true
	_ = w.Write(r.Columns) // to memory
	_ = w.WriteAll(r.Rows) // flushes
	return out.Bytes()
}
