package saas_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/saas"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sourcetest"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
)

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

func boxOf(store state.Store) *reports.Store { return reports.New(store, "acme", saas.StreamID) }

// world has five reports, two of which fill several pages.
func world(t *testing.T) *sourcetest.World {
	store := &shaky{Store: &mem.Store{}}
	box := boxOf(store)
	w := &sourcetest.World{Stored: true, Want: map[string][]byte{}, Victim: "unset"}
	put := func(name string, rows int) string {
		var body strings.Builder
		fmt.Fprintf(&body, "Name,Report\n")
		for i := range rows {
			fmt.Fprintf(&body, "row %d,%s\n", i+1, name)
		}
		r, _, err := box.Put(t.Context(), name, "text/csv", time.Now(), strings.NewReader(body.String()))
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			w.Want[fmt.Sprintf("%s#%d", r.ID, i+1)] = []byte(fmt.Sprintf(
				`{"report":%q,"received":%q,"deliveryId":%q,"rowNumber":%d,"row":"{\"Name\":\"row %d\",\"Report\":\"%s\"}"}`,
				name, r.Received.Format("2006-01-02T15:04:05.000Z"), r.ID, i+1, i+1, name))
		}
		<-time.After(time.Second)
		return r.ID
	}
	put("small", 3)
	put("large", 2500)
	w.Victim = put("victim", 1)
	put("empty", 0)
	put("last", 1001)
	w.Open = func() pipeline.Source { return saas.New(boxOf(store)) }
	w.Hang = func(d time.Duration) { store.hang = d }
	w.Lasting = map[string]func(){"forbidden": func() { store.err = errors.New("forbidden") }}
	w.Add = func() string {
		// Received by a process whose clock is behind: it is first in the order.
		r, _, err := box.Put(t.Context(), "late", "", time.Now().Add(-time.Hour), strings.NewReader(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		return r.ID + "#1"
	}
	w.Damage = func() string {
		if err := store.Delete(t.Context(), "acme/inbox/"+saas.StreamID+"/parts/"+w.Victim+"/000001"); err != nil {
			t.Fatal(err)
		}
		return w.Victim
	}
	return w
}

func TestConformance(t *testing.T) { sourcetest.Run(t, world) }
