package config_test

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// account is what TestStorageAccount compares.
type account struct {
	Auth                                  config.StorageAuth
	Setting, Endpoint, Name, Key, ID, SAS string
}

const identity = "11111111-2222-3333-4444-555555555555"

// withStorage is the valid environment with another storage account.
func withStorage(changes map[string]string) map[string]string {
	env := with(map[string]string{"AZURE_STORAGE_ACCOUNT_NAME": "-", "AZURE_STORAGE_ACCESS_KEY": "-"})
	for name, value := range changes {
		env[name] = value
	}
	return env
}

func TestStorageAccount(t *testing.T) {
	type env = map[string]string
	const devKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	for _, tc := range []struct {
		name string
		env  env
		want account
	}{
		{
			"name and key come first",
			env{"AZURE_STORAGE_ACCOUNT_NAME": "acme", "AZURE_STORAGE_ACCESS_KEY": canaryKey, "AzureWebJobsStorage": "UseDevelopmentStorage=true"},
			account{Auth: config.AccountKey, Setting: "AZURE_STORAGE_ACCESS_KEY", Endpoint: "https://acme.blob.core.windows.net", Name: "acme", Key: canaryKey},
		},
		{
			"name alone means managed identity",
			env{"AZURE_STORAGE_ACCOUNT_NAME": "acme", "AzureWebJobsStorage": "UseDevelopmentStorage=true"},
			account{Auth: config.ManagedIdentity, Setting: "AZURE_STORAGE_ACCOUNT_NAME", Endpoint: "https://acme.blob.core.windows.net", Name: "acme"},
		},
		{
			"user-assigned identity and sovereign endpoint",
			env{"AZURE_STORAGE_ACCOUNT_NAME": "acme", "AZURE_CLIENT_ID": identity, "AZURE_STORAGE_BLOB_ENDPOINT": "https://acme.blob.core.usgovcloudapi.net/"},
			account{Auth: config.ManagedIdentity, Setting: "AZURE_STORAGE_ACCOUNT_NAME", Endpoint: "https://acme.blob.core.usgovcloudapi.net", Name: "acme", ID: identity},
		},
		{
			"Azurite on another port",
			env{"AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1", "AZURE_STORAGE_ACCESS_KEY": devKey, "AZURE_STORAGE_BLOB_ENDPOINT": "http://127.0.0.1:12345/devstoreaccount1"},
			account{Auth: config.AccountKey, Setting: "AZURE_STORAGE_ACCESS_KEY", Endpoint: "http://127.0.0.1:12345/devstoreaccount1", Name: "devstoreaccount1", Key: devKey},
		},
		{
			"emulator",
			env{"AzureWebJobsStorage": "UseDevelopmentStorage=true"},
			account{Auth: config.AccountKey, Setting: "AzureWebJobsStorage", Endpoint: "http://127.0.0.1:10000/devstoreaccount1", Name: "devstoreaccount1", Key: devKey},
		},
		{
			"connection string with key",
			env{"AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=" + canaryKey + ";EndpointSuffix=core.chinacloudapi.cn;"},
			account{Auth: config.AccountKey, Setting: "AzureWebJobsStorage", Endpoint: "https://acme.blob.core.chinacloudapi.cn", Name: "acme", Key: canaryKey},
		},
		{
			"connection string with endpoint",
			env{"AzureWebJobsStorage": "AccountName=devstoreaccount1;AccountKey=" + devKey + ";BlobEndpoint=http://localhost:7/devstoreaccount1"},
			account{Auth: config.AccountKey, Setting: "AzureWebJobsStorage", Endpoint: "http://localhost:7/devstoreaccount1", Name: "devstoreaccount1", Key: devKey},
		},
		{
			"connection string with signature",
			env{"AzureWebJobsStorage": "BlobEndpoint=https://acme.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=abc%3D"},
			account{Auth: config.SharedAccess, Setting: "AzureWebJobsStorage", Endpoint: "https://acme.blob.core.windows.net", SAS: "sv=1&sig=abc%3D"},
		},
		{
			"host identity by address",
			env{"AzureWebJobsStorage__blobServiceUri": "https://acme.blob.core.windows.net", "AzureWebJobsStorage__credential": "managedidentity", "AzureWebJobsStorage__clientId": identity, "AZURE_CLIENT_ID": workspace},
			account{Auth: config.ManagedIdentity, Setting: "AzureWebJobsStorage__blobServiceUri", Endpoint: "https://acme.blob.core.windows.net", ID: identity},
		},
		{
			"host identity by name",
			env{"AzureWebJobsStorage__accountName": "acme", "AZURE_CLIENT_ID": identity},
			account{Auth: config.ManagedIdentity, Setting: "AzureWebJobsStorage__accountName", Endpoint: "https://acme.blob.core.windows.net", ID: identity},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := load(withStorage(tc.env))
			if err != nil {
				t.Fatal(err)
			}
			a := s.State.Account
			got := account{a.Auth, a.Setting, a.BlobEndpoint.String(), a.Name, a.Key.Text().Reveal(), a.ClientID, a.SAS.Reveal()}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("account (-want +got):\n%s", diff)
			}
		})
	}
}

