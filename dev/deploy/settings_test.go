package deploy_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// notInTemplate are the settings that a deployment leaves out, with the reason.
var notInTemplate = map[string]string{
	"REQUEST_RESPONSE_ANSWER":          "only to change the default",
	"REQUEST_RESPONSE_APPROVER":        "only to change the default",
	"WORKFLOW_INPUT":                   "only to change the default",
	"WORKFLOW_IN_DOUBT":                "only to change the default",
	"GRANT_TYPE":                       "only one value is valid",
	"NDJSON_PATH":                      "only for previews on your own machine",
	"LOG_ANALYTICS_QUERY_URL":          "only the operator's command uses it",
	"READ_BACK":                        "needs the role Log Analytics Reader, which the template does not grant: set it and grant the role manually",
	"AZURE_STORAGE_ACCOUNT_NAME":       "the host's account is used",
	"AZURE_STORAGE_ACCESS_KEY":         "the account accepts no keys",
	"AZURE_STORAGE_BLOB_ENDPOINT":      "the host's account is used",
	"AzureWebJobsStorage":              "it is a connection string with a key",
	"AzureWebJobsStorage__accountName": "it implies the public cloud; the address of the service is set instead",
}

// sometimes are settings that only a deployment with certain parameters has.
var sometimes = map[string]string{
	"CONNECTIONS":            "names of parameters `connectionName` and `moreTenants`, if there are more; then `{NAME}_TENANT_ID`, `{NAME}_CLIENT_ID`, `{NAME}_CLIENT_SECRET` and `{NAME}_SAILPOINT_BASE_URL` are set for each",
	"WORKSPACE_DIRECTORY_ID": "member `directoryId` of an entry of the parameter `moreTenants`, or of `firstTenantWorkspace`, for that connection; a workspace of its own also sets its `{NAME}_CUSTOMER_ID`, `{NAME}_INGESTION_API`, `{NAME}_DCR_IMMUTABLE_ID` and `{NAME}_LOGS_INGESTION_ENDPOINT`, or `{NAME}_SHARED_KEY` and `{NAME}_logAnalyticsUri`",
	"WORKSPACE_APP_ID":       "parameter `workspaceAppId`, for the same connections",
	"WEBHOOK_TOKEN":          "address of `webhook-token` in Key Vault, which holds the parameter `webhookToken`; only with `eventTriggers=token`",
	"WEBHOOK_TOKEN_PREVIOUS": "address of `webhook-token-previous` in Key Vault, which holds the parameter `webhookTokenPrevious`, if that is given",
	"WEBHOOK_USERNAME":       "parameter `webhookUsername`; only with `eventTriggers=basic`",
	"WEBHOOK_PASSWORD":       "address of `webhook-password` in Key Vault, which holds the parameter `webhookPassword`; only with `eventTriggers=basic`",
	"WORKFLOW_URL":           "parameter `workflowUrl`, if that is given and `saasReports=secret`",
	"WORKFLOW_CLIENT_ID":     "parameter `workflowClientId`, with `workflowUrl`",
	"WORKFLOW_CLIENT_SECRET": "address of `workflow-client-secret` in Key Vault, which holds the parameter `workflowClientSecret`, with `workflowUrl`",
	"SAAS_WEBHOOK_SECRET":    "address of `saas-webhook-secret` in Key Vault, which holds the parameter `saasWebhookSecret`; only with `saasReports=secret`",
	"IIQ_URL":                "parameter `iiqUrl`, if that is given; of several tenants, the first one's",
	"IIQ_CLIENT_ID":          "parameter `iiqClientId`; only with `iiqUrl`",
	"IIQ_CLIENT_SECRET":      "address of `iiq-client-secret` in Key Vault, which holds the parameter `iiqClientSecret`; only with `iiqUrl`",
	"OKTA_ORG_URL":           "parameter `oktaOrgUrl`, if that is given",
	"OKTA_API_TOKEN":         "address of `okta-api-token` in Key Vault, which holds the parameter `oktaApiToken`; only with `oktaOrgUrl` and without `oktaClientId`",
	"OKTA_CLIENT_ID":         "parameter `oktaClientId`; only with `oktaOrgUrl`",
	"OKTA_PRIVATE_KEY":       "address of `okta-private-key` in Key Vault, which holds the parameter `oktaPrivateKey`; only with `oktaClientId`",
	"IIQ_STREAMS":            "parameter `iiqStreams`; only with `iiqUrl`",
}

