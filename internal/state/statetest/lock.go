package statetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

func testLockExcludes(t *testing.T, s Subject) {
	ctx, handle := t.Context(), s.Open(t)
	a, b := handle(), handle()

	held, release := lock(t, a, "t/locks/events")
	for name, h := range map[string]state.Store{"same": a, "other": b} {
		_, _, err := h.Lock(ctx, "t/locks/events")
		if !errors.Is(err, state.ErrLocked) {
			t.Errorf("second Lock through the %s handle: %v, want ErrLocked", name, err)
		}
		var locked *state.LockedError
		if !errors.As(err, &locked) || !strings.Contains(locked.Remedy, "locks") || !strings.Contains(err.Error(), "t/locks/events") {
			t.Errorf("%v names no lock, or no way to set it free: %+v", err, locked)
		}
	}
	_, releaseOther := lock(t, b, "t/locks/triggers") // another lock is free
	if held.Err() != nil {
		t.Errorf("lock ended by itself: %v", context.Cause(held))
	}
	for range 2 { // a second time is no error
		if err := release(ctx); err != nil {
			t.Errorf("release: %v", err)
		}
	}
	if held.Err() == nil {
		t.Error("released lock's context goes on")
	}
	held, releaseAgain := lock(t, b, "t/locks/events")
	if err := release(ctx); err != nil {
		t.Errorf("late release: %v", err)
	}
	if _, _, err := a.Lock(ctx, "t/locks/events"); !errors.Is(err, state.ErrLocked) {
		t.Errorf("Lock after a late release of the former holder: %v, want ErrLocked", err)
	}
	if held.Err() != nil {
		t.Errorf("a late release of the former holder ended the lock: %v", context.Cause(held))
	}
	for _, r := range []func(context.Context) error{releaseOther, releaseAgain} {
		if err := r(ctx); err != nil {
			t.Errorf("release: %v", err)
		}
	}
}

func testLockRace(t *testing.T, s Subject) {
	const processes = 8
	handle := s.Open(t)
	errs, releases := make([]error, processes), make([]func(context.Context) error, processes)
	handles := make([]state.Store, processes)
	for i := range handles {
		handles[i] = handle()
	}
	together(processes, func(i int) {
		_, releases[i], errs[i] = handles[i].Lock(t.Context(), "t/locks/events")
	})
	holder := -1
	for i, err := range errs {
		switch {
		case err == nil && holder >= 0:
			t.Fatalf("%d and %d both hold the lock", holder, i)
		case err == nil:
			holder = i
		case !errors.Is(err, state.ErrLocked):
			t.Errorf("Lock: %v, want ErrLocked", err)
		}
	}
	if holder < 0 {
		t.Fatal("nobody holds the lock")
	}
	if err := releases[holder](t.Context()); err != nil {
		t.Errorf("release: %v", err)
	}
}

func testLockContext(t *testing.T, s Subject) {
	type key struct{}
	store := s.Open(t)()
	parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
	defer cancel(nil)
	held, release, err := store.Lock(parent, "t/locks/events")
	if err != nil {
		t.Fatal(err)
	}
	if held.Value(key{}) != "value" {
		t.Error("the lock's context does not descend from the caller's")
	}
	reason := errors.New("time is up")
	cancel(reason)
	<-held.Done()
	if !errors.Is(context.Cause(held), reason) {
		t.Errorf("cause is %v, want the caller's", context.Cause(held))
	}
	// What is being finished is still under the lock.
	if _, _, err := store.Lock(t.Context(), "t/locks/events"); !errors.Is(err, state.ErrLocked) {
		t.Errorf("Lock before the release: %v, want ErrLocked", err)
	}
	if err := release(parent); err != nil { // with a context that has ended
		t.Errorf("release: %v", err)
	}
	_, release = lock(t, store, "t/locks/events")
	if err := release(t.Context()); err != nil {
		t.Errorf("release: %v", err)
	}
}

func testLockLost(t *testing.T, s Subject) {
	if s.BreakLock == nil {
		return // the lock belongs to the operating system
	}
	handle := s.Open(t)
	a, b := handle(), handle()
	held, release := lock(t, a, "t/locks/events")
	s.BreakLock(t, "t/locks/events")
	held2, release2 := lock(t, b, "t/locks/events")
	<-held.Done()
	if !errors.Is(context.Cause(held), state.ErrLockLost) {
		t.Errorf("cause is %v, want ErrLockLost", context.Cause(held))
	}
	if err := release(t.Context()); err != nil {
		t.Errorf("release of a lost lock: %v", err)
	}
	if _, _, err := a.Lock(t.Context(), "t/locks/events"); !errors.Is(err, state.ErrLocked) {
		t.Errorf("Lock while the new holder has it: %v, want ErrLocked", err)
	}
	if held2.Err() != nil {
		t.Errorf("the new holder's lock ended: %v", context.Cause(held2))
	}
	if err := release2(t.Context()); err != nil {
		t.Error(err)
	}
}

func lock(t *testing.T, store state.Store, key string) (context.Context, func(context.Context) error) {
	t.Helper()
	held, release, err := store.Lock(t.Context(), key)
	if err != nil {
		t.Fatalf("Lock(%q): %v", key, err)
	}
	return held, release
}
