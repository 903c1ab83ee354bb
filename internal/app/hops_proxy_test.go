package app_test

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
)

// recorder is a proxy that notes everything that it is sent, and lets nothing pass.
type recorder struct {
	address string
	mu      sync.Mutex
	got     strings.Builder
}

func record(t *testing.T) *recorder {
	r := new(recorder)
	r.address = accept(t, func(conn net.Conn) {
		// Open the tunnel and listen to what is said in it, up to a limit.
		buf := make([]byte, 64<<10)
		n, _ := conn.Read(buf)
		r.note(buf[:n])
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		n, _ = conn.Read(buf)
		r.note(buf[:n])
	})
	return r
}

func (r *recorder) note(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got.Write(b)
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.String()
}

// TestNothingLeaksToProxies: with proxies for everything in the environment, each
// client of the connector opens a tunnel for TLS and says nothing else in the clear, and
// the requests of a managed identity do not go there at all.
func TestNothingLeaksToProxies(t *testing.T) {
	proxy := func(t *testing.T) *recorder {
		noProxies(t)
		r := record(t)
		for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
			t.Setenv(name, "http://"+r.address)
		}
		return r
	}
	for _, h := range hops(t) {
		t.Run(h.name, func(t *testing.T) {
			r := proxy(t)
			if err := h.call(t.Context(), h.public); err == nil {
				t.Error("no error")
			}
			if got := r.text(); !strings.HasPrefix(got, "CONNECT ") {
				t.Errorf("the proxy got %.300q", got)
			}
			noSecrets(t, r.text())
		})
	}
	t.Run("Entra", func(t *testing.T) {
		r := proxy(t)
		if _, err := signingIn(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://monitor.azure.com/.default"}}); err == nil {
			t.Error("no error")
		}
		if got := r.text(); !strings.HasPrefix(got, "CONNECT login.microsoftonline.com:443 ") {
			t.Errorf("the proxy got %.300q", got)
		}
		noSecrets(t, r.text())
	})
	for name, env := range map[string]map[string]string{
		"App Service, by name":        {"IDENTITY_ENDPOINT": "http://msi.internal.example:8081/msi/token"},
		"App Service, link-local":     {"IDENTITY_ENDPOINT": "http://169.254.255.2:8081/msi/token"},
		"App Service, loopback":       {"IDENTITY_ENDPOINT": "http://localhost:1/msi/token"},
		"App Service, in capitals":    {"IDENTITY_ENDPOINT": "http://MSI.Internal.Example:8081/msi/token"},
		"the metadata service":        {"IDENTITY_ENDPOINT": ""},
		"Cloud Shell":                 {"IDENTITY_ENDPOINT": "", "IDENTITY_HEADER": "", "MSI_ENDPOINT": "http://msi.internal.example:50342/oauth2/token"},
		"the metadata service, moved": {"IDENTITY_ENDPOINT": "", "IDENTITY_HEADER": "", "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://imds.internal.example"},
	} {
		t.Run("managed identity, "+name, func(t *testing.T) {
			r := proxy(t)
			nameServer(t, dnsmessage.RCodeNameError)
			t.Setenv("IDENTITY_HEADER", hopHeader)
			for key, value := range env {
				if t.Setenv(key, value); value == "" {
					_ = os.Unsetenv(key)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			if _, err := managed(t).GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://monitor.azure.com/.default"}}); err == nil {
				t.Error("no error")
			}
			if got := r.text(); got != "" {
				t.Errorf("the proxy got %.300q", got)
			}
		})
	}
}

// The way out is described without the user and the password.
func TestDescribeSaysTheProxy(t *testing.T) {
	noProxies(t)
	for value, want := range map[string]string{"": "", "http://user:" + hopSecret + "@proxy.example:3128/": "requests use proxy.example:3128 (HTTPS_PROXY)"} {
		t.Setenv("HTTPS_PROXY", value)
		got := ""
		stopped, stop := context.WithCancel(t.Context())
		stop()
		s := config.Settings{
			State:       config.State{Dir: t.TempDir()},
			Connections: []config.Connection{{Sources: []config.Source{&config.SailPoint{BaseURL: parse(t, "https://acme.api.identitynow.com")}}}},
		}
		app.Check(stopped, s, app.Options{}, func(f check.Finding) {
			if f.Item == "settings: proxy" {
				got = f.Detail
			}
		})
		if !strings.HasPrefix(got, want) || (want == "") != (got == "") || strings.Contains(got, "canary") {
			t.Errorf("%q is described as %q, want %q", value, got, want)
		}
	}
}
