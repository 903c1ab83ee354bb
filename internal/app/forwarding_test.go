package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

const (
	flowID     = "d201c5e9-1fe4-4e05-9a3b-3b2e1a2b3c4d"
	flowSecret = "canary-workflow-secret-5d2e"
	flowPath   = "/workflows/v1/execute/external/" + flowID
	rowContent = "canary-report-content-81ab"
	reportRows = "SailPointSaaS_Reports"
)

// forwards is a scene that receives reports and forwards them.
func forwards() *scene {
	s := newScene()
	base := s.source().BaseURL
	s.connection().Sources = append(s.connection().Sources, &config.SaaS{Secret: secret.Plain("canary-reports-secret"), Workflow: &config.Workflow{
		URL: base.JoinPath(flowPath), BaseURL: base, ClientID: "flow-client", ClientSecret: secret.Plain(flowSecret),
	}})
	s.tenant.SetWorkflow(flow())
	return s
}

func flow() tenant.Workflow {
	return tenant.Workflow{ID: flowID, ClientID: "flow-client", ClientSecret: flowSecret}
}

// report posts a report with n rows to an app.
func report(t *testing.T, a *app.App, name string, n int) {
	t.Helper()
	var b strings.Builder
	b.WriteString("Name,Note\n")
	for i := range n {
		fmt.Fprintf(&b, "row %d,%s\n", i+1, rowContent)
	}
	answer, err := a.Inlet("saas/"+name).(source.Slot).Deposit(t.Context(), "text/csv", "", strings.NewReader(b.String()))
	if err != nil || answer.Status != 0 {
		t.Fatalf("%+v, %v", answer, err)
	}
}

// healthRows are those of a stream.
func (s *scene) healthRows(stream string) (rows []string) {
	for _, raw := range s.workspace.Table("SailPointIDN_Health").Raw() {
		if bytes.Contains(raw, []byte(`"`+stream+`"`)) {
			rows = append(rows, string(raw))
		}
	}
	return rows
}

// TestReportIsForwarded: within seconds of a report its rows are in the workspace and the workflow is
// started, without the timer, and neither the log nor the state shows what is nobody else's business.
func TestReportIsForwarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := forwards()
		var log bytes.Buffer
		a, _ := s.receiver(t, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		report(t, a, "Apps", 300)
		<-time.After(10 * time.Second)
		if n := s.workspace.Table(reportRows).Count(); n != 300 {
			t.Errorf("%d rows", n)
		}
		if n := len(s.tenant.Executions()); n != 2 {
			t.Errorf("%d starts", n)
		}
		s.tenant.RevokeTokens() // a new one is asked for
		report(t, a, "More apps", 3)
		<-time.After(10 * time.Second)
		if n := len(s.tenant.Executions()); n != 3 {
			t.Errorf("%d starts", n)
		}
		<-time.After(time.Minute)
		for _, r := range a.Poll(t.Context()) {
			if strings.Contains(fmt.Sprint(r.Warnings), "forward") || r.State != pipeline.Drained {
				t.Errorf("%+v", r)
			}
		}
		<-time.After(10 * time.Second)
		rows := s.healthRows("SailPointSaaS_Forwarding")
		if len(rows) == 0 || !strings.Contains(rows[0], `"state":"drained"`) {
			t.Errorf("health rows: %q", rows)
		}
		a.Stop(t.Context())
		if said := log.String() + strings.Join(rows, "\n"); strings.Contains(said, "canary") || strings.Contains(said, "eyJ") {
			t.Errorf("something shows a secret or the contents of a report:\n%s", said)
		}
		for _, key := range s.keys(t, "") {
			o, err := s.store.Get(t.Context(), key)
			if err != nil || bytes.Contains(o.Data, []byte("canary")) || bytes.Contains(o.Data, []byte("eyJ")) {
				t.Errorf("%s shows a secret or the contents of a report, or %v", key, err)
			}
		}
	})
}