// derived are the settings whose value the template finds by itself.
var derived = map[string]string{
	"CLIENT_SECRET":                        "address of `client-secret` in Key Vault, which holds the parameter `clientSecret`",
	"SHARED_KEY":                           "address of `workspace-key` in Key Vault, which holds the workspace's primary key (looked up); only with `DataCollector`",
	"SHARED_KEY_SECONDARY":                 "address of `workspace-key-secondary` in Key Vault, which holds the workspace's secondary key (looked up); only with `DataCollector`",
	"INGESTION_API":                        "parameter `ingestionApi`",
	"FAN_OUT":                              "parameter `fanOut`",
	"CUSTOMER_ID":                          "looked up from the workspace",
	"logAnalyticsUri":                      "derived from the workspace and the cloud",
	"LOGS_INGESTION_ENDPOINT":              "the data collection rule that the template creates, with `LogsIngestion`",
	"DCR_IMMUTABLE_ID":                     "the data collection rule that the template creates, with `LogsIngestion`",
	"STATE_URL":                            "the container that the template creates",
	"AZURE_CLIENT_ID":                      "the identity that the template creates",
	"LEGACY_CHECKPOINT":                    "the table service of the account of parameter `legacyStorageAccountId`, or `auto`",
	"AzureWebJobsStorage__blobServiceUri":  "the account that the template creates",
	"AzureWebJobsStorage__queueServiceUri": "the account that the template creates",
	"AzureWebJobsStorage__credential":      "`managedidentity`",
	"AzureWebJobsStorage__clientId":        "the identity that the template creates",
}

// hostSettings are those that the Functions host or the platform reads.
var hostSettings = map[string]string{
	"AzureWebJobsStorage__tableServiceUri":      "host's storage, diagnostic events",
	"APPLICATIONINSIGHTS_CONNECTION_STRING":     "where the host logs to",
	"APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "with which identity",
}

// classicSettings are those of every plan but Flex Consumption, where they make
// a deployment fail.
var classicSettings = map[string]string{
	"FUNCTIONS_EXTENSION_VERSION": "~4", "FUNCTIONS_WORKER_RUNTIME": "custom",
	"SCM_DO_BUILD_DURING_DEPLOYMENT": "false", "WEBSITE_RUN_FROM_PACKAGE": packageURL,
}

const packageURL = "https://github.com/idn-sentinel/idn-sentinel/releases/download/v0.1.0/released-package.zip"

func appSettings(t *testing.T, d deploy.Deployment) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, s := range dig(only(t, d, "Microsoft.Web/sites").Body, "properties", "siteConfig", "appSettings").([]any) {
		name, value := dig(s, "name").(string), dig(s, "value").(string)
		if _, twice := got[name]; twice {
			t.Errorf("%s is set twice", name)
		}
		got[name] = value
	}
	return got
}

// TestLegacyAccount: the address of the old account is put together for each cloud, and
// the program takes it with the identity.
func TestLegacyAccount(t *testing.T) {
	for cloud, suffix := range map[string]string{"AzureCloud": "core.windows.net", "AzureUSGovernment": "core.usgovcloudapi.net", "AzureChinaCloud": "core.chinacloudapi.cn"} {
		d := deployed(t, cloud, map[string]any{"legacyStorageAccountId": legacyAccount, "ingestionApi": "LogsIngestion"})
		env := appSettings(t, d)
		env["CLIENT_SECRET"] = canaryClient
		s, err := load(env)
		if err != nil {
			t.Fatal(err)
		}
		if l := s.Connections[0].Legacy; l.TableEndpoint.String() != "https://oldaccount.table."+suffix || l.Auth != config.ManagedIdentity || l.ClientID != deploy.ClientID {
			t.Errorf("%s: %+v", cloud, l)
		}
		for _, r := range ofType(d, "Microsoft.Authorization/roleAssignments") {
			if scope := r.Body["scope"].(string); strings.Contains(scope, "oldaccount") && scope != legacyAccount {
				t.Errorf("role on %s, want it on the account", scope)
			}
		}
	}
}

