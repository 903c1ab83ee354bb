package tenant

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// clause is a query of the DSL as far as the stand-in knows it: exactly one member is set.
type clause struct {
	Bool *struct {
		Must    jsontext.Value `json:"must"`
		Filter  jsontext.Value `json:"filter"`
		MustNot jsontext.Value `json:"must_not"`
	} `json:"bool"`
	Range  map[string]map[string]jsontext.Value `json:"range"`
	Term   map[string]string                    `json:"term"`
	Terms  map[string][]string                  `json:"terms"`
	Exists *struct {
		Field string `json:"field"`
	} `json:"exists"`
	MatchAll    jsontext.Value `json:"match_all"`
	QueryString *struct {
		Query string `json:"query"`
	} `json:"query_string"`
}

// addDSL adds a clause of the DSL, or a list of them; negate asks for the opposite.
func (q *query) addDSL(raw jsontext.Value, negate bool) error {
	if raw.Kind() == '[' {
		var list []jsontext.Value
		if err := json.Unmarshal(raw, &list); err != nil {
			return fmt.Errorf("queryDsl can't be read: %w", err)
		}
		for _, item := range list {
			if err := q.addDSL(item, negate); err != nil {
				return err
			}
		}
		return nil
	}
	var c clause
	if err := json.Unmarshal(raw, &c, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("this stand-in does not know the clause: %w", err)
	}
	switch {
	case c.Bool != nil && !negate:
		for _, part := range []struct {
			raw    jsontext.Value
			negate bool
		}{{c.Bool.Must, false}, {c.Bool.Filter, false}, {c.Bool.MustNot, true}} {
			if part.raw == nil {
				continue
			}
			if err := q.addDSL(part.raw, part.negate); err != nil {
				return err
			}
		}
		return nil
	case c.Range != nil && !negate:
		return q.addRange(c.Range)
	case c.Exists != nil && c.Exists.Field == "created":
		q.exists(negate)
		return nil
	case c.Term != nil:
		for field, value := range c.Term {
			q.terms = append(q.terms, terms{field, []string{value}, negate})
		}
		return nil
	case c.Terms != nil:
		for field, values := range c.Terms {
			q.terms = append(q.terms, terms{field, values, negate})
		}
		return nil
	case c.MatchAll != nil && !negate:
		return nil
	case c.QueryString != nil && !negate:
		return q.addText(c.QueryString.Query)
	default:
		return fmt.Errorf("this stand-in does not know the clause %s", raw)
	}
}

// addRange adds a range clause.
func (q *query) addRange(fields map[string]map[string]jsontext.Value) error {
	for field, ends := range fields {
		if field != "created" {
			return fmt.Errorf("this stand-in knows ranges of created, not of %q", field)
		}
		for op, value := range ends {
			text := string(value)
			if value.Kind() == '"' {
				text = textOf(value)
			}
			var err error
			switch op {
			case "gt", "gte":
				err = q.window.above(text, op == "gte")
			case "lt", "lte":
				err = q.window.below(text, op == "lte")
			default:
				err = fmt.Errorf("this stand-in does not know %q in a range", op)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// addText adds a query in the query-string language: "*", field:value,
// created:[from TO to] with [] inclusive and {} exclusive, joined by AND.
func (q *query) addText(text string) error {
	for part := range strings.SplitSeq(text, " AND ") {
		part = strings.TrimSpace(part)
		if part == "*" || part == "" {
			continue
		}
		field, value, found := strings.Cut(part, ":")
		if !found {
			return fmt.Errorf("this stand-in does not know the query %q", part)
		}
		if field == "created" {
			if err := q.addTextRange(value); err != nil {
				return err
			}
			continue
		}
		value, err := unescape(value)
		if err != nil {
			return err
		}
		q.terms = append(q.terms, terms{field, []string{value}, false})
	}
	return nil
}

// addTextRange adds created:[from TO to].
func (q *query) addTextRange(text string) error {
	if len(text) < 2 || !strings.ContainsAny(text[:1], "[{") || !strings.ContainsAny(text[len(text)-1:], "]}") {
		return fmt.Errorf("%q is no range", text)
	}
	from, to, found := strings.Cut(text[1:len(text)-1], " TO ")
	if !found {
		return fmt.Errorf("%q is no range", text)
	}
	q.window.ranged = true
	if from = strings.TrimSpace(from); from != "*" {
		value, err := unescape(from)
		if err != nil {
			return err
		}
		if err := q.window.above(value, text[0] == '['); err != nil {
			return err
		}
	}
	if to = strings.TrimSpace(to); to != "*" {
		value, err := unescape(to)
		if err != nil {
			return err
		}
		return q.window.below(value, text[len(text)-1] == ']')
	}
	return nil
}

// unescape reads a value of the query-string language: quoted, or with a
// backslash before each character that means something there.
func unescape(text string) (string, error) {
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return text[1 : len(text)-1], nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c == '\\':
			return "", errors.New("the query ends with a backslash")
		case strings.ContainsRune(`-.:+!(){}[]^"~*?/`, rune(c)):
			return "", fmt.Errorf("%q in %q must be escaped with a backslash", c, text)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}
