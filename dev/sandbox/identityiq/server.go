package identityiq

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
)

// Form is where the token endpoint expects the grant type.
type Form string

// The forms of a token request. Both are in use.
const (
	Either  Form = ""
	InBody  Form = "body"
	InQuery Form = "query"
)

// Absence is how a server without the plugin answers on the plugin's paths.
type Absence string

// What a server without the plugin may do.
const (
	Installed Absence = ""
	NotFound  Absence = "404"
	LoginPage Absence = "login"    // 200 with a web page
	Redirect  Absence = "redirect" // 302 to the login page
)

// The right that the plugin's lists demand, and the one that SCIM does.
const (
	RightEvents = "siemextadministrator"
	RightSCIM   = "SCIMExecutor"
)

// Server is the stand-in. The exported fields must not change while requests are served. It must
// not be copied.
type Server struct {
	// Context is the path of the application. "" means "/identityiq".
	Context string
	// ClientID and ClientSecret are what the token endpoint accepts. "" accepts anything that is not
	// empty.
	ClientID, ClientSecret string
	Token                  Form
	// TokenTTL is how long a token is valid. 0 means 1200 s.
	TokenTTL time.Duration
	// Rights are those of the client's user. Nil means both.
	Rights []string
	Plugin Absence
	// EventLimit is the plugin's own limit of rows in a page. 0 means 1000.
	EventLimit int
	// ServeAtMost is how many rows any list has at most; 0 means as many as the limits allow.
	ServeAtMost int
	// OmitTotal leaves totals out, and TextTotal writes them as text.
	OmitTotal, TextTotal bool
	// TotalOfPage makes the total of a list say how many rows the answer has.
	TotalOfPage bool
	// UnstableTies changes the order of rows of one millisecond with each request.
	UnstableTies bool
	// RefuseSort answers 400 to a SCIM list that is to be sorted.
	RefuseSort bool
	// BetweenQueries, if not nil, is called between the query for rows and the one for their number.
	BetweenQueries func()
	// Now is the server's clock. Nil means time.Now. The Date header follows it.
	Now func() time.Time
	// Faults makes requests fail, before everything else.
	Faults *fault.Plan

	mu         sync.Mutex // guards what follows
	tokens     map[string]time.Time
	issued     []string
	requests   map[string]int
	violations []string
	serial     int
	busy, peak int
	events     map[string]*log
	resources  map[string]*list
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.note(r)
	defer s.leave()
	if s.Now != nil {
		w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	}
	s.Faults.Wrap(http.HandlerFunc(s.route)).ServeHTTP(w, r)
}

func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, strings.TrimRight(cmp.Or(s.Context, "/identityiq"), "/"))
	if !ok {
		writePage(w, http.StatusNotFound, "HTTP Status 404 – Not Found") // Tomcat's own
		return
	}
	scim, isSCIM := strings.CutPrefix(path, "/scim/v2/")
	switch {
	case path == "/oauth2/token":
		s.serveToken(w, r)
	case path == "/rest/ping":
		if s.authorized(w, r, "") {
			writeJSON(w, http.StatusOK, "application/json", "Ping successful")
		}
	case path == "/plugin/rest/SIEMPlugin/audit-events" && s.plugin(w):
		s.serveEvents(w, r, audits)
	case path == "/plugin/rest/SIEMPlugin/syslog-events" && s.plugin(w):
		s.serveEvents(w, r, syslogs)
	case strings.HasPrefix(path, "/plugin/rest/SIEMPlugin/"):
		if s.plugin(w) {
			w.WriteHeader(http.StatusNotFound)
		}
	case isSCIM:
		s.serveList(w, r, scim)
	default:
		writeLogin(w)
	}
}

// plugin reports whether the plugin is there, and answers if it is not.
func (s *Server) plugin(w http.ResponseWriter) bool {
	switch s.Plugin {
	case Installed:
		return true
	case LoginPage:
		writeLogin(w)
	case Redirect:
		w.Header().Set("Location", cmp.Or(s.Context, "/identityiq")+"/login.jsf")
		w.WriteHeader(http.StatusFound)
	case NotFound:
		writePage(w, http.StatusNotFound, "HTTP Status 404 – Not Found")
	}
	return false
}

// note counts a request and looks for secrets in its URL.
func (s *Server) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests == nil {
		s.requests = make(map[string]int)
	}
	s.requests[r.URL.Path]++
	s.busy++
	s.peak = max(s.peak, s.busy)
	if s.leaks(r.URL) {
		s.violations = append(s.violations, "credentials in the URL of "+r.Method+" "+r.URL.Path)
	}
	if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/oauth2/token") {
		s.violations = append(s.violations, r.Method+" "+r.URL.Path+": a collector only reads")
	}
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
}

func (s *Server) leaks(u *url.URL) bool {
	text := u.String()
	if u.User != nil || u.Query().Has("client_secret") || u.Query().Has("access_token") {
		return true
	}
	for _, secret := range append(slices.Clone(s.issued), s.ClientSecret) {
		if secret != "" && (strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret))) {
			return true
		}
	}
	return false
}

// Requests returns how many requests came for each path, refused ones included.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// Violations returns what clients did that they must never do. It names no secrets.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// AtOnce is how many requests were under way at a time at most. A request is a query of the
// product's database, so a polite collector has one.
func (s *Server) AtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peak
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// next returns a number that no other answer has.
func (s *Server) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	return s.serial
}
