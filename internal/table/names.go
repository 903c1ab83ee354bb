package table

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// isReserved reports whether a flattened name is reserved by the service.
func (r *Rules) isReserved(flat string) bool {
	for _, reserved := range r.Reserved {
		if strings.EqualFold(reserved, flat) {
			return true
		}
	}
	return false
}

// column returns the name of the current property's column, and whether it differs from the
// flattened name.
func (w *walker) column(reserved bool) (name string, renamed bool) {
	short := w.rules.shortName()
	name = string(w.flat)
	switch {
	case len(name) > w.rules.maxName():
		// The hash distinguishes long names, and is the same in every record.
		h := fnv.New32a()
		_, _ = h.Write(w.path)
		return join(name, fmt.Sprintf("_%08x", h.Sum32()), short), true
	case reserved:
		return join(name, "_value", short), true
	}
	return name, w.misspelt > 0
}

// join appends an ending to a name and shortens the name as far as needed.
func join(name, ending string, limit int) string {
	return name[:min(len(name), limit-len(ending))] + ending
}

// claim gives every column its own name. Names that needed no change come first, so that a repaired
// name never displaces a good one.
func (w *walker) claim() {
	taken := map[string]bool{Marker: true, Surplus: true}
	for i := range w.leaves {
		l := &w.leaves[i]
		if !l.renamed && !taken[l.name] {
			taken[l.name] = true
		} else {
			l.renamed = true
		}
	}
	next := make(map[string]int)
	for i := range w.leaves {
		l := &w.leaves[i]
		if !l.renamed {
			continue
		}
		for base := l.name; taken[l.name] || w.rules.isReserved(l.name); {
			next[base] = max(next[base], 1) + 1
			l.name = join(base, "_"+strconv.Itoa(next[base]), w.rules.shortName())
		}
		taken[l.name] = true
	}
}