// The queue of FAN_OUT is that of the host's account, whatever account holds the state.
func TestQueue(t *testing.T) {
	type env = map[string]string
	for _, tc := range []struct {
		name          string
		env           env
		at, by, fails string
	}{
		{"off", env{"FAN_OUT": "off", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}, "", "", ""},
		{"nothing", env{"STATE_URL": "file:///x"}, "", "", ""},
		{"emulator", env{"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, "http://127.0.0.1:10001/devstoreaccount1", "AzureWebJobsStorage", ""},
		{"connection string", env{"STATE_URL": "file:///x", "AzureWebJobsStorage": "AccountName=acme;AccountKey=" + canaryKey + ";EndpointSuffix=core.chinacloudapi.cn"}, "https://acme.queue.core.chinacloudapi.cn", "AzureWebJobsStorage", ""},
		{"connection string with endpoints", env{"AzureWebJobsStorage": "BlobEndpoint=https://acme.blob.core.windows.net;QueueEndpoint=https://q.example/;SharedAccessSignature=sig=abc"}, "https://q.example", "AzureWebJobsStorage", ""},
		{"identity", env{"AzureWebJobsStorage__blobServiceUri": "https://acme.blob.core.windows.net", "AzureWebJobsStorage__queueServiceUri": "https://acme.queue.core.windows.net/"}, "https://acme.queue.core.windows.net", "AzureWebJobsStorage__queueServiceUri", ""},
		{"identity by name", env{"AzureWebJobsStorage__accountName": "acme"}, "https://acme.queue.core.windows.net", "AzureWebJobsStorage__accountName", ""},
		{"identity without the address", env{"AzureWebJobsStorage__blobServiceUri": "https://acme.blob.core.windows.net"}, "", "", "AzureWebJobsStorage__queueServiceUri"},
		{"identity over http", env{"AzureWebJobsStorage__blobServiceUri": "https://acme.blob.core.windows.net", "AzureWebJobsStorage__queueServiceUri": "http://127.0.0.1:1/acme"}, "http://127.0.0.1:1/acme", "AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__queueServiceUri"},
		{"damaged connection string", env{"STATE_URL": "file:///x", "AzureWebJobsStorage": canaryKey[:10]}, "", "", "AzureWebJobsStorage"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			with := withStorage(tc.env)
			if with["FAN_OUT"] == "" {
				with["FAN_OUT"] = "queue"
			}
			s, err := load(with)
			if tc.fails == "" && err != nil || tc.fails != "" && (err == nil || !strings.Contains(err.Error(), tc.fails) || strings.Contains(err.Error(), "canary")) {
				t.Fatalf("%v, want %q", err, tc.fails)
			}
			at := ""
			if s.Queue.Endpoint != nil {
				at = s.Queue.Endpoint.String()
			}
			if at != tc.at || s.Queue.Setting != tc.by && tc.at != "" {
				t.Errorf("%s by %s, want %s by %s", at, s.Queue.Setting, tc.at, tc.by)
			}
		})
	}
}

func TestStorageProblems(t *testing.T) {
	type env = map[string]string
	for _, tc := range []struct {
		name    string
		env     env
		setting string
		says    string
	}{
		{"nothing", env{}, "STATE_URL", "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCESS_KEY, or AZURE_STORAGE_ACCOUNT_NAME alone to use a managed identity, or AzureWebJobsStorage"},
		{"key without name", env{"AZURE_STORAGE_ACCESS_KEY": canaryKey}, "AZURE_STORAGE_ACCESS_KEY", "without AZURE_STORAGE_ACCOUNT_NAME"},
		{"endpoint without name", env{"AZURE_STORAGE_BLOB_ENDPOINT": "https://x"}, "AZURE_STORAGE_BLOB_ENDPOINT", "without AZURE_STORAGE_ACCOUNT_NAME"},
		{"host instead of a name", env{"AZURE_STORAGE_ACCOUNT_NAME": "acme.blob.core.windows.net"}, "AZURE_STORAGE_ACCOUNT_NAME", "only the name"},
		{"damaged key", env{"AZURE_STORAGE_ACCOUNT_NAME": "acme", "AZURE_STORAGE_ACCESS_KEY": canaryKey[1:]}, "AZURE_STORAGE_ACCESS_KEY", "base64"},
		{"reference as key is no managed identity", env{"AZURE_STORAGE_ACCOUNT_NAME": "acme", "AZURE_STORAGE_ACCESS_KEY": "@Microsoft.KeyVault(x)"}, "AZURE_STORAGE_ACCESS_KEY", "reference"},
		{"endpoint on http", env{"AZURE_STORAGE_ACCOUNT_NAME": "acme", "AZURE_STORAGE_BLOB_ENDPOINT": "http://acme.blob.core.windows.net"}, "AZURE_STORAGE_BLOB_ENDPOINT", "use https"},
		{"endpoint with a signature", env{"AZURE_STORAGE_ACCOUNT_NAME": "acme", "AZURE_STORAGE_BLOB_ENDPOINT": "https://acme.blob.core.windows.net/?sig=" + canaryKey}, "AZURE_STORAGE_BLOB_ENDPOINT", "query"},
		{"Azurite without account", env{"AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1", "AZURE_STORAGE_ACCESS_KEY": canaryKey, "AZURE_STORAGE_BLOB_ENDPOINT": "http://127.0.0.1:10000"}, "AZURE_STORAGE_BLOB_ENDPOINT", "lacks the account's name"},
		{"identity over http", env{"AZURE_STORAGE_ACCOUNT_NAME": "acme", "AZURE_STORAGE_BLOB_ENDPOINT": "http://127.0.0.1:10000/acme"}, "AZURE_STORAGE_ACCESS_KEY", "over http"},
		{"identity that is a name", env{"AZURE_STORAGE_ACCOUNT_NAME": "acme", "AZURE_CLIENT_ID": "my-identity"}, "AZURE_CLIENT_ID", "not a GUID"},
		{"no connection string", env{"AzureWebJobsStorage": canaryKey[:10]}, "AzureWebJobsStorage", "not a connection string"},
		{"connection string without key", env{"AzureWebJobsStorage": "AccountName=acme"}, "AzureWebJobsStorage", "neither AccountName with AccountKey"},
		{"connection string without account", env{"AzureWebJobsStorage": "AccountKey=" + canaryKey}, "AzureWebJobsStorage", "neither AccountName nor BlobEndpoint"},
		{"connection string with damaged key", env{"AzureWebJobsStorage": "AccountName=acme;AccountKey=" + canaryKey[1:]}, "AzureWebJobsStorage", "base64"},
		{"connection string on http", env{"AzureWebJobsStorage": "DefaultEndpointsProtocol=http;AccountName=acme;AccountKey=" + canaryKey}, "AzureWebJobsStorage", "use https"},
		{"connection string with an odd account", env{"AzureWebJobsStorage": "AccountName=acme/x;AccountKey=" + canaryKey}, "AzureWebJobsStorage", "has an AccountName"},
		{"emulator behind a proxy", env{"AzureWebJobsStorage": "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://x"}, "AzureWebJobsStorage", "another port"},
		{"host account as reference", env{"AzureWebJobsStorage": "@Microsoft.KeyVault(x)"}, "AzureWebJobsStorage", "reference"},
		{"other credential", env{"AzureWebJobsStorage__accountName": "acme", "AzureWebJobsStorage__credential": "key"}, "AzureWebJobsStorage__credential", "managedidentity"},
		{"host identity that is a name", env{"AzureWebJobsStorage__accountName": "acme", "AzureWebJobsStorage__clientId": "me"}, "AzureWebJobsStorage__clientId", "not a GUID"},
		{"host account with a host", env{"AzureWebJobsStorage__accountName": "acme.blob.core.windows.net"}, "AzureWebJobsStorage__accountName", "only the name"},
		{"host identity over http", env{"AzureWebJobsStorage__blobServiceUri": "http://127.0.0.1:1/a"}, "AzureWebJobsStorage__blobServiceUri", "requires https"},
		{"host account in the wrong case", env{"AzureWebJobsStorage__AccountName": "acme", "STATE_URL": "file:///x"}, "AzureWebJobsStorage__accountName", "rename it"},
		{"unknown state", env{"STATE_URL": "s3://bucket"}, "STATE_URL", "azblob://container or file:///dir"},
		{"bare directory", env{"STATE_URL": "/var/lib/x"}, "STATE_URL", "file:///dir"},
		{"two slashes", env{"STATE_URL": "file://var/lib"}, "STATE_URL", "three slashes"},
		{"directory with a fragment", env{"STATE_URL": "file:///a/b#c"}, "STATE_URL", "%23"},
		{"container with a fragment", env{"STATE_URL": "azblob://box#c", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}, "STATE_URL", "nothing else"},
		{"root directory", env{"STATE_URL": "file:///"}, "STATE_URL", "three slashes"},
		{"container in capitals", env{"STATE_URL": "azblob://State", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}, "STATE_URL", "lower-case"},
		{"container too short", env{"STATE_URL": "azblob://bx", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}, "STATE_URL", "3 to 63"},
		{"container too long", env{"STATE_URL": "azblob://" + strings.Repeat("a", 64), "AzureWebJobsStorage": "UseDevelopmentStorage=true"}, "STATE_URL", "3 to 63"},
		{"container with two hyphens", env{"STATE_URL": "azblob://a--b", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}, "STATE_URL", "single dashes"},
		{"container with a path", env{"STATE_URL": "azblob://state/a", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}, "STATE_URL", "nothing else"},
		{"directory in Azure", env{"STATE_URL": "file:///x", "WEBSITE_SITE_NAME": "app"}, "STATE_URL", "loses"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(withStorage(tc.env))
			onlyProblem(t, err, tc.setting, tc.says)
		})
	}
}

