// Package owed keeps the answers that are still to be posted after a request was answered, so that they
// outlive the process: {tenant}/hooks/owed/{stream}/{time of the request}-{random}.
//
// What an object holds is sealed by who owes it, because a secret belongs to it. An object is removed
// once its answers were accepted, or are too old to matter.
package owed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// version is the latest format that this program knows.
const version = 1

// Answers are those to one request.
type Answers struct {
	// At is when the request arrived.
	At time.Time
	// Sealed says what to post where. It shows no secret.
	Sealed []byte
}

// Item is an object in a listing.
type Item struct {
	Name string
	// Stored is when it was stored, by the clock of the store.
	Stored time.Time
}

// Store is where the answers of one stream are kept.
type Store struct {
	store  state.Store
	prefix string
}

// Prefix is the beginning of the keys of a stream, below the tenant's.
func Prefix(stream string) string { return "/hooks/owed/" + stream + "/" }

// New returns the place of a tenant's stream. It does not access the store.
func New(store state.Store, tenant, stream string) *Store {
	return &Store{store, tenant + Prefix(stream)}
}

// Put stores answers and returns the name of their object.
func (s *Store) Put(ctx context.Context, a Answers) (name string, err error) {
	name = fmt.Sprintf("%019d-%s", a.At.UnixNano(), strings.ToLower(rand.Text()))
	data, err := Encode(a)
	if err == nil {
		_, err = s.store.Put(ctx, s.prefix+name, data, state.Absent)
	}
	if err != nil {
		return "", fmt.Errorf("store an answer that is owed: %w", err)
	}
	return name, nil
}

// List returns up to most objects, oldest request first.
func (s *Store) List(ctx context.Context, most int) (list []Item, err error) {
	for info, err := range s.store.List(ctx, s.prefix) {
		if err != nil {
			return nil, fmt.Errorf("list the answers that are owed: %w", err)
		}
		if len(list) == most {
			break
		}
		list = append(list, Item{info.Key[len(s.prefix):], info.Modified})
	}
	return list, nil
}

// Get reads answers. ok is false if they are not there any more.
func (s *Store) Get(ctx context.Context, name string) (a Answers, ok bool, err error) {
	o, err := s.store.Get(ctx, s.prefix+name)
	if errors.Is(err, state.ErrNotFound) {
		return a, false, nil
	}
	if err == nil {
		a, err = Decode(o.Data)
	}
	if err != nil {
		return a, true, fmt.Errorf("read an answer that is owed, %q: %w", s.prefix+name, err)
	}
	return a, true, nil
}

// Delete removes answers. Missing ones are not an error.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := s.store.Delete(ctx, s.prefix+name); err != nil {
		return fmt.Errorf("remove an answer that was posted: %w", err)
	}
	return nil
}

type object struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	Sealed  []byte    `json:"sealed"`
}

// Encode returns the object of answers.
func Encode(a Answers) ([]byte, error) { return format.Line(object{version, a.At.UTC(), a.Sealed}) }

// Decode reads an object of any version up to the latest.
func Decode(data []byte) (Answers, error) {
	var o object
	if err := format.JSON(data, version, &o); err != nil {
		return Answers{}, err
	}
	if !format.Dated(o.At) || len(o.Sealed) == 0 {
		return Answers{}, errors.New("it holds no answer")
	}
	return Answers{o.At.UTC(), o.Sealed}, nil
}
