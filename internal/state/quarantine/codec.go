package quarantine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

const (
	// version is the newest format that this program knows.
	version   = 1
	maxDetail = 1024
)

// errNewer is a format of a newer program.
var errNewer = errors.New("written by a newer version of the connector")

// Item is an original with what is known about it.
type Item struct {
	Stream string
	ID     string    // of the record
	Time   time.Time // of the event; zero if it has none
	Reason pipeline.Reason
	Detail string
	Stored time.Time      // when it was put into quarantine
	Raw    jsontext.Value // the original, byte for byte; it need not be JSON
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

// Encode returns the object for an item, in the newest format. The detail is
// cut to 1,024 bytes, and bytes in texts that are no UTF-8 are replaced.
func Encode(i Item) ([]byte, error) {
	line, err := encodeLine(i)
	if err != nil {
		return nil, err
	}
	return append(slices.Grow(line, len(i.Raw)), i.Raw...), nil
}

// encodeLine is the object for an item up to its raw bytes.
func encodeLine(i Item) ([]byte, error) {
	sum := sha256.Sum256(i.Raw)
	h := header{
		Version: version, Stream: i.Stream, ID: i.ID, Reason: i.Reason, Detail: bounded(i.Detail),
		Length: len(i.Raw), SHA256: hex.EncodeToString(sum[:]),
	}
	if t := i.Stored.UTC(); datable(t) {
		h.Stored = t
	}
	if t := i.Time.UTC(); datable(t) {
		h.Time = t
	}
	line, err := json.Marshal(h, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil, err
	}
	return append(line, '\n'), nil
}

// bounded cuts a detail to its size, between characters.
func bounded(detail string) string {
	detail = strings.ToValidUTF8(detail, "\uFFFD")
	if len(detail) <= maxDetail {
		return detail
	}
	const more = "…"
	end := maxDetail - len(more)
	for !utf8.RuneStart(detail[end]) {
		end--
	}
	return detail[:end] + more
}

// Decode reads an object of any version up to the newest. The raw bytes are
// part of data.
func Decode(data []byte) (Item, error) {
	line, raw, ok := bytes.Cut(data, []byte{'\n'})
	if !ok {
		return Item{}, errors.New("it is cut")
	}
	var v struct {
		Version int `json:"version"`
	}
	switch err := json.Unmarshal(line, &v); {
	case err != nil:
		return Item{}, fmt.Errorf("its first line is no JSON: %w", err)
	case v.Version > version:
		return Item{}, fmt.Errorf("%w (format %d, this one knows %d): upgrade this app to at least that version; the object was left as it is", errNewer, v.Version, version)
	case v.Version < 1:
		return Item{}, errors.New("its first line names no version")
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return Item{}, fmt.Errorf("its first line does not look like one: %w", err)
	}
	if h.Length != len(raw) {
		return Item{}, fmt.Errorf("it holds %d of %d bytes", len(raw), h.Length)
	}
	if sum := sha256.Sum256(raw); h.SHA256 != hex.EncodeToString(sum[:]) {
		return Item{}, errors.New("its bytes do not match their checksum")
	}
	return Item{h.Stream, h.ID, h.Time.UTC(), h.Reason, h.Detail, h.Stored.UTC(), raw}, nil
}
