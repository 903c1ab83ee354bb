package app_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mark"
)

// What the workspace has lost of other sources is found, and sent again, as it is for IdentityNow: their
// tables have the time and the id in other columns.
func TestAuditOfOtherSources(t *testing.T) {
	for name, base := range map[string]func() *scene{"classic": newScene, "declared": withRule} {
		for _, table := range []string{audits, "Okta"} {
			t.Run(name+"/"+table, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { auditOther(t, base(), table) })
			})
		}
	}
}

func auditOther(t *testing.T, base *scene, table string) {
	g := newGoverned(base, "audit")
	g.withOthers()
	g.connection().ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}}
	g.workspace.Queries.Lost = func(of string, i int, _ workspace.Row) bool {
		return strings.TrimSuffix(of, "_CL") == table && i >= 3 && i < 5
	}
	begin := time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)
	for i := range 10 {
		at := begin.Add(time.Duration(i) * time.Minute)
		g.iiq.AddAudit(identityiq.AuditEvent(i, at), at, time.Time{})
		events := okta.Generator{Start: begin, Every: time.Minute}
		g.okta.Add(events.Event(i))
	}
	a := g.start(t)
	if r := g.poll(t, a)[table]; r.State != pipeline.Drained || r.Sent != 10 {
		t.Fatalf("%+v", r)
	}
	<-time.After(time.Hour)
	ask := app.AuditRequest{AuditRequest: pipeline.AuditRequest{From: begin, To: begin.Add(time.Hour), Repair: true}, Workspace: true, Settle: app.DefaultSettle}
	for _, missing := range []int64{2, 0} {
		done, err := a.Connections()[0].Audit(t.Context(), table, ask)
		if err != nil || done.State != pipeline.Drained || done.Source != 10 || done.Missing != missing {
			t.Errorf("%v: %+v, want %d of 10 missing", err, done.AuditResult, missing)
		}
		<-time.After(time.Hour)
	}
	if n := g.workspace.Table(table).Count(); n != 12 {
		t.Errorf("%d rows were sent, want 10 and the two that were lost", n)
	}
}

// READ_BACK of Okta finishes with the default RUN_BUDGET, also at the limit of the smallest org and
// after a pause of days: what a run has no time for, a later one continues. The tenant's does not wait
// for it.
func TestReadBackOfOkta(t *testing.T) {
	for name, perMinute := range map[string]int{"usual limit": 120, "smallest limit": 20} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGoverned(newScene())
				g.withOthers()
				g.connection().Sources = g.connection().Sources[2:] // Okta alone
				g.okta.RateLimit = perMinute
				g.connection().ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}, Daily: config.RepairReadBack}
				made := okta.Generator{Seed: 3, Start: time.Now(), Every: 10 * time.Minute}
				for i := range 144 { // of a day
					g.okta.Add(made.Event(i))
				}
				lost := made.UUID(77)
				g.workspace.Identify = uuidOf
				first := true
				g.workspace.Queries.Lost = func(table string, i int, row workspace.Row) bool {
					return strings.TrimSuffix(table, "_CL") == "Okta" && row["uuid_g"] == lost && first
				}
				var warnings []string
				live := func(d time.Duration) {
					var a *app.App
					for i, end := 0, time.Now().Add(d); time.Now().Before(end); i++ {
						if i%20 == 0 {
							a = g.start(t)
						}
						if r := g.poll(t, a)["Okta"]; r.State != pipeline.Drained {
							t.Fatalf("%+v", r)
						} else {
							for _, w := range r.Warnings {
								if strings.Contains(w, "workspace lack") || strings.Contains(w, "read-back") {
									warnings = append(warnings, w)
									first = false // what is sent again is shown
								}
							}
						}
						<-time.After(20 * time.Minute)
					}
				}
				live(20 * time.Hour)
				<-time.After(30 * time.Hour) // the read-back is a day late
				live(24 * time.Hour)
				if len(warnings) != 1 || !strings.Contains(warnings[0], "lacked 1 of ") {
					t.Errorf("warnings %q, want one of the event that was lost", warnings)
				}
				if n := g.workspace.Table("Okta").IDs()[lost]; n != 2 {
					t.Errorf("the lost event was sent %d times, want 2", n)
				}
				if v := g.okta.Violations(); len(v) > 0 {
					t.Error(v)
				}
				o, err := g.store.Get(t.Context(), g.connection().Tenant+"/readback/Okta.json")
				if err != nil {
					t.Fatal(err)
				}
				m, err := mark.Decode(o.Data)
				if age := time.Since(m.Through); err != nil || age > 30*time.Hour {
					t.Errorf("read back through %v, %v ago: %v", m.Through, age, err)
				}
			})
		})
	}
}

