package okta

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
)

// Paths of the org.
const (
	LogsPath  = "/api/v1/logs"
	TokenPath = "/oauth2/v1/token"
)

// Org is the stand-in. The zero value has no events, accepts any API token, and has no service app.
// The exported fields must not change while requests are served. An Org must not be copied.
type Org struct {
	// Host is the org's host in its links. "" means the host of each request; Scheme is theirs, ""
	// means https.
	Host, Scheme string
	// APIToken is what an SSWS request must present. "" accepts anything that is not empty.
	APIToken string
	// App may get access tokens; nil if there is none.
	App *App
	// Now is the org's clock. Nil means time.Now.
	Now func() time.Time
	// RateLimit is how many requests for the log are answered within a minute. 0 means 120.
	RateLimit int
	// Others is how many requests of other clients count in each minute.
	Others int
	// OmitRateLimit leaves the headers of the rate limit out.
	OmitRateLimit bool
	// OmitDate leaves the header Date out.
	OmitDate bool
	// ServeAtMost is how many events a page has at most, whatever limit is asked for; 0 means as
	// many as were asked for.
	ServeAtMost int
	// LinkHost is the host of next links. "" means Host.
	LinkHost string
	// Links is how links are written.
	Links LinkStyle
	// NoLinks leaves the links out, as a proxy does that removes headers it does not know.
	NoLinks bool
	// RefuseCursors refuses every after that was given out before it with this status; 0 accepts
	// them.
	RefuseCursors int
	// LastIsSelf gives an empty page of a polling request the link of the request itself.
	LastIsSelf bool
	// UntilInclusive has a bounded request find events published at until.
	UntilInclusive bool
	// SinceExclusive has one not find events published at since. Which of the two orgs do is not documented.
	SinceExclusive bool
	// Page, if not nil, is an HTML page that comes with status 200 in place of every answer.
	Page []byte
	// NoRole means that the credentials are right, and the role that reads the log is missing.
	NoRole bool
	// SlowAbove makes requests with a larger limit fail after 30 s, as an expensive query does; 0
	// means that none does.
	SlowAbove int
	// Faults makes requests fail, after the rate limit and before everything else.
	Faults *fault.Plan
	// Change, if not nil, passes the bodies of lists through.
	Change func(page []byte) []byte

	mu         sync.Mutex // guards what follows
	events     []Event    // by Persisted, then in the order they were added
	byTime     []int      // their places, by Published; nil if not sorted
	requests   map[string]int
	violations []string
	minute     int64 // of the rate limit
	used, peak int
	limited    int
	serial     int
	auth       auth
}

// LinkStyle is how an answer writes its links.
type LinkStyle int

// The styles.
const (
	// LineEach is a header line for each link, self first.
	LineEach LinkStyle = iota
	// OneLine is one line, separated by a comma, next first, with a parameter before rel that has a
	// comma.
	OneLine
)

// Event is an event of the log.
type Event struct {
	UUID      string
	Published time.Time
	// Persisted is when it is found by requests. Zero means Published.
	Persisted time.Time
	// Raw is the event's JSON; nil if Make makes it.
	Raw  []byte
	Make func() []byte
}

func (e Event) body() []byte {
	if e.Make != nil {
		return e.Make()
	}
	return e.Raw
}

// Add adds events. Persisted must not be before what an earlier answer has passed: the log only
// grows at its end.
func (o *Org) Add(events ...Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range events {
		if e.Persisted.IsZero() {
			e.Persisted = e.Published
		}
		o.events = append(o.events, e)
	}
	slices.SortStableFunc(o.events, func(a, b Event) int { return a.Persisted.Compare(b.Persisted) })
	o.byTime = nil
}

// Events returns all events, in the order they are persisted.
func (o *Org) Events() []Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.events)
}

