package sourcetest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// ledger takes pages as the pipeline does, and checks each record.
type ledger struct {
	t       *testing.T
	want    map[string][]byte
	seen    map[string]bool
	through time.Time
	flawed  []flawed
	all     []pipeline.Record // of an odd walk, each once
	more    bool              // records with other ids belong to the stream as well
}

func newLedger(t *testing.T, w *World) *ledger {
	t.Helper()
	l := &ledger{t: t, want: make(map[string][]byte, len(w.Want)), seen: make(map[string]bool, len(w.Want))}
	for id, raw := range w.Want {
		l.want[id] = raw
	}
	return l
}

// fetch fetches and checks one page.
func (l *ledger) fetch(src pipeline.Source, after pipeline.Cursor) pipeline.Page {
	l.t.Helper()
	page, err := src.Fetch(l.t.Context(), after)
	if err != nil {
		l.t.Fatalf("fetch after %s: %v", after, err)
	}
	if page.Next == "" {
		l.t.Fatalf("fetch after %s: the page has no next cursor", after)
	}
	if page.Through.After(time.Now()) {
		l.t.Errorf("the stream claims to be covered through %v, which has not come yet", page.Through)
	}
	for _, r := range page.Records {
		l.take(r)
	}
	return page
}

func (l *ledger) take(r pipeline.Record) {
	l.t.Helper()
	want, known := l.want[r.ID]
	switch {
	case r.ID == "":
		l.t.Errorf("a record has no id: %.100s", r.Raw)
	case !known:
		l.t.Errorf("record %q is not in the stream", r.ID)
	case want != nil && !bytes.Equal(want, r.Raw):
		l.t.Errorf("record %q has other bytes:\nwant %.200s\ngot  %.200s", r.ID, want, r.Raw)
	case r.Raw.Kind() != jsontext.KindBeginObject || !r.Raw.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
		l.t.Errorf("record %q is not one JSON object: %.200s", r.ID, r.Raw)
	case r.Time.Location() != time.UTC:
		l.t.Errorf("record %q has a time that is not UTC: %v", r.ID, r.Time)
	}
	l.seen[r.ID] = true
}

// walk fetches until there is no more and returns the number of pages. page, if
// not nil, is called with each, when its records are taken.
func (l *ledger) walk(src pipeline.Source, after pipeline.Cursor, page func(pipeline.Page)) int {
	l.t.Helper()
	var through time.Time
	for n := 1; n <= maxPages; n++ {
		p := l.fetch(src, after)
		if p.More && p.Next == after {
			l.t.Fatalf("the source says that there is more after %s, but does not advance", after)
		}
		if !p.Through.IsZero() {
			if p.Through.Before(through) || !p.More && p.Through.Before(l.through) { // in this walk, or in the end
				l.t.Errorf("the stream is covered through %v, and was through %v before", p.Through, slices.MaxFunc([]time.Time{through, l.through}, time.Time.Compare))
			}
			through = p.Through
			if !p.More {
				l.through = through
			}
		}
		if page != nil {
			page(p)
		}
		if !p.More {
			return n
		}
		after = p.Next
	}
	l.t.Fatalf("the walk did not end after %d pages", maxPages)
	return 0
}

// complete checks that everything came.
func (l *ledger) complete() {
	l.t.Helper()
	missing := 0
	for id := range l.want {
		if !l.seen[id] {
			if missing++; missing <= 3 {
				l.t.Errorf("record %q never came", id)
			}
		}
	}
	if missing > 3 {
		l.t.Errorf("%d records of %d never came", missing, len(l.want))
	}
}
