package app_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
)

// outcome reads what is known of the runs of a stream.
func (s *scene) outcome(t *testing.T, stream string) runs.File {
	t.Helper()
	f, err := runs.New(s.store, s.connection().Tenant).Load(context.Background(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Every run leaves its outcome, and who ran it.
func TestOutcomeOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.addEvent("e1")
		a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, By: app.ByFunction})
		if err != nil {
			t.Fatal(err)
		}
		a.Poll(t.Context())
		f := s.outcome(t, events)
		if len(f.Recent) != 1 || f.Recent[0].Sent != 1 || f.Recent[0].State != pipeline.Drained || f.Success.IsZero() || f.Unended != 0 {
			t.Errorf("%+v", f)
		}
		if len(f.Seen) != 1 || f.Seen[0].By != "function" || f.Seen[0].Version != version.String() {
			t.Errorf("seen %+v", f.Seen)
		}
		<-time.After(time.Minute)
		s.open(t).Poll(t.Context())
		if f = s.outcome(t, events); len(f.Recent) != 2 || len(f.Seen) != 2 || f.Seen[0].By != "command" {
			t.Errorf("after a run by hand: %+v", f)
		}
	})
}

// A failure is stored with its remedy, and without the secrets that a service or proxy repeats, in
// whatever form.
func TestOutcomeOfAFailure(t *testing.T) {
	for name, form := range map[string]func(string) string{
		"plain":  func(s string) string { return s },
		"base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("id:" + s)) },
		"query":  url.QueryEscape,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.pass = func(req *http.Request, _ http.RoundTripper) (*http.Response, error) {
					return nil, errors.New("proxy says: " + form(canary) + " and " + form(workspace.DefaultKey) + " of " + req.URL.Host)
				}
				s.open(t).Poll(t.Context())
				f := s.outcome(t, events)
				if !f.Failing() || !strings.Contains(f.Failure.Text, "proxy says") || f.Failure.Count != 1 {
					t.Errorf("%+v", f)
				}
				for _, key := range s.keys(t, "") {
					o, err := s.store.Get(t.Context(), key)
					if err != nil {
						t.Fatal(err)
					}
					for _, leak := range []string{canary, form(canary), workspace.DefaultKey, form(workspace.DefaultKey)} {
						if strings.Contains(string(o.Data), leak) {
							t.Errorf("%s shows a secret: %s", key, o.Data)
						}
					}
				}
			})
		})
	}
}

// A connection that can't be opened fails its streams, and that is stored, too.
func TestOutcomeOfInvalidSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		other := *s.connection()
		other.Name, other.Tenant, s.connection().Name = "globex", "globex", "acme"
		other.Problems = []config.Problem{{Setting: "GLOBEX_CLIENT_SECRET", Message: "is missing"}}
		s.settings.Connections = append(s.settings.Connections, other)
		s.open(t).Poll(t.Context())
		f, err := runs.New(s.store, "globex").Load(t.Context(), events)
		if err != nil || !f.Failing() || !strings.Contains(f.Failure.Text, "GLOBEX_CLIENT_SECRET") {
			t.Errorf("%+v, %v", f, err)
		}
	})
}

// blind is a store in which nothing about runs can be read or written: an error, or no answer.
type blind struct {
	state.Store
	hangs bool
	mu    sync.Mutex
	tries int
}

func (b *blind) stop(ctx context.Context, key string) error {
	if !strings.Contains(key, "/runs/") {
		return nil
	}
	b.mu.Lock()
	b.tries++
	b.mu.Unlock()
	if b.hangs {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return errors.New("forbidden")
}

func (b *blind) Get(ctx context.Context, key string) (state.Object, error) {
	if err := b.stop(ctx, key); err != nil {
		return state.Object{}, err
	}
	return b.Store.Get(ctx, key)
}

// An outcome that can't be stored neither fails a run nor delays what it delivers.
func TestOutcomeCanNotBeStored(t *testing.T) {
	for name, hangs := range map[string]bool{"refused": false, "hanging": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				store := &blind{Store: s.store, hangs: hangs}
				s.store = store
				s.addEvent("e1")
				begun := time.Now()
				delivered := time.Duration(-1)
				s.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
					if strings.Contains(req.URL.Host, "ods.opinsights") && delivered < 0 {
						delivered = time.Since(begun)
					}
					return on.RoundTrip(req)
				}
				for _, r := range s.open(t).Poll(t.Context()) {
					if r.State != pipeline.Drained {
						t.Errorf("%+v", r)
					}
				}
				if took := time.Since(begun); delivered < 0 || delivered > time.Second || took > 7*time.Second {
					t.Errorf("delivered after %v, ended after %v", delivered, took)
				}
				if store.tries == 0 {
					t.Error("no outcome was stored: the test shows nothing")
				}
			})
		})
	}
}

