package owed_test

import (
	"flag"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/owed"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

var arrival = time.Date(2026, 11, 29, 12, 0, 3, 456_000_000, time.UTC)

func codec() statetest.Codec[owed.Answers] {
	return statetest.Codec[owed.Answers]{
		Encode: owed.Encode, Decode: owed.Decode,
		Golden: map[string]owed.Answers{"v1.json": {At: arrival, Sealed: []byte("\x00sealed\xff")}},
		Newer:  []string{`{"version":2}`, `{"version":99,"at":1}`},
		Update: *update,
	}
}

func TestCodec(t *testing.T) { statetest.TestCodec(t, codec()) }

func FuzzDecode(f *testing.F) { statetest.FuzzCodec(f, codec(), "", "{}\n", "{\"version\":1}\n") }

func TestStore(t *testing.T) {
	store, ctx := &mem.Store{}, t.Context()
	s := owed.New(store, "acme", "Pushed")
	later, err := s.Put(ctx, owed.Answers{At: arrival.Add(time.Second), Sealed: []byte("b")})
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Put(ctx, owed.Answers{At: arrival, Sealed: []byte("a")})
	if err != nil {
		t.Fatal(err)
	}
	names := func(most int) (names []string) {
		list, err := s.List(ctx, most)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range list {
			names = append(names, item.Name)
		}
		return names
	}
	if diff := cmp.Diff([]string{first, later}, names(9)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{first}, names(1)); diff != "" {
		t.Error(diff)
	}
	if a, ok, err := s.Get(ctx, first); err != nil || !ok || string(a.Sealed) != "a" || !a.At.Equal(arrival) {
		t.Errorf("%+v, %v, %v", a, ok, err)
	}
	for range 2 {
		if err := s.Delete(ctx, first); err != nil {
			t.Error(err)
		}
	}
	if _, ok, err := s.Get(ctx, first); ok || err != nil {
		t.Errorf("what was removed: %v, %v", ok, err)
	}
	if _, err := store.Put(ctx, "acme"+owed.Prefix("Pushed")+later, []byte("x"), state.Any); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Get(ctx, later); !ok || err == nil {
		t.Errorf("what is damaged: %v, %v", ok, err)
	}
}
