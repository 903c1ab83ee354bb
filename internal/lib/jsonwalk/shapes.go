package jsonwalk

import (
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// Limits of what is remembered, about 100 bytes for each name.
const (
	// maxNodes is room for about a hundred kinds of events.
	maxNodes = 4096
	// maxBranches is how many names may follow at one place; an object with more is a table whose
	// keys are data.
	maxBranches = 64
	// maxToken is the longest name that is remembered.
	maxToken = 256
)

// Shapes remembers the structures of the elements that it has walked: most events of a kind have
// the same members in the same order. A name at its usual place is recognised without parsing it,
// and what follows from the names alone is known for all elements of a [Shape]. The zero value is
// ready for use, by one goroutine at a time.
type Shapes struct {
	names []string // to pick
	root  Shape    // before the first member
	inner Shape    // before the first member of an object in an array
	size  int
}

// Walk is [Walk]; it also sets the elements' Outline. Only calls with the names of the first call
// get outlines.
func (s *Shapes) Walk(page []byte, names []string, visit func(Element) error) error {
	if s.names == nil {
		s.names = append([]string{}, names...)
	}
	w := newWalker(withoutBOM(page), names)
	if slices.Equal(names, s.names) {
		w.shapes = s
	}
	return w.walk(visit)
}

// Outline is what is known of an element without reading it again.
type Outline struct {
	// Shape is nil if nothing is known. Otherwise each text of the element is valid Unicode, none
	// of its numbers has an exponent or more than 15 digits, and no object in an array has a name
	// twice, or one that is written with escapes.
	Shape *Shape
	// Longest is an upper bound for the length in bytes of each text and each array, as written.
	Longest int
	// Size is the length in bytes of the element.
	Size int
}

// Shape is the structure of an element: the names of its members, in order, and which of them are
// objects. It never changes, and may be used by several goroutines at a time.
type Shape struct {
	token   string // a name with its quotes, or a brace
	pick    int    // index in the names to pick, or −1
	odd     bool   // a name so far is written with escapes, is not valid Unicode, or came before in its object
	parent  *Shape
	child   *Shape // the first token that came after this one
	sibling *Shape // the next alternative to this one
	verdict atomic.Pointer[verdict]
}

// verdict is a decision about a shape.
type verdict struct {
	by any
	ok bool
}

// Verdict returns the result of decide for the skeleton of the shape: an element of this structure
// with 0 for each value that is not an object. The result is remembered for the last by.
func (s *Shape) Verdict(by any, decide func(skeleton []byte) bool) bool {
	if v := s.verdict.Load(); v != nil && v.by == by {
		return v.ok
	}
	ok := decide(s.skeleton())
	s.verdict.Store(&verdict{by, ok})
	return ok
}

// Equal reports whether both are the same structure.
func (s *Shape) Equal(other *Shape) bool {
	return s == other || s != nil && other != nil && string(s.skeleton()) == string(other.skeleton())
}

func (s *Shape) skeleton() []byte {
	var tokens []string
	for ; s.parent != nil; s = s.parent {
		tokens = append(tokens, s.token)
	}
	slices.Reverse(tokens)
	text, last := []byte{'{'}, byte('{')
	for _, token := range tokens {
		if last == '"' && token != "{" {
			text = append(text, '0')
		}
		if last != '{' && token[0] == '"' {
			text = append(text, ',')
		}
		text = append(text, token...)
		if last = token[0]; last == '"' {
			text = append(text, ':')
		}
	}
	return text
}

// isOdd reports whether the name at s is written with escapes, is not valid Unicode, or came before in
// the same object.
func (s *Shape) isOdd() bool {
	if s.token[0] != '"' {
		return false
	}
	if strings.IndexByte(s.token, '\\') >= 0 || !utf8.ValidString(s.token) {
		return true
	}
	depth := 0
	for p := s.parent; p != nil && p.token != "" && depth >= 0; p = p.parent {
		switch {
		case p.token == "}":
			depth++
		case p.token == "{":
			depth--
		case depth == 0 && p.token == s.token:
			return true
		}
	}
	return false
}

// step goes from the shape at to the one after the token b[i:], a brace or a quoted name, and
// returns the end of the token, or −1. next is nil if the shape is unknown and can't be learned.
func (w *walker) step(at *Shape, i int, top bool) (next *Shape, end int) {
	if at == nil {
		return nil, quickToken(w.page, i)
	}
	branches := 0
	for c := at.child; c != nil; c = c.sibling {
		if t := c.token; len(w.page)-i > len(t) && string(w.page[i:i+len(t)]) == t {
			return c, i + len(t)
		}
		branches++
	}
	end = quickToken(w.page, i)
	if end < 0 || end == len(w.page) || end-i > maxToken || branches == maxBranches || w.shapes.size == maxNodes {
		return nil, end
	}
	next = &Shape{token: string(w.page[i:end]), pick: -1, parent: at}
	next.odd = at.odd || next.isOdd()
	if top && next.token[0] == '"' {
		next.pick = w.wanted(w.page[i:end])
	}
	w.shapes.size++
	last := &at.child
	for *last != nil {
		last = &(*last).sibling
	}
	*last = next
	return next, end
}

// quickToken returns the end of a brace or a quoted name, or −1.
func quickToken(b []byte, i int) (end int) {
	if b[i] == '"' {
		end, _ = quickString(b, i)
		return end
	}
	return i + 1
}
