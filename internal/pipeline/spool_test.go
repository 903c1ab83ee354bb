package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// spool keeps batches in memory; what lies in it counts as settled.
type spool struct {
	*world
	batches [][]pipeline.Record
	putErr  error
	putting time.Duration // takes that long
}

func (s *spool) Put(ctx context.Context, _ string, batch []pipeline.Record) error {
	if err := pause(ctx, s.putting); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.putErr != nil {
		return s.putErr
	}
	s.batches = append(s.batches, slices.Clone(batch))
	for _, r := range batch {
		s.spooled[r.ID] = true
	}
	return nil
}

func (s *spool) Drain(ctx context.Context, _ string, write func(context.Context, []pipeline.Record) error) error {
	for len(s.batches) > 0 {
		if err := write(ctx, s.batches[0]); err != nil {
			return err
		}
		s.batches = s.batches[1:]
	}
	return nil
}

func TestSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 25)
		s := &spool{world: w}
		w.spool = s
		w.limits.BatchBytes = 10 * (len(w.records[0].Raw) + 1)
		down := true
		w.onWrite = func(n int, batch []pipeline.Record) (bool, error) {
			if down && n > 1 {
				return false, again
			}
			return true, nil
		}
		start := time.Now()
		rep := w.run(4 * time.Minute)
		check(t, rep, pipeline.Report{State: pipeline.Failed, Fetched: 25, Sent: 10, Spooled: 15})
		if !strings.Contains(rep.Error, "503") || !strings.Contains(rep.Error, "spool") {
			t.Errorf("error %q", rep.Error)
		}
		if d := time.Since(start); d > time.Minute {
			t.Errorf("a sink that is down held the run for %v", d)
		}
		if w.checkpoint.Cursor != "25" {
			t.Errorf("checkpoint %q, want 25: the source may forget", w.checkpoint.Cursor)
		}
		// Still down: more comes, goes behind what waits, and nothing is lost or doubled.
		w.records = append(w.records, newWorld(t, 30).records[25:]...)
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Failed, Fetched: 5, Spooled: 5})
		down = false
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained, Sent: 20})
		w.complete()
		if len(s.batches) != 0 {
			t.Errorf("%d batches left in the spool", len(s.batches))
		}
	})
}

func TestSpoolFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5)
		w.spool = &spool{world: w, putErr: errors.New("disk full")}
		w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, again }
		rep := w.run(4 * time.Minute)
		if rep.State != pipeline.Failed || !strings.Contains(rep.Error, "503") || !strings.Contains(rep.Error, "disk full") || w.checkpoint.Tag != "" {
			t.Errorf("%+v, checkpoint %+v", rep, w.checkpoint)
		}
	})
}

// A sink that hangs must not eat the time in which the source is read.
func TestSpoolSinkHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 25)
		w.spool = &spool{world: w}
		w.sinkTakes = time.Hour
		for range 3 {
			start := time.Now()
			if rep := w.run(4 * time.Minute); rep.State != pipeline.Failed {
				t.Errorf("%+v", rep)
			}
			if d := time.Since(start); d > 4*time.Minute {
				t.Errorf("run took %v", d)
			}
		}
		if w.checkpoint.Cursor != "25" {
			t.Errorf("checkpoint %q, want 25", w.checkpoint.Cursor)
		}
		w.sinkTakes = 0
		w.run(4 * time.Minute)
		w.complete()
	})
}

// A batch that is in the spool, but could not be put into the ledger, is sent once all the same.
func TestSpoolCommitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 25)
		w.spool = &spool{world: w}
		down := true
		w.onWrite = func(int, []pipeline.Record) (bool, error) { return !down, map[bool]error{true: again}[down] }
		w.onCommit = func(int) error { return map[bool]error{true: errors.New("store is away")}[down] }
		if rep := w.run(4 * time.Minute); rep.State != pipeline.Failed || rep.Spooled != 25 || w.checkpoint.Cursor != "" {
			t.Errorf("%+v, checkpoint %+v", rep, w.checkpoint)
		}
		down = false
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 25, Duplicates: 25, Sent: 25})
		w.complete()
	})
}

// The spool is for a sink that is down. A ledger that fails ends the run instead: what was
// acknowledged would only come again out of the spool.
func TestSpoolIsNotForTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 25)
		s := &spool{world: w}
		w.spool = s
		w.limits.BatchBytes = 10 * (len(w.records[0].Raw) + 1)
		w.onCommit = func(int) error { return errors.New("store is away") }
		rep := w.run(4 * time.Minute)
		if rep.State != pipeline.Failed || rep.Sent != 10 || rep.Spooled != 0 || len(s.batches) != 0 || !strings.Contains(rep.Error, "store is away") {
			t.Errorf("%d batches in the spool, %+v", len(s.batches), rep)
		}
	})
}

