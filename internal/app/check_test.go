package app_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

const canary = "canary-client-secret-1f7c"

// scene is what a check meets.
type scene struct {
	tenant    *tenant.Tenant
	workspace *workspace.Workspace
	store     state.Store
	settings  config.Settings
	// credential signs in to the workspace where it takes no key.
	credential azcore.TokenCredential
	// pass stands between the client and the services; nil lets everything through.
	pass func(req *http.Request, on http.RoundTripper) (*http.Response, error)
	// person is set if the settings are those of an app elsewhere.
	person bool
	// enough, if set, ends the check behind the finding of this name.
	enough string
}

func newScene() *scene {
	return &scene{
		tenant:    &tenant.Tenant{Name: "acme", ClientID: "id", ClientSecret: canary},
		workspace: &workspace.Workspace{},
		store:     &mem.Store{},
		settings: config.Settings{RunBudget: 4 * time.Minute, Connections: []config.Connection{{
			Tenant: "acme",
			Sources: []config.Source{&config.SailPoint{
				BaseURL: &url.URL{Scheme: "https", Host: "acme.api.identitynow.example"}, APIVersion: "v1",
				ClientID: "id", ClientSecret: secret.Plain(canary), Limit: 1000,
			}},
			Sink: config.Sink{
				IngestionAPI: config.UseDataCollector,
				DataCollector: config.DataCollector{
					WorkspaceID: workspace.DefaultID, SharedKey: secret.Plain(workspace.DefaultKey),
					URL: &url.URL{Scheme: "https", Host: workspace.DefaultID + ".ods.opinsights.azure.com"},
				},
			},
			InitialLookback: 24 * time.Hour, SettleDelay: time.Minute,
			AuditAges: []time.Duration{5 * time.Minute, time.Hour}, LedgerKeep: 168 * time.Hour, Health: true,
		}}},
	}
}

// connection is the only one.
func (s *scene) connection() *config.Connection { return &s.settings.Connections[0] }

// source is what it reads from.
func (s *scene) source() *config.SailPoint { return s.connection().Sources[0].(*config.SailPoint) }

// RoundTrip calls the service that the host belongs to.
func (s *scene) RoundTrip(req *http.Request) (*http.Response, error) {
	service := fault.Transport(s.workspace)
	if req.URL.Host == s.source().BaseURL.Host {
		service = fault.Transport(dated(s.tenant))
	}
	if s.pass != nil {
		return s.pass(req, service)
	}
	return service.RoundTrip(req)
}

// dated adds what the server of net/http adds.
func dated(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
		h.ServeHTTP(w, r)
	})
}

// check runs a check, in virtual time, and returns its findings by name.
func (s *scene) check(t *testing.T) (order []string, found map[string]check.Finding) {
	t.Helper()
	found = map[string]check.Finding{}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Credential: s.credential, Person: s.person}
		app.Check(ctx, s.settings, o, func(f check.Finding) {
			if strings.Contains(f.Detail, canary) || strings.Contains(f.Detail, workspace.DefaultKey) || strings.ContainsAny(f.Detail, "\n\r") {
				t.Errorf("shows a secret, or is more than a line: %+v", f)
			}
			if f.State != check.Passed && f.State != check.Failed && f.State != check.Skipped || f.Detail == "" {
				t.Errorf("not a finding: %+v", f)
			}
			order = append(order, f.Item)
			found[f.Item] = f
			if f.Item == s.enough {
				cancel()
			}
		})
	})
	for _, secret := range s.tenant.Tokens() {
		for _, f := range found {
			if strings.Contains(f.Detail, secret) {
				t.Errorf("shows a token: %+v", f)
			}
		}
	}
	want := everything()
	if daily := s.connection().ReadBack.Daily; daily != "" && daily != config.NoReadBack {
		want = slices.Insert(want, len(want)-1, "read-back")
	}
	if _, ok := found["backfills Events"]; ok { // a stream without backfills has no such finding
		want = slices.Insert(want, slices.Index(want, "lock Events")+1, "backfills Events")
	}
	if s.settings.FanOut {
		want = append(want, "queue")
	}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("order of the findings (-want +got):\n%s", diff)
	}
	if rows := s.workspace.Stats().Rows; rows > 0 {
		t.Errorf("%d rows were ingested", rows)
	}
	return order, found
}

func everything() []string {
	return []string{
		"settings: source", "settings: destination", "settings: state", "settings: run", "settings: proof",
		"tenant", "token", "search", "triggers", "state", "checkpoint Events", "lock Events", "checkpoint Triggers", "lock Triggers", "function", "workspace", "clock",
	}
}

