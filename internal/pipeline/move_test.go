package pipeline_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// move sets the checkpoint of an archive.
func (a *archive) move(to time.Time, rehearse bool) (pipeline.Moved, pipeline.Report) {
	at := func(c pipeline.Cursor) (time.Time, error) {
		text := string(c)
		return time.Parse(time.RFC3339Nano, text[:len(text)-len("a000000")])
	}
	return a.runner().Move(a.t.Context(), pipeline.Place{Cursor: pipeline.Cursor(to.Format(time.RFC3339Nano)), At: to, Was: at}, rehearse)
}

// Set ahead after an outage, the newest comes first, audits bring the rest, and what was passed over
// is not taken for complete before a person says so.
func TestMoveAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		for i := range 3 * 24 * 6 {
			a.add(a.begin.Add(time.Duration(i)*10*time.Minute), 0)
		}
		a.live(30 * time.Minute)
		stopped := a.checkpoint.Through
		<-time.After(3*24*time.Hour - time.Hour)
		now := time.Now()
		plan, rep := a.move(now, true)
		if rep.State != pipeline.Drained || !plan.Ahead || !plan.From.Equal(stopped) || !plan.To.Equal(now) || !a.checkpoint.Through.Equal(stopped) {
			t.Fatalf("rehearsed: %+v, %+v; the checkpoint is at %v", plan, rep, a.checkpoint.Through)
		}
		done, rep := a.move(now, false)
		if rep.State != pipeline.Drained || rep.Unexplained != done.Skipped.Windows || done.Skipped.Windows < 800 || !a.checkpoint.Through.Equal(now) {
			t.Fatalf("%+v, %+v", done, rep)
		}
		fresh := a.add(now.Add(time.Second), 0)
		a.pageSize = 1
		a.run(4 * time.Minute)
		<-time.After(2 * time.Minute)
		if a.run(4 * time.Minute); a.times(fresh) != 1 {
			t.Errorf("the newest came %d times", a.times(fresh))
		}
		rep = last(a.live(26 * time.Hour))
		a.complete()
		if rep.Unexplained != done.Skipped.Windows {
			t.Errorf("%d windows are unexplained, want %d until a person acknowledges them", rep.Unexplained, done.Skipped.Windows)
		}
		if got, rep := a.runner().Acknowledge(t.Context(), []pipeline.Difference{done.Skipped}, pipeline.Acknowledgement{By: "ann", At: time.Now(), Why: "audited"}); len(got) != 1 || rep.Unexplained != 0 {
			t.Errorf("%+v, %+v", got, rep)
		}
	})
}

// Set back, everything is read again and nothing sent twice, also before the beginning.
func TestMoveBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		early := a.add(a.begin.Add(-time.Hour), 0)
		for i := range 60 {
			a.add(a.begin.Add(time.Duration(i)*time.Minute), 0)
		}
		a.live(70 * time.Minute)
		to := a.begin.Add(-2 * time.Hour)
		m, rep := a.move(to, false)
		if rep.State != pipeline.Drained || m.Ahead || m.Skipped.Windows != 0 || !a.checkpoint.Since.Equal(to) || !a.checkpoint.Through.Equal(to) {
			t.Fatalf("%+v, %+v", m, rep)
		}
		a.begin = to // where the source begins
		rep = last(a.live(10 * time.Minute))
		if a.complete(); a.times(early) != 1 || rep.Unexplained != 0 {
			t.Errorf("%d times, %+v", a.times(early), rep)
		}
	})
}

// Nothing changes while a run is active, or if the checkpoint can't be stored.
func TestMoveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.add(a.begin, 0)
		a.live(10 * time.Minute)
		before := a.checkpoint
		a.held = true
		if _, rep := a.move(a.begin, false); rep.State != pipeline.Locked {
			t.Errorf("while a run is active: %+v", rep)
		}
		a.held = false
		a.onSave = func(int) error { return errors.New("disk full") }
		if _, rep := a.move(a.begin, false); rep.State != pipeline.Failed {
			t.Errorf("not stored: %+v", rep)
		}
		if a.checkpoint.Tag != before.Tag {
			t.Errorf("changed: %+v", a.checkpoint)
		}
	})
}
