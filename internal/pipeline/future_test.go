package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// claims is a source that gives pages without records that claim to cover something.
type claims struct {
	through []time.Time
	fetches int
}

func (*claims) Stream() pipeline.Stream { return pipeline.Stream{ID: stream, Table: table} }

func (c *claims) Fetch(context.Context, pipeline.Cursor) (pipeline.Page, error) {
	c.fetches++
	return pipeline.Page{Next: pipeline.Cursor(strings.Repeat("1", c.fetches)), More: c.fetches < len(c.through), Through: c.through[c.fetches-1]}, nil
}

// Through never goes back, nor ahead of now, whatever a source says.
func TestThrough(t *testing.T) {
	for name, c := range map[string]struct {
		saved time.Duration // before now; 0 means none
		pages []time.Duration
		want  time.Duration
		fails string
	}{
		"moves on":            {time.Hour, []time.Duration{30 * time.Minute, time.Minute}, time.Minute, ""},
		"goes back":           {time.Minute, []time.Duration{time.Hour}, time.Minute, ""},
		"goes back in a walk": {time.Hour, []time.Duration{time.Minute, 2 * time.Minute}, time.Minute, ""},
		"ahead of now":        {time.Hour, []time.Duration{-10 * time.Hour}, 0, ""},
		"first":               {0, []time.Duration{time.Minute}, time.Minute, ""},
		// A clock that is a little ahead is no fault.
		"a little ahead": {-time.Minute, []time.Duration{time.Minute}, -time.Minute, ""},
		"was ahead":      {-10 * 24 * time.Hour, []time.Duration{time.Minute}, time.Minute, "ahead of this machine's clock"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, src := newWorld(t, 0), &claims{}
				w.src = src
				now := time.Now()
				for _, ago := range c.pages {
					src.through = append(src.through, now.Add(-ago))
				}
				if c.saved != 0 {
					w.checkpoint = pipeline.Checkpoint{Cursor: "0", Through: now.Add(-c.saved)}
				}
				rep := w.run(time.Minute)
				if diff := cmp.Diff(now.Add(-c.want), w.checkpoint.Through); diff != "" {
					t.Errorf("through (-want +got):\n%s", diff)
				}
				if !strings.Contains(rep.Error, c.fails) || (rep.State == pipeline.Failed) != (c.fails != "") {
					t.Errorf("%+v, want the error %q", rep, c.fails)
				}
				src.fetches = 0
				if rep := w.run(time.Minute); rep.State != pipeline.Drained {
					t.Errorf("the next run: %+v", rep)
				}
			})
		})
	}
}

// A stream that begins in the future, because a clock was ahead in its first run, would never be
// audited: the run says so, and corrects it.
func TestBeginsInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.live(30 * time.Minute)
		a.checkpoint.Since = time.Now().Add(100 * time.Hour)
		if rep := a.run(time.Minute); rep.State != pipeline.Failed || !strings.Contains(rep.Error, "ahead of this machine's clock") {
			t.Errorf("%+v", rep)
		}
		late := a.add(time.Now().Add(-20*time.Minute), 0)
		rep := last(a.live(12 * time.Minute))
		if rep.State != pipeline.Drained || a.times(late) != 1 {
			t.Errorf("delivered %d times, %+v", a.times(late), rep)
		}
	})
}

// Lag is true however a run ends, and where no page has come yet.
func TestLag(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(*world)
		want    float64
		state   pipeline.State
	}{
		"first run":       {func(w *world) {}, 60, pipeline.Drained},
		"first run fails": {func(w *world) { w.onFetch = func(int) error { return errors.New("403") } }, 3600, pipeline.Failed},
		"first run can't send": {func(w *world) {
			w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, errors.New("403") }
		}, 3600, pipeline.Failed},
		"first run, locked out": {func(w *world) { w.held = true }, 3600, pipeline.Locked},
		"locked out": {func(w *world) {
			w.held, w.checkpoint.Tag, w.checkpoint.Through = true, "1", time.Now().Add(-2*time.Hour)
		}, 7200, pipeline.Locked},
		"fails": {func(w *world) {
			w.checkpoint.Cursor, w.checkpoint.Through = "0", time.Now().Add(-2*time.Hour)
			w.onFetch = func(int) error { return errors.New("403") }
		}, 7200, pipeline.Failed},
		"never at its end": {func(w *world) { // a list that was never read as a whole
			w.checkpoint.Tag, w.checkpoint.Cursor = "1", "0"
			w.onFetch = func(int) error { return errors.New("403") }
		}, 3600, pipeline.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3)
				c.arrange(w)
				r := w.runner()
				r.Lookback = time.Hour
				if rep := r.Run(t.Context()); rep.LagSeconds != c.want || rep.State != c.state {
					t.Errorf("lag %v, %s; want %v, %s", rep.LagSeconds, rep.State, c.want, c.state)
				}
			})
		})
	}
}

// State that is gone is not a quiet first run.
func TestNoCheckpointWarns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		for i, want := range []bool{true, false} {
			r := w.runner()
			r.Lookback = time.Hour
			rep := r.Run(t.Context())
			warned := slices.ContainsFunc(rep.Warnings, func(text string) bool {
				return strings.HasPrefix(text, "no checkpoint: begins at 1999-12-31T23:00:00Z") && strings.Contains(text, "STATE_URL")
			})
			if warned != want {
				t.Errorf("run %d: warnings %q", i, rep.Warnings)
			}
		}
	})
}

// contradicts is a source that counts more than it lists.
type contradicts struct{ source }

func (c contradicts) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	page, err := c.source.Fetch(ctx, after)
	if !page.More {
		page.Incomplete = errors.New("counts 600, lists none")
	}
	return page, err
}

// A source that contradicts itself is not drained: what it lists is delivered, and the run fails.
func TestIncomplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 30)
		w.src = contradicts{source{w}}
		rep := w.run(time.Minute)
		if rep.State != pipeline.Failed || rep.Sent != 30 || !strings.Contains(rep.Error, "counts 600") {
			t.Errorf("%+v", rep)
		}
		w.src = nil
		if rep := w.run(time.Minute); rep.State != pipeline.Drained || rep.Sent != 0 {
			t.Errorf("once it lists what it counts: %+v", rep)
		}
	})
}
