package tenant

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// The limits of paging.
const (
	maxWindow    = 10_000 // of offset and limit together
	defaultLimit = 250
	maxBody      = 1 << 20 // of a query
)

// page is which part of a result is asked for.
type page struct {
	offset, limit int
	count         bool // with X-Total-Count
}

// parsePage reads the query parameters that every list has.
func parsePage(values url.Values, maxLimit int) (page, error) {
	p := page{limit: min(defaultLimit, maxLimit)}
	if text := values.Get("count"); text != "" {
		var err error
		if p.count, err = strconv.ParseBool(text); err != nil {
			return page{}, fmt.Errorf("count %q is neither true nor false", text)
		}
	}
	for _, number := range []struct {
		name string
		to   *int
	}{{"offset", &p.offset}, {"limit", &p.limit}} {
		text := values.Get(number.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return page{}, fmt.Errorf("%s %q is not a number from 0 on", number.name, text)
		}
		*number.to = n
	}
	if p.limit > maxLimit {
		return page{}, fmt.Errorf("limit %d is above %d", p.limit, maxLimit)
	}
	return p, nil
}

// readQuery reads a search request and answers it if it is wrong.
func (t *Tenant) readQuery(w http.ResponseWriter, r *http.Request) (query, page, bool) {
	q, p, err := t.parseSearch(w, r)
	if err != nil {
		t.refuseQuery(w, err)
		return query{}, page{}, false
	}
	return q, p, true
}

func (t *Tenant) parseSearch(w http.ResponseWriter, r *http.Request) (query, page, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return query{}, page{}, fmt.Errorf("the body can't be read: %w", err)
	}
	p, err := parsePage(r.URL.Query(), maxWindow)
	if err != nil {
		return query{}, page{}, err
	}
	q, err := parseQuery(raw, t.now())
	if err != nil {
		return query{}, page{}, err
	}
	if p.offset+p.limit > maxWindow {
		return query{}, page{}, fmt.Errorf("offset and limit together are above %d: use searchAfter", maxWindow)
	}
	if len(q.after) > 0 && p.offset > 0 {
		return query{}, page{}, errors.New("offset can't be combined with searchAfter")
	}
	if t.RefuseIDSort && slices.ContainsFunc(q.sort, func(f sortField) bool { return f.name == "id" }) {
		return query{}, page{}, errors.New("sorting by id is not supported for this index")
	}
	return q, t.capped(p), nil
}

// capped is what of a page is served.
func (t *Tenant) capped(p page) page {
	if t.ServeAtMost > 0 {
		p.limit = min(p.limit, t.ServeAtMost)
	}
	return p
}

// serveCount answers how many events a query finds.
func (t *Tenant) serveCount(w http.ResponseWriter, r *http.Request) {
	q, _, ok := t.readQuery(w, r)
	if !ok {
		return
	}
	w.Header().Set("X-Total-Count", strconv.Itoa(t.count(q)))
	w.WriteHeader(http.StatusNoContent)
}

// serveSearch answers a page of events.
func (t *Tenant) serveSearch(w http.ResponseWriter, r *http.Request) {
	q, p, ok := t.readQuery(w, r)
	if !ok {
		return
	}
	buf, ok := t.buffers.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	var rows int
	*buf, rows = t.search((*buf)[:0], q, p)
	switch {
	case !p.count || t.OmitTotal:
	case t.TotalOfPage:
		w.Header().Set("X-Total-Count", strconv.Itoa(rows))
	default:
		w.Header().Set("X-Total-Count", strconv.Itoa(t.count(q)))
	}
	writeBody(w, http.StatusOK, *buf)
	t.buffers.Put(buf)
}

