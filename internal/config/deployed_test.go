package config_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// TestDeployed: settings of an app are judged as they are in Azure, and what only its host resolves
// is listed.
func TestDeployed(t *testing.T) {
	const byName = "@Microsoft.KeyVault(VaultName=acme-kv;SecretName=one)"
	values := map[string]string{
		"TENANT_ID": byName, "ACME_CLIENT_ID": byName, "CONNECTIONS": "acme",
		"CLIENT_SECRET": byName, "ACME_CLIENT_SECRET": byName, // the program reads these itself
		"AzureWebJobsStorage": byName, "OTHER_PROGRAM": byName, "NDJSON_PATH": "/there",
		"LIMIT": "@Microsoft.KeyVault(VaultName=acme-kv)", // not valid
	}
	o := config.Deployed("the app func-acme", "func-acme", "https://login.microsoftonline.us/", values)
	found := config.PlatformReferences(app.SettingKinds(), o)
	if diff := cmp.Diff([]string{"ACME_CLIENT_ID", "AzureWebJobsStorage", "TENANT_ID"}, slices.Sorted(maps.Keys(found))); diff != "" {
		t.Error(diff)
	}
	if at := found["TENANT_ID"]; at.Vault != "https://acme-kv.vault.usgovcloudapi.net" || at.Name != "one" || at.Setting != "TENANT_ID" {
		t.Errorf("%+v", at)
	}
	for name, want := range map[string]string{"WEBSITE_SITE_NAME": "func-acme", "NDJSON_PATH": "", "CONNECTIONS": "acme"} {
		if got, _ := o.Lookup(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if _, inAzure := config.Deployed("", "", "", values).Lookup("WEBSITE_SITE_NAME"); inAzure {
		t.Error("state elsewhere is judged as that of an app in Azure")
	}
}

// TestUnused: what the environment would have said is named, unless it says the same, or a flag
// overrides it.
func TestUnused(t *testing.T) {
	environment := config.Values("the environment", map[string]string{
		"TENANT_ID": "globex", "CLIENT_ID": "same", "LIMIT": " ", "STATE_URL": "file:x", "LOG_LEVEL": "debug", "AZURE_CLIENT_ID": "mine", "PATH": "/bin",
	})
	flag := config.Values("--state", map[string]string{"STATE_URL": "file:y"})
	flag.Overrides = true
	deployed := config.Deployed("the app", "", "", map[string]string{"TENANT_ID": "acme", "CLIENT_ID": "same"})
	if diff := cmp.Diff([]string{"TENANT_ID"}, config.Unused(app.SettingKinds(), environment, flag, deployed)); diff != "" {
		t.Error(diff)
	}
}
