package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

// clinic is a scene whose runs are those of the function, a process each unless said otherwise.
type clinic struct {
	*scene
	t *testing.T
}

func (c *clinic) open() *app.App {
	c.t.Helper()
	a, err := app.Open(c.settings, app.Options{HTTP: &http.Client{Transport: c.scene}, Store: c.store, Credential: c.credential, By: app.ByFunction})
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// runs lets the timer tick for that many minutes.
func (c *clinic) runs(minutes int) {
	c.t.Helper()
	a := c.open()
	for n := range minutes {
		if n > 0 {
			c.passes(time.Minute)
		}
		ctx, cancel := context.WithTimeout(c.t.Context(), c.settings.RunBudget)
		a.Poll(ctx)
		cancel()
	}
	synctest.Wait() // what a run began in the background must not see what the test stores next
}

func (c *clinic) passes(d time.Duration) { <-time.After(d) }

// answers makes a host answer with a status.
func (c *clinic) answers(host string, code int, body string) {
	c.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
		if !strings.Contains(req.URL.Host+req.URL.Path, host) {
			return on.RoundTrip(req)
		}
		return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	}
}

func (c *clinic) put(key, data string) {
	c.t.Helper()
	if _, err := c.store.Put(c.t.Context(), key, []byte(data), state.Any); err != nil {
		c.t.Fatal(err)
	}
}

// spoilt is a store that fails or hangs from a moment on.
type spoilt struct {
	state.Store
	fail func(ctx context.Context, write bool, key string) error
}

func (s *spoilt) try(ctx context.Context, write bool, key string) error {
	if s.fail == nil {
		return nil
	}
	return s.fail(ctx, write, key)
}

func (s *spoilt) Get(ctx context.Context, key string) (state.Object, error) {
	if err := s.try(ctx, false, key); err != nil {
		return state.Object{}, err
	}
	return s.Store.Get(ctx, key)
}

func (s *spoilt) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	if err := s.try(ctx, true, key); err != nil {
		return "", err
	}
	return s.Store.Put(ctx, key, data, prev)
}

func (s *spoilt) List(ctx context.Context, prefix string) iter.Seq2[state.Info, error] {
	if err := s.try(ctx, false, prefix); err != nil {
		return func(yield func(state.Info, error) bool) { yield(state.Info{}, err) }
	}
	return s.Store.List(ctx, prefix)
}

func (s *spoilt) Lock(ctx context.Context, key string) (context.Context, func(context.Context) error, error) {
	if err := s.try(ctx, true, key); err != nil {
		return nil, nil, err
	}
	return s.Store.Lock(ctx, key)
}

func (c *clinic) spoils(fail func(ctx context.Context, write bool, key string) error) {
	c.store = &spoilt{Store: c.store, fail: fail}
}

var errDenied = errors.New("403 AuthorizationPermissionMismatch: the identity needs the role Storage Blob Data Owner")

// trouble is something that goes wrong, and how the status names it.
type trouble struct {
	scene func() *scene // nil: newScene
	// makes brings the trouble about.
	makes func(c *clinic)
	want  status.Verdict
	// says are in what is wrong and in its remedy, of one problem.
	says, remedy []string
	// unsaid is what no problem says, because it would be wrong.
	unsaid string
	// others is set if more than one problem is to be expected.
	others bool
}

const checkpointKey = "acme/checkpoints/" + events + ".json"

