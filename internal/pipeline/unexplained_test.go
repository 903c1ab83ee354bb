package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// aHole is an archive with three events in one window of which the source lists
// none, although it counts them. It has been audited.
func aHole(t *testing.T) *archive {
	t.Helper()
	a := newArchive(t)
	for i := range 60 {
		a.add(a.begin.Add(time.Duration(i)*time.Minute), 0)
	}
	for _, i := range []int{21, 22, 23} {
		a.events[i].unlisted = true
	}
	a.live(45 * time.Minute)
	return a
}

func last(reports []pipeline.Report) pipeline.Report {
	return reports[len(reports)-1]
}

// A window of which the source counts more than it lists is not accepted in silence.
func TestUnexplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := aHole(t)
		reread := a.rereads
		reports := a.live(26 * time.Hour)
		for _, rep := range reports {
			if rep.Unexplained != 1 || rep.State != pipeline.Drained || len(rep.Warnings) > 0 {
				t.Fatalf("%+v, want one unexplained window, told once", rep)
			}
		}
		if n := a.rereads - reread; n < 5 || n > 12 {
			t.Errorf("read again %d times in 26 hours, want it now and then", n)
		}
		a.held = true
		if rep := a.run(time.Minute); rep.State != pipeline.Locked || rep.Unexplained != 1 {
			t.Errorf("locked: %+v", rep)
		}
		a.held = false

		// A repair elsewhere hides nothing.
		late := a.add(a.begin.Add(26*time.Hour), 0)
		rep := last(a.live(12 * time.Minute))
		if a.times(late) != 1 || rep.Unexplained != 1 {
			t.Errorf("after a repair: %+v", rep)
		}

		// The source lists them after all.
		for i := range a.events {
			a.events[i].unlisted = false
		}
		rep = last(a.live(25 * time.Hour))
		if rep.Unexplained != 0 {
			t.Errorf("after the source listed them: %+v", rep)
		}
		a.complete()
	})
}

// What the source has hidden is found at once where its count changes.
func TestUnexplainedChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := aHole(t)
		a.add(a.begin.Add(22*time.Minute+time.Second), 0) // late, in the same window
		rep := last(a.live(7 * time.Minute))
		if rep.Unexplained != 1 || a.checkpoint.Audit.Unexplained[0].Ledger != 3 || a.checkpoint.Audit.Unexplained[0].Source != 6 {
			t.Errorf("%+v, %+v", rep, a.checkpoint.Audit.Unexplained)
		}
	})
}

// Earlier versions accepted whatever differed.
func TestUnexplainedOfEarlierVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := anHour(t)
		at := func(i int) time.Time { return a.begin.Add(time.Duration(i) * window) }
		a.auditing.Ages = []time.Duration{5 * time.Minute}
		for _, i := range []int{11, 12, 13} {
			a.events[i].unlisted = true
			a.hide(i)
		}
		a.checkpoint.Audit = pipeline.AuditState{
			Through: []time.Time{at(16)}, AgeSeconds: []int64{300},
			Accepted: []pipeline.Difference{
				{From: at(2), Source: 5, Ledger: 2}, // lists less than it counts
				{From: at(4), Source: 4, Ledger: 5}, // has forgotten one
				{From: at(6), Source: 6, Ledger: 5}, // the same, but for an id that comes twice
			},
		}
		a.forget(20)
		a.events[31].listed = 2
		if rep := a.run(time.Minute); rep.Unexplained != 1 {
			t.Errorf("%+v, want the hole and not what a second look explains", rep)
		}
		want := []pipeline.Difference{
			{From: at(4), Source: 4, Ledger: 5},
			{From: at(6), Source: 6, Ledger: 5, Reason: pipeline.Listed},
		}
		if diff := cmp.Diff(want, a.checkpoint.Audit.Accepted); diff != "" {
			t.Errorf("accepted (-want +got):\n%s", diff)
		}
	})
}

// Somebody acknowledges a window: it is known, and stays so as long as it does not change.
func TestAcknowledge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := aHole(t)
		open, err := a.runner().Unexplained(t.Context())
		if err != nil || len(open) != 1 {
			t.Fatalf("%+v, %v", open, err)
		}
		word := pipeline.Acknowledgement{By: "ann", At: time.Now(), Why: "deleted at the source"}
		other := slices.Clone(open)
		other[0].Source++
		if done, rep := a.runner().Acknowledge(t.Context(), other, word); len(done) != 0 || rep.Unexplained != 1 {
			t.Errorf("acknowledged what has changed meanwhile: %+v, %+v", done, rep)
		}
		a.onSave = func(int) error { return errors.New("disk full") }
		if done, rep := a.runner().Acknowledge(t.Context(), open, word); len(done) != 0 || rep.State != pipeline.Failed || rep.Unexplained != 1 {
			t.Errorf("not saved: %+v, %+v", done, rep)
		}
		a.onSave = nil
		done, rep := a.runner().Acknowledge(t.Context(), open, word)
		if len(done) != 1 || rep.State != pipeline.Drained || rep.Unexplained != 0 {
			t.Errorf("%+v, %+v", done, rep)
		}
		from := a.begin.Add(20 * time.Minute)
		word.From, word.To, word.Windows, word.Source, word.Ledger = from, from.Add(window), 1, 5, 2
		if diff := cmp.Diff([]pipeline.Acknowledgement{word}, a.checkpoint.Audit.Acknowledged); diff != "" {
			t.Errorf("acknowledged (-want +got):\n%s", diff)
		}
		reread := a.rereads
		if rep := last(a.live(3 * time.Hour)); rep.Unexplained != 0 || a.rereads != reread {
			t.Errorf("%+v after %d re-reads", rep, a.rereads-reread)
		}
		// One more shows up late in that window: the word was about another difference.
		a.add(from.Add(90*time.Second), 0)
		a.events[25].unlisted = true
		if rep := last(a.live(7 * time.Minute)); rep.Unexplained != 1 {
			t.Errorf("%+v, want it unexplained again", rep)
		}
	})
}

