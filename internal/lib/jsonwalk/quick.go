package jsonwalk

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// quick visits the leading elements of a page that it can validate without a decoder, nearly always
// all of them, and returns their number. done is true when that was the whole page, or when visit
// returned err.
//
// It is strict: what it accepts, the decoder accepts with the same result. It stops at anything
// rare, such as deep nesting, and at anything wrong; the decoder then reads the page again and
// produces the error text.
func (w *walker) quick(visit func(Element) error) (n int, done bool, err error) {
	b := w.page
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '[' {
		return 0, false, nil
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return 0, skipSpace(b, i+1) == len(b), nil
	}
	for i < len(b) && b[i] == '{' {
		end := w.element(i)
		if end < 0 {
			return n, false, nil
		}
		next := skipSpace(b, end)
		// The decoder would check what follows before the element is visited.
		if next == len(b) {
			return n, false, nil
		}
		if err := visit(Element{Index: n, Raw: b[i:end:end], Picks: w.picks, Outline: w.outline}); err != nil {
			return n, true, err
		}
		n++
		switch b[next] {
		case ',':
			i = skipSpace(b, next+1)
		case ']':
			return n, skipSpace(b, next+1) == len(b), nil
		default:
			return n, false, nil
		}
	}
	return n, false, nil
}

// element reads the object that begins at i, fills the picks and the outline, and returns where it
// ends, or -1.
func (w *walker) element(i int) (end int) {
	clear(w.picks)
	w.scratch = w.scratch[:0]
	w.longest, w.plain, w.outline = 0, true, Outline{}
	var at *Shape
	if w.shapes != nil {
		at = &w.shapes.root
	}
	end, at = w.members(i, 1, at)
	if end >= 0 && w.plain && at != nil {
		w.outline = Outline{at, w.longest, end - i}
	}
	return end
}

// quickDepth is a nesting that the stack can hold. The decoder accepts more.
const quickDepth = 64

// members reads the object that begins at i; at is the shape after its brace, nil if that is not
// known. It returns where the object ends, or -1, and the shape there.
func (w *walker) members(i, depth int, at *Shape) (end int, shape *Shape) {
	if depth > quickDepth {
		return -1, nil
	}
	b := w.page
	i = skipSpace(b, i+1)
	for first := true; ; first = false {
		if i >= len(b) {
			return -1, nil
		}
		switch {
		case b[i] == '}' && first:
			at, i = w.step(at, i, false)
			return i, at
		case b[i] != '"':
			return -1, nil
		}
		if at, i = w.member(i, depth, at); i < 0 {
			return -1, nil
		}
		if i = skipSpace(b, i); i >= len(b) {
			return -1, nil
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case '}':
			at, i = w.step(at, i, false)
			return i, at
		default:
			return -1, nil
		}
	}
}

// member reads the member whose name begins at i. It returns the shape after it and where it ends,
// or -1.
func (w *walker) member(i, depth int, at *Shape) (shape *Shape, end int) {
	b, name, pick := w.page, i, -1
	if at == nil {
		i, _ = quickString(b, i)
	} else {
		at, i = w.step(at, i, depth == 1)
	}
	switch {
	case i < 0:
		return nil, -1
	case at != nil:
		pick = at.pick
	case depth == 1:
		pick = w.wanted(b[name:i])
	}
	if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
		return nil, -1
	}
	value := skipSpace(b, i+1)
	if value >= len(b) {
		return nil, -1
	}
	if b[value] == '{' {
		at, _ = w.step(at, value, false)
		end, at = w.members(value, depth+1, at)
	} else {
		end = w.value(value, depth+1)
	}
	if end >= 0 && pick >= 0 {
		w.quickPick(pick, b[value:end])
	}
	return at, end
}

// value returns where the value that begins at i ends, or -1.
func (w *walker) value(i, depth int) (end int) {
	b := w.page
	switch b[i] {
	case '"':
		var sound bool
		end, sound = quickString(b, i)
		w.note(end-i-len(`""`), sound)
	case '{': // in an array
		var at *Shape
		if w.shapes != nil && w.plain {
			at = &w.shapes.inner
		}
		end, at = w.members(i, depth, at)
		w.plain = w.plain && at != nil && !at.odd
	case '[':
		end = w.elements(i, depth)
		w.note(end-i, true)
	case 't':
		end = quickLiteral(b, i, "true")
	case 'f':
		end = quickLiteral(b, i, "false")
	case 'n':
		end = quickLiteral(b, i, "null")
	default:
		end = quickNumber(b, i)
		w.noteNumber(i, end)
	}
	return end
}

// elements returns where the array that begins at i ends, or -1.
func (w *walker) elements(i, depth int) (end int) {
	if depth > quickDepth {
		return -1
	}
	b := w.page
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i >= len(b) {
			return -1
		}
		if i = w.value(i, depth+1); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

// quickPick is pick, but it does not copy a string of plain ASCII.
func (w *walker) quickPick(i int, value []byte) {
	if value[0] == '"' && isPlain(value) {
		w.picks[i] = Pick{Kind: String, Text: value[1 : len(value)-1 : len(value)-1]}
		return
	}
	w.pick(i, value)
}

// isPlain reports whether a string has neither escapes nor bytes outside ASCII.
func isPlain(quoted []byte) bool {
	for _, c := range quoted {
		if c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func (w *walker) note(length int, sound bool) {
	w.longest = max(w.longest, length)
	w.plain = w.plain && sound
}

// noteNumber notes the number b[i:end]. A number of more than 15 bytes may have more than 15
// digits.
func (w *walker) noteNumber(i, end int) {
	if end-i > 15 {
		w.plain = false
	}
	for ; i < end; i++ {
		if w.page[i]|0x20 == 'e' {
			w.plain = false
		}
	}
}

// quickString returns the offset after the string that begins at i, or -1, and whether its text is
// known to be valid Unicode. Half a surrogate pair is not valid, so any \u leaves it in doubt.
func quickString(b []byte, i int) (end int, sound bool) {
	const (
		each = 0x0101010101010101
		high = 0x80 * each
	)
	start, coded, seen := i, false, uint64(0)
	i++
	for {
		for i+8 <= len(b) {
			// The lowest high bit of m marks the first quote, backslash or control character: a
			// borrow can set a wrong bit only above a correct one.
			x := binary.LittleEndian.Uint64(b[i:])
			quote, escape := x^'"'*each, x^'\\'*each
			m := ((quote-each)&^quote | (escape-each)&^escape | (x-' '*each)&^x) & high
			seen |= x // includes what follows the quote; at worst this causes one needless check
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return -1, false
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, !coded && (seen&high == 0 || utf8.Valid(b[start:i]))
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				return -1, false
			}
			coded = coded || n > 2
			i += n
		case c < ' ':
			return -1, false
		default:
			seen |= uint64(c)
			i++
		}
	}
}

// escapeLen is the length of the escape sequence at the beginning of b, 0 if there is none. Half a
// surrogate pair counts as one, as in the decoder.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if c-'0' >= 10 && (c|0x20)-'a' >= 6 {
				return 0
			}
		}
		return 6
	}
	return 0
}

func quickLiteral(b []byte, i int, want string) int {
	if len(b)-i < len(want) || string(b[i:i+len(want)]) != want {
		return -1
	}
	return i + len(want)
}

func quickNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	first := i
	i = skipDigits(b, i)
	if i == first || i > first+1 && b[first] == '0' {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		first = i + 1
		if i = skipDigits(b, first); i == first {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		first = i
		if i = skipDigits(b, first); i == first {
			return -1
		}
	}
	return i
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' < 10 {
		i++
	}
	return i
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}
