// Package checkpoint keeps, for each stream, how far it has been delivered.
//
// A checkpoint is the object {tenant}/checkpoints/{stream}.json: one line of
// JSON that a person can read and restore.
//
//	{"version":1,"stream":"SailPointIDN_Events","cursor":{…},
//	 "since":"2026-09-20T00:00:00Z","through":"2026-09-24T13:08:00Z",
//	 "audit":{"through":["2026-09-24T13:00:00Z"],"age_seconds":[300]},"pruned":"2026-09-24T00:01:00Z",
//	 "warned":"2026-07-03T00:01:00Z","tenant":"acme.api.identitynow.com","updated":"2026-09-24T13:09:02.117Z","writer":"idn-sentinel 1.0.0"}
//
// The cursor belongs to the source and is kept byte for byte. Members without a
// value are left out: cursor, since, through, audit, pruned, warned.
//
// Only the checkpoint prevents a gap after a restart. So if it can't be read, the
// stream stops with an error that says what to do; it never counts as "none yet".
// If it has a newer version, it is refused and not changed. A save replaces only
// the version that was loaded: if two runs have the same stream, one fails.
package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

var (
	_ pipeline.Checkpoints = (*Store)(nil)
	_ pipeline.Replacer    = (*Store)(nil)
)

// ErrUnusable means that there is a checkpoint and that it can't be used: it is damaged, another
// tenant's, or a newer version's.
var ErrUnusable = errors.New("checkpoint can't be used")

// unusableError is [ErrUnusable], with a text of its own.
type unusableError struct{ error }

func (e unusableError) Is(target error) bool { return target == ErrUnusable }
func (e unusableError) Unwrap() error        { return e.error }

// Store keeps the checkpoints of one tenant.
type Store struct {
	// Writer is the program's name in the object, for information. Optional.
	Writer string
	// Now returns the time for "updated"; nil means [time.Now].
	Now func() time.Time

	store  state.Store
	tenant string
}

// New returns the checkpoints of a tenant, which is the first element of the
// keys, unchanged. It does not access the store.
func New(store state.Store, tenant string) *Store { return &Store{store: store, tenant: tenant} }

// Key is the key of the stream's checkpoint.
func (s *Store) Key(stream string) string {
	return s.tenant + "/checkpoints/" + stream + ".json"
}

// Load implements [pipeline.Checkpoints]: one read.
func (s *Store) Load(ctx context.Context, stream string) (pipeline.Checkpoint, error) {
	f, err := s.Read(ctx, stream)
	return f.Checkpoint, err
}

// Read is Load with everything that the object holds; the zero File if there is none.
func (s *Store) Read(ctx context.Context, stream string) (File, error) {
	key := s.Key(stream)
	o, err := s.store.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		return File{}, nil
	}
	if err != nil && !errors.Is(err, state.ErrTooLarge) {
		return File{}, fmt.Errorf("load checkpoint: %w", err)
	}
	var f File
	if err == nil {
		f, err = Decode(o.Data)
	}
	switch {
	case errors.Is(err, format.ErrNewer):
		return File{}, unusable("load checkpoint %q: %w", key, err)
	case err == nil && f.Tenant != "" && f.Tenant != s.tenant:
		return File{}, unusable("load checkpoint %q: it belongs to tenant %q, not to %q (TENANT_ID, SAILPOINT_BASE_URL): it was copied here, "+
			"and continuing from it would skip events of this tenant: restore this tenant's own checkpoint, or delete it to begin at INITIAL_LOOKBACK", key, f.Tenant, s.tenant)
	case err == nil && f.Stream != stream:
		err = fmt.Errorf("it belongs to stream %q", f.Stream)
		fallthrough
	case err != nil:
		return File{}, unusable("load checkpoint %q: damaged: %w: restore an earlier copy of it; or replace it by idnsentinel checkpoint set --stream %s --to TIME, "+
			"a time before the damage: the stream continues there, and repeats only records that the ledger no longer has (a stream that has no times begins anew if you delete it)", key, err, stream)
	}
	f.Checkpoint.Tag = string(o.ETag)
	return f, nil
}

func unusable(text string, args ...any) error { return unusableError{fmt.Errorf(text, args...)} }

// Save implements [pipeline.Checkpoints]: one write.
func (s *Store) Save(ctx context.Context, stream string, next pipeline.Checkpoint) (pipeline.Checkpoint, error) {
	key, prev := s.Key(stream), state.ETag(next.Tag)
	if prev == state.Any {
		return pipeline.Checkpoint{}, fmt.Errorf("save checkpoint %q: it must replace a version that was loaded", key)
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	data, err := Encode(File{Stream: stream, Tenant: s.tenant, Checkpoint: next, Updated: now(), Writer: s.Writer})
	if err != nil {
		return pipeline.Checkpoint{}, fmt.Errorf("save checkpoint %q: %w", key, err)
	}
	etag, err := s.store.Put(ctx, key, data, prev)
	if errors.Is(err, state.ErrConflict) {
		return pipeline.Checkpoint{}, fmt.Errorf("save checkpoint: %w: another run has moved it meanwhile; if that happens again, two apps share one state (STATE_URL)", err)
	}
	if err != nil {
		return pipeline.Checkpoint{}, fmt.Errorf("save checkpoint: %w", err)
	}
	next.Tag = string(etag)
	return next, nil
}

// Damaged implements [pipeline.Replacer].
func (s *Store) Damaged(err error) bool {
	return errors.Is(err, ErrUnusable) && !errors.Is(err, format.ErrNewer)
}

// Replace implements [pipeline.Replacer]: a read and a write.
func (s *Store) Replace(ctx context.Context, stream string, next pipeline.Checkpoint) (pipeline.Checkpoint, error) {
	key := s.Key(stream)
	o, err := s.store.Get(ctx, key)
	if err != nil && !errors.Is(err, state.ErrTooLarge) {
		return pipeline.Checkpoint{}, fmt.Errorf("replace checkpoint: %w", err)
	}
	if _, err := s.Read(ctx, stream); !s.Damaged(err) {
		return pipeline.Checkpoint{}, errors.Join(fmt.Errorf("replace checkpoint %q: only one that can't be read is replaced", key), err)
	}
	next.Tag = string(o.ETag)
	return s.Save(ctx, stream, next)
}
