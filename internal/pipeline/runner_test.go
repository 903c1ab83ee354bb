package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

var again = &pipeline.Retryable{Err: errors.New("503")}

// run does one run with a budget, in virtual time.
func (w *world) run(budget time.Duration) pipeline.Report {
	ctx, cancel := context.WithTimeout(w.t.Context(), budget)
	defer cancel()
	return w.runner().Run(ctx)
}

func check(t *testing.T, got pipeline.Report, want pipeline.Report) {
	t.Helper()
	want.Stream = stream
	ignore := cmpopts.IgnoreFields(pipeline.Report{}, "LagSeconds", "Seconds", "Retries", "Batches", "Error", "Err")
	if diff := cmp.Diff(want, got, ignore, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("report (-want +got):\n%s\nerror: %s", diff, got.Error)
	}
	if (got.State == pipeline.Failed) != (got.Error != "") {
		t.Errorf("state %s with error %q", got.State, got.Error)
	}
}

func TestDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 95)
		rep := w.run(time.Minute)
		check(t, rep, pipeline.Report{State: pipeline.Drained, Fetched: 95, Sent: 95})
		w.complete()
		if rep.LagSeconds < 59 || rep.LagSeconds > 61 {
			t.Errorf("lag %v s, want the source's 60", rep.LagSeconds)
		}
		// A second run finds nothing, and stores that it looked.
		saves := w.saves
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained})
		if w.saves != saves+1 {
			t.Errorf("a quiet run saved the checkpoint %d times, want 1", w.saves-saves)
		}
		w.complete()
	})
}

// A source that never answers gets the blame, not the way to the sink.
func TestSourceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 30)
		w.takes = time.Hour
		rep := w.run(time.Minute)
		check(t, rep, pipeline.Report{State: pipeline.Failed})
		if !strings.Contains(rep.Error, "the source did not answer") || strings.Contains(rep.Error, "BATCH_BYTES") {
			t.Errorf("error %q", rep.Error)
		}
		w.takes = 0
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 30, Sent: 30})
		w.complete()
	})
}

// What it gave before it hangs is delivered all the same: kept until the deadline, it would never be,
// since it hangs at the same place in each run.
func TestSourceHangsAtALaterPage(t *testing.T) {
	for _, budget := range []time.Duration{4 * time.Minute, time.Minute, 12 * time.Second, 2 * time.Second} {
		for _, takes := range []time.Duration{0, 200 * time.Millisecond} {
			t.Run(fmt.Sprintf("%v, answers after %v", budget, takes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 30)
					w.takes = takes
					w.src = hanging{source{w}, func(after pipeline.Cursor) bool { return after == "20" }}
					check(t, w.run(budget), pipeline.Report{State: pipeline.Budget, Fetched: 20, Sent: 20})
					rep := w.run(budget)
					check(t, rep, pipeline.Report{State: pipeline.Failed})
					if !strings.Contains(rep.Error, "the source did not answer") {
						t.Errorf("error %q", rep.Error)
					}
					w.src = nil
					check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 10, Sent: 10})
					w.complete()
				})
			})
		}
	}
}

// hanging does not answer after a cursor, until its caller gives up.
type hanging struct {
	source
	at func(after pipeline.Cursor) bool
}

func (h hanging) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	if h.at(after) {
		<-ctx.Done()
		return pipeline.Page{}, ctx.Err()
	}
	return h.source.Fetch(ctx, after)
}

// A source that failed and then hangs until the deadline is blamed for what it said, and not for the
// deadline.
func TestSourceFailsAndHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.onFetch = func(n int) error {
			if n == 1 {
				return &pipeline.Retryable{Err: errors.New("the service is away")}
			}
			<-ctx.Done()
			return ctx.Err()
		}
		r := w.runner().Run(ctx)
		if r.State != pipeline.Failed || !strings.Contains(r.Error, "the service is away") || !strings.Contains(r.Error, "before the run's deadline") {
			t.Errorf("%+v", r)
		}
	})
}

