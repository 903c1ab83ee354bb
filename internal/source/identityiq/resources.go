package identityiq

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

const (
	// resourcesPage is the page size of a list: a task result may have some KB of messages.
	resourcesPage = 250
	// overlap is how far pages of a sweep overlap: a resource that is removed during a sweep pulls
	// others to earlier pages.
	overlap = 10
	// alwaysPages is how many pages a list may have to be read in every run. One that has more is
	// read less often: so that there is about one request each pageTime for each list.
	alwaysPages = 8
	pageTime    = time.Minute
	// sweepAge is the age at which an interrupted sweep starts again, beside the time for its pages:
	// the places in the list have changed.
	sweepAge = 15 * time.Minute
	// margin is how long a change is known to the ledger at least. What was changed earlier than that
	// before a complete sweep was delivered by it. It is less than the least LEDGER_KEEP.
	margin = 12 * time.Hour
	// clockSlack is how far a mark may be ahead of the server's clock before one of the two is wrong.
	clockSlack = 5 * time.Minute
	// shortAge is how long sweeps may miss resources in succession, as they do while a list is pruned.
	shortAge = time.Hour
	// sinceStep is how far the mark in the cursor moves at least, so that a quiet list leaves the
	// cursor where it is.
	sinceStep = time.Hour
)

// Resources is a stream of a SCIM list whose resources change; see the package comment.
type Resources struct {
	reader
	stream, path string
	// trouble counts successive failures to read the page at a place.
	trouble struct {
		at    int
		times int
	}
	hides contradictions
	// pages is how many pages the last complete sweep had, and due when a long list is read again.
	pages int
	due   time.Time
}

var _ pipeline.Source = (*Resources)(nil)

func (c *Client) resources(kind, what string) *Resources {
	return &Resources{reader: reader{c: c, what: what, name: scimList}, stream: "SailPointIIQ_" + kind, path: "/scim/v2/" + kind}
}

// TaskResults is the stream of task results.
func (c *Client) TaskResults() *Resources { return c.resources("TaskResults", "task results") }

// PolicyViolations is the stream of policy violations.
func (c *Client) PolicyViolations() *Resources {
	return c.resources("PolicyViolations", "policy violations")
}

// Alerts is the stream of alerts.
func (c *Client) Alerts() *Resources { return c.resources("Alerts", "alerts") }

// sweep is a position in a sweep over a list. Its JSON is the cursor.
type sweep struct {
	// Since is a moment: what was changed before it is delivered, or was changed before the stream
	// began.
	Since string `json:"since"`
	// At is the index of the next resource, counting from 1, and Begun when the sweep began. Both are
	// absent between sweeps. Seen is how many resources the sweep has read.
	At    int    `json:"at,omitzero"`
	Seen  int    `json:"seen,omitzero"`
	Pages int    `json:"pages,omitzero"`
	Begun string `json:"sweep,omitempty"`
	// First is the id of the resource that the list begins with.
	First string `json:"first,omitempty"`
	// Total is how many resources the service counted beside the page before, 0 if that says nothing
	// about the list, and Missed how many the sweep may have passed by: they moved to places that it had
	// read.
	Total  int64 `json:"total,omitzero"`
	Missed int64 `json:"missed,omitzero"`
	// Short is when the first of the successive sweeps that missed some began.
	Short string `json:"short,omitempty"`
}

// Stream implements [pipeline.Source].
func (r *Resources) Stream() pipeline.Stream { return pipeline.Stream{ID: r.stream, Table: r.stream} }

// StartAt is the cursor before every change at that moment or later.
func (r *Resources) StartAt(at time.Time) pipeline.Cursor {
	return encode(sweep{Since: formatMilli(at)})
}

// Fetch implements [pipeline.Source]. The page's records are the resources on a page of the list
// that were changed after the mark in the cursor; they include some that were delivered before.
func (r *Resources) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	if err := ctx.Err(); err != nil {
		return pipeline.Page{}, err
	}
	at, begun, since, err := r.begin(after, now)
	if err != nil {
		return pipeline.Page{}, err
	}
	if at.At == 1 && after != "" && now.Before(r.due) {
		return pipeline.Page{Next: after}, nil
	}
	got, err := r.readAt(ctx, at.At)
	if err != nil {
		return pipeline.Page{}, err
	}
	if repeats, err := r.repeats(ctx, at, got); err != nil || repeats != nil {
		return pipeline.Page{Incomplete: repeats, Next: encode(sweep{Since: at.Since, Short: at.Short})}, err
	}
	if at.At == 1 && len(got.records) > 0 {
		at.First = resourceID(got.records[0])
	}
	page := pipeline.Page{Warnings: got.warnings, Beside: recordBytes * len(got.records)}
	for _, rec := range got.records {
		if rec.Time.IsZero() || !rec.Time.Before(since) {
			page.Records = append(page.Records, rec)
		}
	}
	reach := at.At - 1 + len(got.records)
	at.count(got.total, reach)
	at.Pages++
	if reach > at.Seen && (at.At == 1 || int64(reach) != got.total) {
		// A short page is not the end: the service may serve fewer rows than requested. The total beside
		// the first page proves nothing, since it may be that of the page.
		at.Seen, at.At, at.Begun = reach, reach+1-min(overlap, len(got.records)/2), formatMilli(begun)
		page.Next, page.More = encode(at), true
		return page, nil
	}
	total := got.total
	if total < 0 {
		total = at.Total
	}
	return r.end(page, at, begun, since, total-int64(max(reach, at.Seen)))
}

