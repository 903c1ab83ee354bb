package ledger

import "time"

// Object is the decoded form of a window's object, for tests of the format.
type Object struct {
	Start int64 // seconds since 1970, or Undated
	Width time.Duration
	IDs   [][16]byte
}

const Undated = undated

func Encode(o Object) []byte {
	more := make([]hash, len(o.IDs))
	for i, id := range o.IDs {
		more[i] = id
	}
	return encode(nil, o.Start, uint32(o.Width/time.Second), nil, more)
}

func Decode(data []byte) (Object, error) {
	start, width, err := decode(data)
	if err != nil {
		return Object{}, err
	}
	o := Object{Start: start, Width: time.Duration(width) * time.Second}
	s := idsOf(data)
	for i := range s.len() {
		o.IDs = append(o.IDs, [16]byte(s[i*idSize:][:idSize]))
	}
	return o, nil
}

// HashOf is what the ledger keeps of an id.
func HashOf(id string) [16]byte {
	h, _ := hashOf(id, nil)
	return h
}

// Merge is the union of two sets, of which more is sorted.
func Merge(base, more [][16]byte) [][16]byte {
	var s ids
	for _, id := range base {
		s = append(s, id[:]...)
	}
	hashes := make([]hash, len(more))
	for i, id := range more {
		hashes[i] = id
	}
	var out [][16]byte
	for u := ids(s.merge(nil, hashes)); u.len() > 0; u = u[idSize:] {
		out = append(out, [16]byte(u[:idSize]))
	}
	return out
}

// Set is a set of hashes.
type Set struct{ s set }

func (s *Set) Add(h [16]byte) bool { return s.s.add((*hash)(&h)) }

func (s *Set) Remove(h [16]byte) { s.s.remove((*hash)(&h)) }

func (s *Set) Len() int { return s.s.used }
