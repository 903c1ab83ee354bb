package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	ids "github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	originals "github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
	batches "github.com/idn-sentinel/idn-sentinel/internal/state/spool"
	"github.com/idn-sentinel/idn-sentinel/internal/state/streamlock"
)

const acme = "acme"

// durable is a world whose state is kept by the real adapters over one store that can be
// made to refuse.
type durable struct {
	*archive
	store   *mem.Store
	broken  atomic.Pointer[refusing] // nil means that all is well
	carried *pipeline.Uncommitted    // of the process
	flush   int                      // rows that are on their way at a time
}

// refusing says which operations the store refuses.
type refusing func(op mem.Op, key string) bool

var errRefused = errors.New("the store refuses")

func newDurable(t *testing.T) *durable {
	d := &durable{archive: newArchive(t), flush: 30}
	d.pageSize = 30
	d.limits = pipeline.Limits{Parallel: 3, BatchBytes: 10 * len(`{"id":"a000000"} `)}
	d.store = &mem.Store{Before: func(op mem.Op, key string) error {
		if refuse := d.broken.Load(); refuse != nil && (*refuse)(op, key) {
			return errRefused
		}
		return nil
	}}
	return d
}

func (d *durable) quarantine() *originals.Store { return originals.New(d.store, acme) }

// process is a runner as a new process has it.
func (d *durable) process() *pipeline.Runner {
	d.carried = new(pipeline.Uncommitted)
	return d.next()
}

// Fetch is that of the archive, with a cursor that can be stored.
func (d *durable) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	page, err := d.archive.Fetch(ctx, pipeline.Cursor(strings.Trim(string(after), `"`)))
	page.Next = pipeline.Cursor(strconv.Quote(string(page.Next)))
	return page, err
}

// next is a runner of the same process.
func (d *durable) next() *pipeline.Runner {
	return &pipeline.Runner{
		Source: d, Sink: sink{d.world}, AuditPolicy: d.auditing, Uncommitted: d.carried,
		Locks: streamlock.New(d.store, acme), Checkpoints: checkpoint.New(d.store, acme), Quarantine: d.quarantine(),
		OpenLedger: func() pipeline.Ledger {
			return ids.Open(ids.Config{Store: d.store, Tenant: acme, Stream: stream, Window: 5 * time.Minute})
		},
	}
}

// exists says whether there is an object, past the faults.
func (d *durable) exists(key string) bool {
	was := d.broken.Swap(nil)
	defer d.broken.Store(was)
	_, err := d.store.Get(context.Background(), key)
	return err == nil
}

// again is how often rows were delivered that had been delivered before.
func (d *durable) again() (n int) {
	for _, times := range d.delivered {
		n += times - 1
	}
	return n
}

// refusals are the ways in which a store takes no writes.
func refusals() map[string]func(d *durable) func(op mem.Op, key string) bool {
	in := func(parts ...string) func(*durable) func(mem.Op, string) bool {
		return func(d *durable) func(mem.Op, string) bool {
			return func(op mem.Op, key string) bool {
				for _, part := range parts {
					if (op == mem.Put || op == mem.Delete) && strings.Contains(key, part) && d.exists(key) {
						return true
					}
				}
				return false
			}
		}
	}
	return map[string]func(d *durable) func(op mem.Op, key string) bool{
		"full": func(*durable) func(mem.Op, string) bool {
			return func(op mem.Op, _ string) bool { return op == mem.Put }
		},
		"the checkpoint leased": in("/checkpoints/"),
		"a window leased":       in("/ledger/"),
		"everything leased":     in("/ledger/", "/checkpoints/", "/spool/", "/quarantine/"),
		// A hold: new objects can be made, and none can be changed or removed.
		"held": in("/"),
	}
}

// ways are the ways in which rows are sent. Each gets the world ready and returns one run.
func ways() map[string]func(d *durable) func(*pipeline.Runner) pipeline.Report {
	poll := func(r *pipeline.Runner) pipeline.Report {
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
		defer cancel()
		return r.Run(ctx)
	}
	return map[string]func(d *durable) func(*pipeline.Runner) pipeline.Report{
		"tail": func(d *durable) func(*pipeline.Runner) pipeline.Report {
			d.fill(100, 0)
			return poll
		},
		"re-read": func(d *durable) func(*pipeline.Runner) pipeline.Report {
			d.fill(100, 5*time.Minute)
			poll(d.process())
			<-time.After(6 * time.Minute)
			return poll
		},
		"spool": func(d *durable) func(*pipeline.Runner) pipeline.Report {
			var late []pipeline.Record
			for i := range 100 {
				d.fill(1, 1000*time.Hour) // the source forgets them
				late = append(late, d.records[len(d.records)-1])
				if len(late) == 10 || i == 99 {
					if err := batches.New(d.store, acme).Put(d.t.Context(), stream, late); err != nil {
						d.t.Fatal(err)
					}
					late = nil
				}
			}
			return func(r *pipeline.Runner) pipeline.Report {
				r.Spool = batches.New(d.store, acme)
				return poll(r)
			}
		},
		"resend": func(d *durable) func(*pipeline.Runner) pipeline.Report {
			d.fill(100, 1000*time.Hour)
			for _, rec := range d.records[1:] {
				if err := d.quarantine().Put(d.t.Context(), stream, rec, pipeline.Unfit, "of an old version"); err != nil {
					d.t.Fatal(err)
				}
			}
			return d.resend
		},
	}
}

