package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// inbox is a source that keeps its records until it is told that they are delivered.
type inbox struct {
	source
	acked []string
	kept  int // records up to here are gone
	onAck func(n int) error
}

func (b *inbox) Ack(_ context.Context, through pipeline.Cursor) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if through != b.checkpoint.Cursor {
		b.t.Errorf("Ack(%s) while the stored checkpoint is at %q", through, b.checkpoint.Cursor)
	}
	n, err := strconv.Atoi(string(through))
	if err != nil {
		b.t.Errorf("Ack(%q): %v", through, err)
	}
	b.acked = append(b.acked, string(through))
	if b.onAck != nil {
		if err := b.onAck(len(b.acked)); err != nil {
			return err
		}
	}
	b.kept = max(b.kept, n)
	return nil
}

func newInbox(t *testing.T, n int) (*world, *inbox) {
	w := newWorld(t, n)
	w.limits.BatchBytes = 1 // each page is a flush
	b := &inbox{source: source{w}}
	w.src = b
	return w, b
}

// A source hears of each commit, after the checkpoint is stored.
func TestAckFollowsTheCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b := newInbox(t, 25)
		if rep := w.run(time.Minute); rep.State != pipeline.Drained || b.kept != 25 || len(b.acked) != w.saves {
			t.Errorf("%d of 25 records are let go of after %q and %d saves; %+v", b.kept, b.acked, w.saves, rep)
		}
		w.complete()
		b.acked = nil
		if w.run(time.Minute); b.kept != 25 || len(b.acked) == 0 {
			t.Errorf("a run that finds nothing acknowledged %q", b.acked)
		}
	})
}

// What was not committed is not acknowledged, whatever went wrong.
func TestNoAckWithoutCheckpoint(t *testing.T) {
	broken := errors.New("broken")
	for name, spoil := range map[string]func(w *world){
		"the save fails":   func(w *world) { w.onSave = func(int) error { return broken } },
		"the ledger fails": func(w *world) { w.onCommit = func(int) error { return broken } },
		"the sink fails":   func(w *world) { w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, broken } },
		"every one refused": func(w *world) {
			w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, &pipeline.Rejected{Err: broken} }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b := newInbox(t, 8)
				spoil(w)
				if rep := w.run(time.Minute); rep.State != pipeline.Failed || b.acked != nil {
					t.Errorf("acknowledged %q; %+v", b.acked, rep)
				}
			})
		})
	}
}

// A process that dies between commit and acknowledgement is followed by one that makes up for
// it, before it reads anything.
func TestAckIsRepeatedAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b := newInbox(t, 25)
		b.onAck = func(n int) error {
			if n == 2 {
				panic("killed")
			}
			return nil
		}
		if rep := w.run(time.Minute); rep.State != pipeline.Failed || b.kept != 10 || w.checkpoint.Cursor != "20" {
			t.Fatalf("%d records let go of, checkpoint %s; %+v", b.kept, w.checkpoint.Cursor, rep)
		}
		b.acked, b.onAck = nil, nil
		w.onFetch = func(int) error {
			if diff := cmp.Diff([]string{"20"}, b.acked[:min(1, len(b.acked))]); diff != "" {
				t.Errorf("acknowledged before the first fetch (-want +got):\n%s", diff)
			}
			return nil
		}
		if rep := w.run(time.Minute); rep.State != pipeline.Drained || b.kept != 25 {
			t.Errorf("%d of 25 records let go of; %+v", b.kept, rep)
		}
		w.complete()
	})
}

// A source that can't take the acknowledgement keeps nothing from being delivered, but the run says so.
func TestAckFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b := newInbox(t, 25)
		b.onAck = func(n int) error { return fmt.Errorf("refused %d", n) }
		rep := w.run(time.Minute)
		if rep.State != pipeline.Failed || rep.Sent != 25 || w.checkpoint.Cursor != "25" || !strings.Contains(rep.Error, "could not be notified") {
			t.Errorf("%+v", rep)
		}
		w.complete()
		b.onAck = func(n int) error { // one that passes
			if n == len(b.acked) && n%2 == 1 {
				return &pipeline.Retryable{Err: errors.New("503")}
			}
			return nil
		}
		if rep := w.run(time.Minute); rep.State != pipeline.Drained || b.kept != 25 {
			t.Errorf("%d of 25 records let go of; %+v", b.kept, rep)
		}
	})
}
