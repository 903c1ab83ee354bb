package azsdk

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/go-json-experiment/json"
	"golang.org/x/sync/singleflight"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// exchangeTimeout bounds one sign-in to another directory: both tokens, with their retries. It is less
// than the 25 s that reading a secret may take, so that the sign-in is blamed and not the vault.
const exchangeTimeout = 20 * time.Second

// inDirectory is the credential of a multi-tenant app in a directory. The token of the managed identity
// is its client assertion.
type inDirectory struct {
	who      entra.Identity
	audience string // of the assertion
	managed  azcore.TokenCredential
	app      azcore.TokenCredential
	// exchanges are in progress, by scope: who needs the same token waits for it, as long as its own
	// context allows. The SDK lets them wait for a lock, which no context ends.
	exchanges singleflight.Group
}

// abroad returns the credential of an identity that signs in to another directory.
func abroad(who entra.Identity, client azcore.ClientOptions) (azcore.TokenCredential, error) {
	own, err := managed(who.Managed, client)
	if err != nil {
		return nil, err
	}
	if os.Getenv("AZURE_AUTHORITY_HOST") != "" {
		client.Cloud = cloud.Configuration{} // the SDK reads it
	}
	client.Retry = policy.RetryOptions{MaxRetries: 2, TryTimeout: 8 * time.Second, RetryDelay: 300 * time.Millisecond, MaxRetryDelay: 2 * time.Second}
	c := &inDirectory{who: who, audience: exchangeAudience(client.Cloud), managed: own}
	c.app, err = azidentity.NewClientAssertionCredential(who.Directory, who.App, c.assertion, &azidentity.ClientAssertionCredentialOptions{
		ClientOptions: client,
		// The address of the sign-in service comes from a known cloud, or was chosen by the app's operator.
		// Asking the public cloud about it needs one more host that firewalls must let through.
		DisableInstanceDiscovery: true,
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// exchangeAudience is what the token of a managed identity is for if it is to be exchanged for that of
// an app: a fixed name in each cloud. The federated credential of the app names the same.
func exchangeAudience(where cloud.Configuration) string {
	host := where.ActiveDirectoryAuthorityHost
	if host == "" {
		host = os.Getenv("AZURE_AUTHORITY_HOST")
	}
	switch host = strings.ToLower(strings.TrimRight(host, "/")); {
	case strings.HasSuffix(host, ".us"):
		return "api://AzureADTokenExchangeUSGov"
	case strings.HasSuffix(host, ".cn"):
		return "api://AzureADTokenExchangeChina"
	}
	return "api://AzureADTokenExchange"
}

// attempt is what is known about one exchange.
type attempt struct {
	failed    error // of the managed identity
	assertion string
}

type attemptKey struct{}

// assertion is called by the SDK for each exchange.
func (c *inDirectory) assertion(ctx context.Context) (string, error) {
	token, err := c.managed.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{c.audience + "/.default"}})
	if try, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		try.failed, try.assertion = err, token.Token
	}
	if err != nil {
		return "", errors.New("the managed identity has no token") // its own error is in the attempt
	}
	return token.Token, nil
}

// GetToken implements [azcore.TokenCredential].
func (c *inDirectory) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	key := fmt.Sprint(o.Scopes, o.Claims, o.EnableCAE)
	done := c.exchanges.DoChan(key, func() (any, error) {
		detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTimeout)
		defer cancel()
		return c.exchange(detached, o)
	})
	select {
	case <-ctx.Done():
		return azcore.AccessToken{}, &TokenError{err: context.Cause(ctx), seen: &transport.Seen{}, abroad: &refusal{inDirectory: c, late: true}}
	case result := <-done:
		if result.Err != nil {
			return azcore.AccessToken{}, result.Err
		}
		return result.Val.(azcore.AccessToken), nil
	}
}

