package sailpoint_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// 30,000 events, of which 400 in a row share a millisecond, again and again
// and across the borders of pages: each comes, with its bytes, and the rate limit is kept.
func TestLargeWalk(t *testing.T) {
	for name, c := range map[string]struct {
		refuse, unstable bool
		pageSize, events int
	}{
		"created_and_id":          {false, true, 1000, 30_000},
		"created_and_id_small":    {false, true, 10, 3_000},
		"created_only":            {true, true, 1000, 30_000},
		"created_only_tie_a_page": {true, true, 130, 3_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTenant()
				tn.RateLimit.Off = false
				tn.RefuseIDSort, tn.UnstableTies = c.refuse, c.unstable
				smallEvents(tn, time.Now().Add(-20*time.Hour), c.events)
				cfg := config(tn)
				cfg.PageSize, cfg.Limiter = c.pageSize, nil
				cl := sailpoint.NewClient(cfg)
				got, end, err := walk(t.Context(), cl.Events(), "")
				if err != nil {
					t.Fatal(err)
				}
				sameAs(t, wanted(tn), got)
				if len(got) != c.events {
					t.Errorf("%d events came, want %d", len(got), c.events)
				}
				page, err := cl.Events().Fetch(t.Context(), end)
				if err != nil || page.More || page.Next != end {
					t.Errorf("behind the end: %v, more %v, next %s and not %s", err, page.More, page.Next, end)
				}
				if peak := tn.PeakRequests(); peak > 100 || cl.Stats().Throttled > 0 {
					t.Errorf("%d requests in 10 s, %d throttled", peak, cl.Stats().Throttled)
				}
				if v := tn.Violations(); len(v) > 0 {
					t.Errorf("violations: %q", v)
				}
			})
		})
	}
}

// smallEvents adds n events, the last 400 of every 1500 in one millisecond, with
// ids that are in no order.
func smallEvents(tn *tenant.Tenant, from time.Time, n int) {
	for i := range n {
		at := from.Add(time.Duration(i-max(0, i%1500-1100)) * 250 * time.Millisecond)
		tn.AddEvent(fmt.Appendf(nil, `{"id":"%04x%d","created":%q,"type":"T"}`, i*40503%65536, i, at.UTC().Format("2006-01-02T15:04:05.000Z")), time.Time{})
	}
}

// Everything goes wrong, at random, on both streams at once, with tokens that
// live for 20 s: nothing is missing in the end, and the rate limit is kept.
func TestWalkThroughFaults(t *testing.T) {
	for seed := range int64(3) {
		t.Run(strconv.FormatInt(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var rules []fault.Rule
				for _, kind := range []fault.Kind{
					fault.TooManyRequests, fault.ServerError, fault.BadGateway, fault.Unavailable, fault.Reset,
					fault.Cut, fault.Malformed, fault.WrongShape, fault.ResetAfter, fault.Slow,
				} {
					rules = append(rules, fault.Rule{Kind: kind, Rate: 0.05, Delay: 200 * time.Millisecond, RetryAfter: []string{"", "2", "soon"}[int(seed)%3]})
				}
				// Refused tokens: now and then, but not twice in a row.
				rules = append(rules, fault.Rule{Kind: fault.Unauthorized, Path: "/search", Nth: []int{3, 9, 14, 30}})
				tn := newTenant()
				tn.RateLimit.Off = false
				tn.TokenTTL = 20 * time.Second
				tn.RefuseIDSort = seed%2 == 1
				tn.Faults = &fault.Plan{Seed: seed, Rules: rules}
				oddEvents(tn, time.Now().Add(-10*time.Hour), 2000)
				g := synth.New(synth.Options{Seed: 3, Start: time.Now().Add(-5 * time.Hour)})
				for i := range 600 {
					tn.AddInvocation(g.Invocation(i))
				}
				cfg := config(tn)
				cfg.PageSize, cfg.Limiter = 70, nil
				cl := sailpoint.NewClient(cfg)
				var wg sync.WaitGroup
				wg.Go(func() {
					got, _, err := walk(t.Context(), cl.Events(), "")
					if err != nil {
						t.Error(err)
					}
					sameAs(t, wanted(tn), got)
				})
				wg.Go(func() {
					got, _, err := walk(t.Context(), cl.Triggers(), "")
					if err != nil || len(got) != 600 {
						t.Errorf("%d invocations came, want 600: %v", len(got), err)
					}
				})
				wg.Wait()
				if peak := tn.PeakRequests(); peak > 100 {
					t.Errorf("%d requests in 10 s", peak)
				}
				if n := tn.Faults.Total(); n < 10 {
					t.Errorf("only %d faults were met", n)
				}
				if v := tn.Violations(); len(v) > 0 {
					t.Errorf("violations: %q", v)
				}
			})
		})
	}
}

