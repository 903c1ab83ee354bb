package config_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// several is an environment with two connections that share what they can.
func several(changes map[string]string) map[string]string {
	env := with(map[string]string{
		"TENANT_ID": "-", "CLIENT_ID": "-", "CLIENT_SECRET": "-", "CONNECTIONS": "acme,globex",
		"ACME_TENANT_ID": "acme", "ACME_CLIENT_ID": clientID, "ACME_CLIENT_SECRET": canarySecret,
		"GLOBEX_TENANT_ID": "globex-inc", "GLOBEX_CLIENT_ID": clientID, "GLOBEX_CLIENT_SECRET": canarySecret + "-2",
	})
	for name, value := range changes {
		if env[name] = value; value == "-" {
			delete(env, name)
		}
	}
	return env
}

func loadSeveral(env map[string]string) (config.Settings, error) {
	return config.Load(kinds(), config.Values("the environment", env))
}

// Each setting of a connection is looked up with its prefix and then without.
func TestConnections(t *testing.T) {
	const other = "https://" + identity + ".ods.opinsights.azure.us"
	s, err := loadSeveral(several(map[string]string{
		"CONNECTIONS": " Acme, GLOBEX", "LIMIT": "500", "GLOBEX_LIMIT": "250", "GLOBEX_INITIAL_LOOKBACK": "1h", "ACME_LIMIT": " ",
		"GLOBEX_CUSTOMER_ID": identity, "GLOBEX_LOGANALYTICSURI": other, "ACME_logAnalyticsUri": "https://" + workspace + ".ods.opinsights.azure.cn",
		"GLOBEX_AZURE_CLIENT_ID": identity,
	}))
	if err != nil {
		t.Fatal(err)
	}
	type one struct {
		Name, Tenant, Base, Secret, Workspace, URI, ID string
		Limit                                          int
		Lookback                                       time.Duration
	}
	var got []one
	for _, c := range s.Connections {
		source := c.Sources[0].(*config.SailPoint)
		got = append(got, one{
			c.Name, c.Tenant, source.BaseURL.String(), source.ClientSecret.Text().Reveal(), c.DataCollector.WorkspaceID, c.DataCollector.URL.String(), c.ReadBack.Identity.Managed,
			source.Limit, c.InitialLookback,
		})
	}
	want := []one{
		{"acme", "acme", "https://acme.api.identitynow.com", canarySecret, workspace, "https://" + workspace + ".ods.opinsights.azure.cn", "", 500, 24 * time.Hour},
		{"globex", "globex-inc", "https://globex-inc.api.identitynow.com", canarySecret + "-2", identity, other, identity, 250, time.Hour},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConnectionProblems(t *testing.T) {
	type env = map[string]string
	for _, tc := range []struct {
		name    string
		env     env
		setting string // the only one that is reported
		says    string
	}{
		{"a name twice", env{"CONNECTIONS": "acme,globex,acme"}, "CONNECTIONS", `acme twice`},
		{"a name twice in other case", env{"CONNECTIONS": "acme,globex,ACME"}, "CONNECTIONS", `acme twice (upper and lower case do not matter)`},
		{"a hyphen", env{"CONNECTIONS": "acme,globex,big-co"}, "CONNECTIONS", `"big-co": use letters a to z and digits only`},
		{"an underscore", env{"CONNECTIONS": "acme,globex,big_co"}, "CONNECTIONS", "digits only"},
		{"an umlaut", env{"CONNECTIONS": "acme,globex,bücher"}, "CONNECTIONS", "digits only"},
		{"semicolons", env{"CONNECTIONS": "acme;globex"}, "CONNECTIONS", "digits only"},
		{"the path of a hook", env{"CONNECTIONS": "acme,globex,SaaS"}, "CONNECTIONS", "/api/hooks/saas"},
		{"the path of the other hook", env{"CONNECTIONS": "acme,globex,sailpoint"}, "CONNECTIONS", "/api/hooks/sailpoint"},
		{"the name of another kind of source, with settings", env{"CONNECTIONS": "acme,globex,okta", "OKTA_TENANT_ID": "x"}, "CONNECTIONS", "OKTA_"},
		{"the name of another kind of source", env{"CONNECTIONS": "acme,globex,okta"}, "CONNECTIONS", "OKTA_"},
		{"a name that makes a setting of the app", env{"CONNECTIONS": "acme,globex,azure"}, "CONNECTIONS", "AZURE_CLIENT_ID would be"},
		{"two commas", env{"CONNECTIONS": "acme,,globex"}, "CONNECTIONS", "an empty name"},
		{"without a setting of its own", env{"CONNECTIONS": "acme,globex,initech"}, "CONNECTIONS", "INITECH_TENANT_ID"},
		{"a placeholder", env{"CONNECTIONS": "<names>"}, "CONNECTIONS", "placeholder"},
		{"one tenant twice", env{"GLOBEX_TENANT_ID": "ACME"}, "GLOBEX_TENANT_ID", "acme and globex the same tenant (acme)"},
		{"one tenant by name and by address", env{"GLOBEX_TENANT_ID": "-", "GLOBEX_SAILPOINT_BASE_URL": "https://acme.api.identitynow.com"}, "GLOBEX_SAILPOINT_BASE_URL", "the same state"},
		{"one tenant for both", env{"GLOBEX_TENANT_ID": "-", "ACME_TENANT_ID": "-", "TENANT_ID": "acme"}, "TENANT_ID", "set GLOBEX_TENANT_ID"},
		{"one address for both", env{"SAILPOINT_BASE_URL": "https://proxy.example/idn"}, "SAILPOINT_BASE_URL", "set GLOBEX_SAILPOINT_BASE_URL to the address of globex"},
		{"one lacks its secret", env{"GLOBEX_CLIENT_SECRET": "-"}, "GLOBEX_CLIENT_SECRET", "is missing"},
		{"one has a wrong limit", env{"GLOBEX_LIMIT": "0"}, "GLOBEX_LIMIT", "1 to 10000"},
		{"both have a wrong limit", env{"LIMIT": "0"}, "LIMIT", "1 to 10000"},
		{"an old checkpoint for all", env{"LEGACY_CHECKPOINT": "https://old.table.core.windows.net"}, "LEGACY_CHECKPOINT", "with the prefix of the connection"},
		{"a mixed-case name in other case", env{"GLOBEX_LogAnalyticsUri": "https://" + workspace + ".ods.opinsights.azure.com"}, "GLOBEX_logAnalyticsUri", "rename it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := loadSeveral(several(tc.env))
			onlyProblem(t, err, tc.setting, tc.says)
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("a secret is shown: %v", err)
			}
		})
	}
}

