package reports_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
)

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
