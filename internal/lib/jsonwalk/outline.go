package jsonwalk

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// outlined is quickObject; it also sets the element's outline.
func (w *walker) outlined(i int) int {
	clear(w.picks)
	w.scratch = w.scratch[:0]
	w.longest, w.plain = 0, true
	end, shape := w.outlinedMembers(i, 1, &w.shapes.root)
	w.outline = Outline{}
	if end >= 0 && w.plain && shape != nil {
		w.outline = Outline{shape, w.longest}
	}
	return end
}

// outlinedMembers reads the object that begins at i; at is the shape after its brace. It returns
// where the object ends, or -1, and the shape there.
func (w *walker) outlinedMembers(i, depth int, at *Shape) (end int, shape *Shape) {
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
		if at, i = w.outlinedMember(i, depth, at); i < 0 {
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

// outlinedMember reads the member whose name begins at i. It returns the shape after it and where
// it ends, or -1.
func (w *walker) outlinedMember(i, depth int, at *Shape) (shape *Shape, end int) {
	b, name := w.page, i
	if at, i = w.step(at, i, depth == 1); i < 0 {
		return nil, -1
	}
	pick := -1
	switch {
	case at != nil:
		pick = at.pick
	case depth == 1:
		pick = w.quickWanted(b[name:i], true)
	}
	if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
		return nil, -1
	}
	value := skipSpace(b, i+1)
	if value >= len(b) {
		return nil, -1
	}
	if b[value] != '{' {
		end = w.outlinedValue(value, depth+1)
	} else if depth < quickDepth {
		at, _ = w.step(at, value, false)
		end, at = w.outlinedMembers(value, depth+1, at)
	} else {
		return nil, -1
	}
	if end >= 0 && pick >= 0 {
		w.quickPick(pick, b[value:end])
	}
	return at, end
}

// outlinedValue returns where the value that begins at i ends, or -1. The value is not an object.
func (w *walker) outlinedValue(i, depth int) (end int) {
	b := w.page
	switch b[i] {
	case '"':
		var sound bool
		end, sound = soundString(b, i)
		w.note(end-i-len(`""`), sound)
	case '[':
		if depth > quickDepth {
			return -1
		}
		end = w.outlinedElements(i, depth)
		w.note(end-i, true)
	case 't', 'f', 'n':
		end = quickValue(b, i, depth)
	default:
		end = quickNumber(b, i)
		w.noteNumber(i, end)
	}
	return end
}

// outlinedElements returns where the array that begins at i ends, or -1.
func (w *walker) outlinedElements(i, depth int) (end int) {
	b := w.page
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i >= len(b) {
			return -1
		}
		if b[i] == '{' || b[i] == '[' {
			w.plain = false
			i = quickValue(b, i, depth+1)
		} else {
			i = w.outlinedValue(i, depth+1)
		}
		if i < 0 {
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

// soundString is quickString; it also reports whether the text is known to be valid Unicode. Half a
// surrogate pair is not valid, so any \u leaves it in doubt.
func soundString(b []byte, i int) (end int, sound bool) {
	const (
		each = 0x0101010101010101
		high = 0x80 * each
	)
	start, coded, seen := i, false, uint64(0)
	i++
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:]) // see quickString
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
