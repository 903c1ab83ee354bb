package tenant_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

// subscriber records what it gets and answers what it is made to.
type subscriber struct {
	status int
	body   string
	header string // Retry-After
	wait   time.Duration

	mu     sync.Mutex
	got    []string // bodies
	auth   []string
	agents []string
	times  []time.Time
}

func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.got, s.auth = append(s.got, string(body)), append(s.auth, r.Header.Get("Authorization"))
	s.agents, s.times = append(s.agents, r.Header.Get("User-Agent")), append(s.times, time.Now())
	status := s.status
	s.mu.Unlock()
	select {
	case <-time.After(s.wait):
	case <-r.Context().Done():
		return
	}
	if s.header != "" {
		w.Header().Set("Retry-After", s.header)
	}
	w.WriteHeader(max(status, 200))
	_, _ = io.WriteString(w, s.body)
}

// http is a subscription to a trigger at the subscriber.
func over(trigger, mode string) tenant.Subscription {
	return tenant.Subscription{
		TriggerID: trigger, Name: "Audit", Type: "HTTP", Enabled: true,
		HTTP: &tenant.HTTPConfig{URL: "https://app.example/hook", Mode: mode, Auth: "BEARER_TOKEN", Token: "t0ken"},
	}
}

// row is an invocation in the status list.
type row struct {
	ID        string     `json:"id"`
	Type      string     `json:"type"`
	Name      string     `json:"subscriptionName"`
	Completed *time.Time `json:"completed"`
	Start     struct {
		Input jsontext.Value `json:"input"`
	} `json:"startInvocationInput"`
	Complete struct {
		Error *struct {
			Message string `json:"message"`
		} `json:"localizedError"`
		Output jsontext.Value `json:"output"`
	} `json:"completeInvocationInput"`
}

func rows(t *testing.T, h http.Handler) (list []row) {
	t.Helper()
	got := do(t, h, http.MethodGet, statusPath+"?sorters=created", login(t, h, "id"), "")
	if err := json.Unmarshal([]byte(got.Body), &list); err != nil {
		t.Fatalf("%s: %v", got.Body, err)
	}
	return list
}

// end is how an invocation ended, in words.
func (r row) end() string {
	switch {
	case r.Completed == nil:
		return "in flight"
	case r.Complete.Error != nil:
		return r.Complete.Error.Message
	case string(r.Complete.Output) == "null":
		return "done"
	}
	return string(r.Complete.Output)
}

