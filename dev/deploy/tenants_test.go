package deploy_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

var (
	moreTenants = []any{
		map[string]any{"name": "globex", "tenantId": "globex-inc", "clientId": "1123456789abcdef0123456789abcdef"},
		map[string]any{"name": "Initech2", "tenantId": "initech", "clientId": "2123456789abcdef0123456789abcdef", "baseUrl": "https://initech.api.identitynow-demo.com"},
	}
	moreSecrets = map[string]any{"globex": canaryClient + "-globex", "Initech2": canaryClient + "-initech"}
)

// resolved gives each reference to the vault the value that it has there.
func resolved(t *testing.T, d deploy.Deployment) map[string]string {
	t.Helper()
	secrets := map[string]string{}
	for _, r := range ofType(d, "Microsoft.KeyVault/vaults/secrets") {
		secrets[r.Name] = dig(r.Body, "properties", "value").(string)
	}
	env := appSettings(t, d)
	for name, value := range env {
		if vault, secret, ok := inVault(value); ok {
			if env[name] = secrets[vault+"/"+secret]; env[name] == "" {
				t.Errorf("%s is in no secret", name)
			}
		}
	}
	return env
}

// Three tenants in one app: the program loads each with its own secret, whether the
// workspace is reached by one API or the other, and the old checkpoint belongs to the first.
func TestThreeTenants(t *testing.T) {
	type tenant struct{ Name, Tenant, Client, Base, Secret, Legacy string }
	for _, api := range []string{"LogsIngestion", "DataCollector"} {
		d := deployed(t, "", map[string]any{"ingestionApi": api, "moreTenants": moreTenants, "moreTenantSecrets": moreSecrets, "legacyStorageAccountId": legacyAccount})
		s, err := load(resolved(t, d))
		if err != nil {
			t.Fatal(err)
		}
		var got []tenant
		for _, c := range s.Connections {
			source := c.Sources[0].(*config.SailPoint)
			one := tenant{c.Name, c.Tenant, source.ClientID, source.BaseURL.Host, reveal(source.ClientSecret.Text()), ""}
			if u := c.Legacy.TableEndpoint; u != nil {
				one.Legacy = u.Host
			}
			got = append(got, one)
		}
		want := []tenant{
			{"acme", "acme", "0123456789abcdef0123456789abcdef", "acme.api.identitynow.com", canaryClient, "oldaccount.table.core.windows.net"},
			{"globex", "globex-inc", "1123456789abcdef0123456789abcdef", "globex-inc.api.identitynow.com", canaryClient + "-globex", ""},
			{"initech2", "initech", "2123456789abcdef0123456789abcdef", "initech.api.identitynow-demo.com", canaryClient + "-initech", ""},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", api, diff)
		}
		for _, r := range d.Resources {
			if r.Type != "Microsoft.KeyVault/vaults/secrets" && strings.Contains(text(t, r.Body), canaryClient) {
				t.Errorf("%s %s holds a secret", r.Type, r.Name)
			}
		}
		if query := alerts(t, d)["silent"].query; !strings.Contains(query, "globex-inc") || !strings.Contains(query, "initech2") || !strings.Contains(query, "acme") {
			t.Errorf("the alerts look at some tenants only: %s", query)
		}
	}
}

// One tenant keeps the settings that it always had, and its state: those of several keep
// the first one's secret in the same place.
func TestOneTenantStaysAsItIs(t *testing.T) {
	one := appSettings(t, deployed(t, "", nil))
	for name := range one {
		if strings.HasPrefix(name, "ACME_") || name == "CONNECTIONS" {
			t.Errorf("%s is set for one tenant", name)
		}
	}
	several := appSettings(t, deployed(t, "", map[string]any{"moreTenants": moreTenants, "moreTenantSecrets": moreSecrets}))
	if several["ACME_CLIENT_SECRET"] != one["CLIENT_SECRET"] {
		t.Errorf("the first tenant's secret is %q, and %q with more tenants", one["CLIENT_SECRET"], several["ACME_CLIENT_SECRET"])
	}
	for _, name := range []string{"TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "SAILPOINT_BASE_URL"} {
		if _, shared := several[name]; shared {
			t.Errorf("%s is set for all tenants", name)
		}
	}
}

