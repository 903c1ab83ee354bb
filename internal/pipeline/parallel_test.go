package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// newParallel is a world of n records whose sink takes batches of ten, three at a time.
func newParallel(t *testing.T, n int) *world {
	w := newWorld(t, n)
	w.limits = pipeline.Limits{Parallel: 3, BatchBytes: 10 * (len(w.records[0].Raw) + 1)}
	return w
}

// firstOf is the number of a batch's first record.
func firstOf(w *world, batch []pipeline.Record) int {
	for i, r := range w.records {
		if r.ID == batch[0].ID {
			return i
		}
	}
	return -1
}

// Three batches are on their way at a time and no more, and the checkpoint moves behind
// each three.
func TestParallelWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newParallel(t, 90)
		w.sinkTakes = time.Second
		start := time.Now()
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 90, Sent: 90})
		if d := time.Since(start); d != 3*time.Second || w.writes != 9 {
			t.Errorf("%d batches in %v, want 9 in 3s", w.writes, d)
		}
		if w.saves != 4 { // the last finds nothing more
			t.Errorf("the checkpoint moved %d times, want 4", w.saves)
		}
		w.complete()
	})
}

// A row keeps the whole page that it came with in memory: of pages with one new record each
// no more are gathered than of others, and those with none cost nothing.
func TestPagesWithFewNewRecords(t *testing.T) {
	for name, c := range map[string]struct {
		fresh func(i int) bool
		saves int
	}{
		"one of ten": {func(i int) bool { return i%10 == 3 }, 4}, // as with full pages
		"none":       {func(int) bool { return false }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newParallel(t, 90)
				for i, r := range w.records {
					if !c.fresh(i) {
						w.ledger[r.ID], w.delivered[r.ID] = true, 1
					}
				}
				if rep := w.run(time.Minute); rep.State != pipeline.Drained || w.saves != c.saves {
					t.Errorf("the checkpoint moved %d times, want %d: %+v", w.saves, c.saves, rep)
				}
				w.complete()
			})
		})
	}
}

// Without leave, one batch at a time and in order.
func TestWritesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newParallel(t, 40)
		w.limits.Parallel, w.pageSize, w.sinkTakes = 0, 40, time.Second
		var order []int
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			order = append(order, firstOf(w, batch))
			return true, nil
		}
		start := time.Now()
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 40, Sent: 40})
		if d := time.Since(start); d != 4*time.Second {
			t.Errorf("took %v, want 4s", d)
		}
		if diff := cmp.Diff([]int{0, 10, 20, 30}, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// One of three fails for good: the others are waited for and remembered, no further one
// is begun, the checkpoint stays, and the next run sends what is missing and no more.
func TestOneOfSeveralFails(t *testing.T) {
	for first := range 3 {
		synctest.Test(t, func(t *testing.T) {
			w := newParallel(t, 50)
			w.pageSize, w.sinkTakes = 50, time.Second
			w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
				if firstOf(w, batch) == 10*first {
					return false, errors.New("no")
				}
				return true, nil
			}
			rep := w.run(time.Minute)
			if rep.State != pipeline.Failed || rep.Error != "no" || w.checkpoint.Tag != "" {
				t.Errorf("%+v, checkpoint %+v", rep, w.checkpoint)
			}
			begun := 3 + first // when it fails, as many were settled and others begun in their place
			if w.writes != begun || rep.Sent != int64(10*begun-10) {
				t.Errorf("%d batches begun, %d records sent, want %d and all but those of one", w.writes, rep.Sent, begun)
			}
			w.onWrite = nil
			check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 50, Duplicates: rep.Sent, Sent: 50 - rep.Sent})
			w.complete()
		})
	}
}

// A sibling that does not answer holds a failed run no longer than a moment.
func TestFailureDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newParallel(t, 30)
		w.pageSize = 30
		hangs := slowSink{sink{w}, func(batch []pipeline.Record) time.Duration {
			if firstOf(w, batch) == 10 {
				return time.Hour
			}
			return time.Second
		}}
		w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, errors.New("no") }
		r := w.runner()
		r.Sink = hangs
		start := time.Now()
		rep := r.Run(t.Context())
		if d := time.Since(start); rep.State != pipeline.Failed || rep.Error != "no" || d != 4*time.Second {
			t.Errorf("after %v: %+v, want the failure after 1s and a grace of 3s", d, rep)
		}
	})
}

