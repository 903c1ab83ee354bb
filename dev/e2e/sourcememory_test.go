package e2e_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

// The promise of memory is the same for every source: backlogs of Okta and of all streams of IdentityIQ,
// and of both beside IdentityNow.
func TestMemoryOfOtherSources(t *testing.T) {
	begin := time.Now().Add(-20 * time.Hour)
	env := map[string]string{"RUN_BUDGET": "9m"}
	for name, backlog := range map[string]func(t *testing.T) (*world, map[string][]string){
		"Okta": func(t *testing.T) (*world, map[string][]string) {
			t.Helper()
			const n = 30_000
			made := okta.Generator{Seed: 8, Start: begin, Every: time.Second}
			org := &okta.Org{APIToken: "00" + secretCanary, Scheme: "http", RateLimit: 60_000}
			ids := make([]string, n)
			for i := range ids {
				org.Add(made.Event(i))
				ids[i] = made.UUID(i)
			}
			served := httptest.NewServer(org)
			t.Cleanup(served.Close)
			w := newOtherWorld(t, env)
			w.env["OKTA_ORG_URL"], w.env["OKTA_API_TOKEN"] = served.URL, "00"+secretCanary
			return w, map[string][]string{"Okta": ids}
		},
		"IdentityIQ": func(t *testing.T) (*world, map[string][]string) {
			t.Helper()
			w, _, ids := iiqWorld(t, begin, time.Second, 40_000, 5_000, env)
			return w, ids
		},
		"beside IdentityNow": func(t *testing.T) (*world, map[string][]string) {
			t.Helper()
			const n = 30_000
			w, _, ids := iiqWorld(t, begin, time.Second, n, 5_000, env)
			made := okta.Generator{Seed: 8, Start: begin, Every: time.Second}
			org := &okta.Org{APIToken: "00" + secretCanary, Scheme: "http", RateLimit: 60_000}
			for i := range n {
				org.Add(made.Event(i))
				ids["Okta"] = append(ids["Okta"], made.UUID(i))
			}
			served := httptest.NewServer(org)
			t.Cleanup(served.Close)
			w.env["OKTA_ORG_URL"], w.env["OKTA_API_TOKEN"] = served.URL, "00"+secretCanary
			gen := synth.New(synth.Options{Seed: 21, Rate: float64(n) / (19 * 3600), Bytes: 1024, Plain: true, Start: begin.UTC().Truncate(time.Millisecond)})
			w.tenant = &tenant.Tenant{ClientID: clientID, ClientSecret: secretCanary, Backlog: gen, BacklogSize: n}
			tn := httptest.NewServer(w.tenant)
			t.Cleanup(tn.Close)
			w.env["SAILPOINT_BASE_URL"], w.env["CLIENT_ID"], w.env["CLIENT_SECRET"], w.env["LIMIT"] = tn.URL, clientID, secretCanary, "1000"
			for i := range n {
				ids[events] = append(ids[events], gen.ID(i))
			}
			return w, ids
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, ids := backlog(t)
			w.workspace.Compact = true
			w.serveWorkspace()
			h := w.drain(ids)
			for table, want := range ids {
				if got := w.workspace.Table(table).Count(); got != len(want) {
					t.Errorf("%s has %d rows, want %d", table, got, len(want))
				}
			}
			peak, err := h.PeakRSS()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("peak memory %.1f MiB", float64(peak)/(1<<20))
			if peak > maxMemory {
				t.Errorf("peak memory %d bytes, want at most %d", peak, maxMemory)
			}
		})
	}
}
