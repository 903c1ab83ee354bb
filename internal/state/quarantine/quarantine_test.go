package quarantine_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

const events, triggers = "SailPointIDN_Events", "SailPointIDN_Triggers"

var now = time.Date(2026, 9, 24, 13, 9, 2, 117e6, time.UTC)

func open(store state.Store) *quarantine.Store {
	q := quarantine.New(store, "acme")
	q.Now = func() time.Time { return now }
	return q
}

func rec(id, raw string) pipeline.Record {
	return pipeline.Record{ID: id, Time: now.Add(-time.Hour), Raw: jsontext.Value(raw)}
}

func put(t *testing.T, q *quarantine.Store, stream string, r pipeline.Record, reason pipeline.Reason, detail string) {
	t.Helper()
	if err := q.Put(t.Context(), stream, r, reason, detail); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

func list(t *testing.T, q *quarantine.Store, stream string) (entries []quarantine.Entry) {
	t.Helper()
	for e, err := range q.List(t.Context(), stream, "") {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		entries = append(entries, e)
	}
	return entries
}

// only is the one item in quarantine.
func only(t *testing.T, q *quarantine.Store) quarantine.Item {
	t.Helper()
	entries := list(t, q, "")
	if len(entries) != 1 {
		t.Fatalf("%d originals, want 1: %v", len(entries), entries)
	}
	item, err := q.Get(t.Context(), entries[0].Key)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return item
}

func TestWholeLife(t *testing.T) {
	ctx, q := t.Context(), open(new(mem.Store))
	odd := rec("id 1/ü", "{\n\"a\": \"\xff\x00\\u0041\",\n \"a\":1}\n")
	undated := rec("id 2", `{}`)
	undated.Time = time.Time{}
	put(t, q, events, odd, pipeline.RejectedBySink, "400 InvalidDataFormat")
	put(t, q, events, undated, pipeline.Unfit, "")
	put(t, q, triggers, odd, pipeline.Conformed, "name cut")

	want := quarantine.Item{
		Stream: events, ID: odd.ID, Time: odd.Time, Reason: pipeline.RejectedBySink,
		Detail: "400 InvalidDataFormat", Stored: now, Raw: odd.Raw,
	}
	entries := list(t, q, events)
	if len(entries) != 2 {
		t.Fatalf("List: %v, want 2 entries", entries)
	}
	got, err := q.Get(ctx, entries[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Get (-want +got):\n%s", diff)
	}
	if day := entries[0].Day.Format(time.DateOnly); day != "2026-09-24" || !entries[1].Day.IsZero() || entries[0].Stored.IsZero() {
		t.Errorf("List: %v, want the days of the events", entries)
	}
	if got := list(t, q, ""); len(got) != 3 {
		t.Errorf("List of all streams: %v, want 3 entries", got)
	}
	n, size, err := q.Count(ctx, events, quarantine.Undelivered)
	if err != nil || n != 2 || size != entries[0].Size+entries[1].Size || size == 0 {
		t.Errorf("Count = %d, %d, %v; want 2 and the sum of the sizes", n, size, err)
	}
	for range 2 { // a second time is no error
		if err := q.Delete(ctx, entries[0].Key); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	if _, err := q.Get(ctx, entries[0].Key); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get after Delete: %v, want ErrNotFound", err)
	}
	if n, _, err := q.Count(ctx, "", ""); err != nil || n != 2 {
		t.Errorf("Count = %d, %v; want 2", n, err)
	}
}

func TestSameOriginalAgain(t *testing.T) {
	const conformed, refused, unfit = pipeline.Conformed, pipeline.RejectedBySink, pipeline.Unfit
	for _, test := range []struct {
		name          string
		first, second pipeline.Reason
		want          map[quarantine.Kind]string // the details
	}{
		{"same reason", refused, refused, map[quarantine.Kind]string{quarantine.Undelivered: "first"}},
		{"refused, then unfit", refused, unfit, map[quarantine.Kind]string{quarantine.Undelivered: "first"}},
		{"conformed, then refused: it is missing downstream", conformed, refused, map[quarantine.Kind]string{quarantine.Undelivered: "second"}},
		{"conformed, then unfit", conformed, unfit, map[quarantine.Kind]string{quarantine.Undelivered: "second"}},
		{"refused, then conformed: nobody said it was delivered", refused, conformed, map[quarantine.Kind]string{quarantine.Undelivered: "first", quarantine.Conformed: "second"}},
		{"conformed twice", conformed, conformed, map[quarantine.Kind]string{quarantine.Conformed: "first"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			q, r := open(new(mem.Store)), rec("id", `{"a":1}`)
			put(t, q, events, r, test.first, "first")
			put(t, q, events, r, test.second, "second")
			got := map[quarantine.Kind]string{}
			for _, e := range list(t, q, events) {
				item, err := q.Get(t.Context(), e.Key)
				if err != nil {
					t.Fatal(err)
				}
				if quarantine.KindOf(item.Reason) != e.Kind || !e.OfRecord("id") || e.OfRecord("other") || e.Stream != events {
					t.Errorf("%+v holds %+v", e, item)
				}
				got[e.Kind] = item.Detail
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestListAndCountByKind(t *testing.T) {
	q := open(new(mem.Store))
	for i, reason := range []pipeline.Reason{pipeline.Conformed, pipeline.Unfit, pipeline.RejectedBySink, pipeline.Conformed, pipeline.Conformed} {
		stream := []string{events, triggers}[i%2]
		put(t, q, stream, rec(strconv.Itoa(i), `{}`), reason, "")
	}
	for _, test := range []struct {
		stream string
		kind   quarantine.Kind
		want   int64
	}{
		{events, quarantine.Undelivered, 1},
		{events, quarantine.Conformed, 2},
		{events, "", 3},
		{triggers, quarantine.Undelivered, 1},
		{"", quarantine.Conformed, 3},
		{"", quarantine.Undelivered, 2},
		{"", "", 5},
	} {
		if n, _, err := q.Count(t.Context(), test.stream, test.kind); err != nil || n != test.want {
			t.Errorf("Count(%q, %q) = %d, %v; want %d", test.stream, test.kind, n, err, test.want)
		}
	}
}

func TestDifferentOriginals(t *testing.T) {
	q := open(new(mem.Store))
	later := rec("id", `{"a":1}`)
	later.Time = later.Time.Add(24 * time.Hour)
	for _, r := range []pipeline.Record{rec("id", `{"a":1}`), rec("id", `{"a":2}`), rec("id2", `{"a":1}`), later} {
		put(t, q, events, r, pipeline.Unfit, "")
	}
	if n := len(list(t, q, events)); n != 4 {
		t.Errorf("%d originals, want 4", n)
	}
}

// A refusal that could not be noted whole leaves nothing among the undelivered: the record is
// fetched again and may be delivered, and resending the undelivered would repeat it.
func TestRefusalIsNotedWholeOrNotAtAll(t *testing.T) {
	for _, op := range []mem.Op{mem.Put, mem.Delete} {
		broken := false
		q, r := open(&mem.Store{Before: func(o mem.Op, _ string) error {
			if broken && o == op {
				return errors.New("store is away")
			}
			return nil
		}}), rec("id", `{"a":1}`)
		put(t, q, events, r, pipeline.Conformed, "first")
		broken = true
		if err := q.Put(t.Context(), events, r, pipeline.RejectedBySink, "second"); err == nil {
			t.Errorf("%s fails: no error", op)
		}
		for _, e := range list(t, q, events) {
			if e.Kind == quarantine.Undelivered {
				t.Errorf("%s fails: %s is there", op, e.Key)
			}
		}
	}
}

func TestCost(t *testing.T) {
	var ops []mem.Op
	q := open(&mem.Store{Before: func(op mem.Op, _ string) error { ops = append(ops, op); return nil }})
	put(t, q, events, rec("id", `{}`), pipeline.Conformed, "")
	put(t, q, events, rec("id", `{}`), pipeline.Conformed, "")
	put(t, q, events, rec("id", `{}`), pipeline.Unfit, "")
	put(t, q, events, rec("id", `{}`), pipeline.Unfit, "")
	if diff := cmp.Diff([]mem.Op{mem.Put, mem.Put, mem.Get, mem.Delete, mem.Put, mem.Delete, mem.Put, mem.Get}, ops); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

// TestDamaged: a damaged object is told, and put right by the original.
func TestDamaged(t *testing.T) {
	r := rec("id", `{"a":1}`)
	for _, test := range []struct {
		name   string
		damage func(string) string
		want   string
	}{
		{"empty", func(string) string { return "" }, "it is truncated"},
		{"cut in the header", func(s string) string { return s[:20] }, "it is truncated"},
		{"cut in the bytes", func(s string) string { return s[:len(s)-1] }, "6 of 7 bytes"},
		{"changed", func(s string) string { return strings.Replace(s, `{"a":1}`, `{"a":2}`, 1) }, "checksum"},
		{"no header", func(string) string { return "{\n}" }, "not valid JSON"},
		{"no version", func(s string) string { return strings.Replace(s, `"version":1,`, "", 1) }, "no version"},
		{"length is no number", func(s string) string { return strings.Replace(s, `"length":7`, `"length":"7"`, 1) }, "form of version 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, store := t.Context(), new(mem.Store)
			q := open(store)
			put(t, q, events, r, pipeline.Unfit, "")
			key := list(t, q, events)[0].Key
			good, err := store.Get(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Put(ctx, key, []byte(test.damage(string(good.Data))), state.Any); err != nil {
				t.Fatal(err)
			}
			if _, err := q.Get(ctx, key); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), key) {
				t.Errorf("Get: %v, want it to name the key and to say %q", err, test.want)
			}
			put(t, q, events, r, pipeline.RejectedBySink, "")
			if got := only(t, q); string(got.Raw) != `{"a":1}` {
				t.Errorf("after the original came again: %q", got.Raw)
			}
		})
	}
}

func TestAnotherOriginalInItsPlace(t *testing.T) {
	ctx, store := t.Context(), new(mem.Store)
	q := open(store)
	put(t, q, events, rec("id", `{"a":1}`), pipeline.Unfit, "")
	key := list(t, q, events)[0].Key
	other, err := quarantine.Encode(quarantine.Item{Stream: events, ID: "id", Raw: jsontext.Value(`{"a":2}`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(ctx, key, other, state.Any); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Get(ctx, key); err == nil || !strings.Contains(err.Error(), "a different original") {
		t.Errorf("Get: %v, want it to say so", err)
	}
}

func TestNewerVersionIsLeftAlone(t *testing.T) {
	ctx, store := t.Context(), new(mem.Store)
	q, r := open(store), rec("id", `{"a":1}`)
	put(t, q, events, r, pipeline.RejectedBySink, "")
	key := list(t, q, events)[0].Key
	newer := []byte("{\"version\":2,\"what\":[]}\never")
	if _, err := store.Put(ctx, key, newer, state.Any); err != nil {
		t.Fatal(err)
	}
	_, getErr := q.Get(ctx, key)
	for op, err := range map[string]error{"Get": getErr, "Put": q.Put(ctx, events, r, pipeline.Unfit, "")} {
		if err == nil || !strings.Contains(err.Error(), "upgrade this app") {
			t.Errorf("%s: %v, want it to say what to do", op, err)
		}
	}
	if o, err := store.Get(ctx, key); err != nil || !slices.Equal(o.Data, newer) {
		t.Errorf("object is %q, %v; want it as it was", o.Data, err)
	}
}

func TestKeysOfOthersAreRefused(t *testing.T) {
	ctx, store := t.Context(), new(mem.Store)
	const key = "acme/checkpoints/SailPointIDN_Events.json"
	if _, err := store.Put(ctx, key, nil, state.Absent); err != nil {
		t.Fatal(err)
	}
	q := open(store)
	if err := q.Delete(ctx, key); err == nil {
		t.Error("Delete of a checkpoint: no error")
	}
	if _, err := q.Get(ctx, key); err == nil {
		t.Error("Get of a checkpoint: no error")
	}
	if _, err := store.Get(ctx, key); err != nil {
		t.Errorf("the checkpoint: %v", err)
	}
}

func TestStoreErrors(t *testing.T) {
	broken := errors.New("store is away")
	ctx, q := t.Context(), open(&mem.Store{Before: func(mem.Op, string) error { return broken }})
	_, getErr := q.Get(ctx, "acme/quarantine/x/undated/y")
	_, _, countErr := q.Count(ctx, "", "")
	q.Keep = 24 * time.Hour
	_, _, expireErr := q.Expire(ctx, events, time.Time{})
	for op, err := range map[string]error{
		"Put": q.Put(ctx, events, rec("id", `{}`), pipeline.Unfit, ""), "Get": getErr, "Count": countErr, "Expire": expireErr,
		"Delete": q.Delete(ctx, "acme/quarantine/x/undated/y"),
	} {
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v, want the store's error", op, err)
		}
	}
}

// What can't be removed is found before anybody relies on it, and nothing is changed by that.
func TestProveDelete(t *testing.T) {
	refused := errors.New("refused")
	for name, test := range map[string]struct {
		refuses func(op mem.Op, key string) bool
		ok      bool
	}{
		"all is well":            {func(mem.Op, string) bool { return false }, true},
		"the original is leased": {func(op mem.Op, key string) bool { return op == mem.Put && strings.Contains(key, "/undelivered/") }, false},
		"nothing may be removed": {func(op mem.Op, _ string) bool { return op == mem.Delete }, false},
		"the disk is full":       {func(op mem.Op, _ string) bool { return op == mem.Put }, false},
	} {
		t.Run(name, func(t *testing.T) {
			on := false
			store := &mem.Store{Before: func(op mem.Op, key string) error {
				if on && test.refuses(op, key) {
					return refused
				}
				return nil
			}}
			q := open(store)
			put(t, q, events, rec("id", `{}`), pipeline.Unfit, "why")
			before, key := only(t, q), list(t, q, "")[0].Key
			on = true
			if err := q.ProveDelete(t.Context(), key); (err == nil) != test.ok || !test.ok && !errors.Is(err, refused) {
				t.Errorf("ProveDelete: %v, want ok %v", err, test.ok)
			}
			on = false
			if diff := cmp.Diff(before, only(t, q)); diff != "" {
				t.Errorf("(-before +behind):\n%s", diff)
			}
			if n, _, err := q.Count(t.Context(), events, ""); n != 1 || err != nil {
				t.Errorf("Count: %d, %v", n, err)
			}
		})
	}
	q := open(new(mem.Store))
	if err := q.ProveDelete(t.Context(), "acme/quarantine/"+events+"/undelivered/undated/gone"); err != nil {
		t.Errorf("of one that is gone: %v", err)
	}
	if err := q.ProveDelete(t.Context(), "acme/checkpoints/"+events+".json"); err == nil {
		t.Error("of another object: no error")
	}
}
