package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
)

// past is a tenant with a history from before its first run: an event for each minute of some days.
type past struct {
	*scene
	t        *testing.T
	from, to time.Time
	n        int
}

func newPast(t *testing.T, s *scene, days int) *past {
	to := time.Now().UTC().Truncate(24 * time.Hour).Add(-48 * time.Hour)
	s.connection().BatchBytes = 20_000
	p := &past{scene: s, t: t, from: to.Add(-time.Duration(days) * 24 * time.Hour), to: to}
	for at := p.from; at.Before(to); at = at.Add(time.Minute) {
		p.add(at)
	}
	p.delivers(t) // the first run: nothing of the history
	if n := p.rows(); n != 0 {
		t.Fatalf("%d rows of the history after the first run", n)
	}
	return p
}

func (p *past) add(at time.Time) {
	p.tenant.AddEvent(fmt.Appendf(nil, `{"id":"h%06d","org":"acme","created":%q,"type":"t"}`, p.n, at.Format("2006-01-02T15:04:05.000Z")), at)
	p.n++
}

// rows is how many rows of events the workspace has.
func (p *past) rows() int { return p.workspace.Table(events).Count() }

func (p *past) by(program string) *app.Connection {
	p.t.Helper()
	return p.app(program).Connections()[0]
}

func (p *past) app(program string) *app.App {
	p.t.Helper()
	a, err := app.Open(p.settings, app.Options{HTTP: &http.Client{Transport: p.scene}, Store: p.store, Credential: p.credential, By: program})
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// job makes a job of the whole history.
func (p *past) job(change ...func(*app.BackfillRequest)) (app.Estimate, jobs.Job) {
	p.t.Helper()
	q := app.BackfillRequest{Stream: events, From: p.from, To: p.to}
	for _, do := range change {
		do(&q)
	}
	c := p.by(app.ByCommand)
	e, err := c.Estimate(p.t.Context(), q)
	if err != nil {
		p.t.Fatal(err)
	}
	j, err := c.AddBackfill(p.t.Context(), q, e)
	if err != nil {
		p.t.Fatal(err)
	}
	return e, j
}

func (p *past) stored(id string) jobs.Job {
	p.t.Helper()
	f, _, err := p.by(app.ByCommand).Backfills().Load(p.t.Context(), events)
	if err != nil {
		p.t.Fatal(err)
	}
	j := f.Find(id)
	if j == nil {
		p.t.Fatalf("the job is gone: %+v", f)
	}
	return *j
}

func (p *past) proven(j jobs.Job) {
	p.t.Helper()
	if j.State != jobs.Done || j.Proof.Verdict != app.VerdictComplete || j.Proof.By == "" || j.Proof.Source != int64(p.n) || j.Proof.Delivered != int64(p.n) {
		p.t.Errorf("the job ended as %s: %+v", j.State, j.Proof)
	}
}

// TestBackfill: the command delivers a range once, and proves it.
func TestBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPast(t, newScene(), 3)
		e, j := p.job()
		if e.Events != int64(p.n) || e.Known != 0 || e.Left() != int64(p.n) || e.Requests < 5 || e.Requests > 20 || e.Seconds <= 0 || len(e.Repeats) != 0 {
			t.Errorf("estimate: %+v", e)
		}
		var told []app.Working
		done, err := p.by(app.ByCommand).WorkOn(t.Context(), events, j.ID, func(w app.Working) { told = append(told, w) })
		if err != nil {
			t.Fatal(err)
		}
		p.proven(done)
		p.proven(p.stored(j.ID))
		if p.rows() != p.n || done.Counts.Sent != int64(p.n) || done.Counts.Fetched != int64(p.n) || len(told) == 0 || done.Seconds <= 0 || done.Begun.IsZero() {
			t.Errorf("%d rows of %d events, told %d times, %+v", p.rows(), p.n, len(told), done)
		}
		// What the ledger has is not sent again.
		e, j = p.job()
		if e.Known != int64(p.n) || e.Left() != 0 {
			t.Errorf("estimate of a second backfill: %+v", e)
		}
		if done, err = p.by(app.ByCommand).WorkOn(t.Context(), events, j.ID, func(app.Working) {}); err != nil || p.rows() != p.n || done.Counts.Known != int64(p.n) {
			t.Errorf("%v: %d rows after a second backfill, %+v", err, p.rows(), done.Counts)
		}
		p.proven(done)
	})
}

