package sailpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// tooLarge is the error for a page that is too large: by its body, or according to a gateway (413).
// It is nil for any other error.
func tooLarge(rows int, err error) error {
	bad := &remote.Unreadable{Err: fmt.Errorf("a page of %d rows is too large: %w", rows, err), Large: true}
	var (
		large   *transport.TooLarge
		refused *refusal
	)
	switch {
	case errors.As(err, &large):
		bad.Start, bad.Size = large.Start, int(large.Max)
	case !errors.As(err, &refused) || refused.status != http.StatusRequestEntityTooLarge:
		return nil
	}
	return &pipeline.Retryable{Err: bad}
}

// unreadable is the error for an answer that neither [jsonwalk.Walk] nor, for the reason in
// recovered, [jsonwalk.Recover] can read. A page with broken rows that are not confirmed yet says
// nothing about the rows, nor does a gateway's page.
func (c *Client) unreadable(what string, body []byte, walked, recovered error) error {
	err := c.malformed(what, body, walked)
	if errors.Is(recovered, jsonwalk.ErrDoubtful) || transport.Gateway(http.StatusOK, nil, body, c.peer(), c.hidden()...) != nil {
		return err
	}
	return &pipeline.Retryable{Err: remote.Broken(err, body)}
}

// passed notes a page that was read. If it was a single row as large as a page may be, that row
// made pages too large, and is now passed.
func (c *Client) passed(q *query, page answer) {
	if q.limit == 1 && len(page.body) > smallBody/2 {
		c.size.restore()
	}
}

// The patience with rows that can't be read is that with rows that break the rules.
const (
	sightings = jsonwalk.Sightings
	patience  = jsonwalk.Patience
)

// othersWithin is how far before its end the range of a page is extended to find a sound row.
const othersWithin = 30 * 24 * time.Hour

// others returns nil if the tenant serves sound rows at this moment, and jsonwalk.ErrDoubtful if not.
// Without them a page of only broken rows proves nothing: the service or the connection may be at
// fault.
func (e *Events) others(ctx context.Context, page query) error {
	q := query{from: page.from, to: page.to, order: byCreated, limit: 10}
	if page.undated {
		q.from, q.to = time.Now(), time.Now()
	}
	if now := time.Now(); now.After(q.to) {
		q.to = now // what came later proves as much, and the page may be the first one of all
	}
	if wide := q.to.Add(-othersWithin).Truncate(time.Millisecond); wide.Before(q.from) {
		q.from = wide
	}
	found, err := e.c.searchPage(ctx, &q)
	if err != nil {
		return jsonwalk.ErrDoubtful
	}
	var sound bool
	_, err = jsonwalk.Recover(found.body, nil, func(el jsonwalk.Element) error {
		sound = sound || el.Flaw == ""
		return nil
	})
	if err != nil || !sound {
		return jsonwalk.ErrDoubtful
	}
	return nil
}

// trouble is a place in the stream after which pages can't be read.
type trouble struct {
	cause *remote.Unreadable // the last answer that could not be read, nil once one was
	after pipeline.Cursor
	times int
	limit int // the page size on the way past a row; 0 means the usual size
	good  int // successive pages of that size that were read
}

// sound notes a page of limit rows that was read: after several in a row, the unreadable row is
// further away than it seemed, and pages grow again.
func (t *trouble) sound(limit, full int) {
	if t.good++; t.limit > 0 && t.good > 1 {
		t.limit, t.good = 2*limit, 0
	}
	if t.limit >= full {
		t.limit = 0
	}
}

// again counts a page after that place that could not be read.
func (t *trouble) again(after pipeline.Cursor) int {
	if t.after != after || t.times == 0 {
		t.after, t.times = after, 0
	}
	t.times++
	return t.times
}

