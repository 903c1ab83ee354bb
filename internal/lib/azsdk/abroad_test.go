package azsdk_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/entra"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	who "github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
)

const (
	homeID     = "11111111-0000-4000-a000-000000000001"
	customerID = "22222222-0000-4000-a000-000000000002"
	appID      = "33333333-0000-4000-a000-000000000003"
)

// abroad is a function app in one directory whose identity signs in to another.
type abroad struct {
	cloud          *entra.Cloud
	home, customer *entra.Directory
	app            *entra.App
	managed        *entra.Managed
	who            who.Identity
}

// newAbroad sets up everything. The identity is a new one, because the SDK keeps tokens of managed
// identities for the whole process.
func newAbroad(t *testing.T, in *entra.Cloud) *abroad {
	t.Setenv("IDENTITY_ENDPOINT", "http://platform.example/msi/token")
	t.Setenv("IDENTITY_HEADER", entra.PlatformHeader)
	a := &abroad{cloud: in, home: in.Directory(homeID), customer: in.Directory(customerID)}
	a.managed, a.app = a.home.Managed(uuid.NewString()), a.home.Register(appID)
	a.app.Trust(a.managed.Credential())
	a.customer.Consent(a.app)
	a.who = who.Identity{Managed: a.managed.ClientID, Directory: customerID, App: appID}
	return a
}

// ServeHTTP is the network.
func (a *abroad) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Host == "platform.example" || r.URL.Host == "platform.example" {
		a.cloud.Platform().ServeHTTP(rw, r)
		return
	}
	a.cloud.SignIn().ServeHTTP(rw, r)
}

func (a *abroad) open(t *testing.T, where cloud.Configuration) azcore.TokenCredential {
	t.Helper()
	all := &azsdk.Identities{Transport: &http.Client{Transport: fault.Transport(a)}}
	c, err := all.Credential(a.who, where)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := all.Credential(a.who, where); err != nil || again != c {
		t.Errorf("the identity has two credentials, %v", err)
	}
	return c
}

func monitor() policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: []string{"https://monitor.azure.com/.default"}}
}

// TestAbroad: the app signs in to the other directory with nothing but the token of the managed
// identity, once for all who need a token.
func TestAbroad(t *testing.T) {
	a := newAbroad(t, entra.New())
	c := a.open(t, cloud.AzurePublic)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			token, err := c.GetToken(t.Context(), monitor())
			claims, ok := entra.Inspect(token.Token)
			if err != nil || !ok || claims.Directory != customerID || claims.App != appID || claims.Audience != "https://monitor.azure.com" || token.ExpiresOn.Before(time.Now().Add(50*time.Minute)) {
				t.Errorf("%+v, %v", claims, err)
			}
		})
	}
	all.Wait()
	if diff := cmp.Diff([]entra.Request{{Directory: customerID, App: appID, Scope: "https://monitor.azure.com"}}, a.cloud.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestAbroadInOtherClouds: the sign-in service and the audience of the assertion are those of the cloud;
// AZURE_AUTHORITY_HOST replaces the service.
func TestAbroadInOtherClouds(t *testing.T) {
	for name, tc := range map[string]struct {
		where                     cloud.Configuration
		set, authority, assertion string
	}{
		"public":                    {cloud.AzurePublic, "", "https://login.microsoftonline.com", "api://AzureADTokenExchange"},
		"US Government":             {cloud.AzureGovernment, "", "https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"},
		"China":                     {cloud.AzureChina, "", "https://login.chinacloudapi.cn", "api://AzureADTokenExchangeChina"},
		"US Government, as set":     {cloud.AzureGovernment, "https://login.microsoftonline.us/", "https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"},
		"a service of another name": {cloud.AzurePublic, "https://sign-in.example", "https://sign-in.example", "api://AzureADTokenExchange"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AZURE_AUTHORITY_HOST", tc.set)
			in := entra.New()
			in.Authority, in.Exchange = tc.authority, tc.assertion
			a := newAbroad(t, in)
			var hosts []string
			network := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				hosts = append(hosts, r.URL.Host)
				a.ServeHTTP(rw, r)
			})
			c, err := (&azsdk.Identities{Transport: &http.Client{Transport: fault.Transport(network)}}).Credential(a.who, tc.where)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.GetToken(t.Context(), monitor()); err != nil {
				t.Fatal(err)
			}
			for _, host := range hosts {
				if host != "platform.example" && "https://"+host != tc.authority {
					t.Errorf("%s was asked", host)
				}
			}
		})
	}
}

