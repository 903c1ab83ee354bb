package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"
)

// Hop is the part of a request's route that failed.
type Hop string

// The hops. HopGateway is anything that answers in place of the service: a web application
// firewall, a captive portal, a proxy's page.
const (
	HopSettings Hop = "settings"
	HopProxy    Hop = "proxy"
	HopDNS      Hop = "dns"
	HopTLS      Hop = "tls"
	HopNetwork  Hop = "network"
	HopGateway  Hop = "gateway"
)

// Peer is the service that a request is for, in the user's terms.
type Peer struct {
	// Host is its host, with a port if there is one.
	Host string
	// Settings are the settings that hold its address, for instance "TENANT_ID or
	// SAILPOINT_BASE_URL".
	Settings string
}

// Failure is an exchange that got no answer from the service. Its text names the hop that failed,
// the setting and the remedy, and holds no secret.
type Failure struct {
	Hop Hop
	// Passing says that the failure may go away by itself; After is how long the answer asks to
	// wait.
	Passing bool
	After   time.Duration

	text string
	err  error // may be nil
}

func (f *Failure) Error() string {
	if f.err == nil {
		return f.text
	}
	return f.text + ": " + f.err.Error()
}

func (f *Failure) Unwrap() error { return f.err }

// Explain says why no answer from peer arrived. It is the one place for these texts. Callers first
// check whether their own context has ended.
func Explain(err error, peer Peer) *Failure {
	var known *Failure
	if errors.As(err, &known) {
		return known
	}
	err = Redact(err)
	var (
		setting  *ProxyError
		proxy    *viaProxy
		redirect *Redirect
	)
	switch {
	case errors.As(err, &setting):
		return &Failure{Hop: HopSettings, text: setting.Error()} // wrapping err would repeat the text
	case errors.As(err, &proxy) && proxy.proxyFault():
		return explainProxy(err, proxy, peer)
	case errors.As(err, &redirect):
		where := "another host"
		if to, err := url.Parse(redirect.To); err == nil && strings.EqualFold(to.Host, peer.Host) {
			where = "another address of its own"
		}
		return &Failure{Hop: HopGateway, err: err, text: fmt.Sprintf(
			"%s redirects requests to %s, as the sign-in page of a proxy or portal does: exempt the host there, or correct %s", peer.Host, where, peer.Settings)}
	case errors.As(err, new(*TooLarge)):
		return &Failure{Hop: HopGateway, Passing: true, err: err, text: fmt.Sprintf(
			"%s does not give an answer of that size, so something in between (a firewall, a proxy) may have: allow requests of this machine there; check %s if nothing is in between", peer.Host, peer.Settings)}
	}
	if strings.Contains(err.Error(), "invalid header field value") { // net/http has no type for it
		return &Failure{Hop: HopSettings, err: err, text: fmt.Sprintf(
			"the request to %s was not sent: a token, key or id in its header has a character that no header may have", peer.Host)}
	}
	if f := explainDNS(err, peer); f != nil {
		return f
	}
	if f := explainTLS(err, peer); f != nil {
		return f
	}
	f := &Failure{Hop: HopNetwork, Passing: IsTransient(err), err: err}
	if proxy == nil && !errors.As(err, new(*url.Error)) {
		proxy = wayTo(peer.Host) // a library, or the end of a wait, does not say which way it was
	}
	if proxy != nil {
		f.text = fmt.Sprintf("the connection to %s through the proxy %s (%s) failed: if this persists, check %s, and that the proxy allows the connection", peer.Host, proxy.host, proxy.setting, peer.Settings)
	} else {
		f.text = fmt.Sprintf("no answer from %s: if this persists, check %s, and that this machine is allowed to connect (firewall, HTTPS_PROXY)", peer.Host, peer.Settings)
	}
	return f
}

// wayTo is the proxy that requests to a host go through; nil if there is none.
func wayTo(host string) *viaProxy {
	p := newProxies()
	u, err := p.of(&url.URL{Scheme: "https", Host: host})
	if err == nil && u != nil { // a setting that can't be used is reported by each request
		return &viaProxy{host: u.Host, setting: p.setting, signed: u.User != nil}
	}
	return nil
}

