package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

const (
	flowID     = "d201c5e9-1fe4-4e05-9a3b-3b2e1a2b3c4d"
	flowSecret = "canary-workflow-secret-5d2e"
)

// forwards has reports forwarded to a workflow of the tenant. Call it after serve.
func (w *world) forwards() {
	w.tenant.SetWorkflow(tenant.Workflow{ID: flowID, ClientID: "flow-client", ClientSecret: flowSecret})
	w.env["WORKFLOW_URL"] = w.env["SAILPOINT_BASE_URL"] + "/beta/workflows/execute/external/" + flowID
	w.env["WORKFLOW_CLIENT_ID"], w.env["WORKFLOW_CLIENT_SECRET"] = "flow-client", flowSecret
}

// passedOn is how often each row was passed on to the workflow.
func (w *world) passedOn() map[string]int {
	w.t.Helper()
	times := map[string]int{}
	for _, e := range w.tenant.Executions() {
		var in struct {
			Rows []struct{ Name string }
			Row  struct{ Name string }
		}
		if err := json.Unmarshal(e.Input, &in); err != nil {
			w.t.Fatal(err)
		}
		for _, row := range append(in.Rows, in.Row) {
			if row.Name != "" {
				times[row.Name]++
			}
		}
	}
	return times
}

// doubts are the rows of which the state says that it is not known whether they were passed on, by
// their place in the report. waits says that there is something left to do.
func (w *world) doubts() (rows map[int]bool, waits bool) {
	w.t.Helper()
	rows = map[int]bool{}
	files, err := filepath.Glob(filepath.Join(w.stateDir, "*", "inbox", reportRows, "forward", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		var entry struct {
			Read   bool
			Parked string
			Doubts []struct{ First, Last int }
		}
		if err := json.Unmarshal(data, &entry); err != nil {
			w.t.Fatalf("%s: %v", data, err)
		}
		waits = waits || !entry.Read && entry.Parked == ""
		for _, s := range entry.Doubts {
			for n := s.First; n <= s.Last; n++ {
				rows[n] = true
			}
		}
	}
	waiting, _ := filepath.Glob(filepath.Join(w.stateDir, "*", "inbox", reportRows, "waiting", "*"))
	return rows, waits || len(waiting) > 0
}

// Processes are killed while they forward a report row by row: no row is passed on twice, and each that
// was not is named by the state as one in doubt. All rows are in the workspace.
func TestForwardingKill(t *testing.T) {
	w := reportWorld(t, 44, func(w *world) { w.serve() })
	w.forwards()
	w.env["WORKFLOW_INPUT"] = "row"
	// Answers are slow, so that most kills hit a start under way, before or after it took effect.
	w.tenant.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Slow, Path: "/beta/workflows", Delay: 150 * time.Millisecond}}}
	h, front := w.startApp(true)
	const rows = 60
	var b strings.Builder
	b.WriteString("Name,Note\n")
	for i := range rows {
		fmt.Fprintf(&b, "row %d,canary-report-content\n", i+1)
	}
	if status, text := postReport(t.Context(), front.URL+"/api/hooks/saas/apps", b.String(), nil); status != http.StatusOK {
		t.Fatalf("status %d %s", status, text)
	}
	for kills := range 8 {
		<-time.After(time.Duration(900+211*kills) * time.Millisecond)
		h.Kill()
		h, _ = w.startApp(true)
		_, _ = h.Fire(t.Context())
	}
	eventually(t, 2*time.Minute+loaded, "an end", func() bool {
		_, _ = h.Fire(t.Context())
		_, waits := w.doubts()
		return !waits
	})
	doubts, _ := w.doubts()
	passed := w.passedOn()
	missing := 0
	for i := range rows {
		switch n := passed[fmt.Sprintf("row %d", i+1)]; {
		case n > 1:
			t.Errorf("row %d was passed on %d times", i+1, n)
		case n == 0:
			if missing++; !doubts[i+1] {
				t.Errorf("row %d was not passed on, and the state does not say so", i+1)
			}
		}
	}
	if len(doubts) > 9 {
		t.Errorf("%d rows are in doubt after 8 kills", len(doubts))
	}
	t.Logf("8 kills: %d rows in doubt, of which %d were not passed on", len(doubts), missing)
	if got := rowsOf(t, w)["apps"]; len(got) != rows {
		t.Errorf("%d rows in the workspace, want %d", len(got), rows)
	}
	w.stateIsQuiet(flowSecret)
}

// A report of 30 MiB is delivered and forwarded at the same time in 64 MiB of memory.
func TestForwardingMemory(t *testing.T) {
	w := reportWorld(t, 45, func(w *world) { w.serve() })
	w.workspace.Compact = true
	w.forwards()
	w.env["RUN_BUDGET"] = "9m"
	h, front := w.startApp(true)
	var b strings.Builder
	b.WriteString(`{"rows":[`)
	rows := 0
	for ; b.Len() < 30<<20-2000; rows++ {
		if rows > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Name":"row %d","Note":%q}`, rows+1, strings.Repeat("x", 1000))
	}
	b.WriteString("]}")
	begin := time.Now()
	if status, text := postReport(t.Context(), front.URL+"/api/hooks/saas/large", b.String(), nil); status != http.StatusOK {
		t.Fatalf("status %d %s", status, text)
	}
	eventually(t, 3*time.Minute+loaded, "all rows", func() bool { return w.workspace.Table(reportRows).Count() >= rows })
	delivered := time.Since(begin)
	eventually(t, 3*time.Minute+loaded, "all starts", func() bool { return len(w.passedOn()) == rows })
	peak, err := h.PeakRSS()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows in %d MiB: delivered after %.1f s, forwarded in %d starts after %.1f s, peak memory %.1f MiB", rows, b.Len()>>20, delivered.Seconds(), len(w.tenant.Executions()), time.Since(begin).Seconds(), float64(peak)/(1<<20))
	if peak > maxMemory {
		t.Errorf("peak memory %d bytes, want at most %d", peak, maxMemory)
	}
	for name, n := range w.passedOn() {
		if n != 1 {
			t.Fatalf("%s was passed on %d times", name, n)
		}
	}
}
