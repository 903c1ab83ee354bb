package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// mortalStream is a stream of which a process dies.
type mortalStream struct {
	stream string
	// sets has the scene read it; "" in IIQ_STREAMS means that it is Okta's.
	sets string
	fill func(g *governed, begin time.Time)
	// meanwhile happens after the death and before the next process.
	meanwhile func(g *governed)
	// later happens after the first run of that process.
	later func(g *governed)
	// wants are the keys of the rows that must have arrived in the end.
	wants func(g *governed) []string
}

// mortalRows is how many rows a stream has: three pages.
const mortalRows = 250

// mortalStreams are those of Okta and IdentityIQ, each with several pages and many batches.
func mortalStreams() map[string]mortalStream {
	log := func(sets, stream string, build func(int, time.Time) []byte, add func(*identityiq.Server, []byte, time.Time), all func(*identityiq.Server) []string) mortalStream {
		return mortalStream{stream: stream, sets: sets, fill: func(g *governed, begin time.Time) {
			for i := range mortalRows {
				at := begin.Add(time.Duration(i/20) * time.Minute) // 20 in each millisecond
				add(g.iiq, build(i, at), at)
			}
		}, wants: func(g *governed) []string { return all(g.iiq) }}
	}
	list := func(sets, kind string, build func(i int, created, modified time.Time, again bool) (string, []byte)) mortalStream {
		put := func(g *governed, i int, created, modified time.Time, again bool) {
			id, raw := build(i, created, modified, again)
			g.iiq.Put(kind, id, raw)
		}
		return mortalStream{
			stream: "SailPointIIQ_" + kind, sets: sets,
			fill: func(g *governed, begin time.Time) {
				for i := range mortalRows {
					put(g, i, begin, begin.Add(time.Duration(i)*time.Second), false)
				}
			},
			meanwhile: func(g *governed) { // some change and one is gone, which shifts the others
				for i := 3; i < mortalRows; i += 24 {
					put(g, i, time.Now().Add(-time.Hour), time.Now(), true)
				}
				id, _ := build(100, time.Now(), time.Now(), false)
				g.iiq.Remove(kind, id)
			},
			wants: func(g *governed) (keys []string) {
				for _, raw := range g.iiq.Resources(kind) {
					keys = append(keys, keyOf("", raw))
				}
				return keys
			},
		}
	}
	logged := mortalStream{stream: "Okta", fill: fillOkta, wants: func(g *governed) (keys []string) {
		for _, e := range g.okta.Events() {
			keys = append(keys, e.UUID)
		}
		return keys
	}}
	refused := logged
	refused.meanwhile = func(g *governed) { g.okta.RefuseCursors = http.StatusBadRequest }
	refused.later = func(g *governed) { g.okta.RefuseCursors = 0 }
	return map[string]mortalStream{
		"Okta, place accepted": logged,
		"Okta, place refused":  refused,
		"IdentityIQ audit": log("audit", audits, identityiq.AuditEvent, func(s *identityiq.Server, raw []byte, at time.Time) { s.AddAudit(raw, at, time.Time{}) }, func(s *identityiq.Server) (keys []string) {
			for e := range s.Audits() {
				keys = append(keys, keyOf("", e.Raw))
			}
			return keys
		}),
		"IdentityIQ syslog": log("syslog", "SailPointIIQ_Syslog", identityiq.SyslogEvent, func(s *identityiq.Server, raw []byte, at time.Time) { s.AddSyslog(raw, at, time.Time{}) }, func(s *identityiq.Server) (keys []string) {
			for e := range s.Syslogs() {
				keys = append(keys, keyOf("", e.Raw))
			}
			return keys
		}),
		"IdentityIQ tasks": list("tasks", identityiq.TaskResults, func(i int, created, modified time.Time, again bool) (string, []byte) {
			return identityiq.TaskResult(i, created, modified, map[bool]string{true: "Success"}[again])
		}),
		"IdentityIQ violations": list("violations", identityiq.PolicyViolations, func(i int, created, modified time.Time, again bool) (string, []byte) {
			return identityiq.Violation(i, created, modified, map[bool]string{false: "Open", true: "Mitigated"}[again])
		}),
		"IdentityIQ alerts": list("alerts", identityiq.Alerts, func(i int, created, modified time.Time, _ bool) (string, []byte) {
			return identityiq.Alert(i, created, modified)
		}),
	}
}

