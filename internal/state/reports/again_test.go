package reports_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
)

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
