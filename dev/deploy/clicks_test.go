package deploy_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
)

// deployments are those that people make, by name. Those of the classic connector begin
// with its table there.
var deployments = []struct {
	name, cloud string
	given       map[string]any
	classic     bool
}{
	{"default", "", nil, false},
	{"three tenants", "", map[string]any{"moreTenants": moreTenants, "moreTenantSecrets": moreSecrets, "alertEmail": "soc@example.com", "sentinelContent": "installAndEnable"}, false},
	{"every choice", "", map[string]any{
		"alsoIscTable": true, "alsoAsimTables": true, "purgeProtection": true, "diagnostics": "vaultAndStorage", "tags": map[string]any{"a": "b"},
		"eventTriggers": "token", "webhookToken": canaryClient + "-token", "webhookTokenPrevious": canaryClient + "-previous", "alwaysReadyHttp": 1.0,
		"saasReports": "secret", "saasWebhookSecret": canaryClient + "-reports",
		"workflowUrl": "https://acme.api.identitynow.com/v3/workflows/execute/external/d201c5e9-1fe4-4e05-9a3b-3b2e1a2b3c4d", "workflowClientId": "flow-client", "workflowClientSecret": canaryClient + "-workflow",
	}, false},
	{"taking over", "", map[string]any{"ingestionApi": "DataCollector", "legacyStorageAccountId": legacyAccount}, true},
	{"government", "AzureUSGovernment", map[string]any{"hostingPlan": "ElasticPremium"}, false},
	{"dedicated, no package", "", map[string]any{"hostingPlan": "Dedicated", "deployPackage": false}, false},
	{"workspace in this subscription", "", map[string]any{"workspaceResourceId": "/subscriptions/" + deploy.Subscription + "/resourceGroups/connector/providers/Microsoft.OperationalInsights/workspaces/mine"}, false},
}

// start returns what is there ahead of the first click.
func start(classic bool) *deploy.World {
	w := deploy.NewWorld()
	if classic {
		w.Put(eventsTable, standing("Classic", map[string]string{"id_s": "string", "attributes_badge_s": "string"}, nil))
	}
	return w
}

// The first click, with each resource as late as its dependencies allow. What stands in for Azure
// refuses a site whose secrets, or whose roles on vault and storage, are not there yet, a
// package ahead of the role that stores it, a rule ahead of its tables, an empty secret,
// and anything that reads a resource ahead of its making.
func TestFirstClick(t *testing.T) {
	template, linked := read(t), content(t)
	for _, v := range deployments {
		for late := range len(template.Resources) + 10 {
			around := deploy.Surroundings{Cloud: v.cloud, WorkspaceKey: canaryKey, World: start(v.classic), Late: late, Linked: linked}
			d, err := template.Resolve(around, needed(v.given))
			if err != nil {
				t.Fatalf("%s, resource %d late: %v", v.name, late, err)
			}
			if _, err := load(resolved(t, d)); err != nil {
				t.Errorf("%s: the program says %v", v.name, err)
			}
		}
	}
}

// snapshot is what stands there, without the deployments themselves.
func snapshot(w *deploy.World) map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, id := range w.IDs() {
		if !strings.Contains(id, "/microsoft.resources/deployments/") {
			all[id] = w.Get(id)
		}
	}
	return all
}

// The second click changes nothing, and a column that somebody added to a table stays.
func TestSecondClick(t *testing.T) {
	template, linked := read(t), content(t)
	for _, v := range deployments {
		around := deploy.Surroundings{Cloud: v.cloud, WorkspaceKey: canaryKey, World: start(v.classic), Linked: linked}
		for click := range 2 {
			if _, err := template.Resolve(around, needed(v.given)); err != nil {
				t.Fatalf("%s, click %d: %v", v.name, click+1, err)
			}
			if click == 0 && !v.classic {
				widen(around.World)
			}
		}
		after := snapshot(around.World)
		around.World, around.Late = start(v.classic), 7
		if _, err := template.Resolve(around, needed(v.given)); err != nil {
			t.Fatal(err)
		}
		if !v.classic {
			widen(around.World)
		}
		if diff := cmp.Diff(snapshot(around.World), after); diff != "" {
			t.Errorf("%s: the second click changes (-first +second):\n%s", v.name, diff)
		}
	}
}

