// Package page shows a snapshot of the connector over HTTP: as a page for people, as JSON, and as a
// status code for monitors.
//
//	GET  /api/status         the page, or JSON by Accept or ?format=json; ?connection=NAME, ?q=TEXT and
//	                         ?trouble=1 narrow either
//	GET  /api/status/health  200 while data flows, else 503, with the reason
//	POST /api/status/run     polls now; the page's button posts to the page itself
//
// The page is one document without scripts. It refreshes itself, follows the light or dark scheme,
// and contains no address but its own: the key of the function is in the query of the address, and
// is not repeated in the document. Who may call is for the Functions host, or whatever listens, to
// decide.
package page

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

// Path is where the page is; the other addresses are below it.
const Path = "/api/status"

const (
	// fresh is how long a snapshot is shown again, so that reloading costs nothing, and freshEach is
	// that much longer for each stream, up to freshMost: one of hundreds takes thousands of requests.
	fresh     = 3 * time.Second
	freshEach = 50 * time.Millisecond
	freshMost = 50 * time.Second // the page refreshes itself each minute
	// longestForm is how much of a posted form is read.
	longestForm = 4 << 10
	// runWait is how long the answer waits for the end of a run. The load balancer of the platform
	// gives up after 230 s, and a person earlier.
	runWait = 20 * time.Second
)

// Config says what is shown.
type Config struct {
	// Snapshot takes a snapshot.
	Snapshot func(context.Context) status.Snapshot
	// Run polls now, until it is done or its own budget is used; nil if that is not offered. Its
	// context does not end with the request.
	Run func(context.Context) ([]pipeline.Report, error)
}

// Handler serves the page. It is safe for concurrent use.
type Handler struct {
	cfg   Config
	cross *http.CrossOriginProtection

	taking chan struct{} // a lock, held while a snapshot is taken; guards last and taken
	last   status.Snapshot
	taken  time.Time

	mu      sync.Mutex // guards running
	running bool
}

var _ http.Handler = (*Handler)(nil)

// New returns the handler of everything at [Path] and below.
func New(cfg Config) *Handler {
	return &Handler{cfg: cfg, cross: http.NewCrossOriginProtection(), taking: make(chan struct{}, 1)}
}

// Serves reports whether a path is one of the handler's. The Functions host does not distinguish
// upper and lower case.
func Serves(path string) bool {
	return strings.EqualFold(path, Path) || len(path) > len(Path) && strings.EqualFold(path[:len(Path)+1], Path+"/")
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !Serves(r.URL.Path) {
		reply(w, http.StatusNotFound, problem{"there is nothing at this address"})
		return
	}
	view := strings.ToLower(strings.Trim(r.URL.Path[len(Path):], "/"))
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case view == "" && get:
		h.show(w, r)
	case view == "health" && get:
		h.health(w, r)
	case view == "" && r.Method == http.MethodPost && searches(w, r):
		h.show(w, r)
	case (view == "" || view == "run") && r.Method == http.MethodPost:
		h.run(w, r)
	case view == "", view == "health", view == "run":
		w.Header().Set("Allow", map[string]string{"": "GET, HEAD, POST", "health": "GET, HEAD", "run": "POST"}[view])
		reply(w, http.StatusMethodNotAllowed, problem{"this method is not allowed here"})
	default:
		reply(w, http.StatusNotFound, problem{"there is no view of that name: use health or run, or none"})
	}
}

// snapshot takes a snapshot, or returns one that was taken a moment ago.
func (h *Handler) snapshot(ctx context.Context) status.Snapshot {
	h.taking <- struct{}{}
	defer func() { <-h.taking }()
	if h.taken.IsZero() || time.Since(h.taken) >= min(fresh+time.Duration(len(h.last.Streams))*freshEach, freshMost) {
		// Others may wait for it, so it does not end with this request.
		h.last = h.cfg.Snapshot(context.WithoutCancel(ctx))
		h.taken = time.Now()
	}
	return h.last
}

// stale makes the next request take a snapshot of its own.
func (h *Handler) stale() {
	h.taking <- struct{}{}
	defer func() { <-h.taking }()
	h.taken = time.Time{}
}

