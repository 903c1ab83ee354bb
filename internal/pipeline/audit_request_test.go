package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

const window = 5 * time.Minute

// anHour is an archive of an hour, one event a minute, delivered by a connector
// that does not audit by itself.
func anHour(t *testing.T) *archive {
	t.Helper()
	a := newArchive(t)
	a.auditing.Ages, a.auditing.UndatedEvery = nil, 0
	for i := range 60 {
		a.add(a.begin.Add(time.Duration(i)*time.Minute), 0)
	}
	a.live(90 * time.Minute)
	a.counts = 0
	return a
}

// hide makes an event one that the connector never saw.
func (a *archive) hide(i int) {
	delete(a.ledger, a.events[i].rec.ID)
	delete(a.delivered, a.events[i].rec.ID)
}

// forget lets the source forget an event.
func (a *archive) forget(i int) { a.events[i].visible = time.Now().Add(1000 * time.Hour) }

func (a *archive) inspect(ask pipeline.AuditRequest) pipeline.AuditResult {
	a.t.Helper()
	ask.From, ask.To = a.begin, a.begin.Add(time.Hour)
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Hour)
	defer cancel()
	told := 0
	ask.Found = func(pipeline.WindowDiff) { told++ }
	proof := a.runner().Audit(ctx, ask)
	if told != len(proof.Windows) {
		a.t.Errorf("%d windows told, %d in the proof", told, len(proof.Windows))
	}
	return proof
}

func (a *archive) window(i int) pipeline.WindowDiff {
	from := a.begin.Add(time.Duration(i) * window)
	return pipeline.WindowDiff{From: from, To: from.Add(window)}
}

func TestInspect(t *testing.T) {
	type numbers struct{ Source, Delivered, Missing, Refused int64 }
	for _, test := range []struct {
		name    string
		arrange func(a *archive)
		ask     pipeline.AuditRequest
		want    numbers
		windows func(a *archive) []pipeline.WindowDiff
		counts  int // at the source; 0 means any
		left    int // events that are still missing
	}{
		{name: "complete", want: numbers{60, 60, 0, 0}, counts: 1},
		{name: "complete, each window", ask: pipeline.AuditRequest{Each: true}, want: numbers{60, 60, 0, 0}, counts: 12},
		{name: "two missing", arrange: func(a *archive) { a.hide(17); a.hide(18) }, want: numbers{60, 58, 2, 0}, windows: func(a *archive) []pipeline.WindowDiff {
			w := a.window(3)
			w.Source, w.Delivered, w.Missing = 5, 3, 2
			return []pipeline.WindowDiff{w}
		}, counts: 4, left: 2},
		{name: "two missing, repaired", arrange: func(a *archive) { a.hide(17); a.hide(18) }, ask: pipeline.AuditRequest{Repair: true}, want: numbers{60, 58, 2, 0}, windows: func(a *archive) []pipeline.WindowDiff {
			w := a.window(3)
			w.Source, w.Delivered, w.Missing, w.Repaired = 5, 3, 2, 2
			return []pipeline.WindowDiff{w}
		}},
		{name: "a whole window", arrange: func(a *archive) {
			for i := range 5 {
				a.hide(i)
			}
		}, want: numbers{60, 55, 5, 0}, windows: func(a *archive) []pipeline.WindowDiff {
			w := a.window(0)
			w.Source, w.Missing = 5, 5
			return []pipeline.WindowDiff{w}
		}, left: 5},
		{name: "refused by the sink", arrange: func(a *archive) {
			a.hide(17)
			a.hide(18)
			bad := a.events[17].rec.ID
			a.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
				for _, r := range batch {
					if r.ID == bad {
						return false, &pipeline.Rejected{Err: errors.New("400")}
					}
				}
				return true, nil
			}
		}, ask: pipeline.AuditRequest{Repair: true}, want: numbers{60, 58, 2, 1}, windows: func(a *archive) []pipeline.WindowDiff {
			w := a.window(3)
			w.Source, w.Delivered, w.Missing, w.Repaired, w.Refused = 5, 3, 2, 1, 1
			return []pipeline.WindowDiff{w}
		}, left: 1},
		{name: "fewer at the source", arrange: func(a *archive) { a.forget(20) }, want: numbers{59, 60, 0, 0}, windows: func(a *archive) []pipeline.WindowDiff {
			w := a.window(4)
			w.Source, w.Delivered = 4, 5
			return []pipeline.WindowDiff{w}
		}},
		{name: "listed twice", arrange: func(a *archive) { a.events[20].listed = 2 }, want: numbers{61, 60, 0, 0}, windows: func(a *archive) []pipeline.WindowDiff {
			w := a.window(4)
			w.Source, w.Delivered = 6, 5
			return []pipeline.WindowDiff{w}
		}},
		{name: "one forgotten hides one missing", arrange: func(a *archive) { a.forget(20); a.hide(40) }, want: numbers{59, 59, 0, 0}, left: 1},
		{name: "not if each window is compared", arrange: func(a *archive) { a.forget(20); a.hide(40) }, ask: pipeline.AuditRequest{Each: true}, want: numbers{59, 59, 1, 0}, windows: func(a *archive) []pipeline.WindowDiff {
			w, v := a.window(4), a.window(8)
			w.Source, w.Delivered = 4, 5
			v.Source, v.Delivered, v.Missing = 5, 4, 1
			return []pipeline.WindowDiff{w, v}
		}, left: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := anHour(t)
				if test.arrange != nil {
					test.arrange(a)
				}
				a.held = !test.ask.Repair // who only looks needs no lock
				before := a.checkpoint
				proof := a.inspect(test.ask)
				if proof.State != pipeline.Drained || proof.Error != "" {
					t.Fatalf("%+v", proof)
				}
				got := numbers{proof.Source, proof.Delivered, proof.Missing, proof.Refused}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("numbers (-want +got):\n%s", diff)
				}
				var windows []pipeline.WindowDiff
				if test.windows != nil {
					windows = test.windows(a)
				}
				if diff := cmp.Diff(windows, proof.Windows, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("windows (-want +got):\n%s", diff)
				}
				if test.counts != 0 && a.counts != test.counts {
					t.Errorf("%d counts at the source, want %d", a.counts, test.counts)
				}
				missing := 0
				for _, r := range a.records {
					if a.times(r.ID) == 0 {
						missing++
					}
				}
				if missing != test.left {
					t.Errorf("%d missing afterwards, want %d", missing, test.left)
				}
				if diff := cmp.Diff(before, a.checkpoint); diff != "" {
					t.Errorf("the checkpoint moved:\n%s", diff)
				}
				a.held = false
				if test.ask.Repair {
					if again := a.inspect(pipeline.AuditRequest{}); again.Missing != 0 || len(again.Windows) != 0 {
						t.Errorf("after the repair: %+v", again)
					}
				}
			})
		})
	}
}

