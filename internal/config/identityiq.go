package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// IdentityIQ is one IdentityIQ server.
type IdentityIQ struct {
	// BaseURL is the address with the application's context, without a trailing slash. After a
	// problem it is empty, not nil.
	BaseURL      *url.URL
	ClientID     string
	ClientSecret secret.Value
	// Streams are the names of the streams to read.
	Streams []string
}

// Kind implements [Source].
func (s *IdentityIQ) Kind() string { return IdentityIQKind().Name }

// At implements [Located].
func (s *IdentityIQ) At() (setting, at string) {
	if s.BaseURL.Host != "" && !address.Loopback(s.BaseURL.Hostname()) {
		at = address.Canonical(s.BaseURL)
	}
	return "IIQ_URL", at
}

// iiqStreams are the names in IIQ_STREAMS. The syslog is the application's own log of errors, and
// only read if it is named.
func iiqStreams() []string { return []string{"audit", "syslog", "tasks", "violations", "alerts"} }

// IdentityIQKind describes the settings of an IdentityIQ server.
func IdentityIQKind() Kind {
	return Kind{
		Name: "identityiq",
		On:   []string{"IIQ_URL"},
		With: []string{"IIQ_CLIENT_ID", "IIQ_CLIENT_SECRET"},
		Read: func(r *Reader) (Source, string) {
			v := iiqReader{Reader: r}
			r.Fill(&v.text)
			return v.read()
		},
		Table: []Setting{
			{Name: "IIQ_URL", Otherwise: "IdentityIQ is not read", Meaning: "Address of IdentityIQ with its context: `https://iiq.acme.example/identityiq`. See [docs/identityiq.md](docs/identityiq.md)."},
			{Name: "IIQ_CLIENT_ID", Meaning: "ID of an OAuth client of IdentityIQ (Global Settings, API Authentication)."},
			{Name: "IIQ_CLIENT_SECRET", Secret: true, Meaning: "Secret of that client."},
			{Name: "IIQ_STREAMS", Default: "audit,tasks,violations,alerts", Meaning: "What is read from IdentityIQ: `audit` and `syslog` need SailPoint's SIEM plugin, `tasks`, `violations` and `alerts` do not."},
		},
	}
}

type iiqReader struct {
	*Reader
	text struct {
		URL      string       `envconfig:"IIQ_URL"`
		ClientID string       `envconfig:"IIQ_CLIENT_ID"`
		Secret   secret.Value `envconfig:"IIQ_CLIENT_SECRET"`
		Streams  string       `envconfig:"IIQ_STREAMS"`
	}
}

func (v *iiqReader) read() (source *IdentityIQ, tenant string) {
	s := &IdentityIQ{BaseURL: &url.URL{}, ClientID: v.text.ClientID, ClientSecret: v.text.Secret, Streams: v.streams()}
	if base := v.where(); base != nil {
		s.BaseURL = base
		tenant = tenantKey(base.Host)
	}
	const create = "in IdentityIQ, create an OAuth client under Global Settings, API Authentication"
	if v.Require("IIQ_CLIENT_ID", s.ClientID, create) && strings.Contains(s.ClientID, ":") {
		v.Problem("IIQ_CLIENT_ID", "has a colon, which no client of IdentityIQ can have: "+create)
	}
	v.RequireSecret("IIQ_CLIENT_SECRET", s.ClientSecret, create)
	return s, tenant
}

// iiqPath matches a path that is often copied with the address: a page, or a call.
var iiqPath = regexp.MustCompile(`(?i)/(oauth2/token|rest(/.*)?|scim(/.*)?|plugin/rest(/.*)?|plugins/.*|login\.jsf|home\.jsf|[^/]+\.jsf)$`)

// where reads the address.
func (v *iiqReader) where() *url.URL {
	const setting = "IIQ_URL"
	if v.Reported(setting) || !v.Require(setting, v.text.URL, "set it to the address of IdentityIQ with its context, https://iiq.acme.example/identityiq, or remove IIQ_CLIENT_ID and IIQ_CLIENT_SECRET") {
		return nil
	}
	base := v.Address(setting, v.text.URL)
	switch {
	case base == nil:
	case iiqPath.MatchString(base.Path):
		v.Problem(setting, "ends with the path of a page or a call: use the address up to the context, such as https://"+base.Host+"/identityiq")
	case strings.Trim(base.Path, "/") == "":
		v.Hint(setting, "has no context after the host: IdentityIQ is usually at /identityiq")
	}
	return base
}

// streams reads the list of streams.
func (v *iiqReader) streams() (names []string) {
	const setting = "IIQ_STREAMS"
	if v.Reported(setting) {
		return nil
	}
	given := map[string]bool{}
	for name := range strings.SplitSeq(strings.ToLower(v.text.Streams), ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(iiqStreams(), name) {
			v.Problem(setting, fmt.Sprintf("has %s: use %s, with commas between them", shown(name), strings.Join(iiqStreams(), ", ")))
			return nil
		}
		given[name] = true
	}
	for _, name := range iiqStreams() {
		if given[name] {
			names = append(names, name)
		}
	}
	return names
}
