package ledger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

// Prove fails where a Commit would, and whatever it says nothing is remembered.
func TestProve(t *testing.T) {
	refused := errors.New("refused")
	for name, test := range map[string]struct {
		refuses func(op mem.Op, key string) bool
		ok      bool
	}{
		"all is well":                    {func(mem.Op, string) bool { return false }, true},
		"a window that exists is leased": {func(op mem.Op, key string) bool { return op == mem.Put && strings.HasSuffix(key, "120000") }, false},
		"there is no room for a new one": {func(op mem.Op, key string) bool { return op == mem.Put && !strings.HasSuffix(key, "120000") }, false},
		"nothing may be removed":         {func(op mem.Op, _ string) bool { return op == mem.Delete }, true},
	} {
		t.Run(name, func(t *testing.T) {
			on := false
			store := &mem.Store{Before: func(op mem.Op, key string) error {
				if on && test.refuses(op, key) {
					return refused
				}
				return nil
			}}
			first := open(store)
			claim(t, first, rec("a", noon))
			commit(t, first, rec("a", noon))
			on = true
			l := open(store)
			records := []pipeline.Record{rec("b", noon), rec("c", noon.Add(time.Hour)), rec("d", time.Time{})}
			claim(t, l, records...)
			for range 2 { // what failed once is not taken for proven
				if err := l.Prove(t.Context(), records); (err == nil) != test.ok || !test.ok && !errors.Is(err, refused) {
					t.Fatalf("Prove: %v, want ok %v", err, test.ok)
				}
			}
			on = false
			want(t, "behind the proof", claim(t, open(store), append(records, rec("a", noon))...), "b", "c", "d")
			commit(t, l, records...)
			want(t, "behind the commit", claim(t, open(store), append(records, rec("a", noon))...))
		})
	}
}

// A window that another run has changed since it was loaded is found before anything is sent.
func TestProveFindsAnotherWriter(t *testing.T) {
	store := new(mem.Store)
	first := open(store)
	claim(t, first, rec("a", noon))
	commit(t, first, rec("a", noon))
	l := open(store)
	claim(t, l, rec("b", noon))
	claim(t, first, rec("c", noon))
	commit(t, first, rec("c", noon))
	if err := l.Prove(t.Context(), []pipeline.Record{rec("b", noon)}); !errors.Is(err, state.ErrConflict) {
		t.Errorf("Prove: %v, want ErrConflict", err)
	}
}

// A proof costs one write for each window that exists, one more for the room, and nothing
// for what the run has proven or written already. It takes as much room as the Commit will.
func TestProveCost(t *testing.T) {
	o := ops{}
	var probed int64
	store := counted(o)
	setup := open(store)
	claim(t, setup, rec("a", noon))
	commit(t, setup, rec("a", noon))
	for range 3 {
		l := open(store)
		store.After = func(op mem.Op, key string) error {
			if op == mem.Put && strings.HasSuffix(key, "/probe") {
				for info, err := range store.List(t.Context(), key) {
					if err != nil {
						return err
					}
					probed = info.Size
				}
			}
			return nil
		}
		var records []pipeline.Record
		for i := range 20 {
			records = append(records, rec(string(rune('A'+i)), noon.Add(time.Duration(i)*time.Minute))) // in 4 windows
		}
		claim(t, l, records...)
		clear(o)
		if err := l.Prove(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		if o[mem.Put] != 2 || o[mem.Delete] != 1 || probed != 4*32+21*16+4*4096 {
			t.Errorf("the first proof costs %v and takes %d bytes", o, probed)
		}
		clear(o)
		if err := l.Prove(t.Context(), slices.Clone(records)); err != nil || len(o) != 0 {
			t.Errorf("the second costs %v, %v", o, err)
		}
		if _, err := store.Get(t.Context(), prefix+"probe"); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("the probe is still there: %v", err)
		}
	}
}

// few is a store with room for some more objects, however small.
type few struct {
	*mem.Store
	room int
}

func (f few) Room(objects int) error {
	if objects > f.room {
		return errors.New("no room for objects")
	}
	return nil
}

// A disk may have space and no inodes: the proof asks for as many objects as the Commit may create,
// windows of two days here.
func TestProveObjects(t *testing.T) {
	records := []pipeline.Record{rec("a", noon), rec("b", noon.Add(time.Hour)), rec("c", noon.Add(24*time.Hour))}
	for room := range 10 {
		store := few{counted(ops{}), room}
		l := open(store)
		claim(t, l, records...)
		err := l.Prove(t.Context(), records)
		if enough := room >= 3+2+1; (err == nil) != enough {
			t.Errorf("room for %d objects: %v", room, err)
		}
		if _, err := store.Get(t.Context(), prefix+"probe"); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("the probe is still there: %v", err)
		}
	}
}

// A probe that could not be removed is not taken for a window.
func TestProbeIsNotAWindow(t *testing.T) {
	store := new(mem.Store)
	l := open(store)
	claim(t, l, rec("a", noon))
	commit(t, l, rec("a", noon))
	if _, err := store.Put(t.Context(), prefix+"probe", make([]byte, 100), state.Absent); err != nil {
		t.Fatal(err)
	}
	n := 0
	for w, err := range open(store).Windows(t.Context()) {
		if n++; err != nil || w.Count != 1 {
			t.Errorf("%+v, %v", w, err)
		}
	}
	if pruned, err := open(store).Prune(t.Context(), noon.Add(time.Hour)); n != 1 || pruned != 1 || err != nil {
		t.Errorf("%d windows, %d pruned, %v", n, pruned, err)
	}
}
