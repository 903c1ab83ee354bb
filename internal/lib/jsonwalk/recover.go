package jsonwalk

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Undivided says that the page can't be divided into elements: the fault is not within one of them.
type Undivided struct {
	At  int    // offset in the page
	Why string // for instance "the page ends within an element"
}

func (e *Undivided) Error() string { return fmt.Sprintf("%s (byte %d)", e.Why, e.At) }

// Recover is [Walk] for a page that Walk could not read. An element that is not valid JSON, or not
// an object, does not affect the others: it is visited with its Flaw, its bytes and the picks that
// were found. All other elements are visited as by Walk.
//
// Recover relies on brackets, quotes, commas and colons, which must be in their places. If one is
// missing, the element could swallow its neighbours, so the error is [*Undivided]. It is lenient
// with everything else: characters and escapes in strings, words and numbers, the depth of nesting,
// commas between elements, and NUL bytes around elements. It takes linear time, and uses no
// recursion.
//
// Anything that follows the array is returned as rest: it is not an element.
func Recover(page []byte, names []string, visit func(Element) error) (rest []byte, err error) {
	s := &scanner{page: page, strict: newWalker(nil, names)}
	s.at = len(page) - len(withoutBOM(page))
	s.space()
	if s.at == len(page) || page[s.at] != '[' {
		return nil, &NotAnArray{Got: describe(jsontext.Value(page[s.at:]).Kind(), page), Excerpt: Excerpt(page)}
	}
	s.at++
	for i := 0; ; {
		s.space()
		switch {
		case s.at == len(page):
			return nil, s.undivided("the page ends before its array does")
		case page[s.at] == ']':
			s.at++
			return bytes.Trim(page[s.at:], space), nil
		case page[s.at] == ',':
			s.at++
			continue
		}
		e, err := s.element(i)
		if err != nil {
			return nil, err
		}
		if err := visit(e); err != nil {
			return nil, err
		}
		i++
	}
}

// Glimpse returns the texts of the members names in the first element of a page that can't be read:
// only strings, and only those before the point where it breaks off. The page may be cut.
func Glimpse(page []byte, names []string) []string {
	texts := make([]string, len(names))
	s := &scanner{page: page, strict: newWalker(nil, names)}
	s.at = len(page) - len(withoutBOM(page))
	s.space()
	if s.at == len(page) || page[s.at] != '[' {
		return texts
	}
	s.at++
	_ = s.value() // picks before an error are valid
	for i, p := range s.strict.picks {
		texts[i] = string(p.Text)
	}
	return texts
}

// space is the bytes that may surround an element.
const space = " \t\r\n\x00"

func withoutBOM(page []byte) []byte { return bytes.TrimPrefix(page, []byte("\xef\xbb\xbf")) }

// scanner is the state of a [Recover].
type scanner struct {
	page   []byte
	at     int
	stack  bitStack // the open brackets: set for an object
	strict *walker  // reads one element after the other; holds the picks of the current one
	// lenient is the picks of an element that may turn out not to be valid, and scratch the memory
	// of their texts.
	lenient []Pick
	scratch []byte
}

func (s *scanner) undivided(why string) error { return &Undivided{s.at, why} }

func (s *scanner) space() {
	for s.at < len(s.page) && bytes.IndexByte([]byte(space), s.page[s.at]) >= 0 {
		s.at++
	}
}

// element reads one element of any kind.
func (s *scanner) element(index int) (Element, error) {
	start := s.at
	clear(s.strict.picks)
	s.strict.scratch = s.strict.scratch[:0]
	if err := s.value(); err != nil {
		return Element{}, err
	}
	e := Element{Index: index, Raw: s.page[start:s.at:s.at]}
	if e.Raw[0] != '{' {
		e.Flaw = "it is " + describe(e.Raw.Kind(), e.Raw) + ", not an object"
		e.Picks = s.strict.picks
		return e, nil
	}
	s.lenient = append(s.lenient[:0], s.strict.picks...)
	s.strict.scratch, s.scratch = s.scratch, s.strict.scratch // keeps the texts of s.lenient
	e.Picks = s.strict.picks
	if err := s.strict.only(e.Raw); err != nil {
		e.Flaw, e.Picks = flaw(err), s.lenient
	}
	return e, nil
}

// flaw is the text of a strict reader's error, without anything from the page.
func flaw(err error) string {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("it is not valid JSON at byte %d: %v", syntax.ByteOffset, syntax.Err)
	}
	return "it is not valid JSON: " + err.Error()
}

