package forward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/tabular"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
)

const (
	// mostRows and mostBytes bound one start. The service documents no limit for either.
	mostRows  = 250
	mostBytes = 200 << 10
	// maxName bounds what a report calls itself.
	maxName = 200
)

// errLength means that the parts of a report are not those that were received.
var errLength = errors.New("the parts of the report have another length than was received")

// reader reads the records of a report, one ahead.
type reader struct {
	rows *tabular.Reader
	// number counts the records read. ahead is the last of them, and raw its bytes; one that can't be
	// passed on has none.
	number int
	ahead  tabular.Row
	raw    []byte
	err    error // io.EOF at the end
}

// open reads a report from the first record that is not settled.
func open(ctx context.Context, q Queue, e Entry, settled int) *reader {
	left := e.Bytes
	parts := &tabular.Parts{Count: e.Parts, Part: func(number int) ([]byte, error) {
		part, err := q.PartOf(ctx, e, number)
		if left -= int64(len(part)); err == nil && number == e.Parts && left != 0 {
			err = errLength
		}
		return part, err
	}}
	r := &reader{rows: tabular.NewReader(parts, tabular.Options{ContentType: e.ContentType})}
	for r.next(); r.err == nil && r.number <= settled; {
		r.next()
	}
	return r
}

// next reads one record ahead.
func (r *reader) next() {
	row, err := r.rows.Next()
	if err != nil {
		r.err = err
		return
	}
	r.number++
	r.ahead, r.raw = row, r.raw[:0]
	if row.Flaw == "" {
		r.raw = append(r.raw, row.Raw...)
	}
	r.ahead.Raw = nil // valid until the next one only
}

// fault is why the report can't be read on; nil at its end. What can't be read is in quarantine, so it
// is an end, too.
func (r *reader) fault() error {
	if r.err == nil || r.ended() {
		return nil
	}
	return r.err
}

// ended reports whether nothing more comes.
func (r *reader) ended() bool { return errors.Is(r.err, io.EOF) || r.broken() }

// broken reports whether the report can't be read to its end, and never will be.
func (r *reader) broken() bool {
	var broken *tabular.Broken
	return errors.As(r.err, &broken)
}

// group is what one start passes on.
type group struct {
	span  Span
	input []byte
	rows  int
	large bool // a single row that is larger than a start may be
}

// take reads the next group, up to and with the record last; 0 means as far as a group goes. The span
// is empty at the end.
func (r *reader) take(e *Entry, byRow bool, last, tries int) group {
	g := group{span: Span{First: r.number, Tries: tries}}
	var rows []byte
	var about []byte
	number := 0
	most := mostRows
	byRow = byRow && last <= g.span.First // a group that is repeated may be of another setting
	if byRow {
		most = 1
	}
	full := func() bool { return last == 0 && (g.rows == most || len(rows) > 0 && len(rows)+len(r.raw) > mostBytes) }
	for r.err == nil && (last == 0 || r.number <= last) && !full() {
		switch {
		case r.ahead.Flaw != "":
		case r.ahead.Number == 0: // what surrounds the rows
			about = bytes.Clone(r.raw)
		default:
			if g.rows++; g.rows > 1 {
				rows = append(rows, ',')
			}
			rows, number = append(rows, r.raw...), r.ahead.Number
		}
		g.span.Last = r.number
		r.next()
	}
	if g.span.Last == 0 {
		g.span.First = 0
	}
	r.skip(&g.span)
	g.large = len(rows)+len(about) > 2*mostBytes
	name := e.Name
	if name == "" {
		name = text.Line(r.rows.Name(), maxName)
	}
	in := input{entry: e, name: name, first: g.span.First, repeated: tries > 0, end: r.ended(), broken: r.broken()}
	g.input = in.encode(rows, about, number, byRow)
	if byRow && number == 0 || g.rows == 0 && about == nil {
		g.rows, g.input = 0, nil // nothing to pass on
	} else if g.rows == 0 {
		g.rows = 1
	}
	return g
}

// skip adds to a group the records after it that can't be passed on: else the last start could not know
// that it is.
func (r *reader) skip(s *Span) {
	for ; r.err == nil && r.ahead.Flaw != "" && s.Last > 0; r.next() {
		s.Last = r.number
	}
}

// input is the body of a start.
type input struct {
	entry    *Entry
	name     string
	first    int
	repeated bool
	end      bool
	broken   bool
}

// encode writes it. key names the start, and is the same if it is repeated.
func (in input) encode(rows, about []byte, number int, byRow bool) []byte {
	e := in.entry
	dst := append(make([]byte, 0, len(rows)+len(about)+1024), `{"input":{"report":`...)
	dst = quote(dst, in.name)
	dst = append(dst, `,"received":"`...)
	dst = e.Received.UTC().AppendFormat(dst, time.RFC3339)
	dst = append(dst, `","deliveryId":"`...)
	dst = append(dst, e.ID...)
	dst = append(dst, `","key":"`...)
	dst = append(dst, e.ID...)
	dst = append(dst, '#')
	dst = appendInt(dst, in.first)
	dst = append(dst, `","repeated":`...)
	dst = appendBool(dst, in.repeated)
	if byRow {
		dst = append(dst, `,"rowNumber":`...)
		dst = appendInt(dst, number)
		dst = append(dst, `,"row":`...)
		dst = append(dst, rows...)
		return valid(append(dst, "}}"...))
	}
	dst = append(dst, `,"last":`...)
	dst = appendBool(dst, in.end)
	if in.broken {
		dst = append(dst, `,"incomplete":true`...)
	}
	if about != nil {
		dst = append(dst, `,"about":`...)
		dst = append(dst, about...)
	}
	dst = append(dst, `,"rows":[`...)
	dst = append(dst, rows...)
	return valid(append(dst, "]}}"...))
}

// valid replaces what is not UTF-8, which the service would refuse.
func valid(b []byte) []byte { return bytes.ToValidUTF8(b, []byte("\uFFFD")) }

func quote(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, bytes.ToValidUTF8([]byte(s), []byte("\uFFFD")))
	return dst
}
