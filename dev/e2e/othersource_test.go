package e2e_test

import (
	"maps"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

// newOtherWorld has a workspace, file state, and another source than a tenant of IdentityNow: env has its
// settings, and whatever else the test wants.
func newOtherWorld(t *testing.T, env map[string]string) *world {
	t.Helper()
	w := &world{t: t, tenant: &tenant.Tenant{}, stateDir: filepath.Join(t.TempDir(), "state"), workspace: &workspace.Workspace{Identify: demo.Identify}}
	w.env = map[string]string{
		"CUSTOMER_ID": workspace.DefaultID, "SHARED_KEY": keyCanary, "STATE_URL": "file://" + w.stateDir, "INITIAL_LOOKBACK": "24h",
	}
	maps.Copy(w.env, env)
	return w
}

// killBehind serves the workspace, and has one process after the other killed right after the
// acknowledgement of so many rows.
func (w *world) killBehind(each ...int64) {
	w.t.Helper()
	var current atomic.Pointer[host.Host]
	var rows, target atomic.Int64 // target 0 means none
	w.workspace.AfterAck = func(n int) {
		if at := target.Load(); rows.Add(int64(n)) >= at && at > 0 && target.CompareAndSwap(at, 0) {
			current.Load().Kill()
		}
	}
	w.serveWorkspace()
	for i, more := range each {
		h := w.start()
		current.Store(h)
		target.Store(rows.Load() + more)
		if _, err := h.Fire(w.t.Context()); err == nil {
			w.t.Fatalf("the process of round %d was not killed", i)
		}
	}
}

// holds demands that each table has all of its records by id, and no more than repeats of all twice.
func (w *world) holds(ids map[string][]string, repeats int) {
	w.t.Helper()
	twice := 0
	for table, want := range ids {
		got, missing := w.workspace.Table(table).IDs(), 0
		for _, id := range want {
			if got[id] == 0 {
				missing++
			} else {
				twice += got[id] - 1
			}
		}
		if missing > 0 {
			w.t.Errorf("%s: %d of %d are missing", table, missing, len(want))
		}
	}
	w.t.Logf("%d rows repeated, at most %d may be", twice, repeats)
	if twice > repeats {
		w.t.Errorf("%d rows came again, want at most %d", twice, repeats)
	}
}
