package saas

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/tabular"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// window is the width of the ledger's windows. All rows of a report have one time.
const window = time.Hour

// maxHead is more than what a record has beside its row.
const maxHead = 1024

// records makes records of a report's rows.
type records struct {
	report Report
	// page is the memory of the page that is being made.
	page []byte
}

// row makes a record of a row. own is what the report calls itself.
func (r *records) row(row tabular.Row, own string) pipeline.Record {
	id := r.report.ID + "#" + strconv.Itoa(row.Number)
	if row.Piece > 0 {
		id += "." + strconv.Itoa(row.Piece)
	}
	if row.Flaw != "" {
		return r.flawed(id, row.Raw, fmt.Sprintf("row %d: %s", row.Number, row.Flaw))
	}
	// A row that may not fit has memory of its own: moving the page would cost as much again.
	shared := 2*len(row.Raw)+maxHead <= cap(r.page)-len(r.page)
	raw := r.page[len(r.page):]
	if !shared {
		raw = make([]byte, 0, len(row.Raw)*5/4+maxHead)
	}
	raw = r.head(raw, cmp.Or(r.report.Name, text.Line(own, 200)))
	raw = append(raw, `,"rowNumber":`...)
	raw = strconv.AppendInt(raw, int64(row.Number), 10)
	raw = append(raw, `,"row":`...)
	raw = append(tabular.Quote(raw, row.Raw), '}')
	if shared && len(raw) <= cap(r.page)-len(r.page) { // unless its control characters made it grow
		r.page = r.page[:len(r.page)+len(raw)]
	}
	return pipeline.Record{ID: id, Time: r.report.Received, Raw: raw[:len(raw):len(raw)]}
}

// head begins an object.
func (r *records) head(dst []byte, name string) []byte {
	dst = append(dst, `{"report":`...)
	dst, _ = jsontext.AppendQuote(dst, bytes.ToValidUTF8([]byte(name), []byte("\uFFFD")))
	dst = append(dst, `,"received":"`...)
	dst = r.report.Received.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	dst = append(dst, `","deliveryId":"`...)
	dst = append(dst, r.report.ID...)
	return append(dst, '"')
}

// end is the record that says why a report could not be read to its end.
func (r *records) end(why string) pipeline.Record {
	raw := append(r.head(nil, r.report.Name), `,"bytes":`...)
	raw = strconv.AppendInt(raw, r.report.Bytes, 10)
	return r.flawed(r.report.ID+"#end", append(raw, '}'), "the report can't be read to its end: "+why)
}

// original is a record with a part of a report that could not be read.
func (r *records) original(part []byte, number int, why string) pipeline.Record {
	return r.flawed(fmt.Sprintf("%s#original.%d", r.report.ID, number), part, fmt.Sprintf("part %d of %d of a report that can't be read: %s", number, r.report.Parts, why))
}

func (r *records) flawed(id string, raw []byte, flaw string) pipeline.Record {
	return pipeline.Record{ID: id, Time: r.report.Received, Raw: bytes.Clone(raw), Flaw: flaw}
}
