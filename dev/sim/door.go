package sim

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
)

// headerTimeout is how long the client waits for the head of an answer, as the
// real one does.
const headerTimeout = time.Minute

// timeout is the error of a client that waited too long.
type timeout struct{}

func (timeout) Error() string   { return "timeout awaiting response headers" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// httpDoor is one instance's way to the tenant and the workspace.
type httpDoor struct {
	w    *world
	inst *instance
}

// name is what decides the fate of a request: its place among those of this name is rolled for.
func (h *httpDoor) name(req *http.Request, sink bool) (string, error) {
	name := fmt.Sprintf("http/%d%s", h.inst.id, req.URL.Path)
	if !sink {
		return name, nil
	}
	name += "/" + streamOf(req)
	if streamOf(req) == "SailPointIDN_Health" { // its rows have random ids
		return name, nil
	}
	// Several batches start at the same moment: what happens to one depends on its
	// content, not on which of them is first.
	sum, err := sumOf(req, streamOf(req) == reportsStream)
	return name + fmt.Sprintf("/%x", sum), err
}

// RoundTrip implements [http.RoundTripper].
func (h *httpDoor) RoundTrip(req *http.Request) (*http.Response, error) {
	w, inst, ctx := h.w, h.inst, req.Context()
	guest, sink := w.peer(req.URL.Host)
	name, err := h.name(req, sink)
	if err != nil {
		return nil, err
	}
	if inst.died() {
		return nil, errDead
	}
	n := inst.number(name)
	bad := h.fault(sink, guest, name, n)
	before := w.dice.span(name+"/before", n, 10*time.Millisecond, 80*time.Millisecond)
	after := w.dice.span(name+"/after", n, 5*time.Millisecond, 40*time.Millisecond)
	late := false // the answer comes when nobody waits any more
	if bad == fault.Slow {
		slow := w.dice.span(name+"/slow", n, time.Second, 2*headerTimeout)
		if late = slow > headerTimeout; late {
			slow = headerTimeout
		}
		if w.dice.chance(name+"/slow-there", n, 0.5) {
			before += slow
		} else {
			after += slow
		}
	}
	if err := inst.wait(ctx, before); err != nil {
		return nil, err
	}
	death := cmp.Or(inst.step(), w.killsForwarding(name, n))
	if death == KillBefore {
		inst.die(KillBefore, name)
		return nil, errDead
	}
	if bad != "" {
		w.tracef("%s: %s meets %s", inst, name, bad)
	}
	var resp *http.Response
	var acked *delivery
	if other := h.liar(sink, guest, name, n); other != nil {
		w.tracef("%s: %s is answered by another", inst, name)
		resp, err = fault.Transport(other).RoundTrip(req.WithContext(context.WithoutCancel(ctx)))
	} else {
		resp, acked, err = h.serve(req, sink, guest, bad, n)
	}
	if resp != nil {
		resp.Header.Set("Date", w.now().UTC().Format(http.TimeFormat))
	}
	if death == KillAfter {
		inst.die(KillAfter, name)
		return nil, errDead
	}
	if err := inst.wait(ctx, after); err != nil {
		return nil, err
	}
	if late {
		return nil, timeout{}
	}
	if err == nil && acknowledges(resp.StatusCode) {
		h.note(acked, sink, bad == "" || bad == fault.Slow, req.ContentLength)
	}
	return resp, err
}

// note notes what an instance makes of an acknowledgement of an upload of that size.
func (h *httpDoor) note(acked *delivery, sink, sound bool, size int64) {
	switch {
	case acked != nil && sound:
		h.w.acknowledged(acked, h.inst.doubt.covers(size))
	case sink: // maybe before the batch was read
		h.inst.doubt.arises(size)
	}
}

// sumOf is a checksum of the request's body, which stays readable. Rows of reports have
// ids that differ from one play of a seed to the next, and that don't count.
func sumOf(req *http.Request, reports bool) (uint64, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return 0, err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	if req.GetBody != nil { // one that counts what is sent begins at nothing again
		if req.Body, err = req.GetBody(); err != nil {
			return 0, err
		}
	}
	if reports {
		body = withoutChance(body)
	}
	h := fnv.New64a()
	_, _ = h.Write(body)
	return h.Sum64(), nil
}

// deliveryID is the id of a report: the moment when it came, and chance.
var deliveryID = regexp.MustCompile(`(\d{8}T\d{6}\.\d{9}Z)-[0-9a-f]{16}`)

// withoutChance is a body without what differs from one play of a seed to the next.
func withoutChance(body []byte) []byte {
	if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
		if plain, err := io.ReadAll(z); err == nil && deliveryID.Match(plain) {
			body = plain
		}
	}
	return deliveryID.ReplaceAll(body, []byte("$1"))
}

// serve lets the request have its effect.
func (h *httpDoor) serve(req *http.Request, sink bool, guest *guest, bad fault.Kind, n int64) (resp *http.Response, acked *delivery, err error) {
	w := h.w
	var mark markWriter
	handler := http.Handler(http.HandlerFunc(w.serveTenant))
	if !sink && guest == nil && w.plan.huge {
		handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			mark.ResponseWriter = rw
			w.serveTenant(&mark, r)
		})
	}
	if guest != nil {
		handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { guest.serve(w, rw, r) })
	}
	if sink {
		handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { acked = w.serveWorkspace(h.inst, rw, r) })
	}
	if bad != "" && bad != fault.Slow {
		rule := fault.Rule{Kind: bad, RetryAfter: retryAfter(w.dice, n, time.Now())}
		handler = (&fault.Plan{Rules: []fault.Rule{rule}}).Wrap(handler)
	}
	// The door itself minds the end of the context: what has effect has it whole.
	resp, err = fault.Transport(handler).RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
	if mark.huge && err == nil && resp.StatusCode == http.StatusOK && (bad == "" || bad == fault.Slow) {
		grow(resp, !w.dice.chance("endless", n, 0.1))
	}
	return resp, acked, err
}

// fault draws what happens to a request.
func (h *httpDoor) fault(sink bool, guest *guest, name string, n int64) fault.Kind {
	w := h.w
	if guest != nil {
		return guest.fault(w, name, n)
	}
	ph := w.phase()
	if ph == nil {
		return ""
	}
	kindOf := onTenant
	if sink {
		kindOf = onSink
	}
	if ph.outage == TenantOutage && !sink || ph.outage == SinkOutage && sink {
		down := []fault.Kind{fault.Unavailable, fault.Unavailable, fault.Reset, fault.BadGateway, fault.ServerError, fault.TooManyRequests}
		return down[w.dice.pick(name+"/down", n, len(down))]
	}
	for _, k := range requestFaults() {
		if k == fault.Unauthorized && (sink || strings.Contains(name, "/oauth/")) {
			continue // at the token endpoint it means wrong credentials
		}
		if w.hits(kindOf(k), ph, name, n) {
			return k
		}
	}
	return ""
}
