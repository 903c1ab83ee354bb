package sailpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// contradictions counts successive answers in which the service counts more than it lists.
type contradictions int

// judge decides on the end of a listing at which the service counts hidden more rows than it
// listed. That happens briefly when an index is refreshed between the two, so the listing is
// requested again at first; after that, incomplete is the verdict.
func (c *contradictions) judge(hidden int64, what func() string) (incomplete, err error) {
	if hidden <= 0 {
		*c = 0
		return nil, nil
	}
	incomplete = errors.New(what() + ": the others are not delivered; the next run asks again")
	if *c++; *c < sightings {
		return nil, &pipeline.Retryable{Err: incomplete}
	}
	return incomplete, nil
}

// recount judges a walk that ended with an empty page although the total in its answer says that
// there is more. Rows in the cursor's own millisecond are counted but not listed again, so only
// later ones matter. The count costs one request for each place.
func (e *Events) recount(ctx context.Context, page pipeline.Page) (pipeline.Page, error) {
	at, from, err := begin(page.Next, page.From)
	if err != nil {
		return pipeline.Page{}, err
	}
	if at.ID != "" {
		from = from.Add(time.Millisecond)
	}
	hidden := int64(0)
	if from.Before(page.Through) {
		if hidden, err = e.c.Count(ctx, from, page.Through); err != nil {
			return pipeline.Page{}, err
		}
	}
	if hidden == 0 {
		e.end.at, e.end.rows = at, int(e.unlisted)
	}
	page.Incomplete, err = e.hides.judge(hidden, func() string {
		return fmt.Sprintf("search: SailPoint counts %d events from %s on, but lists none of them", hidden, formatMilli(from))
	})
	if page.Incomplete != nil {
		page.Through = time.Time{}
	}
	return page, err
}