// count compares the total beside a page that reaches up to a place with the one before. What is removed
// from a list pulls what follows to places that were read; the overlap makes up for that many.
func (s *sweep) count(total int64, reach int) {
	if total < 0 {
		return
	}
	if gone, again := s.Total-total, int64(s.Seen+1-s.At); gone > again {
		s.Missed += gone - again
	}
	s.Total = 0
	if total > int64(reach) { // otherwise it may be that of the page
		s.Total = total
	}
}

// repeats finds out whether a page that is not the first one begins as the list does, and so holds
// resources that were not asked for. That many were added before the others does not look like that: then
// the list itself begins with others.
func (r *Resources) repeats(ctx context.Context, at sweep, got found) (incomplete, err error) {
	begins := func(f found) bool { return len(f.records) > 0 && resourceID(f.records[0]) == at.First }
	if at.At == 1 || at.First == "" || !begins(got) {
		return nil, nil
	}
	first, err := r.read(ctx, 1, 1)
	if err != nil || !begins(first) {
		return nil, err
	}
	return r.hides.judge(at.Begun, 1, fmt.Sprintf("%s: asked for the resources from number %d on, %s answered with the first ones: something in between drops startIndex from the query of a request",
		r.what, at.At, r.c.host()))
}

// resourceID is the id of the resource that a record is a state of.
func resourceID(rec pipeline.Record) string {
	if end := strings.LastIndexByte(rec.ID, '|'); end >= 0 {
		return rec.ID[:end]
	}
	return rec.ID
}

// end is the last page of a sweep. hidden is how many resources the service counts and did not list.
func (r *Resources) end(page pipeline.Page, at sweep, begun, since time.Time, hidden int64) (pipeline.Page, error) {
	var err error
	page.Incomplete, err = r.hides.judge("", hidden, fmt.Sprintf("%s: IdentityIQ counts %d more than it lists", r.what, hidden))
	if err != nil {
		return pipeline.Page{}, err
	}
	next := sweep{Since: at.Since, Short: at.Short}
	now := r.c.byServer(begun)
	switch {
	case since.After(now.Add(clockSlack)):
		// Otherwise changes would be passed over until that moment has come.
		next.Since = formatMilli(now.Add(-margin))
		page.Warnings = append(page.Warnings, fmt.Sprintf("%s: changes before %s were passed over, and by IdentityIQ's clock it is %s: a clock was ahead in an earlier run; "+
			"the next run reads the changes of the last %.0f h, and whatever changed before them is not delivered",
			r.what, formatMilli(since), formatMilli(now), margin.Hours()))
	case page.Incomplete == nil && at.Missed > 0:
		next.Short = cmp.Or(at.Short, formatMilli(begun))
		r.short(&page, at, begun)
	case page.Incomplete == nil:
		page.Through, next.Short = begun, ""
		r.rest(at, begun)
		// An empty answer may be a mistake, and what is changed by the time it is corrected may be old.
		if moved := now.Add(-margin); at.Seen > 0 && moved.Sub(since) >= sinceStep {
			next.Since = formatMilli(moved)
		}
	}
	page.Next = encode(next)
	return page, nil
}

// rest is how long a long list is not read again after a sweep.
func (r *Resources) rest(at sweep, begun time.Time) {
	if r.pages = at.Pages; r.pages > alwaysPages {
		r.due = begun.Add(time.Duration(r.pages) * pageTime)
	}
}

// short judges a sweep that may have missed resources. That is ordinary once, and the next sweep finds
// them; it is not if that lasts.
func (r *Resources) short(page *pipeline.Page, at sweep, begun time.Time) {
	if at.Short == "" {
		page.More = true
		return
	}
	r.rest(at, begun)
	missed := fmt.Errorf("%s: IdentityIQ's count of them fell while the list was read, so that up to %d were passed by, in each sweep since %s: the list is read again", r.what, at.Missed, at.Short)
	if first, _ := parseTime([]byte(at.Short)); begun.Sub(first) < shortAge {
		page.Warnings = append(page.Warnings, missed.Error())
	} else {
		page.Incomplete = missed
	}
}

