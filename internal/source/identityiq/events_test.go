package identityiq_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	stand "github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/identityiq"
)

// A row is the document byte for byte, with the time in front; objects and arrays become text.
func TestRows(t *testing.T) {
	at := time.Date(2026, 9, 1, 12, 0, 0, 123_000_000, time.UTC)
	const front = `{"eventTime":"2026-09-01T12:00:00.123Z",`
	for name, c := range map[string]struct{ raw, want string }{
		"plain":         {`{"id":"1", "created":1788264000123 , "x":1.0e+2}`, front + `"id":"1", "created":1788264000123 , "x":1.0e+2}`},
		"attributes":    {`{"id":"1","created":1788264000123,"attributes":{"a":"\"é\"","b":[1, 2]},"z":null}`, front + `"id":"1","created":1788264000123,"attributes":"{\"a\":\"\\\"é\\\"\",\"b\":[1, 2]}","z":null}`},
		"array":         {"{\"id\":\"1\",\"created\":1788264000123,\"l\":[\n1]}", front + `"id":"1","created":1788264000123,"l":"[\n1]"}`},
		"brace_in_text": {`{"id":"1","created":1788264000123,"s":"{[\" "}`, front + `"id":"1","created":1788264000123,"s":"{[\" "}`},
		"text_time":     {`{"id":"1","created":"1788264000123"}`, front + `"id":"1","created":"1788264000123"}`},
		"iso_time":      {`{"id":"1","created":"2026-09-01T07:00:00.123-05:00"}`, front + `"id":"1","created":"2026-09-01T07:00:00.123-05:00"}`},
		"null_time":     {`{"id":"1","created":null}`, `{"id":"1","created":null}`},
		"no_time":       {`{"id":"1"}`, `{"id":"1"}`},
		"odd_time":      {`{"id":"1","created":-17.5}`, `{"id":"1","created":-17.5}`},
		"large":         {`{"id":"1","created":1788264000123,"attributes":"` + strings.Repeat("<a/>", 25_000) + `"}`, front + `"id":"1","created":1788264000123,"attributes":"` + strings.Repeat("<a/>", 25_000) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.AddAudit([]byte(c.raw), at, time.Time{})
			src := identityiq.NewClient(config(s)).Audits()
			page, err := src.FetchWindow(t.Context(), at.Add(-time.Minute), at.Add(time.Minute), "")
			if err != nil || len(page.Records) != 1 {
				t.Fatalf("%d records, %v", len(page.Records), err)
			}
			rec := page.Records[0]
			if string(rec.Raw) != c.want || rec.ID != "1" {
				t.Errorf("id %s, row\n%.300s, want\n%.300s", rec.ID, rec.Raw, c.want)
			}
			// Also without a time of its own, the record lies in the window that the server counts it in.
			if rec.Time.Truncate(5*time.Minute) != at.Truncate(5*time.Minute) {
				t.Errorf("time %v", rec.Time)
			}
			if dated := strings.Contains(c.want, "eventTime"); dated == (len(page.Warnings) > 0) {
				t.Errorf("warnings %q", page.Warnings)
			}
			clean(t, s)
		})
	}
}

// The whole backlog comes, each event once, and each window is proven by the total in its answer,
// although the server's limit is lower than asked for, ties have no order, and a crowd does not fit
// a page.
func TestBacklog(t *testing.T) {
	for name, change := range map[string]func(*stand.Server){
		"as_it_is":    func(*stand.Server) {},
		"limit_200":   func(s *stand.Server) { s.EventLimit = 200 },
		"text_totals": func(s *stand.Server) { s.TextTotal = true },
		"no_totals":   func(s *stand.Server) { s.OmitTotal = true },
		"no_order":    func(s *stand.Server) { s.UnstableTies = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				change(s)
				dice := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test repeats itself
				begin := time.Now().Add(-20 * time.Hour).Truncate(time.Millisecond)
				n := 0
				add := func(at time.Time) {
					s.AddAudit(stand.AuditEvent(n, at), at, time.Time{})
					n++
				}
				for range 6000 {
					add(begin.Add(time.Duration(dice.Int64N(int64(19 * time.Hour)))))
				}
				for range 1500 {
					add(begin.Add(3 * time.Hour))
				}
				for i := range 2500 {
					add(begin.Add(5*time.Hour + time.Duration(i/5)*time.Millisecond))
				}
				got, _, err := walk(t.Context(), identityiq.NewClient(config(s)).Audits(), "")
				if err != nil || len(got) != n {
					t.Errorf("%d events of %d came, %v", len(got), n, err)
				}
				most := 10 + 4*n/200
				if s.OmitTotal {
					most *= 2
				}
				if asked := requests(s); asked > most {
					t.Errorf("%d requests for %d events, want %d at most", asked, n, most)
				}
				clean(t, s)
			})
		})
	}
}

