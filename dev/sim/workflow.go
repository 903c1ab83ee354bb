package sim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/saas"
	boxes "github.com/idn-sentinel/idn-sentinel/internal/state/reports"
)

// The workflow to which reports are forwarded. It has a host of its own, so that its requests are not
// counted among those of the tenant, and its own weather.

const (
	flowHost   = "flow.api.identitynow.com"
	flowID     = "d201c5e9-1fe4-4e05-9a3b-3b2e1a2b3c4d"
	flowClient = "0b9f3ad2-57c1-4f0e-8d2b-6a1f4c8e9d70"
	flowSecret = "canary-workflow-secret-5d2e"
	flowPath   = "/workflows/v1/execute/external/" + flowID

	forwardPrefix = boxPrefix + "forward/"
	// mostRepeats is how often a start in doubt is posted with WORKFLOW_IN_DOUBT=repeat.
	mostRepeats = 5
)

// flow is the workflow, with what became of each report there.
type flow struct {
	*guest
	w              *world
	tenant         *tenant.Tenant
	byRow, repeats bool
	most           int // bytes of an input; 0 means any

	starts, again int // guarded by the lock of the world
}

// newFlow draws the workflow of a play; nil if reports are not forwarded.
func newFlow(w *world) *flow {
	d := w.dice
	if !w.o.Reports || w.o.off(Workflow) || !d.chance("flow", 0, 0.7) {
		return nil
	}
	w.count[Workflow]++
	f := &flow{w: w, tenant: &tenant.Tenant{Now: w.now}, byRow: d.chance("flow/row", 0, 0.4), repeats: d.chance("flow/repeats", 0, 0.3)}
	if !w.o.off(FlowRefused) && d.chance("flow/most", 0, 0.25) {
		w.count[FlowRefused]++
		f.most = []int{400, 15_000, 60_000}[d.pick("flow/most", 1, 3)]
	}
	f.tenant.SetWorkflow(tenant.Workflow{ID: flowID, ClientID: flowClient, ClientSecret: flowSecret, MostBytes: f.most})
	f.guest = &guest{kind: Workflow, host: flowHost, service: f, violations: f.tenant.Violations, fails: onFlow, foreign: FlowForeign, outage: FlowOutage}
	w.guestWeather(f.guest)
	for i := range w.plan.phases {
		for _, k := range []Kind{FlowOff, FlowSecret} {
			if d.chance("flow/"+string(k), int64(i), 0.06) && !w.o.off(k) {
				w.plan.phases[i].down = append(w.plan.phases[i].down, k)
				w.count[k]++
			}
		}
	}
	return f
}

// settings are those of the n-th start of an instance.
func (f *flow) settings(n int64) *config.Workflow {
	if f == nil {
		return nil
	}
	base := &url.URL{Scheme: "https", Host: flowHost}
	w := &config.Workflow{
		URL: base.JoinPath(flowPath), BaseURL: base, ClientID: flowClient, ClientSecret: secret.Plain(flowSecret), ByRow: f.byRow, Repeat: f.repeats,
	}
	if !f.w.o.off(Restart) && f.w.dice.chance("flow/other", n, 0.1) {
		w.ByRow = !w.ByRow
	}
	return w
}

// is reports whether something lasts for the whole phase.
func (f *flow) is(k Kind) bool {
	ph := f.w.phase()
	return ph != nil && slices.Contains(ph.down, k)
}

// ServeHTTP implements [http.Handler].
func (f *flow) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if f.is(FlowSecret) && strings.HasPrefix(r.URL.Path, "/oauth/") {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(rw, `{"error":"invalid_client","error_description":"Bad client credentials"}`)
		return
	}
	if r.URL.Path != flowPath {
		f.tenant.ServeHTTP(rw, r)
		return
	}
	f.tenant.SetWorkflow(tenant.Workflow{ID: flowID, ClientID: flowClient, ClientSecret: flowSecret, MostBytes: f.most, Disabled: f.is(FlowOff)})
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err) // it is in memory
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := &bodyRecorder{ResponseWriter: rw}
	f.tenant.ServeHTTP(answer, r)
	if bytes.Contains(answer.body.Bytes(), []byte(`"workflowExecutionId":"`)) {
		f.w.mu.Lock()
		defer f.w.mu.Unlock()
		f.started(body)
	}
}

