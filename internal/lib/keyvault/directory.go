package keyvault

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

// options are the client's, with bounded answers.
func (v *Vaults) options() policy.ClientOptions {
	o := azsdk.ClientOptions(v.cfg.ClientOptions)
	o.Transport = azsdk.Bounded{Transporter: o.Transport, Max: maxAnswer}
	return o
}

// who returns the identity that asks a vault: if it can sign in to another directory, that decides in
// which one the vault is. The vault says so to anyone who asks without a token.
func (v *Vaults) who(ctx context.Context, at secret.Reference, vault *url.URL) (entra.Identity, error) {
	if !at.Identity.Abroad() {
		return at.Identity, nil
	}
	v.mu.Lock()
	directory, known := v.directories[at.Vault]
	v.mu.Unlock()
	if !known {
		var err error
		if directory, err = v.directoryOf(ctx, at, vault); err != nil {
			return entra.Identity{}, err
		}
		if directory != "" { // else it is asked again: what answered may not have been the vault
			v.mu.Lock()
			v.directories[at.Vault] = directory
			v.mu.Unlock()
		}
	}
	if at.Identity.Is(directory) {
		return at.Identity, nil
	}
	return at.Identity.Home(), nil
}

// authorization is the directory in the challenge of a vault:
// Bearer authorization="https://login.microsoftonline.com/{directory}", resource="https://vault.azure.net"
// https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
var authorization = regexp.MustCompile(`authorization="https?://[^"/]+/([0-9A-Fa-f-]{36})`)

// directoryOf asks a vault for its directory, with a request that has no token. It is "" if the vault
// does not say.
func (v *Vaults) directoryOf(ctx context.Context, at secret.Reference, vault *url.URL) (string, error) {
	o := v.options()
	p := runtime.NewPipeline("idn-sentinel", version.String(), runtime.PipelineOptions{}, &o)
	req, err := runtime.NewRequest(ctx, http.MethodGet, at.ID()+"?api-version="+apiVersion)
	if err != nil {
		return "", err
	}
	resp, err := p.Do(req) //nolint:bodyclose // the pipeline reads and closes it
	if err != nil {
		return "", unreachable(ctx, err, vault.Host)
	}
	if resp.StatusCode != http.StatusUnauthorized {
		return "", refused(resp, vault.Host, func(status int, code, said string) string { return remedy(status, code, said, at) })
	}
	if m := authorization.FindStringSubmatch(resp.Header.Get("WWW-Authenticate")); m != nil {
		return strings.ToLower(m[1]), nil
	}
	return "", nil
}
