package inbox_test

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/inbox"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

const stream = "SailPointIDN_TriggersPushed"

var update = flag.Bool("update", false, "write the golden files anew")

func codec() statetest.Codec[[]pipeline.Record] {
	return statetest.Codec[[]pipeline.Record]{
		Encode: func(b []pipeline.Record) ([]byte, error) { return inbox.Encode(stream, b), nil },
		Decode: func(data []byte) ([]pipeline.Record, error) { return inbox.Decode(stream, data) },
		Golden: map[string][]pipeline.Record{"v1.inbox": {
			{ID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee|", Time: time.Date(2026, 11, 29, 12, 0, 3, 456_000_000, time.UTC), Raw: jsontext.Value(`{"id":"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee","Body":{"a":"` + "\xff" + `"}}`)},
			{ID: "sha256:00@2026-11-29T12:00Z", Raw: jsontext.Value("{\"line\":\n1}")},
		}},
		Newer:  []string{"{\"version\":2,\"stream\":\"x\"}\nanything", "{\"version\":99}\n"},
		Update: *update,
	}
}

func TestCodec(t *testing.T) { statetest.TestCodec(t, codec()) }

func FuzzDecode(f *testing.F) { statetest.FuzzCodec(f, codec(), "", "{}\n", "{\"version\":1}\n") }

func batch(n int) []pipeline.Record {
	return []pipeline.Record{{ID: fmt.Sprint("r", n), Time: time.Date(2026, 9, 1, 0, 0, n, 0, time.UTC), Raw: jsontext.Value(`{"n":1}`)}}
}

func names(t *testing.T, b *inbox.Box, after string) (list []string) {
	t.Helper()
	for o, err := range b.List(t.Context(), after) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, o.Name)
	}
	return list
}

func TestBox(t *testing.T) {
	store := &mem.Store{}
	b := inbox.New(store, "acme", stream)
	for i := range 5 {
		if err := b.Put(t.Context(), batch(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := inbox.New(store, "acme", "Other").Put(t.Context(), batch(9)); err != nil {
		t.Fatal(err)
	}
	list := names(t, b, "")
	if len(list) != 5 {
		t.Fatalf("%d objects, want 5", len(list))
	}
	seen := map[string]bool{}
	for _, name := range list {
		got, err := b.Read(t.Context(), name)
		if err != nil || len(got) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		seen[got[0].ID] = true
	}
	if len(seen) != 5 {
		t.Errorf("%v", seen)
	}
	if diff := cmp.Diff(list[3:], names(t, b, list[2])); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		if err := b.Delete(t.Context(), list[0]); err != nil {
			t.Error(err)
		}
	}
	if got, err := b.Read(t.Context(), list[0]); got != nil || err != nil {
		t.Errorf("a missing object: %v, %v", got, err)
	}
}

// What can't be read is named, and kept.
func TestUnreadable(t *testing.T) {
	store := &mem.Store{}
	b := inbox.New(store, "acme", stream)
	for name, tc := range map[string]struct{ text, says string }{
		"empty": {"", "restore"}, "newer": {"{\"version\":2}\n", "upgrade"}, "cut": {string(inbox.Encode(stream, batch(1))[:150]), "restore"},
		"another's": {string(inbox.Encode("Other", batch(1))), "Other"},
	} {
		name = strings.ReplaceAll(name, "'", "")
		key := "acme/inbox/" + stream + "/" + name
		if _, err := store.Put(t.Context(), key, []byte(tc.text), state.Any); err != nil {
			t.Fatal(err)
		}
		got, err := b.Read(t.Context(), name)
		if got != nil || !errors.Is(err, inbox.ErrUnreadable) || !b.Unreadable(err) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
