// Package mark is the format of the object that says how far the arrivals of a stream in
// the workspace were checked: {tenant}/readback/{stream}.json, a line of JSON:
//
//	{"version":1,"through":"2026-09-23T13:05:00Z"}
package mark

import (
	"errors"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// version is the latest format that this program knows.
const version = 1

// Mark is how far a stream was checked.
type Mark struct {
	// Through is the event time before which everything has been compared with the workspace.
	Through time.Time
}

type object struct {
	Version int       `json:"version"`
	Through time.Time `json:"through"`
}

// Encode returns the object for a mark, in the latest format.
func Encode(m Mark) ([]byte, error) { return format.Line(object{version, m.Through.UTC()}) }

// Decode reads an object of any version up to the latest.
func Decode(data []byte) (Mark, error) {
	var o object
	if err := format.JSON(data, version, &o); err != nil {
		return Mark{}, err
	}
	if !format.Dated(o.Through) {
		return Mark{}, errors.New("it names no valid time")
	}
	return Mark{o.Through.UTC()}, nil
}
