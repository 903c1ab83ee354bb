package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

const (
	iiqHost = "iiq.acme.example"
	audits  = "SailPointIIQ_Audit"
)

// governed is a scene with an IdentityIQ server, alone or beside the tenant.
type governed struct {
	*scene
	iiq  *identityiq.Server
	okta *okta.Org
	// down makes the server of IdentityIQ answer nothing but errors, gone the tenant, shut the org.
	down, gone, shut bool
	// instead answers in the place of the service at a host.
	instead map[string]http.RoundTripper
	// dead, once it is 0, lets nothing more through: the process was killed. It counts what is
	// written to the state and sent to the workspace.
	dead atomic.Int64
}

func newGoverned(base *scene, streams ...string) *governed {
	g := &governed{scene: base, iiq: &identityiq.Server{ClientID: "sentinel", ClientSecret: canary}}
	g.dead.Store(1 << 40)
	base.connection().Sources = []config.Source{&config.IdentityIQ{
		BaseURL: &url.URL{Scheme: "https", Host: iiqHost, Path: "/identityiq"}, ClientID: "sentinel", ClientSecret: secret.Plain(canary), Streams: streams,
	}}
	return g
}

// withOthers adds the tenant in front, and an Okta org.
func (g *governed) withOthers() {
	g.okta = &okta.Org{APIToken: "00" + canary}
	g.connection().Sources = append(g.connection().Sources, &config.Okta{BaseURL: &url.URL{Scheme: "https", Host: "acme.okta.com"}, Token: secret.Plain("00" + canary)})
	g.connection().Sources = append([]config.Source{&config.SailPoint{
		BaseURL: &url.URL{Scheme: "https", Host: "acme.api.identitynow.example"}, APIVersion: "v1", ClientID: "id", ClientSecret: secret.Plain(canary), Limit: 1000,
	}}, g.connection().Sources...)
}

var errKilled = errors.New("the process was killed")

// lives counts a step of the process.
func (g *governed) lives() error {
	if g.dead.Add(-1) < 0 {
		return errKilled
	}
	return nil
}

func (g *governed) RoundTrip(req *http.Request) (*http.Response, error) {
	out := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", http.StatusServiceUnavailable) })
	other := g.instead[req.URL.Host]
	switch {
	case g.dead.Load() <= 0:
		return nil, errKilled
	case other != nil:
		return other.RoundTrip(req)
	case req.URL.Host == iiqHost && g.down, req.URL.Host == "acme.api.identitynow.example" && g.gone, req.URL.Host == "acme.okta.com" && g.shut:
		return fault.Transport(out).RoundTrip(req)
	case req.URL.Host == "acme.okta.com":
		return fault.Transport(dated(g.okta)).RoundTrip(req)
	case req.URL.Host == iiqHost:
		return fault.Transport(dated(g.iiq)).RoundTrip(req)
	case req.URL.Host == "acme.api.identitynow.example":
		return fault.Transport(dated(g.tenant)).RoundTrip(req)
	}
	if err := g.lives(); err != nil {
		return nil, err
	}
	return fault.Transport(g.workspace).RoundTrip(req)
}

// mortal is a store that a killed process no longer writes to.
type mortal struct {
	state.Store
	of *governed
}

func (m mortal) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	if err := m.of.lives(); err != nil {
		return "", err
	}
	return m.Store.Put(ctx, key, data, prev)
}

func (m mortal) Delete(ctx context.Context, key string) error {
	if err := m.of.lives(); err != nil {
		return err
	}
	return m.Store.Delete(ctx, key)
}

func (g *governed) start(t *testing.T) *app.App {
	t.Helper()
	a, err := app.Open(g.settings, app.Options{HTTP: &http.Client{Transport: g}, Store: mortal{g.store, g}, Credential: g.credential})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// poll runs once, within the budget.
func (g *governed) poll(t *testing.T, a *app.App) map[string]pipeline.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), g.settings.RunBudget)
	defer cancel()
	got := map[string]pipeline.Report{}
	for _, r := range a.Poll(ctx) {
		got[r.Stream] = r
	}
	return got
}