// searches reports whether a request posts the search. It is not a link or a GET form, because those
// would have to repeat the key that is in the query of the address.
func searches(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, longestForm)
	return r.PostFormValue("view") == "search"
}

// only is what a request asks to see.
func only(r *http.Request) status.Only {
	query := r.URL.Query()
	return status.Only{
		Connection: query.Get("connection"), Text: strings.TrimSpace(cmp.Or(r.PostForm.Get("q"), query.Get("q"))),
		Trouble: cmp.Or(r.PostForm.Get("trouble"), query.Get("trouble")) != "",
	}
}

// show shows the snapshot.
func (h *Handler) show(w http.ResponseWriter, r *http.Request) {
	s, only := h.snapshot(r.Context()), only(r)
	if !wantsPage(r) {
		reply(w, http.StatusOK, s.Narrowed(only))
		return
	}
	v := newView(s, only, h.cfg.Run != nil)
	v.Searched = r.Method == http.MethodPost
	writePage(w, http.StatusOK, v)
}

// health is what monitors ask for: its status alone says whether data flows.
func (h *Handler) health(w http.ResponseWriter, r *http.Request) {
	s := h.snapshot(r.Context())
	code := http.StatusOK
	if !s.State.Flows() {
		code = http.StatusServiceUnavailable
	}
	reply(w, code, struct {
		State    status.Verdict   `json:"state"`
		Summary  string           `json:"summary"`
		Problems []status.Problem `json:"problems"`
	}{s.State, s.Summary, s.Problems})
}

// outcome is the answer to a request to poll now.
type outcome struct {
	// Running is set if the run has not ended yet.
	Running bool              `json:"running,omitzero"`
	Runs    []pipeline.Report `json:"runs,omitempty"`
	Error   string            `json:"error,omitzero"`
}

// run polls now, and waits a while for the end.
func (h *Handler) run(w http.ResponseWriter, r *http.Request) {
	if h.cfg.Run == nil {
		reply(w, http.StatusNotFound, problem{"polling now is not offered here"})
		return
	}
	if h.cross.Check(r) != nil {
		reply(w, http.StatusForbidden, problem{"a page elsewhere sent this request: use the button on the status page"})
		return
	}
	done, begun := make(chan outcome, 1), h.begin()
	if begun {
		go func() {
			runs, err := h.cfg.Run(context.WithoutCancel(r.Context()))
			h.end() // before its outcome is known, so that the next request begins another
			one := outcome{Runs: runs}
			if err != nil {
				one.Error = err.Error()
			}
			done <- one
		}()
	}
	timer := time.NewTimer(runWait)
	defer timer.Stop()
	result := outcome{Running: true}
	if begun {
		select {
		case result = <-done:
		case <-timer.C:
		}
	}
	h.stale()
	code := http.StatusOK
	switch {
	case result.Running:
		code = http.StatusAccepted
	case result.Error != "" || slices.ContainsFunc(result.Runs, func(r pipeline.Report) bool { return r.State == pipeline.Failed }):
		code = http.StatusInternalServerError
	}
	if !wantsPage(r) {
		reply(w, code, result)
		return
	}
	writeOutcome(w, code, result)
}

// begin reports whether no other run that was asked for here is under way.
func (h *Handler) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running {
		return false
	}
	h.running = true
	return true
}

func (h *Handler) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = false
}

// wantsPage reports whether a person asks: a browser says that it takes HTML.
func wantsPage(r *http.Request) bool {
	switch r.URL.Query().Get("format") {
	case "json":
		return false
	case "html":
		return true
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

type problem struct {
	Error string `json:"error"`
}

// reply writes JSON.
func reply(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true), jsontext.WithIndent("  "))
	if err != nil { // a number that JSON can't represent
		code, body = http.StatusInternalServerError, []byte(`{"error":"the status could not be encoded"}`)
	}
	secure(w, "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // if the client is gone, no one reads it
}

// secure sets the headers of every answer. The page loads nothing, runs nothing, is shown in no
// frame, and its address, with the key, is sent nowhere.
func secure(w http.ResponseWriter, kind string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", policy)
}