func (c *inDirectory) exchange(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	o.TenantID = "" // one directory is all that it signs in to
	try := &attempt{}
	watched, seen := transport.Watch(context.WithValue(ctx, attemptKey{}, try))
	token, err := c.app.GetToken(watched, o)
	switch {
	case err == nil:
		return token, nil
	case try.failed != nil:
		return azcore.AccessToken{}, try.failed
	}
	return azcore.AccessToken{}, &TokenError{err: err, seen: seen, abroad: &refusal{c, try.assertion, ctx.Err() != nil}}
}

// refusal is a sign-in to another directory that failed.
type refusal struct {
	*inDirectory
	assertion string
	late      bool // the time ran out
}

// explain says why there is no token, and what to do.
func (r *refusal) explain(e *TokenError) string {
	hidden := secret.New(r.assertion)
	if f := e.seen.Failure(transport.Peer{Settings: "WORKSPACE_DIRECTORY_ID, and AZURE_AUTHORITY_HOST if it is set"}); f != nil {
		return secret.Mask("the sign-in service could not be reached: "+f.Error(), hidden)
	}
	code := codeOf(e.err)
	if r.late {
		return fmt.Sprintf("%s: no answer of the sign-in service in time: check the network between this app and it; the next run asks again", r.who)
	}
	why := said(e.err, hidden)
	if why == "" {
		why = " (" + Text(e.err) + ")"
	}
	return secret.Mask(fmt.Sprintf("%s can't sign in%s: %s", r.who, why, r.remedy(code)), hidden)
}

var aadsts = regexp.MustCompile(`AADSTS([0-9]{5,8})\b`)

// codeOf returns the number in the answer of the sign-in service, without AADSTS; "" if there is none.
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
func codeOf(err error) string {
	if m := aadsts.FindStringSubmatch(said(err)); m != nil {
		return m[1]
	}
	return ""
}

// remedy says what to do about a number of the sign-in service.
func (r *refusal) remedy(code string) string {
	const later = "; the next run asks again, without a restart"
	switch {
	case code == "700016", code == "7000229", code == "700018":
		return fmt.Sprintf("the directory does not know the app: an administrator of it adds the app (az login --tenant %s, az ad sp create --id %s), or WORKSPACE_APP_ID or WORKSPACE_DIRECTORY_ID is wrong, or the app registration is not multi-tenant%s", r.who.Directory, r.who.App, later)
	case code == "7000112":
		return "the app is disabled in that directory: an administrator of it enables it under Enterprise applications" + later
	case code == "90002", code == "900021", code == "900023":
		return "there is no such directory in this cloud: check WORKSPACE_DIRECTORY_ID, the Directory (tenant) ID of the workspace's subscription"
	case code == "700236", code == "700222":
		return "the app registration must be in the directory of the managed identity, not in that of the workspace: register it there as multi-tenant, with the federated credential, and set WORKSPACE_APP_ID to it"
	case code == "700226":
		return "the directory takes only the token of a user-assigned managed identity: AZURE_CLIENT_ID must name one"
	case strings.HasPrefix(code, "70021"), code == "700223":
		return "the app registration lacks a federated credential for the managed identity: add one under Certificates & secrets, scenario Managed Identity, with " + r.expected() + later
	case code == "700024":
		return "the token of the managed identity is not valid at this time: compare the clock of this machine" + later
	case code == "500011":
		return "the directory does not know the service that the token is for: WORKSPACE_DIRECTORY_ID must be the directory of the workspace's subscription"
	case code == "53003", code == "53011", code == "530035":
		return "a Conditional Access policy of that directory blocks the app: exempt it, or allow its addresses" + later
	}
	return "check WORKSPACE_DIRECTORY_ID, WORKSPACE_APP_ID and the federated credential of the app, which needs " + r.expected()
}

// expected describes the federated credential that the assertion needs.
func (r *refusal) expected() string {
	text := "the audience " + r.audience
	var claims struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
	}
	parts := strings.Split(r.assertion, ".")
	if len(parts) != 3 {
		return text
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(body, &claims) != nil || claims.Issuer == "" || claims.Subject == "" {
		return text
	}
	return fmt.Sprintf("the issuer %s, the subject %s and %s", transport.Excerpt(claims.Issuer), transport.Excerpt(claims.Subject), text)
}
