package streamlock_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/streamlock"
)

const noteKey = "acme/locks/events.waiting"

// Since goes on from what other processes have noted, as long as it is the same lock as far
// as anybody can tell.
func TestSince(t *testing.T) {
	for name, test := range map[string]struct {
		between func(t *testing.T, store *mem.Store) // two looks, an hour and a half apart
		same    bool
	}{
		"nothing":        {func(*testing.T, *mem.Store) {}, true},
		"a day goes by":  {func(*testing.T, *mem.Store) { <-time.After(22 * time.Hour) }, true},
		"two days go by": {func(*testing.T, *mem.Store) { <-time.After(48 * time.Hour) }, false},
		"the lock was free": {func(t *testing.T, store *mem.Store) {
			_, release, err := streamlock.New(store, "acme").Lock(t.Context(), "events")
			if err == nil {
				err = release(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}, false},
		"the note is damaged":    {overwrite("{"), false},
		"the note is of another": {overwrite(`{"version":1,"since":[]}`), false},
		"it is of the future":    {overwrite(`{"version":1,"since":"2100-01-01T00:00:00Z","seen":"2100-01-01T00:00:00Z","progress":"1"}`), false},
		"it cannot be spelled":   {overwrite(`{"version":1,"since":"9999-12-31T23:59:59-01:00","seen":"2000-01-01T00:00:00Z"}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := new(mem.Store)
				since := func(progress string) time.Time {
					at, err := streamlock.New(store, "acme").Since(t.Context(), "events", progress)
					if err != nil {
						t.Fatal(err)
					}
					return at
				}
				first := since("1")
				if !first.Equal(time.Now()) {
					t.Errorf("first seen %v", first)
				}
				<-time.After(90 * time.Minute)
				test.between(t, store)
				if got := since("1"); got.Equal(first) != test.same || !test.same && !got.Equal(time.Now()) {
					t.Errorf("since %v, first %v, want the same: %v", got, first, test.same)
				}
				<-time.After(time.Minute)
				if got := since("2"); !got.Equal(time.Now()) {
					t.Errorf("something was saved, and since is %v", got)
				}
			})
		})
	}
}

func overwrite(data string) func(*testing.T, *mem.Store) {
	return func(t *testing.T, store *mem.Store) {
		t.Helper()
		if _, err := store.Put(t.Context(), noteKey, []byte(data), state.Any); err != nil {
			t.Fatal(err)
		}
	}
}

// A lock that is found held each minute costs a read each, and a write an hour. The process that
// gets it removes the note, once.
func TestCostOfWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ops := map[mem.Op]int{}
		store := &mem.Store{After: func(op mem.Op, key string) error { ops[op]++; return nil }}
		l := streamlock.New(store, "acme")
		for range 120 {
			if _, err := l.Since(t.Context(), "events", "1"); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
		}
		if ops[mem.Put] != 2 {
			t.Errorf("%v in two hours", ops)
		}
		for range 10 {
			_, release, err := l.Lock(t.Context(), "events")
			if err != nil {
				t.Fatal(err)
			}
			if err := release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if ops[mem.Delete] != 1 {
			t.Errorf("%v", ops)
		}
	})
}

// What can't be noted can't get a failure some day, so it is one at once.
func TestNoteFails(t *testing.T) {
	broken := errors.New("store is full")
	store := &mem.Store{Before: func(op mem.Op, _ string) error {
		if op == mem.Put {
			return broken
		}
		return nil
	}}
	if _, err := streamlock.New(store, "acme").Since(t.Context(), "events", ""); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	newer := new(mem.Store)
	overwrite(`{"version":2,"x":1}`)(t, newer)
	if _, err := streamlock.New(newer, "acme").Since(t.Context(), "events", ""); err == nil || !strings.Contains(err.Error(), "upgrade this app") || !strings.Contains(err.Error(), noteKey) {
		t.Errorf("%v", err)
	}
	if o, err := newer.Get(t.Context(), noteKey); err != nil || string(o.Data) != `{"version":2,"x":1}` {
		t.Errorf("a newer note was touched: %s, %v", o.Data, err)
	}
}

// The remedy of the store reaches who asks the pipeline.
func TestRemedy(t *testing.T) {
	l := streamlock.New(new(mem.Store), "acme")
	if _, _, err := l.Lock(t.Context(), "events"); err != nil {
		t.Fatal(err)
	}
	_, _, err := l.Lock(t.Context(), "events")
	var locked *pipeline.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, pipeline.ErrLocked) || !strings.Contains(locked.Remedy, "acme/locks/events") {
		t.Errorf("%v: %+v", err, locked)
	}
}
