package ledger

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

const (
	dayLayout     = "2006-01-02"
	keyLayout     = dayLayout + "/150405"
	secondsPerDay = int64(day / time.Second)
	// maxDays bounds how many days of counts are cached: about 10 KB each.
	maxDays = 100
)

// Window describes a stored window.
type Window struct {
	Key   string
	Start time.Time // zero for the undated window
	Width time.Duration
	Count int64
	// Modified is when it was last written.
	Modified time.Time
}

// Windows yields the stored windows in order of time, the undated one last. It
// costs one listing.
func (l *Ledger) Windows(ctx context.Context) iter.Seq2[Window, error] {
	return l.list(ctx, l.prefix)
}

func (l *Ledger) list(ctx context.Context, prefix string) iter.Seq2[Window, error] {
	return func(yield func(Window, error) bool) {
		for info, err := range l.store.List(ctx, prefix) {
			if err != nil {
				yield(Window{}, fmt.Errorf("list the ledger: %w", err))
				return
			}
			w := Window{Key: info.Key, Width: time.Duration(l.width) * time.Second, Modified: info.Modified}
			start := int64(undated)
			if name := strings.TrimPrefix(info.Key, l.prefix); name == "undated" {
				w.Width = 0
			} else if w.Start, err = time.Parse(keyLayout, name); err == nil {
				start = w.Start.Unix()
			} else {
				continue // not the ledger's
			}
			var ok bool
			if w.Count, ok = countOf(info.Size); !ok || info.Size > state.MaxSize(info.Key) {
				// Damaged or another version: read it to find out.
				_, err := l.read(ctx, start)
				if err == nil {
					err = fmt.Errorf("ledger window %q: it was %d bytes long and has changed since", info.Key, info.Size)
				}
				yield(Window{}, err)
				return
			}
			if !yield(w, nil) {
				return
			}
		}
	}
}

// Count implements [pipeline.Ledger]. It trusts the sizes of the objects and
// reads only those with an impossible size. It never counts undated records.
func (l *Ledger) Count(ctx context.Context, from, to time.Time) (n int64, err error) {
	for _, t := range []time.Time{from, to} {
		if s := t.Unix(); t.Nanosecond() != 0 || floor(s, l.width) != s {
			return 0, fmt.Errorf("count in the ledger: %s is not on the border of a window of %d s", t.Format(time.RFC3339Nano), l.width)
		}
	}
	for date := floor(from.Unix(), secondsPerDay); date < to.Unix(); date += int64(day / time.Second) {
		counts, err := l.day(ctx, date)
		if err != nil {
			return 0, err
		}
		for start, count := range counts {
			if start >= from.Unix() && start < to.Unix() {
				n += count
			}
		}
	}
	return n, nil
}

// day returns the counts of the windows of a day. They are listed once per run
// and updated by the run's commits.
func (l *Ledger) day(ctx context.Context, date int64) (map[int64]int64, error) {
	if counts, ok := l.days[date]; ok {
		return counts, nil
	}
	counts := make(map[int64]int64)
	for w, err := range l.list(ctx, l.prefix+time.Unix(date, 0).UTC().Format(dayLayout)+"/") {
		if err != nil {
			return nil, err
		}
		counts[w.Start.Unix()] = w.Count
	}
	if len(l.days) >= maxDays {
		clear(l.days)
	}
	l.days[date] = counts
	return counts, nil
}

// days maps the start of a day to the counts of its windows, by their start.
type days map[int64]map[int64]int64

func (d days) set(start, count int64) {
	if start == undated {
		return
	}
	if counts, ok := d[floor(start, secondsPerDay)]; ok {
		counts[start] = count
	}
}

func (d days) forget(start int64) {
	if start != undated {
		delete(d, floor(start, secondsPerDay))
	}
}

// Prune implements [pipeline.Pruner]: it removes the windows that end at or
// before the given moment, and returns how many. It follows the order of the
// keys and stops at the first window that stays. The undated window always
// stays.
func (l *Ledger) Prune(ctx context.Context, before time.Time) (int, error) {
	var n atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	var listErr error
	for w, err := range l.Windows(ctx) {
		if err != nil {
			listErr = err
			break
		}
		if w.Start.IsZero() || w.Start.Add(w.Width).After(before) {
			break
		}
		g.Go(func() error {
			if err := l.store.Delete(ctx, w.Key); err != nil {
				return err
			}
			n.Add(1)
			return nil
		})
	}
	err := g.Wait()
	if err == nil {
		err = listErr
	}
	l.cache.clear()
	clear(l.days)
	if err != nil {
		return int(n.Load()), fmt.Errorf("prune the ledger: %w", err)
	}
	return int(n.Load()), nil
}
