package sailpoint_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sourcetest"
)

func TestEventsConform(t *testing.T) {
	for name, refuse := range map[string]bool{"created_and_id": false, "created_only": true} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(*testing.T) *sourcetest.World {
				tn := newTenant()
				tn.RefuseIDSort = refuse
				oddEvents(tn, time.Now().Add(-time.Hour), 120)
				crowd(tn, time.Now().Add(-50*time.Minute), 290, "A", "B")
				h := &tampered{Handler: tn}
				w := world(tn, "/search/v1")
				w.Tamper = func(change func([]byte) []byte) { h.change = change }
				w.Victim = victim(t, tn)
				w.Open = func() pipeline.Source {
					cfg := config(h)
					cfg.PageSize = 100
					return sailpoint.NewClient(cfg).Events()
				}
				w.Want = wanted(tn)
				w.Add = func() string {
					created := time.Now().Add(-time.Millisecond).UTC().Format("2006-01-02T15:04:05.000Z")
					tn.AddEvent(fmt.Appendf(nil, `{"id":"new","created":%q}`, created), time.Time{})
					return "new"
				}
				return w
			})
		})
	}
}

func TestTriggersConform(t *testing.T) {
	sourcetest.Run(t, func(*testing.T) *sourcetest.World {
		tn := newTenant()
		g := synth.New(synth.Options{Seed: 3, Start: time.Now().Add(-2 * time.Hour)})
		want := make(map[string][]byte)
		for i := range 270 {
			inv := g.Invocation(i)
			inv.Input = []byte(`{"small":true}`)
			tn.AddInvocation(inv)
			want[inv.ID+"|"+inv.Completed.UTC().Format("2006-01-02T15:04:05.000Z")] = nil
		}
		h := &tampered{Handler: tn}
		w := world(tn, "/trigger-invocations/v1/status")
		w.Tamper = func(change func([]byte) []byte) { h.change = change }
		w.Open = func() pipeline.Source { return sailpoint.NewClient(config(h)).Triggers() }
		w.Victim = g.Invocation(100).ID
		w.Want = want
		w.Add = func() string {
			inv := g.Invocation(270)
			inv.Created, inv.Completed = time.Now(), time.Time{}
			tn.AddInvocation(inv)
			return inv.ID + "|"
		}
		return w
	})
}

// victim is the id of an event of a millisecond that others share.
func victim(t *testing.T, tn *tenant.Tenant) string {
	t.Helper()
	var before tenant.Event
	n := 0
	for e := range tn.Events() {
		if n++; n > 20 && e.ID != "" && len(e.ID) > 10 && e.Created.Equal(before.Created) {
			return e.ID
		}
		before = e
	}
	t.Fatal("there is no such event")
	return ""
}

// tampered is a tenant whose lists pass through what the suite sets.
type tampered struct {
	http.Handler
	change func([]byte) []byte
}

func (h *tampered) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if h.change == nil || strings.HasSuffix(r.URL.Path, "/oauth/token") {
		h.Handler.ServeHTTP(rw, r)
		return
	}
	rec := httptest.NewRecorder()
	h.Handler.ServeHTTP(rec, r)
	maps.Copy(rw.Header(), rec.Header())
	rw.Header().Del("Content-Length")
	rw.WriteHeader(rec.Code)
	_, _ = rw.Write(h.change(rec.Body.Bytes()))
}

// world has the faults that a tenant can have, on the path of one stream.
func world(tn *tenant.Tenant, path string) *sourcetest.World {
	set := func(p *fault.Plan) func() { return func() { tn.Faults = p } }
	return &sourcetest.World{
		Passing: map[string]func(){
			"throttled":        set(once(path, fault.TooManyRequests, "7")),
			"throttled_date":   set(once(path, fault.TooManyRequests, time.Now().Add(9*time.Second).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))),
			"throttled_silent": set(once(path, fault.TooManyRequests, "")),
			"throttled_absurd": set(once(path, fault.TooManyRequests, "86400")),
			"server_error":     set(once(path, fault.ServerError, "")),
			"bad_gateway":      set(once(path, fault.BadGateway, "")),
			"unavailable":      set(once(path, fault.Unavailable, "3")),
			"reset":            set(once(path, fault.Reset, "")),
			"reset_after":      set(once(path, fault.ResetAfter, "")),
			"cut":              set(once(path, fault.Cut, "")),
			"malformed":        set(once(path, fault.Malformed, "")),
			"wrong_shape":      set(once(path, fault.WrongShape, "")),
			"token_unavailable": func() {
				tn.RevokeTokens()
				tn.Faults = once("/oauth/token", fault.Unavailable, "")
			},
			"token_reset": func() {
				tn.RevokeTokens()
				tn.Faults = once("/oauth/token", fault.Reset, "")
			},
			"token_wrong_shape": func() {
				tn.RevokeTokens()
				tn.Faults = once("/oauth/token", fault.WrongShape, "")
			},
		},
		Lasting: map[string]func(){
			"secret":     func() { tn.ClientSecret = "another" },
			"scope":      func() { tn.Scopes = []string{"sp:other:read"} },
			"no_service": func() { tn.Disabled = []string{"v1", "v3", "v2025", "beta"} },
			"refused":    set(always(path, fault.Rule{Kind: fault.Unauthorized})),
		},
		Cap: func(rows int, told sourcetest.Told) {
			tn.ServeAtMost, tn.OmitTotal, tn.TotalOfPage = rows, told == sourcetest.Nothing, told == sourcetest.OfPage
		},
		Hang: func(d time.Duration) { tn.Faults = always("", fault.Rule{Kind: fault.Slow, Delay: d}) },
	}
}
