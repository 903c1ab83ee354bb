package legacy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/state/legacy"
)

// The emulators that all tests of the package share.
var plain, oauth *azurite.Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	for server, o := range map[**azurite.Server]azurite.Options{&plain: {Tables: true}, &oauth: {Tables: true, OAuth: true}} {
		if *server, err = azurite.Launch(context.Background(), o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer (*server).Stop()
	}
	return m.Run()
}

// admin is the Python function's way into its table.
func admin(t *testing.T, s *azurite.Server) *aztables.Client {
	t.Helper()
	return tables(t, s).NewClient("checkpointTable")
}

// tables is a function's way into the tables of its account.
func tables(t *testing.T, s *azurite.Server) *aztables.ServiceClient {
	t.Helper()
	cred, err := aztables.NewSharedKeyCredential(s.AccountName, s.AccountKey)
	if err != nil {
		t.Fatal(err)
	}
	o := &aztables.ClientOptions{}
	if s.Roots != nil {
		o.Transport = trusting(s)
	}
	service, err := aztables.NewServiceClientWithSharedKey(s.TableURL, cred, o)
	if err != nil {
		t.Fatal(err)
	}
	return service
}

func trusting(s *azurite.Server) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS12}}}
}

// withKey and withToken are the two ways in.
func withKey(s *azurite.Server) legacy.Config {
	return legacy.Config{ServiceURL: at(s.TableURL), AccountName: s.AccountName, AccountKey: secret.New(s.AccountKey), KeySetting: "AZURE_STORAGE_ACCESS_KEY"}
}

func withToken(s *azurite.Server, cred azurite.Credential) legacy.Config {
	return legacy.Config{ServiceURL: at(s.TableURL), Credential: cred, ClientOptions: policy.ClientOptions{Transport: trusting(s)}}
}

func open(t *testing.T, cfg legacy.Config) *legacy.Account {
	t.Helper()
	cfg.ClientOptions.Retry = policy.RetryOptions{RetryDelay: time.Millisecond, MaxRetryDelay: time.Millisecond}
	table, err := legacy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// put writes the row as the function does; nil leaves createdTime out.
func put(t *testing.T, c *aztables.Client, createdTime any) {
	t.Helper()
	row := map[string]any{"PartitionKey": "checkpointTime", "RowKey": "001"}
	if createdTime != nil {
		row["createdTime"] = createdTime
	}
	data, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpsertEntity(t.Context(), data, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace}); err != nil {
		t.Fatal(err)
	}
}

// reset leaves no table behind from an earlier test or run.
func reset(t *testing.T, c *aztables.Client) {
	t.Helper()
	drop := func() { _, _ = c.Delete(context.WithoutCancel(t.Context()), nil) }
	drop()
	t.Cleanup(drop)
}

func TestCreatedTime(t *testing.T) {
	for name, way := range map[string]struct {
		server *azurite.Server
		cfg    legacy.Config
	}{"key": {plain, withKey(plain)}, "token": {oauth, withToken(oauth, azurite.Credential{})}} {
		t.Run(name, func(t *testing.T) {
			c, table := admin(t, way.server), open(t, way.cfg)
			reset(t, c)
			for _, state := range []string{"no table", "an empty table"} {
				if at, err := table.CreatedTime(t.Context()); err != nil || !at.IsZero() {
					t.Errorf("%s: %v, %v, want none", state, at, err)
				}
				if state == "no table" {
					if _, err := c.CreateTable(t.Context(), nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			for text, want := range map[string]time.Time{
				"2026-09-24T13:08:00.123Z":         time.Date(2026, 9, 24, 13, 8, 0, 123e6, time.UTC), // as SailPoint writes it
				"2026-09-24T13:08:00.123456Z":      time.Date(2026, 9, 24, 13, 8, 0, 123456e3, time.UTC),
				"2026-09-24T13:08:00.123456":       time.Date(2026, 9, 24, 13, 8, 0, 123456e3, time.UTC),
				"2026-09-24T13:08:00Z":             time.Date(2026, 9, 24, 13, 8, 0, 0, time.UTC),
				"2026-09-24T15:08:00.123+02:00":    time.Date(2026, 9, 24, 13, 8, 0, 123e6, time.UTC),
				"2026-09-24T15:08:00.123456+0200":  time.Date(2026, 9, 24, 13, 8, 0, 123456e3, time.UTC),
				"2026-09-24 13:08:00.123456":       time.Date(2026, 9, 24, 13, 8, 0, 123456e3, time.UTC),
				"2021-09-24T13:08:00.999999999Z\n": time.Date(2021, 9, 24, 13, 8, 0, 999999999, time.UTC), // years ago: never skipped
			} {
				put(t, c, text)
				got, err := table.CreatedTime(t.Context())
				if err != nil || got != want {
					t.Errorf("%q: %v, %v, want %v", text, got, err, want)
				}
			}
		})
	}
}

// Where somebody named the account, a checkpoint that is not there may be in another one:
// to begin elsewhere would be a gap.
func TestExpected(t *testing.T) {
	cfg := withKey(plain)
	cfg.Expected = true
	c, table := admin(t, plain), open(t, cfg)
	reset(t, c)
	for range 2 { // without a table, and with an empty one
		at, err := table.CreatedTime(t.Context())
		if err == nil || !at.IsZero() {
			t.Fatalf("%v, %v, want an error", at, err)
		}
		for _, part := range []string{"does not exist", "AZURE_STORAGE_ACCOUNT_NAME", "LEGACY_CHECKPOINT=off"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v\nwant it to contain %q", err, part)
			}
		}
		_, _ = c.CreateTable(t.Context(), nil) // the first time
	}
	put(t, c, "2026-09-24T13:08:00.123Z")
	if at, err := table.CreatedTime(t.Context()); err != nil || at.IsZero() {
		t.Errorf("%v, %v, want the row", at, err)
	}
}

func TestUnusableRow(t *testing.T) {
	c, table := admin(t, plain), open(t, withKey(plain))
	reset(t, c)
	if _, err := c.CreateTable(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		value any
		want  string
	}{
		"no property":   {nil, "has no text in createdTime"},
		"empty":         {"", "has no text in createdTime"},
		"a number":      {17, "has no text in createdTime"},
		"no time":       {"yesterday", `says "yesterday", which is not a time`},
		"only a date":   {"2026-09-24", "which is not a time"},
		"tomorrow":      {time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339), "which is in the future"},
		"a whole novel": {strings.Repeat("x", 5000), `says "` + strings.Repeat("x", 40) + `", which is not a time`},
	} {
		t.Run(name, func(t *testing.T) {
			put(t, c, tc.value)
			at, err := table.CreatedTime(t.Context())
			if err == nil || !at.IsZero() {
				t.Fatalf("%v, %v, want an error", at, err)
			}
			for _, part := range []string{tc.want, "checkpointTable", "LEGACY_CHECKPOINT=off", "INITIAL_LOOKBACK"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v\nwant it to contain %q", err, part)
				}
			}
		})
	}
}

