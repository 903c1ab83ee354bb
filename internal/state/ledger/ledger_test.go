package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

const prefix = "acme/ledger/SailPointIDN_Events/"

var noon = time.Date(2026, 9, 24, 12, 0, 0, 0, time.UTC)

func open(store state.Store) *ledger.Ledger {
	return ledger.Open(ledger.Config{Store: store, Tenant: "acme", Stream: "SailPointIDN_Events"})
}

func rec(id string, at time.Time) pipeline.Record { return pipeline.Record{ID: id, Time: at} }

func claim(t *testing.T, l *ledger.Ledger, records ...pipeline.Record) (fresh []string) {
	t.Helper()
	got, err := l.Claim(t.Context(), records)
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	if len(got) != len(records) {
		t.Fatalf("Claim says %d things about %d records", len(got), len(records))
	}
	for i, ok := range got {
		if ok {
			fresh = append(fresh, records[i].ID)
		}
	}
	return fresh
}

func commit(t *testing.T, l *ledger.Ledger, records ...pipeline.Record) {
	t.Helper()
	if err := l.Commit(t.Context(), records); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: new records (-want +got):\n%s", what, diff)
	}
}

func TestClaimAndCommit(t *testing.T) {
	store := new(mem.Store)
	a, b, c := rec("a", noon), rec("b", noon.Add(time.Minute)), rec("c", noon.Add(-time.Hour))

	l := open(store)
	want(t, "empty ledger", claim(t, l, a, b, a), "a", "b")
	want(t, "claimed in this run", claim(t, l, b, c, a), "c")
	commit(t, l, a)
	want(t, "after the commit", claim(t, l, a, b, c))

	// b and c were claimed, but the process died before they were delivered.
	l = open(store)
	want(t, "another run", claim(t, l, a, b, c), "b", "c")
	commit(t, l, b, c, b)
	commit(t, l)
	want(t, "one more run", claim(t, open(store), a, b, c))
}

