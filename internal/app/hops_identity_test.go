package app_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
)

// TestIdentityHops: who signs in is told whether the sign-in service was reached, and
// what it says; nobody is sent to change a role because of a proxy.
func TestIdentityHops(t *testing.T) {
	const remedy = "REMEDY"
	proxied := func(proxy func(t *testing.T) string) func(t *testing.T) azcore.TokenCredential {
		return func(t *testing.T) azcore.TokenCredential {
			t.Setenv("HTTPS_PROXY", proxy(t))
			return signingIn(t)
		}
	}
	platform := func(status int, kind, body string) func(t *testing.T) azcore.TokenCredential {
		return func(t *testing.T) azcore.TokenCredential {
			t.Setenv("IDENTITY_ENDPOINT", page(t, status, kind, body)+"/msi/token")
			return managed(t)
		}
	}
	for name, tc := range map[string]struct {
		credential func(t *testing.T) azcore.TokenCredential
		says       []string
		remedy     bool // what to do about the identity is said
	}{
		"Entra through a proxy that is down":   {proxied(func(*testing.T) string { return "http://127.0.0.1:1" }), []string{"the sign-in service could not be reached: the proxy 127.0.0.1:1 (HTTPS_PROXY) can't be reached"}, false},
		"Entra through a proxy with a sign-in": {proxied(func(t *testing.T) string { return "http://" + connectProxy(t, 407, "") }), []string{"(HTTPS_PROXY) answered 407"}, false},
		"Entra through a proxy that opens TLS": {proxied(func(t *testing.T) string {
			return "http://" + connectProxy(t, 200, secure(t, certificate{issuer: "Corp CA"}))
		}), []string{"login.microsoftonline.com presents a certificate from an authority", "SSL_CERT_FILE"}, false},
		"Entra without a name server": {func(t *testing.T) azcore.TokenCredential {
			nameServer(t, dnsmessage.RCodeServerFailure)
			return signingIn(t)
		}, []string{"the name server did not answer for login.microsoftonline.com"}, false},
		"Entra that does not exist": {func(t *testing.T) azcore.TokenCredential {
			nameServer(t, dnsmessage.RCodeNameError)
			return signingIn(t)
		}, []string{"there is no host login.microsoftonline.com: check", "AZURE_AUTHORITY_HOST"}, false},
		"platform that is down": {func(t *testing.T) azcore.TokenCredential {
			t.Setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token")
			return managed(t)
		}, []string{"the sign-in service could not be reached: no answer from 127.0.0.1:1", "the managed identity of the app"}, false},
		"platform with a firewall in front":        {platform(403, "text/html", "<title>Blocked</title>"), []string{"the sign-in service could not be reached: status 403 with a web page"}, false},
		"platform that says that there is none":    {platform(400, "application/json", `{"statusCode":400,"message":"No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.","correlationId":"x"}`), []string{"(status 400 No User Assigned or Delegated Managed Identity found"}, true},
		"platform that repeats the header":         {platform(400, "application/json", `{"message":"bad `+hopHeader+` `+base64.StdEncoding.EncodeToString([]byte(hopHeader))+`"}`), []string{"status 400 bad (secret) (secret)"}, true},
		"platform whose answer is no token at all": {platform(500, "text/plain", "oops"), []string{"status 500"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			noProxies(t)
			t.Setenv("IDENTITY_HEADER", hopHeader)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := azsdk.Marked{TokenCredential: tc.credential(t)}.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://monitor.azure.com/.default"}})
			var failed *azsdk.TokenError
			if !errors.As(err, &failed) {
				t.Fatalf("got %v", err)
			}
			text := failed.Explain(remedy)
			for _, want := range tc.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in: %s", want, text)
				}
			}
			if strings.Contains(text, remedy) != tc.remedy {
				t.Errorf("the remedy of the identity is said: %v, want %v: %s", !tc.remedy, tc.remedy, text)
			}
			noSecrets(t, text)
		})
	}
}

func signingIn(t *testing.T) azcore.TokenCredential {
	o := once()
	o.Transport = azsdk.NewTransport()
	c, err := azidentity.NewClientSecretCredential(identityID, identityID, hopSecret, &azidentity.ClientSecretCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func managed(t *testing.T) azcore.TokenCredential {
	o := once()
	o.Transport = azsdk.NewTransport()
	c, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const identityID = "11111111-2222-3333-4444-555555555555"