// TestEverySetting: no setting of the program is forgotten, and none is made up.
func TestEverySetting(t *testing.T) {
	known := map[string]bool{}
	elsewhere := map[string][]string{"DataCollector": {"LOGS_INGESTION_ENDPOINT", "DCR_IMMUTABLE_ID"}, "LogsIngestion": {"SHARED_KEY", "SHARED_KEY_SECONDARY"}}
	for plan, extra := range map[string]map[string]string{"FlexConsumption": nil, "ElasticPremium": classicSettings} {
		for api, others := range elsewhere {
			got := appSettings(t, deployed(t, "", map[string]any{"hostingPlan": plan, "ingestionApi": api}))
			want := slices.Collect(maps.Keys(hostSettings))
			for name := range extra {
				want = append(want, name)
			}
			for _, s := range config.Table(app.SettingKinds()) {
				known[s.Name] = true
				if notInTemplate[s.Name] == "" && sometimes[s.Name] == "" && !slices.Contains(others, s.Name) {
					want = append(want, s.Name)
				}
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
				t.Errorf("%s, %s: app settings (-want +got):\n%s", plan, api, diff)
			}
		}
	}
	for name := range notInTemplate {
		if !known[name] {
			t.Errorf("%s is not a setting any more", name)
		}
	}
}

var update = flag.Bool("update", false, "write the table into docs/settings.md")