// bodyRecorder keeps what is answered.
type bodyRecorder struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (b *bodyRecorder) Write(p []byte) (int, error) {
	b.body.Write(p)
	return b.ResponseWriter.Write(p)
}

// start is what the workflow is started with.
type start struct {
	Report     string           `json:"report"`
	DeliveryID string           `json:"deliveryId"`
	Key        string           `json:"key"`
	Repeated   bool             `json:"repeated"`
	Row        jsontext.Value   `json:"row"`
	Rows       []jsontext.Value `json:"rows"`
}

// passing is what became of the forwarding of a stored report.
type passing struct {
	rows     map[string]int  // of the report, by content
	once     map[string]int  // of them, passed on by starts that were no repetitions
	again    map[string]int  // and by those that were
	keys     map[string]bool // of starts that were no repetitions
	entry    *forward.Entry  // as it was stored last
	finished bool            // its entry is gone
	// begunAgain is who began it once more after that, and faults how often the store had failed it.
	begunAgain *instance
	faults     int
	repeats    int  // how often a person asked for it
	dropped    bool // by a person
}

func newPassing(s *stored) *passing {
	p := &passing{rows: map[string]int{}, once: map[string]int{}, again: map[string]int{}, keys: map[string]bool{}}
	for _, r := range s.rows {
		if r.flaw == sound && r.wanted {
			p.rows[string(r.raws[0])]++
		}
	}
	return p
}

// missing is how many rows were not passed on.
func (p *passing) missing() (n int) {
	for content, want := range p.rows {
		n += max(0, want-p.once[content]-p.again[content])
	}
	return n
}

// started judges a start that happened. The caller holds the lock.
func (f *flow) started(body []byte) {
	w := f.w
	f.starts++
	var in struct {
		Input start `json:"input"`
	}
	err := json.Unmarshal(body, &in)
	st := in.Input
	s := w.seen.reports.byID[st.DeliveryID]
	if err != nil || s == nil || st.Report != s.of.name {
		w.breaks("the workflow is started for a report that is not stored: %v: %.200s", err, body)
		return
	}
	w.tracef("the workflow is started for %s, repeated: %v, %d rows", st.Key, st.Repeated, max(len(st.Rows), 1))
	if s.withdrawn {
		w.breaks("the workflow is started for the report %s, which was withdrawn", s.id)
	}
	w.checkAnnounced(st)
	p := s.passing
	if st.Repeated {
		f.again++
	} else if p.keys[st.Key] {
		w.breaks("the workflow is started twice with the key %s, and is not told so", st.Key)
	}
	p.keys[st.Key] = p.keys[st.Key] || !st.Repeated
	most := p.repeats
	if f.repeats {
		most += mostRepeats - 1
	}
	if st.Row != nil {
		st.Rows = append(st.Rows, st.Row)
	}
	for _, raw := range st.Rows {
		content, err := contentOf(raw)
		want := p.rows[content]
		switch {
		case err != nil || want == 0:
			w.breaks("the workflow gets a row that the report %s does not have: %v, %.200s", s.id, err, raw)
			return
		case !st.Repeated:
			if p.once[content]++; p.once[content] > want {
				w.breaks("the workflow gets a row of the report %s twice, and is not told so: %.200s", s.id, raw)
				return
			}
		default:
			if p.again[content]++; p.again[content] > want*most {
				w.breaks("the workflow gets a row of the report %s %d times again, and %d was asked for: %.200s", s.id, p.again[content], most, raw)
				return
			}
		}
	}
}

// contentOf is a row as text that does not depend on how it is written.
func contentOf(raw []byte) (string, error) {
	values := map[string]string{}
	err := json.Unmarshal(bytes.ReplaceAll(raw, []byte(`\r\n`), []byte(`\n`)), &values)
	return printed(values), err
}

