package tenant_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

const (
	subscriptionsPath = "/trigger-subscriptions/v1"
	created           = "idn:identity-created"
	preApproval       = "idn:access-request-pre-approval"
)

// managed is a tenant whose tokens may manage subscriptions.
func managed() *tenant.Tenant {
	return &tenant.Tenant{Now: fixed(noon()), Scopes: []string{
		tenant.ScopeStatus, tenant.ScopeTest, tenant.ScopeSubscriptions, tenant.ScopeManageSubscriptions,
	}}
}

// post is the body of a subscription over HTTP with a bearer token.
func post(trigger, name, extra string) string {
	return fmt.Sprintf(`{"triggerId":%q,"name":%q,"type":"HTTP","httpConfig":{"url":"https://app.example/hook","httpDispatchMode":"SYNC","httpAuthenticationType":"BEARER_TOKEN","bearerTokenAuthConfig":{"bearerToken":"t0ken"}}%s}`, trigger, name, extra)
}

// idOf is the id in an answer.
func idOf(t *testing.T, a answer) string {
	t.Helper()
	var s struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(a.Body), &s); err != nil || s.ID == "" {
		t.Fatalf("no id: %d %s (%v)", a.Status, a.Body, err)
	}
	return s.ID
}

func TestTriggers(t *testing.T) {
	h := managed()
	token := login(t, h, "id")
	var list []struct {
		ID            string  `json:"id"`
		Type          string  `json:"type"`
		InputSchema   string  `json:"inputSchema"`
		ExampleInput  any     `json:"exampleInput"`
		OutputSchema  *string `json:"outputSchema"`
		ExampleOutput any     `json:"exampleOutput"`
	}
	got := do(t, h, http.MethodGet, "/triggers/v1?count=true", token, "")
	if err := json.Unmarshal([]byte(got.Body), &list); err != nil || got.Header.Get("X-Total-Count") != "20" {
		t.Fatalf("%d %s (%v)", got.Status, got.Body, err)
	}
	var answering []string
	for _, one := range list {
		var schema struct {
			Required []string `json:"required"`
		}
		if err := json.Unmarshal([]byte(one.InputSchema), &schema); err != nil || len(schema.Required) == 0 || one.ExampleInput == nil {
			t.Errorf("%s: input schema %s, example %v (%v)", one.ID, one.InputSchema, one.ExampleInput, err)
		}
		if one.Type == "REQUEST_RESPONSE" {
			answering = append(answering, one.ID)
		}
		if (one.Type == "REQUEST_RESPONSE") != (one.OutputSchema != nil && one.ExampleOutput != nil) {
			t.Errorf("%s: %s with output schema %v and example %v", one.ID, one.Type, one.OutputSchema, one.ExampleOutput)
		}
	}
	if diff := cmp.Diff([]string{"idn:access-request-dynamic-approver", preApproval}, answering); diff != "" {
		t.Errorf("REQUEST_RESPONSE (-want +got):\n%s", diff)
	}
	for params, want := range map[string][]string{
		`id eq "idn:source-created"`:                         {"idn:source-created"},
		`id ge "idn:source-c" and id le "idn:source-e"`:      {"idn:source-created", "idn:source-deleted"},
		`id eq "idn:none"`:                                   {},
		`id ge "idn:source-c" and id le "idn:source-z"&sort`: {"idn:source-updated", "idn:source-deleted", "idn:source-created"},
	} {
		filter, down := strings.CutSuffix(params, "&sort")
		query := url.Values{"filters": {filter}}
		if down {
			query.Set("sorters", "-name")
		}
		if diff := cmp.Diff(want, ids(t, do(t, h, http.MethodGet, "/beta/triggers?"+query.Encode(), token, ""))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", params, diff)
		}
	}
	for _, params := range []string{"limit=251", "sorters=type", "filters=" + url.QueryEscape(`id co "x"`), "filters=" + url.QueryEscape(`name eq "x"`)} {
		if got := do(t, h, http.MethodGet, "/triggers/v1?"+params, token, ""); got.Status != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", params, got.Status)
		}
	}
}

