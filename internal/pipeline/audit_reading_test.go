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

// uncounted is an archive that can read a window and can't count it.
type uncounted struct{ archive *archive }

func (u uncounted) Stream() pipeline.Stream { return u.archive.Stream() }

func (u uncounted) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	return u.archive.Fetch(ctx, after)
}

func (u uncounted) FetchWindow(ctx context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	if err := pause(ctx, u.archive.takes); err != nil {
		return pipeline.Page{}, err
	}
	page, err := u.archive.FetchWindow(ctx, from, to, after)
	if err == nil {
		err = u.archive.countErr
	}
	return page, err
}

// newUncounted has an hour of events, six a minute.
func newUncounted(t *testing.T) *archive {
	a := newArchive(t)
	a.src = uncounted{a}
	a.pageSize = 100
	for i := range 360 {
		a.add(a.begin.Add(time.Duration(i)*10*time.Second), 0)
	}
	return a
}

// What shows up late is found at the next age that its window comes to.
func TestReadingFindsLateEvents(t *testing.T) {
	for name, tt := range map[string]struct{ late, age time.Duration }{
		"4 min late":  {4 * time.Minute, 5 * time.Minute},
		"10 min late": {10 * time.Minute, 15 * time.Minute},
		"50 min late": {50 * time.Minute, time.Hour},
		"3 h late":    {3 * time.Hour, 6 * time.Hour},
		"20 h late":   {20 * time.Hour, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newUncounted(t)
				at := a.begin.Add(17 * time.Minute)
				id := a.add(at, tt.late)
				repaired, mismatches := int64(0), int64(0)
				for a.times(id) == 0 && time.Since(at) < tt.age+15*time.Minute {
					for _, rep := range a.live(time.Minute) {
						repaired += rep.Repaired
						mismatches += rep.Mismatches
					}
				}
				if a.times(id) != 1 || repaired != 1 || mismatches != 1 {
					t.Fatalf("delivered %d times after %v, repaired %d in %d windows", a.times(id), time.Since(at), repaired, mismatches)
				}
				a.live(time.Hour)
				a.complete()
				if a.counts > 0 {
					t.Error("it was asked to count")
				}
			})
		})
	}
}

// Two counts that agree prove nothing where one event is missing and another is forgotten: the
// ids decide.
func TestReadingComparesIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newUncounted(t)
		a.live(2 * time.Hour)
		gone := a.events[100]
		a.events = append(a.events[:100:100], a.events[101:]...)
		id := a.add(gone.rec.Time.Add(time.Second), 3*time.Hour)
		a.live(5 * time.Hour)
		if a.times(id) != 1 {
			t.Errorf("delivered %d times", a.times(id))
		}
		a.complete()
	})
}

// Each window is read once for each age, and what several ages have yet to see, as after a
// pause, once for all of them.
func TestReadingCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newUncounted(t)
		a.live(26 * time.Hour)
		day := a.rereads
		a.live(24 * time.Hour)
		// 288 windows for each of five ages, several of which are read as one or on one page.
		if day = a.rereads - day; day > 5*288 {
			t.Errorf("%d pages in a day", day)
		}
		before := a.rereads
		<-time.After(24 * time.Hour)
		rep := a.run(time.Hour)
		if n := a.rereads - before; rep.WindowsChecked < 288 || n > 2*48+10 {
			t.Errorf("after a pause of a day: %d pages for %d windows", n, rep.WindowsChecked)
		}
	})
}

// An audit that runs out of time goes on where it was.
func TestReadingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newUncounted(t)
		a.live(30 * time.Minute)
		id := a.add(a.begin.Add(15*time.Minute), 2*time.Hour)
		<-time.After(30 * time.Hour)
		a.takes = 10 * time.Second
		through := a.checkpoint.Audit.Through[len(a.checkpoint.Audit.Through)-1]
		runs := 0
		for ; a.checkpoint.Audit.Through[0].Before(time.Now().Add(-time.Hour)); runs++ {
			rep := a.run(3 * time.Minute)
			last := a.checkpoint.Audit.Through[len(a.checkpoint.Audit.Through)-1]
			if rep.State != pipeline.Drained || runs > 10 {
				t.Fatalf("run %d: %+v", runs, rep)
			}
			if last.Before(through) {
				t.Errorf("the audit went back from %v to %v", through, last)
			}
			through = last
		}
		if a.times(id) != 1 || runs < 2 {
			t.Errorf("delivered %d times, in %d runs", a.times(id), runs)
		}
		a.complete()
	})
}

