package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

const (
	// remembered is how long Okta keeps events.
	remembered = 90 * 24 * time.Hour
	// margin is how long before the newest delivered event the stream begins again after the org has
	// refused its place.
	margin = time.Hour
	// present is how young an event on a page is that shows that the page has come to the present.
	present = 2 * time.Minute
	// maxRestarts is how often in a row the org may refuse a place that it has just given.
	maxRestarts = 3
)

// Logs is the stream of events; see the package comment.
type Logs struct {
	c        *Client
	size     pageSize
	restarts int // since the org last accepted a place
	shapes   jsonwalk.Shapes
	flaws    jsonwalk.Flaws
	trouble  trouble
	largest  int    // events on the largest page of the tail: the org may serve no more
	circle   circle // of the tail
	windows  circle
	last     answer // of the tail, without its body: what it says about limit and clock
}

var (
	_ pipeline.Source       = (*Logs)(nil)
	_ pipeline.WindowReader = (*Logs)(nil)
)

// Logs is the stream of events.
func (c *Client) Logs() *Logs {
	return &Logs{c: c, size: pageSize{most: c.cfg.PageSize, now: c.cfg.PageSize}}
}

// Stream implements [pipeline.Source].
func (l *Logs) Stream() pipeline.Stream { return pipeline.Stream{ID: "Okta", Table: "Okta"} }

// StartAt is the cursor before every event that was persisted at that moment or later.
func (l *Logs) StartAt(at time.Time) pipeline.Cursor { return place{Newest: at}.encode() }

// Fetch implements [pipeline.Source].
func (l *Logs) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	now := time.Now()
	at := place{Newest: now.Add(-min(l.c.cfg.Lookback, remembered)).Truncate(time.Millisecond)}
	if after != "" {
		var err error
		if at, err = parsePlace(after); err != nil {
			return pipeline.Page{}, err
		}
	}
	if err := remote.Ahead(l.Stream().ID, at.Newest, now, clockSlack); err != nil {
		return pipeline.Page{}, err
	}
	if other := at.strays(logsPath); other != "" { // it was stored before links were checked, or by another connector
		return l.beginAgain(ctx, at, errors.New("the link to it "+other))
	}
	page, err := l.tail(ctx, at, after)
	var refused *refusal
	if at.Next == "" || !errors.As(err, &refused) || !refused.ofPlace() {
		return page, err
	}
	return l.beginAgain(ctx, at, err)
}

// ofPlace reports whether a place in the log may be what was refused.
func (e *refusal) ofPlace() bool {
	switch e.status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusGone, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		return !e.proof
	}
	return false
}

// beginAgain reads from an hour before the newest event, after the place at was refused: by the org,
// or because its link leads to something else than the log from there on.
func (l *Logs) beginAgain(ctx context.Context, at place, refused error) (pipeline.Page, error) {
	if l.restarts == maxRestarts {
		l.restarts = 0 // the next run tries again: the stored place may stay refused for ever
		return pipeline.Page{}, fmt.Errorf("each place in the log that the org has just given is refused: %w", refused)
	}
	from := at.Newest.Add(-margin)
	if oldest := time.Now().Add(-remembered); from.Before(oldest) {
		from = oldest
	}
	page, err := l.tail(ctx, place{Newest: from}, "")
	var retry *pipeline.Retryable
	switch {
	case err == nil:
	case errors.As(err, &retry), ctx.Err() != nil:
		return page, err
	case errors.As(refused, new(*refusal)): // the request without the place is refused as well: the place was not at fault
		return page, refused
	default:
		return page, err
	}
	l.restarts++
	page.Warnings = append(page.Warnings, fmt.Sprintf("the stored place in the log is no longer accepted (%v): events are read again from %s on, and those that were delivered are recognised by their ids",
		refused, from.UTC().Format(time.RFC3339)))
	return page, nil
}