// Two orgs in one workspace are kept apart: rows of one do not make up for those that the other lacks,
// and an org that is throttled does not delay the other.
func TestTwoOrgsInOneWorkspace(t *testing.T) {
	for name, base := range map[string]func() *scene{"classic": newScene, "declared": withRule} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { twoOrgs(t, base()) })
		})
	}
}

func twoOrgs(t *testing.T, base *scene) {
	g := newLogged(base)
	other := &okta.Org{Host: "globex.okta.com", APIToken: "00" + canary}
	g.instead = map[string]http.RoundTripper{"globex.okta.com": fault.Transport(dated(other))}
	g.connection().ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}}
	g.connection().Tenant = "acme.okta.com"
	second := *g.connection()
	second.Name, second.Tenant = "globex", "globex.okta.com"
	second.Sources = []config.Source{&config.Okta{BaseURL: &url.URL{Scheme: "https", Host: "globex.okta.com"}, Token: secret.Plain("00" + canary)}}
	g.connection().Name = "acme"
	g.settings.Connections = append(g.settings.Connections, second)
	begin := time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)
	for i := range 10 {
		g.okta.Add(okta.Generator{Seed: 1, Start: begin, Every: time.Minute}.Event(i))
		other.Add(okta.Generator{Seed: 2, Start: begin, Every: time.Minute}.Event(i))
	}
	lost := map[string]bool{}
	for _, i := range []int{3, 4, 8} {
		lost[okta.Generator{Seed: 1, Start: begin, Every: time.Minute}.UUID(i)] = true
	}
	g.workspace.Queries.Lost = func(table string, _ int, row workspace.Row) bool {
		return strings.HasPrefix(table, "Okta") && lost[row["uuid_g"]]
	}
	a := g.start(t)
	for range 2 { // the second looks for what is late
		ctx, cancel := context.WithTimeout(t.Context(), g.settings.RunBudget)
		for _, r := range a.Poll(ctx) {
			if r.State != pipeline.Drained {
				t.Fatalf("%+v", r)
			}
		}
		cancel()
		<-time.After(time.Hour)
	}
	ask := app.AuditRequest{AuditRequest: pipeline.AuditRequest{From: begin, To: begin.Add(time.Hour)}, Workspace: true, Settle: app.DefaultSettle}
	for i, missing := range []int64{3, 0} {
		done, err := a.Connections()[i].Audit(t.Context(), "Okta", ask)
		if err != nil || done.State != pipeline.Drained || done.Source != 10 || done.Missing != missing {
			t.Errorf("%s: %v: %+v, want %d of 10 missing", a.Connections()[i].Name(), err, done.AuditResult, missing)
		}
	}
	if v := append(g.okta.Violations(), other.Violations()...); len(v) > 0 {
		t.Error(v)
	}
	g.instead["globex.okta.com"] = used
	ctx, cancel := context.WithTimeout(t.Context(), g.settings.RunBudget)
	defer cancel()
	for _, r := range a.Poll(ctx) {
		if failed := r.State == pipeline.Failed; failed != (r.Connection == "globex") || !failed && r.Seconds > 30 {
			t.Errorf("%+v", r)
		}
	}
}
