package app_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/readback"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/azblob"
	"github.com/idn-sentinel/idn-sentinel/internal/state/pythonfn"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// The hops that the connector talks to. Each fault below is played to the real client
// of each of them, over real sockets, and the words of the error are held to the hop
// that failed.

// Secrets that are sent somewhere; none may be seen in an error.
const (
	hopSecret  = "canary-secret-4f1d2b7a9c"
	hopToken   = "canary-token-77c0ffee99"
	hopHeader  = "canary-header-1bd04e5521"
	hopRule    = "dcr-0f1e2d3c4b5a49788695a4b3c2d1e0f1"
	hopAccount = "acme"
)

func hopKey() secret.String {
	return secret.New(base64.StdEncoding.EncodeToString([]byte("canary-key-" + strings.Repeat("0123456789", 6)[:53])))
}

// hop is a service and its client.
type hop struct {
	name string
	// public is the address of the service in production, settings what the error has
	// to name if the service can't be found there.
	public, settings string
	// call makes the client for an address and asks something.
	call func(ctx context.Context, address string) error
	// blames are words for what is wrong at the service itself: they must not be said
	// when another hop failed.
	blames []string
}

type fixedToken struct{}

func (fixedToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: hopToken, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// once is for clients of the SDK: the test waits for no second try.
func once() policy.ClientOptions {
	return policy.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}}
}