// The same for one that first gives only what was delivered before: nothing was sent, and neither the
// way to the sink nor the budget is to blame.
func TestSourceFailsAfterDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20)
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 20, Sent: 20})
		w.checkpoint.Cursor = "" // as if it had not been saved
		w.fetches = 0
		asked := 0
		w.src = hanging{source{w}, func(pipeline.Cursor) bool { asked++; return asked > 2 }}
		w.onFetch = func(n int) error {
			if n == 2 {
				return &pipeline.Retryable{Err: errors.New("the service is away")}
			}
			return nil
		}
		r := w.run(time.Minute)
		if r.State != pipeline.Failed || r.Duplicates == 0 || r.Sent != 0 || !strings.Contains(r.Error, "the source did not answer") || !strings.Contains(r.Error, "the service is away") || strings.Contains(r.Error, "BATCH_BYTES") {
			t.Errorf("%+v", r)
		}
	})
}

// A run that is asked to stop while it waits for a service says what the service answered.
func TestStoppedWhileThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, fail := range map[string]func(*world, error){
			"source": func(w *world, err error) { w.onFetch = func(int) error { return err } },
			"sink": func(w *world, err error) {
				w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, err }
			},
		} {
			w := newWorld(t, 20)
			fail(w, &pipeline.Retryable{Err: errors.New("status 429 too many requests"), After: time.Minute})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Second, cancel)
			r := w.runner().Run(ctx)
			if r.State != pipeline.Budget || r.Error != "" || !strings.Contains(strings.Join(r.Warnings, "\n"), "asked to stop while it repeated what had failed: status 429 too many requests") {
				t.Errorf("%s: %+v", name, r)
			}
		}
	})
}

func TestLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 30)
		w.takes = time.Second
		first := make(chan pipeline.Report)
		go func() { first <- w.run(time.Minute) }()
		synctest.Wait()
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Locked})
		check(t, <-first, pipeline.Report{State: pipeline.Drained, Fetched: 30, Sent: 30})
		w.complete()
	})
}

// A whole run of failure leaves the checkpoint where it was, ends inside its
// budget, and the next run delivers.
func TestOutage(t *testing.T) {
	tests := map[string]func(w *world, down func() error){
		"sink": func(w *world, down func() error) {
			w.onWrite = func(int, []pipeline.Record) (bool, error) { err := down(); return err == nil, err }
		},
		"source":      func(w *world, down func() error) { w.onFetch = func(int) error { return down() } },
		"ledger":      func(w *world, down func() error) { w.onCommit = func(int) error { return down() } },
		"checkpoints": func(w *world, down func() error) { w.onSave = func(int) error { return down() } },
	}
	for name, arrange := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 25)
				broken := true
				arrange(w, func() error {
					if broken {
						return again
					}
					return nil
				})
				start := time.Now()
				rep := w.run(4 * time.Minute)
				if rep.State != pipeline.Failed || !strings.Contains(rep.Error, "503") {
					t.Errorf("state %s, error %q; want failed with the 503", rep.State, rep.Error)
				}
				if d := time.Since(start); d > 4*time.Minute {
					t.Errorf("run took %v, budget 4m", d)
				}
				if w.checkpoint.Tag != "" {
					t.Errorf("checkpoint moved: %+v", w.checkpoint)
				}
				broken = false
				if rep := w.run(4 * time.Minute); rep.State != pipeline.Drained {
					t.Errorf("second run: %+v", rep)
				}
				for _, r := range w.records {
					// A batch that was acknowledged but could not be remembered is the one case that repeats.
					if n := w.times(r.ID); n != 1 && (name != "ledger" || n != 2) {
						t.Errorf("%s delivered %d times", r.ID, n)
					}
				}
			})
		})
	}
}

// What may pass is told from what needs a person: the text says that nothing is lost,
// and how long the service wants to be left alone.
func TestPassingFailureSaysWhatComesNext(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		says string
	}{
		"passing":            {again, ". Nothing is lost: the next run continues here"},
		"passing, with time": {&pipeline.Retryable{Err: errors.New("429"), After: time.Hour}, ". Nothing is lost: the next run continues here; the service asks for a pause of 1h0m0s"},
		"permanent":          {errors.New("wrong key"), "wrong key"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 25)
				w.onFetch = func(int) error { return c.err }
				rep := w.run(time.Minute)
				if rep.State != pipeline.Failed || !strings.HasSuffix(rep.Error, c.says) {
					t.Errorf("%s: %q, want %q at its end", rep.State, rep.Error, c.says)
				}
			})
		})
	}
}

func TestPermanentErrorEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 25)
		w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, errors.New("wrong key") }
		start := time.Now()
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Failed, Fetched: 25})
		if d := time.Since(start); d > 0 {
			t.Errorf("took %v", d)
		}
	})
}

// What is good before a failing page is delivered and remembered.
func TestFetchFailsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 95)
		w.onFetch = func(n int) error {
			if n == 4 {
				return errors.New("400 bad query")
			}
			return nil
		}
		rep := w.run(time.Minute)
		check(t, rep, pipeline.Report{State: pipeline.Failed, Fetched: 30, Sent: 30})
		if w.checkpoint.Cursor != "30" {
			t.Errorf("checkpoint %q, want 30", w.checkpoint.Cursor)
		}
	})
}

// The second batch of a flush fails: the first must not come again.
func TestPartOfFlushFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		w.limits.BatchBytes = 3 * (len(w.records[0].Raw) + 1)
		w.onWrite = func(n int, _ []pipeline.Record) (bool, error) {
			if n == 3 {
				return false, errors.New("no")
			}
			return true, nil
		}
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Failed, Fetched: 10, Sent: 6})
		if w.checkpoint.Tag != "" {
			t.Error("checkpoint moved")
		}
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 10, Duplicates: 6, Sent: 4})
		w.complete()
	})
}

// A sink may learn during a run how large a batch should be.
func TestBatchesFollowTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 30)
		w.pageSize = 5
		length := len(w.records[0].Raw) + 1
		w.limits.BatchBytes = 10 * length
		var sizes []int
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			sizes = append(sizes, len(batch))
			w.limits.BatchBytes = 4 * length
			return true, nil
		}
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 30, Sent: 30})
		if diff := cmp.Diff([]int{10, 4, 1, 4, 1, 4, 1, 4, 1}, sizes); diff != "" {
			t.Errorf("sizes of batches (-want +got):\n%s", diff)
		}
		w.complete()
	})
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 200)
		w.takes = 2 * time.Second
		total := 0
		for range 20 {
			start := time.Now()
			rep := w.run(20 * time.Second)
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("run took %v, budget 20s", d)
			}
			total += int(rep.Sent)
			if rep.State == pipeline.Drained {
				break
			}
			check(t, rep, pipeline.Report{State: pipeline.Budget, Fetched: rep.Fetched, Sent: rep.Fetched})
		}
		if total != 200 {
			t.Errorf("sent %d, want 200", total)
		}
		w.complete()
	})
}

// A soft stop lets the write that is under way end, commits it, and is no failure.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 500)
		w.takes = 2 * time.Second
		w.limits.BatchBytes = 10 * (len(w.records[0].Raw) + 1)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(7*time.Second, cancel) // in the middle of the third write
		start := time.Now()
		rep := w.runner().Run(ctx)
		if d := time.Since(start); d > 11*time.Second {
			t.Errorf("took %v to stop", d-7*time.Second)
		}
		check(t, rep, pipeline.Report{State: pipeline.Budget, Fetched: 30, Sent: 30})
		if w.checkpoint.Cursor != "30" {
			t.Errorf("checkpoint %q, want 30: the write under way was not committed", w.checkpoint.Cursor)
		}
		check(t, w.run(time.Hour), pipeline.Report{State: pipeline.Drained, Fetched: 470, Sent: 470})
		w.complete()
	})
}