// Nor does one that is refused meanwhile, whose halves do not get through.
func TestFailureDoesNotWaitForHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newParallel(t, 30)
		w.pageSize = 30
		r := w.runner()
		r.Sink = slowSink{sink{w}, func(batch []pipeline.Record) time.Duration {
			if len(batch) < 10 {
				return time.Hour
			}
			return time.Second
		}}
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			switch firstOf(w, batch) {
			case 0:
				return false, errors.New("no")
			case 10:
				return false, &pipeline.Rejected{Err: errors.New("413")}
			}
			return true, nil
		}
		start := time.Now()
		rep := r.Run(t.Context())
		if d := time.Since(start); rep.State != pipeline.Failed || rep.Error != "no" || rep.Sent != 10 || d != 4*time.Second {
			t.Errorf("after %v: %+v, want the failure after 1s and a grace of 3s", d, rep)
		}
	})
}

// A panic beside batches on their way: none is under way any more when the lock is given back.
func TestPanicBesideWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newParallel(t, 30)
		w.pageSize = 30
		w.onCommit = func(int) error { panic("oops") }
		r := w.runner()
		var underWay atomic.Int32
		r.Sink = counted{slowSink{sink{w}, func(batch []pipeline.Record) time.Duration {
			if firstOf(w, batch) > 0 {
				return time.Hour
			}
			return time.Second
		}}, &underWay}
		rep := r.Run(t.Context())
		if n := underWay.Load(); rep.State != pipeline.Failed || !strings.Contains(rep.Error, "oops") || n != 0 {
			t.Errorf("%d batches are still on their way behind %+v", n, rep)
		}
	})
}

// counted counts what is on its way, and needs a moment to let go.
type counted struct {
	slowSink
	underWay *atomic.Int32
}

// Write implements [pipeline.Sink].
func (c counted) Write(ctx context.Context, name string, batch []pipeline.Record) error {
	c.underWay.Add(1)
	defer c.underWay.Add(-1)
	err := c.slowSink.Write(ctx, name, batch)
	if err != nil {
		<-time.After(time.Second)
	}
	return err
}

// When the lock is lost nothing on its way gets a moment: somebody else may be at work.
func TestLockLostWithSeveralOnTheirWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newParallel(t, 30)
		w.pageSize, w.sinkTakes, w.loseLock = 30, time.Hour, make(chan struct{})
		time.AfterFunc(time.Second, func() { close(w.loseLock) })
		start := time.Now()
		rep := w.run(2 * time.Hour)
		if d := time.Since(start); d != time.Second || rep.State != pipeline.Failed || !strings.Contains(rep.Error, errLost.Error()) {
			t.Errorf("after %v: %+v", d, rep)
		}
		if len(w.delivered) != 0 {
			t.Errorf("%d records arrived", len(w.delivered))
		}
	})
}

// A panic of one write is the failure of the run.
func TestPanicOfOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newParallel(t, 30)
		w.pageSize = 30
		r := w.runner()
		r.Sink = slowSink{sink{w}, func(batch []pipeline.Record) time.Duration {
			if firstOf(w, batch) == 20 {
				panic("oops")
			}
			return time.Second
		}}
		rep := r.Run(t.Context())
		if rep.State != pipeline.Failed || !strings.Contains(rep.Error, "oops") || rep.Sent != 20 || w.checkpoint.Tag != "" {
			t.Errorf("%+v", rep)
		}
	})
}

// Batches on their way when the sink goes down go into the spool in their order, each
// once, unless they have arrived.
func TestSpoolWithSeveralOnTheirWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newParallel(t, 60)
		w.pageSize = 60
		s := &spool{world: w}
		w.spool = s
		var down atomic.Bool
		down.Store(true)
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			if down.Load() && firstOf(w, batch) != 10 {
				return false, again
			}
			return true, nil
		}
		rep := w.run(4 * time.Minute)
		check(t, rep, pipeline.Report{State: pipeline.Failed, Fetched: 60, Sent: 10, Spooled: 50})
		var order []int
		for _, batch := range s.batches {
			order = append(order, firstOf(w, batch))
		}
		if diff := cmp.Diff([]int{0, 20, 30, 40, 50}, order); diff != "" {
			t.Errorf("order in the spool (-want +got):\n%s", diff)
		}
		down.Store(false)
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained, Sent: 50})
		w.complete()
	})
}

// A refused record among several batches: only it goes into quarantine.
func TestPoisonAmongSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newParallel(t, 60)
		w.pageSize, w.sinkTakes = 60, time.Second
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			for _, r := range batch {
				if r.ID == "e00017" {
					return false, &pipeline.Rejected{Err: errors.New("400")}
				}
			}
			return true, nil
		}
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 60, Sent: 59, Quarantined: 1})
		w.complete("e00017")
	})
}

// slowSink is a sink that takes a time of its own for each batch.
type slowSink struct {
	sink
	delay func(batch []pipeline.Record) time.Duration
}

// Write implements [pipeline.Sink].
func (s slowSink) Write(ctx context.Context, name string, batch []pipeline.Record) error {
	if err := pause(ctx, s.delay(batch)); err != nil {
		return err
	}
	return s.sink.Write(ctx, name, batch)
}
