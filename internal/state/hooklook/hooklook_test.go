package hooklook_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/hooklook"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

func TestLook(t *testing.T) {
	store, ctx := &mem.Store{}, t.Context()
	s, other := hooklook.New(store, "acme"), hooklook.New(store, "globex")
	if until, err := s.Asked(ctx); err != nil || !until.IsZero() {
		t.Fatalf("asked until %v, %v, before anyone did", until, err)
	}
	end := time.Date(2026, 9, 1, 10, 0, 0, 0, time.UTC)
	if err := s.Ask(ctx, end); err != nil {
		t.Fatal(err)
	}
	if until, err := s.Asked(ctx); err != nil || !until.Equal(end) {
		t.Errorf("asked until %v, %v", until, err)
	}
	if until, _ := other.Asked(ctx); !until.IsZero() {
		t.Errorf("another tenant is looked at until %v", until)
	}
	late := hooklook.Outline{Version: 1, At: end.Add(time.Second), Path: "/b", Headers: []string{"A"}, Length: -1, Shape: "x"}
	early := late
	early.At, early.Path = end, "/a"
	for _, o := range []hooklook.Outline{late, early, early} {
		if err := s.Note(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Take(ctx)
	if diff := cmp.Diff([]hooklook.Outline{early, early, late}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := s.Take(ctx); len(got) != 0 || err != nil {
		t.Errorf("taken again: %v, %v", got, err)
	}
	_ = s.Note(ctx, late)
	if err := s.End(ctx); err != nil {
		t.Error(err)
	}
	for info, err := range store.List(ctx, "") {
		t.Errorf("left: %v, %v", info.Key, err)
	}
}

// A newer version is refused.
func TestNewerVersion(t *testing.T) {
	store := &mem.Store{}
	for _, key := range []string{"acme/hooks/look.json", "acme/hooks/looked/1"} {
		if _, err := store.Put(t.Context(), key, []byte(`{"version":2}`), state.Any); err != nil {
			t.Fatal(err)
		}
	}
	s := hooklook.New(store, "acme")
	if _, err := s.Asked(t.Context()); err == nil {
		t.Error("a newer request is read")
	}
	if _, err := s.Take(t.Context()); err == nil {
		t.Error("a newer outline is read")
	}
}