// A token that expires in the middle of a walk is replaced before it is refused,
// and no more tokens are asked for than that takes.
func TestTokenExpiresDuringWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant()
		tn.TokenTTL = 15 * time.Second
		tn.Backlog = synth.New(synth.Options{Seed: 5, Start: time.Now().Add(-20 * time.Hour), Plain: true})
		tn.BacklogSize = 1000
		tn.Faults = always("/search", fault.Rule{Kind: fault.Slow, Delay: time.Second})
		cfg := config(tn)
		cfg.PageSize = 25
		cl := sailpoint.NewClient(cfg)
		got, _, err := walk(t.Context(), cl.Events(), "")
		if err != nil || len(got) != 1000 {
			t.Errorf("%d events, %v", len(got), err)
		}
		// 41 s at half of 15 s each.
		if n := cl.Stats().TokenRequests; n != 6 {
			t.Errorf("%d tokens for a walk of 41 s, want 6", n)
		}
		if n := tn.Requests()["/search/v1"]; n != 41 {
			t.Errorf("%d searches for 40 pages and the end, want 41: a token was refused", n)
		}
	})
}

// crowd is n events of one millisecond, by turns of the given types ("" is null).
func crowd(tn *tenant.Tenant, at time.Time, n int, types ...string) {
	created := at.UTC().Format("2006-01-02T15:04:05.000Z")
	for i := range n {
		kind := "null"
		if t := types[i%len(types)]; t != "" {
			kind = fmt.Sprintf("%q", t)
		}
		tn.AddEvent(fmt.Appendf(nil, `{"id":"%06d","created":%q,"type":%s}`, i, created, kind), time.Time{})
	}
}