// search appends a page as a JSON array.
func (t *Tenant) search(dst []byte, q query, p page) (_ []byte, rows int) {
	now := t.now().UnixMilli()
	shuffle := 0
	if t.UnstableTies {
		shuffle = t.serial()
	}
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	dst = append(dst, '[')
	if q.none {
		return append(dst, ']'), 0
	}
	for l, i := range t.results(q, now, shuffle) {
		if !l.listed(i) {
			continue
		}
		if p.offset > 0 {
			p.offset--
			continue
		}
		if p.limit == 0 {
			break
		}
		p.limit--
		rows++
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		if q.show == nil {
			dst = l.appendSent(dst, i)
		} else {
			dst = q.show.appendShown(dst, l.appendRaw(nil, i))
		}
	}
	return append(dst, ']'), rows
}

// count returns how many visible events a query finds. searchAfter does not matter.
func (t *Tenant) count(q query) int {
	now := t.now().UnixMilli()
	t.data.mu.Lock()
	defer t.data.mu.Unlock()
	lists := t.lists()
	begin, end := q.window.places(lists)
	n := 0
	if q.none {
		return 0
	}
	for i, l := range lists {
		switch {
		case begin[i] >= end[i]:
		case len(q.where) == 0 && t.allVisible(l, end[i], now):
			n += end[i] - begin[i]
		default:
			for at := begin[i]; at < end[i]; at++ {
				if l.visible(at) <= now && q.match(l, at) {
					n++
				}
			}
		}
	}
	return n
}

// allVisible says whether all events of l before end are visible, if that can be told cheaply.
func (t *Tenant) allVisible(l list, end int, now int64) bool {
	if _, ok := l.(rows); ok {
		return t.data.lastVisible <= now
	}
	return l.visible(end-1) <= now // a backlog becomes visible in its order
}

// places returns where the window begins and ends in each list.
func (w window) places(lists []list) (begin, end []int) {
	for _, l := range lists {
		from, to := lower(l, w.from), l.len()
		if w.ranged {
			to = lower(l, w.to)
		}
		if w.missing {
			from = max(from, lower(l, undated))
		}
		begin, end = append(begin, from), append(end, max(from, to))
	}
	return begin, end
}

// results yields what a query finds, in its order. The caller holds the lock.
// shuffle, if not 0, is the number of the search: ties change places with it.
func (t *Tenant) results(q query, now int64, shuffle int) iter.Seq2[list, int] {
	lists := t.lists()
	begin, end := q.window.places(lists)
	down := len(q.sort) > 0 && q.sort[0].down
	if !q.natural() || (down && t.data.gaps) || (shuffle > 0 && !q.unique()) {
		return t.sorted(q, now, shuffle, merge(lists, begin, end))
	}
	q.skip(lists, begin, end, down)
	m := merge(lists, begin, end)
	return func(yield func(list, int) bool) {
		for l, i := m.step(down); l != nil; l, i = m.step(down) {
			if l.visible(i) > now || !q.match(l, i) {
				continue
			}
			if !yield(l, i) {
				return
			}
		}
	}
}

// natural says whether the sort order is the one that the lists have, or its opposite.
func (q query) natural() bool {
	switch len(q.sort) {
	case 0:
		return true
	case 1:
		return q.sort[0].name == "created"
	default:
		return len(q.sort) == 2 && q.sort[0].name == "created" && q.sort[1].name == "id" && q.sort[0].down == q.sort[1].down
	}
}

// unique says whether the sort order decides between any two events.
func (q query) unique() bool {
	return slices.ContainsFunc(q.sort, func(f sortField) bool { return f.name == "id" })
}

// skip moves the places to the other side of the row that searchAfter names.
func (q query) skip(lists []list, begin, end []int, down bool) {
	if len(q.after) == 0 {
		return
	}
	created, _ := parseTime(q.after[0]) // was checked when the query was read
	for i, l := range lists {
		switch {
		case len(q.after) == 2 && down:
			end[i] = min(end[i], lowerKey(l, created, q.after[1]))
		case len(q.after) == 2:
			begin[i] = max(begin[i], upperKey(l, created, q.after[1]))
		case down:
			end[i] = min(end[i], lower(l, created))
		case created == undated:
			begin[i] = l.len()
		default:
			begin[i] = max(begin[i], lower(l, created+1))
		}
	}
}