// The old connector's checkpoint is of one tenant: only a connection that names it begins there.
func TestLegacyCheckpointOfOneConnection(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want []bool
	}{
		"auto by default":  {nil, []bool{false, false}},
		"auto for all":     {map[string]string{"LEGACY_CHECKPOINT": "auto"}, []bool{false, false}},
		"auto for one":     {map[string]string{"GLOBEX_LEGACY_CHECKPOINT": "auto"}, []bool{false, true}},
		"address for one":  {map[string]string{"ACME_LEGACY_CHECKPOINT": "https://old.table.core.windows.net"}, []bool{true, false}},
		"one connection":   {map[string]string{"CONNECTIONS": "acme", "GLOBEX_TENANT_ID": "-", "GLOBEX_CLIENT_ID": "-", "GLOBEX_CLIENT_SECRET": "-"}, []bool{true}},
		"off for the only": {map[string]string{"CONNECTIONS": "acme", "ACME_LEGACY_CHECKPOINT": "off", "GLOBEX_TENANT_ID": "-", "GLOBEX_CLIENT_ID": "-", "GLOBEX_CLIENT_SECRET": "-"}, []bool{false}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := loadSeveral(several(c.env))
			if err != nil {
				t.Fatal(err)
			}
			var got []bool
			for _, c := range s.Connections {
				got = append(got, c.Legacy.TableEndpoint != nil)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// An earlier origin wins, an empty value counts as absent, and what overrides holds for
// every connection.
func TestOrigins(t *testing.T) {
	flag := config.Values("--ingestion-api", map[string]string{"INGESTION_API": "NDJSON"})
	flag.Overrides = true
	file := several(map[string]string{"ACME_INGESTION_API": "DataCollector", "LIMIT": "0"})
	s, err := config.Load(kinds(), flag, config.Values("the environment", map[string]string{"LIMIT": "7", "ACME_CLIENT_ID": " "}), config.Values("a file", file))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Connections {
		if source := c.Sources[0].(*config.SailPoint); c.IngestionAPI != config.UseNDJSON || source.Limit != 7 || source.ClientID != clientID {
			t.Errorf("%+v", c)
		}
	}
	_, err = config.Load(kinds(), config.Values("the environment", map[string]string{"LIMIT": "x"}), config.Values("a file", file))
	want := []config.Problem{{Setting: "LIMIT", Message: `is "x": use a whole number from 1 to 10000`, Origin: "the environment", Row: "LIMIT"}}
	if diff := cmp.Diff(want, problems(t, err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Load reads the environment where it is given, and leaves it as it is.
func TestEnvironment(t *testing.T) {
	for _, s := range config.Table(kinds()) {
		t.Setenv(s.Name, "")
	}
	for name, value := range valid() {
		t.Setenv(name, value)
	}
	before := os.Environ()
	s, err := loadFrom(config.Environment(), config.Values("a file", map[string]string{"LIMIT": "7", "TENANT_ID": "other"}))
	if err != nil || s.Tenant != "acme" || s.Limit != 7 {
		t.Errorf("tenant %s, limit %d: %v", s.Tenant, s.Limit, err)
	}
	if after := os.Environ(); !slices.Equal(before, after) {
		t.Error("the environment has changed")
	}
}

// What is wrong with one connection is no reason not to use the others.
func TestProblemsOfOneConnection(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want []int // problems of each connection
		all  bool
	}{
		"of none":              {nil, []int{0, 0}, false},
		"of one":               {map[string]string{"GLOBEX_CLIENT_ID": "x", "GLOBEX_LIMIT": "0"}, []int{0, 2}, false},
		"a slip of one":        {map[string]string{"ACME_TENENT_ID": "acme"}, []int{0, 0}, false},
		"a slip of one, alone": {map[string]string{"ACME_TENENT_ID": "acme", "ACME_TENANT_ID": "-"}, []int{1, 0}, false},
		"one tenant":           {map[string]string{"GLOBEX_TENANT_ID": "acme"}, []int{0, 1}, false},
		"shared":               {map[string]string{"LIMIT": "0"}, []int{1, 1}, false},
		"of the app":           {map[string]string{"RUN_BUDGET": "1h"}, []int{0, 0}, true},
		"of the store":         {map[string]string{"AZURE_STORAGE_ACCESS_KEY": "?"}, []int{0, 0}, true},
		"of the list":          {map[string]string{"CONNECTIONS": "acme,globex,saas"}, []int{0, 0}, true},
		"a name alone":         {map[string]string{"CONNECTIONS": "acme,globex,initech"}, []int{0, 0, 1}, false},
		"a name alone, first":  {map[string]string{"CONNECTIONS": "initech,acme,globex", "TENANT_ID": "acme"}, []int{1, 0, 0}, false},
		"of no connection":     {map[string]string{"INITECH_TENANT_ID": "x"}, []int{0, 0}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := loadSeveral(several(c.env))
			var got []int
			sum := 0
			for _, one := range s.Connections {
				got = append(got, len(one.Problems))
				sum += len(one.Problems)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%v", diff, err)
			}
			var p *config.Problems
			if whole := errors.As(err, &p) && p.Whole; whole != c.all || (err != nil) != (sum > 0 || c.all) {
				t.Errorf("%+v", err)
			}
		})
	}
}

// The settings of a connection are recognised in other case, and named one by one.
func TestConnectionInOtherCase(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("names are folded")
	}
	_, err := loadSeveral(several(map[string]string{
		"ACME_TENANT_ID": "-", "ACME_CLIENT_ID": "-", "ACME_CLIENT_SECRET": "-", "acme_TENANT_ID": "acme", "Acme_Client_Id": clientID, "acme_client_secret": canarySecret,
	}))
	var got []string
	for _, p := range problems(t, err) {
		got = append(got, p.Setting)
		if !strings.Contains(p.Message, "names are case-sensitive, so rename it") {
			t.Errorf("%q", p)
		}
	}
	if diff := cmp.Diff([]string{"ACME_TENANT_ID", "ACME_CLIENT_ID", "ACME_CLIENT_SECRET"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A stand-in on this machine may be several tenants at once.
func TestStandInOfSeveralTenants(t *testing.T) {
	if _, err := loadSeveral(several(map[string]string{"SAILPOINT_BASE_URL": "http://127.0.0.1:7801"})); err != nil {
		t.Error(err)
	}
}

// Where the list was forgotten, that is reported with what is missing. Where only its name is wrong,
// the name is the one problem: the rest follows from it.
func TestForgottenList(t *testing.T) {
	for _, tc := range []struct {
		name string
		env  map[string]string
		want []string
	}{
		{"CONNECTIONS", map[string]string{"CONNECTIONS": "-"}, []string{
			"ACME_TENANT_ID: belongs to a connection that CONNECTIONS does not list: add acme", "TENANT_ID: is missing",
		}},
		{"CONECTIONS", map[string]string{"CONNECTIONS": "-", "CONECTIONS": "acme,globex"}, []string{"CONECTIONS: is not a setting: did you mean CONNECTIONS?"}},
	} {
		_, err := loadSeveral(several(tc.env))
		var problems *config.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", tc.name, err, want)
			}
		}
		if len(tc.want) == 1 && len(problems.List) != 1 {
			t.Errorf("%s: %v, want one problem", tc.name, err)
		}
	}
}

// Hundreds of connections are read in a moment, also with a large environment around them.
func BenchmarkHundredsOfConnections(b *testing.B) {
	env := with(map[string]string{"TENANT_ID": "-"})
	var names []string
	for i := range 300 {
		name := fmt.Sprintf("tenant%d", i)
		names = append(names, name)
		env[strings.ToUpper(name)+"_TENANT_ID"] = name
		env[fmt.Sprintf("SOMETHING_ELSE_%d", i)] = "x"
	}
	env["CONNECTIONS"] = strings.Join(names, ",")
	for b.Loop() {
		if _, err := loadSeveral(env); err != nil {
			b.Fatal(err)
		}
	}
}

// One tenant is recognised in every spelling of its address.
func TestOneTenantTwoSpellings(t *testing.T) {
	for _, address := range []string{
		"https://acme.api.identitynow.com", "https://ACME.api.identitynow.com:443/", "https://acme.api.identitynow.com.", "https://acme.api.identitynow.com.:443",
	} {
		_, err := loadSeveral(several(map[string]string{"GLOBEX_SAILPOINT_BASE_URL": address}))
		if err == nil || !strings.Contains(err.Error(), "GLOBEX_SAILPOINT_BASE_URL") || !strings.Contains(err.Error(), "would deliver the same events twice") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := loadSeveral(several(map[string]string{"GLOBEX_SAILPOINT_BASE_URL": "https://acme.api.identitynow.com:8443"})); err != nil {
		t.Errorf("another port: %v", err)
	}
}

// Both spellings of a connection's logAnalyticsUri: which one counts must not be a guess.
func TestBothSpellings(t *testing.T) {
	const one, other = "https://" + workspace + ".ods.opinsights.azure.us", "https://" + workspace + ".ods.opinsights.azure.cn"
	_, err := loadSeveral(several(map[string]string{"ACME_logAnalyticsUri": one, "ACME_LOGANALYTICSURI": other}))
	if err == nil || !strings.Contains(err.Error(), "ACME_logAnalyticsUri") || !strings.Contains(err.Error(), "also set as ACME_LOGANALYTICSURI, with another value: remove one of the two") {
		t.Errorf("two values: %v", err)
	}
	if _, err := loadSeveral(several(map[string]string{"ACME_logAnalyticsUri": one, "ACME_LOGANALYTICSURI": one + " "})); err != nil {
		t.Errorf("the same value twice: %v", err)
	}
}

// A name that CONNECTIONS does have, in a list that can't be read, is not called unlisted:
// whoever then removes its settings makes it worse.
func TestUnreadableListOfConnections(t *testing.T) {
	for _, list := range []string{"acme;globex", "acme globex", `["acme","globex"]`, `"acme,globex"`, "acme\nglobex"} {
		_, err := loadSeveral(several(map[string]string{"CONNECTIONS": list, "ACME_SETTLE_DELAY": "9s"}))
		if err == nil || !strings.Contains(err.Error(), "CONNECTIONS") || strings.Contains(err.Error(), "does not list") {
			t.Errorf("%q: %v", list, err)
		}
	}
}
