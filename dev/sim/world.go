package sim

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

const (
	eventsStream   = "SailPointIDN_Events"
	triggersStream = "SailPointIDN_Triggers"
	pushedStream   = "SailPointIDN_TriggersPushed"
	reportsStream  = "SailPointSaaS_Reports"

	tenantHost = "acme.api.identitynow.com"
	ruleHost   = "rule.westeurope-1.ingest.monitor.azure.com"
	clientID   = "5f0c1a52-9d3e-4c7b-8a61-2e4b7d90c3f1"
	secretText = "canary-client-secret-7e1f"
)

func tenantURL() *url.URL        { return &url.URL{Scheme: "https", Host: tenantHost} }
func clientSecret() secret.Value { return secret.Plain(secretText) }

func collector() config.DataCollector {
	return config.DataCollector{
		WorkspaceID: workspace.DefaultID, SharedKey: secret.Plain(workspace.DefaultKey),
		URL: &url.URL{Scheme: "https", Host: workspace.DefaultID + ".ods.opinsights.azure.com"},
	}
}

// Options say how to play a seed. The zero value plays all of it.
type Options struct {
	// Off are kinds that do not happen.
	Off []Kind
	// Rule has rows go through a data collection rule, with tokens, instead of to the
	// Data Collector API.
	Rule bool
	// Uncounted has a source of events that can read a window again and can't count it.
	Uncounted bool
	// MaxEvents bounds the number of events, and of invocations; 0 means as many as the seed says.
	MaxEvents int
	// Trace gets the steps, as lines that a person can read. Nil means none.
	Trace func(line string)

	// Pushes has the tenant push its invocations, and others, to hook processes.
	Pushes bool
	// Reports has SaaS Management send reports to them.
	Reports bool

	// Backfill has events of the days before the first run, and leaves a job for them to the function.
	Backfill bool

	// Guests are the further sources that there are in any case: Okta, IIQ. Others are drawn.
	Guests []Kind

	// ServiceApp has an Okta org read with a service app in any case. Making the keys for its proofs takes
	// much time, so few plays have one otherwise.
	ServiceApp bool

	// Neighbour adds a second connection to the app, whose tenant misbehaves.
	Neighbour bool

	// The others let a test put a defect into the connector, to see that it is found.

	// Settings may change those of each start.
	Settings func(*config.Connection)
	// Break may replace parts of each runner.
	Break func(*pipeline.Runner)
	// BreakStore and BreakHTTP put something between the connector and the doors.
	BreakStore func(state.Store) state.Store
	BreakHTTP  func(http.RoundTripper) http.RoundTripper
}

func (o Options) off(k Kind) bool {
	return slices.Contains(o.Off, k)
}

// world is all that the instances share.
type world struct {
	o      Options
	dice   dice
	plan   *scenario
	budget time.Duration
	health bool

	tenant    *tenant.Tenant
	workspace *workspace.Workspace
	mem       *mem.Store
	neighbour *neighbour // nil if there is none
	guests    []*guest
	flow      *flow // nil if reports are not forwarded

	log *slog.Logger

	mu        sync.Mutex // guards what follows
	count     Counts
	broken    []string // promises
	instances int64
	apps      []*app.App
	holders   map[string]*run // of locks
	commits   int
	requests  map[string]int
	recent    []time.Time // requests to the tenant's API
	crowded   time.Time   // until then two processes may be at work
	refusing  *phase      // in which the workspace last refused everything
	stateOps  map[mem.Op]int
	seen      ledgerOf // what was delivered, read, committed
	batch     []arrived
	pushed    bool                 // the batch is one of pushes
	running   int                  // runs that hold a lock
	strangers map[string]time.Time // since when somebody else holds a stream
	ahead     time.Duration        // of everybody else's clock that the connector's is
	audited   time.Time            // up to then, as the last green run of the events says
	// unordered: a tenant that never keeps the order of ties was in trouble, and taken for one that does not
	// sort by id; or rows shifted while they were read by number. From then on the ids of documents without
	// one are a guess.
	unordered bool
	cured     bool         // the workspace takes what it used to refuse
	accepted  accepted     // what a person has accepted; nil if nobody was asked
	reading   bool         // the connector reads back
	taken     int          // rows that the table of events has got
	lostRows  map[int]bool // those of them that it did not keep
}

// now is the time of everybody but the connector.
func (w *world) now() time.Time { return time.Now().Add(-w.ahead) }

// phase is the weather of this moment, nil in the calm.
func (w *world) phase() *phase { return w.plan.phase(w.now()) }

// hits draws whether a fault of a kind strikes the n-th operation called name.
func (w *world) hits(k Kind, ph *phase, name string, n int64) bool {
	if ph.rates[k] == 0 || w.o.off(k) || !w.dice.chance(string(k)+name, n, ph.rates[k]) {
		return false
	}
	w.happened(k)
	return true
}

func (w *world) happened(k Kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count[k]++
}

func (w *world) tracef(format string, args ...any) {
	if w.o.Trace != nil {
		w.o.Trace(fmt.Sprintf("%9s  ", time.Since(w.plan.start).Truncate(time.Millisecond)) + fmt.Sprintf(format, args...))
	}
}

// breaks notes a broken promise. The caller holds the lock.
func (w *world) breaks(format string, args ...any) {
	const most = 10
	text := fmt.Sprintf("%s: %s", time.Since(w.plan.start).Truncate(time.Millisecond), fmt.Sprintf(format, args...))
	if len(w.broken) < most {
		w.broken = append(w.broken, text)
	}
	w.tracef("BROKEN: %s", text)
}

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.broken) > 0
}

