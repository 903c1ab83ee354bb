package app

import (
	"context"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
)

// resuming are the checkpoints of a stream whose own may be gone while its ledger is not: then it
// begins where the ledger ends, if that is before the lookback. Beginning later would skip what
// happened between the two.
type resuming struct {
	*checkpoint.Store
	stream stream
	ledger *ledger.Ledger
}

// Load implements [pipeline.Checkpoints].
func (r resuming) Load(ctx context.Context, name string) (pipeline.Checkpoint, error) {
	saved, err := r.Store.Load(ctx, name)
	if err != nil || saved.Tag != "" || r.stream.StartAt == nil {
		return saved, err
	}
	last, err := r.last(ctx, time.Now())
	if err != nil {
		return pipeline.Checkpoint{}, fmt.Errorf("there is no checkpoint, and the ledger, which says where the stream stopped, can't be read: %w", err)
	}
	if !last.IsZero() && last.Before(time.Now().Add(-r.stream.Lookback)) {
		saved.Cursor, saved.Since = r.stream.StartAt(last), last
	}
	return saved, nil
}

// last is the beginning of the latest window of the ledger that is not of a time to come; zero if
// there is none.
func (r resuming) last(ctx context.Context, now time.Time) (last time.Time, err error) {
	for w, err := range r.ledger.Windows(ctx) {
		if err != nil {
			return time.Time{}, err
		}
		if w.Start.After(last) && !w.Start.After(now) {
			last = w.Start
		}
	}
	return last, nil
}
