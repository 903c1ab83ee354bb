// Package quarantine keeps the untouched original of each record that could
// not be delivered as it was, with the reason, until somebody has looked at it
// or it is very old.
//
// An original is one object, in the folder of its event's day, or of "undated":
//
//	{tenant}/quarantine/{stream}/undelivered/2026-09-24/{hash of the id}-{hash of the bytes}
//	{tenant}/quarantine/{stream}/conformed/2026-09-24/{hash of the id}-{hash of the bytes}
//
// The key tells what is at stake: an undelivered record is missing downstream,
// and there are few of them, so that a small listing counts what waits. Of a
// conformed one a row was delivered, only not byte for byte. The same original
// has one place in each, and putting it there again changes nothing, except that
// a record which turns out to be undelivered leaves the conformed ones.
//
// The object is one line of JSON and then the bytes, exactly as they came:
//
//	{"version":1,"stream":"SailPointIDN_Events","id":"…","time":"…","reason":"rejected",
//	 "detail":"…","stored":"…","length":1234,"sha256":"…"}
//	{"id":"…", …
//
// so that "tail -n +2" gives the original back.
//
// [Store.Expire] lets go of what is older than [Store.Keep]; of an undelivered
// record only after it has warned.
package quarantine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

var (
	_ pipeline.Quarantine = (*Store)(nil)
	_ pipeline.Expirer    = (*Store)(nil)
)

// Kind is what became of the record of an original. It is a part of the key.
type Kind string

// The kinds.
const (
	// Undelivered: nothing of the record is downstream.
	Undelivered Kind = "undelivered"
	// Conformed: a row was delivered, but changed.
	Conformed Kind = "conformed"
)

// KindOf returns the kind of the records with a reason.
func KindOf(reason pipeline.Reason) Kind {
	if reason == pipeline.Conformed {
		return Conformed
	}
	return Undelivered
}

const undated = "undated"

var (
	// ErrGone says that there is no such original.
	ErrGone = errors.New("no such original in quarantine")
	// ErrUnreadable says that an original is damaged, or of a newer version.
	ErrUnreadable = errors.New("original can't be read")
)

// Store is the quarantine of one tenant.
type Store struct {
	// Now is the time of "stored"; nil means [time.Now]. Set it before the first use.
	Now func() time.Time
	// Keep is how long originals are kept; 0 means for ever.
	Keep time.Duration

	store  state.Store
	tenant string
}

// New returns the quarantine of a tenant, which is the first element of
// the keys as it stands. It does nothing by itself.
func New(store state.Store, tenant string) *Store { return &Store{store: store, tenant: tenant} }

func (s *Store) prefix() string { return s.tenant + "/quarantine/" }

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// folder is where the originals of a kind are. Its key ends with a slash.
func (s *Store) folder(stream string, kind Kind) string {
	return s.prefix() + stream + "/" + string(kind) + "/"
}

// name is the last part of a key behind the folder: day and record.
func name(rec pipeline.Record) string {
	day := undated
	if t := rec.Time.UTC(); format.Dated(t) {
		day = t.Format(time.DateOnly)
	}
	return day + "/" + short([]byte(rec.ID)) + "-" + short(rec.Raw)
}

