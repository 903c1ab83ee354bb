package sailpoint_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/internal/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/sandbox/tenant"
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
				w := world(tn, "/search/v1")
				w.Open = func() pipeline.Source {
					cfg := config(tn)
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
		w := world(tn, "/trigger-invocations/v1/status")
		w.Open = func() pipeline.Source { return sailpoint.NewClient(config(tn)).Triggers() }
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
		Cap:  func(rows int, silent bool) { tn.ServeAtMost, tn.OmitTotal = rows, silent },
		Hang: func(d time.Duration) { tn.Faults = always("", fault.Rule{Kind: fault.Slow, Delay: d}) },
	}
}
