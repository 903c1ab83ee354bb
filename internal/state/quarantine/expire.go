package quarantine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// Notice is how long before its removal the warning about an undelivered record begins.
	Notice = 7 * 24 * time.Hour
	// atOnce bounds the number of concurrent removals.
	atOnce = 8
)

// Expire implements [pipeline.Expirer]. It removes conformed originals older than
// Keep. It warns about undelivered ones during their last seven days, and removes
// only those stored before warned, which an earlier call has warned about; callers
// leave at least a day between calls. So after a pause, or when Keep is shortened,
// there is always a warning first.
//
// It lists only the folders of days that are old enough, because an event is not
// stored before it happens.
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

// remove removes the originals that were stored before a moment.
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

// oldest yields the originals that were stored before a moment. It lists the days
// up to that moment, and the folder "undated".
func (s *Store) oldest(ctx context.Context, stream string, kind Kind, before time.Time) func(yield func(Entry, error) bool) {
	return func(yield func(Entry, error) bool) {
		for _, part := range []string{"", undated + "/"} {
			for e, err := range s.list(ctx, s.folder(stream, kind)+part) {
				switch {
				case err != nil:
					yield(Entry{}, err)
					return
				case part == "" && (e.Day.IsZero() || !e.Day.Before(before)):
					// Only later days follow, and then "undated".
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

// days formats a duration, in days if it is a whole number of them.
func days(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.String()
}
