package functions

import (
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
)

const (
	// readTimeout limits the reading of one request. The host sends a thousand bytes over
	// the loopback interface.
	readTimeout = 30 * time.Second
	// idleTimeout is longer than the minute for which the host keeps an idle connection, so
	// that the handler never closes one in use.
	idleTimeout = 5 * time.Minute
	maxHeader   = 64 << 10
)

// invocationID is the header that the host adds to every request except the readiness
// check.
const invocationID = "X-Azure-Functions-InvocationId"

const otherHost = "the header Host does not name this machine: the request may come from a web page"

// Deployed reports whether the process runs where nothing but the platform reaches its port: in Azure,
// or in a container. Core Tools on a developer's own machine say that it does not.
// https://learn.microsoft.com/azure/azure-functions/functions-app-settings#azure_functions_environment
func Deployed() bool {
	if strings.EqualFold(os.Getenv("AZURE_FUNCTIONS_ENVIRONMENT"), "Development") {
		return false
	}
	return slices.ContainsFunc([]string{"WEBSITE_SITE_NAME", "WEBSITE_HOSTNAME", "CONTAINER_APP_NAME", "KUBERNETES_SERVICE_HOST"}, func(name string) bool {
		return os.Getenv(name) != ""
	})
}

// stranger says why a request can't be an invocation by the Functions host, or "".
//
// Any program on the machine can reach the port, and so can a web page in a browser there,
// for instance while a developer runs func start. A page can post a form to any address,
// and by pointing its own name at 127.0.0.1 it can read the answer. The host uses the
// loopback address, and sends neither an origin nor a form.
func stranger(r *http.Request) string {
	switch {
	case !isLoopback(r.Host):
		return otherHost
	case r.Header.Get("Origin") != "", r.Header.Get("Sec-Fetch-Site") != "", r.Header.Get("Sec-Fetch-Mode") != "":
		return "it comes from a web page in a browser"
	case forwarded(r.Header):
		return "it was passed on from outside: the Functions host makes invocations of its own"
	case r.Header.Get(invocationID) == "":
		return "it lacks the header " + invocationID + ", which the Functions host sends"
	case !isJSON(r.Header.Get("Content-Type")):
		return "its content type is not application/json"
	}
	return ""
}

// forwarded reports whether a front end of the platform, or another proxy, has passed the request
// on. The host passes requests for HTTP functions on with these headers; with a route that is too
// wide, that could be one for the path of another function.
func forwarded(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "X-Arr-") || name == "Forwarded" || name == "X-Original-Url" {
			return true
		}
	}
	return false
}

// isLoopback accepts the address with or without a port. An empty host doesn't come from a
// browser.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return host == "" || address.Loopback(host)
}

// isJSON also accepts a missing type.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// readBody reads the body of an invocation for at most readTimeout. If it is truncated, too
// long or unreadable, only a hint is lost.
func readBody(w http.ResponseWriter, r *http.Request) []byte {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnvelope))
	if err != nil {
		w.Header().Set("Connection", "close") // otherwise the server would wait for the rest
	}
	return body
}
