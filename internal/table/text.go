package table

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// text reads a string and returns how many bytes of UTF-8 it stands for. It returns false for
// invalid Unicode, too.
func (s *scanner) text() (size int, ok bool) {
	const (
		each = 0x0101010101010101
		high = 0x80 * each
	)
	b := s.b
	start := s.i + 1
	i := start
	shrunk := 0 // by escapes
	for {
		for i+8 <= len(b) {
			// The lowest high bit of m marks the first byte that is not plain: a quote, a
			// backslash, a control character or not ASCII.
			x := binary.LittleEndian.Uint64(b[i:])
			m := (x | (x - ' '*each) | ((x ^ '"'*each) - each) | ((x ^ '\\'*each) - each)) & high
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return 0, false
		}
		switch c := b[i]; {
		case c == '"':
			s.i = i + 1
			return i - start - shrunk, true
		case c == '\\':
			n, decoded := escape(b[i:])
			if n == 0 {
				return 0, false
			}
			shrunk += n - decoded
			i += n
		case c < ' ':
			return 0, false
		case c < utf8.RuneSelf:
			i++
		default:
			for i < len(b) && b[i] >= utf8.RuneSelf {
				r, n := utf8.DecodeRune(b[i:])
				if r == utf8.RuneError && n == 1 {
					return 0, false
				}
				i += n
			}
		}
	}
}

// escape returns how long the escape sequence at the beginning of b is and how many bytes of UTF-8
// it stands for. 0 means that there is none, or half of a surrogate pair.
func escape(b []byte) (n, decoded int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, 1
	case 'u':
		r := hex4(b[2:])
		switch {
		case r < 0 || r >= 0xdc00 && r < 0xe000:
			return 0, 0
		case r >= 0xd800 && r < 0xdc00:
			if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
				return 0, 0
			}
			if low := hex4(b[8:]); low < 0xdc00 || low >= 0xe000 {
				return 0, 0
			}
			return 12, 4
		default:
			return 6, utf8.RuneLen(r)
		}
	}
	return 0, 0
}

// hex4 reads four hexadecimal digits, or returns -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c-'0' < 10:
			r = r<<4 | rune(c-'0')
		case (c|0x20)-'a' < 6:
			r = r<<4 | rune((c|0x20)-'a'+10)
		default:
			return -1
		}
	}
	return r
}
