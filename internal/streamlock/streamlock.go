// Package streamlock makes the lock of a stream from the locks of a
// [state.Store]: one process at a time runs a stream of a tenant.
//
// The lock keeps two runs from doing the same work twice. What keeps them from
// harming each other, should one go on after its lock was lost, is that every
// save replaces the version it has seen and no other.
package streamlock

import (
	"context"
	"errors"
	"fmt"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

var _ pipeline.Locks = (*Locks)(nil)

// Locks gives out the locks of one tenant's streams.
type Locks struct {
	store  state.Store
	tenant string
}

// New returns the locks of a tenant, which is the first element of
// the keys as it stands. It does nothing by itself.
func New(store state.Store, tenant string) *Locks { return &Locks{store, tenant} }

// Lock implements [pipeline.Locks] with the lock {tenant}/locks/{stream}.
func (l *Locks) Lock(ctx context.Context, stream string) (context.Context, func(context.Context) error, error) {
	held, release, err := l.store.Lock(ctx, l.tenant+"/locks/"+stream)
	if errors.Is(err, state.ErrLocked) {
		return nil, nil, fmt.Errorf("%w: %w", pipeline.ErrLocked, err)
	}
	return held, release, err
}
