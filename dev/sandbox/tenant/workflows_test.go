package tenant_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

// Workflows are started and tried as at the service: under each version, with the client of their trigger,
// with or without "input" around the input; and what can't be started is answered with 200 and a message.
func TestWorkflows(t *testing.T) {
	const id = "d201c5e9-1fe4-4e05-9a3b-3b2e1a2b3c4d"
	tn := &tenant.Tenant{}
	flow := tenant.Workflow{ID: id, ClientID: "flow-client", ClientSecret: "s3cret", MostBytes: 100}
	tn.SetWorkflow(flow)
	token := login(t, tn, "flow-client")
	reader := &tenant.Tenant{Scopes: []string{tenant.ScopeReadWorkflow}}
	reader.SetWorkflow(flow)
	for name, tc := range map[string]struct {
		path, token, body string
		status            int
		says              string
		starts            int
	}{
		"v1":              {"/workflows/v1/execute/external/" + id, token, `{"input":{"a":1}}`, 200, `"workflowExecutionId":"`, 1},
		"beta":            {"/beta/workflows/execute/external/" + id, token, `{"a":2}`, 200, `"workflowExecutionId":"`, 1},
		"v3":              {"/v3/workflows/execute/external/" + id, token, "", 200, `"workflowExecutionId":"`, 1},
		"a test":          {"/v2025/workflows/execute/external/" + id + "/test", token, `{"input":{"a":1}}`, 200, `{"payload":{"a":1}}`, 0},
		"an empty test":   {"/workflows/v1/execute/external/" + id + "/test", token, "", 200, `{"payload":{}}`, 0},
		"unknown":         {"/workflows/v1/execute/external/other", token, "{}", 200, `"message":"Workflow not found"`, 0},
		"not JSON":        {"/workflows/v1/execute/external/" + id, token, "canary", 400, "could not be parsed", 0},
		"too large":       {"/workflows/v1/execute/external/" + id, token, `{"input":"` + strings.Repeat("x", 200) + `"}`, 400, "too large", 0},
		"no token":        {"/workflows/v1/execute/external/" + id, "", "{}", 401, "JWT is required", 0},
		"another client":  {"/workflows/v1/execute/external/" + id, login(t, tn, "another"), "{}", 403, "refuses to authorize", 0},
		"may not read it": {"/workflows/v1/" + id, token, "", 405, "GET", 0},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(tn.Executions())
			got := do(t, tn, http.MethodPost, tc.path, tc.token, tc.body)
			if got.Status != tc.status || !strings.Contains(got.Body, tc.says) || len(tn.Executions())-before != tc.starts {
				t.Errorf("%d %s, %d starts", got.Status, got.Body, len(tn.Executions())-before)
			}
		})
	}
	if got := do(t, tn, http.MethodGet, "/workflows/v1/"+id, token, ""); got.Status != http.StatusForbidden {
		t.Errorf("the client of the trigger reads the workflow: %d", got.Status)
	}
	if got := do(t, reader, http.MethodGet, "/v3/workflows/"+id, login(t, reader, "admin"), ""); got.Status != http.StatusOK || !strings.Contains(got.Body, `"enabled":true`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := do(t, tn, http.MethodPost, "/oauth/token", "", form("client_credentials", "flow-client", "wrong"), "Content-Type", "application/x-www-form-urlencoded"); got.Status != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %d", got.Status)
	}
	flow.Disabled = true
	tn.SetWorkflow(flow)
	before := len(tn.Executions())
	if got := do(t, tn, http.MethodPost, "/workflows/v1/execute/external/"+id, token, "{}"); got.Status != http.StatusOK || strings.Contains(got.Body, "workflowExecutionId") || !strings.Contains(got.Body, "not enabled") || len(tn.Executions()) != before {
		t.Errorf("disabled: %d %s", got.Status, got.Body)
	}
	tn.RevokeTokens()
	if got := do(t, tn, http.MethodPost, "/workflows/v1/execute/external/"+id, token, "{}"); got.Status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", got.Status)
	}
	if n := tn.WorkflowTests(); n != 2 {
		t.Errorf("%d tests", n)
	}
}
