package deploy_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
)

const (
	contentFile = "sentinel/Package/mainTemplate.json"
	contentRaw  = "https://raw.githubusercontent.com/idn-sentinel/idn-sentinel/"
)

// withContent plays a deployment that can fetch the content of this checkout, at the
// address of the release that the template installs.
func withContent(t *testing.T, around deploy.Surroundings, changes map[string]any) (deploy.Deployment, error) {
	t.Helper()
	around.WorkspaceKey, around.Linked = canaryKey, content(t)
	given := map[string]any{
		"tenantId": "acme", "clientId": "0123456789abcdef0123456789abcdef", "clientSecret": canaryClient,
		"workspaceResourceId": workspace,
	}
	for name, v := range changes {
		given[name] = v
	}
	return read(t).Resolve(around, given)
}

// content is what a deployment can fetch: the content of this checkout.
func content(t *testing.T) map[string]deploy.Template {
	t.Helper()
	solution, err := deploy.Read(filepath.Join(root, contentFile))
	if err != nil {
		t.Fatal(err)
	}
	version, _ := read(t).Parameters["packageVersion"].DefaultValue.(string)
	return map[string]deploy.Template{contentRaw + version + "/" + contentFile: solution, "https://mirror.example/content.json": solution}
}

// TestContent: with the same click the content arrives in the workspace, which is in another
// subscription, and in its region. Rules are enabled only on request.
func TestContent(t *testing.T) {
	three := map[string]any{
		"sentinelContent": "install", "ingestionApi": "LogsIngestion",
		"moreTenants": []any{
			map[string]any{"name": "globex", "tenantId": "globex", "clientId": "0123456789abcdef0123456789abcdef"},
			map[string]any{"name": "initech", "tenantId": "initech", "clientId": "0123456789abcdef0123456789abcdef"},
		},
		"moreTenantSecrets": map[string]any{"globex": canaryClient, "initech": canaryClient},
	}
	for _, tc := range []struct {
		name    string
		cloud   string
		changes map[string]any
		enabled bool
	}{
		{"default", "", map[string]any{"sentinelContent": "install"}, false},
		{"all rules", "", map[string]any{"sentinelContent": "installAndEnable"}, true},
		{"three tenants", "", three, false},
		{"Data Collector take-over", "", map[string]any{"sentinelContent": "install", "ingestionApi": "DataCollector", "legacyStorageAccountId": legacyAccount}, false},
		{"Government", "AzureUSGovernment", map[string]any{"sentinelContent": "install", "hostingPlan": "ElasticPremium"}, false},
		{"mirror", "", map[string]any{"sentinelContent": "install", "contentUrl": "https://mirror.example/content.json"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			world := deploy.NewWorld()
			tc.changes["tags"] = map[string]any{"owner": "soc"}
			d, err := withContent(t, deploy.Surroundings{Cloud: tc.cloud, World: world}, tc.changes)
			if err != nil {
				t.Fatal(err)
			}
			kinds := map[string]int{}
			for _, r := range d.Resources {
				if !strings.HasSuffix(r.Nested, "-content") {
					continue
				}
				kinds[r.Type]++
				group, _, _ := strings.Cut(workspace, "/providers/")
				switch {
				case !strings.HasPrefix(r.ID, group+"/"):
					t.Errorf("%s is not in the workspace's group", r.ID)
				case strings.Contains(r.Type, "savedSearches") && !strings.HasPrefix(r.ID, workspace+"/savedSearches/"):
					t.Errorf("%s is not in the workspace", r.ID)
				case strings.HasPrefix(r.Type, "Microsoft.SecurityInsights/") && r.Body["scope"] != workspace:
					t.Errorf("%s %s has the scope %v", r.Type, r.Name, r.Body["scope"])
				case r.Type == "Microsoft.SecurityInsights/alertRules" && dig(r.Body, "properties", "enabled") != tc.enabled:
					t.Errorf("rule %v: enabled is %v", dig(r.Body, "properties", "displayName"), dig(r.Body, "properties", "enabled"))
				case r.Type == "Microsoft.Insights/workbooks" && (r.Body["location"] != "northeurope" || text(t, r.Body["tags"]) != `{"owner":"soc"}`):
					t.Errorf("workbook in %v, tags %v", r.Body["location"], r.Body["tags"])
				}
			}
			for kind, least := range map[string]int{
				"Microsoft.OperationalInsights/workspaces/savedSearches": 20, "Microsoft.SecurityInsights/alertRules": 30,
				"Microsoft.Insights/workbooks": 2, "Microsoft.SecurityInsights/dataConnectorDefinitions": 1,
			} {
				if kinds[kind] < least {
					t.Errorf("%d of %s, want %d or more", kinds[kind], kind, least)
				}
			}
			tablesFirst(t, world)
		})
	}
}

