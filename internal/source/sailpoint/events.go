package sailpoint

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// Events is the stream of audit events; see the package comment.
type Events struct {
	c *Client
	// doubts counts successive failures that may mean that the tenant can't sort by id; proven is
	// set once it has.
	doubts int
	proven bool
	// outOfOrder is set once the warning about events out of order was given.
	outOfOrder bool
	// end describes the place where the walk stood last.
	end end
	// unlisted is the total of the last page if that was empty although the total says otherwise;
	// hides counts ends of the stream where this was so.
	unlisted int64
	hides    contradictions
	// flaws and trouble record what could not be read recently.
	flaws   jsonwalk.Flaws
	trouble trouble
	// shapes are the shapes of the events so far.
	shapes jsonwalk.Shapes
	// undated counts identical documents on the pages of FetchUndated that are read by offset.
	undated *twins
}

var (
	_ pipeline.Source       = (*Events)(nil)
	_ pipeline.Counter      = (*Events)(nil)
	_ pipeline.WindowReader = (*Events)(nil)
	_ pipeline.Undated      = (*Events)(nil)
)

// Stream implements [pipeline.Source].
func (e *Events) Stream() pipeline.Stream {
	return pipeline.Stream{ID: "SailPointIDN_Events", Table: "SailPointIDN_Events"}
}

// Fetch implements [pipeline.Source]. The page's records are the events after the cursor and before
// now − Settle, as many as fit a page, oldest first.
func (e *Events) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	now := time.Now()
	_, from, err := begin(after, now)
	if err == nil {
		err = remote.Ahead(e.Stream().ID, from, now, clockSlack)
	}
	if err != nil {
		return pipeline.Page{}, err
	}
	e.unlisted = 0
	page, err := e.fetch(ctx, now.Add(-e.c.cfg.Lookback), now.Add(-e.c.cfg.Settle), after)
	switch {
	case err != nil || page.More:
		return page, err
	case e.unlisted > 0:
		return e.recount(ctx, page)
	}
	e.hides = 0
	return page, nil
}

// StartAt is the cursor before every event that happened at that moment or later, in whole
// milliseconds.
func (e *Events) StartAt(at time.Time) pipeline.Cursor {
	return encode(place{Created: formatMilli(at.Truncate(time.Millisecond))})
}

// FetchWindow implements [pipeline.WindowReader].
func (e *Events) FetchWindow(ctx context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	return e.fetch(ctx, from, to, after)
}

// Count implements [pipeline.Counter].
func (e *Events) Count(ctx context.Context, from, to time.Time) (int64, error) {
	return e.c.Count(ctx, from, to)
}

// page returns the page after the cursor, or from start on if there is no cursor. Its range ends
// before to.
func (e *Events) page(ctx context.Context, start, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	to = to.Truncate(time.Millisecond)
	at, from, err := begin(after, start)
	if err != nil {
		return pipeline.Page{}, err
	}
	next := after
	if next == "" {
		next = encode(at) // fixes the start of a first run even if nothing comes
	}
	switch {
	case !from.Before(to):
		return pipeline.Page{Next: next, From: from, Through: to}, nil
	case at.Split != nil:
		return e.fetchSplit(ctx, at, from)
	case at.Skip != nil:
		return e.fetchSkip(ctx, at, from, to)
	}
	for limit := e.c.size.get(); ; limit = min(2*limit, maxPage) {
		q := query{from: from, to: to, limit: limit, total: to.Sub(from) <= countedRange, twins: new(twins)}
		r, err := e.search(ctx, at, q)
		if err != nil {
			return pipeline.Page{}, err
		}
		page := pipeline.Page{Records: r.records, Next: next, From: from, Through: to, Warnings: e.warnings(r)}
		full := len(r.records) >= limit
		e.end.largest = max(e.end.largest, len(r.records))
		moves := r.moves(at, from)
		if moves {
			page.Next = encode(r.last)
		}
		switch {
		case len(r.records) == 0, !full && e.end.proves(at, r):
			if !e.end.proves(at, r) {
				e.unlisted = r.total // -1 if the service does not say
			}
			e.end.note(at, r, moves)
			page.Release = r.release
			return page, nil
		case moves:
			e.end.note(at, r, moves)
			if full {
				e.c.size.served()
			}
			page.More, page.Through, page.Release = true, r.newest, r.release
			return page, nil
		case !full, r.covered == 0:
			if at.ID != "" { // the millisecond started before this page
				r = new(rows)
			}
			return e.readOn(ctx, q, r, page)
		case limit == maxPage:
			return pipeline.Page{Next: encode(place{Created: at.Created, Split: &split{}}), More: true, Warnings: page.Warnings}, nil
		}
		// One millisecond fills the page: try a larger one.
	}
}