// troubles are what a person meets.
func troubles() map[string]trouble {
	all := map[string]trouble{
		"none":                      {makes: func(c *clinic) { c.runs(3) }, want: status.OK},
		"a pause between two ticks": {makes: func(c *clinic) { c.runs(3); c.passes(90 * time.Second) }, want: status.OK},

		"function never ran":     {makes: func(*clinic) {}, want: status.Failing, says: []string{"No run has left anything in this state"}, remedy: []string{"Invocations", "STATE_URL", "TENANT_ID"}},
		"function stopped":       {makes: func(c *clinic) { c.runs(3); c.passes(time.Hour) }, want: status.Failing, says: []string{"No run has left an outcome for 1h"}, remedy: []string{"Invocations", "start the app"}, others: true},
		"runs by hand only":      {makes: func(c *clinic) { c.scene.open(c.t).Poll(c.t.Context()) }, want: status.Failing, says: []string{"every run was started by hand"}, remedy: []string{"Invocations"}, others: true},
		"stopped, runs by hand":  {makes: func(c *clinic) { c.runs(3); c.passes(time.Hour); c.scene.open(c.t).Poll(c.t.Context()) }, want: status.Failing, says: []string{"The function has not run for 1h", "by hand"}, remedy: []string{"start the app"}, others: true},
		"killed again and again": {makes: func(c *clinic) { c.runs(2); c.killed(3) }, want: status.Failing, says: []string{"3 processes in a row", "killed"}, remedy: []string{"memory", "RUN_BUDGET", "functionTimeout"}, others: true},
		"killed, then nothing":   {makes: func(c *clinic) { c.runs(2); c.killed(1); c.passes(time.Hour) }, want: status.Failing, says: []string{"No run has left an outcome for 1h", "its process was killed"}, remedy: []string{"start the app"}, others: true},

		"secret expired":        {makes: func(c *clinic) { c.runs(2); c.source().ClientSecret = secret.Plain("canary-old"); c.runs(2) }, want: status.Failing, says: []string{"CLIENT_SECRET"}, remedy: []string{"idnsentinel check"}},
		"scope missing":         {makes: func(c *clinic) { c.tenant.Scopes = []string{"sp:trigger-service-invocation-status:read"}; c.runs(2) }, want: status.Failing, says: []string{"CLIENT_ID needs the scope sp:search:read"}, remedy: []string{"idnsentinel check"}, others: true},
		"workspace key changed": {makes: func(c *clinic) { c.workspace.Key = "b3RoZXI="; c.addEvent("e1"); c.runs(2) }, want: status.Failing, says: []string{"SHARED_KEY"}, remedy: []string{"idnsentinel check"}},
		"source throttles":      {makes: func(c *clinic) { c.answers("identitynow", 429, `{"detailCode":"429"}`); c.runs(1) }, want: status.Failing, says: []string{"429"}, remedy: []string{"a client of its own", "idnsentinel audit"}},
		"source down":           {makes: func(c *clinic) { c.runs(2); c.answers("identitynow", 503, ""); c.runs(2) }, want: status.Failing, says: []string{"503"}, remedy: []string{"the next run continues", "idnsentinel check"}},
		"wrong tenant":          {makes: func(c *clinic) { c.answers("identitynow", 404, "not here"); c.runs(1) }, want: status.Failing, says: []string{"TENANT_ID"}, remedy: []string{"idnsentinel check"}, others: true},
		"a proxy in between":    {makes: func(c *clinic) { c.answers("identitynow", 200, "<html>sign in</html>"); c.runs(1) }, want: status.Failing, says: []string{"proxy"}, remedy: []string{"idnsentinel check"}, others: true},
		"workspace throttles":   {makes: func(c *clinic) { c.addEvent("e1"); c.answers("ods.opinsights", 429, ""); c.runs(1) }, want: status.Failing, says: []string{"429"}, remedy: []string{"the next run continues"}, others: true},
		"workspace down":        {makes: func(c *clinic) { c.addEvent("e1"); c.answers("ods.opinsights", 503, ""); c.runs(1) }, want: status.Failing, says: []string{"503"}, remedy: []string{"the next run continues"}, others: true},
		"rule lacks a stream":   {scene: withRule, makes: func(c *clinic) { c.addEvent("e1"); c.workspace.Rules[workspace.DefaultRule].Streams = nil; c.runs(1) }, want: status.Failing, says: []string{"stream"}, remedy: []string{"idnsentinel check"}, others: true},
		"role on the rule": {scene: withRule, makes: func(c *clinic) {
			c.addEvent("e1")
			c.workspace.Rules[workspace.DefaultRule].Granted = time.Now().Add(time.Hour)
			c.runs(1)
		}, want: status.Failing, says: []string{"Monitoring Metrics Publisher"}, remedy: []string{"idnsentinel check"}, others: true},
		"clock of the function": {makes: func(c *clinic) { c.runs(2); c.skewed(6 * time.Hour); c.runs(1) }, want: status.Failing, says: []string{"clock"}, remedy: []string{"idnsentinel check"}, others: true},
	}
	for name, one := range troublesOfTheState() {
		all[name] = one
	}
	return all
}