func TestCheckPasses(t *testing.T) {
	s := newScene()
	store := &mem.Store{}
	s.store = store
	if _, err := store.Put(t.Context(), "acme/checkpoints/SailPointIDN_Events.json",
		[]byte(`{"version":1,"stream":"SailPointIDN_Events","cursor":{},"through":"1999-12-31T23:00:00Z"}`), state.Absent); err != nil {
		t.Fatal(err)
	}
	_, found := s.check(t)
	for item, want := range map[string]string{
		"settings: source":      "tenant acme at https://acme.api.identitynow.example, API version v1, pages of 1000 events",
		"settings: destination": "DataCollector, workspace " + workspace.DefaultID + " at https://" + workspace.DefaultID + ".ods.opinsights.azure.com",
		"settings: run":         "a first run begins 24h back, the newest 1m are left to settle, a run takes at most 4m, log level info",
		"settings: proof":       "counts are compared at the age of 5m, 1h; delivered ids are kept 168h; one health row for each run",
		"tenant":                "acme.api.identitynow.example answers for the tenant acme, pod synthetic-pod",
		"token":                 "CLIENT_ID and CLIENT_SECRET are accepted",
		"search":                "events can be read (scope sp:search:read); the last 24 hours have 0",
		"checkpoint Events":     "delivered through 1999-12-31T23:00:00Z, 1h ago",
		"checkpoint Triggers":   "none yet: the first run reads all that SailPoint still lists",
		"clock":                 "this machine's clock is within 1s of the workspace and within 1s of SailPoint",
	} {
		if diff := cmp.Diff(check.Finding{Item: item, State: check.Passed, Detail: want}, found[item]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for _, f := range found {
		if f.State != check.Passed {
			t.Errorf("%+v", f)
		}
	}
	for info, err := range store.List(t.Context(), "") {
		if err != nil || !strings.Contains(info.Key, "/checkpoints/") {
			t.Errorf("left in the state: %s, %v", info.Key, err)
		}
	}
}

// TestCheckFails: each fault is found where it is, with the remedy, what needs
// the broken part is skipped, and the rest is checked all the same.
func TestCheckFails(t *testing.T) {
	behind := []string{"search", "triggers"}
	for _, test := range []struct {
		name    string
		arrange func(s *scene)
		item    string
		says    []string
		skipped []string
		failing []string // besides item
	}{
		{
			"unknown host", func(s *scene) {
				s.pass = toTenant(s, &net.DNSError{Err: "no such host", Name: "acme", IsNotFound: true})
			},
			"tenant",
			[]string{"there is no host acme.api.identitynow.example", "TENANT_ID", "SAILPOINT_BASE_URL"},
			append([]string{"token"}, behind...), nil,
		},
		{
			"host refuses", func(s *scene) { s.pass = toTenant(s, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}) },
			"tenant",
			[]string{"connection refused", "gave up after 3 attempts"},
			append([]string{"token"}, behind...), nil,
		},
		{
			"host of something else", func(s *scene) {
				s.pass = func(req *http.Request, _ http.RoundTripper) (*http.Response, error) {
					return fault.Transport(s.workspace).RoundTrip(req)
				}
			},
			"tenant",
			[]string{"404", "acme.api.identitynow.example", "TENANT_ID"},
			append([]string{"token"}, behind...), nil,
		},
		{
			"wrong secret", func(s *scene) { s.source().ClientSecret = secret.Plain("canary-other") },
			"token",
			[]string{"401 invalid_client", "CLIENT_SECRET is wrong", "create a personal access token"},
			behind, nil,
		},
		{
			"no scope for search", func(s *scene) { s.tenant.Scopes = []string{tenant.ScopeStatus} },
			"search",
			[]string{"403", "CLIENT_ID needs the scope sp:search:read"},
			nil, nil,
		},
		{
			"no scope for triggers", func(s *scene) { s.tenant.Scopes = []string{tenant.ScopeSearch} },
			"triggers",
			[]string{"403", "CLIENT_ID needs the scope sp:trigger-service-invocation-status:read"},
			nil, nil,
		},
		{
			"wrong workspace key", func(s *scene) { s.connection().DataCollector.SharedKey = secret.Plain("b3RoZXI=") },
			"workspace",
			[]string{"403", "SHARED_KEY does not belong to CUSTOMER_ID", "copy both again"},
			nil, nil,
		},
		{
			"clock far behind", func(s *scene) { s.workspace.Now = func() time.Time { return time.Now().Add(20 * time.Minute) } },
			"workspace",
			[]string{"clock is off by 20 minutes, behind", "set the clock"},
			nil,
			[]string{"clock"},
		},
		{
			"clock ahead", func(s *scene) { s.workspace.Now = func() time.Time { return time.Now().Add(-2 * time.Minute) } },
			"clock",
			[]string{"2m0s ahead of the workspace and within 1s of SailPoint", "set the clock"},
			nil, nil,
		},
		{
			"store is read-only", func(s *scene) {
				s.store = &mem.Store{Before: func(op mem.Op, _ string) error {
					if op == mem.Put {
						return errors.New("canvas is read-only: mend STATE_URL")
					}
					return nil
				}}
			},
			"state",
			[]string{"put", "mend STATE_URL"},
			[]string{"checkpoint Events", "lock Events", "checkpoint Triggers", "lock Triggers", "function"},
			nil,
		},
		{
			"store without conditions", func(s *scene) { s.store = careless{&mem.Store{}} },
			"state",
			[]string{"was overwritten although it exists", "STATE_URL"},
			[]string{"checkpoint Events", "lock Events", "checkpoint Triggers", "lock Triggers", "function"},
			nil,
		},
		{
			"store without locks", func(s *scene) { s.store = lockless{&mem.Store{}} },
			"state",
			[]string{"could be taken twice", "STATE_URL"},
			[]string{"checkpoint Events", "lock Events", "checkpoint Triggers", "lock Triggers", "function"},
			nil,
		},
		{
			"store that garbles", func(s *scene) { s.store = garbling{&mem.Store{}} },
			"state",
			[]string{"contains different bytes", "STATE_URL"},
			[]string{"checkpoint Events", "lock Events", "checkpoint Triggers", "lock Triggers", "function"},
			nil,
		},
		{
			"outcomes are damaged", func(s *scene) {
				if _, err := s.store.Put(context.Background(), "acme/runs/SailPointIDN_Events.json", []byte(`{"ver`), state.Absent); err != nil {
					panic(err)
				}
			},
			"function",
			[]string{"acme/runs/SailPointIDN_Events.json", "damaged", "the next run replaces it"},
			nil, nil,
		},
		{
			"checkpoint is damaged", func(s *scene) { put(s, "SailPointIDN_Events", `{"version":1,`) },
			"checkpoint Events",
			[]string{"acme/checkpoints/SailPointIDN_Events.json", "damaged", "restore an earlier copy"},
			nil, nil,
		},
		{
			"checkpoint is newer", func(s *scene) { put(s, "SailPointIDN_Triggers", `{"version":99}`) },
			"checkpoint Triggers",
			[]string{"acme/checkpoints/SailPointIDN_Triggers.json", "newer", "upgrade"},
			nil, nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			test.arrange(s)
			_, found := s.check(t)
			f := found[test.item]
			if f.State != check.Failed {
				t.Errorf("%+v, want that it failed", f)
			}
			for _, text := range test.says {
				if !strings.Contains(f.Detail, text) {
					t.Errorf("%s says %q, want %q in it", f.Item, f.Detail, text)
				}
			}
			want := map[string]check.Verdict{test.item: check.Failed}
			for _, item := range test.failing {
				want[item] = check.Failed
			}
			for _, item := range test.skipped {
				want[item] = check.Skipped
				if !strings.HasPrefix(found[item].Detail, "needs ") {
					t.Errorf("%s is skipped with %q, want what it needs", item, found[item].Detail)
				}
			}
			for item, f := range found {
				if f.State != orPassed(want[item]) {
					t.Errorf("%+v, want %s", f, orPassed(want[item]))
				}
			}
		})
	}
}

