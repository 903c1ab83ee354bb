package okta

import (
	"cmp"
	"crypto"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// ScopeLogs is the scope that reads the log.
const ScopeLogs = "okta.logs.read"

// App is a service app (an API Services integration).
type App struct {
	ClientID string
	// Keys are its public keys, by their ids. What signs with a key that has the id "" may leave kid
	// out.
	Keys map[string]crypto.PublicKey
	// Scopes are granted. Nil means ScopeLogs.
	Scopes []string
	// NoDPoP is unset by default: the app demands proofs.
	NoDPoP bool
	// NonceLife is how long a nonce is the newest one. 0 means 24 h. An older one is accepted for two
	// days more, unless StrictNonce is set.
	NonceLife   time.Duration
	StrictNonce bool
	// NonceAtLog demands a nonce in proofs for the log, too, as RFC 9449 lets a resource server do.
	NonceAtLog bool
}

// auth is what the org knows of tokens. It is guarded by Org.mu.
type auth struct {
	tokens   map[string]*token
	jtis     map[string]bool
	nonces   []nonce
	requests int
	failed   int
}

// token is an access token.
type token struct {
	expires time.Time
	jkt     string // thumbprint of the key that it is bound to; "" for none
	scopes  []string
}

// Tokens returns how many tokens were asked for, and how many such requests left a failed grant in
// the log: all but those that only lacked a nonce.
func (o *Org) Tokens() (requests, failed int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.auth.requests, o.auth.failed
}

// RevokeTokens makes all access tokens invalid.
func (o *Org) RevokeTokens() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.auth.tokens = nil
}

// Access returns all access tokens that were given out, for a test that looks for them.
func (o *Org) Access() (list []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for t := range o.auth.tokens {
		list = append(list, t)
	}
	return list
}

// tokenLife is fixed.
const tokenLife = time.Hour

// oauthError writes an error in the form of OAuth.
func (o *Org) oauthError(w http.ResponseWriter, status int, code, text string) {
	o.mu.Lock()
	if code != "use_dpop_nonce" {
		o.auth.failed++
	}
	o.mu.Unlock()
	writeJSON(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, text})
}

// serveToken gives an access token to the service app.
func (o *Org) serveToken(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.auth.requests++
	o.mu.Unlock()
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
		o.oauthError(w, http.StatusBadRequest, "invalid_request", "The request body must be a form.")
		return
	}
	form := r.PostForm
	switch {
	case form.Get("grant_type") != "client_credentials":
		o.oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "The authorization grant type is not supported by the authorization server.")
		return
	case form.Has("client_secret"):
		o.oauthError(w, http.StatusUnauthorized, "invalid_client", "Client Credentials requests to the Org Authorization Server must use the private_key_jwt token_endpoint_auth_method.")
		return
	case form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		o.oauthError(w, http.StatusBadRequest, "invalid_request", "The client_assertion_type is invalid.")
		return
	}
	endpoint := o.address(r) + TokenPath
	if problem := o.verifyAssertion(form.Get("client_assertion"), endpoint); problem != "" {
		o.oauthError(w, http.StatusUnauthorized, "invalid_client", problem)
		return
	}
	var jkt string
	if proofs := r.Header.Values("DPoP"); len(proofs) > 0 || !o.App.NoDPoP {
		p, problem := o.verifyProof(proofs, http.MethodPost, endpoint)
		if problem != "" {
			o.oauthError(w, http.StatusBadRequest, "invalid_dpop_proof", problem)
			return
		}
		if !o.knowsNonce(p.nonce) {
			w.Header().Set("DPoP-Nonce", o.nonce())
			o.oauthError(w, http.StatusBadRequest, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.")
			return
		}
		jkt = p.jkt
	}
	scopes := strings.Fields(form.Get("scope"))
	granted := o.App.Scopes
	if granted == nil {
		granted = []string{ScopeLogs}
	}
	if len(scopes) == 0 || slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(granted, s) }) {
		o.oauthError(w, http.StatusBadRequest, "invalid_scope", "The requested scope is invalid, unknown, or malformed.")
		return
	}
	o.giveToken(w, scopes, jkt)
}

