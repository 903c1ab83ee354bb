package spool_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/spool"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

const stream = "SailPointIDN_Triggers"

var update = flag.Bool("update", false, "write the golden files anew")

func batch(from, to int) (b []pipeline.Record) {
	for i := from; i < to; i++ {
		id := fmt.Sprintf("r%d", i)
		b = append(b, pipeline.Record{ID: id, Time: time.Date(2026, 9, 1, 0, 0, i, 0, time.UTC), Raw: jsontext.Value("{\"id\": \"" + id + "\",\n\"n\":1}")})
	}
	return b
}

func TestPutAndDrain(t *testing.T) {
	store := &mem.Store{}
	s := spool.New(store, "acme")
	ctx := t.Context()
	for i := range 5 {
		if err := s.Put(ctx, stream, batch(i*10, i*10+10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(ctx, "Other", batch(900, 901)); err != nil {
		t.Fatal(err)
	}
	// The sink fails at the third batch: the first two are gone, the rest waits.
	down := errors.New("down")
	var got []pipeline.Record
	n := 0
	take := func(_ context.Context, b []pipeline.Record) error {
		if n++; n == 3 {
			return down
		}
		got = append(got, b...)
		return nil
	}
	if err := s.Drain(ctx, stream, take); !errors.Is(err, down) {
		t.Errorf("Drain: %v, want the error of write", err)
	}
	// What comes now goes behind what waits.
	if err := s.Put(ctx, stream, batch(50, 60)); err != nil {
		t.Fatal(err)
	}
	if err := s.Drain(ctx, stream, take); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(batch(0, 60), got); diff != "" {
		t.Errorf("drained (-want +got):\n%s", diff)
	}
	if err := s.Drain(ctx, stream, func(context.Context, []pipeline.Record) error { return errors.New("not empty") }); err != nil {
		t.Error(err)
	}
}

// Order survives a clock that is set back.
func TestClockSetBack(t *testing.T) {
	store := &mem.Store{}
	future := fmt.Sprintf("acme/spool/%s/%019d", stream, time.Now().Add(time.Hour).UnixNano())
	if _, err := store.Put(t.Context(), future, spool.Encode(stream, batch(0, 1)), state.Absent); err != nil {
		t.Fatal(err)
	}
	s := spool.New(store, "acme")
	if err := s.Put(t.Context(), stream, batch(1, 2)); err != nil {
		t.Fatal(err)
	}
	var got []pipeline.Record
	if err := s.Drain(t.Context(), stream, func(_ context.Context, b []pipeline.Record) error { got = append(got, b...); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(batch(0, 2), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A removal that fails is told: the batch may come again, but is never lost.
func TestStoreFails(t *testing.T) {
	broken := errors.New("broken")
	for op, want := range map[mem.Op]struct{ put, drain bool }{
		mem.List: {true, true}, mem.Get: {false, true}, mem.Put: {true, true}, mem.Delete: {true, true},
	} {
		t.Run(string(op), func(t *testing.T) {
			fail := false
			store := &mem.Store{Before: func(o mem.Op, _ string) error {
				if fail && (o == op || op == mem.Delete && o == mem.Put) { // nor can it be emptied
					return broken
				}
				return nil
			}}
			s := spool.New(store, "acme")
			if err := s.Put(t.Context(), stream, batch(0, 3)); err != nil {
				t.Fatal(err)
			}
			fail = true
			putErr := s.Put(t.Context(), stream, batch(3, 4))
			drainErr := s.Drain(t.Context(), stream, func(context.Context, []pipeline.Record) error { return nil })
			if errors.Is(putErr, broken) != want.put || errors.Is(drainErr, broken) != want.drain {
				t.Errorf("Put: %v, Drain: %v", putErr, drainErr)
			}
		})
	}
}

// A batch that could not leave the spool is not delivered out of it: it would be with every
// run. Only the first is tried, and only if there is something in it.
func TestDrainProvesTheRemoval(t *testing.T) {
	leased := errors.New("leased")
	var refuse bool
	puts := 0
	store := &mem.Store{Before: func(op mem.Op, _ string) error {
		if op == mem.Put {
			puts++
		}
		if refuse && (op == mem.Put || op == mem.Delete) {
			return leased
		}
		return nil
	}}
	s := spool.New(store, "acme")
	for i := range 3 {
		if err := s.Put(t.Context(), stream, batch(i, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	written := 0
	write := func(context.Context, []pipeline.Record) error { written++; return nil }
	refuse = true
	if err := s.Drain(t.Context(), stream, write); !errors.Is(err, leased) || written != 0 {
		t.Errorf("%v, %d batches were delivered", err, written)
	}
	refuse, puts = false, 0
	if err := s.Drain(t.Context(), stream, write); err != nil || written != 3 || puts != 1 {
		t.Errorf("%v, %d batches were delivered with %d writes", err, written, puts)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := spool.Encode(stream, batch(0, 3))
	tests := map[string]struct {
		data []byte
		want string
	}{
		"empty":                      {nil, "damaged"},
		"cut":                        {good[:len(good)-5], "checksum"},
		"one bit":                    {bytes.Replace(good, []byte(`"r1"`), []byte(`"r7"`), 1), "checksum"},
		"other stream":               {bytes.Replace(good, []byte(stream), []byte("SailPointIDN_Eventzzz"), 1), "belongs to"},
		"newer":                      {bytes.Replace(good, []byte(`"version":1`), []byte(`"version":2`), 1), "upgrade this app"},
		"newer, made in another way": {[]byte("{\"version\":2,\"stream\":[1]}\n\x00"), "upgrade this app"},
		"records differ":             {bytes.Replace(good, []byte(`"records":3`), []byte(`"records":4`), 1), "instead of 4"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := spool.Decode(stream, tt.data); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Decode: %v, want it to say %q", err, tt.want)
			}
		})
	}
}

// Where objects can't be removed, a batch that was delivered does not come again with
// every run, and those behind it are delivered, too.
func TestRemovingIsForbidden(t *testing.T) {
	forbidden := true
	store := &mem.Store{Before: func(op mem.Op, _ string) error {
		if forbidden && op == mem.Delete {
			return errors.New("403 the object is immutable")
		}
		return nil
	}}
	s := spool.New(store, "acme")
	var got []pipeline.Record
	take := func(_ context.Context, b []pipeline.Record) error { got = append(got, b...); return nil }
	for i := range 3 {
		if err := s.Put(t.Context(), stream, batch(2*i, 2*i+2)); err != nil {
			t.Fatal(err)
		}
		if err := s.Drain(t.Context(), stream, take); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(batch(0, 6), got); diff != "" {
		t.Errorf("drained (-want +got):\n%s", diff)
	}
	forbidden = false
	if err := s.Drain(t.Context(), stream, take); err != nil || len(got) != 6 {
		t.Errorf("%d records, %v", len(got), err)
	}
	for info, err := range store.List(t.Context(), "") {
		t.Errorf("left: %s, %v", info.Key, err)
	}
}

// A run that is cut once a batch was delivered still removes it: another process would send it again.
func TestDrainIsCutAfterDelivery(t *testing.T) {
	store := &mem.Store{}
	s := spool.New(store, "acme")
	if err := s.Put(t.Context(), stream, batch(0, 3)); err != nil {
		t.Fatal(err)
	}
	ctx, cut := context.WithCancel(t.Context())
	if err := s.Drain(ctx, stream, func(context.Context, []pipeline.Record) error { cut(); return nil }); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for info, err := range store.List(t.Context(), "") {
		t.Errorf("left: %s, %v", info.Key, err)
	}
}

// unseen is a store whose listings show nothing yet of what others have just written.
type unseen struct{ *mem.Store }

func (unseen) List(context.Context, string) iter.Seq2[state.Info, error] {
	return func(func(state.Info, error) bool) {}
}

// Two processes that spool at the same instant don't see each other. The second one fails rather
// than replace what the first one stored.
func TestSpooledAtTheSameInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &mem.Store{}
		for i, want := range []error{nil, state.ErrConflict} {
			if err := spool.New(unseen{store}, "acme").Put(t.Context(), stream, batch(i, i+1)); !errors.Is(err, want) {
				t.Errorf("Put %d: %v, want %v", i, err, want)
			}
		}
		var got []pipeline.Record
		if err := spool.New(store, "acme").Drain(t.Context(), stream, func(_ context.Context, b []pipeline.Record) error { got = append(got, b...); return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(batch(0, 1), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// A time that JSON can't spell is none, and nothing that ends the run.
func TestTimeThatCannotBeSpelled(t *testing.T) {
	want := batch(0, 1)
	want[0].Time = time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600)).UTC()
	got, err := spool.Decode(stream, spool.Encode(stream, want))
	want[0].Time = time.Time{}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

var codec = statetest.Codec[[]pipeline.Record]{
	Encode: func(b []pipeline.Record) ([]byte, error) { return spool.Encode(stream, b), nil },
	Decode: func(data []byte) ([]pipeline.Record, error) { return spool.Decode(stream, data) },
	Golden: map[string][]pipeline.Record{"v1.spool": batch(0, 3)},
	Newer:  []string{"{\"version\":2}\n"},
	Draw: func(t *rapid.T) (b []pipeline.Record) {
		for i := range rapid.IntRange(0, 5).Draw(t, "records") {
			at := time.Unix(rapid.Int64Range(0, 250_000_000_000).Draw(t, "time"), int64(i)).UTC()
			b = append(b, pipeline.Record{ID: rapid.String().Draw(t, "id"), Time: at, Raw: rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "raw")})
		}
		return b
	},
}

func TestCodec(t *testing.T) {
	codec.Update = *update
	statetest.TestCodec(t, codec)
}

func FuzzDecode(f *testing.F) {
	statetest.FuzzCodec(f, codec, `{"version":1}`+"\n", string(spool.Encode(stream, nil)))
}
