package deployed_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/arm"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/deployed"
)

const (
	canary = "canary-app-setting-77ab21"
	other  = "0b9f5a3a-7d52-4f6e-8c11-5a0c3b1d2e02"
)

// world is a resource manager with an app, and a client of it.
type world struct {
	*deployed.Client
	arm  *arm.ARM
	site *arm.Site
}

func newWorld(t *testing.T) world {
	t.Helper()
	a := &arm.ARM{}
	site := a.Add(arm.Site{
		Name: "func-acme", Group: "rg-Acme", Subscription: arm.Subscription,
		Settings: map[string]string{
			"TENANT_ID": "acme", "CLIENT_SECRET": "@Microsoft.KeyVault(VaultName=kv;SecretName=client-secret)", "SHARED_KEY": canary,
			"WEBHOOK_TOKEN": "@Microsoft.KeyVault(VaultName=kv;SecretName=hook)", "OKTA_API_TOKEN": "@Microsoft.KeyVault(VaultName=kv;SecretName=okta)",
		},
		Statuses: map[string]string{"WEBHOOK_TOKEN": "AccessToKeyVaultDenied"}, Functions: map[string]bool{"function": false, "hooks": true},
	})
	return world{clientOf(t, a, workspace.Credential{}), a, site}
}

func clientOf(t *testing.T, h http.Handler, credential azcore.TokenCredential) *deployed.Client {
	t.Helper()
	where, err := deployed.ParseCloud(t.Context(), "public", nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := deployed.Config{Cloud: where, Credential: credential}
	cfg.ClientOptions.Transport = &http.Client{Transport: fault.Transport(h)}
	c, err := deployed.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRead: an app is found by its name alone, and all that is known about it is read.
func TestRead(t *testing.T) {
	w := newWorld(t)
	for name, asked := range map[string]deployed.Name{
		"the name":       {App: "FUNC-acme"},
		"its address":    {App: "https://func-acme.azurewebsites.net/"},
		"with its group": {App: "func-acme", Group: "RG-acme"},
		"all":            {App: "func-acme", Group: "rg-acme", Subscription: arm.Subscription},
		"resource ID":    {App: "/subscriptions/" + arm.Subscription + "/resourceGroups/rg-acme/providers/Microsoft.Web/sites/func-acme"},
		"production":     {App: "func-acme", Slot: "Production"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := w.Find(t.Context(), asked)
			want := deployed.Site{
				Name: deployed.Name{App: "func-acme", Group: "rg-Acme", Subscription: arm.Subscription},
				ID:   "/subscriptions/" + arm.Subscription + "/resourceGroups/rg-Acme/providers/Microsoft.Web/sites/func-acme",
				Kind: "functionapp,linux", Location: "West Europe", State: "Running", Plan: "FlexConsumption", Host: "func-acme.azurewebsites.net",
			}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
	w.arm.Add(arm.Site{Name: "func-acme", Slot: "stage", Group: "rg-Acme", Subscription: arm.Subscription, Settings: map[string]string{"TENANT_ID": "test"}})
	slot, err := w.Find(t.Context(), deployed.Name{App: "func-acme", Slot: "stage"})
	if err != nil {
		t.Fatal(err)
	}
	if settings, err := w.Settings(t.Context(), slot); err != nil || settings["TENANT_ID"] != "test" || slot.Label() != "func-acme/stage" {
		t.Errorf("the slot %s: %v, %v", slot.Label(), settings, err)
	}
	site, err := w.Find(t.Context(), deployed.Name{App: "func-acme"})
	if err != nil {
		t.Fatal(err)
	}
	settings, err := w.Settings(t.Context(), site)
	if diff := cmp.Diff(w.site.Settings, settings); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	references, err := w.References(t.Context(), site) // comes in pages
	if diff := cmp.Diff([]deployed.Reference{{"CLIENT_SECRET", "Resolved"}, {"OKTA_API_TOKEN", "Resolved"}, {"WEBHOOK_TOKEN", "AccessToKeyVaultDenied"}}, references); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	functions, err := w.Functions(t.Context(), site)
	if diff := cmp.Diff([]deployed.Function{{"function", false}, {"hooks", true}}, functions); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, r := range w.arm.Requests() {
		if r.Method != http.MethodGet && !strings.HasSuffix(r.Path, "/list") && !strings.HasSuffix(r.Path, "/resources") {
			t.Errorf("%s %s: a look changes something", r.Method, r.Path)
		}
	}
}

// noToken is a credential of somebody who is not signed in.
type noToken struct{}

func (noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("DefaultAzureCredential: failed to acquire a token.\nAttempted credentials:\n\tAzureCLICredential: Please run 'az login'")
}

// elsewhere is a credential whose tokens are for another service.
type elsewhere struct{ workspace.Credential }

func (e elsewhere) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return e.Credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
}

// TestTrouble: each trouble is one sentence that names what to do, and shows neither a token nor the
// value of a setting.
func TestTrouble(t *testing.T) {
	all := deployed.Name{App: "func-acme", Group: "rg-acme", Subscription: arm.Subscription}
	for name, test := range map[string]struct {
		prepare    func(*world)
		credential azcore.TokenCredential
		asked      deployed.Name
		want       []string
		usage      bool
	}{
		"no such app":            {nil, nil, deployed.Name{App: "func-acne"}, []string{"there is no function app func-acne that you can see", "az functionapp list"}, false},
		"not in this group":      {nil, nil, deployed.Name{App: "func-acme", Group: "rg-other"}, []string{"func-acme in a resource group rg-other"}, false},
		"no such app, asked":     {nil, nil, deployed.Name{App: "func-acne", Group: "rg-acme", Subscription: arm.Subscription}, []string{"there is no app func-acne in the resource group rg-acme"}, false},
		"no such group":          {nil, nil, deployed.Name{App: "func-acme", Group: "rg-other", Subscription: arm.Subscription}, []string{"there is no resource group rg-other", "--resource-group"}, false},
		"no such subscription":   {nil, nil, deployed.Name{App: "func-acme", Group: "rg-acme", Subscription: other}, []string{"there is no subscription " + other, "az login --tenant"}, false},
		"no such slot":           {nil, nil, deployed.Name{App: "func-acme", Slot: "stage"}, []string{"has no slot stage", "Flex Consumption has none"}, false},
		"several":                {func(w *world) { w.arm.Add(arm.Site{Name: "func-acme", Group: "rg-two", Subscription: other}) }, nil, deployed.Name{App: "func-acme"}, []string{"there are 2 apps func-acme", "--resource-group rg-two --subscription " + other}, true},
		"a web app":              {func(w *world) { w.site.Kind = "app,linux" }, nil, all, []string{"not a function app", `"app,linux"`}, false},
		"no role":                {func(w *world) { w.arm.Deny() }, nil, all, []string{"Microsoft.Web/sites/read", "the role Reader on /subscriptions/" + arm.Subscription}, false},
		"reader":                 {func(w *world) { w.arm.Allow(arm.Reader) }, nil, all, []string{"Microsoft.Web/sites/config/list/action", "the role Website Contributor on /subscriptions/", "sites/func-acme"}, false},
		"not signed in":          {nil, noToken{}, all, []string{"you are not signed in to Azure", "az login"}, false},
		"token for another":      {nil, elsewhere{}, all, []string{"does not accept the sign-in", "401 InvalidAuthenticationToken", "az login"}, false},
		"expired":                {nil, workspace.Credential{Life: -time.Minute}, all, []string{"401 ExpiredAuthenticationToken", "az login"}, false},
		"throttled for long":     {func(w *world) { w.arm.Busy(1, 300) }, nil, all, []string{"limits the number of requests", "try again in 5m"}, false},
		"down":                   {func(w *world) { w.arm.Down(100) }, nil, all, []string{"is not available", "503 ServerTimeout"}, false},
		"locked":                 {func(w *world) { w.site.Locked = true }, nil, all, []string{"read-only lock"}, false},
		"no name":                {nil, nil, deployed.Name{App: "func acme"}, []string{`--app is "func acme"`}, true},
		"group with a quotation": {nil, nil, deployed.Name{App: "a", Group: "x' or 1 == 1"}, []string{"--resource-group is"}, true},
		"subscription by name":   {nil, nil, deployed.Name{App: "a", Subscription: "Pay-As-You-Go"}, []string{"--subscription is", "az account list"}, true},
		"ID and another group":   {nil, nil, deployed.Name{App: "/subscriptions/" + other + "/resourceGroups/a/providers/Microsoft.Web/sites/b", Group: "c"}, []string{"omit --resource-group"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // waits between attempts take no time
				w := newWorld(t)
				if test.prepare != nil {
					test.prepare(&w)
				}
				if test.credential != nil {
					w.Client = clientOf(t, w.arm, test.credential)
				}
				site, err := w.Find(t.Context(), test.asked)
				if err == nil {
					_, err = w.Settings(t.Context(), site)
				}
				if err == nil {
					t.Fatal("no error")
				}
				for _, part := range test.want {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%q lacks %q", err, part)
					}
				}
				known := new(deployed.Error)
				if !errors.As(err, &known) || known.Usage != test.usage {
					t.Errorf("usage is %v: %v", known.Usage, err)
				}
				for _, secret := range []string{canary, "eyJ", "\n", "jo@example.com"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("%q shows %q", err, secret)
					}
				}
			})
		})
	}
}