// tablesFirst demands that the tables are there before what queries them.
func tablesFirst(t *testing.T, world *deploy.World) {
	t.Helper()
	search := slices.IndexFunc(world.History, func(id string) bool { return strings.Contains(id, "/savedSearches/") })
	for i, id := range world.History {
		if strings.Contains(id, "/tables/") && i > search {
			t.Errorf("%s is made after the content", id)
		}
	}
}

// TestContentIsOptional: nothing is fetched unless asked for, and what is fetched is the
// content of the release that is installed.
func TestContentIsOptional(t *testing.T) {
	d, err := withContent(t, deploy.Surroundings{}, map[string]any{"contentUrl": "https://nowhere.example/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range d.Resources {
		if strings.Contains(r.Type, "SecurityInsights") || strings.HasSuffix(r.Name, "-content") {
			t.Errorf("%s %s", r.Type, r.Name)
		}
	}
	_, err = withContent(t, deploy.Surroundings{}, map[string]any{"sentinelContent": "install", "packageVersion": "v9.8.7"})
	if want := contentRaw + "v9.8.7/" + contentFile; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one about %s", err, want)
	}
}

// TestContentChoices: what the template of the content can be asked for can be asked for with the
// connector, and nothing of it is made unasked.
func TestContentChoices(t *testing.T) {
	lists, err := filepath.Glob(filepath.Join(root, "sentinel", "Watchlists", "*.json"))
	if err != nil || len(lists) == 0 {
		t.Fatalf("watchlists: %v, %v", lists, err)
	}
	for name, tc := range map[string]struct {
		changes           map[string]any
		watchlists, asims int
	}{
		"default":              {nil, 0, 0},
		"watchlists":           {map[string]any{"createWatchlists": true}, len(lists), 0},
		"unifying functions":   {map[string]any{"asimFunctions": "create"}, 0, 6},
		"both":                 {map[string]any{"asimFunctions": "extend", "createWatchlists": true}, len(lists), 6},
		"both without content": {map[string]any{"asimFunctions": "extend", "createWatchlists": true, "sentinelContent": "none"}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			given := map[string]any{"sentinelContent": "install"}
			maps.Copy(given, tc.changes)
			d, err := withContent(t, deploy.Surroundings{World: deploy.NewWorld()}, given)
			if err != nil {
				t.Fatal(err)
			}
			watchlists, asims := 0, map[string]bool{}
			for _, r := range d.Resources {
				switch {
				case r.Type == "Microsoft.SecurityInsights/watchlists":
					watchlists++
					if r.Body["scope"] != workspace {
						t.Errorf("watchlist %s has the scope %v", r.Name, r.Body["scope"])
					}
				case strings.Contains(r.Type, "savedSearches") && strings.HasSuffix(r.ID, "Custom"):
					asims[r.ID] = true
					if !strings.HasPrefix(r.ID, workspace+"/savedSearches/") {
						t.Errorf("%s is not in the workspace", r.ID)
					}
				}
			}
			if watchlists != tc.watchlists || len(asims) != tc.asims {
				t.Errorf("%d watchlists and the functions %v, want %d and %d", watchlists, asims, tc.watchlists, tc.asims)
			}
		})
	}
}

// TestTemplateSizes: Resource Manager takes templates of up to 4 MB, and resources of up to 1 MB.
func TestTemplateSizes(t *testing.T) {
	for _, name := range []string{"azuredeploy.json", contentFile} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 1<<20 {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
	}
}
