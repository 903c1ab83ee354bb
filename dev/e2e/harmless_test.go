package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

// account is a storage account that can be slow, or gone.
type account struct {
	delay atomic.Int64 // of each answer, in nanoseconds
	gone  atomic.Bool
}

// before puts itself before the account, and returns the address to use instead.
func (a *account) before(t *testing.T, s *azurite.Server) string {
	t.Helper()
	to, err := url.Parse(s.ServiceURL)
	if err != nil {
		t.Fatal(err)
	}
	path := to.Path
	to.Path = ""
	pass := httputil.NewSingleHostReverseProxy(to)
	pass.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(time.Duration(a.delay.Load()))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
		if a.gone.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + path
}

// The two triggers that wait for a decision, pointed at the app by mistake: in each mode the tenant
// gets the answer that changes nothing, in time and as the decision, whatever the state does, also in
// the first second of a process that never reached it; and what was recorded is a row.
func TestRequestResponse(t *testing.T) {
	const (
		none     = `{"id":"","name":"","type":""}`
		approval = `{"approved":true,"comment":"Recorded only: no decision was made here.","approver":"Grace"}`
	)
	server := azurite.Start(t)
	var box account
	w := newWorld(t, 0, time.Hour, synth.Options{Seed: 35})
	w.receives()
	w.useAzurite(server)
	w.env["AZURE_STORAGE_BLOB_ENDPOINT"] = box.before(t, server)
	front := httptest.NewServer(w.tenant)
	t.Cleanup(front.Close)
	w.tenant.Address = front.URL
	w.serve()
	w.env["SAILPOINT_BASE_URL"] = front.URL

	for _, state := range []string{"up", "slow", "gone", "back"} {
		box.delay.Store(0)
		box.gone.Store(state == "gone")
		if state == "slow" {
			box.delay.Store(int64(5 * time.Second))
		}
		_, hook := w.startApp(true) // each has a process of its own
		var all sync.WaitGroup
		for trigger, want := range map[string]string{"idn:access-request-dynamic-approver": none, "idn:access-request-pre-approval": approval} {
			for _, mode := range []string{"SYNC", "ASYNC", "DYNAMIC"} {
				id := w.tenant.Subscribe(tenant.Subscription{
					TriggerID: trigger, Name: state + mode, Type: "HTTP", Enabled: true,
					HTTP: &tenant.HTTPConfig{URL: hook.URL + "/api/hooks/sailpoint", Mode: mode, Auth: "BEARER_TOKEN", Token: pushToken},
				})
				push := w.tenant.Emit(trigger, []byte(accessRequest))[0]
				w.tenant.Unsubscribe(id) // there is one slot for each of them
				all.Go(func() {
					begin := time.Now()
					err := w.tenant.Send(t.Context(), push)
					if took := time.Since(begin); err != nil || took > 5*time.Second {
						t.Errorf("%s, %s, %s: answered after %v: %v", state, trigger, mode, took, err)
					}
					eventually(t, 5*time.Second+loaded, "the decision", func() bool { return outputOf(w.tenant, push.Invocation.ID) != "" })
					if got := outputOf(w.tenant, push.Invocation.ID); got != want {
						t.Errorf("%s, %s, %s: the decision is %s", state, trigger, mode, got)
					}
				})
			}
		}
		all.Wait()
		if state == "up" || state == "back" {
			eventually(t, 30*time.Second+loaded, "rows", func() bool { return pendingRows(w) >= map[string]int{"up": 6, "back": 12}[state] })
		}
	}
}

const accessRequest = `{"accessRequestId":"2c9180835d191a86015d28455b4a2329","requestedFor":[{"type":"IDENTITY","id":"2c1","name":"Ada"}],"requestedItems":[{"id":"2c9","name":"Payroll","type":"ROLE","operation":"Add"}],"requestedBy":{"type":"IDENTITY","id":"2c2","name":"Grace"}}`

// outputOf is the decision that an invocation has got so far.
func outputOf(of *tenant.Tenant, id string) string {
	for _, inv := range of.Invocations() {
		if inv.ID == id {
			return string(inv.Output)
		}
	}
	return ""
}

// pendingRows is how many invocations have a row of their state in flight, each one only.
func pendingRows(w *world) (n int) {
	for id, times := range w.workspace.Table(triggers).IDs() {
		if strings.HasSuffix(id, "|") {
			if n++; times != 1 {
				w.t.Errorf("%d rows of %s", times, id)
			}
		}
	}
	return n
}

// A report that can't be stored is refused with a request to come again, and is then stored once.
func TestReportWhileTheStateIsGone(t *testing.T) {
	server := azurite.Start(t)
	var box account
	w := reportWorld(t, 45, func(w *world) { w.serve() })
	w.useAzurite(server)
	w.env["AZURE_STORAGE_BLOB_ENDPOINT"] = box.before(t, server)
	_, front := w.startApp(true)
	box.gone.Store(true)
	const body = "Name,Email\nAda,a@acme.example\n"
	if status, text := postReport(t.Context(), front.URL+"/api/hooks/saas/r", body, nil); status != http.StatusServiceUnavailable {
		t.Errorf("status %d %s", status, text)
	}
	box.gone.Store(false)
	for range 3 {
		if status, text := postReport(t.Context(), front.URL+"/api/hooks/saas/r", body, nil); status != http.StatusOK {
			t.Errorf("status %d %s", status, text)
		}
	}
	eventually(t, 30*time.Second+loaded, "the row", func() bool { return w.workspace.Table(reportRows).Count() > 0 })
	if n := w.workspace.Table(reportRows).Count(); n != 1 {
		t.Errorf("%d rows", n)
	}
}
