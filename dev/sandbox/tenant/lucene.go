package tenant

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"
)

// lucene reads the query-string language that people type into the search: words, "phrases",
// field:value, field:(a OR b), ranges with [] and {}, >=, wildcards, _exists_:field, AND, OR, NOT,
// &&, ||, !, + and -. Between two terms without an operator stands an OR, as
// SailPoint documents it. Letters are compared without regard to case but behind a field
// with the keyword "exact".
type lucene struct {
	dates  dates
	text   string
	at     int
	field  string   // that parentheses stand behind
	fields []string // of a term that names none; empty is any
	depth  int
}

// parse returns what the text asks for.
func (p *lucene) parse() (condition, error) {
	if strings.TrimSpace(p.text) == "" {
		return always(true), nil
	}
	c, err := p.either()
	if err == nil && p.at < len(p.text) {
		err = fmt.Errorf("failed to parse query [%s] at %d", p.text, p.at)
	}
	return c, err
}

func (p *lucene) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t' || p.text[p.at] == '\n' || p.text[p.at] == '\r') {
		p.at++
	}
}

// take steps over an operator, if it is next.
func (p *lucene) take(operators ...string) bool {
	p.space()
	for _, op := range operators {
		rest, found := strings.CutPrefix(p.text[p.at:], op)
		isWord := op[0] >= 'A' && op[0] <= 'Z'
		if found && (!isWord || rest == "" || strings.ContainsAny(rest[:1], " \t\n\r(")) {
			p.at += len(op)
			return true
		}
	}
	return false
}

// done says whether nothing or a closing parenthesis is next.
func (p *lucene) done() bool {
	p.space()
	return p.at == len(p.text) || p.text[p.at] == ')'
}

// either reads terms with OR, written or not, between them. A + before a term
// makes it a must, a - or NOT a must not.
func (p *lucene) either() (condition, error) {
	if p.depth++; p.depth > 100 {
		return nil, errors.New("failed to parse query: too deep")
	}
	defer func() { p.depth-- }()
	var must, mustNot allOf
	var may anyOf
	for {
		c, sign, err := p.both()
		switch {
		case err != nil:
			return nil, err
		case sign == '+':
			must = append(must, c)
		case sign == '-':
			mustNot = append(mustNot, c)
		default:
			may = append(may, c)
		}
		if p.take("OR", "||") {
			continue
		}
		if p.done() {
			break
		}
	}
	if len(must) == 0 && len(may) > 0 { // else they weigh in the score only
		must = append(must, flatten(may))
	}
	if must = append(must, mustNot...); len(must) == 1 {
		return must[0], nil
	}
	return must, nil
}

func flatten(c anyOf) condition {
	if len(c) == 1 {
		return c[0]
	}
	return c
}

// both reads terms with AND between them. sign is + or - if it is one term that
// must be or must not be there.
func (p *lucene) both() (c condition, sign byte, err error) {
	var terms allOf
	for {
		one, sign, err := p.signed()
		if err != nil {
			return nil, 0, err
		}
		if terms = append(terms, one); p.take("AND", "&&") {
			continue
		}
		if len(terms) == 1 {
			return one, sign, nil
		}
		return terms, 0, nil
	}
}

func (p *lucene) signed() (c condition, sign byte, err error) {
	switch {
	case p.take("NOT", "!", "-"):
		c, _, err = p.signed()
		return not{c}, '-', err
	case p.take("+"):
		c, _, err = p.signed()
		return c, '+', err
	}
	c, err = p.term()
	return c, 0, err
}

// term reads a value, with a field before it or not, or parentheses.
func (p *lucene) term() (condition, error) {
	p.space()
	field := p.field
	if name, ok := p.name(); ok {
		field = name
		p.space()
	}
	if p.done() {
		return nil, fmt.Errorf("failed to parse query [%s]: a term is missing", p.text)
	}
	var c condition
	var err error
	switch p.text[p.at] {
	case '(':
		c, err = p.group(field)
	case '[', '{':
		c, err = p.bracket(field)
	case '<', '>':
		c, err = p.comparison(field)
	case '"':
		c, err = p.quoted(field)
	case '/':
		return nil, unknown("regular expressions in a query")
	case '@':
		return nil, unknown("nested queries (@name(…)): events have nothing nested")
	default:
		c, err = p.word(field)
	}
	if err != nil {
		return nil, err
	}
	return c, p.modifiers()
}

// name reads a field's name and its colon, if they are next.
func (p *lucene) name() (string, bool) {
	var b strings.Builder
	for i := p.at; i < len(p.text); i++ {
		c := p.text[i]
		switch {
		case c == ':' && i > p.at:
			p.at = i + 1
			return b.String(), true
		case c == '\\' && i+1 < len(p.text):
			i++
			b.WriteByte(p.text[i])
		case c == '_' || c == '.' || c == '-' || c >= 0x80 || unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)):
			b.WriteByte(c)
		default:
			return "", false
		}
	}
	return "", false
}

func (p *lucene) group(field string) (condition, error) {
	p.at++
	outer := p.field
	p.field = field
	c, err := p.either()
	p.field = outer
	if err == nil && !p.take(")") {
		err = fmt.Errorf("failed to parse query [%s]: a parenthesis is not closed", p.text)
	}
	return c, err
}