func orPassed(v check.Verdict) check.Verdict {
	if v == "" {
		return check.Passed
	}
	return v
}

// toTenant makes every request to the tenant fail before it is sent.
func toTenant(s *scene, err error) func(*http.Request, http.RoundTripper) (*http.Response, error) {
	return func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
		if req.URL.Host == s.source().BaseURL.Host {
			return nil, err
		}
		return on.RoundTrip(req)
	}
}

// put stores a checkpoint.
func put(s *scene, stream, data string) {
	if _, err := s.store.Put(context.Background(), "acme/checkpoints/"+stream+".json", []byte(data), state.Absent); err != nil {
		panic(err)
	}
}

// careless is a store that overwrites whatever is there.
type careless struct{ *mem.Store }

func (s careless) Put(ctx context.Context, key string, data []byte, _ state.ETag) (state.ETag, error) {
	return s.Store.Put(ctx, key, data, state.Any)
}

// lockless is a store whose locks hold nobody back.
type lockless struct{ *mem.Store }

func (s lockless) Lock(ctx context.Context, _ string) (context.Context, func(context.Context) error, error) {
	return ctx, func(context.Context) error { return nil }, nil
}

// garbling is a store that returns something else than was stored.
type garbling struct{ *mem.Store }

func (s garbling) Get(ctx context.Context, key string) (state.Object, error) {
	o, err := s.Store.Get(ctx, key)
	if err == nil {
		o.Data = o.Data[:len(o.Data)-1]
	}
	return o, err
}

