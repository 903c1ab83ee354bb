package quarantine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

const (
	// version is the latest format that this program knows.
	version   = 1
	maxDetail = 1024
)

// Item is an original with what is known about it.
type Item struct {
	Stream string
	ID     string    // of the record
	Time   time.Time // of the event; zero if it has none
	Reason pipeline.Reason
	Detail string
	Stored time.Time      // when it was put into quarantine
	Raw    jsontext.Value // the original, byte for byte; may be invalid JSON
}

type header struct {
	Version int             `json:"version"`
	Stream  string          `json:"stream"`
	ID      string          `json:"id"`
	Time    time.Time       `json:"time,omitzero"`
	Reason  pipeline.Reason `json:"reason"`
	Detail  string          `json:"detail,omitzero"`
	Stored  time.Time       `json:"stored"`
	Length  int             `json:"length"`
	SHA256  string          `json:"sha256"`
}

// Encode returns the object for an item, in the latest format. The detail is
// cut to 1,024 bytes, and invalid UTF-8 in texts is replaced.
func Encode(i Item) ([]byte, error) {
	line, err := encodeLine(i)
	if err != nil {
		return nil, err
	}
	return append(slices.Grow(line, len(i.Raw)), i.Raw...), nil
}

// encodeLine returns the object for an item up to its raw bytes.
func encodeLine(i Item) ([]byte, error) {
	h := header{
		Version: version, Stream: i.Stream, ID: i.ID, Reason: i.Reason, Detail: bounded(i.Detail),
		Length: len(i.Raw), SHA256: format.Sum(i.Raw),
	}
	if t := i.Stored.UTC(); format.Dated(t) {
		h.Stored = t
	}
	if t := i.Time.UTC(); format.Dated(t) {
		h.Time = t
	}
	return format.Line(h)
}

// bounded cuts a detail to maxDetail bytes, between characters.
func bounded(detail string) string {
	detail = strings.ToValidUTF8(detail, "\uFFFD")
	if len(detail) <= maxDetail {
		return detail
	}
	return text.Cut(detail, maxDetail-len("…"))
}

// Decode reads an object of any version up to the latest. The item's raw bytes
// share memory with data.
func Decode(data []byte) (Item, error) {
	var h header
	raw, err := format.Header(data, version, &h)
	if err != nil {
		return Item{}, err
	}
	if h.Length != len(raw) {
		return Item{}, fmt.Errorf("it holds %d of %d bytes", len(raw), h.Length)
	}
	if h.SHA256 != format.Sum(raw) {
		return Item{}, errors.New("its bytes do not match their checksum")
	}
	return Item{h.Stream, h.ID, h.Time.UTC(), h.Reason, h.Detail, h.Stored.UTC(), raw}, nil
}
