// Package transport is how this program speaks HTTP.
//
// [NewClient] builds the one *http.Client for a service. It has a time-out for every phase in which
// nothing may happen: dialling, the TLS handshake, waiting for the head of an answer, waiting for
// more of its body. The caller's context limits the whole exchange. The client keeps connections
// alive, names the program in the User-Agent header, and never follows a redirect: none of the
// services redirects, so a redirect means a wrong host or a sign-in page, and following it would
// send a token or a signature to another host.
//
// Connections are only reused when bodies are read to their end and closed: use [ReadAll] and
// [Discard].
//
// An error of net/http must not be shown as it is: it prints the URL with its query, where some
// services expect credentials. [Redact] removes that. [IsTransient] and [IsUnknownHost] classify an
// error, and [Explain] says it in the user's terms: which hop failed, which setting, which remedy.
// [Gateway] does the same for an answer that something else gave in place of the service.
//
// Proxies come from the environment (HTTPS_PROXY, NO_PROXY). The endpoints that issue tokens to a
// managed identity are never reached through one.
package transport

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Config is the configuration of a client. The zero value is ready for use.
type Config struct {
	// Version of the program, for the User-Agent header; "" means "dev".
	Version string
	// DialTimeout limits looking up the host and connecting, and then the TLS handshake; 0 means
	// 10 s each.
	DialTimeout time.Duration
	// HeaderTimeout limits the wait for the head of an answer once the request is sent; 0 means
	// 60 s, because the service takes a while for a large search page.
	HeaderTimeout time.Duration
	// StallTimeout limits the wait for the next piece of an answer's body; 0 means 30 s.
	StallTimeout time.Duration
}

// NewClient returns a client as described in the package comment. It shares no connections with
// other clients.
func NewClient(cfg Config) *http.Client {
	dial := cmp.Or(cfg.DialTimeout, 10*time.Second)
	proxies := newProxies()
	base := &http.Transport{
		Proxy: func(req *http.Request) (*url.URL, error) { return proxies.of(req.URL) },

		OnProxyConnectResponse: refusedByProxy,
		DialContext:            (&net.Dialer{Timeout: dial, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    dial,
		ResponseHeaderTimeout:  cmp.Or(cfg.HeaderTimeout, 60*time.Second),
		ExpectContinueTimeout:  time.Second,
		// Two streams and a few parallel writes to a handful of hosts. The idle time is longer than
		// a tick, so that the next tick can reuse the connection.
		MaxIdleConns:        32,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     3 * time.Minute,
		ReadBufferSize:      32 << 10, // pages are large
		// Detects and drops an HTTP/2 connection that died silently.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
	version := cfg.Version
	if version == "" {
		version = "dev"
	}
	return &http.Client{
		Transport: &roundTripper{
			Transport: base,
			proxies:   proxies,
			agent:     "idn-sentinel/" + version,
			stall:     cmp.Or(cfg.StallTimeout, 30*time.Second),
		},
		CheckRedirect: refuseRedirect,
	}
}

// NoRedirects returns the client if it has a rule for redirects, as one of [NewClient] has, else a
// copy that follows none.
func NoRedirects(client *http.Client) *http.Client {
	if client.CheckRedirect != nil {
		return client
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Redirect says that a service answered with a redirect, which is not followed.
type Redirect struct {
	Status int
	// To is the target, without user and query.
	To string
}

func (e *Redirect) Error() string {
	return fmt.Sprintf("status %d redirects to %s, and redirects are not followed: is the host right?", e.Status, e.To)
}

func refuseRedirect(req *http.Request, _ []*http.Request) error {
	e := &Redirect{To: redactURL(req.URL.String())}
	if req.Response != nil {
		e.Status = req.Response.StatusCode
	}
	return e
}