// A millisecond that holds more events than the largest page, where the tenant
// can't sort by id.
func TestCrowdedMillisecond(t *testing.T) {
	for name, c := range map[string]struct {
		n     int
		types []string
		fails bool
	}{
		"several_types": {11_000, []string{"A", "B", "C D", ""}, false},
		"one_type":      {10_001, []string{"A"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant()
			tn.RefuseIDSort, tn.UnstableTies = true, true
			at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
			crowd(tn, at, c.n, c.types...)
			for i := range 3 {
				created := at.Add(time.Duration(i-1) * time.Millisecond).UTC().Format("2006-01-02T15:04:05.000Z")
				tn.AddEvent(fmt.Appendf(nil, `{"id":"n%d","created":%q}`, i, created), time.Time{})
			}
			cfg := config(tn)
			cfg.PageSize = 8000
			// A new process for each page: the place within the millisecond is in the cursor.
			open := func() pipeline.Source { return sailpoint.NewClient(cfg).Events() }
			seen, came := make(map[string]pipeline.Record), 0
			var after pipeline.Cursor
			for {
				page, err := open().Fetch(t.Context(), after)
				if c.fails && err != nil {
					if retryable(err) != nil || !strings.Contains(err.Error(), "more than 10000 events") {
						t.Errorf("got %v, want an error that says why", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page.Records {
					seen[r.ID] = r
				}
				if came += len(page.Records); page.More && page.Through.After(at.Add(time.Millisecond)) {
					t.Errorf("covered through %v, and more is to come", page.Through)
				}
				if after = page.Next; !page.More {
					break
				}
			}
			if came > c.n+cfg.PageSize+10 {
				t.Errorf("%d records came for %d events", came, c.n+3)
			}
			if c.fails {
				t.Error("the walk did not fail")
			}
			sameAs(t, wanted(tn), seen)
		})
	}
}

// A row that the service has twice on one page says nothing about the order of the others: the
// millisecond is not read again by row number, where a row without id may be on two pages.
func TestRowTwiceBesideOneWithoutID(t *testing.T) {
	tn := newTenant()
	tn.RefuseIDSort, tn.UnstableTies = true, true
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	crowd(tn, at, 4, "A")
	crowd(tn, at, 1, "A") // the first of them once more
	for i := range 46 {
		tn.AddEvent(fmt.Appendf(nil, `{"created":%q,"n":%d}`, at.UTC().Format("2006-01-02T15:04:05.000Z"), i), time.Time{})
	}
	cfg := config(tn)
	cfg.PageSize = 25
	src := sailpoint.NewClient(cfg).Events()
	came := make(map[string]bool)
	for page := (pipeline.Page{More: true}); page.More; {
		var err error
		if page, err = src.FetchWindow(t.Context(), at.Add(-time.Minute), at.Add(time.Minute), page.Next); err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			came[r.ID] = true
		}
	}
	if len(came) != 50 {
		t.Errorf("%d different records, want 50", len(came))
	}
}

// Events may be indexed late. Those behind the cursor are found by the next tick.
func TestLateEvents(t *testing.T) {
	for name, refuse := range map[string]bool{"created_and_id": false, "created_only": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTenant()
				tn.RefuseIDSort = refuse
				add := func(id string, created, visible time.Duration) {
					at := time.Now().Add(created).UTC().Format("2006-01-02T15:04:05.000Z")
					tn.AddEvent(fmt.Appendf(nil, `{"id":%q,"created":%q}`, id, at), time.Now().Add(visible))
				}
				add("a", -10*time.Minute, 0)
				add("late", -9*time.Minute, 5*time.Second) // behind a, not yet to be seen
				cfg := config(tn)
				cfg.Settle = time.Minute
				src := sailpoint.NewClient(cfg).Events()
				first, after, err := walk(t.Context(), src, "")
				if err != nil {
					t.Fatal(err)
				}
				pass(time.Minute)
				second, _, err := walk(t.Context(), src, after)
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := second["late"]; len(first) != 1 || !ok {
					t.Errorf("first %d, then late came: %v", len(first), ok)
				}
			})
		})
	}
}

// The order is only given up when the search works without it.
func TestProbeOfOrder(t *testing.T) {
	refusal := reply{status: 400, body: `{"detailCode":"400.1 Bad request content","trackingId":"t-1","messages":[{"locale":"en-US","text":"No mapping found for [id]"}]}`}
	rows := reply{body: `[]`}
	both := func(r request) bool { return strings.Contains(r.Body, `"sort":["created","id"]`) }
	type outcome struct {
		Err      string // contained in the error
		Retry    bool
		Requests int // of two fetches
		Logged   int
	}
	for name, c := range map[string]struct {
		answer func(n int, r request) reply
		want   outcome
	}{
		"works": {func(int, request) reply { return rows }, outcome{Requests: 2}},
		"refused": {func(_ int, r request) reply {
			if both(r) {
				return refusal
			}
			return rows
		}, outcome{Requests: 3, Logged: 1}},
		"refused_both_ways": {func(int, request) reply { return refusal }, outcome{Err: "No mapping found for [id]", Requests: 4}},
		"probe_meets_fault": {func(_ int, r request) reply {
			if both(r) {
				return refusal
			}
			return reply{status: 503}
		}, outcome{Err: "503", Retry: true, Requests: 4}},
		"forbidden_is_no_order": {func(int, request) reply { return reply{status: 403} }, outcome{Err: "sp:search:read", Requests: 2}},
		"fault_is_no_order":     {func(int, request) reply { return reply{status: 500} }, outcome{Err: "500", Retry: true, Requests: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{answer: func(n int, r request, _ http.Header) reply { return c.answer(n, r) }}
			log := &logBook{}
			cfg := config(s)
			cfg.Log = log.logger()
			src := sailpoint.NewClient(cfg).Events()
			var got outcome
			for range 2 {
				_, err := window(t, src, "")
				got.Retry = retryable(err) != nil
				if err != nil && strings.Contains(err.Error(), c.want.Err) {
					got.Err = c.want.Err
				}
			}
			got.Requests = len(s.asked())
			got.Logged = strings.Count(log.String(), "does not sort events by id")
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\nlog:\n%s", diff, log)
			}
		})
	}
}