func TestRecordsWithoutATime(t *testing.T) {
	store := new(mem.Store)
	none, first, far := rec("none", time.Time{}), rec("year one", time.Date(1, 5, 1, 0, 0, 0, 0, time.UTC)), rec("far", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))
	old := rec("before 1970", time.Date(1969, 12, 31, 23, 59, 59, 1, time.UTC))
	zone := rec("zone", time.Date(2026, 9, 24, 14, 2, 0, 0, time.FixedZone("", 2*60*60)))
	l := open(store)
	want(t, "first", claim(t, l, none, first, far, old, zone), "none", "year one", "far", "before 1970", "zone")
	commit(t, l, none, first, far, old, zone)
	want(t, "again", claim(t, open(store), none, first, far, old, zone))
	if diff := cmp.Diff([]string{prefix + "1969-12-31/235500", prefix + "2026-09-24/120000", prefix + "undated"}, keys(t, store)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

func keys(t *testing.T, store state.Store) (keys []string) {
	t.Helper()
	for info, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

// ops counts what a store was asked for.
type ops map[mem.Op]int

func counted(o ops) *mem.Store {
	var mu sync.Mutex
	return &mem.Store{Before: func(op mem.Op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		o[op]++
		return nil
	}}
}

func TestCost(t *testing.T) {
	o := ops{}
	store := counted(o)
	l := open(store)
	page := func(minute int) (records []pipeline.Record) {
		for i := range 100 {
			records = append(records, rec(fmt.Sprint(minute, "-", i), noon.Add(time.Duration(minute)*time.Minute)))
		}
		return records
	}
	step := func(what string, want ops, do func()) {
		t.Helper()
		clear(o)
		do()
		if diff := cmp.Diff(want, o); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	step("no records", ops{}, func() { claim(t, l); commit(t, l) })
	step("first page of a window", ops{mem.Get: 1, mem.Put: 1}, func() { claim(t, l, page(0)...); commit(t, l, page(0)...) })
	step("next page", ops{mem.Put: 1}, func() { claim(t, l, page(1)...); commit(t, l, page(1)...) })
	step("known page", ops{}, func() { claim(t, l, page(1)...); commit(t, l, page(1)...) })
	step("page over a border", ops{mem.Get: 1, mem.Put: 2}, func() {
		both := slices.Concat(page(2), page(5))
		claim(t, l, both...)
		commit(t, l, both...)
	})
	step("count of a day", ops{mem.List: 1}, func() { count(t, l, noon, noon.Add(time.Hour), 400) })
	step("count of its parts", ops{}, func() { count(t, l, noon.Add(5*time.Minute), noon.Add(10*time.Minute), 100) })
	step("count after a commit", ops{mem.Put: 1}, func() {
		commit(t, l, page(6)...)
		count(t, l, noon, noon.Add(time.Hour), 500)
	})
}

// TestBacklogStaysSmall walks a long time with a small cache: windows are read
// again when they are needed again, and nothing is forgotten.
func TestBacklogStaysSmall(t *testing.T) {
	o := ops{}
	store := counted(o)
	l := ledger.Open(ledger.Config{Store: store, Tenant: "acme", Stream: "SailPointIDN_Events", CacheBytes: 2000})
	var all []pipeline.Record
	for i := range 500 {
		all = append(all, rec(strconv.Itoa(i), noon.Add(time.Duration(i)*time.Minute)))
	}
	want(t, "first", claim(t, l, all[:250]...), ids(all[:250])...)
	commit(t, l, all[:250]...)
	want(t, "all", claim(t, l, all...), ids(all[250:])...)
	commit(t, l, all[250:]...)
	want(t, "again", claim(t, l, all...))
	count(t, l, noon, noon.Add(500*time.Minute), 500)
	if o[mem.Get] < 200 {
		t.Errorf("%d reads: the cache of 2,000 bytes seems to hold 100 windows", o[mem.Get])
	}
}

func ids(records []pipeline.Record) (ids []string) {
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestWidthOfADay(t *testing.T) {
	store := new(mem.Store)
	l := ledger.Open(ledger.Config{Store: store, Tenant: "acme", Stream: "SailPointIDN_Triggers", Window: 24 * time.Hour})
	a, b := rec("a", noon), rec("b", noon.Add(12*time.Hour))
	claim(t, l, a, b)
	commit(t, l, a, b)
	want := []string{"acme/ledger/SailPointIDN_Triggers/2026-09-24/000000", "acme/ledger/SailPointIDN_Triggers/2026-09-25/000000"}
	if diff := cmp.Diff(want, keys(t, store)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	count(t, l, noon.Add(-12*time.Hour), noon.Add(12*time.Hour), 1)
}

func TestOpenRefusesAWindow(t *testing.T) {
	for _, window := range []time.Duration{7 * time.Minute, 500 * time.Millisecond, 48 * time.Hour, -time.Hour} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Open with windows of %v: no panic", window)
				}
			}()
			ledger.Open(ledger.Config{Window: window})
		}()
	}
}

// TestClaimIsAllOrNothing: a claim that failed can be tried again and says the same.
func TestClaimIsAllOrNothing(t *testing.T) {
	broken := errors.New("store is away")
	fail := false
	store := &mem.Store{Before: func(op mem.Op, key string) error {
		if fail && op == mem.Get && strings.HasSuffix(key, "/140000") {
			return broken
		}
		return nil
	}}
	l := open(store)
	var records []pipeline.Record
	for i := range 30 {
		records = append(records, rec(strconv.Itoa(i), noon.Add(time.Duration(5*i)*time.Minute)))
	}
	fail = true
	if _, err := l.Claim(t.Context(), records); !errors.Is(err, broken) {
		t.Fatalf("Claim: %v, want the store's error", err)
	}
	fail = false
	want(t, "second try", claim(t, l, records...), ids(records)...)
}

// TestCommitAgain: a commit that failed anywhere can be tried again.
func TestCommitAgain(t *testing.T) {
	broken := errors.New("connection broke")
	for _, test := range []struct {
		name          string
		before, after bool
	}{{"did not take effect", true, false}, {"took effect", false, true}} {
		t.Run(test.name, func(t *testing.T) {
			var left atomic.Int64
			fault := func(on bool) func(mem.Op, string) error {
				return func(op mem.Op, _ string) error {
					if on && op == mem.Put && left.Add(-1) >= 0 {
						return broken
					}
					return nil
				}
			}
			store := &mem.Store{Before: fault(test.before), After: fault(test.after)}
			l := open(store)
			var records []pipeline.Record
			for i := range 20 {
				records = append(records, rec(strconv.Itoa(i), noon.Add(time.Duration(i)*time.Minute)))
			}
			claim(t, l, records...)
			left.Store(2)
			if err := l.Commit(t.Context(), records); !errors.Is(err, broken) {
				t.Fatalf("Commit: %v, want the store's error", err)
			}
			want(t, "between", claim(t, l, records...))
			commit(t, l, records...)
			want(t, "after", claim(t, open(store), records...))
			count(t, l, noon, noon.Add(20*time.Minute), 20)
		})
	}
}

// TestAnotherWriter: a run that lost its lock unnoticed and the one that got it deliver at once.
// What each of them delivered is recorded, and both learn of the other.
func TestAnotherWriter(t *testing.T) {
	other := rec("b", noon.Add(time.Second))
	for _, test := range []struct {
		name string
		does func(*testing.T, *mem.Store, *ledger.Ledger) // since a claimed
		left []string                                     // what is still new to the next run
	}{
		{"has made the window", func(t *testing.T, _ *mem.Store, b *ledger.Ledger) { commit(t, b, other) }, nil},
		{"has recorded the same", func(t *testing.T, _ *mem.Store, b *ledger.Ledger) { commit(t, b, rec("a", noon), other) }, nil},
		{"has removed the window", func(t *testing.T, store *mem.Store, _ *ledger.Ledger) { empty(t, store) }, []string{"old", "b"}},
		{"writes each time", func(t *testing.T, store *mem.Store, b *ledger.Ledger) {
			commit(t, b, other)
			store.Before = func(op mem.Op, _ string) error {
				if op == mem.Put {
					return state.ErrConflict
				}
				return nil
			}
		}, []string{"a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := new(mem.Store)
			seed := open(store)
			claim(t, seed, rec("old", noon))
			commit(t, seed, rec("old", noon))
			a, b := open(store), open(store)
			claim(t, a, rec("a", noon))
			claim(t, b, other, rec("a", noon))
			test.does(t, store, b)
			for range 2 { // trying again does not make it right
				err := a.Commit(t.Context(), []pipeline.Record{rec("a", noon)})
				if !errors.Is(err, state.ErrConflict) || !strings.Contains(err.Error(), "STATE_URL") {
					t.Errorf("Commit: %v, want ErrConflict and where to look", err)
				}
			}
			store.Before = nil
			want(t, "next run", claim(t, open(store), rec("old", noon), rec("a", noon), other), test.left...)
		})
	}
}

// empty deletes all that is stored.
func empty(t *testing.T, store *mem.Store) {
	t.Helper()
	for info, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), info.Key); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnreadable(t *testing.T) {
	good := ledger.Encode(sample())
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"cut", good[:len(good)-5], "restore an earlier copy"},
		{"empty", nil, "restore an earlier copy"},
		{"of another window", good, "begins at second"},
		{"of another width", ledger.Encode(ledger.Object{Start: noon.Unix(), Width: time.Hour}), "window of 3600 s"},
		{"newer", append(change(9, 2), 0), "upgrade this app"},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, key := new(mem.Store), prefix+"2026-09-24/120000"
			if _, err := store.Put(t.Context(), key, test.data, state.Absent); err != nil {
				t.Fatal(err)
			}
			l, records := open(store), []pipeline.Record{rec("a", noon)}
			_, claimErr := l.Claim(t.Context(), records)
			errs := map[string]error{"Claim": claimErr, "Commit": l.Commit(t.Context(), records)}
			if len(test.data)%16 != 0 {
				_, errs["Count"] = l.Count(t.Context(), noon, noon.Add(time.Hour))
			}
			for op, err := range errs {
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), key) {
					t.Errorf("%s: %v, want it to name the key and to say %q", op, err, test.want)
				}
			}
			if o, err := store.Get(t.Context(), key); err != nil || string(o.Data) != string(test.data) {
				t.Errorf("object is changed: %v", err)
			}
		})
	}
}

