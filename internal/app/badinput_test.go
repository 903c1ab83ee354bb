package app_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// badInput is something odd that a service or its settings do.
type badInput struct {
	stream string // "Okta", or the one of IdentityIQ's audit events
	does   func(g *governed)
	heals  func(g *governed) // nil if it stays
	// says are texts in the report of the first run; nil if it drains.
	says []string
	// raws are events besides the ordinary ones; kept is how many of them are changed to fit the table,
	// by the classic API and by declared tables.
	raws []string
	kept [2]int64
}

func oktaRaw(uuid, members string) string {
	at := time.Date(1999, 12, 31, 23, 30, 0, 0, time.UTC) // bubbles begin half an hour later
	return fmt.Sprintf(`{"uuid":%q,"published":%q,"eventType":"user.session.start",%s}`, uuid, at.Format("2006-01-02T15:04:05.000Z"), members)
}

func iiqRaw(id, members string) string {
	at := time.Date(1999, 12, 31, 23, 30, 0, 0, time.UTC)
	return fmt.Sprintf(`{"id":%q,"created":%d,"action":"login",%s}`, id, at.UnixMilli(), members)
}

func badInputs() map[string]badInput {
	page := []byte("<!DOCTYPE html><html><head><title>Sign In</title></head></html>")
	keys := make([]string, 600)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"key%03d":"v%d"`, i, i)
	}
	const audit = audits
	return map[string]badInput{
		"okta, a login page": {stream: "Okta", does: func(g *governed) { g.okta.Page = page }, heals: func(g *governed) { g.okta.Page = nil }, says: []string{"web page", "Sign In", "OKTA_ORG_URL"}},
		"okta, no right": {
			stream: "Okta", does: func(g *governed) { g.okta.NoRole = true }, heals: func(g *governed) { g.okta.NoRole = false },
			says: []string{"status 403", "Read-only Administrator or Report Administrator"},
		},
		"okta, clock and DPoP": {
			stream: "Okta", does: func(g *governed) {
				g.withApp()
				g.okta.Now = func() time.Time { return time.Now().Add(-10 * time.Minute) }
			}, heals: func(g *governed) { g.okta.Now = nil },
			says: []string{"invalid_dpop_proof", "clock is 10m0s ahead", "set the clock"},
		},
		"okta, a key that is none": {
			stream: "Okta", does: func(g *governed) {
				g.withApp()
				g.oktaSource().PrivateKey = secret.Plain("canary-not-a-key")
			}, heals: func(g *governed) { g.withApp() },
			says: []string{"OKTA_PRIVATE_KEY", "neither PEM"},
		},
		"okta, a custom domain":     {stream: "Okta", does: func(g *governed) { g.okta.LinkHost = "acme-internal.okta.com" }},
		"okta, pages are cut":       {stream: "Okta", does: func(g *governed) { g.okta.ServeAtMost = 7 }},
		"okta, target null":         {stream: "Okta", raws: []string{oktaRaw("odd", `"target":null,"client":null,"debugContext":null,"authenticationContext":{"authenticationProvider":"FACTOR_PROVIDER"}`)}},
		"okta, 600 keys":            {stream: "Okta", raws: []string{oktaRaw("odd", `"debugContext":{"debugData":{`+strings.Join(keys, ",")+`}}`)}},
		"okta, a value of 100 KB":   {stream: "Okta", raws: []string{oktaRaw("odd", `"debugContext":{"debugData":{"logOnlySecurityData":"`+strings.Repeat("x", 100<<10)+`"}}`)}, kept: [2]int64{1, 1}},
		"okta, published null":      {stream: "Okta", raws: []string{`{"uuid":"odd","published":null,"eventType":"x"}`}},
		"okta, published a number":  {stream: "Okta", raws: []string{`{"uuid":"odd","published":946683000000,"eventType":"x"}`}},
		"IdentityIQ, a login page":  {stream: audit, does: func(g *governed) { g.iiq.Plugin = identityiq.LoginPage }, heals: func(g *governed) { g.iiq.Plugin = "" }, says: []string{"a web page", "SIEM plugin (SIEMPlugin) is not installed", "IIQ_STREAMS"}},
		"IdentityIQ, no plugin":     {stream: audit, does: func(g *governed) { g.iiq.Plugin = identityiq.NotFound }, heals: func(g *governed) { g.iiq.Plugin = "" }, says: []string{"status 404", "SIEM plugin (SIEMPlugin) is not installed"}},
		"IdentityIQ, a redirect":    {stream: audit, does: func(g *governed) { g.iiq.Plugin = identityiq.Redirect }, heals: func(g *governed) { g.iiq.Plugin = "" }, says: []string{"status 302", "SIEM plugin (SIEMPlugin) is not installed"}},
		"IdentityIQ, no right":      {stream: audit, does: func(g *governed) { g.iiq.Rights = []string{identityiq.RightSCIM} }, heals: func(g *governed) { g.iiq.Rights = nil }, says: []string{"status 403", "siemextadministrator"}},
		"IdentityIQ, pages are cut": {stream: audit, does: func(g *governed) { g.iiq.EventLimit = 7 }},
		"IdentityIQ, totals as text": {stream: audit, does: func(g *governed) {
			g.iiq.TextTotal, g.iiq.EventLimit = true, 7
		}},
		"IdentityIQ, created null":        {stream: audit, raws: []string{`{"id":"odd","created":null,"action":"login"}`}},
		"IdentityIQ, 100 KB of XML":       {stream: audit, raws: []string{iiqRaw("odd", `"attributes":"`+strings.Repeat("<entry/>", 13<<10)+`"`)}, kept: [2]int64{1, 1}},
		"IdentityIQ, 100 KB as an object": {stream: audit, raws: []string{iiqRaw("odd", `"attributes":{"xml":"`+strings.Repeat("<entry/>", 13<<10)+`"}`)}, kept: [2]int64{1, 1}},
	}
}

// oktaSource is the settings of the org.
func (g *governed) oktaSource() *config.Okta { return g.connection().Sources[0].(*config.Okta) }

// withApp signs in as a service app.
func (g *governed) withApp() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	g.okta.App = &okta.App{ClientID: "0oa1client", Keys: map[string]crypto.PublicKey{"": key.Public()}}
	s := g.oktaSource()
	s.Token, s.ClientID, s.PrivateKey = secret.Value{}, "0oa1client", secret.Plain(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
}

// Whatever a service does wrong is named, an event that had to be changed is kept as it was, and
// nothing is lost: all is there once, in the end.
func TestBadInput(t *testing.T) {
	for name, b := range badInputs() {
		for i, base := range []func() *scene{newScene, withRule} {
			t.Run(name+map[int]string{1: ", declared"}[i], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { b.comes(t, base(), b.kept[i]) })
			})
		}
	}
}

func (b badInput) comes(t *testing.T, base *scene, kept int64) {
	t.Helper()
	g := newGoverned(base, "audit", "tasks")
	if b.stream == "Okta" {
		g = newLogged(base)
	}
	g.workspace.Identify = keyOf
	want := b.fill(g)
	if b.does != nil {
		b.does(g)
	}
	first := g.poll(t, g.start(t))
	r := first[b.stream]
	if failed := r.State == pipeline.Failed; failed != (b.says != nil) || !failed && r.State != pipeline.Drained {
		t.Errorf("%+v", r)
	}
	for _, says := range b.says {
		if !strings.Contains(r.Error, says) {
			t.Errorf("the error lacks %q: %s", says, r.Error)
		}
	}
	if strings.Contains(r.Error+strings.Join(r.Warnings, ""), "canary") {
		t.Errorf("a secret is in %+v", r)
	}
	if other := first["SailPointIIQ_TaskResults"]; b.stream != "Okta" && other.State != pipeline.Drained {
		t.Errorf("another stream: %+v", other)
	}
	if b.heals != nil {
		b.heals(g)
	}
	conformed := r.Conformed
	a := g.start(t)
	for range 3 {
		<-time.After(6 * time.Minute)
		last := g.poll(t, a)[b.stream]
		conformed += last.Conformed
		if last.State != pipeline.Drained || last.Unexplained > 0 || last.Quarantined > 0 {
			t.Errorf("afterwards: %+v", last)
		}
	}
	got := g.workspace.Table(b.stream).IDs()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if conformed != kept {
		t.Errorf("%d rows were changed, want %d", conformed, kept)
	}
	q := a.Connections()[0].Quarantine()
	originals := int64(0)
	for e, err := range q.List(t.Context(), b.stream, "") {
		if err != nil {
			t.Fatal(err)
		}
		item, err := q.Get(t.Context(), e.Key)
		if err != nil {
			t.Fatal(err)
		}
		originals++
		if len(item.Raw) < 100<<10 || !strings.Contains(string(item.Raw), `"odd"`) {
			t.Errorf("%d bytes are kept: %.200s", len(item.Raw), item.Raw)
		}
	}
	if originals != kept {
		t.Errorf("%d originals are kept, want %d", originals, kept)
	}
	if losses := g.workspace.Table(b.stream).Losses(); len(losses) > 0 {
		t.Errorf("lost: %q", losses)
	}
}

// fill gives the source ordinary events and the odd ones, and returns how often the key of each shall
// be in the table.
func (b badInput) fill(g *governed) map[string]int {
	want := map[string]int{}
	begin := time.Now().Add(-50 * time.Minute)
	raws := slices.Clone(b.raws)
	for i := range 40 {
		at := begin.Add(time.Duration(i) * time.Minute / 2)
		if b.stream == "Okta" {
			raws = append(raws, fmt.Sprintf(`{"uuid":"e%d","published":%q,"eventType":"x","target":[{"id":"1"}]}`, i, at.UTC().Format("2006-01-02T15:04:05.000Z")))
		} else {
			raws = append(raws, fmt.Sprintf(`{"id":"e%d","created":%d,"action":"login"}`, i, at.UnixMilli()))
		}
	}
	for i, raw := range raws {
		at := begin.Add(20 * time.Minute)
		if n := i - len(b.raws); n >= 0 {
			at = begin.Add(time.Duration(n) * time.Minute / 2)
		}
		if b.stream == "Okta" {
			g.okta.Add(okta.Event{UUID: keyOf("", []byte(raw)), Published: at, Raw: []byte(raw)})
		} else {
			g.iiq.AddAudit([]byte(raw), at, time.Time{})
		}
		want[keyOf("", []byte(raw))]++
	}
	return want
}