func TestPush(t *testing.T) {
	const input = `{"identity":{"name":"x"}}`
	meta := func(id string) string {
		return fmt.Sprintf(`"_metadata":{"triggerType":"fireAndForget","triggerId":"idn:identity-created","invocationId":%q}`, id)
	}
	for name, c := range map[string]struct {
		change func(*tenant.Tenant, *tenant.Subscription)
		body   func(id string) string
		auth   string
	}{
		"bearer":         {func(*tenant.Tenant, *tenant.Subscription) {}, func(id string) string { return `{"identity":{"name":"x"},` + meta(id) + `}` }, "Bearer t0ken"},
		"metadata_first": {func(h *tenant.Tenant, _ *tenant.Subscription) { h.PushMetadata = tenant.MetadataFirst }, func(id string) string { return `{` + meta(id) + `,"identity":{"name":"x"}}` }, "Bearer t0ken"},
		"no_metadata":    {func(h *tenant.Tenant, _ *tenant.Subscription) { h.PushMetadata = tenant.NoMetadata }, func(string) string { return input }, "Bearer t0ken"},
		"basic": {
			func(_ *tenant.Tenant, s *tenant.Subscription) {
				s.HTTP.Auth, s.HTTP.UserName, s.HTTP.Password = "BASIC_AUTH", "user", "pass"
			},
			func(id string) string { return `{"identity":{"name":"x"},` + meta(id) + `}` }, "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pass")),
		},
		"no_auth": {func(_ *tenant.Tenant, s *tenant.Subscription) { s.HTTP.Auth = "" }, func(id string) string { return `{"identity":{"name":"x"},` + meta(id) + `}` }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, to := managed(), &subscriber{}
			h.Pushes = fault.Transport(to)
			s := over(created, "")
			c.change(h, &s)
			h.Subscribe(s)
			pushes := h.Publish(t.Context(), created, jsontext.Value(input))
			if len(pushes) != 1 || len(to.got) != 1 {
				t.Fatalf("%d pushes, %d received", len(pushes), len(to.got))
			}
			list := rows(t, h)
			want := []string{c.body(pushes[0].Invocation.ID), c.auth, pushes[0].Invocation.ID, "REAL_TIME", "done", to.got[0]}
			if diff := cmp.Diff(want, []string{to.got[0], to.auth[0], list[0].ID, list[0].Type, list[0].end(), string(list[0].Start.Input)}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Who gets an event: enabled subscriptions whose filter lets it through, each with an invocation
// of its own. The ids follow the seed.
func TestWhoGetsAPush(t *testing.T) {
	ids := func(seed int64) (ids []string) {
		h, to := managed(), &subscriber{}
		h.Seed, h.Pushes = seed, fault.Transport(to)
		for _, filter := range []string{"", "$.identity[?(@.name == 'x')]", "$.identity[?(@.name == 'y')]"} {
			s := over(created, "")
			s.Filter = filter
			h.Subscribe(s)
		}
		off := over(created, "")
		off.Enabled = false
		h.Subscribe(off)
		h.Subscribe(over("idn:source-created", ""))
		for _, p := range h.Publish(t.Context(), created, jsontext.Value(`{"identity":{"name":"x"}}`)) {
			ids = append(ids, p.Invocation.ID)
		}
		if len(to.got) != 2 {
			t.Errorf("%d received, want 2", len(to.got))
		}
		return ids
	}
	a, b := ids(1), ids(1)
	if len(a) != 2 || a[0] == a[1] || !cmp.Equal(a, b) || cmp.Equal(a, ids(2)) {
		t.Errorf("ids %v, again %v", a, b)
	}
}

// A fire-and-forget push is sent once, whatever comes of it.
func TestLostPush(t *testing.T) {
	for name, c := range map[string]struct {
		to   *subscriber
		hide bool
		want string
	}{
		"503":      {&subscriber{status: 503}, false, "The subscriber answered with status 503."},
		"hidden":   {&subscriber{status: 503}, true, "done"},
		"redirect": {&subscriber{status: 302}, false, "The subscriber answered with status 302."},
		"slow":     {&subscriber{wait: 11 * time.Second}, false, "The subscriber did not answer in time."},
		"in_time":  {&subscriber{wait: 9 * time.Second}, false, "done"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := managed()
				h.Now, h.Pushes, h.HideFailures = nil, fault.Transport(c.to), c.hide
				h.Subscribe(over(created, ""))
				h.Publish(t.Context(), created, jsontext.Value(`{}`))
				pass(time.Hour)
				list := rows(t, h)
				if len(c.to.got) != 1 || list[0].end() != c.want {
					t.Errorf("%d attempts, then %q, want one and %q", len(c.to.got), list[0].end(), c.want)
				}
			})
		})
	}
}

