package identityiq_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	stand "github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/identityiq"
)

func serveTLS(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// A resource comes once in each state: as a task runs, when it has ended, and when someone signs it
// off; and not again while nothing changes.
func TestChangesComeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		src := identityiq.NewClient(config(s)).TaskResults()
		launched := time.Now()
		delivered := map[string]pipeline.Record{}
		var after pipeline.Cursor
		tick := func(want int) {
			t.Helper()
			got, next, err := walk(t.Context(), src, after)
			if err != nil {
				t.Fatal(err)
			}
			after = next
			fresh := 0
			for id, rec := range got {
				if _, known := delivered[id]; !known {
					delivered[id], fresh = rec, fresh+1
				}
			}
			if fresh != want {
				t.Errorf("%v: %d new rows, want %d", time.Since(launched), fresh, want)
			}
			<-time.After(time.Minute)
		}
		put := func(modified time.Time, status string) {
			id, raw := stand.TaskResult(1, launched, modified, status)
			s.Put(stand.TaskResults, id, raw)
		}
		tick(0)
		put(launched, "")
		tick(1)
		tick(0)
		put(time.Now(), "Success")
		tick(1)
		tick(0)
		// The version is that of the creation in some answers: the status alone tells the states apart.
		id, raw := stand.TaskResult(1, launched, launched, "Error")
		s.Put(stand.TaskResults, id, raw)
		tick(1)
		tick(0)
		if len(delivered) != 3 {
			t.Errorf("%d rows", len(delivered))
		}
		clean(t, s)
	})
}

// What was changed before the stream began is not delivered, and what was delivered is passed over
// once the ledger may have forgotten it, for as long as it is listed.
func TestOldResourcesAreNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		now := time.Now()
		for i := range 20 {
			at := now.Add(-time.Duration(i) * 6 * time.Hour) // INITIAL_LOOKBACK is 24 h
			id, raw := stand.Violation(i, at, at, "Open")
			s.Put(stand.PolicyViolations, id, raw)
		}
		src := identityiq.NewClient(config(s)).PolicyViolations()
		first, after, err := walk(t.Context(), src, "")
		if err != nil || len(first) != 5 {
			t.Fatalf("%d rows, %v", len(first), err)
		}
		<-time.After(25 * time.Hour)
		for range 3 { // the mark follows
			if _, after, err = walk(t.Context(), src, after); err != nil {
				t.Fatal(err)
			}
		}
		again, after, err := walk(t.Context(), src, after)
		if err != nil || len(again) != 0 {
			t.Errorf("%d rows again, %v", len(again), err)
		}
		id, raw := stand.Violation(19, now.Add(-200*time.Hour), time.Now(), "Mitigated")
		s.Put(stand.PolicyViolations, id, raw)
		changed, _, err := walk(t.Context(), src, after)
		if err != nil || len(changed) != 1 {
			t.Errorf("%d rows after a change, %v", len(changed), err)
		}
	})
}

// A clock that is days ahead of the server's does not have changes passed over.
func TestClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer()
		server.Now = func() time.Time { return time.Now().Add(-72 * time.Hour) }
		put := func(status string) {
			id, raw := stand.TaskResult(1, server.Now(), server.Now(), status)
			server.Put(stand.TaskResults, id, raw)
		}
		put("")
		tasks := identityiq.NewClient(config(server)).TaskResults()
		after := tasks.StartAt(server.Now().Add(-24 * time.Hour))
		for i, status := range []string{"", "Warning", "Success"} {
			put(status)
			seen, next, err := walk(t.Context(), tasks, after)
			if err != nil || len(seen) == 0 {
				t.Errorf("%d: %v, %d records", i, err, len(seen))
			}
			after = next
			<-time.After(2 * time.Hour)
		}
	})
}

// A mark that an earlier run left in the future, because a clock was ahead then, is taken back.
func TestMarkInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer()
		server.Now = time.Now
		id, raw := stand.TaskResult(1, time.Now(), time.Now(), "")
		server.Put(stand.TaskResults, id, raw)
		tasks := identityiq.NewClient(config(server)).TaskResults()
		page, err := tasks.Fetch(t.Context(), tasks.StartAt(time.Now().Add(100*time.Hour)))
		if err == nil && page.More {
			page, err = tasks.Fetch(t.Context(), page.Next)
		}
		if err != nil || len(page.Warnings) != 1 || !strings.Contains(page.Warnings[0], "clock") {
			t.Fatalf("%v, %q", err, page.Warnings)
		}
		if page, err = tasks.Fetch(t.Context(), page.Next); err != nil || len(page.Records) != 1 || len(page.Warnings) != 0 {
			t.Errorf("%v, %d records, %q", err, len(page.Records), page.Warnings)
		}
	})
}

