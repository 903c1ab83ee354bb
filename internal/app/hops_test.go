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
	// ownPages: the service itself answers a refusal with a web page.
	ownPages bool
	// costly: a client takes long to make.
	costly bool
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
	return append([]hop{
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
	}, otherHops(t)...)
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
	// refusal: the answer is a web page that a service may have, too.
	refusal bool
	// hangs: nothing answers, so the caller's time ends.
	hangs bool
}

// wayFaults are faults on the way to a service.
func wayFaults() []hopFault {
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
	return []hopFault{
		// The settings of the way out.
		{name: "proxy setting with # in the password", arrange: public(func(*testing.T) string { return "http://user:" + hopSecret + "#x@proxy.example:3128" }), says: []string{"HTTPS_PROXY has a user or password with a reserved URL character", "# as %23"}},
		{name: "proxy setting that is no address", arrange: public(func(*testing.T) string { return "http://proxy.example:" + hopSecret }), says: []string{"HTTPS_PROXY can't be parsed as the address of a proxy"}},

		// The proxy.
		{name: "proxy that does not exist", arrange: public(func(t *testing.T) string {
			nameServer(t, dnsmessage.RCodeNameError)
			return "http://nowhere.example:3128"
		}), says: []string{"the proxy nowhere.example:3128 (HTTPS_PROXY) does not exist", "NO_PROXY"}},
		{name: "proxy that nobody finds", arrange: public(func(t *testing.T) string {
			nameServer(t, dnsmessage.RCodeServerFailure)
			return "http://proxy.example:3128"
		}), says: []string{"the name server did not answer for the proxy proxy.example:3128 (HTTPS_PROXY)"}},
		{name: "proxy that is down", arrange: public(func(t *testing.T) string { return "http://" + closed(t) }), says: []string{"the proxy 127.0.0.1:", "(HTTPS_PROXY) can't be reached", "that the proxy is running"}},
		{name: "proxy that wants a sign-in", arrange: public(answers(407)), says: []string{"(HTTPS_PROXY) answered 407", "requires authentication", "add user and password to HTTPS_PROXY"}},
		{name: "proxy that refuses the password", arrange: public(func(t *testing.T) string { return "http://user:" + hopSecret + "@" + connectProxy(t, 407, "") }), says: []string{"(HTTPS_PROXY) answered 407", "rejected the user and password in HTTPS_PROXY"}},
		{name: "proxy that does not let go there", arrange: public(answers(403)), says: []string{"(HTTPS_PROXY) answered 403", "does not allow this machine to reach HOST"}},
		{name: "proxy that can't get there", arrange: public(answers(502)), says: []string{"(HTTPS_PROXY) answered 502", "it could not reach HOST"}},
		{name: "proxy that is overloaded", arrange: public(answers(503)), says: []string{"(HTTPS_PROXY) answered 503"}},
		{name: "proxy that speaks something else", arrange: public(func(t *testing.T) string { return "http://" + speaks(t, "SSH-2.0-OpenSSH_9.6\r\n") }), says: []string{"(HTTPS_PROXY) does not answer like a proxy"}},
		{name: "proxy that hangs up", arrange: public(func(t *testing.T) string { return "http://" + speaks(t, "") }), says: []string{"(HTTPS_PROXY) does not answer like a proxy"}},
		{name: "proxy that is silent", arrange: public(func(t *testing.T) string { return "http://" + mute(t) }), says: []string{"the proxy 127.0.0.1:"}, hangs: true},
		{name: "SOCKS proxy that is down", arrange: public(func(t *testing.T) string { return "socks5://" + closed(t) }), says: []string{"(HTTPS_PROXY) can't be reached"}},
		{name: "SOCKS proxy that wants a sign-in", arrange: public(func(t *testing.T) string { return "socks5://" + socks(t, "\x05\xff") }), says: []string{"(HTTPS_PROXY) requires authentication: add user and password to HTTPS_PROXY, as in socks5://"}},
		{name: "SOCKS proxy that refuses the password", arrange: public(func(t *testing.T) string {
			return "socks5://user:" + hopSecret + "@" + socks(t, "\x05\x02", "\x01\x01")
		}), says: []string{"(HTTPS_PROXY) rejected the user and password in HTTPS_PROXY"}},
		{name: "SOCKS proxy that does not let go there", arrange: public(func(t *testing.T) string {
			return "socks5://" + socks(t, "\x05\x00", "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")
		}), says: []string{"(HTTPS_PROXY) does not allow this machine to reach HOST"}},
		{name: "SOCKS proxy that can't get there", arrange: public(func(t *testing.T) string {
			return "socks5://" + socks(t, "\x05\x00", "\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00")
		}), says: []string{"(HTTPS_PROXY) could not reach HOST", "SETTINGS"}},
		{name: "proxy that speaks no TLS", arrange: public(func(t *testing.T) string { return "https://" + connectProxy(t, 407, "") }), says: []string{"(HTTPS_PROXY) presents a certificate that this machine does not trust, or does not use TLS"}},
		{name: "TLS-inspecting proxy", arrange: public(func(t *testing.T) string {
			return "http://" + connectProxy(t, 200, secure(t, certificate{issuer: "Corp Inspection CA"}))
		}), says: []string{"HOST presents a certificate from an authority that this machine does not trust", `"Corp Inspection CA"`, "TLS-inspecting proxy", "SSL_CERT_FILE"}},
		{name: "proxy that cuts the tunnel", arrange: public(func(t *testing.T) string { return "http://" + connectProxy(t, 200, speaks(t, "")) }), says: []string{"the connection to HOST through the proxy 127.0.0.1:"}},

		// The name server.
		{name: "no such host", arrange: func(t *testing.T) string { nameServer(t, dnsmessage.RCodeNameError); return "" }, says: []string{"there is no host HOST: check SETTINGS"}},
		{name: "name server that fails", arrange: func(t *testing.T) string { nameServer(t, dnsmessage.RCodeServerFailure); return "" }, says: []string{"the name server did not answer for HOST", "SETTINGS may be correct"}},

		// TLS.
		{name: "unknown authority", arrange: func(t *testing.T) string { return "https://" + secure(t, certificate{issuer: "Somebody's CA"}) }, says: []string{"HOST presents a certificate from an authority that this machine does not trust", `"Somebody's CA"`, "SSL_CERT_FILE"}},
		{name: "certificate of another host", arrange: func(t *testing.T) string {
			return "https://" + secure(t, certificate{names: []string{"portal.example"}})
		}, says: []string{"HOST presents a certificate for another host (portal.example)", "SETTINGS"}},
		{name: "expired certificate", arrange: func(t *testing.T) string { return "https://" + secure(t, certificate{ended: true}) }, says: []string{"HOST presents a certificate that is not valid at this machine's time", "set the clock if it is wrong"}},
		{name: "plain HTTP on the port of TLS", arrange: func(t *testing.T) string {
			return strings.Replace(page(t, 200, "", "<html></html>"), "http://", "https://", 1)
		}, says: []string{"HOST does not use TLS on this port: check the port in SETTINGS"}},
		{name: "something else on the port of TLS", arrange: func(t *testing.T) string { return "https://" + speaks(t, "SSH-2.0-OpenSSH_9.6\r\n") }, says: []string{"HOST does not use TLS on this port"}},

		{name: "versions of TLS from the last century", arrange: func(t *testing.T) string { return "https://" + oldTLS(t) }, says: []string{"HOST offers only versions of TLS older than 1.2", "SETTINGS"}},

		// The network.
		{name: "silence", arrange: func(t *testing.T) string { return "http://" + mute(t) }, says: []string{"no answer from HOST", "SETTINGS"}, hangs: true},
		{name: "silence behind TLS", arrange: func(t *testing.T) string { return "https://" + mute(t) }, says: []string{"no answer from HOST", "SETTINGS"}, hangs: true},
		{name: "closed port", arrange: func(t *testing.T) string { return "http://" + closed(t) }, says: []string{"no answer from HOST: if this persists, check SETTINGS, and that this machine is allowed to connect (firewall, HTTPS_PROXY)"}},
		{name: "hangs up", arrange: func(t *testing.T) string { return "http://" + speaks(t, "") }, says: []string{"no answer from HOST: if this persists, check SETTINGS"}},
	}
}