func TestInspectFails(t *testing.T) {
	for _, test := range []struct {
		name    string
		arrange func(a *archive)
		repair  bool
		state   pipeline.State
		text    string
	}{
		{"the source can't be asked", func(a *archive) { a.countErr = errors.New("403 no scope") }, false, pipeline.Failed, "403 no scope"},
		{"no checkpoint", func(a *archive) { a.checkpoint = pipeline.Checkpoint{} }, false, pipeline.Failed, "STATE_URL differs from"},
		{"no such source", func(a *archive) { a.src = source{a.world} }, false, pipeline.Failed, "can't read its past again"},
		{"another run is at work", func(a *archive) { a.held = true }, true, pipeline.Locked, ""},
		{"the sink is down", func(a *archive) {
			a.onWrite = func(int, []pipeline.Record) (bool, error) { return false, errors.New("workspace gone") }
		}, true, pipeline.Failed, "workspace gone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := anHour(t)
				a.hide(30)
				test.arrange(a)
				proof := a.inspect(pipeline.AuditRequest{Repair: test.repair})
				if proof.State != test.state || !strings.Contains(proof.Error, test.text) {
					t.Errorf("%+v", proof)
				}
				if test.text == "workspace gone" && (proof.Missing != 1 || len(proof.Windows) != 1) {
					t.Errorf("%+v, want it to say that one is missing", proof)
				}
			})
		})
	}
}

// What the ledger can't say is not missing, as far as anybody knows.
func TestInspectWithoutAnswer(t *testing.T) {
	for _, repair := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := anHour(t)
			a.hide(30)
			r := a.runner()
			open := r.OpenLedger
			r.OpenLedger = func() pipeline.Ledger { return mute{open()} }
			proof := r.Audit(t.Context(), pipeline.AuditRequest{From: a.begin, To: a.begin.Add(time.Hour), Repair: repair})
			if proof.State != pipeline.Failed || !strings.Contains(proof.Error, "damaged") || proof.Missing != 0 {
				t.Errorf("%+v, want it to fail and to claim nothing", proof)
			}
			if proof.Source != 60 || proof.Delivered != 59 {
				t.Errorf("%d at the source, %d delivered; want what was counted, 60 and 59", proof.Source, proof.Delivered)
			}
		})
	}
}

// mute is a ledger that can count, and can't read.
type mute struct{ pipeline.Ledger }

func (mute) Claim(context.Context, []pipeline.Record) ([]bool, error) {
	return nil, errors.New("ledger window damaged")
}

// A difference that the audits of the runs have accepted is told all the same.
func TestInspectTellsWhatWasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := anHour(t)
		a.forget(20)
		a.auditing.Ages = []time.Duration{5 * time.Minute}
		a.live(time.Minute)
		if n := len(a.checkpoint.Audit.Accepted); n != 1 {
			t.Fatalf("%d differences accepted, want 1", n)
		}
		a.hide(50)
		a.hide(10)
		rereads := a.rereads
		proof := a.inspect(pipeline.AuditRequest{})
		early, w, late := a.window(2), a.window(4), a.window(10)
		early.Source, early.Delivered, early.Missing = 5, 4, 1
		w.Source, w.Delivered = 4, 5
		late.Source, late.Delivered, late.Missing = 5, 4, 1
		if diff := cmp.Diff([]pipeline.WindowDiff{early, w, late}, proof.Windows); diff != "" || proof.State != pipeline.Drained || proof.Missing != 2 {
			t.Errorf("%+v, windows (-want +got):\n%s", proof, diff)
		}
		if n := a.rereads - rereads; n != 2 {
			t.Errorf("%d pages were read, want those of the two windows that are news", n)
		}
	})
}

func TestInspectStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := anHour(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if proof := a.runner().Audit(ctx, pipeline.AuditRequest{From: a.begin, To: a.begin.Add(time.Hour)}); proof.State != pipeline.Budget {
			t.Errorf("%+v", proof)
		}
	})
}