// tail reads the page at a place. after is the place as a cursor.
func (l *Logs) tail(ctx context.Context, at place, after pipeline.Cursor) (pipeline.Page, error) {
	q := &query{at: at}
	r, err := l.read(ctx, q)
	if err != nil {
		return pipeline.Page{}, err
	}
	l.last = r.answer
	l.last.body = nil // a page is large, and its memory goes back
	if at.Next != "" {
		l.restarts = 0
	}
	if r.next == "" {
		return pipeline.Page{}, &pipeline.Retryable{Err: fmt.Errorf("read the System Log: the answer has no link to the next page: something between this machine and %s removes the header Link, or OKTA_ORG_URL is not an Okta org", l.c.host())}
	}
	r.dateFlawed(at.Newest, time.Time{})
	newest := at.Newest
	if r.newest.After(newest) {
		newest = r.newest
	}
	if now := time.Now(); newest.After(now) {
		newest = now.Truncate(time.Millisecond) // an event dated in the future must not move the place there
	}
	page := pipeline.Page{Records: r.records, Next: place{Next: r.next, Newest: newest}.encode(), From: at.from(), Through: newest, Release: r.release}
	closed := l.circle.closes(at.Next, r.next)
	if q.loops(r.next) { // without events it is the end, in the words of some versions
		if page.Next = after; after == "" {
			page.Next = at.encode()
		}
		if len(r.records) > 0 { // there may be more, and nothing leads to it
			page.Incomplete = errors.New("read the System Log: the next link of a page with events leads to the page itself, so what follows can't be read: a cache between this machine and " + l.c.host() + " may answer in its place")
			return page, nil
		}
	} else if closed && len(r.records) > 0 {
		page.Incomplete = errors.New("read the System Log: the next links lead in a circle, so what follows can't be read: a cache between this machine and " + l.c.host() + " may answer in its place")
		return page, nil
	} else {
		l.largest = max(l.largest, len(r.records))
		page.More = len(r.records) > 0 && (len(r.records) >= min(r.limit, l.largest) || !r.reaches(present))
	}
	if !page.More && r.asked.After(newest) {
		page.Through = r.asked
	}
	return page, nil
}

// reaches reports whether a page has an event that is younger than that.
func (r *read) reaches(age time.Duration) bool {
	now := r.date
	if now.IsZero() {
		now = r.asked
	}
	return r.newest.After(now.Add(-age))
}

// FetchWindow implements [pipeline.WindowReader].
func (l *Logs) FetchWindow(ctx context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	q := &query{at: place{Newest: from}, from: from, to: to}
	if after != "" {
		var err error
		if q.at, err = parsePlace(after); err != nil {
			return pipeline.Page{}, err
		}
		if q.at.strays(boundedTarget(from, to, 1)) != "" {
			q.at = place{Newest: from} // what comes again is recognised
		}
	}
	r, err := l.read(ctx, q)
	if err != nil {
		return pipeline.Page{}, err
	}
	newest := q.at.Newest
	if r.newest.After(newest) {
		newest = r.newest
	}
	r.dateFlawed(q.at.Newest, to.Add(-time.Millisecond))
	more := r.next != "" && len(r.records) > 0 && !q.loops(r.next)
	if more && l.windows.closes(q.at.Next, r.next) {
		return pipeline.Page{}, errors.New("read the System Log: the next links of a window lead in a circle: a cache between this machine and " + l.c.host() + " may answer in its place")
	}
	r.within(from, to)
	page := pipeline.Page{Records: r.records, Next: place{Next: r.next, Newest: newest}.encode(), More: more, Release: r.release}
	return page, nil
}

// query is one page of a request.
type query struct {
	at place
	// from and to are the window of a bounded request.
	from, to time.Time
}

func (q *query) bounded() bool { return !q.to.IsZero() }

// spot distinguishes the place from others. That of a first page, which no link leads to, moves
// with the time and stays the same spot.
func (q *query) spot() spot { return spot{q.at.Next, q.from} }

