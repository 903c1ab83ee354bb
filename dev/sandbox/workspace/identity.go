package workspace

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/go-json-experiment/json"
)

// publicAudience is what tokens for the Logs Ingestion API are for.
const publicAudience = "https://monitor.azure.com"

// Credential stands for a managed identity. Its tokens are good at the stand-ins
// for which they are, and nowhere else.
type Credential struct {
	// Now is its clock; nil means time.Now.
	Now func() time.Time
	// Life is how long a token is good; 0 means an hour.
	Life time.Duration
}

var _ azcore.TokenCredential = Credential{}

// GetToken implements [azcore.TokenCredential].
func (c Credential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(o.Scopes) != 1 {
		return azcore.AccessToken{}, fmt.Errorf("%d scopes, want one", len(o.Scopes))
	}
	now, life := time.Now(), c.Life
	if c.Now != nil {
		now = c.Now()
	}
	if life == 0 {
		life = time.Hour
	}
	return issue(strings.TrimSuffix(o.Scopes[0], "/.default"), now, life), nil
}

// issue makes a token: claims and a checksum of them.
func issue(audience string, now time.Time, life time.Duration) azcore.AccessToken {
	expires := now.Add(life).Truncate(time.Second)
	encode := base64.RawURLEncoding.EncodeToString
	head := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil, `{"aud":%q,"exp":%d,"jti":"%x"}`, audience, expires.Unix(), now.UnixNano()))
	return azcore.AccessToken{Token: head + "." + checksum(head), ExpiresOn: expires}
}

func checksum(head string) string {
	h := hmac.New(sha256.New, []byte("the stand-in's own key, which opens nothing"))
	_, _ = h.Write([]byte(head))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Inspect returns what a token is for and when it expires. ok is false if no Credential, Identity or
// Authority of this package has issued it.
func Inspect(token string) (audience string, expires time.Time, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || !hmac.Equal([]byte(checksum(parts[0]+"."+parts[1])), []byte(parts[2])) {
		return "", time.Time{}, false
	}
	var claims struct {
		Aud string `json:"aud"`
		Exp int64  `json:"exp"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return "", time.Time{}, false
	}
	return claims.Aud, time.Unix(claims.Exp, 0), true
}

// authorize looks at the token as the service does: who made it, whether it is
// still good, and what it is for.
func (w *Workspace) authorize(rw http.ResponseWriter, r *http.Request, rule *Rule) *refusal {
	unauthorized := func(message string) *refusal {
		rw.Header().Set("WWW-Authenticate", `Bearer authorization_uri="https://login.microsoftonline.com/common", error="invalid_token"`)
		return &refusal{http.StatusUnauthorized, "InvalidToken", message}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme != "Bearer" || strings.Count(token, ".") != 2 {
		return unauthorized("There is no bearer token")
	}
	found, expires, ok := Inspect(token)
	if !ok {
		return unauthorized("The token can't be read, or its signature is not valid")
	}
	audience := publicAudience
	if rule != nil && rule.Audience != "" {
		audience = rule.Audience
	}
	switch {
	case strings.TrimRight(found, "/") != audience:
		return unauthorized("The token is for another audience")
	case !w.now().Before(expires):
		return unauthorized("The token has expired")
	}
	return nil
}

// IdentityHeader is what the environment of a function app calls
// IDENTITY_HEADER, for [Identity].
const IdentityHeader = "synthetic-identity-header"

// Identity is the endpoint of a function app's managed identity, which an
// environment names in IDENTITY_ENDPOINT. Give a process that and IDENTITY_HEADER,
// and it gets tokens for a Workspace.
func Identity() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.Header.Get("X-IDENTITY-HEADER") != IdentityHeader || query.Get("resource") == "" || query.Get("api-version") == "" {
			http.Error(rw, `{"statusCode":400,"message":"the header or a parameter is missing"}`, http.StatusBadRequest)
			return
		}
		token := issue(query.Get("resource"), time.Now(), time.Hour)
		rw.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(rw, `{"access_token":%q,"expires_on":%q,"resource":%q,"token_type":"Bearer"}`,
			token.Token, strconv.FormatInt(token.ExpiresOn.Unix(), 10), query.Get("resource"))
	})
}
