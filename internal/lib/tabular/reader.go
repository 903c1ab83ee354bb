package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Row is a row of a report, or what came in its place.
type Row struct {
	// Number counts from 1. 0 is what surrounds the rows.
	Number int
	// Piece is set if a row is too large to be returned in one: 1 for its beginning, then 2 and so
	// on. Such a row has a Flaw.
	Piece int
	// Raw is one JSON object. With a flaw it is what was received. It is valid until the next call
	// of Next.
	Raw []byte
	// Flaw says why Raw cannot be a row; "" if it is one. It contains nothing of the report.
	Flaw string
}

// Broken means that a report can't be read, or not to its end. All rows before are good.
type Broken struct {
	Why string
	// Kept is true if what could not be read was returned in rows with flaws. Otherwise only the
	// original report has it.
	Kept bool
}

func (e *Broken) Error() string { return "the report can't be read: " + e.Why }

// Options are what is known about a report before it is read.
type Options struct {
	// ContentType is the header of that name. It is a hint.
	ContentType string
	// MaxRow is the largest row, in bytes. 0 means 1 MiB. A larger one is returned in pieces of this
	// size.
	MaxRow int
	// MaxExpanded is the maximum size of a report in bytes once it is decompressed. 0 means 512 MiB.
	MaxExpanded int64
}

// Reader reads a report.
type Reader struct {
	w    *window
	o    Options
	form form
	err  error
}

// form is one of the forms of a report. next returns io.EOF at the end of a good one.
type form interface {
	next() (Row, error)
	// name is what the report calls itself, "" if it does not.
	name() string
}

// NewReader returns a reader of the report in src.
func NewReader(src io.Reader, o Options) *Reader {
	if o.MaxRow == 0 {
		o.MaxRow = 1 << 20
	}
	if o.MaxExpanded == 0 {
		o.MaxExpanded = 512 << 20
	}
	return &Reader{w: &window{src: newExpander(src, o.MaxExpanded)}, o: o}
}

// Next returns the next row, or [io.EOF] after the last one. Any other error is a [*Broken], or that
// of the stream. After an error Next returns it again.
func (r *Reader) Next() (Row, error) {
	if r.err != nil {
		return Row{}, r.err
	}
	row, err := r.next()
	if err == nil {
		return row, nil
	}
	// Whatever a form makes of a stream that ends too early: a stream that failed is not a bad report.
	if fault := r.w.fault(); fault != nil {
		err = fault
	}
	r.err = err
	return Row{}, err
}

func (r *Reader) next() (row Row, err error) {
	if r.form == nil {
		form, err := r.detect()
		if err == nil {
			err = r.w.passing() // what is missing could decide otherwise
		}
		if err != nil {
			return Row{}, err
		}
		r.form = form
	}
	row, err = r.form.next()
	if err == nil && row.Flaw != "" {
		err = r.w.passing() // it may be cut off
	}
	return row, err
}

// Name is what the report calls itself in a member "reportName", "report" or "name" before its
// rows; "" if it does not. It is known once Next has returned a row.
func (r *Reader) Name() string {
	if r.form == nil {
		return ""
	}
	return r.form.name()
}

const (
	space = " \t\r\n\x00"
	bom   = "\xef\xbb\xbf"
)

// detect decides which form the report has.
func (r *Reader) detect() (form, error) {
	w := r.w
	for len(w.rest()) < len(bom) && w.more() {
	}
	if bytes.HasPrefix(w.rest(), []byte(bom)) {
		w.skip(len(bom))
	}
	if head := w.rest(); bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return nil, &Broken{Why: "it is encoded in UTF-16, and UTF-8 is expected"}
	}
	kind := kindOf(r.o.ContentType)
	start := w.space(0, space)
	first, ok := w.peek(start)
	switch {
	case !ok && w.fault() != nil:
		return nil, w.fault()
	case !ok:
		return nil, &Broken{Why: "it is empty"}
	case kind == csvText || kind == tsvText:
		return newTable(w, r.o.MaxRow, kind), nil
	case kind == jsonLines, first == '{' && isLines(w, start, r.o.MaxRow):
		w.skip(start)
		return &lines{w: w, most: r.o.MaxRow}, nil
	case first == '{', first == '[':
		w.skip(start)
		return &document{w: w, most: r.o.MaxRow}, nil
	case first == '<':
		return nil, &Broken{Why: "it is HTML or XML: expected JSON or CSV"}
	case isScalar(w, start, r.o.MaxRow):
		return nil, &Broken{Why: "it is a single JSON value and not a list or an object"}
	}
	return newTable(w, r.o.MaxRow, kind), nil
}