// clockSlack is how far a cursor may be ahead of this machine's clock before one of the two is
// considered wrong.
const clockSlack = 5 * time.Minute

// begin returns where a fetch starts, and its time in whole milliseconds.
func begin(after pipeline.Cursor, start time.Time) (at place, from time.Time, err error) {
	if after == "" {
		from = start.Truncate(time.Millisecond)
		return place{Created: formatMilli(from)}, from, nil
	}
	at, from, err = parsePlace(after)
	return at, from.Truncate(time.Millisecond), err
}

// moves reports whether a cursor at the last of r's rows is further than at, whose time is from. A
// cursor without id is only further in a later millisecond.
func (r *rows) moves(at place, from time.Time) bool {
	if r.last.ID != "" {
		return r.last.ID != at.ID || r.last.Created != at.Created
	}
	return r.last.Created != "" && r.lastAt.Truncate(time.Millisecond).After(from)
}

// search runs q from at, in the order that the tenant supports.
func (e *Events) search(ctx context.Context, at place, q query) (*rows, error) {
	if e.c.idSortRefused.Load() {
		q.order = byCreated
		return e.run(ctx, q, false)
	}
	q.order = byCreatedAndID
	if at.ID != "" {
		q.after = []string{at.Created, at.ID}
	}
	r, err := e.run(ctx, q, false)
	if err == nil {
		e.doubts = 0
		e.proven = e.proven || q.after != nil
		return r, nil
	}
	if !e.mayBeOrder(err) {
		return nil, err
	}
	// The order is at fault only if the search works without it.
	q.order, q.after = byCreated, nil
	r, plain := e.run(ctx, q, false)
	var passing *pipeline.Retryable
	switch {
	case plain == nil:
		if e.c.idSortRefused.CompareAndSwap(false, true) {
			e.c.log.Info("tenant does not sort events by id; sorting by created alone", "reason", err.Error())
		}
		return r, nil
	case errors.As(plain, &passing), ctx.Err() != nil:
		return nil, plain
	default:
		return nil, err
	}
}

// mayBeOrder reports whether a search may have failed because of its order: the service says that
// the request is bad, or fails three times in a row although no search after an id has ever worked.
func (e *Events) mayBeOrder(err error) bool {
	var refused *refusal
	if !errors.As(err, &refused) {
		return false
	}
	if refused.status == http.StatusInternalServerError && !e.proven {
		e.doubts++
		return e.doubts%3 == 0
	}
	return refused.status == http.StatusBadRequest
}

// run sends a search and reads its page. wantTypes collects the rows' types.
func (e *Events) run(ctx context.Context, q query, wantTypes bool) (*rows, error) {
	page, err := e.c.searchPage(ctx, &q)
	if err != nil {
		return nil, err
	}
	walk := walker(e.shapes.Walk)
	if wantTypes { // rare, and the shapes have other names
		walk = jsonwalk.Walk
	}
	r, err := readRows(page, &q, wantTypes, walk)
	if err == nil {
		e.c.passed(&q, page)
		r.release = func() { e.c.pages.Put(page.body) }
		return r, nil
	}
	r, recovered := readRows(page, &q, wantTypes, e.flaws.Recover)
	if recovered == nil && r.flawed == len(r.records) {
		recovered = e.others(ctx, q)
	}
	if recovered == nil {
		recovered = e.flaws.Confirm()
	}
	if recovered == nil {
		e.c.passed(&q, page)
		return r, nil
	}
	return nil, e.c.unreadable(e.c.search.name, page.body, err, recovered)
}

// warnings are for the user, although nothing failed.
func (e *Events) warnings(r *rows) []string {
	list := e.c.warnings(e.c.search)
	if r.outOfOrder && !e.outOfOrder {
		e.outOfOrder = true
		list = append(list, "SailPoint returned events that are not in the order of their creation: some may have been skipped")
	}
	return list
}
