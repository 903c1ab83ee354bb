// Package queuenote keeps what the function app last found when it looked at the queue of FAN_OUT with
// its own identity, for the status and the check, which have another one: fan-out/queue.json, one
// object for the whole app.
package queuenote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

const (
	// Key is where the note is. No connection's state is there, because those have a folder below
	// their tenant.
	Key = "fan-out/queue.json"
	// version is the latest format that this program knows.
	version = 1
	// maxText is the size of a problem.
	maxText = 1000
)

// Note is what the app found. The zero value means that it has not looked yet.
type Note struct {
	At time.Time
	// Problem says why the app can't use the queue, or what else is wrong with it; "" if nothing is.
	Problem string
}

// Write replaces the note, unless a newer version wrote it.
func Write(ctx context.Context, store state.Store, n Note) error {
	_, etag, err := load(ctx, store)
	if err != nil {
		return err
	}
	n.Problem = text.Line(n.Problem, maxText)
	data, err := Encode(n)
	if err == nil {
		_, err = store.Put(ctx, Key, data, etag)
	}
	if err != nil {
		return fmt.Errorf("note what the queue is like: %w", err)
	}
	return nil
}

// Read returns the note. One that can't be decoded is none.
func Read(ctx context.Context, store state.Store) (Note, error) {
	n, _, err := load(ctx, store)
	if errors.Is(err, format.ErrNewer) {
		return Note{}, nil
	}
	return n, err
}

// load returns the note and what Put may replace: a damaged one, too.
func load(ctx context.Context, store state.Store) (Note, state.ETag, error) {
	o, err := store.Get(ctx, Key)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return Note{}, state.Absent, nil
	case errors.Is(err, state.ErrTooLarge):
		return Note{}, state.Any, nil
	case err != nil:
		return Note{}, "", fmt.Errorf("read what the queue is like: %w", err)
	}
	n, err := Decode(o.Data)
	if errors.Is(err, format.ErrNewer) {
		return Note{}, "", fmt.Errorf("%q: %w", Key, err)
	}
	return n, o.ETag, nil // the zero Note if it is damaged
}

type object struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	Problem string    `json:"problem,omitzero"`
}

// Encode returns the object of a note.
func Encode(n Note) ([]byte, error) { return format.Line(object{version, n.At.UTC(), n.Problem}) }

// Decode reads an object of any version up to the latest.
func Decode(data []byte) (Note, error) {
	var o object
	if err := format.JSON(data, version, &o); err != nil {
		return Note{}, err
	}
	if !format.Dated(o.At) {
		return Note{}, errors.New("it names no moment")
	}
	return Note{o.At.UTC(), o.Problem}, nil
}
