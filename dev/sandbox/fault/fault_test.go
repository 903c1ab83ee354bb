package fault_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
)

// answer is a client's view of one request.
type answer struct {
	Status     int
	Body       string
	RetryAfter string
	Type       string
	Failed     bool // no answer at all
	Cut        bool // the body ended too early
}

// counter answers a JSON list and counts the requests that reached it.
func counter(done *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		done.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[{"id":"a"},{"id":"b"}]`)
	})
}

func ask(t *testing.T, client *http.Client, url string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{Failed: true}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{
		Status: res.StatusCode, Body: string(body), Cut: errors.Is(err, io.ErrUnexpectedEOF),
		RetryAfter: res.Header.Get("Retry-After"), Type: res.Header.Get("Content-Type"),
	}
}

// clients are the two ways to reach a handler; a plan must look the same through both.
func clients(t *testing.T, h http.Handler) map[string]struct {
	client *http.Client
	url    string
} {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return map[string]struct {
		client *http.Client
		url    string
	}{
		"socket":     {server.Client(), server.URL},
		"in_process": {&http.Client{Transport: fault.Transport(h)}, "http://stand-in"},
	}
}

func TestKinds(t *testing.T) {
	const list = `[{"id":"a"},{"id":"b"}]`
	for name, c := range map[string]struct {
		rule fault.Rule
		want answer
		done int64
	}{
		"too_many_requests": {
			fault.Rule{Kind: fault.TooManyRequests, RetryAfter: "2"},
			answer{Status: 429, Body: `{"message":" Rate Limit Exceeded "}`, RetryAfter: "2", Type: "application/json"},
			0,
		},
		"too_many_without_header": {
			fault.Rule{Kind: fault.TooManyRequests},
			answer{Status: 429, Body: `{"message":" Rate Limit Exceeded "}`, Type: "application/json"},
			0,
		},
		"unavailable": {
			fault.Rule{Kind: fault.Unavailable, RetryAfter: "soon"},
			answer{Status: 503, RetryAfter: "soon"},
			0,
		},
		"unauthorized": {
			fault.Rule{Kind: fault.Unauthorized},
			answer{Status: 401, Body: `{"error":"JWT validation failed: JWT is expired"}`, Type: "application/json"},
			0,
		},
		"server_error_own_body": {
			fault.Rule{Kind: fault.ServerError, Body: `{"Error":"UnspecifiedError"}`},
			answer{Status: 500, Body: `{"Error":"UnspecifiedError"}`, Type: "application/json"},
			0,
		},
		"reset":       {fault.Rule{Kind: fault.Reset}, answer{Failed: true}, 0},
		"reset_after": {fault.Rule{Kind: fault.ResetAfter}, answer{Failed: true}, 1},
		"cut": {
			fault.Rule{Kind: fault.Cut},
			answer{Status: 200, Body: list[:len(list)/2], Cut: true, Type: "application/json"},
			1,
		},
		"malformed": {
			fault.Rule{Kind: fault.Malformed},
			answer{Status: 200, Body: list[:len(list)/2], Type: "application/json"},
			1,
		},
		"wrong_shape": {
			fault.Rule{Kind: fault.WrongShape},
			answer{Status: 200, Body: `{"message":"Endpoint request timed out","items":[]}`, Type: "application/json"},
			0,
		},
		"slow": {
			fault.Rule{Kind: fault.Slow, Delay: time.Millisecond},
			answer{Status: 200, Body: list, Type: "application/json"},
			1,
		},
	} {
		for _, way := range []string{"socket", "in_process"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				var done atomic.Int64
				plan := &fault.Plan{Rules: []fault.Rule{c.rule}}
				to := clients(t, plan.Wrap(counter(&done)))[way]
				if diff := cmp.Diff(c.want, ask(t, to.client, to.url)); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				if done.Load() != c.done {
					t.Errorf("handler ran %d times, want %d", done.Load(), c.done)
				}
				if diff := cmp.Diff(map[fault.Kind]int{c.rule.Kind: 1}, plan.Injected()); diff != "" {
					t.Errorf("injected (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestBadGatewayIsHTML(t *testing.T) {
	var done atomic.Int64
	plan := &fault.Plan{Rules: []fault.Rule{{Kind: fault.BadGateway}}}
	got := ask(t, &http.Client{Transport: fault.Transport(plan.Wrap(counter(&done)))}, "http://stand-in")
	if got.Status != 502 || got.Type != "text/html" || !strings.HasPrefix(got.Body, "<html>") {
		t.Errorf("got %+v, want an HTML page with status 502", got)
	}
}

// statuses sends n requests to path and returns what came back.
func statuses(t *testing.T, plan *fault.Plan, n int, path string) []int {
	t.Helper()
	var done atomic.Int64
	client := &http.Client{Transport: fault.Transport(plan.Wrap(counter(&done)))}
	got := make([]int, n)
	for i := range got {
		got[i] = ask(t, client, "http://stand-in"+path).Status
	}
	return got
}

func TestWhichRequests(t *testing.T) {
	for name, c := range map[string]struct {
		rules []fault.Rule
		path  string
		want  []int
	}{
		"nth":          {[]fault.Rule{{Kind: fault.Unavailable, Nth: []int{2, 4}}}, "/a", []int{200, 503, 200, 503, 200}},
		"range":        {[]fault.Rule{{Kind: fault.Unavailable, From: 2, To: 3}}, "/a", []int{200, 503, 503, 200, 200}},
		"open_end":     {[]fault.Rule{{Kind: fault.Unavailable, From: 4}}, "/a", []int{200, 200, 200, 503, 503}},
		"open_begin":   {[]fault.Rule{{Kind: fault.Unavailable, To: 2}}, "/a", []int{503, 503, 200, 200, 200}},
		"other_path":   {[]fault.Rule{{Kind: fault.Unavailable, Path: "/b"}}, "/a", []int{200, 200, 200, 200, 200}},
		"path_prefix":  {[]fault.Rule{{Kind: fault.Unavailable, Path: "/a/b"}}, "/a/bc", []int{503, 503, 503, 503, 503}},
		"always":       {[]fault.Rule{{Kind: fault.Unavailable, Rate: 1}}, "/a", []int{503, 503, 503, 503, 503}},
		"no_rules":     {nil, "/a", []int{200, 200, 200, 200, 200}},
		"first_fires":  {[]fault.Rule{{Kind: fault.Unavailable, Nth: []int{1}}, {Kind: fault.TooManyRequests, Nth: []int{1, 2}}}, "/a", []int{503, 429, 200, 200, 200}},
		"nth_and_rate": {[]fault.Rule{{Kind: fault.Unavailable, Nth: []int{1}, Rate: 1e-9}}, "/a", []int{503, 200, 200, 200, 200}},
	} {
		t.Run(name, func(t *testing.T) {
			got := statuses(t, &fault.Plan{Rules: c.rules}, len(c.want), c.path)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRateFollowsTheSeed(t *testing.T) {
	plan := func(seed int64) *fault.Plan {
		return &fault.Plan{Seed: seed, Rules: []fault.Rule{{Kind: fault.Unavailable, Rate: 0.25}}}
	}
	first := statuses(t, plan(1), 2000, "/")
	if diff := cmp.Diff(first, statuses(t, plan(1), 2000, "/")); diff != "" {
		t.Errorf("the same seed gave other faults:\n%s", diff)
	}
	if cmp.Equal(first, statuses(t, plan(2), 2000, "/")) {
		t.Error("another seed gave the same faults")
	}
	again := plan(1)
	statuses(t, again, 2000, "/")
	// 500 expected; the standard deviation is 19.
	if n := again.Total(); n < 420 || n > 580 {
		t.Errorf("%d of 2000 requests met a fault, want about 500", n)
	}
}

func TestNilPlan(t *testing.T) {
	var plan *fault.Plan
	if diff := cmp.Diff([]int{200, 200}, statuses(t, plan, 2, "/")); diff != "" {
		t.Error(diff)
	}
	if plan.Total() != 0 {
		t.Errorf("total %d, want 0", plan.Total())
	}
}

func TestConcurrentRequestsAreCountedOnce(t *testing.T) {
	var done atomic.Int64
	plan := &fault.Plan{Rules: []fault.Rule{{Kind: fault.Unavailable, Nth: []int{3, 30, 300}}}}
	client := &http.Client{Transport: fault.Transport(plan.Wrap(counter(&done)))}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				ask(t, client, "http://stand-in/")
			}
		})
	}
	wg.Wait()
	if plan.Total() != 3 || done.Load() != 397 {
		t.Errorf("%d faults and %d answers, want 3 and 397", plan.Total(), done.Load())
	}
}

func TestSlowUnderAFakeClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done atomic.Int64
		plan := &fault.Plan{Rules: []fault.Rule{{Kind: fault.Slow, Delay: 10 * time.Minute}}}
		client := &http.Client{Transport: fault.Transport(plan.Wrap(counter(&done)))}

		start := time.Now()
		if got := ask(t, client, "http://stand-in/"); got.Status != 200 || time.Since(start) != 10*time.Minute {
			t.Errorf("got %+v after %v, want 200 after 10m", got, time.Since(start))
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://stand-in/", nil)
		if err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		res, err := client.Do(req)
		if err == nil {
			res.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("got %v after %v, want a deadline after 1m", err, time.Since(start))
		}
		if done.Load() != 1 {
			t.Errorf("handler ran %d times, want 1: the client had given up", done.Load())
		}
	})
}

// Property: no plan changes how often a request that was answered with the
// handler's own body reached the handler, nor loses count of a fault.
func TestEveryRequestIsServedOrCounted(t *testing.T) {
	kinds := []fault.Kind{
		fault.TooManyRequests, fault.ServerError, fault.BadGateway, fault.Unavailable, fault.Unauthorized,
		fault.Reset, fault.Cut, fault.Malformed, fault.WrongShape, fault.ResetAfter, fault.Slow,
	}
	rapid.Check(t, func(rt *rapid.T) {
		var rules []fault.Rule
		for range rapid.IntRange(0, 4).Draw(rt, "rules") {
			rules = append(rules, fault.Rule{
				Kind: rapid.SampledFrom(kinds).Draw(rt, "kind"),
				From: rapid.IntRange(0, 10).Draw(rt, "from"),
				To:   rapid.IntRange(0, 30).Draw(rt, "to"),
				Rate: rapid.Float64Range(0, 1).Draw(rt, "rate"),
			})
		}
		var done atomic.Int64
		plan := &fault.Plan{Seed: rapid.Int64().Draw(rt, "seed"), Rules: rules}
		client := &http.Client{Transport: fault.Transport(plan.Wrap(counter(&done)))}
		for range 30 {
			ask(t, client, "http://stand-in/")
		}
		n := plan.Injected()
		notDone := plan.Total() - n[fault.Cut] - n[fault.Malformed] - n[fault.ResetAfter] - n[fault.Slow]
		if int(done.Load())+notDone != 30 {
			rt.Errorf("%d served, %d faults before the handler, of 30 (%v)", done.Load(), notDone, n)
		}
	})
}

func TestAWorkingHandlerCostsNothing(t *testing.T) {
	plan := &fault.Plan{Rules: []fault.Rule{{Kind: fault.Reset, Path: "/x", Rate: 0.5}, {Kind: fault.Reset, Path: "/y", Nth: []int{1}}}}
	h := plan.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	req := httptest.NewRequest(http.MethodGet, "/a", nil)
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(nil, req) }); n != 0 {
		t.Errorf("%v allocations for a request that meets no fault, want 0", n)
	}
}
