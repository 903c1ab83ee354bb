package tenant

import (
	"cmp"
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
	where  allOf // beside the window
	none   bool  // no index is asked that has anything
	sort   []sortField
	after  []string // sort values of the last row that the client has
	show   *projection
}

// window is a half-open range of created times in milliseconds. Events without
// a created time are outside of every range.
type window struct {
	from, to int64
	ranged   bool // a range was given
	missing  bool // only events without a created time
}

// everything is the window without bounds.
func everything() window { return window{from: math.MinInt64, to: undated} }

type sortField struct {
	name string
	down bool
}

// searchBody is the body of a search. Members that are not here are ignored, as
// the service does.
type searchBody struct {
	Indices   []string `json:"indices"`
	QueryType string   `json:"queryType"`
	Query     struct {
		Query    string         `json:"query"`
		Fields   string         `json:"fields"`
		TimeZone string         `json:"timeZone"`
		InnerHit jsontext.Value `json:"innerHit"`
	} `json:"query"`
	QueryDSL  jsontext.Value `json:"queryDsl"`
	TextQuery *struct {
		Terms    []string `json:"terms"`
		Fields   []string `json:"fields"`
		MatchAny bool     `json:"matchAny"`
		Contains bool     `json:"contains"`
	} `json:"textQuery"`
	TypeAhead *struct {
		Query      string `json:"query"`
		Field      string `json:"field"`
		NestedType string `json:"nestedType"`
	} `json:"typeAheadQuery"`
	Filters      map[string]filter `json:"filters"`
	Sort         []string          `json:"sort"`
	SearchAfter  []string          `json:"searchAfter"`
	ResultFilter *projection       `json:"queryResultFilter"`
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

// unknown is what a client may ask and the stand-in can't answer.
type unknown string

func (u unknown) Error() string { return "this stand-in does not know " + string(u) }

// known says whether the service has an index. The stand-in has events only; the
// others are empty here.
func known(index string) bool {
	return slices.Contains([]string{"accessprofiles", "accountactivities", "entitlements", "events", "identities", "roles", "*"}, index)
}

// parseQuery reads the body of a search at a moment. Its errors are for the client.
func parseQuery(raw []byte, now time.Time) (query, error) {
	var body searchBody
	if err := json.Unmarshal(raw, &body); err != nil {
		return query{}, fmt.Errorf("the body can't be read: %w", err)
	}
	q := query{window: everything(), show: body.ResultFilter}
	for _, index := range body.Indices {
		if !known(index) {
			return query{}, fmt.Errorf("indices: there is no %q", index)
		}
	}
	q.none = len(body.Indices) > 0 && !slices.Contains(body.Indices, "events") && !slices.Contains(body.Indices, "*")
	zone, err := zoneOf(body.Query.TimeZone)
	if err != nil {
		return query{}, err
	}
	d := dates{now, zone}
	c, err := body.condition(d)
	if err != nil {
		return query{}, err
	}
	q.add(c)
	for field, f := range body.Filters {
		c, err := f.condition(field, d)
		if err != nil {
			return query{}, err
		}
		q.add(c)
	}
	return q, q.addSort(body.Sort, body.SearchAfter)
}

// condition is what the query of the body asks for, by its type.
func (b searchBody) condition(d dates) (condition, error) {
	switch b.QueryType {
	case "", "SAILPOINT":
		if b.Query.InnerHit != nil {
			return nil, unknown("innerHit: events have nothing nested")
		}
		fields := strings.FieldsFunc(b.Query.Fields, func(r rune) bool { return r == ',' || r == ' ' })
		return (&lucene{text: b.Query.Query, dates: d, fields: fields}).parse()
	case "DSL":
		if b.QueryDSL == nil {
			return nil, errors.New("queryType DSL needs queryDsl")
		}
		return dsl{dates: d}.clause(b.QueryDSL)
	case "TEXT":
		if b.TextQuery == nil || len(b.TextQuery.Terms) == 0 || len(b.TextQuery.Fields) == 0 {
			return nil, errors.New("queryType TEXT needs textQuery with terms and fields")
		}
		return b.text(), nil
	case "TYPEAHEAD":
		switch {
		case b.TypeAhead == nil || b.TypeAhead.Query == "" || b.TypeAhead.Field == "":
			return nil, errors.New("queryType TYPEAHEAD needs typeAheadQuery with query and field")
		case b.TypeAhead.NestedType != "":
			return nil, unknown("nestedType: events have nothing nested")
		}
		return dsl{}.test("match_phrase_prefix", b.TypeAhead.Field, b.TypeAhead.Query, ""), nil
	}
	return nil, fmt.Errorf("there is not a queryType %q", b.QueryType)
}

// text is a query of terms in fields: each of them, or any, as words or as a part.
func (b searchBody) text() condition {
	var terms allOf
	for _, term := range b.TextQuery.Terms {
		good := func(v string) bool {
			phrase := words(term)
			return len(phrase) > 0 && hasPhrase(v, phrase, false)
		}
		if b.TextQuery.Contains {
			good = func(v string) bool { return strings.Contains(strings.ToLower(v), strings.ToLower(term)) }
		}
		var fields anyOf
		for _, field := range b.TextQuery.Fields {
			fields = append(fields, pattern{field, good})
		}
		terms = append(terms, fields)
	}
	if b.TextQuery.MatchAny {
		return anyOf(terms)
	}
	return terms
}

// condition is what a member of "filters" asks for.
func (f filter) condition(field string, d dates) (c condition, err error) {
	switch f.Type {
	case "RANGE":
		r := valueRange{field: field}
		if f.Range.Lower != nil {
			r.lower, r.lowerInclusive = &f.Range.Lower.Value, f.Range.Lower.Inclusive
		}
		if f.Range.Upper != nil {
			r.upper, r.upperInclusive = &f.Range.Upper.Value, f.Range.Upper.Inclusive
		}
		if c, err = r.condition(d); err != nil {
			return nil, err
		}
	case "EXISTS":
		c = present(field)
	case "TERMS":
		c = exactly{field, f.Terms}
	default:
		return nil, fmt.Errorf("filters: there is no type %q", f.Type)
	}
	if f.Exclude {
		return not{c}, nil
	}
	return c, nil
}

// add asks for one thing more. What is about the created time becomes a part of the
// window, so that it is found fast.
func (q *query) add(c condition) {
	switch c := c.(type) {
	case allOf:
		for _, one := range c {
			q.add(one)
		}
		return
	case always:
		if c {
			return
		}
	case within:
		if c.field == "created" {
			q.window.from, q.window.to, q.window.ranged = max(q.window.from, c.from), min(q.window.to, c.to), true
			return
		}
	case exists:
		if c == "created" {
			q.window.ranged = true
			return
		}
	case not:
		if c.of == exists("created") {
			q.window.missing = true
			return
		}
	}
	q.where = append(q.where, c)
}

// addSort checks sort and searchAfter.
func (q *query) addSort(fields, after []string) error {
	for _, f := range fields {
		name := strings.TrimLeft(f, "+-")
		if name == "" {
			return fmt.Errorf("sort: %q names no field", f)
		}
		if !sortable(name) {
			return fmt.Errorf("sort: no mapping found for [%s] in order to sort on", name)
		}
		q.sort = append(q.sort, sortField{name, strings.HasPrefix(f, "-")})
	}
	if len(after) != 0 && len(after) != len(fields) {
		return fmt.Errorf("searchAfter has %d values for %d sort fields", len(after), len(fields))
	}
	for i, value := range after {
		if isDate(q.sort[i].name) {
			if _, err := parseTime(value); err != nil {
				return err
			}
		}
	}
	q.after = after
	return nil
}

// sortable says whether events have a field.
func sortable(name string) bool {
	first, rest, _ := strings.Cut(strings.TrimSuffix(name, exactSuffix), ".")
	switch first {
	case "attributes":
		return rest != ""
	case "actor", "target":
		return rest == "name" || rest == "id" || rest == "displayName"
	}
	return rest == "" && slices.Contains([]string{
		"id", "name", "created", "synced", "action", "type", "stack", "trackingNumber", "ipAddress", "details", "objects",
		"operation", "status", "technicalName", "org", "pod", "_type", "_version",
	}, first)
}

// parseTime reads a time of a document or of searchAfter: RFC 3339, a date, or
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
	return 0, fmt.Errorf("%q is not a time", text)
}

