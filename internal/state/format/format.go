// Package format holds what the formats of stored objects have in common.
//
// Every object names the version of its format. A program reads every version up to the
// latest that it knows, and refuses a newer one with [ErrNewer], so that it never
// overwrites what it does not understand.
package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ErrNewer means that an object was written by a newer version of the connector.
var ErrNewer = errors.New("written by a newer version of the connector")

// Newer is the error for an object with an unknown, newer version. It wraps [ErrNewer].
func Newer(version, known int) error {
	return fmt.Errorf("%w (format %d, this one knows %d): upgrade this app to at least that version; the object was left as it is", ErrNewer, version, known)
}

// JSON reads a JSON object with a member "version", of any version up to known.
func JSON(text []byte, known int, into any) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return errors.New("it is empty")
	}
	var v struct {
		Version int `json:"version"`
	}
	switch err := json.Unmarshal(text, &v); {
	case err != nil:
		return fmt.Errorf("it is truncated or not valid JSON: %w", err)
	case v.Version > known:
		return Newer(v.Version, known)
	case v.Version < 1:
		return errors.New("it names no version")
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("it does not have the form of version %d: %w", v.Version, err)
	}
	return nil
}

// Header reads the JSON in the first line of an object, and returns what follows the line.
func Header(object []byte, known int, into any) (body []byte, err error) {
	line, body, ok := bytes.Cut(object, []byte{'\n'})
	if !ok {
		return nil, errors.New("it is truncated")
	}
	err = JSON(line, known, into)
	if err != nil && !errors.Is(err, ErrNewer) {
		err = fmt.Errorf("its first line: %w", err)
	}
	return body, err
}

// Line returns the JSON of v and the end of the line. Text that is not valid UTF-8 is made so.
func Line(v any) ([]byte, error) {
	b, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// Sum is the checksum of body in the form that headers use.
func Sum(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Writable reports whether JSON can hold the time in UTC. Another time might be read in a
// different zone but could never be saved again.
func Writable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}

// Dated reports whether the time of an event is valid. The zero time and other times in its
// year are not.
func Dated(t time.Time) bool { return Writable(t) && t.UTC().Year() > 1 }

// Normalize brings times into their normal form. It fails if one can't be written in UTC.
func Normalize(times []*time.Time) error {
	for _, t := range times {
		if !Writable(*t) {
			return errors.New("it names a time that can't be written in UTC")
		}
		*t = UTC(*t)
	}
	return nil
}

// UTC returns a time in its normal form: in UTC, and the zero time if it is zero.
func UTC(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
