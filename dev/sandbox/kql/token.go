package kql

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

type kind int

const (
	end kind = iota
	name
	text    // a string literal, value is the string
	number  // long or real
	span    // a timespan literal
	symbol  // an operator or a bracket
	literal // datetime(…), timespan(…), dynamic(…): text is what stands between the parentheses
)

type token struct {
	kind  kind
	text  string
	value any
	at    int
}

// scanner cuts a query into tokens.
type scanner struct {
	src    string
	at     int
	tokens []token
}

func scan(src string) ([]token, error) {
	s := &scanner{src: src}
	for {
		s.skip()
		if s.at == len(s.src) {
			s.tokens = append(s.tokens, token{kind: end, at: s.at})
			return s.tokens, nil
		}
		if err := s.next(); err != nil {
			return nil, err
		}
	}
}

// skip steps over white space and comments.
func (s *scanner) skip() {
	for s.at < len(s.src) {
		switch {
		case unicode.IsSpace(rune(s.src[s.at])):
			s.at++
		case strings.HasPrefix(s.src[s.at:], "//"):
			if n := strings.IndexByte(s.src[s.at:], '\n'); n >= 0 {
				s.at += n
			} else {
				s.at = len(s.src)
			}
		default:
			return
		}
	}
}

func letter(c byte) bool {
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '$'
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func (s *scanner) next() error {
	switch c := s.src[s.at]; {
	case letter(c):
		return s.name()
	case digit(c):
		return s.number()
	case c == '"' || c == '\'':
		return s.quoted(s.at, false)
	case c == '@' && s.at+1 < len(s.src) && (s.src[s.at+1] == '"' || s.src[s.at+1] == '\''):
		s.at++
		return s.quoted(s.at-1, true)
	}
	for _, op := range []string{"==", "!=", "<=", ">=", "=~", "!~", "..", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",", ";", "|", ".", ":"} {
		if strings.HasPrefix(s.src[s.at:], op) {
			s.add(symbol, op, nil, len(op))
			return nil
		}
	}
	if s.src[s.at] == '!' { // !in, !has and so on are one word
		from := s.at
		for s.at++; s.at < len(s.src) && (letter(s.src[s.at]) || s.src[s.at] == '~'); s.at++ {
		}
		if s.at > from+1 {
			s.tokens = append(s.tokens, token{kind: name, text: s.src[from:s.at], at: from})
			return nil
		}
		s.at = from
	}
	return syntax(s.src, s.at, s.src[s.at:s.at+1])
}

func (s *scanner) add(k kind, text string, value any, size int) {
	s.tokens = append(s.tokens, token{kind: k, text: text, value: value, at: s.at})
	s.at += size
}

// name reads a name, with the - of operators such as project-away and the ~ of in~.
func (s *scanner) name() error {
	from := s.at
	for s.at < len(s.src) && (letter(s.src[s.at]) || digit(s.src[s.at])) {
		s.at++
	}
	word := s.src[from:s.at]
	for _, operator := range []string{"project-away", "project-keep", "project-rename", "mv-expand"} {
		if first, suffix, _ := strings.Cut(operator, "-"); word == first && strings.HasPrefix(s.src[s.at:], "-"+suffix) {
			s.at += 1 + len(suffix)
			word = operator
			break
		}
	}
	if word == "in" && s.at < len(s.src) && s.src[s.at] == '~' {
		s.at++
		word = "in~"
	}
	switch word {
	case "datetime", "timespan", "time", "dynamic", "guid":
		if open := strings.IndexByte(s.src[s.at:], '('); open >= 0 && strings.TrimSpace(s.src[s.at:s.at+open]) == "" {
			inside, size, ok := parenthesized(s.src[s.at+open:])
			if !ok {
				return syntax(s.src, from, word)
			}
			value, err := parseLiteral(word, inside)
			if err != nil {
				return syntax(s.src, from, inside)
			}
			s.tokens = append(s.tokens, token{kind: literal, text: word, value: value, at: from})
			s.at += open + size
			return nil
		}
	}
	s.tokens = append(s.tokens, token{kind: name, text: word, at: from})
	return nil
}

// parenthesized returns what is between the parenthesis that a text begins with and its match.
func parenthesized(src string) (inside string, size int, ok bool) {
	depth := 0
	var quote byte
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return strings.TrimSpace(src[1:i]), i + 1, true
			}
		}
	}
	return "", 0, false
}

// units of timespan literals, the longer names first.
func units() []struct {
	name string
	size time.Duration
} {
	return []struct {
		name string
		size time.Duration
	}{
		{"microsecond", time.Microsecond},
		{"millisecond", time.Millisecond},
		{"tick", 100},
		{"ms", time.Millisecond},
		{"d", 24 * time.Hour},
		{"h", time.Hour},
		{"m", time.Minute},
		{"s", time.Second},
	}
}

func (s *scanner) number() error {
	from := s.at
	for s.at < len(s.src) && digit(s.src[s.at]) {
		s.at++
	}
	isReal := false
	if s.at+1 < len(s.src) && s.src[s.at] == '.' && digit(s.src[s.at+1]) {
		isReal = true
		for s.at++; s.at < len(s.src) && digit(s.src[s.at]); s.at++ {
		}
	}
	digits := s.src[from:s.at]
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return syntax(s.src, from, digits)
	}
	for _, u := range units() {
		rest, found := strings.CutPrefix(s.src[s.at:], u.name)
		if found && (rest == "" || (!letter(rest[0]) && !digit(rest[0]))) {
			s.at += len(u.name)
			s.tokens = append(s.tokens, token{kind: span, text: s.src[from:s.at], value: time.Duration(f * float64(u.size)), at: from})
			return nil
		}
	}
	if s.at < len(s.src) && letter(s.src[s.at]) {
		return syntax(s.src, from, digits+s.src[s.at:s.at+1])
	}
	var value any = f
	if !isReal {
		if value, err = strconv.ParseInt(digits, 10, 64); err != nil {
			return syntax(s.src, from, digits)
		}
	}
	s.tokens = append(s.tokens, token{kind: number, text: digits, value: value, at: from})
	return nil
}

// quoted reads a string; one with @ before it knows no backslash.
func (s *scanner) quoted(from int, verbatim bool) error {
	quote := s.src[s.at]
	var b strings.Builder
	for s.at++; s.at < len(s.src); s.at++ {
		c := s.src[s.at]
		switch {
		case c == quote && verbatim && s.at+1 < len(s.src) && s.src[s.at+1] == quote:
			s.at++
			b.WriteByte(quote)
		case c == quote:
			s.at++
			s.tokens = append(s.tokens, token{kind: text, text: s.src[from:s.at], value: b.String(), at: from})
			return nil
		case c == '\n':
			return syntax(s.src, from, s.src[from:s.at])
		case c == '\\' && !verbatim && s.at+1 < len(s.src):
			s.at++
			b.WriteByte(escaped(s.src[s.at]))
		default:
			b.WriteByte(c)
		}
	}
	return syntax(s.src, from, s.src[from:])
}

func escaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	}
	return c
}

// syntax is the error of a place that can't be read.
func syntax(src string, at int, token string) error {
	line := 1 + strings.Count(src[:at], "\n")
	pos := at - 1 - strings.LastIndexByte(src[:at], '\n')
	return &Error{
		Code: "SYN0002", Line: line, Pos: pos, Token: token,
		Message: fmt.Sprintf("Query could not be parsed at '%s' on line [%d,%d]", token, line, pos),
	}
}
