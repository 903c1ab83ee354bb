package reports

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

const (
	// Again is how long a report with the same bytes counts as the same one, sent again. It is
	// shorter than a day, because a report that is scheduled for every day and has not changed is
	// today's all the same.
	Again = 12 * time.Hour
	// orphaned is the age at which parts without a report can't be of one that is being received.
	orphaned = 24 * time.Hour
	// abandoned is the age of a forwarding that no process works on any more.
	abandoned = 60 * 24 * time.Hour
	// cleanup bounds the removal of what is not needed.
	cleanup = 30 * time.Second
	// partBytes is the size of a part.
	partBytes = 1 << 20
	// firstBytes is the memory for a part before its first byte.
	firstBytes = 16 << 10
)

// ErrEmpty means that a report has no bytes.
var ErrEmpty error = emptyError{}

type emptyError struct{}

func (emptyError) Error() string { return "the report is empty" }

// Empty lets a caller recognise the error without this package.
func (emptyError) Empty() bool { return true }

var errNoteChanges = fmt.Errorf("%w: the note about it changes with each attempt", state.ErrConflict)

// Store keeps the reports of one stream.
type Store struct {
	// PartBytes is the size of a part; 0 means 1 MiB. Set it before the first use.
	PartBytes int
	// Forward has every report that is stored passed on to a workflow; see [Store.Items].
	Forward bool

	store  state.Store
	prefix string

	mu    sync.Mutex
	known map[string]bool // ids of the reports that wait, are remembered, and were not found damaged
}

// New returns the reports of a tenant's stream. It does not access the store.
func New(store state.Store, tenant, stream string) *Store {
	return &Store{store: store, prefix: tenant + "/inbox/" + stream + "/"}
}

func (s *Store) waiting(id string) string { return s.prefix + "waiting/" + id }
func (s *Store) parts(id string) string   { return s.prefix + "parts/" + id + "/" }
func (s *Store) seen(hash string) string  { return s.prefix + "seen/" + hash }

func (s *Store) part(id string, number int) string {
	return fmt.Sprintf("%s%06d", s.parts(id), number)
}

// Put stores a report. When it returns without an error the report is durable; again is true if that was
// so before. An error of body is returned as it is.
func (s *Store) Put(ctx context.Context, name, contentType string, at time.Time, body io.Reader) (r Report, again bool, err error) {
	at = at.UTC()
	r = Report{ID: newID(at), Name: name, ContentType: contentType, Received: at, Forward: s.Forward}
	hash, err := s.receive(ctx, &r, body)
	if err == nil && r.Bytes == 0 {
		err = ErrEmpty
	}
	if err != nil {
		s.drop(ctx, r.ID)
		return Report{}, false, err
	}
	r.Hash = hash
	before, etag, err := s.before(ctx, hash)
	stands := false
	if err == nil && before.is(at) {
		stands, err = s.stands(ctx, before, hash)
	}
	if err == nil && stands {
		s.drop(ctx, r.ID)
		return r, true, nil
	}
	if err := s.confirm(ctx, r); err != nil {
		return Report{}, false, err // it may be valid nevertheless, so its parts stay
	}
	if err == nil {
		again = s.remember(ctx, r, etag)
	}
	return r, again, nil
}

// receive stores the parts, and returns the hash of the whole.
func (s *Store) receive(ctx context.Context, r *Report, body io.Reader) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", r.Name)
	most := cmp.Or(s.PartBytes, partBytes)
	chunk := make([]byte, 0, min(most, firstBytes))
	for {
		var readErr error
		chunk, readErr = fill(chunk[:0], most, body)
		if n := len(chunk); n > 0 {
			sum.Write(chunk)
			r.Bytes, r.Parts = r.Bytes+int64(n), r.Parts+1
			object, err := EncodePart(Part{r.ID, r.Parts, chunk})
			if err != nil {
				return "", err
			}
			if _, err := s.store.Put(ctx, s.part(r.ID, r.Parts), object, state.Absent); err != nil {
				return "", fmt.Errorf("store a part of a report: %w", err)
			}
		}
		if readErr == io.EOF { //nolint:errorlint // a body that breaks off may wrap it
			return hex.EncodeToString(sum.Sum(nil)), nil
		}
		if readErr != nil {
			return "", readErr
		}
	}
}

