// Package statetest is the suite that every [state.Store] passes. It asks for
// what the domain formats and the runner rely on: conditional writes of which
// exactly one wins, listings in order, and locks that exclude.
package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// Subject is the store under test.
type Subject struct {
	// Open makes a fresh, empty place and returns a function that opens handles
	// on it. Two handles stand for two processes.
	Open func(tb testing.TB) (handle func() state.Store)
	// BreakLock takes the lock away from whoever holds it in the place opened
	// last, behind the back of the store. Nil if locks can't be lost.
	BreakLock func(tb testing.TB, key string)
	// Plant puts an object of that many zeros into the place opened last, past the store. Nil if
	// there is no way past it.
	Plant func(tb testing.TB, key string, size int64)
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"get and put", testGetPut},
		{"conditions", testConditions},
		{"several at a time", testPutAll},
		{"caller's bytes are its own", testAliasing},
		{"racing creators: one wins", func(t *testing.T, s Subject) { testRace(t, s, state.Absent) }},
		{"racing writers: one wins", func(t *testing.T, s Subject) { testRace(t, s, "seed") }},
		{"no update is lost", testCounter},
		{"many writers, some of which give up", testGiveUp},
		{"list", testList},
		{"delete", testDelete},
		{"deleted by several at a time", testDeleteRace},
		{"object of 8 MB", testBig},
		{"sizes are bounded", testTooLarge},
		{"bad keys are refused", testBadKeys},
		{"ended context", testEndedContext},
		{"lock excludes", testLockExcludes},
		{"lock is taken by one", testLockRace},
		{"lock's context", testLockContext},
		{"lock is lost", testLockLost},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

func testGetPut(t *testing.T, s Subject) {
	ctx, handle := t.Context(), s.Open(t)
	a, b := handle(), handle()

	if _, err := a.Get(ctx, "t/none"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("Get of a missing object: %v, want ErrNotFound", err)
	}
	for _, data := range []string{"one", "", "\x00\xff\n", "two"} {
		etag := put(t, a, "t/folder/x.json", data, state.Any)
		for name, h := range map[string]state.Store{"writer": a, "other": b} {
			got, err := h.Get(ctx, "t/folder/x.json")
			if err != nil {
				t.Fatalf("Get through the %s handle: %v", name, err)
			}
			if diff := cmp.Diff(state.Object{Data: []byte(data), ETag: etag}, normal(got)); diff != "" {
				t.Errorf("Get through the %s handle (-want +got):\n%s", name, diff)
			}
		}
	}
	// A store that has folders may say that one is in place of an object.
	if o, err := a.Get(ctx, "t/folder"); err == nil {
		t.Errorf("Get of a folder: %q, want an error", o.Data)
	}
}

func testConditions(t *testing.T, s Subject) {
	ctx, store := t.Context(), s.Open(t)()
	const key = "t/x"

	conflict := func(what string, prev state.ETag) {
		t.Helper()
		if _, err := store.Put(ctx, key, []byte("loser"), prev); !errors.Is(err, state.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", what, err)
		}
	}
	first := put(t, store, key, "one", state.Absent)
	conflict("create what exists", state.Absent)
	second := put(t, store, key, "two", first)
	conflict("replace a version that is gone", first)
	third := put(t, store, key, "three", second)
	conflict("replace an older version", second)
	put(t, store, key, "four", state.Any)
	conflict("replace a version that another writer replaced", third)
	wantContent(t, store, key, "four")

	etag := put(t, store, key, "five", state.Any)
	if err := store.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	conflict("replace a version that was deleted", etag)
	if _, err := store.Get(ctx, key); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("after a refused write: %v, want ErrNotFound", err)
	}
	put(t, store, key, "six", state.Absent)
}