func requests(s *stand.Server) (n int) {
	for _, count := range s.Requests() {
		n += count
	}
	return n
}

// A quiet server gets one request in each run, however long it has been quiet.
func TestQuietServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		at := time.Now().Add(-23 * time.Hour)
		s.AddAudit(stand.AuditEvent(1, at), at, time.Time{})
		src := identityiq.NewClient(config(s)).Audits()
		_, after, err := walk(t.Context(), src, "")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(30 * 24 * time.Hour)
		for _, most := range []int{5, 1, 1} { // the token has expired, and windows grow
			before := requests(s)
			if _, _, err := walk(t.Context(), src, after); err != nil {
				t.Fatal(err)
			}
			if n := requests(s) - before; n > most {
				t.Errorf("%d requests, want %d", n, most)
			}
		}
	})
}

// An event that is committed late but was created after the cursor is found by the next run; the
// count of its window says so, too.
func TestLateCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		now := time.Now()
		early, late := now.Add(-30*time.Minute), now.Add(-20*time.Minute)
		s.AddAudit(stand.AuditEvent(1, early), early, time.Time{})
		s.AddAudit(stand.AuditEvent(2, late), late, now.Add(10*time.Minute))
		src := identityiq.NewClient(config(s)).Audits()
		first, after, err := walk(t.Context(), src, "")
		if err != nil || len(first) != 1 {
			t.Fatalf("%d events, %v", len(first), err)
		}
		<-time.After(10 * time.Minute)
		second, _, err := walk(t.Context(), src, after)
		if err != nil || len(second) != 1 {
			t.Errorf("%d events, %v", len(second), err)
		}
		if n, err := src.Count(t.Context(), now.Add(-time.Hour), now); n != 2 || err != nil {
			t.Errorf("counted %d, %v", n, err)
		}
	})
}

// An event that is committed between the query for the rows and that for their number is not lost.
func TestTotalChangesBetweenQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		now := time.Now()
		at := now.Add(-time.Hour).Truncate(time.Millisecond)
		for i := range 50 {
			s.AddAudit(stand.AuditEvent(i, at), at, time.Time{})
		}
		commits := 0
		s.BetweenQueries = func() {
			if commits++; commits <= 3 {
				s.AddAudit(stand.AuditEvent(100+commits, at), at, time.Time{})
			}
		}
		got, _, err := walk(t.Context(), identityiq.NewClient(config(s)).Audits(), "")
		if err != nil || len(got) != 53 {
			t.Errorf("%d events of 53, %v", len(got), err)
		}
	})
}

// A server that counts more than it lists fails the run, and everything else is delivered.
func TestCountsMoreThanItLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		s.AddAudit(stand.AuditEvent(1, at), at, time.Time{})
		h := &tampered{Handler: s, change: func(page []byte) []byte {
			return []byte(strings.Replace(string(page), `"totalResults":1,`, `"totalResults":3,`, 1))
		}}
		// The window is not the last one of the stream: so it is a warning, and audits report it.
		got, _, err := walk(t.Context(), identityiq.NewClient(config(h)).Audits(), "")
		if len(got) != 1 || err != nil {
			t.Errorf("%d events, %v", len(got), err)
		}
		src := identityiq.NewClient(config(h)).Audits()
		var page pipeline.Page
		for {
			next, err := src.FetchWindow(t.Context(), at, at.Add(time.Millisecond), "")
			if err == nil {
				page = next
				break
			}
		}
		if page.Incomplete == nil || !strings.Contains(page.Incomplete.Error(), "counts 3 created at") {
			t.Errorf("incomplete: %v", page.Incomplete)
		}
		if next := src.StartAt(at); !page.Through.IsZero() || page.Next != next {
			t.Errorf("what is hidden counts as covered through %v and is passed: next is %s, want %s", page.Through, page.Next, next)
		}
	})
}

