package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/arm"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/vault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
)

// az is the Azure CLI, as far as it hands out tokens: for AZ_ACCOUNT, or for nobody. A guest has no
// role on storage accounts.
func az() {
	if os.Getenv("AZ_ACCOUNT") == "" {
		fmt.Fprintln(os.Stderr, "ERROR: Please run 'az login' to setup account.")
		os.Exit(1)
	}
	resource := ""
	for i, arg := range os.Args {
		if arg == "--resource" && i+1 < len(os.Args) {
			resource = os.Args[i+1]
		}
	}
	var credential azcore.TokenCredential = workspace.Credential{}
	if strings.Contains(resource, "storage") {
		credential = azurite.Credential{}
		if os.Getenv("AZ_ACCOUNT") == "guest" { // without a role on the account
			credential = azurite.Credential{Audience: "https://graph.microsoft.com"}
		}
	}
	token, err := credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{resource}})
	if err != nil {
		fmt.Fprintln(os.Stderr, "ERROR: "+err.Error())
		os.Exit(1)
	}
	fmt.Printf(`{"accessToken":%q,"expires_on":%d,"subscription":%q,"tokenType":"Bearer"}`, token.Token, token.ExpiresOn.Unix(), arm.Subscription) //nolint:forbidigo // a program of its own
}

// azure is what a script's app runs in.
type azure struct {
	arm   *arm.ARM
	vault *vault.Vault
	site  *arm.Site
}

// deploy moves the settings of the script's stage from the environment into an app in Azure, with
// its secrets in a vault, and signs the script in. It sets CLOUD, the address of the resource
// manager, VAULT, and STATE, what STATE_URL was.
func (s *stage) deploy(ts *testscript.TestScript, name string, more []string) *azure {
	a := &azure{arm: &arm.ARM{}, vault: &vault.Vault{}}
	manager, kept := httptest.NewServer(a.arm), httptest.NewServer(a.vault)
	ts.Defer(manager.Close)
	ts.Defer(kept.Close)
	settings := map[string]string{
		"STATE_URL": "azblob://sailpoint-connector", "AzureWebJobsStorage__accountName": "nosuchaccount0", "AzureWebJobsStorage__credential": "managedidentity",
		"AZURE_CLIENT_ID": "00000000-0000-4000-a000-0000000000cc", "WEBSITE_CONTENTSHARE": "func", "NDJSON_PATH": "/nowhere/over/there",
		"ODD": odd,
	}
	for _, setting := range s.settings {
		name, value, _ := strings.Cut(setting, "=")
		if name == "CLIENT_SECRET" || name == "SHARED_KEY" {
			secret := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
			a.vault.Set(secret, value)
			value = kept.URL + "/secrets/" + secret
		}
		settings[name] = value
		ts.Setenv(name, "")
	}
	for _, setting := range more {
		name, value, _ := strings.Cut(setting, "=")
		settings[name] = strings.ReplaceAll(value, "VAULT", kept.URL)
	}
	a.site = a.arm.Add(arm.Site{
		Name: name, Group: "rg-acme", Subscription: arm.Subscription, Settings: settings,
		Functions: map[string]bool{"function": false, "hooks": false, "status": false},
	})
	ts.Setenv("STATE", ts.Getenv("STATE_URL"))
	ts.Setenv("STATE_URL", "")
	ts.Setenv("CLOUD", manager.URL)
	ts.Setenv("VAULT", kept.URL)
	ts.Setenv("AZ_ACCOUNT", "jo")
	ts.Setenv("AZURE_TOKEN_CREDENTIALS", "AzureCLICredential")
	return a
}

