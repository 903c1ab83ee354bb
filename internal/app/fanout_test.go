package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/ncrontab"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/poison"
)

// spread opens the scene as one of several instances of a function app.
func (s *scene) spread(t *testing.T, site string) *app.App {
	t.Helper()
	s.settings.FanOut = true
	a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, By: app.ByFunction, FanOut: true, Site: site})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// named gives the only connection a name.
func (s *scene) named(name string) *scene {
	s.connection().Name = name
	return s
}

// A message expires at the second tick after its own, which may be a night later, and never sooner
// than a message may wait in the queue.
func TestMessages(t *testing.T) {
	day := func(clock string) time.Time {
		at, err := time.Parse(time.RFC3339, "2026-09-24T"+clock+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for name, tc := range map[string]struct {
		schedule      string
		tick, expires time.Time
	}{
		"each minute":                {"0 * * * * *", day("13:08:00.2"), day("13:10:00")},
		"a little early":             {"0 * * * * *", day("13:07:59.9"), day("13:10:00")},
		"each five minutes":          {"0 */5 * * * *", day("13:05:01"), day("13:15:00")},
		"each ten seconds":           {"*/10 * * * * *", day("13:05:00"), day("13:06:00")},
		"the last one of the day":    {"0 0 8-18 * * *", day("18:00:00"), day("09:00:00").Add(24 * time.Hour)},
		"no schedule, as with serve": {"", day("18:00:00"), time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene().named("prod")
			if tc.schedule != "" {
				schedule, err := ncrontab.Parse(tc.schedule, func(text string) string { return text })
				if err != nil {
					t.Fatal(err)
				}
				s.settings.Schedule = schedule
			}
			list, err := s.spread(t, "app-1").Messages(tc.tick)
			if err != nil || len(list) != 1 || strings.Contains(list[0], canary) {
				t.Fatalf("%v: %q", err, list)
			}
			got, err := fanout.Decode([]byte(list[0]))
			want := fanout.Message{Version: 1, App: "app-1", Connection: "prod", Tenant: "acme", Tick: tc.tick, Expires: tc.expires}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// A message for another app, for a connection that is gone, or for another tenant of the same name,
// says that two apps share one queue, and starts nothing.
func TestWorkOfOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		message fanout.Message
		says    []string
	}{
		"another app":     {fanout.Message{App: "app-2", Connection: "prod", Tenant: "acme"}, []string{`"app-2"`, `"app-1"`, "two apps share the queue", "AzureWebJobsStorage"}},
		"gone":            {fanout.Message{App: "app-1", Connection: "old", Tenant: "old"}, []string{`"old"`, "CONNECTIONS does not list"}},
		"another tenant":  {fanout.Message{Connection: "prod", Tenant: "globex"}, []string{`"globex"`, `"acme"`}},
		"one without any": {fanout.Message{Tenant: "acme"}, []string{"without CONNECTIONS"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene().named("prod")
				runs, err := s.spread(t, "app-1").Work(t.Context(), tc.message)
				if err == nil || runs != nil || s.tenant.PeakRequests() != 0 {
					t.Fatalf("%v, %v, %d requests", runs, err, s.tenant.PeakRequests())
				}
				for _, text := range tc.says {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("%q lacks %q", err, text)
					}
				}
			})
		})
	}
}

// One process at a time polls a connection, whatever streams it has: the rate limit of a client id
// is that of a process. Another one finds every stream locked, and asks the source for nothing.
func TestOneProcessForEachConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene().named("prod")
		s.event("", 1, time.Now().Add(-time.Hour))
		m := fanout.Message{Connection: "prod", Tenant: "acme"}
		_, release, err := s.store.Lock(t.Context(), "acme/locks/connection")
		if err != nil {
			t.Fatal(err)
		}
		a := s.spread(t, "")
		runs, err := a.Work(t.Context(), m)
		if err != nil || len(runs) != 2 || runs[0].State != pipeline.Locked || runs[1].State != pipeline.Locked || s.tenant.PeakRequests() != 0 {
			t.Fatalf("while another process polls: %v, %+v, %d requests", err, runs, s.tenant.PeakRequests())
		}
		if err := release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if runs, err = a.Work(t.Context(), m); err != nil || runs[0].State != pipeline.Drained || runs[0].Sent != 1 || runs[0].Connection != "prod" {
			t.Fatalf("afterwards: %v, %+v", err, runs)
		}
		if _, release, err = s.store.Lock(t.Context(), "acme/locks/connection"); err != nil {
			t.Errorf("the lock was not released: %v", err)
		} else if err := release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A lock that something else took for good is a failure, as one of a stream is.
func TestConnectionLockedForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene().named("prod")
		a := s.spread(t, "")
		m := fanout.Message{Connection: "prod", Tenant: "acme"}
		if runs, err := a.Work(t.Context(), m); err != nil || runs[0].State != pipeline.Drained {
			t.Fatalf("%v, %+v", err, runs)
		}
		if _, _, err := s.store.Lock(t.Context(), "acme/locks/connection"); err != nil {
			t.Fatal(err)
		}
		var last pipeline.Report
		for range 12 {
			runs, err := a.Work(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			last = runs[0]
			<-time.After(time.Minute)
		}
		if last.State != pipeline.Failed || !strings.Contains(last.Error, "nothing is delivered until it is released") {
			t.Errorf("%+v", last)
		}
	})
}

// A message that the queue gave up is in the state, in the status for a day, and in the health table.
func TestGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene().named("prod")
		a := s.spread(t, "")
		if runs, err := a.Work(t.Context(), fanout.Message{Connection: "prod", Tenant: "acme"}); err != nil || runs[0].State != pipeline.Drained {
			t.Fatalf("%v, %+v", err, runs)
		}
		for _, n := range []poison.Note{
			{At: time.Now(), Deliveries: 5, Reason: "7 bytes that are not a message"},
			{At: time.Now(), Deliveries: 5, Reason: "7 bytes that are not a message"},
			{At: time.Now(), Connection: "prod", Deliveries: 5, Reason: "its process was killed"},
		} {
			if err := a.GaveUp(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		rows := 0
		for _, row := range s.workspace.Table("SailPointIDN_Health").Rows() {
			if row["stream_s"] == "Work" && row["state_s"] == "failed" && row["org_s"] == "acme" && strings.Contains(row["error_s"], "given up after 5 deliveries") {
				rows++
			}
		}
		if rows != 3 {
			t.Errorf("%d health rows", rows)
		}
		shown := func() (all string) {
			for _, p := range a.Status(t.Context()).Problems {
				all = fmt.Sprintf("%s%s: %s %s\n", all, strings.Join(p.Streams, ","), p.What, p.Remedy)
			}
			return all
		}
		for _, want := range []string{"queue: The queue gave up 2 messages", "7 bytes that are not a message", "prod: The queue gave up a message", fanout.Poison} {
			if got := shown(); !strings.Contains(got, want) {
				t.Errorf("lacks %q:\n%s", want, got)
			}
		}
		<-time.After(25 * time.Hour)
		if got := shown(); strings.Contains(got, "gave up") {
			t.Errorf("a day later:\n%s", got)
		}
	})
}

// A setting that can't take effect is named at every stream.
func TestNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Notice: "FAN_OUT is queue, but"})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range a.Poll(t.Context()) {
			if r.State != pipeline.Drained || !slices.Contains(r.Warnings, "FAN_OUT is queue, but") {
				t.Errorf("%+v", r)
			}
		}
	})
}

// times makes the only connection several.
func (s *scene) times(n int) *scene {
	first := *s.connection()
	s.settings.Connections = nil
	for i := range n {
		one, source := first, *first.Sources[0].(*config.SailPoint)
		source.BaseURL = &url.URL{Scheme: "https", Host: fmt.Sprintf("t%d.api.identitynow.example", i)}
		one.Name, one.Tenant, one.Sources, one.Health = fmt.Sprintf("t%d", i), fmt.Sprintf("t%d", i), []config.Source{&source}, false
		s.settings.Connections = append(s.settings.Connections, one)
	}
	return s
}