// ServeHTTP implements [http.Handler].
func (o *Org) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.note(r)
	if !o.OmitDate {
		w.Header().Set("Date", o.now().UTC().Format(http.TimeFormat))
	}
	if o.Page != nil {
		w.Header().Set("Content-Type", "text/html;charset=utf-8")
		_, _ = w.Write(o.Page)
		return
	}
	if r.URL.Path == LogsPath && !o.admit(w) {
		o.refuse(w, http.StatusTooManyRequests, "E0000047", "API call exceeded rate limit due to too many requests.")
		return
	}
	o.Faults.Wrap(http.HandlerFunc(o.route)).ServeHTTP(w, r)
}

func (o *Org) route(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == TokenPath && r.Method == http.MethodPost:
		o.serveToken(w, r)
	case r.URL.Path == LogsPath && r.Method == http.MethodGet:
		if o.authorize(w, r) {
			o.serveLogs(w, r)
		}
	case r.URL.Path == LogsPath, r.URL.Path == TokenPath:
		o.refuse(w, http.StatusMethodNotAllowed, "E0000022", "The endpoint does not support the provided HTTP method")
	default:
		o.refuse(w, http.StatusNotFound, "E0000007", "Not found: Resource not found: "+r.URL.Path)
	}
}

// note counts a request and looks for credentials where they must never be.
func (o *Org) note(r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.requests == nil {
		o.requests = map[string]int{}
	}
	o.requests[r.URL.Path]++
	if leaks(r.URL, o.APIToken) {
		o.violations = append(o.violations, "credentials in the URL of "+r.Method+" "+r.URL.Path)
	}
	if host := o.Host; host != "" && r.Host != host {
		o.violations = append(o.violations, "a request for the host "+r.Host)
	}
}

// leaks says whether a URL has credentials in it. "eyJ" is how every JWT begins.
func leaks(u *url.URL, token string) bool {
	text := u.String()
	return u.User != nil || strings.Contains(text, "eyJ") || token != "" && (strings.Contains(text, token) || strings.Contains(text, url.QueryEscape(token)))
}

// admit counts a request for the log and writes the headers of the limit.
func (o *Org) admit(w http.ResponseWriter) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	limit := cmp.Or(o.RateLimit, 120)
	now := o.now()
	if minute := now.Unix() / 60; minute != o.minute {
		o.minute, o.used = minute, 0
	}
	ok := o.used+o.Others < limit
	if ok {
		o.used++
		o.peak = max(o.peak, o.used)
	} else {
		o.limited++
	}
	if !o.OmitRateLimit {
		w.Header().Set("X-Rate-Limit-Limit", strconv.Itoa(limit))
		w.Header().Set("X-Rate-Limit-Remaining", strconv.Itoa(max(0, limit-o.used-o.Others)))
		w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt((o.minute+1)*60, 10))
	}
	return ok
}

// Peak is the largest number of requests for the log within one minute; Limited is how many were
// refused for the rate.
func (o *Org) Peak() (peak, limited int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.peak, o.limited
}

// Requests returns how many requests came for each path, refused ones included.
func (o *Org) Requests() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	counts := make(map[string]int, len(o.requests))
	maps.Copy(counts, o.requests)
	return counts
}

// Violations returns what clients did that they must never do. It names no secrets.
func (o *Org) Violations() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.violations)
}

func (o *Org) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// refuse writes an error in the form of the API.
func (o *Org) refuse(w http.ResponseWriter, status int, code, summary string, causes ...string) {
	type cause struct {
		Summary string `json:"errorSummary"`
	}
	body := struct {
		Code    string  `json:"errorCode"`
		Summary string  `json:"errorSummary"`
		Link    string  `json:"errorLink"`
		ID      string  `json:"errorId"`
		Causes  []cause `json:"errorCauses"`
	}{code, summary, code, o.id("oae"), []cause{}}
	for _, c := range causes {
		body.Causes = append(body.Causes, cause{c})
	}
	writeJSON(w, status, body)
}

// id returns an identifier that was not given before.
func (o *Org) id(prefix string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.serial++
	return fmt.Sprintf("%s%017x", prefix, uint64(o.serial)*0x9e3779b97f4a7c15)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // of types of this package
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
