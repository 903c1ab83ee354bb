package entra

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// PlatformHeader is what the environment of a function app calls IDENTITY_HEADER, for
// [Cloud.Platform].
const PlatformHeader = "synthetic-identity-header"

// life is how long tokens are good.
const life = time.Hour

// Platform is the endpoint of a function app's managed identities, which its environment names in
// IDENTITY_ENDPOINT.
// https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
func (c *Cloud) Platform() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		resource := query.Get("resource")
		c.mu.Lock()
		who := c.managed[query.Get("client_id")]
		c.mu.Unlock()
		switch {
		case r.Header.Get("X-IDENTITY-HEADER") != PlatformHeader || resource == "" || query.Get("api-version") == "":
			answer(rw, http.StatusBadRequest, map[string]any{"statusCode": 400, "message": "the header or a parameter is missing"})
			return
		case who == nil:
			answer(rw, http.StatusBadRequest, map[string]any{"statusCode": 400, "message": "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."})
			return
		}
		now := c.now()
		claims := Claims{Issuer: who.home.issuer(), Audience: strings.TrimRight(resource, "/"), Subject: who.Object, Object: who.Object, Directory: who.home.ID, App: who.ClientID, Kind: "managed", Expires: now.Add(life).Unix(), ID: fmt.Sprintf("%x", now.UnixNano())}
		answer(rw, http.StatusOK, map[string]any{"access_token": Sign(claims), "expires_on": strconv.FormatInt(claims.Expires, 10), "resource": resource, "token_type": "Bearer", "client_id": who.ClientID})
	})
}

// SignIn is the sign-in service: /{directory}/v2.0/.well-known/openid-configuration and
// /{directory}/oauth2/v2.0/token.
func (c *Cloud) SignIn() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		id, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		c.mu.Lock()
		directory, hang := c.directories[id], c.hang[id]
		c.mu.Unlock()
		if hang != nil {
			select {
			case <-hang:
			case <-r.Context().Done():
				return
			}
		}
		if directory == nil {
			refuse(rw, &refusal{http.StatusBadRequest, "invalid_tenant", 90002, "Tenant '" + id + "' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."}, "")
			return
		}
		base := "https://" + r.Host + "/" + id
		switch r.Method + " " + rest {
		case "GET v2.0/.well-known/openid-configuration":
			answer(rw, http.StatusOK, map[string]any{
				"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
				"jwks_uri": base + "/discovery/v2.0/keys", "tenant_region_scope": "EU", "cloud_instance_name": "microsoftonline.com",
			})
		case "POST oauth2/v2.0/token":
			c.token(rw, r, directory)
		default:
			http.NotFound(rw, r)
		}
	})
}

// refusal is an answer of the sign-in service without a token.
type refusal struct {
	status int
	code   string
	number int
	text   string
}