func count(t *testing.T, l *ledger.Ledger, from, to time.Time, want int64) {
	t.Helper()
	if got, err := l.Count(t.Context(), from, to); err != nil || got != want {
		t.Errorf("Count(%v, %v) = %d, %v; want %d", from, to, got, err, want)
	}
}

func TestCount(t *testing.T) {
	store := new(mem.Store)
	l := open(store)
	var records []pipeline.Record
	for i := range 3 * 24 * 60 {
		records = append(records, rec(strconv.Itoa(i), noon.Add(time.Duration(i)*time.Minute)))
	}
	records = append(records, rec("none", time.Time{}))
	claim(t, l, records...)
	count(t, l, noon, noon.Add(72*time.Hour), 0) // claimed is not stored
	commit(t, l, records...)
	for name, l := range map[string]*ledger.Ledger{"same run": l, "another run": open(store)} {
		t.Run(name, func(t *testing.T) {
			count(t, l, noon, noon.Add(72*time.Hour), 3*24*60)
			count(t, l, noon.Add(-24*time.Hour), noon.Add(24*time.Hour), 24*60)
			count(t, l, noon.Add(5*time.Minute), noon.Add(10*time.Minute), 5)
			count(t, l, noon.Add(12*time.Hour), noon.Add(12*time.Hour), 0)
		})
	}
	for _, at := range []time.Time{noon.Add(time.Minute), noon.Add(time.Nanosecond)} {
		if _, err := l.Count(t.Context(), at, noon.Add(time.Hour)); err == nil {
			t.Errorf("Count from %v: no error", at)
		}
	}
}

