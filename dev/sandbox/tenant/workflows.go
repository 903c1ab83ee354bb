package tenant

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The scopes of workflows: to start one by its external trigger, and to read what it is.
const (
	ScopeExecuteWorkflow = "sp:workflow-execute:external"
	ScopeReadWorkflow    = "sp:workflow:read"
)

// Workflow is a workflow with an external trigger.
type Workflow struct {
	ID, Name string
	// ClientID and ClientSecret are those that were made for its trigger. Their tokens have
	// ScopeExecuteWorkflow and nothing else, unless Scopes says otherwise.
	ClientID, ClientSecret string
	Scopes                 []string
	// Disabled answers a start with status 200, a message, and no execution, as the service does.
	Disabled bool
	// Trigger is the kind of its trigger; "" means EXTERNAL.
	Trigger string
	// MostBytes is the largest input that is accepted, in bytes; 0 means any. The service documents no
	// limit.
	MostBytes int
}

// Execution is one start of a workflow.
type Execution struct {
	ID, WorkflowID string
	At             time.Time
	// Input is what was posted, without the member "input" around it.
	Input jsontext.Value
}

// SetWorkflow adds a workflow or replaces the one with its id.
func (t *Tenant) SetWorkflow(w Workflow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.workflows == nil {
		t.workflows = map[string]Workflow{}
	}
	t.workflows[w.ID] = w
}

// Executions returns all starts, the first one first.
func (t *Tenant) Executions() []Execution {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.executions)
}

// WorkflowTests returns how often a workflow was tried without starting it.
func (t *Tenant) WorkflowTests() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.workflowTests
}

// workflowClient returns the scopes of a client that belongs to a workflow's trigger.
func (t *Tenant) workflowClient(id, secret string) (scopes []string, known, right bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.workflows {
		if w.ClientID == id && id != "" {
			scopes = w.Scopes
			if scopes == nil {
				scopes = []string{ScopeExecuteWorkflow}
			}
			return scopes, true, w.ClientSecret == secret
		}
	}
	return nil, false, false
}

// workflowOf reads the workflow's id in a path, which ends with it or with /test.
func (t *Tenant) workflowOf(path string) (w Workflow, ok bool) {
	segments := strings.Split(strings.TrimSuffix(path, "/test"), "/")
	t.mu.Lock()
	defer t.mu.Unlock()
	w, ok = t.workflows[segments[len(segments)-1]]
	return w, ok
}

// workflowInput reads the body of a start, which may be empty, wrapped in "input", or not.
func (t *Tenant) workflowInput(w http.ResponseWriter, r *http.Request, most int) (jsontext.Value, bool) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	raw = bytes.TrimSpace(raw)
	var wrapped struct {
		Input jsontext.Value `json:"input"`
	}
	switch {
	case err != nil || len(raw) > 0 && !jsontext.Value(raw).IsValid():
		t.refuse(w, http.StatusBadRequest, badRequest, "The request could not be parsed.")
		return nil, false
	case most > 0 && len(raw) > most:
		t.refuse(w, http.StatusBadRequest, badRequest, "The input is too large.")
		return nil, false
	case len(raw) > 0 && json.Unmarshal(raw, &wrapped) == nil && wrapped.Input != nil:
		return wrapped.Input, true
	}
	return raw, true
}

// serveExecute starts a workflow. What can't be started is answered with status 200 and a message, too.
func (t *Tenant) serveExecute(w http.ResponseWriter, r *http.Request) {
	type answer struct {
		ID      string `json:"workflowExecutionId,omitzero"`
		Message string `json:"message,omitzero"`
	}
	flow, ok := t.workflowOf(r.URL.Path)
	if !ok {
		writeJSON(w, http.StatusOK, answer{Message: "Workflow not found"})
		return
	}
	input, ok := t.workflowInput(w, r, flow.MostBytes)
	if !ok {
		return
	}
	if flow.Disabled {
		writeJSON(w, http.StatusOK, answer{Message: "Workflow is not enabled"})
		return
	}
	e := Execution{ID: t.uuid("execution"), WorkflowID: flow.ID, At: t.now(), Input: input}
	t.mu.Lock()
	t.executions = append(t.executions, e)
	t.mu.Unlock()
	writeJSON(w, http.StatusOK, answer{ID: e.ID})
}

// serveExecuteTest returns the input that the workflow would get.
func (t *Tenant) serveExecuteTest(w http.ResponseWriter, r *http.Request) {
	flow, ok := t.workflowOf(r.URL.Path)
	if !ok {
		t.refuse(w, http.StatusBadRequest, badRequest, "The workflow does not exist.")
		return
	}
	input, ok := t.workflowInput(w, r, flow.MostBytes)
	if !ok {
		return
	}
	t.mu.Lock()
	t.workflowTests++
	t.mu.Unlock()
	if len(input) == 0 {
		input = jsontext.Value("{}")
	}
	writeJSON(w, http.StatusOK, struct {
		Payload jsontext.Value `json:"payload"`
	}{input})
}

// serveWorkflow describes a workflow.
func (t *Tenant) serveWorkflow(w http.ResponseWriter, r *http.Request) {
	flow, ok := t.workflowOf(r.URL.Path)
	if !ok {
		t.refuse(w, http.StatusNotFound, "404 Not found", "The server did not find a current representation for the target resource.")
		return
	}
	type trigger struct {
		Type string `json:"type"`
	}
	writeJSON(w, http.StatusOK, struct {
		ID      string  `json:"id"`
		Name    string  `json:"name"`
		Enabled bool    `json:"enabled"`
		Trigger trigger `json:"trigger"`
	}{flow.ID, cmp.Or(flow.Name, "Workflow"), !flow.Disabled, trigger{cmp.Or(flow.Trigger, "EXTERNAL")}})
}