// fetch is page, but it gets past a row that can't be read: when the page after a cursor has failed
// several times, it is read again in smaller and smaller pieces, by row number.
func (e *Events) fetch(ctx context.Context, start, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	for {
		size := e.c.size.get()
		page, err := e.page(ctx, start, to, after)
		var bad *remote.Unreadable
		switch {
		case err == nil:
			e.trouble.times, e.trouble.cause = 0, nil
			return page, nil
		case !errors.As(err, &bad):
			return page, e.trouble.explain(err)
		case bad.Large && e.c.size.get() < size:
			continue // retry with smaller pages without waiting
		}
		e.trouble.cause = bad
		at, _, parsed := begin(after, start)
		if parsed != nil || at.Skip != nil || e.trouble.again(after) < sightings {
			return page, err
		}
		e.trouble.times = 0
		e.c.size.restore()
		next := place{Created: at.Created, Skip: &skip{}}
		return pipeline.Page{Next: encode(next), More: true}, nil
	}
}

// explain prefers the error of an unreadable answer to the error that there was no time to read it
// again.
func (t *trouble) explain(err error) error {
	if t.cause == nil || !errors.Is(err, retry.ErrNoTime) {
		return err
	}
	return &pipeline.Retryable{Err: t.cause}
}

// fetchSkip reads rows by number from at.Created on. A page that can't be read is halved until one
// row is left; past that row it continues by number until a row can be the cursor.
func (e *Events) fetchSkip(ctx context.Context, at place, from, to time.Time) (pipeline.Page, error) {
	page, err := e.nextByNumber(ctx, at, from, to)
	if err != nil {
		return page, err
	}
	// The numbers count only if they have not changed since the last page.
	same := true
	switch {
	case at.Skip.Again >= maxAgain && !page.More:
		return e.endByNumber(ctx, at, from, to, page), nil
	case at.Skip.Again < maxAgain && at.Skip.Last != "":
		same, err = e.sameNumbers(ctx, at, from, to)
	}
	switch {
	case err != nil:
		return pipeline.Page{}, err
	case same:
		return page, nil
	}
	again := place{Created: at.Created, Skip: &skip{Again: at.Skip.Again + 1}}
	return pipeline.Page{Next: encode(again), More: true}, nil
}

// endByNumber is the end of a walk whose numbers change too often to be checked: if rows have
// vanished, it goes back to the number that the next one will have. A count that fails is made again
// when the end is asked for again.
func (e *Events) endByNumber(ctx context.Context, at place, from, to time.Time, end pipeline.Page) pipeline.Page {
	n, err := e.Count(ctx, from, to)
	if err != nil || n >= int64(at.Skip.Done) {
		return end
	}
	s := *at.Skip
	s.Done, s.Sound, s.Last = int(n), min(s.Sound, int(n)), ""
	return pipeline.Page{Next: encode(place{Created: at.Created, Skip: &s}), More: true}
}

// maxAgain is how often a walk by number begins again. Some tenants change the order of rows with
// equal times from request to request; what such a walk misses, the audits find.
const maxAgain = 3

// sameNumbers reports whether the last readable row of the pages before still has its number. It has
// not if a row was indexed late, or vanished, between them: then the next page would repeat rows,
// which look like identical ones without id, or miss some.
func (e *Events) sameNumbers(ctx context.Context, at place, from, to time.Time) (bool, error) {
	for range sightings {
		r, err := e.search(ctx, place{}, query{from: from, to: to, limit: 1, offset: at.Skip.Sound - 1})
		var bad *remote.Unreadable
		switch {
		case err == nil:
			return slices.ContainsFunc(r.records, func(rec pipeline.Record) bool { return bareID(rec.ID) == at.Skip.Last }), nil
		case !errors.As(err, &bad):
			return false, err
		}
	}
	return false, nil
}

// bareID is an id without the number that distinguishes identical documents.
func bareID(id string) string {
	if strings.HasPrefix(id, hashed) && len(id) > hashedID {
		return id[:hashedID]
	}
	return id
}