// The function works on what was left to it, run by run, and the tail stays fresh meanwhile.
func TestBackfillByFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPast(t, newScene(), 2)
		p.source().Limit = 10 // 288 pages
		_, j := p.job(func(q *app.BackfillRequest) { q.Leave = true })
		a := p.app(app.ByFunction)
		runs, live := 0, p.n
		for ; runs < 30 && p.stored(j.ID).State != jobs.Done; runs++ {
			p.add(time.Now().UTC().Add(-90 * time.Second)) // one that is new
			begun := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), p.settings.RunBudget)
			reports := a.Poll(ctx)
			cancel()
			if r := reports[0]; r.State != pipeline.Drained || r.LagSeconds > 120 || r.Fetched == 0 {
				t.Fatalf("run %d: %+v", runs, r)
			}
			if took := time.Since(begun); took > 45*time.Second {
				t.Errorf("run %d took %v", runs, took)
			}
			<-time.After(time.Until(begun.Add(time.Minute)))
		}
		if runs < 2 || runs == 30 {
			t.Errorf("it took %d runs", runs)
		}
		done := p.stored(j.ID)
		if live != int(done.Proof.Source) || done.Proof.Verdict != app.VerdictComplete {
			t.Errorf("%+v", done)
		}
		if p.rows() != p.n {
			t.Errorf("%d rows of %d events", p.rows(), p.n)
		}
	})
}

// A job that is not left to it is none of the function's business, nor is one that was left to it a
// poll's.
func TestBackfillOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		by   string
		left bool
	}{"function": {app.ByFunction, false}, "poll by hand": {app.ByCommand, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPast(t, newScene(), 1)
				_, j := p.job(func(q *app.BackfillRequest) { q.Leave = c.left })
				ctx, cancel := context.WithTimeout(t.Context(), p.settings.RunBudget)
				defer cancel()
				p.app(c.by).Poll(ctx)
				if j := p.stored(j.ID); j.Place != "" || p.rows() != 0 {
					t.Errorf("%d rows, %+v", p.rows(), j)
				}
			})
		})
	}
}

// A process that is killed anywhere repeats at most what was in flight; one that is stopped softly
// repeats nothing.
func TestBackfillResumes(t *testing.T) {
	for name, kill := range map[string]bool{"killed": true, "stopped": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPast(t, newScene(), 2)
				p.source().Limit, p.connection().BatchBytes = 50, 4000
				_, j := p.job()
				var dead bool
				starts := 0
				for ; starts < 40; starts++ {
					ctx, cancel := context.WithCancel(t.Context())
					told := 0
					store := &dying{Store: p.store, dead: &dead}
					a, err := app.Open(p.settings, app.Options{HTTP: &http.Client{Transport: p.scene}, Store: store, By: app.ByCommand})
					if err != nil {
						t.Fatal(err)
					}
					done, err := a.Connections()[0].WorkOn(ctx, events, j.ID, func(app.Working) {
						if told++; told == 3 {
							if kill {
								dead = true
							}
							cancel()
						}
					})
					cancel()
					dead = false
					if err == nil {
						p.proven(done)
						break
					}
				}
				if starts < 3 || starts == 40 {
					t.Errorf("%d starts", starts)
				}
				if extra := p.rows() - p.n; extra != 0 {
					t.Errorf("%d rows of %d events", p.rows(), p.n)
				}
			})
		})
	}
}

// dying is a store of a process that may be dead.
type dying struct {
	state.Store
	dead *bool
}

func (m *dying) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	if *m.dead {
		return "", errors.New("the process is dead")
	}
	return m.Store.Put(ctx, key, data, prev)
}

