package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

const version32 = "0123456789abcdef0123456789abcdef"

// secretsOf returns the secret settings by name.
func secretsOf(s config.Settings) map[string]secret.Value {
	c := s.Connections[0]
	return map[string]secret.Value{
		"CLIENT_SECRET": c.Sources[0].(*config.SailPoint).ClientSecret, "SHARED_KEY": c.DataCollector.SharedKey,
		"SHARED_KEY_SECONDARY": c.DataCollector.Secondary, "AZURE_STORAGE_ACCESS_KEY": s.State.Account.Key,
	}
}

// TestReferences: every secret setting may refer to a secret in a vault, in all forms.
func TestReferences(t *testing.T) {
	type env = map[string]string
	const (
		public = "https://acme-kv.vault.azure.net/secrets/client-secret"
		us     = "https://acme-kv.vault.usgovcloudapi.net/secrets/client-secret"
		china  = "https://acme-kv.vault.azure.cn/secrets/client-secret"
		byName = "@Microsoft.KeyVault(VaultName=acme-kv;SecretName=client-secret)"
	)
	for _, tc := range []struct {
		name, value string
		env         env
		want        string
	}{
		{"address", public, nil, public},
		{"address with a slash", public + "/", nil, public},
		{"address of a version", public + "/" + version32, nil, public + "/" + version32},
		{"address with the usual port", "https://acme-kv.vault.azure.net:443/secrets/client-secret", nil, public},
		{"reference with the usual port", "@Microsoft.KeyVault(SecretUri=https://acme-kv.vault.azure.net:443/secrets/client-secret)", nil, public},
		{"address in upper case", "HTTPS://Acme-KV.vault.azure.net/secrets/client-secret", nil, public},
		{"blanks around it", "  " + public + "\n", nil, public},
		{"US Government", us, nil, us},
		{"China", china, nil, china},
		{"stand-in", "http://127.0.0.1:8080/secrets/client-secret", nil, "http://127.0.0.1:8080/secrets/client-secret"},
		{"SecretUri", "@Microsoft.KeyVault(SecretUri=" + public + "/)", nil, public},
		{"SecretUri with a version", "@Microsoft.KeyVault(SecretUri=" + public + "/" + version32 + ")", nil, public + "/" + version32},
		{"names", byName, nil, public},
		{"names in another order and case", "@microsoft.keyvault(secretname=client-secret;VAULTNAME=Acme-KV;)", nil, public},
		{"names with a version", "@Microsoft.KeyVault(VaultName=acme-kv;SecretName=client-secret;SecretVersion=" + version32 + ")", nil, public + "/" + version32},
		{"names, by the cloud of the storage account", byName, env{"AZURE_STORAGE_BLOB_ENDPOINT": "https://acmestate.blob.core.usgovcloudapi.net"}, us},
		{"names, by the cloud of the workspace", byName, env{"logAnalyticsUri": "https://" + workspace + ".ods.opinsights.azure.cn"}, china},
		{"names, by the cloud of the sign-in", byName, env{"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/"}, us},
	} {
		for setting := range secretsOf(valid2(t, nil)) {
			t.Run(tc.name+"/"+setting, func(t *testing.T) {
				set := map[string]string{setting: tc.value, "AZURE_CLIENT_ID": identity}
				for name, value := range tc.env {
					set[name] = value
				}
				got, ok := secretsOf(valid2(t, set))[setting].Reference()
				if !ok || got.ID() != tc.want || got.Setting != setting || got.Identity.Managed != identity {
					t.Errorf("got %+v (%v), want %s", got, ok, tc.want)
				}
			})
		}
	}
}