// explainProxy says what is wrong with the proxy, which is never the fault of the service's
// settings.
func explainProxy(err error, via *viaProxy, peer Peer) *Failure {
	f := &Failure{Hop: HopProxy, Passing: IsTransient(err), err: err}
	name := fmt.Sprintf("the proxy %s (%s)", via.host, via.setting)
	var refused *proxyRefused
	switch {
	case errors.As(err, &refused):
		f.Passing = refused.status >= http.StatusInternalServerError || refused.status == http.StatusTooManyRequests
		f.text = refused.explain(name, via.setting, peer)
		f.err = nil // the status is in the text
	case IsUnknownHost(err):
		f.text = fmt.Sprintf("%s does not exist: correct %s, or add %s to NO_PROXY if it needs no proxy", name, via.setting, hostOnly(peer.Host))
	case isDNS(err):
		f.text = fmt.Sprintf("the name server did not answer for %s: check the network's DNS", name)
	case IsCertificate(err):
		f.text = fmt.Sprintf("%s presents a certificate that this machine does not trust, or does not use TLS: write http:// in %s if it uses plain HTTP, or add its authority with SSL_CERT_FILE", name, via.setting)
	case f.Passing && dialing(err):
		f.text = fmt.Sprintf("%s can't be reached: check host and port in %s, and that the proxy is running", name, via.setting)
	case socksRefusal(err) != "":
		f.text, f.Passing = explainSOCKS(socksRefusal(err), name, via, peer)
	case IsTimeout(err):
		f.text = fmt.Sprintf("%s did not answer in time: check scheme, host and port in %s, and that the proxy is running", name, via.setting)
	default:
		f.Passing = true
		f.text = fmt.Sprintf("%s does not answer like a proxy: check scheme and port in %s", name, via.setting)
	}
	return f
}

// socksRefusal is what a SOCKS proxy answered, in the words of the library; "" if it did not refuse.
func socksRefusal(err error) string {
	for op := new(net.OpError); errors.As(err, &op); err = op.Err {
		if op.Op != "socks connect" || op.Err == nil {
			continue
		}
		for _, said := range []string{
			"no acceptable authentication methods", "username/password authentication failed", "invalid username/password", "connection not allowed by ruleset",
			"general SOCKS server failure", "network unreachable", "host unreachable", "connection refused", "TTL expired",
		} {
			if strings.HasSuffix(op.Err.Error(), said) {
				return said
			}
		}
	}
	return ""
}

// explainSOCKS says what to do about the refusal of a SOCKS proxy, and whether it may pass.
func explainSOCKS(said, name string, via *viaProxy, peer Peer) (text string, passing bool) {
	const form = "socks5://user:password@host:port"
	switch {
	case said == "no acceptable authentication methods" && !via.signed:
		return fmt.Sprintf("%s requires authentication: add user and password to %s, as in %s", name, via.setting, form), false
	case said == "no acceptable authentication methods":
		return name + " takes neither user and password nor none: the operator of the proxy must allow one of these", false
	case strings.Contains(said, "username/password"):
		return fmt.Sprintf("%s rejected the user and password in %s: correct them, as in %s", name, via.setting, form), false
	case strings.HasPrefix(said, "connection not allowed"):
		return fmt.Sprintf("%s does not allow this machine to reach %s: allow it there, or add the host to NO_PROXY", name, peer.Host), false
	}
	return fmt.Sprintf("%s could not reach %s: if this persists, ask the operator of the proxy, and check %s", name, peer.Host, peer.Settings), true
}

func (e *proxyRefused) explain(name, setting string, peer Peer) string {
	said := fmt.Sprintf("%s answered %d %s", name, e.status, http.StatusText(e.status))
	const form = "http://user:password@host:port, with special characters percent-encoded (# is %23)"
	switch {
	case e.status == http.StatusProxyAuthRequired && e.signed:
		return fmt.Sprintf("%s: it rejected the user and password in %s: correct them, as in %s", said, setting, form)
	case e.status == http.StatusProxyAuthRequired:
		return fmt.Sprintf("%s: it requires authentication: add user and password to %s, as in %s", said, setting, form)
	case e.status == http.StatusNetworkAuthenticationRequired:
		return said + ": this network requires a sign-in on a web page before it allows connections"
	case e.status >= http.StatusInternalServerError || e.status == http.StatusTooManyRequests:
		return fmt.Sprintf("%s: it could not reach %s: if this persists, ask the operator of the proxy, and check %s", said, peer.Host, peer.Settings)
	}
	return fmt.Sprintf("%s: it does not allow this machine to reach %s: allow it there, or add the host to NO_PROXY", said, peer.Host)
}

// dialing reports whether the connection was never made.
func dialing(err error) bool {
	for op := new(net.OpError); errors.As(err, &op); err = op.Err {
		if op.Op == "dial" {
			return true
		}
	}
	return false
}

