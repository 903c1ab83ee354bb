package deploy_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
)

const (
	customerDirectory = "dddddddd-0000-4000-a000-00000000000d"
	customerWorkspace = "eeeeeeee-0000-4000-a000-00000000000e"
	customerRule      = "dcr-0123456789abcdef0123456789abcdef"
	customerEndpoint  = "https://globex-x1y2.westeurope-1.ingest.monitor.azure.com"
	customerSecret    = "https://globex-kv.vault.azure.net/secrets/sailpoint"
	connectorApp      = "ffffffff-0000-4000-a000-00000000000f"
	customerKey       = "Y2FuYXJ5LWN1c3RvbWVyLWtleQ=="
)

// ownWorkspaces are two more tenants: globex has a workspace in a directory of its own, and its secret
// in a vault there; initech has a workspace that takes its key.
func ownWorkspaces(globex map[string]any) map[string]any {
	one := map[string]any{
		"name": "globex", "tenantId": "globex", "clientId": "1123456789abcdef0123456789abcdef", "clientSecretUri": customerSecret,
		"workspaceId": customerWorkspace, "dcrImmutableId": customerRule, "logsIngestionEndpoint": customerEndpoint, "directoryId": customerDirectory,
	}
	maps.Copy(one, globex)
	return map[string]any{
		"workspaceAppId":    connectorApp,
		"moreTenants":       []any{one, map[string]any{"name": "Initech", "tenantId": "initech", "clientId": "2123456789abcdef0123456789abcdef", "workspaceId": deploy.Subscription}},
		"moreTenantSecrets": map[string]any{"Initech": canaryClient + "-initech", "globex": canaryClient + "-globex"}, "moreWorkspaceKeys": map[string]any{"Initech": customerKey},
	}
}

// TestOwnWorkspaces: the program loads each connection with the workspace, the rule, the directory and
// the key of its own, in every cloud; the alerts look at those of the template's workspace only.
func TestOwnWorkspaces(t *testing.T) {
	for cloud, domain := range map[string]string{"AzureCloud": "com", "AzureUSGovernment": "us", "AzureChinaCloud": "cn"} {
		for _, api := range []string{"LogsIngestion", "DataCollector"} {
			given := ownWorkspaces(map[string]any{"logsIngestionEndpoint": "https://globex-x1y2.region-1.ingest.monitor.azure." + domain})
			given["ingestionApi"] = api
			d := deployed(t, cloud, given)
			env := appSettings(t, d)
			if env["INITECH_SHARED_KEY"] == "" || env["GLOBEX_CLIENT_SECRET"] != customerSecret {
				t.Errorf("secrets are in %q and %q", env["INITECH_SHARED_KEY"], env["GLOBEX_CLIENT_SECRET"])
			}
			for _, r := range d.Resources {
				kept := r.Type == "Microsoft.KeyVault/vaults/secrets"
				if kept && strings.Contains(r.Name, "globex") {
					t.Errorf("%s is made, although the secret is in the customer's vault", r.Name)
				}
				if holds := strings.Contains(text(t, r.Body), customerKey); holds != (kept && strings.HasSuffix(r.Name, "/initech-shared-key")) {
					t.Errorf("%s %s holds the key: %v", r.Type, r.Name, holds)
				}
			}
			s, err := load(env)
			if err != nil {
				t.Fatal(cloud, api, err)
			}
			acme, globex, initech := s.Connections[0], s.Connections[1], s.Connections[2]
			there := entra.Identity{Managed: deploy.ClientID, Directory: customerDirectory, App: connectorApp}
			secret, _ := globex.Sources[0].(*config.SailPoint).ClientSecret.Reference()
			got := []any{acme.IngestionAPI, globex.IngestionAPI, initech.IngestionAPI, acme.ReadBack.Identity, globex.LogsIngestion.Identity, globex.LogsIngestion.RuleID, globex.ReadBack.WorkspaceID, secret.Identity, initech.DataCollector.WorkspaceID, initech.DataCollector.URL.Host}
			want := []any{config.IngestionAPI(api), config.UseLogsIngestion, config.UseDataCollector, there.Home(), there, customerRule, customerWorkspace, there, deploy.Subscription, deploy.Subscription + ".ods.opinsights.azure." + domain}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", cloud, api, diff)
			}
			if query := alerts(t, d)["silent"].query; !strings.Contains(query, "acme") || strings.Contains(query, "globex") || strings.Contains(query, "initech") {
				t.Errorf("alerts of the template's workspace are about tenants of others: %s", query)
			}
		}
	}
}

