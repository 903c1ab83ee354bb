package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// clock is off while it holds an error.
type clock struct{ err error }

func (c *clock) Off() error { return c.err }

// A run whose clock is off delivers what there is, says what is wrong, and does nothing that
// can't be undone: no audit, no pruning, and no moment counts as covered. The next goes on.
func TestClockIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		c := &clock{}
		run := func() pipeline.Report {
			r := a.runner()
			r.Clock = c
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return r.Run(ctx)
		}
		<-time.After(time.Hour)
		a.add(time.Now(), 0)
		<-time.After(2 * settle)
		c.err = errors.New("this machine's clock is 240h0m0s ahead of SailPoint")
		rep := run()
		if rep.State != pipeline.Failed || rep.Sent != 1 || !strings.Contains(rep.Error, "240h0m0s ahead") || len(rep.Warnings) != 1 || !strings.Contains(rep.Warnings[0], "nothing was audited or pruned") {
			t.Errorf("%+v", rep)
		}
		if a.counts != 0 || len(a.pruned) != 0 || !a.checkpoint.Through.IsZero() || !a.checkpoint.Pruned.IsZero() {
			t.Errorf("%d counts, pruned %v, checkpoint %+v", a.counts, a.pruned, a.checkpoint)
		}
		c.err = nil
		if rep := run(); rep.State != pipeline.Drained || rep.Sent != 0 || len(rep.Warnings) != 0 || a.counts == 0 || len(a.pruned) != 1 || a.checkpoint.Through.IsZero() {
			t.Errorf("the clock is right: %d counts, pruned %v, %+v", a.counts, a.pruned, rep)
		}
		a.complete()
	})
}

// An audit that a person asks for proves nothing by a wrong clock.
func TestInspectionByAWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		<-time.After(time.Hour)
		if rep := a.run(time.Minute); rep.State != pipeline.Drained {
			t.Fatalf("%+v", rep)
		}
		r := a.runner()
		r.Clock = &clock{errors.New("this machine's clock is behind")}
		proof := r.Audit(t.Context(), pipeline.AuditRequest{From: a.begin, To: a.begin.Add(30 * time.Minute)})
		if proof.State != pipeline.Failed || !strings.Contains(proof.Error, "proves nothing") || !strings.Contains(proof.Error, "clock is behind") {
			t.Errorf("%+v", proof)
		}
	})
}
