package app_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/entra"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/vault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

// provider is a function app that serves customers in directories of their own. Each has a workspace,
// a rule and a vault there; the app's own directory has a vault, too.
type provider struct {
	cloud     *entra.Cloud
	home      *entra.Directory
	managed   *entra.Managed
	app       *entra.App
	customers map[string]*customer
	vault     *vault.Vault
	env       map[string]string
	log       bytes.Buffer
	store     *mem.Store
}

type customer struct {
	directory *entra.Directory
	principal string // object ID of the app there
	rule      *workspace.Rule
	workspace *workspace.Workspace
	tenant    *tenant.Tenant
	vault     *vault.Vault
}

const (
	multiTenantApp = "aaaaaaaa-0000-4000-a000-00000000000a"
	homeDirectory  = "bbbbbbbb-0000-4000-a000-00000000000b"
)

// guid is an ID that is made of a kind and a name.
func guid(kind, name string) string { return uuid.NewSHA1(uuid.Nil, []byte(kind+"/"+name)).String() }

func ruleOf(name string) string { return "dcr-" + strings.ReplaceAll(guid("rule", name), "-", "") }

// newProvider has customers of these names. The secret of the first one is in its own vault.
func newProvider(t *testing.T, names ...string) *provider {
	t.Helper()
	t.Setenv("IDENTITY_ENDPOINT", "http://platform.example/msi/token")
	t.Setenv("IDENTITY_HEADER", entra.PlatformHeader)
	p := &provider{cloud: entra.New(), customers: map[string]*customer{}, store: &mem.Store{}}
	p.home = p.cloud.Directory(homeDirectory)
	p.managed, p.app = p.home.Managed(uuid.NewString()), p.home.Register(multiTenantApp)
	p.app.Trust(p.managed.Credential())
	p.vault = &vault.Vault{Directory: homeDirectory, Readers: []string{p.managed.Object}}
	p.env = map[string]string{
		"CONNECTIONS": strings.Join(names, ","), "AZURE_CLIENT_ID": p.managed.ClientID, "WORKSPACE_APP_ID": multiTenantApp,
		"AZURE_STORAGE_ACCOUNT_NAME": "account", "READ_BACK": "report", "HEALTH_TABLE": "true",
	}
	for i, name := range names {
		c := &customer{directory: p.cloud.Directory(guid("directory", name)), rule: workspace.NewRule()}
		c.principal = c.directory.Consent(p.app)
		c.rule.Directory, c.rule.Senders = c.directory.ID, []string{c.principal}
		c.workspace = &workspace.Workspace{ID: guid("workspace", name), Rules: map[string]*workspace.Rule{ruleOf(name): c.rule}}
		c.workspace.Queries.Directory, c.workspace.Queries.Readers = c.directory.ID, []string{c.principal}
		id := guid("client", name)
		c.tenant = &tenant.Tenant{Name: name + "-org", ClientID: id, ClientSecret: canary + "-" + name}
		c.vault = &vault.Vault{Directory: c.directory.ID, Readers: []string{c.principal}}
		kept := "https://" + name + "-kv.vault.azure.net/secrets/client-secret"
		if i > 0 {
			kept = "https://home-kv.vault.azure.net/secrets/" + name
		}
		c.vault.Set("client-secret", canary+"-"+name)
		p.vault.Set(name, canary+"-"+name)
		for setting, value := range map[string]string{
			"TENANT_ID": name + "-org", "CLIENT_ID": id, "CLIENT_SECRET": kept,
			"WORKSPACE_DIRECTORY_ID": c.directory.ID, "CUSTOMER_ID": c.workspace.ID, "DCR_IMMUTABLE_ID": ruleOf(name),
			"LOGS_INGESTION_ENDPOINT": "https://" + name + "-rule.westeurope-1.ingest.monitor.azure.com",
		} {
			p.env[strings.ToUpper(name)+"_"+setting] = value
		}
		p.customers[name] = c
	}
	return p
}

// RoundTrip is the network. All workspaces are queried at one address, which finds them by their ID.
func (p *provider) RoundTrip(req *http.Request) (*http.Response, error) {
	name, rest, _ := strings.Cut(req.URL.Host, ".")
	name, kind, _ := strings.Cut(name, "-")
	c := p.customers[name]
	h := http.NotFoundHandler()
	switch {
	case req.URL.Host == "platform.example":
		h = p.cloud.Platform()
	case req.URL.Host == "login.microsoftonline.com":
		h = p.cloud.SignIn()
	case name == "home":
		h = p.vault
	case req.URL.Host == "api.loganalytics.io":
		for _, one := range p.customers {
			if strings.Contains(req.URL.Path, one.workspace.ID) {
				h = one.workspace
			}
		}
	case c == nil:
	case kind == "kv":
		h = c.vault
	case kind == "rule":
		h = c.workspace
	case strings.HasPrefix(rest, "api.identitynow"):
		h = c.tenant
	}
	return fault.Transport(dated(h)).RoundTrip(req)
}

