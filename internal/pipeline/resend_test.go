package pipeline_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// ward is a quarantine with records to send again.
type ward struct {
	*world
	held  []pipeline.Quarantined
	kept  map[string]pipeline.Reason // by key, as told by the last Resend
	gone  map[string]bool            // by key
	mu    sync.Mutex
	onEnd func(pipeline.Quarantined) error // of Delivered
}

// newWard has n refused records, known to the ledger.
func newWard(t *testing.T, n int) *ward {
	w := &ward{world: newWorld(t, n), gone: map[string]bool{}}
	for _, rec := range w.records {
		w.held = append(w.held, pipeline.Quarantined{Key: "key of " + rec.ID, Record: rec})
		w.world.kept[rec.ID] = pipeline.RejectedBySink
		w.ledger[rec.ID] = true
	}
	return w
}

func (w *ward) resend(ctx context.Context) pipeline.Report {
	w.kept = map[string]pipeline.Reason{}
	var list iter.Seq2[pipeline.Quarantined, error] = func(yield func(pipeline.Quarantined, error) bool) {
		for _, h := range w.held {
			if !w.gone[h.Key] && !yield(h, nil) {
				return
			}
		}
	}
	return w.runner().Resend(ctx, list, pipeline.ResendHooks{
		Delivered: func(_ context.Context, h pipeline.Quarantined) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.times(h.Record.ID) == 0 {
				w.t.Errorf("original of %s removed before it was acknowledged", h.Record.ID)
			}
			if w.onEnd != nil {
				if err := w.onEnd(h); err != nil {
					return err
				}
			}
			w.gone[h.Key] = true
			return nil
		},
		Kept: func(h pipeline.Quarantined, why pipeline.Reason, detail string) {
			if detail == "" {
				w.t.Errorf("%s kept without a detail", h.Key)
			}
			w.kept[h.Key] = why
		},
	})
}

func (w *ward) waiting() (keys []string) {
	for _, h := range w.held {
		if !w.gone[h.Key] {
			keys = append(keys, h.Key)
		}
	}
	return keys
}

func TestResend(t *testing.T) {
	w := newWard(t, 25)
	w.limits = pipeline.Limits{BatchBytes: 100}
	w.fit = func(raw jsontext.Value) (jsontext.Value, []string, error) {
		switch {
		case strings.Contains(string(raw), "e00003"):
			return nil, nil, errors.New("no row can be made of it")
		case strings.Contains(string(raw), "e00005"), strings.Contains(string(raw), "e00007"):
			return jsontext.Value(`{"id":"changed"}`), []string{"changed"}, nil
		}
		return raw, nil, nil
	}
	w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
		for _, r := range batch {
			if r.ID == "e00007" || r.ID == "e00010" {
				return false, &pipeline.Rejected{Err: errors.New("400 InvalidDataFormat")}
			}
		}
		return true, nil
	}
	delete(w.ledger, "e00012") // a run that died before it could remember

	rep := w.resend(t.Context())
	want := pipeline.Report{Stream: stream, State: pipeline.Drained, Sent: 22, Conformed: 2, Quarantined: 3, Batches: rep.Batches, Seconds: rep.Seconds}
	if diff := cmp.Diff(want, rep); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	keys := []string{"key of e00003", "key of e00007", "key of e00010"}
	if diff := cmp.Diff(keys, w.waiting()); diff != "" {
		t.Errorf("left in quarantine (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]pipeline.Reason{keys[0]: pipeline.Unfit, keys[1]: pipeline.RejectedBySink, keys[2]: pipeline.RejectedBySink}, w.kept); diff != "" {
		t.Errorf("told as kept (-want +got):\n%s", diff)
	}
	if w.world.kept["e00005"] != pipeline.Conformed || w.world.kept["e00007"] != pipeline.RejectedBySink {
		t.Errorf("originals: %v, want that of the changed row kept as conformed", w.world.kept)
	}
	if !w.ledger["e00012"] || w.commits != 1 {
		t.Errorf("%d commits, want one of what the ledger did not know", w.commits)
	}
	w.onWrite = nil
	if rep := w.resend(t.Context()); rep.Sent != 2 || rep.Quarantined != 1 || len(w.waiting()) != 1 {
		t.Errorf("again, with a service that takes them: %+v", rep)
	}
	w.complete("e00003")
}

