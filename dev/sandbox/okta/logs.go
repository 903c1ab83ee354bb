package okta

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of the log.
const (
	defaultPage = 100
	largestPage = 1000
	reach       = 180 * 24 * time.Hour
	defaultSpan = 7 * 24 * time.Hour
	queryTime   = 30 * time.Second
	timeLayout  = "2006-01-02T15:04:05.000Z"
)

// query is a request for the log.
type query struct {
	since, until time.Time
	after        *position
	limit        int
	polling      bool
	values       url.Values
}

// position is after which event a page begins: its place in the order of the request.
type position struct {
	at      time.Time // persisted, or published of a bounded request
	index   int       // among all events, in the order they are persisted
	polling bool      // the order is that of a polling request
}

// encode is the after of a link.
func (p position) encode() string {
	kind := "b"
	if p.polling {
		kind = "p"
	}
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s_%d_%d", kind, p.at.UnixNano(), p.index))
}

var errCursor = errors.New("after")

func decode(text string) (*position, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(raw), "_")
	if err != nil || len(parts) != 3 {
		return nil, errCursor
	}
	nanos, err1 := strconv.ParseInt(parts[1], 10, 64)
	index, err2 := strconv.Atoi(parts[2])
	if err1 != nil || err2 != nil {
		return nil, errCursor
	}
	return &position{at: time.Unix(0, nanos), index: index, polling: parts[0] == "p"}, nil
}

// serveLogs answers a page.
func (o *Org) serveLogs(w http.ResponseWriter, r *http.Request) {
	q, problem := o.parse(r.URL.Query())
	if problem != "" {
		o.refuse(w, http.StatusBadRequest, "E0000031", "Invalid search criteria.", problem)
		return
	}
	if q.after != nil && o.RefuseCursors != 0 {
		o.refuse(w, o.RefuseCursors, "E0000031", "Invalid search criteria.", "after: the cursor is invalid or has expired")
		return
	}
	if o.SlowAbove > 0 && q.limit > o.SlowAbove {
		select {
		case <-time.After(queryTime):
		case <-r.Context().Done():
		}
		o.refuse(w, http.StatusInternalServerError, "E0000009", "Internal Server Error")
		return
	}
	page, next, more := o.find(q)
	body := []byte{'['}
	for i, e := range page {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, e.body()...)
	}
	body = append(body, ']')
	if o.Change != nil {
		body = o.Change(body)
	}
	if q.polling || more {
		o.links(w, r, q, next, o.LastIsSelf && len(page) == 0)
	} else {
		o.links(w, r, q, position{}, false)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// parse reads the parameters and says what is wrong with them.
func (o *Org) parse(v url.Values) (q query, problem string) {
	q = query{limit: defaultPage, values: v}
	if text := v.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > largestPage {
			return q, "limit: must be between 0 and 1000"
		}
		q.limit = n
	}
	if o.ServeAtMost > 0 {
		q.limit = min(q.limit, o.ServeAtMost)
	}
	order := v.Get("sortOrder")
	if order != "" && order != "ASCENDING" {
		return q, "sortOrder: the stand-in knows ASCENDING only"
	}
	q.polling = !v.Has("until")
	if v.Has("since") && v.Has("after") {
		return q, "since and after can't be used together"
	}
	var err error
	if v.Has("until") {
		if q.until, err = time.Parse(time.RFC3339, v.Get("until")); err != nil {
			return q, "until: not a valid time"
		}
	}
	if v.Has("after") {
		q.after, err = decode(v.Get("after"))
		if err != nil || q.after.polling != q.polling {
			return q, "after: the cursor is invalid"
		}
	}
	now := o.now()
	q.since = now.Add(-defaultSpan)
	if !q.until.IsZero() {
		q.since = q.until.Add(-defaultSpan)
	}
	if v.Has("since") {
		if q.since, err = time.Parse(time.RFC3339, v.Get("since")); err != nil {
			return q, "since: not a valid time"
		}
		if now.Sub(q.since) > reach {
			return q, "since: must not be more than 180 days ago"
		}
	}
	return q, ""
}

// find returns the events of a page, the position after it, and whether there are more.
func (o *Org) find(q query) (page []Event, next position, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if q.polling {
		return o.poll(q, now)
	}
	if o.byTime == nil {
		o.byTime = make([]int, len(o.events))
		for i := range o.byTime {
			o.byTime[i] = i
		}
		slices.SortStableFunc(o.byTime, func(a, b int) int { return o.events[a].Published.Compare(o.events[b].Published) })
	}
	for _, i := range o.byTime {
		e := o.events[i]
		switch {
		case e.Persisted.After(now), e.Published.After(q.until), e.Published.Equal(q.until) && !o.UntilInclusive:
			continue
		case q.after == nil && (e.Published.Before(q.since) || e.Published.Equal(q.since) && o.SinceExclusive):
			continue
		case q.after != nil && (e.Published.Before(q.after.at) || e.Published.Equal(q.after.at) && i <= q.after.index):
			continue
		case len(page) == q.limit:
			return page, next, true
		}
		page = append(page, e)
		next = position{at: e.Published, index: i}
	}
	return page, next, false
}

// poll is find for a polling request.
func (o *Org) poll(q query, now time.Time) (page []Event, next position, more bool) {
	next = position{at: q.since, index: -1, polling: true}
	if q.after != nil {
		next = *q.after
	}
	begin, _ := slices.BinarySearchFunc(o.events, next.at, func(e Event, at time.Time) int { return e.Persisted.Compare(at) })
	if next.index >= 0 {
		begin = next.index + 1
	}
	for i := begin; i < len(o.events); i++ {
		e := o.events[i]
		if e.Persisted.After(now) {
			break
		}
		if len(page) == q.limit {
			return page, next, true
		}
		page = append(page, e)
		next = position{at: e.Persisted, index: i, polling: true}
	}
	return page, next, false
}

// links writes the links of an answer. The zero position means that there is no next page.
func (o *Org) links(w http.ResponseWriter, r *http.Request, q query, next position, self bool) {
	if o.NoLinks {
		return
	}
	host, scheme := r.Host, "https"
	if o.Host != "" {
		host = o.Host
	}
	if o.Scheme != "" {
		scheme = o.Scheme
	}
	here := scheme + "://" + host + LogsPath + "?" + r.URL.RawQuery
	var there string
	if next != (position{}) {
		v := url.Values{}
		for name, values := range q.values {
			if name != "since" && name != "after" {
				v[name] = values
			}
		}
		v.Set("after", next.encode())
		if o.LinkHost != "" {
			host = o.LinkHost
		}
		there = scheme + "://" + host + LogsPath + "?" + v.Encode()
		if self {
			there = here
		}
	}
	if o.Links == OneLine {
		line := `<` + here + `>; title="this, not next"; rel="self"`
		if there != "" {
			line = `<` + there + `>;title="next, or not";rel=next, ` + line
		}
		w.Header().Set("Link", line)
		return
	}
	w.Header().Add("Link", `<`+here+`>; rel="self"`)
	if there != "" {
		w.Header().Add("Link", `<`+there+`>; rel="next"`)
	}
}