// TestForwardingAlone: whatever the workflow does, the rows are in the workspace within seconds, no run
// fails or waits, and what is wrong is said with the remedy.
func TestForwardingAlone(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*scene)
		says  string
	}{
		"disabled":       {func(s *scene) { w := flow(); w.Disabled = true; s.tenant.SetWorkflow(w) }, "is enabled"},
		"hanging":        {func(s *scene) { s.faulty(fault.Rule{Kind: fault.Slow, Delay: time.Hour}) }, "no answer"},
		"failing":        {func(s *scene) { s.faulty(fault.Rule{Kind: fault.ServerError}) }, "status 500"},
		"lost answers":   {func(s *scene) { s.faulty(fault.Rule{Kind: fault.ResetAfter}) }, "no answer"},
		"throttled":      {func(s *scene) { s.faulty(fault.Rule{Kind: fault.TooManyRequests, RetryAfter: "100000"}) }, "429"},
		"wrong secret":   {func(s *scene) { w := flow(); w.ClientSecret = "other"; s.tenant.SetWorkflow(w) }, "WORKFLOW_CLIENT_SECRET"},
		"without a lock": {func(s *scene) { s.store = &noForwarding{s.store} }, "the account is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := forwards()
				test.spoil(s)
				var log bytes.Buffer
				a, _ := s.receiver(t, slog.New(slog.NewJSONHandler(&log, nil)))
				report(t, a, "Apps", 300)
				<-time.After(10 * time.Second)
				if n := s.workspace.Table(reportRows).Count(); n != 300 {
					t.Errorf("%d rows", n)
				}
				<-time.After(50 * time.Second) // a hanging one is given up
				begun := time.Now()
				reports := a.Poll(t.Context())
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("the run took %v", took)
				}
				said := ""
				for _, r := range reports {
					if r.State != pipeline.Drained {
						t.Errorf("%+v", r)
					}
					if r.Stream == reportRows {
						said = strings.Join(r.Warnings, "\n")
					}
				}
				if !strings.Contains(said, "does not affect the rows") || !strings.Contains(said, test.says) {
					t.Errorf("the report says %q, want %q", said, test.says)
				}
				for range 10 {
					<-time.After(5 * time.Minute)
					a.Poll(t.Context())
				}
				if n := s.workspace.Table(reportRows).Count(); n != 300 {
					t.Errorf("%d rows in the end", n)
				}
				rows := strings.Join(s.healthRows("SailPointSaaS_Forwarding"), "\n")
				if !strings.Contains(rows, `"state":"failed"`) || !strings.Contains(rows, test.says) {
					t.Errorf("health rows: %s", rows)
				}
				if n := strings.Count(log.String(), "reports are not forwarded"); n < 1 || n > 3 {
					t.Errorf("it is logged %d times:\n%s", n, log.String())
				}
				begun = time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				a.Stop(ctx)
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("the stop took %v", took)
				}
				if all := log.String() + rows + said; strings.Contains(all, "canary") || strings.Contains(all, "eyJ") {
					t.Errorf("something shows a secret or the contents of a report:\n%s", all)
				}
				<-time.After(time.Minute) // what the stop did not wait for ends by itself
			})
		})
	}
}

// faulty has all starts fail.
func (s *scene) faulty(rule fault.Rule) {
	rule.Path = flowPath
	s.tenant.Faults = &fault.Plan{Rules: []fault.Rule{rule}}
}

// TestForwardingBacksOff: a workflow that fails is tried ever less often, also if runs follow each other.
func TestForwardingBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := forwards()
		s.faulty(fault.Rule{Kind: fault.TooManyRequests})
		a, _ := s.receiver(t, nil)
		report(t, a, "Apps", 3)
		for range 60 {
			<-time.After(10 * time.Second)
			a.Poll(t.Context())
		}
		if n := s.tenant.Requests()[flowPath]; n < 3 || n > 8 {
			t.Errorf("%d attempts within 10 minutes", n)
		}
	})
}

// TestRunsDoNotWait: a run that begins while a start hangs is over before that is.
func TestRunsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := forwards()
		s.faulty(fault.Rule{Kind: fault.Slow, Delay: time.Hour})
		a, _ := s.receiver(t, nil)
		report(t, a, "Apps", 300)
		<-time.After(2 * time.Second)
		begun := time.Now()
		a.Poll(t.Context())
		if took := time.Since(begun); took > 5*time.Second || s.workspace.Table(reportRows).Count() != 300 {
			t.Errorf("the run took %v, %d rows", took, s.workspace.Table(reportRows).Count())
		}
		<-time.After(time.Minute)
	})
}

