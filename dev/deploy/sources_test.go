package deploy_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// withoutTenant are the parameters of a deployment that reads no IdentityNow.
func withoutTenant(changes ...map[string]any) map[string]any {
	given := map[string]any{"tenantId": "", "clientId": "", "clientSecret": "", "ingestionApi": "LogsIngestion"}
	for _, c := range changes {
		maps.Copy(given, c)
	}
	return given
}

func okta() map[string]any {
	return map[string]any{"oktaOrgUrl": "https://Acme-Corp.okta.com/", "oktaApiToken": canaryClient + "-okta"}
}

func identityIQ() map[string]any {
	return map[string]any{"iiqUrl": "https://iiq.acme.example:8443/identityiq", "iiqClientId": "sentinel", "iiqClientSecret": canaryClient + "-iiq"}
}

// Okta or IdentityIQ alone can be deployed: the program loads the settings, no secret of a tenant is
// in the vault, and the alerts look at what the health table says.
func TestWithoutIdentityNow(t *testing.T) {
	for name, tc := range map[string]struct {
		given map[string]any
		kinds []string
		state string
		org   string // as the alerts name it
	}{
		"Okta":       {withoutTenant(okta()), []string{"okta"}, "acme-corp.okta.com", "acme-corp"},
		"IdentityIQ": {withoutTenant(identityIQ()), []string{"identityiq"}, "iiq.acme.example-8443", "iiq"},
		"both":       {withoutTenant(okta(), identityIQ()), []string{"okta", "identityiq"}, "acme-corp.okta.com", "acme-corp"},
		"both, and a tenant": {
			withoutTenant(okta(), identityIQ(), map[string]any{"tenantId": "acme", "clientId": "0123456789abcdef0123456789abcdef", "clientSecret": canaryClient}),
			[]string{"sailpoint", "okta", "identityiq"},
			"acme", "acme",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployed(t, "", tc.given)
			s, err := load(resolved(t, d))
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, one := range s.Connections[0].Sources {
				kinds = append(kinds, one.Kind())
			}
			if diff := cmp.Diff(tc.kinds, kinds); diff != "" || len(s.Connections) != 1 || s.Connections[0].Tenant != tc.state {
				t.Errorf("%d connections, state %q; kinds (-want +got):\n%s", len(s.Connections), s.Connections[0].Tenant, diff)
			}
			secrets := 0
			for _, r := range ofType(d, "Microsoft.KeyVault/vaults/secrets") {
				if strings.HasSuffix(r.Name, "/client-secret") {
					secrets++
				}
			}
			if tenant := tc.given["tenantId"] != ""; (secrets == 1) != tenant {
				t.Errorf("%d secrets of a tenant", secrets)
			}
			if query := alerts(t, d)["silent"].query; !strings.Contains(query, `"org":"`+tc.org+`"`) {
				t.Errorf("the alerts do not look at %q: %s", tc.org, query)
			}
			if _, set := appSettings(t, d)["TENANT_ID"]; set != (tc.given["tenantId"] != "") {
				t.Errorf("TENANT_ID is set: %v", set)
			}
		})
	}
}

// An Okta org may be a connection beside tenants.
func TestOktaBesideTenants(t *testing.T) {
	given := withoutTenant(okta(), map[string]any{"connectionName": "corp", "moreTenants": moreTenants, "moreTenantSecrets": moreSecrets})
	s, err := load(resolved(t, deployed(t, "", given)))
	if err != nil {
		t.Fatal(err)
	}
	var got [][2]string
	for _, c := range s.Connections {
		got = append(got, [2]string{c.Name, c.Tenant})
	}
	want := [][2]string{{"corp", "acme-corp.okta.com"}, {"globex", "globex-inc"}, {"initech2", "initech"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("connections and their state (-want +got):\n%s", diff)
	}
}

// Half a source is refused before anything is made.
func TestSourceRefusals(t *testing.T) {
	tenant := map[string]any{"tenantId": "acme", "clientId": "0123456789abcdef0123456789abcdef", "clientSecret": canaryClient}
	for name, tc := range map[string]struct {
		given map[string]any
		says  string
	}{
		"nothing to read":         {withoutTenant(), "set at least one of them"},
		"pushes only":             {withoutTenant(map[string]any{"eventTriggers": "token", "webhookToken": "0123456789abcdef"}), "set at least one of them"},
		"a tenant without client": {withoutTenant(tenant, map[string]any{"clientId": ""}), "clientId: set it"},
		"a tenant without secret": {withoutTenant(tenant, map[string]any{"clientSecret": ""}), "clientSecret: set it"},
		"a client without tenant": {withoutTenant(okta(), map[string]any{"clientId": "0123456789abcdef0123456789abcdef"}), "tenantId: set it"},
		"an address, no tenant":   {withoutTenant(okta(), map[string]any{"sailPointBaseUrl": "https://acme.api.identitynow-demo.com"}), "tenantId: set it"},
		"further tenants only":    {withoutTenant(map[string]any{"connectionName": "a", "moreTenants": moreTenants, "moreTenantSecrets": moreSecrets}), "set at least one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			world := deploy.NewWorld()
			_, err := read(t).Resolve(deploy.Surroundings{World: world}, needed(tc.given))
			if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), canaryClient) || len(world.History) > 0 {
				t.Errorf("%v, want it to say %q; %d resources were made first", err, tc.says, len(world.History))
			}
		})
	}
}

