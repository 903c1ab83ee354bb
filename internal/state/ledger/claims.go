package ledger

import (
	"encoding/binary"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// claim is a claimed record, with the hash of its id.
type claim struct {
	id   string
	hash hash
}

// maxRecent bounds the claims that are kept if they are not committed in order.
const maxRecent = 1 << 16

// keep stores the hashes of the claimed records.
func (l *Ledger) keep(records []pipeline.Record, fresh []bool) {
	if l.at == len(l.recent) || len(l.recent) > maxRecent {
		clear(l.recent) // releases the ids
		l.recent, l.at = l.recent[:0], 0
	}
	from := len(l.recent)
	for range records {
		l.recent = append(l.recent, claim{})
	}
	for i := range l.work {
		it := &l.work[i]
		l.recent[from+it.index] = claim{records[it.index].ID, it.hash}
	}
	n := from
	for i, ok := range fresh {
		if ok {
			l.recent[n] = l.recent[from+i]
			n++
		}
	}
	clear(l.recent[n:])
	l.recent = l.recent[:n]
}

// hash returns the hash of an id.
func (l *Ledger) hash(id string) (h hash) {
	h, l.buf = hashOf(id, l.buf)
	return h
}

// ahead is how many claims a Commit may skip before it no longer finds the next hash in recent.
// Skipped records went into quarantine or were refused.
const ahead = 16

// recall returns the hash of an id that was claimed.
func (l *Ledger) recall(id string) hash {
	for at := l.at; at < min(l.at+ahead, len(l.recent)); at++ {
		if l.recent[at].id == id {
			l.at = at + 1
			return l.recent[at].hash
		}
	}
	return l.hash(id)
}

// set is a set of hashes with linear probing. The hashes are random already, so their first
// bytes give the slot. A hash of zeros marks a free slot, so it never counts as a member.
type set struct {
	slots []hash // the length is a power of two
	used  int
}

func (s *set) add(h *hash) bool {
	if s.used >= len(s.slots)/4*3 {
		s.grow()
	}
	at, found := s.find(h)
	if found {
		return false
	}
	s.slots[at] = *h
	s.used++
	return true
}

func (s *set) remove(h *hash) {
	if s.used == 0 {
		return
	}
	at, found := s.find(h)
	if !found {
		return
	}
	s.used--
	// Move the following entries up, except those that could then not be found from their home slot.
	mask := len(s.slots) - 1
	for next := (at + 1) & mask; s.slots[next] != (hash{}); next = (next + 1) & mask {
		if (next-s.home(&s.slots[next]))&mask >= (next-at)&mask {
			s.slots[at] = s.slots[next]
			at = next
		}
	}
	s.slots[at] = hash{}
}

// find returns the slot of h, or the free slot for it.
func (s *set) find(h *hash) (at int, found bool) {
	mask := len(s.slots) - 1
	for at = s.home(h); s.slots[at] != (hash{}); at = (at + 1) & mask {
		if s.slots[at] == *h {
			return at, true
		}
	}
	return at, false
}

func (s *set) home(h *hash) int {
	return int(binary.LittleEndian.Uint64(h[:8]) & uint64(len(s.slots)-1))
}

func (s *set) grow() {
	old := s.slots
	s.slots = make([]hash, max(2*len(old), 1024))
	for i := range old {
		if old[i] != (hash{}) {
			at, _ := s.find(&old[i])
			s.slots[at] = old[i]
		}
	}
}