// begin returns where to continue, when that sweep began, and the mark.
func (r *Resources) begin(after pipeline.Cursor, now time.Time) (at sweep, begun, since time.Time, err error) {
	if after == "" {
		since = now.Add(-r.c.cfg.Lookback)
		return sweep{Since: formatMilli(since), At: 1}, now, since, nil
	}
	if err := decode(after, &at); err != nil {
		return sweep{}, now, now, err
	}
	since, ok := parseTime([]byte(at.Since))
	if !ok || at.At < 0 || at.Seen < 0 || at.Pages < 0 || at.Total < 0 || at.Missed < 0 {
		return sweep{}, now, now, badCursor(after)
	}
	begun, ok = parseTime([]byte(at.Begun))
	if at.At == 0 || !ok || now.Sub(begun).Abs() > sweepAge+time.Duration(at.Pages)*pageTime {
		return sweep{Since: at.Since, At: 1, Short: at.Short}, now, since, nil
	}
	return at, begun, since, nil
}

// readAt reads the page at an index. When that has failed several times, it reads smaller and
// smaller pieces, past a resource that can't be read.
func (r *Resources) readAt(ctx context.Context, at int) (found, error) {
	got, err := r.read(ctx, at, resourcesPage)
	var bad *remote.Unreadable
	switch {
	case err == nil:
		r.trouble.times = 0
		return got, nil
	case !errors.As(err, &bad):
		return got, err
	case !bad.Large && r.again(at) < jsonwalk.Sightings:
		return got, err
	}
	all, count := found{total: -1}, resourcesPage/2
	for next, end := at, at+resourcesPage; next < end; next = at + len(all.records) {
		part, err := r.read(ctx, next, min(count, end-next))
		switch {
		case err == nil:
			if all.total = part.total; len(part.records) == 0 {
				return all, nil
			}
			all.records = append(all.records, part.records...)
			if bad.Large && len(all.records) > 2*overlap {
				return all, nil // whatever follows comes in the next page
			}
		case !errors.As(err, &bad):
			return found{}, err
		case count > 1:
			count /= 2
		default:
			rec, err := r.blame(ctx, next, bad)
			if err != nil {
				return found{}, err
			}
			all.records, count = append(all.records, rec), resourcesPage
		}
	}
	r.trouble.times = 0
	return all, nil
}

// again counts a page at that index that could not be read.
func (r *Resources) again(at int) int {
	if r.trouble.at != at {
		r.trouble.at, r.trouble.times = at, 0
	}
	r.trouble.times++
	return r.trouble.times
}

// blame makes a record of what was received of the resource at an index. It is at fault only if it
// fails again and again while another one can be read.
func (r *Resources) blame(ctx context.Context, at int, bad *remote.Unreadable) (rec pipeline.Record, err error) {
	for round := 0; round < bad.Rounds(); round++ {
		ok := false
		for _, other := range []int{at + 1, at - 1, at + 2, at - 2, at + 16, at - 16} {
			if other < 1 || ok {
				continue
			}
			got, err := r.read(ctx, other, 1)
			if err != nil && !errors.As(err, new(*remote.Unreadable)) {
				return rec, err
			}
			ok = err == nil && len(got.records) > 0 && got.records[0].Flaw == ""
		}
		if !ok {
			return rec, &pipeline.Retryable{Err: bad}
		}
		_, err := r.read(ctx, at, 1)
		var again *remote.Unreadable
		switch {
		case err == nil:
			return rec, &pipeline.Retryable{Err: bad}
		case !errors.As(err, &again):
			return rec, err
		case again.SaysMore(bad):
			bad = again
		}
	}
	sum := sha256.Sum256(bad.Start)
	hash := hex.EncodeToString(sum[:])
	return pipeline.Record{
		ID: "unreadable:" + r.glimpse(bad.Start, hash), Raw: bad.Start,
		Flaw: fmt.Sprintf("a resource in the list of %s can't be read: each time it was requested alone the answer was unreadable, while another one could be read: %v; "+
			"%d bytes of the answer were received and %d are kept, SHA-256 %s", r.what, bad.Err, bad.Size, len(bad.Start), hash),
	}, nil
}

// glimpse is the id in the beginning of an answer that can't be read, or else the hash.
func (r *Resources) glimpse(answer []byte, hash string) string {
	if l, err := readList(answer, r.name); err == nil && len(l.rows) > 0 {
		if id := jsonwalk.Glimpse(l.rows, []string{"id"})[0]; id != "" && len(id) <= maxID {
			return id
		}
	}
	return hash
}

