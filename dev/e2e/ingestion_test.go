package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// serveRule opens the doors for a handler that writes through a data collection
// rule, with an identity as a function app has it and without any key.
func (w *world) serveRule() *workspace.Rule {
	rule := workspace.NewRule()
	w.workspace.Rules = map[string]*workspace.Rule{workspace.DefaultRule: rule}
	tenant, ws, identity := httptest.NewServer(w.tenant), httptest.NewServer(w.workspace), httptest.NewServer(workspace.Identity())
	w.t.Cleanup(tenant.Close)
	w.t.Cleanup(ws.Close)
	w.t.Cleanup(identity.Close)
	delete(w.env, "CUSTOMER_ID")
	delete(w.env, "SHARED_KEY")
	w.env["SAILPOINT_BASE_URL"], w.env["LOGS_INGESTION_ENDPOINT"], w.env["DCR_IMMUTABLE_ID"] = tenant.URL, ws.URL, workspace.DefaultRule
	w.env["IDENTITY_ENDPOINT"], w.env["IDENTITY_HEADER"] = identity.URL+"/msi/token", workspace.IdentityHeader
	return rule
}

// Everything arrives once, in requests that are well filled, and the service
// drops nothing of it.
func TestRuleEverythingOnce(t *testing.T) {
	w := newWorld(t, 6000, 24*time.Hour, synth.Options{Seed: 41, Rate: 1, Ties: 400, TieEvery: 2900, With: map[int]synth.Shape{77: synth.Huge, 78: synth.InvalidUTF8}})
	inv := synth.New(synth.Options{Seed: 41, Start: time.Now().Add(-time.Hour)})
	for i := range 300 {
		w.tenant.AddInvocation(inv.Invocation(i))
	}
	w.serveRule()
	h := w.start()
	got := w.fire(h)
	if got.Status != http.StatusOK {
		t.Fatalf("%+v\n%s", got, strings.Join(h.Stderr(), "\n"))
	}
	if rep := report(t, got, events); rep.State != pipeline.Drained || rep.Sent != 6000 || rep.Quarantined != 0 {
		t.Errorf("%+v", rep)
	}
	if rep := report(t, got, triggers); rep.State != pipeline.Drained || rep.Sent != 300 {
		t.Errorf("%+v", rep)
	}
	w.complete(0)
	for _, table := range w.workspace.Tables() {
		if losses := table.Losses(); losses != nil {
			t.Errorf("%s: %d losses, %q", table.Name(), len(losses), losses[0])
		}
	}
	for _, rep := range w.fire(h).Runs {
		if rep.State != pipeline.Drained || rep.Sent != 0 {
			t.Errorf("second run: %+v", rep)
		}
	}
	w.stateIsQuiet()
}

// SIGKILL at random moments, as with the other API.
func TestRuleKill(t *testing.T) {
	w := newWorld(t, 15_000, 24*time.Hour, synth.Options{Seed: 42, Rate: 1})
	w.serveRule()
	killed(t, w, func() {})
}

// A role that is not there yet fails the run with the remedy and moves nothing;
// when it has spread the next run delivers.
func TestRuleWithoutRole(t *testing.T) {
	w := newWorld(t, 500, time.Hour, synth.Options{Seed: 43, Rate: 1})
	rule := w.serveRule()
	rule.Granted = time.Now().Add(time.Hour)
	w.env["RUN_BUDGET"] = "5s"
	h := w.start()
	got := w.fire(h)
	rep := report(t, got, events)
	if got.Status != http.StatusInternalServerError || rep.State != pipeline.Failed || rep.Sent != 0 || !strings.Contains(rep.Error, "Monitoring Metrics Publisher") || !strings.Contains(rep.Error, "30 minutes") {
		t.Errorf("%d %+v", got.Status, rep)
	}
	rule.Granted = time.Time{} // between two runs nobody asks
	if rep := report(t, w.fire(h), events); rep.State != pipeline.Drained || rep.Sent != 500 {
		t.Errorf("%+v", rep)
	}
	w.complete(0)
}

// A rule that takes nothing at all is no fault of the records: none goes into
// quarantine, nothing moves, and when it is put right everything comes.
func TestRuleTakesNothing(t *testing.T) {
	w := newWorld(t, 500, time.Hour, synth.Options{Seed: 45, Rate: 1})
	rule := w.serveRule()
	rule.Broken = "InvalidSomething"
	h := w.start()
	for range 2 {
		inv := w.fire(h)
		rep := report(t, inv, events)
		if inv.Status != http.StatusInternalServerError || rep.State != pipeline.Failed || rep.Sent+rep.Quarantined != 0 || !strings.Contains(rep.Error, "the configuration is wrong") {
			t.Errorf("%d %+v", inv.Status, rep)
		}
	}
	for _, kept := range []string{"checkpoints/" + events + ".json", "quarantine/" + events + "/undelivered"} {
		if found, _ := filepath.Glob(filepath.Join(w.stateDir, "*", filepath.FromSlash(kept))); len(found) != 0 {
			t.Errorf("%v is there", found)
		}
	}
	rule.Broken = "" // between two runs nobody asks
	if rep := report(t, w.fire(h), events); rep.State != pipeline.Drained || rep.Sent != 500 {
		t.Errorf("%+v", rep)
	}
	w.complete(0)
}

// A rule that is not there is named, and a poison record is found.
func TestRuleWrongAndPoison(t *testing.T) {
	w := newWorld(t, 1500, time.Hour, synth.Options{Seed: 44, Rate: 1})
	bad := w.gen.ID(777)
	w.workspace.Poison = func(raw []byte) bool { return idOf(raw) == bad }
	w.workspace.Faults = &fault.Plan{Seed: 3, Rules: []fault.Rule{{Kind: fault.TooManyRequests, Nth: []int{3}, RetryAfter: "1"}, {Kind: fault.Reset, Nth: []int{5}}, {Kind: fault.Unauthorized, Nth: []int{7}}}}
	w.serveRule()
	w.env["DCR_IMMUTABLE_ID"] = "dcr-00000000000000000000000000000000"
	rep := report(t, w.fire(w.start()), events)
	if rep.State != pipeline.Failed || !strings.Contains(rep.Error, "DCR_IMMUTABLE_ID") {
		t.Errorf("%+v", rep)
	}
	w.env["DCR_IMMUTABLE_ID"] = workspace.DefaultRule
	rep = report(t, w.fire(w.start()), events)
	if rep.State != pipeline.Drained || rep.Sent != 1499 || rep.Quarantined != 1 {
		t.Errorf("%+v", rep)
	}
	if files, _ := filepath.Glob(filepath.Join(w.stateDir, "*", "quarantine", events, "undelivered", "*", "*")); len(files) != 1 {
		t.Errorf("quarantine %v", files)
	}
}
