// Package arm is a stand-in for Azure Resource Manager: the calls that find a function app, read and
// write its settings, and list its functions and Key Vault references, with the service's sign-in,
// roles, limits and refusals.
//
//	a := &arm.ARM{}
//	site := a.Add(arm.Site{Name: "func-acme", Group: "rg-acme", Subscription: arm.Subscription})
//	site.Settings["TENANT_ID"] = "acme"
//	server := httptest.NewServer(a)
//	… let something call server.URL, with a token of workspace.Credential for the audience …
//
// A token for anything but the resource manager of the public cloud is refused, even one of the same
// identity. A role is a set of actions that are allowed: see [ARM.Allow]. Names of groups and apps
// are not case-sensitive, names of settings are. The texts are those of the service.
package arm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

// Subscription is the id of a subscription, for examples.
const Subscription = "6f1c3c3e-0d1a-4b57-9d0e-2f5a7c11aa01"

// The roles, as the actions that they allow. Every role allows reading.
const (
	Reader             = ""
	WebsiteContributor = "microsoft.web/"
)

// ARM is the service. The zero value knows no app, and lets everybody in who has a token.
type ARM struct {
	// Now is its clock; nil means time.Now.
	Now func() time.Time

	mu       sync.Mutex
	sites    []*Site
	denied   bool // nothing may be read
	role     *string
	busy     int
	after    int
	down     int
	requests []Request
}

// Request is a request and the status of its answer.
type Request struct {
	Method, Path string
	Status       int
}

// Site is a function app or a slot of one.
type Site struct {
	Name, Slot, Group, Subscription string
	// Kind is "functionapp,linux" if it is empty, State "Running", SKU "FlexConsumption".
	Kind, State, SKU string
	// Settings are the app settings as they are written.
	Settings map[string]string
	// Statuses are those of Key Vault references, by setting; "" for Resolved.
	Statuses map[string]string
	// Functions are by name whether they are disabled.
	Functions map[string]bool
	// Broken means that the host of the functions can't start.
	Broken bool
	// Locked means that a read-only lock is on it.
	Locked bool
	// Reading, if set, is called after settings were read, and Written after they were written, with the
	// lock held: what another person does meanwhile.
	Reading, Written func(*Site)
}

// Add adds an app, and returns it. Change it only before requests arrive, or with [ARM.Do].
func (a *ARM) Add(s Site) *Site {
	if s.Settings == nil {
		s.Settings = map[string]string{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sites = append(a.sites, &s)
	return &s
}

// Do calls do while no request is served.
func (a *ARM) Do(do func()) { a.mu.Lock(); defer a.mu.Unlock(); do() }

// Allow gives the caller a role. Without a call, everything is allowed.
func (a *ARM) Allow(role string) { a.mu.Lock(); a.role = &role; a.mu.Unlock() }

// Deny takes all roles away.
func (a *ARM) Deny() { a.mu.Lock(); a.denied = true; a.mu.Unlock() }

// Busy answers the next n requests with 429 and this Retry-After in seconds.
func (a *ARM) Busy(n, after int) { a.mu.Lock(); a.busy, a.after = n, after; a.mu.Unlock() }

// Down answers the next n requests with 503.
func (a *ARM) Down(n int) { a.mu.Lock(); a.down = n; a.mu.Unlock() }

// Requests lists the requests so far.
func (a *ARM) Requests() []Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.requests)
}

// answer is what is sent.
type answer struct {
	status int
	body   any
}

func failure(status int, code, format string, args ...any) answer {
	return answer{status, map[string]any{"error": map[string]any{"code": code, "message": fmt.Sprintf(format, args...)}}}
}

// ServeHTTP implements [http.Handler].
func (a *ARM) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	got := a.serve(rw, r)
	a.requests = append(a.requests, Request{r.Method, r.URL.Path, got.status})
	text, err := json.Marshal(got.body)
	if err != nil {
		panic("sandbox arm: " + err.Error())
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-cache")
	rw.Header().Set("x-ms-request-id", "00000000-0000-4000-8000-"+fmt.Sprintf("%012d", len(a.requests)))
	rw.WriteHeader(got.status)
	_, _ = rw.Write(text)
}

func (a *ARM) serve(rw http.ResponseWriter, r *http.Request) answer {
	if r.Method == http.MethodGet && r.URL.Path == "/metadata/endpoints" { // takes no sign-in
		return answer{http.StatusOK, map[string]any{
			"name": "StandIn", "resourceManager": scheme(r) + r.Host,
			"authentication": map[string]any{"loginEndpoint": "https://login.microsoftonline.com/", "audiences": []string{audience, "https://management.azure.com/"}, "tenant": "common", "identityProvider": "AAD"},
			"suffixes":       map[string]any{"keyVaultDns": "vault.azure.net", "storage": "core.windows.net"},
		}}
	}
	switch {
	case a.busy > 0:
		a.busy--
		rw.Header().Set("Retry-After", strconv.Itoa(a.after))
		return failure(http.StatusTooManyRequests, "TooManyRequests", "Number of requests for subscription exceeded the limit. Please try again after '%d' seconds.", a.after)
	case a.down > 0:
		a.down--
		return failure(http.StatusServiceUnavailable, "ServerTimeout", "The request timed out. Diagnostic information: timestamp '20261129T220000Z'.")
	}
	if refused, ok := a.authorize(rw, r); !ok {
		return refused
	}
	if r.URL.Query().Get("api-version") == "" {
		return failure(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	}
	if strings.EqualFold(r.URL.Path, "/providers/Microsoft.ResourceGraph/resources") {
		return a.graph(r)
	}
	return a.resource(r)
}

// audience is what tokens must be for. The service takes that of the other name, too.
const audience = "https://management.core.windows.net/"

func (a *ARM) authorize(rw http.ResponseWriter, r *http.Request) (answer, bool) {
	now := time.Now
	if a.Now != nil {
		now = a.Now
	}
	unauthorized := func(code, message string) (answer, bool) {
		rw.Header().Set("WWW-Authenticate", `Bearer authorization_uri="https://login.windows.net/00000000-0000-4000-a000-000000000001", error="invalid_token", error_description="`+message+`"`)
		return failure(http.StatusUnauthorized, code, "%s", message), false
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return unauthorized("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	}
	found, expires, ok := workspace.Inspect(token)
	switch {
	case !ok:
		return unauthorized("InvalidAuthenticationToken", "The access token is invalid.")
	case strings.TrimRight(found, "/") != strings.TrimRight(audience, "/") && strings.TrimRight(found, "/") != "https://management.azure.com":
		return unauthorized("InvalidAuthenticationToken", "The access token has been obtained for wrong audience or resource '"+found+"'. It should exactly match with one of the allowed audiences.")
	case !now().Before(expires):
		return unauthorized("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.")
	}
	return answer{}, true
}

// may returns the refusal of an action, or ok.
func (a *ARM) may(action, scope string) (answer, bool) {
	lower := strings.ToLower(action)
	allowed := !a.denied && (a.role == nil || strings.HasSuffix(lower, "/read") || *a.role != "" && strings.HasPrefix(lower, *a.role))
	if allowed {
		return answer{}, true
	}
	return failure(http.StatusForbidden, "AuthorizationFailed", "The client 'live.com#jo@example.com' with object id '00000000-0000-4000-a000-0000000000bb' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. "+
		"If access was recently granted, please refresh your credentials.", action, scope), false
}
