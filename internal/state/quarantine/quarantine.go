// Package quarantine keeps the unchanged original of each record that could not
// be delivered as it was, with the reason, until a user has handled it or it is
// very old.
//
// An original is one object, in the folder of its event's day or in "undated":
//
//	{tenant}/quarantine/{stream}/undelivered/2026-09-24/{hash of the id}-{hash of the bytes}
//	{tenant}/quarantine/{stream}/conformed/2026-09-24/{hash of the id}-{hash of the bytes}
//
// The key shows how serious it is: an undelivered record is missing downstream.
// There are few of them, so a small listing counts them. For a conformed record, a
// row was delivered, but not byte for byte. The same original has one key for each
// kind, and putting it there again changes nothing, except that a record that turns
// out to be undelivered is removed from the conformed ones.
//
// The object is one line of JSON, followed by the bytes exactly as received:
//
//	{"version":1,"stream":"SailPointIDN_Events","id":"…","time":"…","reason":"rejected",
//	 "detail":"…","stored":"…","length":1234,"sha256":"…"}
//	{"id":"…", …
//
// so "tail -n +2" returns the original.
//
// [Store.Expire] removes what is older than [Store.Keep], but an undelivered
// record only after a warning.
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

// Kind is what happened to the record of an original. It is a part of the key.
type Kind string

// The kinds.
const (
	// Undelivered means that no row of the record is downstream.
	Undelivered Kind = "undelivered"
	// Conformed means that a changed row was delivered.
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
	// ErrGone means that there is no such original.
	ErrGone = errors.New("no such original in quarantine")
	// ErrUnreadable means that an original is damaged, or has a newer version.
	ErrUnreadable = errors.New("original can't be read")
)

// Store is the quarantine of one tenant.
type Store struct {
	// Now returns the time for "stored"; nil means [time.Now]. Set it before the first use.
	Now func() time.Time
	// Keep is how long originals are kept; 0 means forever.
	Keep time.Duration

	store  state.Store
	tenant string
}

// New returns the quarantine of a tenant, which is the first element of the
// keys, unchanged. It does not access the store.
func New(store state.Store, tenant string) *Store { return &Store{store: store, tenant: tenant} }

func (s *Store) prefix() string { return s.tenant + "/quarantine/" }

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// folder is the prefix of the originals of a kind. It ends with a slash.
func (s *Store) folder(stream string, kind Kind) string {
	return s.prefix() + stream + "/" + string(kind) + "/"
}

// name is the part of a key after the folder: day and record.
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

// Put implements [pipeline.Quarantine]: one write, plus one read if the original
// is there already, plus one removal for an undelivered record. detail is cut to
// 1,024 bytes.
func (s *Store) Put(ctx context.Context, stream string, rec pipeline.Record, reason pipeline.Reason, detail string) error {
	kind := KindOf(reason)
	line, err := encodeLine(Item{Stream: stream, ID: rec.ID, Time: rec.Time, Reason: reason, Detail: detail, Stored: s.now(), Raw: rec.Raw})
	if err == nil && kind == Undelivered {
		// It may have been changed to fit before it was refused. That original is removed first: if
		// anything fails, the record is fetched again and may be delivered, and then it must not be
		// listed as undelivered.
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

// put stores parts as one object unless a valid object is there.
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
			prev = state.Any // counts as damaged
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
	// Size is the size of the object: the original and its header.
	Size int64
	// Stored is when the object was last written.
	Stored time.Time
}

// OfRecord reports whether it is an original of the record with that id. It checks
// only the key.
func (e Entry) OfRecord(id string) bool {
	last := path.Base(e.Key)
	return strings.HasPrefix(last, short([]byte(id))+"-")
}

// List yields the originals of a stream and kind; an empty argument means all.
// They are ordered by stream, kind, day and record. It reads no objects.
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

// Count returns the number of originals of a stream and kind, and the total size
// of their objects. An empty argument means all.
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

// Holds lists the originals of a stream and kind once, and returns a function that reports
// whether one of them belongs to the record with an id. It checks only the keys.
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

// Get reads the original at a key of [Store.List]. Its error is [ErrGone],
// [ErrUnreadable] or one of the store.
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

// Delete removes the original at a key of [Store.List]. A missing one is not an error.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.mine(key); err != nil {
		return err
	}
	if err := s.store.Delete(ctx, key); err != nil {
		return fmt.Errorf("remove from quarantine: %w", err)
	}
	return nil
}

// ProveDelete fails if [Store.Delete] of the original at a key would probably fail. It
// rewrites the original unchanged, which a lease or a hold prevents, and stores and removes
// another object.
func (s *Store) ProveDelete(ctx context.Context, key string) error {
	if err := s.mine(key); err != nil {
		return err
	}
	o, err := s.store.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		return nil // already removed
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

// mine checks that a key, which a person may have typed, is in this quarantine.
func (s *Store) mine(key string) error {
	if !strings.HasPrefix(key, s.prefix()) {
		return fmt.Errorf("%q is not in the quarantine, where keys begin with %q", key, s.prefix())
	}
	return nil
}