// fill appends to a chunk until it has that many bytes. It grows as they come: many small reports may be
// received at once. Unlike [io.ReadFull] it keeps the end of a body apart from a body that breaks off.
func fill(chunk []byte, most int, body io.Reader) ([]byte, error) {
	for len(chunk) < most {
		if len(chunk) == cap(chunk) {
			larger := make([]byte, len(chunk), min(most, 4*cap(chunk)))
			copy(larger, chunk)
			chunk = larger
		}
		n, err := body.Read(chunk[len(chunk):cap(chunk)])
		if chunk = chunk[:len(chunk)+n]; err != nil {
			return chunk, err
		}
	}
	return chunk, nil
}

// confirm makes a report valid.
func (s *Store) confirm(ctx context.Context, r Report) error {
	object, err := EncodeReport(r)
	if err != nil {
		return err
	}
	if _, err := s.store.Put(ctx, s.waiting(r.ID), object, state.Absent); err != nil {
		return fmt.Errorf("store a report: %w", err)
	}
	return nil
}

// is reports whether a report that comes now is this one, sent again.
func (s Seen) is(now time.Time) bool {
	return !s.Received.IsZero() && now.Sub(s.Received).Abs() < Again
}

// before returns what is remembered about reports with these bytes.
func (s *Store) before(ctx context.Context, hash string) (Seen, state.ETag, error) {
	object, err := s.store.Get(ctx, s.seen(hash))
	if errors.Is(err, state.ErrNotFound) {
		return Seen{}, state.Absent, nil
	}
	if errors.Is(err, state.ErrTooLarge) {
		return Seen{}, state.Any, nil
	}
	if err != nil {
		return Seen{}, "", err
	}
	seen, _ := DecodeSeen(object.Data) // damaged or newer: the report counts as new
	return seen, object.ETag, nil
}

// stands reports whether the report that is remembered was delivered or waits with all its parts. A note
// may outlive its report, which a person can delete, and may name one that never was.
func (s *Store) stands(ctx context.Context, note Seen, hash string) (bool, error) {
	if note.Delivered || !isID(note.ID) {
		return note.Delivered, nil
	}
	object, err := s.store.Get(ctx, s.waiting(note.ID))
	if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrTooLarge) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r, _ := DecodeReport(object.Data)
	if r.ID != note.ID || r.Hash != "" && r.Hash != hash {
		return false, nil
	}
	left := r.Bytes
	for n := range r.Parts {
		part, err := s.Part(ctx, r, n+1)
		switch {
		case s.Damaged(err):
			return false, nil
		case err != nil:
			return false, err
		}
		left -= int64(len(part))
	}
	return left == 0, nil
}

// remember notes that a report is stored. If another process was faster with the same one, it is
// withdrawn, and again is true. An error only means that it is not remembered yet; see [Store.single].
func (s *Store) remember(ctx context.Context, r Report, etag state.ETag) (again bool) {
	object, err := EncodeSeen(Seen{ID: r.ID, Received: r.Received})
	if err != nil {
		return false
	}
	if _, err = s.store.Put(ctx, s.seen(r.Hash), object, etag); !errors.Is(err, state.ErrConflict) {
		return false
	}
	other, _, err := s.before(ctx, r.Hash)
	if err != nil || !other.is(r.Received) || other.ID == r.ID {
		return false
	}
	stands, err := s.stands(ctx, other, r.Hash)
	return err == nil && stands && s.withdraw(ctx, r.ID) == nil
}

