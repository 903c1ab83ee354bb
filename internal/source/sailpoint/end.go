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

// countedRange is the longest range for which a page requests the total number of rows. Near the
// end of the stream the total saves the request for an empty page; in a backlog it would cost the
// service something and save nothing.
const countedRange = time.Hour

// end knows how many rows of the current millisecond lie up to the walk's place: the service counts
// them, but does not list them again.
type end struct {
	at   place
	rows int
	// largest is how many rows the largest page had.
	largest int
}

// proves reports whether r, the page after at, holds all that the query finds. A short page alone
// proves nothing: a service may serve fewer rows than requested. Nor does the total beside it if no
// page was larger: what limits the pages may count only what it lets through.
func (n *end) proves(at place, r *rows) bool {
	known := 0
	switch {
	case at.ID == "": // the page starts with the millisecond
	case n.at.Created == at.Created && n.at.ID == at.ID:
		known = n.rows
	default:
		known = 1
	}
	// Elasticsearch counts no further than that by default.
	if len(r.records) > 0 && len(r.records) >= n.largest {
		return false
	}
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
		if strings.HasPrefix(r.records[i].ID, hashed) { // not a place for the cursor: it may come again
			rows = 0
			break
		}
		rows++
	}
	if rows == len(r.records) && n.at.ID == at.ID && n.at.Created == at.Created && at.ID != "" {
		// The whole page may belong to the millisecond of the walk's place.
		if before, ok := parseTime([]byte(at.Created)); ok && before.Truncate(time.Millisecond).Equal(tie) {
			rows += n.rows
		}
	}
	n.at, n.rows = r.last, max(rows, 1)
}

// readOn reads the current millisecond by offset, until a later row or no further row comes. It is
// for a page that has nothing after the cursor but may not be the last one. r is the page at
// q.offset. If an id came twice, the order may differ from one search to the next: then it reads
// until nothing new comes.
func (e *Events) readOn(ctx context.Context, q query, r *rows, page pipeline.Page) (pipeline.Page, error) {
	m := moment{query: q, page: page, seen: make(map[string]int)}
	m.page.Records = nil
	m.query.total, m.query.order = false, e.order()
	for again := true; again; {
		m.fresh, m.twice, m.query.offset = false, false, 0
		if len(r.records) == 0 {
			m.query.twins = new(twins) // they are counted from the start again
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
	seen  map[string]int // ids, with the answer that had them first
	taken int            // answers
	// fresh: there were new ids. twice: ids of the millisecond came again, in another answer. In the same
	// one, the service has the row twice, which says nothing about the order.
	fresh, twice bool
	last         []pipeline.Record // the previous page
}

// repeats reports whether a page equals the previous one byte for byte, so that the service ignores
// the offset. Otherwise rows without id would count as further copies.
func (m *moment) repeats(records []pipeline.Record) bool {
	same := slices.EqualFunc(m.last, records, func(a, b pipeline.Record) bool { return bytes.Equal(a.Raw, b.Raw) })
	m.last = records
	return same
}

func (e *Events) readMoment(ctx context.Context, m *moment, r *rows) (err error) {
	for stale := 0; ; { // successive pages with nothing new
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

// narrow is for more rows than search can page through without a later time to continue from. It
// reads the largest possible beginning of their range instead, and moves past that if all rows that
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
	m.seen, m.last, m.page.Records = make(map[string]int), nil, nil
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

// maxStale is how many successive pages may bring nothing new, because an id comes twice, before
// the service is assumed to ignore the offset.
const maxStale = 3

// take adds records that were not seen before, and reports whether there were any.
func (m *moment) take(records []pipeline.Record) (fresh bool) {
	if m.repeats(records) {
		m.twice = true
		return false
	}
	m.taken++
	for _, rec := range records {
		if first := m.seen[rec.ID]; first > 0 {
			m.twice = m.twice || first < m.taken && rec.Time.Truncate(time.Millisecond).Equal(m.query.from)
			continue
		}
		m.seen[rec.ID], fresh = m.taken, true
		m.page.Records = append(m.page.Records, rec)
	}
	m.fresh = m.fresh || fresh
	return fresh
}

// order is how events are sorted: by id as well, where the tenant can do that.
func (e *Events) order() order {
	if e.c.idSortRefused.Load() {
		return byCreated
	}
	return byCreatedAndID
}
