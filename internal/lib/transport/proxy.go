package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// ProxyError says that a proxy setting can't be used. Its text names the setting and omits the
// value, which may carry a password.
type ProxyError struct {
	// Setting is the environment variable, in the spelling that is set.
	Setting string
	// Problem says what is wrong and what to do.
	Problem string
}

func (e *ProxyError) Error() string { return e.Setting + " " + e.Problem }

// proxySettings are the names under which the proxy for https is looked up, in this order.
// HTTP_PROXY is not used: plain http stays on this machine.
func proxySettings() []string { return []string{"HTTPS_PROXY", "https_proxy"} }

// CheckProxy reads the proxy from the environment. It returns a [*ProxyError] for a value that
// can't be used, which net/http would ignore or misread.
func CheckProxy() error {
	name, value := proxyValue()
	if problem := proxyProblem(value); problem != "" {
		return &ProxyError{name, problem}
	}
	return nil
}

// ProxyHost is the proxy that requests go through and the setting that names it; "" if there is
// none.
func ProxyHost() (host, setting string) {
	name, value := proxyValue()
	if value == "" || CheckProxy() != nil {
		return "", ""
	}
	_, rest, ok := strings.Cut(value, "://")
	if !ok {
		rest = value
	}
	return strings.TrimSuffix(rest[strings.LastIndexByte(rest, '@')+1:], "/"), name
}

func proxyValue() (name, value string) {
	for _, name = range proxySettings() {
		if value = os.Getenv(name); value != "" {
			return name, value
		}
	}
	return proxySettings()[0], ""
}

// proxyProblem says what is wrong with the value of a proxy setting; "" if nothing is.
func proxyProblem(value string) string {
	const form = "write it as http://host:port or http://user:password@host:port"
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok {
		scheme, rest = "http", value
	}
	user, host := "", rest
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, host = rest[:at], rest[at+1:]
	}
	host = strings.TrimSuffix(host, "/")
	switch _, err := url.Parse("http://" + user + "@proxy"); {
	case value == "":
		return ""
	case strings.ContainsAny(user, "#?/") || err != nil:
		return "has a user or password with a reserved URL character: percent-encode such characters (# as %23, / as %2F, ? as %3F, % as %25, a blank as %20)"
	}
	switch scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return "does not begin with http://, https:// or socks5://: " + form
	}
	u, err := url.Parse(scheme + "://" + host)
	switch {
	case err != nil:
		return "can't be parsed as the address of a proxy: " + form
	case u.Hostname() == "":
		return "names no host: " + form
	case u.Path != "" || strings.ContainsAny(host, "?#"):
		return "has something after the port: " + form
	case strings.HasSuffix(u.Host, ":"):
		return "has no number after the colon: " + form
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "has a port that is not a number from 1 to 65535: " + form
		}
	}
	return ""
}

// proxies decides which proxy a request goes through. It reads the environment
// once, when a client is made.
type proxies struct {
	setting string
	choose  func(*url.URL) (*url.URL, error)
	// direct are hosts that are never reached through a proxy.
	direct map[string]bool
}

func newProxies() *proxies {
	p := &proxies{direct: platformHosts()}
	p.setting, _ = proxyValue()
	if err := CheckProxy(); err != nil {
		p.choose = func(*url.URL) (*url.URL, error) { return nil, err }
		return p
	}
	p.choose = httpproxy.FromEnvironment().ProxyFunc()
	return p
}

// platformHosts are the hosts where the platform issues tokens to a managed identity. The requests
// carry a header that is as good as a password, and the answers carry tokens.
func platformHosts() map[string]bool {
	hosts := map[string]bool{}
	for _, name := range []string{"IDENTITY_ENDPOINT", "MSI_ENDPOINT", "IMDS_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST"} {
		if u, err := url.Parse(os.Getenv(name)); err == nil && u.Hostname() != "" {
			hosts[strings.ToLower(u.Hostname())] = true
		}
	}
	return hosts
}

// of returns the proxy for an address; nil if there is none.
func (p *proxies) of(u *url.URL) (*url.URL, error) {
	if p.isDirect(u.Hostname()) {
		return nil, nil //nolint:nilnil // the contract of http.Transport.Proxy
	}
	return p.choose(u)
}

// wireServer is where Azure's own agents answer, in every virtual network.
const wireServer = "168.63.129.16"

func (p *proxies) isDirect(host string) bool {
	host = strings.ToLower(host)
	if p.direct[host] || host == "localhost" || strings.HasSuffix(host, ".localhost") || host == wireServer {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && (addr.Unmap().IsLoopback() || addr.Unmap().IsLinkLocalUnicast())
}

// proxyRefused is an answer of a proxy that did not open a tunnel.
type proxyRefused struct {
	status int
	signed bool // the setting has a user
}

func (e *proxyRefused) Error() string {
	return fmt.Sprintf("the proxy answered %d %s", e.status, http.StatusText(e.status))
}

func refusedByProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyRefused{status: resp.StatusCode, signed: proxy.User != nil}
}

// viaProxy is an error of a request that was sent through a proxy.
type viaProxy struct {
	err error
	// host is the proxy's host, setting the setting that names it.
	host, setting string
	// signed says that the setting has a user.
	signed bool
	// connected says that the connection through the proxy was open.
	connected bool
}

func (e *viaProxy) Error() string { return e.err.Error() }
func (e *viaProxy) Unwrap() error { return e.err }

// Timeout implements [net.Error]; net/http calls it and Temporary without unwrapping.
func (e *viaProxy) Timeout() bool { return IsTimeout(e.err) }

// Temporary implements [net.Error].
func (e *viaProxy) Temporary() bool { return IsTimeout(e.err) }

// proxyFault reports whether the proxy itself is at fault.
func (e *viaProxy) proxyFault() bool {
	var (
		refused *proxyRefused
		op      *net.OpError
	)
	switch {
	case errors.As(e.err, &refused):
		return true
	case errors.As(e.err, &op) && (op.Op == "proxyconnect" || op.Op == "socks connect"):
		return true
	case IsCertificate(e.err):
		return false // the requested host's; the proxy's own would be a proxyconnect
	}
	return !e.connected
}
