package identityiq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// pageRows is the page size to ask for: the largest that the plugin serves.
const pageRows = 1000

// Events is a stream of the plugin: the audit events, or the syslog. See the package comment.
type Events struct {
	reader
	stream string
	path   string
	// width is how long a window is expected to fit a page, and limit how many rows a page has at
	// most; 0 means that nothing is known.
	width time.Duration
	limit int
	// doubt is where pages could not be read.
	doubt doubt
	hides contradictions
	// undated is set once the warning about events without a time was given.
	undated bool
}

var (
	_ pipeline.Source       = (*Events)(nil)
	_ pipeline.Counter      = (*Events)(nil)
	_ pipeline.WindowReader = (*Events)(nil)
)

// Audits is the stream of audit events.
func (c *Client) Audits() *Events {
	return &Events{reader: reader{c: c, what: "audit events", name: "auditEvents"}, stream: "SailPointIIQ_Audit", path: "/plugin/rest/SIEMPlugin/audit-events"}
}

// Syslog is the stream of the application's own log of errors.
func (c *Client) Syslog() *Events {
	return &Events{reader: reader{c: c, what: "syslog events", name: "syslogEvents"}, stream: "SailPointIIQ_Syslog", path: "/plugin/rest/SIEMPlugin/syslog-events"}
}

// Stream implements [pipeline.Source].
func (e *Events) Stream() pipeline.Stream { return pipeline.Stream{ID: e.stream, Table: e.stream} }

// aheadMost is how far ahead of this machine's clock a cursor may be: the clock of the server, which
// dates the events, may be wrong as well.
const aheadMost = 24 * time.Hour

// Fetch implements [pipeline.Source]. The page's records are the events of the next window, oldest
// first; it ends at now − Settle at the latest.
func (e *Events) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	now := time.Now()
	if from, err := parsePlace(after); err == nil {
		if err := remote.Ahead(e.stream, from, now, aheadMost); err != nil {
			return pipeline.Page{}, err
		}
	}
	return e.fetch(ctx, now.Add(-e.c.cfg.Lookback), now.Add(-e.c.cfg.Settle), after)
}

// FetchWindow implements [pipeline.WindowReader].
func (e *Events) FetchWindow(ctx context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	return e.fetch(ctx, from, to, after)
}

// StartAt is the cursor before every event that was created at that moment or later.
func (e *Events) StartAt(at time.Time) pipeline.Cursor { return placeAt(at.Truncate(time.Millisecond)) }

// Count implements [pipeline.Counter].
func (e *Events) Count(ctx context.Context, from, to time.Time) (int64, error) {
	if !from.Before(to) {
		return 0, nil
	}
	const tries = 3
	got, err := e.read(ctx, window{from, to}, 1, 1)
	for number := 2; number <= tries && errors.As(err, new(*remote.Unreadable)); number++ {
		// The total is in the answer for any row, also if one of them can't be read.
		if other, failed := e.read(ctx, window{from, to}, number, 1); failed == nil {
			got, err = other, nil
		}
	}
	if err != nil || got.total >= 0 {
		return got.total, err
	}
	var n int64 // the server does not say, so they are counted
	for after := pipeline.Cursor(""); ; {
		page, err := e.fetch(ctx, from, to, after)
		if err != nil {
			return 0, err
		}
		if n += int64(len(page.Records)); !page.More {
			return n, nil
		}
		after = page.Next
	}
}

// fetch returns the next window that holds events, or the end.
func (e *Events) fetch(ctx context.Context, start, end time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	from, end := start.Truncate(time.Millisecond), end.Truncate(time.Millisecond)
	if err := ctx.Err(); err != nil {
		return pipeline.Page{}, err
	}
	if after != "" {
		var err error
		if from, err = parsePlace(after); err != nil {
			return pipeline.Page{}, err
		}
	}
	page := pipeline.Page{Next: after, From: from, Through: end}
	if page.Next == "" {
		page.Next = placeAt(from) // fixes the start of a first run even if nothing comes
	}
	for w := (window{from, from}); w.to.Before(end); {
		w = e.next(w.to, end)
		got, err := e.window(ctx, &w)
		if err != nil {
			return pipeline.Page{}, err
		}
		page.Warnings = append(page.Warnings, got.warnings...)
		if len(got.records) == 0 && got.incomplete == nil {
			continue
		}
		page.Records, page.Beside = got.records, recordBytes*len(got.records)
		page.Through, page.More = w.to, w.to.Before(end)
		next := w.to
		switch {
		case page.More && got.incomplete != nil:
			page.Warnings = append(page.Warnings, got.incomplete.Error())
		case page.More:
		case got.incomplete != nil:
			page.Incomplete, page.Through, next = got.incomplete, time.Time{}, w.from
		case got.newest.IsZero():
			next = from
		default:
			// At the end of the stream the cursor moves to an event that was seen, not to the end of the
			// range: so an event that is committed late but was created after the cursor is still found.
			next = got.newest.Add(time.Millisecond)
		}
		page.Next = placeAt(next)
		return page, nil
	}
	return page, nil
}

