package sailpoint

import (
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// query is one search for events.
type query struct {
	from, to time.Time // created is at or after from and before to; whole milliseconds
	undated  bool      // instead: created is missing
	order    order
	after    []string // searchAfter: the last row's values of the sort keys
	// types restricts the search to events of these types, or to all others.
	types   []string
	exclude bool
	limit   int
	offset  int
	total   bool // the answer must say how many rows there are in all
	// twins, if not nil, counts the earlier pages that were read by offset.
	twins *twins
}

// order is how a search is sorted.
type order uint8

const (
	unsorted order = iota
	byCreated
	byCreatedAndID
	byID
)

// call is the request for q. The limit goes into the URL, because the service ignores it in the
// body.
func (q *query) call(ep *endpoint) call {
	c := call{ep: ep, body: q.body()}
	if q.limit > 0 {
		c.query = url.Values{"limit": {strconv.Itoa(q.limit)}}
	}
	if q.offset > 0 {
		c.query.Set("offset", strconv.Itoa(q.offset))
	}
	if q.total {
		c.query.Set("count", "true")
	}
	return c
}

// covers reports whether q asks for a row with that created. Other rows are still delivered, but
// say nothing about the walk's place.
func (q *query) covers(created time.Time) bool {
	return q.undated || !created.Before(q.from) && created.Before(q.to)
}

// body is the JSON of the request. SailPoint's guide documents the DSL form of the range for
// created.
func (q *query) body() []byte {
	b := append(make([]byte, 0, 512), `{"indices":["events"],`...)
	if q.undated {
		b = append(b, `"query":{"query":"*"},"filters":{"created":{"type":"EXISTS","exclude":true}}`...)
	} else {
		b = append(b, `"queryType":"DSL","queryDsl":{"bool":{"must":[{"range":{"created":{"gte":"`...)
		b = q.from.UTC().AppendFormat(b, milli)
		b = append(b, `","lt":"`...)
		b = q.to.UTC().AppendFormat(b, milli)
		b = append(b, `"}}}]}}`...)
	}
	if len(q.types) > 0 {
		b = append(b, `,"filters":{"type":{"type":"TERMS","terms":[`...)
		b = appendTexts(b, q.types...)
		b = append(b, `],"exclude":`...)
		b = strconv.AppendBool(b, q.exclude)
		b = append(b, `}}`...)
	}
	switch q.order {
	case byCreated:
		b = append(b, `,"sort":["created"]`...)
	case byCreatedAndID:
		b = append(b, `,"sort":["created","id"]`...)
	case byID:
		b = append(b, `,"sort":["id"]`...)
	case unsorted:
	}
	if len(q.after) > 0 {
		b = append(b, `,"searchAfter":[`...)
		b = append(appendTexts(b, q.after...), ']')
	}
	return append(b, '}')
}

// appendTexts appends JSON strings with commas between them.
func appendTexts(b []byte, texts ...string) []byte {
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b, _ = jsontext.AppendQuote(b, text) // only fails for invalid UTF-8, which it replaces
	}
	return b
}
