package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// leaf is a property that becomes a column.
type leaf struct {
	path    string // as in the record, for people: "attributes.x"
	depth   int    // 1 at the top
	name    string // of the column, without suffix
	renamed bool
	value   jsontext.Value // as received
	fixed   jsontext.Value // the replacement; nil if the value fits
	phrase  string         // how the value was changed
}

// walker collects the leaves of a record.
type walker struct {
	rules *Rules
	raw   jsontext.Value
	dec   *jsontext.Decoder

	path     []byte // of the current property
	flat     []byte // its flattened name
	misspelt int    // names on the path that can't be part of a column's name

	leaves []leaf
	left   int      // leaves that are not kept, see maxLeaves
	notes  []string // misfits that belong to no leaf
}

const (
	// maxLeaves limits how many leaves of a record are kept: those of an event of 31 MB with
	// nothing but members would take ten times its size. No table has as many columns. The same
	// number of leaves at the top is kept in addition, because they matter most.
	maxLeaves = 5000
	// maxNotes limits what is noted; at most maxPhrases are shown.
	maxNotes = 100
)

// repair is the slow part of Conform: it reads the record with a full decoder, decides exactly what
// does not fit, and builds the row. It may find that everything fits after all.
func (r *Rules) repair(raw jsontext.Value) (jsontext.Value, []string, error) {
	w := &walker{rules: r, raw: raw, dec: lenient(raw)}
	if err := w.document(); err != nil {
		return nil, nil, err
	}
	if w.fits() {
		return raw, nil, nil
	}
	row, changes := w.row()
	return row, changes, nil
}

// lenient returns a decoder that tolerates what will be repaired.
func lenient(raw jsontext.Value) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

func (w *walker) document() error {
	if kind := w.dec.PeekKind(); kind != '{' && kind != 0 {
		return errors.New("record is not a JSON object")
	}
	if _, err := w.object(0); err != nil {
		return broken(err)
	}
	switch _, err := w.dec.ReadToken(); {
	case err == nil:
		return errors.New("record is more than one JSON object")
	case errors.Is(err, io.EOF):
		return nil
	default:
		return broken(err)
	}
}

// broken rewords a decoder's error without any content of the record, which the decoder's own text
// may show.
func broken(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("record is not one JSON object: syntax error at byte %d", syntax.ByteOffset)
	}
	return errors.New("record is not one JSON object: it ends too early")
}

// object reads an object that begins at the decoder's position, and returns how many members it
// has.
func (w *walker) object(depth int) (members int, err error) {
	if _, err := w.dec.ReadToken(); err != nil {
		return 0, err
	}
	names := make(map[string]bool)
	for ; ; members++ {
		token, err := w.dec.ReadToken()
		if err != nil {
			return 0, err
		}
		if token.Kind() == '}' {
			return members, nil
		}
		name := token.String()
		path, flat, misspelt := len(w.path), len(w.flat), w.misspelt
		w.push(name, depth)
		if names[name] {
			w.note("name given twice")
		}
		if len(names) <= 2*maxLeaves {
			names[name] = true
		}
		if err := w.member(depth + 1); err != nil {
			return 0, err
		}
		w.path, w.flat, w.misspelt = w.path[:path], w.flat[:flat], misspelt
	}
}

// push appends a name to the path of the current property.
func (w *walker) push(name string, depth int) {
	if depth > 0 {
		w.path = append(w.path, '.')
		w.flat = append(w.flat, '_')
	}
	w.path = append(w.path, name...)
	from := len(w.flat)
	for _, r := range name {
		if r >= 0x80 || !isNameByte(byte(r)) {
			r = '_'
		}
		w.flat = append(w.flat, byte(r))
	}
	if name == "" {
		w.flat = append(w.flat, '_')
	}
	if string(w.flat[from:]) != name {
		w.misspelt++
	}
}

// member reads the value of the current property.
func (w *walker) member(depth int) error {
	reserved := w.rules.isReserved(string(w.flat))
	switch w.dec.PeekKind() {
	case '{':
		members, err := w.object(depth)
		if reserved || members == 0 && w.misspelt > 0 {
			w.note("object with a name that no column can have")
		}
		return err
	case 'n':
		if reserved || w.misspelt > 0 {
			w.note("null left out")
		}
		return w.dec.SkipValue()
	}
	value, err := w.dec.ReadValue()
	if err != nil {
		return err
	}
	if n := len(w.leaves); n >= maxLeaves && (depth > 1 || n >= 2*maxLeaves) {
		w.left++
		return nil
	}
	end := int(w.dec.InputOffset())
	l := leaf{path: excerpt(w.path), depth: depth, value: w.raw[end-len(value) : end]}
	l.name, l.renamed = w.column(reserved)
	l.fixed, l.phrase = w.rules.fix(l.value)
	w.leaves = append(w.leaves, l)
	return nil
}

func (w *walker) note(what string) {
	if len(w.notes) >= maxNotes {
		return
	}
	w.notes = append(w.notes, excerpt(w.path)+": "+what)
}

// excerpt shows a path in a message: printable and not too long.
func excerpt(path []byte) string {
	const most = 80
	short := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, string(cut(path, most)))
	if len(path) > most {
		short += "…"
	}
	return short
}

// fits reports whether nothing needs a change.
func (w *walker) fits() bool {
	if len(w.notes) > 0 || w.left > 0 || len(w.leaves) > w.rules.maxColumns() {
		return false
	}
	names := make(map[string]bool, len(w.leaves))
	for i := range w.leaves {
		l := &w.leaves[i]
		if l.renamed || l.fixed != nil || names[l.name] {
			return false
		}
		names[l.name] = true
	}
	return true
}
