package workspace

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/entra"
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

// issue makes a token that says nothing about who it was issued to.
func issue(audience string, now time.Time, life time.Duration) azcore.AccessToken {
	expires := now.Add(life).Truncate(time.Second)
	return azcore.AccessToken{Token: entra.Sign(entra.Claims{Audience: audience, Expires: expires.Unix(), ID: fmt.Sprintf("%x", now.UnixNano())}), ExpiresOn: expires}
}

// Inspect returns what a token is for and when it expires. ok is false if no stand-in has issued it.
func Inspect(token string) (audience string, expires time.Time, ok bool) {
	claims, ok := entra.Inspect(token)
	return claims.Audience, claims.ExpiresAt(), ok
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
	claims, ok := entra.Inspect(token)
	if !ok {
		return unauthorized("The token can't be read, or its signature is not valid")
	}
	audience := publicAudience
	if rule != nil && rule.Audience != "" {
		audience = rule.Audience
	}
	switch {
	case strings.TrimRight(claims.Audience, "/") != audience:
		return unauthorized("The token is for another audience")
	case !w.now().Before(claims.ExpiresAt()):
		return unauthorized("The token has expired")
	case rule != nil && rule.Directory != "" && rule.Directory != claims.Directory:
		return unauthorized("The token is of another directory")
	case rule != nil && rule.Senders != nil && !slices.Contains(rule.Senders, claims.Object):
		return &refusal{http.StatusForbidden, "OperationFailed", "The authentication token provided does not have access to ingest data for the data collection rule with immutable Id '" + r.PathValue("rule") + "'."}
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
