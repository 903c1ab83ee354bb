package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
)

const (
	directoryID = "d1d1d1d1-0000-4000-a000-0000000000d1"
	entraApp    = "e1e1e1e1-0000-4000-a000-0000000000e1"
	ruleThere   = "dcr-11111111111111111111111111111111"
)

// abroad is acme in the workspace of all, and globex with a workspace in another directory.
func abroad(changes map[string]string) map[string]string {
	env := map[string]string{
		"CUSTOMER_ID": "-", "SHARED_KEY": "-", "LOGS_INGESTION_ENDPOINT": "https://x.westeurope-1.ingest.monitor.azure.com", "DCR_IMMUTABLE_ID": ruleID,
		"AZURE_CLIENT_ID": clientID, "WORKSPACE_APP_ID": "-",
		"GLOBEX_WORKSPACE_DIRECTORY_ID": strings.ToUpper(directoryID), "GLOBEX_WORKSPACE_APP_ID": entraApp, "GLOBEX_CUSTOMER_ID": identity,
		"GLOBEX_LOGS_INGESTION_ENDPOINT": "https://y.westeurope-1.ingest.monitor.azure.com", "GLOBEX_DCR_IMMUTABLE_ID": ruleThere,
		"GLOBEX_CLIENT_SECRET":       "https://globex-kv.vault.azure.net/secrets/client-secret",
		"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCESS_KEY": "https://home-kv.vault.azure.net/secrets/storage",
	}
	for name, value := range changes {
		env[name] = value
	}
	return several(env)
}