// Who reads a source too seldom that forgets is told, until it was read to its end again.
func TestRunsTooFarApart(t *testing.T) {
	for name, test := range map[string]struct {
		remembers, pause time.Duration
		warned           bool
	}{
		"in time":                 {24 * time.Hour, 23 * time.Hour, false},
		"too late":                {24 * time.Hour, 25 * time.Hour, true},
		"a source that remembers": {0, 1000 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 5)
				run := func() pipeline.Report {
					r := w.runner()
					r.Remembers = test.remembers
					return r.Run(t.Context())
				}
				warned := func(rep pipeline.Report) bool {
					return len(rep.Warnings) == 1 && strings.Contains(rep.Warnings[0], "may be lost") && strings.Contains(rep.Warnings[0], "for 24 h")
				}
				if rep := run(); rep.State != pipeline.Drained || len(rep.Warnings) != 0 {
					t.Errorf("the first run: %+v", rep)
				}
				<-time.After(test.pause)
				w.onFetch = func(int) error { return errors.New("down") }
				if rep := run(); rep.State != pipeline.Failed || warned(rep) != test.warned {
					t.Errorf("a run that fails: %+v", rep)
				}
				w.onFetch = nil
				if rep := run(); rep.State != pipeline.Drained || warned(rep) != test.warned {
					t.Errorf("the run behind the pause: %+v", rep)
				}
				if rep := run(); rep.State != pipeline.Drained || len(rep.Warnings) != 0 {
					t.Errorf("the next run: %+v", rep)
				}
			})
		})
	}
}

// A store that is slow while the sink hangs does not hold the run for much longer than
// its budget, however many batches there are: the next run goes on.
func TestSpoolIsSlow(t *testing.T) {
	for _, parallel := range []int{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 200)
			w.pageSize = 200
			s := &spool{world: w, putting: 4 * time.Second}
			w.spool = s
			w.limits = pipeline.Limits{Parallel: parallel, BatchBytes: 10 * (len(w.records[0].Raw) + 1)}
			w.sinkTakes = time.Hour
			spooled := int64(0)
			for runs := 1; spooled < 200; runs++ {
				start := time.Now()
				rep := w.run(20 * time.Second)
				if d := time.Since(start); d > 41*time.Second || rep.Spooled < 40 && spooled+rep.Spooled < 200 {
					t.Fatalf("run %d took %v of 20s and spooled %d: %s", runs, d, rep.Spooled, rep.Error)
				}
				spooled += rep.Spooled
			}
			w.sinkTakes, s.putting = 0, 0
			if rep := w.run(time.Minute); rep.State != pipeline.Drained {
				t.Errorf("%+v", rep)
			}
			w.complete()
		})
	}
}

// Nobody is told that records are safe in a spool that could not take them.
func TestSpoolFailsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20)
		w.pageSize = 20
		w.limits.BatchBytes = 10 * (len(w.records[0].Raw) + 1)
		w.spool = &spool{world: w, putErr: errors.New("disk full"), putting: time.Second} // so that it is after the end
		r := w.runner()
		r.Sink = slowSink{sink{w}, func(batch []pipeline.Record) time.Duration { return time.Duration(firstOf(w, batch)) * time.Hour }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		rep := r.Run(ctx)
		if rep.State != pipeline.Failed || rep.Sent != 10 || !strings.Contains(rep.Error, "disk full") || strings.Contains(rep.Error, "safe") {
			t.Errorf("%+v", rep)
		}
	})
}

// A spool that could not confirm that it took a batch may have it all the same, and the source brings
// the records again. If a refusal keeps the run from the spool until its end, they come once.
func TestSpoolThatTookWhatItCouldNotConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20)
		s := &spool{world: w}
		w.spool = s
		poison := newWorld(t, 21).records[20]
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			if slices.ContainsFunc(batch, func(r pipeline.Record) bool { return r.ID == poison.ID }) {
				return false, &pipeline.Rejected{Err: errors.New("status 400")}
			}
			return true, nil
		}
		s.batches = [][]pipeline.Record{{poison}, w.records[:5]}
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 20, Sent: 20, Quarantined: 1})
		for id, n := range w.delivered {
			if n != 1 {
				t.Errorf("%s was delivered %d times", id, n)
			}
		}
		if len(s.batches) != 0 {
			t.Errorf("%d batches left in the spool", len(s.batches))
		}
	})
}

// What was spooled twice, because the ledger could not be written the first time, is sent once.
func TestSpooledTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5)
		s := &spool{world: w}
		w.spool = s
		s.batches = [][]pipeline.Record{w.records[:3], w.records[3:5], w.records[:4]}
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 5, Sent: 5, Duplicates: 5})
		for id, n := range w.delivered {
			if n != 1 {
				t.Errorf("%s was delivered %d times", id, n)
			}
		}
		if len(s.batches) != 0 {
			t.Errorf("%d batches left in the spool", len(s.batches))
		}
	})
}

// backlog is a spool that makes its batches as they are drained, and measures the memory at its end.
type backlog struct {
	pipeline.Spool
	records int
	begin   time.Time
	heap    int64
}