// What can't work is refused before anything is made, in words that name the parameter.
func TestRefusals(t *testing.T) {
	with := func(changes ...map[string]any) map[string]any {
		given := map[string]any{"moreTenants": moreTenants, "moreTenantSecrets": moreSecrets}
		for _, c := range changes {
			maps.Copy(given, c)
		}
		return given
	}
	tenants := func(changes map[string]any) map[string]any {
		one := map[string]any{"name": "other", "tenantId": "other", "clientId": "x"}
		maps.Copy(one, changes)
		return with(map[string]any{"moreTenants": append(slices.Clone(moreTenants), one), "moreTenantSecrets": map[string]any{"globex": "a", "Initech2": "b", "other": "c", "Globex": "d", "a-b": "e"}})
	}
	for _, tc := range []struct {
		name  string
		given map[string]any
		says  []string // none: it is fine
	}{
		{"three tenants", with(), nil},
		{"a fourth", tenants(nil), nil},
		{"a name twice", tenants(map[string]any{"name": "Globex"}), []string{"moreTenants", "globex is there twice"}},
		{"the first one's name", with(map[string]any{"connectionName": "GLOBEX"}), []string{"connectionName", "globex is there twice"}},
		{"a tenant twice", tenants(map[string]any{"tenantId": "https://GLOBEX-INC.identitynow.com/"}), []string{"tenant globex-inc is there twice"}},
		{"the first tenant again", tenants(map[string]any{"tenantId": "acme.api.identitynow.com"}), []string{"tenant acme is there twice"}},
		{"another tenant of the same name", tenants(map[string]any{"tenantId": "acme.api.identitynow-demo.com"}), nil},
		{"a dash", tenants(map[string]any{"name": "a-b"}), []string{`the name "a-b" can not be used`}},
		{"a reserved name", with(map[string]any{"connectionName": "okta"}), []string{`the name "okta" can not be used`}},
		{"no name", tenants(map[string]any{"name": ""}), []string{`the name "" can not be used`}},
		{"no tenant", tenants(map[string]any{"tenantId": ""}), []string{"other lacks tenantId or clientId"}},
		{"no secret", with(map[string]any{"moreTenantSecrets": map[string]any{"globex": "a"}}), []string{"moreTenantSecrets", "no secret for Initech2"}},
		{"an empty secret", with(map[string]any{"moreTenantSecrets": map[string]any{"globex": "", "Initech2": "b"}}), []string{"no secret for globex"}},
		{"no package on Elastic Premium", map[string]any{"hostingPlan": "ElasticPremium", "deployPackage": false}, []string{"deployPackage=false", "ElasticPremium", "packageUrl"}},
		{"no package on Consumption", map[string]any{"hostingPlan": "Consumption", "deployPackage": false}, []string{"Consumption", "packageUrl"}},
		{"no package on Flex", map[string]any{"deployPackage": false}, nil},
		{"no package on Dedicated", map[string]any{"hostingPlan": "Dedicated", "deployPackage": false}, nil},
		{"a network on Consumption", map[string]any{"hostingPlan": "Consumption", "subnetResourceId": "/subscriptions/s/x"}, []string{"subnetResourceId", "another plan"}},
		{"a short token", map[string]any{"eventTriggers": "token", "webhookToken": "short"}, []string{"webhookToken", "16 characters"}},
		{"a short password", map[string]any{"eventTriggers": "basic", "webhookUsername": "a", "webhookPassword": "short"}, []string{"webhookPassword", "16 characters"}},
		{"a short secret of reports", map[string]any{"saasReports": "secret", "saasWebhookSecret": "short"}, []string{"saasWebhookSecret", "16 characters"}},
		{"a workflow without reports", map[string]any{"workflowUrl": "https://acme.api.identitynow.com/x", "workflowClientId": "a"}, []string{"workflowUrl", "saasReports=secret"}},
		{"a workflow without its client", map[string]any{"saasReports": "secret", "saasWebhookSecret": "0123456789abcdef", "workflowUrl": "https://acme.api.identitynow.com/x"}, []string{"workflowClientId", "client of the trigger"}},
		{"basic without a user name", map[string]any{"eventTriggers": "basic", "webhookPassword": "0123456789abcdef"}, []string{"webhookUsername", "user name"}},
		{"a colon in the user name", map[string]any{"eventTriggers": "basic", "webhookUsername": "a:b", "webhookPassword": "0123456789abcdef"}, []string{"webhookUsername", "colon"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			world := deploy.NewWorld()
			_, err := read(t).Resolve(deploy.Surroundings{World: world}, needed(tc.given))
			if (err != nil) != (tc.says != nil) {
				t.Fatalf("gives %v", err)
			}
			for _, part := range tc.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %v does not say %q", err, part)
				}
			}
			if err != nil && len(world.History) > 0 {
				t.Errorf("%d resources were made first", len(world.History))
			}
			if err != nil && strings.Contains(err.Error(), canaryClient) {
				t.Error("the error shows a secret")
			}
		})
	}
}

// The template takes no name of a connection that the program refuses.
func TestNamesOfConnections(t *testing.T) {
	for _, name := range []string{"appsetting", "azure", "iiq", "okta", "saas", "sailpoint", "webhook", "workflow", "a.b", "ä", "a b", "acme", "a1", "1a"} {
		_, refused := read(t).Resolve(deploy.Surroundings{}, needed(map[string]any{"connectionName": name, "moreTenants": moreTenants, "moreTenantSecrets": moreSecrets}))
		env := resolved(t, deployed(t, "", map[string]any{"moreTenants": moreTenants, "moreTenantSecrets": moreSecrets}))
		env["CONNECTIONS"] = name + ",globex,initech2"
		for _, setting := range []string{"TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "SAILPOINT_BASE_URL"} {
			env[strings.ToUpper(name)+"_"+setting] = env["ACME_"+setting]
			if name != "acme" {
				delete(env, "ACME_"+setting)
			}
		}
		_, err := load(env)
		if (refused != nil) != (err != nil) {
			t.Errorf("%q: the template says %v, the program %v", name, refused, err)
		}
	}
}
