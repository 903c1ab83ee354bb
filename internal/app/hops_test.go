package app_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/keyvault"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/readback"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/azblob"
	"github.com/idn-sentinel/idn-sentinel/internal/state/legacy"
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
				return c.MayAsk(ctx, readback.Table{Name: "SailPointIDN_Events", Time: "created", ID: "id"})
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
			name: "vault", public: "https://acme-kv.vault.azure.net", settings: "the name of the vault in this setting",
			blames: []string{"Key Vault Secrets User", "no secret of that name", "does not accept the sign-in"},
			call: func(ctx context.Context, address string) error {
				cfg := keyvault.Config{Credential: func(entra.Identity, cloud.Configuration) (azcore.TokenCredential, error) { return fixedToken{}, nil }, ClientOptions: once()}
				_, err := keyvault.New(cfg).Secret(secret.Reference{Setting: "CLIENT_SECRET", Vault: address, Name: "client-secret"}).Get(ctx)
				return err
			},
		},
		{
			name: "storage, tables", public: "https://acme.table.core.windows.net", settings: "LEGACY_CHECKPOINT and the account's network rules",
			blames: []string{"AZURE_STORAGE_ACCESS_KEY is wrong"},
			call: func(ctx context.Context, address string) error {
				s, err := legacy.New(legacy.Config{ServiceURL: parse(t, address), AccountName: hopAccount, AccountKey: hopKey(), KeySetting: "AZURE_STORAGE_ACCESS_KEY", ClientOptions: once()})
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