// TestPassing: what passes by itself is waited for.
func TestPassing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.arm.Busy(2, 3)
		begin := time.Now()
		if _, err := w.Find(t.Context(), deployed.Name{App: "func-acme"}); err != nil {
			t.Error(err)
		}
		if waited := time.Since(begin); waited < 6*time.Second {
			t.Errorf("waited %v, and the service asked for twice 3 s", waited)
		}
	})
}

// TestChange: settings are replaced as a whole, byte for byte, and only if they are those that were
// read. A change that comes at the same moment is noticed.
func TestChange(t *testing.T) {
	odd := "<a href='x'>&amp;\u00e9\u2028\ufeff \"\\\" \x7f\t "
	for name, test := range map[string]struct {
		prepare func(*arm.Site)
		problem string
		written bool
	}{
		"alone":          {func(*arm.Site) {}, "", true},
		"changed before": {func(s *arm.Site) { s.Settings["LIMIT"] = "7" }, "were changed meanwhile (LIMIT), so nothing was written", false},
		"added before":   {func(s *arm.Site) { s.Settings["NEW"] = canary }, "were changed meanwhile (NEW)", false},
		"changed at the same moment": {func(s *arm.Site) {
			s.Written = func(s *arm.Site) { s.Settings["ODD"] = "theirs" }
		}, "are not what was written (ODD)", false},
		"locked": {func(s *arm.Site) { s.Locked = true }, "read-only lock", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.site.Settings["ODD"] = odd
			site, err := w.Find(t.Context(), deployed.Name{App: "func-acme"})
			if err != nil {
				t.Fatal(err)
			}
			read, err := w.Settings(t.Context(), site)
			if err != nil {
				t.Fatal(err)
			}
			test.prepare(w.site)
			want := maps.Clone(read)
			want["CONNECTIONS"] = "acme,globex"
			delete(want, "TENANT_ID")
			err = w.Change(t.Context(), site, read, want)
			if got := fmt.Sprint(err); test.problem == "" && err != nil || !strings.Contains(got, test.problem) || strings.Contains(got, canary) {
				t.Errorf("%v, want %q", err, test.problem)
			}
			if diff := cmp.Diff(want, w.site.Settings); (diff == "") != test.written {
				t.Errorf("written is not %v: %s", test.written, diff)
			}
		})
	}
}