// testPutAll: each of several writes has the outcome that it has alone.
func testPutAll(t *testing.T, s Subject) {
	handle := s.Open(t)
	store, other := handle(), handle()
	there := put(t, store, "t/there", "old", state.Absent)
	put(t, store, "t/changed", "old", state.Absent)
	write := func(key, data string, prev state.ETag) *state.Write {
		return &state.Write{Key: key, Data: []byte(data), Prev: prev}
	}
	var writes []*state.Write
	for i := range 40 {
		writes = append(writes, write(fmt.Sprintf("t/new/%d/%d", i%3, i), strconv.Itoa(i), state.Absent))
	}
	good := len(writes) + 1
	writes = append(writes, write("t/there", "new", there), write("t/changed", "loser", state.Absent), write("t/changed/../x", "", state.Any),
		write("t/gone", "loser", there))
	state.PutAll(t.Context(), store, writes)
	for i, w := range writes {
		got, err := other.Get(t.Context(), w.Key)
		switch {
		case i < good:
			if w.Err != nil || err != nil || !bytes.Equal(got.Data, w.Data) || got.ETag != w.ETag {
				t.Errorf("%s: %v; then %q, %v", w.Key, w.Err, got.Data, err)
			}
		case w.Err == nil, w.ETag != "", bytes.Equal(got.Data, []byte("loser")):
			t.Errorf("%s: %q, %v; then %q, %v", w.Key, w.ETag, w.Err, got.Data, err)
		}
	}
	for _, i := range []int{good, good + 2} {
		if !errors.Is(writes[i].Err, state.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", writes[i].Key, writes[i].Err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	last := write("t/late", "", state.Any)
	state.PutAll(ctx, store, []*state.Write{last})
	if !errors.Is(last.Err, context.Canceled) {
		t.Errorf("ended context: %v", last.Err)
	}
	state.PutAll(t.Context(), store, nil)
}

func testAliasing(t *testing.T, s Subject) {
	store := s.Open(t)()
	data := []byte("original")
	put(t, store, "t/x", string(data), state.Any)
	if _, err := store.Put(t.Context(), "t/x", data, state.Any); err != nil {
		t.Fatal(err)
	}
	data[0] = 'X'
	got, err := store.Get(t.Context(), "t/x")
	if err != nil {
		t.Fatal(err)
	}
	got.Data[1] = 'X'
	wantContent(t, store, "t/x", "original")
}

// testRace lets several writers replace the same version at the same time.
func testRace(t *testing.T, s Subject, seed state.ETag) {
	const writers, rounds = 8, 3
	handle := s.Open(t)
	handles := [2]state.Store{handle(), handle()}
	for round := range rounds {
		key, prev := fmt.Sprintf("t/race-%d", round), state.Absent
		if seed != state.Absent {
			prev = put(t, handles[0], key, "seed", state.Absent)
		}
		errs := make([]error, writers)
		together(writers, func(i int) {
			_, errs[i] = handles[i%2].Put(t.Context(), key, []byte(strconv.Itoa(i)), prev)
		})
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("writers %d and %d both won", winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, state.ErrConflict):
				t.Fatalf("writer %d: %v, want ErrConflict", i, err)
			}
		}
		if winner < 0 {
			t.Fatal("nobody won")
		}
		wantContent(t, handles[0], key, strconv.Itoa(winner))
	}
}

