package sailpoint_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// invocations adds n invocations to tn, a second apart from the given time on.
func invocations(tn *tenant.Tenant, from time.Time, n int) {
	g := synth.New(synth.Options{Seed: 3, Start: from})
	for i := range n {
		inv := g.Invocation(i)
		inv.Input = []byte(`{"small":true}`)
		tn.AddInvocation(inv)
	}
}

// The requests of a sweep, and its cursors.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant()
		invocations(tn, time.Now().Add(-time.Hour), 600)
		var queries, experimental []string
		cfg := config(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				queries = append(queries, r.URL.RawQuery)
				experimental = append(experimental, r.Header.Get("X-SailPoint-Experimental"))
			}
			tn.ServeHTTP(w, r)
		}))
		src := sailpoint.NewClient(cfg).Triggers()
		begun := time.Now()
		var next []pipeline.Cursor
		var through []time.Time
		var after pipeline.Cursor
		for more := true; more; {
			page, err := src.Fetch(t.Context(), after)
			if err != nil {
				t.Fatal(err)
			}
			after, more = page.Next, page.More
			next, through = append(next, page.Next), append(through, page.Through)
			pass(time.Second)
		}
		if diff := cmp.Diff([]string{"count=true&limit=250&offset=0&sorters=-created", "count=true&limit=250&offset=240&sorters=-created", "count=true&limit=250&offset=480&sorters=-created"}, queries); diff != "" {
			t.Errorf("queries (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"true", "true", "true"}, experimental); diff != "" {
			t.Errorf("experimental (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]pipeline.Cursor{`{"offset":240,"sweep":"2000-01-01T00:00:00.000Z"}`, `{"offset":480,"sweep":"2000-01-01T00:00:00.000Z"}`, `{"offset":0}`}, next); diff != "" {
			t.Errorf("cursors (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]time.Time{{}, {}, begun.UTC()}, through, cmp.Comparer(time.Time.Equal)); diff != "" {
			t.Errorf("through (-want +got):\n%s", diff)
		}
	})
}

