package sailpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// rows is a page of search that has been read.
type rows struct {
	records []pipeline.Record
	// release returns the memory of the records' Raw.
	release func()
	// last is the last row that has both an id and a usable created, or a place without id at the
	// last usable created. Zero if no row has one.
	last       place
	lastAt     time.Time // of last.Created
	lastID     string    // the last id of any row
	newest     time.Time // the last usable created
	types      []string  // distinct, in the order seen; only if requested
	outOfOrder bool      // created went backwards by a millisecond or more
	flawed     int       // rows that break the rules
	covered    int       // rows that the query covers; only these count for last to outOfOrder
	total      int64     // how many rows the query finds, according to the service; −1 if it does not say
}

// The members that are picked from an event.
const (
	pickID = iota
	pickCreated
	pickType
)

// readRows makes records of a page. Their Raw are parts of body, and their ids parts of one string:
// a page costs a handful of allocations, not one per row.
func readRows(page answer, q *query, wantTypes bool, walk walker) (*rows, error) {
	body := page.body
	names := []string{"id", "created", "type"}
	if !wantTypes {
		names = names[:pickType]
	}
	guess := min(len(body)/512+1, q.limit) // events have about 1 KB
	r := &rows{records: make([]pipeline.Record, 0, guess), total: page.total}
	ids := idArena{text: make([]byte, 0, 65*guess), ends: make([]int, 0, guess), twins: q.twins.clone()}
	var created, id, fallback, lastID []byte // id and created of the last row with both; the last of each
	var createdAt time.Time
	err := walk(body, names, func(e jsonwalk.Element) error {
		if len(r.records) == maxRows {
			return jsonwalk.ErrTooMany
		}
		at, ok := pickTime(e.Picks[pickCreated])
		r.records = append(r.records, pipeline.Record{Time: at, Raw: e.Raw, Flaw: e.Flaw, Outline: e.Outline})
		if e.Flaw != "" {
			r.flawed++
		}
		hasID := ids.add(e)
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
		r.outOfOrder = r.outOfOrder || at.Truncate(time.Millisecond).Before(r.newest.Truncate(time.Millisecond))
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
	r.dateFlawed(q)
	r.identifyFlawed(&ids.twins)
	if q.twins != nil {
		*q.twins = ids.twins
	}
	r.lastID = string(lastID)
	switch {
	case q.order == byCreatedAndID && len(created) > 0:
		r.last, r.lastAt = place{Created: string(created), ID: string(id)}, createdAt
	case len(fallback) > 0:
		r.last, r.lastAt = place{Created: string(fallback)}, r.newest
	}
	return r, nil
}

// walker is [jsonwalk.Walk], or a variant that notes outlines, or one that accepts broken rows.
type walker func(page []byte, names []string, visit func(jsonwalk.Element) error) error

// window is the span of one look at events by time: the width of the ledger's windows.
const window = 5 * time.Minute

// dateFlawed dates rows that break the rules and have no time: a row gets a time in the window in
// which the service counts it, if the rows before and after it leave no doubt. The others stay
// undated: in the wrong window they would make up for an event that is missing there.
func (r *rows) dateFlawed(q *query) {
	if q.undated || r.flawed == 0 {
		return
	}
	before := q.from
	for i := range r.records {
		rec := &r.records[i]
		switch {
		case !rec.Time.IsZero():
			before = rec.Time
			continue
		case rec.Flaw == "":
			continue
		}
		after := q.to.Add(-time.Millisecond)
		for _, later := range r.records[i+1:] {
			if !later.Time.IsZero() {
				after = later.Time
				break
			}
		}
		if before.Truncate(window).Equal(after.Truncate(window)) {
			rec.Time = before
		}
	}
}

// identifyFlawed completes the ids of rows that break the rules and have none that can be read: they
// may be a mere null. The window in which the service counts such a row is part of its id, and
// nothing of the rows beside it: with one that is indexed late beside it, it would get another id,
// and the ledger would hold both and count as many rows as the service, without the late one.
func (r *rows) identifyFlawed(twins *twins) {
	if r.flawed == 0 {
		return
	}
	for i := range r.records {
		rec := &r.records[i]
		if rec.Flaw == "" || len(rec.ID) != hashedID || !strings.HasPrefix(rec.ID, hashed) {
			continue
		}
		rec.ID += "@undated"
		if !rec.Time.IsZero() {
			rec.ID = rec.ID[:hashedID] + "@" + rec.Time.UTC().Truncate(window).Format("2006-01-02T15:04Z")
		}
		rec.ID = twins.number(rec.ID)
	}
}

// pickTime returns the zero time for a created that is absent, null or unreadable.
func pickTime(p jsonwalk.Pick) (time.Time, bool) {
	if p.Kind != jsonwalk.String || len(p.Text) > maxTime {
		return time.Time{}, false
	}
	return parseTime(p.Text)
}

// noteType collects the types of a page. There are few, so a list is enough.
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
	text  []byte
	ends  []int
	twins twins
}

const (
	// maxID is the longest id that is accepted. A longer one would make the request for the next
	// page too long.
	maxID = 1 << 10
	// maxTime is the longest text that may be a time.
	maxTime = 64
	// maxRows is far more than an answer has, also if something in between drops the limit.
	maxRows = 2 * maxPage
)

// add appends the id of a row and reports whether it is the document's own. That of a row that breaks
// the rules is completed by [rows.identifyFlawed].
func (a *idArena) add(e jsonwalk.Element) bool {
	id := e.Picks[pickID]
	own := id.Kind == jsonwalk.String && len(id.Text) > 0 && len(id.Text) <= maxID
	if own {
		a.text = append(a.text, id.Text...)
	} else {
		from := len(a.text)
		a.text = appendHash(a.text, e.Raw)
		if e.Flaw == "" {
			if n := a.twins.count(a.text[from:]); n > 1 {
				a.text = strconv.AppendInt(append(a.text, '#'), int64(n), 10)
			}
		}
	}
	a.ends = append(a.ends, len(a.text))
	return own
}

// twins counts identical documents without id. A page, or a sequence of pages read by offset,
// starts with a row that has an id or with a millisecond, and its rows without id are adjacent: so
// the n-th of them is the n-th in every reading.
type twins struct{ seen map[string]int }

// clone copies the counts, so that a page which can't be read does not change them.
func (t *twins) clone() twins {
	if t == nil {
		return twins{}
	}
	return twins{maps.Clone(t.seen)}
}

// count is how often id occurred, this time included.
func (t *twins) count(id []byte) int {
	if t.seen == nil {
		t.seen = make(map[string]int)
	}
	t.seen[string(id)]++
	return t.seen[string(id)]
}

// number is id with a number if it occurred before.
func (t *twins) number(id string) string {
	if n := t.count([]byte(id)); n > 1 {
		return id + "#" + strconv.Itoa(n)
	}
	return id
}

// counts is how often each id occurred.
func (t *twins) counts() map[string]int {
	if t == nil {
		return nil
	}
	return maps.Clone(t.seen)
}

// assign gives the records their ids.
func (a *idArena) assign(records []pipeline.Record) {
	all, from := string(a.text), 0
	for i, end := range a.ends {
		records[i].ID = all[from:end]
		from = end
	}
}

// hashed is the prefix of the id of a document without an id, which has hashedID bytes.
const (
	hashed   = "sha256:"
	hashedID = len(hashed) + 2*sha256.Size
)

// appendHash appends the id of a document without an id; see the package comment.
func appendHash(dst []byte, raw jsontext.Value) []byte {
	sum := sha256.Sum256(raw)
	return hex.AppendEncode(append(dst, hashed...), sum[:])
}
