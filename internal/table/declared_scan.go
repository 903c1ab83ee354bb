package table

// fits reports whether raw is one JSON object that keeps every rule. As with [Rules], true is never
// wrong, and false means that repair must look closely.
func (d *Declared) fits(raw []byte) bool {
	var slots [128]uint64
	ok, full := d.fitsIn(raw, slots[:])
	if !full {
		return ok
	}
	return d.fitsLarge(raw)
}

//go:noinline
func (d *Declared) fitsLarge(raw []byte) bool {
	var slots [2048]uint64
	ok, _ := d.fitsIn(raw, slots[:])
	return ok
}

func (d *Declared) fitsIn(raw []byte, slots []uint64) (ok, full bool) {
	s := declaredScanner{scanner: scanner{b: raw, seen: slots}, d: d, limit: d.maxValue()}
	ok = s.document()
	return ok && s.extra < s.limit, s.full
}

// declaredScanner reads the members of a record. It has no callback for each member, because that
// would move the set of names to the heap.
type declaredScanner struct {
	scanner

	d     *Declared
	limit int // of a value
	// moved is set once a member has no column of its kind; extra counts the bytes that such
	// members take in Extra. The record's own Extra counts too: with other members there, it will
	// be inside another object.
	moved bool
	extra int
}

// document reads one object. It returns false for anything else, for a name with escapes, and for
// anything that breaks a rule.
func (s *declaredScanner) document() bool {
	if s.next() != '{' {
		return false
	}
	s.depth++
	s.i++
	c := s.next()
	for c == '"' {
		start := s.i + 1
		size, ok := s.text()
		if !ok {
			return false
		}
		name := s.b[start : s.i-1]
		if size != len(name) || !s.add(hashOf(name)) || s.next() != ':' {
			return false
		}
		s.i++
		if !s.member(name) {
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
	if c != '}' {
		return false
	}
	s.i++
	s.next()
	return s.i == len(s.b)
}

// member reads the value of a member and checks its length and kind.
func (s *declaredScanner) member(name []byte) bool {
	first := s.next()
	start, blanks := s.i, s.blanks
	var size int
	if first == '"' {
		n, ok := s.text()
		if !ok {
			return false
		}
		size = n
	} else {
		if !s.element() {
			return false
		}
		size = s.i - start - (s.blanks - blanks)
	}
	if size > s.limit {
		return false
	}
	takes := s.d.takes(name, s.b[start:s.i])
	if !takes {
		s.moved = true
	}
	if !takes || string(name) == s.d.Extra {
		s.extra += len(name) + len(`"":,`) + s.i - start
	}
	return true
}

func hashOf(name []byte) uint64 {
	hash := uint64(hashBasis)
	for _, c := range name {
		hash = (hash ^ uint64(c)) * hashPrime
	}
	return hash
}
