package functions

import (
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
)

const (
	// readTimeout bounds the reading of one request. The host sends a thousand bytes
	// over the loopback interface.
	readTimeout = 30 * time.Second
	// idleTimeout is longer than the minute for which the host keeps an idle
	// connection, so that it is never the handler that closes one in use.
	idleTimeout = 5 * time.Minute
	maxHeader   = 64 << 10
)

// invocationID is the header that the host adds to every request but that for readiness.
const invocationID = "X-Azure-Functions-InvocationId"

// stranger says why a request is not an invocation by the Functions host, "" if it
// may be one.
//
// Any program on the machine can reach the port, and so can a web page in a browser
// there, as when a developer runs func start. A page can post a form to any
// address, and by pointing its own name at 127.0.0.1 it can read the answer. The
// host names the loopback address, and sends neither an origin nor a form.
func stranger(r *http.Request) string {
	switch {
	case !isLoopback(r.Host):
		return "the header Host does not name this machine: the request may come from a web page"
	case r.Header.Get("Origin") != "", r.Header.Get("Sec-Fetch-Site") != "", r.Header.Get("Sec-Fetch-Mode") != "":
		return "it comes from a web page in a browser"
	case r.Header.Get(invocationID) == "":
		return "it lacks the header " + invocationID + ", which the Functions host sends"
	case !isJSON(r.Header.Get("Content-Type")):
		return "its content type is not application/json"
	}
	return ""
}

// isLoopback takes the address with or without a port; none at all comes from no browser.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return host == "" || address.Loopback(host)
}

// isJSON takes an absent type, too.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// readBody reads what there is of the body of an invocation, for readTimeout at most.
// A body that ends early, is too long or can't be read costs a hint only.
func readBody(w http.ResponseWriter, r *http.Request) []byte {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnvelope))
	if err != nil {
		w.Header().Set("Connection", "close") // else the server would wait for the rest
	}
	return body
}