// fill adds n events of now, which get visible late.
func (d *durable) fill(n int, late time.Duration) {
	for range n {
		d.add(time.Now(), late)
	}
}

func (d *durable) resend(r *pipeline.Runner) pipeline.Report {
	q := d.quarantine()
	var held iter.Seq2[pipeline.Quarantined, error] = func(yield func(pipeline.Quarantined, error) bool) {
		for e, err := range q.List(context.Background(), stream, originals.Undelivered) {
			if err != nil {
				d.t.Error(err)
				return
			}
			item, err := q.Get(context.Background(), e.Key)
			if !yield(pipeline.Quarantined{Key: e.Key, Record: pipeline.Record{ID: item.ID, Time: item.Time, Raw: item.Raw}}, err) {
				return
			}
		}
	}
	return r.Resend(context.Background(), held, pipeline.ResendHooks{
		Prove:     func(ctx context.Context, h pipeline.Quarantined) error { return q.ProveDelete(ctx, h.Key) },
		Delivered: func(ctx context.Context, h pipeline.Quarantined) error { return q.Delete(ctx, h.Key) },
		Kept: func(h pipeline.Quarantined, _ pipeline.Reason, detail string) {
			d.t.Errorf("%s kept: %s", h.Key, detail)
		},
	})
}

// A state that takes no writes has nothing sent again and again: of ten runs at most one
// sends, and what it sends is at most what is on its way at a time. When the state is well
// again everything arrives, and in the same process nothing does so twice.
func TestStateThatTakesNoWrites(t *testing.T) {
	for way, prepare := range ways() {
		for fault, refuse := range refusals() {
			for _, onset := range []string{"from the start", "behind the proof"} {
				for _, process := range []string{"one process", "a process each"} {
					t.Run(strings.Join([]string{way, fault, onset, process}, "/"), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							d := newDurable(t)
							d.fill(1, 0)
							<-time.After(2 * settle)
							if rep := d.process().Run(t.Context()); rep.State != pipeline.Drained || rep.Sent != 1 {
								t.Fatalf("the run before: %+v", rep)
							}
							run := prepare(d)
							<-time.After(2 * settle)
							d.refusedRuns(run, refuse(d), onset == "from the start", process == "one process" && way != "resend", way == "spool" && fault == "the checkpoint leased")
						})
					})
				}
			}
		}
	}
}

// refusedRuns does ten runs with the fault and then some without. unconcerned says that what
// is sent can be remembered all the same.
func (d *durable) refusedRuns(run func(*pipeline.Runner) pipeline.Report, refuse refusing, atOnce, same, unconcerned bool) {
	d.t.Helper()
	before := len(d.delivered)
	d.onWrite = func(int, []pipeline.Record) (bool, error) { d.broken.Store(&refuse); return true, nil }
	if atOnce {
		d.broken.Store(&refuse)
	}
	runner := d.process
	if same {
		runner = d.next
	}
	failed := 0
	for range 10 {
		rep := run(runner())
		if rep.State == pipeline.Failed {
			failed++
			if !strings.Contains(rep.Error, errRefused.Error()) {
				d.t.Errorf("the error hides its cause: %s", rep.Error)
			}
		}
		<-time.After(time.Minute)
	}
	sent := len(d.delivered) - before
	if d.again() > 0 || atOnce && sent > 0 && failed > 0 || sent > d.flush && failed > 0 && !unconcerned {
		d.t.Errorf("%d rows sent and %d of them again, in %d failed runs", sent, d.again(), failed)
	}
	d.onWrite = nil
	d.broken.Store(nil)
	var last pipeline.Report
	for range 3 {
		last = run(runner())
		<-time.After(6 * time.Minute)
	}
	if last.State != pipeline.Drained {
		d.t.Errorf("the last run: %+v", last)
	}
	for _, rec := range d.records {
		if d.delivered[rec.ID] == 0 {
			d.t.Fatalf("%s has not arrived", rec.ID)
		}
	}
	if same && d.again() > 0 || d.again() > d.flush {
		d.t.Errorf("%d of %d rows were sent again", d.again(), sent)
	}
}