// read reads a page. The order by id keeps the places of resources from one page to the next, where
// the server can do that.
func (r *Resources) read(ctx context.Context, at, count int) (found, error) {
	q := call{what: r.what, part: scim, path: r.path, query: url.Values{"startIndex": {strconv.Itoa(at)}, "count": {strconv.Itoa(count)}}}
	if count == 1 {
		q.limit = maxRow
	}
	if !r.c.unsorted.Load() {
		q.query.Set("sortBy", "id")
	}
	body, err := r.c.get(ctx, q)
	var refused *refusal
	if errors.As(err, &refused) && refused.status == http.StatusBadRequest && q.query.Has("sortBy") {
		q.query.Del("sortBy")
		if body, err = r.c.get(ctx, q); err == nil {
			r.c.unsorted.Store(true)
		}
	}
	if err != nil {
		return found{}, err
	}
	got := found{total: -1}
	var rows []byte
	got.total, err = r.rows(body, []string{"id"}, func(l list) {
		got.records, rows = nil, make([]byte, 0, len(l.rows)+len(l.rows)/8+64)
	}, func(el jsonwalk.Element) error {
		rec := pipeline.Record{ID: idOf(el.Picks[0], el.Raw), Flaw: el.Flaw}
		from := len(rows)
		if rec.Flaw == "" {
			s := stateOf(el.Raw)
			rec.Time = s.time()
			rec.ID += "|" + s.digest(el.Raw)
			rows = appendRow(rows, withoutDollar(el.Raw), rec.Time, false)
		} else {
			rows = append(rows, el.Raw...)
		}
		rec.Raw = rows[from:len(rows):len(rows)]
		got.records = append(got.records, rec)
		return nil
	})
	if err == nil {
		r.c.bodies.Put(body)
	}
	return got, err
}

// withoutDollar writes the member $ref as ref: no column can have a dollar in its name.
func withoutDollar(raw jsontext.Value) jsontext.Value {
	return bytes.ReplaceAll(raw, []byte(`"$ref":`), []byte(`"ref":`))
}

// state is what distinguishes the states of a resource. The version alone does not: in some answers it
// is that of the creation.
type state struct {
	Completed        jsontext.Value `json:"completed"`
	CompletionStatus jsontext.Value `json:"completionStatus"`
	Terminated       jsontext.Value `json:"terminated"`
	Status           jsontext.Value `json:"status"`
	LastProcessed    jsontext.Value `json:"lastProcessed"`
	Launched         jsontext.Value `json:"launched"`
	AlertDate        jsontext.Value `json:"alertDate"`
	Meta             struct {
		Created      jsontext.Value `json:"created"`
		LastModified jsontext.Value `json:"lastModified"`
		Version      jsontext.Value `json:"version"`
	} `json:"meta"`
}

// stateOf reads the state of a resource. What is odd about it counts as absent.
func stateOf(raw jsontext.Value) (s state) {
	if json.Unmarshal(raw, &s, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		s.Meta.LastModified, s.Meta.Version = nil, nil
	}
	return s
}

// time is when the state came to be: the latest of the times that the resource has.
func (s *state) time() (latest time.Time) {
	for _, value := range []jsontext.Value{s.Meta.LastModified, s.Completed, s.LastProcessed, s.Meta.Created, s.Launched, s.AlertDate} {
		if at, ok := momentOf(value); ok && at.After(latest) {
			latest = at
		}
	}
	return latest
}

// momentOf reads a time: a text, or milliseconds since 1970.
func momentOf(value jsontext.Value) (time.Time, bool) {
	p := jsonwalk.Pick{Kind: jsonwalk.Number, Text: value}
	switch value.Kind() {
	case jsontext.KindNumber:
	case jsontext.KindString:
		p = jsonwalk.Pick{Kind: jsonwalk.String, Text: []byte(strings.Trim(string(value), `"`))}
	default:
		return time.Time{}, false
	}
	return timeOf(p)
}

// digest is equal for the same state. A resource with neither version nor time of change is in
// another state whenever a byte of it is different.
func (s *state) digest(raw []byte) string {
	const bytesKept = 8
	h := sha256.New()
	if len(s.Meta.Version) == 0 && len(s.Meta.LastModified) == 0 {
		h.Write(raw)
	}
	for _, value := range []jsontext.Value{s.Meta.Version, s.Meta.LastModified, s.Completed, s.CompletionStatus, s.Terminated, s.Status, s.LastProcessed} {
		h.Write(value)
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:bytesKept])
}