// recordBytes is about what a record takes besides its bytes.
const recordBytes = 200

// window is a range of created times, [from, to), in whole milliseconds.
type window struct{ from, to time.Time }

func (w window) width() time.Duration { return w.to.Sub(w.from) }

// narrow ends the window earlier, but not before its first millisecond has ended.
func (w *window) narrow(width time.Duration) {
	w.to = w.from.Add(max(width.Truncate(time.Millisecond), time.Millisecond))
}

func (w window) contains(t time.Time) bool { return !t.Before(w.from) && t.Before(w.to) }

// next is the window to try from a moment on.
func (e *Events) next(from, end time.Time) window {
	w := window{from, end}
	if e.width > 0 && e.width < w.width() {
		w.narrow(e.width)
	}
	return w
}

// found is what a window, or a page of one, holds.
type found struct {
	records []pipeline.Record
	total   int64 // −1 if the service does not say
	newest  time.Time
	bytes   int // of the answer
	// unsure: some of the records have no time of their own.
	unsure bool
	// repeats: page after page holds the same rows.
	repeats    bool
	warnings   []string
	incomplete error
}

// window reads a window that fits a page, and so is proven complete by the total in the same answer.
// It makes w as short as need be.
func (e *Events) window(ctx context.Context, w *window) (found, error) {
	for {
		got, err := e.read(ctx, *w, 1, pageRows)
		var bad *remote.Unreadable
		switch {
		case errors.As(err, &bad):
			if err := e.doubt.about(*w, bad, err); err != nil {
				return found{}, err
			}
			if w.width() <= time.Millisecond {
				return e.rowByRow(ctx, *w)
			}
			w.narrow(w.width() / 2)
			e.width = w.width()
			continue
		case err != nil:
			return found{}, e.doubt.explain(err)
		}
		n := len(got.records)
		switch {
		case got.unsure && !w.to.Equal(bucketEnd(*w)):
			w.to = bucketEnd(*w)
		case got.total < 0 && n > 0:
			return e.uncounted(ctx, w, got)
		case got.total <= int64(n):
			if e.doubtful(got.records) {
				e.limit = n
				return e.uncounted(ctx, w, got)
			}
			e.fitted(*w, got)
			e.doubt.past(*w)
			return e.dated(*w, got), nil
		case w.width() <= time.Millisecond:
			return e.millisecond(ctx, *w, true)
		default:
			e.shorten(w, got)
		}
	}
}

// doubtful reports whether a page need not hold all rows of its window, although the total beside it
// says so. It is the largest page so far: what limits pages may count only what it lets through.
// Rows in another order than that of their time leave nothing but the total.
func (e *Events) doubtful(records []pipeline.Record) bool {
	return len(records) > 0 && len(records) >= e.limit &&
		slices.IsSortedFunc(records, func(a, b pipeline.Record) int { return a.Time.Compare(b.Time) })
}

// shorten ends a window that does not fit a page before the last row of the page: if the rows are in
// order, that fits.
func (e *Events) shorten(w *window, got found) {
	if len(got.records) > 0 {
		e.limit = len(got.records)
	}
	width := w.width() / 2
	if last := got.newest.Sub(w.from); !got.newest.IsZero() {
		width = min(last, 3*w.width()/4)
	}
	w.narrow(width)
	e.width = w.width()
}