func troublesOfTheState() map[string]trouble {
	return map[string]trouble{
		"storage denied": {makes: func(c *clinic) {
			c.runs(2)
			c.spoils(func(context.Context, bool, string) error { return errDenied })
		}, want: status.Unknown, says: []string{"The state can't be read", "AuthorizationPermissionMismatch"}, remedy: []string{"Storage Blob Data Owner", "STATE_URL", "firewall"}},
		"storage read only": {makes: func(c *clinic) {
			c.runs(2)
			c.spoils(func(_ context.Context, write bool, _ string) error {
				if write {
					return errDenied
				}
				return nil
			})
			c.runs(30)
		}, want: status.Failing, says: []string{"No run has left an outcome for"}, remedy: []string{"can't write to the state", "idnsentinel check"}, others: true},
		"storage hangs": {makes: func(c *clinic) {
			c.runs(2)
			c.spoils(func(ctx context.Context, _ bool, _ string) error {
				<-ctx.Done()
				return state.ContextErr(ctx)
			})
		}, want: status.Unknown, says: []string{"did not answer within 4s"}, remedy: []string{"firewall"}},
		"one object hangs": {makes: func(c *clinic) {
			c.runs(2)
			c.spoils(func(ctx context.Context, _ bool, key string) error {
				if !strings.Contains(key, "undelivered") {
					return nil
				}
				<-ctx.Done()
				return state.ContextErr(ctx)
			})
		}, want: status.Unknown, says: []string{"did not answer within 4s"}, remedy: []string{"firewall"}},
		"another tenant's state": {makes: func(c *clinic) {
			c.runs(2)
			o, _ := c.store.Get(c.t.Context(), checkpointKey)
			c.put(checkpointKey, strings.ReplaceAll(string(o.Data), `"tenant":"acme"`, `"tenant":"globex"`))
		}, want: status.Failing, says: []string{`belongs to tenant "globex"`, "TENANT_ID"}, remedy: []string{"Do what the message says"}},
		"checkpoint damaged": {makes: func(c *clinic) { c.runs(2); c.put(checkpointKey, `{"version":1,"str`) }, want: status.Failing, says: []string{"damaged", "restore an earlier copy"}, remedy: []string{"Do what the message says"}},
		"state of a newer version": {
			makes: func(c *clinic) { c.runs(2); c.put("acme/runs/"+events+".json", `{"version":9}`) },
			want:  status.Unknown, says: []string{"newer version"}, remedy: []string{"idnsentinel of the same release"},
		},
		"outcomes damaged": {
			makes: func(c *clinic) { c.runs(2); c.put("acme/runs/"+events+".json", `{"ver`) },
			want:  status.Attention, says: []string{"is damaged"}, remedy: []string{"the next run replaces it"}, unsaid: "No run has left an outcome", others: true,
		},
		"an earlier version ran": {makes: func(c *clinic) {
			c.runs(2)
			for _, key := range c.keys(c.t, "acme/runs/") {
				_ = c.store.Delete(c.t.Context(), key)
			}
		}, want: status.Attention, says: []string{"a version that leaves none"}, remedy: []string{"Install this release"}, others: true},
		"an earlier version stopped": {makes: func(c *clinic) {
			c.runs(2)
			for _, key := range c.keys(c.t, "acme/runs/") {
				_ = c.store.Delete(c.t.Context(), key)
			}
			c.passes(time.Hour)
		}, want: status.Failing, says: []string{"a version that leaves none", "1h"}, remedy: []string{"start the app"}, others: true},
		"this machine's clock": {makes: func(c *clinic) {
			c.runs(2)
			for _, key := range c.keys(c.t, "acme/runs/") {
				o, _ := c.store.Get(c.t.Context(), key)
				c.put(key, strings.ReplaceAll(string(o.Data), `"2000-01-01T`, `"2000-01-02T`))
			}
		}, want: status.Unknown, says: []string{"The clocks differ", "in the future"}, remedy: []string{"clock of this machine"}},
		"lock held": {makes: func(c *clinic) {
			c.runs(2)
			if _, _, err := c.store.Lock(c.t.Context(), "acme/locks/"+events); err != nil {
				c.t.Fatal(err)
			}
			c.runs(15)
		}, want: status.Failing, says: []string{"acme/locks/" + events, "release the lock"}, remedy: []string{"Do what the message says"}},
		"quarantine fills": {makes: func(c *clinic) {
			c.workspace.Poison = func(raw []byte) bool { return strings.Contains(string(raw), `"bad`) }
			for n := range 20 {
				c.addEvent(fmt.Sprint("good", n))
			}
			c.addEvent("bad1")
			c.addEvent("bad2")
			c.runs(2)
		}, want: status.Attention, says: []string{"2 records are undelivered in quarantine"}, remedy: []string{"idnsentinel quarantine list", "resend"}},
		"spool": {makes: func(c *clinic) {
			c.runs(2)
			c.invocation()
			c.answers("ods.opinsights", 503, "")
			c.runs(1)
		}, want: status.Failing, says: []string{"1 batch waits in the spool"}, remedy: []string{"the first run that reaches the workspace"}, others: true},
		"inbox stuck": {scene: receiving, makes: func(c *clinic) {
			c.runs(2)
			c.put(inboxPrefix+fmt.Sprintf("%019d-0000000000000000", time.Now().UnixNano()), "not a batch")
			for range 4 {
				c.passes(time.Minute)
				c.runs(1)
			}
		}, want: status.Failing, says: []string{"in the inbox, the oldest for 4m"}, remedy: []string{"An object that can't be read stays"}, others: true},
		"backlog": {makes: func(c *clinic) {
			c.runs(2)
			c.behind(3*time.Hour, pipeline.Budget)
		}, want: status.Late, says: []string{"3h", "It lags: it is delivered only up to"}, remedy: []string{"RUN_BUDGET", "LIMIT"}, others: true},
		"late although drained": {makes: func(c *clinic) {
			c.runs(2)
			c.behind(time.Hour, pipeline.Drained)
		}, want: status.Late, says: []string{"1h", "It lags"}, remedy: []string{"SETTLE_DELAY"}, others: true},
		"unexplained windows": {makes: func(c *clinic) {
			c.runs(2)
			c.changes(func(cp *pipeline.Checkpoint) {
				cp.Audit.Unexplained = []pipeline.Difference{{From: cp.Through.Add(-3 * time.Hour).Truncate(time.Hour), Source: 5, Ledger: 4}}
			})
		}, want: status.Attention, says: []string{"1 window is unexplained"}, remedy: []string{"idnsentinel audit accept"}},
		"audits not possible": {makes: func(c *clinic) {
			c.runs(2)
			c.answers("/v1/count", 500, "")
			for range 8 {
				c.passes(time.Minute)
				c.runs(1)
			}
		}, want: status.Attention, says: []string{"audit was not possible"}, remedy: []string{"idnsentinel check"}, others: true},
		"proof is old": {makes: func(c *clinic) {
			c.runs(2)
			c.changes(func(cp *pipeline.Checkpoint) { cp.Audit.Through[0] = cp.Audit.Through[0].Add(-5 * time.Hour) })
		}, want: status.Attention, says: []string{"proven complete only up to"}, remedy: []string{"idnsentinel audit"}},
		"settings of one connection": {makes: func(c *clinic) {
			other := *c.connection()
			other.Name, other.Tenant, c.connection().Name = "globex", "globex", "acme"
			other.Problems = []config.Problem{{Setting: "GLOBEX_SHARED_KEY", Message: "is missing"}}
			c.settings.Connections = append(c.settings.Connections, other)
			c.runs(2)
		}, want: status.Failing, says: []string{"GLOBEX_SHARED_KEY: is missing"}, remedy: []string{"Correct the settings"}, others: true},
		"an answer is owed": {scene: receiving, makes: func(c *clinic) {
			(&completions{gone: true}).through(c.scene)
			a := c.open()
			body, _ := asks(c.scene, 1)
			a.Inlet("sailpoint").Receive(c.t.Context(), body)
			c.runs(10)
			c.passes(3 * time.Minute) // the attempts end
		}, want: status.Attention, says: []string{"1 access request waits for answers", "not accepted"}, remedy: []string{"idnsentinel check", "idnsentinel triggers list"}},
		"a trigger that waits is not known": {scene: receiving, makes: func(c *clinic) {
			a := c.open()
			a.Inlet("sailpoint").Receive(c.t.Context(), []byte(`{"a":1,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:new"}}`))
			c.runs(10)
		}, want: status.Attention, says: []string{"idn:new", "unsubscribe"}, remedy: []string{"shown for a day"}},
		"a push asked for something two days ago": {scene: receiving, makes: func(c *clinic) {
			c.open().Inlet("sailpoint").Receive(c.t.Context(), []byte(`{"a":1,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:new"}}`))
			c.passes(48 * time.Hour)
			c.runs(2)
		}, want: status.OK},
		"a report is kept from the workflow": {scene: forwards, makes: func(c *clinic) {
			c.forwards(forward.Entry{Read: true, Settled: 9, Doubts: []forward.Span{{First: 1, Last: 9, Tries: 1, Why: "status 502"}}})
		}, want: status.Attention, says: []string{"1 report is not passed on", "rows 1 to 9", "status 502"}, remedy: []string{"idnsentinel forwarding list"}},
		"reports are not forwarded": {scene: forwards, makes: func(c *clinic) {
			c.forwards(forward.Entry{Failures: 12})
		}, want: status.Attention, says: []string{"1 report waits", "12 attempts"}, remedy: []string{"idnsentinel check"}},
		"the forwarding of a report can't be read": {scene: forwards, makes: func(c *clinic) {
			c.runs(2)
			c.put("acme/inbox/SailPointSaaS_Reports/forward/x", "{}")
		}, want: status.Attention, says: []string{"can't be read", "forward/x"}, remedy: []string{"not passed on"}},
		"one of two connections silent": {makes: func(c *clinic) {
			other := *c.connection()
			other.Name, other.Tenant, c.connection().Name = "globex", "globex", "acme"
			both := append(slices.Clone(c.settings.Connections), other)
			c.settings.Connections = both
			c.runs(2)
			c.settings.Connections = both[:1]
			c.runs(30)
			c.settings.Connections = both
		}, want: status.Failing, says: []string{"No run has left an outcome for"}, remedy: []string{"CONNECTIONS"}, others: true},
	}
}

