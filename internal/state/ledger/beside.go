package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

var (
	_ pipeline.Ledger = (*Beside)(nil)
	_ pipeline.Pruner = (*Beside)(nil)
)

// Beside is the ledger of a stream whose records may also be delivered by another stream, or come
// again under a time that differs a little: a push is dated by its arrival. Only Claim differs from
// that of [Ledger]: a record is new only if it is in no window within Reach of its time, neither in
// this ledger nor in the others, which are only read.
//
// Two streams that deliver the same record at the same moment don't see each other: it then comes
// twice. A damaged window of another ledger is treated as absent; the stream that it belongs to
// reports it.
type Beside struct {
	*Ledger
	Reach  time.Duration
	Others []*Ledger
}

// Claim implements [pipeline.Ledger].
func (b *Beside) Claim(ctx context.Context, records []pipeline.Record) ([]bool, error) {
	fresh, err := b.Ledger.Claim(ctx, records)
	if err != nil {
		return nil, err
	}
	for _, in := range append([]*Ledger{b.Ledger}, b.Others...) {
		known, err := b.has(ctx, in, records, fresh)
		switch {
		case err == nil:
			drop(fresh, known)
		case in == b.Ledger || !errors.Is(err, errDamaged) && !errors.Is(err, format.ErrNewer):
			b.unclaim(records, fresh)
			return nil, fmt.Errorf("look up %d records in the ledger: %w", len(records), err)
		}
	}
	return fresh, nil
}

// unclaim takes claims back.
func (b *Beside) unclaim(records []pipeline.Record, fresh []bool) {
	for i, r := range records {
		if fresh[i] {
			h := b.hash(r.ID)
			b.claimed.remove(&h)
		}
	}
}

// drop makes what is known not fresh. Its claim stays, so that it is known for the rest of the run.
func drop(fresh, known []bool) {
	for i := range fresh {
		fresh[i] = fresh[i] && !known[i]
	}
}

// has reports which of the fresh records a ledger has within reach.
func (b *Beside) has(ctx context.Context, in *Ledger, records []pipeline.Record, fresh []bool) ([]bool, error) {
	known := make([]bool, len(records))
	var probes []pipeline.Record
	var of []int
	for i, r := range records {
		if !fresh[i] {
			continue
		}
		seen := map[int64]bool{}
		if in == b.Ledger {
			seen[in.startOf(r.Time)] = true // Claim has looked there
		}
		for _, shift := range []time.Duration{0, -b.Reach, b.Reach} {
			at := r.Time
			if !at.IsZero() {
				at = at.Add(shift)
			}
			if start := in.startOf(at); !seen[start] {
				seen[start] = true
				probes, of = append(probes, pipeline.Record{ID: r.ID, Time: at}), append(of, i)
			}
		}
	}
	found, err := in.stored(ctx, probes)
	if err != nil {
		return nil, err
	}
	for i, is := range found {
		known[of[i]] = known[of[i]] || is
	}
	return known, nil
}

// stored reports which records are stored in the window of their time. It claims none.
func (l *Ledger) stored(ctx context.Context, records []pipeline.Record) ([]bool, error) {
	found := make([]bool, len(records))
	err := l.byWindow(ctx, l.items(records, l.hash), func(w *window, items []item) {
		for i := range items {
			found[items[i].index] = w.ids.has(&items[i].hash)
		}
	}, nil)
	return found, err
}
