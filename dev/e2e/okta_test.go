package e2e_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// SIGKILL right after an acknowledgement while a backlog of Okta is read: nothing is lost, and at most
// the batches in flight come again.
func TestOktaKill(t *testing.T) {
	const n = 12_000
	made := okta.Generator{Seed: 6, Start: time.Now().Add(-4 * time.Hour), Every: time.Second}
	org := &okta.Org{APIToken: "00" + secretCanary, Scheme: "http", RateLimit: 6000}
	ids := make([]string, n)
	for i := range ids {
		org.Add(made.Event(i))
		ids[i] = made.UUID(i)
	}
	served := httptest.NewServer(org)
	t.Cleanup(served.Close)

	w := newOtherWorld(t, map[string]string{
		"OKTA_ORG_URL": served.URL, "OKTA_API_TOKEN": "00" + secretCanary,
		"BATCH_BYTES": "200000", "HEALTH_TABLE": "false", "LOG_LEVEL": "debug",
	})
	kills := []int64{700, 1231, 1762, 2293}
	w.killBehind(kills...)
	if rep := report(t, w.fire(w.start()), "Okta"); rep.State != pipeline.Drained {
		t.Fatalf("%+v", rep)
	}
	w.holds(map[string][]string{"Okta": ids}, len(kills)*pipeline.Parallel*w.workspace.Stats().LargestRows)
	if v := org.Violations(); len(v) > 0 {
		t.Errorf("the org saw what must not be: %q", v)
	}
}
