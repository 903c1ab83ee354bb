package legacy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

const (
	setting = "LEGACY_CHECKPOINT"
	// role is the built-in role that lets an identity read tables.
	role = "Storage Table Data Reader"
	// instead is what a user can do who does not need the old checkpoint.
	instead = "or set " + setting + "=off to begin at INITIAL_LOOKBACK"
)

// maxAnswer bounds an answer: a row of a table has at most 1 MiB.
const maxAnswer = 2 << 20

// Config is where the table is and how to access it: with AccountName and
// AccountKey, or with Credential.
type Config struct {
	// ServiceURL is the table endpoint of the account, https://NAME.table.core.windows.net,
	// checked by package address.
	ServiceURL  *url.URL
	AccountName string
	AccountKey  secret.Keeper
	// KeySetting is the setting that holds the key, for messages.
	KeySetting string
	Credential azcore.TokenCredential
	// Expected is true if a user named this account: then a missing checkpoint is an
	// error, because it may be the wrong account.
	Expected bool
	// ClientOptions are for tests: transport, retries.
	ClientOptions policy.ClientOptions
}

// Account is the storage account in which older connectors kept their checkpoints.
type Account struct {
	service    *aztables.ServiceClient
	host       string
	keySetting string // "" for a token
	expected   bool
}

// New returns the account that cfg names. It sends nothing.
func New(cfg Config) (*Account, error) {
	a := &Account{host: cfg.ServiceURL.Host, expected: cfg.Expected}
	o := &aztables.ClientOptions{ClientOptions: azsdk.ClientOptions(cfg.ClientOptions)}
	o.Transport = azsdk.Bounded{Transporter: o.Transport, Max: maxAnswer}
	var err error
	if cfg.Credential != nil {
		a.service, err = aztables.NewServiceClient(cfg.ServiceURL.String(), azsdk.Marked{TokenCredential: cfg.Credential}, o)
	} else {
		a.keySetting = cfg.KeySetting
		text, _ := secret.Fixed(cfg.AccountKey)
		var cred *aztables.SharedKeyCredential
		if cred, err = aztables.NewSharedKeyCredential(cfg.AccountName, text.Reveal()); err == nil {
			azsdk.WithKey(&o.ClientOptions, cfg.AccountKey, cred.SetAccountKey)
			a.service, err = aztables.NewServiceClientWithSharedKey(cfg.ServiceURL.String(), cred, o)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: table service at %s: %s", setting, a.host, azsdk.Text(err))
	}
	return a, nil
}

// Host is where the account is, for messages.
func (a *Account) Host() string { return a.host }

// absent is strict: another 404 may come from a wrong address.
func absent(err error) bool {
	var refused *azcore.ResponseError
	return errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound &&
		(refused.ErrorCode == string(aztables.TableNotFound) || refused.ErrorCode == string(aztables.ResourceNotFound))
}

// fail adds the object that was read and the remedy to an error. The result wraps no SDK
// error, because those print whole requests.
func (a *Account) fail(ctx context.Context, object string, err error) error {
	what := "read " + object
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, context.DeadlineExceeded):
		why := transport.Explain(cause, transport.Peer{Host: a.host, Settings: setting + " and the account's network rules"})
		return fmt.Errorf("%s: %w, %s", what, why, instead)
	case cause != nil:
		return fmt.Errorf("%s: %w", what, cause)
	}
	var token *azsdk.TokenError
	var refused *azcore.ResponseError
	var key *azsdk.KeyError
	if errors.As(err, &key) {
		return fmt.Errorf("%s: %s, %s", what, key.Error(), instead)
	}
	if errors.As(err, &token) {
		return fmt.Errorf("%s: no token: %s, %s", what, token.Explain(
			fmt.Sprintf("give the app a managed identity with the role %q on that account (AZURE_CLIENT_ID names a user-assigned one)", role)), instead)
	}
	if f := azsdk.Explain(err, transport.Peer{Host: a.host, Settings: setting + " and the account's network rules"}); f != nil {
		return fmt.Errorf("%s: %s, %s", what, f.Error(), instead)
	}
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s: %s: check the address (%s), and that the account's network rules allow this app, %s", what, azsdk.Text(err), setting, instead)
	}
	status := azsdk.Status(refused)
	denied := refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden
	switch peer := (transport.Peer{Host: a.host, Settings: setting}); {
	case refused.ErrorCode == "" && denied:
		status += ": " + strings.TrimSuffix(transport.Doubtful(peer), ", ")
	case refused.ErrorCode == "" && refused.StatusCode != http.StatusNotFound:
		return fmt.Errorf("%s: %s: %s, %s", what, status, transport.Unexpected(refused.StatusCode, peer), instead)
	}
	switch {
	case denied && refused.ErrorCode == "KeyBasedAuthenticationNotPermitted":
		return fmt.Errorf("%s: %s: the account does not accept keys: set %s to https://%s, and give the identity the role %q on the account, %s", what, status, setting, a.host, role, instead)
	case denied && a.keySetting == "":
		return fmt.Errorf("%s: %s: give the identity the role %q on the account (a new assignment takes some minutes), or allow this app in its network rules, %s", what, status, role, instead)
	case denied:
		return fmt.Errorf("%s: %s: %s is wrong or for another account, or the account's network rules block this app: correct it, %s", what, status, a.keySetting, instead)
	}
	return fmt.Errorf("%s: %s: check the address (%s), %s", what, status, setting, instead)
}