func (b *backlog) Drain(ctx context.Context, _ string, write func(context.Context, []pipeline.Record) error) error {
	for n := 0; n < b.records; {
		batch := make([]pipeline.Record, 1000)
		for i := range batch {
			id := fmt.Sprintf("b%09d", n)
			batch[i], n = pipeline.Record{ID: id, Time: b.begin, Raw: []byte(`{"id":"` + id + `"}`)}, n+1
		}
		if err := write(ctx, batch); err != nil {
			return err
		}
	}
	b.heap = heap()
	return nil
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

type emptySink struct{ sink }

func (emptySink) Write(context.Context, string, []pipeline.Record) error { return nil }

// emptyLedger remembers nothing.
type emptyLedger struct{ *ledger }

func (emptyLedger) Claim(_ context.Context, records []pipeline.Record) ([]bool, error) {
	return make([]bool, len(records)), nil
}
func (emptyLedger) Prove(context.Context, []pipeline.Record) error  { return nil }
func (emptyLedger) Commit(context.Context, []pipeline.Record) error { return nil }

// A long outage leaves a large spool. Draining it takes no more memory than draining a small one.
func TestLargeSpoolIsDrainedInBoundedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		b := &backlog{records: 600_000, begin: time.Now()}
		r := w.runner()
		r.Spool, r.Sink, r.Uncommitted = b, emptySink{sink{w}}, new(pipeline.Uncommitted)
		r.OpenLedger = func() pipeline.Ledger { return emptyLedger{&ledger{world: w, claimed: map[string]bool{}}} }
		before := heap()
		if rep := r.Run(t.Context()); rep.State != pipeline.Drained || rep.Sent != 600_000 {
			t.Fatalf("%+v", rep)
		}
		if grown := b.heap - before; grown > 20<<20 {
			t.Errorf("%d MiB for %d records", grown>>20, b.records)
		}
	})
}

// The drain has an end of its own. What was finished just behind that does not use up
// the time that the run has behind its own end.
func TestDrainEndsInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20)
		w.pageSize = 20
		s := &spool{world: w}
		w.spool = s
		s.batches = [][]pipeline.Record{w.records[:10]}
		for _, r := range w.records[:10] {
			w.spooled[r.ID] = true
		}
		r := w.runner()
		r.Sink = lateSink{sink{w}}
		ctx, cancel := context.WithTimeout(t.Context(), 80*time.Second)
		defer cancel()
		if rep := r.Run(ctx); rep.Sent != 10 || rep.Spooled != 10 {
			t.Errorf("%+v, want what was drained sent, and the rest in the spool", rep)
		}
	})
}

// lateSink acknowledges the first record behind a quarter of 80 s, whatever the context says, and
// hangs with all else.
type lateSink struct{ sink }

// Write implements [pipeline.Sink].
func (l lateSink) Write(ctx context.Context, name string, batch []pipeline.Record) error {
	if batch[0].ID != l.records[0].ID {
		return pause(ctx, time.Hour)
	}
	_ = pause(context.WithoutCancel(ctx), 21*time.Second)
	return l.sink.Write(context.WithoutCancel(ctx), name, batch)
}

// A run that was asked to stop spools nothing: the source still has it, and the next run reads
// it again.
func TestStoppedRunSpoolsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 25)
		s := &spool{world: w}
		w.spool = s
		ctx, stop := context.WithCancel(t.Context())
		w.sinkTakes = time.Hour
		time.AfterFunc(time.Second, stop)
		rep := w.runner().Run(ctx)
		if rep.State != pipeline.Budget || rep.Spooled != 0 || len(s.batches) != 0 || w.checkpoint.Cursor != "" {
			t.Errorf("%d batches in the spool, checkpoint %q, %+v", len(s.batches), w.checkpoint.Cursor, rep)
		}
		w.sinkTakes = 0
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 25, Sent: 25})
		w.complete()
	})
}

// A batch whose first half is refused and whose second half finds the sink down is in the spool as a
// whole, and each of its records once. Each run is another process.
func TestRefusedThenDownIsSpooledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := &spool{world: w}
		w.spool = s
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			if batch[0].ID == "e00001" {
				return false, again
			}
			return false, &pipeline.Rejected{Err: errors.New("status 400")}
		}
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Failed, Fetched: 2, Spooled: 2})
		s.once("e00000", "e00001")
		// The spool itself meets the same: what was refused of it stays there, once.
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Failed})
		s.once("e00000", "e00001")
		w.onWrite = nil
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Drained, Sent: 2})
		w.complete()
	})
}

// once fails the test unless exactly these records are in the spool, each once.
func (s *spool) once(want ...string) {
	s.t.Helper()
	var got []string
	for _, r := range slices.Concat(s.batches...) {
		got = append(got, r.ID)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.t.Errorf("in the spool are %q, want %q", got, want)
	}
}

// What is refused without proof at the end of a run is in the spool, so the checkpoint moves past it:
// the source need not repeat it, and may forget it.
func TestCheckpointMovesPastWhatWasSpooledAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.spool = &spool{world: w}
		w.refuse(all)
		check(t, w.run(4*time.Minute), pipeline.Report{State: pipeline.Failed, Fetched: 3, Spooled: 3})
		if w.checkpoint.Cursor != "3" {
			t.Errorf("checkpoint %q, want 3", w.checkpoint.Cursor)
		}
	})
}