// Hundreds of records that are refused one after the other are no sign of a wrong
// setup here: all the others behind them are tried.
func TestResendTriesAll(t *testing.T) {
	w := newWard(t, 1300)
	w.onWrite = func(_ int, batch []pipeline.Record) (bool, error) {
		for _, r := range batch {
			if r.ID != "e01234" {
				return false, &pipeline.Rejected{Err: errors.New("400")}
			}
		}
		return true, nil
	}
	rep := w.resend(t.Context())
	if rep.State != pipeline.Drained || rep.Sent != 1 || rep.Quarantined != 1299 || w.times("e01234") != 1 {
		t.Errorf("%+v", rep)
	}
}

func TestResendStops(t *testing.T) {
	for _, test := range []struct {
		name    string
		arrange func(w *ward)
		state   pipeline.State
		text    string
		left    int
	}{
		{"the service is wrong", func(w *ward) {
			w.onWrite = func(n int, _ []pipeline.Record) (bool, error) {
				if n == 3 {
					return false, errors.New("403 wrong key")
				}
				return true, nil
			}
		}, pipeline.Failed, "403 wrong key", 10},
		{"an original stays", func(w *ward) {
			w.onEnd = func(h pipeline.Quarantined) error {
				if h.Key == "key of e00007" {
					return errors.New("store is away")
				}
				return nil
			}
		}, pipeline.Failed, "was delivered, but its original stays", -1},
		{"another run holds the stream", func(w *ward) { w.world.held = true }, pipeline.Locked, "", 20},
		{"a panic", func(w *ward) { w.onWrite = func(int, []pipeline.Record) (bool, error) { panic("defect") } }, pipeline.Failed, "defect", 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWard(t, 20)
			w.limits.BatchBytes = 85 // 5 records
			test.arrange(w)
			rep := w.resend(t.Context())
			if rep.State != test.state || !strings.Contains(rep.Error, test.text) || test.left >= 0 && len(w.waiting()) != test.left {
				t.Errorf("%+v, %d left", rep, len(w.waiting()))
			}
			for _, h := range w.held {
				if w.gone[h.Key] != (w.times(h.Record.ID) == 1) && !strings.Contains(test.text, "stays") {
					t.Errorf("%s: gone %t, delivered %d times", h.Key, w.gone[h.Key], w.times(h.Record.ID))
				}
			}
		})
	}
}

func TestResendOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(t, 5000)
		w.takes = 10 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		rep := w.resend(ctx)
		if rep.State != pipeline.Budget || rep.Sent == 0 || rep.Sent%1000 != 0 || len(w.waiting()) != 5000-int(rep.Sent) {
			t.Errorf("%+v, %d left", rep, len(w.waiting()))
		}
		for w.takes = 0; len(w.waiting()) > 0; {
			if rep := w.resend(t.Context()); rep.State != pipeline.Drained {
				t.Fatalf("%+v", rep)
			}
		}
		w.complete()
	})
}

// Two originals may be of one record.
func TestResendSameID(t *testing.T) {
	w := newWard(t, 2)
	w.held = append(w.held, pipeline.Quarantined{Key: "other", Record: w.records[0]})
	if rep := w.resend(t.Context()); rep.Sent != 3 || len(w.waiting()) != 0 {
		t.Errorf("%+v, left %v", rep, w.waiting())
	}
}

func TestResendUnreadable(t *testing.T) {
	w := newWard(t, 3)
	list := func(yield func(pipeline.Quarantined, error) bool) {
		yield(pipeline.Quarantined{}, errors.New("store is away"))
	}
	rep := w.runner().Resend(t.Context(), list, pipeline.ResendHooks{})
	if rep.State != pipeline.Failed || rep.Error != "store is away" {
		t.Errorf("%+v", rep)
	}
}

// Of a service that takes one record and refuses everything after it a hundred are in
// quarantine before it is clear that they are not at fault. The error says how they
// get out.
func TestManyRefusedSaysResend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 400)
		w.limits.BatchBytes = 1 // one by one
		w.onWrite = func(n int, _ []pipeline.Record) (bool, error) {
			if n == 1 {
				return true, nil
			}
			return false, &pipeline.Rejected{Err: errors.New("InvalidDataFormat")}
		}
		rep := w.run(time.Minute)
		if rep.State != pipeline.Failed || rep.Quarantined != 100 || len(w.kept) != 100 || !strings.Contains(rep.Error, "quarantine resend --all") {
			t.Errorf("%d in quarantine, %+v", len(w.kept), rep)
		}
	})
}
