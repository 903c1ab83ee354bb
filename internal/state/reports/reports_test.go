package reports_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
)

var update = flag.Bool("update", false, "write golden files")

var noon = time.Date(2026, 11, 29, 12, 0, 0, 5, time.UTC)

const id = "20261129T120000.000000005Z-0123456789abcdef"

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