// A window whose first row can't be read can be counted: the total is in the answer for any of its rows.
func TestCountWithoutTheFirstRow(t *testing.T) {
	s := newServer()
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for i := range 3 {
		s.AddAudit(stand.AuditEvent(i, at), at.Add(time.Duration(i)*time.Second), time.Time{})
	}
	for name, cut := range map[string]int{"one of three": 1, "each": 3} {
		h := &tampered{Handler: s, change: func(page []byte) []byte {
			for i := range cut {
				if at := strings.Index(string(page), stand.ID('a', i)); at > 0 {
					return page[:at]
				}
			}
			return page
		}}
		n, err := identityiq.NewClient(config(h)).Audits().Count(t.Context(), at, at.Add(time.Minute))
		if readable := cut < 3; readable && (n != 3 || err != nil) || !readable && !errors.As(err, new(*pipeline.Retryable)) {
			t.Errorf("%s can't be read: counted %d, %v", name, n, err)
		}
	}
}

// What is missing at the server is named, with the remedy, and what needs no plugin goes on.
func TestWithoutPlugin(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*stand.Server)
		want   []string
	}{
		"not_found": {func(s *stand.Server) { s.Plugin = stand.NotFound }, []string{"status 404", "SIEM plugin", "siemextadministrator", "IIQ_STREAMS"}},
		"login":     {func(s *stand.Server) { s.Plugin = stand.LoginPage }, []string{"a web page", "SIEM plugin", "siemextadministrator"}},
		"redirect":  {func(s *stand.Server) { s.Plugin = stand.Redirect }, []string{"status 302", "SIEM plugin", "siemextadministrator"}},
		"right":     {func(s *stand.Server) { s.Rights = []string{stand.RightSCIM} }, []string{"status 403", "right siemextadministrator", "SIEM EXT Plugin Admin", "not siemadministrator"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			c.change(s)
			at := time.Now().Add(-time.Hour)
			id, raw := stand.TaskResult(1, at, at, "Success")
			s.Put(stand.TaskResults, id, raw)
			client := identityiq.NewClient(config(s))
			for _, src := range []pipeline.Source{client.Audits(), client.Syslog()} {
				_, err := src.Fetch(t.Context(), "")
				for _, want := range c.want {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%s: got %v, want it to name %q", src.Stream().ID, err, want)
					}
				}
			}
			if page, err := client.TaskResults().Fetch(t.Context(), ""); err != nil || len(page.Records) != 1 {
				t.Errorf("task results: %d, %v", len(page.Records), err)
			}
			clean(t, s)
		})
	}
}

// Mistakes that the plugin answers with 200 are errors, and never an empty list.
func TestErrorsAs200(t *testing.T) {
	const path = appContext + "/plugin/rest/SIEMPlugin"
	for name, c := range map[string]struct {
		body, want string
		passes     bool
	}{
		"time_error": {`{"code":"TimeError","message":"no good","details":"x"}`, "TimeError", false},
		"no_list":    {`{"itemsPerPage":0,"currentIndex":1,"totalResults":0}`, "other than a list", true},
		"null_list":  {`{"itemsPerPage":0,"totalResults":0,"auditEvents":null}`, "other than a list", true},
		"array":      {`[]`, "other than a list", true},
		"empty":      {` `, "other than a list", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.Faults = always(path, fault.Rule{Kind: fault.Foreign, Header: "Content-Type: application/json", Body: c.body})
			page, err := identityiq.NewClient(config(s)).Audits().Fetch(t.Context(), "")
			if err == nil || !strings.Contains(err.Error(), c.want) || len(page.Records) > 0 {
				t.Fatalf("got %d records and %v, want %q", len(page.Records), err, c.want)
			}
			if _, passing := err.(interface{ RetryAfter() time.Duration }); passing != c.passes {
				t.Errorf("may pass: %v, want %v (%v)", passing, c.passes, err)
			}
		})
	}
}

