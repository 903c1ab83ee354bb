package sailpoint

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// undatedPlace is a position in a walk through the events without created.
type undatedPlace struct {
	ID string `json:"id"`
	// Offset is how many rows are read, counted from the first: rows without id have no other
	// place.
	Offset int `json:"offset,omitzero"`
}

// FetchUndated implements [pipeline.Undated]: it pages through the events without created, which no
// time range finds, in the order of their ids. The filter for them is documented for search, but
// not for this field: if a service refuses it, or ignores it and shows other events, the error is
// [pipeline.ErrUnsupported].
func (e *Events) FetchUndated(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	var at undatedPlace
	if after != "" {
		if err := decode(after, &at); err != nil {
			return pipeline.Page{}, err
		}
	}
	q := query{undated: true, order: byID, limit: e.c.size.get()}
	if at.ID != "" {
		q.after = []string{at.ID}
	}
	if e.c.idSortRefused.Load() {
		q.order, q.after, q.limit = unsorted, nil, maxPage
	}
	if at.Offset > 0 { // can't be combined with searchAfter
		q.after, q.offset, q.limit = nil, at.Offset, min(q.limit, maxPage-at.Offset)
	}
	if at.Offset <= 1 {
		e.undated = new(twins)
	}
	if at.Offset > 0 {
		q.twins = e.undated
	}
	r, err := e.run(ctx, q, false)
	var refused *refusal
	switch {
	case errors.As(err, new(*remote.Unreadable)) && e.trouble.again("undated"+after) >= sightings:
		return pipeline.Page{}, errors.New(err.Error()) // retrying in this run is pointless
	case errors.As(err, &refused) && refused.status == http.StatusBadRequest:
		return pipeline.Page{}, fmt.Errorf("%w: search for events without created: %w", pipeline.ErrUnsupported, err)
	case err != nil:
		return pipeline.Page{}, err
	case !r.newest.IsZero():
		return pipeline.Page{}, fmt.Errorf("%w: search for events without created: others came", pipeline.ErrUnsupported)
	}
	return e.undatedPage(q, at, r), nil
}

// undatedPage is the page of an answer to q, requested at a place, and where to continue.
func (e *Events) undatedPage(q query, at undatedPlace, r *rows) pipeline.Page {
	page := pipeline.Page{Records: r.records, Next: encode(at), Warnings: e.warnings(r)}
	read := at.Offset + len(r.records)
	switch {
	case len(r.records) == 0:
	case q.order == byID && at.Offset == 0 && r.lastID != "" && r.lastID != at.ID:
		page.Next, page.More = encode(undatedPlace{ID: r.lastID}), true
	case q.after != nil: // rows without id, which sort last: from the beginning, by offset
		page.Next, page.More = encode(undatedPlace{ID: at.ID, Offset: 1}), true
	case read < maxPage:
		page.Next, page.More = encode(undatedPlace{ID: at.ID, Offset: read}), true
	default:
		page.Warnings = append(page.Warnings, "there are more events without created and id than search can page through")
	}
	return page
}
