package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

func TestLegacyCheckpoint(t *testing.T) {
	type env = map[string]string
	type legacy struct {
		Endpoint             string
		Auth                 config.StorageAuth
		Name, Key, By, Using string
		Named                bool
	}
	const oldTable = "https://oldaccount.table.core.windows.net"
	byState := legacy{Endpoint: "https://acmestate.table.core.windows.net", Auth: config.AccountKey, Name: "acmestate", Key: canaryKey, By: "AZURE_STORAGE_ACCESS_KEY"}
	for _, tc := range []struct {
		name string
		env  env
		want legacy
	}{
		{"the account of the state, opened with a key", with(nil), byState},
		{"the same, said", with(env{"LEGACY_CHECKPOINT": "Auto"}), byState},
		{"off", with(env{"LEGACY_CHECKPOINT": "OFF"}), legacy{}},
		{
			"sovereign cloud",
			with(env{"AZURE_STORAGE_BLOB_ENDPOINT": "https://acmestate.blob.core.usgovcloudapi.net"}),
			legacy{Endpoint: "https://acmestate.table.core.usgovcloudapi.net", Auth: config.AccountKey, Name: "acmestate", Key: canaryKey, By: "AZURE_STORAGE_ACCESS_KEY"},
		},
		{"an address that does not tell", with(env{"AZURE_STORAGE_BLOB_ENDPOINT": "https://files.acme.example"}), legacy{}},
		{"state with an identity", with(env{"AZURE_STORAGE_ACCESS_KEY": "-"}), legacy{}},
		{"the emulator", withStorage(env{"AzureWebJobsStorage": "UseDevelopmentStorage=true"}), legacy{}},
		{
			"connection string",
			withStorage(env{"AzureWebJobsStorage": "AccountName=acme;AccountKey=" + canaryKey + ";EndpointSuffix=core.chinacloudapi.cn"}),
			legacy{Endpoint: "https://acme.table.core.chinacloudapi.cn", Auth: config.AccountKey, Name: "acme", Key: canaryKey, By: "AzureWebJobsStorage"},
		},
		{
			"connection string with the address of the tables",
			withStorage(env{"AzureWebJobsStorage": "AccountName=acme;AccountKey=" + canaryKey + ";BlobEndpoint=http://localhost:7/acme;TableEndpoint=http://localhost:8/acme"}),
			legacy{Endpoint: "http://localhost:8/acme", Auth: config.AccountKey, Name: "acme", Key: canaryKey, By: "AzureWebJobsStorage"},
		},
		{"state in a directory beside the old settings", with(env{"STATE_URL": "file:///tmp/state"}), byState},
		{"state in a directory alone", withStorage(env{"STATE_URL": "file:///tmp/state"}), legacy{}},
		{
			"another account, with an identity",
			with(env{"LEGACY_CHECKPOINT": oldTable + "/", "AZURE_CLIENT_ID": identity}),
			legacy{Endpoint: oldTable, Auth: config.ManagedIdentity, Using: identity, Named: true},
		},
		{
			"the account of the state, named",
			with(env{"LEGACY_CHECKPOINT": "https://acmestate.table.core.windows.net"}),
			func() legacy { l := byState; l.Named = true; return l }(),
		},
		{
			"an emulator, named",
			with(env{"LEGACY_CHECKPOINT": "http://127.0.0.1:10002/acmestate"}),
			legacy{Endpoint: "http://127.0.0.1:10002/acmestate", Auth: config.AccountKey, Name: "acmestate", Key: canaryKey, By: "AZURE_STORAGE_ACCESS_KEY", Named: true},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := load(tc.env)
			if err != nil {
				t.Fatal(err)
			}
			l := s.Legacy
			got := legacy{Auth: l.Auth, Name: l.Name, Key: l.Key.Text().Reveal(), By: l.KeySetting, Using: l.ClientID, Named: l.Named}
			if l.TableEndpoint != nil {
				got.Endpoint = l.TableEndpoint.String()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLegacyCheckpointProblems(t *testing.T) {
	for value, want := range map[string]string{
		"yes":        `is "yes": use auto, off or the address of the table service`,
		"oldaccount": "https://NAME.table.core.windows.net",
		"https://oldaccount.blob.core.windows.net":                  "is the address of the blob service",
		"https://oldaccount.table.core.windows.net/checkpointTable": "has a path",
		"http://oldaccount.table.core.windows.net":                  "use https",
		"http://127.0.0.1:10002/other":                              "a managed identity requires https",
		"https://oldaccount.table.core.windows.net/?sig=abc":        "must not contain",
		"@Microsoft.KeyVault(SecretUri=https://a/b)":                "unresolved Key Vault reference",
	} {
		t.Run(value, func(t *testing.T) {
			_, err := load(with(map[string]string{"LEGACY_CHECKPOINT": value}))
			if err == nil || !strings.Contains(err.Error(), "LEGACY_CHECKPOINT: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("Load: %v, want LEGACY_CHECKPOINT and %q", err, want)
			}
		})
	}
}