// Two commands work on one job: they take turns, and the one that does not finish it learns what it
// came to, as does one that comes later.
func TestBackfillFinishedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPast(t, newScene(), 2)
		p.source().Limit = 50
		_, j := p.job()
		p.pass = func(req *http.Request, service http.RoundTripper) (*http.Response, error) {
			<-time.After(2 * time.Second) // so that they meet
			return service.RoundTrip(req)
		}
		var waited atomic.Bool
		work := func() {
			done, err := p.by(app.ByCommand).WorkOn(t.Context(), events, j.ID, func(w app.Working) {
				if w.Waits != "" {
					waited.Store(true)
				}
			})
			if err != nil {
				t.Error(err)
			}
			p.proven(done)
		}
		var both sync.WaitGroup
		both.Go(work)
		both.Go(work)
		both.Wait()
		work()
		if p.rows() != p.n || !waited.Load() {
			t.Errorf("%d rows of %d events; one waited for the other: %v", p.rows(), p.n, waited.Load())
		}
	})
}

// Cancelled while it runs, a job ends, and does not come back.
func TestBackfillCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPast(t, newScene(), 2)
		p.source().Limit = 50
		_, j := p.job()
		other := p.by(app.ByCommand)
		told := 0
		_, err := p.by(app.ByCommand).WorkOn(t.Context(), events, j.ID, func(app.Working) {
			if told++; told == 2 {
				if err := other.CancelJob(t.Context(), events, j.ID); err != nil {
					t.Error(err)
				}
			}
		})
		if !errors.Is(err, jobs.ErrGone) {
			t.Errorf("%v, want ErrGone", err)
		}
		if j := p.stored(j.ID); j.State != jobs.Cancelled || j.Ended.IsZero() || p.rows() == p.n {
			t.Errorf("%+v, %d rows", j, p.rows())
		}
		if err := other.CancelJob(t.Context(), events, j.ID); err == nil || !strings.Contains(err.Error(), "cancelled already") {
			t.Errorf("cancelled twice: %v", err)
		}
		// The range is free for another one, which sends only the rest.
		e, again := p.job()
		if e.Known != int64(p.rows()) {
			t.Errorf("%+v", e)
		}
		done, err := other.WorkOn(t.Context(), events, again.ID, func(app.Working) {})
		if err != nil || p.rows() != p.n {
			t.Errorf("%v: %d rows of %d", err, p.rows(), p.n)
		}
		p.proven(done)
	})
}

// Beyond LEDGER_KEEP the ledger has forgotten what was delivered: the estimate says what may come
// twice, and with the workspace asked nothing does.
func TestBackfillOfWorkspace(t *testing.T) {
	for name, asks := range map[string]bool{"asked": true, "not asked": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.connection().ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}}
				p := newPast(t, s, 1)
				_, first := p.job(func(q *app.BackfillRequest) { q.To = q.From.Add(6 * time.Hour) })
				if _, err := p.by(app.ByCommand).WorkOn(t.Context(), events, first.ID, func(app.Working) {}); err != nil {
					t.Fatal(err)
				}
				delivered := p.rows()
				<-time.After(9 * 24 * time.Hour)
				p.delivers(t) // prunes
				e, j := p.job(func(q *app.BackfillRequest) { q.Workspace = asks })
				done, err := p.by(app.ByCommand).WorkOn(t.Context(), events, j.ID, func(app.Working) {})
				if err != nil {
					t.Fatal(err)
				}
				p.proven(done)
				if asks {
					if p.rows() != p.n || len(e.Repeats) != 0 || done.Counts.Known != int64(delivered) {
						t.Errorf("%d rows of %d events, %+v, %+v", p.rows(), p.n, e, done.Counts)
					}
					return
				}
				if p.rows() != p.n+delivered || len(e.Repeats) != 1 || e.Repeats[0].Events != int64(delivered) || !strings.Contains(e.Repeats[0].Why, first.ID) {
					t.Errorf("%d rows of %d events, %d delivered before; %+v", p.rows(), p.n, delivered, e)
				}
			})
		})
	}
}