// match says whether an event has what is asked for beside the window.
func (q *query) match(l list, i int) bool {
	return len(q.where) == 0 || q.where.holds(&document{raw: l.appendRaw(nil, i)})
}

// key is what a list is sorted by.
func (f sortField) key(h hit) sortKey {
	switch f.name {
	case "created":
		return sortKey{number: h.created, missing: h.created == undated}
	case "id", "id" + exactSuffix:
		return sortKey{text: h.id, missing: h.id == ""}
	}
	values := h.document.of(f.name)
	if len(values) == 0 {
		return sortKey{missing: true}
	}
	lowest, highest := slices.Min(values), slices.Max(values)
	value := lowest
	if f.down {
		value = highest
	}
	return f.named(value)
}

// named is the key that a client names in searchAfter.
func (f sortField) named(value string) sortKey {
	if isDate(f.name) {
		milli, err := parseTime(value)
		return sortKey{number: milli, missing: err != nil || milli == undated}
	}
	return sortKey{text: value}
}

// sortKey is a value of one field. Missing ones are last in either direction.
type sortKey struct {
	number  int64
	text    string
	missing bool
}

func (f sortField) compare(a, b sortKey) int {
	switch {
	case a.missing || b.missing:
		return cmp.Compare(rank(a.missing), rank(b.missing))
	case f.down:
		a, b = b, a
	}
	return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(a.text, b.text))
}

func rank(missing bool) int {
	if missing {
		return 1
	}
	return 0
}