func TestStateDirectory(t *testing.T) {
	for url, want := range map[string]string{
		"file:///var/lib/connector": "/var/lib/connector",
		"file://localhost/var/lib":  "/var/lib",
		"file:///with%20blank":      "/with blank",
		"file:///a/b%23c":           "/a/b#c",
		"file:.local/state":         ".local/state",
		"file:with%20blank":         "with blank",
	} {
		t.Run(url, func(t *testing.T) {
			s, err := load(withStorage(map[string]string{"STATE_URL": url}))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(filepath.FromSlash(want), s.State.Dir); diff != "" {
				t.Errorf("directory (-want +got):\n%s", diff)
			}
		})
	}
}

// A drive is taken where there are drives.
func TestStateOnADrive(t *testing.T) {
	for _, url := range []string{"file:///C:/state", "file:C:/state"} {
		s, err := load(withStorage(map[string]string{"STATE_URL": url}))
		got := problems(t, err)
		switch {
		case runtime.GOOS == "windows":
			if want := filepath.FromSlash("C:/state"); err != nil || s.State.Dir != want {
				t.Errorf("%s: %q, %v, want %q", url, s.State.Dir, err, want)
			}
		case len(got) != 1 || !strings.Contains(got[0].Message, "which only Windows has"):
			t.Errorf("%s: folder %q, %q", url, s.State.Dir, got)
		}
	}
}

