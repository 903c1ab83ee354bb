package app_test

import (
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
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