// A window that can't be read is a warning, and not passed over.
func TestReadingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newUncounted(t)
		a.live(30 * time.Minute)
		id := a.add(time.Now().Add(-4*time.Minute), 3*time.Minute)
		a.countErr = errors.New("no such page")
		warned := false
		for _, rep := range a.live(20 * time.Minute) {
			for _, w := range rep.Warnings {
				warned = warned || strings.Contains(w, "audit was not possible: no such page")
			}
		}
		if !warned || a.times(id) != 0 {
			t.Errorf("warned: %v, delivered %d times", warned, a.times(id))
		}
		a.countErr = nil
		a.live(10 * time.Minute)
		if a.times(id) != 1 {
			t.Errorf("delivered %d times", a.times(id))
		}
	})
}

// A window whose only missing record is refused, with nothing to prove that the record is at
// fault, is read again, although later ones were read meanwhile.
func TestReadingWaitsForProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newUncounted(t)
		a.live(30 * time.Minute)
		id := a.add(a.begin.Add(20*time.Minute), time.Hour)
		for i := range a.events { // a quiet tail: nothing else is sent
			if e := &a.events[i]; e.rec.Time.After(time.Now().Add(-3 * settle)) {
				e.visible = time.Now().Add(1000 * time.Hour)
			}
		}
		<-time.After(4 * time.Hour)
		refuse := true
		a.onWrite = func(int, []pipeline.Record) (bool, error) {
			if refuse {
				return false, &pipeline.Rejected{Err: errors.New("400")}
			}
			return true, nil
		}
		rep := a.run(4 * time.Minute)
		if rep.State != pipeline.Failed || rep.WindowsChecked < 24 || a.kept[id] != "" {
			t.Errorf("kept as %q; %+v", a.kept[id], rep)
		}
		refuse = false
		a.live(10 * time.Minute)
		if a.times(id) != 1 {
			t.Errorf("delivered %d times", a.times(id))
		}
	})
}

// An audit that a person asks for compares the ids of each window, where the source can't count.
func TestInspectByReading(t *testing.T) {
	type numbers struct{ Source, Delivered, Missing, NotYetVisible int64 }
	for name, test := range map[string]struct {
		arrange func(a *archive)
		ask     pipeline.AuditRequest
		want    numbers
		windows int
		left    int // events that are still missing
	}{
		"complete":              {func(*archive) {}, pipeline.AuditRequest{}, numbers{60, 60, 0, 0}, 0, 0},
		"two missing":           {func(a *archive) { a.hide(17); a.hide(48) }, pipeline.AuditRequest{}, numbers{60, 58, 2, 0}, 2, 2},
		"repaired":              {func(a *archive) { a.hide(17); a.hide(48) }, pipeline.AuditRequest{Repair: true}, numbers{60, 58, 2, 0}, 2, 0},
		"an empty window":       {func(a *archive) { a.hide(0); a.hide(1); a.hide(2); a.hide(3); a.hide(4) }, pipeline.AuditRequest{}, numbers{60, 55, 5, 0}, 1, 5},
		"one hides another":     {func(a *archive) { a.hide(17); a.forget(18) }, pipeline.AuditRequest{}, numbers{59, 59, 1, 0}, 1, 1},
		"it can't be said yet":  {func(a *archive) { a.hide(17) }, pipeline.AuditRequest{NotYetVisible: always}, numbers{60, 59, 0, 1}, 1, 1},
		"nor is that repaired":  {func(a *archive) { a.hide(17) }, pipeline.AuditRequest{Repair: true, NotYetVisible: always}, numbers{60, 59, 0, 1}, 1, 1},
		"and complete all over": {func(*archive) {}, pipeline.AuditRequest{NotYetVisible: always}, numbers{60, 60, 0, 0}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := anHour(t)
				a.src = uncounted{a}
				test.arrange(a)
				proof := a.inspect(test.ask)
				got := numbers{proof.Source, proof.Delivered, proof.Missing, int64(proof.NotYetVisible)}
				if proof.State != pipeline.Drained || got != test.want || len(proof.Windows) != test.windows || proof.WindowsChecked != 12 {
					t.Errorf("%+v, want %+v in %d windows", proof, test.want, test.windows)
				}
				left := 0
				for _, e := range a.events {
					if a.times(e.rec.ID) == 0 {
						left++
					}
				}
				if left != test.left || a.counts > 0 {
					t.Errorf("%d events are missing, want %d; counted %d times", left, test.left, a.counts)
				}
			})
		})
	}
}

func always(context.Context, time.Time, time.Time) (bool, error) { return true, nil }
