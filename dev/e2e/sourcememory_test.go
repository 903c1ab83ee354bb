package e2e_test

import (
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// The promise of memory is the same for every source: backlogs of Okta and of all streams of IdentityIQ.
func TestMemoryOfOtherSources(t *testing.T) {
	begin := time.Now().Add(-20 * time.Hour)
	type server func(t *testing.T, env map[string]string) (tables map[string]int)
	for name, serve := range map[string]server{
		"Okta": func(t *testing.T, env map[string]string) map[string]int {
			t.Helper()
			const n = 30_000
			made := okta.Generator{Seed: 8, Start: begin, Every: time.Second}
			org := &okta.Org{APIToken: "00" + secretCanary, Scheme: "http", RateLimit: 60_000}
			for i := range n {
				org.Add(made.Event(i))
			}
			served := httptest.NewServer(org)
			t.Cleanup(served.Close)
			env["OKTA_ORG_URL"], env["OKTA_API_TOKEN"] = served.URL, "00"+secretCanary
			return map[string]int{"Okta": n}
		},
		"IdentityIQ": func(t *testing.T, env map[string]string) map[string]int {
			t.Helper()
			const audits, each = 40_000, 5_000
			server := &identityiq.Server{ClientID: "sentinel", ClientSecret: secretCanary}
			for i := range audits {
				at := begin.Add(time.Duration(i) * time.Second)
				server.AddAudit(identityiq.AuditEvent(i, at), at, time.Time{})
				if i < each {
					server.AddSyslog(identityiq.SyslogEvent(i, at), at, time.Time{})
					id, raw := identityiq.TaskResult(i, at, at.Add(time.Second), "Success")
					server.Put(identityiq.TaskResults, id, raw)
					id, raw = identityiq.Violation(i, at, at, "Open")
					server.Put(identityiq.PolicyViolations, id, raw)
					id, raw = identityiq.Alert(i, at, at)
					server.Put(identityiq.Alerts, id, raw)
				}
			}
			served := httptest.NewServer(server)
			t.Cleanup(served.Close)
			env["IIQ_URL"], env["IIQ_CLIENT_ID"], env["IIQ_CLIENT_SECRET"] = served.URL+"/identityiq", "sentinel", secretCanary
			env["IIQ_STREAMS"] = "audit,syslog,tasks,violations,alerts"
			return map[string]int{
				"SailPointIIQ_Audit": audits, "SailPointIIQ_Syslog": each, "SailPointIIQ_TaskResults": each,
				"SailPointIIQ_PolicyViolations": each, "SailPointIIQ_Alerts": each,
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, tenant: &tenant.Tenant{}, stateDir: filepath.Join(t.TempDir(), "state"), workspace: &workspace.Workspace{Identify: iiqID, Compact: true}}
			ws := httptest.NewServer(w.workspace)
			t.Cleanup(ws.Close)
			w.env = map[string]string{
				"logAnalyticsUri": ws.URL, "CUSTOMER_ID": workspace.DefaultID, "SHARED_KEY": keyCanary,
				"STATE_URL": "file://" + w.stateDir, "INITIAL_LOOKBACK": "24h", "RUN_BUDGET": "9m",
			}
			if name == "Okta" {
				w.workspace.Identify = uuidOf
			}
			tables := serve(t, w.env)
			h := w.start()
			for range 2 { // a list may be between two sweeps
				inv := w.fire(h)
				for table := range tables {
					if rep := report(t, inv, table); rep.State != pipeline.Drained {
						t.Fatalf("%+v", rep)
					}
				}
			}
			for table, n := range tables {
				if got := w.workspace.Table(table).Count(); got != n {
					t.Errorf("%s has %d rows, want %d", table, got, n)
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
