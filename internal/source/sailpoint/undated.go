package sailpoint

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// undatedPlace is where a walk through the events without created stands.
type undatedPlace struct {
	ID string `json:"id"`
}

// FetchUndated implements [pipeline.Undated]: it pages through the events that
// have no created, which no range of time finds, in the order of their ids. The
// filter for them is documented for search, but not for this field: a service
// that refuses it, or that ignores it and shows other events, is
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
	r, err := e.run(ctx, q, false)
	var refused *refusal
	switch {
	case errors.As(err, &refused) && refused.status == http.StatusBadRequest:
		return pipeline.Page{}, fmt.Errorf("%w: search for events without created: %w", pipeline.ErrUnsupported, err)
	case err != nil:
		return pipeline.Page{}, err
	case !r.newest.IsZero():
		return pipeline.Page{}, fmt.Errorf("%w: search for events without created: others came", pipeline.ErrUnsupported)
	}
	page := pipeline.Page{Records: r.records, Next: encode(at), Warnings: e.warnings(r)}
	if len(r.records) < q.limit {
		return page, nil
	}
	if q.order == unsorted || r.lastID == "" || r.lastID == at.ID {
		page.Warnings = append(page.Warnings, "there are more events without created and id than search can page through")
		return page, nil
	}
	page.Next, page.More = encode(undatedPlace{r.lastID}), true
	return page, nil
}
