package readback

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// markVersion is the newest format of a mark that this program knows.
const markVersion = 1

// ErrNewer says that a mark was written by a newer version of the connector.
var ErrNewer = errors.New("written by a newer version of the connector")

// Mark is how far a stream was read back by itself. It is kept at
// {tenant}/readback/{stream}.json, a line of JSON:
//
//	{"version":1,"through":"2026-09-23T13:05:00Z"}
type Mark struct {
	// Through: what happened before it has been compared with the workspace.
	Through time.Time
}

type markObject struct {
	Version int       `json:"version"`
	Through time.Time `json:"through"`
}

// EncodeMark returns the object for a mark, in the newest format.
func EncodeMark(m Mark) ([]byte, error) {
	b, err := json.Marshal(markObject{markVersion, m.Through.UTC()})
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// DecodeMark reads an object of any version up to the newest.
func DecodeMark(data []byte) (Mark, error) {
	var v struct {
		Version int `json:"version"`
	}
	switch err := json.Unmarshal(data, &v); {
	case err != nil:
		return Mark{}, fmt.Errorf("it is cut or no JSON: %w", err)
	case v.Version > markVersion:
		return Mark{}, fmt.Errorf("%w (format %d, this one knows %d)", ErrNewer, v.Version, markVersion)
	case v.Version < 1:
		return Mark{}, errors.New("it names no version")
	}
	var o markObject
	if err := json.Unmarshal(data, &o); err != nil {
		return Mark{}, fmt.Errorf("it does not look like one: %w", err)
	}
	// A year that JSON can't spell in UTC could not be written again.
	if t := o.Through.UTC(); o.Through.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return Mark{}, errors.New("it names no moment")
	}
	return Mark{o.Through.UTC()}, nil
}
