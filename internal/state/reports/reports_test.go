package reports_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
	"github.com/idn-sentinel/idn-sentinel/internal/state/statetest"
)

var update = flag.Bool("update", false, "write golden files")

var noon = time.Date(2026, 11, 29, 12, 0, 0, 5, time.UTC)

const id = "20261129T120000.000000005Z-0123456789abcdef"

func TestReportCodec(t *testing.T) {
	statetest.TestCodec(t, statetest.Codec[reports.Report]{
		Encode: reports.EncodeReport, Decode: reports.DecodeReport, Update: *update,
		Golden: map[string]reports.Report{
			"v1.report":      {ID: id, Name: "Apps \"ü\"", ContentType: "text/csv", Received: noon, Bytes: 7, Parts: 2},
			"v1.report-hash": {ID: id, Name: "Apps", Received: noon, Bytes: 7, Parts: 2, Forward: true, Hash: strings.Repeat("0123456789abcdef", 4)},
		},
		Newer: []string{`{"version":2}`},
		Draw: func(t *rapid.T) reports.Report {
			return reports.Report{
				ID: id, Name: rapid.String().Draw(t, "name"), ContentType: rapid.String().Draw(t, "type"),
				Received: time.Unix(rapid.Int64Range(0, 250_000_000_000).Draw(t, "s"), 7).UTC(),
				Bytes:    rapid.Int64Range(1, 1<<40).Draw(t, "bytes"), Parts: rapid.IntRange(1, 99).Draw(t, "parts"),
				Hash: rapid.StringMatching(`([0-9a-f]{64})?`).Draw(t, "hash"),
			}
		},
	})
}

func TestPartCodec(t *testing.T) {
	statetest.TestCodec(t, statetest.Codec[reports.Part]{
		Encode: reports.EncodePart, Decode: reports.DecodePart, Update: *update,
		Golden: map[string]reports.Part{"v1.part": {ID: id, Number: 2, Data: []byte("{\"a\":\"\xff\"\n}")}},
		Newer:  []string{"{\"version\":2}\n"},
		Draw: func(t *rapid.T) reports.Part {
			return reports.Part{ID: id, Number: rapid.IntRange(1, 99).Draw(t, "number"), Data: rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "data")}
		},
	})
}

func TestSeenCodec(t *testing.T) {
	statetest.TestCodec(t, statetest.Codec[reports.Seen]{
		Encode: reports.EncodeSeen, Decode: reports.DecodeSeen, Update: *update,
		Golden: map[string]reports.Seen{"v1.seen": {ID: id, Received: noon}, "v1.seen-delivered": {ID: id, Received: noon, Delivered: true}},
		Newer:  []string{`{"version":2}`},
	})
}

func TestForwardingCodec(t *testing.T) {
	spans := func(t *rapid.T, name string) []forward.Span {
		n := rapid.IntRange(0, 3).Draw(t, name)
		var list []forward.Span
		for range n {
			first := rapid.IntRange(1, 1000).Draw(t, "first")
			list = append(list, forward.Span{First: first, Last: first + rapid.IntRange(0, 250).Draw(t, "more"), At: noon, Tries: rapid.IntRange(0, 5).Draw(t, "tries"), Why: rapid.String().Draw(t, "why")})
		}
		return list
	}
	statetest.TestCodec(t, statetest.Codec[forward.Entry]{
		Encode: reports.EncodeForwarding, Decode: reports.DecodeForwarding, Update: *update,
		Golden: map[string]forward.Entry{
			"v1.forward": {ID: id, Name: "Apps \"ü\"", ContentType: "text/csv", Received: noon, Bytes: 7, Parts: 2, Since: noon},
			"v1.forwarding": {
				ID: id, Name: "Apps", Received: noon, Bytes: 7, Parts: 2, Settled: 500, Read: true, Starts: 2, Since: noon.Add(time.Hour), Failures: 3, Parked: "no",
				Posting: &forward.Span{First: 501, Last: 600, At: noon, Tries: 1}, Again: []forward.Span{{First: 1, Last: 1, Tries: 2, Why: "lost"}},
				Doubts: []forward.Span{{First: 2, Last: 3, At: noon, Tries: 1}, {First: 4, Last: 4}}, Refused: []forward.Span{{First: 5, Last: 5}},
			},
		},
		Newer: []string{`{"version":2}`},
		Draw: func(t *rapid.T) forward.Entry {
			e := forward.Entry{
				ID: id, Name: rapid.String().Draw(t, "name"), Received: noon, Bytes: 1, Parts: 1, Since: noon,
				Settled: rapid.IntRange(0, 1000).Draw(t, "settled"), Read: rapid.Bool().Draw(t, "read"),
				Again: spans(t, "again"), Doubts: spans(t, "doubts"), Refused: spans(t, "refused"), Parked: rapid.String().Draw(t, "parked"),
			}
			if rapid.Bool().Draw(t, "posts") {
				e.Posting = &forward.Span{First: 1, Last: 2, At: noon}
			}
			return e
		},
	})
}

