// Package quarantine keeps the untouched original of each record that could
// not be delivered as it was, with the reason, until somebody has looked at it.
//
// An original is one object:
//
//	{tenant}/quarantine/{stream}/2026-09-24/{hash of the id}-{hash of the bytes}
//
// in the folder of its event's day, or of "undated". So the same original has
// one place, and putting it there again changes nothing, except that a reason
// which means "not delivered" replaces one which means "delivered, but changed".
//
// The object is one line of JSON and then the bytes, exactly as they came:
//
//	{"version":1,"stream":"SailPointIDN_Events","id":"…","time":"…","reason":"rejected",
//	 "detail":"…","stored":"…","length":1234,"sha256":"…"}
//	{"id":"…", …
//
// so that "tail -n +2" gives the original back.
package quarantine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

var _ pipeline.Quarantine = (*Store)(nil)

// Store is the quarantine of one tenant.
type Store struct {
	// Now is the time of "stored"; nil means [time.Now]. Set it before the first use.
	Now func() time.Time

	store  state.Store
	tenant string
}

// New returns the quarantine of a tenant, which is the first element of
// the keys as it stands. It does nothing by itself.
func New(store state.Store, tenant string) *Store { return &Store{store: store, tenant: tenant} }

func (s *Store) prefix() string { return s.tenant + "/quarantine/" }

// key is where the original of rec is kept.
func (s *Store) key(stream string, rec pipeline.Record) string {
	day := "undated"
	if t := rec.Time.UTC(); datable(t) {
		day = t.Format(time.DateOnly)
	}
	return s.prefix() + stream + "/" + day + "/" + short([]byte(rec.ID)) + "-" + short(rec.Raw)
}

// datable is false for the year of the zero time, and for one that JSON can't spell.
func datable(t time.Time) bool { return t.Year() > 1 && t.Year() <= 9999 }

func short(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// Put implements [pipeline.Quarantine]: one write, and one read more if the
// original is there already. detail is kept up to 1,024 bytes.
func (s *Store) Put(ctx context.Context, stream string, rec pipeline.Record, reason pipeline.Reason, detail string) error {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	key := s.key(stream, rec)
	data, err := Encode(Item{Stream: stream, ID: rec.ID, Time: rec.Time, Reason: reason, Detail: detail, Stored: now(), Raw: rec.Raw})
	if err == nil {
		err = s.put(ctx, key, data, reason)
	}
	if err != nil {
		return fmt.Errorf("keep the original of record %.100q in quarantine: %w", rec.ID, err)
	}
	return nil
}

// put stores data unless a sound object with a reason that says as much is there.
func (s *Store) put(ctx context.Context, key string, data []byte, reason pipeline.Reason) error {
	prev := state.Absent
	for {
		_, err := s.store.Put(ctx, key, data, prev)
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
		o, err := s.store.Get(ctx, key)
		if errors.Is(err, state.ErrNotFound) {
			prev = state.Absent // deleted just now
			continue
		}
		if err != nil {
			return err
		}
		there, err := decode(key, o.Data)
		switch {
		case errors.Is(err, errNewer):
			return err
		case err == nil && (there.Reason != pipeline.Conformed || reason == pipeline.Conformed):
			return nil
		}
		prev = o.ETag // weaker, or damaged: this one is better
	}
}

// Entry is an original in a listing.
type Entry struct {
	Key string
	// Day is the day of the event, in UTC; zero if it has no time.
	Day time.Time
	// Size is that of the object: the original and its header.
	Size int64
	// Stored is when the object was last written.
	Stored time.Time
}

// List yields what is in quarantine, of one stream or, if stream is empty, of
// all: by stream, day and record. It reads no object.
func (s *Store) List(ctx context.Context, stream string) iter.Seq2[Entry, error] {
	prefix := s.prefix()
	if stream != "" {
		prefix += stream + "/"
	}
	return func(yield func(Entry, error) bool) {
		for info, err := range s.store.List(ctx, prefix) {
			if err != nil {
				yield(Entry{}, fmt.Errorf("list the quarantine: %w", err))
				return
			}
			parts := strings.Split(strings.TrimPrefix(info.Key, s.prefix()), "/")
			if len(parts) != 3 {
				continue // not the quarantine's
			}
			day, _ := time.Parse(time.DateOnly, parts[1]) // zero for "undated"
			if !yield(Entry{Key: info.Key, Day: day, Size: info.Size, Stored: info.Modified}, nil) {
				return
			}
		}
	}
}

// Count is the number of originals of a stream, or of all if stream is empty,
// and the size of their objects together.
func (s *Store) Count(ctx context.Context, stream string) (n, size int64, err error) {
	for e, err := range s.List(ctx, stream) {
		if err != nil {
			return 0, 0, err
		}
		n++
		size += e.Size
	}
	return n, size, nil
}

// Get reads the original at a key of [Store.List].
func (s *Store) Get(ctx context.Context, key string) (Item, error) {
	if err := s.mine(key); err != nil {
		return Item{}, err
	}
	o, err := s.store.Get(ctx, key)
	if err != nil {
		return Item{}, fmt.Errorf("read from quarantine: %w", err)
	}
	item, err := decode(key, o.Data)
	if err != nil {
		return Item{}, fmt.Errorf("read from quarantine: %w", err)
	}
	return item, nil
}

// decode reads the object at key.
func decode(key string, data []byte) (Item, error) {
	item, err := Decode(data)
	switch {
	case errors.Is(err, errNewer):
		return Item{}, fmt.Errorf("%q: %w", key, err)
	case err == nil && !strings.HasSuffix(key, "-"+short(item.Raw)):
		err = errors.New("it is another original than its name says")
		fallthrough
	case err != nil:
		return Item{}, fmt.Errorf("%q is damaged: %w: restore an earlier copy of it, or look at it as it is, line 2 onwards is the original, and discard it", key, err)
	}
	return item, nil
}

// Delete removes the original at a key of [Store.List]; a missing one is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.mine(key); err != nil {
		return err
	}
	if err := s.store.Delete(ctx, key); err != nil {
		return fmt.Errorf("remove from quarantine: %w", err)
	}
	return nil
}

// mine keeps a key that was typed by a person from naming anything else.
func (s *Store) mine(key string) error {
	if !strings.HasPrefix(key, s.prefix()) {
		return fmt.Errorf("%q is not in the quarantine, where keys begin with %q", key, s.prefix())
	}
	return nil
}