// checkAnnounced demands that a start is announced in the state, or known to be in doubt there: then it
// is not lost whatever happens now. The caller holds the lock.
func (w *world) checkAnnounced(st start) {
	object, err := w.mem.Get(context.Background(), forwardPrefix+st.DeliveryID)
	e, bad := forward.Entry{}, err
	if err == nil {
		e, bad = boxes.DecodeForwarding(object.Data)
	}
	if bad != nil {
		w.breaks("the workflow is started for %s, and the state knows nothing of it: %v", st.Key, bad)
		return
	}
	spans := slices.Concat(e.Doubts, e.Again)
	if e.Posting != nil {
		spans = append(spans, *e.Posting)
	}
	if !slices.ContainsFunc(spans, func(s forward.Span) bool { return fmt.Sprintf("%s#%d", st.DeliveryID, s.First) == st.Key }) {
		w.breaks("the workflow is started for %s, and the state does not announce it: %+v", st.Key, e)
	}
}

// forwarded looks at how far a forwarding is, as it was just stored. The caller holds the lock.
func (w *world) forwarded(inst *instance, id string, data []byte) {
	e, err := boxes.DecodeForwarding(data)
	s := w.seen.reports.byID[id]
	if err != nil || s == nil || e.ID != id {
		w.breaks("%s stores a forwarding that can't be read, or of no report: %v", inst, err)
		return
	}
	p := s.passing
	if old := p.entry; old != nil && !p.finished && (e.Settled < old.Settled || e.Starts < old.Starts || old.Read && !e.Read) {
		w.breaks("%s turns back the forwarding of %s: from %+v to %+v", inst, id, *old, e)
	}
	if p.finished { // it waited when it was listed; what is begun is removed at once
		p.begunAgain, p.faults = inst, inst.boxFaults
	}
	p.entry, p.finished = &e, false
}

// unforwarded judges the end of a forwarding. The caller holds the lock.
func (w *world) unforwarded(id string) {
	s := w.seen.reports.byID[id]
	if s == nil || s.passing.entry == nil || s.passing.finished {
		return
	}
	p := s.passing
	p.finished = true
	if n := p.missing(); n > 0 && !p.dropped && !s.withdrawn {
		w.breaks("the forwarding of %s is finished, and %d rows of it were not passed on", id, n)
	}
}

// needsParts reports whether something of a report is still to be forwarded.
func (p *passing) needsParts() bool {
	return p.entry != nil && !p.entry.Done() && !p.finished
}

// halfBegun reports whether a process could not take back that it began once more what was finished.
func (p *passing) halfBegun() bool {
	return p.begunAgain != nil && (p.begunAgain.died() || p.begunAgain.boxFaults > p.faults)
}

// checkHandedOver demands that a report that stops waiting for its delivery is known to the forwarding.
// The caller holds the lock.
func (w *world) checkHandedOver(s *stored) {
	if w.flow != nil && !s.withdrawn && s.passing.entry == nil {
		w.breaks("the report %s is delivered, and its forwarding was not begun", s.id)
	}
}

// checkForwarded demands that in the end each row was passed on, or is kept and named. The caller holds
// the lock.
func (w *world) checkForwarded(warnings []string) {
	if w.flow == nil {
		return
	}
	kept := 0
	for _, id := range slices.Sorted(maps.Keys(w.seen.reports.byID)) {
		s := w.seen.reports.byID[id]
		p, missing := s.passing, s.passing.missing()
		switch e := p.entry; {
		case s.withdrawn || p.finished:
		case e == nil:
			w.breaks("in the end the forwarding of %s was not begun", id)
		case e.Done():
			w.breaks("in the end the forwarding of %s is done, and not removed", id)
		case p.begunAgain != nil && !p.halfBegun():
			w.breaks("%s begins the forwarding of %s once more, which was finished: %+v", p.begunAgain, id, *e)
		case !e.Kept():
			w.breaks("in the end %s waits to be forwarded: %+v", id, *e)
		default:
			kept++
			excused := 0
			for _, span := range slices.Concat(e.Doubts, e.Refused, e.Again) {
				excused += span.Last - span.First + 1
			}
			if missing > excused && e.Parked == "" && !p.dropped {
				w.breaks("%d rows of %s were not passed on, and %d are kept: %+v", missing, id, excused, *e)
			}
		}
	}
	says := slices.ContainsFunc(warnings, func(text string) bool { return strings.Contains(text, "forwarding to the workflow") })
	if says != (kept > 0) {
		w.breaks("the forwarding of %d reports is kept, and the report of the run says %q", kept, warnings)
	}
	list, problems, err := w.lookAtForwarding()
	if err != nil || len(problems) > 0 || len(list) != kept {
		w.breaks("the forwarding of %d reports is kept, and listed are %d: %v %v", kept, len(list), problems, err)
	}
	for i := range list {
		if list[i].Why() == "" {
			w.breaks("nothing says why the forwarding of %s is kept", list[i].ID)
		}
	}
}

