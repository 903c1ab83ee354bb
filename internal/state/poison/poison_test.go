package poison_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/poison"
)

// What an earlier version has stored, a later one must read.
const golden = `{"version":1,"total":7,"recent":[{"at":"2026-09-24T13:08:00Z","connection":"acme","deliveries":5,"reason":"no connection acme"}]}` + "\n"

func TestGolden(t *testing.T) {
	store := new(mem.Store)
	if _, err := store.Put(t.Context(), poison.Key, []byte(golden), state.Any); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 9, 24, 13, 8, 0, 0, time.UTC)
	want := poison.File{Total: 7, Recent: []poison.Note{{At: at, Connection: "acme", Deliveries: 5, Reason: "no connection acme"}}}
	got, err := poison.Load(t.Context(), store)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := poison.Add(t.Context(), store, poison.Note{At: at.Add(time.Minute), Deliveries: 5, Reason: "other\n" + strings.Repeat("x", 10_000)}); err != nil {
		t.Fatal(err)
	}
	got, err = poison.Load(t.Context(), store)
	if err != nil || got.Total != 8 || len(got.Recent) != 2 || len(got.Recent[0].Reason) > 600 || strings.Contains(got.Recent[0].Reason, "\n") {
		t.Errorf("%v: %+v", err, got)
	}
}

// Several instances note at the same time, and the object stays small.
func TestAdd(t *testing.T) {
	store := new(mem.Store)
	for range 3 {
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := poison.Add(t.Context(), store, poison.Note{At: time.Now(), Deliveries: 5, Reason: "r"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	if got, err := poison.Load(t.Context(), store); err != nil || got.Total != 30 || len(got.Recent) != 20 {
		t.Errorf("%v: %d, %d", err, got.Total, len(got.Recent))
	}
}

func TestOddObjects(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		newer bool
	}{
		"damaged": {`{"version":1,"tot`, false},
		"newer":   {`{"version":2}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(mem.Store)
			if _, err := store.Put(t.Context(), poison.Key, []byte(tc.text), state.Any); err != nil {
				t.Fatal(err)
			}
			err := poison.Add(t.Context(), store, poison.Note{At: time.Now(), Reason: "r"})
			if errors.Is(err, format.ErrNewer) != tc.newer || !tc.newer && err != nil {
				t.Errorf("add: %v", err)
			}
		})
	}
}