// testCounter has several writers count upwards in one object.
func testCounter(t *testing.T, s Subject) {
	const writers, each = 3, 8
	handle := s.Open(t)
	errs := make([]error, writers)
	put(t, handle(), "t/counter", "0", state.Absent)
	together(writers, func(i int) {
		store := handle()
		for done := 0; done < each && errs[i] == nil; {
			o, err := store.Get(t.Context(), "t/counter")
			if err != nil {
				errs[i] = err
				return
			}
			n, _ := strconv.Atoi(string(o.Data))
			switch _, err = store.Put(t.Context(), "t/counter", []byte(strconv.Itoa(n+1)), o.ETag); {
			case err == nil:
				done++
			case !errors.Is(err, state.ErrConflict):
				errs[i] = err
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	wantContent(t, handle(), "t/counter", strconv.Itoa(writers*each))
}

// testGiveUp: writers of different objects neither hold each other up nor fail for
// another's sake, and what was reported as written is there.
func testGiveUp(t *testing.T, s Subject) {
	store := s.Open(t)()
	const writers = 24
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		ctx, cancel := context.WithCancel(t.Context())
		if i%3 == 0 {
			wg.Go(cancel) // at any moment
		}
		wg.Go(func() {
			defer cancel()
			_, errs[i] = store.Put(ctx, "t/folder-"+strconv.Itoa(i%2)+"/"+strconv.Itoa(i), []byte{byte(i)}, state.Absent)
		})
	}
	wg.Wait()
	for i, err := range errs {
		switch {
		case err != nil && (i%3 != 0 || !errors.Is(err, context.Canceled)):
			t.Errorf("writer %d: %v", i, err)
		case err == nil:
			got, err := store.Get(t.Context(), "t/folder-"+strconv.Itoa(i%2)+"/"+strconv.Itoa(i))
			if err != nil || !bytes.Equal(got.Data, []byte{byte(i)}) {
				t.Errorf("object %d holds %v, %v", i, got.Data, err)
			}
		}
	}
}

func testList(t *testing.T, s Subject) {
	store := s.Open(t)()
	// In the order of the keys, which is not the order of folders and files:
	// "-" < "." < "/" < "0" < "A" < "_" < "a".
	all := []string{
		"t/a-b", "t/a.b", "t/a/1", "t/a/2/x", "t/a0", "t/ledger/2026-01-01/000000", "t/ledger/2026-01-01/000500",
		"t/ledger/2026-01-02/000000", "t/ledger/undated", "u/B", "u/_", "u/b",
	}
	if got := list(t, store, ""); len(got) != 0 {
		t.Fatalf("List of an empty store: %q", got)
	}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(all)) {
		put(t, store, all[i], all[i], state.Absent)
	}
	for _, test := range []struct {
		prefix string
		want   []string
	}{
		{"", all},
		{"t/", all[:9]},
		{"t/a", all[:5]},
		{"t/a/", all[2:4]},
		{"t/ledger/2026-01-0", all[5:8]},
		{"t/ledger/2026-01-01/0005", all[6:7]},
		{"t/ledger/undated", all[8:9]},
		{"t/nothing/", nil},
	} {
		if diff := cmp.Diff(test.want, list(t, store, test.prefix)); diff != "" {
			t.Errorf("List(%q) (-want +got):\n%s", test.prefix, diff)
		}
	}
	// A store that has folders may say that an object is in place of one.
	for info, err := range store.List(t.Context(), "t/a/1/") {
		if err == nil {
			t.Errorf("List below an object yields %q", info.Key)
		}
	}
	for info, err := range store.List(t.Context(), "t/ledger/") {
		if err != nil {
			t.Fatal(err)
		}
		if info.Size != int64(len(info.Key)) || info.Modified.IsZero() {
			t.Errorf("%s: size %d, modified %v; want the size %d and some time", info.Key, info.Size, info.Modified, len(info.Key))
		}
		break // a caller may stop
	}
}

func testDelete(t *testing.T, s Subject) {
	ctx, store := t.Context(), s.Open(t)()
	if err := store.Delete(ctx, "t/folder/none"); err != nil {
		t.Errorf("Delete in an empty store: %v", err)
	}
	put(t, store, "t/folder/x", "x", state.Absent)
	put(t, store, "t/y", "y", state.Absent)
	for range 2 { // a second time is no error
		if err := store.Delete(ctx, "t/folder/x"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	if _, err := store.Get(ctx, "t/folder/x"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get after Delete: %v, want ErrNotFound", err)
	}
	if diff := cmp.Diff([]string{"t/y"}, list(t, store, "")); diff != "" {
		t.Errorf("List after Delete (-want +got):\n%s", diff)
	}
	put(t, store, "t/folder/x", "again", state.Absent)
}

// testDeleteRace has several processes delete the same objects, as after a delivery that two of them know
// of: they are gone, and no one minds.
func testDeleteRace(t *testing.T, s Subject) {
	const deleters, rounds = 8, 10
	handle := s.Open(t)
	handles := [2]state.Store{handle(), handle()}
	keys := []string{"t/a/b/x", "t/a/b/y", "t/a/z"}
	for range rounds {
		for _, key := range keys {
			put(t, handles[0], key, "x", state.Absent)
		}
		errs := make([]error, deleters)
		together(deleters, func(i int) { errs[i] = handles[i%2].Delete(t.Context(), keys[i/2%len(keys)]) })
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if left := list(t, handles[0], ""); len(left) > 0 {
			t.Fatalf("left: %v", left)
		}
	}
}

func testBig(t *testing.T, s Subject) {
	store := s.Open(t)()
	data := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	etag, err := store.Put(t.Context(), "t/big", data, state.Absent)
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.Get(t.Context(), "t/big")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Data, data) || got.ETag != etag {
		t.Errorf("got %d bytes of version %q, want the %d bytes of %q", len(got.Data), got.ETag, len(data), etag)
	}
}

// testTooLarge: what the connector can't have written is refused with its name and size, and
// is not read into memory. A kind's largest object is taken.
func testTooLarge(t *testing.T, s Subject) {
	ctx, store := t.Context(), s.Open(t)()
	const key = "t/checkpoints/x.json"
	most := make([]byte, state.MaxSize(key))
	if _, err := store.Put(ctx, key, append(most, 0), state.Any); !errors.Is(err, state.ErrTooLarge) {
		t.Errorf("Put of one byte too many: %v, want ErrTooLarge", err)
	}
	if _, err := store.Get(ctx, key); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get behind it: %v, want that nothing was stored", err)
	}
	etag, err := store.Put(ctx, key, most, state.Absent)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := store.Get(ctx, key); err != nil || len(o.Data) != len(most) || o.ETag != etag {
		t.Errorf("Get of the largest: %d bytes, %v", len(o.Data), err)
	}
	if s.Plant == nil {
		return
	}
	for _, size := range []int64{state.MaxSize(key) + 1, 1 << 30} {
		s.Plant(t, key, size)
		before := allocated()
		_, err := store.Get(ctx, key)
		if took := allocated() - before; took > 8<<20 {
			t.Errorf("Get of %d bytes took %d bytes of memory", size, took)
		}
		if !errors.Is(err, state.ErrTooLarge) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), strconv.FormatInt(size, 10)) || !strings.Contains(err.Error(), "restore an earlier copy") {
			t.Errorf("Get of %d bytes: %v, want ErrTooLarge with key, size and what to do", size, err)
		}
	}
	if err := store.Delete(ctx, key); err != nil {
		t.Errorf("Delete of one that is too large: %v", err)
	}
}