// fillOkta gives the org events, some of which are found late.
func fillOkta(g *governed, begin time.Time) {
	made := okta.Generator{Seed: 3, Start: begin, Every: 10 * time.Second}
	var events []okta.Event
	for i := range mortalRows {
		e := okta.Event{UUID: made.UUID(i), Published: made.Published(i)}
		e.Raw = fmt.Appendf(nil, `{"uuid":%q,"published":%q,"eventType":"user.session.start","displayMessage":%q}`, e.UUID, e.Published.Format("2006-01-02T15:04:05.000Z"), strings.Repeat("text ", 60))
		if i%17 == 3 {
			e.Persisted = e.Published.Add(8 * time.Minute)
		}
		events = append(events, e)
	}
	g.okta.Add(events...)
}

// keyOf tells rows apart: those of lists by the version of the resource as well.
func keyOf(_ string, raw []byte) string {
	var row struct {
		UUID, ID string
		Meta     struct{ Version string }
	}
	_ = json.Unmarshal(raw, &row)
	return row.UUID + row.ID + row.Meta.Version
}

// A process that dies at any step loses nothing, and repeats at most the batches in flight, whatever
// happens at the source meanwhile.
func TestKilledAtEachStep(t *testing.T) {
	every := 1
	if testing.Short() {
		every = 5
	}
	for name, m := range mortalStreams() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, repeats := 0, 0
			for finished := false; !finished && !t.Failed(); steps += every {
				synctest.Test(t, func(t *testing.T) {
					var repeated int
					finished, repeated = m.kill(t, steps)
					repeats = max(repeats, repeated)
				})
			}
			t.Logf("%d steps, %d rows repeated at most", steps, repeats)
			if steps < 20 || repeats == 0 {
				t.Errorf("%d steps, %d rows repeated at most: nothing was cut off", steps, repeats)
			}
		})
	}
}

// scene reads the stream alone, in small pages and small batches.
func (m mortalStream) scene() *governed {
	g := newGoverned(newScene(), m.sets)
	if m.sets == "" {
		g = newLogged(newScene())
		g.okta.ServeAtMost = 100
	}
	g.workspace.Identify = keyOf
	c := g.connection()
	c.Health, c.BatchBytes = false, 8<<10
	g.iiq.EventLimit, g.iiq.ServeAtMost = 100, 100
	return g
}

// kill kills a process at a step, has the next ones finish, and says whether the first one had finished
// before.
func (m mortalStream) kill(t *testing.T, step int) (finished bool, repeated int) {
	t.Helper()
	g := m.scene()
	m.fill(g, time.Now().Add(-50*time.Minute))
	g.dead.Store(int64(step))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	g.start(t).Poll(ctx)
	cancel()
	finished = g.dead.Load() > 0
	g.dead.Store(1 << 40)
	if m.meanwhile != nil {
		m.meanwhile(g)
	}
	<-time.After(5 * time.Minute)
	for i := range 3 {
		if r := g.poll(t, g.start(t))[m.stream]; r.State != pipeline.Drained && (m.later == nil || i > 0) {
			t.Errorf("killed at step %d: %+v", step, r)
		}
		if m.later != nil && i == 0 {
			m.later(g)
		}
		<-time.After(time.Minute)
	}
	missing := 0
	ids := g.workspace.Table(m.stream).IDs()
	for _, key := range m.wants(g) {
		if ids[key] == 0 {
			missing++
		}
	}
	for _, n := range ids {
		repeated += n - 1
	}
	if most := pipeline.Parallel * g.workspace.Stats().LargestRows; missing > 0 || repeated > most || finished && repeated > 0 || len(ids) < mortalRows-1 {
		t.Errorf("killed at step %d: %d rows of %d are missing, %d came again, want at most %d", step, missing, len(ids), repeated, most)
	}
	for _, v := range append(g.iiq.Violations(), g.oktaViolations()...) {
		t.Errorf("violation: %s", v)
	}
	return finished, repeated
}

func (g *governed) oktaViolations() []string {
	if g.okta == nil {
		return nil
	}
	return g.okta.Violations()
}