func valid2(t *testing.T, env map[string]string) config.Settings {
	t.Helper()
	s, err := config.Load(kinds(), config.Values("the environment", with(env)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBadReferences: what is wrong with a reference is said, by the name of the setting, and
// the text is not shown.
func TestBadReferences(t *testing.T) {
	const s = "canary-in-a-reference"
	for name, c := range map[string]struct{ value, says string }{
		"no bracket":             {"@Microsoft.KeyVault(SecretUri=https://" + s, "closing bracket"},
		"blanks":                 {"@Microsoft.KeyVault( VaultName=acme; SecretName=" + s + ")", "contains blanks"},
		"no secret":              {"@Microsoft.KeyVault(VaultName=" + s + ")", "without SecretUri, or without VaultName and SecretName"},
		"nothing":                {"@Microsoft.KeyVault()", "without SecretUri"},
		"unknown part":           {"@Microsoft.KeyVault(VaultName=acme;Name=" + s + ")", "unknown"},
		"empty part":             {"@Microsoft.KeyVault(VaultName=acme;SecretName=)", "empty"},
		"twice":                  {"@Microsoft.KeyVault(VaultName=acme;VaultName=" + s + ";SecretName=x)", "twice"},
		"both forms":             {"@Microsoft.KeyVault(SecretUri=https://acme.vault.azure.net/secrets/x;VaultName=" + s + ")", "keep only SecretUri"},
		"vault by its host":      {"@Microsoft.KeyVault(VaultName=" + s + ".vault.azure.net;SecretName=x)", "without .vault.azure.net"},
		"another host":           {"@Microsoft.KeyVault(SecretUri=https://" + s + "/secrets/x)", "something other than a vault"},
		"host that looks like":   {"@Microsoft.KeyVault(SecretUri=https://acme.vault.azure.net." + s + "/secrets/x)", "something other than a vault"},
		"port":                   {"@Microsoft.KeyVault(SecretUri=https://acme.vault.azure.net:8443/secrets/x)", "something other than a vault"},
		"plain http":             {"@Microsoft.KeyVault(SecretUri=http://acme.vault.azure.net/secrets/" + s + ")", "use https"},
		"a key, not a secret":    {"@Microsoft.KeyVault(SecretUri=https://acme.vault.azure.net/keys/" + s + ")", "not of a secret"},
		"the vault alone":        {"@Microsoft.KeyVault(SecretUri=https://acme.vault.azure.net/)", "not of a secret"},
		"query":                  {"https://acme.vault.azure.net/secrets/x?sig=" + s, "query"},
		"user":                   {"@Microsoft.KeyVault(SecretUri=https://u:" + s + "@acme.vault.azure.net/secrets/x)", "user name"},
		"the secret as its name": {"https://acme.vault.azure.net/secrets/" + strings.Repeat("ab12", 16), "looks like the secret itself"},
		"name with a dot":        {"https://acme.vault.azure.net/secrets/" + s + ".x", "SecretName"},
		"version":                {"https://acme.vault.azure.net/secrets/x/" + s, "SecretVersion"},
	} {
		for _, setting := range []string{"CLIENT_SECRET", "SHARED_KEY", "SHARED_KEY_SECONDARY", "AZURE_STORAGE_ACCESS_KEY"} {
			t.Run(name+"/"+setting, func(t *testing.T) {
				_, err := load(with(map[string]string{setting: c.value}))
				got := problems(t, err)
				if len(got) != 1 || got[0].Setting != setting || !strings.Contains(got[0].Message, c.says) {
					t.Errorf("got %q, want one problem of %s with %q", got, setting, c.says)
				}
				if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "ab12ab12")) {
					t.Errorf("the value is shown: %v", err)
				}
			})
		}
	}
}

// TestEverySecretMayBeAReference holds for settings that are added later, too. The host's own
// connection string is an exception: the host needs it before this program runs. So are the
// credentials of hooks, which are compared with what comes in and not sent anywhere.
func TestEverySecretMayBeAReference(t *testing.T) {
	for _, s := range config.Table(kinds()) {
		if !s.Secret || s.Name == "AzureWebJobsStorage" || strings.HasPrefix(s.Name, "WEBHOOK_") {
			continue
		}
		_, err := load(with(map[string]string{s.Name: "https://acme.vault.azure.net/secrets/x"}))
		if err != nil && slices.ContainsFunc(problems(t, err), func(p config.Problem) bool { return p.Setting == s.Name }) {
			t.Errorf("%s can't be kept in a vault: %v", s.Name, err)
		}
	}
}

// TestReferencesOfConnections: each connection has its own, named with its prefix.
func TestReferencesOfConnections(t *testing.T) {
	s, err := config.Load(kinds(), config.Values("the environment", with(map[string]string{
		"CONNECTIONS": "acme,globex", "TENANT_ID": "", "ACME_TENANT_ID": "acme", "GLOBEX_TENANT_ID": "globex", "GLOBEX_AZURE_CLIENT_ID": identity,
		"ACME_CLIENT_SECRET": "https://kv.vault.azure.net/secrets/acme", "GLOBEX_CLIENT_SECRET": "@Microsoft.KeyVault(VaultName=kv2;SecretName=globex)",
	})))
	if err != nil {
		t.Fatal(err)
	}
	want := []secret.Reference{
		{Setting: "ACME_CLIENT_SECRET", Vault: "https://kv.vault.azure.net", Name: "acme"},
		{Setting: "GLOBEX_CLIENT_SECRET", Vault: "https://kv2.vault.azure.net", Name: "globex", Identity: entra.Identity{Managed: identity}},
	}
	for i, c := range s.Connections {
		if got, _ := c.Sources[0].(*config.SailPoint).ClientSecret.Reference(); got != want[i] {
			t.Errorf("got %+v, want %+v", got, want[i])
		}
	}
}