// Behind a lost lock somebody else may be at work: the write is cut at once.
func TestLockLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 50)
		w.takes, w.loseLock = 2*time.Second, make(chan struct{})
		time.AfterFunc(3*time.Second, func() { close(w.loseLock) })
		start := time.Now()
		rep := w.run(time.Minute)
		check(t, rep, pipeline.Report{State: pipeline.Failed, Fetched: rep.Fetched})
		if !strings.Contains(rep.Error, errLost.Error()) {
			t.Errorf("error %q does not name the cause", rep.Error)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("went on for %v", d-3*time.Second)
		}
	})
}

func TestPoison(t *testing.T) {
	poisoned := func(ids ...string) func(int, []pipeline.Record) (bool, error) {
		return func(_ int, batch []pipeline.Record) (bool, error) {
			for _, r := range batch {
				for _, id := range ids {
					if r.ID == id {
						return false, &pipeline.Rejected{Err: errors.New("InvalidDataFormat")}
					}
				}
			}
			return true, nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 64)
		w.onWrite = poisoned("e00000", "e00031", "e00032", "e00063")
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 64, Sent: 60, Quarantined: 4})
		w.complete("e00000", "e00031", "e00032", "e00063")
		// It stays there: the next run does not try again.
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained})
	})
}

// A 404 may mean "too large" or "wrong address": it is halved once.
func TestAmbiguousRejection(t *testing.T) {
	tooLarge := &pipeline.Rejected{Err: errors.New("404"), Ambiguous: true}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 8)
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			if len(batch) > 5 {
				return false, tooLarge
			}
			return true, nil
		}
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 8, Sent: 8})
		w.complete()
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 8)
		w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, tooLarge }
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Failed, Fetched: 8})
		if w.writes != 2 || len(w.kept) != 0 {
			t.Errorf("%d writes, %d quarantined; want 2 and none", w.writes, len(w.kept))
		}
	})
}

func TestConform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 6)
		w.records[4].Raw = jsontext.Value(`{"id":"e00004","long":"0123456789012345678901234567890123456789"}`)
		w.limits.RecordBytes = 60
		w.fit = func(raw jsontext.Value) (jsontext.Value, []string, error) {
			switch string(raw) {
			case `{"id":"e00001"}`:
				return jsontext.Value(`{"id":"e00001","changed":true}`), []string{"a", "b"}, nil
			case `{"id":"e00002"}`:
				return nil, nil, errors.New("no row")
			}
			return raw, nil, nil
		}
		var got strings.Builder
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			for _, r := range batch {
				got.Write(r.Raw)
			}
			return true, nil
		}
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 6, Sent: 4, Conformed: 1, Quarantined: 2})
		want := `{"id":"e00000"}{"id":"e00001","changed":true}{"id":"e00003"}{"id":"e00005"}`
		if got.String() != want {
			t.Errorf("sent %s, want %s", got.String(), want)
		}
		if diff := cmp.Diff(map[string]pipeline.Reason{"e00001": pipeline.Conformed, "e00002": pipeline.Unfit, "e00004": pipeline.Unfit}, w.kept); diff != "" {
			t.Errorf("quarantine (-want +got):\n%s", diff)
		}
	})
}

func TestPanicIsAFailedRun(t *testing.T) {
	for name, arrange := range map[string]func(w *world){
		"in the sink":   func(w *world) { w.onWrite = func(int, []pipeline.Record) (bool, error) { panic("boom") } },
		"in the source": func(w *world) { w.onFetch = func(int) error { panic("boom") } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 5)
				arrange(w)
				rep := w.run(time.Minute)
				if rep.State != pipeline.Failed || !strings.Contains(rep.Error, "boom") || w.held {
					t.Errorf("%+v, lock held: %v", rep, w.held)
				}
			})
		})
	}
}