func (p *provider) settings(t *testing.T) config.Settings {
	t.Helper()
	s, err := config.Load(app.SettingKinds(), config.Values("settings", p.env))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *provider) options() app.Options {
	return app.Options{HTTP: &http.Client{Transport: p}, Store: p.store, Log: slog.New(slog.NewJSONHandler(&p.log, nil))}
}

// rows counts what is in the workspace of a customer, by table and org.
func (c *customer) rows() map[string]int {
	counts := map[string]int{}
	for _, table := range c.workspace.Tables() {
		for _, row := range table.Rows() {
			org, _, _ := strings.Cut(row["org_s"], ".")
			counts[row["Type"]+" "+org]++
		}
	}
	return counts
}

// quiet fails if a text shows a secret, a token or an assertion.
func quiet(t *testing.T, text string) {
	t.Helper()
	for _, bad := range []string{"eyJ", canary, entra.PlatformHeader} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is in: %s", bad, text)
		}
	}
}

// Three customers in three directories: the rows of each arrive in its own workspace and nowhere else.
// One that has not consented to the app fails with the words for it, and delays nobody; once it has,
// the next poll delivers.
func TestWorkspacesOfManyDirectories(t *testing.T) {
	p := newProvider(t, "acme", "globex", "initech")
	synctest.Test(t, func(t *testing.T) {
		for name, c := range p.customers {
			for n := range 5 {
				at := time.Now().Add(-2 * time.Minute)
				c.tenant.AddEvent(fmt.Appendf(nil, `{"id":"%s-%d","org":"%s-org","created":%q,"type":"AUTH"}`, name, n, name, at.UTC().Format("2006-01-02T15:04:05.000Z")), at)
			}
		}
		p.customers["initech"].directory.Remove(p.app)
		a, err := app.Open(p.settings(t), p.options())
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		poll := func() {
			begun := time.Now()
			for _, r := range a.Poll(t.Context()) {
				if r.Stream == events {
					got[r.Connection] = fmt.Sprintf("%s %d", r.State, r.Sent)
				}
				quiet(t, r.Error+strings.Join(r.Warnings, " "))
				if failed := r.State == pipeline.Failed; r.Stream == events && failed != strings.Contains(r.Error, "AADSTS700016") || failed && !strings.Contains(r.Error, "az ad sp create --id "+multiTenantApp) {
					t.Errorf("%s: %s", r.Connection, r.Error)
				}
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		}
		poll()
		if diff := cmp.Diff(map[string]string{"acme": "drained 5", "globex": "drained 5", "initech": "failed 0"}, got); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
		<-time.After(time.Minute)
		p.customers["initech"].directory.Consent(p.app)
		poll()
		if diff := cmp.Diff(map[string]string{"acme": "drained 0", "globex": "drained 0", "initech": "drained 5"}, got); diff != "" {
			t.Errorf("reports with consent (-want +got):\n%s", diff)
		}
		for name, c := range p.customers {
			for what, n := range c.rows() {
				if _, org, _ := strings.Cut(what, " "); org != name+"-org" || n == 0 {
					t.Errorf("the workspace of %s has %d rows of %s", name, n, what)
				}
			}
			if n := c.rows()["SailPointIDN_Events_CL "+name+"-org"]; n != 5 {
				t.Errorf("the workspace of %s has %d events", name, n)
			}
		}
		granted := map[string]int{}
		for _, r := range p.cloud.Requests() {
			if r.Refused == "" {
				granted[r.Directory+" "+r.Scope]++
			}
		}
		want := map[string]int{p.customers["acme"].directory.ID + " https://vault.azure.net": 1}
		for _, c := range p.customers {
			want[c.directory.ID+" https://monitor.azure.com"] = 1
		}
		if diff := cmp.Diff(want, granted); diff != "" {
			t.Errorf("tokens (-want +got):\n%s", diff)
		}
	})
	quiet(t, p.log.String())
}

// A sign-in service that hangs for one customer costs the others nothing.
func TestDirectoryThatHangs(t *testing.T) {
	p := newProvider(t, "acme", "globex")
	synctest.Test(t, func(t *testing.T) {
		p.customers["globex"].directory.Hang(make(chan struct{}))
		for name, c := range p.customers {
			at := time.Now().Add(-2 * time.Minute)
			c.tenant.AddEvent(fmt.Appendf(nil, `{"id":"%s","org":"%s-org","created":%q,"type":"AUTH"}`, name, name, at.UTC().Format("2006-01-02T15:04:05.000Z")), at)
		}
		a, err := app.Open(p.settings(t), p.options())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		var arrived time.Duration
		begun := time.Now()
		p.customers["acme"].workspace.OnAck = func(int) {
			if arrived == 0 {
				arrived = time.Since(begun)
			}
		}
		for _, r := range a.Poll(ctx) {
			if r.Connection == "acme" && r.State != pipeline.Drained || r.Connection == "globex" && r.Stream == events && !strings.Contains(r.Error, "sign-in service") {
				t.Errorf("%s: %s %s", r.Connection, r.State, r.Error)
			}
		}
		if arrived == 0 || arrived > 10*time.Second {
			t.Errorf("acme's rows came after %v", arrived)
		}
		<-time.After(time.Minute) // a sign-in ends by itself, whoever waits for it
	})
}

// A check says for each connection which directory, identity, rule and workspace it writes to, and what
// is missing in which directory.
func TestCheckOfManyDirectories(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*provider, *customer)
		finding string
		state   check.Verdict
		says    []string
	}{
		"right":           {func(*provider, *customer) {}, "workspace", check.Passed, []string{"accepts the app " + multiTenantApp, "directory " + guid("directory", "acme")}},
		"destination":     {func(*provider, *customer) {}, "settings: destination", check.Passed, []string{ruleOf("acme"), "of the workspace " + guid("workspace", "acme"), "signed in as the app " + multiTenantApp, "in the directory " + guid("directory", "acme"), "which trusts the managed identity"}},
		"secret there":    {func(*provider, *customer) {}, "secret ACME_CLIENT_SECRET", check.Passed, []string{"vault https://acme-kv.vault.azure.net"}},
		"queries":         {func(*provider, *customer) {}, "read-back", check.Passed, []string{"can be queried"}},
		"not consented":   {func(p *provider, c *customer) { c.directory.Remove(p.app) }, "workspace", check.Failed, []string{"AADSTS700016", "az ad sp create"}},
		"no credential":   {func(p *provider, _ *customer) { p.app.Distrust() }, "workspace", check.Failed, []string{"AADSTS700211", "lacks a federated credential"}},
		"wrong directory": {func(p *provider, c *customer) { p.env["ACME_WORKSPACE_DIRECTORY_ID"] = guid("directory", "nobody") }, "workspace", check.Failed, []string{"AADSTS90002", "check WORKSPACE_DIRECTORY_ID"}},
		"another's directory": {func(p *provider, c *customer) {
			p.env["ACME_WORKSPACE_DIRECTORY_ID"] = p.customers["globex"].directory.ID
		}, "workspace", check.Failed, []string{"status 401", "WORKSPACE_DIRECTORY_ID", "directory of the subscription that the data collection rule is in"}},
		"no role":              {func(_ *provider, c *customer) { c.rule.Senders = []string{} }, "workspace", check.Failed, []string{"status 403", "an owner of the rule gives its service principal in that directory the role Monitoring Metrics Publisher"}},
		"no role to query":     {func(_ *provider, c *customer) { c.workspace.Queries.Readers = nil }, "read-back", check.Failed, []string{"an owner of the workspace", "role Log Analytics Reader"}},
		"no role on the vault": {func(_ *provider, c *customer) { c.vault.Readers = []string{} }, "secret ACME_CLIENT_SECRET", check.Failed, []string{`the role "Key Vault Secrets User"`, "service principal of the app " + multiTenantApp}},
		"own vault, no role":   {func(p *provider, _ *customer) { p.vault.Readers = []string{} }, "secret GLOBEX_CLIENT_SECRET", check.Failed, []string{`the role "Key Vault Secrets User"`, "the app's managed identity"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, "acme", "globex")
			tc.prepare(p, p.customers["acme"])
			synctest.Test(t, func(t *testing.T) {
				found := map[string]check.Finding{}
				app.Check(t.Context(), p.settings(t), p.options(), func(f check.Finding) {
					quiet(t, f.Detail)
					if f.Connection == "acme" || strings.Contains(f.Item, "GLOBEX") {
						found[f.Item] = f
					}
				})
				f := found[tc.finding]
				if f.State != tc.state {
					t.Errorf("%+v", f)
				}
				for _, want := range tc.says {
					if !strings.Contains(f.Detail, want) {
						t.Errorf("%q is not in: %s", want, f.Detail)
					}
				}
			})
		})
	}
}