// single reports whether a report that waits is the only one of its bytes and time, and has that
// remembered: the process that received it may have died before it could, or may not have come to it
// yet. Another one of the same bytes is withdrawn.
func (s *Store) single(ctx context.Context, r Report) (bool, error) {
	s.mu.Lock()
	known := s.known[r.ID]
	s.mu.Unlock()
	if known || r.Hash == "" {
		return true, nil
	}
	for range 3 {
		other, etag, err := s.before(ctx, r.Hash)
		twin := other.is(r.Received) && other.ID != r.ID
		stands := false
		if err == nil && twin {
			stands, err = s.stands(ctx, other, r.Hash)
		}
		switch {
		case err != nil:
			return false, err
		case stands:
			return false, s.withdraw(ctx, r.ID)
		case other.ID == r.ID || !twin && other.Received.After(r.Received):
			return true, nil
		}
		object, err := EncodeSeen(Seen{ID: r.ID, Received: r.Received})
		if err != nil {
			return false, err
		}
		if _, err := s.store.Put(ctx, s.seen(r.Hash), object, etag); !errors.Is(err, state.ErrConflict) {
			return err == nil, err
		}
	}
	return false, errNoteChanges
}

// drop removes the parts of what will not be a report. What it can't remove is left to Tidy.
func (s *Store) drop(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	_ = s.removeParts(ctx, id)
}

func (s *Store) removeParts(ctx context.Context, id string) error {
	for info, err := range s.store.List(ctx, s.parts(id)) {
		if err != nil {
			return err
		}
		if err := s.store.Delete(ctx, info.Key); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes a report that was delivered. One that does not exist is not an error. Of one that is
// still to be forwarded only its wait for delivery ends.
func (s *Store) Remove(ctx context.Context, id string) error {
	if !isID(id) {
		return fmt.Errorf("remove report %q: it is not the name of one", id)
	}
	if err := s.delivered(ctx, id); err != nil {
		return fmt.Errorf("remember that report %s was delivered: %w", id, err)
	}
	kept, err := s.handOver(ctx, id)
	if err != nil {
		return fmt.Errorf("remove report %s: %w", id, err)
	}
	if kept {
		return s.deleteWaiting(ctx, id)
	}
	return s.withdraw(ctx, id)
}

// delivered notes that a report was delivered, while it is still there: what is sent again is dropped
// only if the note says so or the report waits.
func (s *Store) delivered(ctx context.Context, id string) error {
	object, err := s.store.Get(ctx, s.waiting(id))
	if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrTooLarge) {
		return nil
	}
	if err != nil {
		return err
	}
	r, _ := DecodeReport(object.Data)
	if r.ID != id || r.Hash == "" {
		return nil
	}
	note, err := EncodeSeen(Seen{ID: id, Received: r.Received, Delivered: true})
	if err != nil {
		return err
	}
	for range 3 {
		seen, etag, err := s.before(ctx, r.Hash)
		if err != nil {
			return err
		}
		if etag == state.Absent || seen.Delivered || seen.ID != "" && seen.ID != id {
			return nil // it is too long ago, noted already, or another report has come since
		}
		if _, err = s.store.Put(ctx, s.seen(r.Hash), note, etag); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
	return errNoteChanges
}

func (s *Store) deleteWaiting(ctx context.Context, id string) error {
	if err := s.store.Delete(ctx, s.waiting(id)); err != nil {
		return fmt.Errorf("remove report %s: %w", id, err)
	}
	return nil
}

// withdraw removes a report and all that belongs to it, what says that there is something last.
func (s *Store) withdraw(ctx context.Context, id string) error {
	if err := s.deleteWaiting(ctx, id); err != nil {
		return err
	}
	if err := s.removeParts(ctx, id); err != nil {
		return fmt.Errorf("remove the parts of report %s: %w", id, err)
	}
	if err := s.store.Delete(ctx, s.forward(id)); err != nil {
		return fmt.Errorf("remove the forwarding of report %s: %w", id, err)
	}
	return nil
}

// Waiting lists the reports that wait, the oldest first, and each once, however often it was sent.
// problems name those that can't be read.
func (s *Store) Waiting(ctx context.Context) (list []Report, problems []string, err error) {
	known := map[string]bool{}
	defer func() {
		if err == nil {
			s.mu.Lock()
			s.known = known
			s.mu.Unlock()
		}
	}()
	for info, err := range s.store.List(ctx, s.prefix+"waiting/") {
		if err != nil {
			return nil, nil, fmt.Errorf("list the reports that wait: %w", err)
		}
		object, err := s.store.Get(ctx, info.Key)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil && !errors.Is(err, state.ErrTooLarge) {
			return nil, nil, fmt.Errorf("read a report that waits: %w", err)
		}
		var r Report
		if err == nil {
			r, err = DecodeReport(object.Data)
		}
		if err == nil && r.ID != path.Base(info.Key) {
			err = fmt.Errorf("it describes report %s", r.ID)
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("%q can't be read and stays as it is: %v", info.Key, err))
			continue
		}
		switch single, err := s.single(ctx, r); {
		case err != nil:
			return nil, nil, fmt.Errorf("find out whether report %s came before: %w", r.ID, err)
		case single:
			known[r.ID] = true
			list = append(list, r)
		}
	}
	return list, problems, nil
}

// ErrDamaged means that a part of a report is missing or was changed.
var ErrDamaged = errors.New("a part of the report is missing or damaged")

// Damaged reports whether an error of [Store.Part] won't pass.
func (s *Store) Damaged(err error) bool { return errors.Is(err, ErrDamaged) }

// Part returns a part of a report. number counts from 1.
func (s *Store) Part(ctx context.Context, r Report, number int) ([]byte, error) {
	data, err := s.partOf(ctx, r, number)
	if s.Damaged(err) { // one that was sent again may take its place
		s.mu.Lock()
		delete(s.known, r.ID)
		s.mu.Unlock()
	}
	return data, err
}

func (s *Store) partOf(ctx context.Context, r Report, number int) ([]byte, error) {
	key := s.part(r.ID, number)
	object, err := s.store.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrTooLarge) {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read a part of a report: %w", err)
	}
	p, err := DecodePart(object.Data)
	if err == nil && (p.ID != r.ID || p.Number != number) {
		err = fmt.Errorf("it is part %d of report %s", p.Number, p.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrDamaged, key, err)
	}
	return p.Data, nil
}