// A sweep that may have missed resources does not pass them over, although they were changed before the
// hours that the mark stays behind, and does not say that the list is covered.
func TestSweepThatMissesResources(t *testing.T) {
	const n = 700
	nothing := func([]byte) []byte { return []byte(`{"totalResults":0,"Resources":[]}`) }
	for name, c := range map[string]struct {
		answer  func(s *stand.Server, h *tampered, first bool) // before each request for a page
		removed int
		unknown bool // nothing says that something is missing
	}{
		"later pages are empty": {answer: func(_ *stand.Server, h *tampered, first bool) {
			if h.change = nothing; first {
				h.change = nil
			}
		}},
		"later pages have no total": {answer: func(_ *stand.Server, h *tampered, first bool) {
			if h.change = func([]byte) []byte { return []byte(`{"Resources":[]}`) }; first {
				h.change = nil
			}
		}},
		"all pages are empty":    {answer: func(_ *stand.Server, h *tampered, _ bool) { h.change = nothing }, unknown: true},
		"startIndex is dropped":  {answer: func(_ *stand.Server, h *tampered, _ bool) { h.rewound = true }},
		"many are removed":       {answer: func(s *stand.Server, _ *tampered, first bool) { remove(s, first, 30) }, removed: 30},
		"all others are removed": {answer: func(s *stand.Server, _ *tampered, first bool) { remove(s, first, 600) }, removed: 600},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				for i := range n {
					at := time.Now().Add(-15 * time.Hour)
					id, raw := stand.Alert(i, at, at)
					s.Put(stand.Alerts, id, raw)
				}
				h, faulty := &tampered{Handler: s}, true
				client := identityiq.NewClient(config(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if index := r.URL.Query().Get("startIndex"); faulty && index != "" {
						c.answer(s, h, index == "1")
					}
					h.ServeHTTP(rw, r)
				})))
				seen, after := map[string]bool{}, pipeline.Cursor("")
				for run := range 3 {
					src := client.Alerts()
					for more := true; more; {
						page, err := src.Fetch(t.Context(), after)
						if errors.As(err, new(*pipeline.Retryable)) {
							<-time.After(time.Second)
							continue
						}
						if err != nil {
							t.Fatal(err)
						}
						for _, rec := range page.Records {
							seen[strings.Split(rec.ID, "|")[0]] = true
						}
						after, more = page.Next, page.More
						for id := range s.Resources(stand.Alerts) {
							if !seen[id] && !page.Through.IsZero() && !c.unknown {
								t.Fatalf("run %d: the list is covered, and %s is missing", run, id)
							}
						}
					}
					faulty, h.change, h.rewound = false, nil, false
					<-time.After(time.Minute)
				}
				for id := range s.Resources(stand.Alerts) {
					if !seen[id] {
						t.Fatalf("%s never came, of %d", id, len(seen))
					}
				}
				if left := len(s.Resources(stand.Alerts)); left != n-c.removed || strings.Contains(string(after), "short") {
					t.Errorf("%d are left, and the cursor is %s", left, after)
				}
			})
		})
	}
}

// remove removes the first alerts of a list once its first page was read.
func remove(s *stand.Server, first bool, n int) {
	if left := s.Resources(stand.Alerts); !first && len(left) == 700 {
		for _, id := range slices.Sorted(maps.Keys(left))[:n] {
			s.Remove(stand.Alerts, id)
		}
	}
}

// A list that is pruned for a while fails no run, and one whose sweeps miss resources for hours does.
func TestSweepsThatGoOnMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		for i := range 700 {
			id, raw := stand.Alert(i, time.Now(), time.Now())
			s.Put(stand.Alerts, id, raw)
		}
		client := identityiq.NewClient(config(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			h := &tampered{Handler: s}
			if index := r.URL.Query().Get("startIndex"); index != "" && index != "1" {
				h.change = func([]byte) []byte { return []byte(`{"totalResults":0,"Resources":[]}`) }
			}
			h.ServeHTTP(rw, r)
		})))
		src := client.Alerts()
		begin, after := time.Now(), pipeline.Cursor("")
		for time.Since(begin) < 2*time.Hour {
			page, err := src.Fetch(t.Context(), after)
			for err == nil && page.More {
				page, err = src.Fetch(t.Context(), page.Next)
			}
			if err != nil {
				t.Fatal(err)
			}
			if lasting := time.Since(begin) >= time.Hour; lasting == (page.Incomplete == nil) || lasting == (len(page.Warnings) > 0) {
				t.Fatalf("after %v: %v, warnings %q", time.Since(begin), page.Incomplete, page.Warnings)
			}
			after = page.Next
			<-time.After(time.Minute)
		}
	})
}

