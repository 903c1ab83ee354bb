package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
)

// The lists of an IdentityIQ server: resources that change, and are removed. Each state of a resource is a row;
// one that another state has replaced may have passed unseen.

const (
	syslogStream     = "SailPointIIQ_Syslog"
	tasksStream      = "SailPointIIQ_TaskResults"
	violationsStream = "SailPointIIQ_PolicyViolations"
	alertsStream     = "SailPointIIQ_Alerts"
)

func listStreams() []string { return []string{tasksStream, violationsStream, alertsStream} }

// isListed reports whether a table has the resources of a list.
func isListed(table string) bool {
	return slices.ContainsFunc(listStreams(), func(stream string) bool { return strings.HasPrefix(table, stream) })
}

// digestOf tells the states of a resource apart, as the connector does in the ids of its records.
func digestOf(raw []byte) string {
	var doc struct {
		Completed, CompletionStatus, Terminated, Status, LastProcessed jsontext.Value
		Meta                                                           struct{ LastModified, Version jsontext.Value }
	}
	_ = json.Unmarshal(raw, &doc, json.MatchCaseInsensitiveNames(true))
	h := sha256.New()
	for _, value := range []jsontext.Value{doc.Meta.Version, doc.Meta.LastModified, doc.Completed, doc.CompletionStatus, doc.Terminated, doc.Status, doc.LastProcessed} {
		h.Write(value)
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// lists makes the resources of the lists, with what will become of them.
func (w *world) lists(g *guest, server *identityiq.Server) {
	d := w.dice
	g.streams = append(g.streams, listStreams()...)
	for k, stream := range listStreams() {
		kind := strings.TrimPrefix(stream, "SailPointIIQ_")
		for i := range 2 + d.pick("list/many/"+kind, 0, []int{8, 60}[d.pick("list/many/"+kind, 1, 2)]) {
			w.resource(g, server, kind, stream, i, int64(k)*1000+int64(i))
		}
	}
}

// resource makes one resource, with its states.
func (w *world) resource(g *guest, server *identityiq.Server, kind, stream string, i int, n int64) {
	d, p := w.dice, w.plan
	created := p.start.Add(d.span("list/created", n, -30*time.Minute, p.active)).Truncate(time.Millisecond)
	at, shown := created, time.Time{}
	var last *row
	for state := range 1 + d.pick("list/states", n, 4) {
		m := n*10 + int64(state)
		if state > 0 {
			if w.o.off(IIQChange) {
				break
			}
			at = at.Add(d.span("list/next", m, time.Second, 20*time.Minute)).Truncate(time.Millisecond)
			w.count[IIQChange]++
		}
		if at.After(p.start.Add(p.active)) {
			break
		}
		late := d.span("list/late", m, 0, 2*time.Second)
		if !w.o.off(GuestLate) && d.chance("list/minutes", m, 0.06) {
			w.count[GuestLate]++
			late = d.span("list/minutes", m, time.Minute, 15*time.Minute)
		}
		if next := at.Add(late); next.After(shown) {
			shown = next
		} else {
			shown = shown.Add(time.Millisecond + d.span("list/ns", m, 0, time.Millisecond))
		}
		id, raw := makeResource(kind, i, created, at, state)
		r := &row{key: id + "|" + digestOf(raw), id: id, stream: stream, raws: [][]byte{raw}, created: at, visible: shown, wanted: true}
		if last != nil {
			last.wanted, last.until = false, shown
		}
		last = r
		w.seen.add(r)
		g.rows = append(g.rows, r)
		g.changes = append(g.changes, change{shown, func() { server.Put(kind, id, raw) }})
	}
	if last == nil || w.o.off(IIQRemoved) || !d.chance("list/removed", n, 0.06) {
		return
	}
	w.count[IIQRemoved]++
	gone := shown.Add(d.span("list/gone", n, time.Second, 40*time.Minute))
	last.wanted, last.until = false, gone
	g.changes = append(g.changes, change{gone, func() { server.Remove(kind, last.id) }})
}

// makeResource is a state of a resource.
func makeResource(kind string, i int, created, modified time.Time, state int) (id string, raw []byte) {
	switch kind {
	case identityiq.TaskResults:
		return identityiq.TaskResult(i, created, modified, []string{"", "Success", "Warning", "Terminated"}[state])
	case identityiq.PolicyViolations:
		return identityiq.Violation(i, created, modified, []string{"Open", "Delegated", "Mitigated", "Remediated"}[state])
	}
	return identityiq.Alert(i, created, modified)
}

// changeAll has everything that happens to the guests happen at its time.
func (w *world) changeAll() {
	for _, g := range w.guests {
		for _, c := range g.changes {
			if d := time.Until(c.at); d > 0 {
				time.AfterFunc(d, c.do)
			} else {
				c.do()
			}
		}
	}
}

// checkSwept demands that a drained run that has read a list from its beginning to its end has left nothing that
// was in it when it began, and still is. The caller holds the lock.
func (g *guest) checkSwept(w *world, r *run) {
	first, last := r.pages[0], r.pages[len(r.pages)-1]
	inside := func(cursor string) bool { return strings.Contains(cursor, `"at":`) }
	if !isListed(r.stream) || len(first.keys) == 0 || inside(string(first.after)) || inside(string(last.next)) {
		return
	}
	now := w.now()
	for _, e := range g.rows {
		if e.stream == r.stream && !e.settled && e.visible.Before(first.asked) && (e.until.IsZero() || e.until.After(now)) {
			w.breaks("%s is drained, and the state of %q from %s on, visible since %s, is nowhere", r, e.id, e.created.Format(stamp), e.visible.Format(stamp))
			return
		}
	}
}