// The three modes of triggers that wait for an answer.
func TestRequestResponse(t *testing.T) {
	const output = `{"approved":true,"comment":"","approver":"x"}`
	for name, c := range map[string]struct {
		mode   string
		status int
		body   string
		call   string // the output in a callback; "" for none
		first  string // right after the push
		last   string // after the deadline
	}{
		"sync":             {"SYNC", 200, output, "", output, output},
		"sync_empty":       {"SYNC", 200, ``, "", "The subscriber's answer is not an output.", "The subscriber's answer is not an output."},
		"sync_202":         {"SYNC", 202, output, "", "The subscriber's answer is not an output.", "The subscriber's answer is not an output."},
		"async":            {"ASYNC", 200, `{}`, output, "in flight", output},
		"async_output":     {"ASYNC", 200, output, "", "in flight", "The subscriber did not answer before the deadline."},
		"async_refused":    {"ASYNC", 500, `{}`, "", "The subscriber answered with status 500.", "The subscriber answered with status 500."},
		"dynamic_at_once":  {"DYNAMIC", 200, output, "", output, output},
		"dynamic_later":    {"DYNAMIC", 202, `{}`, output, "in flight", output},
		"dynamic_no_reply": {"DYNAMIC", 202, `{}`, "", "in flight", "The subscriber did not answer before the deadline."},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, to := managed(), &subscriber{status: c.status, body: c.body}
				h.Now, h.Pushes = nil, fault.Transport(to)
				s := over(preApproval, c.mode)
				s.ResponseDeadline = "PT10M"
				h.Subscribe(s)
				h.Publish(t.Context(), preApproval, jsontext.Value(`{"accessRequestId":"a"}`))
				if end := rows(t, h)[0].end(); end != c.first {
					t.Errorf("at first %q, want %q", end, c.first)
				}
				var body struct {
					Meta struct {
						Callback string `json:"callbackURL"`
						Mode     string `json:"responseMode"`
						Secret   string `json:"secret"`
						Type     string `json:"triggerType"`
					} `json:"_metadata"`
				}
				if err := json.Unmarshal([]byte(to.got[0]), &body); err != nil || body.Meta.Type != "requestResponse" || (body.Meta.Mode == "async") != (c.mode != "SYNC") {
					t.Fatalf("%s (%v)", to.got[0], err)
				}
				if c.call != "" {
					path := strings.TrimPrefix(body.Meta.Callback, base)
					call := func(secret, output string) int {
						return do(t, h, http.MethodPost, path, "", fmt.Sprintf(`{"secret":%q,"output":%s}`, secret, output)).Status
					}
					if got := []int{call("wrong", c.call), call(body.Meta.Secret, "null"), call(body.Meta.Secret, c.call), call(body.Meta.Secret, c.call)}; !cmp.Equal(got, []int{403, 400, 204, 400}) {
						t.Errorf("callbacks: %v", got)
					}
				}
				pass(time.Hour)
				if end := rows(t, h)[0].end(); end != c.last {
					t.Errorf("at last %q, want %q", end, c.last)
				}
			})
		})
	}
}

func TestTestInvocation(t *testing.T) {
	const path = "/trigger-invocations/v1/test"
	h, to := managed(), &subscriber{}
	h.Pushes = fault.Transport(to)
	token := login(t, h, "id")
	if got := do(t, h, http.MethodPost, path, token, `{"triggerId":"idn:source-created","contentJson":{}}`); got.Status != http.StatusNoContent || got.Body != "" {
		t.Errorf("with no subscriber: %d %s, want 204", got.Status, got.Body)
	}
	off := over("idn:source-created", "")
	off.Enabled = false
	id := h.Subscribe(off)
	deaf := over("idn:source-created", "")
	deaf.Filter = "$[?(@.name == 'no such source')]"
	h.Subscribe(deaf)
	got := do(t, h, http.MethodPost, path, token, `{"triggerId":"idn:source-created","contentJson":{"a":1}}`)
	h.Settle()
	list := rows(t, h)
	var invoked []map[string]any
	if err := json.Unmarshal([]byte(got.Body), &invoked); err != nil || got.Status != http.StatusOK || len(invoked) != 1 || len(to.got) != 1 || len(list) != 1 {
		t.Fatalf("%d %s, %d received, %d listed (%v)", got.Status, got.Body, len(to.got), len(list), err)
	}
	if list[0].ID != invoked[0]["id"] || list[0].Type != "TEST" || list[0].end() != "done" || !strings.Contains(to.got[0], list[0].ID) || strings.Contains(to.got[0], "TEST") {
		t.Errorf("invoked %v, listed %+v, received %s", invoked, list[0], to.got[0])
	}
	for body, text := range map[string]string{
		`{"triggerId":"idn:none","contentJson":{}}`:                                                      "idn:none",
		`{"triggerId":"idn:source-created"}`:                                                             "contentJson",
		`{"triggerId":"idn:source-created","contentJson":{},"input":{"id":"a"}}`:                         "lacks the member",
		`{"triggerId":"idn:identity-created","contentJson":{},"input":{"identity":"a","attributes":{}}}`: "not of the type object",
	} {
		wantError(t, do(t, h, http.MethodPost, path, token, body), http.StatusBadRequest, "400.1 Bad request content", text)
	}
	if got := do(t, h, http.MethodPost, path, token, fmt.Sprintf(`{"triggerId":"idn:source-created","contentJson":{},"subscriptionIds":[%q]}`, id)); strings.Count(got.Body, `"id"`) != 1 {
		t.Errorf("one subscription: %s", got.Body)
	}
	h.Settle()
}

