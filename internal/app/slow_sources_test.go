package app_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// fresh is how long after it was created an event may arrive: one minute until it is read, one until
// the next round, and the time for both.
const fresh = 2*time.Minute + 20*time.Second

// used answers like an org whose rate limit is used up for minutes to come.
var used = fault.Transport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("X-Rate-Limit-Limit", "60")
	w.Header().Set("X-Rate-Limit-Remaining", "0")
	w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(time.Now().Add(5*time.Minute).Unix(), 10))
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write([]byte(`{"errorCode":"E0000047","errorSummary":"API call exceeded rate limit due to too many requests."}`))
}))

// Of IdentityNow, Okta and IdentityIQ in one connection, one that is throttled for minutes or does not
// answer at all leaves the others as fresh as they are without it, tick after tick.
func TestSlowSourceOfAConnection(t *testing.T) {
	hosts := map[string]string{"tenant": "acme.api.identitynow.example", "Okta": "acme.okta.com", "IdentityIQ": iiqHost}
	for how, slow := range map[string]http.RoundTripper{"throttled": fault.Transport(throttling), "used up": used, "hangs": silent{}} {
		for which, host := range hosts {
			for _, spread := range []bool{false, true} {
				if spread && which != "Okta" || how == "used up" && which != "Okta" {
					continue
				}
				t.Run(fmt.Sprint(which, " ", how, map[bool]string{true: ", spread"}[spread]), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						g := newGoverned(newScene(), "audit", "tasks")
						g.withOthers()
						g.instead = map[string]http.RoundTripper{host: slow}
						g.workspace.Identify = uuidOf
						g.staysFresh(t, spread, which)
					})
				})
			}
		}
	}
}

// staysFresh has events of each source for some ticks, and checks when those of all but one arrive.
func (g *governed) staysFresh(t *testing.T, spread bool, except string) {
	t.Helper()
	const apart = 20 * time.Second
	poll := g.ticks(t, spread)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	created, arrived := map[string]time.Time{}, map[string]time.Time{}
	tables := map[string]string{"tenant": events, "Okta": "Okta", "IdentityIQ": audits}
	delete(tables, except)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for n := 0; ctx.Err() == nil; n++ {
			if n%int(apart/time.Second) == 0 {
				for name := range tables {
					id := fmt.Sprintf("%s-%d", name, n)
					created[id] = time.Now()
					g.happens(name, id)
				}
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			for _, table := range tables {
				for id := range g.workspace.Table(table).IDs() {
					if _, ok := arrived[id]; !ok {
						arrived[id] = time.Now()
					}
				}
			}
		}
	}()
	begun := time.Now()
	ticks := 0
	for ; time.Since(begun) < 12*time.Minute; ticks++ {
		tick := time.Now()
		states := map[string]pipeline.State{}
		for _, r := range poll() {
			if _, twice := states[r.Stream]; twice {
				t.Errorf("two reports of %s", r.Stream)
			}
			states[r.Stream] = r.State
		}
		if took := time.Since(tick); took > g.settings.RunBudget+30*time.Second {
			t.Errorf("the tick took %v", took)
		}
		for name, stream := range tables {
			if states[stream] != pipeline.Drained {
				t.Errorf("%s is %s", name, states[stream])
			}
		}
		if took := time.Since(tick); took < time.Minute { // after one that is longer, the host's next tick comes at once
			<-time.After(time.Minute - took)
		}
	}
	if ticks > 6 {
		t.Errorf("%d ticks in %v: nothing was slow", ticks, time.Since(begun))
	}
	cancel()
	<-watched
	late := map[string]string{}
	for id, at := range created {
		if age := time.Since(at); age < fresh {
			continue
		}
		if took := arrived[id].Sub(at); arrived[id].IsZero() || took > fresh {
			late[id] = took.String()
		}
	}
	if len(late) > 0 || len(created) < 20 {
		t.Errorf("of %d events these were late: %v", len(created), late)
	}
}

// ticks returns what a tick does: it polls everything, or works on the message of the connection.
func (g *governed) ticks(t *testing.T, spread bool) func() []pipeline.Report {
	t.Helper()
	a, err := app.Open(g.settings, app.Options{HTTP: &http.Client{Transport: g}, Store: g.store, Credential: g.credential, By: app.ByFunction, Again: time.Minute, FanOut: spread})
	if err != nil {
		t.Fatal(err)
	}
	return func() []pipeline.Report {
		ctx, cancel := context.WithTimeout(t.Context(), g.settings.RunBudget)
		defer cancel()
		if !spread {
			return a.Poll(ctx)
		}
		runs, err := a.Work(ctx, fanout.Message{Tenant: g.connection().Tenant})
		if err != nil {
			t.Fatal(err)
		}
		return runs
	}
}

// happens adds an event to one of the sources.
func (g *governed) happens(name, id string) {
	now := time.Now().Truncate(time.Millisecond)
	text := now.UTC().Format("2006-01-02T15:04:05.000Z")
	switch name {
	case "tenant":
		g.tenant.AddEvent(fmt.Appendf(nil, `{"id":%q,"uuid":%q,"org":"acme","created":%q,"type":"t"}`, id, id, text), now)
	case "Okta":
		g.okta.Add(okta.Event{UUID: id, Published: now, Raw: fmt.Appendf(nil, `{"uuid":%q,"published":%q,"eventType":"user.session.start"}`, id, text)})
	case "IdentityIQ":
		g.iiq.AddAudit(fmt.Appendf(nil, `{"id":%q,"uuid":%q,"created":%d,"action":"login"}`, id, id, now.UnixMilli()), now, now)
	}
}