// lookAtForwarding is what a person sees of it.
func (w *world) lookAtForwarding() ([]forward.Entry, []string, error) {
	items, problems, err := boxes.New(w.mem, "acme", reportsStream).Items(context.Background())
	var list []forward.Entry
	for _, item := range items {
		if !item.Done() {
			list = append(list, item.Entry)
		}
	}
	return list, problems, err
}

// decide lets a person decide about what is kept: it is tried again, or dropped.
func (g *game) decide() {
	w, d, n := g.w, g.w.dice, g.ticks
	if w.flow == nil || g.main == nil || g.main.died() || !d.chance("flow/person", n, 0.15) {
		return
	}
	c := g.main.app.Connections()[0]
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, _, _, err := c.Forwarding(ctx)
	if err != nil {
		w.tracef("%s: list what is kept: %v", g.main, err)
	}
	for i, e := range list {
		drop := d.chance("flow/drop", n*100+int64(i), 0.2)
		kind := FlowRepeat
		if drop {
			kind = FlowDrop
		}
		if w.o.off(kind) || e.Why() == "" {
			continue
		}
		w.happened(kind)
		w.mu.Lock()
		p := w.seen.reports.byID[e.ID].passing
		p.repeats++
		p.dropped = p.dropped || drop
		w.mu.Unlock()
		err := c.ForwardAgain(ctx, e.ID, drop)
		w.tracef("%s: a person decides about %s, drop: %v: %v", g.main, e.ID, drop, err)
	}
}

// killsForwarding draws whether a process dies just where a kill hurts a forwarding most: at the post, or at what
// is stored of it.
func (w *world) killsForwarding(name string, n int64) Kind {
	if w.flow == nil || w.o.off(KillFlow) || w.phase() == nil || !strings.Contains(name, "/forward/") && !strings.Contains(name, flowPath) {
		return ""
	}
	if !w.dice.chance("flow/kill"+name, n, 0.03) {
		return ""
	}
	w.happened(KillFlow)
	return pick2(w.dice, "flow/kill/how"+name, n, KillBefore, KillAfter)
}

// checkFresh demands that a drained run of the reports has left none of those that were valid when it
// began, whatever becomes of their forwarding. The caller holds the lock.
func (w *world) checkFresh(r *run, rep pipeline.Report) {
	if r == nil || rep.Stream != reportsStream || r.leaseLost {
		return
	}
	if rep.State == pipeline.Failed && r.phase == nil && !r.storeFault {
		w.breaks("%s fails, and nothing goes wrong any more: %s", r, rep.Error)
	}
	if rep.State != pipeline.Drained {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(w.seen.reports.byID)) {
		s := w.seen.reports.byID[id]
		if s.valid.Before(r.began) && !s.gone && slices.ContainsFunc(s.rows, func(known *row) bool { return known.wanted && !known.settled }) {
			w.breaks("%s is drained, and rows of the report %s are nowhere", r, id)
			return
		}
	}
}

// forwardLock is the name of the lock of the forwarding.
const forwardLock = saas.ForwardingID

// onFlow are the kinds of single requests to the workflow that fail.
func onFlow(k fault.Kind) Kind { return "workflow-" + Kind(k) }