// target is the path and query to ask for.
func (q *query) target(limit int) string {
	if q.at.Next == "" && q.bounded() {
		return boundedTarget(q.from, q.to, limit)
	}
	return q.at.target(limit)
}

// boundedTarget asks for a window. Whether since and until belong to it is not documented: what is
// too much is dropped.
func boundedTarget(from, to time.Time, limit int) string {
	return logsPath + "?" + url.Values{
		"since": {formatTime(from.Add(-time.Millisecond))}, "until": {formatTime(to)}, "sortOrder": {"ASCENDING"}, "limit": {strconv.Itoa(limit)},
	}.Encode()
}

// loops reports whether a next link leads to the page itself.
func (q *query) loops(next string) bool {
	return place{Next: next}.target(1) == q.target(1)
}

// read is a page that has been read.
type read struct {
	*rows
	answer
	limit   int // that was asked for
	release func()
}

// read reads a page, in smaller and smaller pieces if it can't be read.
func (l *Logs) read(ctx context.Context, q *query) (*read, error) {
	limit := l.size.now
	if l.trouble.limit > 0 {
		limit = min(limit, l.trouble.limit)
	}
	for {
		r, err := l.try(ctx, q.target(limit), limit)
		var bad *remote.Unreadable
		switch {
		case err == nil:
			l.trouble.sound(limit, l.size.now)
			l.size.served()
			return r, nil
		case isSlow(err) && ctx.Err() == nil:
			l.size.failed(limit, minPage)
			return nil, err
		case !errors.As(err, &bad):
			return nil, l.trouble.explain(err)
		case l.trouble.limit == 0 && !bad.Large && l.trouble.again(q.spot()) < jsonwalk.Sightings:
			l.trouble.cause = bad
			return nil, err
		}
		if l.trouble.cause = bad; limit == 1 {
			return l.stepOver(ctx, q, r, bad)
		}
		limit /= 2
		l.trouble.limit, l.trouble.good = limit, 0
	}
}

// try asks for a page once. If the answer came and can't be read, it is returned with the error,
// without rows.
func (l *Logs) try(ctx context.Context, target string, limit int) (*read, error) {
	most := int64(smallBody)
	if limit == 1 {
		most = maxBody
	}
	a, err := l.c.get(ctx, target, most)
	if err != nil {
		return &read{answer: a}, err
	}
	release := func() { l.c.pages.Put(a.body) }
	r, err := readRows(a.body, limit, l.shapes.Walk)
	if err == nil {
		return &read{rows: r, answer: a, limit: limit, release: release}, nil
	}
	r, recovered := readRows(a.body, limit, l.flaws.Recover)
	switch {
	case recovered != nil:
	case len(r.records) == r.flawed && limit > 1: // nothing sound is beside them: look closer
		recovered = errAllFlawed
	case len(r.records) == r.flawed && !l.others(ctx, target):
		recovered = jsonwalk.ErrDoubtful
	default:
		recovered = l.flaws.Confirm()
	}
	if recovered == nil {
		return &read{rows: r, answer: a, limit: limit}, nil // what is broken is kept: no release
	}
	return &read{answer: a}, l.c.malformed(a, err, recovered)
}

// othersWithin is how far back a sound event is looked for.
const othersWithin = 7 * 24 * time.Hour

// others reports whether the org serves sound events at this moment. Without them a page of only
// broken ones proves nothing: the org or the connection may be at fault.
func (l *Logs) others(ctx context.Context, but string) bool {
	now := time.Now()
	target := boundedTarget(now.Add(-othersWithin), now, 10)
	if target == but {
		return false
	}
	a, err := l.c.get(ctx, target, smallBody)
	if err != nil {
		return false
	}
	sound := false
	_, err = jsonwalk.Recover(a.body, nil, func(e jsonwalk.Element) error {
		sound = sound || e.Flaw == ""
		return nil
	})
	return err == nil && sound
}

var errAllFlawed = errors.New("no event of the page can be read")
