package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

var (
	shortName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	hostName  = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	// uiHost is the address of the user interface; the API has another one.
	uiHost = regexp.MustCompile(`^([a-z0-9-]+)\.(identitynow(?:-demo)?\.com)$`)
	// clientID is a UUID; those of personal access tokens have no dashes.
	clientID = regexp.MustCompile(`(?i)^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})$`)
	legacyID = regexp.MustCompile(`^[A-Za-z0-9]{16}$`)
	hex64    = regexp.MustCompile(`(?i)^[0-9a-f]{64}$`)
)

// commercial follows the short name in the API host of most tenants.
const commercial = ".api.identitynow.com"

// SailPoint is one IdentityNow tenant (Identity Security Cloud).
type SailPoint struct {
	// BaseURL is the address of the API and its token endpoint, without a trailing slash.
	// After a problem it is empty, not nil.
	BaseURL *url.URL
	// APIVersion is "v1" (one path for each service) or the first legacy prefix to try.
	APIVersion   string
	ClientID     string
	ClientSecret secret.Value
	// Limit is the page size of searches, 1 to 10000. It doesn't limit a run.
	Limit int
}

// Kind implements [Source].
func (s *SailPoint) Kind() string { return SailPointKind().Name }

// At implements [Located]. A SailPoint host serves one tenant, but a stand-in may serve
// several.
func (s *SailPoint) At() (setting, at string) {
	if !address.Loopback(s.BaseURL.Hostname()) {
		at = address.Canonical(s.BaseURL)
	}
	return "SAILPOINT_BASE_URL", at
}

// SailPointKind describes the settings of an IdentityNow tenant.
func SailPointKind() Kind {
	return Kind{
		Name: "sailpoint",
		On:   []string{"TENANT_ID", "SAILPOINT_BASE_URL"},
		Read: func(r *Reader) (Source, string) {
			v := sailPointReader{Reader: r}
			r.Fill(&v.text)
			return v.read()
		},
		Table: []Setting{
			{Name: "TENANT_ID", Required: true, Meaning: "Short name of the IdentityNow tenant (`acme`), or its API host (`acme.api.identitynow.com`). Can be empty if `SAILPOINT_BASE_URL` is set."},
			{Name: "CLIENT_ID", Required: true, Meaning: "ID of the API client or personal access token."},
			{Name: "CLIENT_SECRET", Required: true, Secret: true, Meaning: "Secret of that client. In Azure, keep it in Key Vault and set this to its address (Secret Identifier)."},
			{Name: "GRANT_TYPE", Default: "client_credentials", Meaning: "Accepted for compatibility with old deployments; no other value works."},
			{Name: "SAILPOINT_BASE_URL", Otherwise: "`https://{TENANT_ID}.api.identitynow.com`", Meaning: "Address of the API, for demo tenants, FedRAMP or a proxy."},
			{Name: "SAILPOINT_API_VERSION", Default: "v1", Meaning: "`v1` for the per-service paths, or a legacy prefix to try first: `v2026`, `v2025`, `v2024`, `v3`, `beta`."},
			{Name: "LIMIT", Default: "1000", Meaning: "Search page size, 1 to 10000. It does not cap a run."},
		},
	}
}

type sailPointReader struct {
	*Reader
	text struct {
		TenantID   string       `envconfig:"TENANT_ID"`
		ClientID   string       `envconfig:"CLIENT_ID"`
		Secret     secret.Value `envconfig:"CLIENT_SECRET"`
		GrantType  string       `envconfig:"GRANT_TYPE"`
		BaseURL    string       `envconfig:"SAILPOINT_BASE_URL"`
		APIVersion string       `envconfig:"SAILPOINT_API_VERSION"`
		Limit      string       `envconfig:"LIMIT"`
	}
}

func (v *sailPointReader) read() (source *SailPoint, tenant string) {
	s := &SailPoint{
		ClientID:     v.text.ClientID,
		ClientSecret: v.text.Secret,
		APIVersion:   strings.ToLower(v.text.APIVersion),
		Limit:        v.Integer("LIMIT", v.text.Limit, 1, 10000),
	}
	s.BaseURL, tenant = v.where()
	v.client(s)
	if g := v.text.GrantType; g != "" && !strings.EqualFold(g, "client_credentials") {
		v.Problemf("GRANT_TYPE", "is %s: only client_credentials is supported, remove the setting", shown(g))
	}
	if !slices.Contains(apiVersions(), s.APIVersion) && !v.Reported("SAILPOINT_API_VERSION") {
		v.Problemf("SAILPOINT_API_VERSION", "is %s: use one of %s", shown(v.text.APIVersion), strings.Join(apiVersions(), ", "))
	}
	if s.BaseURL == nil {
		s.BaseURL = &url.URL{}
	}
	return s, tenant
}

func apiVersions() []string { return []string{"v1", "v2026", "v2025", "v2024", "v3", "beta"} }