// fitted remembers how wide a window may be, from one that fits a page.
func (e *Events) fitted(w window, got found) {
	n := len(got.records)
	e.limit = max(e.limit, n)
	if w.width() < e.width {
		return // the range ended there
	}
	e.width = w.width()
	switch limit := cmp.Or(e.limit, pageRows); {
	case n == 0:
		e.width *= 16
	case got.bytes > maxBody/4:
	case n <= limit/8:
		e.width *= 4
	case n <= limit/2:
		e.width *= 2
	}
	e.width = min(e.width, widest)
}

const (
	// widest is the widest window, which must not overflow when it grows.
	widest = 365 * 24 * time.Hour
	// afterCrowd is the width of the window after a millisecond that does not fit a page.
	afterCrowd = time.Second
)

// ledgerWindow is the width of the ledger's windows: one look at events touches few of them.
const ledgerWindow = 5 * time.Minute

// bucketEnd is the end of w, or the end of the ledger's window that it begins in. An event without a
// time of its own can be placed in a window that lies in one of the ledger's.
func bucketEnd(w window) time.Time {
	end := w.from.Truncate(ledgerWindow).Add(ledgerWindow)
	if w.to.Before(end) {
		return w.to
	}
	return end
}

// dated puts the records in order, and gives those without a time the window's: the service counts
// them there.
func (e *Events) dated(w window, got found) found {
	slices.SortStableFunc(got.records, func(a, b pipeline.Record) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID) // rows of one millisecond come in any order
	})
	if !got.unsure {
		return got
	}
	undated := 0
	copies := map[string]int{}
	for i := range got.records {
		rec := &got.records[i]
		if !rec.Time.IsZero() {
			continue
		}
		rec.Time = w.from.UTC()
		if rec.Flaw == "" {
			undated++
		}
		if len(rec.ID) == hashedID && rec.ID[:len(hashed)] == hashed {
			rec.ID += "@" + w.from.UTC().Truncate(ledgerWindow).Format("2006-01-02T15:04Z")
			if copies[rec.ID]++; copies[rec.ID] > 1 {
				rec.ID += "#" + strconv.Itoa(copies[rec.ID])
			}
		}
	}
	if undated > 0 && !e.undated {
		e.undated = true
		got.warnings = append(got.warnings, fmt.Sprintf("%s: %d of them have no created time, or one that can't be read; they are delivered, and dated when they arrive", e.what, undated))
	}
	return got
}

// uncounted is for a server that does not say how many events there are, or may not be believed: then
// only the order of the rows says what is complete, which is everything before the last millisecond
// of a page.
func (e *Events) uncounted(ctx context.Context, w *window, got found) (found, error) {
	if w.width() <= time.Millisecond {
		return e.millisecond(ctx, *w, false)
	}
	first, last := time.Time{}, time.Time{}
	for _, rec := range got.records {
		switch {
		case rec.Time.IsZero():
			continue
		case rec.Time.Before(last):
			return found{}, fmt.Errorf("%s: the answer has neither a total nor an order, so what is missing can't be known: update the plugin", e.what)
		case first.IsZero():
			first = rec.Time
		}
		last = rec.Time
	}
	if last.IsZero() || first.Equal(last) {
		if last.IsZero() || last.Equal(w.from) {
			w.narrow(time.Millisecond)
			return e.millisecond(ctx, *w, false)
		}
		w.to = last // nothing is before it
		return found{}, nil
	}
	w.to = last
	kept := got.records[:0]
	for _, rec := range got.records {
		if rec.Time.Before(last) {
			kept = append(kept, rec)
		}
	}
	got.records = kept
	got.newest = last.Add(-time.Millisecond)
	return e.dated(*w, got), nil
}

