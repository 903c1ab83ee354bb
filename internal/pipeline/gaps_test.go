package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

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

// forgetful is a ledger that can't be read.
type forgetful struct {
	*ledger
	err error
}

func (f forgetful) Claim(context.Context, []pipeline.Record) ([]bool, error) { return nil, f.err }

// A page that the ledger can't look up gives its share of the memory back, like any other.
func TestMemoryOfAPageThatIsNotLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 95)
		r := w.runner()
		r.Memory = pipeline.NewMemory(1 << 20)
		r.OpenLedger = func() pipeline.Ledger { return forgetful{&ledger{world: w}, errors.New("store is away")} }
		if rep := r.Run(t.Context()); rep.State != pipeline.Failed || r.Memory.Free() != 1<<20 {
			t.Errorf("%d bytes are free of %d; %+v", r.Memory.Free(), 1<<20, rep)
		}
	})
}

// A window that is too long for the rest of a run is continued by the next one: that is no failure to
// ask the source, and nobody is warned of one.
func TestWindowThatDoesNotFitTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.auditing.Ages, a.pageSize = a.auditing.Ages[:1], 1
		a.add(a.begin.Add(4*time.Minute), 0)
		for i := range 12 {
			a.add(a.begin.Add(time.Duration(i)*time.Second), 10*time.Minute) // the tail has passed
		}
		<-time.After(6 * time.Minute)
		a.run(time.Minute)
		<-time.After(15 * time.Minute)
		r := a.runner()
		r.Source = &slowWindows{archive: a, takes: []time.Duration{17 * time.Second}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if rep := r.Run(ctx); rep.State != pipeline.Drained || len(rep.Warnings) != 0 || rep.Repaired == 0 {
			t.Errorf("%+v", rep)
		}
	})
}

// A page with a row that can't be read takes many times as long as the others. The rest of its window
// is read all the same while there is time: given up for fear of another such page, it would be given
// up in every run, and whatever came late would never be delivered.
func TestWindowWithASlowPage(t *testing.T) {
	for name, test := range map[string]struct {
		takes    []time.Duration
		through  bool
		warnings int
	}{
		"one is slow":              {[]time.Duration{7 * time.Second, 5 * time.Second, time.Second}, true, 0},
		"all together fit just so": {[]time.Duration{4900 * time.Millisecond}, true, 0},
		"the last does not fit":    {[]time.Duration{7 * time.Second}, false, 0},
		"the first has no end":     {[]time.Duration{time.Hour}, false, 1},
		"the second has no end":    {[]time.Duration{time.Second, time.Hour}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newArchive(t)
				a.auditing.Ages, a.pageSize = a.auditing.Ages[:1], 1
				a.add(a.begin.Add(4*time.Minute), 0)
				for i := range 2 {
					a.add(a.begin.Add(time.Duration(i)*time.Second), 10*time.Minute) // the tail has passed
				}
				<-time.After(6 * time.Minute)
				a.run(time.Minute)
				<-time.After(15 * time.Minute)
				r := a.runner()
				r.Source = &slowWindows{archive: a, takes: test.takes}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				rep := r.Run(ctx)
				if rep.State != pipeline.Drained || len(rep.Warnings) != test.warnings || rep.AuditedThrough.IsZero() == test.through {
					t.Errorf("%+v", rep)
				}
			})
		})
	}
}

// slowWindows takes that long for the pages of windows, and for all further ones as long as for the
// last that is named.
type slowWindows struct {
	*archive
	takes []time.Duration
}

func (s *slowWindows) FetchWindow(ctx context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	if err := pause(ctx, s.takes[0]); err != nil {
		return pipeline.Page{}, err
	}
	s.takes = s.takes[min(1, len(s.takes)-1):]
	return s.archive.FetchWindow(ctx, from, to, after)
}

// What the sink answers to a refused record once it takes others may say nothing about that record,
// such as that the address is wrong: then it is no reason for quarantine.
func TestRefusedThenAmbiguous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4)
		w.pageSize, w.limits.BatchBytes = 1, 1 // each page by itself
		w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
			switch {
			case batch[0].ID != "e00000":
				return true, nil
			case len(w.delivered) > 0:
				return false, &pipeline.Rejected{Err: errors.New("status 404"), Ambiguous: true}
			}
			return false, &pipeline.Rejected{Err: errors.New("status 400")}
		}
		if rep := w.run(4 * time.Minute); rep.State != pipeline.Failed || len(w.kept) != 0 || w.checkpoint.Cursor != "" {
			t.Errorf("%+v, kept %v, cursor %q", rep, w.kept, w.checkpoint.Cursor)
		}
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

// The ledger is not pruned of what a backfill needs, nor while it is unknown what that is.
func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	for name, test := range map[string]struct {
		from   time.Duration // before now; 0: nothing is needed
		err    error
		before time.Duration // 0: not at all
	}{
		"nothing":                 {0, nil, 24 * time.Hour},
		"what is older":           {50 * time.Hour, nil, 50 * time.Hour},
		"what would be kept":      {time.Hour, nil, 24 * time.Hour},
		"it is unknown what else": {0, errors.New("store is away"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newArchive(t)
				a.auditing.Keep = 24 * time.Hour
				a.run(time.Minute)
				<-time.After(10 * 24 * time.Hour)
				a.run(time.Minute) // which takes the tail on
				<-time.After(25 * time.Hour)
				a.pruned, a.src = nil, passed{a}
				r := a.runner()
				r.Needed = func(context.Context) (time.Time, error) {
					if test.from == 0 {
						return time.Time{}, test.err
					}
					return time.Now().Add(-test.from), nil
				}
				if rep := r.Run(t.Context()); rep.State != pipeline.Drained {
					t.Errorf("%+v", rep)
				}
				switch {
				case test.before == 0 && len(a.pruned) == 0:
				case test.before == 0 || len(a.pruned) != 1 || !a.pruned[0].Equal(time.Now().Add(-test.before)):
					t.Errorf("pruned before %v, want %v before %v", a.pruned, test.before, time.Now())
				}
			})
		})
	}
}