// bracket reads [from TO to], {} being exclusive.
func (p *lucene) bracket(field string) (condition, error) {
	end := strings.IndexAny(p.text[p.at:], "]}")
	if end < 0 {
		return nil, fmt.Errorf("failed to parse query [%s]: it has half a range", p.text)
	}
	inside, open, closing := p.text[p.at+1:p.at+end], p.text[p.at], p.text[p.at+end]
	p.at += end + 1
	from, to, found := strings.Cut(inside, " TO ")
	if !found {
		return nil, fmt.Errorf("failed to parse query [%s]: %q is not a range", p.text, inside)
	}
	r := valueRange{field: field}
	if from = endText(from); from != "*" {
		r.lower, r.lowerInclusive = &from, open == '['
	}
	if to = endText(to); to != "*" {
		r.upper, r.upperInclusive = &to, closing == ']'
	}
	return r.condition(p.dates)
}

// endText is the text of one end of a range. Inside of brackets nothing has to be
// escaped, and everything may be.
func endText(text string) string {
	text = strings.TrimSpace(text)
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	return unescape(text)
}

func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// comparison reads >value, >=value, <value, <=value.
func (p *lucene) comparison(field string) (condition, error) {
	greater := p.text[p.at] == '>'
	p.at++
	inclusive := p.at < len(p.text) && p.text[p.at] == '='
	if inclusive {
		p.at++
	}
	from := p.at
	for p.at < len(p.text) && !strings.ContainsRune(" \t\n\r()", rune(p.text[p.at])) {
		p.at++
	}
	value := endText(p.text[from:p.at])
	if value == "" {
		return nil, fmt.Errorf("failed to parse query [%s]: a comparison has no value", p.text)
	}
	if greater {
		return valueRange{field: field, lower: &value, lowerInclusive: inclusive}.condition(p.dates)
	}
	return valueRange{field: field, upper: &value, upperInclusive: inclusive}.condition(p.dates)
}

func (p *lucene) quoted(field string) (condition, error) {
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\\' && i+1 < len(p.text):
			i++
			b.WriteByte(p.text[i])
		case c == '"':
			p.at = i + 1
			return p.value(field, b.String())
		default:
			b.WriteByte(c)
		}
	}
	return nil, fmt.Errorf("failed to parse query [%s]: a quote is not closed", p.text)
}

// word reads a value without quotes. What means something in the language must be
// escaped in it; * and ? are wildcards.
func (p *lucene) word(field string) (condition, error) {
	var plain, glob strings.Builder
	wild := false
	from := p.at
	for ; p.at < len(p.text); p.at++ {
		c := p.text[p.at]
		if c == '\\' && p.at+1 < len(p.text) {
			p.at++
			plain.WriteByte(p.text[p.at])
			glob.WriteString(`\`)
			glob.WriteByte(p.text[p.at])
			continue
		}
		if strings.ContainsRune(" \t\n\r()^~", rune(c)) {
			break
		}
		if strings.ContainsRune(`:[]{}"!/\`, rune(c)) {
			return nil, fmt.Errorf("failed to parse query [%s]: %q at %d must be escaped with a backslash", p.text, c, p.at)
		}
		wild = wild || c == '*' || c == '?'
		plain.WriteByte(c)
		if strings.ContainsRune(`[]\`, rune(c)) {
			glob.WriteString(`\`)
		}
		glob.WriteByte(c)
	}
	switch {
	case p.at == from:
		return nil, fmt.Errorf("failed to parse query [%s] at %d", p.text, p.at)
	case !wild:
		return p.value(field, plain.String())
	case plain.String() == "*" && field != "":
		return present(field), nil
	case plain.String() == "*":
		return always(true), nil
	}
	return p.matching(field, func(exact bool) func(string) bool { return wildcard(glob.String(), exact) }), nil
}

// wildcard makes a test of a pattern, of the whole value or one of its words.
func wildcard(glob string, exact bool) func(string) bool {
	fits := func(glob, text string) bool {
		ok, err := path.Match(glob, strings.ReplaceAll(text, "/", "\x00"))
		return ok && err == nil
	}
	glob = strings.ReplaceAll(glob, "/", "\x00")
	if exact {
		return func(text string) bool { return fits(glob, text) }
	}
	glob = strings.ToLower(glob)
	return func(text string) bool {
		if fits(glob, strings.ToLower(text)) {
			return true
		}
		for _, w := range words(text) {
			if fits(glob, w) {
				return true
			}
		}
		return false
	}
}

// value asks for a field that has a word or a phrase; of a date, for the time
// that the text stands for.
func (p *lucene) value(field, text string) (condition, error) {
	switch {
	case field == "_exists_":
		return present(text), nil
	case isDate(field):
		return valueRange{field: field, lower: &text, upper: &text, lowerInclusive: true, upperInclusive: true}.condition(p.dates)
	}
	return p.matching(field, func(exact bool) func(string) bool {
		phrase := words(text)
		if exact || len(phrase) == 0 {
			return func(value string) bool { return value == text }
		}
		return func(value string) bool { return strings.EqualFold(value, text) || hasPhrase(value, phrase, false) }
	}), nil
}

// matching asks the test of a field, or of those that stand for a term without one.
func (p *lucene) matching(field string, test func(exact bool) func(string) bool) condition {
	if field != "" || len(p.fields) == 0 {
		return pattern{field, test(strings.HasSuffix(field, exactSuffix))}
	}
	var fields anyOf
	for _, f := range p.fields {
		fields = append(fields, pattern{f, test(strings.HasSuffix(f, exactSuffix))})
	}
	return fields
}

// modifiers steps over ^boost, which is about the order of scores, and refuses ~.
func (p *lucene) modifiers() error {
	if p.at < len(p.text) && p.text[p.at] == '~' {
		return unknown("fuzzy and proximity terms (~)")
	}
	if p.at < len(p.text) && p.text[p.at] == '^' {
		p.at++
		for p.at < len(p.text) && strings.ContainsRune("0123456789.", rune(p.text[p.at])) {
			p.at++
		}
	}
	return nil
}
