package legacy_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/legacy"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

const stream = "SailPointIDN_Events"

// old is a function's checkpoint that counts how often it is asked for.
type old struct {
	at    time.Time
	err   error
	asked int
}

func (o *old) CreatedTime(context.Context) (time.Time, error) {
	o.asked++
	return o.at, o.err
}

func (o *old) Places(context.Context) ([]source.Place, error) { return nil, nil }

func over(own pipeline.Checkpoints, o *old) *legacy.Checkpoints {
	events := sailpoint.Connect(sailpoint.Config{}).Streams()[0]
	return &legacy.Checkpoints{Checkpoints: own, Beginning: func(ctx context.Context) (source.Beginning, error) { return events.Inherits(ctx, o) }, Log: slog.New(slog.DiscardHandler)}
}

// Until the first save the function's checkpoint is the beginning, however often
// a run dies before it; from then on it is not asked for again.
func TestBeginsOnce(t *testing.T) {
	o := &old{at: time.Date(2026, 9, 24, 13, 8, 0, 123456e3, time.UTC)}
	store := &mem.Store{}
	want := pipeline.Checkpoint{Cursor: `{"created":"2026-09-24T13:00:00.000Z","id":""}`}
	var got pipeline.Checkpoint
	for range 3 { // each dies before it saves
		var err error
		if got, err = over(checkpoint.New(store, "acme"), o).Load(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	own := over(checkpoint.New(store, "acme"), o)
	saved, err := own.Save(t.Context(), stream, got)
	if err != nil {
		t.Fatal(err)
	}
	o.at, o.err = time.Time{}, errors.New("the old account is gone")
	if got, err = own.Load(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(saved, got); diff != "" {
		t.Errorf("after the first save (-want +got):\n%s", diff)
	}
	if o.asked != 3 {
		t.Errorf("asked %d times, want 3", o.asked)
	}
}

func TestNothingToGoOnFrom(t *testing.T) {
	got, err := over(checkpoint.New(&mem.Store{}, "acme"), &old{}).Load(t.Context(), stream)
	if diff := cmp.Diff(pipeline.Checkpoint{}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// To begin elsewhere because of a failure would be a gap.
func TestFailureIsNoBeginning(t *testing.T) {
	o := &old{err: errors.New("503 ServerBusy")}
	got, err := over(checkpoint.New(&mem.Store{}, "acme"), o).Load(t.Context(), stream)
	if err == nil || !strings.Contains(err.Error(), "503 ServerBusy") || got.Cursor != "" {
		t.Errorf("%+v, %v, want the failure", got, err)
	}
}

// A damaged checkpoint of the connector's own is not replaced by the function's.
func TestDamagedOwnCheckpoint(t *testing.T) {
	store, o := &mem.Store{}, &old{at: time.Now()}
	own := checkpoint.New(store, "acme")
	if _, err := store.Put(t.Context(), own.Key(stream), []byte("{"), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := over(own, o).Load(t.Context(), stream); err == nil || o.asked != 0 {
		t.Errorf("%v, asked %d times; want an error and no question", err, o.asked)
	}
}