// A tenant that answers 500 to the order by id, again and again, can't do it either.
func TestOrderThatBreaksTheService(t *testing.T) {
	s := &script{answer: func(_ int, r request, _ http.Header) reply {
		if strings.Contains(r.Body, `"sort":["created","id"]`) {
			return reply{status: 500}
		}
		return reply{body: `[{"id":"a","created":"2026-09-01T00:10:00.000Z"}]`}
	}}
	src := client(t, s).Events()
	for attempt := 1; ; attempt++ {
		page, err := window(t, src, "")
		if err == nil {
			if attempt != 3 || len(page.Records) != 1 {
				t.Errorf("%d events at attempt %d, want 1 at attempt 3", len(page.Records), attempt)
			}
			return
		}
		if attempt == 5 || retryable(err) == nil {
			t.Fatalf("attempt %d: %v", attempt, err)
		}
	}
}

// Faults do not add up to that: not over a search that worked, and not at all
// once a search behind an id has worked.
func TestOrderThatMeetsFaults(t *testing.T) {
	const behind = `{"created":"2026-09-01T00:10:00.000Z","id":"a"}`
	bad, good := reply{status: 500}, reply{body: `[]`}
	for name, c := range map[string]struct {
		after   pipeline.Cursor
		answers []reply
	}{
		"interrupted": {"", []reply{bad, bad, good, bad, bad, good}},
		"proven":      {behind, []reply{good, bad, bad, bad, bad, good}},
	} {
		t.Run(name, func(t *testing.T) {
			s := inTurn(c.answers...)
			src := client(t, s).Events()
			for range c.answers {
				_, _ = window(t, src, c.after)
			}
			for i, r := range s.asked() {
				if !strings.Contains(r.Body, `"sort":["created","id"]`) {
					t.Errorf("request %d has another order: %s", i+1, r.Body)
				}
			}
		})
	}
}

func TestUndated(t *testing.T) {
	for name, refuse := range map[string]bool{"by_id": false, "unsorted": true} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant()
			tn.RefuseIDSort = refuse
			oddEvents(tn, time.Now().Add(-10*time.Hour), 1000)
			for i := range 600 {
				tn.AddEvent(fmt.Appendf(nil, `{"id":"u%03d","created":null}`, i), time.Time{})
			}
			tn.AddEvent([]byte(`{"name":"neither"}`), time.Time{})
			src := sailpoint.NewClient(config(tn)).Events()
			if refuse { // learnt by the first search
				if _, err := src.Fetch(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]bool{}
			for e := range tn.Events() {
				if e.Created.IsZero() {
					want[recordID(e)] = true
				}
			}
			if diff := cmp.Diff(want, undatedIDs(t, src)); diff != "" {
				t.Errorf("events without created (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUndatedUnsupported(t *testing.T) {
	for name, r := range map[string]reply{
		"refused": {status: 400},
		"ignored": {body: `[{"id":"a","created":"2026-09-01T00:10:00.000Z"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := client(t, says(r)).Events().FetchUndated(t.Context(), "")
			if !unsupported(err) || len(page.Records) > 0 {
				t.Errorf("got %d records and %v, want ErrUnsupported", len(page.Records), err)
			}
		})
	}
	for name, r := range map[string]reply{"unavailable": {status: 503}, "forbidden": {status: 403}} {
		t.Run(name, func(t *testing.T) {
			if _, err := client(t, says(r)).Events().FetchUndated(t.Context(), ""); err == nil || unsupported(err) {
				t.Errorf("got %v, want another error than ErrUnsupported", err)
			}
		})
	}
}