func TestTriggerScopes(t *testing.T) {
	const validate = `{"input":{},"filter":"$.a"}`
	for name, c := range map[string]struct {
		method, path, body string
		scopes             []string // each is enough
	}{
		"triggers": {"GET", "/triggers/v1", "", []string{tenant.ScopeSubscriptions}},
		"list":     {"GET", subscriptionsPath, "", []string{tenant.ScopeSubscriptions, tenant.ScopeManageSubscriptions}},
		"create":   {"POST", subscriptionsPath, post(created, "a", ""), []string{tenant.ScopeManageSubscriptions}},
		"validate": {"POST", subscriptionsPath + "/validate-filter", validate, []string{tenant.ScopeManageSubscriptions}},
		"delete":   {"DELETE", subscriptionsPath + "/x", "", []string{tenant.ScopeManageSubscriptions}},
		"test":     {"POST", "/trigger-invocations/v1/test", `{"triggerId":"idn:identity-created","contentJson":{}}`, []string{tenant.ScopeTest}},
		"status":   {"GET", statusPath, "", []string{tenant.ScopeStatus, tenant.ScopeTest}},
	} {
		for _, scope := range []string{tenant.ScopeSearch, tenant.ScopeStatus, tenant.ScopeTest, tenant.ScopeSubscriptions, tenant.ScopeManageSubscriptions, "sp:scopes:all"} {
			h := &tenant.Tenant{Scopes: []string{scope}}
			got := do(t, h, c.method, c.path, login(t, h, "id"), c.body)
			enough := scope == "sp:scopes:all" || strings.Contains(strings.Join(c.scopes, " ")+" ", scope+" ")
			if (got.Status != http.StatusForbidden) != enough {
				t.Errorf("%s with %s: %d, want it allowed: %v", name, scope, got.Status, enough)
			}
		}
	}
	if got := do(t, managed(), http.MethodGet, "/v3/triggers", login(t, managed(), "id"), ""); got.Status != http.StatusNotFound {
		t.Errorf("v3: %d, want 404: it has no triggers", got.Status)
	}
}

func TestSubscriptions(t *testing.T) {
	h := managed()
	token := login(t, h, "id")
	made := do(t, h, http.MethodPost, subscriptionsPath, token, post(created, "Audit", `,"filter":"$[?(@.identity.name == 'x')]","description":"d"`))
	id := idOf(t, made)
	want := fmt.Sprintf(`{"id":%q,"triggerId":"idn:identity-created","triggerName":"Identity Created","name":"Audit","description":"d","type":"HTTP","responseDeadline":"PT1H",`+
		`"httpConfig":{"url":"https://app.example/hook","httpDispatchMode":"SYNC","httpAuthenticationType":"BEARER_TOKEN","bearerTokenAuthConfig":{"bearerToken":null}},"enabled":true,"filter":"$[?(@.identity.name == 'x')]"}`, id)
	if made.Status != http.StatusCreated || made.Body != want {
		t.Errorf("created: %d %s\nwant %s", made.Status, made.Body, want)
	}
	if got := do(t, h, http.MethodGet, subscriptionsPath+"?filters="+url.QueryEscape(`triggerId eq "idn:identity-created"`), token, ""); got.Body != "["+want+"]" {
		t.Errorf("listed: %s", got.Body)
	}
	// A patch of a member leaves the secret alone.
	if got := do(t, h, http.MethodPatch, subscriptionsPath+"/"+id, token, `[{"op":"replace","path":"/name","value":"B"},{"op":"remove","path":"/filter"}]`, "Content-Type", "application/json-patch+json"); got.Status != http.StatusOK || strings.Contains(got.Body, "filter") {
		t.Errorf("patched: %d %s", got.Status, got.Body)
	}
	if s := h.Subscriptions()[0]; s.HTTP.Token != "t0ken" || s.Name != "B" {
		t.Errorf("after the patch: %+v", s)
	}
	// What was read and is written back whole has lost its secret.
	if got := do(t, h, http.MethodPut, subscriptionsPath+"/"+id, token, want); got.Status != http.StatusOK || h.Subscriptions()[0].HTTP.Token != "" {
		t.Errorf("put: %d %s, token %q", got.Status, got.Body, h.Subscriptions()[0].HTTP.Token)
	}
	if got := do(t, h, http.MethodDelete, subscriptionsPath+"/"+id, token, ""); got.Status != http.StatusNoContent || got.Body != "" {
		t.Errorf("deleted: %d %s", got.Status, got.Body)
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		wantError(t, do(t, h, method, subscriptionsPath+"/"+id, token, want), http.StatusNotFound, "404 Not found", id)
	}
}

