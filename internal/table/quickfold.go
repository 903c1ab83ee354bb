package table

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// quickFold is [Open.Fold] for a record as sources write it. It copies the bytes around the object as
// they are. ok is false for anything rare, such as a name with escapes, and for what can't be read.
func (o *Open) quickFold(raw []byte) (row jsontext.Value, ok bool) {
	var parent, from, to int // from and to are the object; to is 0 if it has known members only
	end, ok := members(raw, skipSpace(raw, 0), func(name []byte, m span) bool {
		if parent == 0 && string(name) == o.Parent && raw[m.value] == '{' {
			parent = m.value
		}
		return true
	})
	if !ok || skipSpace(raw, end) != len(raw) {
		return nil, false
	}
	if parent == 0 {
		return raw, true
	}
	sound := true
	_, ok = members(raw, parent, func(name []byte, m span) bool {
		if to == 0 && string(name) == o.Name && raw[m.value] == '{' {
			_, whole := members(raw, m.value, func(name []byte, _ span) bool {
				if !o.Known[string(name)] {
					from, to = m.value, m.end
				}
				return true
			})
			sound = sound && whole
		}
		return sound
	})
	switch {
	case !ok || !sound:
		return nil, false
	case to == 0:
		return raw, true
	}
	text := jsontext.Value(raw[from:to])
	if bytes.ContainsAny(text, " \t\r\n") {
		text = text.Clone()
		_ = text.Compact() // it was walked before
	}
	row = make(jsontext.Value, 0, len(raw)+2*len(text)+len(o.Parent)+len(o.Name)+8)
	row = append(append(row, raw[:from]...), '{')
	_, ok = members(raw, from, func(name []byte, m span) bool {
		if o.Known[string(name)] {
			if row[len(row)-1] != '{' {
				row = append(row, ',')
			}
			row = append(row, raw[m.start:m.end]...)
		}
		return true
	})
	row = append(append(row, '}'), raw[to:end-1]...)
	row = append(append(append(row, `,"`...), o.Column()...), `":`...)
	row, err := jsontext.AppendQuote(row, text)
	return append(row, '}'), ok && err == nil
}

// span is where a member of an object is: from its name to the end of its value.
type span struct{ start, value, end int }

// members visits the members of the object at b[i:], and returns its end. ok is false if it can't be
// read, if a name has escapes or is not valid Unicode, or if visit returns false.
func members(b []byte, i int, visit func(name []byte, m span) bool) (end int, ok bool) {
	if i >= len(b) || b[i] != '{' {
		return i, false
	}
	for i = skipSpace(b, i+1); i < len(b) && b[i] == '"'; i = skipSpace(b, i+1) {
		m := span{start: i}
		if i = skipString(b, i); i < 0 {
			return 0, false
		}
		name := b[m.start+1 : i-1]
		if m.value = skipSpace(b, i); m.value >= len(b) || b[m.value] != ':' || bytes.IndexByte(name, '\\') >= 0 || !utf8.Valid(name) {
			return 0, false
		}
		m.value = skipSpace(b, m.value+1)
		if m.end = skipValue(b, m.value); m.end < 0 || !visit(name, m) {
			return 0, false
		}
		if i = skipSpace(b, m.end); i >= len(b) || b[i] != ',' {
			break
		}
	}
	if i >= len(b) || b[i] != '}' {
		return 0, false
	}
	return i + 1, true
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipString returns the end of the string at b[i:], or −1.
func skipString(b []byte, i int) int {
	for i++; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		escapes := 0
		for j := i - 2; b[j] == '\\'; j-- { // a quote precedes them
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}

// skipValue returns the end of the value at b[i:], or −1. It only counts what opens and closes.
func skipValue(b []byte, i int) int {
	from, depth := i, 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = skipString(b, i); i < 0 {
				return -1
			}
			i--
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return ended(from, i)
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return ended(from, i)
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return -1
}

// ended is the end of a value that is not empty.
func ended(from, i int) int {
	if i == from {
		return -1
	}
	return i
}
