package e2e_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// iiqWorld has a server with so many audit events from begin on, at that distance, and a number of each of
// the other streams, all of which are read. It returns the ids by table.
func iiqWorld(t *testing.T, begin time.Time, every time.Duration, audits, each int, env map[string]string) (*world, *identityiq.Server, map[string][]string) {
	t.Helper()
	server := &identityiq.Server{ClientID: "sentinel", ClientSecret: secretCanary}
	ids := map[string][]string{}
	add := func(table, id string) { ids[table] = append(ids[table], id) }
	for i := range audits {
		at := begin.Add(time.Duration(i) * every)
		raw := identityiq.AuditEvent(i, at)
		server.AddAudit(raw, at, time.Time{})
		add("SailPointIIQ_Audit", demo.Identify("", raw))
		if i >= each {
			continue
		}
		raw = identityiq.SyslogEvent(i, at)
		server.AddSyslog(raw, at, time.Time{})
		add("SailPointIIQ_Syslog", demo.Identify("", raw))
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
	served := httptest.NewServer(server)
	t.Cleanup(served.Close)
	w := newOtherWorld(t, env)
	w.env["IIQ_URL"], w.env["IIQ_CLIENT_ID"], w.env["IIQ_CLIENT_SECRET"] = served.URL+"/identityiq", "sentinel", secretCanary
	w.env["IIQ_STREAMS"] = "audit,syslog,tasks,violations,alerts"
	return w, server, ids
}

// drain fires the timer until lists, which may be between two sweeps, are read as well.
func (w *world) drain(tables map[string][]string) *host.Host {
	w.t.Helper()
	h := w.start()
	for range 2 {
		inv := w.fire(h)
		for table := range tables {
			if rep := report(w.t, inv, table); rep.State != pipeline.Drained {
				w.t.Fatalf("%+v", rep)
			}
		}
	}
	return h
}

// SIGKILL right after an acknowledgement while all streams of IdentityIQ are read: nothing is lost, and
// at most the batches in flight come again.
func TestIdentityIQKill(t *testing.T) {
	w, server, ids := iiqWorld(t, time.Now().Add(-5*time.Hour), 5*time.Second, 3_000, 600, map[string]string{
		"BATCH_BYTES": "60000", "HEALTH_TABLE": "false", "LOG_LEVEL": "debug",
	})
	kills := []int64{500, 831, 1162}
	w.killBehind(kills...)
	w.drain(ids)
	w.holds(ids, len(kills)*len(ids)*pipeline.Parallel*w.workspace.Stats().LargestRows)
	if v := server.Violations(); len(v) > 0 {
		t.Errorf("the server saw what must not be: %q", v)
	}
}
