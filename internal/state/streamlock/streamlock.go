// Package streamlock builds the lock of a stream on the locks of a
// [state.Store]: only one process at a time runs a stream of a tenant.
//
// The lock keeps two runs from doing the same work twice. If a run continues
// after it has lost its lock, the runs still can't harm each other, because every
// save replaces only the version that the run has seen.
//
// A lock can be held by something other than a run: a lease that a person or a
// backup tool took may never expire. No run can see who holds it. So a run that
// finds the stream locked leaves a note, {tenant}/locks/{stream}.waiting, with the
// time since which the stream has been locked without anything being saved. The
// next process that finds it locked updates the note. A run that gets the lock
// removes it.
package streamlock

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

var _ pipeline.Locks = (*Locks)(nil)

// Locks provides the locks of one tenant's streams. It lives as long as the process.
type Locks struct {
	store  state.Store
	tenant string

	mu    sync.Mutex
	clean map[string]bool // by stream: as far as this process knows, there is no note
}

// New returns the locks of a tenant, which is the first element of the keys,
// unchanged. It does not access the store.
func New(store state.Store, tenant string) *Locks {
	return &Locks{store: store, tenant: tenant, clean: map[string]bool{}}
}

func (l *Locks) key(stream string) string { return l.tenant + "/locks/" + stream }

// Lock implements [pipeline.Locks] with the lock {tenant}/locks/{stream}.
func (l *Locks) Lock(ctx context.Context, stream string) (context.Context, func(context.Context) error, error) {
	held, release, err := l.store.Lock(ctx, l.key(stream))
	if errors.Is(err, state.ErrLocked) {
		locked := &pipeline.LockedError{Err: err}
		var of *state.LockedError
		if errors.As(err, &of) {
			locked.Remedy = of.Remedy
		}
		return nil, nil, locked
	}
	if err == nil {
		l.tidy(held, stream)
	}
	return held, release, err
}

// tidy removes the note once this process has the lock. A note that can't be removed becomes
// void as soon as something is saved.
func (l *Locks) tidy(ctx context.Context, stream string) {
	l.mu.Lock()
	clean := l.clean[stream]
	l.mu.Unlock()
	if clean {
		return
	}
	err := l.store.Delete(ctx, l.noteKey(stream))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clean[stream] = err == nil
}

// Since implements [pipeline.Locks]: one read, and one write if the note changes.
func (l *Locks) Since(ctx context.Context, stream, progress string) (time.Time, error) {
	l.mu.Lock()
	l.clean[stream] = false
	l.mu.Unlock()
	return l.note(ctx, stream, progress, time.Now())
}
