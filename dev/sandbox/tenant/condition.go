package tenant

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// condition is what a query asks of a document.
type condition interface {
	holds(d *document) bool
}

type (
	allOf   []condition // AND
	anyOf   []condition // OR
	not     struct{ of condition }
	always  bool
	atLeast struct {
		n  int
		of []condition
	}
	// exists asks for a field with a value.
	exists string
	// exactly asks for a field that has one of the values, letter by letter.
	exactly struct {
		field  string
		values []string
	}
	// pattern asks for a field that a test finds good.
	pattern struct {
		field string // "" is any
		good  func(value string) bool
	}
	// within asks for a date in milliseconds, from ≤ date < to.
	within struct {
		field    string
		from, to int64
	}
	// between asks for a value between two others, "" being open.
	between struct {
		field                          string
		lower, upper                   string
		lowerExclusive, upperExclusive bool
	}
)

func (c allOf) holds(d *document) bool {
	return !slices.ContainsFunc(c, func(c condition) bool { return !c.holds(d) })
}

func (c anyOf) holds(d *document) bool {
	return slices.ContainsFunc(c, func(c condition) bool { return c.holds(d) })
}

func (c not) holds(d *document) bool    { return !c.of.holds(d) }
func (c always) holds(*document) bool   { return bool(c) }
func (c exists) holds(d *document) bool { return len(d.of(string(c))) > 0 }

func (c atLeast) holds(d *document) bool {
	n := 0
	for _, one := range c.of {
		if one.holds(d) {
			n++
		}
	}
	return n >= c.n
}

func (c exactly) holds(d *document) bool {
	return slices.ContainsFunc(d.of(c.field), func(v string) bool { return slices.Contains(c.values, v) })
}

func (c pattern) holds(d *document) bool {
	if c.field != "" {
		return slices.ContainsFunc(d.of(c.field), c.good)
	}
	for _, values := range d.all() {
		if slices.ContainsFunc(values, c.good) {
			return true
		}
	}
	return false
}

func (c within) holds(d *document) bool {
	return slices.ContainsFunc(d.of(c.field), func(v string) bool {
		at, err := parseTime(v)
		return err == nil && at >= c.from && at < c.to
	})
}

func (c between) holds(d *document) bool {
	return slices.ContainsFunc(d.of(c.field), func(v string) bool {
		if c.lower != "" {
			if order := compareValues(v, c.lower); order < 0 || (order == 0 && c.lowerExclusive) {
				return false
			}
		}
		if c.upper != "" {
			if order := compareValues(v, c.upper); order > 0 || (order == 0 && c.upperExclusive) {
				return false
			}
		}
		return true
	})
}

// compareValues compares numbers as numbers and everything else as text.
func compareValues(a, b string) int {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 == nil && err2 == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

// document is an event as a condition sees it: the texts of all its scalars by
// the path of their names. Arrays are looked into; null is not a value.
type document struct {
	raw    []byte
	values map[string][]string
}

// of returns the values of a field. The keyword "exact" behind a name is the
// field as it is.
func (d *document) of(field string) []string {
	return d.all()[strings.TrimSuffix(field, exactSuffix)]
}

const exactSuffix = ".exact"

func (d *document) all() map[string][]string {
	if d.values == nil {
		d.values = make(map[string][]string)
		dec := jsontext.NewDecoder(bytes.NewBuffer(d.raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		_ = d.gather(dec, "") // what comes behind broken text is not indexed
	}
	return d.values
}

// gather reads one value and files its scalars.
func (d *document) gather(dec *jsontext.Decoder, path string) error {
	switch dec.PeekKind() {
	case '{':
		return d.gatherObject(dec, path)
	case '[':
		_, err := dec.ReadToken()
		for err == nil && dec.PeekKind() != ']' {
			err = d.gather(dec, path)
		}
		if err == nil {
			_, err = dec.ReadToken()
		}
		return err
	}
	value, err := dec.ReadValue()
	if err != nil || value.Kind() == 'n' {
		return err
	}
	text := string(value)
	if value.Kind() == '"' {
		text = textOf(value)
	}
	d.values[path] = append(d.values[path], text)
	return nil
}

func (d *document) gatherObject(dec *jsontext.Decoder, path string) error {
	_, err := dec.ReadToken()
	seen := make(map[string]bool)
	for err == nil && dec.PeekKind() != '}' {
		var quoted jsontext.Value
		if quoted, err = dec.ReadValue(); err != nil {
			return err
		}
		name := textOf(quoted)
		if path != "" {
			name = path + "." + name
		}
		if seen[name] { // the last one of a name counts
			delete(d.values, name)
		}
		seen[name] = true
		err = d.gather(dec, name)
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	return err
}

// words are the words of a text as the index knows them: in small letters,
// divided by everything that is neither letter nor digit.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// hasPhrase says whether the words stand in the text one after the other; the
// last one may be the beginning of a word if prefix is set.
func hasPhrase(text string, phrase []string, prefix bool) bool {
	have := words(text)
	for at := 0; at+len(phrase) <= len(have); at++ {
		last := at + len(phrase) - 1
		if slices.Equal(have[at:last], phrase[:len(phrase)-1]) &&
			(have[last] == phrase[len(phrase)-1] || (prefix && strings.HasPrefix(have[last], phrase[len(phrase)-1]))) {
			return true
		}
	}
	return false
}