// An interrupted sweep goes on while it is young; after that the list has moved too far.
func TestSweepAge(t *testing.T) {
	for name, c := range map[string]struct {
		begun  string // relative to midnight
		offset string
	}{
		"young":     {"1999-12-31T23:55:30.000Z", "480"},
		"old":       {"1999-12-31T23:54:30.000Z", "0"},
		"in_future": {"2000-01-01T00:05:30.000Z", "0"},
		"unread":    {"", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := says(reply{body: `[]`})
				page, err := client(t, s).Triggers().Fetch(t.Context(), pipeline.Cursor(fmt.Sprintf(`{"offset":480,"sweep":%q}`, c.begun)))
				if err != nil {
					t.Fatal(err)
				}
				query, _ := url.ParseQuery(s.asked()[0].Query)
				if diff := cmp.Diff([]string{c.offset, `{"offset":0}`}, []string{query.Get("offset"), string(page.Next)}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// The list moves while it is read: invocations arrive, some expire, some
// complete. Tick by tick every state that lasts longer than a tick is seen.
func TestMovingList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant()
		start := time.Now()
		invocations(tn, start.Add(-20*time.Hour), 200)
		g := synth.New(synth.Options{Seed: 9, Start: start.Add(-24 * time.Hour), Rate: 1})
		for i := range 300 { // about to expire
			inv := g.Invocation(i)
			inv.Created = start.Add(-24*time.Hour + 10*time.Second + time.Duration(i)*time.Millisecond)
			inv.Completed, inv.Error, inv.Input = inv.Created.Add(time.Second), "", nil
			tn.AddInvocation(inv)
		}
		for i := 500; i < 800; i++ { // arriving during the test
			inv := g.Invocation(i)
			inv.Created = start.Add(time.Duration(i-500) * 1000 * time.Millisecond)
			inv.Completed, inv.Input = inv.Created.Add(90*time.Second), nil
			tn.AddInvocation(inv)
		}
		cfg := config(tn)
		src := sailpoint.NewClient(cfg).Triggers()
		seen := make(map[string]bool)
		var after pipeline.Cursor
		for range 8 {
			for more := true; more; {
				page, err := src.Fetch(t.Context(), after)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page.Records {
					seen[r.ID] = true
				}
				after, more = page.Next, page.More
				pass(time.Second) // the list moves between the pages
			}
			pass(time.Minute)
		}
		missing := 0
		for _, inv := range tn.Invocations() {
			states := []string{inv.ID + "|" + inv.Completed.UTC().Format("2006-01-02T15:04:05.000Z")}
			if inv.Created.After(start) {
				states = append(states, inv.ID+"|") // in flight for longer than a tick
			}
			for _, id := range states {
				if !seen[id] {
					missing++
				}
			}
		}
		if missing > 0 {
			t.Errorf("%d states of %d invocations never came, %d did", missing, len(tn.Invocations()), len(seen))
		}
	})
}

// At the number of invocations that the service keeps, older ones may be lost.
func TestFullListWarns(t *testing.T) {
	for n, warns := range map[int]bool{1999: false, 2010: true} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			tn := newTenant()
			invocations(tn, time.Now().Add(-2*time.Hour), n)
			src := sailpoint.NewClient(config(tn)).Triggers()
			var warnings []string
			records := 0
			var after pipeline.Cursor
			for more := true; more; {
				page, err := src.Fetch(t.Context(), after)
				if err != nil {
					t.Fatal(err)
				}
				warnings = append(warnings, page.Warnings...)
				records += len(page.Records)
				after, more = page.Next, page.More
			}
			if got := len(warnings) == 1 && strings.Contains(warnings[0], "list of trigger invocations is full (2000)"); got != warns {
				t.Errorf("warnings %q, want one: %v", warnings, warns)
			}
			if min(n, 2000) > records {
				t.Errorf("%d records", records)
			}
		})
	}
}

// A service that ignores the offset does not keep a sweep going for ever.
func TestEndlessList(t *testing.T) {
	rows := strings.TrimSuffix(strings.Repeat(`{"id":"a"},`, 250), ",")
	s := says(reply{body: "[" + rows + "]"})
	got, _, err := walk(t.Context(), client(t, s).Triggers(), "")
	if err != nil || len(got) != 1 || len(s.asked()) > 50 {
		t.Errorf("%d records after %d requests, %v", len(got), len(s.asked()), err)
	}
}

// What identifies a row, and when it happened.
func TestInvocationIdentity(t *testing.T) {
	for name, c := range map[string]struct{ invocation, id, time string }{
		"in_flight":      {`{"id":"i","created":"2026-09-01T00:00:00.123Z"}`, "i|", "2026-09-01T00:00:00.123Z"},
		"null_completed": {`{"id":"i","created":"2026-09-01T00:00:00.123Z","completed":null}`, "i|", "2026-09-01T00:00:00.123Z"},
		"completed":      {`{"id":"i","created":"2026-09-01T00:00:00.123Z","completed":"2026-09-01T00:00:07+0000"}`, "i|2026-09-01T00:00:07+0000", "2026-09-01T00:00:07Z"},
		"no_time":        {`{"id":"i"}`, "i|", "0001-01-01T00:00:00Z"},
		"no_id":          {`{"created":"2026-09-01T00:00:00.123Z"}`, "sha256:e8ccc8f50ff1b6fd10bd0bc6ff9ee26d6d7a3a6a2e1eb6a5aa1c8bd1b1ab5e4c", "2026-09-01T00:00:00.123Z"},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := client(t, says(reply{body: "[" + c.invocation + "]"})).Triggers().Fetch(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			r := page.Records[0]
			want := c.id
			if strings.HasPrefix(want, "sha256:") {
				want = recordID(tenant.Event{Raw: []byte(c.invocation)})
			}
			if diff := cmp.Diff([]string{want, c.time}, []string{r.ID, r.Time.Format(time.RFC3339Nano)}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTriggerAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		body, text string
	}{
		"object": {`{"items":[]}`, "did not answer with a list"},
		"number": {`[1]`, "element 0 of the array is a number"},
		"cut":    {`[{"id":"a"`, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client(t, says(reply{body: c.body})).Triggers().Fetch(context.Background(), "")
			if retryable(err) == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %q, to be retried", err, c.text)
			}
		})
	}
}