// missing counts the server's events that are not in the table, and the rows that are there once more.
func (g *governed) missing() (missing, repeated int) {
	ids := g.workspace.Table(audits).IDs()
	for e := range g.iiq.Audits() {
		_, rest, _ := strings.Cut(string(e.Raw), `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		if n := ids[id]; n > 0 {
			repeated += n - 1
		} else {
			missing++
		}
	}
	return missing, repeated
}

// A large backlog comes, each event once: 1,500 share a millisecond, others are committed minutes and
// hours late; and the audits find the source's count in every window.
func TestIdentityIQBacklog(t *testing.T) {
	events := 200_000
	if testing.Short() {
		events = 20_000
	}
	synctest.Test(t, func(t *testing.T) {
		g := newGoverned(newScene(), "audit")
		g.connection().AuditAges = []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}
		begin := time.Now().Add(-20 * time.Hour).Truncate(time.Millisecond)
		n := 0
		add := func(created, commit time.Time) {
			g.iiq.AddAudit(identityiq.AuditEvent(n, created), created, commit)
			n++
		}
		step := 19 * time.Hour / time.Duration(events-1700)
		for i := range events - 1700 {
			add(begin.Add(time.Duration(i)*step), time.Time{})
		}
		for range 1500 {
			add(begin.Add(7*time.Hour), time.Time{})
		}
		for i := range 200 { // found up to 50 minutes after the first run
			add(time.Now().Add(-time.Duration(i)*20*time.Second), time.Now().Add(time.Duration(i)*15*time.Second))
		}
		a := g.start(t)
		var last pipeline.Report
		for range 70 {
			last = g.poll(t, a)[audits]
			if last.State != pipeline.Drained && last.State != pipeline.Budget || last.Unexplained+last.Conformed+last.Quarantined > 0 {
				t.Fatalf("%+v", last)
			}
			<-time.After(time.Minute)
		}
		if missing, repeated := g.missing(); missing > 0 || repeated > 0 {
			t.Errorf("of %d events %d are missing and %d rows came again", n, missing, repeated)
		}
		if v, most := g.iiq.Violations(), g.iiq.AtOnce(); len(v) > 0 || most > 1 {
			t.Errorf("violations %q, %d requests at once", v, most)
		}
		asked := g.iiq.Requests()["/identityiq/plugin/rest/SIEMPlugin/audit-events"]
		t.Logf("%d events, %d requests", n, asked)
		if asked > n/100+700 {
			t.Errorf("%d requests for %d events", asked, n)
		}
	})
}

// A task result becomes one row in each of its states, whatever restarts in between.
func TestIdentityIQChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGoverned(newScene(), "tasks")
		launched := time.Now()
		for i, status := range []string{"", "", "Warning", "Success"} {
			id, raw := identityiq.TaskResult(1, launched, launched.Add(time.Duration(max(i, 1))*time.Minute), status)
			g.iiq.Put(identityiq.TaskResults, id, raw)
			for range 3 {
				if r := g.poll(t, g.start(t))["SailPointIIQ_TaskResults"]; r.State != pipeline.Drained {
					t.Fatalf("%+v", r)
				}
				<-time.After(time.Minute)
			}
		}
		var states []string
		for _, row := range g.workspace.Table("SailPointIIQ_TaskResults").Rows() {
			states = append(states, row["completionStatus_s"])
		}
		if diff := cmp.Diff([]string{"", "Warning", "Success"}, states); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
}

// IdentityNow, IdentityIQ and Okta in one app: one that is down, whichever it is, delays none of the
// others.
func TestSourcesDoNotWaitForEachOther(t *testing.T) {
	for name, change := range map[string]func(*governed){
		"none":       func(*governed) {},
		"classic":    func(*governed) {},
		"IdentityIQ": func(g *governed) { g.down = true },
		"tenant":     func(g *governed) { g.gone = true },
		"Okta":       func(g *governed) { g.shut = true },
		"throttled":  func(g *governed) { g.okta.RateLimit = 1 },
		"no_plugin":  func(g *governed) { g.iiq.Plugin = identityiq.LoginPage },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := withRule
				if name == "classic" {
					base = newScene
				}
				g := newGoverned(base(), "audit", "tasks", "violations", "alerts")
				g.withOthers()
				change(g)
				g.tenant = &tenant.Tenant{Name: "acme", ClientID: "id", ClientSecret: canary}
				at := time.Now().Add(-5 * time.Minute)
				g.tenant.AddEvent(fmt.Appendf(nil, `{"id":"event-1","org":"acme","created":%q,"type":"t"}`, at.UTC().Format("2006-01-02T15:04:05.000Z")), time.Time{})
				g.iiq.AddAudit(identityiq.AuditEvent(1, at), at, time.Time{})
				id, raw := identityiq.Violation(1, at, at, "Open")
				g.iiq.Put(identityiq.PolicyViolations, id, raw)
				g.okta.Add(okta.Event{UUID: "event-1", Published: at, Raw: fmt.Appendf(nil, `{"uuid":"event-1","published":%q,"eventType":"user.session.start"}`, at.UTC().Format("2006-01-02T15:04:05.000Z"))})
				reports := g.poll(t, g.start(t))
				got := map[string]string{}
				for stream, r := range reports {
					waits := name == "throttled" && stream == "Okta"
					got[strings.TrimPrefix(stream, "SailPoint")] = string(r.State)
					if r.State == pipeline.Drained && r.Seconds > 30 && !waits {
						t.Errorf("%s took %.0f s", stream, r.Seconds)
					}
					if r.Conformed+r.Quarantined > 0 {
						t.Errorf("%s: %d rows had to be changed, %d are in quarantine", stream, r.Conformed, r.Quarantined)
					}
					if strings.Contains(r.Error, canary) {
						t.Errorf("%s shows a secret: %s", stream, r.Error)
					}
				}
				want := map[string]string{"IDN_Events": "drained", "IDN_Triggers": "drained", "IIQ_Audit": "drained", "IIQ_TaskResults": "drained", "IIQ_PolicyViolations": "drained", "IIQ_Alerts": "drained", "Okta": "drained"}
				for stream := range want {
					if name == "IdentityIQ" && strings.HasPrefix(stream, "IIQ") || name == "tenant" && strings.HasPrefix(stream, "IDN") || name == "Okta" && stream == "Okta" || name == "no_plugin" && stream == "IIQ_Audit" {
						want[stream] = "failed"
					}
				}
				if name == "throttled" { // Okta ends with the budget or not; the others are what counts
					delete(want, "Okta")
					delete(got, "Okta")
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("states (-want +got):\n%s", diff)
				}
				if name == "no_plugin" && !strings.Contains(reports[audits].Error, "SIEM plugin") {
					t.Errorf("error: %s", reports[audits].Error)
				}
				rows := func(table string) int { return g.workspace.Table(table).Count() }
				if want["IIQ_PolicyViolations"] == "drained" && rows("SailPointIIQ_PolicyViolations") != 1 || want["IDN_Events"] == "drained" && rows("SailPointIDN_Events") != 1 || want["Okta"] == "drained" && rows("Okta") != 1 {
					t.Errorf("%d violations, %d events", rows("SailPointIIQ_PolicyViolations"), rows("SailPointIDN_Events"))
				}
			})
		})
	}
}
