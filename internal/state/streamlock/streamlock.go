// Package streamlock makes the lock of a stream from the locks of a
// [state.Store]: one process at a time runs a stream of a tenant.
//
// The lock keeps two runs from doing the same work twice. What keeps them from
// harming each other, should one continue after its lock was lost, is that every
// save replaces the version it has seen and no other.
//
// A lock can be held by something other than a run: a lease that a person or a
// backup tool took has no end. No run can see who holds it. So a run that finds
// the stream locked leaves a note, {tenant}/locks/{stream}.waiting, that says since
// when that has been so without anything being saved; the next process to find it locked
// goes on from there. Who gets the lock removes the note.
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

// Locks gives out the locks of one tenant's streams. It lasts as long as the process.
type Locks struct {
	store  state.Store
	tenant string

	mu    sync.Mutex
	clean map[string]bool // by stream: no note is left, as far as this process knows
}

// New returns the locks of a tenant, which is the first element of
// the keys as it stands. It does nothing by itself.
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

// tidy removes the note once the lock is ours. What can't be removed is void as soon as
// something is saved.
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

// Since implements [pipeline.Locks]: one read, and a write when there is something new to note.
func (l *Locks) Since(ctx context.Context, stream, progress string) (time.Time, error) {
	l.mu.Lock()
	l.clean[stream] = false
	l.mu.Unlock()
	return l.note(ctx, stream, progress, time.Now())
}
