package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

// workflow has the tenant have a workflow, and sets the settings for it.
func (s *stage) workflow(ts *testscript.TestScript, args []string) {
	const id = "d201c5e9-1fe4-4e05-9a3b-3b2e1a2b3c4d"
	const path = "/workflows/v1/execute/external/" + id
	s.tenant.SetWorkflow(tenant.Workflow{ID: id, ClientID: "flow-client", ClientSecret: canaryFlow})
	for _, arg := range args {
		n, err := strconv.Atoi(strings.TrimPrefix(arg, "lose="))
		ts.Check(err)
		// A check tries the workflow below the same path.
		s.faults.Store(&fault.Plan{Rules: []fault.Rule{{Kind: fault.Slow, Path: path + "/test"}, {Kind: fault.ResetAfter, Path: path, Nth: []int{n + 1}}}})
	}
	for name, value := range map[string]string{
		"SAAS_WEBHOOK_SECRET": canaryHook, "WORKFLOW_URL": ts.Getenv("SAILPOINT_BASE_URL") + path, "WORKFLOW_CLIENT_ID": "flow-client", "WORKFLOW_CLIENT_SECRET": canaryFlow,
	} {
		ts.Setenv(name, value)
	}
}

// report posts a report to a hook.
func report(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	var body strings.Builder
	body.WriteString("Name,Report\n")
	for i := range n {
		fmt.Fprintf(&body, "row %d,%s\n", i+1, args[1])
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, args[0]+"/api/hooks/saas/"+args[1], strings.NewReader(body.String()))
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+canaryHook)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("status %d", resp.StatusCode)
	}
}

// kept waits until that many reports are kept and none waits, and returns the id of the first one.
func kept(ts *testscript.TestScript, want string) string {
	for end := time.After(2 * time.Minute); ; {
		// The hook's process backs off after a doubt: one of its own finishes the rest.
		_ = ts.Exec("idnsentinel", "poll")
		first, n, waits := "", 0, 0
		files, _ := filepath.Glob(filepath.Join(ts.Getenv("WORK"), "state", "acme", "inbox", "SailPointSaaS_Reports", "forward", "*"))
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			var e struct {
				ID     string
				Read   bool
				Doubts []struct{}
			}
			ts.Check(json.Unmarshal(data, &e))
			switch {
			case !e.Read:
				waits++
			case len(e.Doubts) > 0:
				if n++; first == "" {
					first = e.ID
				}
			}
		}
		if strconv.Itoa(n) == want && waits == 0 {
			return first
		}
		select {
		case <-end:
			ts.Fatalf("%d are kept and %d wait", n, waits)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
