package pipeline_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// archive is a source by event time, where events may become visible late.
type archive struct {
	*world
	begin  time.Time
	events []event // by time
	// undated have no time; no window finds them.
	undated    []pipeline.Record
	undatedErr error

	counts, rereads int
	countErr        error
	uncounted       int64  // how many fewer than it lists the source counts, as far as it can
	onReread        func() // called when the page has been read
}

type event struct {
	rec     pipeline.Record
	visible time.Time
	listed  int // how often the source lists it; 0 means once
	// unlisted: the source counts it, and has it on no page.
	unlisted bool
}

const settle = time.Minute

func newArchive(t *testing.T) *archive {
	w := newWorld(t, 0)
	w.auditing = pipeline.AuditPolicy{
		Ages:   []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour},
		Window: 5 * time.Minute, Keep: 7 * 24 * time.Hour, UndatedEvery: time.Hour,
	}
	a := &archive{world: w, begin: time.Now()}
	w.src = a
	return a
}

// add puts an event at the given time that becomes visible later.
func (a *archive) add(at time.Time, late time.Duration) string {
	id := fmt.Sprintf("a%06d", len(a.records))
	rec := pipeline.Record{ID: id, Time: at, Raw: jsontext.Value(`{"id":"` + id + `"}`)}
	a.records = append(a.records, rec)
	a.events = append(a.events, event{rec: rec, visible: at.Add(late)})
	slices.SortFunc(a.events, func(x, y event) int {
		return cmp.Or(x.rec.Time.Compare(y.rec.Time), cmp.Compare(x.rec.ID, y.rec.ID))
	})
	return id
}

func (a *archive) Stream() pipeline.Stream { return pipeline.Stream{ID: stream, Table: table} }

func (a *archive) Fetch(_ context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	to := time.Now().Add(-settle)
	page := a.page(a.begin, to, after)
	page.From = a.begin
	if !page.More {
		page.Through = to
	}
	return page, nil
}

func (a *archive) page(from, to time.Time, after pipeline.Cursor) pipeline.Page {
	page := pipeline.Page{Next: after}
	for _, e := range a.events {
		place := pipeline.Cursor(e.rec.Time.Format(time.RFC3339Nano) + e.rec.ID)
		if e.rec.Time.Before(from) || !e.rec.Time.Before(to) || place <= after || e.visible.After(time.Now()) {
			continue
		}
		if e.unlisted {
			continue
		}
		for range max(1, e.listed) {
			page.Records = append(page.Records, e.rec)
		}
		if page.Next = place; len(page.Records) >= a.pageSize {
			page.More = true
			break
		}
	}
	return page
}

func (a *archive) Count(_ context.Context, from, to time.Time) (n int64, err error) {
	a.counts++
	for _, e := range a.events {
		if !e.rec.Time.Before(from) && e.rec.Time.Before(to) && !e.visible.After(time.Now()) {
			n += int64(max(1, e.listed))
		}
	}
	return max(0, n-a.uncounted), a.countErr
}

func (a *archive) FetchWindow(_ context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	a.rereads++
	page := a.page(from, to, after)
	if a.onReread != nil {
		a.onReread()
	}
	return page, nil
}

func (a *archive) FetchUndated(_ context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	if after != "" {
		return pipeline.Page{Next: after}, nil
	}
	return pipeline.Page{Records: a.undated, Next: "end"}, a.undatedErr
}

// live runs the connector every minute for that long and returns the reports.
func (a *archive) live(d time.Duration) (reports []pipeline.Report) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		reports = append(reports, a.run(4*time.Minute))
		<-time.After(time.Minute)
	}
	return reports
}

