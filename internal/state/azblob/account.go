package azblob

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

const (
	settingKey              = "AZURE_STORAGE_ACCESS_KEY"
	settingName             = "AZURE_STORAGE_ACCOUNT_NAME"
	settingEndpoint         = "AZURE_STORAGE_BLOB_ENDPOINT"
	settingConnectionString = "AzureWebJobsStorage"
)

// where is what errors say about the location and the credentials.
type where struct {
	container, host string
	// account is the account's name, possibly derived from the host.
	account string
	// by is the setting with the key or SAS; empty for a token.
	by string
	// place names the settings that identify the account.
	place string
}

// account is a resolved Config.
type account struct {
	where
	containerURL *url.URL
	name         string
	key          secret.Keeper // nil for none
	sas          string        // the query of a shared access signature
	credential   azcore.TokenCredential
}

// resolve determines the account. Its errors contain no secrets.
func resolve(cfg Config) (account, error) {
	a := account{name: cfg.AccountName, sas: strings.TrimPrefix(cfg.SAS.Reveal(), "?"), credential: cfg.Credential}
	a.container, a.by, a.place = cfg.Container, settingKey, settingEndpoint+" and "+settingName
	service := cfg.ServiceURL
	if text, fixed := secret.Fixed(cfg.AccountKey); !fixed || !text.IsZero() {
		a.key = cfg.AccountKey
	}

	ways := 0
	for _, set := range []bool{a.key != nil, a.credential != nil, a.sas != ""} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return account{}, fmt.Errorf("storage account: set exactly one of %s, a managed identity and %s, not %d of them", settingKey, settingConnectionString, ways)
	}
	switch {
	case a.credential != nil:
		a.by = ""
	case a.sas != "":
		a.by, a.place = settingConnectionString, settingConnectionString
	}
	if service == nil {
		if a.name == "" {
			return account{}, fmt.Errorf("storage account: set %s or %s", settingName, settingEndpoint)
		}
		service = &url.URL{Scheme: "https", Host: a.name + ".blob.core.windows.net"}
	}
	if a.key != nil && a.name == "" {
		return account{}, fmt.Errorf("%s is needed with a key", settingName)
	}
	a.host = service.Host
	if a.account = a.name; a.account == "" {
		a.account, _, _ = strings.Cut(service.Hostname(), ".")
	}
	a.containerURL = service.JoinPath(a.container)
	a.containerURL.RawQuery = a.sas
	return a, nil
}

func (a *account) notBase64() error {
	return fmt.Errorf("%s is not a storage account key, which is base64 text: copy it from \"Access keys\" in the portal", a.by)
}

// client returns the SDK's client.
func (a *account) client(o *container.ClientOptions) (*container.Client, error) {
	u := a.containerURL.String()
	var c *container.Client
	var err error
	switch {
	case a.credential != nil:
		c, err = container.NewClient(u, azsdk.Marked{TokenCredential: a.credential}, o)
	case a.key != nil:
		text, _ := secret.Fixed(a.key)
		var cred *container.SharedKeyCredential
		if cred, err = container.NewSharedKeyCredential(a.name, text.Reveal()); err != nil { // it may show the key
			return nil, a.notBase64()
		}
		azsdk.WithKey(&o.ClientOptions, a.key, func(key string) error {
			if cred.SetAccountKey(key) != nil {
				return a.notBase64()
			}
			return nil
		})
		c, err = container.NewClientWithSharedKeyCredential(u, cred, o)
	default:
		c, err = container.NewClientWithNoCredential(u, o)
	}
	if err != nil {
		return nil, fmt.Errorf("storage account %s: %s", a.host, azsdk.Text(err))
	}
	return c, nil
}
