package tenant

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// The first two scopes are all that a collector needs. The others are for the event triggers:
// to test them, to list them and their subscriptions, and to subscribe.
const (
	ScopeSearch              = "sp:search:read"
	ScopeStatus              = "sp:trigger-service-invocation-status:read"
	ScopeTest                = "sp:trigger-service-invocation-status:manage"
	ScopeSubscriptions       = "sp:trigger-service-subscriptions:read"
	ScopeManageSubscriptions = "sp:trigger-service-subscriptions:manage"
	scopeAll                 = "sp:scopes:all"
)

// Tenant is the stand-in. The zero value has no data, accepts any client id with
// any secret, and is ready for use. The exported fields must not change while
// requests are served. A Tenant must not be copied.
type Tenant struct {
	// Name is the tenant's name. "" means "synthetic".
	Name string
	// ClientID and ClientSecret are what the token endpoint accepts. "" accepts anything
	// that is not empty.
	ClientID, ClientSecret string
	// Scopes are granted to every token. Nil means ScopeSearch and ScopeStatus.
	Scopes []string
	// TokenTTL is how long a token is valid. 0 means 749 s.
	TokenTTL time.Duration
	// Now is the clock of the index and of the invocations. Nil means time.Now.
	Now func() time.Time
	// IndexDelay is how long after its created time an event is found, where
	// AddEvent does not say otherwise.
	IndexDelay time.Duration
	// Disabled lists families of paths that answer 404.
	Disabled []string
	// Deprecated marks the answers of the legacy families with X-Deprecated: true.
	Deprecated bool
	// Experimental demands the header X-SailPoint-Experimental of the invocations
	// in v2024 and v2025, as the service did until March 2026. Today's documents know
	// no such header, and with or without it is right.
	Experimental bool
	// RefuseIDSort answers 400 to a search that is sorted by id.
	RefuseIDSort bool
	// UnstableTies makes events of the same created time change places from one
	// search to the next when the sort order does not decide between them.
	UnstableTies bool
	// ServeAtMost is how many rows a page has at most, whatever limit is asked for; 0 means
	// as many as were asked for.
	ServeAtMost int
	// OmitTotal leaves X-Total-Count out of pages, also where it was asked for.
	OmitTotal bool
	// TotalOfPage makes X-Total-Count of a page say how many rows the page has.
	TotalOfPage bool
	// RateLimit is the limit per client id.
	RateLimit RateLimit
	// Faults makes requests fail, behind the rate limit and before everything else.
	Faults *fault.Plan
	// Backlog adds the first BacklogSize events of a generator to the data. They
	// are made when a page needs them and never held. They must have ids and
	// created times.
	Backlog     *synth.Generator
	BacklogSize int
	// KeepInvocations is how many invocations the status endpoint shows at most. 0 means 2000.
	KeepInvocations int

	// Triggers are those that can be subscribed to. Nil means the ones whose ids are public.
	Triggers []Trigger
	// Seed decides the ids of subscriptions and invocations and the secrets that the tenant makes.
	Seed int64
	// Address is where the tenant is, for the callback addresses in pushes. "" means a host below
	// identitynow.example.
	Address string
	// Pushes carries what the tenant sends to subscribers. Nil means [http.DefaultTransport].
	Pushes http.RoundTripper
	// PushMetadata is what pushes hold beside the payload.
	PushMetadata Metadata
	// PushChunked sends pushes without Content-Length.
	PushChunked bool
	// HideFailures lets the status list show a lost push of a FIRE_AND_FORGET trigger like a
	// delivered one: the documentation leaves open whether they can be told apart.
	HideFailures bool
	// HoldTests keeps back the pushes of test invocations.
	HoldTests bool
	// WithoutUser makes tokens those of an API client, which has no user: what needs one is refused.
	WithoutUser bool
	// CampaignsBecome is the status of a campaign that has been prepared. "" means STAGED.
	CampaignsBecome string
	// Bus gets the pushes of EventBridge subscriptions. Nil means that nothing listens there.
	Bus *Bus

	publicOnce sync.Once
	public     []Trigger
	pushing    sync.WaitGroup // pushes of test invocations

	mu         sync.Mutex // guards what follows
	tokens     map[string]token
	issued     []string
	limits     map[string]*client
	peak       int
	requests   map[string]int
	violations []string
	unknown    []string
	made       map[string]int // ids by purpose
	answers    int            // error answers and searches, to tell one from another

	workflows     map[string]Workflow // by id
	executions    []Execution
	workflowTests int

	governed governance

	data data

	buffers sync.Pool // of *[]byte, for pages
}

// ServeHTTP implements [http.Handler].
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.note(r)
	if !strings.HasPrefix(r.URL.Path, "/oauth/") {
		if wait, ok := t.admit(t.clientOf(r)); !ok {
			writeLimited(w, wait)
			return
		}
	}
	t.Faults.Wrap(http.HandlerFunc(t.route)).ServeHTTP(w, r)
}

// note counts a request and looks for secrets in its URL.
func (t *Tenant) note(r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.requests == nil {
		t.requests = make(map[string]int)
	}
	t.requests[r.URL.Path]++
	if leaks(r.URL, t.ClientSecret) {
		t.violations = append(t.violations, "credentials in the URL of "+r.Method+" "+r.URL.Path)
	}
}

// leaks says whether a URL has credentials in it. "eyJ" is how every JWT begins.
func leaks(u *url.URL, secret string) bool {
	query := u.Query()
	for _, name := range []string{"client_id", "client_secret", "access_token"} {
		if query.Has(name) {
			return true
		}
	}
	return u.User != nil || strings.Contains(u.String(), "eyJ") || (secret != "" && (strings.Contains(u.String(), secret) || strings.Contains(u.String(), url.QueryEscape(secret))))
}

// Requests returns how many requests came for each path, refused ones included.
func (t *Tenant) Requests() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := make(map[string]int, len(t.requests))
	maps.Copy(counts, t.requests)
	return counts
}

// Violations returns what clients did that they must never do. It names no secrets.
func (t *Tenant) Violations() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.violations)
}

// Unknown returns what clients asked that the service may know and the stand-in
// does not. It answered 501.
func (t *Tenant) Unknown() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.unknown)
}

func (t *Tenant) name() string { return cmp.Or(t.Name, "synthetic") }

// now is the clock of the data.
func (t *Tenant) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

// serial returns a number that no other answer has.
func (t *Tenant) serial() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers++
	return t.answers
}
