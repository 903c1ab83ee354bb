package workspace_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

func TestAuthority(t *testing.T) {
	a := &workspace.Authority{TenantID: "t", ClientID: "app", ClientSecret: "s3cret"}
	form := func(grant, id, secret, scope string) string {
		return url.Values{"grant_type": {grant}, "client_id": {id}, "client_secret": {secret}, "scope": {scope}}.Encode()
	}
	const monitor = "https://monitor.azure.com/.default"
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"endpoints":     {"GET", "/t/v2.0/.well-known/openid-configuration", "", 200, `"token_endpoint":"https://login.example/t/oauth2/v2.0/token"`},
		"another":       {"GET", "/u/v2.0/.well-known/openid-configuration", "", 404, ""},
		"token":         {"POST", "/t/oauth2/v2.0/token", form("client_credentials", "app", "s3cret", monitor), 200, `"access_token":"`},
		"open_id_scope": {"POST", "/t/oauth2/v2.0/token", form("client_credentials", "app", "s3cret", monitor+" openid profile"), 200, `"access_token":"`},
		"grant":         {"POST", "/t/oauth2/v2.0/token", form("password", "app", "s3cret", monitor), 400, "AADSTS70003"},
		"scope":         {"POST", "/t/oauth2/v2.0/token", form("client_credentials", "app", "s3cret", "https://monitor.azure.com"), 400, "AADSTS1002012"},
		"app":           {"POST", "/t/oauth2/v2.0/token", form("client_credentials", "ppa", "s3cret", monitor), 400, "AADSTS700016"},
		"secret":        {"POST", "/t/oauth2/v2.0/token", form("client_credentials", "app", "no", monitor), 401, "AADSTS7000215"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "https://login.example"+c.path, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			answer := httptest.NewRecorder()
			a.ServeHTTP(answer, r)
			if answer.Code != c.status || !strings.Contains(answer.Body.String(), c.want) || strings.Contains(answer.Body.String(), "s3cret") {
				t.Errorf("got %d %s, want %d with %s", answer.Code, answer.Body, c.status, c.want)
			}
			if got := answer.Header().Get("Content-Type"); c.status != http.StatusNotFound && !strings.HasPrefix(got, "application/json") {
				t.Errorf("content type %q", got)
			}
		})
	}
}
