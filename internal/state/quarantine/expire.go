package quarantine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// Notice is how long before it is dropped an undelivered record is warned about.
	Notice = 7 * 24 * time.Hour
	// atOnce bounds the removals that are under way together.
	atOnce = 8
)

// Expire implements [pipeline.Expirer]. Conformed originals older than Keep are
// removed. Undelivered ones are warned about in the last seven days of their time,
// and removed only if the call that returned warned has told of them, at least a
// day ago by its caller's schedule: those that were stored before it. So after a
// pause, or when Keep is made shorter, there is a warning first.
//
// It looks only at the folders of days that are old enough: an event is not
// stored before it happened.
func (s *Store) Expire(ctx context.Context, stream string, warned time.Time) (nowWarned time.Time, warnings []string, err error) {
	if s.Keep == 0 {
		return warned, nil, nil
	}
	now := s.now()
	old := now.Add(-s.Keep)
	if _, err := s.remove(ctx, stream, Conformed, old); err != nil {
		return warned, nil, err
	}
	dropped, err := s.remove(ctx, stream, Undelivered, earlier(old, warned))
	if err != nil {
		return warned, nil, err
	}
	if dropped > 0 {
		warnings = append(warnings, fmt.Sprintf("%d records that had not been delivered were dropped from quarantine after %s (QUARANTINE_KEEP), as warned", dropped, days(s.Keep)))
	}
	soon := old.Add(Notice)
	var waiting int
	var first time.Time
	for e, err := range s.oldest(ctx, stream, Undelivered, soon) {
		if err != nil {
			return warned, warnings, err
		}
		if waiting++; first.IsZero() || e.Stored.Before(first) {
			first = e.Stored
		}
	}
	if waiting == 0 {
		return soon, warnings, nil
	}
	due := first.Add(s.Keep)
	if !due.After(now) {
		due = now.Add(24 * time.Hour)
	}
	return soon, append(warnings, fmt.Sprintf("%d records that were not delivered will be dropped from quarantine, the first of them on %s (QUARANTINE_KEEP is %s): "+
		`inspect them with "idnsentinel quarantine list --reason undelivered", then resend or discard them, or make QUARANTINE_KEEP longer`,
		waiting, due.UTC().Format(time.DateOnly), days(s.Keep))), nil
}

// remove removes what was stored before a moment.
func (s *Store) remove(ctx context.Context, stream string, kind Kind, before time.Time) (int64, error) {
	var n atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	var listErr error
	for e, err := range s.oldest(gctx, stream, kind, before) {
		if err != nil {
			listErr = err
			break
		}
		g.Go(func() error {
			err := s.store.Delete(gctx, e.Key)
			if err == nil {
				n.Add(1)
			}
			return err
		})
	}
	err := g.Wait()
	if err == nil {
		err = listErr
	}
	if err != nil {
		return n.Load(), fmt.Errorf("remove old originals from quarantine: %w", err)
	}
	return n.Load(), nil
}

// oldest yields what was stored before a moment. It lists two folders, and of
// the one with the days only those up to that moment.
func (s *Store) oldest(ctx context.Context, stream string, kind Kind, before time.Time) func(yield func(Entry, error) bool) {
	return func(yield func(Entry, error) bool) {
		for _, part := range []string{"", undated + "/"} {
			for e, err := range s.list(ctx, s.folder(stream, kind)+part) {
				switch {
				case err != nil:
					yield(Entry{}, err)
					return
				case part == "" && (e.Day.IsZero() || !e.Day.Before(before)):
					// Later days follow, and "undated" behind them.
				case e.Stored.Before(before):
					if !yield(e, nil) {
						return
					}
					continue
				default:
					continue
				}
				break
			}
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// days writes a duration of whole days as such.
func days(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.String()
}