// TestRefusalsOfWorkspaces: what is half is refused before anything is made.
func TestRefusalsOfWorkspaces(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(given map[string]any)
		globex map[string]any
		says   []string
	}{
		"complete":                {nil, nil, nil},
		"the same directory":      {func(g map[string]any) { g["workspaceAppId"] = "" }, map[string]any{"directoryId": ""}, nil},
		"no endpoint":             {nil, map[string]any{"logsIngestionEndpoint": ""}, []string{"moreTenants: globex has a workspace of its own", "logsIngestionEndpoint"}},
		"no rule":                 {nil, map[string]any{"dcrImmutableId": ""}, []string{"globex", "dcrImmutableId"}},
		"no workspace":            {nil, map[string]any{"workspaceId": ""}, []string{"globex", "workspaceId"}},
		"a directory alone":       {nil, map[string]any{"workspaceId": "", "dcrImmutableId": "", "logsIngestionEndpoint": ""}, []string{"globex", "deploy/workspace.json"}},
		"no app":                  {func(g map[string]any) { g["workspaceAppId"] = "" }, nil, []string{"workspaceAppId: set it", "directory of globex"}},
		"an app for nothing":      {nil, map[string]any{"directoryId": ""}, []string{"workspaceAppId: no tenant"}},
		"no key":                  {func(g map[string]any) { g["moreWorkspaceKeys"] = map[string]any{} }, nil, []string{"moreWorkspaceKeys: there is no key for Initech"}},
		"no secret of a customer": {func(g map[string]any) { g["moreTenantSecrets"] = map[string]any{} }, nil, []string{"moreTenantSecrets", "Initech"}},
	} {
		given := ownWorkspaces(tc.globex)
		if tc.change != nil {
			tc.change(given)
		}
		world := deploy.NewWorld()
		_, err := read(t).Resolve(deploy.Surroundings{World: world}, needed(given))
		if (err != nil) != (tc.says != nil) || err != nil && len(world.History) > 0 {
			t.Errorf("%s: %v, %d resources were made", name, err, len(world.History))
		}
		for _, part := range tc.says {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not say %q", name, err, part)
			}
		}
	}
}