// The forwarding of a report outlives its delivery, and the other way round, whichever ends first and
// wherever the process dies.
func TestForwardingAndDelivery(t *testing.T) {
	died := errors.New("the process died")
	deliver := func(s *reports.Store, r reports.Report) error { return s.Remove(t.Context(), r.ID) }
	pass := func(s *reports.Store, r reports.Report) error {
		items, problems, err := s.Items(t.Context())
		if err != nil || len(problems) > 0 {
			return errors.Join(err, errors.New(strings.Join(problems, "")))
		}
		for _, item := range items {
			if !item.Done() {
				if got, err := s.PartOf(t.Context(), item.Entry, 1); errors.Is(err, died) {
					return err
				} else if err != nil || string(got) != "[{}," {
					t.Errorf("what is to be forwarded is gone: %q, %v", got, err)
				}
			}
			item.Read = true
			if err := s.Save(t.Context(), &item); err != nil {
				return err
			}
			if err := s.Finish(t.Context(), item); err != nil {
				return err
			}
		}
		return nil
	}
	for name, steps := range map[string][]func(*reports.Store, reports.Report) error{"delivered first": {deliver, pass}, "forwarded first": {pass, deliver}, "forwarded twice": {pass, pass, deliver}} {
		for n := 1; ; n++ {
			count := 0
			store := new(mem.Store)
			s := open(store)
			s.Forward = true
			r, _ := post(t, s, noon, "Apps", "[{},{}]")
			store.Before = func(mem.Op, string) error {
				if count++; count == n {
					return died
				}
				return nil
			}
			for _, step := range steps {
				if err := step(s, r); err != nil {
					if !errors.Is(err, died) {
						t.Fatal(err)
					}
					if err := step(forwarding(store), r); err != nil { // the next process
						t.Fatalf("%s, operation %d: %v", name, n, err)
					}
				}
			}
			store.Before = nil
			if err := pass(forwarding(store), r); err != nil {
				t.Fatal(err)
			}
			if keys(t, store, "waiting") != 0 || keys(t, store, "forward") != 0 || keys(t, store, "parts") != 0 {
				t.Errorf("%s, operation %d: something is left", name, n)
			}
			if count < n {
				break
			}
		}
	}
}

func forwarding(store state.Store) *reports.Store {
	s := open(store)
	s.Forward = true
	return s
}

