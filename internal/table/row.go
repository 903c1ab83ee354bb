package table

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of the marker's text.
const (
	maxPhrases = 32
	maxMarker  = 2048 // bytes
)

// row builds the flat row and the list of changes.
func (w *walker) row() (jsontext.Value, []string) {
	w.claim()
	surplus := w.surplus()
	var changes []string
	row := []byte{'{'}
	for i := range w.leaves {
		l := &w.leaves[i]
		if surplus != nil && surplus[i] {
			continue
		}
		if l.renamed {
			changes = append(changes, l.path+": column is "+l.name)
		}
		value := l.value
		if l.fixed != nil {
			changes = append(changes, l.path+": "+l.phrase)
			value = l.fixed
		}
		row = appendMember(row, l.name, value)
	}
	changes = append(changes, w.notes...)
	if w.left > 0 {
		changes = append(changes, fmt.Sprintf("%d of %d values left out", w.left, w.left+len(w.leaves)))
	}
	if surplus != nil {
		text, phrase := w.surplusText(surplus)
		changes = append(changes, phrase)
		row = appendMember(row, Surplus, quote(text))
	}
	if n := len(changes) - maxPhrases; n > 0 {
		changes = append(changes[:maxPhrases], fmt.Sprintf("and %d more", n))
	}
	limit := min(maxMarker, w.rules.maxValue())
	row = appendMember(row, Marker, quote(cut([]byte(strings.Join(changes, "; ")), limit)))
	return append(row, '}'), changes
}

// appendMember appends a member to an object that is not closed yet. A column's name needs no
// escapes.
func appendMember(object []byte, name string, value jsontext.Value) []byte {
	if len(object) > 1 {
		object = append(object, ',')
	}
	object = append(object, '"')
	object = append(object, name...)
	object = append(object, '"', ':')
	return append(object, value...)
}

// surplus says which leaves get no column; nil if all do. Leaves nearest to the top stay, then
// those that come first: identity, time and status of an event are at the top.
func (w *walker) surplus() []bool {
	room := w.rules.maxColumns() - 1 // one is the marker's
	if len(w.leaves) <= room {
		return nil
	}
	order := make([]int, len(w.leaves))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return w.leaves[a].depth - w.leaves[b].depth })
	surplus := make([]bool, len(w.leaves))
	for _, i := range order[room-1:] { // one more makes room for the surplus column
		surplus[i] = true
	}
	return surplus
}

// surplusText puts the leaves without a column into one JSON object, as many of them as a value may
// hold.
func (w *walker) surplusText(surplus []bool) (text []byte, phrase string) {
	text = []byte{'{'}
	n, left := 0, 0
	for i := range w.leaves {
		l := &w.leaves[i]
		if !surplus[i] {
			continue
		}
		n++
		value := l.value.Clone()
		_ = value.Compact() // it was read before, so it is valid
		longer := appendMember(text, l.name, bytes.ToValidUTF8(value, []byte("\uFFFD")))
		if len(longer) >= w.rules.maxValue() {
			left++
			continue
		}
		text = longer
	}
	phrase = fmt.Sprintf("%d of %d values have no column of their own: collected in %s", n, len(w.leaves), Surplus)
	if left > 0 {
		phrase += fmt.Sprintf(", %d of them did not fit there", left)
	}
	return append(text, '}'), phrase
}

// The result is the replacement for a value and the reason. Nil means that the value fits.
func (r *Rules) fix(value jsontext.Value) (fixed jsontext.Value, phrase string) {
	switch value.Kind() {
	case '"':
		text, length, err := unquote(value, r.maxValue())
		switch short := cut(text, r.maxValue()); {
		case len(short) < length:
			return quote(short), fmt.Sprintf("value truncated from %d to %d bytes", length, len(short))
		case err != nil:
			return quote(short), "invalid Unicode replaced"
		}
	case '0':
		if short := cut(value, r.maxValue()); len(short) < len(value) {
			return quote(short), fmt.Sprintf("number truncated from %d to %d digits", len(value), len(short))
		}
		if !isExact(string(value)) {
			return quote(value), "number sent as text"
		}
	case '[':
		return r.fixArray(value)
	}
	return nil, ""
}

func (r *Rules) fixArray(value jsontext.Value) (fixed jsontext.Value, phrase string) {
	if huge(value, r.maxValue()) {
		short := beginning(value, r.maxValue())
		return quote(short), fmt.Sprintf("array text truncated from %d to %d bytes", len(value), len(short))
	}
	text := value.Clone()
	_ = text.Compact() // it was read before, so it is valid
	if len(text) <= r.maxValue() && value.IsValid() && numbersFit(value) {
		return nil, ""
	}
	valid := bytes.ToValidUTF8(text, []byte("\uFFFD"))
	short := cut(valid, r.maxValue())
	if len(short) < len(valid) {
		return quote(short), fmt.Sprintf("array text truncated from %d to %d bytes", len(valid), len(short))
	}
	return quote(short), "array sent as text"
}

// numbersFit reports whether a double holds each number of an array.
func numbersFit(array jsontext.Value) bool {
	for dec := lenient(array); ; {
		token, err := dec.ReadToken()
		if err != nil {
			return true // the end
		}
		if token.Kind() == '0' && !isExact(token.String()) {
			return false
		}
	}
}

// hugeTimes: a value of more than this many times the limit is never copied.
const hugeTimes = 32

func huge(value jsontext.Value, limit int) bool { return len(value)/hugeTimes > limit }

// beginning returns the beginning of a value's JSON text, which is longer than limit.
func beginning(value jsontext.Value, limit int) []byte {
	return cut(bytes.ToValidUTF8(value[:limit+utf8.UTFMax], []byte("\uFFFD")), limit)
}

// cut shortens text to at most limit bytes, between two characters.
func cut(text []byte, limit int) []byte {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

func quote(text []byte) jsontext.Value {
	quoted, _ := jsontext.AppendQuote(nil, text) // only fails for invalid UTF-8
	return quoted
}