func TestAuditFindsLateEvents(t *testing.T) {
	tests := map[string]struct {
		late   time.Duration
		within time.Duration // of becoming visible
	}{
		"30 s late: the tail has it": {30 * time.Second, 2 * time.Minute},
		"150 s late, in 10 minutes":  {150 * time.Second, 10 * time.Minute},
		"4 min late":                 {4 * time.Minute, 10 * time.Minute},
		"10 min late":                {10 * time.Minute, 10 * time.Minute},
		"50 min late":                {50 * time.Minute, 10 * time.Minute},
		"3 h late":                   {3 * time.Hour, 10 * time.Minute},
		"20 h late":                  {20 * time.Hour, 10 * time.Minute},
		"as late as the oldest age":  {24 * time.Hour, 10 * time.Minute},
		"in the moment of an audit":  {24*time.Hour + 4*time.Minute, 10 * time.Minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newArchive(t)
				for i := range 360 { // company, so that the tail moves on
					a.add(a.begin.Add(time.Duration(i)*10*time.Second), 0)
				}
				id := a.add(a.begin.Add(17*time.Minute), tt.late)
				visible := a.begin.Add(17*time.Minute + tt.late)
				repaired := int64(0)
				for a.times(id) == 0 && time.Since(visible) < tt.within+time.Minute {
					for _, rep := range a.live(time.Minute) {
						repaired += rep.Repaired
					}
				}
				if a.times(id) != 1 {
					t.Fatalf("delivered %d times, %v after it became visible", a.times(id), time.Since(visible))
				}
				if wantRepaired := tt.late > 2*settle; (repaired == 1) != wantRepaired {
					t.Errorf("repaired %d", repaired)
				}
				a.live(time.Hour)
				a.complete()
			})
		})
	}
}

// The setting may change between two runs: windows that were compared when they
// were young are compared again at the age that counts now.
func TestAuditAgesChange(t *testing.T) {
	minutes := func(ages ...int) (out []time.Duration) {
		for _, age := range ages {
			out = append(out, time.Duration(age)*time.Minute)
		}
		return out
	}
	for name, ages := range map[string]struct{ before, after []time.Duration }{
		"older":                 {minutes(5), minutes(60)},
		"the younger left out":  {minutes(5, 15, 60), minutes(60)},
		"older, younger stay":   {minutes(5, 15), minutes(5, 15, 60)},
		"one between":           {minutes(5, 120), minutes(5, 60, 120)},
		"from none":             {nil, minutes(60)},
		"of a first version":    {minutes(5, 15), minutes(5, 15, 60)},
		"all others, and older": {minutes(5, 10), minutes(30, 60)},
		"one older instead":     {minutes(5, 10), minutes(5, 60)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newArchive(t)
				for i := range 360 {
					a.add(a.begin.Add(time.Duration(i)*10*time.Second), 0)
				}
				id := a.add(a.begin.Add(7*time.Minute), 40*time.Minute)
				a.auditing.Ages = ages.before
				a.live(35 * time.Minute)
				if name == "of a first version" {
					a.checkpoint.Audit.AgeSeconds = nil
				}
				a.auditing.Ages = ages.after
				<-time.After(3 * time.Hour) // nothing runs
				a.live(2 * time.Hour)
				if n := a.times(id); n != 1 {
					t.Errorf("the late event was delivered %d times", n)
				}
				counts := a.counts
				a.live(2 * time.Hour)
				if most := 2 * (12 + 4 + 2 + 2); a.counts-counts > most {
					t.Errorf("%d counts in two hours, want at most %d", a.counts-counts, most)
				}
				a.complete()
			})
		})
	}
}

// A clock that was ahead for a while leaves marks in the future. They don't keep
// windows from being compared.
func TestAuditAfterClockWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		for i := range 360 {
			a.add(a.begin.Add(time.Duration(i)*10*time.Second), 0)
		}
		id := a.add(a.begin.Add(7*time.Minute), 10*time.Minute)
		a.live(12 * time.Minute)
		for i := range a.checkpoint.Audit.Through {
			a.checkpoint.Audit.Through[i] = time.Now().Add(24 * time.Hour).Truncate(window)
		}
		a.checkpoint.Through = time.Now().Add(24 * time.Hour)
		a.live(time.Hour)
		if n := a.times(id); n != 1 {
			t.Errorf("the late event was delivered %d times", n)
		}
		a.complete()
	})
}

