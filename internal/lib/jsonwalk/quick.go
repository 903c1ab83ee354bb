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

func (w *walker) element(i int) (end int) {
	if w.shapes != nil {
		return w.outlined(i)
	}
	return w.quickObject(i)
}

// quickObject reads the element that begins at i, fills the picks and returns
// where it ends, or -1.
func (w *walker) quickObject(i int) int {
	clear(w.picks)
	w.scratch = w.scratch[:0]
	b := w.page
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return -1
		}
		var escaped bool
		name := i
		if i, escaped = quickString(b, i); i < 0 {
			return -1
		}
		wanted := w.quickWanted(b[name:i], escaped)
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		value := skipSpace(b, i+1)
		if i = quickValue(b, value, 2); i < 0 {
			return -1
		}
		if wanted >= 0 {
			w.quickPick(wanted, b[value:i])
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

// quickWanted is wanted, which it calls only for a name with escapes.
func (w *walker) quickWanted(quoted []byte, escaped bool) int {
	for i, q := range w.quoted {
		if string(quoted) == q {
			return i
		}
	}
	if escaped {
		return w.wanted(quoted)
	}
	return -1
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

// quickDepth is a nesting that the stack can hold. The decoder accepts more.
const quickDepth = 64

// quickValue returns where the value that begins at i ends, or -1.
func quickValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return -1
	}
	switch c := b[i]; c {
	case '"':
		end, _ := quickString(b, i)
		return end
	case '{', '[':
		if depth > quickDepth {
			return -1
		}
		if c == '{' {
			return quickMembers(b, i, depth)
		}
		return quickElements(b, i, depth)
	case 't':
		return quickLiteral(b, i, "true")
	case 'f':
		return quickLiteral(b, i, "false")
	case 'n':
		return quickLiteral(b, i, "null")
	default:
		return quickNumber(b, i)
	}
}

func quickMembers(b []byte, i, depth int) int {
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return -1
		}
		if i, _ = quickString(b, i); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		if i = quickValue(b, skipSpace(b, i+1), depth+1); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

func quickElements(b []byte, i, depth int) int {
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = quickValue(b, i, depth+1); i < 0 {
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

// quickString returns the offset after the string that begins at i, or -1, and whether it has
// escapes.
func quickString(b []byte, i int) (end int, escaped bool) {
	const (
		each = 0x0101010101010101
		high = 0x80 * each
	)
	i++
	for {
		for i+8 <= len(b) {
			// The lowest high bit of m marks the first quote, backslash or control character: a
			// borrow can set a wrong bit only above a correct one.
			x := binary.LittleEndian.Uint64(b[i:])
			quote, escape := x^'"'*each, x^'\\'*each
			m := ((quote-each)&^quote | (escape-each)&^escape | (x-' '*each)&^x) & high
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
			return i + 1, escaped
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				return -1, false
			}
			i += n
			escaped = true
		case c < ' ':
			return -1, false
		default:
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
