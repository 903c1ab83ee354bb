package tenant

import (
	"iter"
	"slices"
)

// hit is an event in a result that has to be sorted.
type hit struct {
	list     list
	index    int
	created  int64
	id       string
	document *document // if a sort field is in it
	keys     []sortKey
}

// sorted is the slow way, for any order: it gathers all that the query finds.
func (t *Tenant) sorted(q query, now int64, shuffle int, m *merger) iter.Seq2[list, int] {
	var hits []hit
	for l, i := m.next(); l != nil; l, i = m.next() {
		if l.visible(i) <= now && q.match(l, i) {
			hits = append(hits, q.hit(l, i))
		}
	}
	if shuffle > 0 {
		turn := shuffle % max(1, len(hits))
		hits = append(hits[turn:len(hits):len(hits)], hits[:turn]...)
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return q.compare(a.keys, b.keys) })
	var after []sortKey
	for i, value := range q.after {
		after = append(after, q.sort[i].named(value))
	}
	return func(yield func(list, int) bool) {
		for _, h := range hits {
			if len(after) > 0 && q.compare(h.keys, after) <= 0 {
				continue
			}
			if !yield(h.list, h.index) {
				return
			}
		}
	}
}

func (q query) hit(l list, i int) hit {
	h := hit{list: l, index: i, created: l.created(i), id: l.id(i)}
	if slices.ContainsFunc(q.sort, func(f sortField) bool { return f.name != "created" && f.name != "id" }) {
		h.document = &document{raw: l.appendRaw(nil, i)}
	}
	for _, f := range q.sort {
		h.keys = append(h.keys, f.key(h))
	}
	h.document = nil
	return h
}

// compare orders two rows by their keys.
func (q query) compare(a, b []sortKey) int {
	for i, f := range q.sort {
		if order := f.compare(a[i], b[i]); order != 0 {
			return order
		}
	}
	return 0
}
