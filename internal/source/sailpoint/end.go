package sailpoint

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// countedRange is the longest range for which a page asks how many rows there are in
// all. Near the end of the stream that saves the request for an empty page; in a
// backlog it would cost the service something and save nothing.
const countedRange = time.Hour

// end knows how many rows lie up to the place where a walk stands, within its
// millisecond: the service counts them, but does not list them again.
type end struct {
	at   place
	rows int
}

// proves reports whether r, the page after at, holds all that the query finds. A
// short page alone says nothing: a service may serve fewer rows than it was asked for.
func (n *end) proves(at place, r *rows) bool {
	known := 0
	switch {
	case at.ID == "": // the page begins with the millisecond
	case n.at.Created == at.Created && n.at.ID == at.ID:
		known = n.rows
	default:
		known = 1
	}
	// Elasticsearch counts no further than that unless it is asked to.
	return r.total >= int64(r.covered) && r.total <= int64(r.covered+known) && r.total < maxPage
}

// note remembers the place that r, the page after at, leads to.
func (n *end) note(at place, r *rows, moves bool) {
	if !moves {
		return
	}
	rows := 0
	tie := r.lastAt.Truncate(time.Millisecond)
	for i := len(r.records) - 1; i >= 0 && r.records[i].Time.Truncate(time.Millisecond).Equal(tie); i-- {
		if strings.HasPrefix(r.records[i].ID, hashed) { // no place to stand: it may come again
			rows = 0
			break
		}
		rows++
	}
	if rows == len(r.records) && n.at.ID == at.ID && n.at.Created == at.Created && at.ID != "" {
		// The whole page may be of the millisecond in which the walk stood.
		if before, ok := parseTime([]byte(at.Created)); ok && before.Truncate(time.Millisecond).Equal(tie) {
			rows += n.rows
		}
	}
	*n = end{at: r.last, rows: max(rows, 1)}
}

// readOn reads the millisecond in which the walk stands by offset, until a row of a
// later one comes or nothing more does. It is for a page that brings nothing after the
// cursor and may yet not be the last one. r is the page at q.offset. Where an id came twice
// the order may change from one search to the next: then it reads until nothing new comes.
func (e *Events) readOn(ctx context.Context, q query, r *rows, page pipeline.Page) (pipeline.Page, error) {
	m := moment{query: q, page: page, seen: make(map[string]bool)}
	m.page.Records = nil
	m.query.total, m.query.order = false, e.order()
	for again := true; again; {
		m.fresh, m.twice, m.query.offset = false, false, 0
		if len(r.records) == 0 {
			m.query.twins = new(twins) // they are read anew
		}
		if err := e.readMoment(ctx, &m, r); err != nil {
			return pipeline.Page{}, err
		}
		again, r = m.twice && m.fresh, new(rows)
	}
	return m.page, nil
}

// moment is a millisecond that is read by offset.
type moment struct {
	query query
	page  pipeline.Page
	seen  map[string]bool
	// fresh and twice: ids came that were not seen before, and some of the millisecond that were.
	fresh, twice bool
	last         []pipeline.Record // the last page
}

// repeats reports whether a page is the last one once more, byte for byte: the service
// ignores the offset. Rows without id would seem to be further ones of the same kind.
func (m *moment) repeats(records []pipeline.Record) bool {
	same := slices.EqualFunc(m.last, records, func(a, b pipeline.Record) bool { return bytes.Equal(a.Raw, b.Raw) })
	m.last = records
	return same
}

func (e *Events) readMoment(ctx context.Context, m *moment, r *rows) (err error) {
	for stale := 0; ; { // pages in a row with nothing new
		if stale++; m.take(r.records) {
			stale = 0
		}
		switch m.query.offset += len(r.records); {
		case r.last.Created != "" && r.lastAt.Truncate(time.Millisecond).After(m.query.from):
			m.page.Next, m.page.More, m.page.Through = encode(r.last), true, r.newest
			return nil
		case m.query.offset > 0 && len(r.records) == 0, stale > maxStale:
			return nil
		case m.query.offset >= maxPage:
			return e.narrow(ctx, m)
		}
		m.query.limit = min(e.c.size.get(), maxPage-m.query.offset)
		if r, err = e.run(ctx, m.query, false); err != nil {
			return err
		}
	}
}

// narrow is for more rows than search can page through, none of which tells a time to continue from.
// It reads the beginning of their range instead, as much as it can, and goes past that if all that
// the service counts in it came.
func (e *Events) narrow(ctx context.Context, m *moment) error {
	impossible := fmt.Errorf("search: more than %d events were created at %s, or SailPoint shows events outside of the time asked for; search can't page through them", maxPage, formatMilli(m.query.from))
	q, count := m.query, int64(maxPage)
	for count >= maxPage {
		if q.to = q.from.Add(q.to.Sub(q.from) / 2).Truncate(time.Millisecond); !q.to.After(q.from) {
			return impossible
		}
		var err error
		if count, err = e.Count(ctx, q.from, q.to); err != nil {
			return err
		}
	}
	m.seen, m.last, m.page.Records = make(map[string]bool), nil, nil
	q.twins = new(twins)
	for q.offset = 0; int64(q.offset) < count; {
		q.limit = min(e.c.size.get(), maxPage-q.offset)
		r, err := e.run(ctx, q, false)
		switch {
		case err != nil:
			return err
		case !m.take(r.records):
			return impossible
		}
		q.offset += len(r.records)
	}
	if int64(len(m.page.Records)) < count {
		return impossible
	}
	m.twice = false
	m.page.Next, m.page.More, m.page.Through = encode(place{Created: formatMilli(q.to)}), true, q.to
	return nil
}

// maxStale is how many pages in a row may bring nothing new, because an id comes twice, before
// the service is taken for one that ignores the offset.
const maxStale = 3

// take adds records that were not seen before, and reports whether there were any.
func (m *moment) take(records []pipeline.Record) (fresh bool) {
	if m.repeats(records) {
		m.twice = true
		return false
	}
	for _, rec := range records {
		if m.seen[rec.ID] {
			m.twice = m.twice || rec.Time.Truncate(time.Millisecond).Equal(m.query.from)
			continue
		}
		m.seen[rec.ID], fresh = true, true
		m.page.Records = append(m.page.Records, rec)
	}
	m.fresh = m.fresh || fresh
	return fresh
}

// order is how events are sorted: by id, too, where the tenant can do that.
func (e *Events) order() order {
	if e.c.idSortRefused.Load() {
		return byCreated
	}
	return byCreatedAndID
}