// TestOffline: a resource manager that can't be reached is named.
func TestOffline(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	_, err := deployed.ParseCloud(t.Context(), gone.URL, http.DefaultClient)
	if err == nil || !strings.Contains(err.Error(), "--cloud") || !strings.Contains(err.Error(), strings.TrimPrefix(gone.URL, "http://")) {
		t.Error(err)
	}
	c := clientOf(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = rw.Write([]byte("<html><title>Guest network</title>"))
	}), workspace.Credential{})
	_, err = c.Find(t.Context(), deployed.Name{App: "func-acme"})
	if err == nil || !strings.Contains(err.Error(), "could not be reached") || !strings.Contains(err.Error(), "Guest network") {
		t.Error(err)
	}
}

// TestElsewhere: a list that continues on another host is not followed: the token is not for it.
func TestElsewhere(t *testing.T) {
	hosts := map[string]int{}
	c := clientOf(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		hosts[r.Host]++
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write([]byte(`{"value":[],"nextLink":"https://management.example.com/more"}`))
	}), workspace.Credential{})
	_, err := c.Functions(t.Context(), deployed.Site{ID: "/subscriptions/x"})
	if err == nil || !strings.Contains(err.Error(), "another host") {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]int{"management.azure.com": 1}, hosts); diff != "" {
		t.Error(diff)
	}
}

// TestClouds: names of clouds, those of the Azure CLI too, and addresses.
func TestClouds(t *testing.T) {
	lying := httptest.NewServer(&arm.ARM{})
	defer lying.Close()
	for text, want := range map[string]string{
		"":                  "https://login.microsoftonline.com/",
		"AzureUSGovernment": "https://login.microsoftonline.us/", "usgovernment": "https://login.microsoftonline.us/",
		"China": "https://login.chinacloudapi.cn/", lying.URL: "https://login.microsoftonline.com/",
	} {
		where, err := deployed.ParseCloud(t.Context(), text, http.DefaultClient)
		if got := where.Identity().ActiveDirectoryAuthorityHost; got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	t.Setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")
	if where, err := deployed.ParseCloud(t.Context(), "", nil); err != nil || where.Identity().ActiveDirectoryAuthorityHost != "https://login.microsoftonline.us/" {
		t.Error(where, err)
	}
	// A machine that poses as a resource manager must not get tokens for the real one.
	posing := &http.Client{Transport: fault.Transport(&arm.ARM{})}
	for text, want := range map[string]string{"germany": "there is no cloud", "http://management.example.com": "uses http", "https://management.example.com": "tokens of another cloud"} {
		if _, err := deployed.ParseCloud(t.Context(), text, posing); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
