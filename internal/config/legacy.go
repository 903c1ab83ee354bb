package config

import (
	"net/url"
	"strings"
)

// legacyReader finds the checkpoint of an older connector.
type legacyReader struct {
	*Reader
	text struct {
		Legacy        string `envconfig:"LEGACY_CHECKPOINT"`
		AzureClientID string `envconfig:"AZURE_CLIENT_ID"`
	}
	// keyed returns the account whose key is known; its name is empty if there is none.
	keyed func() Account
	// several is set with several connections: only one may continue from the old
	// checkpoint.
	several bool
}

// legacy resolves LEGACY_CHECKPOINT.
func (v *legacyReader) legacy() Legacy {
	const setting = "LEGACY_CHECKPOINT"
	own := !v.several || v.own(setting)
	switch {
	case v.Reported(setting), strings.EqualFold(v.text.Legacy, "off"):
		return Legacy{}
	case strings.EqualFold(v.text.Legacy, "auto"):
		// Look only with an account key, because it certainly opens the tables too. Without
		// one, access may be denied whether or not there is an old checkpoint.
		if a := v.keyed(); a.TableEndpoint != nil && own {
			return Legacy{TableEndpoint: a.TableEndpoint, Auth: AccountKey, Name: a.Name, Key: a.Key, KeySetting: a.Setting}
		}
		return Legacy{}
	case !own:
		v.Problem(setting, "applies to every connection, but the old connector read one tenant only: set it with the prefix of the connection to that tenant")
		return Legacy{}
	}
	u := v.tables(setting)
	if u == nil {
		return Legacy{}
	}
	if a := v.keyed(); a.Name != "" && a.Name == accountOf(u) {
		return Legacy{TableEndpoint: u, Named: true, Auth: AccountKey, Name: a.Name, Key: a.Key, KeySetting: a.Setting}
	}
	if u.Scheme == "http" {
		v.Problem(setting, "uses http, but a managed identity requires https: use https, or set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCESS_KEY of that account")
	}
	return Legacy{TableEndpoint: u, Named: true, Auth: ManagedIdentity, ClientID: v.text.AzureClientID}
}

// tables reads the address of a table service. It returns nil after reporting a problem.
func (v *legacyReader) tables(setting string) *url.URL {
	if !strings.Contains(v.text.Legacy, "://") {
		v.Problemf(setting, "is %s: use auto, off or the address of the table service, https://NAME.table.core.windows.net", shown(v.text.Legacy))
		return nil
	}
	u := v.Address(setting, v.text.Legacy)
	switch {
	case u == nil:
		return nil
	case strings.Contains(u.Hostname(), ".blob."):
		v.Problem(setting, "is the address of the blob service: use the address of the table service, https://NAME.table.core.windows.net")
		return nil
	case u.Path != "" && strings.Contains(u.Hostname(), ".table."):
		// A path makes the service return 404, which could be mistaken for "no checkpoint".
		v.Problem(setting, "has a path after the host: use only the address of the table service, https://NAME.table.core.windows.net")
		return nil
	}
	return u
}

// keyed returns the account whose key is known: the account of the state or, if the state
// is in a directory, the one in the old settings. Its name is empty if there is none.
func (v *stateReader) keyed(s State) Account {
	a := s.Account
	if s.Dir != "" && v.text.AccountName != "" && !v.text.AccountKey.IsZero() {
		a = v.namedAccount()
	}
	if a.Auth != AccountKey {
		return Account{}
	}
	return a
}

// tableBeside returns the table service of the account with that blob service, or nil if
// the address doesn't have the usual form.
func tableBeside(blob *url.URL) *url.URL {
	if blob == nil || blob.Path != "" || !strings.Contains(blob.Host, ".blob.") {
		return nil
	}
	table := *blob
	table.Host = strings.Replace(blob.Host, ".blob.", ".table.", 1)
	return &table
}

// accountOf returns the name of the account whose table service is at u: the first part of
// the host name, or the path of an emulator.
func accountOf(u *url.URL) string {
	if u.Path != "" {
		return strings.Trim(u.Path, "/")
	}
	name, _, _ := strings.Cut(u.Hostname(), ".")
	return name
}