// A connection for which there was no time reports that, stream by stream.
func TestPollNowOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene().times(fanout.AtOnce + 2)
		s.pass = func(req *http.Request, _ http.RoundTripper) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		runs := s.spread(t, "").Poll(ctx)
		if len(runs) != 2*(fanout.AtOnce+2) {
			t.Fatalf("%d runs", len(runs))
		}
		unreached := 0
		for _, r := range runs {
			if r.Connection == "" || r.Stream == "" {
				t.Errorf("%+v", r)
			}
			if r.State == pipeline.Budget && r.Seconds == 0 {
				unreached++
			}
		}
		if unreached != 4 {
			t.Errorf("%d streams report that there was no time for them, want 4", unreached)
		}
	})
}

// slow has each tenant refuse its token after a while, and returns what says how many were asked at the
// same time at most.
func (s *scene) slow(d time.Duration) (most func() int) {
	var mu sync.Mutex
	at, n := map[string]int{}, 0
	s.pass = func(req *http.Request, _ http.RoundTripper) (*http.Response, error) {
		mu.Lock()
		at[req.URL.Host]++
		n = max(n, len(at))
		mu.Unlock()
		<-time.After(d)
		mu.Lock()
		defer mu.Unlock()
		if at[req.URL.Host]--; at[req.URL.Host] == 0 {
			delete(at, req.URL.Host)
		}
		return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
	}
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// A person who polls now, in the one process that serves the page, polls no more connections at once than
// an instance does, and each once.
func TestPollNowIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connections = 40
		s := newScene().times(connections)
		most := s.slow(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), s.settings.RunBudget)
		defer cancel()
		runs := s.spread(t, "").Poll(ctx)
		if len(runs) != 2*connections || most() != fanout.AtOnce {
			t.Errorf("%d runs, of %d connections at once, want %d", len(runs), most(), fanout.AtOnce)
		}
		for _, r := range runs {
			if r.State != pipeline.Failed || r.Connection == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}

// What fan-out adds to the operations on the state, see docs/scale.md: the lock of the connection to each
// poll, and to the first one of each process what that process does not know yet.
func TestStateOperationsOfFanOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene().named("prod")
		var ops atomic.Int64
		s.store = &mem.Store{After: func(mem.Op, string) error { ops.Add(1); return nil }}
		poll := func(a *app.App, events int) int64 {
			for n := range events {
				s.event("", n, time.Now().Add(-90*time.Second))
			}
			ops.Store(0)
			for _, r := range a.Poll(t.Context()) {
				if r.State != pipeline.Drained {
					t.Errorf("%+v", r)
				}
			}
			<-time.After(time.Minute)
			return ops.Load()
		}
		one, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store})
		if err != nil {
			t.Fatal(err)
		}
		poll(one, 0)
		alone := poll(one, 0)
		a, b := s.spread(t, ""), s.spread(t, "")
		first := poll(a, 0)
		quiet := poll(a, 0)
		other := poll(b, 0)
		busy := poll(a, 1)
		tick := time.Now()
		poll(b, 0)
		a.FollowUp(t.Context(), tick) // the first one also looks at the queue
		ops.Store(0)
		a.FollowUp(t.Context(), tick)
		look := ops.Load()
		t.Logf("a quiet poll: %d without FAN_OUT, %d with it, %d if it is the first of its process; %d with an event; the look after a tick: %d", alone, quiet, first, busy, look)
		if streams := int64(len(a.Connections()[0].Streams())); look != streams {
			t.Errorf("the look after a tick takes %d, want one for each of %d streams", look, streams)
		}
		if quiet != alone+2 || first != quiet+6 || other != first {
			t.Errorf("want 2 for the lock of the connection, and 6 more for the first of a process")
		}
	})
}
