package config_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// Canaries: none of these texts may be seen in an error or a printed value.
const (
	canarySecret = "canary-client-secret-5d1f"
	canaryShared = "Y2FuYXJ5LXNoYXJlZC1rZXk="         // base64
	canaryKey    = "Y2FuYXJ5LXN0b3JhZ2UtYWNjb3VudA==" // base64
	clientID     = "6f0d1c52-0c7e-4f0e-9d0b-2f6d7c8b9a10"
	logsEndpoint = "https://rule.westeurope-1.ingest.monitor.azure.com"
	ruleID       = "dcr-0f1e2d3c4b5a49788695a4b3c2d1e0f1"
	workspace    = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1"
)

// valid is an environment without a problem.
func valid() map[string]string {
	return map[string]string{
		"TENANT_ID":                  "acme",
		"CLIENT_ID":                  clientID,
		"CLIENT_SECRET":              canarySecret,
		"CUSTOMER_ID":                workspace,
		"SHARED_KEY":                 canaryShared,
		"AZURE_STORAGE_ACCOUNT_NAME": "acmestate",
		"AZURE_STORAGE_ACCESS_KEY":   canaryKey,
	}
}

// loaded is the outcome where there is one connection with one source.
type loaded struct {
	config.Settings
	config.Connection
	*config.SailPoint
}

// load reads settings from a map.
func load(env map[string]string) (loaded, error) {
	return loadFrom(config.Values("the environment", env))
}

func loadFrom(origins ...config.Origin) (loaded, error) {
	s, err := config.Load(kinds(), origins...)
	l := loaded{Settings: s, SailPoint: &config.SailPoint{}}
	if len(s.Connections) > 0 {
		l.Connection = s.Connections[0]
		if own, ok := l.Sources[0].(*config.SailPoint); ok { // it is off where only pushes are received
			l.SailPoint = own
		}
	}
	return l, err
}

// with returns the valid environment with changes; "-" removes a setting.
func with(changes map[string]string) map[string]string {
	env := valid()
	for name, value := range changes {
		if env[name] = value; value == "-" {
			delete(env, name)
		}
	}
	return env
}

func problems(t *testing.T, err error) []config.Problem {
	t.Helper()
	if err == nil {
		return nil
	}
	var p *config.Problems
	if !errors.As(err, &p) {
		t.Fatalf("error is %T, want *config.Problems: %v", err, err)
	}
	return p.List
}

// onlyProblem demands one problem, of that setting, whose message contains says.
func onlyProblem(t *testing.T, err error, setting, says string) {
	t.Helper()
	got := problems(t, err)
	if len(got) != 1 || got[0].Setting != setting || !strings.Contains(got[0].Message, says) {
		t.Errorf("got %q, want one problem of %s with %q", got, setting, says)
	}
}