// TestForwardingsOfManyConnections: a few run at a time, so memory does not grow with their number, and each
// gets its turn.
func TestForwardingsOfManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := forwards()
		first := *s.connection()
		s.settings.Connections = nil
		const connections = 10
		for i := range connections {
			c := first
			c.Name = fmt.Sprintf("c%d", i)
			c.Tenant = c.Name
			s.settings.Connections = append(s.settings.Connections, c)
		}
		var mu sync.Mutex
		now, most := 0, 0
		s.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
			if req.URL.Path == flowPath {
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				<-time.After(5 * time.Second)
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					now--
				}()
			}
			return on.RoundTrip(req)
		}
		a, _ := s.receiver(t, nil)
		for i := range connections {
			answer, err := a.Inlet(fmt.Sprintf("c%d/saas/Apps", i)).(source.Slot).Deposit(t.Context(), "", "", strings.NewReader(`[{"a":1}]`))
			if err != nil || answer.Status != 0 {
				t.Fatalf("%+v, %v", answer, err)
			}
		}
		<-time.After(time.Minute)
		if n := len(s.tenant.Executions()); n != connections || most < 2 || most > 4 {
			t.Errorf("%d starts, %d at a time", n, most)
		}
	})
}

// TestStopWaitsForTheStart: once a stop is over, no start is under way whose result is not noted.
func TestStopWaitsForTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := forwards()
		s.faulty(fault.Rule{Kind: fault.Slow, Delay: 4 * time.Second})
		a, _ := s.receiver(t, nil)
		report(t, a, "Apps", 1000)
		<-time.After(6 * time.Second)
		a.Stop(t.Context())
		entries := 0
		for _, key := range s.keys(t, "acme/inbox/SailPointSaaS_Reports/forward/") {
			o, err := s.store.Get(t.Context(), key)
			if entries++; err != nil || bytes.Contains(o.Data, []byte(`"posting"`)) || !bytes.Contains(o.Data, []byte(`"starts":2`)) {
				t.Errorf("%s, %v", o.Data, err)
			}
		}
		if entries != 1 || len(s.tenant.Executions()) != 2 {
			t.Errorf("%d entries, %d starts", entries, len(s.tenant.Executions()))
		}
	})
}

// TestForwardingOutlivesTheApp: a stop in the middle, and what is left is forwarded by the next process.
func TestForwardingOutlivesTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := forwards()
		s.connection().Sources[1].(*config.SaaS).Workflow.ByRow = true
		a, _ := s.receiver(t, nil)
		report(t, a, "Apps", 300)
		<-time.After(20 * time.Second)
		a.Stop(t.Context())
		before := len(s.tenant.Executions())
		if before == 0 || before > 100 || s.workspace.Table(reportRows).Count() != 300 {
			t.Errorf("%d starts within 20 s, %d rows", before, s.workspace.Table(reportRows).Count())
		}
		a, _ = s.receiver(t, nil)
		a.Poll(t.Context())
		a.Forward(t.Context())
		if n := len(s.tenant.Executions()); n != 300 {
			t.Errorf("%d starts, want 300", n)
		}
		for _, r := range a.Poll(t.Context()) {
			if len(r.Warnings) > 0 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// TestKeptReports: a start in doubt is listed, and repeated or dropped when a person says so.
func TestKeptReports(t *testing.T) {
	for name, drop := range map[string]bool{"repeat": false, "drop": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := forwards()
				s.tenant.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.ResetAfter, Path: flowPath, Nth: []int{1}}}}
				a, _ := s.receiver(t, nil)
				report(t, a, "Apps", 3)
				<-time.After(5 * time.Minute)
				a.Poll(t.Context())
				<-time.After(time.Minute)
				c := a.Connections()[0]
				list, problems, on, err := c.Forwarding(t.Context())
				if err != nil || len(problems) > 0 || !on || len(list) != 1 || !strings.Contains(list[0].Why(), "not known") {
					t.Fatalf("%+v, %q, %v", list, problems, err)
				}
				if err := c.ForwardAgain(t.Context(), "unknown", drop); !errors.Is(err, app.ErrNotKept) {
					t.Errorf("%v", err)
				}
				if err := c.ForwardAgain(t.Context(), list[0].ID, drop); err != nil {
					t.Error(err)
				}
				a.Poll(t.Context())
				<-time.After(time.Minute)
				want := map[bool]int{false: 2, true: 1}[drop]
				if n := len(s.tenant.Executions()); n != want {
					t.Errorf("%d starts, want %d", n, want)
				}
				if list, _, _, _ := c.Forwarding(t.Context()); len(list) != 0 {
					t.Errorf("%+v", list)
				}
				for _, r := range a.Poll(t.Context()) {
					if len(r.Warnings) > 0 {
						t.Errorf("%+v", r)
					}
				}
			})
		})
	}
}