func TestEventBridge(t *testing.T) {
	bridge := tenant.Subscription{
		TriggerID: created, Name: "Audit", Type: "EVENTBRIDGE", Enabled: true,
		EventBridge: &tenant.EventBridgeConfig{Account: "123456789012", Region: "eu-west-1"},
	}
	for name, c := range map[string]struct {
		to       *subscriber
		recovers time.Duration // when the destination begins to answer 200
		attempts int
		failed   bool
		within   time.Duration
	}{
		"at_once":     {&subscriber{}, 0, 1, false, 0},
		"refused":     {&subscriber{status: 401}, 0, 1, true, 0},
		"unavailable": {&subscriber{status: 503}, 20 * time.Second, 6, false, 31 * time.Second},
		"retry_after": {&subscriber{status: 429, header: "100"}, time.Minute, 2, false, 100 * time.Second},
		"slow":        {&subscriber{wait: 6 * time.Second}, 0, 4, true, time.Hour},
		"never_again": {&subscriber{status: 503, header: "-1"}, 0, 1, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := managed()
				h.Now, h.Pushes = nil, fault.Transport(c.to)
				h.Bus = &tenant.Bus{URL: "https://app.example/hook", Header: "Authorization", Value: "Bearer t0ken"}
				if c.to.wait > 0 {
					h.Bus.Attempts = 3
				}
				id := h.Subscribe(bridge)
				if c.recovers > 0 {
					time.AfterFunc(c.recovers, func() {
						c.to.mu.Lock()
						defer c.to.mu.Unlock()
						c.to.status = 200
					})
				}
				begin := time.Now()
				p := h.Emit(created, jsontext.Value(`{"a":1}`))[0]
				err := h.Send(context.Background(), p)
				if (err != nil) != c.failed || len(c.to.got) != c.attempts || time.Since(begin) > c.within {
					t.Errorf("%v after %d attempts and %v", err, len(c.to.got), time.Since(begin))
				}
				var got struct {
					ID     string         `json:"id"`
					Type   string         `json:"detail-type"`
					Source string         `json:"source"`
					Time   string         `json:"time"`
					Detail jsontext.Value `json:"detail"`
				}
				if err := json.Unmarshal([]byte(c.to.got[0]), &got); err != nil || len(got.ID) != 36 || string(got.Detail) != string(p.Body) {
					t.Errorf("%s (%v)", c.to.got[0], err)
				}
				want := []string{created, "aws.partner/sailpoint.com/" + id + "/idn/identity-created", begin.UTC().Format(time.RFC3339), "Bearer t0ken", "Amazon/EventBridge/ApiDestinations"}
				if diff := cmp.Diff(want, []string{got.Type, got.Source, got.Time, c.to.auth[0], c.to.agents[0]}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				for _, again := range c.to.got {
					if again != c.to.got[0] {
						t.Error("an attempt differs from the first")
					}
				}
			})
		})
	}
}