// millisecond reads a single millisecond that does not fit a page, by page number. Its rows have no
// order, so pages may repeat rows and leave others out: it reads until it has as many as the service
// counts, or, if the service does not say or is not to be believed, until a reading brings nothing new.
// Something that drops startIndex from requests has every page be the first one, and none the last: so a
// reading also ends once it has listed twice as many rows as there are.
func (e *Events) millisecond(ctx context.Context, w window, counted bool) (found, error) {
	all, seen := found{total: -1}, map[string]bool{}
	for stale := 0; stale < jsonwalk.Sightings; {
		fresh, listed := false, 0
		for number := 1; ; number++ {
			got, err := e.read(ctx, w, number, pageRows)
			var bad *remote.Unreadable
			switch {
			case errors.As(err, &bad):
				if err := e.doubt.about(w, bad, err); err != nil {
					return found{}, err
				}
				return e.rowByRow(ctx, w)
			case err != nil:
				return found{}, e.doubt.explain(err)
			}
			if !counted {
				got.total = -1
			}
			all.total, all.unsure = got.total, all.unsure || got.unsure
			for _, rec := range got.records {
				if !seen[rec.ID] {
					seen[rec.ID], fresh = true, true
					all.records = append(all.records, rec)
				}
			}
			listed += len(got.records)
			all.repeats = listed > 2*len(seen)
			if len(got.records) == 0 || got.total >= 0 && int64(len(seen)) >= got.total || all.repeats {
				break
			}
		}
		switch {
		case all.total >= 0 && int64(len(seen)) >= all.total, all.total < 0 && !fresh:
			return e.moment(w, all)
		case !fresh:
			stale++
		}
	}
	return e.moment(w, all)
}

// moment is what a millisecond holds, and judges whether that is all.
func (e *Events) moment(w window, all found) (found, error) {
	all.newest, e.width = w.from, afterCrowd
	e.doubt.past(w)
	hidden := all.total - int64(len(all.records))
	what := fmt.Sprintf("%s: IdentityIQ counts %d created at %s, but lists only %d", e.what, all.total, formatMilli(w.from), len(all.records))
	if all.repeats {
		hidden = max(hidden, 1)
		what = fmt.Sprintf("%s: of those created at %s, %s lists the same %d on page after page: something in between drops startIndex from the query of a request, so what does not fit the first page can't be read",
			e.what, formatMilli(w.from), e.c.host(), len(all.records))
	}
	var err error
	all.incomplete, err = e.hides.judge(formatMilli(w.from), hidden, what)
	return e.dated(w, all), err
}

// read reads one page of a window.
func (e *Events) read(ctx context.Context, w window, number, count int) (found, error) {
	q := call{what: e.what, part: plugin, path: e.path, query: url.Values{
		"startTime":  {strconv.FormatInt(w.from.UnixMilli()-1, 10)}, // both are exclusive
		"endTime":    {strconv.FormatInt(w.to.UnixMilli(), 10)},
		"startIndex": {strconv.Itoa(number)},
		"count":      {strconv.Itoa(count)},
	}}
	if count == 1 {
		q.limit = maxRow
	}
	body, err := e.c.get(ctx, q)
	if err != nil {
		return found{}, err
	}
	got := found{total: -1, bytes: len(body)}
	var rows []byte
	outside := time.Time{}
	got.total, err = e.rows(body, []string{"id", "created"}, func(l list) {
		got.records, got.newest, got.unsure, outside = got.records[:0], time.Time{}, false, time.Time{}
		rows = make([]byte, 0, len(l.rows)+len(l.rows)/8+64)
	}, func(el jsonwalk.Element) error {
		rec := pipeline.Record{ID: idOf(el.Picks[0], el.Raw), Flaw: el.Flaw}
		at, ok := timeOf(el.Picks[1])
		switch {
		case !ok:
			got.unsure = true
		case !w.contains(at):
			outside = at
		default:
			rec.Time = at
			if at.After(got.newest) {
				got.newest = at
			}
		}
		from := len(rows)
		if rec.Flaw == "" {
			rows = appendRow(rows, el.Raw, rec.Time, true)
		} else {
			rows = append(rows, el.Raw...)
		}
		rec.Raw = rows[from:len(rows):len(rows)]
		got.records = append(got.records, rec)
		return nil
	})
	if err == nil && !outside.IsZero() {
		return found{}, fmt.Errorf("%s: asked for %s to %s, %s answered with an event of %s: something in between drops the query of a request, or the plugin does not know startTime and endTime",
			e.what, formatMilli(w.from), formatMilli(w.to), e.c.host(), formatMilli(outside))
	}
	if err == nil {
		e.c.bodies.Put(body)
	}
	return got, err
}

// explain prefers the error of an unreadable answer to the error that there was no time to read it
// again.
func (d *doubt) explain(err error) error {
	if d.cause == nil || !errors.Is(err, retry.ErrNoTime) {
		return err
	}
	return &pipeline.Retryable{Err: d.cause}
}
