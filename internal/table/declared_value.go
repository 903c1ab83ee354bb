package table

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// mend returns what to send instead of a value, and says why. An empty phrase
// means that the value fits.
func (d *Declared) mend(value jsontext.Value) (mended jsontext.Value, phrase string) {
	limit := d.maxValue()
	switch value.Kind() {
	case '"':
		text, length, err := unquote(value, limit)
		switch short := cut(text, limit); {
		case len(short) < length:
			return quote(short), fmt.Sprintf("value cut from %d to %d bytes", length, len(short))
		case err != nil:
			return quote(short), "invalid Unicode replaced"
		}
	case '0':
		if short := cut(value, limit); len(short) < len(value) {
			return quote(short), fmt.Sprintf("number cut from %d to %d digits", len(value), len(short))
		}
		if !isExact(string(value)) {
			return quote(value), "number sent as text"
		}
	case '{', '[':
		return d.mendTree(value)
	}
	return nil, ""
}

// mendTree mends an object or an array, which stays one if at all possible.
func (d *Declared) mendTree(value jsontext.Value) (mended jsontext.Value, phrase string) {
	compact := value.Clone()
	_ = compact.Compact() // it was read before: it is valid
	if !value.IsValid() || !numbersFit(value) {
		mended, phrase = copyTree(value, 0), "repeated names, broken text or long numbers put right"
		compact = mended
	}
	if limit := d.maxValue(); len(compact) > limit {
		mended = shrink(compact, limit)
		phrase = fmt.Sprintf("value cut from %d to %d bytes", len(compact), len(mended))
	}
	return mended, phrase
}

// shrink cuts the longest texts in a value, all to the same length, until it fits
// the limit. If that is not enough the value becomes the beginning of its JSON text.
func shrink(value jsontext.Value, limit int) jsontext.Value {
	const shortest = 64
	short := copyTree(value, shortest)
	if len(short) > limit {
		// Each byte of JSON text may need an escape.
		return quote(cut(bytes.ToValidUTF8(value, []byte("\uFFFD")), limit/2))
	}
	for low, high := shortest, limit; high-low > 1; {
		mid := (low + high) / 2
		if longer := copyTree(value, mid); len(longer) <= limit {
			short, low = longer, mid
		} else {
			high = mid
		}
	}
	return short
}

// copyTree copies a value compactly: texts cut to most bytes (0: not at all) and
// valid, names unique in their object, numbers that a double does not hold as text.
func copyTree(value jsontext.Value, most int) jsontext.Value {
	dec := lenient(value)
	return appendTree(nil, dec, most)
}

func appendTree(dst []byte, dec *jsontext.Decoder, most int) []byte {
	token, err := dec.ReadToken()
	if err != nil {
		return dst // not reached: the value was read before
	}
	switch token.Kind() {
	case '{':
		return appendObject(dst, dec, most)
	case '[':
		dst = append(dst, '[')
		for n := 0; dec.PeekKind() != ']' && dec.PeekKind() != 0; n++ {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = appendTree(dst, dec, most)
		}
		_, _ = dec.ReadToken()
		return append(dst, ']')
	case '"':
		text := []byte(token.String())
		if most > 0 {
			text = cut(text, most)
		}
		return append(dst, quote(text)...)
	case '0':
		if text := token.String(); !isExact(text) {
			return append(dst, quote([]byte(text))...)
		}
	}
	return append(dst, token.String()...)
}

func appendObject(dst []byte, dec *jsontext.Decoder, most int) []byte {
	dst = append(dst, '{')
	taken := make(map[string]bool)
	for dec.PeekKind() == '"' {
		token, _ := dec.ReadToken()
		given := token.String()
		name := given
		for n := 2; taken[name]; n++ {
			name = given + "_" + strconv.Itoa(n)
		}
		if len(taken) > 0 {
			dst = append(dst, ',')
		}
		taken[name] = true
		dst = append(append(dst, quote([]byte(name))...), ':')
		dst = appendTree(dst, dec, most)
	}
	_, _ = dec.ReadToken()
	return append(dst, '}')
}