// only reads raw as a single element.
func (w *walker) only(raw []byte) error {
	w.page = raw
	w.dec.Reset(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	_, err := w.object()
	return err
}

// value reads one value: brackets, names, colons and commas must be in their places.
func (s *scanner) value() error {
	s.stack.clear()
	for {
		// A value begins here.
		s.space()
		if s.at == len(s.page) {
			return s.undivided("the page ends within an element")
		}
		opened := false
		switch c := s.page[s.at]; c {
		case '{', '[':
			s.at++
			s.stack.push(c == '{')
			opened = true
		case '"':
			if err := s.text(); err != nil {
				return err
			}
		default:
			if err := s.word(); err != nil {
				return err
			}
		}
		done, err := s.after(opened)
		if done || err != nil {
			return err
		}
	}
}

// after reads what is between a value, or an opening bracket, and the next value. done reports that
// the outermost value has ended.
func (s *scanner) after(opened bool) (done bool, err error) {
	for s.stack.len() > 0 {
		s.space()
		if s.at == len(s.page) {
			return false, s.undivided("the page ends within an element")
		}
		object := s.stack.top()
		c := s.page[s.at]
		switch {
		case object && c == '}', !object && c == ']':
			s.at++
			s.stack.pop()
			opened = false
			continue
		case !opened && c != ',':
			return false, s.undivided("a comma or a bracket is missing")
		case !opened:
			s.at++
		}
		if object {
			return false, s.name()
		}
		return false, nil
	}
	return true, nil
}

// name reads the name of a member and the colon. It picks the value that follows, if wanted.
func (s *scanner) name() error {
	s.space()
	start := s.at
	if s.at == len(s.page) || s.page[s.at] != '"' {
		return s.undivided("a name is missing")
	}
	if err := s.text(); err != nil {
		return err
	}
	name := s.page[start:s.at]
	s.space()
	if s.at == len(s.page) || s.page[s.at] != ':' {
		return s.undivided("a colon is missing")
	}
	s.at++
	if s.stack.len() > 1 {
		return nil
	}
	if i := s.strict.wanted(name); i >= 0 {
		s.pick(i)
	}
	return nil
}

// pick stores the value that comes next without consuming it.
func (s *scanner) pick(i int) {
	after := s.at
	defer func() { s.at = after }()
	s.space()
	start := s.at
	switch {
	case s.at < len(s.page) && s.page[s.at] == '"' && s.text() == nil:
		s.strict.pick(i, s.page[start:s.at])
	case bytes.HasPrefix(s.page[s.at:], []byte("null")):
		s.strict.picks[i] = Pick{Kind: Null}
	default:
		s.strict.picks[i] = Pick{Kind: Other}
		if end := quickNumber(s.page, min(start, len(s.page)-1)); end > start {
			s.strict.picks[i] = Pick{Kind: Number, Text: s.page[start:end:end]}
		}
	}
}

// text reads a string with any characters and escapes.
func (s *scanner) text() error {
	for i := s.at + 1; i < len(s.page); i++ {
		n := bytes.IndexAny(s.page[i:min(i+64, len(s.page))], `"\`)
		if n < 0 {
			i = min(i+64, len(s.page)) - 1
			continue
		}
		i += n
		if s.page[i] == '"' {
			s.at = i + 1
			return nil
		}
		i++ // the escaped byte
	}
	return s.undivided("the page ends within a string")
}

// word reads a number, true, false, null, or anything in place of one.
func (s *scanner) word() error {
	start := s.at
	for s.at < len(s.page) {
		switch s.page[s.at] {
		case ' ', '\t', '\r', '\n', ',', ']', '}':
		case '{', '[', '"', ':':
			return s.undivided("there is something other than JSON between the elements")
		default:
			s.at++
			continue
		}
		break
	}
	if s.at == start {
		return s.undivided("a value is missing")
	}
	return nil
}

// bitStack is a stack of bits, because nesting may be as deep as a page is long.
type bitStack struct {
	words []uint64
	n     int
}

func (b *bitStack) clear()   { b.words, b.n = b.words[:0], 0 }
func (b *bitStack) len() int { return b.n }

func (b *bitStack) push(set bool) {
	if b.n == 64*len(b.words) {
		b.words = append(b.words, 0)
	}
	mask := uint64(1) << (b.n % 64)
	b.words[b.n/64] &^= mask
	if set {
		b.words[b.n/64] |= mask
	}
	b.n++
}

func (b *bitStack) pop() { b.n-- }

func (b *bitStack) top() bool { return b.words[(b.n-1)/64]&(1<<((b.n-1)%64)) != 0 }
