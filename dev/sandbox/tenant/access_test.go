package tenant_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

const everything = `{"indices":["events"]}`

// wantError checks an error in the form of the API.
func wantError(t *testing.T, got answer, status int, detailCode, text string) {
	t.Helper()
	var body struct {
		DetailCode string `json:"detailCode"`
		TrackingID string `json:"trackingId"`
		Messages   []struct {
			Locale       string `json:"locale"`
			LocaleOrigin string `json:"localeOrigin"`
			Text         string `json:"text"`
		} `json:"messages"`
		Causes []string `json:"causes"`
	}
	if err := json.Unmarshal([]byte(got.Body), &body, json.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("%v in %s", err, got.Body)
	}
	if got.Status != status || body.DetailCode != detailCode || len(body.TrackingID) != 32 || len(body.Messages) != 1 ||
		!strings.Contains(body.Messages[0].Text, text) || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s; want %d with %q and %q", got.Status, got.Body, status, detailCode, text)
	}
}

func TestToken(t *testing.T) {
	urlencoded := "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		method, query, contentType, body string
		status                           int
		want                             string
		violations                       int
	}{
		"good":           {"POST", "", urlencoded, form("client_credentials", "id", "s3cret"), 200, `"token_type":"bearer","expires_in":749,"scope":"sp:search:read sp:trigger-service-invocation-status:read"`, 0},
		"charset":        {"POST", "", urlencoded + "; charset=utf-8", form("client_credentials", "id", "s3cret"), 200, `"access_token":"eyJ`, 0},
		"wrong_secret":   {"POST", "", urlencoded, form("client_credentials", "id", "no"), 401, `{"error":"invalid_client","error_description":"Bad client credentials"}`, 0},
		"wrong_id":       {"POST", "", urlencoded, form("client_credentials", "di", "s3cret"), 401, `invalid_client`, 0},
		"no_id":          {"POST", "", urlencoded, "grant_type=client_credentials", 401, `invalid_client`, 0},
		"grant_password": {"POST", "", urlencoded, form("password", "id", "s3cret"), 400, `"unsupported_grant_type"`, 0},
		"json_body":      {"POST", "", "application/json", `{}`, 400, `"invalid_request"`, 0},
		"in_the_url":     {"POST", "?" + form("client_credentials", "id", "s3cret"), urlencoded, "", 200, `"access_token"`, 1},
		"url_no_type":    {"POST", "?" + form("client_credentials", "id", "s3cret"), "", "", 200, `"access_token"`, 1},
		"multipart":      {"POST", "", "multipart/form-data; boundary=b", parts("client_credentials", "id", "s3cret"), 200, `"access_token":"eyJ`, 0},
		"multipart_bad":  {"POST", "", "multipart/form-data; boundary=b", parts("client_credentials", "id", "no"), 401, `invalid_client`, 0},
		"multipart_cut":  {"POST", "", "multipart/form-data; boundary=b", "--b\r\nContent-Disp", 400, `"invalid_request"`, 0},
		"get":            {"GET", "", urlencoded, "", 405, `method_not_allowed`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := &tenant.Tenant{ClientID: "id", ClientSecret: "s3cret"}
			got := do(t, h, c.method, "/oauth/token"+c.query, "", c.body, "Content-Type", c.contentType)
			if got.Status != c.status || !strings.Contains(got.Body, c.want) {
				t.Errorf("got %d %s; want %d with %s", got.Status, got.Body, c.status, c.want)
			}
			if strings.Contains(got.Body, "s3cret") || len(h.Violations()) != c.violations || strings.Contains(strings.Join(h.Violations(), ""), "s3cret") {
				t.Errorf("secret in %s or in %v", got.Body, h.Violations())
			}
		})
	}
}

