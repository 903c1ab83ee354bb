package queuenote_test

import (
	"errors"
	"flag"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/queuenote"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	at   = time.Date(2026, 11, 30, 1, 0, 3, 0, time.UTC)
	note = queuenote.Note{At: at, Problem: "acme.queue.core.windows.net refuses the queue"}
)

func codec() statetest.Codec[queuenote.Note] {
	return statetest.Codec[queuenote.Note]{
		Encode: queuenote.Encode, Decode: queuenote.Decode, Golden: map[string]queuenote.Note{"v1.json": note, "v1.well.json": {At: at}},
		Newer: []string{`{"version":2}`}, Update: *update,
	}
}

func TestCodec(t *testing.T) { statetest.TestCodec(t, codec()) }

func FuzzDecode(f *testing.F) { statetest.FuzzCodec(f, codec(), "", "{}\n") }

// A damaged note is replaced, one of a newer version is not.
func TestStore(t *testing.T) {
	store, ctx := &mem.Store{}, t.Context()
	if n, err := queuenote.Read(ctx, store); err != nil || n != (queuenote.Note{}) {
		t.Errorf("%+v, %v", n, err)
	}
	for _, damage := range []string{"", "x"} {
		if damage != "" {
			if _, err := store.Put(ctx, queuenote.Key, []byte(damage), state.Any); err != nil {
				t.Fatal(err)
			}
			if n, err := queuenote.Read(ctx, store); err != nil || n != (queuenote.Note{}) {
				t.Errorf("damaged: %+v, %v", n, err)
			}
		}
		if err := queuenote.Write(ctx, store, note); err != nil {
			t.Fatal(err)
		}
		if n, err := queuenote.Read(ctx, store); err != nil || n != note {
			t.Errorf("%+v, %v", n, err)
		}
	}
	if _, err := store.Put(ctx, queuenote.Key, []byte(`{"version":2}`), state.Any); err != nil {
		t.Fatal(err)
	}
	if n, err := queuenote.Read(ctx, store); err != nil || n != (queuenote.Note{}) {
		t.Errorf("newer: %+v, %v", n, err)
	}
	if err := queuenote.Write(ctx, store, note); !errors.Is(err, format.ErrNewer) {
		t.Errorf("newer: %v", err)
	}
}