func TestWindowsAndPrune(t *testing.T) {
	o := ops{}
	store := counted(o)
	l := open(store)
	records := []pipeline.Record{rec("none", time.Time{})}
	for i := range 12 {
		records = append(records, rec(strconv.Itoa(i), noon.Add(time.Duration(5*i)*time.Minute)), rec(fmt.Sprint(i, "b"), noon.Add(time.Duration(5*i)*time.Minute)))
	}
	claim(t, l, records...)
	commit(t, l, records...)
	if _, err := store.Put(t.Context(), prefix+"2026-09-24/notes.txt", nil, state.Absent); err != nil {
		t.Fatal(err)
	}
	var got []string
	for w, err := range l.Windows(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %s %d", strings.TrimPrefix(w.Key, prefix), w.Start.Format(time.TimeOnly), w.Width, w.Count))
	}
	if diff := cmp.Diff([]string{"2026-09-24/120000 12:00:00 5m0s 2", "2026-09-24/120500 12:05:00 5m0s 2"}, got[:2]); diff != "" {
		t.Errorf("Windows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"2026-09-24/125500 12:55:00 5m0s 2", "undated 00:00:00 0s 1"}, got[11:]); diff != "" {
		t.Errorf("Windows (-want +got):\n%s", diff)
	}

	for _, test := range []struct {
		before time.Time
		want   int
	}{{noon, 0}, {noon.Add(16 * time.Minute), 3}, {noon.Add(20 * time.Minute), 1}, {noon.Add(20 * time.Minute), 0}, {noon.Add(1000 * time.Hour), 8}} {
		clear(o)
		n, err := l.Prune(t.Context(), test.before)
		if err != nil || n != test.want {
			t.Errorf("Prune(%v) = %d, %v; want %d", test.before, n, err, test.want)
		}
		if diff := cmp.Diff(test.want, o[mem.Delete]); diff != "" || o[mem.List] != 1 || o[mem.Get]+o[mem.Put] != 0 {
			t.Errorf("Prune(%v) costs %v", test.before, o)
		}
	}
	count(t, l, noon, noon.Add(time.Hour), 0)
	want(t, "pruned", claim(t, l, records[:2]...), "0") // "none" is remembered
}

func TestStoreErrors(t *testing.T) {
	broken := errors.New("store is away")
	l := open(&mem.Store{Before: func(mem.Op, string) error { return broken }})
	_, countErr := l.Count(t.Context(), noon, noon.Add(time.Hour))
	_, pruneErr := l.Prune(t.Context(), noon)
	for op, err := range map[string]error{
		"Count": countErr, "Prune": pruneErr, "Commit": l.Commit(t.Context(), []pipeline.Record{rec("a", noon)}),
	} {
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v, want the store's error", op, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(new(mem.Store)).Claim(ctx, []pipeline.Record{rec("a", noon)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Claim: %v, want context.Canceled", err)
	}
}

// A run whose lock was lost may still write. A day that was listed before must not
// hide from Count what Claim goes by: the two would differ for ever.
func TestCountSeesWhatClaimSees(t *testing.T) {
	store := new(mem.Store)
	a, b := rec("a", noon), rec("b", noon.Add(time.Minute))
	other, l := open(store), open(store)
	claim(t, other, a, b)
	commit(t, other, a)
	count(t, l, noon, noon.Add(5*time.Minute), 1) // lists the day
	commit(t, other, b)
	want(t, "committed by the other run", claim(t, l, a, b))
	count(t, l, noon, noon.Add(5*time.Minute), 2)
}

// A window with one id that is cut by it has a size of its own, too: it is damaged, not
// a window from which one record is missing.
func TestCountOfWindowCutToNothing(t *testing.T) {
	store := new(mem.Store)
	l := open(store)
	claim(t, l, rec("a", noon))
	commit(t, l, rec("a", noon))
	for info, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		o, err := store.Get(t.Context(), info.Key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Put(t.Context(), info.Key, o.Data[:len(o.Data)-16], o.ETag); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := open(store).Count(t.Context(), noon, noon.Add(5*time.Minute)); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%d, %v, want that it is damaged", n, err)
	}
}

// After a commit whose outcome is unknown, Count asks the store what is there.
func TestCountAfterAnUnknownOutcome(t *testing.T) {
	lost := false
	store := &mem.Store{After: func(op mem.Op, _ string) error {
		if lost && op == mem.Put {
			return errors.New("the connection broke before the answer")
		}
		return nil
	}}
	l := open(store)
	count := func() int64 {
		n, err := l.Count(t.Context(), noon, noon.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	claim(t, l, rec("a", noon))
	commit(t, l, rec("a", noon))
	if n := count(); n != 1 {
		t.Fatalf("%d records, want 1", n)
	}
	claim(t, l, rec("b", noon))
	lost = true
	if err := l.Commit(t.Context(), []pipeline.Record{rec("b", noon)}); err == nil {
		t.Fatal("Commit has an outcome")
	}
	if n := count(); n != 2 {
		t.Errorf("%d records, want the 2 that are stored", n)
	}
}
