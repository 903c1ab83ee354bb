package table

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// The result is the replacement for a value and the reason. An empty phrase means that the value
// fits.
func (d *Declared) fix(value jsontext.Value) (fixed jsontext.Value, phrase string) {
	limit := d.maxValue()
	switch value.Kind() {
	case '"':
		text, length, err := unquote(value, limit)
		switch short := cut(text, limit); {
		case len(short) < length:
			return quote(short), fmt.Sprintf("value truncated from %d to %d bytes", length, len(short))
		case err != nil:
			return quote(short), "invalid Unicode replaced"
		}
	case '0':
		if short := cut(value, limit); len(short) < len(value) {
			return quote(short), fmt.Sprintf("number truncated from %d to %d digits", len(value), len(short))
		}
		if !isExact(string(value)) {
			return quote(value), "number sent as text"
		}
	case '{', '[':
		return d.fixTree(value)
	}
	return nil, ""
}

// fixTree repairs an object or an array, and keeps its kind if at all possible.
func (d *Declared) fixTree(value jsontext.Value) (fixed jsontext.Value, phrase string) {
	if limit := d.maxValue(); huge(value, limit) {
		fixed = shrink(value, limit)
		return fixed, fmt.Sprintf("value truncated from %d to %d bytes", len(value), len(fixed))
	}
	compact := value.Clone()
	_ = compact.Compact() // it was read before, so it is valid
	if !value.IsValid() || !numbersFit(value) {
		fixed, _ = copyTree(value, 0, 0)
		phrase = "repeated names, broken text or long numbers repaired"
		compact = fixed
	}
	if limit := d.maxValue(); len(compact) > limit {
		fixed = shrink(compact, limit)
		phrase = fmt.Sprintf("value truncated from %d to %d bytes", len(compact), len(fixed))
	}
	return fixed, phrase
}

// shrink cuts the longest texts in a value, all to the same length, until it fits the limit. If
// that is not enough, the value becomes the beginning of its JSON text.
func shrink(value jsontext.Value, limit int) jsontext.Value {
	const shortest = 64
	short, whole := copyTree(value, shortest, limit)
	if !whole {
		// Each byte of JSON text may need an escape.
		return quote(beginning(value, limit/2))
	}
	for low, high := shortest, limit; high-low > 1; {
		mid := (low + high) / 2
		if longer, whole := copyTree(value, mid, limit); whole {
			short, low = longer, mid
		} else {
			high = mid
		}
	}
	return short
}

// copyTree copies a value compactly: texts cut to most bytes (0: not at all) and valid, names
// unique in their object, and numbers that do not fit a double as text. It stops, and reports that
// the copy is not whole, once the copy has more than room bytes (0: never).
func copyTree(value jsontext.Value, most, room int) (copied jsontext.Value, whole bool) {
	t := tree{dec: lenient(value), most: most, room: atLeast(room, 1)}
	t.value()
	return t.dst, !t.full()
}

// tree is a copy in progress.
type tree struct {
	dec        *jsontext.Decoder
	dst        []byte
	most, room int
}

func (t *tree) full() bool { return len(t.dst) > t.room }

func (t *tree) value() {
	switch t.dec.PeekKind() {
	case '{':
		t.object()
		return
	case '[':
		t.array()
		return
	}
	value, err := t.dec.ReadValue()
	if err != nil {
		return // not reached: the value was read before
	}
	switch kind := value.Kind(); {
	case kind == '"':
		text, _, _ := unquote(value, atLeast(t.most, 0))
		if t.most > 0 {
			text = cut(text, t.most)
		}
		t.dst = append(t.dst, quote(text)...)
	case kind == '0' && !isExact(string(value)):
		t.dst = append(t.dst, quote(value)...)
	default:
		t.dst = append(t.dst, value...)
	}
}

func (t *tree) array() {
	_, _ = t.dec.ReadToken()
	t.dst = append(t.dst, '[')
	for n := 0; t.dec.PeekKind() != ']' && t.dec.PeekKind() != 0; n++ {
		if t.full() {
			return
		}
		if n > 0 {
			t.dst = append(t.dst, ',')
		}
		t.value()
	}
	_, _ = t.dec.ReadToken()
	t.dst = append(t.dst, ']')
}

func (t *tree) object() {
	_, _ = t.dec.ReadToken()
	t.dst = append(t.dst, '{')
	taken := make(names)
	for t.dec.PeekKind() == '"' {
		if t.full() {
			return
		}
		token, _ := t.dec.ReadToken()
		if len(taken) > 0 {
			t.dst = append(t.dst, ',')
		}
		name := taken.take(token.String())
		t.dst = append(append(t.dst, quote([]byte(name))...), ':')
		t.value()
	}
	_, _ = t.dec.ReadToken()
	t.dst = append(t.dst, '}')
}

// names are the names in an object so far, each with the next number to try for a duplicate.
type names map[string]int

// take returns a name that is not taken yet: the given one, or that with a number, counting from
// the last one, because an object may have the same name many thousand times.
func (n names) take(given string) string {
	name := given
	for number := max(n[given], 2); ; number++ {
		if _, taken := n[name]; !taken {
			n[name] = 2
			if name != given {
				n[given] = number
			}
			return name
		}
		name = given + "_" + strconv.Itoa(number)
	}
}
