package tenant

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// dsl reads queries of Elasticsearch's DSL.
type dsl struct {
	dates dates
	depth int
}

// unsupported says whether a clause exists that the stand-in does not know.
func unsupported(kind string) bool {
	return slices.Contains([]string{
		"fuzzy", "regexp", "nested", "simple_query_string", "multi_match", "match_bool_prefix", "more_like_this", "script", "script_score",
		"function_score", "dis_max", "boosting", "intervals", "terms_set", "wrapper", "has_child", "has_parent", "parent_id", "distance_feature", "rank_feature",
	}, kind)
}

// clause reads one query: an object with one member, the name of its kind.
func (p dsl) clause(raw jsontext.Value) (condition, error) {
	if p.depth++; p.depth > 100 {
		return nil, errors.New("queryDsl is too deep")
	}
	var one map[string]jsontext.Value
	if err := json.Unmarshal(raw, &one); err != nil || len(one) != 1 {
		return nil, fmt.Errorf("queryDsl: %.100s is not a query: an object with one member is", raw)
	}
	for kind, body := range one {
		c, err := p.kind(kind, body)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	return always(true), nil
}

func (p dsl) kind(kind string, body jsontext.Value) (condition, error) {
	switch kind {
	case "bool":
		return p.boolean(body)
	case "constant_score":
		var c struct {
			Filter jsontext.Value `json:"filter"`
		}
		if err := read(kind, body, &c); err != nil {
			return nil, err
		}
		return p.clause(c.Filter)
	case "match_all":
		return always(true), nil
	case "match_none":
		return always(false), nil
	case "exists":
		var c struct {
			Field string `json:"field"`
		}
		err := read(kind, body, &c)
		return present(c.Field), err
	case "ids":
		var c struct {
			Values []string `json:"values"`
		}
		err := read(kind, body, &c)
		return exactly{"id", c.Values}, err
	case "query_string":
		return p.queryString(body)
	case "range":
		return p.ranges(body)
	case "terms":
		return p.terms(body)
	case "term", "match", "match_phrase", "match_phrase_prefix", "prefix", "wildcard":
		return p.single(kind, body)
	}
	if unsupported(kind) {
		return nil, unknown("the query " + kind)
	}
	return nil, fmt.Errorf("queryDsl: unknown query [%s]", kind)
}

// read decodes the body of a clause.
func read(kind string, body jsontext.Value, to any) error {
	if err := json.Unmarshal(body, to); err != nil {
		return fmt.Errorf("queryDsl: [%s] is malformed: %w", kind, err)
	}
	return nil
}

// list reads a clause or an array of them.
func (p dsl) list(raw jsontext.Value) (allOf, error) {
	if raw == nil {
		return nil, nil
	}
	items := []jsontext.Value{raw}
	if raw.Kind() == '[' {
		if err := read("bool", raw, &items); err != nil {
			return nil, err
		}
	}
	var list allOf
	for _, item := range items {
		c, err := p.clause(item)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func (p dsl) boolean(body jsontext.Value) (condition, error) {
	var b struct {
		Must    jsontext.Value `json:"must"`
		Filter  jsontext.Value `json:"filter"`
		MustNot jsontext.Value `json:"must_not"`
		Should  jsontext.Value `json:"should"`
		Least   jsontext.Value `json:"minimum_should_match"`
		Boost   jsontext.Value `json:"boost"`
	}
	if err := json.Unmarshal(body, &b, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("queryDsl: [bool] is malformed: %w", err)
	}
	var lists [4]allOf
	for i, raw := range []jsontext.Value{b.Must, b.Filter, b.MustNot, b.Should} {
		var err error
		if lists[i], err = p.list(raw); err != nil {
			return nil, err
		}
	}
	c := slices.Concat(lists[0], lists[1])
	for _, no := range lists[2] {
		c = append(c, not{no})
	}
	least := 0
	if len(lists[0])+len(lists[1]) == 0 && len(lists[3]) > 0 {
		least = 1
	}
	if b.Least != nil {
		n, err := strconv.Atoi(strings.Trim(string(b.Least), `"`))
		if err != nil {
			return nil, unknown("minimum_should_match " + string(b.Least))
		}
		if least = n; n < 0 {
			least = max(0, len(lists[3])+n)
		}
	}
	if least > 0 {
		c = append(c, atLeast{least, lists[3]})
	}
	return c, nil
}

func (p dsl) queryString(body jsontext.Value) (condition, error) {
	var c struct {
		Query        string   `json:"query"`
		DefaultField string   `json:"default_field"`
		Fields       []string `json:"fields"`
		Operator     string   `json:"default_operator"`
		TimeZone     string   `json:"time_zone"`
	}
	if err := read("query_string", body, &c); err != nil {
		return nil, err
	}
	if strings.EqualFold(c.Operator, "AND") {
		return nil, unknown("default_operator AND")
	}
	q := lucene{text: c.Query, fields: c.Fields, dates: p.dates}
	if c.DefaultField != "" && c.DefaultField != "*" {
		q.fields = []string{c.DefaultField}
	}
	var err error
	if q.dates.zone, err = zoneOf(c.TimeZone); err != nil {
		return nil, err
	}
	return q.parse()
}

// zoneOf reads a time zone: a name or an offset. None is UTC.
func zoneOf(text string) (*time.Location, error) {
	if text == "" {
		return time.UTC, nil
	}
	if at, err := time.Parse("-07:00", text); err == nil {
		return at.Location(), nil
	}
	zone, err := time.LoadLocation(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time zone", text)
	}
	return zone, nil
}

// scalar is the text of a JSON text, number or boolean.
func scalar(v jsontext.Value) (string, error) {
	switch v.Kind() {
	case '"':
		return textOf(v), nil
	case '0', 't', 'f':
		return string(v), nil
	}
	return "", fmt.Errorf("queryDsl: %s is not a value", v)
}

func (p dsl) ranges(body jsontext.Value) (condition, error) {
	var fields map[string]map[string]jsontext.Value
	if err := read("range", body, &fields); err != nil {
		return nil, err
	}
	var c allOf
	for field, ends := range fields {
		r, d := valueRange{field: field}, p.dates
		for op, value := range ends {
			if op == "format" || op == "relation" || op == "boost" {
				continue
			}
			text, err := scalar(value)
			switch {
			case err != nil:
				return nil, err
			case op == "time_zone":
				if d.zone, err = zoneOf(text); err != nil {
					return nil, err
				}
			case op == "gt", op == "gte", op == "from":
				r.lower, r.lowerInclusive = &text, op != "gt"
			case op == "lt", op == "lte", op == "to":
				r.upper, r.upperInclusive = &text, op != "lt"
			default:
				return nil, fmt.Errorf("queryDsl: [range] query does not support [%s]", op)
			}
		}
		one, err := r.condition(d)
		if err != nil {
			return nil, err
		}
		c = append(c, one)
	}
	return c, nil
}

func (p dsl) terms(body jsontext.Value) (condition, error) {
	var fields map[string]jsontext.Value
	if err := read("terms", body, &fields); err != nil {
		return nil, err
	}
	delete(fields, "boost")
	var c allOf
	for field, raw := range fields {
		var values []jsontext.Value
		if err := read("terms", raw, &values); err != nil {
			return nil, err
		}
		in := exactly{field: field}
		for _, v := range values {
			text, err := scalar(v)
			if err != nil {
				return nil, err
			}
			in.values = append(in.values, text)
		}
		c = append(c, in)
	}
	return c, nil
}

// single reads the queries of one field and one value, plain or in an object.
func (p dsl) single(kind string, body jsontext.Value) (condition, error) {
	var fields map[string]jsontext.Value
	if err := read(kind, body, &fields); err != nil {
		return nil, err
	}
	var c allOf
	for field, raw := range fields {
		operator := ""
		if raw.Kind() == '{' {
			var o struct {
				Value    jsontext.Value `json:"value"`
				Query    jsontext.Value `json:"query"`
				Wildcard jsontext.Value `json:"wildcard"`
				Operator string         `json:"operator"`
			}
			if err := read(kind, raw, &o); err != nil {
				return nil, err
			}
			operator = o.Operator
			if raw = o.Value; raw == nil {
				raw = o.Query
			}
			if raw == nil {
				raw = o.Wildcard
			}
		}
		text, err := scalar(raw)
		if err != nil {
			return nil, err
		}
		c = append(c, p.test(kind, field, text, operator))
	}
	return c, nil
}

func (p dsl) test(kind, field, text, operator string) condition {
	switch kind {
	case "prefix":
		return pattern{field, func(v string) bool { return strings.HasPrefix(v, text) }}
	case "wildcard":
		return pattern{field, wildcard(globOf(text), true)}
	case "match_phrase", "match_phrase_prefix":
		return pattern{field, func(v string) bool {
			phrase := words(text)
			return len(phrase) > 0 && hasPhrase(v, phrase, kind == "match_phrase_prefix")
		}}
	case "match":
		return pattern{field, func(v string) bool { return hasWords(v, words(text), !strings.EqualFold(operator, "and")) }}
	}
	return exactly{field, []string{text}}
}

// globOf keeps path.Match from finding classes of characters in a pattern.
func globOf(text string) string {
	return strings.NewReplacer("[", `\[`, "]", `\]`).Replace(text)
}

// hasWords says whether a text has all of the words, or one of them.
func hasWords(text string, want []string, one bool) bool {
	have := words(text)
	in := func(w string) bool { return slices.Contains(have, w) }
	if one {
		return slices.ContainsFunc(want, in)
	}
	return len(want) > 0 && !slices.ContainsFunc(want, func(w string) bool { return !in(w) })
}