// A report whose delivery ends while the forwarding looks for what is new, and of which nothing is left
// then, is not begun once more: none of it is there.
func TestDeliveredWhileItIsListed(t *testing.T) {
	store := new(mem.Store)
	s := forwarding(store)
	r, _ := post(t, s, noon, "a", "0123456789")
	items, _, err := s.Items(t.Context())
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	items[0].Read = true
	if err := s.Save(t.Context(), &items[0]); err != nil {
		t.Fatal(err)
	}
	delivered := false
	store.Before = func(op mem.Op, key string) error {
		if op == mem.Put && strings.Contains(key, "/forward/") && !delivered {
			delivered = true
			if err := forwarding(store).Remove(t.Context(), r.ID); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	items, problems, err := s.Items(t.Context())
	if err != nil || !delivered || len(items)+len(problems) != 0 || keys(t, store, "forward") != 0 {
		t.Errorf("%v, %+v, %v", err, items, problems)
	}
}

// Reports that came before forwarding was turned on are not forwarded, nor is what comes after it was
// turned off.
func TestForwardingIsOff(t *testing.T) {
	store := new(mem.Store)
	off, on := open(store), forwarding(store)
	before, _ := post(t, off, noon, "before", "[{}]")
	during, _ := post(t, on, noon, "during", "[{}]")
	items, _, err := on.Items(t.Context())
	if err != nil || len(items) != 1 || items[0].ID != during.ID {
		t.Errorf("%+v, %v", items, err)
	}
	for _, r := range []reports.Report{before, during} {
		if err := off.Remove(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
	}
	if n := keys(t, store, "parts"); n != 1 {
		t.Errorf("%d parts, want that of the report that waits", n)
	}
}

func open(store state.Store) *reports.Store {
	s := reports.New(store, "acme", "Reports")
	s.PartBytes = 4
	return s
}

// post stores a report that must be taken.
func post(t *testing.T, s *reports.Store, at time.Time, name, body string) (r reports.Report, again bool) {
	t.Helper()
	r, again, err := s.Put(t.Context(), name, "text/csv", at, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r, again
}

// bodies returns the reports that wait, each "name: body".
func bodies(t *testing.T, s *reports.Store) (texts []string) {
	t.Helper()
	list, problems, err := s.Waiting(t.Context())
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	for _, r := range list {
		var body []byte
		for n := range r.Parts {
			part, err := s.Part(t.Context(), r, n+1)
			if err != nil {
				t.Fatal(err)
			}
			body = append(body, part...)
		}
		if int64(len(body)) != r.Bytes {
			t.Errorf("%d bytes of %d", len(body), r.Bytes)
		}
		texts = append(texts, r.Name+": "+string(body))
	}
	return texts
}

func keys(t *testing.T, store state.Store, prefix string) (n int) {
	t.Helper()
	for _, err := range store.List(t.Context(), "acme/inbox/Reports/"+prefix) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Of two receivers of one report neither may have come to note it when a run begins, or both died
// before: it waits once all the same, and is recognised when it is sent again.
func TestReportBeforeItIsRemembered(t *testing.T) {
	store := new(mem.Store)
	store.Before = func(op mem.Op, key string) error {
		if op == mem.Put && strings.Contains(key, "/seen/") {
			return errors.New("no process, no note")
		}
		return nil
	}
	first, _ := post(t, open(store), noon, "a", "0123")
	post(t, open(store), noon.Add(time.Second), "a", "0123")
	store.Before = nil
	s := open(store)
	for range 2 {
		want(t, bodies(t, s), "a: 0123")
	}
	if err := s.Remove(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	want(t, bodies(t, s))
	if n := keys(t, store, "parts"); n != 0 {
		t.Errorf("%d parts are left", n)
	}
	if _, again := post(t, s, noon.Add(time.Minute), "a", "0123"); !again {
		t.Error("sent again, it is a new one")
	}
	// The same as yesterday is today's, and does not make yesterday's the same as it.
	late, _ := post(t, s, noon.Add(23*time.Hour), "a", "0123")
	later, _ := post(t, s, noon.Add(46*time.Hour), "a", "0123")
	want(t, bodies(t, open(store)), "a: 0123", "a: 0123")
	if late.ID == later.ID {
		t.Error("they are one")
	}
}

// lostAnswers stores reports, and loses the answers about it.
type lostAnswers struct{ state.Store }

func (l lostAnswers) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	etag, err := l.Store.Put(ctx, key, data, prev)
	if err == nil && strings.Contains(key, "/waiting/") {
		err = errors.New("the answer was lost")
	}
	return etag, err
}

// A report whose storing failed may be stored all the same: then it is whole, as its sender may never
// send it again.
func TestReportIsStoredAllTheSame(t *testing.T) {
	store := &mem.Store{}
	if _, _, err := reports.New(lostAnswers{store}, "acme", "reports").Put(t.Context(), "a.csv", "text/csv", time.Now(), strings.NewReader("a,b\n1,2\n")); err == nil {
		t.Fatal("the lost answer is no failure")
	}
	s := reports.New(store, "acme", "reports")
	waiting, problems, err := s.Waiting(t.Context())
	if err != nil || len(waiting) != 1 || len(problems) > 0 {
		t.Fatalf("%v wait, %q, %v", waiting, problems, err)
	}
	if part, err := s.Part(t.Context(), waiting[0], 1); err != nil || string(part) != "a,b\n1,2\n" {
		t.Errorf("part %q, %v", part, err)
	}
}

func TestReportsWaitUntilRemoved(t *testing.T) {
	store := new(mem.Store)
	s := open(store)
	first, _ := post(t, s, noon, "a", "0123456789")
	post(t, s, noon.Add(time.Second), "b", "0123")
	want(t, bodies(t, open(store)), "a: 0123456789", "b: 0123")
	for range 2 {
		if err := s.Remove(t.Context(), first.ID); err != nil {
			t.Fatal(err)
		}
	}
	want(t, bodies(t, s), "b: 0123")
	if n := keys(t, store, "parts/"); n != 1 {
		t.Errorf("%d parts are left, want that of b", n)
	}
	if s.Remove(t.Context(), "../x") == nil {
		t.Error("a name that is not an id was removed")
	}
}

// A report that is sent again is dropped, and one that has changed is new.
func TestSentAgain(t *testing.T) {
	store := new(mem.Store)
	s := open(store)
	send := func(after time.Duration, name, body string, want bool) {
		t.Helper()
		if _, again := post(t, s, noon.Add(after), name, body); again != want {
			t.Errorf("%s %q after %v: again is %v", name, body, after, again)
		}
	}
	first, _ := post(t, s, noon, "a", "01234")
	send(time.Minute, "a", "01234", true)
	send(time.Minute, "a", "01235", false)
	send(2*time.Minute, "b", "01234", false)
	if err := s.Remove(t.Context(), first.ID); err != nil { // delivered meanwhile
		t.Fatal(err)
	}
	send(reports.Again-time.Second, "a", "01234", true)
	send(-time.Minute, "a", "01234", true) // another instance's clock
	send(24*time.Hour, "a", "01234", false)
	send(24*time.Hour+time.Minute, "a", "01234", true)
	want(t, bodies(t, s), "a: 01235", "b: 01234", "a: 01234")
	if n := keys(t, store, "parts/"); n != 6 {
		t.Errorf("%d parts, want 6: those of what was sent again are left", n)
	}
}

// What is remembered of a report is believed only while the report can still be delivered, or after it was:
// otherwise the one that is sent again is stored.
func TestSentAgainAfterDamage(t *testing.T) {
	const box = "acme/inbox/Reports/"
	remove := func(keys ...string) func(state.Store, string) error {
		return func(store state.Store, id string) error {
			for _, key := range keys {
				if err := store.Delete(t.Context(), box+strings.ReplaceAll(key, "ID", id)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	shorten := func(store state.Store, id string) error {
		o, err := store.Get(t.Context(), box+"waiting/"+id)
		if err != nil {
			return err
		}
		_, err = store.Put(t.Context(), box+"waiting/"+id, bytes.Replace(o.Data, []byte(`"parts":3`), []byte(`"parts":1`), 1), o.ETag)
		return err
	}
	for name, c := range map[string]struct {
		change func(state.Store, string) error
		again  bool
	}{
		"whole":              {remove(), true},
		"deleted":            {remove("waiting/ID", "parts/ID/000001", "parts/ID/000002", "parts/ID/000003"), false},
		"deleted, but parts": {remove("waiting/ID"), false},
		"a part is missing":  {remove("parts/ID/000002"), false},
		"shortened":          {shorten, false},
		"delivered":          {func(store state.Store, id string) error { return open(store).Remove(t.Context(), id) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(mem.Store)
			r, _ := post(t, open(store), noon, "a", "0123456789")
			s := open(store)
			want(t, bodies(t, s), "a: 0123456789")
			if err := c.change(store, r.ID); err != nil {
				t.Fatal(err)
			}
			for n := range r.Parts {
				_, _ = s.Part(t.Context(), r, n+1)
			}
			got, again := post(t, open(store), noon.Add(time.Minute), "a", "0123456789")
			if again != c.again {
				t.Errorf("again is %v", again)
			}
			if name == "shortened" { // no part shows it
				s = open(store)
			}
			list, _, err := s.Waiting(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !c.again && (len(list) != 1 || list[0].ID != got.ID) {
				t.Errorf("%d reports wait, want the one that was sent again", len(list))
			}
		})
	}
}

// A damaged note withdraws no report, and does not hold up the others.
func TestDamagedNote(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"names another report": func(note []byte) []byte { note[bytes.Index(note, []byte("Z-"))+3] ^= 1; return note },
		"cut":                  func(note []byte) []byte { return note[:9] },
		"too large":            func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			store := new(mem.Store)
			r, _ := post(t, open(store), noon, "a", "0123456789")
			large := ""
			store.Before = func(op mem.Op, key string) error {
				switch {
				case key != large:
				case op == mem.Get:
					return state.ErrTooLarge
				case op == mem.Put:
					large = ""
				}
				return nil
			}
			for info, err := range store.List(t.Context(), "acme/inbox/Reports/seen/") {
				o, bad := store.Get(t.Context(), info.Key)
				if err = errors.Join(err, bad); err != nil {
					t.Fatal(err)
				}
				note := change(o.Data)
				if note == nil {
					large = info.Key
				} else if _, err := store.Put(t.Context(), info.Key, note, o.ETag); err != nil {
					t.Fatal(err)
				}
			}
			want(t, bodies(t, open(store)), "a: 0123456789")
			if err := open(store).Remove(t.Context(), r.ID); err != nil {
				t.Fatal(err)
			}
			if _, again := post(t, open(store), noon.Add(time.Minute), "a", "0123456789"); !again {
				t.Error("sent again after its delivery, it is a new one")
			}
		})
	}
}

// A report that is delivered while the same one is received is recognised all the same.
func TestDeliveredWhileItIsSentAgain(t *testing.T) {
	store := new(mem.Store)
	r, _ := post(t, open(store), noon, "a", "0123456789")
	delivered := false
	store.Before = func(op mem.Op, key string) error {
		if op == mem.Get && strings.HasSuffix(key, "waiting/"+r.ID) && !delivered {
			delivered = true
			return open(store).Remove(t.Context(), r.ID)
		}
		return nil
	}
	if _, again := post(t, open(store), noon.Add(time.Minute), "a", "0123456789"); !again || !delivered {
		t.Errorf("again is %v", again)
	}
	want(t, bodies(t, open(store)))
}

// Two processes receive the same report at once: it waits once.
func TestAtOnce(t *testing.T) {
	for round := range 50 {
		store := new(mem.Store)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, _, err := open(store).Put(t.Context(), "a", "", noon, strings.NewReader("0123456789")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := bodies(t, open(store)); len(got) != 1 || keys(t, store, "parts/") != 3 {
			t.Fatalf("round %d: %d reports wait, with %d parts", round, len(got), keys(t, store, "parts/"))
		}
	}
}

// The one that is noted second withdraws.
func TestWithdrawn(t *testing.T) {
	store, nested := new(mem.Store), false
	store.Before = func(op mem.Op, key string) error {
		if op == mem.Put && strings.Contains(key, "/seen/") && !nested {
			nested = true
			if _, again := post(t, open(store), noon.Add(time.Second), "a", "0123456789"); again {
				t.Error("the faster one counts as sent again")
			}
		}
		return nil
	}
	if _, again := post(t, open(store), noon, "a", "0123456789"); !again || !nested {
		t.Errorf("again is %v for the slower one", again)
	}
	want(t, bodies(t, open(store)), "a: 0123456789")
}

// What was not received whole is not a report, and leaves nothing.
func TestBodyThatBreaksOff(t *testing.T) {
	fault := errors.New("gone")
	for name, c := range map[string]struct {
		body io.Reader
		want error
	}{
		"empty":           {strings.NewReader(""), reports.ErrEmpty},
		"fault":           {io.MultiReader(strings.NewReader("0123456"), iotest.ErrReader(fault)), fault},
		"fault at once":   {iotest.ErrReader(fault), fault},
		"too few bytes":   {io.MultiReader(strings.NewReader("0123456"), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
		"at a part's end": {io.MultiReader(strings.NewReader("01234567"), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(mem.Store)
			_, _, err := open(store).Put(t.Context(), "a", "", noon, c.body)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if n := keys(t, store, ""); n != 0 {
				t.Errorf("%d objects are left", n)
			}
		})
	}
}

// Whatever operation fails, and whether or not it took effect: a report that was taken waits and can
// be read, and what was refused can be sent again.
func TestEveryOperationMayFail(t *testing.T) {
	fault := errors.New("down")
	for _, late := range []bool{false, true} {
		for n := 1; ; n++ {
			count := 0
			fail := func(mem.Op, string) error {
				if count++; count == n {
					return fault
				}
				return nil
			}
			store := &mem.Store{Before: fail}
			if late {
				store = &mem.Store{After: fail}
			}
			_, _, err := open(store).Put(t.Context(), "a", "", noon, strings.NewReader("0123456789"))
			failed := count >= n
			count = n + 1
			if err == nil {
				want(t, bodies(t, open(store)), "a: 0123456789")
			}
			if _, _, err := open(store).Put(t.Context(), "a", "", noon.Add(time.Minute), strings.NewReader("0123456789")); err != nil {
				t.Fatal(err)
			}
			if got := bodies(t, open(store)); len(got) < 1 || len(got) > 2 {
				t.Errorf("operation %d, late %v: %d reports wait after it was sent again", n, late, len(got))
			}
			if !failed {
				if n < 6 {
					t.Fatalf("only %d operations", n)
				}
				break
			}
		}
	}
}

func TestDamage(t *testing.T) {
	for name, change := range map[string]func(store state.Store, key string) error{
		"missing": func(store state.Store, key string) error { return store.Delete(t.Context(), key) },
		"changed": func(store state.Store, key string) error {
			o, err := store.Get(t.Context(), key)
			if err != nil {
				return err
			}
			_, err = store.Put(t.Context(), key, bytes.ReplaceAll(o.Data, []byte("4567"), []byte("4568")), o.ETag)
			return err
		},
		"another": func(store state.Store, key string) error {
			o, err := store.Get(t.Context(), strings.TrimSuffix(key, "2")+"1")
			if err != nil {
				return err
			}
			_, err = store.Put(t.Context(), key, o.Data, state.Any)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(mem.Store)
			s := open(store)
			r, _ := post(t, s, noon, "a", "0123456789")
			if err := change(store, "acme/inbox/Reports/parts/"+r.ID+"/000002"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Part(t.Context(), r, 1); err != nil {
				t.Error(err)
			}
			if _, err := s.Part(t.Context(), r, 2); !s.Damaged(err) {
				t.Errorf("got %v, want damage", err)
			}
		})
	}
	passing := &mem.Store{Before: func(mem.Op, string) error { return errors.New("down") }}
	if _, err := open(passing).Part(t.Context(), reports.Report{ID: id}, 1); err == nil || open(passing).Damaged(err) {
		t.Errorf("a store that is down is taken for damage: %v", err)
	}
}

// A report that can't be read is named, and hides no other.
func TestUnreadableReport(t *testing.T) {
	store := new(mem.Store)
	s := open(store)
	post(t, s, noon, "a", "0123")
	for key, data := range map[string]string{"x": `{"version":2}`, id: `{"version":1`} {
		if _, err := store.Put(t.Context(), "acme/inbox/Reports/waiting/"+key, []byte(data), state.Absent); err != nil {
			t.Fatal(err)
		}
	}
	list, problems, err := s.Waiting(t.Context())
	if err != nil || len(list) != 1 || len(problems) != 2 {
		t.Errorf("%d reports, problems %q, %v", len(list), problems, err)
	}
	for _, p := range problems {
		if !strings.Contains(p, "acme/inbox/Reports/waiting/") {
			t.Errorf("the problem does not name the object: %s", p)
		}
	}
}

func TestTidy(t *testing.T) {
	store := new(mem.Store)
	s := open(store)
	now := time.Now()
	post(t, s, now, "a", "01234567")
	orphan := "acme/inbox/Reports/parts/" + id + "/000001"
	if _, err := store.Put(t.Context(), orphan, []byte("x"), state.Absent); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		left  string
	}{{time.Hour, "3 1"}, {23 * time.Hour, "3 1"}, {25 * time.Hour, "2 0"}} {
		if err := s.Tidy(t.Context(), now.Add(c.after)); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(keys(t, store, "parts/"), keys(t, store, "seen/")); got != c.left {
			t.Errorf("after %v %s parts and memories are left, want %s", c.after, got, c.left)
		}
	}
	want(t, bodies(t, s), "a: 01234567")
}

// TestTidyOfForwardings: the entry of a report that was forwarded stays as long as the report waits for
// its delivery. Without it the report would be forwarded once more.
func TestTidyOfForwardings(t *testing.T) {
	const long = 61 * 24 * time.Hour
	store := new(mem.Store)
	s := open(store)
	s.Forward = true
	now := time.Now()
	r, _ := post(t, s, now, "a", "01234567")
	items, _, err := s.Items(t.Context())
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	items[0].Read, items[0].Settled, items[0].Starts = true, 1, 1
	if err := s.Save(t.Context(), &items[0]); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), items[0]); err != nil {
		t.Fatal(err)
	}
	if err := s.Tidy(t.Context(), now.Add(long)); err != nil {
		t.Fatal(err)
	}
	if items, _, err = s.Items(t.Context()); err != nil || len(items) != 1 || !items[0].Done() {
		t.Errorf("after %v the forwarding is %+v, %v, want it to be done", long, items, err)
	}
	if err := s.Remove(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	if n := keys(t, store, ""); n != 0 {
		t.Errorf("%d objects are left of what was forwarded and delivered, want 0", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = reports.DecodeReport(data)
		_, _ = reports.DecodePart(data)
		_, _ = reports.DecodeSeen(data)
	})
}