func isDNS(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

func explainDNS(err error, peer Peer) *Failure {
	switch {
	case IsUnknownHost(err):
		return &Failure{Hop: HopDNS, err: err, text: fmt.Sprintf("there is no host %s: check %s, and that the name server of this network can resolve it", hostOnly(peer.Host), peer.Settings)}
	case isDNS(err):
		return &Failure{Hop: HopDNS, Passing: true, err: err, text: fmt.Sprintf(
			"the name server did not answer for %s: if this persists, check the DNS of this network; %s may be correct", hostOnly(peer.Host), peer.Settings)}
	}
	return nil
}

// explainTLS says why the host could not prove its identity; nil if that is not the cause.
func explainTLS(err error, peer Peer) *Failure {
	var (
		authority x509.UnknownAuthorityError
		names     x509.HostnameError
		invalid   x509.CertificateInvalidError
		f         = &Failure{Hop: HopTLS, err: err}
	)
	switch {
	case errors.As(err, &authority):
		issuer := ""
		if c := authority.Cert; c != nil {
			issuer = fmt.Sprintf(" (issued by %q)", Excerpt(c.Issuer.CommonName))
		}
		f.text = fmt.Sprintf("%s presents a certificate from an authority that this machine does not trust%s, as a TLS-inspecting proxy or firewall does: "+
			"exempt %s there, or add its authority with SSL_CERT_FILE (docs/settings.md)%s", peer.Host, issuer, peer.Host, certFile())
	case errors.As(err, &names):
		f.text = fmt.Sprintf("%s presents a certificate for another host%s: another host answers instead (a portal, a firewall, a wrong DNS entry), or %s must be corrected",
			peer.Host, others(names.Certificate), peer.Settings)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		f.text = fmt.Sprintf("%s presents a certificate that is not valid at this machine's time, %s%s: set the clock if it is wrong; otherwise the operator of the host, or of a TLS-inspecting proxy, must renew it",
			peer.Host, time.Now().UTC().Format(time.RFC3339), validity(invalid.Cert))
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, new(tls.RecordHeaderError)):
		f.text = fmt.Sprintf("%s does not use TLS on this port: check the port in %s, and whether a portal or proxy answers instead", peer.Host, peer.Settings)
	case alerted(err) && strings.Contains(err.Error(), "certificate required"):
		f.text = fmt.Sprintf("%s requires a client certificate, which none of the services does: check %s, and whether a proxy or gateway answers instead", peer.Host, peer.Settings)
	case strings.Contains(err.Error(), "protocol version"): // an alert, or this side's own finding
		f.text = fmt.Sprintf("%s offers only versions of TLS older than 1.2, which none of the services does: check %s, and whether a proxy or gateway answers instead", peer.Host, peer.Settings)
	case alerted(err):
		f.Passing = true
		f.text = fmt.Sprintf("%s aborted the TLS handshake: if this persists, check %s, and that firewalls and proxies allow this machine to connect", peer.Host, peer.Settings)
	case IsCertificate(err):
		f.text = fmt.Sprintf("%s has no certificate that this machine trusts: check %s, and whether a TLS-inspecting proxy is in use (SSL_CERT_FILE adds its authority)", peer.Host, peer.Settings)
	case strings.Contains(err.Error(), ": tls: "):
		f.Passing = true
		f.text = fmt.Sprintf("the TLS handshake with %s failed: if this persists, check %s, and whether a proxy or gateway answers instead", peer.Host, peer.Settings)
	default:
		return nil
	}
	return f
}

// alerted reports whether the other side ended the TLS handshake with an alert.
func alerted(err error) bool {
	for op := new(net.OpError); errors.As(err, &op); err = op.Err {
		if op.Op == "remote error" {
			return true
		}
	}
	return false
}

// certFile says what is wrong with the file of SSL_CERT_FILE, which the standard library ignores
// silently.
func certFile() string {
	name := os.Getenv("SSL_CERT_FILE")
	if name == "" || runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return ""
	}
	data, err := os.ReadFile(name)
	switch {
	case err != nil:
		return "; SSL_CERT_FILE names a file that can't be read"
	case !x509.NewCertPool().AppendCertsFromPEM(data):
		return "; the file of SSL_CERT_FILE contains no certificate in PEM"
	}
	return ""
}

// others lists the names of a certificate.
func others(c *x509.Certificate) string {
	if c == nil || len(c.DNSNames) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", Excerpt(strings.Join(c.DNSNames[:min(3, len(c.DNSNames))], ", ")))
}

func validity(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf(" (valid from %s to %s)", c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
}

func hostOnly(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}

// Unsent reports whether an error of a client shows that the request was certainly not sent: there was
// no connection, or none that the request was written to.
func Unsent(err error) bool {
	var (
		setting *ProxyError
		refused *proxyRefused
		peer    *tls.CertificateVerificationError
	)
	return dialing(err) || isDNS(err) || errors.As(err, &setting) || errors.As(err, &refused) || errors.As(err, &peer)
}
