package app_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

// beside is a second tenant whose connector writes to the same workspace.
func (s *scene) beside(name string) *scene {
	other := *s
	other.store = &mem.Store{}
	other.tenant = &tenant.Tenant{Name: name, ClientID: "id", ClientSecret: canary}
	source := *s.source()
	source.BaseURL = &url.URL{Scheme: "https", Host: name + ".api.identitynow.example"}
	other.settings.Connections = slices.Clone(s.settings.Connections)
	other.connection().Tenant, other.connection().Sources = name, []config.Source{&source}
	return &other
}

func (s *scene) open(t *testing.T) *app.App {
	t.Helper()
	a, err := app.Open(s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Credential: s.credential})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// event adds an event a few seconds after a moment. The same n of two tenants are two events.
func (s *scene) event(org string, n int, begin time.Time) {
	member := ""
	if org != "" {
		member = fmt.Sprintf(`"org":%q,`, org)
	}
	s.tenant.AddEvent(fmt.Appendf(nil, `{"id":%q,%s"created":%q,"type":"t"}`,
		eventID(s.connection().Tenant, n), member, begin.Add(time.Duration(n)*time.Second).Format("2006-01-02T15:04:05.000Z")), time.Time{})
}

func eventID(tenant string, n int) string { return fmt.Sprintf("%-8x%024x", tenant[:4], n) }

// twoTenants are acme and beta in one workspace, over each of the ingestion APIs. Of the ten
// events of acme the workspace loses three; beta has three in the same minutes.
func twoTenants(t *testing.T, run func(t *testing.T, acme, beta *scene)) {
	for name, scene := range map[string]func() *scene{"classic": newScene, "declared": withRule} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				acme := scene()
				acme.connection().ReadBack = config.ReadBack{WorkspaceID: workspace.DefaultID, URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}}
				run(t, acme, acme.beside("beta"))
			})
		})
	}
}

// loses makes the workspace lose what acme sends of these events the first time.
func (s *scene) loses(numbers ...int) {
	lost, stored := map[string]bool{}, map[string]int{}
	for _, n := range numbers {
		lost[eventID("acme", n)] = true
	}
	s.workspace.Queries.Lost = func(table string, i int, row workspace.Row) bool {
		id := strings.ReplaceAll(row["id_g"]+row["id_s"], "-", "")
		if table != events || !lost[id] {
			return false
		}
		if _, ok := stored[id]; !ok {
			stored[id] = i
		}
		return i == stored[id]
	}
}

func (s *scene) delivers(t *testing.T) {
	t.Helper()
	if reports := s.open(t).Poll(t.Context()); reports[0].State != pipeline.Drained {
		t.Fatalf("%+v", reports)
	}
}