// TestRefusalsAbroad: each refusal names what is wrong, where it is set right, and by whom.
func TestRefusalsAbroad(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*abroad)
		says    []string
	}{
		"not consented":     {func(a *abroad) { a.customer.Remove(a.app) }, []string{"AADSTS700016", "az login --tenant " + customerID, "az ad sp create --id " + appID, "WORKSPACE_APP_ID"}},
		"no such directory": {func(a *abroad) { a.who.Directory = "99999999-0000-4000-a000-000000000009" }, []string{"AADSTS90002", "no such directory in this cloud: check WORKSPACE_DIRECTORY_ID"}},
		"no credential":     {func(a *abroad) { a.app.Distrust() }, []string{"AADSTS700211", "lacks a federated credential", "issuer https://login.microsoftonline.com/" + homeID + "/v2.0", "audience api://AzureADTokenExchange"}},
		"other subject": {func(a *abroad) {
			one := a.managed.Credential()
			one.Subject = strings.ToUpper(one.Subject)
			a.app.Distrust()
			a.app.Trust(one)
		}, []string{"AADSTS700213", "lacks a federated credential", "the subject "}},
		"other audience": {func(a *abroad) {
			one := a.managed.Credential()
			one.Audience += "USGov"
			a.app.Distrust()
			a.app.Trust(one)
		}, []string{"AADSTS700212", "audience api://AzureADTokenExchange"}},
		"registered at the customer": {func(a *abroad) {
			a.app = a.customer.Register(appID)
			a.app.Trust(a.managed.Credential())
		}, []string{"AADSTS700236", "must be in the directory of the managed identity"}},
		"disabled":    {func(a *abroad) { a.customer.Disable(a.app) }, []string{"AADSTS7000112", "enables it under Enterprise applications"}},
		"blocked":     {func(a *abroad) { a.customer.Block() }, []string{"AADSTS53003", "Conditional Access"}},
		"no identity": {func(a *abroad) { a.who.Managed = uuid.NewString() }, []string{"No User Assigned or Delegated Managed Identity found", "REMEDY"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAbroad(t, entra.New())
			tc.prepare(a)
			_, err := a.open(t, cloud.AzurePublic).GetToken(t.Context(), monitor())
			text := explained(t, err)
			for _, want := range tc.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in: %s", want, text)
				}
			}
			if strings.Contains(text, "eyJ") || strings.Contains(text, "\n") || len(text) > 1200 {
				t.Errorf("unfit to be shown: %s", text)
			}
		})
	}
}

func explained(t *testing.T, err error) string {
	t.Helper()
	var failed *azsdk.TokenError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	return failed.Explain("REMEDY")
}

// TestAssertionIsNotShown: whatever repeats the assertion, no text shows it.
func TestAssertionIsNotShown(t *testing.T) {
	for name, network := range map[string]func(*abroad) http.Handler{
		"the sign-in service": func(a *abroad) http.Handler { a.cloud.Echo(); a.app.Distrust(); return a },
		"a gateway": func(a *abroad) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost {
					a.ServeHTTP(rw, r)
					return
				}
				_ = r.ParseForm()
				rw.Header().Set("Content-Type", "text/html")
				rw.Header().Set("X-Denied", r.PostForm.Get("client_assertion"))
				rw.WriteHeader(http.StatusForbidden)
				_, _ = rw.Write([]byte("<title>" + r.PostForm.Get("client_assertion") + "</title>"))
			})
		},
		"no JSON": func(a *abroad) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost {
					a.ServeHTTP(rw, r)
					return
				}
				_ = r.ParseForm()
				_, _ = rw.Write([]byte(r.PostForm.Get("client_assertion")))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAbroad(t, entra.New())
			c, err := (&azsdk.Identities{Transport: &http.Client{Transport: fault.Transport(network(a))}}).Credential(a.who, cloud.AzurePublic)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.GetToken(t.Context(), monitor())
			if text := explained(t, err); strings.Contains(text, "eyJ") || strings.Contains(azsdk.Text(err), "eyJ") {
				t.Errorf("shown: %s; %s", text, azsdk.Text(err))
			}
		})
	}
}

// TestBoundedAbroad: a sign-in service that hangs costs 20 seconds, however many wait, and each
// waits no longer than its own context.
func TestBoundedAbroad(t *testing.T) {
	a := newAbroad(t, entra.New())
	synctest.Test(t, func(t *testing.T) {
		a.customer.Hang(make(chan struct{}))
		c := a.open(t, cloud.AzurePublic)
		begin := time.Now()
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if i > 0 {
					ctx = t.Context()
				}
				_, err := c.GetToken(ctx, monitor())
				took := time.Since(begin)
				if err == nil || i == 0 && took > 2*time.Second || took > 21*time.Second {
					t.Errorf("%d: %v after %v", i, err, took)
				}
				if text := explained(t, err); !strings.Contains(text, "no answer of the sign-in service") {
					t.Error(text)
				}
			})
		}
		all.Wait()
	})
}
