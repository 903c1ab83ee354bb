package tenant

import (
	"cmp"
	"sort"
)

// span is a half-open range of indexes of a list.
type span struct{ from, to int }

// merger walks several lists as if they were one.
type merger struct {
	lists []list
	spans []span
}

// merge returns a walk from the places begin to the places end; nil stands for
// the whole lists.
func merge(lists []list, begin, end []int) *merger {
	m := &merger{lists: lists, spans: make([]span, len(lists))}
	for i, l := range lists {
		m.spans[i] = span{0, l.len()}
		if begin != nil {
			m.spans[i].from = begin[i]
		}
		if end != nil {
			m.spans[i].to = end[i]
		}
	}
	return m
}

// next returns the lowest event that is left and its list, or nil.
func (m *merger) next() (list, int) { return m.step(false) }

// step returns the lowest or, downwards, the highest event that is left.
func (m *merger) step(down bool) (list, int) {
	best := -1
	for i := range m.spans {
		if m.spans[i].from >= m.spans[i].to {
			continue
		}
		if best < 0 || m.compare(i, best, down) < 0 {
			best = i
		}
	}
	if best < 0 {
		return nil, 0
	}
	at := m.at(best, down)
	if down {
		m.spans[best].to--
	} else {
		m.spans[best].from++
	}
	return m.lists[best], at
}

// at is the index of list i that is next.
func (m *merger) at(i int, down bool) int {
	if down {
		return m.spans[i].to - 1
	}
	return m.spans[i].from
}

// compare orders the next events of two lists in the direction of the walk.
func (m *merger) compare(a, b int, down bool) int {
	ia, ib := m.at(a, down), m.at(b, down)
	order := cmp.Compare(m.lists[a].created(ia), m.lists[b].created(ib))
	if order == 0 { // ids are dear: look at them only now
		order = compareIDs(m.lists[a].id(ia), m.lists[b].id(ib))
	}
	if down {
		return -order
	}
	return order
}

// lower returns the first index of l that was created at or after milli.
func lower(l list, milli int64) int {
	return sort.Search(l.len(), func(i int) bool { return l.created(i) >= milli })
}

// lowerKey returns the first index of l at or behind (milli, id).
func lowerKey(l list, milli int64, id string) int {
	from := lower(l, milli)
	n := l.len() - from
	if milli != undated {
		n = lower(l, milli+1) - from
	}
	return from + sort.Search(n, func(i int) bool { return compareAfter(l.id(from+i), id) >= 0 })
}

// upperKey returns the first index of l behind (milli, id).
func upperKey(l list, milli int64, id string) int {
	from := lowerKey(l, milli, id)
	for from < l.len() && l.created(from) == milli && l.id(from) == id && id != "" {
		from++
	}
	return from
}

// compareAfter orders the id of an event and one that a client named in
// searchAfter: there the empty text is a text before all others, while an event without
// id is behind all others.
func compareAfter(have, named string) int {
	if have == "" {
		return 1
	}
	return cmp.Compare(have, named)
}