// What is complete costs a handful of counts an hour, and no re-read.
func TestAuditOfCompleteDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		for i := range 24 * 60 {
			a.add(a.begin.Add(time.Duration(i)*time.Minute), time.Duration(i%50)*time.Second)
		}
		reports := a.live(24 * time.Hour)
		if a.rereads != 0 || a.counts > 13*24 {
			t.Errorf("%d counts and %d re-reads in a day, want at most %d and none", a.counts, a.rereads, 13*24)
		}
		last := reports[len(reports)-1]
		if age := time.Since(last.AuditedThrough); age > 12*time.Minute {
			t.Errorf("proven complete up to %v ago", age)
		}
		if len(a.pruned) < 1 || len(a.pruned) > 2 {
			t.Errorf("ledger pruned %d times in a day", len(a.pruned))
		}
		a.live(10 * time.Minute)
		a.complete()
	})
}

// A window whose counts can't agree is read again once for each age, not for ever.
func TestAuditNeverSettles(t *testing.T) {
	for name, arrange := range map[string]func(a *archive){
		"listed twice": func(a *archive) { a.events[3].listed = 2 },
		"forgotten":    func(a *archive) { a.events[3].visible = a.begin.Add(1000 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newArchive(t)
				for i := range 30 {
					a.add(a.begin.Add(time.Duration(i)*time.Second), 0)
				}
				a.live(3 * time.Minute)
				arrange(a)
				warned := 0
				for _, rep := range a.live(30 * time.Hour) {
					if rep.State != pipeline.Drained {
						t.Fatalf("%+v", rep)
					}
					warned += len(rep.Warnings)
				}
				if a.rereads == 0 || a.rereads > 8 || warned != 1 {
					t.Errorf("%d re-reads, %d warnings; want 1 to 8 (two pages at most each), and 1", a.rereads, warned)
				}
				a.complete()
			})
		})
	}
}

// What becomes visible while a window is read again is no difference to be accepted.
func TestAuditOfGrowingWindow(t *testing.T) {
	for name, grows := range map[string]int{"once": 1, "without end": 1000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newArchive(t)
				a.add(a.begin.Add(10*time.Second), 4*time.Minute) // a reason to read the window again
				a.add(a.begin.Add(time.Minute), 0)                // so that the tail has passed it
				a.onReread = func() {
					if grows--; grows >= 0 {
						a.add(a.begin.Add(20*time.Second), 0)
					}
				}
				a.live(12 * time.Minute) // the first audit
				if a.rereads == 0 || a.rereads > 3 {
					t.Errorf("%d re-reads in the first audit, want 1 to 3", a.rereads)
				}
				grows = 0
				a.live(20 * time.Minute) // the next age
				a.complete()
			})
		})
	}
}

func TestAuditTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		late := a.add(a.begin.Add(time.Minute), 4*time.Minute)
		a.add(a.begin.Add(2*time.Minute), 0)
		a.countErr = errors.New("403 no scope")
		reports := a.live(20 * time.Minute)
		last := reports[len(reports)-1]
		if last.State != pipeline.Drained || len(last.Warnings) != 1 || !strings.Contains(last.Warnings[0], "403") || !last.AuditedThrough.IsZero() {
			t.Errorf("an audit that can't be done: %+v", last)
		}
		a.countErr = nil
		a.onWrite = func(int, []pipeline.Record) (bool, error) { return false, errors.New("workspace gone") }
		rep := a.run(4 * time.Minute)
		if rep.State != pipeline.Failed || !strings.Contains(rep.Error, "workspace gone") || rep.Repaired != 0 {
			t.Errorf("a repair that can't be delivered: %+v", rep)
		}
		a.onWrite = nil
		rep = a.run(4 * time.Minute)
		check(t, rep, pipeline.Report{
			State: pipeline.Drained, Sent: 1, Repaired: 1, Mismatches: 1, WindowsChecked: 3,
			AuditedThrough: rep.AuditedThrough,
		})
		if a.times(late) != 1 || rep.AuditedThrough.IsZero() {
			t.Errorf("late event delivered %d times, audited through %v", a.times(late), rep.AuditedThrough)
		}
	})
}

func TestUndated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		rec := pipeline.Record{ID: "no-time", Raw: jsontext.Value(`{"id":"no-time","created":null}`)}
		a.undated = []pipeline.Record{rec}
		a.records = append(a.records, rec)
		a.live(5 * time.Hour)
		a.complete()
	})
}