// where finds the address of the API, and the tenant's name in the state.
func (v *sailPointReader) where() (base *url.URL, tenant string) {
	const setting = "SAILPOINT_BASE_URL"
	if v.text.BaseURL != "" {
		switch {
		case slices.Contains(apiVersions(), strings.ToLower(strings.Trim(v.text.BaseURL, "/"))):
			v.Problem(setting, "is an API version: move it to SAILPOINT_API_VERSION, and set this one to an address or remove it")
		case shortName.MatchString(strings.ToLower(v.text.BaseURL)):
			v.Problemf(setting, "is %s, which is not an address: move it to TENANT_ID if it is the short name of the tenant, or write the address as https://host", shown(v.text.BaseURL))
		default:
			base = v.Address(setting, v.text.BaseURL)
		}
		if base != nil {
			if m := uiHost.FindStringSubmatch(strings.ToLower(base.Hostname())); m != nil {
				v.Problemf(setting, "is the address of the user interface: use https://%s.api.%s", m[1], m[2])
			}
			v.basePath(base)
			tenant = tenantKey(base.Host)
		}
	}
	if host := v.tenantHost(); host != "" {
		tenant = tenantKey(host)
		if v.text.BaseURL == "" {
			base = &url.URL{Scheme: "https", Host: host}
		}
	}
	if base != nil && tenant == "" && !v.Reported("TENANT_ID") {
		v.Problem(setting, "has a host without a letter or digit, so no name for the state can be derived: also set TENANT_ID")
	}
	return base, tenant
}

// apiPath matches a path that is often copied with the address: a version, or a call.
var apiPath = regexp.MustCompile(`(?i)/(v\d+|beta|oauth/(token|info)|(v\d+|beta)/[^/]+|search(/v\d+)?|ui(/.*)?|login(/.*)?)$`)

// basePath reports a path that the API doesn't have. On any other host, such as a proxy, a
// path is allowed.
func (v *sailPointReader) basePath(u *url.URL) {
	const setting = "SAILPOINT_BASE_URL"
	switch host := strings.ToLower(u.Hostname()); {
	case v.Reported(setting):
	case strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }):
		v.Problem(setting, "has a host with letters other than a to z: write it in its DNS form, beginning with xn--")
	case u.Path == "":
	case strings.Contains(host, ".api."):
		v.Problemf(setting, "has a path after the host: use only https://%s; the versions are added to it", u.Host)
	case apiPath.MatchString(u.Path):
		v.Problem(setting, "ends with the path of a call or a version: omit it, because it is added")
	}
}

// tenantHost returns the API host for TENANT_ID, or "" if it is absent or invalid. It also
// accepts an address with https://, also one of the user interface.
func (v *sailPointReader) tenantHost() string {
	text := strings.ToLower(v.text.TenantID)
	if text == "" {
		if v.text.BaseURL == "" && !v.Reported("SAILPOINT_BASE_URL") {
			v.Require("TENANT_ID", "", "set it to the short name of your tenant, the part before .identitynow.com in its address")
		}
		return ""
	}
	// Whatever follows the host is a page of the user interface.
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
		v.Problem("TENANT_ID", "is neither a tenant's short name nor a host name: use the part before .identitynow.com in its address")
	case !strings.Contains(text, ".api."):
		v.Problem("TENANT_ID", "is a host name, but not that of an API (…"+commercial+"): use the short name, or SAILPOINT_BASE_URL for another host")
	default:
		return text
	}
	return ""
}

// tenantKey names a tenant in the state. For a host of the usual form it is the short name,
// so that both forms of TENANT_ID use the same checkpoint. Otherwise it is the whole host,
// so that no two tenants share one.
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

// client checks the credentials. It shows neither value: if the two are swapped, the id is
// the secret.
func (v *sailPointReader) client(s *SailPoint) {
	text, _ := v.RequireSecret("CLIENT_SECRET", s.ClientSecret, "create a personal access token or an API client in IdentityNow and copy its secret")
	if !v.Require("CLIENT_ID", s.ClientID, "create a personal access token or an API client in IdentityNow and copy its id") {
		return
	}
	if s.BaseURL != nil && address.Loopback(s.BaseURL.Hostname()) {
		return // a stand-in accepts any value
	}
	v.secretText("CLIENT_SECRET", text)
	switch {
	case clientID.MatchString(s.ClientID):
	case legacyID.MatchString(s.ClientID):
		v.Problem("CLIENT_ID", "has 16 characters and no dashes, a legacy form that no longer works: create a new API client or personal access token")
	case hex64.MatchString(s.ClientID):
		v.Problem("CLIENT_ID", "looks like a secret: CLIENT_ID and CLIENT_SECRET may be swapped")
	default:
		v.Problemf("CLIENT_ID", "is not a UUID (it has %d characters): copy the ID of the API client or personal access token again", len(s.ClientID))
	}
}

// secretText checks the secret of a client, which SailPoint makes of 64 hexadecimal digits. Another
// form is taken, but not what can't be one, nor, without a word, what has lost or gained a few digits.
func (v *Reader) secretText(setting, text string) {
	odd := func(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII }
	const digits = 64
	switch n := utf8.RuneCountInString(text); {
	case text == "" || v.Reported(setting):
	case strings.ContainsFunc(text, odd):
		v.Problem(setting, "has a blank, or a character that is on no keyboard of a program (a dash or quotation mark of a text, a letter with an accent): copy the secret again, from where it was shown")
	case n != digits && n >= digits-4 && n <= digits+4:
		v.Hint(setting, fmt.Sprintf("has %d characters, but secrets of SailPoint have %d: if it is rejected, copy the whole secret again", n, digits))
	}
}
