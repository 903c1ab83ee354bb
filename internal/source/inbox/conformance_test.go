package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/inbox"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sourcetest"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	boxes "github.com/idn-sentinel/idn-sentinel/internal/state/inbox"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

const prefix = "acme/inbox/Pushed/"

// shaky is a store that may hang or fail.
type shaky struct {
	state.Store
	hang time.Duration
	err  error
}

func (s *shaky) disturb(ctx context.Context) error {
	if s.hang > 0 {
		timer := time.NewTimer(s.hang)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.err
}

func (s *shaky) Get(ctx context.Context, key string) (state.Object, error) {
	if err := s.disturb(ctx); err != nil {
		return state.Object{}, err
	}
	return s.Store.Get(ctx, key)
}

func (s *shaky) List(ctx context.Context, prefix string) iter.Seq2[state.Info, error] {
	return func(yield func(state.Info, error) bool) {
		if err := s.disturb(ctx); err != nil {
			yield(state.Info{}, err)
			return
		}
		s.Store.List(ctx, prefix)(yield)
	}
}

func record(id string) pipeline.Record {
	return pipeline.Record{ID: id, Time: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC), Raw: jsontext.Value(`{"id":"` + id + `"}`)}
}

// world has 300 objects, of one or two records each.
func world(t *testing.T) *sourcetest.World {
	store := &shaky{Store: &mem.Store{}}
	box := boxes.New(store, "acme", "Pushed")
	w := &sourcetest.World{Stored: true, Want: map[string][]byte{}, Victim: "victim"}
	put := func(ids ...string) {
		var batch []pipeline.Record
		for _, id := range ids {
			rec := record(id)
			w.Want[id], batch = rec.Raw, append(batch, rec)
		}
		if err := box.Put(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Microsecond)
	}
	for i := range 300 {
		switch {
		case i == 150:
			put("victim")
		case i%3 == 0:
			put(fmt.Sprintf("r%d", i), fmt.Sprintf("r%d second", i))
		default:
			put(fmt.Sprintf("r%d", i))
		}
	}
	w.Open = func() pipeline.Source {
		return inbox.New(pipeline.Stream{ID: "Pushed", Table: "T"}, boxes.New(store, "acme", "Pushed"))
	}
	w.Hang = func(d time.Duration) { store.hang = d }
	w.Lasting = map[string]func(){"forbidden": func() { store.err = errors.New("forbidden") }}
	w.Add = func() string {
		id := fmt.Sprintf("added %d", len(w.Want))
		// Written by a process whose clock is behind: it is first in the order.
		if err := copyAs(t.Context(), store.Store, id, prefix+"0000000000000000001-0"+strconv.Itoa(len(w.Want))); err != nil {
			t.Fatal(err)
		}
		return id
	}
	w.Damage = func() string {
		for info, err := range store.Store.List(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			o, err := store.Store.Get(t.Context(), info.Key)
			if err != nil {
				t.Fatal(err)
			}
			if !containsVictim(o.Data) {
				continue
			}
			if _, err := store.Put(t.Context(), info.Key, o.Data[:len(o.Data)-3], state.Any); err != nil {
				t.Fatal(err)
			}
			return info.Key
		}
		t.Fatal("there is no victim")
		return ""
	}
	return w
}

func containsVictim(data []byte) bool {
	batch, err := boxes.Decode("Pushed", data)
	return err == nil && len(batch) == 1 && batch[0].ID == "victim"
}

// copyAs stores a record under a key of choice.
func copyAs(ctx context.Context, store state.Store, id, key string) error {
	_, err := store.Put(ctx, key, boxes.Encode("Pushed", []pipeline.Record{record(id)}), state.Absent)
	return err
}

func TestConformance(t *testing.T) { sourcetest.Run(t, world) }
