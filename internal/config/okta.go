package config

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/signkey"
)

// Okta is one Okta org.
type Okta struct {
	// BaseURL is the org's address without a path. After a problem it is empty, not nil.
	BaseURL *url.URL
	// Token is an API token. It is empty if ClientID is set.
	Token secret.Value
	// ClientID is a service app, PrivateKey its key.
	ClientID   string
	PrivateKey secret.Value
}

// Kind implements [Source].
func (o *Okta) Kind() string { return OktaKind().Name }

// At implements [Located].
func (o *Okta) At() (setting, at string) {
	if !address.Loopback(o.BaseURL.Hostname()) {
		at = address.Canonical(o.BaseURL)
	}
	return "OKTA_ORG_URL", at
}

// OktaKind describes the settings of an Okta org.
func OktaKind() Kind {
	return Kind{
		Name: "okta",
		On:   []string{"OKTA_ORG_URL", "OKTA_API_TOKEN", "OKTA_CLIENT_ID", "OKTA_PRIVATE_KEY"},
		Read: func(r *Reader) (Source, string) {
			v := oktaReader{Reader: r}
			r.Fill(&v.text)
			return v.read()
		},
		Table: []Setting{
			{Name: "OKTA_ORG_URL", Otherwise: "Okta is not read", Meaning: "Address of an Okta org, `https://acme.okta.com`: its System Log goes into `Okta_CL`. See [docs/okta.md](docs/okta.md)."},
			{Name: "OKTA_API_TOKEN", Secret: true, Meaning: "API token of that org, of a user who may read the System Log. Or, instead of a token:"},
			{Name: "OKTA_CLIENT_ID", Meaning: "Client ID of a service app (API Services integration) with the scope `okta.logs.read`."},
			{Name: "OKTA_PRIVATE_KEY", Secret: true, Meaning: "Private key of that app, as PEM or JWK."},
		},
	}
}

type oktaReader struct {
	*Reader
	text struct {
		OrgURL string       `envconfig:"OKTA_ORG_URL"`
		Token  secret.Value `envconfig:"OKTA_API_TOKEN"`
		Client string       `envconfig:"OKTA_CLIENT_ID"`
		Key    secret.Value `envconfig:"OKTA_PRIVATE_KEY"`
	}
}

func (v *oktaReader) read() (source *Okta, tenant string) {
	o := &Okta{BaseURL: v.where(), Token: v.text.Token, ClientID: v.text.Client, PrivateKey: v.text.Key}
	switch app := o.ClientID != "" || !o.PrivateKey.IsZero() || v.Reported("OKTA_CLIENT_ID") || v.Reported("OKTA_PRIVATE_KEY"); {
	case app && !o.Token.IsZero():
		v.Problem("OKTA_API_TOKEN", "is set beside OKTA_CLIENT_ID or OKTA_PRIVATE_KEY: keep either the token, or the app and its key")
	case app:
		v.app(o)
	default:
		v.token()
	}
	if o.BaseURL == nil {
		o.BaseURL = &url.URL{}
		return o, ""
	}
	return o, tenantKey(o.BaseURL.Host)
}

var (
	// adminHost is the address of an org's Admin Console.
	adminHost = regexp.MustCompile(`(?i)^([a-z0-9-]+)-admin\.((?:okta|oktapreview|okta-emea|okta-gov)\.com|okta\.mil)$`)
	orgName   = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
)

// where reads the address of the org. It returns nil after reporting a problem.
func (v *oktaReader) where() *url.URL {
	const setting = "OKTA_ORG_URL"
	text := v.text.OrgURL
	switch {
	case v.Reported(setting), !v.Require(setting, text, "set it to the address of the Okta org, https://acme.okta.com"):
		return nil
	case orgName.MatchString(text):
		v.Problem(setting, "is not an address: write the address of the org, like https://acme.okta.com")
		return nil
	}
	u := v.Address(setting, text)
	if u == nil {
		return nil
	}
	if m := adminHost.FindStringSubmatch(u.Hostname()); m != nil {
		v.Problemf(setting, "is the address of the Admin Console: use https://%s.%s", m[1], m[2])
		return nil
	}
	switch {
	case u.Path != "":
		v.Problemf(setting, "has a path after the host: use only %s://%s; the path of the System Log is added to it", u.Scheme, u.Host)
	case strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r > unicode.MaxASCII }):
		v.Problem(setting, "has a host with letters other than a to z: write it in its DNS form, beginning with xn--")
	case tenantKey(u.Host) == "":
		v.Problem(setting, "has a host without a letter or digit: use the address of the org, https://acme.okta.com")
	default:
		return u
	}
	return nil
}

// app checks the service app and its key, and shows neither: if the two are swapped, the id is the
// key.
func (v *oktaReader) app(o *Okta) {
	if v.Require("OKTA_CLIENT_ID", o.ClientID, "it belongs to OKTA_PRIVATE_KEY: copy the client ID of the service app from Okta's Admin Console") && strings.ContainsFunc(o.ClientID, unicode.IsSpace) {
		v.Problem("OKTA_CLIENT_ID", "contains a blank: copy the client ID of the service app again")
	}
	text, ok := v.RequireSecret("OKTA_PRIVATE_KEY", o.PrivateKey, "it belongs to OKTA_CLIENT_ID: add a public key to the service app and set this to its private key, as PEM or JWK")
	if !ok || v.Reported("OKTA_PRIVATE_KEY") {
		return
	}
	if _, err := signkey.Parse(text); err != nil {
		v.Problem("OKTA_PRIVATE_KEY", err.Error())
	}
}

// token checks the API token, and does not show it.
func (v *oktaReader) token() {
	const setting = "OKTA_API_TOKEN"
	text, ok := v.RequireSecret(setting, v.text.Token, "create an API token in Okta's Admin Console under Security > API > Tokens, or set OKTA_CLIENT_ID and OKTA_PRIVATE_KEY of a service app")
	switch {
	case !ok || v.Reported(setting):
	case len(text) > 5 && strings.EqualFold(text[:5], "SSWS "):
		v.Problem(setting, "begins with SSWS, which belongs to the header: keep only the token")
	case strings.ContainsFunc(text, unicode.IsSpace):
		v.Problem(setting, "contains a blank: paste the token again")
	}
}