// answerFaults are answers that something else gives in place of a service.
func answerFaults() []hopFault {
	serves := func(status int, header, body string) func(t *testing.T) string {
		return func(t *testing.T) string { return page(t, status, header, body) }
	}
	const portal = `<!DOCTYPE html><html><head><title>Sign in to Guest-WiFi</title></head></html>`
	const xhtml = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x"><html><head><title>Blocked</title></head></html>`
	const wall = `<html><head><title>Request Rejected</title></head><body>Your support ID is 123</body></html>`
	return []hopFault{
		{name: "firewall's 403", arrange: serves(403, "text/html", wall), says: []string{`status 403 with a web page ("Request Rejected")`, "not from HOST but from something in between (a firewall, a proxy, a portal)", "SETTINGS"}, refusal: true},
		{name: "firewall's 401", arrange: serves(401, "text/html", wall), says: []string{`status 401 with a web page ("Request Rejected")`, "something in between"}, refusal: true},
		{name: "page without a type", arrange: serves(403, "", wall), says: []string{"status 403 with a web page"}, refusal: true},
		{name: "XHTML page without a type", arrange: serves(403, "", xhtml), says: []string{`status 403 with a web page ("Blocked")`, "something in between"}, refusal: true},
		{name: "page that repeats what was sent", arrange: mirror, says: []string{"status 403 with a web page"}, refusal: true},
		{name: "firewall's 403 in plain words", arrange: serves(403, "text/plain", "Access denied by policy"), says: []string{"403", "something in between (a firewall, a proxy)"}},
		{name: "firewall's 401 without a word", arrange: serves(401, "", ""), says: []string{"401", "something in between (a firewall, a proxy)"}},
		{name: "gateway's 503 without a word", arrange: serves(503, "", ""), says: []string{"503", "overloaded or down"}},
		{name: "what nobody asked for", arrange: serves(206, "application/json", `[{"id":"1","token":"`+hopHeader+`"}]`), says: nil},
		{name: "not modified", arrange: serves(304, "", ""), says: nil},
		{name: "portal's 200", arrange: serves(200, "text/html; charset=utf-8", portal), says: []string{"200", "something in between"}},
		{name: "redirect to a sign-in page", arrange: func(t *testing.T) string { return redirect(t, "https://login.example/?secret="+hopSecret) }, says: []string{"HOST redirects requests to another host, as the sign-in page of a proxy or portal does", "https://login.example"}},
		{name: "redirect to a sign-in page of its own", arrange: func(t *testing.T) string { return redirect(t, "/login?secret="+hopSecret) }, says: []string{"HOST redirects requests to another address of its own, as the sign-in page of a proxy or portal does"}},
		{name: "sign-in of the network, 200 without a type", arrange: serves(200, "", portal), says: []string{"200"}},
		{name: "bad gateway", arrange: serves(502, "text/html", "<html><title>502 Bad Gateway</title></html>"), says: []string{"502"}},
		{name: "sign-in of the network", arrange: serves(511, "text/html", portal), says: []string{"status 511: this network requires a sign-in"}},
		{name: "407 of a transparent proxy", arrange: serves(407, "text/html", wall), says: []string{"status 407: a proxy requires authentication"}},
	}
}

// TestHopsAndFaults is the table: the hop that failed is named, with its setting and a
// remedy, and no other is blamed.
func TestHopsAndFaults(t *testing.T) {
	way := wayFaults()
	for i, f := range append(way, answerFaults()...) {
		for _, h := range hops(t) {
			if h.costly && i < len(way) {
				continue // the way is the same for all
			}
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
				limit := 20 * time.Second
				if f.hangs {
					limit = 200 * time.Millisecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				err := h.call(ctx, address)
				if err == nil {
					t.Fatal("no error")
				}
				text, says := err.Error(), f.says
				if f.refusal && h.ownPages {
					says = []string{"something in between (a firewall, a proxy)"}
				}
				for _, want := range says {
					want = strings.NewReplacer("HOST", host, "HTTPS_PROXY", "HTTPS_PROXY", "SETTINGS", h.settings).Replace(want)
					if !strings.Contains(text, want) {
						t.Errorf("%q is not in: %s", want, text)
					}
				}
				certain, _, _ := strings.Cut(text, "if nothing is in between")
				for _, wrong := range h.blames {
					if strings.Contains(certain, wrong) {
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
