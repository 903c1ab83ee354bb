package okta

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// rows is a page that has been read.
type rows struct {
	records []pipeline.Record
	newest  time.Time // the latest time of any event
	flawed  int       // events that break the rules
}

// The members that are picked from an event.
const (
	pickUUID = iota
	pickPublished
)

const (
	// maxID is the longest id that is accepted, maxTime the longest text that may be a time.
	maxID, maxTime = 1 << 10, 64
	// maxRows is far more than an org serves at once, also if something in between drops the limit.
	maxRows = 10 * PageSize
	// window is the width of the ledger's windows.
	window = 5 * time.Minute
)

// walker is [jsonwalk.Walk], or a variant that notes outlines, or one that accepts broken elements.
type walker func(page []byte, names []string, visit func(jsonwalk.Element) error) error

// readRows makes records of a page. Their Raw are parts of body, and their ids parts of one string:
// a page costs a handful of allocations, not one for each event.
func readRows(body []byte, limit int, walk walker) (*rows, error) {
	guess := min(len(body)/1024+1, limit) // events have 2 KB and more
	r := &rows{records: make([]pipeline.Record, 0, guess)}
	ids, ends := make([]byte, 0, 40*guess), make([]int, 0, guess)
	var same map[string]int // how often a hash occurred
	err := walk(body, []string{"uuid", "published"}, func(e jsonwalk.Element) error {
		if len(r.records) == maxRows {
			return jsonwalk.ErrTooMany
		}
		at := pickTime(e.Picks[pickPublished])
		r.records = append(r.records, pipeline.Record{Time: at, Raw: e.Raw, Flaw: e.Flaw, Outline: e.Outline})
		if at.After(r.newest) {
			r.newest = at
		}
		if e.Flaw != "" {
			r.flawed++
		}
		if id := e.Picks[pickUUID]; id.Kind == jsonwalk.String && len(id.Text) > 0 && len(id.Text) <= maxID {
			ids = append(ids, id.Text...)
		} else {
			from := len(ids)
			ids = appendHash(ids, e.Raw)
			if same == nil {
				same = make(map[string]int)
			}
			hash := string(ids[from:])
			if same[hash]++; same[hash] > 1 { // the org lists it twice: so there are two
				ids = strconv.AppendInt(append(ids, '#'), int64(same[hash]), 10)
			}
		}
		ends = append(ends, len(ids))
		return nil
	})
	if err != nil {
		return nil, err
	}
	all, from := string(ids), 0
	for i, end := range ends {
		r.records[i].ID = all[from:end]
		from = end
	}
	return r, nil
}

// pickTime returns the zero time for a published that is absent, null or unreadable.
func pickTime(p jsonwalk.Pick) time.Time {
	var at time.Time
	if p.Kind != jsonwalk.String || len(p.Text) > maxTime || at.UnmarshalText(p.Text) != nil {
		return time.Time{}
	}
	return at.UTC()
}

// appendHash appends the id of an event that has none.
func appendHash(dst []byte, raw jsontext.Value) []byte {
	sum := sha256.Sum256(raw)
	return hex.AppendEncode(append(dst, "sha256:"...), sum[:])
}

// dateFlawed dates events that break the rules and have no time: they get a time in the window of
// those before and after them, if that is one and the same. before is the time of the page before,
// after that of what follows, zero if unknown.
func (r *rows) dateFlawed(before, after time.Time) {
	if r.flawed == 0 {
		return
	}
	for i := range r.records {
		rec := &r.records[i]
		if !rec.Time.IsZero() {
			before = rec.Time
			continue
		}
		if rec.Flaw == "" {
			continue
		}
		next := after
		for _, later := range r.records[i+1:] {
			if !later.Time.IsZero() {
				next = later.Time
				break
			}
		}
		rec.Time = between(before, next)
	}
}

// between is a time in the one window that both moments are in; zero if they are not in one.
func between(before, after time.Time) time.Time {
	if before.IsZero() || !before.Truncate(window).Equal(after.Truncate(window)) {
		return time.Time{}
	}
	return before
}

// within drops the events whose time is outside [from, to).
func (r *rows) within(from, to time.Time) {
	kept := r.records[:0]
	for _, rec := range r.records {
		if rec.Time.IsZero() || !rec.Time.Before(from) && rec.Time.Before(to) {
			kept = append(kept, rec)
		}
	}
	r.records = kept
}