func TestLoadValid(t *testing.T) {
	s, err := load(valid())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{
		"tenant": s.Tenant, "base": s.BaseURL.String(), "version": s.APIVersion, "limit": s.Limit,
		"id": s.ClientID, "secret": s.ClientSecret.Text().Reveal(),
		"api": s.IngestionAPI, "batch": s.BatchBytes, "workspace": s.DataCollector.WorkspaceID,
		"key": s.DataCollector.SharedKey.Text().Reveal(), "uri": s.DataCollector.URL.String(),
		"container": s.State.Container, "dir": s.State.Dir, "auth": s.State.Account.Auth,
		"blob": s.State.Account.BlobEndpoint.String(), "account": s.State.Account.Name,
		"account key": s.State.Account.Key.Text().Reveal(),
		"schedule":    s.PollSchedule, "lookback": s.InitialLookback, "settle": s.SettleDelay,
		"budget": s.RunBudget, "level": s.LogLevel,
		"audit": s.AuditAges, "keep": s.LedgerKeep, "quarantine": s.QuarantineKeep, "health": s.Health,
	}
	want := map[string]any{
		"tenant": "acme", "base": "https://acme.api.identitynow.com", "version": "v1", "limit": 1000,
		"id": clientID, "secret": canarySecret,
		"api": config.UseDataCollector, "batch": 4_000_000, "workspace": workspace,
		"key": canaryShared, "uri": "https://" + workspace + ".ods.opinsights.azure.com",
		"container": "sailpoint-connector", "dir": "", "auth": config.AccountKey,
		"blob": "https://acmestate.blob.core.windows.net", "account": "acmestate",
		"account key": canaryKey,
		"schedule":    "0 * * * * *", "lookback": 24 * time.Hour, "settle": time.Minute,
		"budget": 4 * time.Minute, "level": slog.LevelInfo,
		"audit": []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour},
		"keep":  168 * time.Hour, "quarantine": 2160 * time.Hour, "health": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestTenantAndBaseURL(t *testing.T) {
	for _, tc := range []struct {
		name, tenant, base   string
		wantTenant, wantBase string
	}{
		{"short name", "acme", "", "acme", "https://acme.api.identitynow.com"},
		{"capitals and white space", " ACME \n", "", "acme", "https://acme.api.identitynow.com"},
		{"API host leads to the same key", "acme.api.identitynow.com", "", "acme", "https://acme.api.identitynow.com"},
		{"address of the user interface", "https://acme.identitynow.com/", "", "acme", "https://acme.api.identitynow.com"},
		{"demo host is another tenant", "acme.api.identitynow-demo.com", "", "acme.api.identitynow-demo.com", "https://acme.api.identitynow-demo.com"},
		{"FedRAMP host", "acme.api.saas.sailpointfedramp.com", "", "acme.api.saas.sailpointfedramp.com", "https://acme.api.saas.sailpointfedramp.com"},
		{"base URL alone", "-", "https://acme.api.identitynow.com/", "acme", "https://acme.api.identitynow.com"},
		{"base URL with a name", "acme", "https://proxy.example:8443/idn/", "acme", "https://proxy.example:8443/idn"},
		{"loopback over http", "-", "http://127.0.0.1:8080", "127.0.0.1-8080", "http://127.0.0.1:8080"},
		{"loopback by name", "-", "http://localhost:8080", "localhost-8080", "http://localhost:8080"},
		{"loopback of IPv6", "-", "http://[::1]:8080", "1--8080", "http://[::1]:8080"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := load(with(map[string]string{"TENANT_ID": tc.tenant, "SAILPOINT_BASE_URL": tc.base}))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tc.wantTenant, tc.wantBase}, []string{s.Tenant, s.BaseURL.String()}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAcceptedSpellings(t *testing.T) {
	for _, tc := range []struct {
		name string
		env  map[string]string
		got  func(loaded) any
		want any
	}{
		{"grant type in capitals", map[string]string{"GRANT_TYPE": "CLIENT_CREDENTIALS"}, func(s loaded) any { return s.Tenant }, "acme"},
		{"version in capitals", map[string]string{"SAILPOINT_API_VERSION": "V2025"}, func(s loaded) any { return s.APIVersion }, "v2025"},
		{"id of a personal access token", map[string]string{"CLIENT_ID": strings.ReplaceAll(clientID, "-", "")}, func(s loaded) any { return len(s.ClientID) }, 32},
		{"any id on loopback", map[string]string{"CLIENT_ID": "x", "SAILPOINT_BASE_URL": "http://localhost:1"}, func(s loaded) any { return s.ClientID }, "x"},
		{"largest limit", map[string]string{"LIMIT": "10000"}, func(s loaded) any { return s.Limit }, 10000},
		{"empty limit", map[string]string{"LIMIT": " "}, func(s loaded) any { return s.Limit }, 1000},
		{"no settling", map[string]string{"SETTLE_DELAY": "0"}, func(s loaded) any { return s.SettleDelay }, time.Duration(0)},
		{"longest budget", map[string]string{"RUN_BUDGET": "9m"}, func(s loaded) any { return s.RunBudget }, 9 * time.Minute},
		{"no audit", map[string]string{"AUDIT_AGES": "OFF"}, func(s loaded) any { return len(s.AuditAges) }, 0},
		{"audit ages in any order", map[string]string{"AUDIT_AGES": "1h, 5m,1h"}, func(s loaded) any { return s.AuditAges }, []time.Duration{5 * time.Minute, time.Hour}},
		{"no health table", map[string]string{"HEALTH_TABLE": "False"}, func(s loaded) any { return s.Health }, false},
		{"debug", map[string]string{"LOG_LEVEL": "DEBUG"}, func(s loaded) any { return s.LogLevel }, slog.LevelDebug},
		{"schedule with names and steps", map[string]string{"POLL_SCHEDULE": "30 */5 8-18/2,20 1 JAN-march Mon-Fri"}, func(s loaded) any { return s.PollSchedule }, "30 */5 8-18/2,20 1 JAN-march Mon-Fri"},
		{"ndjson in small letters", map[string]string{"INGESTION_API": "ndjson", "CUSTOMER_ID": "-", "SHARED_KEY": "-"}, func(s loaded) any { return s.IngestionAPI }, config.UseNDJSON},
		{"ndjson beside a workspace with a wrong key", map[string]string{"INGESTION_API": "NDJSON", "SHARED_KEY": "%%", "NDJSON_PATH": "a.ndjson"}, func(s loaded) any { return s.NDJSONPath }, "a.ndjson"},
		{"workspace in Azure Government", map[string]string{"logAnalyticsUri": "https://" + workspace + ".ods.opinsights.azure.us/"}, func(s loaded) any { return s.DataCollector.URL.Host }, workspace + ".ods.opinsights.azure.us"},
		{"workspace in Azure China", map[string]string{"logAnalyticsUri": "https://" + workspace + ".ods.opinsights.azure.cn"}, func(s loaded) any { return s.DataCollector.URL.Host }, workspace + ".ods.opinsights.azure.cn"},
		{"stand-in workspace", map[string]string{"logAnalyticsUri": "http://127.0.0.1:9/", "CUSTOMER_ID": "any"}, func(s loaded) any { return s.DataCollector.URL.String() }, "http://127.0.0.1:9"},
		{"Logs Ingestion by name", map[string]string{"INGESTION_API": "logsingestion", "LOGS_INGESTION_ENDPOINT": logsEndpoint + "/", "DCR_IMMUTABLE_ID": ruleID, "SHARED_KEY": "%%"}, func(s loaded) any { return s.LogsIngestion.Endpoint.String() }, logsEndpoint},
		{"Logs Ingestion by what is set", map[string]string{"CUSTOMER_ID": "-", "SHARED_KEY": "-", "LOGS_INGESTION_ENDPOINT": logsEndpoint, "DCR_IMMUTABLE_ID": ruleID}, func(s loaded) any { return s.IngestionAPI }, config.UseLogsIngestion},
		{"larger batches there", map[string]string{"CUSTOMER_ID": "-", "SHARED_KEY": "-", "LOGS_INGESTION_ENDPOINT": logsEndpoint, "DCR_IMMUTABLE_ID": ruleID}, func(s loaded) any { return s.BatchBytes }, 8_000_000},
		{"Logs Ingestion in Azure Government, as somebody", map[string]string{"INGESTION_API": "LogsIngestion", "LOGS_INGESTION_ENDPOINT": "https://x.usgovvirginia-1.ingest.monitor.azure.us", "DCR_IMMUTABLE_ID": ruleID, "AZURE_CLIENT_ID": clientID}, func(s loaded) any { return s.LogsIngestion.Identity.Managed }, clientID},
		{"stand-in of the rule", map[string]string{"INGESTION_API": "LogsIngestion", "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1:9", "DCR_IMMUTABLE_ID": ruleID}, func(s loaded) any { return s.LogsIngestion.RuleID }, ruleID},
		{"both APIs", map[string]string{"LOGS_INGESTION_ENDPOINT": logsEndpoint, "DCR_IMMUTABLE_ID": ruleID}, func(s loaded) any { return s.IngestionAPI }, config.UseDataCollector},
		{"collector wins over half of the other API", map[string]string{"DCR_IMMUTABLE_ID": "dcr-1"}, func(s loaded) any { return s.IngestionAPI }, config.UseDataCollector},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := load(with(tc.env))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, tc.got(s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	type env = map[string]string
	for _, tc := range []struct {
		name    string
		env     env
		setting string // the only setting that is reported
		says    string
	}{
		{"no tenant", env{"TENANT_ID": "-"}, "TENANT_ID", "short name"},
		{"tenant with a blank", env{"TENANT_ID": "ac me"}, "TENANT_ID", "neither a tenant's short name"},
		{"tenant on http", env{"TENANT_ID": "http://acme.api.identitynow.com"}, "TENANT_ID", "neither"},
		{"vanity host", env{"TENANT_ID": "login.acme.com"}, "TENANT_ID", "SAILPOINT_BASE_URL"},
		{"base URL on http", env{"SAILPOINT_BASE_URL": "http://acme.api.identitynow.com"}, "SAILPOINT_BASE_URL", "use https"},
		{"base URL on http to a private address", env{"SAILPOINT_BASE_URL": "http://10.0.0.1"}, "SAILPOINT_BASE_URL", "use https"},
		{"base URL without scheme", env{"SAILPOINT_BASE_URL": "acme.api.identitynow.com"}, "SAILPOINT_BASE_URL", "https://host"},
		{"base URL that does not parse", env{"SAILPOINT_BASE_URL": "https://a b%zz"}, "SAILPOINT_BASE_URL", "https://host"},
		{"base URL of another scheme", env{"SAILPOINT_BASE_URL": "ftp://acme"}, "SAILPOINT_BASE_URL", "begin with https://"},
		{"base URL with a password", env{"SAILPOINT_BASE_URL": "https://u:" + canarySecret + "@host"}, "SAILPOINT_BASE_URL", "user name"},
		{"base URL of the user interface", env{"SAILPOINT_BASE_URL": "https://acme.identitynow.com"}, "SAILPOINT_BASE_URL", "https://acme.api.identitynow.com"},
		{"unknown version", env{"SAILPOINT_API_VERSION": "v9"}, "SAILPOINT_API_VERSION", `"v9"`},
		{"stand-in's workspace with a colon", env{"logAnalyticsUri": "http://localhost:8080", "CUSTOMER_ID": "a:b"}, "CUSTOMER_ID", "a colon"},
		{"rule by its name", env{"INGESTION_API": "LogsIngestion", "LOGS_INGESTION_ENDPOINT": logsEndpoint, "DCR_IMMUTABLE_ID": "dcr-sailpoint"}, "DCR_IMMUTABLE_ID", "not the rule's name"},
		{"rule by its resource", env{"INGESTION_API": "LogsIngestion", "LOGS_INGESTION_ENDPOINT": logsEndpoint, "DCR_IMMUTABLE_ID": "/subscriptions/x"}, "DCR_IMMUTABLE_ID", "hexadecimal"},
		{"no client id", env{"CLIENT_ID": "-"}, "CLIENT_ID", "is missing"},
		{"no client secret", env{"CLIENT_SECRET": " "}, "CLIENT_SECRET", "is missing"},
		{"legacy client id", env{"CLIENT_ID": "a1B2c3D4e5F6g7H8"}, "CLIENT_ID", "legacy"},
		{"swapped credentials", env{"CLIENT_ID": strings.Repeat("0f", 32)}, "CLIENT_ID", "swapped"},
		{"cut client id", env{"CLIENT_ID": clientID[:30]}, "CLIENT_ID", "not a UUID"},
		{"password grant", env{"GRANT_TYPE": "password"}, "GRANT_TYPE", "only client_credentials"},
		{"limit of zero", env{"LIMIT": "0"}, "LIMIT", "1 to 10000"},
		{"limit too large", env{"LIMIT": "10001"}, "LIMIT", `"10001"`},
		{"limit that is no number", env{"LIMIT": "all"}, "LIMIT", `"all"`},
		{"tiny batch", env{"BATCH_BYTES": "10"}, "BATCH_BYTES", "1024 to 30000000"},
		{"duration without unit", env{"SETTLE_DELAY": "60"}, "SETTLE_DELAY", "unit"},
		{"duration in months", env{"INITIAL_LOOKBACK": "10M"}, "INITIAL_LOOKBACK", "such as 90s, 4m, 24h or 7d"},
		{"duration in words", env{"INITIAL_LOOKBACK": "10 days"}, "INITIAL_LOOKBACK", "such as 90s, 4m, 24h or 7d"},
		{"duration without a unit", env{"INITIAL_LOOKBACK": "90"}, "INITIAL_LOOKBACK", "such as 90s, 4m, 24h or 7d"},
		{"duration with a comma", env{"INITIAL_LOOKBACK": "1,5h"}, "INITIAL_LOOKBACK", "such as 90s, 4m, 24h or 7d"},
		{"duration beyond all numbers", env{"INITIAL_LOOKBACK": "99999999999d 99999999999d"}, "INITIAL_LOOKBACK", "such as 90s, 4m, 24h or 7d"},
		{"too many days", env{"INITIAL_LOOKBACK": "4000d"}, "INITIAL_LOOKBACK", "0s to 87600h"},
		{"negative lookback", env{"INITIAL_LOOKBACK": "-1h"}, "INITIAL_LOOKBACK", "0s to 87600h"},
		{"settling too long", env{"SETTLE_DELAY": "61m"}, "SETTLE_DELAY", "0s to 1h"},
		{"budget beyond the host's patience", env{"RUN_BUDGET": "10m"}, "RUN_BUDGET", "1s to 9m"},
		{"budget of zero", env{"RUN_BUDGET": "0s"}, "RUN_BUDGET", "1s to 9m"},
		{"audit of windows that are still open", env{"AUDIT_AGES": "1m,1h"}, "AUDIT_AGES", "5m to 144h"},
		{"audit without ages", env{"AUDIT_AGES": "5m,,1h"}, "AUDIT_AGES", "unit"},
		{"audit of what is forgotten", env{"AUDIT_AGES": "48h", "LEDGER_KEEP": "24h"}, "LEDGER_KEEP", "AUDIT_AGES"},
		{"query over http", env{"LOG_ANALYTICS_QUERY_URL": "http://api.loganalytics.io"}, "LOG_ANALYTICS_QUERY_URL", "use https"},
		{"query address with a query", env{"LOG_ANALYTICS_QUERY_URL": "https://api.loganalytics.io/?sig=x"}, "LOG_ANALYTICS_QUERY_URL", "keep only https://host"},
		{"unknown read-back", env{"READ_BACK": "weekly"}, "READ_BACK", "off, report or repair"},
		{"read-back without a workspace", env{"READ_BACK": "report", "INGESTION_API": "NDJSON"}, "READ_BACK", "NDJSON"},
		{"quarantine for a week", env{"QUARANTINE_KEEP": "168h"}, "QUARANTINE_KEEP", "192h to 87600h"},
		{"ledger for an hour", env{"LEDGER_KEEP": "1h"}, "LEDGER_KEEP", "24h to 2160h"},
		{"health that is no yes or no", env{"HEALTH_TABLE": "perhaps"}, "HEALTH_TABLE", "true or false"},
		{"unknown level", env{"LOG_LEVEL": "loud"}, "LOG_LEVEL", `"loud"`},
		{"five fields", env{"POLL_SCHEDULE": "*/5 * * * *"}, "POLL_SCHEDULE", "five fields"},
		{"one field", env{"POLL_SCHEDULE": "@hourly"}, "POLL_SCHEDULE", "1 fields"},
		{"interval", env{"POLL_SCHEDULE": "00:05:00"}, "POLL_SCHEDULE", "interval"},
		{"second out of range", env{"POLL_SCHEDULE": "60 * * * * *"}, "POLL_SCHEDULE", `"60" as second`},
		{"day of zero", env{"POLL_SCHEDULE": "0 0 0 0 * *"}, "POLL_SCHEDULE", `"0" as day`},
		{"step of zero", env{"POLL_SCHEDULE": "*/0 * * * * *"}, "POLL_SCHEDULE", `"*/0"`},
		{"no such day", env{"POLL_SCHEDULE": "0 0 0 31 4,6 *"}, "POLL_SCHEDULE", "never comes"},
		{"unknown month", env{"POLL_SCHEDULE": "0 0 0 1 foo *"}, "POLL_SCHEDULE", `"foo" as month`},

		{"no destination", env{"CUSTOMER_ID": "-", "SHARED_KEY": "-"}, "INGESTION_API", "NDJSON"},
		{"unknown destination", env{"INGESTION_API": "Splunk"}, "INGESTION_API", `"Splunk"`},
		{"endpoint without rule", env{"CUSTOMER_ID": "-", "SHARED_KEY": "-", "LOGS_INGESTION_ENDPOINT": logsEndpoint}, "DCR_IMMUTABLE_ID", "immutableId"},
		{"rule without endpoint", env{"CUSTOMER_ID": "-", "SHARED_KEY": "-", "DCR_IMMUTABLE_ID": ruleID}, "LOGS_INGESTION_ENDPOINT", "endpoints.logsIngestion"},
		{"name of a rule", env{"INGESTION_API": "LogsIngestion", "LOGS_INGESTION_ENDPOINT": logsEndpoint, "DCR_IMMUTABLE_ID": "dcr-sailpoint"}, "DCR_IMMUTABLE_ID", "not the rule's name"},
		{"endpoint on http", env{"INGESTION_API": "LogsIngestion", "LOGS_INGESTION_ENDPOINT": "http://x.ingest.monitor.azure.com", "DCR_IMMUTABLE_ID": ruleID}, "LOGS_INGESTION_ENDPOINT", "use https"},
		{"endpoint elsewhere", env{"INGESTION_API": "LogsIngestion", "LOGS_INGESTION_ENDPOINT": "https://ingest.monitor.azure.com.evil.example", "DCR_IMMUTABLE_ID": ruleID}, "LOGS_INGESTION_ENDPOINT", "must look like"},
		{"endpoint with a path", env{"INGESTION_API": "LogsIngestion", "LOGS_INGESTION_ENDPOINT": logsEndpoint + "/dataCollectionRules", "DCR_IMMUTABLE_ID": ruleID}, "LOGS_INGESTION_ENDPOINT", "without a path"},
		{"unresolved reference to a rule", env{"CUSTOMER_ID": "-", "SHARED_KEY": "-", "LOGS_INGESTION_ENDPOINT": logsEndpoint, "DCR_IMMUTABLE_ID": "@Microsoft.KeyVault(SecretUri=x)"}, "DCR_IMMUTABLE_ID", "reference"},
		{"workspace without key", env{"SHARED_KEY": "-"}, "SHARED_KEY", "primary key"},
		{"key without workspace", env{"CUSTOMER_ID": "-"}, "CUSTOMER_ID", "is missing"},
		{"workspace name", env{"CUSTOMER_ID": "my-workspace"}, "CUSTOMER_ID", "not its name"},
		{"damaged workspace key", env{"SHARED_KEY": canaryShared[1:]}, "SHARED_KEY", "base64"},
		{"uri on http", env{"logAnalyticsUri": "http://" + workspace + ".ods.opinsights.azure.com"}, "logAnalyticsUri", "use https"},
		{"uri elsewhere", env{"logAnalyticsUri": "https://evil.example"}, "logAnalyticsUri", "ods.opinsights.azure.com"},
		{"uri that only begins right", env{"logAnalyticsUri": "https://" + workspace + ".ods.opinsights.azure.com.evil.example"}, "logAnalyticsUri", "must be"},
		{"uri with a path", env{"logAnalyticsUri": "https://" + workspace + ".ods.opinsights.azure.com/api/logs"}, "logAnalyticsUri", "without a path"},
		{"uri of another workspace", env{"logAnalyticsUri": "https://ffffffff-4b5a-4978-8695-a4b3c2d1e0f1.ods.opinsights.azure.us"}, "logAnalyticsUri", "a different workspace"},
		{"uri in the wrong case", env{"LOGANALYTICSURI": "https://x"}, "logAnalyticsUri", "LOGANALYTICSURI"},

		{"unresolved reference in a plain setting", env{"CUSTOMER_ID": "@Microsoft.KeyVault(VaultName=v;SecretName=c)"}, "CUSTOMER_ID", "reference"},
		{"placeholder left", env{"TENANT_ID": "<tenant>"}, "TENANT_ID", "placeholder"},
		{"quotation marks", env{"CLIENT_SECRET": `"` + canarySecret + `"`}, "CLIENT_SECRET", "quotation marks"},
		{"apostrophes", env{"LIMIT": "'100'"}, "LIMIT", "quotation marks"},
		{"line break inside", env{"CLIENT_SECRET": "canary\nclient"}, "CLIENT_SECRET", "line break"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(with(tc.env))
			onlyProblem(t, err, tc.setting, tc.says)
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := load(map[string]string{
		"TENANT_ID": "ac me", "CLIENT_ID": "short", "GRANT_TYPE": "password", "LIMIT": "0",
		"CUSTOMER_ID": "name", "SHARED_KEY": "%" + canarySecret, "POLL_SCHEDULE": "*",
		"RUN_BUDGET": "1h", "LOG_LEVEL": "x",
	})
	var names []string
	for _, p := range problems(t, err) {
		names = append(names, p.Setting)
		if line := "\n  " + p.Setting + ": " + p.Message; !strings.Contains(err.Error(), line) {
			t.Errorf("error text lacks %q", line)
		}
	}
	want := []string{
		"TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "GRANT_TYPE", "LIMIT", "CUSTOMER_ID", "SHARED_KEY",
		"STATE_URL", "POLL_SCHEDULE", "RUN_BUDGET", "LOG_LEVEL",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("settings in the report (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(err.Error(), "11 settings need attention:") {
		t.Errorf("error begins with %.40q", err.Error())
	}
}

// TestNoSecretIsShown damages every setting in several ways with a canary in it
// and looks at everything that can be printed.
func TestNoSecretIsShown(t *testing.T) {
	const canary = "canary-0123456789-abcdefghij-klmnop"
	const short = "canary-token-4c1" // as short as the credential of a hook may be
	damages := map[string]string{
		"bare": canary, "blank inside": canary + " x", "line break": canary + "\n" + canary, "quoted": `"` + canary + `"`,
		"reference": "@Microsoft.KeyVault(" + canary + ")", "query": "https://host/?sig=" + canary, "user": "https://u:" + canary + "@host",
		"escape": "https://%zz" + canary, "connection string": "AccountName=acme;AccountKey=" + canary,
		"endpoint": "BlobEndpoint=http://host/?" + canary + ";SharedAccessSignature=" + canary,
		"state":    "azblob://" + canary + ":x@/y", "odd scheme": canary + "://x", "short": short,
	}
	bases := map[string]map[string]string{
		"full": valid(), "bare": {}, "host account": with(map[string]string{"AZURE_STORAGE_ACCOUNT_NAME": "-", "AZURE_STORAGE_ACCESS_KEY": "-"}),
	}
	for _, setting := range config.Table(kinds()) {
		for damage, value := range damages {
			for base, env := range bases {
				t.Run(setting.Name+"/"+damage+"/"+base, func(t *testing.T) {
					changed := maps.Clone(env)
					changed[setting.Name] = value
					s, err := load(changed)
					text := fmt.Sprintf("%v %+v %q", err, err, err)
					if setting.Secret {
						// Settings that are no secrets are there in plain text.
						text += fmt.Sprintf("%v %+v %#v", s, s, s)
					}
					for _, c := range []string{canary, short, canarySecret, canaryShared, canaryKey} {
						if strings.Contains(text, c) {
							t.Errorf("%q is shown in %s", c, text)
						}
					}
				})
			}
		}
	}
}

// One address gets one verdict, whatever the setting.
func TestAddresses(t *testing.T) {
	type env = map[string]string
	ruled := env{"INGESTION_API": "LogsIngestion", "DCR_IMMUTABLE_ID": ruleID}
	for setting, beside := range map[string]env{
		"SAILPOINT_BASE_URL": nil, "logAnalyticsUri": nil, "LOG_ANALYTICS_QUERY_URL": nil, "LOGS_INGESTION_ENDPOINT": ruled,
		"AZURE_STORAGE_BLOB_ENDPOINT": nil, "LEGACY_CHECKPOINT": nil,
	} {
		for address, says := range map[string]string{
			"http://ws.localhost:7802":       "write localhost or 127.0.0.1, or use https",
			"http://localhost.example":       "other than this machine",
			"http://127.0.0.1.example":       "other than this machine",
			"http://10.0.0.1":                "other than this machine",
			"ftp://localhost/acmestate":      "begin with https://",
			"https://me:password@localhost":  "user name",
			"https://localhost/?sig=canary":  "a query",
			"https://localhost/#canary":      "a fragment",
			"http://[::1:80/":                "not an absolute URL",
			"https:///acmestate/localhost":   "not an absolute URL",
			"http://LOCALHOST.:80/acmestate": "other than this machine",
		} {
			t.Run(setting+"/"+address, func(t *testing.T) {
				env := with(beside)
				env[setting] = address
				_, err := load(env)
				got := problems(t, err)
				if len(got) != 1 || got[0].Setting != setting || !strings.Contains(got[0].Message, says) || strings.Contains(err.Error(), "canary") {
					t.Errorf("got %q, want one problem of %s with %q", got, setting, says)
				}
			})
		}
	}
	for setting, c := range map[string]struct {
		beside   env
		accepted []string
		refused  []string
	}{
		"logAnalyticsUri": {
			accepted: []string{"https://" + workspace + ".ods.opinsights.azure.us", "https://" + workspace + ".ods.opinsights.azure.cn/", "http://[::1]:8080/", "https://127.0.0.1"},
			refused: []string{
				"https://ods.opinsights.azure.com.evil.example", "https://" + workspace + ".ods.opinsights.azure.de",
				"https://" + workspace + ".ods.opinsights.azure.com/api/logs", "https://" + workspace + ".ods.opinsights.azure.com:8443",
			},
		},
		"LOGS_INGESTION_ENDPOINT": {
			beside:   ruled,
			accepted: []string{logsEndpoint, "https://a-b.usgovvirginia-1.ingest.monitor.azure.us/", "https://x.chinanorth3-1.ingest.monitor.azure.cn", "http://127.0.0.1:8080"},
			refused:  []string{"https://ingest.monitor.azure.com.evil.example", logsEndpoint + "/dataCollectionRules/x", "https://ingest.monitor.azure.com"},
		},
	} {
		for i, address := range append(c.accepted, c.refused...) {
			t.Run(setting+"/"+address, func(t *testing.T) {
				env := with(c.beside)
				env[setting] = address
				_, err := load(env)
				got := problems(t, err)
				if want := i >= len(c.accepted); want != (len(got) == 1) || want && got[0].Setting != setting {
					t.Errorf("got %q, refused: %v", got, want)
				}
			})
		}
	}
}