// A run that has nothing to send proves nothing: that would be a write a minute.
func TestQuietRunsProveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDurable(t)
		d.fill(50, 0)
		<-time.After(2 * settle)
		runs := func() map[mem.Op]int {
			ops := map[mem.Op]int{}
			d.store.After = func(op mem.Op, _ string) error { ops[op]++; return nil }
			if rep := d.process().Run(t.Context()); rep.State != pipeline.Drained {
				t.Fatalf("%+v", rep)
			}
			return ops
		}
		if got := runs(); got[mem.Put] < 3 {
			t.Errorf("a run that sends has %v", got)
		}
		if got := runs(); got[mem.Put] != 1 {
			t.Errorf("a quiet run has %v, want one save", got)
		}
	})
}

// The proof costs a run some operations, not a batch.
func TestProofIsOncePerRun(t *testing.T) {
	puts := func(n int) int {
		total := 0
		synctest.Test(t, func(t *testing.T) {
			d := newDurable(t)
			d.fill(1, 0)
			<-time.After(2 * settle)
			d.process().Run(t.Context())
			d.fill(n, 0)
			<-time.After(2 * settle)
			probes := 0
			d.store.After = func(op mem.Op, key string) error {
				if op == mem.Put {
					total++
					if strings.HasSuffix(key, "/probe") {
						probes++
					}
				}
				return nil
			}
			if rep := d.process().Run(t.Context()); rep.State != pipeline.Drained || probes != 1 {
				t.Fatalf("%d probes: %+v", probes, rep)
			}
		})
		return total
	}
	// A flush of three batches has four commits: one each, and the checkpoint.
	one, ten := puts(30), puts(300)
	if ten-one > 9*4 {
		t.Errorf("%d writes for one flush, %d for ten", one, ten)
	}
}

// What is carried from run to run is bounded, and holds no pages.
func TestUncommittedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDurable(t)
		d.limits = pipeline.Limits{Parallel: 1, BatchBytes: 1 << 30}
		d.pageSize = 250_000
		for i := range 150_000 {
			id := fmt.Sprintf("b%06d", i)
			d.events = append(d.events, event{rec: pipeline.Record{ID: id, Time: time.Now(), Raw: []byte(`{"id":"` + id + `"}`)}})
		}
		<-time.After(2 * settle)
		noLedger := refusing(func(op mem.Op, key string) bool {
			return op == mem.Put && strings.Contains(key, "/ledger/") && !strings.HasSuffix(key, "/probe")
		})
		d.broken.Store(&noLedger)
		if rep := d.process().Run(t.Context()); rep.State != pipeline.Failed || rep.Sent != 150_000 {
			t.Fatalf("%+v", rep)
		}
		d.broken.Store(nil)
		if rep := d.next().Run(t.Context()); rep.State != pipeline.Drained || rep.Duplicates != 100_000 || rep.Sent != 50_000 {
			t.Errorf("%+v", rep)
		}
	})
}

// What went into the spool is not remembered as delivered by the process: if the state
// is deleted, the spool is gone with it, and the source brings it again.
func TestSpooledThenStateDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		s := &spool{world: w}
		w.spool = s
		carried := new(pipeline.Uncommitted)
		run := func() pipeline.Report {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			r := w.runner()
			r.Uncommitted = carried
			return r.Run(ctx)
		}
		w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, again }
		w.onCommit = func(int) error { return errors.New("disk full") }
		if rep := run(); rep.State != pipeline.Failed || rep.Spooled != 3 {
			t.Fatalf("%+v", rep)
		}
		// All of the state is deleted, and everything works again.
		clear(w.ledger)
		clear(w.spooled)
		s.batches, w.checkpoint, w.onWrite, w.onCommit = nil, pipeline.Checkpoint{}, nil, nil
		if rep := run(); rep.State != pipeline.Drained || rep.Sent != 3 {
			t.Errorf("%+v", rep)
		}
		w.complete()
	})
}

// What was committed late is committed once, and not by each run that follows.
func TestRecommittedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5)
		w.onCommit = func(int) error { return errors.New("store is away") }
		carried := new(pipeline.Uncommitted)
		run := func() pipeline.Report {
			r := w.runner()
			r.Uncommitted = carried
			return r.Run(t.Context())
		}
		check(t, run(), pipeline.Report{State: pipeline.Failed, Fetched: 5, Sent: 5})
		w.onCommit, w.commits = nil, 0
		for range 3 {
			if rep := run(); rep.State != pipeline.Drained {
				t.Errorf("%+v", rep)
			}
		}
		if w.complete(); w.commits != 1 {
			t.Errorf("%d commits, want 1", w.commits)
		}
	})
}