// passed is a source that is read to the present, and further back than any ledger is kept.
type passed struct{ *archive }

func (p passed) Fetch(_ context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	return pipeline.Page{Next: after, From: p.begin, Through: time.Now()}, nil
}

// The search for records without an event time is made as often as it is meant to be, also after a
// clock that was ahead.
func TestUndatedIsSearchedForInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		searches := 0
		src := countedUndated{a, &searches}
		a.src = src
		a.live(3*time.Hour + 30*time.Minute)
		if searches != 4 {
			t.Errorf("%d searches in 3.5 hours, want one each hour", searches)
		}
		a.checkpoint.Audit.Undated = time.Now().Add(10 * 24 * time.Hour)
		if a.run(time.Minute); searches != 5 {
			t.Errorf("after a clock that was ahead: %d searches, want one more than 4", searches)
		}
	})
}

type countedUndated struct {
	*archive
	searches *int
}

func (c countedUndated) FetchUndated(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	if after == "" {
		*c.searches++
	}
	return c.archive.FetchUndated(ctx, after)
}

// An audit does not count windows as compared that the tail has yet to pass.
func TestAuditStaysBehindTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.add(a.begin, 0)
		a.live(time.Hour)
		through := a.checkpoint.Through
		<-time.After(48 * time.Hour)
		a.src = halted{a, through}
		a.run(time.Minute)
		for _, at := range a.checkpoint.Audit.Through {
			if at.After(through) {
				t.Errorf("audited through %v, delivered through %v", a.checkpoint.Audit.Through, through)
			}
		}
	})
}

// halted is an archive whose tail is not read any further.
type halted struct {
	*archive
	through time.Time
}

func (s halted) Fetch(_ context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	return pipeline.Page{Next: after, From: s.begin, Through: s.through}, nil
}

// A record that an audit found and the sink refused fails each run, and not only the one that found it:
// a run that says drained would say that nothing is missing.
func TestRefusedRecordOfAnAuditFailsEachRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.add(a.begin.Add(time.Second), 0)
		bad := a.add(a.begin.Add(2*time.Second), 10*time.Minute)
		a.add(a.begin.Add(3*time.Second), 0) // which takes the tail past it
		a.refuse(func(id string) bool { return id == bad })
		reports := a.live(40 * time.Minute)
		first := slices.IndexFunc(reports, func(r pipeline.Report) bool { return r.State == pipeline.Failed })
		if first < 0 {
			t.Fatal("no run has failed")
		}
		for i, rep := range reports[first:] {
			if rep.State != pipeline.Failed {
				t.Fatalf("run %d after the first failure: %+v", i, rep)
			}
		}
		a.onWrite = nil
		if rep := a.run(time.Minute); rep.State != pipeline.Drained {
			t.Errorf("%+v", rep)
		}
		a.complete()
	})
}

// Many unexplained windows are read again a few at a time, and each in its turn, also those that a
// clock that was ahead has looked at.
func TestManyUnexplainedTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		for i := range 240 {
			a.add(a.begin.Add(time.Duration(i)*time.Minute), 0)
			a.events[i].unlisted = i%10 == 3
		}
		a.live(5 * time.Hour)
		if n := a.checkpoint.Audit.Open(); n != 24 {
			t.Fatalf("%d windows are unexplained, want 24", n)
		}
		<-time.After(25 * time.Hour) // all are due
		for i := range a.checkpoint.Audit.Unexplained {
			a.checkpoint.Audit.Unexplained[i].Checked = time.Now().Add(time.Duration(i) * 24 * time.Hour)
		}
		a.rereads = 0
		if a.run(4 * time.Minute); a.rereads == 0 || a.rereads > 4 {
			t.Errorf("one audit has read %d windows again, want a few", a.rereads)
		}
		for i := range a.events {
			a.events[i].unlisted = false
		}
		if a.live(time.Hour); a.checkpoint.Audit.Open() > 5 { // those of the last audit have a day
			t.Errorf("%d windows are unexplained, want the last 5: %+v", a.checkpoint.Audit.Open(), a.checkpoint.Audit.Unexplained)
		}
		if a.live(25 * time.Hour); a.checkpoint.Audit.Open() != 0 {
			t.Errorf("%d windows are unexplained, want none: %+v", a.checkpoint.Audit.Open(), a.checkpoint.Audit.Unexplained)
		}
		a.complete()
	})
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

// Of many acknowledgements the latest are kept.
func TestLatestAcknowledgementsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := aHole(t)
		for i := range 100 {
			a.checkpoint.Audit.Acknowledged = append(a.checkpoint.Audit.Acknowledged, pipeline.Acknowledgement{By: "bob", Windows: int64(i + 1)})
		}
		open, err := a.runner().Unexplained(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if done, rep := a.runner().Acknowledge(t.Context(), open, pipeline.Acknowledgement{By: "ann"}); len(done) != 1 {
			t.Fatalf("%+v", rep)
		}
		list := a.checkpoint.Audit.Acknowledged
		if len(list) != 100 || list[99].By != "ann" || list[0].Windows != 2 {
			t.Errorf("%d are kept, from %+v to %+v", len(list), list[0], list[len(list)-1])
		}
	})
}
