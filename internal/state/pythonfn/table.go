package pythonfn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// These constants say where the function stored its checkpoint.
const (
	tableName    = "checkpointTable"
	partitionKey = "checkpointTime"
	rowKey       = "001"
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

// Table is the checkpoint of the Python function.
type Table struct {
	client     *aztables.Client
	host       string
	keySetting string // "" for a token
	expected   bool
}

// New returns the checkpoint in the account that cfg names. It sends nothing.
func New(cfg Config) (*Table, error) {
	t := &Table{host: cfg.ServiceURL.Host, expected: cfg.Expected}
	o := &aztables.ClientOptions{ClientOptions: azsdk.ClientOptions(cfg.ClientOptions)}
	o.Transport = azsdk.Bounded{Transporter: o.Transport, Max: maxAnswer}
	var service *aztables.ServiceClient
	var err error
	if cfg.Credential != nil {
		service, err = aztables.NewServiceClient(cfg.ServiceURL.String(), azsdk.Marked{TokenCredential: cfg.Credential}, o)
	} else {
		t.keySetting = cfg.KeySetting
		text, _ := secret.Fixed(cfg.AccountKey)
		var cred *aztables.SharedKeyCredential
		if cred, err = aztables.NewSharedKeyCredential(cfg.AccountName, text.Reveal()); err == nil {
			azsdk.WithKey(&o.ClientOptions, cfg.AccountKey, cred.SetAccountKey)
			service, err = aztables.NewServiceClientWithSharedKey(cfg.ServiceURL.String(), cred, o)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: table service at %s: %s", setting, t.host, azsdk.Text(err))
	}
	t.client = service.NewClient(tableName)
	return t, nil
}

// Host is where the table is, for messages.
func (t *Table) Host() string { return t.host }

// CreatedTime returns the event time of the last event that the function read, in
// UTC. If there is no checkpoint, it returns the zero time, or an error if one is
// expected. Errors name the remedy and contain no secrets.
func (t *Table) CreatedTime(ctx context.Context) (time.Time, error) {
	got, err := t.client.GetEntity(ctx, partitionKey, rowKey, nil)
	switch {
	case absent(err) && t.expected:
		return time.Time{}, fmt.Errorf("%s does not exist: name the account in which the Python function kept its checkpoint, the one in its setting "+
			"AZURE_STORAGE_ACCOUNT_NAME (%s), %s", t.what(), setting, instead)
	case absent(err):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, t.fail(ctx, err)
	}
	return t.read(got.Value)
}

// read extracts the time from a row.
func (t *Table) read(value []byte) (time.Time, error) {
	var row struct {
		CreatedTime string `json:"createdTime"`
	}
	if err := json.Unmarshal(value, &row); err != nil || row.CreatedTime == "" {
		return time.Time{}, t.unusable("has no text in createdTime")
	}
	at, ok := parse(row.CreatedTime)
	switch {
	case !ok:
		return time.Time{}, t.unusable(fmt.Sprintf("says %.40q, which is not a time", row.CreatedTime))
	case at.UTC().Year() < 2000: // before the source existed; the year of the zero time can't be stored
		return time.Time{}, t.unusable(fmt.Sprintf("says %.40q, which is before the first events", row.CreatedTime))
	case time.Until(at) > time.Hour:
		return time.Time{}, t.unusable(fmt.Sprintf("says %.40q, which is in the future", row.CreatedTime))
	}
	return at.UTC(), nil
}

// parse reads a time as the function wrote it: in SailPoint's format, or in
// Python's, with microseconds and a Z, or without a zone, in UTC.
func parse(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04:05Z0700"} {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// absent is strict: another 404 may come from a wrong address.
func absent(err error) bool {
	var refused *azcore.ResponseError
	return errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound &&
		(refused.ErrorCode == string(aztables.TableNotFound) || refused.ErrorCode == string(aztables.ResourceNotFound))
}

func (t *Table) unusable(what string) error {
	return fmt.Errorf("%s %s, where the Python function stopped: set %s=off, and INITIAL_LOOKBACK so that it reaches back to that time", t.what(), what, setting)
}

func (t *Table) what() string {
	return fmt.Sprintf("row %s/%s of table %s at %s", partitionKey, rowKey, tableName, t.host)
}

// fail adds the object and the remedy to an error. The result wraps no SDK
// error, because those print whole requests.
func (t *Table) fail(ctx context.Context, err error) error {
	what := "read " + t.what()
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w: check that the account's network rules allow this app, %s", what, cause, instead)
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
	if f := azsdk.Explain(err, transport.Peer{Host: t.host, Settings: setting + " and the account's network rules"}); f != nil {
		return fmt.Errorf("%s: %s, %s", what, f.Error(), instead)
	}
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s: %s: check the address (%s), and that the account's network rules allow this app, %s", what, azsdk.Text(err), setting, instead)
	}
	status := azsdk.Status(refused)
	denied := refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden
	switch {
	case denied && refused.ErrorCode == "KeyBasedAuthenticationNotPermitted":
		return fmt.Errorf("%s: %s: the account does not accept keys: set %s to https://%s, and give the identity the role %q on the account, %s", what, status, setting, t.host, role, instead)
	case denied && t.keySetting == "":
		return fmt.Errorf("%s: %s: give the identity the role %q on the account (a new assignment takes some minutes), or allow this app in its network rules, %s", what, status, role, instead)
	case denied:
		return fmt.Errorf("%s: %s: %s is wrong or for another account, or the account's network rules block this app: correct it, %s", what, status, t.keySetting, instead)
	}
	return fmt.Errorf("%s: %s: check the address (%s), %s", what, status, setting, instead)
}