// FuzzConnectionString: whatever the text, there is a problem or an account that
// can be used safely, and the text is not shown.
func FuzzConnectionString(f *testing.F) {
	for _, seed := range []string{
		"UseDevelopmentStorage=true", "AccountName=acme;AccountKey=" + canaryKey, ";;=;", "BlobEndpoint=https://h;SharedAccessSignature=?s",
		"AccountName=a/b?;AccountKey=" + canaryKey, "DefaultEndpointsProtocol=http;AccountName=127.0.0.1;AccountKey=AAAA;EndpointSuffix=localhost",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsRune(text, 0) {
			return // no environment variable can hold it
		}
		s, err := load(withStorage(map[string]string{"AzureWebJobsStorage": text}))
		if err != nil {
			if secret := strings.TrimSpace(text); len(secret) > 40 && strings.Contains(err.Error(), secret) {
				t.Errorf("error shows the text: %v", err)
			}
			return
		}
		a := s.State.Account
		if a.BlobEndpoint == nil || a.BlobEndpoint.Host == "" || a.BlobEndpoint.RawQuery != "" || a.BlobEndpoint.User != nil {
			t.Errorf("endpoint is %v", a.BlobEndpoint)
		}
		if keyed := a.Name != "" && !a.Key.IsZero(); keyed == (a.Auth == config.SharedAccess) || a.Auth == config.SharedAccess && a.SAS.IsZero() {
			t.Errorf("account can't sign in: %+v", a)
		}
	})
}