// The alert about silence watches the streams of what is read, and no others: an app that reads only
// Okta has no events of IdentityNow to miss.
func TestSilenceOfEachSource(t *testing.T) {
	sailPoint := map[string]any{"tenantId": "acme", "clientId": "0123456789abcdef0123456789abcdef", "clientSecret": canaryClient}
	iiq := []string{"SailPointIIQ_Alerts", "SailPointIIQ_Audit", "SailPointIIQ_PolicyViolations", "SailPointIIQ_TaskResults"}
	for name, tc := range map[string]struct {
		given   map[string]any
		org     string
		streams []string
	}{
		"IdentityNow":            {sailPoint, "acme", []string{events, triggers}},
		"Okta":                   {withoutTenant(okta()), "acme-corp.okta.com", []string{"Okta"}},
		"IdentityIQ":             {withoutTenant(identityIQ()), "iiq.acme.example-8443", iiq},
		"a choice of IdentityIQ": {withoutTenant(identityIQ(), map[string]any{"iiqStreams": "Syslog, tasks"}), "iiq.acme.example-8443", []string{"SailPointIIQ_Syslog", "SailPointIIQ_TaskResults"}},
		"all":                    {withoutTenant(okta(), identityIQ(), sailPoint), "acme", slices.Concat([]string{"Okta", events, triggers}, iiq)},
	} {
		t.Run(name, func(t *testing.T) {
			silent := alerts(t, deployed(t, "", tc.given))["silent"]
			fired := func(states map[string]string) []string {
				s := kqltest.NewScene(t, now, "health")
				for stream, state := range states {
					s.Classic(kqltest.HealthTable, run(stream, "2m", map[string]any{"org": tc.org, "state": state}))
				}
				return slices.Sorted(slices.Values(s.Run(t, silent.query).Strings("stream_s")))
			}
			want := slices.Sorted(slices.Values(tc.streams))
			if diff := cmp.Diff(want, fired(nil)); diff != "" {
				t.Errorf("nothing ever ran (-want +got):\n%s", diff)
			}
			states := map[string]string{}
			for _, stream := range tc.streams {
				states[stream] = "drained"
			}
			if got := fired(states); len(got) > 0 {
				t.Errorf("all is well, and it fires for %v", got)
			}
			states[tc.streams[0]] = "failed"
			if diff := cmp.Diff(tc.streams[:1], fired(states)); diff != "" {
				t.Errorf("one fails (-want +got):\n%s", diff)
			}
		})
	}
}

// One column of Okta_CL has a name that is longer than Azure documents. Where that is refused, a
// parameter shortens it, in the table and in the rule that fills it, and changes nothing else.
func TestOktaShortColumn(t *testing.T) {
	const long, short, documented = "authenticationContext_authenticationProvider_s", "authenticationContext_authProvider_s", 45
	transform, names := map[bool]string{}, map[bool][]string{}
	for _, shortened := range []bool{false, true} {
		d := deployed(t, "", withoutTenant(okta(), map[string]any{"oktaShortColumn": shortened}))
		for _, r := range ofType(d, "Microsoft.OperationalInsights/workspaces/tables") {
			if r.Name != "sentinel/Okta_CL" {
				continue
			}
			for _, c := range dig(r.Body, "properties", "schema", "columns").([]any) {
				name := dig(c, "name").(string)
				names[shortened] = append(names[shortened], name)
				if len(name) > documented && (shortened || name != long) {
					t.Errorf("shortened %v: %s has %d characters", shortened, name, len(name))
				}
			}
		}
		for _, f := range dig(only(t, d, "Microsoft.Insights/dataCollectionRules").Body["properties"], "dataFlows").([]any) {
			if dig(f, "outputStream") == "Custom-Okta_CL" {
				transform[shortened] = dig(f, "transformKql").(string)
			}
		}
	}
	renamed := func(text string) string { return strings.ReplaceAll(text, long, short) }
	want := make([]string, len(names[false]))
	for i, name := range names[false] {
		want[i] = renamed(name)
	}
	if diff := cmp.Diff(want, names[true]); diff != "" || !slices.Contains(names[true], short) {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(renamed(transform[false]), transform[true]); diff != "" || !strings.Contains(transform[true], short+" = tostring(authenticationContext.authenticationProvider)") {
		t.Errorf("transform (-want +got):\n%s", diff)
	}
}
