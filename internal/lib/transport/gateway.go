package transport

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
)

// IsPage reports whether an answer is a web page. An API does not send one: a gateway, a firewall
// or a portal does.
func IsPage(header http.Header, body []byte) bool {
	if kind := strings.ToLower(header.Get("Content-Type")); strings.Contains(kind, "text/html") || strings.Contains(kind, "xhtml") {
		return true
	}
	start := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(body[:min(len(body), 512)], []byte("\uFEFF"))))
	if bytes.HasPrefix(start, []byte("<?xml")) { // XHTML; the services answer with XML, too
		if _, rest, ok := bytes.Cut(start, []byte("?>")); ok {
			start = bytes.TrimSpace(rest)
		}
	}
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<body", "<!--", "<script", "<meta"} {
		if bytes.HasPrefix(start, []byte(tag)) {
			return true
		}
	}
	return false
}

// NotAnAck names the header that shows that an answer without a body is not an acknowledgement: a
// header of a page, a sign-in or an error, which an API does not send with a success. "" means
// none.
func NotAnAck(header http.Header) string {
	if kind := strings.ToLower(header.Get("Content-Type")); strings.Contains(kind, "html") {
		return "Content-Type"
	}
	for _, name := range []string{"Location", "Refresh", "WWW-Authenticate", "Proxy-Authenticate", "X-Squid-Error", "X-Ms-Error-Code"} {
		if header.Get(name) != "" {
			return name
		}
	}
	return ""
}

// Gateway returns the failure if something else answered in place of peer, and nil if the answer
// may be the service's. hidden are secrets that a page may repeat.
func Gateway(status int, header http.Header, body []byte, peer Peer, hidden ...secret.String) *Failure {
	f := &Failure{
		Hop:     HopGateway,
		After:   RetryAfter(header, time.Now()),
		Passing: status < http.StatusMultipleChoices || status >= http.StatusInternalServerError || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout,
	}
	switch {
	case status == http.StatusProxyAuthRequired:
		f.Hop = HopProxy
		f.text = fmt.Sprintf("status %d: a proxy requires authentication: exempt %s there, or add user and password to HTTPS_PROXY", status, peer.Host)
	case status == http.StatusNetworkAuthenticationRequired:
		f.Passing = false
		f.text = fmt.Sprintf("status %d: this network requires a sign-in on a web page before it allows connections to %s", status, peer.Host)
	case !IsPage(header, body):
		return nil
	case status >= http.StatusInternalServerError:
		f.text = fmt.Sprintf("status %d with a web page%s: a gateway between this machine and %s got no answer from it: if this persists, check %s and the gateways and proxies in between",
			status, title(body, hidden), peer.Host, peer.Settings)
	default:
		f.text = fmt.Sprintf("status %d with a web page%s: the answer is not from %s but from something in between (a firewall, a proxy, a portal): allow requests of this machine there; check %s if nothing is in between",
			status, title(body, hidden), peer.Host, peer.Settings)
	}
	return f
}

// Unexpected says what to make of a status that peer does not give to such a request, or gives
// without a reason. It follows the status in an error text.
func Unexpected(status int, peer Peer) string {
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		return fmt.Sprintf("%s, or a gateway in front of it, is overloaded or down: if this persists, check %s, and the gateways and proxies in between", peer.Host, peer.Settings)
	}
	return fmt.Sprintf("%s does not give such an answer, so something in between (a firewall, a proxy) may have: allow requests of this machine there; check %s if nothing is in between", peer.Host, peer.Settings)
}

// Doubtful begins the remedy for a refusal that is not in the form of peer's own.
func Doubtful(peer Peer) string {
	return fmt.Sprintf("the answer is not in the form of %s, so something in between (a firewall, a proxy) may have given it: allow requests of this machine there; if nothing is in between, ", peer.Host)
}

var pageTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// title is the title of a page, so that people can see where it comes from.
func title(body []byte, hidden []secret.String) string {
	m := pageTitle.FindSubmatch(body)
	if m == nil {
		return ""
	}
	if said := Excerpt(string(m[1]), hidden...); said != "" {
		return fmt.Sprintf(" (%q)", said)
	}
	return ""
}

// excerptLen is the length of an excerpt in bytes: enough to recognise a message, too short to leak
// a record into a log.
const excerptLen = 200

// Excerpt makes a text from a service fit for one line of an error: short, printable, and without
// the secrets that it may repeat, in any encoding.
func Excerpt(said string, hidden ...secret.String) string {
	return text.Line(secret.Mask(said, hidden...), excerptLen)
}

// Sent returns the credentials that a request carries, which a page in answer to it may repeat.
func Sent(req *http.Request) (out []secret.String) {
	if req == nil {
		return nil
	}
	for _, name := range []string{"Authorization", "X-Identity-Header", "Secret"} {
		value := req.Header.Get(name)
		if _, credentials, ok := strings.Cut(value, " "); ok {
			value = credentials
		}
		out = append(out, secret.New(value))
		if _, signature, ok := strings.Cut(value, ":"); ok {
			out = append(out, secret.New(signature))
		}
	}
	for _, name := range []string{"sig", "code", "client_secret", "access_token"} {
		out = append(out, secret.New(req.URL.Query().Get(name)))
	}
	return out
}
