package state

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrTooLarge means that an object is larger than its kind allows.
var ErrTooLarge = errors.New("object is too large")

// Largest is the maximum size of any object.
const Largest = 64 << 20

// MaxSize is the maximum size of an object with that key, which shows its kind. Adapters
// neither read nor write more: a whole object is held in memory, and one that the connector
// did not write must not use unlimited memory.
func MaxSize(key string) int64 {
	const kib, mib = 1 << 10, 1 << 20
	_, rest, _ := strings.Cut(key, "/")
	kind, _, _ := strings.Cut(rest, "/")
	switch kind {
	case "locks", "readback", "runs":
		return 64 * kib
	case "check":
		return 4 * mib // a megabyte
	case "checkpoints":
		return 4 * mib // a few kilobytes, and 100 bytes for each window whose counts differ
	case "ledger":
		return 32 * mib // two million ids in a window
	case "quarantine", "spool", "inbox":
		return 48 * mib // a source's largest page as one record, or the largest batch
	}
	return Largest
}

// CheckSize returns an [ErrTooLarge] if size is more than an object with that key can have.
func CheckSize(key string, size int64) error {
	if most := MaxSize(key); size > most {
		return fmt.Errorf("%w: %q has %d bytes, more than the %d that the connector writes for this kind of object", ErrTooLarge, key, size, most)
	}
	return nil
}

// ReadAll reads an object with that key. size is the announced size, or -1 if there is none.
// If the object is larger than size, or than its kind allows, the error is an [ErrTooLarge];
// if it is smaller than size, an [io.ErrUnexpectedEOF]. Memory grows with the bytes received,
// not with the announced size.
func ReadAll(key string, from io.Reader, size int64) ([]byte, error) {
	if err := CheckSize(key, size); err != nil {
		return nil, err
	}
	most := MaxSize(key)
	if size >= 0 {
		most = size
	}
	const first = 1 << 20
	room := int64(512)
	if size >= 0 {
		room = min(size, first)
	}
	data := make([]byte, 0, room+1) // one more byte, so that the end is seen without growing
	for {
		n, err := from.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > most && size >= 0:
			return nil, fmt.Errorf("%w: %q has more than the %d bytes that were announced", ErrTooLarge, key, size)
		case int64(len(data)) > most:
			return nil, CheckSize(key, int64(len(data)))
		case errors.Is(err, io.EOF) && int64(len(data)) < size:
			return nil, fmt.Errorf("got %d of %d bytes: %w", len(data), size, io.ErrUnexpectedEOF)
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, err
		case len(data) == cap(data):
			grown := make([]byte, len(data), min(2*int64(cap(data)), most+1))
			copy(grown, data)
			data = grown
		}
	}
}
