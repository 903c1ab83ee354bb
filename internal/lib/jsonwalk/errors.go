package jsonwalk

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
)

// NotAnArray says that the page is not an array.
type NotAnArray struct {
	// Got says what came instead, for instance "an object".
	Got string
	// Excerpt is the beginning of the page; see [Excerpt].
	Excerpt string
}

func (e *NotAnArray) Error() string {
	if e.Excerpt == "" {
		return "expected a JSON array, got " + e.Got
	}
	return fmt.Sprintf("expected a JSON array, got %s: %s", e.Got, e.Excerpt)
}

// ErrTooMany is for a visit that ends a walk over a page with more elements than its service serves: a
// few megabytes of them would fill the memory.
var ErrTooMany = errors.New("it has far more elements than a page")

// NotAnObject says that an element of the array is not an object.
type NotAnObject struct {
	Index int    // counts from 0
	Got   string // for instance "a number"
}

func (e *NotAnObject) Error() string {
	return fmt.Sprintf("element %d of the array is %s, not an object", e.Index, e.Got)
}

// describe names a kind in an error text. It needs page to distinguish an empty page from one that
// is not JSON.
func describe(kind jsontext.Kind, page []byte) string {
	switch kind {
	case jsontext.KindBeginObject:
		return "an object"
	case jsontext.KindBeginArray:
		return "an array"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindNumber:
		return "a number"
	case jsontext.KindTrue, jsontext.KindFalse:
		return "a boolean"
	case jsontext.KindNull:
		return "null"
	default:
		if len(bytes.TrimSpace(page)) == 0 {
			return "nothing"
		}
		return "something other than JSON"
	}
}

// excerptLen is the length of an excerpt in bytes: enough to recognise a gateway's error page or
// message, too short to leak a record into a log.
const excerptLen = 159

// Excerpt is the beginning of what a service sent, on one line for an error text; see [text.Line].
func Excerpt(b []byte) string { return text.Line(string(b[:min(len(b), 1<<14)]), excerptLen) }