// serveTenant is the tenant with the paths that are off at the moment, and a
// count of what comes within 10 seconds.
func (w *world) serveTenant(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	now := time.Now()
	w.requests[r.URL.Path]++
	if !strings.HasPrefix(r.URL.Path, "/oauth/") {
		w.recent = append(w.recent, now)
		for now.Sub(w.recent[0]) >= 10*time.Second {
			w.recent = w.recent[1:]
		}
		// Each process keeps to its own bucket. Two are at work on one stream while the
		// one of them does not know that its lease is lost.
		most := 100
		if now.Before(w.crowded) || w.plan.pageCap > 0 { // or use much of theirs, with small pages
			most = 200
		}
		if n := len(w.recent); n > most {
			w.breaks("%d requests in 10 s, the limit is %d", n, most)
		}
	}
	w.mu.Unlock()
	if most := w.plan.pageCap; most > 0 {
		r = capped(r, most)
	}
	if w.plan.outside != nil && isSearch(r) {
		list := &listWriter{ResponseWriter: rw}
		list.limit, _ = strconv.Atoi(r.URL.Query().Get("limit"))
		list.offset = r.URL.Query().Get("offset")
		defer list.finish(w.plan.outside)
		rw = list
	}
	if ph := w.phase(); ph != nil && ph.off != "" && w.plan.disabled == nil {
		family, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if family == ph.off || ph.off == "v1" && strings.Contains("/"+rest, "/v1") {
			rw.WriteHeader(http.StatusNotFound)
			return
		}
	}
	w.tenant.ServeHTTP(rw, r)
}

// serveWorkspace lets the workspace take a batch and returns it if it was stored.
func (w *world) serveWorkspace(inst *instance, rw http.ResponseWriter, r *http.Request) *delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batch, w.pushed = w.batch[:0], false
	answer := &statusRecorder{ResponseWriter: rw}
	w.workspace.ServeHTTP(answer, r)
	if w.plan.sinkTalks && answer.status == http.StatusOK && r.URL.Path == "/api/logs" {
		_, _ = rw.Write([]byte(`{"status":"accepted"}`))
	}
	if !acknowledges(answer.status) {
		return nil
	}
	return w.arrive(inst, streamOf(r))
}

// acknowledges says whether a status of the workspace means that rows are stored: the
// two APIs have one each.
func acknowledges(status int) bool { return status == http.StatusOK || status == http.StatusNoContent }

// streamOf is the stream that a request writes to.
func streamOf(r *http.Request) string {
	if name := r.Header.Get("Log-Type"); name != "" {
		return name
	}
	_, name, _ := strings.Cut(r.URL.Path, "/streams/Custom-")
	return name
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (w *world) countState(op mem.Op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stateOps[op]++
}

// began notes that an instance holds a stream, in a poll or, with 0, for another reason.
func (w *world) began(inst *instance, stream string, poll int64) *run {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &run{inst: inst, stream: stream, poll: poll, began: time.Now(), after: w.commits, phase: w.phase()}
	w.running++
	inst.runs[stream] = r
	inst.all = append(inst.all, r)
	w.holders["acme/locks/"+stream] = r
	return r
}

// busy says whether an instance is running a stream.
func (w *world) busy(inst *instance, stream string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := inst.runs[stream]
	return r != nil && !r.over
}

// free ends the hold of a run on a lock, if it still has it.
func (w *world) free(key string, r *run) {
	w.mu.Lock()
	mine := w.holders[key] == r
	if mine {
		delete(w.holders, key)
	}
	w.mu.Unlock()
	if mine {
		w.mem.BreakLock(key)
	}
}

// leaseEnds frees a lock that nobody renews when its lease runs out.
func (w *world) leaseEnds(key string, r *run) {
	time.AfterFunc(leaseFor, func() { w.free(key, r) })
}

// loseLease takes a stream's lock away from the one who holds it.
func (w *world) loseLease(stream string, kind Kind, deaf time.Duration) {
	key := "acme/locks/" + stream
	w.mu.Lock()
	r := w.holders[key]
	if r != nil {
		r.leaseLost, r.deaf = true, deaf
		w.crowded = time.Now().Add(deaf + 20*time.Second)
		w.count[kind]++
	}
	w.mu.Unlock()
	if r != nil {
		w.tracef("%s loses its lease, deaf for %v", r, deaf)
		w.free(key, r)
	}
}

// killed notes a death. Its locks go when their leases have run out.
func (w *world) killed(inst *instance, how Kind, where string) {
	w.tracef("%s: %s at %s", inst, how, where)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count[how]++
	for key, r := range w.holders {
		if r.inst == inst {
			w.leaseEnds(key, r)
		}
	}
	for _, r := range inst.runs {
		if !r.over {
			r.killed = true
		}
	}
}

// tokenHead begins every access token: {"alg": in base64. Less of it would be
// found by chance among the hashes of a ledger, as seed 6873 showed.
const tokenHead = "eyJhbGciOi"

// quiet looks for secrets. The caller holds the lock.
func (w *world) quiet(where string, text []byte) {
	for _, s := range [][]byte{[]byte(secretText), []byte(flowSecret), []byte(workspace.DefaultKey), []byte(tokenHead), []byte(canary)} {
		if bytes.Contains(text, s) {
			w.breaks("a secret is in %s: %s", where, bytes.ReplaceAll(text[:min(len(text), 300)], s, []byte("CANARY")))
		}
	}
}

// logWriter takes the log lines of all instances.
type logWriter struct{ w *world }

func (l logWriter) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.quiet("a log line", p)
	if l.w.o.Trace != nil {
		l.w.tracef("    log %s", bytes.TrimSpace(p))
	}
	return len(p), nil
}

// sleep lets virtual time pass.
func sleep(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	<-ctx.Done()
}