// A list of which no invocation can be read is not delivered, whatever may be kept of it: a service
// in trouble answers like that, or something in between. One that can be read is enough.
func TestNoInvocationCanBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		list       string
		incomplete bool
		records    int
	}{
		"nulls":          {"[" + strings.Repeat("null,", 249) + "null]", true, 250},
		"numbers":        {`[1,2,3]`, true, 3},
		"one of them is": {`[null,{"id":"a","created":"2026-09-01T00:00:00Z"},null]`, false, 3},
		"empty":          {`[]`, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := inTurn(reply{body: c.list}, reply{body: c.list}, reply{body: c.list}, reply{body: `[]`})
				src := client(t, s).Triggers()
				ids := map[string]bool{}
				var after pipeline.Cursor
				for {
					page, err := src.Fetch(t.Context(), after)
					if retryable(err) != nil {
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					for _, r := range page.Records {
						ids[r.ID] = true
					}
					if after = page.Next; page.More {
						continue
					}
					if incomplete := page.Incomplete != nil; incomplete != c.incomplete || incomplete != page.Through.IsZero() {
						t.Errorf("incomplete: %v, through %v", page.Incomplete, page.Through)
					}
					break
				}
				if len(ids) != c.records {
					t.Errorf("%d different records, want %d", len(ids), c.records)
				}
			})
		})
	}
}

// A text of any length is neither an id nor a time, and two states of an invocation stay two.
func TestLongTextsOfInvocations(t *testing.T) {
	long := strings.Repeat("9", 100_000)
	s := says(reply{body: `[{"id":"` + long + `","triggerId":"` + long + `"},{"id":"a","completed":"` + long + `"},{"id":"a"}]`, header: map[string]string{"X-Total-Count": "3"}})
	page, err := client(t, s).Triggers().Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, r := range page.Records {
		ids[r.ID] = true
		if len(r.ID) > 200 || len(r.Raw) > 3*len(long) {
			t.Errorf("an id of %d bytes, a row of %d", len(r.ID), len(r.Raw))
		}
	}
	if len(ids) != 3 {
		t.Errorf("%d different records, want 3: %d bytes", len(ids), len(page.Records))
	}
}

// Invocations that are too large are passed one by one, without waiting. Those that begin alike, as
// far as they can be read, stay two.
func TestTooLargeInvocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := `{"odd":"` + strings.Repeat("x", 5<<20) + `"}`
		list := []string{`{"id":"a"}`, large, large, `{"id":"b"}`}
		s := &script{answer: func(_ int, r request, _ http.Header) reply {
			query, _ := url.ParseQuery(r.Query)
			from, _ := strconv.Atoi(query.Get("offset"))
			from = min(from, len(list))
			to := min(from+limitOf(r), len(list))
			return reply{body: "[" + strings.Join(list[from:to], ",") + "]", header: map[string]string{"X-Total-Count": strconv.Itoa(len(list))}}
		}}
		flaws := map[string]bool{} // by id
		src := client(t, s).Triggers()
		for after, more := pipeline.Cursor(""), true; more; {
			page, err := src.Fetch(t.Context(), after)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				flaws[r.ID] = r.Flaw != ""
			}
			after, more = page.Next, page.More
		}
		flawed := 0
		for _, is := range flaws {
			if is {
				flawed++
			}
		}
		if len(flaws) != len(list) || flawed != 2 {
			t.Errorf("%d different records of %d, %d with a flaw", len(flaws), len(list), flawed)
		}
	})
}