// What nothing can compare any more is still counted, but kept as one.
func TestUnexplainedForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.auditing.Keep = 48 * time.Hour
		for i := range 20 * 24 {
			a.add(a.begin.Add(time.Duration(i)*3*time.Minute), 0)
			a.events[i].unlisted = i%4 == 0 // one in each window or two
		}
		rep := last(a.live(25 * time.Hour))
		many := rep.Unexplained
		if many < 100 {
			t.Fatalf("%+v", rep)
		}
		rep = last(a.live(50 * time.Hour))
		if rep.Unexplained != many || len(a.checkpoint.Audit.Unexplained) != 1 || a.checkpoint.Audit.Unexplained[0].Windows != many {
			t.Errorf("%d unexplained, kept as %d, want %d in one", rep.Unexplained, len(a.checkpoint.Audit.Unexplained), many)
		}
		open, err := a.runner().Unexplained(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if done, rep := a.runner().Acknowledge(t.Context(), open, pipeline.Acknowledgement{By: "ann", Why: "x"}); len(done) != 1 || rep.Unexplained != 0 {
			t.Errorf("%+v", rep)
		}
	})
}

// An audit by hand does not call complete what is unexplained.
func TestInspectUnexplained(t *testing.T) {
	for _, repair := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := aHole(t)
			a.live(time.Hour)
			proof := a.inspect(pipeline.AuditRequest{Repair: repair})
			want := a.window(4)
			want.Source, want.Delivered, want.Unexplained = 5, 2, 3
			if diff := cmp.Diff([]pipeline.WindowDiff{want}, proof.Windows); diff != "" || proof.Unexplained != 3 || proof.Missing != 0 {
				t.Errorf("%+v, windows (-want +got):\n%s", proof, diff)
			}
		})
	}
}

// The audit begins where the ledger does: what it has forgotten would be delivered again.
func TestAuditBeginsAtLedgerKeep(t *testing.T) {
	for _, aside := range []time.Duration{0, time.Second, window - time.Second} {
		synctest.Test(t, func(t *testing.T) {
			a := newArchive(t)
			a.auditing.Ages, a.auditing.Keep = []time.Duration{5 * time.Minute, 23 * time.Hour}, 24*time.Hour
			for i := range 60 {
				a.add(a.begin.Add(time.Duration(i)*time.Minute), 0)
			}
			a.live(70 * time.Minute)
			marks := a.checkpoint.Audit
			<-time.After(time.Until(a.begin.Add(24*time.Hour + 30*time.Minute + aside))) // its middle is at the border
			a.run(time.Minute)
			for i := range marks.Through {
				marks.Through[i] = a.begin
			}
			a.checkpoint.Audit = marks
			for i := range a.events { // as the ledger prunes: windows that ended before
				if end := a.events[i].rec.Time.Truncate(window).Add(window); time.Since(end) >= a.auditing.Keep {
					delete(a.ledger, a.events[i].rec.ID)
				}
			}
			late := a.add(time.Now().Add(-a.auditing.Keep).Truncate(window).Add(window), 0)
			a.run(time.Minute)
			for _, e := range a.events {
				if n := a.times(e.rec.ID); n != 1 {
					t.Errorf("%s: the event of %s was delivered %d times", aside, e.rec.Time.Sub(a.begin), n)
				}
			}
			if a.times(late) != 1 {
				t.Error("the first window that the ledger remembers was not audited")
			}
		})
	}
}

// overlapping repeats the last record of a page on the next.
type overlapping struct{ *archive }

func (o overlapping) FetchWindow(ctx context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	page, err := o.archive.FetchWindow(ctx, from, to, after)
	for _, e := range o.events {
		if place := pipeline.Cursor(e.rec.Time.Format(time.RFC3339Nano) + e.rec.ID); place == after {
			page.Records = slices.Insert(page.Records, 0, e.rec)
		}
	}
	return page, err
}

// What comes again because pages overlap does not make up for what is not listed.
func TestUnexplainedOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchive(t)
		a.src = overlapping{a}
		for i := range 13 {
			a.add(a.begin.Add(time.Duration(i)*time.Second), 0)
		}
		a.events[5].unlisted = true
		if rep := last(a.live(15 * time.Minute)); rep.Unexplained != 1 {
			t.Errorf("%+v, accepted %+v", rep, a.checkpoint.Audit.Accepted)
		}
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
