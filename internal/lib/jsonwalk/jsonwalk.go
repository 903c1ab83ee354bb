// Package jsonwalk reads a page of search results in one pass.
//
// A page is a JSON array of objects. [Walk] validates it, hands out each
// element as the bytes it was sent as, and picks the few top-level members that
// the caller needs (an event's id and its creation time). Nothing is decoded
// into Go values and nothing is copied: an element is a sub-slice of the page,
// so the page stays in memory as long as one of its elements does.
//
//	err := jsonwalk.Walk(page, []string{"id", "created"}, func(e jsonwalk.Element) error {
//		id, created := e.Picks[0], e.Picks[1]
//		…
//	})
//
// Real pages are not always clean, and a page that can't be read is a page of
// events that never arrive. So the walk accepts what a service may send by
// mistake and what does no harm: members with the same name (the last one is
// picked, as most parsers do) and strings with invalid UTF-8 (kept as they
// are). It refuses what can't be an answer to a search: a body that ends too
// early, an object where the array belongs ([NotAnArray]), an element that
// is not an object ([NotAnObject]). An error never means "no results".
//
// Every event of a tenant passes through here, so the walk has to be cheap
// beside the network: it allocates a little for each page and nothing for each
// element. The benchmark of this package says how fast it is.
package jsonwalk

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is what a picked member was.
type Kind uint8

// The kinds of picked members.
const (
	Absent Kind = iota // the object has no such member
	Null               // null
	String             // a string; Pick.Text holds it
	Other              // anything else, and a string that is not valid Unicode
)

// Pick is one picked member.
type Pick struct {
	Kind Kind
	// Text is the string without quotes and escapes. It is valid until the
	// visiting function returns.
	Text []byte
}

// Element is one object of the array.
type Element struct {
	// Index counts from 0.
	Index int
	// Raw is the object, byte for byte, as a sub-slice of the page.
	Raw jsontext.Value
	// Picks has one entry for each name asked for, in that order. It is valid
	// until the visiting function returns.
	Picks []Pick
	// Flaw says why the element is not an object by the rules of JSON; "" if it is one.
	// [Walk] has none such: it ends with an error there.
	Flaw string
	// Outline is set by [Shapes.Walk].
	Outline Outline
}

// Walk calls visit for each element of the array in page, in order. names are
// the top-level members to pick. It returns the first error of visit, a
// [*NotAnArray], a [*NotAnObject] or a syntax error; for a page that is cut off
// that one is [io.ErrUnexpectedEOF]. The elements before the fault have been
// visited by then.
func Walk(page []byte, names []string, visit func(Element) error) error {
	return newWalker(withoutBOM(page), names).walk(visit)
}

func (w *walker) walk(visit func(Element) error) error {
	visited, done, err := w.quick(visit)
	if done {
		return err
	}
	return w.slow(visited, visit)
}

// slow is Walk by the decoder. The first elements, which were visited before, are
// read and not visited.
func (w *walker) slow(visited int, visit func(Element) error) error {
	if kind := w.dec.PeekKind(); kind != jsontext.KindBeginArray {
		return &NotAnArray{Got: describe(kind, w.page), Excerpt: Excerpt(w.page)}
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		switch kind := w.dec.PeekKind(); kind {
		case jsontext.KindBeginObject:
			raw, err := w.object()
			if err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
			if i < visited {
				continue
			}
			if err := visit(Element{Index: i, Raw: raw, Picks: w.picks}); err != nil {
				return err
			}
		case jsontext.KindEndArray:
			return w.end()
		case jsontext.KindInvalid:
			_, err := w.dec.ReadToken()
			return fmt.Errorf("element %d: %w", i, err)
		default:
			return &NotAnObject{Index: i, Got: describe(kind, nil)}
		}
	}
}

// walker is the state of one walk.
type walker struct {
	dec     *jsontext.Decoder
	page    []byte
	names   []string
	quoted  []string // names as they are usually written
	picks   []Pick
	scratch []byte // the picks of the current element that had escapes

	shapes  *Shapes // nil if no outlines are asked for
	outline Outline // of the current element
	longest int     // and what is known of it so far
	plain   bool
}

func newWalker(page []byte, names []string) *walker {
	w := &walker{
		// The decoder parses a bytes.Buffer in place and never writes to it. That
		// makes the offsets it reports offsets into page.
		dec: jsontext.NewDecoder(bytes.NewBuffer(page),
			jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		page:   page,
		names:  names,
		quoted: make([]string, len(names)),
		picks:  make([]Pick, len(names)),
	}
	for i, name := range names {
		quoted, _ := jsontext.AppendQuote(nil, name) // names are valid text
		w.quoted[i] = string(quoted)
	}
	return w
}

// object reads one element and fills the picks.
func (w *walker) object() (jsontext.Value, error) {
	clear(w.picks)
	w.scratch = w.scratch[:0]
	if _, err := w.dec.ReadToken(); err != nil {
		return nil, err
	}
	start := w.dec.InputOffset() - 1
	for {
		if w.dec.PeekKind() == jsontext.KindEndObject {
			if _, err := w.dec.ReadToken(); err != nil {
				return nil, err
			}
			end := w.dec.InputOffset()
			return w.page[start:end:end], nil
		}
		name, err := w.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		i := w.wanted(name)
		value, err := w.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if i >= 0 {
			w.pick(i, value)
		}
	}
}

// wanted is the index of a member in names, or -1.
func (w *walker) wanted(quoted []byte) int {
	for i, q := range w.quoted {
		if string(quoted) == q {
			return i
		}
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return -1
	}
	plain, err := jsontext.AppendUnquote(nil, quoted) // rare
	if err != nil {
		return -1
	}
	for i, name := range w.names {
		if string(plain) == name {
			return i
		}
	}
	return -1
}

// pick notes the value of a wanted member; a later one of the same name replaces it.
func (w *walker) pick(i int, value jsontext.Value) {
	switch value.Kind() {
	case jsontext.KindNull:
		w.picks[i] = Pick{Kind: Null}
	case jsontext.KindString:
		w.picks[i] = w.text(value)
	default:
		w.picks[i] = Pick{Kind: Other}
	}
}

// text is the pick of a string. One that can't be distinguished from another once its
// invalid bytes are replaced does not identify anything, so there is none.
func (w *walker) text(quoted []byte) Pick {
	from := len(w.scratch)
	var err error
	w.scratch, err = jsontext.AppendUnquote(w.scratch, quoted)
	if err != nil {
		return Pick{Kind: Other}
	}
	return Pick{Kind: String, Text: w.scratch[from:len(w.scratch):len(w.scratch)]}
}

// end makes sure that nothing follows the array.
func (w *walker) end() error {
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	switch _, err := w.dec.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return fmt.Errorf("unexpected data after the array: %s", Excerpt(w.page[w.dec.InputOffset()-1:]))
	default:
		return fmt.Errorf("after the array: %w", err)
	}
}