// nextByNumber is the next page of fetchSkip.
func (e *Events) nextByNumber(ctx context.Context, at place, from, to time.Time) (pipeline.Page, error) {
	// The size of other pages does not matter here: it shrinks with each piece that is too large.
	limit := e.c.size.limit
	if e.trouble.limit > 0 {
		limit = min(limit, e.trouble.limit)
	}
	for {
		limit = min(limit, maxPage-at.Skip.Done)
		if limit <= 0 {
			return pipeline.Page{}, fmt.Errorf("search: a row after %s can't be read, and with it more than %d rows of one moment, which search can't page through", at.Created, maxPage)
		}
		q := query{from: from, to: to, limit: limit, offset: at.Skip.Done}
		if at.Skip.Again < maxAgain {
			q.twins = &twins{at.Skip.Twins}
		}
		r, err := e.search(ctx, place{}, q)
		var bad *remote.Unreadable
		switch {
		case err == nil:
			e.trouble.sound(limit, e.c.size.limit)
			return e.skipped(at, &q, r), nil
		case !errors.As(err, &bad):
			return pipeline.Page{}, err
		}
		if e.trouble.cause = bad; limit == 1 {
			return e.stepOver(ctx, at, q, bad)
		}
		limit /= 2
		e.trouble.limit, e.trouble.good = limit, 0
	}
}

// skipped is the page of rows that were read by number.
func (e *Events) skipped(at place, q *query, r *rows) pipeline.Page {
	page := pipeline.Page{Records: r.records, Next: encode(at), From: q.from, Through: q.to, Warnings: e.warnings(r)}
	s := *at.Skip
	for _, rec := range r.records {
		if !rec.Time.IsZero() && !q.covers(rec.Time) {
			continue // in every answer, whatever is asked for, and so without a number
		}
		s.Done++
		if rec.Flaw == "" { // one that breaks the rules may have no id of its own
			s.Sound, s.Last = s.Done, bareID(rec.ID)
		}
	}
	if s.Done == at.Skip.Done {
		return page
	}
	page.More, page.Through = true, r.newest
	s.Twins = q.twins.counts()
	page.Next = encode(place{Created: at.Created, Skip: &s})
	// If no row had to be skipped, something else was wrong. But within the millisecond where this
	// began, the unreadable row may still lie ahead: a cursor there would lead to it again.
	later := r.lastAt.Truncate(time.Millisecond).After(q.from)
	over := s.Past || later && (e.trouble.limit == 0 || s.Done > min(2*e.c.size.limit, maxPage/2))
	// A cursor in that millisecond would, at the next unreadable row, lead back to this one.
	if over && (later || s.Done >= maxPage) && r.last.Created != "" && e.leaves(r) {
		e.trouble.limit = 0
		e.c.size.restore()
		page.Next = encode(r.last)
	}
	return page
}

// leaves reports whether the last of r's rows is a place from which the unreadable row before them
// is not met again.
func (e *Events) leaves(r *rows) bool {
	if r.last.ID != "" {
		return true
	}
	first := r.records[0].Time // the unreadable row may belong to the same millisecond
	return !first.IsZero() && r.lastAt.Truncate(time.Millisecond).After(first.Truncate(time.Millisecond))
}

// stepOver makes a record of what was received of the row that q asks for. The row is blamed, and
// not the connection, only if it fails again and again while a row beside it can be read.
func (e *Events) stepOver(ctx context.Context, at place, q query, bad *remote.Unreadable) (pipeline.Page, error) {
	q.twins = nil // what is read here is not kept
	readable := func(offset int) (bool, error) {
		one := q
		one.offset = offset
		if now := time.Now(); offset != q.offset && now.After(q.to) {
			one.to = now // the row may be the only one of a window
		}
		r, err := e.search(ctx, place{}, one)
		var cause *remote.Unreadable
		if err != nil && !errors.As(err, &cause) {
			return false, err
		}
		if cause != nil && offset == q.offset && cause.SaysMore(bad) {
			bad = cause // what is kept is the most that was received
		}
		return err == nil && len(r.records) > 0, nil
	}
	total, err := e.Count(ctx, q.from, q.to)
	if err != nil { // the answer that can't be read is what the user should hear about
		return pipeline.Page{}, &pipeline.Retryable{Err: bad}
	}
	if err := confirmUnreadable(q.offset, at.Skip.Sound-1, bad.Rounds(), readable); err != nil {
		if errors.Is(err, jsonwalk.ErrDoubtful) {
			err = &pipeline.Retryable{Err: bad}
		}
		return pipeline.Page{}, err
	}
	created, err := e.dateOf(ctx, q)
	if err != nil {
		return pipeline.Page{}, err
	}
	// A row that is indexed late shifts the numbers of the others: then this record may stand for a
	// row that was read before, and would count for the late one.
	switch now, err := e.Count(ctx, q.from, q.to); {
	case err != nil:
		return pipeline.Page{}, err
	case now != total:
		return pipeline.Page{}, &pipeline.Retryable{Err: bad}
	}
	e.trouble.limit = 0
	e.c.size.restore()
	nth := at.Skip.Missed.before(formatMilli(created))
	s := *at.Skip
	s.Done, s.Past, s.Missed = s.Done+1, true, &missed{formatMilli(created), nth + 1}
	return pipeline.Page{Records: []pipeline.Record{missing(created, nth, bad)}, Next: encode(place{Created: at.Created, Skip: &s}), More: true}, nil
}