func hops(t *testing.T) []hop {
	workspaceID := "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1"
	return []hop{
		{
			name: "tenant", public: "https://acme.api.identitynow.com", settings: "TENANT_ID or SAILPOINT_BASE_URL",
			blames: []string{"CLIENT_SECRET is wrong", "scope sp:"},
			call: func(ctx context.Context, address string) error {
				return sailpoint.NewClient(sailpoint.Config{BaseURL: parse(t, address), ClientID: "id", ClientSecret: secret.New(hopSecret)}).Token(ctx)
			},
		},
		{
			name: "workspace, Data Collector", public: "https://" + workspaceID + ".ods.opinsights.azure.com", settings: "CUSTOMER_ID and logAnalyticsUri",
			blames: []string{"SHARED_KEY does not belong", "InvalidDataFormat"},
			call: func(ctx context.Context, address string) error {
				s, err := datacollector.New(datacollector.Config{WorkspaceID: workspaceID, Key: hopKey(), URL: parse(t, address)})
				if err != nil {
					t.Fatal(err)
				}
				return s.Write(ctx, "T", []pipeline.Record{{ID: "1", Raw: []byte(`{"a":1}`)}})
			},
		},
		{
			name: "workspace, Logs Ingestion", public: "https://rule.westeurope-1.ingest.monitor.azure.com", settings: "LOGS_INGESTION_ENDPOINT",
			blames: []string{"Monitoring Metrics Publisher", "AZURE_CLIENT_ID must name"},
			call: func(ctx context.Context, address string) error {
				s, err := logsingestion.New(logsingestion.Config{Endpoint: parse(t, address), RuleID: hopRule, Credential: fixedToken{}, Streams: schema.Streams(schema.SailPoint())})
				if err != nil {
					t.Fatal(err)
				}
				return s.Write(ctx, "SailPointIDN_Events", []pipeline.Record{{ID: "1", Raw: []byte(`{"id":"1"}`)}})
			},
		},
		{
			name: "workspace, query", public: "https://api.loganalytics.io", settings: "LOG_ANALYTICS_QUERY_URL",
			blames: []string{"Log Analytics Reader", "there is no workspace"},
			call: func(ctx context.Context, address string) error {
				c := readback.New(readback.Config{URL: parse(t, address), Audience: "https://api.loganalytics.io", WorkspaceID: workspaceID, Credential: fixedToken{}, Retry: retry.Policy{MaxAttempts: 1}})
				return c.MayAsk(ctx, "SailPointIDN_Events")
			},
		},
		{
			name: "storage, blobs", public: "https://acme.blob.core.windows.net", settings: "AZURE_STORAGE_BLOB_ENDPOINT and AZURE_STORAGE_ACCOUNT_NAME",
			blames: []string{"AZURE_STORAGE_ACCESS_KEY is wrong"},
			call: func(ctx context.Context, address string) error {
				s, err := azblob.New(azblob.Config{ServiceURL: parse(t, address), Container: "state", AccountName: hopAccount, AccountKey: hopKey(), ClientOptions: once()})
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.Get(ctx, "acme/checkpoints/x.json")
				return err
			},
		},
		{
			name: "storage, tables", public: "https://acme.table.core.windows.net", settings: "LEGACY_CHECKPOINT and the account's network rules",
			blames: []string{"AZURE_STORAGE_ACCESS_KEY is wrong"},
			call: func(ctx context.Context, address string) error {
				s, err := pythonfn.New(pythonfn.Config{ServiceURL: parse(t, address), AccountName: hopAccount, AccountKey: hopKey(), KeySetting: "AZURE_STORAGE_ACCESS_KEY", ClientOptions: once()})
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.CreatedTime(ctx)
				return err
			},
		},
	}
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// hopFault is what goes wrong: it arranges that, and returns the address to give to the
// client, "" for the public one.
type hopFault struct {
	name    string
	arrange func(t *testing.T) string
	// says is what the error has to say; HOST and SETTINGS stand for those of the hop.
	says []string
}

func hopFaults() []hopFault {
	public := func(proxy func(t *testing.T) string) func(t *testing.T) string {
		return func(t *testing.T) string {
			t.Setenv("HTTPS_PROXY", proxy(t))
			return ""
		}
	}
	closed := func(t *testing.T) string {
		ln := listenLocal(t)
		_ = ln.Close()
		return ln.Addr().String()
	}
	answers := func(status int) func(t *testing.T) string {
		return func(t *testing.T) string { return "http://" + connectProxy(t, status, "") }
	}
	serves := func(status int, header, body string) func(t *testing.T) string {
		return func(t *testing.T) string { return page(t, status, header, body) }
	}
	const portal = `<!DOCTYPE html><html><head><title>Sign in to Guest-WiFi</title></head></html>`
	const wall = `<html><head><title>Request Rejected</title></head><body>Your support ID is 123</body></html>`
	return []hopFault{
		// The settings of the way out.
		{"proxy setting with # in the password", public(func(*testing.T) string { return "http://user:" + hopSecret + "#x@proxy.example:3128" }), []string{"HTTPS_PROXY has a user or password with a reserved URL character", "# as %23"}},
		{"proxy setting that is no address", public(func(*testing.T) string { return "http://proxy.example:" + hopSecret }), []string{"HTTPS_PROXY can't be parsed as the address of a proxy"}},

		// The proxy.
		{"proxy that does not exist", public(func(t *testing.T) string {
			nameServer(t, dnsmessage.RCodeNameError)
			return "http://nowhere.example:3128"
		}), []string{"the proxy nowhere.example:3128 (HTTPS_PROXY) does not exist", "NO_PROXY"}},
		{"proxy that nobody finds", public(func(t *testing.T) string {
			nameServer(t, dnsmessage.RCodeServerFailure)
			return "http://proxy.example:3128"
		}), []string{"the name server did not answer for the proxy proxy.example:3128 (HTTPS_PROXY)"}},
		{"proxy that is down", public(func(t *testing.T) string { return "http://" + closed(t) }), []string{"the proxy 127.0.0.1:", "(HTTPS_PROXY) can't be reached", "that the proxy is running"}},
		{"proxy that wants a sign-in", public(answers(407)), []string{"(HTTPS_PROXY) answered 407", "requires authentication", "add user and password to HTTPS_PROXY"}},
		{"proxy that refuses the password", public(func(t *testing.T) string { return "http://user:" + hopSecret + "@" + connectProxy(t, 407, "") }), []string{"(HTTPS_PROXY) answered 407", "rejected the user and password in HTTPS_PROXY"}},
		{"proxy that does not let go there", public(answers(403)), []string{"(HTTPS_PROXY) answered 403", "does not allow this machine to reach HOST"}},
		{"proxy that can't get there", public(answers(502)), []string{"(HTTPS_PROXY) answered 502", "it could not reach HOST"}},
		{"proxy that is overloaded", public(answers(503)), []string{"(HTTPS_PROXY) answered 503"}},
		{"proxy that speaks something else", public(func(t *testing.T) string { return "http://" + speaks(t, "SSH-2.0-OpenSSH_9.6\r\n") }), []string{"(HTTPS_PROXY) does not answer like a proxy"}},
		{"proxy that hangs up", public(func(t *testing.T) string { return "http://" + speaks(t, "") }), []string{"(HTTPS_PROXY) does not answer like a proxy"}},
		{"proxy that speaks no TLS", public(func(t *testing.T) string { return "https://" + connectProxy(t, 407, "") }), []string{"(HTTPS_PROXY) presents a certificate that this machine does not trust, or does not use TLS"}},
		{"TLS-inspecting proxy", public(func(t *testing.T) string {
			return "http://" + connectProxy(t, 200, secure(t, certificate{issuer: "Corp Inspection CA"}))
		}), []string{"HOST presents a certificate from an authority that this machine does not trust", `"Corp Inspection CA"`, "TLS-inspecting proxy", "SSL_CERT_FILE"}},
		{"proxy that cuts the tunnel", public(func(t *testing.T) string { return "http://" + connectProxy(t, 200, speaks(t, "")) }), []string{"the connection to HOST through the proxy 127.0.0.1:"}},

		// The name server.
		{"no such host", func(t *testing.T) string { nameServer(t, dnsmessage.RCodeNameError); return "" }, []string{"there is no host HOST: check SETTINGS"}},
		{"name server that fails", func(t *testing.T) string { nameServer(t, dnsmessage.RCodeServerFailure); return "" }, []string{"the name server did not answer for HOST", "SETTINGS may be correct"}},

		// TLS.
		{"unknown authority", func(t *testing.T) string { return "https://" + secure(t, certificate{issuer: "Somebody's CA"}) }, []string{"HOST presents a certificate from an authority that this machine does not trust", `"Somebody's CA"`, "SSL_CERT_FILE"}},
		{"certificate of another host", func(t *testing.T) string {
			return "https://" + secure(t, certificate{names: []string{"portal.example"}})
		}, []string{"HOST presents a certificate for another host (portal.example)", "SETTINGS"}},
		{"expired certificate", func(t *testing.T) string { return "https://" + secure(t, certificate{ended: true}) }, []string{"HOST presents a certificate that is not valid at this machine's time", "set the clock if it is wrong"}},
		{"plain HTTP on the port of TLS", func(t *testing.T) string { return strings.Replace(page(t, 200, "", portal), "http://", "https://", 1) }, []string{"HOST does not use TLS on this port: check the port in SETTINGS"}},
		{"something else on the port of TLS", func(t *testing.T) string { return "https://" + speaks(t, "SSH-2.0-OpenSSH_9.6\r\n") }, []string{"HOST does not use TLS on this port"}},

		// The network.
		{"closed port", func(t *testing.T) string { return "http://" + closed(t) }, []string{"no answer from HOST: if this persists, check SETTINGS, and that this machine is allowed to connect (firewall, HTTPS_PROXY)"}},
		{"hangs up", func(t *testing.T) string { return "http://" + speaks(t, "") }, []string{"no answer from HOST: if this persists, check SETTINGS"}},

		// A gateway.
		{"firewall's 403", serves(403, "text/html", wall), []string{`status 403 with a web page ("Request Rejected")`, "not from HOST but from something in between (a firewall, a proxy, a portal)", "SETTINGS"}},
		{"firewall's 401", serves(401, "text/html", wall), []string{`status 401 with a web page ("Request Rejected")`, "something in between"}},
		{"page without a type", serves(403, "", wall), []string{"status 403 with a web page"}},
		{"page that repeats what was sent", mirror, []string{"status 403 with a web page"}},
		{"portal's 200", serves(200, "text/html; charset=utf-8", portal), []string{"200", "something in between"}},
		{"redirect to a sign-in page", func(t *testing.T) string { return redirect(t, "https://login.example/?secret="+hopSecret) }, []string{"HOST redirects requests to another host, as the sign-in page of a proxy or portal does", "https://login.example"}},
		{"sign-in of the network, 200 without a type", serves(200, "", portal), []string{"200"}},
		{"bad gateway", serves(502, "text/html", "<html><title>502 Bad Gateway</title></html>"), []string{"502"}},
		{"sign-in of the network", serves(511, "text/html", portal), []string{"status 511: this network requires a sign-in"}},
		{"407 of a transparent proxy", serves(407, "text/html", wall), []string{"status 407: a proxy requires authentication"}},
	}
}

// TestHopsAndFaults is the table: the hop that failed is named, with its setting and a
// remedy, and no other is blamed.
func TestHopsAndFaults(t *testing.T) {
	for _, f := range hopFaults() {
		for _, h := range hops(t) {
			t.Run(f.name+"/"+h.name, func(t *testing.T) {
				noProxies(t)
				address := f.arrange(t)
				if address == "" {
					address = h.public
				}
				host := parse(t, address).Host
				if address == "" {
					host = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1.ods.opinsights.azure.com"
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				err := h.call(ctx, address)
				if err == nil {
					t.Fatal("no error")
				}
				text := err.Error()
				for _, want := range f.says {
					want = strings.NewReplacer("HOST", host, "HTTPS_PROXY", "HTTPS_PROXY", "SETTINGS", h.settings).Replace(want)
					if !strings.Contains(text, want) {
						t.Errorf("%q is not in: %s", want, text)
					}
				}
				for _, wrong := range h.blames {
					if strings.Contains(text, wrong) {
						t.Errorf("%q blames the wrong hop: %s", wrong, text)
					}
				}
				noSecrets(t, text)
				if strings.Contains(text, "\n") || len(text) > 1000 {
					t.Errorf("%d bytes: %q", len(text), text)
				}
			})
		}
	}
}

func noSecrets(t *testing.T, text string) {
	t.Helper()
	for _, s := range []string{hopSecret, hopToken, hopHeader, hopKey().Reveal()} {
		// From the fourth byte on the groups of base64 are those of "x" + s.
		for _, form := range []string{s[:10], base64.StdEncoding.EncodeToString([]byte(s))[4:20], base64.StdEncoding.EncodeToString([]byte("x" + s))[4:20], fmt.Sprintf("%x", s)[:20]} {
			if strings.Contains(text, form) {
				t.Errorf("a secret is shown: %s", text)
			}
		}
	}
}

// noProxies makes the environment one without proxies, whatever the machine has.
func noProxies(t *testing.T) {
	t.Helper()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// speaks accepts connections, says something on each and hangs up.
func speaks(t *testing.T, text string) string {
	ln := listenLocal(t)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			// What the client says first is read, so that it gets no reset.
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	return ln.Addr().String()
}

// page serves the same answer to everything.
func page(t *testing.T, status int, kind, body string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = nil
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// mirror answers everything with a page that repeats the request in several encodings.
func mirror(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusForbidden)
		for _, sent := range []string{r.Header.Get("Authorization"), form.Get("client_secret")} {
			if sent == "" {
				continue
			}
			fmt.Fprintf(w, "<title>%s %s %s %x</title>", sent, base64.StdEncoding.EncodeToString([]byte("x"+sent)), url.QueryEscape(sent), sent)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func redirect(t *testing.T, to string) string {
	s := httptest.NewServer(http.RedirectHandler(to, http.StatusFound))
	t.Cleanup(s.Close)
	return s.URL
}

// connectProxy answers CONNECT with a status, and opens the tunnel to one address.
func connectProxy(t *testing.T, status int, to string) string {
	ln := listenLocal(t)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				reader := bufio.NewReader(conn)
				req, err := http.ReadRequest(reader)
				if err != nil || req.Method != http.MethodConnect {
					_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
					return
				}
				fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\n\r\n", status, http.StatusText(status))
				if status != http.StatusOK {
					return
				}
				behind, err := net.Dial("tcp4", to)
				if err != nil {
					return
				}
				defer behind.Close()
				var both sync.WaitGroup
				both.Go(func() { _, _ = io.Copy(behind, reader) })
				_, _ = io.Copy(conn, behind)
				_ = conn.Close()
				both.Wait()
			}()
		}
	}()
	return ln.Addr().String()
}

// certificate is what a server shows; by default it is right but for its authority.
type certificate struct {
	issuer string
	names  []string
	ended  bool
}

// secure serves TLS with that certificate.
func secure(t *testing.T, c certificate) string {
	t.Helper()
	if c.issuer == "" {
		c.issuer = "An authority"
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	authorityKey, own := key(), key()
	begin, end := time.Now().Add(-48*time.Hour), time.Now().Add(24*time.Hour)
	if c.ended {
		end = time.Now().Add(-24 * time.Hour)
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: c.issuer}, NotBefore: begin, NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: begin, NotAfter: end, DNSNames: c.names}
	if c.names == nil {
		leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		leaf.DNSNames = []string{"*.api.identitynow.com", "*.ods.opinsights.azure.com", "*.westeurope-1.ingest.monitor.azure.com", "api.loganalytics.io", "*.blob.core.windows.net", "*.table.core.windows.net", "login.microsoftonline.com"}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, &own.PublicKey, authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: own}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// nameServer makes every name one that this code answers.
func nameServer(t *testing.T, code dnsmessage.RCode) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			m.Response, m.RCode, m.Additionals = true, code, nil
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	address := conn.LocalAddr().String()
	nameServers.Store(&address)
	t.Cleanup(func() { nameServers.Store(nil); _ = conn.Close() })
}

// nameServers is the address of the name server that the process asks, nil for those of
// the machine.
var nameServers atomic.Pointer[string]

// TestMain replaces the resolver before anything can use it; a test that did so would race
// with what earlier ones have left dialling.
func TestMain(m *testing.M) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if own := nameServers.Load(); own != nil {
			network, address = "udp4", *own
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	os.Exit(m.Run())
}

// TestIdentityHops: who signs in is told whether the sign-in service was reached, and
// what it says; nobody is sent to change a role because of a proxy.
func TestIdentityHops(t *testing.T) {
	const remedy = "REMEDY"
	proxied := func(proxy func(t *testing.T) string) func(t *testing.T) azcore.TokenCredential {
		return func(t *testing.T) azcore.TokenCredential {
			t.Setenv("HTTPS_PROXY", proxy(t))
			return entra(t)
		}
	}
	platform := func(status int, kind, body string) func(t *testing.T) azcore.TokenCredential {
		return func(t *testing.T) azcore.TokenCredential {
			t.Setenv("IDENTITY_ENDPOINT", page(t, status, kind, body)+"/msi/token")
			return managed(t)
		}
	}
	for name, tc := range map[string]struct {
		credential func(t *testing.T) azcore.TokenCredential
		says       []string
		remedy     bool // what to do about the identity is said
	}{
		"Entra through a proxy that is down":   {proxied(func(*testing.T) string { return "http://127.0.0.1:1" }), []string{"the sign-in service could not be reached: the proxy 127.0.0.1:1 (HTTPS_PROXY) can't be reached"}, false},
		"Entra through a proxy with a sign-in": {proxied(func(t *testing.T) string { return "http://" + connectProxy(t, 407, "") }), []string{"(HTTPS_PROXY) answered 407"}, false},
		"Entra through a proxy that opens TLS": {proxied(func(t *testing.T) string {
			return "http://" + connectProxy(t, 200, secure(t, certificate{issuer: "Corp CA"}))
		}), []string{"login.microsoftonline.com presents a certificate from an authority", "SSL_CERT_FILE"}, false},
		"Entra without a name server": {func(t *testing.T) azcore.TokenCredential {
			nameServer(t, dnsmessage.RCodeServerFailure)
			return entra(t)
		}, []string{"the name server did not answer for login.microsoftonline.com"}, false},
		"Entra that does not exist": {func(t *testing.T) azcore.TokenCredential { nameServer(t, dnsmessage.RCodeNameError); return entra(t) }, []string{"there is no host login.microsoftonline.com: check", "AZURE_AUTHORITY_HOST"}, false},
		"platform that is down": {func(t *testing.T) azcore.TokenCredential {
			t.Setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token")
			return managed(t)
		}, []string{"the sign-in service could not be reached: no answer from 127.0.0.1:1", "the managed identity of the app"}, false},
		"platform with a firewall in front":        {platform(403, "text/html", "<title>Blocked</title>"), []string{"the sign-in service could not be reached: status 403 with a web page"}, false},
		"platform that says that there is none":    {platform(400, "application/json", `{"statusCode":400,"message":"No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.","correlationId":"x"}`), []string{"(status 400 No User Assigned or Delegated Managed Identity found"}, true},
		"platform that repeats the header":         {platform(400, "application/json", `{"message":"bad `+hopHeader+` `+base64.StdEncoding.EncodeToString([]byte(hopHeader))+`"}`), []string{"status 400 bad (secret) (secret)"}, true},
		"platform whose answer is no token at all": {platform(500, "text/plain", "oops"), []string{"status 500"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			noProxies(t)
			t.Setenv("IDENTITY_HEADER", hopHeader)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := azsdk.Marked{TokenCredential: tc.credential(t)}.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://monitor.azure.com/.default"}})
			var failed *azsdk.TokenError
			if !errors.As(err, &failed) {
				t.Fatalf("got %v", err)
			}
			text := failed.Explain(remedy)
			for _, want := range tc.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in: %s", want, text)
				}
			}
			if strings.Contains(text, remedy) != tc.remedy {
				t.Errorf("the remedy of the identity is said: %v, want %v: %s", !tc.remedy, tc.remedy, text)
			}
			noSecrets(t, text)
		})
	}
}

func entra(t *testing.T) azcore.TokenCredential {
	o := once()
	o.Transport = azsdk.NewTransport()
	c, err := azidentity.NewClientSecretCredential(identityID, identityID, hopSecret, &azidentity.ClientSecretCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func managed(t *testing.T) azcore.TokenCredential {
	o := once()
	o.Transport = azsdk.NewTransport()
	c, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const identityID = "11111111-2222-3333-4444-555555555555"

// recorder is a proxy that notes everything that it is sent, and lets nothing pass.
type recorder struct {
	address string
	mu      sync.Mutex
	got     strings.Builder
}

func record(t *testing.T) *recorder {
	ln := listenLocal(t)
	r := &recorder{address: ln.Addr().String()}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				// Open the tunnel and listen to what is said in it, up to a limit.
				buf := make([]byte, 64<<10)
				n, _ := conn.Read(buf)
				r.note(buf[:n])
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
				n, _ = conn.Read(buf)
				r.note(buf[:n])
			}()
		}
	}()
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
		if _, err := entra(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://monitor.azure.com/.default"}}); err == nil {
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
