package azblob_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/state/azblob"
)

const someKey = "c29tZSBrZXk="

func TestNewRefuses(t *testing.T) {
	key := secret.New(someKey)
	for _, test := range []struct {
		name string
		cfg  azblob.Config
		want string
	}{
		{"nothing to get in with", azblob.Config{Container: "box", AccountName: "acme"}, "exactly one of AZURE_STORAGE_ACCESS_KEY"},
		{"two ways", azblob.Config{Container: "box", AccountName: "acme", AccountKey: key, Credential: azurite.Credential{}}, "not 2 of them"},
		{"no account", azblob.Config{Container: "box", Credential: azurite.Credential{}}, "AZURE_STORAGE_ACCOUNT_NAME"},
		{"key without name", azblob.Config{Container: "box", ServiceURL: at("https://acme.blob.core.windows.net"), AccountKey: key}, "AZURE_STORAGE_ACCOUNT_NAME"},
		{"key is no base64", azblob.Config{Container: "box", AccountName: "acme", AccountKey: secret.New("canary!")}, "AZURE_STORAGE_ACCESS_KEY is not a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := azblob.New(test.cfg)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), someKey) {
				t.Errorf("%q, want it to say %q and no secret", err, test.want)
			}
		})
	}
}

// TestWhereRequestsGo asks for an object and looks at the URL.
func TestWhereRequestsGo(t *testing.T) {
	key := secret.New(someKey)
	for _, test := range []struct {
		name string
		cfg  azblob.Config
		want string
	}{
		{"account name and key", azblob.Config{Container: "box", AccountName: "acme", AccountKey: key}, "https://acme.blob.core.windows.net/box/t%2Fx"},
		{"endpoint of a sovereign cloud", azblob.Config{Container: "box", ServiceURL: at("https://acme.blob.core.usgovcloudapi.net/"), AccountName: "acme", AccountKey: key}, "https://acme.blob.core.usgovcloudapi.net/box/t%2Fx"},
		{"managed identity", azblob.Config{Container: "box", AccountName: "acme", Credential: azurite.Credential{}}, "https://acme.blob.core.windows.net/box/t%2Fx"},
		{
			"shared access signature",
			azblob.Config{Container: "box", ServiceURL: at("https://acme.example/"), SAS: secret.New("?sv=1&sig=s%3D")},
			"https://acme.example/box/t%2Fx?sig=s%3D&sv=1",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got string
			_, _ = open(t, quick(test.cfg, func(req *http.Request) (*http.Response, error) {
				got = req.URL.String()
				return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{"X-Ms-Error-Code": {"BlobNotFound"}}, Body: http.NoBody, Request: req}, nil
			})).Get(t.Context(), "t/x")
			if got != test.want {
				t.Errorf("request to %s, want %s", got, test.want)
			}
		})
	}
}

// at is an address as settings have it.
func at(text string) *url.URL {
	u, err := address.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}