// TestCheckWorkflow: a check tries what forwarding needs, starts nothing, and names the remedy.
func TestCheckWorkflow(t *testing.T) {
	reading := append([]string{tenant.ScopeSearch, tenant.ScopeStatus}, tenant.ScopeReadWorkflow)
	for name, test := range map[string]struct {
		change func(*scene)
		state  check.Verdict
		says   []string
	}{
		"sound":         {func(s *scene) { s.tenant.Scopes = reading }, check.Passed, []string{"the workflow is enabled", "nothing was started"}},
		"can't be read": {func(*scene) {}, check.Passed, []string{"sp:workflow:read", "lacks"}},
		"disabled":      {func(s *scene) { s.tenant.Scopes = reading; w := flow(); w.Disabled = true; s.tenant.SetWorkflow(w) }, check.Failed, []string{"not enabled", "turn it on"}},
		"another trigger": {func(s *scene) {
			s.tenant.Scopes = reading
			w := flow()
			w.Trigger = "SCHEDULED"
			s.tenant.SetWorkflow(w)
		}, check.Failed, []string{"SCHEDULED", "External Trigger"}},
		"wrong secret": {func(s *scene) { w := flow(); w.ClientSecret = "other"; s.tenant.SetWorkflow(w) }, check.Failed, []string{"WORKFLOW_CLIENT_ID or WORKFLOW_CLIENT_SECRET", "external trigger"}},
		"no scope":     {func(s *scene) { w := flow(); w.Scopes = []string{"idn:x"}; s.tenant.SetWorkflow(w) }, check.Failed, []string{"sp:workflow-execute:external"}},
		"no such workflow": {func(s *scene) {
			s.tenant.SetWorkflow(tenant.Workflow{ID: "other", ClientID: "flow-client", ClientSecret: flowSecret})
			s.connection().Sources[1].(*config.SaaS).Workflow.URL = s.source().BaseURL.JoinPath("/workflows/v1/execute/external/gone")
		}, check.Failed, []string{"status 400"}},
		"not a trigger": {func(s *scene) {
			s.connection().Sources[1].(*config.SaaS).Workflow.URL = s.source().BaseURL.JoinPath("/elsewhere")
		}, check.Failed, []string{"status 404", "WORKFLOW_URL"}},
		"without the tenant": {func(s *scene) {
			s.connection().Sources[1].(*config.SaaS).Workflow.BaseURL = &url.URL{Scheme: "https", Host: "gone.example"}
		}, check.Failed, []string{"gone.example", "WORKFLOW_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := forwards()
			test.change(s)
			if name == "without the tenant" {
				s.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
					if req.URL.Host == "gone.example" {
						return nil, errors.New("unreachable")
					}
					return on.RoundTrip(req)
				}
			}
			found := map[string]check.Finding{}
			synctest.Test(t, func(t *testing.T) {
				app.Check(t.Context(), s.settings, app.Options{HTTP: &http.Client{Transport: s}, Store: s.store}, func(f check.Finding) { found[f.Item] = f })
			})
			f := found["workflow"]
			if f.State != test.state {
				t.Errorf("%+v", f)
			}
			for _, want := range test.says {
				if !strings.Contains(f.Detail, want) {
					t.Errorf("%q is not said: %s", want, f.Detail)
				}
			}
			if n := len(s.tenant.Executions()); n != 0 {
				t.Errorf("%d starts", n)
			}
			for item, f := range found {
				if strings.Contains(f.Detail, "canary") || item != "workflow" && f.State == check.Failed {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// noForwarding is a store in which the forwarding can't be locked.
type noForwarding struct{ state.Store }

func (n *noForwarding) Lock(ctx context.Context, key string) (context.Context, func(context.Context) error, error) {
	if strings.HasSuffix(key, "SailPointSaaS_Forwarding") {
		return nil, nil, errors.New("the account is gone")
	}
	return n.Store.Lock(ctx, key)
}