// TestCheckOfSilentTenant: the description of a tenant is documented loosely, so
// a tenant that does not give it but gives tokens is all right.
func TestCheckOfSilentTenant(t *testing.T) {
	s := newScene()
	s.pass = func(req *http.Request, on http.RoundTripper) (*http.Response, error) {
		if req.URL.Path == "/oauth/info" {
			req.URL.Path = "/nothing"
		}
		return on.RoundTrip(req)
	}
	_, found := s.check(t)
	if f := found["tenant"]; f.State != check.Passed || !strings.Contains(f.Detail, "gives tokens, but does not say who it is") {
		t.Errorf("%+v", f)
	}
	if f := found["search"]; f.State != check.Passed {
		t.Errorf("%+v", f)
	}
}

// TestCheckRepeats: what passes by itself is no finding.
func TestCheckRepeats(t *testing.T) {
	s := newScene()
	s.tenant.Faults = &fault.Plan{Rules: []fault.Rule{
		{Kind: fault.Unavailable, Path: "/oauth/info", Nth: []int{1, 2}},
		{Kind: fault.TooManyRequests, Path: "/search/v1", Nth: []int{1}, RetryAfter: "3"},
	}}
	_, found := s.check(t)
	for _, item := range []string{"tenant", "search"} {
		if f := found[item]; f.State != check.Passed {
			t.Errorf("%+v", f)
		}
	}
	if n := s.tenant.Faults.Total(); n != 3 {
		t.Errorf("met %d faults, want 3", n)
	}
}

// TestCheckStops: a check that is told to stop says for the rest that it did not
// look, instead of calling it broken.
func TestCheckStops(t *testing.T) {
	for enough, rest := range map[string][]string{
		"settings: proof": {"tenant", "token", "state", "workspace"},
		"token":           {"search", "triggers", "state", "workspace"},
		"triggers":        {"state", "workspace"},
	} {
		t.Run(enough, func(t *testing.T) {
			s := newScene()
			s.enough = enough
			_, found := s.check(t)
			for _, item := range rest {
				if f := found[item]; f.State != check.Skipped || f.Detail != "stopped" {
					t.Errorf("%+v, want that it was skipped", f)
				}
			}
			for _, f := range found {
				if f.State == check.Failed {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// TestCheckOfOutput: a file for the records is opened, and what is in it stays.
func TestCheckOfOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, verdict := range map[string]check.Verdict{path: check.Passed, filepath.Join(path, "below"): check.Failed} {
		s := newScene()
		s.connection().IngestionAPI, s.connection().NDJSONPath = config.UseNDJSON, file
		found := map[string]check.Finding{}
		synctest.Test(t, func(t *testing.T) {
			o := app.Options{HTTP: &http.Client{Transport: s}, Store: s.store, Credential: s.credential}
			app.Check(t.Context(), s.settings, o, func(f check.Finding) { found[f.Item] = f })
		})
		f := found["output"]
		if f.State != verdict || verdict == check.Failed && !strings.Contains(f.Detail, "NDJSON_PATH") {
			t.Errorf("%s: %+v, want %s", file, f, verdict)
		}
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "{}\n" {
		t.Errorf("the file holds %q, %v", data, err)
	}
}

// TestPlace: a person sees where the state is and how the connector signs in there, and no key.
func TestPlace(t *testing.T) {
	account := config.Account{
		Auth: config.AccountKey, Setting: "AZURE_STORAGE_ACCESS_KEY", Name: "acme", Key: secret.Plain(canary),
		BlobEndpoint: &url.URL{Scheme: "https", Host: "acme.blob.core.windows.net"},
	}
	identity := account
	identity.Auth, identity.Setting, identity.Key = config.ManagedIdentity, "AzureWebJobsStorage__accountName", secret.Value{}
	dir := t.TempDir()
	for want, where := range map[string]config.State{
		"folder " + dir: {Dir: dir},
		"container state at https://acme.blob.core.windows.net, signed in with an account key (AZURE_STORAGE_ACCESS_KEY)":             {Container: "state", Account: account},
		"container state at https://acme.blob.core.windows.net, signed in with a managed identity (AzureWebJobsStorage__accountName)": {Container: "state", Account: identity},
	} {
		if diff := cmp.Diff(want, app.Place(config.Settings{State: where}, app.Options{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
