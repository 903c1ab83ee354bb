package identityiq

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
)

// eventTime is the member that every row gets in front of its own.
const eventTime = "eventTime"

// milli is how eventTime and cursors spell a time.
const milli = "2006-01-02T15:04:05.000Z"

func formatMilli(t time.Time) string { return t.UTC().Format(milli) }

// appendRow appends the row for a document: its members byte for byte, with the time in front of
// them. Of an event, objects and arrays become JSON text: how many members they have depends on who
// wrote the event, and each would become a column.
func appendRow(dst []byte, raw jsontext.Value, at time.Time, flat bool) []byte {
	dst = append(dst, '{')
	if !at.IsZero() {
		dst = append(dst, `"`+eventTime+`":"`...)
		dst = append(at.UTC().AppendFormat(dst, milli), `",`...)
	}
	inside := bytes.TrimLeft(raw[1:], " \t\r\n")
	if inside[0] == '}' {
		return append(bytes.TrimSuffix(dst, []byte(",")), '}')
	}
	if !flat || bytes.IndexByte(inside, '{') < 0 && bytes.IndexByte(inside, '[') < 0 {
		return append(dst, raw[1:]...)
	}
	return appendFlat(dst, raw)
}

// appendFlat appends the members of an object and its end.
func appendFlat(dst []byte, raw jsontext.Value) []byte {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	whole := len(dst)
	_, err := d.ReadToken()
	for n := 0; err == nil && d.PeekKind() != jsontext.KindEndObject; n++ {
		var name, value jsontext.Value
		if n > 0 {
			dst = append(dst, ',')
		}
		if name, err = d.ReadValue(); err != nil {
			break
		}
		dst = append(append(dst, name...), ':')
		if value, err = d.ReadValue(); err != nil {
			break
		}
		if kind := value.Kind(); kind == jsontext.KindBeginObject || kind == jsontext.KindBeginArray {
			dst = appendText(dst, value)
		} else {
			dst = append(dst, value...)
		}
	}
	if err != nil { // not after a walk that found it valid
		return append(dst[:whole], raw[1:]...)
	}
	return append(dst, '}')
}

// appendText appends JSON as a JSON string. Only what the rules of JSON strings demand is escaped, so
// that the text is the service's, byte for byte.
func appendText(dst []byte, value jsontext.Value) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range value {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// timeOf reads the time of a picked member: milliseconds since 1970, as a number or a text, or a
// time in ISO 8601.
func timeOf(p jsonwalk.Pick) (time.Time, bool) {
	if p.Kind != jsonwalk.Number && p.Kind != jsonwalk.String || len(p.Text) > 64 {
		return time.Time{}, false
	}
	if ms, err := strconv.ParseFloat(string(p.Text), 64); err == nil {
		if !(ms > 0) || ms > 253_402_300_799_999 || ms != math.Trunc(ms) { // the year 9999
			return time.Time{}, false
		}
		return time.UnixMilli(int64(ms)).UTC(), true
	}
	return parseTime(p.Text)
}

// parseTime reads a time as Java writes it: RFC 3339 with any fraction, an offset with or without a
// colon, or no zone (then UTC).
func parseTime(text []byte) (time.Time, bool) {
	var t time.Time
	if t.UnmarshalText(text) == nil {
		return t.UTC(), true
	}
	for _, layout := range []string{"2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
