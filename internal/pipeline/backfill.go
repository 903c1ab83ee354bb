package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// BackfillRequest says what to deliver once more.
type BackfillRequest struct {
	// From and To bound the event time, [From, To), in whole milliseconds.
	From, To time.Time
	// Checkpoints keep how far it is. The place is theirs alone: the stream's checkpoint is not touched.
	Checkpoints Checkpoints
	// Saving, if set, is called with the numbers of this run before each save.
	Saving func(Report)
}

// Backfill delivers what the source lists for a range of event time and the ledger does not have.
// It is a run like any other, with the lock of the stream and with its delivery, whose source is
// the range. It is [Drained] at the end of the range.
//
// Nothing goes into the spool, because the range can be read again, and nothing is audited or
// removed: that is what the runs of the stream do.
func (r *Runner) Backfill(ctx context.Context, ask BackfillRequest) Report {
	src, ok := r.Source.(WindowReader)
	if !ok {
		err := fmt.Errorf("the source of %s can't read its past again", r.Source.Stream().ID)
		return Report{Stream: r.Source.Stream().ID, State: Failed, Err: err, Error: err.Error()}
	}
	job := *r
	job.Source = &timeRange{src: src, stream: r.Source.Stream(), from: ask.From, to: ask.To}
	job.Checkpoints, job.Saving = ask.Checkpoints, ask.Saving
	job.Quarantine = keeper{r.Quarantine}
	job.Spool, job.Remembers, job.Lookback, job.Longest, job.AuditPolicy = nil, 0, 0, 0, AuditPolicy{}
	return job.Run(ctx)
}

// keeper is a quarantine that only keeps.
type keeper struct{ Quarantine }

// leg is how much of a range is read as one window. If a source no longer knows a place within it,
// the leg is read again.
const leg = 24 * time.Hour

// JobPlace is where a backfill continues. Its JSON is the cursor.
type JobPlace struct {
	// Leg is where the current leg begins, and After the source's cursor in it.
	Leg   time.Time `json:"leg"`
	After Cursor    `json:"after,omitzero"`
	// Newest is the event time of the newest record so far.
	Newest time.Time `json:"newest,omitzero"`
}

// ParseJobPlace reads the cursor of a backfill.
func ParseJobPlace(c Cursor) (p JobPlace, err error) {
	if err := json.Unmarshal([]byte(c), &p); err != nil {
		return p, fmt.Errorf("the place of the backfill can't be read: %w", err)
	}
	return p, nil
}

func (p JobPlace) cursor() (Cursor, error) {
	b, err := json.Marshal(p)
	return Cursor(b), err
}

// timeRange is a range of a source as a source of its own.
type timeRange struct {
	src      WindowReader
	stream   Stream
	from, to time.Time
	fetched  bool // a page of this run
}

// Stream implements [Source].
func (r *timeRange) Stream() Stream { return r.stream }

// Fetch implements [Source].
func (r *timeRange) Fetch(ctx context.Context, after Cursor) (Page, error) {
	at := JobPlace{Leg: r.from}
	if after != "" {
		var err error
		if at, err = ParseJobPlace(after); err != nil {
			return Page{}, err
		}
		if at.Leg.Before(r.from) || at.Leg.After(r.to) {
			return Page{}, fmt.Errorf("the place of the backfill, %s, is not within its range", at.Leg.UTC().Format(time.RFC3339))
		}
	}
	if !at.Leg.Before(r.to) {
		return Page{Next: after}, nil
	}
	end := at.Leg.Truncate(leg).Add(leg)
	if end.After(r.to) {
		end = r.to
	}
	page, err := r.window(ctx, &at, end)
	if err != nil {
		return Page{}, err
	}
	r.fetched = true
	if page.More && page.Next == at.After {
		return Page{}, standsStill(r.stream.ID)
	}
	at.After = page.Next
	if !page.More {
		at.Leg, at.After = end, ""
	}
	for _, rec := range page.Records {
		if rec.Time.After(at.Newest) && rec.Time.Before(end) {
			at.Newest = rec.Time
		}
	}
	if page.Incomplete != nil { // the comparison at the end has the last word
		page.Warnings = append(page.Warnings, page.Incomplete.Error())
	}
	page.From, page.Through, page.Incomplete = time.Time{}, time.Time{}, nil
	page.More = at.Leg.Before(r.to)
	page.Next, err = at.cursor()
	return page, err
}

// window reads the next page of a leg. A place from an earlier run may be too old for the source:
// then the leg is read from its beginning, and what of it was delivered is known.
func (r *timeRange) window(ctx context.Context, at *JobPlace, end time.Time) (Page, error) {
	page, err := r.src.FetchWindow(ctx, at.Leg, end, at.After)
	var passing *Retryable
	if err == nil || at.After == "" || r.fetched || ctx.Err() != nil || errors.As(err, &passing) {
		return page, err
	}
	again, failed := r.src.FetchWindow(ctx, at.Leg, end, "")
	if failed != nil {
		return Page{}, err
	}
	at.After = ""
	again.Warnings = append(again.Warnings, fmt.Sprintf("the source no longer accepts the place in the day from %s (%v): it is read again, and what was delivered is recognised", at.Leg.UTC().Format(time.RFC3339), err))
	return again, nil
}