// Tidy removes parts that belong to no report, and what is remembered for longer than needed.
func (s *Store) Tidy(ctx context.Context, now time.Time) error {
	waiting, forwarded := map[string]bool{}, map[string]bool{}
	for _, known := range []struct {
		folder string
		ids    map[string]bool
	}{{"waiting/", waiting}, {"forward/", forwarded}} {
		for info, err := range s.store.List(ctx, s.prefix+known.folder) {
			if err != nil {
				return fmt.Errorf("tidy reports: %w", err)
			}
			known.ids[path.Base(info.Key)] = true
		}
	}
	for _, kind := range []struct {
		folder string
		age    time.Duration
		keep   func(key string) bool
	}{
		{"parts/", orphaned, func(key string) bool { id := path.Base(path.Dir(key)); return waiting[id] || forwarded[id] }},
		{"seen/", 2 * Again, func(string) bool { return false }},
		// Without the entry a report that still waits would be forwarded once more.
		{"forward/", abandoned, func(key string) bool { return waiting[path.Base(key)] }},
	} {
		for info, err := range s.store.List(ctx, s.prefix+kind.folder) {
			if err != nil {
				return fmt.Errorf("tidy reports: %w", err)
			}
			if now.Sub(info.Modified) < kind.age || kind.keep(info.Key) {
				continue
			}
			if err := s.store.Delete(ctx, info.Key); err != nil {
				return fmt.Errorf("tidy reports: %w", err)
			}
		}
	}
	return nil
}

// newID names a report that was received at a moment.
func newID(at time.Time) string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return at.Format("20060102T150405.000000000Z") + "-" + hex.EncodeToString(random[:])
}
