package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// newLogged is a scene with an Okta org alone, whose batches are small.
func newLogged(base *scene) *governed {
	g := newGoverned(base)
	g.okta = &okta.Org{Host: "acme.okta.com", APIToken: "00" + canary}
	g.workspace.Identify = uuidOf
	c := g.connection()
	c.Health, c.BatchBytes = false, 8<<10
	c.Sources = []config.Source{&config.Okta{BaseURL: &url.URL{Scheme: "https", Host: "acme.okta.com"}, Token: secret.Plain("00" + canary)}}
	return g
}

// uuidOf tells rows of Okta apart.
func uuidOf(_ string, raw []byte) string {
	_, rest, _ := strings.Cut(string(raw), `"uuid":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// lacks counts the org's events that are not in the table, and the rows that are there once more.
func (g *governed) lacks() (missing, repeated int) {
	ids := g.workspace.Table("Okta").IDs()
	for _, e := range g.okta.Events() {
		if n := ids[e.UUID]; n > 0 {
			repeated += n - 1
		} else {
			missing++
		}
	}
	return missing, repeated
}

// A process that dies at any step loses no event of Okta, and repeats at most the batches in flight;
// also if the org refuses the stored place afterwards.
func TestOktaKilled(t *testing.T) {
	for name, refuses := range map[string]int{"place accepted": 0, "place refused": http.StatusBadRequest} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, repeats := 0, 0
			for finished := false; !finished && !t.Failed(); steps++ {
				synctest.Test(t, func(t *testing.T) {
					var repeated int
					finished, repeated = killOkta(t, steps, refuses)
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

// killOkta kills a process at a step, has the next ones finish, and says whether the first one had
// finished before.
func killOkta(t *testing.T, step, refuses int) (finished bool, repeated int) {
	t.Helper()
	g := newLogged(newScene())
	made := okta.Generator{Seed: 3, Start: time.Now().Add(-50 * time.Minute), Every: time.Second}
	var events []okta.Event
	for i := range 2300 { // three pages
		e := okta.Event{UUID: made.UUID(i), Published: made.Published(i)}
		e.Raw = fmt.Appendf(nil, `{"uuid":%q,"published":%q,"eventType":"user.session.start"}`, e.UUID, e.Published.Format("2006-01-02T15:04:05.000Z"))
		if i%17 == 3 {
			e.Persisted = e.Published.Add(8 * time.Minute)
		}
		events = append(events, e)
	}
	g.okta.Add(events...)
	g.dead.Store(int64(step))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	g.start(t).Poll(ctx)
	cancel()
	finished = g.dead.Load() > 0
	g.dead.Store(1 << 40)
	g.okta.RefuseCursors = refuses
	<-time.After(5 * time.Minute)
	for i := range 3 {
		if r := g.poll(t, g.start(t))["Okta"]; r.State != pipeline.Drained && (refuses == 0 || i > 0) {
			t.Errorf("killed at step %d: %+v", step, r)
		}
		g.okta.RefuseCursors = 0
		<-time.After(time.Minute)
	}
	missing, repeated := g.lacks()
	if most := pipeline.Parallel * g.workspace.Stats().LargestRows; missing > 0 || repeated > most || finished && repeated > 0 {
		t.Errorf("killed at step %d: %d events are missing, %d rows came again, want at most %d", step, missing, repeated, most)
	}
	if v := g.okta.Violations(); len(v) > 0 {
		t.Errorf("violations: %q", v)
	}
	return finished, repeated
}
