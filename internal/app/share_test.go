package app_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// A function with a backlog and commands of an operator use one client at the same time: together
// they stay within its rate limit.
func TestFunctionAndCommandsShareARateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.source().Limit = 10
		s.connection().InitialLookback = 6 * time.Hour
		s.connection().AuditAges = nil // the command audits
		g := synth.New(synth.Options{Start: time.Now().Add(-5 * time.Hour), Plain: true, Rate: 1})
		for i := range 16_000 {
			s.tenant.AddEvent(g.Event(i), time.Time{})
		}
		open := func(o app.Options) *app.App {
			o.HTTP, o.Store = &http.Client{Transport: s}, s.store
			a, err := app.Open(s.settings, o)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		function, command := open(app.Options{By: app.ByFunction}), open(app.Options{Beside: true})
		poll := func(a *app.App, most time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), most)
			defer cancel()
			for _, rep := range a.Poll(ctx) {
				if rep.State == pipeline.Failed {
					t.Errorf("%+v", rep)
				}
			}
		}
		poll(function, 20*time.Second) // a first run, after which there is something to audit
		audit := func(from, to time.Duration) {
			c := command.Connections()[0]
			span, err := c.AuditRange(events, app.AuditRequest{})
			if err != nil {
				t.Error(err)
				return
			}
			ask := app.AuditRequest{AuditRequest: pipeline.AuditRequest{From: span.To.Add(-from), To: span.To.Add(-to), Each: true}}
			if done, err := c.Audit(t.Context(), events, ask); err != nil || done.State != pipeline.Drained {
				t.Errorf("%+v, %v", done, err)
			}
		}
		begin, before := time.Now(), s.tenant.Requests()["/search/v1"]
		var polls sync.WaitGroup
		polls.Go(func() {
			for range 2 {
				poll(function, 80*time.Second)
			}
		})
		audit(5*time.Hour, 0)
		polls.Wait()
		if peak := s.tenant.PeakRequests(); peak > 96 || peak < 80 {
			t.Errorf("%d requests in 10 s, want at most 80 of the function and 16 of the command", peak)
		}
		if n, took := s.tenant.Requests()["/search/v1"]-before, time.Since(begin).Seconds(); float64(n) < 5*took {
			t.Errorf("%d searches in %.0f s: the function had less than its share", n, took)
		}
		// A preview knows nothing of the function.
		begin, before = time.Now(), requests(s)
		poll(open(app.Options{Beside: true, Look: true}), 60*time.Second)
		if n, took := requests(s)-before, time.Since(begin).Seconds(); float64(n) > 8+took {
			t.Errorf("a preview sent %d requests in %.0f s", n, took)
		}
		// Hours after the function was last heard of, a command has the whole limit.
		<-time.After(3 * time.Hour)
		begin, before = time.Now(), requests(s)
		audit(8*time.Hour, 3*time.Hour)
		if n, took := requests(s)-before, time.Since(begin); n < 60 || took > 20*time.Second {
			t.Errorf("%d requests took %v although nothing else runs", n, took)
		}
	})
}

// requests is how many requests the tenant has received.
func requests(s *scene) (n int) {
	for _, one := range s.tenant.Requests() {
		n += one
	}
	return n
}