// While a job needs the ledger, it is not pruned.
func TestBackfillKeepsLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPast(t, newScene(), 20)
		p.source().Limit = 1000
		_, j := p.job()
		ctx, cancel := context.WithCancel(t.Context())
		told := 0
		_, err := p.by(app.ByCommand).WorkOn(ctx, events, j.ID, func(app.Working) {
			if told++; told == 4 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		rows := p.rows()
		<-time.After(48 * time.Hour)
		p.delivers(t) // would prune
		done, err := p.by(app.ByCommand).WorkOn(t.Context(), events, j.ID, func(app.Working) {})
		if err != nil || rows == 0 || rows == p.n || p.rows() != p.n {
			t.Errorf("%v: %d rows, then %d of %d", err, rows, p.rows(), p.n)
		}
		p.proven(done)
		<-time.After(48 * time.Hour)
		p.delivers(t)
		for _, key := range p.keys(t, "acme/ledger/"+events+"/") {
			if strings.Contains(key, p.from.Format("2006-01-02")) {
				t.Errorf("%s is still there", key)
			}
		}
	})
}

// What can't be begun is said in a sentence with the remedy.
func TestBackfillRefused(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(p *past, q *app.BackfillRequest)
		says    string
	}{
		"overlap": {func(p *past, q *app.BackfillRequest) { p.job() }, "jobs cancel"},
		"no state": {func(p *past, q *app.BackfillRequest) {
			for _, key := range p.keys(p.t, "") {
				_ = p.store.Delete(p.t.Context(), key)
			}
		}, "STATE_URL"},
		"a newer version": {func(p *past, q *app.BackfillRequest) {
			_, _ = p.store.Put(p.t.Context(), "acme/jobs/"+events+".json", []byte(`{"version":2}`), state.Absent)
		}, format.ErrNewer.Error()},
		"a stream without search": {func(_ *past, q *app.BackfillRequest) { q.Stream = "SailPointIDN_Triggers" }, "can't be read again"},
		"no right to read": {func(p *past, q *app.BackfillRequest) {
			p.workspace.Queries.NoReader = true
			q.Workspace = true
		}, "Log Analytics Reader"},
		"the source does not answer": {func(p *past, q *app.BackfillRequest) {
			p.pass = func(req *http.Request, service http.RoundTripper) (*http.Response, error) {
				if strings.HasSuffix(req.URL.Path, "/count") {
					return nil, errors.New("no route to host")
				}
				return service.RoundTrip(req)
			}
		}, "count the events of the range"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.connection().ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}}
				p := newPast(t, s, 1)
				q := app.BackfillRequest{Stream: events, From: p.from, To: p.to}
				c.prepare(p, &q)
				rows := p.rows()
				if _, err := p.by(app.ByCommand).Estimate(t.Context(), q); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want %q", err, c.says)
				}
				if p.rows() != rows {
					t.Error("something was sent")
				}
			})
		})
	}
}

// A job that fails keeps its place and says why, without a secret; the function leaves it alone for
// a while, and then continues.
func TestBackfillFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPast(t, newScene(), 1)
		_, j := p.job(func(q *app.BackfillRequest) { q.Leave = true })
		var down atomic.Bool
		var asked atomic.Int64
		down.Store(true)
		p.pass = func(req *http.Request, service http.RoundTripper) (*http.Response, error) {
			if down.Load() && req.URL.Host == workspace.DefaultID+".ods.opinsights.azure.com" {
				asked.Add(1)
				return nil, errors.New("the proxy knows " + canary)
			}
			return service.RoundTrip(req)
		}
		a := p.app(app.ByFunction)
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), p.settings.RunBudget)
			a.Poll(ctx)
			cancel()
			<-time.After(time.Minute)
		}
		failed := p.stored(j.ID)
		if failed.Failure.Text == "" || failed.Failure.Count < 2 || failed.State != jobs.Delivering || failed.Place != "" {
			t.Errorf("%+v", failed)
		}
		for _, key := range p.keys(t, "") {
			if o, err := p.store.Get(t.Context(), key); err == nil && strings.Contains(string(o.Data), canary) {
				t.Errorf("%s shows a secret: %s", key, o.Data)
			}
		}
		down.Store(false)
		<-time.After(15 * time.Minute)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), p.settings.RunBudget)
			a.Poll(ctx)
			cancel()
			<-time.After(time.Minute)
		}
		p.proven(p.stored(j.ID))
		if p.rows() != p.n || asked.Load() == 0 {
			t.Errorf("%d rows of %d", p.rows(), p.n)
		}
	})
}
