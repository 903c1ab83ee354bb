package tabular

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// table is a report in CSV.
type table struct {
	w      *window
	most   int
	comma  byte
	names  [][]byte // of the columns, as JSON strings; nil before the header
	number int
	large  *pieces

	feed bytes.Buffer // one record for csv
	csv  *csv.Reader
	row  []byte
}

func newTable(w *window, most int, kind string) *table {
	t := &table{w: w, most: most}
	t.comma = t.separator(kind)
	t.csv = csv.NewReader(&t.feed)
	t.csv.Comma = rune(t.comma)
	t.csv.FieldsPerRecord = -1
	t.csv.LazyQuotes = true // the record was checked before, and a quote within a field is only a quote
	t.csv.ReuseRecord = true
	return t
}

func (t *table) name() string { return "" }

// separator is the one that the first line has most of.
func (t *table) separator(kind string) byte {
	if kind == tsvText {
		return '\t'
	}
	var count [256]int
	quoted := false
	for i := 0; i <= t.most; i++ {
		c, ok := t.w.peek(i)
		switch {
		case !ok, c == '\n' && !quoted:
			i = t.most
		case c == '"':
			quoted = !quoted
		case !quoted:
			count[c]++
		}
	}
	best := byte(',')
	for _, c := range []byte(";\t") {
		if count[c] > count[best] {
			best = c
		}
	}
	return best
}

func (t *table) next() (Row, error) {
	for {
		if t.large != nil {
			if row, ok := t.large.next(); ok {
				return row, nil
			}
			t.large = nil
		}
		t.w.skip(t.w.space(0, "\r\n"))
		if _, ok := t.w.peek(0); !ok {
			return Row{}, io.EOF
		}
		end, flaw := t.record()
		if t.names == nil && flaw == "" {
			if err := t.header(end); err != nil {
				return Row{}, err
			}
			continue
		}
		if t.names == nil {
			return Row{}, &Broken{Why: "its header can't be read: " + flaw}
		}
		t.number++
		if end > t.most {
			t.large = &pieces{w: t.w, most: t.most, number: t.number, flaw: tooLarge(t.most), end: newline}
			continue
		}
		raw := t.w.rest()[:end]
		t.w.skip(end)
		if flaw != "" {
			return Row{Number: t.number, Raw: raw, Flaw: flaw}, nil
		}
		return Row{Number: t.number, Raw: t.object(raw)}, nil
	}
}

// The places in a record.
const (
	fieldStart = iota
	inField
	inQuotes
	afterQuote // a quote within quotes: the end of the field, or half of a pair
)

// record returns where the record ends that begins here, without its line break. If its quotes are
// wrong, it is the first line, so that it does not take others with it.
func (t *table) record() (end int, flaw string) {
	place := fieldStart
	rest := t.w.rest()
	for i := 0; i <= t.most; i++ {
		if i == len(rest) {
			more := t.w.more()
			if rest = t.w.rest(); !more && place == inQuotes {
				return t.line(), "a quoted field does not end"
			} else if !more {
				return i, cmp.Or(t.w.cutOff(i), flaw)
			}
		}
		switch c := rest[i]; {
		case c == '\n' && place != inQuotes:
			return i, flaw
		case place == inQuotes:
			if c == '"' {
				place = afterQuote
			}
		case c == t.comma:
			place = fieldStart
		case c == '"' && (place == fieldStart || place == afterQuote):
			place = inQuotes
		case place == afterQuote && c != '\r':
			flaw = fmt.Sprintf("a quoted field is followed by something other than a separator, at byte %d", i)
			place = inField
		case place == fieldStart:
			place = inField
		}
	}
	if place == inQuotes {
		return t.line(), "a quoted field does not end"
	}
	return t.most + 1, tooLarge(t.most)
}

// line returns where the first line ends; more than most if that is far away.
func (t *table) line() int {
	_, end, ok := line(t.w, 0, t.most)
	if !ok {
		return t.most + 1
	}
	return end
}

// header reads the names of the columns.
func (t *table) header(end int) error {
	fields := t.fields(t.w.rest()[:end])
	if len(fields) < 2 && !t.follows(end) {
		return &Broken{Why: "it is neither JSON nor CSV: it has one line without separators"}
	}
	t.w.skip(end)
	taken := map[string]bool{}
	for _, f := range fields {
		taken[f] = true
	}
	used := map[string]bool{}
	for i, f := range fields {
		name := f
		if name == "" {
			name = "column_" + strconv.Itoa(i+1)
		}
		for n, base := 2, name; used[name] || name != f && taken[name]; n++ {
			name = base + "_" + strconv.Itoa(n)
		}
		used[name] = true
		t.names = append(t.names, Quote(nil, name))
	}
	return nil
}

// follows reports whether there is anything but white space after a place.
func (t *table) follows(i int) bool {
	_, ok := t.w.peek(t.w.space(i, space))
	return ok
}

// fields divides a record that is known to be sound. The slice is valid until the next call.
func (t *table) fields(record []byte) []string {
	t.feed.Reset()
	t.feed.Write(record)
	t.feed.WriteByte('\n')
	fields, err := t.csv.Read()
	if err != nil { // not of a sound record
		return []string{string(record)}
	}
	return fields
}

// object makes a JSON object of a record.
func (t *table) object(record []byte) []byte {
	t.row = append(t.row[:0], '{')
	for i, f := range t.fields(record) {
		if i > 0 {
			t.row = append(t.row, ',')
		}
		if i == len(t.names) {
			t.names = append(t.names, t.another())
		}
		t.row = append(t.row, t.names[i]...)
		t.row = append(t.row, ':')
		t.row = Quote(t.row, f)
	}
	return append(t.row, '}')
}

// another names a column that the header does not have.
func (t *table) another() []byte {
	for n := len(t.names) + 1; ; n++ {
		name := Quote(nil, "column_"+strconv.Itoa(n))
		if !slices.ContainsFunc(t.names, func(other []byte) bool { return bytes.Equal(other, name) }) {
			return name
		}
	}
}

// Quote appends text as a JSON string. Bytes that are not valid UTF-8 stay as they are: the sink
// replaces them, and the original is kept.
func Quote[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"', c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ':
			dst = fmt.Appendf(dst, "\\u%04x", c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
