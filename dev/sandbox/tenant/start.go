package tenant

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// serveTest starts a test invocation for each subscription of a trigger, disabled ones included.
// What is sent to them looks like a real event.
func (t *Tenant) serveTest(w http.ResponseWriter, r *http.Request) {
	var b struct {
		TriggerID     string         `json:"triggerId"`
		Input         jsontext.Value `json:"input"`
		ContentJSON   jsontext.Value `json:"contentJson"`
		Subscriptions []string       `json:"subscriptionIds"`
	}
	if !t.readBody(w, r, typeJSON, &b) {
		return
	}
	trigger, known := t.trigger(b.TriggerID)
	problem := ""
	switch {
	case !known:
		problem = "there is no trigger " + b.TriggerID
	case b.ContentJSON.Kind() != '{':
		problem = "contentJson, an object, is required"
	case b.Input == nil:
		b.Input = trigger.Example
	default:
		problem = trigger.accepts(b.Input)
	}
	if problem != "" {
		t.refuseQuery(w, errors.New(problem))
		return
	}
	type invoked struct {
		ID          string         `json:"id"`
		TriggerID   string         `json:"triggerId"`
		Secret      string         `json:"secret"`
		ContentJSON jsontext.Value `json:"contentJson"`
	}
	subscribers, list := 0, []invoked{}
	for _, s := range t.Subscriptions() {
		if s.TriggerID != trigger.ID || len(b.Subscriptions) > 0 && !slices.Contains(b.Subscriptions, s.ID) {
			continue
		}
		subscribers++
		if !s.lets(b.Input) {
			continue
		}
		p := t.begin(trigger, s, b.Input, "TEST")
		list = append(list, invoked{p.Invocation.ID, trigger.ID, t.uuid("answer"), b.ContentJSON})
		if !t.HoldTests {
			t.pushing.Go(func() { _ = t.Send(context.WithoutCancel(r.Context()), p) })
		}
	}
	if subscribers == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeJSON(w, http.StatusOK, list)
}

// Settle waits until the pushes of all test invocations have ended.
func (t *Tenant) Settle() { t.pushing.Wait() }

// serveComplete takes the answer of a subscriber. The secret of the invocation is all it needs.
func (t *Tenant) serveComplete(w http.ResponseWriter, r *http.Request) {
	var b struct {
		Secret string         `json:"secret"`
		Output jsontext.Value `json:"output"`
		Error  string         `json:"error"`
	}
	if !t.readBody(w, r, typeJSON, &b) {
		return
	}
	segments := strings.Split(r.URL.Path, "/")
	id := segments[len(segments)-2]
	t.data.mu.Lock()
	p, waits := t.data.waiting[id]
	t.data.mu.Unlock()
	switch {
	case !waits || p.secret == "" || t.now().After(p.deadline):
		t.refuseQuery(w, errors.New("the invocation "+id+" waits for no answer"))
	case subtle.ConstantTimeCompare([]byte(b.Secret), []byte(p.secret)) != 1:
		t.refuse(w, http.StatusForbidden, "403 Forbidden", "The secret is not that of the invocation.")
	case b.Output.Kind() != '{':
		t.refuseQuery(w, errors.New("output, an object, is required"))
	default:
		t.forget(id)
		t.finish(id, t.now(), b.Error, b.Output)
		w.WriteHeader(http.StatusNoContent)
	}
}
