package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

const (
	// role is the built-in role that lets an identity read secrets.
	role = `"Key Vault Secrets User"`
	// later says that nothing needs a restart.
	later = "; the next run asks again, without a restart"
)

// asking says which identity asks.
func asking(who entra.Identity) string {
	if who.Abroad() {
		return "here the service principal of " + who.String()
	}
	return "the app's managed identity, which AZURE_CLIENT_ID names if it is user-assigned; on your own machine it is you"
}

// peer names a vault in error texts.
func peer(host string) transport.Peer {
	return transport.Peer{Host: host, Settings: "the name of the vault in this setting"}
}

// unreachable says why a vault did not answer.
func unreachable(ctx context.Context, err error, host string) error {
	var token *azsdk.TokenError
	if errors.As(err, &token) {
		return fmt.Errorf("no token for the vault: %s", token.Explain("give the function app a managed identity (AZURE_CLIENT_ID names a user-assigned one), or, on your own machine, sign in with az login"))
	}
	if f := azsdk.Explain(err, peer(host)); f != nil {
		return fmt.Errorf("%w%s", f, later)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("no answer from %s within %v: check the network between this machine and the vault%s", host, timeout, later)
	}
	return fmt.Errorf("%s: %s", host, azsdk.Text(err))
}

// refused says what a vault's refusal means. Of its text, only codes are shown: the rest
// names callers and resources.
func refused(resp *http.Response, host string, remedy func(status int, code, said string) string) error {
	err := runtime.NewResponseError(resp)
	if f := azsdk.Explain(err, peer(host)); f != nil {
		return fmt.Errorf("%w%s", f, later)
	}
	var (
		failed *azcore.ResponseError
		form   struct {
			Error struct {
				Code    string `json:"code"`
				Message string `json:"message"`
				Inner   struct {
					Code string `json:"code"`
				} `json:"innererror"`
			} `json:"error"`
		}
	)
	if !errors.As(err, &failed) {
		return fmt.Errorf("%s: status %d", host, resp.StatusCode)
	}
	body, _ := runtime.Payload(resp) // kept in memory by the SDK
	_ = json.Unmarshal(body, &form)  // anything else is not shown
	code, said := form.Error.Inner.Code, strings.ToLower(form.Error.Message)
	hidden := transport.Sent(resp.Request)
	status := fmt.Sprintf("%s answered %d", host, resp.StatusCode)
	if shown := strings.TrimSpace(form.Error.Code + " " + code); shown != "" {
		status += " " + transport.Excerpt(shown, hidden...)
	}
	if code == "" {
		code = form.Error.Code
	}
	what := remedy(resp.StatusCode, code, said)
	switch {
	case code != "":
	case resp.StatusCode < http.StatusBadRequest, resp.StatusCode == http.StatusMethodNotAllowed:
		what = transport.Unexpected(resp.StatusCode, peer(host)) + later
	case resp.StatusCode < http.StatusInternalServerError && resp.StatusCode != http.StatusTooManyRequests:
		what = transport.Doubtful(peer(host)) + what
	}
	return errors.New(status + ": " + what)
}

// refusedWrite says what to do about a refusal to store a secret.
func refusedWrite(_ entra.Identity, status int, code, said string) string {
	switch {
	case code == "ForbiddenByFirewall", code == "ForbiddenByConnection", strings.Contains(said, "client address is not authorized"), strings.Contains(said, "public network access is disabled"):
		return "the vault's network rules block this machine: run the command within its network, or store the secret there"
	case status == http.StatusForbidden && (code == "AccessDenied" || code == "ForbiddenByPolicy"):
		return "the vault uses access policies: you need the permission Set for secrets"
	case status == http.StatusForbidden:
		return `you need the role "Key Vault Secrets Officer" on the vault; a new assignment takes effect after some minutes`
	case status == http.StatusConflict:
		return "a secret of that name was deleted and can be recovered: az keyvault secret recover does that, and then this command stores a new version"
	case status == http.StatusUnauthorized:
		return "the vault does not accept the sign-in: it must be of the tenant and the cloud of the vault (az login --tenant)"
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return "the vault is overloaded or down: try again"
	}
	return "check the name of the vault and of the secret"
}

// remedy says what to do about a refusal with a status, an inner code and a text.
func remedy(status int, code, said string, at secret.Reference) string {
	switch {
	case code == "SecretDisabled", strings.Contains(said, "disabled secret"):
		return "the secret is disabled: enable it, or store a new version of it" + later
	case code == "ForbiddenByFirewall", code == "ForbiddenByConnection", strings.Contains(said, "client address is not authorized"), strings.Contains(said, "public network access is disabled"):
		return "the vault's network rules block this app or machine: allow its network there, or give the vault a private endpoint that it can reach" + later
	case status == http.StatusForbidden && (code == "AccessDenied" || code == "ForbiddenByPolicy"):
		return "the vault uses access policies: give the identity that asks the permission Get for secrets (" + asking(at.Identity) + ")" + later
	case status == http.StatusForbidden:
		return "give the identity that asks the role " + role + " on the vault (" + asking(at.Identity) + "); a new assignment takes effect after some minutes" + later
	case status == http.StatusUnauthorized:
		return "the vault does not accept the sign-in: it must be of the tenant and the cloud of the vault (az login --tenant, or AZURE_TENANT_ID, on your own machine)"
	case status == http.StatusNotFound && at.Version != "":
		return "the vault has no secret of that name and version: check its name and version in this setting, or recover the secret if it was deleted" + later
	case status == http.StatusNotFound:
		return "the vault has no secret of that name: check its name in this setting, store the secret, or recover it if it was deleted" + later
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return "the vault is overloaded or down" + later
	}
	return "check the reference in this setting"
}
