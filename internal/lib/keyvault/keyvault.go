// Package keyvault reads secrets from Azure Key Vault, when they are first needed and again
// when a service refuses them.
//
// The platform resolves references in app settings, too, but only once, when it starts a
// process: a role that takes effect a minute later, or a new version of a secret, would need a
// restart. A [Secret] needs none. A vault is asked for a secret at most once in [Pause],
// however often a service refuses it and however many connections share it.
//
// One GET is all that is needed, so this is a pipeline of the SDK's core with its sign-in and
// its retries, and not the SDK's client of vaults (docs/adr/0022-secrets-read-by-the-program.md).
// https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret
package keyvault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

const (
	// Pause is the least time between two requests for one secret: a little less than the
	// usual minute between runs, so that each run may ask once.
	Pause = 50 * time.Second
	// timeout limits one read, with its retries. It is less than the 30 s that a caller may have, such
	// as the sign-in to SailPoint: else chance decides whose error is seen.
	timeout = 25 * time.Second
	// apiVersion is served by all clouds.
	apiVersion = "7.4"
	// maxAnswer is more than the 25 KiB of the largest secret and its attributes.
	maxAnswer = 64 << 10
)

// Config is how to reach vaults. The zero value is not usable: there must be a Credential.
type Config struct {
	// Credential signs in for a vault in a cloud.
	Credential func(who entra.Identity, where cloud.Configuration) (azcore.TokenCredential, error)
	// ClientOptions contain the transport, and retries for tests.
	ClientOptions policy.ClientOptions
}

// Vaults is what the connections of an app share: each secret is read once for all of them.
type Vaults struct {
	cfg Config

	mu          sync.Mutex
	secrets     map[string]*kept
	pipelines   map[string]runtime.Pipeline
	directories map[string]string // of vaults, by address
}

// New returns the vaults. It sends nothing.
func New(cfg Config) *Vaults {
	return &Vaults{cfg: cfg, secrets: map[string]*kept{}, pipelines: map[string]runtime.Pipeline{}, directories: map[string]string{}}
}

// Secret returns the secret that a setting refers to. It sends nothing.
func (v *Vaults) Secret(at secret.Reference) *Secret {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := at.ID() + "\n" + at.Identity.Key()
	if v.secrets[key] == nil {
		v.secrets[key] = &kept{at: at, vaults: v, turn: make(chan struct{}, 1)}
	}
	return &Secret{at: at, kept: v.secrets[key]}
}

// Keeper returns the keeper of a secret setting, wherever the secret is.
func (v *Vaults) Keeper(setting secret.Value) secret.Keeper {
	if at, ok := setting.Reference(); ok {
		return v.Secret(at)
	}
	return setting.Text()
}

// where returns the cloud of a vault and the audience of tokens for it. A vault on this
// machine counts as one of the public cloud.
func where(host string) (in cloud.Configuration, audience string) {
	switch host = strings.ToLower(host); {
	case strings.HasSuffix(host, ".vault.usgovcloudapi.net"):
		return cloud.AzureGovernment, "https://vault.usgovcloudapi.net"
	case strings.HasSuffix(host, ".vault.azure.cn"):
		return cloud.AzureChina, "https://vault.azure.cn"
	}
	return cloud.AzurePublic, "https://vault.azure.net"
}

// pipeline returns the one for a vault and an identity, which caches its token.
func (v *Vaults) pipeline(who entra.Identity, vault *url.URL) (runtime.Pipeline, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := vault.String() + "\n" + who.Key()
	if p, ok := v.pipelines[key]; ok {
		return p, nil
	}
	in, audience := where(vault.Hostname())
	credential, err := v.cfg.Credential(who, in)
	if err != nil {
		return runtime.Pipeline{}, fmt.Errorf("no identity: %s", azsdk.Text(err))
	}
	o := v.options()
	p := runtime.NewPipeline("idn-sentinel", version.String(), runtime.PipelineOptions{
		PerRetry: []policy.Policy{runtime.NewBearerTokenPolicy(azsdk.Marked{TokenCredential: credential}, []string{audience + "/.default"}, &policy.BearerTokenOptions{
			InsecureAllowCredentialWithHTTP: address.Loopback(vault.Hostname()), // stand-ins
		})},
	}, &o)
	v.pipelines[key] = p
	return p, nil
}

// answer is a secret as the vault describes it.
type answer struct {
	Value      string `json:"value"`
	ID         string `json:"id"`
	Attributes struct {
		Enabled *bool `json:"enabled"`
		Expires int64 `json:"exp"`
		Begins  int64 `json:"nbf"`
		Updated int64 `json:"updated"`
	} `json:"attributes"`
}

// Store stores a new version of a secret, and returns the version. The identity needs to be allowed
// that, which that of an app is not: it is for a person.
// https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret
func (v *Vaults) Store(ctx context.Context, at secret.Reference, text secret.String) (version string, err error) {
	body, err := json.Marshal(struct {
		Value string `json:"value"`
	}{text.Reveal()})
	if err != nil {
		return "", errors.New("the secret can't be encoded") // the error may show it
	}
	stored, err := v.send(ctx, http.MethodPut, at, body, refusedWrite)
	return versionOf(stored.ID), err
}

// get asks a vault for a secret.
func (v *Vaults) get(ctx context.Context, at secret.Reference) (answer, error) {
	return v.send(ctx, http.MethodGet, at, nil, func(who entra.Identity, status int, code, said string) string {
		asked := at
		asked.Identity = who
		return remedy(status, code, said, asked)
	})
}

// send sends a request about a secret. body may be nil. remedy says what to do about a refusal.
func (v *Vaults) send(ctx context.Context, method string, at secret.Reference, body []byte, remedy func(who entra.Identity, status int, code, said string) string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	vault, err := url.Parse(at.Vault)
	if err != nil {
		return answer{}, errors.New("the address of the vault can't be parsed")
	}
	who, err := v.who(ctx, at, vault)
	if err != nil {
		return answer{}, err
	}
	p, err := v.pipeline(who, vault)
	if err != nil {
		return answer{}, err
	}
	req, err := runtime.NewRequest(ctx, method, at.ID()+"?api-version="+apiVersion)
	if err != nil {
		return answer{}, errors.New("the address of the secret can't be used")
	}
	req.Raw().Header.Set("Accept", "application/json")
	if body != nil {
		if err := req.SetBody(streaming.NopCloser(bytes.NewReader(body)), "application/json"); err != nil {
			return answer{}, errors.New("the secret can't be sent") // the error may show it
		}
	}
	resp, err := p.Do(req) //nolint:bodyclose // the pipeline reads and closes it
	if err != nil {
		return answer{}, unreachable(ctx, err, vault.Host)
	}
	if !runtime.HasStatusCode(resp, http.StatusOK) {
		return answer{}, refused(resp, vault.Host, func(status int, code, said string) string { return remedy(who, status, code, said) })
	}
	got, err := runtime.Payload(resp)
	if err != nil {
		return answer{}, unreachable(ctx, err, vault.Host)
	}
	var a answer
	if err := json.Unmarshal(got, &a); err != nil || a.ID == "" { // the error may show the value
		return answer{}, fmt.Errorf("%s answered, but not with a secret: check what is in between (a proxy, a gateway)", vault.Host)
	}
	return a, nil
}
