package hooknote_test

import (
	"errors"
	"flag"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
	"github.com/idn-sentinel/idn-sentinel/internal/state/hooknote"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

var note = hooknote.Note{At: time.Date(2026, 11, 29, 12, 0, 3, 0, time.UTC), Text: "unsubscribe it (idn:new)"}

func codec() statetest.Codec[hooknote.Note] {
	return statetest.Codec[hooknote.Note]{
		Encode: hooknote.Encode, Decode: hooknote.Decode, Golden: map[string]hooknote.Note{"v1.json": note},
		Newer: []string{`{"version":2}`}, Update: *update,
	}
}

func TestCodec(t *testing.T) { statetest.TestCodec(t, codec()) }

func FuzzDecode(f *testing.F) { statetest.FuzzCodec(f, codec(), "", "{}\n") }

func TestStore(t *testing.T) {
	store, ctx := &mem.Store{}, t.Context()
	s := hooknote.New(store, "acme", "Pushed")
	if n, err := s.Read(ctx); err != nil || n != (hooknote.Note{}) {
		t.Errorf("%+v, %v", n, err)
	}
	for range 2 {
		if err := s.Write(ctx, note); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Read(ctx); err != nil || n != note {
		t.Errorf("%+v, %v", n, err)
	}
	if _, err := store.Put(ctx, "acme/hooks/noted/Pushed.json", []byte("x"), state.Any); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Read(ctx); err != nil || n != (hooknote.Note{}) {
		t.Errorf("damaged: %+v, %v", n, err)
	}
	if err := s.Write(ctx, note); err != nil {
		t.Errorf("in the place of what is damaged: %v", err)
	}
	if n, err := s.Read(ctx); err != nil || n != note {
		t.Errorf("after the damage: %+v, %v", n, err)
	}
}

// A note of a newer version is not overwritten.
func TestNewerVersion(t *testing.T) {
	const newer = `{"version":2}`
	store, ctx := &mem.Store{}, t.Context()
	if _, err := store.Put(ctx, "acme/hooks/noted/Pushed.json", []byte(newer), state.Any); err != nil {
		t.Fatal(err)
	}
	s := hooknote.New(store, "acme", "Pushed")
	if err := s.Write(ctx, note); !errors.Is(err, format.ErrNewer) {
		t.Errorf("Write: %v, want ErrNewer", err)
	}
	if o, err := store.Get(ctx, "acme/hooks/noted/Pushed.json"); err != nil || string(o.Data) != newer {
		t.Errorf("it is now %q, %v", o.Data, err)
	}
	if n, err := s.Read(ctx); err != nil || n != (hooknote.Note{}) {
		t.Errorf("%+v, %v", n, err)
	}
}