// change lets something happen in Azure.
func (a *azure) change(ts *testscript.TestScript, args []string) {
	switch args[0] {
	case "reader":
		a.arm.Allow(arm.Reader)
	case "contributor":
		a.arm.Allow(arm.WebsiteContributor)
	case "deny":
		a.arm.Deny()
	case "vault-deny":
		a.vault.Deny(1000)
	case "vault-read-only":
		a.vault.ReadOnly(true)
	case "vault-writable":
		a.vault.ReadOnly(false)
	case "holds-secret":
		if got := a.vault.Value(args[1]); got != args[2] {
			ts.Fatalf("the secret %s is %q", args[1], got)
		}
	case "interfere":
		a.arm.Do(func() {
			a.site.Reading = func(s *arm.Site) { s.Settings["LIMIT"] += "0" }
		})
	case "leave-alone":
		a.arm.Do(func() { a.site.Reading = nil })
	case "unlocked":
		a.arm.Do(func() { a.site.Locked = false })
	case "locked":
		a.arm.Do(func() { a.site.Locked = true })
	case "vault-allow":
		a.vault.Deny(0)
	case "secret":
		a.vault.Set(args[1], args[2])
	case "twin":
		a.arm.Add(arm.Site{Name: a.site.Name, Group: "rg-twin", Subscription: arm.Subscription})
	case "set", "disable", "status", "state":
		a.arm.Do(func() {
			for _, arg := range args[1:] {
				name, value, _ := strings.Cut(arg, "=")
				switch args[0] {
				case "set":
					a.site.Settings[name] = strings.ReplaceAll(value, "VAULT", ts.Getenv("VAULT"))
				case "disable":
					a.site.Functions[name] = true
				case "status":
					a.site.Statuses = map[string]string{name: value}
				case "state":
					a.site.State = name
				}
			}
		})
	default:
		ts.Fatalf("nothing like %q happens in Azure", args[0])
	}
}

// odd is the value of a setting that must survive whatever happens.
const odd = "<a href='x'>&amp;\u00e9\u2028\ufeff \"\\\" = ; %20 \x7f\t "

// holds compares the settings of the app: NAME=VALUE, or NAME for one that must not be there.
func (a *azure) holds(ts *testscript.TestScript, args []string) {
	a.arm.Do(func() {
		if got := a.site.Settings["ODD"]; got != odd {
			ts.Fatalf("a setting of another program is %q now", got)
		}
		for _, arg := range args {
			name, want, set := strings.Cut(arg, "=")
			got, ok := a.site.Settings[name]
			if ok != set || got != strings.ReplaceAll(want, "VAULT", ts.Getenv("VAULT")) {
				ts.Fatalf("%s is %q (%v), want %q (%v); there are %q", name, got, ok, want, set, slices.Sorted(maps.Keys(a.site.Settings)))
			}
		}
	})
}

// unchanged checks that nothing was written to the app.
func (a *azure) unchanged(ts *testscript.TestScript) {
	for _, r := range a.arm.Requests() {
		if r.Method == http.MethodPut || r.Method == http.MethodDelete || r.Method == http.MethodPatch {
			ts.Fatalf("%s %s", r.Method, r.Path)
		}
	}
}

// account gives the app a storage account that takes no keys.
func (a *azure) account(ts *testscript.TestScript) {
	server, err := azurite.Launch(context.Background(), azurite.Options{OAuth: true})
	ts.Check(err)
	ts.Defer(server.Stop)
	u, err := url.Parse(server.ServiceURL)
	ts.Check(err)
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: server.Roots}}).DialContext(context.Background(), "tcp", u.Host)
	ts.Check(err)
	defer conn.Close()
	block := &pem.Block{Type: "CERTIFICATE", Bytes: conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw}
	roots := ts.MkAbs("roots.pem")
	ts.Check(os.WriteFile(roots, pem.EncodeToMemory(block), 0o600))
	ts.Setenv("SSL_CERT_FILE", roots)
	a.arm.Do(func() {
		delete(a.site.Settings, "AzureWebJobsStorage__accountName")
		a.site.Settings["AzureWebJobsStorage__blobServiceUri"] = server.ServiceURL
	})
}

// tick runs the connector once as the function does, with the settings of the stage.
func (s *stage) tick(ts *testscript.TestScript) {
	values := map[string]string{"STATE_URL": ts.Getenv("STATE")}
	for _, setting := range s.settings {
		name, value, _ := strings.Cut(setting, "=")
		values[name] = value
	}
	settings, err := config.Load(app.SettingKinds(), config.Values("script", values))
	ts.Check(err)
	a, err := app.Open(settings, app.Options{By: app.ByFunction})
	ts.Check(err)
	a.Poll(context.Background())
}