// TestDirectories: the identity of a connection is for its rule, its queries and its secrets; the state
// stays with the app's own.
func TestDirectories(t *testing.T) {
	s, err := loadSeveral(abroad(nil))
	if err != nil {
		t.Fatal(err)
	}
	there := entra.Identity{Managed: clientID, Directory: directoryID, App: entraApp}
	acme, globex := s.Connections[0], s.Connections[1]
	secret, _ := globex.Sources[0].(*config.SailPoint).ClientSecret.Reference()
	key, _ := s.State.Account.Key.Reference()
	got := []entra.Identity{acme.LogsIngestion.Identity, acme.ReadBack.Identity, globex.LogsIngestion.Identity, globex.ReadBack.Identity, secret.Identity, key.Identity}
	if diff := cmp.Diff([]entra.Identity{there.Home(), there.Home(), there, there, there, there.Home()}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(s.Hints) > 0 {
		t.Errorf("hints %+v", s.Hints)
	}
	found := config.VaultReferences(kinds(), config.Values("the app", abroad(nil)))
	if diff := cmp.Diff([]entra.Identity{there, there.Home()}, []entra.Identity{found["GLOBEX_CLIENT_SECRET"].Identity, found["AZURE_STORAGE_ACCESS_KEY"].Identity}); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
}

func TestDirectoryProblems(t *testing.T) {
	type env = map[string]string
	for _, tc := range []struct {
		name     string
		env      env
		settings []string // that are reported
		says     string
	}{
		{"no directory", env{"GLOBEX_WORKSPACE_DIRECTORY_ID": "-"}, []string{"GLOBEX_WORKSPACE_APP_ID"}, "is set without WORKSPACE_DIRECTORY_ID"},
		{"no app", env{"GLOBEX_WORKSPACE_APP_ID": "-"}, []string{"GLOBEX_WORKSPACE_DIRECTORY_ID"}, "is set without WORKSPACE_APP_ID"},
		{"the app for all", env{"GLOBEX_WORKSPACE_APP_ID": "-", "WORKSPACE_APP_ID": entraApp, "ACME_WORKSPACE_DIRECTORY_ID": directoryID, "ACME_DCR_IMMUTABLE_ID": ruleID, "ACME_LOGS_INGESTION_ENDPOINT": "https://x.westeurope-1.ingest.monitor.azure.com"}, nil, ""},
		{"the app for all, and one at home", env{"GLOBEX_WORKSPACE_APP_ID": "-", "WORKSPACE_APP_ID": entraApp}, nil, ""},
		{"the app for all, and one at home with a system-assigned identity", env{"GLOBEX_WORKSPACE_APP_ID": "-", "WORKSPACE_APP_ID": entraApp, "AZURE_CLIENT_ID": "-", "GLOBEX_AZURE_CLIENT_ID": clientID}, nil, ""},
		{"a name of a directory", env{"GLOBEX_WORKSPACE_DIRECTORY_ID": "globex.onmicrosoft.com"}, []string{"GLOBEX_WORKSPACE_DIRECTORY_ID"}, "use the directory's ID"},
		{"a name of an app", env{"GLOBEX_WORKSPACE_APP_ID": "connector"}, []string{"GLOBEX_WORKSPACE_APP_ID"}, "is not a GUID"},
		{"both are names", env{"GLOBEX_WORKSPACE_APP_ID": "connector", "GLOBEX_WORKSPACE_DIRECTORY_ID": "x"}, []string{"GLOBEX_WORKSPACE_DIRECTORY_ID", "GLOBEX_WORKSPACE_APP_ID"}, ""},
		{"the identity in place of the app", env{"GLOBEX_WORKSPACE_APP_ID": clientID}, []string{"GLOBEX_WORKSPACE_APP_ID"}, "use that of the app registration"},
		{"a system-assigned identity", env{"AZURE_CLIENT_ID": "-"}, []string{"GLOBEX_WORKSPACE_APP_ID"}, "set AZURE_CLIENT_ID"},
		{"an identity of its own that is a name", env{"GLOBEX_AZURE_CLIENT_ID": "me"}, []string{"GLOBEX_AZURE_CLIENT_ID"}, "is not a GUID"},
		{"the rule of others", env{"GLOBEX_DCR_IMMUTABLE_ID": "-"}, []string{"GLOBEX_WORKSPACE_DIRECTORY_ID"}, "set GLOBEX_DCR_IMMUTABLE_ID"},
		{"the endpoint of others", env{"GLOBEX_LOGS_INGESTION_ENDPOINT": "-"}, []string{"GLOBEX_WORKSPACE_DIRECTORY_ID"}, "set GLOBEX_LOGS_INGESTION_ENDPOINT"},
		{"the workspace of others", env{"GLOBEX_CUSTOMER_ID": "-", "CUSTOMER_ID": workspace}, []string{"GLOBEX_WORKSPACE_DIRECTORY_ID"}, "set GLOBEX_CUSTOMER_ID"},
		{"another cloud", env{"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/"}, []string{"GLOBEX_WORKSPACE_DIRECTORY_ID"}, "within its own cloud only"},
		{"the same cloud", env{"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com"}, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := loadSeveral(abroad(tc.env))
			var problems *config.Problems
			var got []string
			if errors.As(err, &problems) {
				for _, p := range problems.List {
					got = append(got, p.Setting)
				}
			}
			if diff := cmp.Diff(tc.settings, got); diff != "" || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestUnusedApp: an app registration that no connection needs is hinted at. It may be left from one that was
// removed, which must not end the others.
func TestUnusedApp(t *testing.T) {
	s, err := loadSeveral(several(map[string]string{"WORKSPACE_APP_ID": entraApp}))
	if err != nil || !slices.ContainsFunc(s.Hints, func(h config.Problem) bool { return h.Setting == "WORKSPACE_APP_ID" }) {
		t.Errorf("hints %+v, %v", s.Hints, err)
	}
}

// TestOwnDestination: a destination of a connection is used, or it is a problem: its rows must not end up
// with others.
func TestOwnDestination(t *testing.T) {
	type env = map[string]string
	rule := env{"GLOBEX_DCR_IMMUTABLE_ID": ruleThere, "GLOBEX_LOGS_INGESTION_ENDPOINT": "https://y.westeurope-1.ingest.monitor.azure.com"}
	key := env{"GLOBEX_CUSTOMER_ID": identity, "GLOBEX_SHARED_KEY": canaryShared}
	for name, tc := range map[string]struct {
		shared, own env
		want        config.IngestionAPI // of globex
		problem     string
	}{
		"a rule beside a key for all":   {nil, rule, "", "GLOBEX_DCR_IMMUTABLE_ID"},
		"a rule that is chosen":         {env{"GLOBEX_INGESTION_API": "LogsIngestion"}, rule, config.UseLogsIngestion, ""},
		"a rule beside the API for all": {env{"INGESTION_API": "DataCollector"}, rule, "", "GLOBEX_DCR_IMMUTABLE_ID"},
		"a key beside a rule for all":   {env{"CUSTOMER_ID": "-", "SHARED_KEY": "-", "LOGS_INGESTION_ENDPOINT": "https://x.westeurope-1.ingest.monitor.azure.com", "DCR_IMMUTABLE_ID": ruleID}, key, config.UseDataCollector, ""},
		"a key beside the API for all":  {env{"INGESTION_API": "LogsIngestion", "LOGS_INGESTION_ENDPOINT": "https://x.westeurope-1.ingest.monitor.azure.com", "DCR_IMMUTABLE_ID": ruleID}, key, "", "GLOBEX_SHARED_KEY"},
		"a key that is chosen":          {env{"INGESTION_API": "LogsIngestion", "GLOBEX_INGESTION_API": "DataCollector", "LOGS_INGESTION_ENDPOINT": "https://x.westeurope-1.ingest.monitor.azure.com", "DCR_IMMUTABLE_ID": ruleID}, key, config.UseDataCollector, ""},
	} {
		t.Run(name, func(t *testing.T) {
			all := env{}
			for _, one := range []env{tc.shared, tc.own} {
				for name, value := range one {
					all[name] = value
				}
			}
			s, err := loadSeveral(several(all))
			if tc.problem != "" {
				onlyProblem(t, err, tc.problem, "would go to the workspace of others")
				return
			}
			if err != nil || s.Connections[1].IngestionAPI != tc.want {
				t.Errorf("%s, %v", s.Connections[1].IngestionAPI, err)
			}
		})
	}
}

// TestOwnWorkspace: a workspace that is not the rule's, or seems not to be, is hinted at.
func TestOwnWorkspace(t *testing.T) {
	type env = map[string]string
	for name, tc := range map[string]struct {
		env  env
		hint string
	}{
		"both of its own":        {env{"GLOBEX_CUSTOMER_ID": identity, "GLOBEX_DCR_IMMUTABLE_ID": ruleThere}, ""},
		"none":                   {nil, ""},
		"a workspace of its own": {env{"GLOBEX_CUSTOMER_ID": identity}, "GLOBEX_CUSTOMER_ID"},
		"a rule of its own":      {env{"GLOBEX_DCR_IMMUTABLE_ID": ruleThere}, "GLOBEX_DCR_IMMUTABLE_ID"},
	} {
		env := map[string]string{"SHARED_KEY": "-", "CUSTOMER_ID": workspace, "LOGS_INGESTION_ENDPOINT": "https://x.westeurope-1.ingest.monitor.azure.com", "DCR_IMMUTABLE_ID": ruleID}
		for name, value := range tc.env {
			env[name] = value
		}
		s, err := loadSeveral(several(env))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range s.Hints {
			got = append(got, h.Setting)
		}
		if strings.Join(got, " ") != tc.hint {
			t.Errorf("%s: hints %q, want %q", name, got, tc.hint)
		}
	}
}
