package config_test

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// usualKey has the length that the keys of workspaces have.
var usualKey = base64.StdEncoding.EncodeToString(make([]byte, 64))

// file is a settings file that holds what env does.
func file(env map[string]string) config.Origin {
	o := config.Values("local.settings.json", env)
	o.Closed = true
	return o
}

// A name that is a slip away from a setting is a problem with the right name, wherever it is.
func TestMisspelledNames(t *testing.T) {
	for wrong, right := range map[string]string{
		"TENENT_ID": "TENANT_ID", "TENANTID": "TENANT_ID", "TENANT-ID": "TENANT_ID", "TENNANT_ID": "TENANT_ID", "TEANNT_ID": "TENANT_ID",
		"CLIENT_SECERT": "CLIENT_SECRET", "CLIENTSECRET": "CLIENT_SECRET", "CLIENT_SECRETS": "CLIENT_SECRET", "CLEINT_SECRET_": "CLIENT_SECRET",
		"CUSTOMERID": "CUSTOMER_ID", "SHAREDKEY": "SHARED_KEY", "BATCH_BYTE": "BATCH_BYTES", "AUDIT_AGE": "AUDIT_AGES", "INITIAL_LOOKBCAK": "INITIAL_LOOKBACK",
		"LOG_ANALYTICS_URI": "logAnalyticsUri", "logAnalyticsUrl": "logAnalyticsUri", "AzureWebJobStorage": "AzureWebJobsStorage",
		"AzureWebJobsStorage_blobServiceUri": "AzureWebJobsStorage__blobServiceUri", "AZURE_STORAGE_ACCOUNTNAME": "AZURE_STORAGE_ACCOUNT_NAME",
		"CONNECTION": "CONNECTIONS", "STATEURL": "STATE_URL", "AZURE_CLIENTID": "AZURE_CLIENT_ID",
		"LIMTI": "LIMIT", "LIMT": "LIMIT", "LGO_LEVEL": "LOG_LEVEL",
	} {
		for where, origin := range map[string]func(map[string]string) config.Origin{
			"environment": func(env map[string]string) config.Origin { return config.Values("the environment", env) }, "file": file,
		} {
			t.Run(where+"/"+wrong, func(t *testing.T) {
				env := with(map[string]string{"STATE_URL": "file:///x", "AZURE_STORAGE_ACCOUNT_NAME": "-", "AZURE_STORAGE_ACCESS_KEY": "-"})
				delete(env, right)
				env[wrong] = canarySecret
				_, err := loadFrom(origin(env))
				found := false
				for _, p := range problems(t, err) {
					found = found || p.Setting == wrong && strings.Contains(p.Message, "did you mean "+right+"?")
					if p.Setting == right {
						t.Errorf("also %q", p)
					}
				}
				if !found || strings.Contains(err.Error(), canarySecret) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// In other case a name is ignored on Linux.
func TestNamesInOtherCase(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("names are folded")
	}
	for _, wrong := range []string{"tenant_id", "Tenant_Id"} {
		env := with(map[string]string{"TENANT_ID": "-", wrong: "acme"})
		_, err := load(env)
		want := []config.Problem{{Setting: "TENANT_ID", Message: "is set as " + wrong + ": names are case-sensitive, so rename it", Origin: "the environment", Row: "TENANT_ID"}}
		if diff := cmp.Diff(want, problems(t, err)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// A settings file holds settings of this program and of the platform.
func TestUnknownNamesInAFile(t *testing.T) {
	for name, says := range map[string]string{
		"MY_OTHER_FUNCTION":                                 "is not a setting of this program: remove it",
		"SLACK_WEBHOOK":                                     "remove it",
		"INITECH_TENANT_ID":                                 "add initech to CONNECTIONS",
		"INITECH_CLIENT_ID":                                 "add initech to CONNECTIONS",
		"INITECH_LOGANALYTICSURI":                           "add initech to CONNECTIONS",
		"ARM_CLIENT_ID":                                     "add arm to CONNECTIONS",
		"FUNCTIONS_WORKER_RUNTIME":                          "",
		"AzureWebJobsFeatureFlags":                          "",
		"AzureWebJobs.poll.Disabled":                        "",
		"AzureWebJobsStorage__credentials":                  "did you mean AzureWebJobsStorage__credential?",
		"AzureWebJobsStorage__queueServiceUri":              "",
		"WEBSITE_RUN_FROM_PACKAGE":                          "",
		"APPLICATIONINSIGHTS_CONNECTION_STRING":             "",
		"AzureFunctionsJobHost__logging__logLevel__default": "",
		"AZURE_TENANT_ID":                                   "",
		"HTTPS_PROXY":                                       "",
		"languageWorkers__defaultExecutablePath":            "",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loadFrom(config.Values("the environment", nil), file(with(map[string]string{name: "x"})))
			got := problems(t, err)
			if says == "" && err != nil || says != "" && (len(got) != 1 || got[0].Setting != name || !strings.Contains(got[0].Message, says) || got[0].Origin != "local.settings.json") {
				t.Errorf("got %q, want %q", got, says)
			}
		})
	}
}

// What surrounds a function app, a build agent or a developer is none of our business.
func TestNoFalseAlarms(t *testing.T) {
	names := strings.Fields(`
		HOME PATH PWD LANG LC_ALL TERM SHELL USER LOGNAME HOSTNAME TZ TMPDIR EDITOR PAGER DISPLAY SSH_AUTH_SOCK XDG_RUNTIME_DIR LOGLEVEL LOG_LEVELS LIMITS ULIMIT
		AZURE_TENANT_ID AZURE_CLIENT_SECRET AZURE_CLIENT_CERTIFICATE_PATH AZURE_AUTHORITY_HOST AZURE_SUBSCRIPTION_ID AZURE_STORAGE_ACCOUNT AZURE_STORAGE_KEY
		AZURE_STORAGE_CONNECTION_STRING AZURE_STORAGE_SAS_TOKEN AZURE_CONFIG_DIR AZURE_FEDERATED_TOKEN_FILE AZURE_RESOURCE_GROUP
		ARM_TENANT_ID ARM_CLIENT_ID ARM_CLIENT_SECRET ARM_SUBSCRIPTION_ID SAIL_BASE_URL SAIL_CLIENT_ID SAIL_CLIENT_SECRET GOOGLE_CLIENT_ID AUTH0_CLIENT_SECRET GITHUB_CLIENT_ID
		WEBSITE_SITE_NAME_ WEBSITE_INSTANCE_ID WEBSITE_HOSTNAME WEBSITE_OWNER_NAME WEBSITE_RESOURCE_GROUP WEBSITE_SKU WEBSITE_AUTH_ENABLED WEBSITE_RUN_FROM_PACKAGE
		FUNCTIONS_WORKER_RUNTIME FUNCTIONS_EXTENSION_VERSION FUNCTIONS_HTTPWORKER_PORT FUNCTIONS_CUSTOMHANDLER_PORT FUNCTIONS_CUSTOMHANDLER_WORKER_ID FUNCTIONS_APP_ROOT_PATH
		AzureWebJobsScriptRoot AzureWebJobsFeatureFlags AzureWebJobsStorage__queueServiceUri AzureWebJobsStorage__tableServiceUri AzureWebJobsSecretStorageType
		APPSETTING_TENANT_ID APPSETTING_CLIENT_SECRET APPLICATIONINSIGHTS_CONNECTION_STRING APPINSIGHTS_INSTRUMENTATIONKEY SCM_DO_BUILD_DURING_DEPLOYMENT
		IDENTITY_ENDPOINT IDENTITY_HEADER MSI_ENDPOINT MSI_SECRET CONTAINER_NAME HOST_VERSION ASPNETCORE_URLS DOTNET_RUNNING_IN_CONTAINER
		GITHUB_TOKEN GITHUB_WORKSPACE RUNNER_OS CI BUILD_BUILDID SYSTEM_TEAMPROJECT AGENT_ID NODE_ENV GOPATH GOFLAGS GOMEMLIMIT KUBECONFIG HTTPS_PROXY no_proxy SSL_CERT_FILE
		COMPUTERNAME USERDOMAIN CLIENTNAME SESSIONNAME SystemRoot ProgramFiles PROCESSOR_IDENTIFIER NUMBER_OF_PROCESSORS`)
	for name, env := range map[string]map[string]string{"one connection": valid(), "several": several(nil)} {
		t.Run(name, func(t *testing.T) {
			around := map[string]string{}
			for _, name := range names {
				around[name] = "x"
			}
			around["HTTPS_PROXY"] = ""
			for _, setting := range []string{"HTTPS_PROXY", "https_proxy"} {
				t.Setenv(setting, "")
			}
			maps.Copy(around, env)
			if _, err := loadFrom(config.Values("the environment", around)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPrefixedNames(t *testing.T) {
	type env = map[string]string
	for _, tc := range []struct {
		name    string
		env     env
		setting string
		says    string
	}{
		{"a slip after the prefix", env{"ACME_TENENT_ID": "acme", "ACME_TENANT_ID": "-"}, "ACME_TENENT_ID", "did you mean ACME_TENANT_ID?"},
		{"a slip in the prefix", env{"AMCE_INITIAL_LOOKBACK": "1h"}, "AMCE_INITIAL_LOOKBACK", "or rename it if you mean ACME_INITIAL_LOOKBACK"},
		{"a name that is not listed", env{"INITECH_TENANT_ID": "x"}, "INITECH_TENANT_ID", "add initech to CONNECTIONS, or remove this setting"},
		{"one that is like a listed one", env{"ACME2_TENANT_ID": "x"}, "ACME2_TENANT_ID", "add acme2 to CONNECTIONS"},
		{"a setting of the app", env{"ACME_STATE_URL": "file:///x"}, "ACME_STATE_URL", "applies to the whole app and can't be set for one connection: rename it to STATE_URL"},
		{"another setting of the app", env{"GLOBEX_AzureWebJobsStorage": "x"}, "GLOBEX_AzureWebJobsStorage", "rename it to AzureWebJobsStorage"},
		{"no list", env{"CONNECTIONS": "-", "TENANT_ID": "acme", "CLIENT_ID": clientID, "CLIENT_SECRET": canarySecret, "ACME_SAILPOINT_BASE_URL": "https://acme.api.identitynow.com", "GLOBEX_TENANT_ID": "-"}, "ACME_SAILPOINT_BASE_URL", "add acme to CONNECTIONS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := loadSeveral(several(tc.env))
			onlyProblem(t, err, tc.setting, tc.says)
		})
	}
}

// Beside the right name a like one in the environment may be another program's.
func TestDoubtfulNames(t *testing.T) {
	s, err := load(with(map[string]string{"TENANT_IDS": "x", "LOGLEVEL": "debug", "SHARED_KEY": usualKey}))
	if err != nil || len(s.Hints) != 2 || s.Hints[0].Setting != "LOGLEVEL" || s.Hints[1].Setting != "TENANT_IDS" {
		t.Errorf("hints %q, %v", s.Hints, err)
	}
	_, err = loadFrom(file(with(map[string]string{"TENANT_IDS": "x"})))
	if got := problems(t, err); len(got) != 1 || got[0].Setting != "TENANT_IDS" {
		t.Errorf("got %q", got)
	}
}

// Core Tools put a proxy of the file into the environment, this program does not.
func TestEnvironmentOfTheProcessOnly(t *testing.T) {
	local := file(with(map[string]string{"SSL_CERT_FILE": "/a.pem", "TENANT_ID": " ", "SHARED_KEY": usualKey}))
	for value, want := range map[string]int{"": 1, "/b.pem": 1, "/a.pem": 0} {
		s, err := loadFrom(config.Values("the environment", map[string]string{"SSL_CERT_FILE": value, "TENANT_ID": "acme"}), local)
		if err != nil || len(s.Hints) != want {
			t.Errorf("%q: hints %q, %v", value, s.Hints, err)
		}
		for _, hint := range s.Hints {
			if hint.Setting != "SSL_CERT_FILE" || !strings.Contains(hint.Message, "also set it there") {
				t.Errorf("%q", hint)
			}
		}
	}
}

func TestOverridden(t *testing.T) {
	local := file(map[string]string{"TENANT_ID": "acme", "LIMIT": "7", "CLIENT_ID": "x", "SHARED_KEY": "", "FUNCTIONS_WORKER_RUNTIME": "custom", "ACME_LIMIT": "8", "GRANT_TYPE": "y"})
	around := config.Values("the environment", map[string]string{
		"TENANT_ID": "acme", "LIMIT": "8", "CLIENT_ID": "y", "SHARED_KEY": "z", "FUNCTIONS_WORKER_RUNTIME": "node", "ACME_LIMIT": "9", "GRANT_TYPE": " ",
	})
	if diff := cmp.Diff([]string{"ACME_LIMIT", "CLIENT_ID", "LIMIT"}, config.Overridden(kinds(), around, local)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every way in which editors save a settings file is taken, or named with what to do.
func TestFilesAsEditorsSaveThem(t *testing.T) {
	const text = "{\n  // for the test tenant\n  \"Values\": {\"TENANT_ID\": \"acme\", /* old: globex */\n  \"LIMIT\": 7,},\n}"
	for name, c := range map[string]struct{ content, says string }{
		"comments and a trailing comma": {text, ""},
		"byte order mark":               {"\xef\xbb\xbf" + text, ""},
		"UTF-16 as PowerShell writes":   {"\xff\xfe" + wide(text, binary.LittleEndian), ""},
		"UTF-16, big endian":            {"\xfe\xff" + wide(text, binary.BigEndian), ""},
		"UTF-16 without its mark":       {wide(text, binary.LittleEndian), "save it as UTF-8"},
		"UTF-32":                        {"\xff\xfe\x00\x00" + text, "save it as UTF-8"},
		"Windows-1252":                  {strings.Replace(text, "acme", "acm\xe9", 1), "save it as UTF-8"},
		"two trailing commas":           {strings.Replace(text, "7,}", "7,,}", 1), "line 4 is not valid JSON"},
		"comment without an end":        {strings.Replace(text, "*/", "", 1), "line 3 begins a comment that is never closed"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "local.settings.json")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			o, err := config.ReadFile(path)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			env := valid()
			delete(env, "TENANT_ID")
			if s, err := loadFrom(config.Values("the environment", env), o); err != nil || s.Tenant != "acme" || s.Limit != 7 {
				t.Errorf("tenant %q, limit %d, %v", s.Tenant, s.Limit, err)
			}
		})
	}
}