func TestSubscriptionIsRefused(t *testing.T) {
	with := func(text, by string) string { return strings.Replace(post(created, "a", ""), text, by, 1) }
	for name, c := range map[string]struct{ body, text string }{
		"no_name":         {with(`"name":"a",`, ""), "required"},
		"no_such_trigger": {post("idn:none", "a", ""), "idn:none"},
		"no_such_type":    {with(`"HTTP"`, `"MAIL"`), "MAIL"},
		"no_config":       {`{"triggerId":"idn:identity-created","name":"a","type":"HTTP"}`, "httpConfig"},
		"no_address":      {with("https://app.example/hook", "hook"), "address"},
		"no_such_mode":    {with("SYNC", "LATER"), "LATER"},
		"no_mode":         {strings.Replace(post(preApproval, "a", ""), `"httpDispatchMode":"SYNC",`, "", 1), "httpDispatchMode"},
		"no_such_auth":    {with("BEARER_TOKEN", "KEY"), "KEY"},
		"filter":          {post(created, "a", `,"filter":"identity.name"`), "filter"},
		"deadline":        {post(created, "a", `,"responseDeadline":"1h"`), "ISO 8601"},
		"aws_account":     {`{"triggerId":"idn:identity-created","name":"a","type":"EVENTBRIDGE","eventBridgeConfig":{"awsAccount":"123","awsRegion":"eu-west-1"}}`, "12 digits"},
	} {
		t.Run(name, func(t *testing.T) {
			h := managed()
			wantError(t, do(t, h, http.MethodPost, subscriptionsPath, login(t, h, "id"), c.body), http.StatusBadRequest, "400.1 Bad request content", c.text)
		})
	}
	h := managed()
	if got := do(t, h, http.MethodPost, subscriptionsPath, login(t, h, "id"), with(`"httpDispatchMode":"SYNC",`, "")); got.Status != http.StatusCreated {
		t.Errorf("without a mode: %d %s: SailPoint's own clients omit it", got.Status, got.Body)
	}
}

func TestPatchIsRefused(t *testing.T) {
	const patch = "application/json-patch+json"
	for name, c := range map[string]struct {
		kind, body string
		status     int
	}{
		"content_type": {"application/json", `[]`, 400},
		"no_list":      {patch, `{}`, 400},
		"trigger":      {patch, `[{"op":"replace","path":"/triggerId","value":"idn:source-created"}]`, 400},
		"inner_path":   {patch, `[{"op":"replace","path":"/httpConfig/url","value":"https://b.example"}]`, 400},
		"operation":    {patch, `[{"op":"set","path":"/name","value":"b"}]`, 400},
		"wrong_type":   {patch, `[{"op":"replace","path":"/name","value":{}}]`, 400},
		"no_config":    {patch, `[{"op":"remove","path":"/httpConfig"}]`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			h := managed()
			token := login(t, h, "id")
			id := idOf(t, do(t, h, http.MethodPost, subscriptionsPath, token, post(created, "a", "")))
			before := h.Subscriptions()
			if got := do(t, h, http.MethodPatch, subscriptionsPath+"/"+id, token, c.body, "Content-Type", c.kind); got.Status != c.status {
				t.Errorf("%d %s, want %d", got.Status, got.Body, c.status)
			}
			if diff := cmp.Diff(before, h.Subscriptions()); diff != "" {
				t.Errorf("changed nevertheless:\n%s", diff)
			}
		})
	}
}

