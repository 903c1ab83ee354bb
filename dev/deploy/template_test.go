package deploy_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
)

const (
	root          = "../.."
	workspace     = "/subscriptions/77777777-7777-7777-7777-777777777777/resourceGroups/soc/providers/Microsoft.OperationalInsights/workspaces/sentinel"
	legacyAccount = "/subscriptions/88888888-8888-8888-8888-888888888888/resourceGroups/old/providers/Microsoft.Storage/storageAccounts/oldaccount"

	canaryClient = "canary-client-secret-0123456789"
	canaryKey    = "Y2FuYXJ5LXdvcmtzcGFjZS1rZXk="
	secondaryKey = "c2Vjb25kYXJ5LQ=="
)

func read(t *testing.T) deploy.Template {
	t.Helper()
	template, err := deploy.Read(filepath.Join(root, "azuredeploy.json"))
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// deployed plays a deployment with what a user must fill in, and with changes.
func deployed(t *testing.T, cloud string, changes map[string]any) deploy.Deployment {
	t.Helper()
	return deployedIn(t, deploy.Surroundings{Cloud: cloud, WorkspaceKey: canaryKey}, changes)
}

func deployedIn(t *testing.T, around deploy.Surroundings, changes map[string]any) deploy.Deployment {
	t.Helper()
	d, err := read(t).Resolve(around, needed(changes))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// needed are the parameters that a user must fill in, with changes.
func needed(changes map[string]any) map[string]any {
	given := map[string]any{
		"tenantId": "acme", "clientId": "0123456789abcdef0123456789abcdef", "clientSecret": canaryClient,
		"workspaceResourceId": workspace,
	}
	maps.Copy(given, changes)
	return given
}

var plans = []string{"FlexConsumption", "ElasticPremium", "Dedicated", "Consumption"}

func ofType(d deploy.Deployment, typ string) (found []deploy.Resource) {
	for _, r := range d.Resources {
		if r.Type == typ {
			found = append(found, r)
		}
	}
	return found
}

func only(t *testing.T, d deploy.Deployment, typ string) deploy.Resource {
	t.Helper()
	found := ofType(d, typ)
	if len(found) != 1 {
		t.Fatalf("%d resources of type %s, want 1", len(found), typ)
	}
	return found[0]
}

// dig follows keys into nested objects; nil if there is no such thing.
func dig(v any, keys ...string) any {
	for _, k := range keys {
		object, _ := v.(map[string]any)
		v = object[k]
	}
	return v
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Secrets are typed in as securestring, go into the vault, and are nowhere else.
func TestSecrets(t *testing.T) {
	for name, p := range read(t).Parameters {
		if secret := regexp.MustCompile(`(?i)(secrets?|keys?|password|token|tokenPrevious)$`).MatchString(name); secret != p.Secret() {
			t.Errorf("parameter %s: secret by its name %v, by its type %v", name, secret, p.Secret())
		}
		if empty := text(t, p.DefaultValue); p.Secret() && !slices.Contains([]string{"null", `""`, "{}"}, empty) {
			t.Errorf("parameter %s has a default", name)
		}
	}
	d := deployed(t, "", map[string]any{"ingestionApi": "DataCollector"})
	stored := map[string]any{}
	for _, r := range d.Resources {
		if r.Type == "Microsoft.KeyVault/vaults/secrets" {
			stored[r.Name] = dig(r.Body, "properties", "value")
			continue
		}
		for _, canary := range []string{canaryClient, canaryKey, secondaryKey} {
			if strings.Contains(text(t, r.Body), canary) {
				t.Errorf("%s %s holds a secret", r.Type, r.Name)
			}
		}
	}
	vault := only(t, d, "Microsoft.KeyVault/vaults").Name
	want := map[string]any{vault + "/client-secret": canaryClient, vault + "/workspace-key": canaryKey, vault + "/workspace-key-secondary": secondaryKey}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	for _, canary := range []string{canaryClient, canaryKey, secondaryKey} {
		if strings.Contains(text(t, d.Outputs), canary) {
			t.Error("an output holds a secret")
		}
	}
}

// The names of resources have lengths and letters that Azure takes, whatever
// the prefix.
func TestNames(t *testing.T) {
	rules := map[string]string{
		"Microsoft.Storage/storageAccounts":                         `^[a-z0-9]{3,24}$`,
		"Microsoft.KeyVault/vaults":                                 `^[a-z](-?[a-z0-9]){2,23}$`,
		"Microsoft.ManagedIdentity/userAssignedIdentities":          `^[a-z0-9][a-z0-9-]{2,127}$`,
		"Microsoft.Web/serverfarms":                                 `^[a-z0-9-]{1,40}$`,
		"Microsoft.Insights/components":                             `^[a-z0-9-]{1,260}$`,
		"Microsoft.Insights/actionGroups":                           `^[a-z0-9-]{1,260}$`,
		"Microsoft.Insights/scheduledQueryRules":                    `^[a-z0-9-]{1,260}$`,
		"Microsoft.Insights/metricAlerts":                           `^[a-z0-9-]{1,260}$`,
		"Microsoft.Insights/diagnosticSettings":                     `^[a-z0-9-]{1,260}$`,
		"Microsoft.Resources/deployments":                           `^[a-z0-9-]{1,64}$`,
		"Microsoft.KeyVault/vaults/secrets":                         `^[a-z0-9-]+/[a-z0-9-]{1,127}$`,
		"Microsoft.Storage/storageAccounts/blobServices":            `^[a-z0-9]+/default$`,
		"Microsoft.Storage/storageAccounts/blobServices/containers": `^[a-z0-9]+/default/[a-z-]{3,63}$`,
		"Microsoft.Authorization/roleAssignments":                   `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`,
		"Microsoft.Web/sites/basicPublishingCredentialsPolicies":    `/(scm|ftp)$`,
		"Microsoft.Web/sites/extensions":                            `/onedeploy$`,
		"Microsoft.OperationalInsights/workspaces/tables":           `^sentinel/[A-Za-z]\w{3,62}_CL$`,
		// A rule of the kind Direct has its own address, made of the name, which may have 30 characters.
		"Microsoft.Insights/dataCollectionRules": `^[a-z0-9][a-z0-9-]{2,29}$`,
		// 60 are allowed, but the host's id is cut to 32, and two apps with one id stop each other.
		"Microsoft.Web/sites": `^[a-z0-9](-?[a-z0-9]){1,31}$`,
	}
	for _, prefix := range []string{"ab", "idnsentinel", "Acme-Corp-1", "a--------bc"} {
		seen := map[string]bool{}
		for _, r := range deployed(t, "", map[string]any{"namePrefix": prefix, "alertEmail": "soc@example.com", "diagnostics": "vaultAndStorage", "moreTenants": moreTenants, "moreTenantSecrets": moreSecrets}).Resources {
			rule, ok := rules[r.Type]
			if !ok || !regexp.MustCompile(rule).MatchString(r.Name) {
				t.Errorf("prefix %s: %s has the name %q, rule %q", prefix, r.Type, r.Name, rule)
			}
			if id := r.ID; seen[id] {
				t.Errorf("prefix %s: %s %s is there twice", prefix, r.Type, r.Name)
			} else {
				seen[id] = true
			}
		}
	}
	if template := read(t); *template.Parameters["namePrefix"].MaxLength != 11 {
		t.Error("the longest prefix is not among the cases")
	}
}

// One released version for each type, except where Azure has only previews.
func TestVersions(t *testing.T) {
	versions := map[string]string{}
	for _, plan := range plans {
		for _, r := range deployed(t, "", map[string]any{"hostingPlan": plan, "alertEmail": "soc@example.com", "ingestionApi": "LogsIngestion"}).Resources {
			released := regexp.MustCompile(`^20\d\d-\d\d-\d\d$`).MatchString(r.APIVersion)
			if !released && r.Type+"@"+r.APIVersion != "Microsoft.Insights/diagnosticSettings@2021-05-01-preview" {
				t.Errorf("%s has the version %q", r.Type, r.APIVersion)
			}
			if v := versions[r.Type]; v != "" && v != r.APIVersion {
				t.Errorf("%s has the versions %s and %s", r.Type, v, r.APIVersion)
			}
			versions[r.Type] = r.APIVersion
		}
	}
}

// The account takes no keys and nothing public, and each network switch closes
// both the account and the vault.
func TestStorageAndVault(t *testing.T) {
	for access, action := range map[string]string{"Enabled": "Allow", "Disabled": "Deny"} {
		d := deployed(t, "", map[string]any{"publicNetworkAccess": access})
		for typ, want := range map[string]map[string]any{
			"Microsoft.Storage/storageAccounts": {
				"minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": true, "allowBlobPublicAccess": false,
				"allowSharedKeyAccess": false, "publicNetworkAccess": access,
			},
			"Microsoft.KeyVault/vaults": {"enableRbacAuthorization": true, "publicNetworkAccess": access},
		} {
			properties := dig(only(t, d, typ).Body, "properties")
			got := map[string]any{}
			for name := range want {
				got[name] = dig(properties, name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", typ, diff)
			}
			if got := dig(properties, "networkAcls", "defaultAction"); got != action {
				t.Errorf("%s: default action %v, want %s", typ, got, action)
			}
		}
	}
	for _, r := range ofType(deployed(t, "", nil), "Microsoft.Storage/storageAccounts/blobServices/containers") {
		if access := dig(r.Body, "properties", "publicAccess"); access != "None" {
			t.Errorf("container %s: public access %v", r.Name, access)
		}
	}
}

// The identity has these roles and no other, and the site waits for every one of
// them: a reference to a secret that is resolved too early stays unresolved.
func TestRoles(t *testing.T) {
	want := map[string][]string{
		"Microsoft.Storage/storageAccounts":      {"0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", "76199698-9eea-4c19-bc75-cec21354c6b6", queueRole, "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"},
		"Microsoft.KeyVault/vaults":              {"4633458b-17de-408a-b874-0445c86b69e6"},
		"Microsoft.Insights/components":          {"3913510d-42f4-4e42-8a64-420c390055eb"},
		"Microsoft.Insights/dataCollectionRules": {"3913510d-42f4-4e42-8a64-420c390055eb"},
	}
	if n := len(ofType(deployed(t, "", map[string]any{"ingestionApi": "DataCollector"}), "Microsoft.Authorization/roleAssignments")); n != 4 {
		t.Errorf("%d assignments without a data collection rule and an old connector, want 4", n)
	}
	d := deployed(t, "", map[string]any{"ingestionApi": "LogsIngestion", "legacyStorageAccountId": legacyAccount, "fanOut": "queue"})
	waits := text(t, only(t, d, "Microsoft.Web/sites").Body["dependsOn"])
	got := map[string][]string{}
	for _, r := range ofType(d, "Microsoft.Authorization/roleAssignments") {
		if dig(r.Body, "properties", "principalId") != deploy.PrincipalID {
			t.Errorf("assignment %s is for somebody else", r.Name)
		}
		if !strings.Contains(waits, r.Name) && (r.Nested == "" || !strings.Contains(waits, r.Nested)) {
			t.Errorf("the site does not wait for assignment %s", r.Name)
		}
		scope := strings.Split(r.Body["scope"].(string), "/providers/")[1]
		typ := scope[:strings.LastIndex(scope, "/")]
		role := dig(r.Body, "properties", "roleDefinitionId").(string)
		got[typ] = append(got[typ], role[strings.LastIndex(role, "/")+1:])
	}
	for _, roles := range got {
		slices.Sort(roles)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("roles by what they are on (-want +got):\n%s", diff)
	}
	page, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile("`([0-9a-f-]{36})`").FindAllStringSubmatch(string(page), -1)
	var documented, assigned []string
	for _, m := range told {
		documented = append(documented, m[1])
	}
	for _, roles := range got {
		assigned = append(assigned, roles...)
	}
	slices.Sort(documented)
	slices.Sort(assigned)
	if diff := cmp.Diff(assigned, documented); diff != "" {
		t.Errorf("SECURITY.md tells of other roles (-template +page):\n%s", diff)
	}
}

// The site speaks TLS only, takes no passwords for publishing, and its telemetry goes
// into a workspace, written by the identity: Application Insights takes no keys.
func TestSiteTakesNoPasswords(t *testing.T) {
	for _, plan := range plans {
		d := deployed(t, "", map[string]any{"hostingPlan": plan})
		site := dig(only(t, d, "Microsoft.Web/sites").Body, "properties")
		insights := dig(only(t, d, "Microsoft.Insights/components").Body, "properties")
		got := map[string]any{
			"httpsOnly": dig(site, "httpsOnly"), "minTlsVersion": dig(site, "siteConfig", "minTlsVersion"),
			"DisableLocalAuth": dig(insights, "DisableLocalAuth"), "WorkspaceResourceId": dig(insights, "WorkspaceResourceId"),
			"telemetry": appSettings(t, d)["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"],
		}
		for _, r := range ofType(d, "Microsoft.Web/sites/basicPublishingCredentialsPolicies") {
			_, way, _ := strings.Cut(r.Name, "/")
			got[way] = dig(r.Body, "properties", "allow")
		}
		want := map[string]any{
			"httpsOnly": true, "minTlsVersion": "1.2", "scm": false,
			"DisableLocalAuth": true, "WorkspaceResourceId": workspace, "telemetry": "ClientId=" + deploy.ClientID + ";Authorization=AAD",
		}
		if plan != "FlexConsumption" { // which has no FTP
			want["ftp"] = false
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", plan, diff)
		}
	}
}

// In another cloud nothing points to the public one but the release.
func TestClouds(t *testing.T) {
	foreign := regexp.MustCompile(`[\w.-]+\.(windows\.net|azure\.com|microsoft\.com|microsoftonline\.com)`)
	for cloud, domain := range map[string]string{"AzureUSGovernment": "us", "AzureChinaCloud": "cn"} {
		for _, api := range []string{"DataCollector", "LogsIngestion"} {
			d := deployed(t, cloud, map[string]any{"hostingPlan": "ElasticPremium", "ingestionApi": api})
			for _, r := range d.Resources {
				if found := foreign.FindAllString(text(t, r.Body), -1); len(found) > 0 {
					t.Errorf("%s, %s: %s names %q", cloud, api, r.Type, found)
				}
			}
			settings := appSettings(t, d)
			want := "https://" + deploy.WorkspaceID + ".ods.opinsights.azure." + domain
			if got := settings["logAnalyticsUri"]; got != want {
				t.Errorf("%s, %s: logAnalyticsUri is %q, want %q", cloud, api, got, want)
			}
			if got := settings["LOGS_INGESTION_ENDPOINT"]; (api == "LogsIngestion") != strings.HasSuffix(got, ".ingest.monitor.azure."+domain) {
				t.Errorf("%s, %s: LOGS_INGESTION_ENDPOINT is %q", cloud, api, got)
			}
		}
	}
}