// parts is the body of a token request as SailPoint's JavaScript SDK sends it.
func parts(grant, id, secret string) string {
	var b strings.Builder
	for name, value := range map[string]string{"grant_type": grant, "client_id": id, "client_secret": secret} {
		b.WriteString("--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

func TestTokenWithBasic(t *testing.T) {
	h := &tenant.Tenant{ClientID: "id:1", ClientSecret: "s3 cret+"}
	for name, c := range map[string]struct {
		id, secret string
		status     int
	}{
		"good":    {"id%3A1", "s3+cret%2B", 200},
		"bad":     {"id%3A1", "no", 401},
		"nothing": {"", "", 401},
	} {
		t.Run(name, func(t *testing.T) {
			auth := "Basic " + base64.StdEncoding.EncodeToString([]byte(c.id+":"+c.secret))
			got := do(t, h, http.MethodPost, "/oauth/token", "", "grant_type=client_credentials", "Content-Type", "application/x-www-form-urlencoded", "Authorization", auth)
			if got.Status != c.status {
				t.Errorf("got %d %s, want %d", got.Status, got.Body, c.status)
			}
		})
	}
}

func TestSecretsInURLs(t *testing.T) {
	h := &tenant.Tenant{ClientSecret: "s3cret"}
	token := login(t, h, "id")
	do(t, h, http.MethodPost, "/search/v1", token, everything)
	if v := h.Violations(); len(v) != 0 {
		t.Fatalf("violations %v, want none yet", v)
	}
	do(t, h, http.MethodPost, "/search/v1?access_token="+token, "", everything)
	do(t, h, http.MethodPost, "/search/v1?x=s3cret", token, everything)
	want := []string{"credentials in the URL of POST /search/v1", "credentials in the URL of POST /search/v1"}
	if diff := cmp.Diff(want, h.Violations()); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

func TestInfo(t *testing.T) {
	got := do(t, &tenant.Tenant{Name: "acme"}, http.MethodGet, "/oauth/info", "", "")
	if got.Status != http.StatusOK || !strings.Contains(got.Body, `"tenantName":"acme"`) || !strings.Contains(got.Body, "/oauth/token") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

// The library that the connector uses must get along with the stand-in, over a socket.
func TestOAuthLibrary(t *testing.T) {
	h := small()
	h.ClientID, h.ClientSecret = "id", "s3cret"
	server := httptest.NewServer(h)
	defer server.Close()
	config := clientcredentials.Config{ClientID: "id", ClientSecret: "s3cret", TokenURL: server.URL + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams}
	res, err := config.Client(t.Context()).Post(server.URL+"/search/v1?limit=2", "application/json", strings.NewReader(everything))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || res.ContentLength != int64(len(body)) {
		t.Errorf("got %s, %d bytes of %d (%v)", res.Status, len(body), res.ContentLength, err)
	}
	if v := h.Violations(); len(v) != 0 {
		t.Errorf("violations %v", v)
	}
}

func TestTokensEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &tenant.Tenant{TokenTTL: 15 * time.Second}
		token := login(t, h, "id")
		pass(15*time.Second - 1)
		if got := do(t, h, http.MethodPost, "/search/v1", token, everything); got.Status != http.StatusOK {
			t.Errorf("before the end: %d %s", got.Status, got.Body)
		}
		pass(time.Nanosecond)
		got := do(t, h, http.MethodPost, "/search/v1", token, everything)
		if got.Status != http.StatusUnauthorized || got.Body != `{"error":"JWT validation failed: JWT is expired"}` {
			t.Errorf("after the end: %d %s", got.Status, got.Body)
		}
		token = login(t, h, "id")
		h.RevokeTokens()
		if got := do(t, h, http.MethodPost, "/search/v1", token, everything); got.Status != http.StatusUnauthorized {
			t.Errorf("revoked: %d %s", got.Status, got.Body)
		}
		if got := do(t, h, http.MethodPost, "/search/v1", "", everything); got.Status != http.StatusUnauthorized {
			t.Errorf("none: %d %s", got.Status, got.Body)
		}
		if n := len(h.Tokens()); n != 2 {
			t.Errorf("%d tokens issued, want 2", n)
		}
	})
}

func TestScopes(t *testing.T) {
	const status = "/trigger-invocations/v1/status"
	for name, c := range map[string]struct {
		scopes         []string
		search, status int
	}{
		"default":     {nil, 200, 200},
		"all":         {[]string{"sp:scopes:all"}, 200, 200},
		"search_only": {[]string{tenant.ScopeSearch}, 200, 403},
		"status_only": {[]string{tenant.ScopeStatus}, 403, 200},
		"none":        {[]string{}, 403, 403},
	} {
		t.Run(name, func(t *testing.T) {
			h := &tenant.Tenant{Scopes: c.scopes}
			token := login(t, h, "id")
			search := do(t, h, http.MethodPost, "/search/v1", token, everything)
			count := do(t, h, http.MethodPost, "/search/v1/count", token, everything)
			list := do(t, h, http.MethodGet, status, token, "")
			if search.Status != c.search || (count.Status == http.StatusForbidden) != (c.search == http.StatusForbidden) || list.Status != c.status {
				t.Errorf("search %d, count %d, status %d; want %d and %d", search.Status, count.Status, list.Status, c.search, c.status)
			}
			if c.search == http.StatusForbidden {
				wantError(t, search, http.StatusForbidden, "403 Forbidden", "")
			}
		})
	}
}

func TestPaths(t *testing.T) {
	h := &tenant.Tenant{Disabled: []string{"v1", "v2026"}, Deprecated: true}
	for name, c := range map[string]struct {
		method, path string
		status       int
		deprecated   string
	}{
		"disabled":        {"POST", "/search/v1", 404, ""},
		"disabled_status": {"GET", "/trigger-invocations/v1/status", 404, ""},
		"disabled_legacy": {"POST", "/v2026/search", 404, ""},
		"legacy":          {"POST", "/v2025/search", 200, "true"},
		"beta_search":     {"POST", "/beta/search", 404, ""},
		"no_beta_search":  {"POST", "/beta/search/count", 404, ""},
		"legacy_count":    {"POST", "/v3/search/count", 204, "true"},
		"legacy_status":   {"GET", "/beta/trigger-invocations/status", 200, "true"},
		"no_v3_triggers":  {"GET", "/v3/trigger-invocations/status", 404, ""},
		"no_v2_service":   {"POST", "/search/v2", 404, ""},
		"no_index_path":   {"POST", "/v3/search/events", 404, ""},
		"elsewhere":       {"GET", "/", 404, ""},
		"wrong_method":    {"GET", "/v2025/search", 405, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := do(t, h, c.method, c.path, login(t, h, "id"), everything)
			if got.Status != c.status || got.Header.Get("X-Deprecated") != c.deprecated {
				t.Errorf("got %d, X-Deprecated %q; want %d, %q", got.Status, got.Header.Get("X-Deprecated"), c.status, c.deprecated)
			}
			if c.status == http.StatusNotFound {
				wantError(t, got, http.StatusNotFound, "404 Not found", "")
			}
		})
	}
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &tenant.Tenant{}
		a, b := login(t, h, "a"), login(t, h, "b")
		send := func(token string, n int) (refused int, last answer) {
			for range n {
				got := do(t, h, http.MethodPost, "/search/v1", token, everything)
				if got.Status == http.StatusTooManyRequests {
					refused++
					last = got
				}
			}
			return refused, last
		}
		if n, _ := send(a, 60); n != 0 {
			t.Errorf("%d of the first 60 refused", n)
		}
		pass(4 * time.Second)
		n, last := send(a, 50)
		if n != 10 || last.Header.Get("Retry-After") != "6" || last.Body != `{"message":" Rate Limit Exceeded "}` {
			t.Errorf("%d of the next 50 refused, want 10; %v %s", n, last.Header, last.Body)
		}
		if n, _ := send(b, 100); n != 0 {
			t.Errorf("%d requests of another client refused", n)
		}
		pass(6 * time.Second)
		if n, _ := send(a, 60); n != 0 {
			t.Errorf("%d refused after the window", n)
		}
		if h.PeakRequests() != 110 || h.Requests()["/search/v1"] != 270 || h.Requests()["/oauth/token"] != 2 {
			t.Errorf("peak %d, requests %v; want 110, 270 searches, 2 tokens", h.PeakRequests(), h.Requests())
		}
	})
}

func TestRateLimitOff(t *testing.T) {
	h := &tenant.Tenant{RateLimit: tenant.RateLimit{Off: true}}
	token := login(t, h, "a")
	for range 150 {
		if got := do(t, h, http.MethodPost, "/search/v1", token, everything); got.Status != http.StatusOK {
			t.Fatalf("got %d", got.Status)
		}
	}
	if h.PeakRequests() != 150 {
		t.Errorf("peak %d, want 150", h.PeakRequests())
	}
}

func TestFaultsAreCountedByTheLimit(t *testing.T) {
	h := &tenant.Tenant{Faults: &fault.Plan{Rules: []fault.Rule{{Kind: fault.Unavailable, Path: "/search", Nth: []int{1}}}}}
	token := login(t, h, "a")
	first := do(t, h, http.MethodPost, "/search/v1", token, everything)
	second := do(t, h, http.MethodPost, "/search/v1", token, everything)
	if first.Status != http.StatusServiceUnavailable || second.Status != http.StatusOK || h.PeakRequests() != 2 {
		t.Errorf("got %d, %d, peak %d; want 503, 200, 2", first.Status, second.Status, h.PeakRequests())
	}
}