// A trigger that waits for an answer has one slot, the others have 50.
func TestSubscriptionLimit(t *testing.T) {
	for trigger, slots := range map[string]int{created: 50, preApproval: 1} {
		h := managed()
		token := login(t, h, "id")
		for i := range slots {
			if got := do(t, h, http.MethodPost, subscriptionsPath, token, post(trigger, strconv.Itoa(i), "")); got.Status != http.StatusCreated {
				t.Fatalf("%s, subscription %d: %d %s", trigger, i, got.Status, got.Body)
			}
		}
		wantError(t, do(t, h, http.MethodPost, subscriptionsPath, token, post(trigger, "more", "")), http.StatusBadRequest, "400.1 Bad request content", "limit")
	}
}

func TestValidateFilter(t *testing.T) {
	const input = `{"source":"HR","changes":[{"attribute":"department","oldValue":"Sales","n":3},{"attribute":"manager","oldValue":null}],"identity":{"name":"Last, First","tags":["a","b"]}}`
	for filter, want := range map[string]string{
		`$`:                      "valid",
		`$.source`:               "valid",
		`$['source']`:            "valid",
		`$["identity"].name`:     "valid",
		`$.none`:                 "nowhere",
		`$..attribute`:           "valid",
		`$.changes[*].attribute`: "valid",
		`$.changes[1]`:           "valid",
		`$.changes[-1].oldValue`: "valid",
		`$.changes[2]`:           "nowhere",
		`$[?($.source == 'HR')]`: "valid",
		`$[?($.source == "IT")]`: "nowhere",
		`$[?(@.source != 'IT')]`: "valid",
		`$.changes[?(@.attribute == "department")]`:                    "valid",
		`$.changes[?(@.attribute == "location")]`:                      "nowhere",
		`$.changes[?(@.attribute == "manager" && @.oldValue == null)]`: "valid",
		`$.changes[?(@.attribute == "x" || !(@.n < 3))]`:               "valid",
		`$.changes[?(@.n >= 3 && @.n <= 3.5 && @.n > -1)]`:             "valid",
		`$.changes[?(@.n > 3)]`:                                        "nowhere",
		`$.changes[?(@.n)]`:                                            "valid",
		`$.changes[?(@.attribute in ['manager', 'x'])]`:                "valid",
		`$.changes[?(@.attribute nin ["manager", "department"])]`:      "nowhere",
		`$.identity[?(@.name =~ /last.*/i)]`:                           "valid",
		`$.identity[?(@.name =~ /First/)]`:                             "nowhere",
		`$[?($.identity.tags contains 'b')]`:                           "valid",
		`$[?($.identity.tags size 2)]`:                                 "valid",
		`$[?($.identity.tags size 3)]`:                                 "nowhere",
		``:                                                             "no path",
		`source`:                                                       "no path",
		`$.`:                                                           "no path",
		`$.changes[`:                                                   "no path",
		`$.changes[?(@.n = 3)]`:                                        "no path",
		`$.changes[?(@.n == 3]`:                                        "no path",
		`$.changes[?(@.n =~ /(/)]`:                                     "no path",
		`$.changes[?(@.n == 'x)]`:                                      "no path",
		`$.source more`:                                                "no path",
	} {
		t.Run(filter, func(t *testing.T) {
			h := managed()
			got := do(t, h, http.MethodPost, subscriptionsPath+"/validate-filter", login(t, h, "id"), fmt.Sprintf(`{"input":%s,"filter":%q}`, input, filter))
			wants := map[string]string{
				"valid":   `{"isValid":true,"isValidJSONPath":true,"isPathExist":true}`,
				"nowhere": `{"isValid":false,"isValidJSONPath":true,"isPathExist":false}`,
				"no path": `{"isValid":false,"isValidJSONPath":false,"isPathExist":false}`,
			}
			if got.Status != http.StatusOK || got.Body != wants[want] {
				t.Errorf("%d %s, want %s", got.Status, got.Body, want)
			}
		})
	}
}