// The kinds of content that make a difference.
const (
	jsonLines = "lines"
	csvText   = "csv"
	tsvText   = "tsv"
)

func kindOf(contentType string) string {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && media == "" {
		return ""
	}
	switch _, sub, _ := strings.Cut(media, "/"); sub {
	case "x-ndjson", "ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines", "json-lines":
		return jsonLines
	case "csv", "x-csv", "comma-separated-values":
		return csvText
	case "tab-separated-values":
		return tsvText
	}
	return ""
}

// isLines decides whether what begins with a brace is a row on each line: the first line is one and
// another follows. If the first is damaged the second decides, unless the first opens a list.
func isLines(w *window, start, most int) bool {
	first, end, ok := line(w, start, most)
	if !ok {
		return false
	}
	next := w.space(end, space)
	if c, ok := w.peek(next); !ok || c != '{' {
		return false
	}
	first = w.rest()[start : start+len(first)] // peeking may have moved it
	if w.check.flaw(first) == "" {
		return true
	}
	opens := contains(",:[{", first[len(first)-1])
	second, _, _ := line(w, next, most)
	return !opens && w.check.flaw(second) == ""
}

// line returns the line that begins i places ahead, without space around it. ok is false if it is
// longer than most.
func line(w *window, i, most int) (text []byte, end int, ok bool) {
	for end = i; ; {
		n := bytes.IndexByte(w.rest()[end:], '\n')
		found := n >= 0
		if end += n; !found {
			end = len(w.rest())
		}
		switch {
		case end-i > most:
			return nil, 0, false
		case found:
			return bytes.Trim(w.rest()[i:end], space), end, true
		}
		if !w.more() {
			return bytes.Trim(w.rest()[i:], space), end, true
		}
	}
}

func isScalar(w *window, start, most int) bool {
	for len(w.rest())-start <= most {
		if !w.more() {
			return w.ended() && jsontext.Value(bytes.Trim(w.rest()[start:], space)).IsValid()
		}
	}
	return false
}

// checker decides whether something is an object. It accepts harmless mistakes.
type checker struct {
	dec  *jsontext.Decoder
	from bytes.Buffer
}

func (c *checker) decode(raw []byte) error {
	c.from = *bytes.NewBuffer(raw)
	if c.dec == nil {
		c.dec = new(jsontext.Decoder)
	}
	c.dec.Reset(&c.from, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	_, err := c.dec.ReadValue()
	return err
}

// flaw says why raw is not a JSON object; "" if it is one.
func (c *checker) flaw(raw []byte) string {
	if len(raw) == 0 || raw[0] != '{' {
		return "it is " + describe(raw) + ", not an object"
	}
	if err := c.decode(raw); err != nil {
		return syntax(err)
	}
	if end := c.dec.InputOffset(); len(bytes.Trim(raw[end:], space)) > 0 {
		return fmt.Sprintf("something follows its last bracket, at byte %d", end)
	}
	return ""
}

func syntax(err error) string {
	var at *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it is not valid JSON: it ends too early"
	case errors.As(err, &at):
		return fmt.Sprintf("it is not valid JSON at byte %d: %v", at.ByteOffset, at.Err)
	}
	return "it is not valid JSON: " + err.Error()
}

// describe names what raw is.
func describe(raw []byte) string {
	switch jsontext.Value(raw).Kind() {
	case jsontext.KindBeginArray:
		return "a list"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindNumber:
		return "a number"
	case jsontext.KindTrue, jsontext.KindFalse:
		return "a boolean"
	case jsontext.KindNull:
		return "null"
	}
	return "something other than JSON"
}