// Records without a time that can't be read are not delivered, and a run that says so after all the
// rest is not drained. What may pass is a warning, and what a source does not support is neither.
func TestUndatedUnreadable(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		state pipeline.State
		warns bool
	}{
		"unreadable":  {errors.New("the answer is damaged"), pipeline.Failed, false},
		"passing":     {&pipeline.Retryable{Err: errors.New("status 503")}, pipeline.Drained, true},
		"unsupported": {pipeline.ErrUnsupported, pipeline.Drained, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newArchive(t)
				a.undatedErr = c.err
				for range 2 {
					<-time.After(time.Hour)
					a.add(time.Now(), 0)
					<-time.After(2 * settle)
					rep := a.run(time.Minute)
					if rep.State != c.state || rep.Sent != 1 || len(rep.Warnings) > 0 != c.warns || c.state == pipeline.Failed && !strings.Contains(rep.Error, "without an event time") {
						t.Errorf("%+v", rep)
					}
					if rep.AuditedThrough.IsZero() {
						t.Error("the windows were not audited")
					}
				}
			})
		})
	}
}

// repeating shows its last event with every fetch, as a source does that can't
// tell what comes behind a tie.
type repeating struct{ *archive }

func (r repeating) Fetch(ctx context.Context, _ pipeline.Cursor) (pipeline.Page, error) {
	return r.archive.Fetch(ctx, "")
}

// What the source keeps repeating is not forgotten, however old it is.
func TestPruneKeepsWhatIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.add(a.begin.Add(time.Minute), 0)
		a.add(a.begin.Add(2*time.Minute), 0)
		a.src = repeating{a}
		for range 20 {
			a.live(2 * time.Minute)
			<-time.After(24 * time.Hour)
		}
		if len(a.pruned) < 10 {
			t.Errorf("pruned %d times", len(a.pruned))
		}
		a.complete()
	})
}

// An audit that runs out of time remembers what it has read again: with a slow source it
// would otherwise begin anew with every run, and never come to an end.
func TestAuditOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.auditing.Ages = a.auditing.Ages[:1]
		for i := range 8 {
			a.add(a.begin.Add(time.Duration(5*i)*time.Minute), 0)
			a.add(a.begin.Add(time.Duration(5*i)*time.Minute+time.Second), 0)
			a.events[2*i+1].unlisted = true
		}
		<-time.After(time.Hour)
		a.onReread = func() { <-time.After(20 * time.Second) }
		for range 12 {
			if rep := a.run(time.Minute); rep.State != pipeline.Drained {
				t.Fatalf("%+v", rep)
			}
			if rep := a.checkpoint.Audit; len(rep.Through) > 0 {
				return
			}
		}
		t.Errorf("no audit has come to an end: %+v", a.checkpoint.Audit)
	})
}

// A record that an audit finds and the sink refuses, with nothing to prove that it is at fault, is a
// failure of the run, and of each one after it: a run that says drained would say that nothing is missing.
func TestAuditFindsARefusedRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.add(a.begin.Add(time.Second), 0)
		bad := a.add(a.begin.Add(2*time.Second), 10*time.Minute)
		a.add(a.begin.Add(3*time.Second), 0) // which takes the tail past it
		a.refuse(func(id string) bool { return id == bad })
		reports := a.live(40 * time.Minute)
		first := slices.IndexFunc(reports, func(r pipeline.Report) bool { return r.State == pipeline.Failed })
		if first < 0 || len(a.kept) != 0 {
			t.Fatalf("the first failure is run %d, in quarantine %v", first, a.kept)
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

// A count that is lower than the list does not mean that the source has forgotten something: the
// warning says what can't be relied on.
func TestCountBelowTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.uncounted = 1000
		for i := range 10 {
			a.add(a.begin.Add(time.Duration(i)*time.Second), 0)
		}
		var warnings []string
		for _, rep := range a.live(20 * time.Minute) {
			warnings = append(warnings, rep.Warnings...)
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0], "counts 0 events") || !strings.Contains(warnings[0], "lists 10") || strings.Contains(warnings[0], "no longer has") {
			t.Errorf("warnings %q", warnings)
		}
	})
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
