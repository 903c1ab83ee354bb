package okta_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	source "github.com/idn-sentinel/idn-sentinel/internal/source/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sourcetest"
)

const (
	host     = "acme.okta.com"
	apiToken = "canary-okta-token-00aB3xY"
)

func newOrg() *okta.Org { return &okta.Org{Host: host, APIToken: apiToken} }

func config(o http.Handler) source.Config {
	return source.Config{
		BaseURL: &url.URL{Scheme: "https", Host: host}, Token: secret.New(apiToken), Lookback: 24 * time.Hour,
		HTTP: &http.Client{Transport: fault.Transport(o)},
	}
}

// fill adds n events that end a while ago, some of them persisted late, and returns what is wanted.
func fill(o *okta.Org, n int) map[string][]byte {
	want := map[string][]byte{}
	g := okta.Generator{Seed: 5, Start: time.Now().Add(-2 * time.Hour), Every: 3 * time.Second}
	for i := range n {
		e := g.Event(i)
		if i%17 == 3 {
			e.Persisted = e.Published.Add(20 * time.Minute)
		}
		o.Add(e)
		want[e.UUID] = g.Raw(i)
	}
	return want
}

func TestConformance(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*okta.Org)
		victim int
	}{
		"usual": {func(*okta.Org) {}, 117},
		"in other words, the victim on the first page": {func(o *okta.Org) {
			o.Links, o.LastIsSelf, o.UntilInclusive = okta.OneLine, true, true
		}, 17},
	} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(*testing.T) *sourcetest.World {
				o := newOrg()
				test.change(o)
				want := fill(o, 260)
				w := world(o)
				w.Want = want
				w.Open = func() pipeline.Source {
					cfg := config(o)
					cfg.PageSize = 100
					return source.NewClient(cfg).Logs()
				}
				w.Victim = okta.Generator{Seed: 5}.UUID(test.victim)
				w.Add = func() string {
					now := time.Now().Add(-time.Millisecond).UTC().Truncate(time.Millisecond)
					o.Add(okta.Event{UUID: "new", Published: now, Raw: fmt.Appendf(nil, `{"uuid":"new","published":%q}`, now.Format("2006-01-02T15:04:05.000Z"))})
					return "new"
				}
				return w
			})
		})
	}
}

// world has the faults that an org can have.
func world(o *okta.Org) *sourcetest.World {
	set := func(kind fault.Kind, retryAfter string) func() {
		return func() {
			o.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: kind, Path: okta.LogsPath, Nth: []int{1}, RetryAfter: retryAfter}}}
		}
	}
	return &sourcetest.World{
		Passing: map[string]func(){
			"throttled":    set(fault.TooManyRequests, ""),
			"absurd":       set(fault.TooManyRequests, "86400"),
			"server_error": set(fault.ServerError, ""),
			"bad_gateway":  set(fault.BadGateway, ""),
			"unavailable":  set(fault.Unavailable, "3"),
			"reset":        set(fault.Reset, ""),
			"reset_after":  set(fault.ResetAfter, ""),
			"cut":          set(fault.Cut, ""),
			"malformed":    set(fault.Malformed, ""),
			"wrong_shape":  set(fault.WrongShape, ""),
		},
		Lasting: map[string]func(){
			"token": func() { o.APIToken = "another" },
			"role":  func() { o.NoRole = true },
		},
		Cap:    func(rows int, _ sourcetest.Told) { o.ServeAtMost = rows },
		Hang:   func(d time.Duration) { o.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Slow, Delay: d}}} },
		Tamper: func(change func([]byte) []byte) { o.Change = change },
	}
}