// An audit against the workspace is about its own tenant: rows of another one do not make up
// for those that are missing.
func TestAuditOfTwoTenants(t *testing.T) {
	for name, c := range map[string]struct {
		org          string // of acme's events
		each, repair bool
		counted      bool // proven by a count, where nothing is missing
	}{
		"whole":                {org: "acme", counted: true},
		"each window":          {org: "acme", each: true, counted: true},
		"repair":               {org: "acme", repair: true, counted: true},
		"an org of other name": {org: "acme-sb.2", counted: true},
		"without org":          {org: ""},
		"without org, each":    {org: "", each: true},
		"org not a name":       {org: `a'b"\`},
	} {
		t.Run(name, func(t *testing.T) {
			twoTenants(t, func(t *testing.T, acme, beta *scene) {
				begin := time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)
				for n := range 10 {
					acme.event(c.org, n, begin)
				}
				for n := range 3 {
					beta.event(map[bool]string{true: "beta"}[c.counted], n, begin)
				}
				acme.loses(2, 5, 7)
				acme.delivers(t)
				beta.delivers(t)
				<-time.After(time.Hour)
				ask := app.AuditRequest{
					AuditRequest: pipeline.AuditRequest{From: begin, To: begin.Add(time.Hour), Each: c.each, Repair: c.repair},
					Workspace:    true, Settle: app.DefaultSettle,
				}
				done, err := acme.open(t).Connections()[0].Audit(t.Context(), events, ask)
				if err != nil || done.State != pipeline.Drained || done.Source != 10 || done.Delivered != 7 || done.Missing != 3 {
					t.Errorf("acme: %v: %+v, want 3 of 10 missing", err, done.AuditResult)
				}
				if n := acme.workspace.Table(events).Count(); c.repair && n != 16 || !c.repair && n != 13 {
					t.Errorf("%d rows were sent", n)
				}
				other, err := beta.open(t).Connections()[0].Audit(t.Context(), events, ask)
				if err != nil || other.State != pipeline.Drained || other.Source != 3 || other.Delivered != 3 || other.Missing != 0 || len(other.Windows) != 0 {
					t.Errorf("beta: %v: %+v, want all of 3", err, other.AuditResult)
				}
				if want := map[bool]int64{false: 3}[c.counted]; other.Identified != want {
					t.Errorf("beta: %d records were compared by their ids, want %d", other.Identified, want)
				}
				if !c.repair {
					return
				}
				<-time.After(time.Hour)
				if done, err = acme.open(t).Connections()[0].Audit(t.Context(), events, ask); err != nil || done.Delivered != 10 || done.Missing != 0 || len(done.Windows) != 0 {
					t.Errorf("after the repair: %v: %+v", err, done.AuditResult)
				}
			})
		})
	}
}

// What has no id can't be told from another tenant's row of the same time: it is neither
// missing nor proven.
func TestAuditWithoutIDs(t *testing.T) {
	twoTenants(t, func(t *testing.T, acme, beta *scene) {
		begin := time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)
		for _, s := range []*scene{acme, beta} {
			s.event(s.connection().Tenant, 1, begin)
			s.tenant.AddEvent(fmt.Appendf(nil, `{"name":%q,"created":%q}`, s.connection().Tenant, begin.Format(time.RFC3339)), time.Time{})
			s.delivers(t)
		}
		<-time.After(time.Hour)
		ask := app.AuditRequest{AuditRequest: pipeline.AuditRequest{From: begin, To: begin.Add(time.Hour)}, Workspace: true, Settle: app.DefaultSettle}
		done, err := acme.open(t).Connections()[0].Audit(t.Context(), events, ask)
		if err != nil || done.State != pipeline.Drained || done.Source != 2 || done.Missing != 0 || done.Unproven != 1 {
			t.Errorf("%v: %+v, %d unproven, want 1", err, done.AuditResult, done.Unproven)
		}
	})
}

// READ_BACK finds what its own tenant lacks, and sends nothing else again.
func TestReadBackOfTwoTenants(t *testing.T) {
	for daily, want := range map[config.DailyReadBack]struct {
		says string
		rows int
	}{
		config.ReportReadBack: {"lacks 3 of 10 events", 13},
		config.RepairReadBack: {"lacked 3 of 10 events", 16},
	} {
		t.Run(string(daily), func(t *testing.T) {
			twoTenants(t, func(t *testing.T, acme, beta *scene) {
				acme.connection().ReadBack.Daily, beta.connection().ReadBack.Daily = daily, daily
				begin := time.Now().UTC().Truncate(time.Hour).Add(2 * time.Hour)
				for n := range 10 {
					acme.event("acme", n, begin)
				}
				for n := range 3 {
					beta.event("beta", n, begin)
				}
				acme.loses(2, 5, 7)
				<-time.After(3 * time.Hour)
				beta.delivers(t)
				warnings := acme.live(t, 76*time.Hour)
				if len(warnings) != 1 || !strings.Contains(warnings[0], want.says) {
					t.Errorf("warnings %q, want one: %q", warnings, want.says)
				}
				if warnings := beta.live(t, 76*time.Hour); len(warnings) != 0 {
					t.Errorf("beta: warnings %q", warnings)
				}
				if n := acme.workspace.Table(events).Count(); n != want.rows {
					t.Errorf("%d rows were sent, want %d", n, want.rows)
				}
			})
		})
	}
}
