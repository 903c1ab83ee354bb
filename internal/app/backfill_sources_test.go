package app_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
)

// pastOf gives a source n events of two days before its first run.
type pastOf struct {
	stream string
	open   func() *governed
	add    func(g *governed, i int, at time.Time)
	lacks  func(g *governed) (missing, repeated int)
	counts bool
}

func pasts() map[string]pastOf {
	return map[string]pastOf{
		"okta": {
			stream: "Okta", open: func() *governed { return newLogged(newScene()) },
			add: func(g *governed, i int, at time.Time) {
				e := okta.Event{UUID: okta.Generator{Seed: 9}.UUID(i), Published: at}
				e.Raw = fmt.Appendf(nil, `{"uuid":%q,"published":%q,"eventType":"user.session.start"}`, e.UUID, at.Format("2006-01-02T15:04:05.000Z"))
				g.okta.Add(e)
			},
			lacks: (*governed).lacks,
		},
		"identityiq": {
			stream: audits, open: func() *governed { return newGoverned(newScene(), "audit") }, counts: true,
			add:   func(g *governed, i int, at time.Time) { g.iiq.AddAudit(identityiq.AuditEvent(i, at), at, time.Time{}) },
			lacks: (*governed).missing,
		},
	}
}

// Other sources that can read a window are backfilled as well, killed at some steps; also if the
// source no longer knows the place within a day.
func TestBackfillOfOtherSources(t *testing.T) {
	for name, of := range pasts() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := of.open()
				g.connection().InitialLookback = time.Hour
				to := time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
				from := to.Add(-48 * time.Hour)
				const n = 3000
				for i := range n {
					of.add(g, i, from.Add(time.Duration(i)*48*time.Hour/n))
				}
				if r := g.poll(t, g.start(t))[of.stream]; r.State != pipeline.Drained {
					t.Fatalf("%+v", r)
				}
				c := g.start(t).Connections()[0]
				q := app.BackfillRequest{Stream: of.stream, From: from, To: to}
				e, err := c.Estimate(t.Context(), q)
				if err != nil || of.counts && e.Events != n || !of.counts && e.Events != -1 {
					t.Fatalf("%v: %+v", err, e)
				}
				j, err := c.AddBackfill(t.Context(), q, e)
				if err != nil {
					t.Fatal(err)
				}
				var done jobs.Job
				for kills := 0; ; kills++ {
					if kills < 6 {
						g.dead.Store(int64(3 + 5*kills))
					}
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
					done, err = g.start(t).Connections()[0].WorkOn(ctx, of.stream, j.ID, func(app.Working) {
						if g.dead.Load() <= 0 {
							cancel()
						}
					})
					cancel()
					g.dead.Store(1 << 40)
					if err == nil || kills == 10 {
						break
					}
					if g.okta != nil && kills == 2 {
						g.okta.RefuseCursors = 400
						defer func() { g.okta.RefuseCursors = 0 }()
					}
					if g.okta != nil && kills > 3 {
						g.okta.RefuseCursors = 0
					}
					<-time.After(2 * time.Minute)
				}
				missing, repeated := of.lacks(g)
				if err != nil || done.State != jobs.Done || done.Proof.Verdict != app.VerdictComplete || missing > 0 {
					t.Errorf("%v: %d of %d missing, %+v", err, missing, n, done)
				}
				if most := 6 * pipeline.Parallel * max(1, g.workspace.Stats().LargestRows); repeated > most {
					t.Errorf("%d repeated, want at most %d", repeated, most)
				}
				if of.counts == (done.Proof.By == app.ProofIDs) {
					t.Errorf("proven by %q", done.Proof.By)
				}
			})
		})
	}
}
