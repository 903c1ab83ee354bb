package tenant

import (
	"cmp"
	"iter"
	"sort"
)

// hit is an event in a result that has to be sorted.
type hit struct {
	list    list
	index   int
	created int64
	id      string
}

// sorted is the slow way, for any order: it gathers all that the query finds.
func (t *Tenant) sorted(q query, now int64, shuffle int, m *merger) iter.Seq2[list, int] {
	var hits []hit
	for l, i := m.next(); l != nil; l, i = m.next() {
		if l.visible(i) <= now && q.match(l, i) {
			hits = append(hits, hit{l, i, l.created(i), l.id(i)})
		}
	}
	if shuffle > 0 {
		turn := shuffle % max(1, len(hits))
		hits = append(hits[turn:len(hits):len(hits)], hits[:turn]...)
	}
	sort.SliceStable(hits, func(a, b int) bool { return q.compare(hits[a], hits[b]) < 0 })
	return func(yield func(list, int) bool) {
		for _, h := range hits {
			if len(q.after) > 0 && q.behind(h) <= 0 {
				continue
			}
			if !yield(h.list, h.index) {
				return
			}
		}
	}
}

// compare orders two hits; missing values are last in either direction.
func (q query) compare(a, b hit) int {
	for _, f := range q.sort {
		var order int
		missing := 0
		if f.name == "created" {
			order = cmp.Compare(a.created, b.created)
			if a.created == undated || b.created == undated {
				missing = order
			}
		} else {
			order = compareIDs(a.id, b.id)
			if a.id == "" || b.id == "" {
				missing = order
			}
		}
		if missing != 0 {
			return missing
		}
		if order != 0 && f.down {
			return -order
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// behind says whether a hit is behind (above 0) the row that searchAfter names.
func (q query) behind(h hit) int {
	for i, f := range q.sort {
		var order int
		var missing bool
		if f.name == "created" {
			created, _ := parseTime(q.after[i]) // was checked when the query was read
			order, missing = cmp.Compare(h.created, created), h.created == undated
		} else {
			order, missing = compareAfter(h.id, q.after[i]), h.id == ""
		}
		if order != 0 && f.down && !missing {
			return -order
		}
		if order != 0 {
			return order
		}
	}
	return 0
}
