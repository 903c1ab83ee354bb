// Package records is the format of a batch of records in one object, which spool and inbox share.
//
// An object is text: a JSON line that describes the batch, then for each record a JSON line with
// its id, time and length, its bytes verbatim, and a line break.
//
//	{"version":1,"stream":"SailPointIDN_Triggers","records":1,"sha256":"…"}
//	{"id":"…","time":"2026-09-01T00:00:00Z","length":17}
//	{"id":"…","b":[]}
package records

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// version is the format that this package writes and reads.
const version = 1

// DamagedError is the error for an object that is not what was written.
type DamagedError struct{ Why string }

func (e *DamagedError) Error() string { return "is damaged (" + e.Why + ")" }

// head is the first line of an object.
type head struct {
	Version int    `json:"version"`
	Stream  string `json:"stream"`
	Records int    `json:"records"`
	// SHA256 is the hash of everything after the line, in hex.
	SHA256 string `json:"sha256"`
}

// line precedes the bytes of a record.
type line struct {
	ID     string    `json:"id"`
	Time   time.Time `json:"time,omitzero"`
	Length int       `json:"length"`
}

// lineBytes is about what a line has besides the id.
const lineBytes = 80

// Encode writes a batch. The text is made in one piece of memory: a batch may be large.
func Encode(stream string, batch []pipeline.Record) []byte {
	h := head{version, stream, len(batch), format.Sum(nil)}
	begin := len(marshal(h)) // a checksum always has the same length
	size := begin
	for i := range batch {
		size += len(batch[i].ID) + len(batch[i].Raw) + lineBytes
	}
	text := make([]byte, begin, size)
	for i := range batch {
		r := &batch[i]
		l := line{ID: r.ID, Length: len(r.Raw)}
		if format.Dated(r.Time) { // the ledger treats an invalid time as no time
			l.Time = r.Time
		}
		text = append(text, marshal(l)...)
		text = append(append(text, r.Raw...), '\n')
	}
	h.SHA256 = format.Sum(text[begin:])
	copy(text, marshal(h))
	return text
}

// marshal can't fail on these types. An id may contain invalid UTF-8.
func marshal(v any) []byte {
	b, err := format.Line(v)
	if err != nil {
		panic(fmt.Sprintf("encode records: %v", err))
	}
	return b
}

// Decode reads a batch. The error is a [*DamagedError] if the object is damaged or belongs to
// another stream, and a [format.ErrNewer] if its version is unknown.
func Decode(stream string, data []byte) ([]pipeline.Record, error) {
	var h head
	body, err := format.Header(data, version, &h)
	switch {
	case errors.Is(err, format.ErrNewer):
		return nil, err
	case err != nil:
		return nil, &DamagedError{err.Error()}
	}
	if h.Stream != stream {
		return nil, &DamagedError{fmt.Sprintf("it belongs to %q", h.Stream)}
	}
	if format.Sum(body) != h.SHA256 {
		return nil, &DamagedError{"its checksum is wrong"}
	}
	var batch []pipeline.Record
	for len(body) > 0 {
		var l line
		text, rest, ok := bytes.Cut(body, []byte("\n"))
		if err := json.Unmarshal(text, &l, jsontext.AllowInvalidUTF8(true)); !ok || err != nil || l.Length < 0 || l.Length >= len(rest) || rest[l.Length] != '\n' {
			return nil, &DamagedError{"a record can't be read"}
		}
		if !format.Dated(l.Time) {
			l.Time = time.Time{}
		}
		batch = append(batch, pipeline.Record{ID: l.ID, Time: l.Time, Raw: jsontext.Value(rest[:l.Length:l.Length])})
		body = rest[l.Length+1:]
	}
	if len(batch) != h.Records {
		return nil, &DamagedError{fmt.Sprintf("it holds %d records instead of %d", len(batch), h.Records)}
	}
	return batch, nil
}
