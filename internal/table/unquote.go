package table

import (
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// unquotePiece is how much of a long string is unquoted at a time.
const unquotePiece = 64 << 10

// unquote returns the text of a JSON string and its length. Bytes that are not valid Unicode are
// replaced, which err reports. Of a long string it returns only the beginning, which is longer than
// limit: the whole would take as much memory again as the string.
func unquote(value jsontext.Value, limit int) (text []byte, length int, err error) {
	if len(value) <= max(4*unquotePiece, 8*limit) {
		text, err = jsontext.AppendUnquote(nil, value)
		return text, len(text), err
	}
	var piece, scratch []byte
	for rest := value[1 : len(value)-1]; len(rest) > 0; {
		n := border(rest, unquotePiece)
		piece = append(append(append(piece[:0], '"'), rest[:n]...), '"')
		rest = rest[n:]
		var bad error
		scratch, bad = jsontext.AppendUnquote(scratch[:0], piece)
		if bad != nil {
			err = bad
		}
		length += len(scratch)
		if len(text) <= limit {
			text = append(text, scratch...)
		}
	}
	return text, length, err
}

// border is where a string can be split after about n bytes: not within an escape or a character,
// and not near an invalid one.
func border(text []byte, n int) int {
	sound := 0 // bytes since the last invalid one
	for i := 0; i < len(text); {
		if i >= n && sound >= len(`\ud83d\ude00`) {
			return i
		}
		width, whole := 1, true
		switch c := text[i]; {
		case c == '\\':
			width, _ = escape(text[i:])
			whole = width > 0
			width = max(width, len(`\"`))
		case c >= utf8.RuneSelf:
			var r rune
			r, width = utf8.DecodeRune(text[i:])
			whole = r != utf8.RuneError
		}
		if sound += width; !whole {
			sound = 0
		}
		i += width
	}
	return len(text)
}
