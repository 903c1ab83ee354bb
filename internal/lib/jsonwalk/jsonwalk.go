// Package jsonwalk reads a page of search results in one pass.
//
// A page is a JSON array of objects. [Walk] validates it, passes each element on with its bytes
// unchanged, and picks the few top-level members that the caller needs (an event's id and its
// creation time). Nothing is decoded into Go values and nothing is copied: an element is a
// sub-slice of the page, so the page stays in memory as long as one of its elements does.
//
//	err := jsonwalk.Walk(page, []string{"id", "created"}, func(e jsonwalk.Element) error {
//		id, created := e.Picks[0], e.Picks[1]
//		…
//	})
//
// Real pages are not always clean, and the events of a page that can't be read never arrive. So the
// walk accepts harmless mistakes of a service: several members with the same name (the last one is
// picked, as most parsers do) and strings with invalid UTF-8 (kept as they are). It refuses what
// can't be an answer to a search: a body that ends too early, an object instead of the array
// ([NotAnArray]), an element that is not an object ([NotAnObject]). An error never means "no
// results".
//
// Every event of a tenant passes through here, so the walk must be cheap compared with the network:
// it allocates a little for each page and nothing for each element. The benchmark of this package
// measures its speed.
package jsonwalk

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is the kind of a picked member.
type Kind uint8

// The kinds of picked members.
const (
	Absent Kind = iota // the object has no such member
	Null               // null
	String             // a string; Pick.Text holds it
	Number             // a number; Pick.Text is its literal
	Other              // anything else, including a string that is not valid Unicode
)

// Pick is one picked member.
type Pick struct {
	Kind Kind
	// Text is the string without quotes and escapes, or the number. It is valid until visit returns.
	Text []byte
}

// Element is one object of the array.
type Element struct {
	// Index counts from 0.
	Index int
	// Raw is the object, byte for byte, as a sub-slice of the page.
	Raw jsontext.Value
	// Picks has one entry for each requested name, in that order. It is valid until visit returns.
	Picks []Pick
	// Flaw says why the element is not a valid JSON object; "" if it is one. [Walk] never sets it:
	// it ends with an error at such an element.
	Flaw string
	// Outline is set by [Shapes.Walk].
	Outline Outline
}

// Walk calls visit for each element of the array in page, in order. names are the top-level members
// to pick. It returns the first error of visit, a [*NotAnArray], a [*NotAnObject] or a syntax
// error, which is [io.ErrUnexpectedEOF] for a page that is cut off. By then the elements before the
// fault have been visited.
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

// slow is Walk with the decoder. It reads the elements that were visited before, but does not visit
// them again.
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
	quoted  []string // names in their usual spelling
	picks   []Pick
	scratch []byte // the texts of the current element's picks that had escapes

	shapes  *Shapes // nil if outlines are not needed
	outline Outline // of the current element
	longest int     // what is known of it so far
	plain   bool
}

func newWalker(page []byte, names []string) *walker {
	w := &walker{
		// The decoder parses a bytes.Buffer in place and never writes to it. So the offsets that it
		// reports are offsets into page.
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

// wanted returns the index of a member in names, or -1.
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

// pick stores the value of a wanted member; a later one with the same name replaces it.
func (w *walker) pick(i int, value jsontext.Value) {
	switch value.Kind() {
	case jsontext.KindNull:
		w.picks[i] = Pick{Kind: Null}
	case jsontext.KindString:
		w.picks[i] = w.text(value)
	case jsontext.KindNumber:
		w.picks[i] = Pick{Kind: Number, Text: value}
	default:
		w.picks[i] = Pick{Kind: Other}
	}
}

// text returns the pick of a string. An invalid string is not picked: with its invalid bytes
// replaced it could equal another one, so it can't serve as an identity.
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
