package e2e_test

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// uuidOf is the id of an event of Okta.
func uuidOf(_ string, raw []byte) string {
	_, rest, _ := strings.Cut(string(raw), `"uuid":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// SIGKILL right after an acknowledgement while a backlog of Okta is read: nothing is lost, and at most
// the batches in flight come again.
func TestOktaKill(t *testing.T) {
	const n, kills = 12_000, 4
	made := okta.Generator{Seed: 6, Start: time.Now().Add(-4 * time.Hour), Every: time.Second}
	org := &okta.Org{APIToken: "00" + secretCanary, Scheme: "http", RateLimit: 6000}
	events := make([]okta.Event, n)
	for i := range events {
		events[i] = made.Event(i)
	}
	org.Add(events...)
	served := httptest.NewServer(org)
	t.Cleanup(served.Close)

	var current atomic.Pointer[host.Host]
	var rows, target atomic.Int64
	w := &world{t: t, tenant: &tenant.Tenant{}, stateDir: filepath.Join(t.TempDir(), "state"), workspace: &workspace.Workspace{Identify: uuidOf}}
	w.workspace.AfterAck = func(n int) {
		if at := target.Load(); rows.Add(int64(n)) >= at && at > 0 && target.CompareAndSwap(at, 0) {
			current.Load().Kill()
		}
	}
	ws := httptest.NewServer(w.workspace)
	t.Cleanup(ws.Close)
	w.env = map[string]string{
		"OKTA_ORG_URL": served.URL, "OKTA_API_TOKEN": "00" + secretCanary, "logAnalyticsUri": ws.URL,
		"CUSTOMER_ID": workspace.DefaultID, "SHARED_KEY": keyCanary, "BATCH_BYTES": "200000", "HEALTH_TABLE": "false",
		"STATE_URL": "file://" + w.stateDir, "INITIAL_LOOKBACK": "24h", "LOG_LEVEL": "debug",
	}
	for i := range kills {
		h := w.start()
		current.Store(h)
		target.Store(rows.Load() + 700 + 531*int64(i))
		if _, err := h.Fire(t.Context()); err == nil {
			t.Fatalf("the process of round %d was not killed", i)
		}
	}
	if rep := report(t, w.fire(w.start()), "Okta"); rep.State != pipeline.Drained {
		t.Fatalf("%+v", rep)
	}
	ids, missing, repeated := w.workspace.Table("Okta").IDs(), 0, 0
	for _, e := range events {
		if ids[e.UUID] == 0 {
			missing++
		} else {
			repeated += ids[e.UUID] - 1
		}
	}
	most := kills * pipeline.Parallel * w.workspace.Stats().LargestRows
	t.Logf("%d kills, %d rows repeated, at most %d may be", kills, repeated, most)
	if v := org.Violations(); missing > 0 || repeated > most || len(v) > 0 {
		t.Errorf("%d events are missing, %d rows came again, want at most %d; violations %q", missing, repeated, most, v)
	}
}
