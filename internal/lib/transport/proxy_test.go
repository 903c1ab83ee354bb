package transport_test

import (
	"crypto/x509"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http/httpproxy"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// FuzzProxySetting: a value that is accepted is taken apart as it reads: the host is
// what stands behind the last @. One that is not accepted is not shown.
func FuzzProxySetting(f *testing.F) {
	for _, seed := range []string{"http://proxy:3128", "user:pa%23ss@proxy:1/", "socks5://[::1]:9", "http://user:12#x@proxy:3128", "//proxy", "http://a@b@c", "proxy"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if strings.ContainsRune(value, 0) || value == "" {
			return
		}
		for _, name := range []string{"HTTP_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy"} {
			t.Setenv(name, "")
		}
		t.Setenv("HTTPS_PROXY", value)
		if err := transport.CheckProxy(); err != nil {
			if len(value) > 12 && strings.Contains(err.Error(), value) {
				t.Errorf("the value is shown: %v", err)
			}
			return
		}
		proxy, err := httpproxy.FromEnvironment().ProxyFunc()(&url.URL{Scheme: "https", Host: "service.example"})
		if err != nil || proxy == nil {
			t.Fatalf("%q is accepted, and comes to %v, %v", value, proxy, err)
		}
		_, rest, ok := strings.Cut(value, "://")
		if !ok {
			rest = value
		}
		host := strings.TrimSuffix(rest[strings.LastIndexByte(rest, '@')+1:], "/")
		if shown, setting := transport.ProxyHost(); shown != host || setting != "HTTPS_PROXY" {
			t.Errorf("%q is shown as %q of %s", value, shown, setting)
		}
		if decoded, err := url.PathUnescape(host); proxy.Host != host && (err != nil || proxy.Host != decoded) {
			t.Errorf("%q is accepted, and its host is %q", value, proxy.Host)
		}
	})
}

// A file of authorities that is left out in silence is named where it matters.
func TestCertificateFile(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, says string }{
		"none":       {"", "(docs/settings.md)"},
		"not there":  {filepath.Join(t.TempDir(), "none.pem"), "SSL_CERT_FILE names a file that can't be read"},
		"not in PEM": {empty, "the file of SSL_CERT_FILE contains no certificate in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SSL_CERT_FILE", c.file)
			text := transport.Explain(x509.UnknownAuthorityError{}, transport.Peer{Host: "h", Settings: "S"}).Error()
			if !strings.Contains(text, c.says) {
				t.Errorf("%q is not in %s", c.says, text)
			}
		})
	}
}
