// Package spool keeps batches in the state store while the sink is down, for a
// stream whose source forgets its records within a day or two.
//
// The objects are {tenant}/spool/{stream}/{number}, where the number has 19
// digits and is the time of storing in nanoseconds since 1970, or one more than
// the latest number, so that the keys are in the order of the batches. Each
// object holds one batch in the format of package records.
package spool

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format/records"
)

// Store is the spool of one tenant.
type Store struct {
	store  state.Store
	tenant string
}

var _ pipeline.Spool = (*Store)(nil)

// New returns the spool of a tenant, which is the first element of the keys. It
// does not access the store.
func New(store state.Store, tenant string) *Store { return &Store{store, tenant} }

func (s *Store) prefix(stream string) string { return s.tenant + "/spool/" + stream + "/" }

// Put implements [pipeline.Spool].
func (s *Store) Put(ctx context.Context, stream string, batch []pipeline.Record) error {
	next := time.Now().UnixNano()
	for info, err := range s.store.List(ctx, s.prefix(stream)) {
		if err != nil {
			return fmt.Errorf("spool %s: %w", stream, err)
		}
		if n, err := strconv.ParseInt(path.Base(info.Key), 10, 64); err == nil && n >= next {
			next = n + 1
		}
	}
	key := fmt.Sprintf("%s%019d", s.prefix(stream), next)
	if _, err := s.store.Put(ctx, key, Encode(stream, batch), state.Absent); err != nil {
		return fmt.Errorf("spool %s: %w", stream, err)
	}
	return nil
}

// Drain implements [pipeline.Spool]. It stops at an object that can't be read: the
// error names the key, and later objects are neither delivered out of order nor lost.
//
// Before it writes the first batch, it rewrites that batch's object unchanged: one that
// can't be changed could not be removed either, and every run would deliver it again.
func (s *Store) Drain(ctx context.Context, stream string, write func(context.Context, []pipeline.Record) error) error {
	proven := false
	for info, err := range s.store.List(ctx, s.prefix(stream)) {
		if err != nil {
			return fmt.Errorf("drain spool of %s: %w", stream, err)
		}
		obj, err := s.store.Get(ctx, info.Key)
		if errors.Is(err, state.ErrNotFound) {
			continue // another process delivered it
		}
		if errors.Is(err, state.ErrTooLarge) {
			return fmt.Errorf("spool object %q: %w", info.Key, damaged(err.Error()))
		}
		if err != nil {
			return fmt.Errorf("drain spool of %s: %w", stream, err)
		}
		batch, err := Decode(stream, obj.Data)
		if err != nil {
			return fmt.Errorf("spool object %q: %w", info.Key, err)
		}
		if len(batch) > 0 {
			if !proven {
				if obj.ETag, err = s.store.Put(ctx, info.Key, obj.Data, obj.ETag); err != nil {
					return fmt.Errorf("drain spool of %s: a batch could not be removed, so it was not delivered: %w", stream, err)
				}
				proven = true
			}
			if err := write(ctx, batch); err != nil {
				return err
			}
		}
		if err := s.remove(ctx, stream, info.Key, obj.ETag); err != nil {
			return fmt.Errorf("drain spool of %s: delivered, but it could not be removed and will come again: %w", stream, err)
		}
	}
	return nil
}

// remove removes an object whose batch was delivered. It ignores the end of ctx, because
// an object that stays is delivered again. If removing is not allowed, it replaces the
// object with an empty batch, so that not every run delivers it again.
func (s *Store) remove(ctx context.Context, stream, key string, etag state.ETag) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	err := s.store.Delete(ctx, key)
	if err != nil {
		if _, emptied := s.store.Put(ctx, key, Encode(stream, nil), etag); emptied == nil {
			return nil // the next run tries again to remove it
		}
	}
	return err
}

// Encode writes a batch.
func Encode(stream string, batch []pipeline.Record) []byte { return records.Encode(stream, batch) }

// Decode reads a batch. It fails if the object is damaged, belongs to another stream, or is newer.
func Decode(stream string, data []byte) ([]pipeline.Record, error) {
	batch, err := records.Decode(stream, data)
	var bad *records.DamagedError
	if errors.As(err, &bad) {
		return nil, damaged(bad.Why)
	}
	return batch, err
}

func damaged(why string) error {
	return fmt.Errorf("is damaged (%s): restore an earlier copy of it, or take what you need from it, which is text, and delete it: "+
		"its records then never arrive, since they count as delivered", why)
}