// widen adds a column to every table, as somebody does by hand.
func widen(w *deploy.World) {
	for _, id := range w.IDs() {
		if body := w.Get(id); strings.Contains(id, "/tables/") {
			properties := maps.Clone(dig(body, "properties").(map[string]any))
			schema := maps.Clone(properties["schema"].(map[string]any))
			schema["columns"] = append(slices.Clone(schema["columns"].([]any)), map[string]any{"name": "mine_s", "type": "string"})
			properties["schema"] = schema
			w.Put(id, map[string]any{"properties": properties})
		}
	}
}

// Upgrades: an earlier template is deployed, then this one over it with the parameters that
// the user had. Names stay, so that state, roles and secrets do, and tables keep their columns.
func TestUpgrade(t *testing.T) {
	earlier, err := deploy.Read(filepath.Join("testdata", "earlier.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name          string
		before, after map[string]any
		between       func(w *deploy.World)
	}{
		{"Data Collector stays", map[string]any{"ingestionApi": "DataCollector"}, map[string]any{"ingestionApi": "DataCollector"}, nil},
		{"Logs Ingestion stays", map[string]any{"ingestionApi": "LogsIngestion"}, nil, widen},
		{"take-over, then migrated", map[string]any{"ingestionApi": "DataCollector", "legacyStorageAccountId": legacyAccount}, map[string]any{"legacyStorageAccountId": legacyAccount}, func(w *deploy.World) {
			w.Put(eventsTable, standing("DataCollectionRuleBased", map[string]string{"id_s": "string", "attributes_badge_s": "string"}, nil))
		}},
		{"one tenant becomes three", map[string]any{"ingestionApi": "LogsIngestion"}, map[string]any{"moreTenants": moreTenants, "moreTenantSecrets": moreSecrets}, nil},
		{"Elastic Premium", map[string]any{"ingestionApi": "LogsIngestion", "hostingPlan": "ElasticPremium"}, map[string]any{"hostingPlan": "ElasticPremium"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			around := deploy.Surroundings{WorkspaceKey: canaryKey, World: deploy.NewWorld()}
			if _, err := earlier.Resolve(around, needed(tc.before)); err != nil {
				t.Fatal(err)
			}
			if tc.between != nil {
				tc.between(around.World)
			}
			before := snapshot(around.World)
			d, err := read(t).Resolve(around, needed(tc.after))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := load(resolved(t, d)); err != nil {
				t.Errorf("the program says %v", err)
			}
			after := snapshot(around.World)
			for id, body := range before {
				if strings.Contains(id, "/tables/") {
					for name, typ := range columnsOf(body) {
						if columnsOf(after[id])[name] != typ {
							t.Errorf("%s loses the column %s", id, name)
						}
					}
				}
			}
			for id := range after { // a second one of what there is one of holds nothing of the first
				for _, typ := range []string{"/storageaccounts/", "/vaults/", "/sites/", "/userassignedidentities/", "/serverfarms/", "/datacollectionrules/"} {
					if _, known := before[id]; !known && strings.Contains(id, typ) && strings.Count(id[strings.Index(id, typ)+1:], "/") == 1 && countOf(before, typ) > 0 {
						t.Errorf("%s is made beside the earlier one", id)
					}
				}
			}
		})
	}
}

func countOf(all map[string]map[string]any, typ string) (n int) {
	for id := range all {
		if strings.Contains(id, typ) && strings.Count(id[strings.Index(id, typ)+1:], "/") == 1 {
			n++
		}
	}
	return n
}

// A group that was deleted and made again has an identity with another principal. The
// role on the old function's account, which lies in another group, is still there under
// the name of the first.
func TestGroupMadeAgain(t *testing.T) {
	around := deploy.Surroundings{WorkspaceKey: canaryKey, World: deploy.NewWorld()}
	given := map[string]any{"legacyStorageAccountId": legacyAccount}
	deployedIn(t, around, given)
	around.World.Delete("/subscriptions/" + deploy.Subscription + "/resourceGroups/connector")
	around.Principal = "99999999-9999-9999-9999-999999999999"
	deployedIn(t, around, given)
}