// A long list is read less often, about one page a minute.
func TestLongListIsReadLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		for i := range 6000 {
			id, raw := stand.Alert(i, time.Now(), time.Now())
			s.Put(stand.Alerts, id, raw)
		}
		src := identityiq.NewClient(config(s)).Alerts()
		var after pipeline.Cursor
		begin := requests(s)
		for range 120 {
			var err error
			if _, after, err = walk(t.Context(), src, after); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
		}
		if n := requests(s) - begin; n < 100 || n > 160 {
			t.Errorf("%d requests in two hours", n)
		}
	})
}

// A list that takes long to read is read to its end, also by a process that is started for each page.
func TestSlowListIsReadToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		const n = 6000
		for i := range n {
			id, raw := stand.Alert(i, time.Now(), time.Now())
			s.Put(stand.Alerts, id, raw)
		}
		s.Faults = always(appContext+"/scim", fault.Rule{Kind: fault.Slow, Delay: 40 * time.Second})
		seen := map[string]bool{}
		var page pipeline.Page
		for pages, more := 0, true; more; pages++ {
			if pages > n/200 {
				t.Fatalf("no end after %d pages and %d of %d resources", pages, len(seen), n)
			}
			var err error
			if page, err = identityiq.NewClient(config(s)).Alerts().Fetch(t.Context(), page.Next); err != nil {
				t.Fatal(err)
			}
			for _, rec := range page.Records {
				seen[rec.ID] = true
			}
			more = page.More
		}
		if len(seen) != n {
			t.Errorf("%d of %d resources", len(seen), n)
		}
	})
}

// A sweep that was interrupted for long starts again: the places in the list have changed.
func TestOldSweepStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		for i := range 600 {
			id, raw := stand.Alert(i, time.Now(), time.Now())
			s.Put(stand.Alerts, id, raw)
		}
		src := identityiq.NewClient(config(s)).Alerts()
		first, err := src.Fetch(t.Context(), "")
		if err != nil || !first.More {
			t.Fatalf("more %v, %v", first.More, err)
		}
		for _, c := range []struct {
			later time.Duration
			again bool
		}{{10 * time.Minute, false}, {10 * time.Minute, true}} {
			<-time.After(c.later)
			next, err := src.Fetch(t.Context(), first.Next)
			if err != nil {
				t.Fatal(err)
			}
			if again := next.Records[0].ID == first.Records[0].ID; again != c.again {
				t.Errorf("starts again: %v, want %v", again, c.again)
			}
		}
	})
}

// Rows are the resources byte for byte, with the time of the change in front.
func TestResourceRows(t *testing.T) {
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	front := fmt.Sprintf(`{"eventTime":%q,`, at.UTC().Format("2006-01-02T15:04:05.000Z"))
	stamp := at.In(time.FixedZone("", -5*3600)).Format("2006-01-02T15:04:05.000-07:00")
	for name, c := range map[string]struct{ raw, want string }{
		"modified":    {`{"id":"1","meta":{"created":"2001-01-01T00:00:00.000-05:00","lastModified":"` + stamp + `"},"l":[1],"owner":{"$ref":"x"}}`, `"id":"1",`},
		"completed":   {`{"id":"1","completed":"` + stamp + `","launched":null}`, `"id":"1",`},
		"meta_array":  {`{"id":"1","completed":"` + stamp + `","meta":[]}`, `"id":"1",`},
		"no_metadata": {`{"id":"1","status":"Open"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.Put(stand.PolicyViolations, "1", []byte(c.raw))
			got, _, err := walk(t.Context(), identityiq.NewClient(config(s)).PolicyViolations(), "")
			if err != nil || len(got) != 1 {
				t.Fatalf("%d rows, %v", len(got), err)
			}
			for id, rec := range got {
				want := c.raw
				if c.want != "" {
					want = front + strings.TrimPrefix(c.raw, "{")
				}
				want = strings.ReplaceAll(want, "$ref", "ref")
				if string(rec.Raw) != want || !strings.HasPrefix(id, "1|") {
					t.Errorf("%s: %s, want %s", id, rec.Raw, want)
				}
			}
		})
	}
}