// allocated is how many bytes were ever allocated.
func allocated() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

func testBadKeys(t *testing.T, s Subject) {
	ctx, store := t.Context(), s.Open(t)()
	for _, key := range []string{"", "/", "a//b", "../x", "a/./b", "a/..", "a b", "a\\b", "ä", "a?b", "a~lock", "a/"} {
		_, getErr := store.Get(ctx, key)
		_, putErr := store.Put(ctx, key, nil, state.Any)
		_, _, lockErr := store.Lock(ctx, key)
		for op, err := range map[string]error{"Get": getErr, "Put": putErr, "Delete": store.Delete(ctx, key), "Lock": lockErr} {
			if err == nil || errors.Is(err, state.ErrNotFound) {
				t.Errorf("%s(%q): %v, want it to be refused", op, key, err)
			}
		}
	}
	for _, err := range store.List(ctx, "../") {
		if err == nil {
			t.Error(`List("../") yields objects`)
		}
	}
	if got := list(t, store, ""); len(got) != 0 {
		t.Errorf("objects came to be: %q", got)
	}
}

func testEndedContext(t *testing.T, s Subject) {
	store := s.Open(t)()
	put(t, store, "t/x", "x", state.Absent)
	reason := errors.New("had to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)

	_, getErr := store.Get(ctx, "t/x")
	_, putErr := store.Put(ctx, "t/x", []byte("changed"), state.Any)
	_, _, lockErr := store.Lock(ctx, "t/lock")
	var listErr error
	for _, err := range store.List(ctx, "t/") {
		listErr = err
	}
	for op, err := range map[string]error{
		"Get": getErr, "Put": putErr, "Delete": store.Delete(ctx, "t/x"), "List": listErr, "Lock": lockErr,
	} {
		if !errors.Is(err, context.Canceled) || !errors.Is(err, reason) {
			t.Errorf("%s: %v, want both context.Canceled and the cause", op, err)
		}
	}
	wantContent(t, store, "t/x", "x")
	_, release := lock(t, store, "t/lock")
	if err := release(t.Context()); err != nil {
		t.Error(err)
	}
}

// together runs n functions at the same time, as good as it gets.
func together(n int, do func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	wg.Wait()
}

func put(t *testing.T, store state.Store, key, data string, prev state.ETag) state.ETag {
	t.Helper()
	etag, err := store.Put(t.Context(), key, []byte(data), prev)
	if err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
	if etag == state.Absent || etag == state.Any {
		t.Fatalf("Put(%q) returned the version %q", key, etag)
	}
	return etag
}

func wantContent(t *testing.T, store state.Store, key, want string) {
	t.Helper()
	got, err := store.Get(t.Context(), key)
	if err != nil {
		t.Errorf("Get(%q): %v", key, err)
	} else if string(got.Data) != want {
		t.Errorf("Get(%q) = %q, want %q", key, got.Data, want)
	}
}

func list(t *testing.T, store state.Store, prefix string) (keys []string) {
	t.Helper()
	for info, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

// normal makes nil and empty data the same.
func normal(o state.Object) state.Object {
	if o.Data == nil {
		o.Data = []byte{}
	}
	return o
}
