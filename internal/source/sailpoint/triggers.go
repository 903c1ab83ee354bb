package sailpoint

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// TriggersRemembered is how long the service keeps an invocation after its end;
// failed ones twice as long.
const TriggersRemembered = 24 * time.Hour

const (
	// triggersPage is the largest page of the status endpoint.
	triggersPage = 250
	// triggersOverlap is how far pages of a sweep overlap. Arrivals during a sweep
	// push rows to later pages, where they come twice; expiries pull rows to
	// earlier pages, where they would be missed without it. The next sweep sees
	// them in any case.
	triggersOverlap = 10
	// triggersKept is how many invocations the service keeps in all.
	triggersKept = 2000
	// triggersEnd ends a sweep of a service that always answers with a full page.
	triggersEnd = 5 * triggersKept
	// sweepAge is the age at which a sweep that was interrupted is begun anew: the
	// list has moved too far.
	sweepAge = 5 * time.Minute
)

// Triggers is the stream of trigger invocations, see the package comment.
type Triggers struct{ c *Client }

var _ pipeline.Source = (*Triggers)(nil)

// sweep is the place within a sweep. Its JSON is the cursor.
type sweep struct {
	Offset int `json:"offset"`
	// Begun is when the sweep began; absent in front of one.
	Begun string `json:"sweep,omitempty"`
	// Seen is how many rows the sweep has read, if Offset does not tell.
	Seen int `json:"seen,omitzero"`
}

// seen is how many rows of the list the sweep has read before it stands at s.
func (s sweep) seen() int {
	switch {
	case s.Seen > 0:
		return s.Seen
	case s.Offset > 0:
		return s.Offset + triggersOverlap
	}
	return 0
}

// Stream implements [pipeline.Source].
func (t *Triggers) Stream() string { return "SailPointIDN_Triggers" }

// Fetch implements [pipeline.Source]. The page's records are one page of a
// sweep, newest first; what was delivered before is among them.
func (t *Triggers) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	now := time.Now()
	at, begun, err := beginSweep(after, now)
	if err != nil {
		return pipeline.Page{}, err
	}
	records, total, err := t.read(ctx, at.Offset, triggersPage)
	if err != nil {
		return pipeline.Page{}, err
	}
	page := pipeline.Page{Records: records, Warnings: t.c.warnings(t.c.triggers)}
	reach := at.Offset + len(records)
	if reach > at.seen() && int64(reach) != total && at.Offset < triggersEnd {
		// A short page is not the end: the service may serve fewer than it was asked for.
		next := sweep{Offset: reach - min(triggersOverlap, len(records)/2), Begun: formatMilli(begun)}
		if next.seen() != reach {
			next.Seen = reach
		}
		page.Next, page.More = encode(next), true
		return page, nil
	}
	if reach >= triggersKept {
		page.Warnings = append(page.Warnings, fmt.Sprintf("the list of trigger invocations is full (%d): "+
			"older ones may have dropped out of it before they were read; a shorter POLL_SCHEDULE reads it more often", triggersKept))
	}
	page.Next, page.Through = encode(sweep{}), begun
	return page, nil
}

// beginSweep is where to go on, and when that sweep began.
func beginSweep(after pipeline.Cursor, now time.Time) (sweep, time.Time, error) {
	fresh := now.Truncate(time.Millisecond)
	if after == "" {
		return sweep{}, fresh, nil
	}
	var at sweep
	if err := decode(after, &at); err != nil {
		return sweep{}, fresh, err
	}
	begun, ok := parseTime([]byte(at.Begun))
	if at.Offset <= 0 || !ok || now.Sub(begun).Abs() > sweepAge {
		return sweep{}, fresh, nil
	}
	return at, begun, nil
}

// read reads one page of the list. total is the length of the list; −1 if the service
// does not say.
func (t *Triggers) read(ctx context.Context, offset, limit int) (records []pipeline.Record, total int64, err error) {
	page, err := t.c.readPage(ctx, call{ep: t.c.triggers, query: url.Values{
		"limit":   {strconv.Itoa(limit)},
		"offset":  {strconv.Itoa(offset)},
		"sorters": {"-created"},
		"count":   {"true"},
	}})
	if err != nil {
		return nil, 0, err
	}
	var rows rowWriter
	err = jsonwalk.Walk(page.body, invocationNames(), func(e jsonwalk.Element) error {
		inv := readInvocation(e)
		row, err := rows.row(e.Raw, inv)
		if err != nil {
			return fmt.Errorf("invocation %d: %w", e.Index, err)
		}
		records = append(records, pipeline.Record{ID: inv.recordID(), Time: inv.time(), Raw: row})
		return nil
	})
	if err != nil {
		return nil, 0, t.c.malformed(t.c.triggers.name, page.body, err)
	}
	return records, page.total, nil
}
