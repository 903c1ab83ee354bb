package transport_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// A host that is there and breaks off the handshake is not one that does not answer.
func TestExplainHandshake(t *testing.T) {
	for name, c := range map[string]struct {
		server *tls.Config
		says   string
	}{
		"old protocol":                {&tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, "h offers only versions of TLS older than 1.2"},
		"wants a certificate":         {&tls.Config{ClientAuth: tls.RequireAnyClientCert}, "h requires a client certificate"},
		"wants a certificate, TLS1.2": {&tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, "h aborted the TLS handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.TLS = c.server
			s.StartTLS()
			defer s.Close()
			client := s.Client()
			resp, err := client.Get(s.URL)
			if err == nil {
				_ = resp.Body.Close()
				t.Fatal("no error")
			}
			f := transport.Explain(err, transport.Peer{Host: "h", Settings: "S"})
			if f.Hop != transport.HopTLS || !strings.Contains(f.Error(), c.says) || strings.Contains(f.Error(), "no answer") {
				t.Errorf("%s: %v", f.Hop, f)
			}
		})
	}
}

// A value that no header can hold is not the fault of the host, which has never been asked.
func TestExplainHeader(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer canary\nX: y")
	resp, err := transport.NewClient(transport.Config{}).Do(req)
	if err == nil {
		_ = resp.Body.Close()
		t.Fatal("no error")
	}
	f := transport.Explain(err, transport.Peer{Host: "h", Settings: "S"})
	if f.Passing || strings.Contains(f.Error(), "no answer") || strings.Contains(f.Error(), "canary") || !strings.Contains(f.Error(), "Authorization") {
		t.Errorf("%v", f)
	}
}

// An answer that is larger than any of the service's is one all the same.
func TestExplainTooLarge(t *testing.T) {
	resp := &http.Response{ContentLength: -1, Body: io.NopCloser(strings.NewReader(strings.Repeat("x", 101)))}
	_, err := transport.ReadAll(resp, 100)
	f := transport.Explain(err, transport.Peer{Host: "h", Settings: "S"})
	if f.Hop != transport.HopGateway || !f.Passing || strings.Contains(f.Error(), "no answer") || !strings.Contains(f.Error(), "something in between (a firewall, a proxy)") || !strings.Contains(f.Error(), "larger than 100 bytes") {
		t.Errorf("%s: %v", f.Hop, f)
	}
}
