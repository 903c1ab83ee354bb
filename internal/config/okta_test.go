package config_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// oktaAlone are the settings of an app that reads nothing but an Okta org.
func oktaAlone(change map[string]string) map[string]string {
	env := valid()
	for _, name := range []string{"TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"} {
		delete(env, name)
	}
	env["OKTA_ORG_URL"], env["OKTA_API_TOKEN"] = "https://Acme.okta.com/", "00canary-okta-token"
	maps.Copy(env, change)
	return env
}

func testKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

func TestOktaAlone(t *testing.T) {
	key := testKey(t)
	for name, change := range map[string]map[string]string{
		"token":                 nil,
		"custom domain":         {"OKTA_ORG_URL": "https://login.acme.example"},
		"service app":           {"OKTA_API_TOKEN": "", "OKTA_CLIENT_ID": "0oaclient", "OKTA_PRIVATE_KEY": key},
		"key with lines spelt":  {"OKTA_API_TOKEN": "", "OKTA_CLIENT_ID": "0oaclient", "OKTA_PRIVATE_KEY": strings.ReplaceAll(key, "\n", `\n`)},
		"key without line ends": {"OKTA_API_TOKEN": "", "OKTA_CLIENT_ID": "0oaclient", "OKTA_PRIVATE_KEY": strings.ReplaceAll(key, "\n", " ")},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := load(oktaAlone(change))
			if err != nil {
				t.Fatal(err)
			}
			c := s.Connections[0]
			o, ok := c.Sources[0].(*config.Okta)
			if !ok || len(c.Sources) != 1 || o.BaseURL.Path != "" {
				t.Fatalf("sources %v", c.Sources)
			}
			if want := strings.ToLower(o.BaseURL.Host); c.Tenant != want {
				t.Errorf("the state is called %q, want %q", c.Tenant, want)
			}
		})
	}
}

func TestOktaProblems(t *testing.T) {
	for name, test := range map[string]struct {
		change        map[string]string
		setting, want string
	}{
		"Admin Console": {map[string]string{"OKTA_ORG_URL": "https://acme-admin.okta.com"}, "OKTA_ORG_URL", "https://acme.okta.com"},
		"path":          {map[string]string{"OKTA_ORG_URL": "https://acme.okta.com/api/v1/logs"}, "OKTA_ORG_URL", "path"},
		"name":          {map[string]string{"OKTA_ORG_URL": "acme"}, "OKTA_ORG_URL", "https://acme.okta.com"},
		"http":          {map[string]string{"OKTA_ORG_URL": "http://acme.okta.com"}, "OKTA_ORG_URL", "https"},
		"no address":    {map[string]string{"OKTA_ORG_URL": ""}, "OKTA_ORG_URL", "is missing"},
		"no token":      {map[string]string{"OKTA_API_TOKEN": ""}, "OKTA_API_TOKEN", "is missing"},
		"SSWS":          {map[string]string{"OKTA_API_TOKEN": "SSWS 00canary"}, "OKTA_API_TOKEN", "SSWS"},
		"both":          {map[string]string{"OKTA_CLIENT_ID": "0oa", "OKTA_PRIVATE_KEY": "x"}, "OKTA_API_TOKEN", "either"},
		"no key":        {map[string]string{"OKTA_API_TOKEN": "", "OKTA_CLIENT_ID": "0oa"}, "OKTA_PRIVATE_KEY", "is missing"},
		"no app":        {map[string]string{"OKTA_API_TOKEN": "", "OKTA_PRIVATE_KEY": "canary"}, "OKTA_CLIENT_ID", "is missing"},
		"not a key":     {map[string]string{"OKTA_API_TOKEN": "", "OKTA_CLIENT_ID": "0oa", "OKTA_PRIVATE_KEY": "canary"}, "OKTA_PRIVATE_KEY", "PEM"},
		"public key":    {map[string]string{"OKTA_API_TOKEN": "", "OKTA_CLIENT_ID": "0oa", "OKTA_PRIVATE_KEY": `{"kty":"RSA","n":"AQAB","e":"AQAB"}`}, "OKTA_PRIVATE_KEY", "public"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(oktaAlone(test.change))
			got := problems(t, err)
			if len(got) == 0 || got[0].Setting != test.setting || !strings.Contains(got[0].Message, test.want) {
				t.Errorf("got %q, want %s: %s", got, test.setting, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("a secret is shown: %v", err)
			}
		})
	}
}

// An app in which Microsoft's function ran keeps its settings, in whatever case they are.
func TestSettingsOfTheOldOktaFunction(t *testing.T) {
	for name, test := range map[string]struct {
		uri  string
		on   bool
		more map[string]string
	}{
		"as documented":  {"https://acme.okta.com/api/v1/logs?since=", true, nil},
		"its template":   {"https://acme.okta.com/api/v1/logs", true, map[string]string{"workspaceID": "", "WORKSPACEKEY": ""}},
		"something else": {"https://acme.example/other", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			env := valid()
			id, key := env["CUSTOMER_ID"], env["SHARED_KEY"]
			for _, name := range []string{"TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "CUSTOMER_ID", "SHARED_KEY"} {
				delete(env, name)
			}
			env["uri"], env["apiToken"], env["workspaceId"], env["workspaceKey"], env["Schedule"] = test.uri, "00canary-okta-token", id, key, "0 */2 * * * *"
			if test.more != nil {
				delete(env, "workspaceId")
				delete(env, "workspaceKey")
				env["workspaceID"], env["WORKSPACEKEY"] = id, key
			}
			s, err := load(env)
			if !test.on {
				if err == nil || strings.Contains(err.Error(), "OKTA_") {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c := s.Connections[0]
			o, ok := c.Sources[0].(*config.Okta)
			if !ok || o.BaseURL.String() != "https://acme.okta.com" || o.Token.Text().Reveal() != "00canary-okta-token" || c.DataCollector.WorkspaceID != id {
				t.Errorf("%v, workspace %s", c.Sources, c.DataCollector.WorkspaceID)
			}
		})
	}
}
