package deploy_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
)

// With the Logs Ingestion API there is no key anywhere: the tables are made in
// the workspace's own group, the rule in its region, and the identity may send to
// that rule and to nothing else.
func TestLogsIngestion(t *testing.T) {
	d := deployed(t, "", nil) // the default
	settings := appSettings(t, d)
	got := map[string]string{}
	for _, name := range []string{"INGESTION_API", "LOGS_INGESTION_ENDPOINT", "DCR_IMMUTABLE_ID", "SHARED_KEY", "AZURE_CLIENT_ID"} {
		got[name] = settings[name]
	}
	want := map[string]string{
		"INGESTION_API": "LogsIngestion", "LOGS_INGESTION_ENDPOINT": deploy.RuleEndpoint, "DCR_IMMUTABLE_ID": deploy.RuleID,
		"SHARED_KEY": "", "AZURE_CLIENT_ID": deploy.ClientID,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	for _, r := range d.Resources {
		if strings.Contains(text(t, r.Body), canaryKey) {
			t.Errorf("%s %s holds the workspace's key", r.Type, r.Name)
		}
	}
	for _, r := range ofType(d, "Microsoft.KeyVault/vaults/secrets") {
		if strings.HasSuffix(r.Name, "/workspace-key") {
			t.Error("the vault has a secret for the key")
		}
	}
	rule := only(t, d, "Microsoft.Insights/dataCollectionRules")
	if rule.Body["kind"] != "Direct" || rule.Body["location"] != "northeurope" {
		t.Errorf("rule is %v in %v", rule.Body["kind"], rule.Body["location"])
	}
	mine := 0
	for _, r := range ofType(d, "Microsoft.Authorization/roleAssignments") {
		if strings.HasSuffix(r.Body["scope"].(string), "/dataCollectionRules/"+rule.Name) {
			mine++
			if role := dig(r.Body, "properties", "roleDefinitionId").(string); !strings.HasSuffix(role, "3913510d-42f4-4e42-8a64-420c390055eb") {
				t.Errorf("role on the rule is %s", role)
			}
		}
	}
	if mine != 1 {
		t.Errorf("%d roles on the rule, want 1", mine)
	}
}

// The program takes the settings of every cloud, and asks for tokens of that cloud.
func TestLogsIngestionLoads(t *testing.T) {
	clouds := map[string]cloud.Configuration{"AzureCloud": cloud.AzurePublic, "AzureUSGovernment": cloud.AzureGovernment, "AzureChinaCloud": cloud.AzureChina}
	for name, want := range clouds {
		t.Run(name, func(t *testing.T) {
			settings := appSettings(t, deployed(t, name, map[string]any{"ingestionApi": "LogsIngestion"}))
			for name, value := range settings {
				if vaultReference.MatchString(value) {
					settings[name] = canaryClient
				}
			}
			all, err := load(settings)
			if err != nil {
				t.Fatal(err)
			}
			loaded := all.Connections[0]
			if loaded.IngestionAPI != config.UseLogsIngestion || loaded.LogsIngestion.Identity.Managed != deploy.ClientID {
				t.Fatalf("the program takes it for %s", loaded.IngestionAPI)
			}
			if got := logsingestion.Cloud(loaded.LogsIngestion.Endpoint); got.ActiveDirectoryAuthorityHost != want.ActiveDirectoryAuthorityHost {
				t.Errorf("signs in at %s, want %s", got.ActiveDirectoryAuthorityHost, want.ActiveDirectoryAuthorityHost)
			}
		})
	}
}

// Each flow takes a declared stream to a table that is made, or to one that
// Sentinel has.
func TestTablesAndFlows(t *testing.T) {
	for _, tc := range []struct {
		isc, asim     bool
		makeTables    string
		tables, flows int
	}{
		{false, false, "merge", 4, 4}, {false, false, "new", 4, 4}, {true, false, "merge", 5, 5}, {false, true, "new", 4, 7}, {true, true, "none", 0, 8},
	} {
		world := deploy.NewWorld()
		if tc.makeTables == "none" {
			deployedIn(t, deploy.Surroundings{World: world}, map[string]any{"alsoIscTable": true})
		}
		d := deployedIn(t, deploy.Surroundings{World: world}, map[string]any{"alsoIscTable": tc.isc, "alsoAsimTables": tc.asim, "makeTables": tc.makeTables})
		made := map[string]bool{}
		for _, r := range ofType(d, "Microsoft.OperationalInsights/workspaces/tables") {
			name := strings.TrimPrefix(r.Name, "sentinel/")
			made["Custom-"+name] = true
			if dig(r.Body, "properties", "schema", "name") != name || r.ID != workspace+"/tables/"+name {
				t.Errorf("table %s has the schema or the id of another", name)
			}
		}
		properties := only(t, d, "Microsoft.Insights/dataCollectionRules").Body["properties"]
		declared := dig(properties, "streamDeclarations").(map[string]any)
		destination := dig(dig(properties, "destinations", "logAnalytics").([]any)[0], "name")
		flows := dig(properties, "dataFlows").([]any)
		if len(made) != tc.tables || len(flows) != tc.flows {
			t.Errorf("%+v: %d tables and %d flows", tc, len(made), len(flows))
		}
		for _, f := range flows {
			stream, to := dig(f, "streams").([]any)[0].(string), dig(f, "outputStream").(string)
			if native := strings.HasPrefix(to, "Microsoft-ASim"); declared[stream] == nil || !native && tc.makeTables != "none" && !made[to] {
				t.Errorf("%+v: flow from %s to %s: one of them is missing", tc, stream, to)
			}
			if diff := cmp.Diff([]any{destination}, dig(f, "destinations")); diff != "" {
				t.Errorf("destinations (-want +got):\n%s", diff)
			}
		}
	}
}

// The definitions in the template are those that are generated from the
// program's own tables.
func TestIngestionDefinitions(t *testing.T) {
	var generated map[string]any
	readJSON(t, "deploy/ingestion.json", &generated)
	delete(generated, "note")
	if *update {
		path := filepath.Join(root, "azuredeploy.json")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		const begin, end = "    \"ingestion\": ", ",\n    \"isFlex\": "
		head, rest, ok1 := strings.Cut(string(data), begin)
		_, tail, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatal("the template has no variable for them ahead of isFlex")
		}
		if err := os.WriteFile(path, []byte(head+begin+compact(t, generated)+end+tail), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(generated, read(t).Variables["ingestion"]); diff != "" {
		t.Errorf("run go test ./dev/deploy -run IngestionDefinitions -update (-generated +template):\n%s", diff)
	}
}

// compact writes a table, a stream or a flow to a line.
func compact(t *testing.T, v map[string]any) string {
	t.Helper()
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		var items []string
		opened, closed := "[", "]"
		switch group := v[name].(type) {
		case []any:
			for _, item := range group {
				items = append(items, text(t, item))
			}
		case map[string]any:
			opened, closed = "{", "}"
			for _, key := range slices.Sorted(maps.Keys(group)) {
				items = append(items, text(t, key)+": "+text(t, group[key]))
			}
		}
		parts = append(parts, "      "+text(t, name)+": "+opened+"\n        "+strings.Join(items, ",\n        ")+"\n      "+closed)
	}
	return "{\n" + strings.Join(parts, ",\n") + "\n    }"
}
