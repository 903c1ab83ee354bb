// Package hooklook is how a person sees from elsewhere what a hook received: the person leaves a
// request at {tenant}/hooks/look.json, which says until when it holds, and the processes that
// receive write the outline of what arrives to {tenant}/hooks/looked/…, one object each.
//
// An outline holds names, lengths and kinds, never a value. Without a request nothing is written.
package hooklook

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

// version is the latest format that this program knows.
const version = 1

// Outline is what a request looked like. Scripts rely on the JSON names.
type Outline struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	Method  string    `json:"method"`
	Path    string    `json:"path"`
	Status  int       `json:"status"`
	// Headers are the names in alphabetical order.
	Headers []string `json:"headers"`
	// Scheme is the first word of Authorization, if it is a usual one.
	Scheme string `json:"scheme,omitzero"`
	// MediaType is the one in Content-Type, if it is usual.
	MediaType string `json:"mediaType,omitzero"`
	// Length is Content-Length; −1 if there was none.
	Length int64 `json:"length"`
	// Read is how much of the body was read before the answer.
	Read int64 `json:"read"`
	// Shape is what the part that was read looks like.
	Shape string `json:"shape"`
}

type request struct {
	Version int       `json:"version"`
	Until   time.Time `json:"until"`
}

// Store is the place of one connection.
type Store struct {
	store  state.Store
	prefix string
}

// New returns the place of a tenant.
func New(store state.Store, tenant string) *Store { return &Store{store, tenant + "/hooks/"} }

// Ask leaves a request that holds until a moment.
func (s *Store) Ask(ctx context.Context, until time.Time) error {
	data, err := json.Marshal(request{version, until.UTC()})
	if err == nil {
		_, err = s.store.Put(ctx, s.prefix+"look.json", data, state.Any)
	}
	if err != nil {
		return fmt.Errorf("ask the hook for what it receives: %w", err)
	}
	return nil
}

// Asked returns until when someone looks; the zero time if no one does.
func (s *Store) Asked(ctx context.Context) (time.Time, error) {
	o, err := s.store.Get(ctx, s.prefix+"look.json")
	if errors.Is(err, state.ErrNotFound) {
		return time.Time{}, nil
	}
	var r request
	if err == nil {
		err = format.JSON(o.Data, version, &r)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read whether someone inspects the hook: %w", err)
	}
	return r.Until, nil
}

// Note writes an outline.
func (s *Store) Note(ctx context.Context, o Outline) error {
	o.Version = version
	data, err := json.Marshal(o)
	if err == nil {
		_, err = s.store.Put(ctx, fmt.Sprintf("%slooked/%019d-%s", s.prefix, o.At.UnixNano(), strings.ToLower(rand.Text())), data, state.Absent)
	}
	if err != nil {
		return fmt.Errorf("write what the hook received: %w", err)
	}
	return nil
}

// Take returns the outlines that were written, oldest first, and removes them.
func (s *Store) Take(ctx context.Context) (list []Outline, err error) {
	for info, err := range s.store.List(ctx, s.prefix+"looked/") {
		if err != nil {
			return list, fmt.Errorf("list what the hook received: %w", err)
		}
		o, err := s.store.Get(ctx, info.Key)
		if err != nil {
			return list, fmt.Errorf("read what the hook received: %w", err)
		}
		var one Outline
		if err := format.JSON(o.Data, version, &one); err != nil {
			return list, fmt.Errorf("read what the hook received: %s: %w", info.Key, err)
		}
		if err := s.store.Delete(ctx, info.Key); err != nil {
			return list, fmt.Errorf("remove what was read: %w", err)
		}
		list = append(list, one)
	}
	return list, nil
}

// End takes the request back and removes what was written.
func (s *Store) End(ctx context.Context) error {
	err := s.store.Delete(ctx, s.prefix+"look.json")
	if _, taken := s.Take(ctx); err == nil {
		err = taken
	}
	return err
}
