package streamlock_test

import (
	"context"
	"errors"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/streamlock"
)

func TestLock(t *testing.T) {
	ctx, store := t.Context(), new(mem.Store)
	a, b := streamlock.New(store, "acme"), streamlock.New(store, "acme")
	held, release, err := a.Lock(ctx, "events")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Lock(ctx, "events"); !errors.Is(err, pipeline.ErrLocked) {
		t.Errorf("second Lock: %v, want pipeline.ErrLocked", err)
	}
	for what, other := range map[string]struct{ tenant, stream string }{
		"another stream": {"acme", "triggers"}, "another tenant": {"other", "events"},
	} {
		if _, _, err := streamlock.New(store, other.tenant).Lock(ctx, other.stream); err != nil {
			t.Errorf("%s: %v, want that it is free", what, err)
		}
	}
	store.BreakLock("acme/locks/events")
	<-held.Done()
	if !errors.Is(context.Cause(held), state.ErrLockLost) {
		t.Errorf("cause is %v, want ErrLockLost", context.Cause(held))
	}
	if err := release(ctx); err != nil {
		t.Error(err)
	}
	if _, _, err := b.Lock(ctx, "events"); err != nil {
		t.Errorf("Lock after it was lost: %v", err)
	}
}

func TestOtherErrors(t *testing.T) {
	broken := errors.New("store is away")
	l := streamlock.New(&mem.Store{Before: func(mem.Op, string) error { return broken }}, "acme")
	if _, _, err := l.Lock(t.Context(), "events"); !errors.Is(err, broken) || errors.Is(err, pipeline.ErrLocked) {
		t.Errorf("Lock: %v, want the store's error", err)
	}
}
