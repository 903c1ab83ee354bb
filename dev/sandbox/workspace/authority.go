package workspace

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Authority is a stand-in of Entra ID for one app with a secret: the description of
// a tenant's endpoints, and tokens for a client's credentials. Its tokens are good at
// a Workspace.
type Authority struct {
	TenantID, ClientID, ClientSecret string
	// Now is its clock; nil means time.Now.
	Now func() time.Time
}

// ServeHTTP implements [http.Handler].
func (a *Authority) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	base := "https://" + r.Host + "/" + a.TenantID
	switch r.Method + " " + r.URL.Path {
	case "GET /" + a.TenantID + "/v2.0/.well-known/openid-configuration":
		a.answer(rw, http.StatusOK, map[string]any{
			"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
			"jwks_uri": base + "/discovery/v2.0/keys", "tenant_region_scope": "EU", "cloud_instance_name": "microsoftonline.com",
		})
	case "POST /" + a.TenantID + "/oauth2/v2.0/token":
		a.token(rw, r)
	default:
		http.NotFound(rw, r)
	}
}

func (a *Authority) answer(rw http.ResponseWriter, status int, body map[string]any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic("sandbox authority: " + err.Error())
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = rw.Write(text)
}

func (a *Authority) refuse(rw http.ResponseWriter, status int, code, number, text string) {
	a.answer(rw, status, map[string]any{"error": code, "error_description": fmt.Sprintf("AADSTS%s: %s", number, text), "error_codes": []jsontext.Value{jsontext.Value(number)}})
}

func (a *Authority) token(rw http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "client_credentials" {
		a.refuse(rw, http.StatusBadRequest, "unsupported_grant_type", "70003", "The app requested an unsupported grant type.")
		return
	}
	// The scope is the audience and "/.default"; clients add OpenID's own to it.
	var audience string
	for scope := range strings.FieldsSeq(r.PostForm.Get("scope")) {
		if resource, found := strings.CutSuffix(scope, "/.default"); found {
			audience = strings.TrimRight(cmp.Or(resource, audience), "/")
		}
	}
	switch {
	case audience == "":
		a.refuse(rw, http.StatusBadRequest, "invalid_scope", "1002012", "The provided value for scope is not valid: it must end with /.default.")
	case r.PostForm.Get("client_id") != a.ClientID:
		a.refuse(rw, http.StatusBadRequest, "unauthorized_client", "700016", "The application was not found in the directory.")
	case r.PostForm.Get("client_secret") != a.ClientSecret:
		a.refuse(rw, http.StatusUnauthorized, "invalid_client", "7000215", "Invalid client secret provided.")
	default:
		now := time.Now()
		if a.Now != nil {
			now = a.Now()
		}
		const life = time.Hour
		a.answer(rw, http.StatusOK, map[string]any{
			"token_type": "Bearer", "expires_in": int(life.Seconds()), "ext_expires_in": int(life.Seconds()), "access_token": issue(audience, now, life).Token,
		})
	}
}