// confirmUnreadable returns nil if the row at an offset is at fault, jsonwalk.ErrDoubtful if the connection
// may be, or an error that says nothing about either. The row is at fault if reading it fails again
// and again, while one beside it can be read each time: the one at sound, if not negative, or the
// next. rounds is how often.
func confirmUnreadable(offset, sound, rounds int, readable func(offset int) (bool, error)) error {
	beside := []int{sound, offset + 1, offset + 2, offset + 4, offset + 16, offset + 64}
	if sound < 0 {
		beside = beside[1:]
	}
	for round := 0; round < rounds; {
		ok, err := readable(beside[0])
		switch {
		case err != nil:
			return err
		case !ok && round == 0 && len(beside) > 1:
			beside = beside[1:]
			continue
		case !ok:
			return jsonwalk.ErrDoubtful
		}
		if ok, err = readable(offset); err != nil {
			return err
		}
		if ok {
			return jsonwalk.ErrDoubtful
		}
		round++
	}
	return nil
}

// missing is the record in place of a row that can't be read, of those created in that millisecond
// the one after nth others.
//
// Its id has nothing of what was received, which may differ each time, and nothing of the readable
// rows: one that is indexed late would give it a new id, and be the one that is missing when the
// ledger holds both and the counts agree.
func missing(created time.Time, nth int, bad *remote.Unreadable) pipeline.Record {
	rec := pipeline.Record{ID: fmt.Sprintf("unreadable:%s#%d", formatMilli(created), nth), Time: created, Raw: bad.Start}
	sum := sha256.Sum256(bad.Start)
	rec.Flaw = fmt.Sprintf("this event, created at %s, can't be read: each time it was requested alone the answer was unreadable, while a neighbouring one could be read: %v; "+
		"%d bytes of the answer were received and %d are kept, SHA-256 %s", formatMilli(created), bad.Err, bad.Size, len(bad.Start), hex.EncodeToString(sum[:]))
	return rec
}

// dateOf finds out by counting when the row that q asks for was created.
func (e *Events) dateOf(ctx context.Context, q query) (time.Time, error) {
	before := func(t time.Time) (int64, error) {
		if !t.After(q.from) {
			return 0, nil
		}
		return e.Count(ctx, q.from, t)
	}
	low, high := q.from, q.to // low <= its created < high
	next := q
	next.offset++
	if r, err := e.search(ctx, place{}, next); err == nil && !r.newest.IsZero() && r.newest.Before(high) {
		high = r.newest.Truncate(time.Millisecond).Add(time.Millisecond)
	}
	for high.Sub(low) > time.Millisecond {
		mid := low.Add(high.Sub(low) / 2).Truncate(time.Millisecond)
		if !mid.After(low) {
			mid = low.Add(time.Millisecond)
		}
		n, err := before(mid)
		if err != nil {
			return time.Time{}, err
		}
		if n > int64(q.offset) {
			high = mid
		} else {
			low = mid
		}
	}
	return low, nil
}