// forwards stores how far the forwarding of a report is that came an hour ago.
func (c *clinic) forwards(e forward.Entry) {
	c.t.Helper()
	c.runs(2)
	e.ID, e.Name, e.Received, e.Parts = "20261129T120000.000000005Z-0123456789abcdef", "users", time.Now().Add(-time.Hour), 1
	e.Since = e.Received
	data, err := reports.EncodeForwarding(e)
	if err != nil {
		c.t.Fatal(err)
	}
	c.put("acme/inbox/SailPointSaaS_Reports/forward/"+e.ID, string(data))
}

// killed lets that many processes die in their first run.
func (c *clinic) killed(n int) {
	c.t.Helper()
	for range n {
		c.passes(time.Minute)
		for _, stream := range c.open().Connections()[0].Streams() {
			if err := c.open().Connections()[0].Runs().Begin(c.t.Context(), stream, time.Now()); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

// skewed sets the clocks of the services back.
func (c *clinic) skewed(by time.Duration) {
	c.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
		resp, err := on.RoundTrip(req)
		if err == nil {
			resp.Header.Set("Date", time.Now().Add(-by).UTC().Format(http.TimeFormat))
		}
		return resp, err
	}
}

// invocation adds one to the list of trigger invocations.
func (c *clinic) invocation() {
	at := time.Now().Add(-time.Minute).UTC()
	c.tenant.AddInvocation(synth.Invocation{ID: guidOf(1), TriggerID: "idn:identity-created", Created: at, Completed: at, Input: jsontext.Value(`{}`)})
}

// changes changes the checkpoint of the events.
func (c *clinic) changes(change func(*pipeline.Checkpoint)) {
	c.t.Helper()
	own := checkpoint.New(c.store, "acme")
	cp, err := own.Load(c.t.Context(), events)
	if err == nil {
		change(&cp)
		_, err = own.Save(c.t.Context(), events, cp)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// behind is a stream whose last run ended like that and is that far behind.
func (c *clinic) behind(by time.Duration, state pipeline.State) {
	c.t.Helper()
	c.changes(func(cp *pipeline.Checkpoint) {
		cp.Since, cp.Through = cp.Since.Add(-by), time.Now().Add(-by)
	})
	at := time.Now().UTC().Format(time.RFC3339)
	c.put("acme/runs/"+events+".json", fmt.Sprintf(`{"version":1,"tenant":"acme","stream":%q,"success":%q,"seen":[{"by":"function","at":%[2]q,"version":"v1","state":%[3]q}],"recent":[{"at":%[2]q,"by":"function","state":%[3]q,"seconds":1}]}`, events, at, state))
}

// Each trouble is named by one call, with the remedy, within five seconds; and nothing is said to be
// well that is not.
func TestStatusNamesTroubles(t *testing.T) {
	if n := len(troubles()); n < 27 {
		t.Errorf("only %d cases", n)
	}
	for name, c := range troubles() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := newScene
				if c.scene != nil {
					begin = c.scene
				}
				world := &clinic{begin(), t}
				c.makes(world)
				synctest.Wait() // what still runs in the background reads pass
				pass := world.pass
				world.pass = func(req *http.Request, _ http.RoundTripper) (*http.Response, error) {
					t.Errorf("a status sends a request: %s", req.URL)
					return nil, errors.New("no")
				}
				a := world.open()
				begun := time.Now()
				s := a.Status(t.Context())
				world.pass = pass
				if took := time.Since(begun); took > 5*time.Second || s.Seconds > 5 {
					t.Errorf("it took %v", took)
				}
				if s.State != c.want || s.State.Flows() != c.want.Flows() {
					t.Errorf("%s, want %s: %s", s.State, c.want, s.Summary)
				}
				if c.want == status.OK {
					if len(s.Problems) > 0 {
						t.Errorf("problems: %+v", s.Problems)
					}
					return
				}
				if !names(s, c) {
					t.Errorf("no problem says %q with the remedy %q: %s", c.says, c.remedy, s.Summary)
					for _, p := range s.Problems {
						t.Logf("%s %v: %s\n  -> %s", p.State, p.Streams, p.What, p.Remedy)
					}
				}
				for _, p := range s.Problems {
					if c.unsaid != "" && strings.Contains(p.What, c.unsaid) {
						t.Errorf("says what is wrong: %+v", p)
					}
					if strings.Contains(p.What+p.Remedy, "canary") || strings.Contains(p.What, workspace.DefaultKey) {
						t.Errorf("shows a secret: %+v", p)
					}
				}
				if len(s.Problems) == 0 || s.Problems[0].State != c.want {
					t.Errorf("the first problem is not the worst: %+v", s.Problems)
				}
			})
		})
	}
}

