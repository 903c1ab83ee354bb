package entra_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/entra"
)

// What a program that is written against the documentation never sends is refused, too: another grant, a
// secret, an assertion that is forged, too old, or not a managed identity's.
func TestRefusals(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	cloud := entra.New()
	cloud.Now = func() time.Time { return now }
	home, customer := cloud.Directory("home"), cloud.Directory("customer")
	identity, app := home.Managed("identity"), home.Register("app")
	app.Trust(identity.Credential())
	principal := customer.Consent(app)
	trusted := identity.Credential()
	assertion := func(change func(*entra.Claims)) string {
		c := entra.Claims{Issuer: trusted.Issuer, Subject: trusted.Subject, Audience: trusted.Audience, Directory: "home", Kind: "managed", Expires: now.Add(time.Hour).Unix()}
		change(&c)
		return entra.Sign(c)
	}
	good := assertion(func(*entra.Claims) {})
	for name, tc := range map[string]struct {
		set  map[string]string
		want string // the number; "" for a token
	}{
		"right":                     {nil, ""},
		"another grant":             {map[string]string{"grant_type": "password"}, "70003"},
		"no scope":                  {map[string]string{"scope": "https://monitor.azure.com"}, "1002012"},
		"a secret":                  {map[string]string{"client_secret": "s3cret"}, "7000215"},
		"no assertion":              {map[string]string{"client_assertion": ""}, "7000218"},
		"another kind of assertion": {map[string]string{"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, "7000218"},
		"another app":               {map[string]string{"client_id": "other"}, "700016"},
		"forged":                    {map[string]string{"client_assertion": good[:len(good)-1] + "_"}, "700027"},
		"too old":                   {map[string]string{"client_assertion": assertion(func(c *entra.Claims) { c.Expires = now.Unix() })}, "700024"},
		"of an app":                 {map[string]string{"client_assertion": assertion(func(c *entra.Claims) { c.Kind = "app" })}, "700226"},
		"of another directory":      {map[string]string{"client_assertion": assertion(func(c *entra.Claims) { c.Directory = "customer" })}, "700236"},
		"of another issuer":         {map[string]string{"client_assertion": assertion(func(c *entra.Claims) { c.Issuer += "/" })}, "700211"},
		"of another identity":       {map[string]string{"client_assertion": assertion(func(c *entra.Claims) { c.Subject = "other" })}, "700213"},
		"for another audience":      {map[string]string{"client_assertion": assertion(func(c *entra.Claims) { c.Audience = "https://monitor.azure.com" })}, "700212"},
	} {
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_id": {"app"}, "scope": {"https://monitor.azure.com/.default openid"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {good},
		}
		for key, value := range tc.set {
			form.Set(key, value)
		}
		request := httptest.NewRequestWithContext(t.Context(), "POST", "https://login.microsoftonline.com/customer/oauth2/v2.0/token", strings.NewReader(form.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		cloud.SignIn().ServeHTTP(answer, request)
		var got struct {
			Token       string `json:"access_token"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		claims, ok := entra.Inspect(got.Token)
		if right := ok && claims.Object == principal && claims.Directory == "customer" && claims.Audience == "https://monitor.azure.com"; right != (tc.want == "") {
			t.Errorf("%s: the token is %+v", name, claims)
		}
		if tc.want != "" && !strings.HasPrefix(got.Description, "AADSTS"+tc.want+":") {
			t.Errorf("%s: %s", name, got.Description)
		}
	}
}
