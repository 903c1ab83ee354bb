// Package runs keeps what the runs of a stream came to, for a person who asks how it is:
// {tenant}/runs/{stream}.json, a line of JSON.
//
// It holds the last runs, the last failure with its text, and when each kind of program was last
// seen. Its size is bounded. Nothing that moves data reads it: if it is missing, damaged or can't
// be written, nothing else changes.
//
// Only the outcome of a run is written, so what is there is never better than the truth: a run that
// was killed leaves no outcome, and the age of the last one shows it. The first run of a process
// also notes that it began. A process that is killed is replaced by another, which notes that, too,
// so runs that are killed over and over can be distinguished from none.
package runs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

const (
	// maxRecent is how many runs are kept.
	maxRecent = 20
	// maxText is the size of a failure's text, maxWarnings and maxWarning bound the warnings.
	maxText, maxWarnings, maxWarning = 2000, 5, 500
	// maxSeen bounds the kinds of programs; there are three.
	maxSeen = 6
	// attempts is how often a write is tried while others write.
	attempts = 3
)

var (
	// ErrDamaged means that an object can't be read. The next outcome replaces it.
	ErrDamaged = errors.New("is damaged")
	// ErrForeign means that an object belongs to another tenant or stream.
	ErrForeign = errors.New("belongs to another tenant or stream")
)

// The kinds of programs. Runs by hand do not show that anything runs by itself.
const (
	ByFunction = "function"
	ByServe    = "serve"
	ByHand     = "command"
)

// Program is what runs a stream.
type Program struct {
	// By is its kind, for instance [ByFunction].
	By      string
	Version string
}

// Store is the place of one tenant.
type Store struct {
	store  state.Store
	tenant string
}

// New returns the place of a tenant, which is the first element of the keys. It does not access
// the store.
func New(store state.Store, tenant string) *Store { return &Store{store, tenant} }

// Key is where the runs of a stream are.
func (s *Store) Key(stream string) string { return s.tenant + "/runs/" + stream + ".json" }

// Load returns what is known of a stream; the zero File if nothing is. Its error is
// [format.ErrNewer], [ErrDamaged], [ErrForeign] or one of the store.
func (s *Store) Load(ctx context.Context, stream string) (File, error) {
	f, _, err := s.load(ctx, stream)
	return f, err
}

func (s *Store) load(ctx context.Context, stream string) (File, state.ETag, error) {
	key := s.Key(stream)
	o, err := s.store.Get(ctx, key)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return File{}, state.Absent, nil
	case errors.Is(err, state.ErrTooLarge):
		return File{}, state.Any, fmt.Errorf("%q %w: %w", key, ErrDamaged, err)
	case err != nil:
		return File{}, "", fmt.Errorf("read the outcome of the last runs: %w", err)
	}
	f, err := Decode(o.Data)
	switch {
	case errors.Is(err, format.ErrNewer):
		return File{}, "", fmt.Errorf("%q: %w", key, err)
	case err != nil:
		return File{}, o.ETag, fmt.Errorf("%q %w: %w", key, ErrDamaged, err)
	case f.Tenant != s.tenant || f.Stream != stream:
		return File{}, o.ETag, fmt.Errorf("%q %w: %q of %q", key, ErrForeign, f.Stream, f.Tenant)
	}
	return f, o.ETag, nil
}

// Begin notes that the first run of a process begins.
func (s *Store) Begin(ctx context.Context, stream string, at time.Time) error {
	return s.change(ctx, stream, func(f *File) {
		if f.Begun.IsZero() {
			f.Unended = 0
		}
		f.Begun = at
		f.Unended++
	})
}

// End notes the outcome of a run. rep contains no secret.
func (s *Store) End(ctx context.Context, rep pipeline.Report, by Program, at time.Time) error {
	return s.change(ctx, rep.Stream, func(f *File) { f.add(rep, by, at) })
}

// change replaces the object.
func (s *Store) change(ctx context.Context, stream string, do func(*File)) error {
	for n := 1; ; n++ {
		f, etag, err := s.load(ctx, stream)
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
			return err
		}
		f.Tenant, f.Stream = s.tenant, stream
		do(&f)
		data, err := Encode(f)
		if err == nil {
			_, err = s.store.Put(ctx, s.Key(stream), data, etag)
		}
		if err == nil || !errors.Is(err, state.ErrConflict) || n == attempts {
			return err
		}
	}
}

// add adds the outcome of a run.
func (f *File) add(rep pipeline.Report, by Program, at time.Time) {
	f.Seen = slices.DeleteFunc(f.Seen, func(s Seen) bool { return s.By == by.By })
	f.Seen = slices.Insert(f.Seen, 0, Seen{By: by.By, At: at, Version: by.Version, State: rep.State})
	f.Seen = f.Seen[:min(len(f.Seen), maxSeen)]
	f.Begun, f.Unended = time.Time{}, 0
	if rep.State == pipeline.Locked { // another run is at work, and leaves its own outcome
		return
	}
	f.Warnings = nil
	for _, w := range rep.Warnings[:min(len(rep.Warnings), maxWarnings)] {
		f.Warnings = append(f.Warnings, text.Line(w, maxWarning))
	}
	switch rep.State {
	case pipeline.Failed:
		f.fail(rep, at)
	case pipeline.Drained:
		f.Success, f.Drained = at, at
	default:
		f.Success = at
	}
	f.Recent = slices.Insert(f.Recent, 0, Run{
		At: at, By: by.By, State: rep.State, Seconds: rep.Seconds, Fetched: rep.Fetched, Sent: rep.Sent, Duplicates: rep.Duplicates,
		Quarantined: rep.Quarantined, Spooled: rep.Spooled, Repaired: rep.Repaired, LagSeconds: rep.LagSeconds,
	})
	f.Recent = f.Recent[:min(len(f.Recent), maxRecent)]
}

// fail adds a failure to the row of failures.
func (f *File) fail(rep pipeline.Report, at time.Time) {
	next := Failure{At: at, Since: at, Count: 1, Text: text.Line(rep.Error, maxText)}
	var passing *pipeline.Retryable
	next.Passing = errors.As(rep.Err, &passing)
	if f.Failing() {
		next.Since, next.Count = f.Failure.Since, f.Failure.Count+1
	}
	f.Failure = next
}

// Failing reports whether the last run that left an outcome failed.
func (f *File) Failing() bool { return len(f.Recent) > 0 && f.Recent[0].State == pipeline.Failed }

// Last is when a run last left an outcome, or found the stream locked.
func (f *File) Last() (at time.Time) {
	for _, s := range f.Seen {
		if s.At.After(at) {
			at = s.At
		}
	}
	return at
}

// ByItself is the program that last had a run which no one started by hand; zero if none had.
func (f *File) ByItself() (last Seen) {
	for _, s := range f.Seen {
		if s.By != ByHand && s.At.After(last.At) {
			last = s
		}
	}
	return last
}
