package tenant

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// query is what a search asks for.
type query struct {
	window window
	terms  []terms
	sort   []sortField
	after  []string // sort values of the last row that the client has
}

// window is a half-open range of created times in milliseconds. Events without
// a created time are outside of every range.
type window struct {
	from, to int64
	ranged   bool // a range was given
	missing  bool // only events without a created time
}

// terms asks for events whose text field has one of the values (or none of them).
type terms struct {
	field   string
	values  []string
	exclude bool
}

type sortField struct {
	name string
	down bool
}

// searchBody is the body of a search as far as the stand-in knows it. Members
// that are not here are ignored, as the service does.
type searchBody struct {
	Indices   []string `json:"indices"`
	QueryType string   `json:"queryType"`
	Query     struct {
		Query string `json:"query"`
	} `json:"query"`
	QueryDSL     jsontext.Value    `json:"queryDsl"`
	Filters      map[string]filter `json:"filters"`
	Sort         []string          `json:"sort"`
	SearchAfter  []string          `json:"searchAfter"`
	ResultFilter jsontext.Value    `json:"queryResultFilter"`
}

type filter struct {
	Type  string `json:"type"`
	Range struct {
		Lower *bound `json:"lower"`
		Upper *bound `json:"upper"`
	} `json:"range"`
	Terms   []string `json:"terms"`
	Exclude bool     `json:"exclude"`
}

type bound struct {
	Value     string `json:"value"`
	Inclusive bool   `json:"inclusive"`
}

// parseQuery reads the body of a search. Its errors are for the client.
func parseQuery(raw []byte) (query, error) {
	var body searchBody
	if err := json.Unmarshal(raw, &body); err != nil {
		return query{}, fmt.Errorf("the body can't be read: %w", err)
	}
	q := query{window: window{from: math.MinInt64, to: undated}}
	if !slices.Equal(body.Indices, []string{"events"}) {
		return query{}, fmt.Errorf(`this stand-in searches indices ["events"] only, not %q`, body.Indices)
	}
	if body.ResultFilter != nil {
		return query{}, errors.New("this stand-in does not know queryResultFilter")
	}
	var err error
	switch body.QueryType {
	case "", "SAILPOINT":
		err = q.addText(body.Query.Query)
	case "DSL":
		if body.QueryDSL == nil {
			return query{}, errors.New("queryType DSL needs queryDsl")
		}
		err = q.addDSL(body.QueryDSL, false)
	default:
		err = fmt.Errorf("this stand-in does not know queryType %q", body.QueryType)
	}
	if err != nil {
		return query{}, err
	}
	for field, f := range body.Filters {
		if err := q.addFilter(field, f); err != nil {
			return query{}, err
		}
	}
	return q, q.addSort(body.Sort, body.SearchAfter)
}

// addFilter adds a member of "filters".
func (q *query) addFilter(field string, f filter) error {
	switch {
	case f.Type == "RANGE" && field == "created" && !f.Exclude:
		if lower := f.Range.Lower; lower != nil {
			if err := q.window.above(lower.Value, lower.Inclusive); err != nil {
				return err
			}
		}
		if upper := f.Range.Upper; upper != nil {
			return q.window.below(upper.Value, upper.Inclusive)
		}
		return nil
	case f.Type == "EXISTS" && field == "created":
		q.exists(f.Exclude)
		return nil
	case f.Type == "TERMS":
		q.terms = append(q.terms, terms{field, f.Terms, f.Exclude})
		return nil
	default:
		return fmt.Errorf("this stand-in does not know a filter of type %q (exclude %v) on %q", f.Type, f.Exclude, field)
	}
}

// exists asks for events that have (or lack) a created time.
func (q *query) exists(missing bool) {
	if missing {
		q.window.missing = true
	} else {
		q.window.ranged = true
	}
}

// addSort checks sort and searchAfter.
func (q *query) addSort(fields, after []string) error {
	for _, f := range fields {
		name := strings.TrimLeft(f, "+-")
		if name != "created" && name != "id" {
			return fmt.Errorf("this stand-in sorts by created and id, not by %q", f)
		}
		q.sort = append(q.sort, sortField{name, strings.HasPrefix(f, "-")})
	}
	if len(after) != 0 && len(after) != len(fields) {
		return fmt.Errorf("searchAfter has %d values for %d sort fields", len(after), len(fields))
	}
	for i, value := range after {
		if q.sort[i].name == "created" {
			if _, err := parseTime(value); err != nil {
				return err
			}
		}
	}
	q.after = after
	return nil
}

// above raises the lower end of the window.
func (w *window) above(value string, inclusive bool) error {
	at, err := parseTime(value)
	if err != nil {
		return err
	}
	if !inclusive {
		at++
	}
	w.from, w.ranged = max(w.from, at), true
	return nil
}

// below lowers the upper end of the window.
func (w *window) below(value string, inclusive bool) error {
	at, err := parseTime(value)
	if err != nil {
		return err
	}
	if inclusive {
		at++
	}
	w.to, w.ranged = min(w.to, at), true
	return nil
}

// parseTime reads a time as the index takes it: RFC 3339, a date, or
// milliseconds since 1970. It returns milliseconds.
func parseTime(text string) (int64, error) {
	if milli, err := strconv.ParseInt(text, 10, 64); err == nil {
		return milli, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("%q is no time", text)
}

// match says whether an event has what the terms ask for. A field that is not a
// text has no value.
func (q *query) match(l list, i int) bool {
	if len(q.terms) == 0 {
		return true
	}
	fields := make([]string, len(q.terms))
	for i, t := range q.terms {
		fields[i] = t.field
	}
	values := make(map[string]string)
	if err := members(l.appendRaw(nil, i), fields, func(name string, value jsontext.Value) { values[name] = textOf(value) }); err != nil {
		return false
	}
	for _, t := range q.terms {
		value, ok := values[t.field]
		if (ok && slices.Contains(t.values, value)) == t.exclude {
			return false
		}
	}
	return true
}