// answer is a transport with one answer.
type answer struct {
	status int
	code   string
	err    error
}

func (a answer) Do(r *http.Request) (*http.Response, error) {
	if a.err != nil {
		return nil, a.err
	}
	body := fmt.Sprintf(`{"odata.error":{"code":%q,"message":{"lang":"en","value":"canary-of-the-body"}}}`, a.code)
	h := http.Header{"Content-Type": {"application/json"}}
	if a.code != "" {
		h.Set("x-ms-error-code", a.code)
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// Whatever goes wrong: never taken for "there is none", always with the remedy,
// never with a secret.
func TestFailures(t *testing.T) {
	const key = "Y2FuYXJ5LW9mLXRoZS1rZXk="
	byKey := legacy.Config{ServiceURL: at("https://old.table.core.windows.net"), AccountName: "old", AccountKey: secret.New(key), KeySetting: "AzureWebJobsStorage"}
	byToken := legacy.Config{ServiceURL: at("https://old.table.core.windows.net"), Credential: azurite.Credential{}}
	noToken := legacy.Config{ServiceURL: at("https://old.table.core.windows.net"), Credential: azurite.Credential{Err: errors.New("no identity here at http://127.0.0.1:1/msi?resource=canary-of-the-query\nsecond line")}}
	for _, tc := range []struct {
		name string
		cfg  legacy.Config
		answer
		want []string
	}{
		{"wrong key", byKey, answer{status: 403, code: "AuthenticationFailed"}, []string{"403 AuthenticationFailed", "AzureWebJobsStorage is wrong"}},
		{"firewall", byKey, answer{status: 403, code: "AuthorizationFailure"}, []string{"network rules"}},
		{"keys forbidden", byKey, answer{status: 403, code: "KeyBasedAuthenticationNotPermitted"}, []string{"does not accept keys", "LEGACY_CHECKPOINT to https://old.table.core.windows.net", "Storage Table Data Reader"}},
		{"role missing", byToken, answer{status: 403, code: "AuthorizationPermissionMismatch"}, []string{"Storage Table Data Reader", "some minutes"}},
		{"no token", noToken, answer{status: 200}, []string{"no token: no identity here", "AZURE_CLIENT_ID"}},
		{"another 404", byKey, answer{status: 404, code: "AccountIsDisabled"}, []string{"404 AccountIsDisabled", "check the address"}},
		{"404 without a code", byKey, answer{status: 404}, []string{"404 Not Found"}},
		{"down", byKey, answer{status: 503, code: "ServerBusy"}, []string{"503 ServerBusy"}},
		{"no such host", byKey, answer{err: errors.New("dial tcp: lookup old.table.core.windows.net: no such host")}, []string{"no such host", "network rules"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.cfg.ClientOptions.Transport = tc.answer
			at, err := open(t, tc.cfg).CreatedTime(t.Context())
			if err == nil || !at.IsZero() {
				t.Fatalf("%v, %v, want an error", at, err)
			}
			for _, part := range append(tc.want, "checkpointTable", "old.table.core.windows.net", "LEGACY_CHECKPOINT=off") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v\nwant it to contain %q", err, part)
				}
			}
			for _, secret := range []string{key, "canary", "SharedKey", "Bearer", "second line"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%v\nshows %q", err, secret)
				}
			}
		})
	}
}

func TestStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, withKey(plain)).CreatedTime(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
}

// A firewall that swallows everything shows as a run without time left.
func TestNoTimeLeft(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	_, err := open(t, withKey(plain)).CreatedTime(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "network rules") || !strings.Contains(err.Error(), "LEGACY_CHECKPOINT=off") {
		t.Errorf("%v, want the deadline and what to do", err)
	}
}

// The emulator itself refuses a wrong key and a token for something else.
func TestRefused(t *testing.T) {
	wrong := withKey(plain)
	wrong.AccountKey = secret.New("d3Jvbmcga2V5")
	for name, cfg := range map[string]legacy.Config{
		"key": wrong, "token": withToken(oauth, azurite.Credential{Audience: "https://vault.azure.net"}),
	} {
		if at, err := open(t, cfg).CreatedTime(t.Context()); err == nil || !strings.Contains(err.Error(), "403") && !strings.Contains(err.Error(), "401") {
			t.Errorf("%s: %v, %v, want a refusal", name, at, err)
		}
	}
}

// at is an address as settings have it.
func at(text string) *url.URL {
	u, err := address.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}