func (c *Cloud) token(rw http.ResponseWriter, r *http.Request, d *Directory) {
	if err := r.ParseForm(); err != nil {
		http.Error(rw, "", http.StatusBadRequest)
		return
	}
	var audience string
	for scope := range strings.FieldsSeq(r.PostForm.Get("scope")) {
		if resource, found := strings.CutSuffix(scope, "/.default"); found {
			audience = strings.TrimRight(resource, "/")
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	app := r.PostForm.Get("client_id")
	principal, refused := c.check(r, d, app, audience)
	asked := Request{Directory: d.ID, App: app, Scope: audience}
	if refused != nil {
		asked.Refused = strconv.Itoa(refused.number)
	}
	c.asked = append(c.asked, asked)
	if refused != nil {
		echo := ""
		if c.echo {
			echo = r.PostForm.Get("client_assertion")
		}
		refuse(rw, refused, echo)
		return
	}
	now := c.now()
	answer(rw, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": int(life.Seconds()), "ext_expires_in": int(life.Seconds()),
		"access_token": Sign(Claims{Issuer: d.issuer(), Audience: audience, Subject: principal.object, Object: principal.object, Directory: d.ID, App: app, Kind: "app", Expires: now.Add(life).Unix(), ID: fmt.Sprintf("%x", now.UnixNano())}),
	})
}

// check does the checks of the sign-in service. The caller holds the lock.
func (c *Cloud) check(r *http.Request, d *Directory, app, audience string) (*servicePrincipal, *refusal) {
	form := r.PostForm
	assertion := form.Get("client_assertion")
	switch {
	case form.Get("grant_type") != "client_credentials":
		return nil, &refusal{http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '" + form.Get("grant_type") + "'."}
	case audience == "":
		return nil, &refusal{http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."}
	case form.Get("client_secret") != "":
		return nil, &refusal{http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided."}
	case assertion == "" || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		return nil, &refusal{http.StatusUnauthorized, "invalid_client", 7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."}
	}
	principal := d.apps[app]
	if principal == nil {
		return nil, &refusal{http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '" + app + "' was not found in the directory '" + d.ID + "'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."}
	}
	if refused := c.federated(principal.app, assertion); refused != nil {
		return nil, refused
	}
	switch {
	case principal.disabled:
		return nil, &refusal{http.StatusUnauthorized, "unauthorized_client", 7000112, "Application '" + app + "' is disabled."}
	case d.blocked:
		return nil, &refusal{http.StatusBadRequest, "invalid_grant", 53003, "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."}
	}
	return principal, nil
}

// federated checks an assertion against the federated credentials of an app.
func (c *Cloud) federated(app *App, assertion string) *refusal {
	invalid := func(number int, text string) *refusal {
		return &refusal{http.StatusUnauthorized, "invalid_client", number, text}
	}
	claims, ok := Inspect(assertion)
	switch {
	case !ok:
		return invalid(700027, "Client assertion failed signature validation.")
	case !c.now().Before(claims.ExpiresAt()):
		return invalid(700024, "Client assertion is not within its valid time range.")
	case claims.Kind != "managed":
		return invalid(700226, "Only MSI tokens may be used as Federated Identity Credentials for AAD issuer.")
	case claims.Directory != app.home.ID:
		return invalid(700236, "Entra ID tokens issued by issuer '"+claims.Issuer+"' may not be used for federated identity credential flows for applications or managed identities registered in this tenant.")
	}
	var issuer, subject bool
	for _, one := range app.trust {
		issuer = issuer || one.Issuer == claims.Issuer
		subject = subject || one.Issuer == claims.Issuer && one.Subject == claims.Subject
		if one == (Credential{Issuer: claims.Issuer, Subject: claims.Subject, Audience: claims.Audience}) && claims.Audience == c.exchange() {
			return nil
		}
	}
	const no, advice = "No matching federated identity record found for presented assertion ", ". Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
	switch {
	case !issuer:
		return invalid(700211, no+"issuer '"+claims.Issuer+"'"+advice)
	case !subject:
		return invalid(700213, no+"subject '"+claims.Subject+"'"+advice)
	}
	return invalid(700212, no+"audience '"+claims.Audience+"'"+advice)
}

// refuse answers in the form of the service. echo is added to its words.
func refuse(rw http.ResponseWriter, r *refusal, echo string) {
	text := fmt.Sprintf("AADSTS%d: %s", r.number, r.text)
	if echo != "" {
		text = fmt.Sprintf("AADSTS%d: %s %s", r.number, echo, r.text)
	}
	answer(rw, r.status, map[string]any{
		"error": r.code, "error_description": text + " Trace ID: 00000000-0000-4000-a000-000000000000 Correlation ID: 00000000-0000-4000-a000-000000000001 Timestamp: 2026-01-01 00:00:00Z",
		"error_codes": []int{r.number}, "error_uri": fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", r.number),
	})
}

func answer(rw http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic("sandbox entra: " + err.Error())
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = rw.Write(text)
}