// Whatever fails in whatever order, runs after the trouble deliver everything,
// and nothing twice but for answers that were lost or not remembered.
func TestAnyFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, rapid.IntRange(0, 120).Draw(rt, "records"))
			w.pageSize = rapid.IntRange(1, 40).Draw(rt, "page")
			w.limits.BatchBytes = rapid.IntRange(0, 600).Draw(rt, "batch")
			w.limits.Parallel = rapid.IntRange(0, 4).Draw(rt, "parallel")
			w.takes = time.Duration(rapid.IntRange(0, 2000).Draw(rt, "ms")) * time.Millisecond
			fault := rapid.SampledFrom([]error{nil, nil, nil, again, errors.New("permanent"), &pipeline.Retryable{Err: errors.New("429"), After: 20 * time.Second}})
			calm, maybeTwice := false, map[string]bool{}
			draw := func(label string) error {
				if calm {
					return nil
				}
				return fault.Draw(rt, label)
			}
			w.onFetch = func(int) error { return draw("fetch") }
			w.onSave = func(int) error { return draw("save") }
			w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
				err := draw("write")
				stored := err == nil || !calm && rapid.Bool().Draw(rt, "stored all the same")
				if stored && err != nil {
					for _, r := range batch {
						maybeTwice[r.ID] = true
					}
				}
				return stored, err
			}
			w.onCommit = func(int) error {
				err := draw("commit")
				if err != nil { // what has arrived is not remembered
					for id := range w.delivered {
						maybeTwice[id] = maybeTwice[id] || !w.ledger[id]
					}
				}
				return err
			}
			for range rapid.IntRange(0, 5).Draw(rt, "troubled runs") {
				w.run(30 * time.Second)
			}
			calm = true
			for range 200 {
				if rep := w.run(5 * time.Minute); rep.State == pipeline.Drained {
					break
				}
			}
			for _, r := range w.records {
				n := w.times(r.ID)
				if n < 1 || n > 1 && !maybeTwice[r.ID] {
					rt.Fatalf("%s delivered %d times", r.ID, n)
				}
			}
		})
	})
}

// A source that says that there is more and does not advance ends the run.
func TestSourceDoesNotAdvance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.takes, w.src = time.Millisecond, standing{}
		rep := w.run(time.Minute)
		if rep.State != pipeline.Failed || !strings.Contains(rep.Error, "does not advance") {
			t.Errorf("%+v", rep)
		}
	})
}

// standing is a source whose pages lead nowhere.
type standing struct{}

func (standing) Stream() pipeline.Stream { return pipeline.Stream{ID: stream, Table: table} }

func (standing) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	select {
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
	}
	return pipeline.Page{Next: after, More: true}, ctx.Err()
}

// noting is a ledger that notes what is committed.
type noting struct {
	*ledger
	ids *[]string
}

func (n noting) Commit(ctx context.Context, delivered []pipeline.Record) error {
	for _, r := range delivered {
		*n.ids = append(*n.ids, r.ID)
	}
	return n.ledger.Commit(ctx, delivered)
}

// Each record is committed once, also one that went into quarantine: what a run gathers does not grow
// with its length.
func TestEachIsCommittedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5)
		w.pageSize, w.limits.BatchBytes = 1, 1 // each page by itself
		w.fit = func(raw jsontext.Value) (jsontext.Value, []string, error) {
			if string(raw) == `{"id":"e00000"}` {
				return nil, nil, errors.New("no column")
			}
			return raw, nil, nil
		}
		var ids []string
		r := w.runner()
		r.OpenLedger = func() pipeline.Ledger {
			return noting{&ledger{world: w, claimed: map[string]bool{}}, &ids}
		}
		check(t, r.Run(t.Context()), pipeline.Report{State: pipeline.Drained, Fetched: 5, Sent: 4, Quarantined: 1})
		slices.Sort(ids)
		if want := []string{"e00000", "e00001", "e00002", "e00003", "e00004"}; !slices.Equal(ids, want) {
			t.Errorf("committed %q, want %q", ids, want)
		}
	})
}

// A record of exactly the size that the service takes is sent.
func TestRecordAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.records[1].Raw = jsontext.Value(`{"id":"e00001","x":1}`)
		w.limits.RecordBytes = len(w.records[1].Raw)
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 2, Sent: 2})
		w.limits.RecordBytes--
		w.records, w.checkpoint, w.ledger, w.delivered = w.records[1:], pipeline.Checkpoint{}, map[string]bool{}, map[string]int{}
		check(t, w.run(time.Minute), pipeline.Report{State: pipeline.Drained, Fetched: 1, Quarantined: 1})
	})
}