// Something that drops the query gets the whole table: that is named, and not taken for the window.
func TestQueryIsDropped(t *testing.T) {
	s := newServer()
	at := time.Now().Add(-1000 * time.Hour)
	s.AddAudit(stand.AuditEvent(1, at), at, time.Time{})
	drops := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = ""
		s.ServeHTTP(w, r)
	})
	_, err := identityiq.NewClient(config(drops)).Audits().Fetch(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), "drops the query") {
		t.Errorf("got %v", err)
	}
}

// An event of 100 KB is kept whole, and a page of many of them is read in parts.
func TestLargeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		begin := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		xml := strings.Repeat("<entry key='k' value='v'/>", 4000)
		for i := range 300 {
			at := begin.Add(time.Duration(i) * time.Second)
			s.AddAudit(fmt.Appendf(nil, `{"id":"%d","created":%d,"attributes":%q}`, i, at.UnixMilli(), xml), at, time.Time{})
		}
		got, _, err := walk(t.Context(), identityiq.NewClient(config(s)).Audits(), "")
		if err != nil || len(got) != 300 {
			t.Fatalf("%d events, %v", len(got), err)
		}
		for id, rec := range got {
			if !strings.Contains(string(rec.Raw), xml) {
				t.Fatalf("event %s is not whole: %d bytes", id, len(rec.Raw))
			}
		}
	})
}

// A cursor moves only to an event that was seen.
func TestCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		start := time.Now().Add(-24 * time.Hour)
		src := identityiq.NewClient(config(s)).Audits()
		page, err := src.Fetch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(src.StartAt(start), page.Next); diff != "" || page.More {
			t.Errorf("an empty stream begins at (-want +got):\n%s", diff)
		}
		at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		s.AddAudit(stand.AuditEvent(1, at), at, time.Time{})
		if page, err = src.Fetch(t.Context(), page.Next); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(src.StartAt(at.Add(time.Millisecond)), page.Next); diff != "" {
			t.Errorf("after the event (-want +got):\n%s", diff)
		}
		after := page.Next
		if page, err = src.Fetch(t.Context(), after); err != nil { // the total of the largest page so far may be its own
			t.Fatal(err)
		}
		if diff := cmp.Diff(after, page.Next); diff != "" || page.More {
			t.Errorf("at the end (-want +got), more is %v:\n%s", page.More, diff)
		}
	})
}

// A cursor in the future is a failure that says so: until that moment the stream would look quiet.
func TestCursorAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := identityiq.NewClient(config(newServer())).Audits()
		for ahead, ok := range map[time.Duration]bool{10 * time.Minute: true, 48 * time.Hour: false} {
			_, err := src.Fetch(t.Context(), src.StartAt(time.Now().Add(ahead)))
			if ok != (err == nil) || !ok && !strings.Contains(err.Error(), "checkpoint set --stream "+src.Stream().ID) {
				t.Errorf("%v ahead: %v", ahead, err)
			}
		}
	})
}

// Streams share one request at a time.
func TestOneRequestAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.Faults = always("", fault.Rule{Kind: fault.Slow, Delay: time.Second})
		client := identityiq.NewClient(config(s))
		done := make(chan error)
		sources := []pipeline.Source{client.Audits(), client.Syslog(), client.TaskResults(), client.PolicyViolations(), client.Alerts()}
		for _, src := range sources {
			go func() {
				_, err := src.Fetch(context.Background(), "")
				done <- err
			}()
		}
		for range sources {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		clean(t, s)
		if n := s.Requests()[appContext+"/oauth2/token"]; n != 1 {
			t.Errorf("%d requests for a token", n)
		}
	})
}