// A process that dies in its first run leaves that it began, and nothing better than before.
func TestKilledRunLeavesNoOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.addEvent("e1")
		first := s.open(t)
		first.Poll(t.Context())
		before := s.outcome(t, events)
		for range 2 {
			<-time.After(time.Minute)
			killed := make(chan struct{})
			s.pass = func(*http.Request, http.RoundTripper) (*http.Response, error) {
				<-killed
				return nil, errors.New("no process, no answer")
			}
			ctx, cancel := context.WithCancel(t.Context())
			a := s.open(t)
			ended := make(chan struct{})
			go func() { a.Poll(ctx); close(ended) }()
			synctest.Wait()
			f := s.outcome(t, events)
			if f.Unended == 0 || f.Begun.IsZero() || !f.Success.Equal(before.Success) || len(f.Recent) != len(before.Recent) {
				t.Errorf("during the run: %+v", f)
			}
			// What was there at the time of the kill is what a later reader finds.
			o, err := s.store.Get(ctx, "acme/runs/"+events+".json")
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			close(killed)
			<-ended
			if _, err := s.store.Put(t.Context(), "acme/runs/"+events+".json", o.Data, state.Any); err != nil {
				t.Fatal(err)
			}
		}
		if f := s.outcome(t, events); f.Unended != 2 {
			t.Errorf("after two kills: %+v", f)
		}
		// A process that lives writes no more than one object each run.
		s.pass = nil
		<-time.After(time.Minute)
		first.Poll(t.Context())
		if f := s.outcome(t, events); f.Unended != 0 || !f.Begun.IsZero() {
			t.Errorf("after a run that ended: %+v", f)
		}
	})
}

// A burst of pushes leaves an outcome a minute, and one at once when it begins to fail.
func TestOutcomesOfPushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := receiving()
		a, push := s.receiver(t, nil)
		defer a.Stop(context.Background())
		for n := range 100 {
			if status := push("sailpoint", event(n)); status != http.StatusOK {
				t.Fatal(status)
			}
			<-time.After(time.Second)
		}
		f := s.outcome(t, pushedStream)
		if n := len(f.Recent); n < 2 || n > 3 || f.Failing() {
			t.Errorf("%d outcomes in 100 s: %+v", n, f)
		}
		s.pass = func(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, errors.New("away") }
		push("sailpoint", event(200))
		<-time.After(5 * time.Minute)
		if f = s.outcome(t, pushedStream); !f.Failing() {
			t.Errorf("after a failure: %+v", f)
		}
		sent := int64(0)
		for _, r := range f.Recent {
			sent += r.Sent
		}
		if sent == 0 {
			t.Error("no run has sent anything")
		}
	})
}

// A check says whether the function runs, not only whether this machine can.
func TestCheckOfTheFunction(t *testing.T) {
	for name, c := range map[string]struct {
		by    string
		ago   time.Duration
		state check.Verdict
		says  string
	}{
		"never":        {"", 0, check.Passed, "no run of the function is in this state yet"},
		"by hand only": {app.ByCommand, time.Minute, check.Passed, "no run of the function"},
		"runs":         {app.ByFunction, time.Minute, check.Passed, "the last run of the function was 60s ago"},
		"as a service": {app.ByServe, time.Minute, check.Passed, "the last run of the service"},
		"stopped":      {app.ByFunction, time.Hour, check.Failed, "the function has not run for 1h: start it"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			if c.by != "" {
				at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(-c.ago) // virtual time begins there
				if err := runs.New(s.store, "acme").End(t.Context(), pipeline.Report{Stream: events, State: pipeline.Drained}, runs.Program{By: c.by, Version: "v1"}, at); err != nil {
					t.Fatal(err)
				}
			}
			if _, found := s.check(t); found["function"].State != c.state || !strings.Contains(found["function"].Detail, c.says) {
				t.Errorf("%+v", found["function"])
			}
		})
	}
}