func (o *Org) giveToken(w http.ResponseWriter, scopes []string, jkt string) {
	// "eyJ" is how every JWT begins.
	access := "eyJraWQiOiJzeW50aGV0aWMifQ." + o.id("access") + o.id("x") + ".signature"
	kind := "Bearer"
	if jkt != "" {
		kind = "DPoP"
	}
	o.mu.Lock()
	if o.auth.tokens == nil {
		o.auth.tokens = map[string]*token{}
	}
	o.auth.tokens[access] = &token{expires: o.now().Add(tokenLife), jkt: jkt, scopes: scopes}
	o.mu.Unlock()
	w.Header().Set("Cache-Control", "no-cache, no-store")
	writeJSON(w, http.StatusOK, struct {
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
		Access  string `json:"access_token"`
		Scope   string `json:"scope"`
	}{kind, int(tokenLife / time.Second), access, strings.Join(scopes, " ")})
}

// address is the org's address, without a slash.
func (o *Org) address(r *http.Request) string {
	return cmp.Or(o.Scheme, "https") + "://" + cmp.Or(o.Host, r.Host)
}

// verifyAssertion says what is wrong with a client assertion.
func (o *Org) verifyAssertion(text, endpoint string) (problem string) {
	if o.App == nil {
		return "Invalid value for 'client_id' parameter."
	}
	var claims jwt.RegisteredClaims
	_, err := o.parser("RS256", "RS384", "RS512", "ES256", "ES384", "ES512").ParseWithClaims(text, &claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		key, ok := o.App.Keys[kid]
		if !ok {
			return nil, fmt.Errorf("no key %q", kid)
		}
		return key, nil
	})
	switch {
	case err != nil:
		return "The client_assertion signature is invalid, or it has expired."
	case claims.Issuer != o.App.ClientID || claims.Subject != o.App.ClientID:
		return "The issuer and subject of client_assertion must be the client's id."
	case !slices.Contains(claims.Audience, endpoint):
		return "The audience claim for client_assertion must be the endpoint invoked for the request."
	case claims.ExpiresAt == nil || claims.ExpiresAt.Sub(o.now()) > time.Hour:
		return "The client_assertion token has an expiration too far into the future."
	case !o.firstUse("assertion/" + claims.ID):
		return "The client_assertion token must not be reused."
	}
	return ""
}

func (o *Org) parser(algorithms ...string) *jwt.Parser {
	return jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithTimeFunc(o.now))
}

// firstUse notes a jti, and says whether it is new and not empty.
func (o *Org) firstUse(jti string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.auth.jtis == nil {
		o.auth.jtis = map[string]bool{}
	}
	used := o.auth.jtis[jti]
	o.auth.jtis[jti] = true
	return !used && !strings.HasSuffix(jti, "/")
}

// authorize judges the credentials of a request for the log, and refuses it if they are wrong.
func (o *Org) authorize(w http.ResponseWriter, r *http.Request) bool {
	invalid := func() bool {
		o.refuse(w, http.StatusUnauthorized, "E0000011", "Invalid token provided")
		return false
	}
	scheme, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch scheme {
	case "SSWS":
		if credential == "" || o.APIToken != "" && credential != o.APIToken {
			return invalid()
		}
	case "Bearer", "DPoP":
		o.mu.Lock()
		t := o.auth.tokens[credential]
		o.mu.Unlock()
		if t == nil || !o.now().Before(t.expires) || (t.jkt != "") != (scheme == "DPoP") {
			w.Header().Set("WWW-Authenticate", scheme+` error="invalid_token", error_description="The access token is invalid or has expired."`)
			return invalid()
		}
		if scheme == "DPoP" {
			p, problem := o.verifyProof(r.Header.Values("DPoP"), r.Method, o.address(r)+r.URL.Path)
			if problem == "" && (p.jkt != t.jkt || p.ath != hashOf(credential)) {
				problem = "The DPoP proof does not belong to the access token."
			}
			if problem != "" {
				w.Header().Set("WWW-Authenticate", `DPoP algs="RS256", error="invalid_dpop_proof", error_description="`+problem+`"`)
				o.refuse(w, http.StatusBadRequest, "invalid_dpop_proof", problem)
				return false
			}
			if o.App.NonceAtLog && !o.knowsNonce(p.nonce) {
				w.Header().Set("DPoP-Nonce", o.nonce())
				w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof"`)
				return invalid()
			}
		}
		if !slices.Contains(t.scopes, ScopeLogs) {
			o.refuse(w, http.StatusForbidden, "E0000006", "You do not have permission to perform the requested action")
			return false
		}
	default:
		return invalid()
	}
	if o.NoRole {
		o.refuse(w, http.StatusForbidden, "E0000006", "You do not have permission to perform the requested action")
		return false
	}
	return true
}
