package table

import "strings"

// fits reports whether raw is one JSON object that keeps every rule. True is never wrong. False
// means that repair must look closely: it is also returned for anything too rare to be worth fast
// code, such as a name written with escapes.
func (r *Rules) fits(raw []byte) bool {
	// The set lives on the stack. Few records have more than 96 names, and clearing the larger set
	// costs more than reading those records.
	var slots [128]uint64
	s := r.scanner(raw, slots[:])
	ok := s.document()
	if !s.full {
		return ok
	}
	return r.fitsLarge(raw)
}

//go:noinline
func (r *Rules) fitsLarge(raw []byte) bool {
	var slots [2048]uint64
	s := r.scanner(raw, slots[:])
	return s.document()
}

func (r *Rules) scanner(raw []byte, slots []uint64) scanner {
	return scanner{
		b: raw, seen: slots, reserved: r.Reserved,
		maxName: r.maxName(), maxColumns: r.maxColumns(), maxValue: r.maxValue(),
	}
}

// scanner reads a record once and stops at the first thing that does not fit.
type scanner struct {
	b []byte
	i int

	maxName, maxColumns, maxValue int
	reserved                      []string

	columns int // columns so far
	blanks  int // white space skipped so far
	depth   int

	// seen is an open hash table of the flattened names, including those of objects. A collision of
	// two different names only costs a closer look.
	seen []uint64
	used int
	full bool
}

// maxDepth is a nesting that the stack can hold. Names nested deeper are too long anyway, except
// inside an array.
const maxDepth = 64

// Parameters of the 64-bit FNV-1a hash.
const (
	hashBasis = 14695981039346656037
	hashPrime = 1099511628211
)

func (s *scanner) document() bool {
	if s.next() != '{' || !s.object(hashBasis, 0, true) {
		return false
	}
	s.next()
	return s.i == len(s.b)
}

// next skips white space and returns the byte after it, 0 at the end.
func (s *scanner) next() byte {
	for i := s.i; i < len(s.b); i++ {
		if c := s.b[i]; c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			s.blanks += i - s.i
			s.i = i
			return c
		}
	}
	s.blanks += len(s.b) - s.i
	s.i = len(s.b)
	return 0
}

// object reads an object whose members become columns. prefix and length are the hash and the
// length of the flattened name so far.
func (s *scanner) object(prefix uint64, length int, top bool) bool {
	if s.depth++; s.depth > maxDepth {
		return false
	}
	s.i++
	c := s.next()
	for c == '"' {
		n, hash := s.name(prefix)
		if n == 0 {
			return false
		}
		n += length
		if !s.add(hash) || s.isReserved(n, top) {
			return false
		}
		if s.next() != ':' {
			return false
		}
		s.i++
		if !s.member(hash, n) {
			return false
		}
		if c = s.next(); c != ',' {
			break
		}
		s.i++
		if c = s.next(); c != '"' {
			return false
		}
	}
	s.i++
	s.depth--
	return c == '}'
}

// member reads the value of the property whose flattened name has n bytes.
func (s *scanner) member(hash uint64, n int) bool {
	switch s.next() {
	case '{':
		// Members are joined to the name with an underscore.
		return s.object((hash^'_')*hashPrime, n+1, false)
	case 'n':
		return s.literal("null")
	case '"':
		if size, ok := s.text(); !ok || size > s.maxValue {
			return false
		}
	case '[':
		start, blanks := s.i, s.blanks
		if !s.array() || s.i-start-(s.blanks-blanks) > s.maxValue {
			return false
		}
	case 't':
		if !s.literal("true") {
			return false
		}
	case 'f':
		if !s.literal("false") {
			return false
		}
	default:
		if !s.number() {
			return false
		}
	}
	s.columns++
	return n <= s.maxName && s.columns <= s.maxColumns
}

// name reads a property's name and continues the hash with it. It returns 0 for an empty name, and
// for one that can't be a column's name.
func (s *scanner) name(hash uint64) (int, uint64) {
	b := s.b[s.i+1:]
	for i, c := range b {
		if !isNameByte(c) {
			if c != '"' {
				return 0, 0
			}
			s.i += i + 2
			return i, hash
		}
		hash = (hash ^ uint64(c)) * hashPrime
	}
	return 0, 0
}

func isNameByte(c byte) bool {
	return (c|0x20)-'a' < 26 || c-'0' < 10 || c == '_'
}

// isReserved reports whether the flattened name that was just read, of n bytes,
// may be a reserved one.
func (s *scanner) isReserved(n int, top bool) bool {
	for _, r := range s.reserved {
		if len(r) != n {
			continue
		}
		if !top {
			// The name is not contiguous here.
			if strings.IndexByte(r, '_') >= 0 {
				return true
			}
			continue
		}
		if equalFold(s.b[s.i-1-n:s.i-1], r) {
			return true
		}
	}
	return false
}

// equalFold compares ASCII texts of the same length.
func equalFold(a []byte, b string) bool {
	for i := range a {
		x, y := a[i], b[i]
		if x != y && (x|0x20 != y|0x20 || (x|0x20)-'a' >= 26) {
			return false
		}
	}
	return true
}

// add adds a name, and returns false if it was there already or if there is no room.
func (s *scanner) add(hash uint64) bool {
	if s.used > len(s.seen)/4*3 {
		s.full = true
		return false
	}
	hash |= 1 // 0 is an empty slot
	mask := uint64(len(s.seen) - 1)
	for i := (hash >> 32) & mask; ; i = (i + 1) & mask {
		switch s.seen[i] {
		case hash:
			return false
		case 0:
			s.seen[i] = hash
			s.used++
			return true
		}
	}
}

// array reads an array. It becomes text, so the names in it are free, but a parser on the way must
// not lose any of it.
func (s *scanner) array() bool {
	if s.depth++; s.depth > maxDepth {
		return false
	}
	s.i++
	c := s.next()
	for first := true; c != ']'; first = false {
		if !first {
			if c != ',' {
				return false
			}
			s.i++
			s.next()
		}
		if !s.element() {
			return false
		}
		c = s.next()
	}
	s.i++
	s.depth--
	return true
}

// element reads a value inside an array.
func (s *scanner) element() bool {
	switch s.next() {
	case '{':
		return s.plainObject()
	case '[':
		return s.array()
	case '"':
		_, ok := s.text()
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

// plainObject reads an object inside an array.
func (s *scanner) plainObject() bool {
	if s.depth++; s.depth > maxDepth {
		return false
	}
	// Only names in the same object can be duplicates, so the hash includes the object's position.
	prefix := (hashBasis ^ uint64(s.i)) * hashPrime
	s.i++
	c := s.next()
	for c == '"' {
		start := s.i + 1
		size, ok := s.text()
		if !ok || size != s.i-1-start { // escapes may hide a duplicate
			return false
		}
		hash := prefix
		for _, c := range s.b[start : s.i-1] {
			hash = (hash ^ uint64(c)) * hashPrime
		}
		if !s.add(hash) || s.next() != ':' {
			return false
		}
		s.i++
		if !s.element() {
			return false
		}
		if c = s.next(); c != ',' {
			break
		}
		s.i++
		if c = s.next(); c != '"' {
			return false
		}
	}
	s.i++
	s.depth--
	return c == '}'
}

func (s *scanner) literal(want string) bool {
	if len(s.b)-s.i < len(want) || string(s.b[s.i:s.i+len(want)]) != want {
		return false
	}
	s.i += len(want)
	return true
}