func short(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// Put implements [pipeline.Quarantine]: one write, and one read more if the
// original is there already; for an undelivered record one removal more. detail
// is kept up to 1,024 bytes.
func (s *Store) Put(ctx context.Context, stream string, rec pipeline.Record, reason pipeline.Reason, detail string) error {
	kind := KindOf(reason)
	line, err := encodeLine(Item{Stream: stream, ID: rec.ID, Time: rec.Time, Reason: reason, Detail: detail, Stored: s.now(), Raw: rec.Raw})
	if err == nil && kind == Undelivered {
		// It may have been changed to fit before it was refused. That original goes first: should
		// anything fail, the record is fetched again and may be delivered, and then it must not
		// lie among the undelivered.
		err = s.store.Delete(ctx, s.folder(stream, Conformed)+name(rec))
	}
	if err == nil {
		err = s.put(ctx, s.folder(stream, kind)+name(rec), [][]byte{line, rec.Raw})
	}
	if err != nil {
		return fmt.Errorf("keep the original of record %.100q in quarantine: %w", rec.ID, err)
	}
	return nil
}

// put stores parts as one object unless a sound object is there.
func (s *Store) put(ctx context.Context, key string, parts [][]byte) error {
	prev := state.Absent
	for {
		_, err := state.PutParts(ctx, s.store, key, parts, prev)
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
		o, err := s.store.Get(ctx, key)
		if errors.Is(err, state.ErrNotFound) {
			prev = state.Absent // deleted just now
			continue
		}
		if errors.Is(err, state.ErrTooLarge) {
			prev = state.Any // as good as damaged
			continue
		}
		if err != nil {
			return err
		}
		_, err = decode(key, o.Data)
		if err == nil || errors.Is(err, format.ErrNewer) {
			return err
		}
		prev = o.ETag // damaged: this one is better
	}
}

// Entry is an original in a listing.
type Entry struct {
	Key    string
	Stream string
	Kind   Kind
	// Day is the day of the event, in UTC; zero if it has no time.
	Day time.Time
	// Size is that of the object: the original and its header.
	Size int64
	// Stored is when the object was last written.
	Stored time.Time
}

// OfRecord reports whether it is an original of the record with that id. It goes
// by the key.
func (e Entry) OfRecord(id string) bool {
	last := path.Base(e.Key)
	return strings.HasPrefix(last, short([]byte(id))+"-")
}

// List yields what is in quarantine, of one stream and kind or, where they are
// empty, of all: by stream, kind, day and record. It reads no object.
func (s *Store) List(ctx context.Context, stream string, kind Kind) iter.Seq2[Entry, error] {
	prefix := s.prefix()
	switch {
	case stream != "" && kind != "":
		prefix = s.folder(stream, kind)
	case stream != "":
		prefix += stream + "/"
	}
	return func(yield func(Entry, error) bool) {
		for e, err := range s.list(ctx, prefix) {
			if err == nil && kind != "" && e.Kind != kind {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (s *Store) list(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for info, err := range s.store.List(ctx, prefix) {
			if err != nil {
				yield(Entry{}, fmt.Errorf("list the quarantine: %w", err))
				return
			}
			parts := strings.Split(strings.TrimPrefix(info.Key, s.prefix()), "/")
			if len(parts) != 4 || Kind(parts[1]) != Undelivered && Kind(parts[1]) != Conformed {
				continue // not the quarantine's
			}
			day, _ := time.Parse(time.DateOnly, parts[2]) // zero for "undated"
			e := Entry{Key: info.Key, Stream: parts[0], Kind: Kind(parts[1]), Day: day, Size: info.Size, Stored: info.Modified}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Count is the number of originals of a stream and kind, and the size of their
// objects together. Empty means all of them.
func (s *Store) Count(ctx context.Context, stream string, kind Kind) (n, size int64, err error) {
	for e, err := range s.List(ctx, stream, kind) {
		if err != nil {
			return 0, 0, err
		}
		n++
		size += e.Size
	}
	return n, size, nil
}

// Holds lists the originals of a stream and kind once, and returns whether there is one of the
// record with an id. It goes by the keys.
func (s *Store) Holds(ctx context.Context, stream string, kind Kind) (holds func(id string) bool, err error) {
	ids := map[string]struct{}{}
	for e, err := range s.List(ctx, stream, kind) {
		if err != nil {
			return nil, err
		}
		last := path.Base(e.Key)
		id, _, _ := strings.Cut(last, "-")
		ids[id] = struct{}{}
	}
	return func(id string) bool {
		_, ok := ids[short([]byte(id))]
		return ok
	}, nil
}

// Get reads the original at a key of [Store.List]. Its errors are [ErrGone],
// [ErrUnreadable] or those of the store.
func (s *Store) Get(ctx context.Context, key string) (Item, error) {
	if err := s.mine(key); err != nil {
		return Item{}, err
	}
	o, err := s.store.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		return Item{}, fmt.Errorf("%w: %w", ErrGone, err)
	}
	if errors.Is(err, state.ErrTooLarge) {
		return Item{}, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if err != nil {
		return Item{}, fmt.Errorf("read from quarantine: %w", err)
	}
	item, err := decode(key, o.Data)
	if err != nil {
		return Item{}, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return item, nil
}

// decode reads the object at key.
func decode(key string, data []byte) (Item, error) {
	item, err := Decode(data)
	switch {
	case errors.Is(err, format.ErrNewer):
		return Item{}, fmt.Errorf("%q: %w", key, err)
	case err == nil && !strings.HasSuffix(key, "-"+short(item.Raw)):
		err = errors.New("it is a different original from what its name says")
		fallthrough
	case err != nil:
		return Item{}, fmt.Errorf("%q is damaged: %w: restore an earlier copy of it, or inspect it directly (the original begins in line 2), and discard it (idnsentinel quarantine discard)", key, err)
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

// ProveDelete fails if [Store.Delete] of the original at a key can be foreseen to fail. The
// original is rewritten as it is, which a lease or a hold forbids, and another object is
// stored and removed.
func (s *Store) ProveDelete(ctx context.Context, key string) error {
	if err := s.mine(key); err != nil {
		return err
	}
	o, err := s.store.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		return nil // gone already
	}
	if err != nil {
		return err
	}
	if _, err := s.store.Put(ctx, key, o.Data, o.ETag); err != nil {
		return err
	}
	probe := s.prefix() + "probe"
	if _, err := s.store.Put(ctx, probe, nil, state.Any); err != nil {
		return err
	}
	return s.store.Delete(ctx, probe)
}

// mine keeps a key that was typed by a person from naming anything else.
func (s *Store) mine(key string) error {
	if !strings.HasPrefix(key, s.prefix()) {
		return fmt.Errorf("%q is not in the quarantine, where keys begin with %q", key, s.prefix())
	}
	return nil
}
