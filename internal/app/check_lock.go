package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/streamlock"
)

// lock tries the lock of a stream itself, because probing the store doesn't reveal a lease
// on this blob.
func (c *checkup) lock(ctx context.Context, store state.Store, stream string) (string, error) {
	locks := streamlock.New(store, c.connection.Tenant)
	own := checkpoint.New(store, c.connection.Tenant)
	saved, unreadable := own.Load(ctx, stream) // reported by another check
	_, release, err := locks.Lock(ctx, stream)
	switch {
	case errors.Is(err, pipeline.ErrLocked):
		return c.held(ctx, store, locks, own.Key(stream), stream, saved.Tag, err)
	case err != nil:
		return "", err
	}
	if err := release(context.WithoutCancel(ctx)); err != nil {
		return "", err
	}
	if saved.Tag == "" && unreadable == nil { // leave no trace where nothing has run
		if err := store.Delete(ctx, c.connection.Tenant+"/locks/"+stream); err != nil {
			return "", err
		}
	}
	return "is free", nil
}

// held judges a lock that is taken. A run takes only minutes, and saves its checkpoint
// meanwhile.
func (c *checkup) held(ctx context.Context, store state.Store, locks *streamlock.Locks, key, stream, progress string, locked error) (string, error) {
	since, err := locks.Since(ctx, stream, progress)
	if err != nil {
		return "", err
	}
	most := longest(c.settings.RunBudget)
	if age := time.Since(since); age > most {
		return "", pipeline.Stuck(locked, age, most)
	}
	for info, err := range store.List(ctx, key) {
		if err != nil {
			return "", err
		}
		if age := time.Since(info.Modified); info.Key == key && age > most {
			return "", fmt.Errorf("%w; nothing was saved for %s: if a run has just begun, check again in a minute; otherwise: %s", locked, text.Duration(age.Round(time.Second)), remedyOf(locked))
		}
	}
	return fmt.Sprintf("held by a run or another process; if nothing is saved for %s, this check and the runs fail", text.Duration(most)), nil
}

func remedyOf(locked error) string {
	var of *pipeline.LockedError
	if errors.As(locked, &of) {
		return of.Remedy
	}
	return ""
}
