package pipeline

import (
	"context"
	"errors"
	"hash/maphash"
	"time"
)

// window is FetchWindow as a walk.
func window(src WindowReader, from, to time.Time) func(context.Context, Cursor) (Page, error) {
	return func(ctx context.Context, after Cursor) (Page, error) { return src.FetchWindow(ctx, from, to, after) }
}

// reread delivers what the ledger lacks of the pages that fetch gives. note is called with
// the records of each, and which of them the ledger lacked.
func (d *delivery) reread(ctx context.Context, fetch func(context.Context, Cursor) (Page, error), note func(records []Record, missing []bool)) error {
	sent := d.report.Sent + d.report.Quarantined
	defer func() { d.report.Repaired += d.report.Sent + d.report.Quarantined - sent }()
	err := d.walk(ctx, fetch, func(ctx context.Context, records []Record) error {
		missing, err := d.enqueue(ctx, records)
		if err != nil {
			return err
		}
		note(records, missing)
		return d.deliver(ctx)
	})
	if err == nil {
		err = d.refusals.decide(ctx)
	}
	d.refusals.pending = nil
	return err
}

// walk hands over the records of all pages that fetch gives. Unlike the tail, it continues after a slow
// page while there is time: in the next run it begins anew, and a page with a row that can't be read
// takes as long then.
func (s *session) walk(ctx context.Context, fetch func(context.Context, Cursor) (Page, error), take func(context.Context, []Record) error) error {
	var after Cursor
	for more := true; more; {
		if !s.pace.timeLeft(ctx) {
			return errNoTime
		}
		var page Page
		short, begin := s.pace.shortForPage(ctx), time.Now()
		err := s.Retry.Do(ctx, s.countRetry("fetch window"), func(ctx context.Context) (err error) {
			page, err = fetch(ctx, after)
			return err
		})
		if err != nil && short && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return errNoTime // which says nothing of the source
		}
		if err != nil {
			return &auditError{err}
		}
		s.pace.page = max(s.pace.page, time.Since(begin))
		if err := take(ctx, page.Records); err != nil {
			return err
		}
		if page.More && page.Next == after {
			return &auditError{standsStill(s.report.Stream)}
		}
		after, more = page.Next, page.More
	}
	return nil
}

// listing counts the records that a source lists. One that comes again on a later page counts
// once: pages may overlap. One that comes twice on a page is listed twice.
type listing struct {
	rows int64
	seed maphash.Seed
	seen map[uint64]int // how often on one page, at most
}

func (l *listing) add(page []Record, _ []bool) {
	if l.seen == nil {
		l.seed, l.seen = maphash.MakeSeed(), make(map[uint64]int)
	}
	here := make(map[uint64]int, len(page))
	for _, rec := range page {
		id := maphash.String(l.seed, rec.ID)
		if here[id]++; here[id] > l.seen[id] {
			l.seen[id] = here[id]
			l.rows++
		}
	}
}
