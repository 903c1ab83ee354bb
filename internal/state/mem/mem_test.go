package mem_test

import (
	"errors"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

func TestConformance(t *testing.T) {
	var store *mem.Store
	statetest.Run(t, statetest.Subject{
		Open: func(testing.TB) func() state.Store {
			store = new(mem.Store)
			return func() state.Store { return store }
		},
		BreakLock: func(_ testing.TB, key string) { store.BreakLock(key) },
	})
}

func TestFaults(t *testing.T) {
	fault := errors.New("connection broke")
	fail := func(op mem.Op, key string) error {
		if op == mem.Put && key == "t/x" {
			return fault
		}
		return nil
	}
	t.Run("before", func(t *testing.T) {
		store := &mem.Store{Before: fail}
		if _, err := store.Put(t.Context(), "t/x", nil, state.Absent); !errors.Is(err, fault) {
			t.Errorf("Put: %v, want the fault", err)
		}
		if _, err := store.Get(t.Context(), "t/x"); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("Get: %v, want that nothing happened", err)
		}
	})
	t.Run("after", func(t *testing.T) {
		store := &mem.Store{After: fail}
		if _, err := store.Put(t.Context(), "t/x", []byte("x"), state.Absent); !errors.Is(err, fault) {
			t.Errorf("Put: %v, want the fault", err)
		}
		if got, err := store.Get(t.Context(), "t/x"); err != nil || string(got.Data) != "x" {
			t.Errorf("Get: %q, %v; want that the write took effect", got.Data, err)
		}
	})
}