// TestFirstTenantElsewhere: the first tenant too may have a workspace of its own, alone or with others;
// without one it keeps that of the template.
func TestFirstTenantElsewhere(t *testing.T) {
	own := map[string]any{"workspaceId": customerWorkspace, "dcrImmutableId": customerRule, "logsIngestionEndpoint": customerEndpoint, "directoryId": customerDirectory}
	there := entra.Identity{Managed: deploy.ClientID, Directory: customerDirectory, App: connectorApp}
	for name, tc := range map[string]struct {
		given map[string]any
		names []string
	}{
		"alone":         {map[string]any{"firstTenantWorkspace": own, "workspaceAppId": connectorApp}, []string{"acme"}},
		"named":         {map[string]any{"firstTenantWorkspace": own, "workspaceAppId": connectorApp, "connectionName": "Customer1"}, []string{"customer1"}},
		"with others":   {map[string]any{"firstTenantWorkspace": own, "workspaceAppId": connectorApp, "moreTenants": moreTenants, "moreTenantSecrets": moreSecrets}, []string{"acme", "globex", "initech2"}},
		"DataCollector": {map[string]any{"firstTenantWorkspace": own, "workspaceAppId": connectorApp, "ingestionApi": "DataCollector"}, []string{"acme"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployed(t, "", tc.given)
			s, err := load(resolved(t, d))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for i, c := range s.Connections {
				names = append(names, c.Name)
				if elsewhere := c.LogsIngestion.Identity == there && c.LogsIngestion.RuleID == customerRule && c.ReadBack.WorkspaceID == customerWorkspace; elsewhere != (i == 0) {
					t.Errorf("%s writes to %+v, as %+v", c.Name, c.LogsIngestion.RuleID, c.LogsIngestion.Identity)
				}
			}
			if diff := cmp.Diff(tc.names, names); diff != "" {
				t.Errorf("connections (-want +got):\n%s", diff)
			}
			if query := alerts(t, d)["silent"].query; strings.Contains(query, "acme") || strings.Contains(query, "customer1") {
				t.Errorf("the alerts of the template's workspace are about a tenant of another: %s", query)
			}
		})
	}
	for name, change := range map[string]map[string]any{
		"no endpoint": {"logsIngestionEndpoint": ""}, "no rule": {"dcrImmutableId": ""}, "no workspace": {"workspaceId": ""},
		"a workspace alone": {"dcrImmutableId": "", "logsIngestionEndpoint": "", "directoryId": ""},
		"other names":       {"workspaceId": "", "dcrImmutableId": "", "logsIngestionEndpoint": "", "directoryId": "", "workspace": customerWorkspace},
	} {
		half := maps.Clone(own)
		maps.Copy(half, change)
		world := deploy.NewWorld()
		given := needed(map[string]any{"firstTenantWorkspace": half})
		if half["directoryId"] != "" {
			given["workspaceAppId"] = connectorApp
		}
		if _, err := read(t).Resolve(deploy.Surroundings{World: world}, given); err == nil || !strings.Contains(err.Error(), "firstTenantWorkspace: it needs") || len(world.History) > 0 {
			t.Errorf("%s: %v, %d resources were made", name, err, len(world.History))
		}
	}
}

// TestExampleOfWorkspaces: the file of parameters in docs/workspaces.md deploys, and the program loads its
// settings, once what it leaves out with dots is filled in.
func TestExampleOfWorkspaces(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "workspaces.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	var file struct {
		Parameters map[string]struct{ Value any }
	}
	filled := strings.NewReplacer(
		`"workspaceId": "…"`, `"workspaceId": "`+customerWorkspace+`"`, `"directoryId": "…"`, `"directoryId": "`+customerDirectory+`"`,
		"dcr-…", customerRule, "https://….ingest", "https://x1y2.westeurope-1.ingest", "APP_ID", connectorApp,
		`"moreTenantSecrets": { "value": { "initech": "…" }`, `"moreTenantSecrets": { "value": { "initech": "`+canaryClient+`" }`, `"initech": "…"`, `"initech": "`+customerKey+`"`,
	).Replace(example)
	if err := json.Unmarshal([]byte(filled), &file, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	given := map[string]any{}
	for name, p := range file.Parameters {
		given[name] = p.Value
	}
	if strings.Contains(filled, "…") || len(given) == 0 {
		t.Fatalf("not all is filled in: %s", filled)
	}
	d := deployed(t, "", given)
	s, err := load(appSettings(t, d))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range s.Connections {
		got = append(got, c.Name+" "+string(c.IngestionAPI))
	}
	if diff := cmp.Diff([]string{"acme LogsIngestion", "globex LogsIngestion", "initech DataCollector"}, got); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
}

const forWorkspace = "deploy/workspace.json"

// TestForWorkspace: a customer's template is made of the connector's.
func TestForWorkspace(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join(root, "azuredeploy.json"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := deploy.ForWorkspace(whole)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, filepath.FromSlash(forWorkspace))
	if *update {
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("run go test ./dev/deploy -run ForWorkspace -update: %v", err)
	}
}

