package e2e_test

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// SIGKILL right after an acknowledgement while all streams of IdentityIQ are read: nothing is lost, and
// at most the batches in flight come again.
func TestIdentityIQKill(t *testing.T) {
	const n, each, kills = 3_000, 600, 3
	server := &identityiq.Server{ClientID: "sentinel", ClientSecret: secretCanary}
	want := map[string][]string{} // ids by table
	add := func(table, id string) { want[table] = append(want[table], id) }
	begin := time.Now().Add(-5 * time.Hour)
	for i := range n {
		at := begin.Add(time.Duration(i) * 5 * time.Second)
		server.AddAudit(identityiq.AuditEvent(i, at), at, time.Time{})
		add("SailPointIIQ_Audit", iiqID("", identityiq.AuditEvent(i, at)))
		if i < each {
			server.AddSyslog(identityiq.SyslogEvent(i, at), at, time.Time{})
			add("SailPointIIQ_Syslog", iiqID("", identityiq.SyslogEvent(i, at)))
			id, raw := identityiq.TaskResult(i, at, at.Add(time.Second), "Success")
			server.Put(identityiq.TaskResults, id, raw)
			add("SailPointIIQ_TaskResults", id)
			id, raw = identityiq.Violation(i, at, at, "Open")
			server.Put(identityiq.PolicyViolations, id, raw)
			add("SailPointIIQ_PolicyViolations", id)
			id, raw = identityiq.Alert(i, at, at)
			server.Put(identityiq.Alerts, id, raw)
			add("SailPointIIQ_Alerts", id)
		}
	}
	served := httptest.NewServer(server)
	t.Cleanup(served.Close)

	var current atomic.Pointer[host.Host]
	var rows, target atomic.Int64
	w := &world{t: t, tenant: &tenant.Tenant{}, stateDir: filepath.Join(t.TempDir(), "state"), workspace: &workspace.Workspace{Identify: iiqID}}
	w.workspace.AfterAck = func(n int) {
		if at := target.Load(); rows.Add(int64(n)) >= at && at > 0 && target.CompareAndSwap(at, 0) {
			current.Load().Kill()
		}
	}
	ws := httptest.NewServer(w.workspace)
	t.Cleanup(ws.Close)
	w.env = map[string]string{
		"IIQ_URL": served.URL + "/identityiq", "IIQ_CLIENT_ID": "sentinel", "IIQ_CLIENT_SECRET": secretCanary, "IIQ_STREAMS": "audit,syslog,tasks,violations,alerts",
		"logAnalyticsUri": ws.URL, "CUSTOMER_ID": workspace.DefaultID, "SHARED_KEY": keyCanary, "BATCH_BYTES": "60000", "HEALTH_TABLE": "false",
		"STATE_URL": "file://" + w.stateDir, "INITIAL_LOOKBACK": "24h", "LOG_LEVEL": "debug",
	}
	for i := range kills {
		h := w.start()
		current.Store(h)
		target.Store(rows.Load() + 500 + 331*int64(i))
		if _, err := h.Fire(t.Context()); err == nil {
			t.Fatalf("the process of round %d was not killed", i)
		}
	}
	h := w.start()
	for range 2 { // a list may be between two sweeps
		inv := w.fire(h)
		for table := range want {
			if rep := report(t, inv, table); rep.State != pipeline.Drained {
				t.Fatalf("%+v", rep)
			}
		}
	}
	repeated := 0
	for table, ids := range want {
		got, missing := w.workspace.Table(table).IDs(), 0
		for _, id := range ids {
			if got[id] == 0 {
				missing++
			} else {
				repeated += got[id] - 1
			}
		}
		if missing > 0 {
			t.Errorf("%s: %d of %d are missing", table, missing, len(ids))
		}
	}
	most := kills * len(want) * pipeline.Parallel * w.workspace.Stats().LargestRows
	t.Logf("%d kills, %d rows repeated, at most %d may be", kills, repeated, most)
	if v := server.Violations(); repeated > most || len(v) > 0 {
		t.Errorf("%d rows came again, want at most %d; violations %q", repeated, most, v)
	}
}

// iiqID is the id of a row of IdentityIQ.
func iiqID(_ string, raw []byte) string {
	_, rest, _ := strings.Cut(string(raw), `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}
