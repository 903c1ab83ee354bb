package sailpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// rows is a page of search, read.
type rows struct {
	records []pipeline.Record
	// last is the last row that has both an id and a usable created, or one
	// without id: the last usable created. Zero if no row has one.
	last    place
	lastAt  time.Time // of last.Created
	lastID  string    // the last id of all
	newest  time.Time // the last usable created
	types   []string  // distinct, in the order seen; only if asked for
	jumbled bool      // created went backwards by a millisecond or more
	covered int       // rows that the query covers; of the others nothing is noted above
	total   int64     // how many rows the query finds, as the service says; −1 if it does not
}

// The members that are picked from an event.
const (
	pickID = iota
	pickCreated
	pickType
)

// readRows makes records of a page. Their Raw are parts of body, and their ids
// parts of one string: a page costs a handful of allocations, not one per row.
func readRows(page answer, q *query, wantTypes bool) (*rows, error) {
	body := page.body
	names := []string{"id", "created", "type"}
	if !wantTypes {
		names = names[:pickType]
	}
	guess := min(len(body)/512+1, q.limit) // events have about 1 KB
	r := &rows{records: make([]pipeline.Record, 0, guess), total: page.total}
	ids := idArena{text: make([]byte, 0, 65*guess), ends: make([]int, 0, guess)}
	var created, id, fallback, lastID []byte // id and created of the last row with both; the last of each
	var createdAt time.Time
	err := jsonwalk.Walk(body, names, func(e jsonwalk.Element) error {
		at, ok := pickTime(e.Picks[pickCreated])
		r.records = append(r.records, pipeline.Record{Time: at, Raw: e.Raw})
		hasID := ids.add(e.Picks[pickID], e.Raw)
		if ok && !q.covers(at) {
			return nil
		}
		if hasID {
			lastID = append(lastID[:0], e.Picks[pickID].Text...)
		}
		if wantTypes {
			r.noteType(e.Picks[pickType])
		}
		if !ok {
			return nil
		}
		r.covered++
		r.jumbled = r.jumbled || at.Truncate(time.Millisecond).Before(r.newest.Truncate(time.Millisecond))
		r.newest = at
		fallback = append(fallback[:0], e.Picks[pickCreated].Text...)
		if hasID {
			createdAt = at
			created = append(created[:0], fallback...)
			id = append(id[:0], lastID...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ids.assign(r.records)
	r.lastID = string(lastID)
	switch {
	case q.order == byCreatedAndID && len(created) > 0:
		r.last, r.lastAt = place{Created: string(created), ID: string(id)}, createdAt
	case len(fallback) > 0:
		r.last, r.lastAt = place{Created: string(fallback)}, r.newest
	}
	return r, nil
}

// pickTime is the zero time for a created that is absent, null or unreadable.
func pickTime(p jsonwalk.Pick) (time.Time, bool) {
	if p.Kind != jsonwalk.String {
		return time.Time{}, false
	}
	return parseTime(p.Text)
}

// noteType collects the types of a page. Pages have few, so a list will do.
func (r *rows) noteType(p jsonwalk.Pick) {
	if p.Kind != jsonwalk.String {
		return
	}
	for _, t := range r.types {
		if t == string(p.Text) {
			return
		}
	}
	r.types = append(r.types, string(p.Text))
}

// idArena collects the ids of a page in one piece of memory.
type idArena struct {
	text []byte
	ends []int
}

// add appends the id of a row and reports whether it is the document's own.
func (a *idArena) add(id jsonwalk.Pick, raw jsontext.Value) bool {
	own := id.Kind == jsonwalk.String && len(id.Text) > 0
	if own {
		a.text = append(a.text, id.Text...)
	} else {
		a.text = appendHash(a.text, raw)
	}
	a.ends = append(a.ends, len(a.text))
	return own
}

// assign gives the records their ids.
func (a *idArena) assign(records []pipeline.Record) {
	all, from := string(a.text), 0
	for i, end := range a.ends {
		records[i].ID = all[from:end]
		from = end
	}
}

// hashed is how the id of a document begins that has none.
const hashed = "sha256:"

// appendHash appends the id of a document that has none, see the package comment.
func appendHash(dst []byte, raw jsontext.Value) []byte {
	sum := sha256.Sum256(raw)
	return hex.AppendEncode(append(dst, hashed...), sum[:])
}