// TestSettingsPage: docs/settings.md shows where every setting gets its value.
func TestSettingsPage(t *testing.T) {
	from := map[string]string{}
	for _, a := range adjustable {
		from[a.setting] = "parameter `" + a.parameter + "`"
	}
	for name, how := range derived {
		from[name] = how
	}
	maps.Copy(from, sometimes)
	for name, reason := range notInTemplate {
		from[name] = "not set: " + reason
	}
	var b strings.Builder
	b.WriteString("| Setting | Secret | Set by the template |\n|---|---|---|\n")
	for _, s := range config.Table(app.SettingKinds()) {
		if from[s.Name] == "" {
			t.Errorf("nothing says how %s is set", s.Name)
		}
		secret := ""
		if s.Secret {
			secret = "yes"
		}
		b.WriteString("| `" + s.Name + "` | " + secret + " | " + from[s.Name] + " |\n")
	}
	const begin, end = "<!-- generated: go test ./dev/deploy -run SettingsPage -update -->\n", "<!-- /generated -->"
	path := filepath.Join(root, "docs", "settings.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(data), begin)
	shown, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("the markers are gone")
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+begin+b.String()+end+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(b.String(), shown); diff != "" {
		t.Errorf("run go test ./dev/deploy -run SettingsPage -update (-program +page):\n%s", diff)
	}
}

// TestDefaults: left alone, the template sets what the program would take anyway.
func TestDefaults(t *testing.T) {
	got := appSettings(t, deployed(t, "", nil))
	for _, s := range config.Table(app.SettingKinds()) {
		if value, set := got[s.Name]; set && s.Default != "" && value != s.Default {
			t.Errorf("%s is %q by the template and %q by the program", s.Name, value, s.Default)
		}
		if _, _, reference := inVault(got[s.Name]); reference != (s.Secret && got[s.Name] != "") {
			t.Errorf("%s: a Key Vault reference %v, a secret %v", s.Name, reference, s.Secret)
		}
	}
}

// adjustable are the settings that a parameter sets, with a value to try.
var adjustable = []struct {
	parameter string
	value     any
	setting   string
}{
	{"tenantId", "other", "TENANT_ID"},
	{"clientId", "other", "CLIENT_ID"},
	{"sailPointBaseUrl", "https://acme.api.saas.sailpointfedramp.com", "SAILPOINT_BASE_URL"},
	{"sailPointApiVersion", "v2025", "SAILPOINT_API_VERSION"},
	{"limit", 250.0, "LIMIT"},
	{"pollSchedule", "0 */5 * * * *", "POLL_SCHEDULE"},
	{"initialLookback", "72h", "INITIAL_LOOKBACK"},
	{"settleDelay", "90s", "SETTLE_DELAY"},
	{"runBudget", "8m", "RUN_BUDGET"},
	{"batchBytes", "1048576", "BATCH_BYTES"},
	{"auditAges", "off", "AUDIT_AGES"},
	{"ledgerKeep", "200h", "LEDGER_KEEP"},
	{"quarantineKeep", "300h", "QUARANTINE_KEEP"},
	{"healthTable", false, "HEALTH_TABLE"},
	{"logLevel", "debug", "LOG_LEVEL"},
}

// TestParameters changes one parameter at a time: it changes the setting of that
// name and nothing else.
func TestParameters(t *testing.T) {
	usual := appSettings(t, deployed(t, "", nil))
	for _, tc := range adjustable {
		want := maps.Clone(usual)
		switch v := tc.value.(type) {
		case string:
			want[tc.setting] = v
		case float64:
			want[tc.setting] = strconv.FormatFloat(v, 'f', -1, 64)
		case bool:
			want[tc.setting] = strconv.FormatBool(v)
		}
		got := appSettings(t, deployed(t, "", map[string]any{tc.parameter: tc.value}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.parameter, diff)
		}
	}
}

// inVault reports which vault and secret a setting's value refers to.
func inVault(value string) (vault, name string, ok bool) {
	m := vaultReference.FindStringSubmatch(value)
	if m == nil {
		return "", "", false
	}
	return m[1] + m[3], m[2] + m[4], true
}

func reveal(s secret.String) string { return s.Reveal() }

var vaultReference = regexp.MustCompile(`^(?:@Microsoft\.KeyVault\(VaultName=([\w-]+);SecretName=([\w-]+)\)|https://([\w-]+)\.vault\.(?:azure\.net|usgovcloudapi\.net|azure\.cn)/secrets/([\w-]+))$`)

// TestSettingsLoad gives the program what it would find in Azure: every
// reference resolved by the vault of the same deployment.
func TestSettingsLoad(t *testing.T) {
	for _, cloud := range []string{"AzureCloud", "AzureUSGovernment", "AzureChinaCloud"} {
		for _, plan := range plans {
			t.Run(cloud+" "+plan, func(t *testing.T) {
				d := deployed(t, cloud, map[string]any{"hostingPlan": plan, "ingestionApi": "DataCollector"})
				env := resolved(t, d)
				s, err := load(env)
				if err != nil {
					t.Fatal(err)
				}
				storage := only(t, d, "Microsoft.Storage/storageAccounts").Name
				type outcome struct {
					Tenant, Secret, Key, Identity string
					Auth                          config.StorageAuth
					API                           config.IngestionAPI
					Account                       bool
				}
				want := outcome{"acme", canaryClient, canaryKey, deploy.ClientID, config.ManagedIdentity, config.UseDataCollector, true}
				c := s.Connections[0]
				got := outcome{
					c.Tenant, c.Sources[0].(*config.SailPoint).ClientSecret.Text().Reveal(), c.DataCollector.SharedKey.Text().Reveal(), s.State.Account.ClientID, s.State.Account.Auth,
					c.IngestionAPI, strings.HasPrefix(s.State.Account.BlobEndpoint.Host, storage+".blob."),
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				made := false
				for _, r := range ofType(d, "Microsoft.Storage/storageAccounts/blobServices/containers") {
					made = made || strings.HasSuffix(r.Name, "/"+s.State.Container)
				}
				if !made {
					t.Errorf("the template does not make the container %s", s.State.Container)
				}
			})
		}
	}
}

// TestHookSecretsAreAddresses: the same for what pushes must present.
func TestHookSecretsAreAddresses(t *testing.T) {
	for choice, given := range map[string]map[string]any{
		"token": {"webhookToken": canaryClient + "-new-token", "webhookTokenPrevious": canaryClient + "-old-token"},
		"basic": {"webhookUsername": "sailpoint", "webhookPassword": canaryClient + "-password"},
	} {
		given["eventTriggers"], given["saasReports"], given["saasWebhookSecret"] = choice, "secret", canaryClient+"-reports"
		d := deployed(t, "", given)
		s, err := load(appSettings(t, d))
		if err != nil {
			t.Fatal(err)
		}
		vault := "https://" + only(t, d, "Microsoft.KeyVault/vaults").Name + ".vault.azure.net"
		want := map[string]string{"WEBHOOK_TOKEN": "webhook-token", "WEBHOOK_TOKEN_PREVIOUS": "webhook-token-previous", "SAAS_WEBHOOK_SECRET": "saas-webhook-secret"}
		if choice == "basic" {
			want = map[string]string{"WEBHOOK_PASSWORD": "webhook-password", "SAAS_WEBHOOK_SECRET": "saas-webhook-secret"}
		}
		got := map[string]string{}
		for _, one := range s.Connections[0].Sources {
			var values []secret.Value
			switch own := one.(type) {
			case *config.EventTriggers:
				values = []secret.Value{own.Token, own.TokenPrevious, own.Password}
			case *config.SaaS:
				values = []secret.Value{own.Secret}
			}
			for _, v := range values {
				if at, ok := v.Reference(); ok && at.Vault == vault && at.Identity.Managed == deploy.ClientID {
					got[at.Setting] = at.Name
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", choice, diff)
		}
	}
}

// TestSecretsAreAddresses: the platform leaves an address alone, so the program reads the
// secret itself, from the vault of its cloud and with the identity that has the role there,
// and again after a rotation.
func TestSecretsAreAddresses(t *testing.T) {
	for cloud, suffix := range map[string]string{"AzureCloud": "azure.net", "AzureUSGovernment": "usgovcloudapi.net", "AzureChinaCloud": "azure.cn"} {
		d := deployed(t, cloud, map[string]any{"ingestionApi": "DataCollector", "moreTenants": moreTenants, "moreTenantSecrets": moreSecrets})
		s, err := load(appSettings(t, d))
		if err != nil {
			t.Fatal(err)
		}
		vault := "https://" + only(t, d, "Microsoft.KeyVault/vaults").Name + ".vault." + suffix
		want := map[string]secret.Reference{}
		for setting, name := range map[string]string{
			"ACME_CLIENT_SECRET": "client-secret", "GLOBEX_CLIENT_SECRET": "globex-client-secret", "INITECH2_CLIENT_SECRET": "initech2-client-secret",
			"SHARED_KEY": "workspace-key", "SHARED_KEY_SECONDARY": "workspace-key-secondary",
		} {
			want[setting] = secret.Reference{Setting: setting, Vault: vault, Name: name, Identity: entra.Identity{Managed: deploy.ClientID}}
		}
		got := map[string]secret.Reference{}
		for _, c := range s.Connections {
			for _, v := range []secret.Value{c.Sources[0].(*config.SailPoint).ClientSecret, c.DataCollector.SharedKey, c.DataCollector.Secondary} {
				if at, ok := v.Reference(); ok {
					got[at.Setting] = at
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", cloud, diff)
		}
	}
}

// load reads settings as a function app has them. All of their names must be known.
func load(env map[string]string) (config.Settings, error) {
	own := config.Values("app settings", env)
	own.Closed = true
	return config.Load(app.SettingKinds(), own, config.Values("platform", map[string]string{"WEBSITE_SITE_NAME": "acme"}))
}

// TestPlans: what differs between the plans.
func TestPlans(t *testing.T) {
	type outcome struct {
		SKU, Runtime    string
		AlwaysOn        any
		Onedeploy       bool
		Linux, PlanKind any
	}
	got := map[string]outcome{}
	for _, plan := range plans {
		d := deployed(t, "", map[string]any{"hostingPlan": plan})
		site := only(t, d, "Microsoft.Web/sites").Body
		farm := only(t, d, "Microsoft.Web/serverfarms").Body
		o := outcome{
			SKU: dig(farm, "sku", "name").(string), PlanKind: farm["kind"],
			AlwaysOn: dig(site, "properties", "siteConfig", "alwaysOn"), Linux: dig(site, "properties", "siteConfig", "linuxFxVersion"),
			Onedeploy: len(ofType(d, "Microsoft.Web/sites/extensions")) == 1,
		}
		if runtime := dig(site, "properties", "functionAppConfig", "runtime"); runtime != nil {
			o.Runtime = text(t, runtime)
		}
		got[plan] = o
		settings := appSettings(t, d)
		for name, want := range classicSettings {
			if o.Runtime == "" && settings[name] != want {
				t.Errorf("%s: %s is %q, want %q", plan, name, settings[name], want)
			}
		}
	}
	want := map[string]outcome{
		"FlexConsumption": {SKU: "FC1", PlanKind: "functionapp", Runtime: `{"name":"custom","version":"1.0"}`, Onedeploy: true},
		"ElasticPremium":  {SKU: "EP1", PlanKind: "elastic", Linux: ""},
		"Dedicated":       {SKU: "B1", PlanKind: "linux", Linux: "", AlwaysOn: true},
		"Consumption":     {SKU: "Y1", PlanKind: "functionapp", Linux: ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, plan := range []string{"FlexConsumption", "Dedicated"} { // the others have no way to publish one
		d := deployed(t, "", map[string]any{"hostingPlan": plan, "deployPackage": false})
		if len(ofType(d, "Microsoft.Web/sites/extensions")) != 0 || strings.Contains(text(t, only(t, d, "Microsoft.Web/sites").Body), packageURL) {
			t.Errorf("%s: a package is deployed although none was wanted", plan)
		}
	}
}

// The package lies in the container that the template makes.
func TestPackageContainer(t *testing.T) {
	d := deployed(t, "", nil)
	value := dig(only(t, d, "Microsoft.Web/sites").Body, "properties", "functionAppConfig", "deployment", "storage", "value")
	account := only(t, d, "Microsoft.Storage/storageAccounts").Name
	if want := "https://" + account + ".blob.core.windows.net/app-package"; value != want {
		t.Errorf("package container is %v, want %s", value, want)
	}
	if got := dig(ofType(d, "Microsoft.Web/sites/extensions")[0].Body, "properties", "packageUri"); got != packageURL {
		t.Errorf("package address is %v, want %s", got, packageURL)
	}
}
