// Package hooknote keeps what a push last asked a person to change, for the status:
// {tenant}/hooks/noted/{stream}.json. It shows no value of the push.
package hooknote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// version is the latest format that this program knows.
const version = 1

// Note is a problem of a push. The zero value is none.
type Note struct {
	At   time.Time
	Text string
}

// Store is the place of one stream's note.
type Store struct {
	store state.Store
	key   string
}

// New returns the place of a tenant's stream. It does not access the store.
func New(store state.Store, tenant, stream string) *Store {
	return &Store{store, tenant + "/hooks/noted/" + stream + ".json"}
}

// Write replaces the note, unless a newer version wrote it.
func (s *Store) Write(ctx context.Context, n Note) error {
	_, etag, err := s.load(ctx)
	if err != nil {
		return err
	}
	data, err := Encode(n)
	if err == nil {
		_, err = s.store.Put(ctx, s.key, data, etag)
	}
	if err != nil {
		return fmt.Errorf("note the problem of a push: %w", err)
	}
	return nil
}

// Read returns the note. One that can't be decoded is none.
func (s *Store) Read(ctx context.Context) (Note, error) {
	n, _, err := s.load(ctx)
	if errors.Is(err, format.ErrNewer) {
		return Note{}, nil
	}
	return n, err
}

// load returns the note and what Put may replace: a damaged one, too. Its error is [format.ErrNewer], or
// one of the store.
func (s *Store) load(ctx context.Context) (Note, state.ETag, error) {
	o, err := s.store.Get(ctx, s.key)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return Note{}, state.Absent, nil
	case errors.Is(err, state.ErrTooLarge):
		return Note{}, state.Any, nil
	case err != nil:
		return Note{}, "", fmt.Errorf("read the problem of a push: %w", err)
	}
	n, err := Decode(o.Data)
	if errors.Is(err, format.ErrNewer) {
		return Note{}, "", fmt.Errorf("%q: %w", s.key, err)
	}
	return n, o.ETag, nil // the zero Note if it is damaged
}

type object struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	Text    string    `json:"text"`
}

// Encode returns the object of a note.
func Encode(n Note) ([]byte, error) { return format.Line(object{version, n.At.UTC(), n.Text}) }

// Decode reads an object of any version up to the latest.
func Decode(data []byte) (Note, error) {
	var o object
	if err := format.JSON(data, version, &o); err != nil {
		return Note{}, err
	}
	if !format.Dated(o.At) || o.Text == "" {
		return Note{}, errors.New("it holds no note")
	}
	return Note{o.At.UTC(), o.Text}, nil
}
