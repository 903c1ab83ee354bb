package config

import (
	"net/url"
	"strings"
)

// legacy resolves LEGACY_CHECKPOINT. It comes after the state, whose account may be the one.
func (v *validator) legacy(s *Settings) {
	const setting = "LEGACY_CHECKPOINT"
	switch {
	case v.reported(setting), strings.EqualFold(v.raw.Legacy, "off"):
		return
	case strings.EqualFold(v.raw.Legacy, "auto"):
		// Only where it can be told that looking is allowed: a key opens the tables too.
		// Elsewhere a refusal would say nothing about an old checkpoint.
		if a := v.keyed(s); a.TableEndpoint != nil {
			s.Legacy = Legacy{TableEndpoint: a.TableEndpoint, Auth: AccountKey, Name: a.Name, Key: a.Key, KeySetting: a.Setting}
		}
		return
	case !strings.Contains(v.raw.Legacy, "://"):
		v.addf(setting, "is %s: use auto, off or the address of the table service, https://NAME.table.core.windows.net", shown(v.raw.Legacy))
		return
	}
	u := v.address(setting, v.raw.Legacy)
	switch {
	case u == nil:
		return
	case strings.Contains(u.Hostname(), ".blob."):
		v.add(setting, "is the address of the blob service: use that of the table service, https://NAME.table.core.windows.net")
		return
	case u.Path != "" && strings.Contains(u.Hostname(), ".table."):
		// The service's 404 for it could be taken for "no checkpoint".
		v.add(setting, "has a path after the host: use the address of the table service alone, https://NAME.table.core.windows.net")
		return
	}
	s.Legacy = Legacy{TableEndpoint: u, Named: true, Auth: ManagedIdentity, ClientID: v.raw.AzureClientID}
	if a := v.keyed(s); a.Name != "" && a.Name == accountOf(u) {
		s.Legacy = Legacy{TableEndpoint: u, Named: true, Auth: AccountKey, Name: a.Name, Key: a.Key, KeySetting: a.Setting}
	} else if u.Scheme == "http" {
		v.add(setting, "uses http, over which a managed identity does not work: use https, or set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCESS_KEY of that account")
	}
}

// keyed is the account that a key is known of: that of the state or, beside state in
// a directory, the one that the old settings name. Its name is empty if there is none.
func (v *validator) keyed(s *Settings) Account {
	a := s.State.Account
	if s.State.Dir != "" && v.raw.AccountName != "" && !v.raw.AccountKey.IsZero() {
		a = v.namedAccount()
	}
	if a.Auth != AccountKey {
		return Account{}
	}
	return a
}

// tableBeside is the table service of the account with that blob service. Only
// the common form of the address tells.
func tableBeside(blob *url.URL) *url.URL {
	if blob == nil || blob.Path != "" || !strings.Contains(blob.Host, ".blob.") {
		return nil
	}
	table := *blob
	table.Host = strings.Replace(blob.Host, ".blob.", ".table.", 1)
	return &table
}

// accountOf is the name of the account whose table service is at u: the first part of
// the host, or the path for an emulator.
func accountOf(u *url.URL) string {
	if u.Path != "" {
		return strings.Trim(u.Path, "/")
	}
	name, _, _ := strings.Cut(u.Hostname(), ".")
	return name
}
