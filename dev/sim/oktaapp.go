package sim

import (
	"crypto"
	"fmt"
	"net/http"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/signkey"
)

// An Okta org that is read with a service app: its tokens are bound to a key, each request proves that its
// sender has that key, and the proof has a nonce that the org renews.

const (
	oktaClient = "0oa1simulated2client3"
	// oktaKey was made for this simulation and is used nowhere else.
	oktaKey = `{"kty":"EC","crv":"P-256","kid":"sim","x":"dUJeQuVDn3dov0H-xB0pSo9xf_6RFvv4fOrrN9hAjQ4","y":"T8aZR1DzK6QWma1qMnLOgLdTMB78Ne54m-g0UdaoZqU","d":"PW6H7Q_j6Gj-XKJkgQy3lCv8Ln8WBqnvNEkx_5W5DzM"}`
)

// newApp draws a service app; nil if the org is read with an API token.
func (w *world) newApp() *okta.App {
	d := w.dice
	if w.o.off(OktaApp) || !w.o.ServiceApp && !d.chance("okta/app", 0, 0.08) {
		return nil
	}
	w.count[OktaApp]++
	key, err := signkey.Parse(oktaKey)
	if err != nil {
		panic(err) // it is a constant
	}
	return &okta.App{
		ClientID: oktaClient, Keys: map[string]crypto.PublicKey{"sim": key.Public()},
		NonceLife:   []time.Duration{0, 5 * time.Minute, 20 * time.Minute}[d.pick("okta/nonce", 0, 3)],
		StrictNonce: d.chance("okta/strict", 0, 0.5), NonceAtLog: d.chance("okta/log", 0, 0.5),
	}
}

// unsettle has the org make all tokens invalid from time to time, and refuse proofs.
func (w *world) unsettle(g *guest, org *okta.Org) {
	d := w.dice
	for i := range d.pick("okta/revoked", 0, 4) {
		if w.o.off(OktaRevoked) {
			break
		}
		w.count[OktaRevoked]++
		g.changes = append(g.changes, change{w.plan.start.Add(d.span("okta/revoked", int64(i+1), 0, w.plan.active)), org.RevokeTokens})
	}
	for i := range w.plan.phases {
		if d.chance("weather/"+string(OktaProof), int64(i), 0.3) {
			w.plan.phases[i].rates[OktaProof] = 0.05
		}
	}
	g.refuse = func(rw http.ResponseWriter, r *http.Request) bool {
		ph := w.phase()
		if ph == nil || r.Header.Get("DPoP") == "" || !w.hits(OktaProof, ph, "proof", g.visits.Load()) {
			return false
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Date", w.now().UTC().Format(http.TimeFormat))
		status := http.StatusBadRequest
		if r.URL.Path == okta.LogsPath {
			rw.Header().Set("WWW-Authenticate", `DPoP error="invalid_dpop_proof", error_description="The DPoP proof JWT is invalid."`)
			status = http.StatusUnauthorized
		}
		rw.WriteHeader(status)
		_, _ = fmt.Fprint(rw, `{"error":"invalid_dpop_proof","error_description":"The DPoP proof JWT is invalid."}`)
		return true
	}
}