func customerDeploys(t *testing.T, around deploy.Surroundings, changes map[string]any) (deploy.Deployment, error) {
	t.Helper()
	template, err := deploy.Read(filepath.Join(root, filepath.FromSlash(forWorkspace)))
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]any{"workspaceResourceId": workspace, "principalId": customerDirectory}
	maps.Copy(given, changes)
	return template.Resolve(around, given)
}

// TestCustomerDeploys: the same tables and the same rule as in the connector's own workspace, the role on the
// rule for the principal that is given, and outputs with which a connection of the app loads.
func TestCustomerDeploys(t *testing.T) {
	d, err := customerDeploys(t, deploy.Surroundings{}, map[string]any{"readBack": true, "okta": true, "iiq": true})
	if err != nil {
		t.Fatal(err)
	}
	own := deployed(t, "", map[string]any{"oktaOrgUrl": "https://acme.okta.com", "oktaApiToken": canaryClient, "iiqClientSecret": canaryClient, "iiqUrl": "https://iiq.acme.example/identityiq", "iiqClientId": "x"})
	rule := only(t, d, "Microsoft.Insights/dataCollectionRules")
	if diff := cmp.Diff(only(t, own, "Microsoft.Insights/dataCollectionRules").Body["properties"], rule.Body["properties"]); diff != "" {
		t.Errorf("rule (-the app's +the customer's):\n%s", diff)
	}
	tables := func(d deploy.Deployment) (names []string) {
		for _, r := range ofType(d, "Microsoft.OperationalInsights/workspaces/tables") {
			names = append(names, r.ID)
		}
		slices.Sort(names)
		return names
	}
	if diff := cmp.Diff(tables(own), tables(d)); diff != "" {
		t.Errorf("tables (-the app's +the customer's):\n%s", diff)
	}
	roles := map[string]string{}
	for _, r := range ofType(d, "Microsoft.Authorization/roleAssignments") {
		if dig(r.Body, "properties", "principalId") != customerDirectory {
			t.Errorf("a role is given to %v", dig(r.Body, "properties", "principalId"))
		}
		scope, role := r.Body["scope"].(string), dig(r.Body, "properties", "roleDefinitionId").(string)
		roles[scope[strings.LastIndexByte(scope, '/')+1:]] = role[strings.LastIndexByte(role, '/')+1:]
	}
	if diff := cmp.Diff(map[string]string{rule.Name: "3913510d-42f4-4e42-8a64-420c390055eb", "sentinel": "73c42c96-874c-492b-b04d-ab87d138a893"}, roles); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	globex := map[string]any{}
	for name, value := range d.Outputs {
		globex[name] = value
	}
	s, err := load(appSettings(t, deployed(t, "", ownWorkspaces(globex))))
	if err != nil {
		t.Fatal(err)
	}
	if c := s.Connections[1]; c.LogsIngestion.RuleID != deploy.RuleID || c.LogsIngestion.Identity.Directory != deploy.Directory || c.ReadBack.WorkspaceID != deploy.WorkspaceID {
		t.Errorf("%+v", c.LogsIngestion)
	}
}

// TestCustomerDeploysAgain: a second deployment changes nothing that holds data, and what can't work is
// refused.
func TestCustomerDeploysAgain(t *testing.T) {
	world := deploy.NewWorld()
	for range 2 {
		if _, err := customerDeploys(t, deploy.Surroundings{World: world}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range world.IDs() {
		if strings.Contains(strings.ToLower(r), "/roleassignments/") && strings.Contains(strings.ToLower(r), "/workspaces/") {
			t.Errorf("%s is made without readBack", r)
		}
	}
	if _, err := customerDeploys(t, deploy.Surroundings{}, map[string]any{"iiq": true, "alsoAsimTables": true}); err == nil || !strings.Contains(err.Error(), "more than the 10 data flows") {
		t.Error(err)
	}
}
