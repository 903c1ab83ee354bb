package vault_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/vault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

func token(t *testing.T, audience string) string {
	t.Helper()
	got, err := workspace.Credential{}.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + got.Token
}

// TestAnswers holds the stand-in to what the service documents.
func TestAnswers(t *testing.T) {
	const public = "https://vault.azure.net"
	for name, c := range map[string]struct {
		prepare       func(*vault.Vault)
		authorization string // "" is a right one, "-" none
		path          string
		status        int
		says          []string
	}{
		"newest":                {nil, "", "/secrets/s?api-version=7.4", 200, []string{`"value":"new"`, `/secrets/s/00000000000000000000000000000002"`, `"enabled":true`}},
		"a version":             {nil, "", "/secrets/s/00000000000000000000000000000001?api-version=7.4", 200, []string{`"value":"old"`}},
		"no token":              {nil, "-", "/secrets/s?api-version=7.4", 401, []string{"AKV10000"}},
		"token of another kind": {nil, token(t, "https://monitor.azure.com"), "/secrets/s?api-version=7.4", 401, []string{"AKV10022", public}},
		"token of a stranger":   {nil, "Bearer a.b.c", "/secrets/s?api-version=7.4", 401, []string{"AKV10046"}},
		"other cloud":           {func(v *vault.Vault) { v.Audience = "https://vault.usgovcloudapi.net" }, "", "/secrets/s?api-version=7.4", 401, []string{"AKV10022"}},
		"no version of the API": {nil, "", "/secrets/s", 400, []string{"api-version must be specified"}},
		"unknown version":       {nil, "", "/secrets/s?api-version=1", 400, []string{"not recognized"}},
		"missing":               {nil, "", "/secrets/other?api-version=7.4", 404, []string{"SecretNotFound"}},
		"missing version":       {nil, "", "/secrets/s/99?api-version=7.4", 404, []string{"SecretNotFound"}},
		"deleted":               {func(v *vault.Vault) { v.Delete("s") }, "", "/secrets/s?api-version=7.4", 404, []string{"SecretNotFound"}},
		"bad name":              {nil, "", "/secrets/a_b?api-version=7.4", 400, []string{"invalid name"}},
		"no role":               {func(v *vault.Vault) { v.Deny(1) }, "", "/secrets/s?api-version=7.4", 403, []string{"ForbiddenByRbac", "observe propagation time"}},
		"no policy":             {func(v *vault.Vault) { v.DenyByPolicy(1) }, "", "/secrets/s?api-version=7.4", 403, []string{"AccessDenied"}},
		"network":               {func(v *vault.Vault) { v.Wall(true) }, "", "/secrets/s?api-version=7.4", 403, []string{"ForbiddenByFirewall"}},
		"disabled":              {func(v *vault.Vault) { v.Change("s", true, time.Time{}) }, "", "/secrets/s?api-version=7.4", 403, []string{"SecretDisabled"}},
		"expired is given out":  {func(v *vault.Vault) { v.Change("s", false, time.Unix(1000, 0)) }, "", "/secrets/s?api-version=7.4", 200, []string{`"exp":1000`}},
		"busy":                  {func(v *vault.Vault) { v.Busy(1) }, "", "/secrets/s?api-version=7.4", 429, []string{"Throttled"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := &vault.Vault{}
			v.Set("s", "old")
			v.Set("s", "new")
			if c.prepare != nil {
				c.prepare(v)
			}
			r := httptest.NewRequest(http.MethodGet, "https://acme-kv.vault.azure.net"+c.path, nil)
			switch c.authorization {
			case "-":
			case "":
				r.Header.Set("Authorization", token(t, public))
			default:
				r.Header.Set("Authorization", c.authorization)
			}
			w := httptest.NewRecorder()
			v.ServeHTTP(w, r)
			body, _ := io.ReadAll(w.Result().Body)
			if w.Code != c.status {
				t.Errorf("status %d, want %d: %s", w.Code, c.status, body)
			}
			for _, want := range c.says {
				if !strings.Contains(string(body), want) {
					t.Errorf("%q is not in %s", want, body)
				}
			}
			challenge := w.Header().Get("WWW-Authenticate")
			if (c.status == 401) != strings.Contains(challenge, `authorization="https://login.`) || c.status == 401 && !strings.Contains(challenge, `resource="https://vault.`) {
				t.Errorf("challenge %q", challenge)
			}
			if c.status != 200 && strings.Contains(string(body), `"value"`) {
				t.Errorf("a refusal shows the secret: %s", body)
			}
			if reads := v.Reads(); len(reads) != 1 || reads[0].Status != c.status {
				t.Errorf("reads %+v", reads)
			}
		})
	}
}

// TestRoleInEffect: after some refusals, the role is in effect.
func TestRoleInEffect(t *testing.T) {
	v := &vault.Vault{}
	v.Set("s", "x")
	v.Deny(2)
	for i, want := range []int{403, 403, 200, 200} {
		r := httptest.NewRequest(http.MethodGet, "/secrets/s?api-version=7.4", nil)
		r.Header.Set("Authorization", token(t, "https://vault.azure.net"))
		w := httptest.NewRecorder()
		if v.ServeHTTP(w, r); w.Code != want {
			t.Errorf("read %d: status %d, want %d", i, w.Code, want)
		}
	}
}
