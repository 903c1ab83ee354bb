package app_test

import (
	"net/url"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// newLogged is a scene with an Okta org alone, whose batches are small.
func newLogged(base *scene) *governed {
	g := newGoverned(base)
	g.okta = &okta.Org{Host: "acme.okta.com", APIToken: "00" + canary}
	g.workspace.Identify = uuidOf
	c := g.connection()
	c.Health, c.BatchBytes = false, 8<<10
	c.Sources = []config.Source{&config.Okta{BaseURL: &url.URL{Scheme: "https", Host: "acme.okta.com"}, Token: secret.Plain("00" + canary)}}
	return g
}

// uuidOf tells rows of Okta apart.
func uuidOf(_ string, raw []byte) string {
	_, rest, _ := strings.Cut(string(raw), `"uuid":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// lacks counts the org's events that are not in the table, and the rows that are there once more.
func (g *governed) lacks() (missing, repeated int) {
	ids := g.workspace.Table("Okta").IDs()
	for _, e := range g.okta.Events() {
		if n := ids[e.UUID]; n > 0 {
			repeated += n - 1
		} else {
			missing++
		}
	}
	return missing, repeated
}