// names reports whether a problem says what it should.
func names(s status.Snapshot, c trouble) bool {
	all := func(text string, words []string) bool {
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	}
	for _, p := range s.Problems {
		if all(p.What, c.says) && all(p.Remedy, c.remedy) && len(p.Streams) > 0 {
			return true
		}
	}
	return false
}

// distant is a store with the latency of a network.
type distant struct {
	state.Store
	latency time.Duration
}

func (d *distant) Get(ctx context.Context, key string) (state.Object, error) {
	<-time.After(d.latency)
	return d.Store.Get(ctx, key)
}

func (d *distant) List(ctx context.Context, prefix string) iter.Seq2[state.Info, error] {
	<-time.After(d.latency)
	return d.Store.List(ctx, prefix)
}

// Hundreds of connections take less than five seconds, too.
func TestStatusOfManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clinic{newScene(), t}
		one := *c.connection()
		c.settings.Connections = nil
		for n := range 300 {
			next := one
			next.Name = fmt.Sprint("tenant", n)
			next.Tenant = next.Name
			c.settings.Connections = append(c.settings.Connections, next)
		}
		var requests atomic.Int64
		c.store = &distant{&mem.Store{After: func(mem.Op, string) error { requests.Add(1); return nil }}, 50 * time.Millisecond}
		a := c.open()
		begun := time.Now()
		s := a.Status(t.Context())
		t.Logf("%v and %d requests for %d streams", time.Since(begun), requests.Load(), len(s.Streams))
		if n := requests.Load(); n > int64(6*len(s.Streams)) {
			t.Errorf("%d requests", n)
		}
		if took := time.Since(begun); took > 5*time.Second || len(s.Streams) != 600 || s.State != status.Failing {
			t.Errorf("%v for %d streams, %s", took, len(s.Streams), s.State)
		}
		if len(s.Problems) != 1 || len(s.Problems[0].Streams) != 600 {
			t.Errorf("%d problems, want one that all streams have", len(s.Problems))
		}
	})
}
