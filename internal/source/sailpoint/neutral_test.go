package sailpoint_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// calls is a transport that notes what is sent.
type calls struct {
	mu    sync.Mutex
	sent  []string // method, address and body
	reply func(n int) (*http.Response, error)
}

func (c *calls) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	c.sent = append(c.sent, fmt.Sprintf("%s %s %s%s", r.Method, r.URL, r.Header.Get("Authorization"), body))
	n := len(c.sent)
	c.mu.Unlock()
	if c.reply != nil {
		return c.reply(n)
	}
	return status(http.StatusNoContent, nil)
}

func status(code int, header http.Header) (*http.Response, error) {
	return &http.Response{StatusCode: code, Header: header, Body: http.NoBody}, nil
}

const (
	canarySecret  = "canary-callback-secret"
	accessRequest = `"accessRequestId":"r1","requestedFor":{"type":"IDENTITY","id":"2c1","name":"William Wilson"},"requestedItems":[{"id":"2c9","name":"Engineering Access","type":"ACCESS_PROFILE","operation":"Add"}],"requestedBy":{"type":"IDENTITY","id":"2c2","name":"Billy Bob"}`
	approverBody  = `{"id":"","name":"","type":""}`
	approvalBody  = `{"approved":true,"comment":"Recorded only: no decision was made here.","approver":"Billy Bob"}`
	either        = `{"approved":true,"comment":"Recorded only: no decision was made here.","approver":"Billy Bob","id":"","name":"","type":""}`
	completion    = tenantAPI + "/trigger-invocations/v1/" + invocationID + "/complete"
)

