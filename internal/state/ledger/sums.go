package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Sum is the checksum of a window.
type Sum struct {
	From time.Time
	// IDs is how many ids the window has.
	IDs int64
	// SHA256 is the SHA-256, in hexadecimal, of the ids as they are stored: ascending, 16 bytes each,
	// one after the other.
	SHA256 string
}

// Sums returns the checksums of the windows that begin in [from, to) and have ids, in order of time.
// It reads each of them.
func (l *Ledger) Sums(ctx context.Context, from, to time.Time) (sums []Sum, err error) {
	for date := floor(from.Unix(), secondsPerDay); date < to.Unix(); date += secondsPerDay {
		counts, err := l.day(ctx, date)
		if err != nil {
			return nil, err
		}
		var starts []int64
		for start := range counts {
			if start >= from.Unix() && start < to.Unix() {
				starts = append(starts, start)
			}
		}
		slices.Sort(starts)
		day := make([]Sum, len(starts))
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for i, start := range starts {
			g.Go(func() error {
				w, err := l.read(ctx, start)
				if err != nil {
					return err
				}
				sum := sha256.Sum256(w.ids)
				day[i] = Sum{time.Unix(start, 0).UTC(), int64(w.ids.len()), hex.EncodeToString(sum[:])}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		sums = append(sums, slices.DeleteFunc(day, func(s Sum) bool { return s.IDs == 0 })...)
	}
	return sums, nil
}
