package tenant

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// token is an access token that was issued.
type token struct {
	clientID string
	scopes   []string
	expires  time.Time
	revoked  bool
}

// serveToken is the client credentials grant. The service takes it as a form of
// either kind, with the client's name and secret in it or in HTTP Basic, and even in the URL,
// which Violations lists.
func (t *Tenant) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		writeOAuthError(w, http.StatusMethodNotAllowed, "method_not_allowed", "Request method '"+r.Method+"' not supported")
		return
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/x-www-form-urlencoded":
		err = r.ParseForm()
	case err == nil && kind == "multipart/form-data":
		err = r.ParseMultipartForm(maxBody)
	case r.URL.Query().Has("grant_type"): // all of it in the URL, see Violations
		err = r.ParseForm()
	default:
		writeOAuthError(w, http.StatusBadRequest, "invalid_request", "The body must be application/x-www-form-urlencoded or multipart/form-data")
		return
	}
	if err != nil {
		writeOAuthError(w, http.StatusBadRequest, "invalid_request", "The body can't be read")
		return
	}
	if grant := r.Form.Get("grant_type"); grant != "client_credentials" {
		writeOAuthError(w, http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type: "+grant)
		return
	}
	id, secret, basic := r.BasicAuth()
	if basic { // RFC 6749 has both encoded
		id, secret = decoded(id), decoded(secret)
	} else {
		id, secret = r.Form.Get("client_id"), r.Form.Get("client_secret")
	}
	if scopes, known, right := t.workflowClient(id, secret); known {
		if !right {
			writeOAuthError(w, http.StatusUnauthorized, "invalid_client", "Bad client credentials")
			return
		}
		t.grant(w, id, scopes)
		return
	}
	if id == "" || secret == "" || id != cmp.Or(t.ClientID, id) || secret != cmp.Or(t.ClientSecret, secret) {
		writeOAuthError(w, http.StatusUnauthorized, "invalid_client", "Bad client credentials")
		return
	}
	scopes := t.Scopes
	if scopes == nil {
		scopes = []string{ScopeSearch, ScopeStatus}
	}
	t.grant(w, id, scopes)
}

func decoded(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// grant issues a token and writes the answer.
func (t *Tenant) grant(w http.ResponseWriter, clientID string, scopes []string) {
	ttl := cmp.Or(t.TokenTTL, 749*time.Second)
	jti := fmt.Sprintf("synthetic-%d", t.serial())
	expires := time.Now().Add(ttl)
	jwt := t.jwt(jti, clientID, expires)

	t.mu.Lock()
	if t.tokens == nil {
		t.tokens = make(map[string]token)
	}
	t.tokens[jwt] = token{clientID: clientID, scopes: scopes, expires: expires}
	t.issued = append(t.issued, jwt)
	t.mu.Unlock()

	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, struct {
		AccessToken         string `json:"access_token"`
		TokenType           string `json:"token_type"`
		ExpiresIn           int64  `json:"expires_in"`
		Scope               string `json:"scope"`
		TenantID            string `json:"tenant_id"`
		Pod                 string `json:"pod"`
		StrongAuthSupported bool   `json:"strong_auth_supported"`
		Org                 string `json:"org"`
		Internal            bool   `json:"internal"`
		StrongAuth          bool   `json:"strong_auth"`
		Enabled             bool   `json:"enabled"`
		AccessType          string `json:"accessType"`
		JTI                 string `json:"jti"`
	}{
		AccessToken: jwt, TokenType: "bearer", ExpiresIn: int64(ttl / time.Second), Scope: strings.Join(scopes, " "),
		TenantID: tenantID, Pod: "synthetic-pod", Org: t.name(), Enabled: true, AccessType: "OFFLINE", JTI: jti,
	})
}

// tenantID is the invented id of the tenant.
const tenantID = "00000000-0000-4000-a000-000000000001"

// jwt returns a token with the look of a signed one. Its signature is none.
func (t *Tenant) jwt(jti, clientID string, expires time.Time) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Sprintf("encode a token: %v", err))
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	head := part(struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
	}{"RS256", "JWT"}) + "." + part(struct {
		TenantID string `json:"tenant_id"`
		ClientID string `json:"client_id"`
		Expires  int64  `json:"exp"`
		ID       string `json:"jti"`
	}{tenantID, clientID, expires.Unix(), jti})
	sum := sha256.Sum256([]byte(head))
	return head + "." + base64.RawURLEncoding.EncodeToString(sum[:])
}

func writeOAuthError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
}

// serveInfo is the public description of the tenant.
func (t *Tenant) serveInfo(w http.ResponseWriter, r *http.Request) {
	base := "http://" + r.Host
	if r.TLS != nil || r.URL.Scheme == "https" {
		base = "https://" + r.Host
	}
	writeJSON(w, http.StatusOK, struct {
		TenantID          string `json:"tenantId"`
		TenantName        string `json:"tenantName"`
		AuthorizeEndpoint string `json:"authorizeEndpoint"`
		TokenEndpoint     string `json:"tokenEndpoint"`
		CloudDomainURL    string `json:"cloudDomainUrl"`
		LogoutURL         string `json:"logoutUrl"`
		Pod               string `json:"pod"`
	}{tenantID, t.name(), base + "/oauth/authorize", base + "/oauth/token", base, base + "/logout", "synthetic-pod"})
}

// bearer returns the access token of a request, or "".
func bearer(r *http.Request) string {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return value
}

// clientOf returns the client id that a request's token was issued to, valid or not.
func (t *Tenant) clientOf(r *http.Request) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tokens[bearer(r)].clientID
}

// authorize checks the token and that it has one of the scopes and, if they do not do, answers.
func (t *Tenant) authorize(w http.ResponseWriter, r *http.Request, scopes []string) bool {
	t.mu.Lock()
	tok, known := t.tokens[bearer(r)]
	t.mu.Unlock()
	switch {
	case bearer(r) == "":
		writeError(w, http.StatusUnauthorized, "JWT is required")
	case !known || tok.revoked:
		writeError(w, http.StatusUnauthorized, "JWT validation failed: JWT is not valid")
	case !time.Now().Before(tok.expires):
		writeError(w, http.StatusUnauthorized, "JWT validation failed: JWT is expired")
	case !slices.ContainsFunc(tok.scopes, func(s string) bool { return slices.Contains(scopes, s) || s == scopeAll }):
		t.refuse(w, http.StatusForbidden, "403 Forbidden", "The server understood the request but refuses to authorize it.")
	default:
		return true
	}
	return false
}

// RevokeTokens makes every token issued so far invalid.
func (t *Tenant) RevokeTokens() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for jwt, tok := range t.tokens {
		tok.revoked = true
		t.tokens[jwt] = tok
	}
}

// Tokens returns every token issued so far, for tests that look for secrets
// where none may be.
func (t *Tenant) Tokens() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.issued)
}
