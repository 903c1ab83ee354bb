package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var (
	shortName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	hostName  = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	// uiHost is the address of the user interface, which is not that of the API.
	uiHost = regexp.MustCompile(`^([a-z0-9-]+)\.(identitynow(?:-demo)?\.com)$`)
	// clientID is a UUID; personal access tokens show theirs without dashes.
	clientID = regexp.MustCompile(`(?i)^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})$`)
	legacyID = regexp.MustCompile(`^[A-Za-z0-9]{16}$`)
	hex64    = regexp.MustCompile(`(?i)^[0-9a-f]{64}$`)
)

// commercial is what follows the short name in the API host of most tenants.
const commercial = ".api.identitynow.com"

func (v *validator) sailpoint(s *Settings) {
	if v.raw.BaseURL != "" {
		s.BaseURL = v.address("SAILPOINT_BASE_URL", v.raw.BaseURL)
		if s.BaseURL != nil {
			if m := uiHost.FindStringSubmatch(strings.ToLower(s.BaseURL.Hostname())); m != nil {
				v.addf("SAILPOINT_BASE_URL", "is the address of the user interface: use https://%s.api.%s", m[1], m[2])
			}
			v.basePath(s.BaseURL)
			s.Tenant = tenantKey(s.BaseURL.Host)
		}
	}
	if tenant := v.tenantHost(); tenant != "" {
		s.Tenant = tenantKey(tenant)
		if v.raw.BaseURL == "" {
			s.BaseURL = &url.URL{Scheme: "https", Host: tenant}
		}
	}
	if s.BaseURL != nil && s.Tenant == "" && !v.reported("TENANT_ID") {
		v.add("SAILPOINT_BASE_URL", "has a host without a letter or digit, from which no name for the state can be made: set TENANT_ID, too")
	}
	v.client(s)

	if g := v.raw.GrantType; g != "" && !strings.EqualFold(g, "client_credentials") {
		v.addf("GRANT_TYPE", "is %s: only client_credentials is supported, remove the setting", shown(g))
	}
	s.APIVersion = strings.ToLower(v.raw.APIVersion)
	known := []string{"v1", "v2026", "v2025", "v2024", "v3", "beta"}
	if !slices.Contains(known, s.APIVersion) && !v.reported("SAILPOINT_API_VERSION") {
		v.addf("SAILPOINT_API_VERSION", "is %s: use one of %s", shown(v.raw.APIVersion), strings.Join(known, ", "))
	}
}

// apiPath is what people copy along with the address: a version, or a call.
var apiPath = regexp.MustCompile(`(?i)/(v\d+|beta|oauth/(token|info)|(v\d+|beta)/[^/]+|search(/v\d+)?|ui(/.*)?|login(/.*)?)$`)

// basePath reports a path that the address of the API does not have. In front of
// another host, a proxy, it may have one.
func (v *validator) basePath(u *url.URL) {
	const setting = "SAILPOINT_BASE_URL"
	switch host := strings.ToLower(u.Hostname()); {
	case v.reported(setting):
	case strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }):
		v.add(setting, "has a host with letters other than a to z: write it as name servers know it, beginning with xn--")
	case u.Path == "":
	case strings.Contains(host, ".api."):
		v.addf(setting, "has a path after the host: use https://%s alone, the versions are added to it", u.Host)
	case apiPath.MatchString(u.Path):
		v.add(setting, "ends with the path of a call or a version: leave that out, it is added")
	}
}

// tenantHost returns the API host that TENANT_ID stands for, or "" when it is
// absent or wrong. It accepts the address as people copy it: with https://, or
// of the user interface.
func (v *validator) tenantHost() string {
	text := strings.ToLower(v.raw.TenantID)
	if text == "" {
		if v.raw.BaseURL == "" && !v.reported("SAILPOINT_BASE_URL") {
			v.require("TENANT_ID", "", "set it to the short name of your tenant, the part before .identitynow.com in its address")
		}
		return ""
	}
	// What follows the host is where in the user interface it was copied.
	text = strings.TrimPrefix(text, "https://")
	if end := strings.IndexAny(text, "/?#"); end > 0 {
		text = text[:end]
	}
	if m := uiHost.FindStringSubmatch(text); m != nil {
		text = fmt.Sprintf("%s.api.%s", m[1], m[2])
	}
	switch {
	case shortName.MatchString(text):
		return text + commercial
	case !hostName.MatchString(text):
		v.add("TENANT_ID", "is neither a tenant's short name nor a host name: use the part before .identitynow.com in its address")
	case !strings.Contains(text, ".api."):
		v.add("TENANT_ID", "is a host name, but not that of an API (…"+commercial+"): use the short name, or SAILPOINT_BASE_URL for another host")
	default:
		return text
	}
	return ""
}

// tenantKey names a tenant in the state: its short name where the host has the
// usual form, so that both spellings of TENANT_ID lead to one checkpoint, and
// the whole host otherwise, so that two tenants never share one.
func tenantKey(host string) string {
	host = strings.ToLower(host)
	if name, ok := strings.CutSuffix(host, commercial); ok && shortName.MatchString(name) {
		return name
	}
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}, host), "-.")
}

// client checks the credentials. Their values are not shown: the two are easily
// swapped, and then the id is the secret.
func (v *validator) client(s *Settings) {
	s.ClientID, s.ClientSecret = v.raw.ClientID, v.raw.Secret
	v.require("CLIENT_SECRET", s.ClientSecret.Reveal(), "create a personal access token or an API client in IdentityNow and copy its secret")
	if !v.require("CLIENT_ID", s.ClientID, "create a personal access token or an API client in IdentityNow and copy its id") {
		return
	}
	if s.BaseURL != nil && loopback(s.BaseURL.Hostname()) {
		return // a stand-in takes what it likes
	}
	switch {
	case clientID.MatchString(s.ClientID):
	case legacyID.MatchString(s.ClientID):
		v.add("CLIENT_ID", "has 16 characters and no dashes, the legacy form that no longer works: create a new API client or personal access token")
	case hex64.MatchString(s.ClientID):
		v.add("CLIENT_ID", "looks like a secret: CLIENT_ID and CLIENT_SECRET may be swapped")
	default:
		v.addf("CLIENT_ID", "is no UUID (it has %d characters): copy the id of the API client or personal access token again", len(s.ClientID))
	}
}
