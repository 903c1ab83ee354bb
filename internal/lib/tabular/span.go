package tabular

import "errors"

var (
	// errLarge means that a value is longer than a row may be.
	errLarge = errors.New("too large")
	// errCut means that the report ends within a value.
	errCut = errors.New("cut off")
	// errUndivided means that brackets do not match, so it is unknown where a value ends.
	errUndivided = errors.New("a bracket is missing or one too many")
)

// span finds the end of a JSON value by its brackets and quotes. What is between them need not be
// valid.
type span struct {
	open          brackets
	begun         bool
	text, escaped bool // within a string; after a backslash
	word          bool // a number or a literal, which something else ends
}

// feed takes the bytes that follow and returns how many of them belong to the value.
func (s *span) feed(b []byte) (n int, ended bool, err error) {
	for n < len(b) {
		c := b[n]
		switch {
		case s.escaped:
			s.escaped = false
		case s.text:
			switch c {
			case '\\':
				s.escaped = true
			case '"':
				if s.text = false; s.open.n == 0 {
					return n + 1, true, nil
				}
			}
		case s.word && (c <= ' ' || contains(`,]}[{:"`, c)):
			return n, true, nil
		case s.word:
		case c == '"':
			s.text = true
		case c == '{', c == '[':
			s.open.push(c == '{')
		case c == '}', c == ']':
			if s.open.n == 0 || s.open.pop() != (c == '}') {
				return n, false, errUndivided
			}
			if s.open.n == 0 {
				return n + 1, true, nil
			}
		case !s.begun:
			s.word = true
		}
		s.begun = true
		n++
	}
	return n, false, nil
}

// value returns where the value ends that begins i places ahead. If it is longer than most, or cut
// off, the error says so, and s is how far it was read.
func (w *window) value(i, most int) (end int, s span, err error) {
	for end = i; ; {
		rest := w.rest()
		n, ended, err := s.feed(rest[min(end, len(rest)):min(i+most+1, len(rest))])
		end += n
		switch {
		case err != nil:
			return end, s, err
		case end-i > most:
			return end, s, errLarge
		case ended:
			return end, s, nil
		case w.more():
		case s.word && w.ended():
			return end, s, nil
		default:
			return end, s, errCut
		}
	}
}

// brackets is a stack of open brackets: one bit each, because a report may consist of them.
type brackets struct {
	words []uint64
	n     int
}

func (b *brackets) push(object bool) {
	if b.n == 64*len(b.words) {
		b.words = append(b.words, 0)
	}
	mask := uint64(1) << (b.n % 64)
	b.words[b.n/64] &^= mask
	if object {
		b.words[b.n/64] |= mask
	}
	b.n++
}

func (b *brackets) pop() (object bool) {
	b.n--
	return b.words[b.n/64]&(1<<(b.n%64)) != 0
}