// Each of the two triggers gets its neutral output in every mode, at once and, where the body
// names an address of the tenant, there too.
func TestNeutralAnswers(t *testing.T) {
	for trigger, want := range map[string]string{
		"idn:access-request-dynamic-approver": approverBody,
		"idn:access-request-pre-approval":     approvalBody,
	} {
		meta := func(more string) string {
			return fmt.Sprintf(`{%s,"_metadata":{"triggerType":"requestResponse","triggerId":%q%s}}`, accessRequest, trigger, more)
		}
		async := fmt.Sprintf(`,"callbackURL":%q,"secret":%q,"responseMode":"async"`, completion, canarySecret)
		for mode, tc := range map[string]struct {
			rest, body string
			posts      bool
		}{
			"SYNC, no metadata, trigger in the address": {trigger, `{` + accessRequest + `}`, false},
			"SYNC":                    {"", meta(""), false},
			"ASYNC":                   {"", meta(async), true},
			"ASYNC, legacy address":   {"", strings.Replace(meta(async), "/trigger-invocations/v1/", "/v2025/trigger-invocations/", 1), true},
			"ASYNC, no trigger type":  {trigger, strings.Replace(meta(async), `"triggerType":"requestResponse",`, "", 1), true},
			"DYNAMIC":                 {"", strings.Replace(meta(async), `"async"`, `"dynamic"`, 1), true},
			"EventBridge":             {"", `{"version":"0","id":"e","detail-type":"` + trigger + `","source":"aws.partner/sailpoint.com/s/idn/t","time":"2026-11-29T02:50:56Z","detail":` + meta(async) + `}`, true},
			"typed in another case":   {strings.ToUpper(strings.TrimPrefix(trigger, "idn:")), `{` + accessRequest + `}`, false},
			"type in another case":    {"", strings.Replace(meta(""), "requestResponse", "REQUEST_RESPONSE", 1), false},
			"several recipients":      {"", strings.Replace(meta(""), `"requestedFor":{"type":"IDENTITY","id":"2c1","name":"William Wilson"}`, `"requestedFor":[{"name":"William Wilson"}]`, 1), false},
			"an address of elsewhere": {"", strings.Replace(meta(async), "https://acme.", "https://evil.", 1), false},
		} {
			t.Run(trigger+"/"+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := &calls{}
					h := hook(func(cfg *sailpoint.HookConfig) { cfg.HTTP = &http.Client{Transport: c} })
					push := receive(t, h, tc.rest, tc.body)
					if got := string(push.Answer.Body); !push.Waiting || push.Answer.Status != http.StatusOK || got != want {
						t.Errorf("answer %d %s, waiting %v; want %s", push.Answer.Status, got, push.Waiting, want)
					}
					if len(push.Records) != 1 || strings.Contains(string(push.Records[0].Raw), canarySecret) {
						t.Errorf("records %+v", push.Records)
					}
					if (push.After != nil) != tc.posts {
						t.Fatalf("it posts an answer: %v", push.After != nil)
					}
					if !tc.posts {
						return
					}
					if err := push.After(t.Context()); err != nil {
						t.Fatal(err)
					}
					to := completion
					if strings.Contains(mode, "legacy") {
						to = tenantAPI + "/v2025/trigger-invocations/" + invocationID + "/complete"
					}
					if diff := cmp.Diff([]string{"POST " + to + ` {"secret":"` + canarySecret + `","output":` + want + `}`}, c.sent); diff != "" {
						t.Errorf("posted (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// What waits for an answer that is not known gets the least harmful one, and a person is told.
func TestUnknownTriggersThatWait(t *testing.T) {
	for name, tc := range map[string]struct{ rest, body, want string }{
		"another trigger":                           {"", `{"a":1,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:new"}}`, `{}`},
		"no trigger":                                {"", `{"a":1,"_metadata":{"triggerType":"requestResponse"}}`, `{}`},
		"a request without trigger":                 {"", `{` + accessRequest + `}`, either},
		"a request at another trigger's address":    {"idn:identity-created", `{` + accessRequest + `}`, either},
		"the same, with the type of the trigger":    {"idn:identity-created", `{` + accessRequest + `,"_metadata":{"triggerType":"requestResponse"}}`, either},
		"a request that names another, new trigger": {"", `{` + accessRequest + `,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:new"}}`, `{}`},
	} {
		push := receive(t, hook(nil), tc.rest, tc.body)
		if got := string(push.Answer.Body); !push.Waiting || got != tc.want || push.Problem == "" || push.Answer.Status != http.StatusOK {
			t.Errorf("%s: answer %s, problem %q", name, got, push.Problem)
		}
	}
}

// What does not wait gets an empty object, however much it looks like a request.
func TestFireAndForgetGetsAnEmptyObject(t *testing.T) {
	for _, tc := range []struct{ rest, body string }{
		{"", `{` + accessRequest + `,"_metadata":{"triggerType":"fireAndForget","triggerId":"idn:access-request-post-approval"}}`},
		{"access-request-post-approval", `{` + accessRequest + `}`},
		{"", `{"accessRequestId":"r1","requestedFor":{},"requestedBy":{},"requestedItemsStatus":[]}`},
		{"", `{"a":1}`},
	} {
		push := receive(t, hook(nil), tc.rest, tc.body)
		if push.Waiting || string(push.Answer.Body) != "{}" || push.After != nil || push.Problem != "" {
			t.Errorf("%s: %+v", tc.body, push)
		}
	}
}

// Refused, a trigger gets 403 and no answer anywhere; its record is kept.
func TestRefuse(t *testing.T) {
	h := hook(func(cfg *sailpoint.HookConfig) { cfg.Refuse = true })
	body := fmt.Sprintf(`{%s,"_metadata":{"triggerId":"idn:access-request-pre-approval","callbackURL":%q,"secret":"s"}}`, accessRequest, completion)
	if push := receive(t, h, "", body); push.Answer.Status != http.StatusForbidden || push.After != nil || len(push.Records) != 1 || !push.Waiting {
		t.Errorf("%+v", push)
	}
	if push := receive(t, h, "t", `{"a":1}`); push.Answer.Status != http.StatusOK {
		t.Errorf("a trigger that does not wait: %+v", push.Answer)
	}
}

// hostile are addresses that a body may name, none of which is this tenant's.
func hostile() []string {
	path := "/trigger-invocations/v1/" + invocationID + "/complete"
	return []string{
		"http://169.254.169.254/metadata/identity/oauth2/token", "http://169.254.169.254" + path, "https://169.254.169.254" + path,
		"http://acme.api.identitynow.com" + path, "https://globex.api.identitynow.com" + path, "https://acme.api.identitynow.com.evil.example" + path,
		"https://acme.api.identitynow.com@evil.example" + path, "https://user:pass@acme.api.identitynow.com" + path, "https://acme.api.identitynow.com:8443" + path,
		"https://evil.example/https://acme.api.identitynow.com" + path, "//acme.api.identitynow.com" + path, path, "file:///etc/passwd", "gopher://acme.api.identitynow.com" + path,
		tenantAPI + "/../../trigger-invocations/v1/" + invocationID + "/complete", tenantAPI + "/trigger-invocations/v1/../../x/" + invocationID + "/complete",
		completion + "?x=1", completion + "?", completion + "#x", completion + "/..", completion + "/", tenantAPI + "/v3/access-requests", tenantAPI + "/trigger-invocations/v1/x/complete",
		tenantAPI + "/trigger-invocations/v1/" + invocationID + "%2fcomplete", tenantAPI + "/%2e%2e/trigger-invocations/v1/" + invocationID + "/complete",
		"https:acme.api.identitynow.com" + path, "https://acme.api.identitynow.com\\@evil.example" + path, "https://acme.api.identitynow.com\t" + path, "https://ACME.api.identitynow.com%00.evil.example" + path,
		"https://[::1]" + path, "https://127.0.0.1" + path, " " + completion, "",
	}
}

func TestHostileCallbacks(t *testing.T) {
	for _, address := range hostile() {
		c := &calls{}
		h := hook(func(cfg *sailpoint.HookConfig) { cfg.HTTP = &http.Client{Transport: c} })
		body := fmt.Sprintf(`{%s,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:access-request-pre-approval","callbackURL":%q,"secret":"s"}}`, accessRequest, address)
		push := receive(t, h, "", body)
		if string(push.Answer.Body) != approvalBody {
			t.Errorf("%q: answer %s", address, push.Answer.Body)
		}
		if push.After == nil {
			if address != "" && push.Problem == "" {
				t.Errorf("%q: no one hears of it", address)
			}
			continue
		}
		if err := push.After(t.Context()); err != nil {
			t.Error(err)
		}
		t.Errorf("%q: sent %q", address, c.sent)
	}
}

// A callback follows no redirect, ends in time, and its error shows no secret. Only the tenant's own word counts:
// an answer of something in between must not end the attempts.
func TestCallbackIsBounded(t *testing.T) {
	page := http.Header{"Content-Type": {"text/html"}}
	for name, tc := range map[string]struct {
		reply func(n int) (*http.Response, error)
		fails bool
		most  int
	}{
		"redirect": {func(n int) (*http.Response, error) {
			if n > 1 { // who follows is at its goal
				return status(http.StatusNoContent, nil)
			}
			return status(http.StatusTemporaryRedirect, http.Header{"Location": {"https://evil.example/"}})
		}, true, 1},
		"complete already":    {func(int) (*http.Response, error) { return status(http.StatusBadRequest, nil) }, false, 1},
		"a portal's page":     {func(int) (*http.Response, error) { return status(http.StatusOK, page) }, true, 20},
		"a firewall's page":   {func(int) (*http.Response, error) { return status(http.StatusForbidden, page) }, true, 1},
		"a proxy's refusal":   {func(int) (*http.Response, error) { return status(http.StatusProxyAuthRequired, nil) }, true, 1},
		"a cache's success":   {func(int) (*http.Response, error) { return status(http.StatusOK, nil) }, true, 20},
		"an odd success":      {func(n int) (*http.Response, error) { return status([]int{200, 400}[min(n, 2)-1], nil) }, false, 2},
		"passing":             {func(n int) (*http.Response, error) { return status([]int{503, 429, 204}[min(n, 3)-1], nil) }, false, 3},
		"failing":             {func(int) (*http.Response, error) { return nil, errors.New("reset: " + canarySecret) }, true, 20},
		"asks to wait an age": {func(int) (*http.Response, error) { return status(503, http.Header{"Retry-After": {"99999"}}) }, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &calls{reply: tc.reply}
				h := hook(func(cfg *sailpoint.HookConfig) { cfg.HTTP = &http.Client{Transport: c} })
				body := fmt.Sprintf(`{%s,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:x","callbackURL":%q,"secret":%q}}`, accessRequest, completion, canarySecret)
				begin := time.Now()
				err := receive(t, h, "", body).After(t.Context())
				if (err != nil) != tc.fails || len(c.sent) > tc.most || time.Since(begin) > 70*time.Second {
					t.Errorf("got %v after %v and %d attempts", err, time.Since(begin), len(c.sent))
				}
				if err != nil && strings.Contains(err.Error(), "canary") {
					t.Errorf("shows a secret: %v", err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // a service that accepts and never answers
		h := hook(func(cfg *sailpoint.HookConfig) { cfg.HTTP = &http.Client{Transport: hanging{}} })
		begin := time.Now()
		err := receive(t, h, "", fmt.Sprintf(`{"a":1,"_metadata":{"callbackURL":%q,"secret":"s"}}`, completion)).After(t.Context())
		if err == nil || time.Since(begin) > 70*time.Second {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
	})
}

// Of several events in a body each gets its answer posted, also after one whose was refused.
func TestCallbacksOfAnArray(t *testing.T) {
	c := &calls{reply: func(n int) (*http.Response, error) { return status([]int{302, 204, 204}[n-1], nil) }}
	h := hook(func(cfg *sailpoint.HookConfig) { cfg.HTTP = &http.Client{Transport: c} })
	event := func(trigger string) string {
		return fmt.Sprintf(`{%s,"_metadata":{"triggerType":"requestResponse","triggerId":%q,"callbackURL":%q,"secret":%q}}`, accessRequest, trigger, completion, canarySecret)
	}
	err := receive(t, h, "", "["+event("idn:x")+","+event("idn:access-request-pre-approval")+`,{"a":1},`+event("idn:access-request-dynamic-approver")+"]").After(t.Context())
	if err == nil || !strings.Contains(err.Error(), "status 302") {
		t.Errorf("got %v", err)
	}
	var want []string
	for _, output := range []string{"{}", approvalBody, approverBody} {
		want = append(want, "POST "+completion+` {"secret":"`+canarySecret+`","output":`+output+`}`)
	}
	if diff := cmp.Diff(want, c.sent); diff != "" {
		t.Errorf("posted (-want +got):\n%s", diff)
	}
}

// What is owed can be stored: it shows no secret, is posted as it was owed by whoever has the token, before
// and after it is replaced, and by no one else.
func TestOwedAnswers(t *testing.T) {
	push := receive(t, hook(nil), "", fmt.Sprintf(`{%s,"_metadata":{"triggerType":"requestResponse","triggerId":"idn:access-request-pre-approval","callbackURL":%q,"secret":%q}}`, accessRequest, completion, canarySecret))
	for _, secretly := range []string{canarySecret, "Billy", pushToken, completion} {
		if strings.Contains(string(push.Owed), secretly) {
			t.Errorf("it shows %q", secretly)
		}
	}
	damaged := append([]byte{}, push.Owed...)
	damaged[len(damaged)-1]++
	for name, tc := range map[string]struct {
		owed   []byte
		change func(*sailpoint.HookConfig)
		posted bool
	}{
		"the same token":       {push.Owed, func(*sailpoint.HookConfig) {}, true},
		"it is the former one": {push.Owed, func(c *sailpoint.HookConfig) { c.Token, c.Previous = secret.New("x-new-token-x-new-token"), c.Token }, true},
		"another token":        {push.Owed, func(c *sailpoint.HookConfig) { c.Token, c.Previous = secret.New("x-new-token-x-new-token"), nil }, false},
		"no token":             {push.Owed, func(c *sailpoint.HookConfig) { *c = sailpoint.HookConfig{BaseURL: c.BaseURL, HTTP: c.HTTP} }, false},
		"damaged":              {damaged, func(*sailpoint.HookConfig) {}, false},
		"short":                {push.Owed[:5], func(*sailpoint.HookConfig) {}, false},
		"nothing":              {nil, func(*sailpoint.HookConfig) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := &calls{}
			err := hook(func(cfg *sailpoint.HookConfig) {
				cfg.HTTP = &http.Client{Transport: c}
				tc.change(cfg)
			}).Settle(t.Context(), tc.owed)
			var want []string
			if tc.posted {
				want = []string{"POST " + completion + ` {"secret":"` + canarySecret + `","output":` + approvalBody + `}`}
			}
			if diff := cmp.Diff(want, c.sent); diff != "" || errors.Is(err, sailpoint.ErrSealed) == tc.posted {
				t.Errorf("%v; posted (-want +got):\n%s", err, diff)
			}
		})
	}
	basic := hook(func(c *sailpoint.HookConfig) { c.Token, c.Previous = nil, nil })
	owed := receive(t, basic, "", fmt.Sprintf(`{"_metadata":{"callbackURL":%q,"secret":"s"}}`, completion)).Owed
	if err := hook(func(c *sailpoint.HookConfig) {
		c.Token, c.Previous, c.HTTP = nil, nil, &http.Client{Transport: &calls{}}
	}).Settle(t.Context(), owed); err != nil {
		t.Errorf("with a password: %v", err)
	}
}

type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// No body makes the process call anything but the completion of an invocation at the tenant.
func FuzzHookCallsOnlyTheTenant(f *testing.F) {
	allowed := regexp.MustCompile(`^POST https://acme\.api\.identitynow\.com/((beta|v\d{4})/)?trigger-invocations/(v1/)?[0-9a-fA-F-]{32,36}/complete `)
	for _, address := range append(hostile(), completion, tenantAPI+"/beta/trigger-invocations/"+invocationID+"/complete") {
		f.Add("", []byte(fmt.Sprintf(`{"_metadata":{"callbackURL":%q,"secret":"s","triggerType":"requestResponse"}}`, address)))
		f.Add("t", []byte(fmt.Sprintf(`{"detail":{"_metadata":{"secret":"s","callbackURL":%q}},"source":"aws.partner/sailpoint.com/x/y"}`, address)))
	}
	f.Add("x", []byte(`[{"a":1,"_metadata":null},{"_metadata":{"callbackURL":7}}]`))
	f.Fuzz(func(t *testing.T, rest string, body []byte) {
		c := &calls{}
		h := sailpoint.NewHook(sailpoint.HookConfig{Token: secret.New(pushToken), BaseURL: hookBase(), HTTP: &http.Client{Transport: c}})
		push, err := h.Receive(rest, body, arrival)
		if err == nil && push.After != nil {
			_ = push.After(t.Context())
			if err := h.Settle(t.Context(), push.Owed); errors.Is(err, sailpoint.ErrSealed) { // the same, from the state
				t.Fatal(err)
			}
			_ = h.Settle(t.Context(), body)
		}
		for _, sent := range c.sent {
			if !allowed.MatchString(sent) {
				t.Fatalf("sent %q", sent)
			}
		}
		for _, rec := range push.Records {
			if rec.ID == "" || rec.Raw.Kind() != '{' {
				t.Fatalf("record %+v", rec)
			}
		}
	})
}

// The approver of a pre-approval is the user in the settings, else the first person in the request whose
// name may be a user name, else the requester, and then a person is asked to set one.
func TestApprover(t *testing.T) {
	with := func(by, recipient string) string {
		return strings.NewReplacer("Billy Bob", by, "William Wilson", recipient).Replace(accessRequest)
	}
	for name, tc := range map[string]struct {
		set, request, want string
		asked              bool
	}{
		"set":                            {"svc.sentinel", with("Billy Bob", "William Wilson"), "svc.sentinel", false},
		"the requester's user name":      {"", with("billy.bob", "William Wilson"), "billy.bob", false},
		"only the recipient's user name": {"", with("Billy Bob", "william.wilson"), "william.wilson", false},
		"only names of people":           {"", with("Billy Bob", "William Wilson"), "Billy Bob", true},
		"no name":                        {"", with("", ""), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := hook(func(cfg *sailpoint.HookConfig) { cfg.Approver = tc.set })
			push := receive(t, h, "idn:access-request-pre-approval", "{"+tc.request+"}")
			if want := `{"approved":true,"comment":"Recorded only: no decision was made here.","approver":"` + tc.want + `"}`; string(push.Answer.Body) != want {
				t.Errorf("%s, want %s", push.Answer.Body, want)
			}
			if asked := strings.Contains(push.Problem, "REQUEST_RESPONSE_APPROVER"); asked != tc.asked || strings.Contains(push.Problem, "Billy") {
				t.Errorf("problem: %s", push.Problem)
			}
			if push = receive(t, h, "idn:access-request-dynamic-approver", "{"+tc.request+"}"); string(push.Answer.Body) != approverBody || push.Problem != "" {
				t.Errorf("the other trigger: %s, %s", push.Answer.Body, push.Problem)
			}
		})
	}
}
