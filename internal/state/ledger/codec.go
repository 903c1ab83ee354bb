package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
)

const (
	magic   = "idnledgr"
	version = 1
	// idSize is the length of an id's hash: among 2^32 ids, the chance that any
	// two collide is 2^-65.
	idSize       = 16
	headerSize   = 28
	checksumSize = 4
	// overhead is the size of an object without ids.
	overhead = headerSize + checksumSize
)

// undated is the start of the window for records without an event time.
const undated = math.MinInt64

// hash is the form in which the ledger keeps a record's id.
type hash [idSize]byte

// hashOf uses buf as scratch space, and returns it for reuse.
func hashOf(id string, buf []byte) (hash, []byte) {
	buf = append(buf[:0], id...)
	sum := sha256.Sum256(buf)
	return hash(sum[:idSize]), buf
}

// compare is [bytes.Compare], in two steps.
func (h hash) compare(other hash) int {
	if c := cmp.Compare(binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(other[:8])); c != 0 {
		return c
	}
	return cmp.Compare(binary.BigEndian.Uint64(h[8:]), binary.BigEndian.Uint64(other[8:]))
}

// ids is a sorted set of hashes, stored one after the other, as in an object.
type ids []byte

func (s ids) len() int { return len(s) / idSize }

// search returns the index of the first hash that is not less than h, searching
// from index from, and whether it equals h.
func (s ids) search(from int, h *hash) (int, bool) {
	hi, lo := binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:])
	for n := s.len(); from < n; {
		mid := int(uint(from+n) >> 1)
		at := s[mid*idSize:][:idSize]
		v, w := binary.BigEndian.Uint64(at), binary.BigEndian.Uint64(at[8:])
		switch {
		case v < hi || v == hi && w < lo:
			from = mid + 1
		case v == hi && w == lo:
			return mid, true
		default:
			n = mid
		}
	}
	return from, false
}

func (s ids) has(h *hash) bool {
	_, found := s.search(0, h)
	return found
}

// merge appends the union of s and more to dst. more is sorted.
func (s ids) merge(dst []byte, more []hash) []byte {
	from := 0
	for i := range more {
		at, found := s.search(from, &more[i])
		dst = append(dst, s[from*idSize:at*idSize]...)
		if from = at; !found {
			dst = append(dst, more[i][:]...)
		}
	}
	return append(dst, s[from*idSize:]...)
}

// encode returns the object of a window with the union of base and more. more
// is sorted. The object is written into dst if that is large enough.
func encode(dst []byte, start int64, width uint32, base ids, more []hash) []byte {
	size := overhead + len(base) + len(more)*idSize
	if cap(dst) < size {
		// A window grows page by page; with some spare room, dst can be reused.
		dst = make([]byte, 0, size+size/4)
	}
	out := dst[:0]
	out = append(out, magic...)
	out = binary.BigEndian.AppendUint16(out, version)
	out = binary.BigEndian.AppendUint16(out, 0)
	out = binary.BigEndian.AppendUint32(out, width)
	out = binary.BigEndian.AppendUint64(out, uint64(start))
	out = binary.BigEndian.AppendUint32(out, 0) // the count, set below
	out = base.merge(out, more)
	binary.BigEndian.PutUint32(out[headerSize-4:], uint32((len(out)-headerSize)/idSize))
	return binary.BigEndian.AppendUint32(out, crc32.Checksum(out, crc32.MakeTable(crc32.Castagnoli)))
}

// idsOf returns the ids of a valid object.
func idsOf(object []byte) ids { return object[headerSize : len(object)-checksumSize] }

// decode checks an object and reads its header.
func decode(data []byte) (start int64, width uint32, err error) {
	if len(data) < overhead || string(data[:len(magic)]) != magic {
		return 0, 0, fmt.Errorf("its %d bytes are not a ledger window", len(data))
	}
	if v := binary.BigEndian.Uint16(data[8:]); v != version {
		if v > version {
			return 0, 0, format.Newer(int(v), version)
		}
		return 0, 0, fmt.Errorf("it has version %d, which never existed", v)
	}
	body, sum := data[:len(data)-checksumSize], data[len(data)-checksumSize:]
	if binary.BigEndian.Uint32(sum) != crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) {
		return 0, 0, errors.New("it does not match its checksum")
	}
	s := idsOf(data)
	if n := binary.BigEndian.Uint32(body[24:]); len(s)%idSize != 0 || int64(s.len()) != int64(n) || body[10] != 0 || body[11] != 0 {
		return 0, 0, fmt.Errorf("its header does not fit its %d bytes", len(data))
	}
	for i := idSize; i < len(s); i += idSize {
		if bytes.Compare(s[i-idSize:i], s[i:i+idSize]) >= 0 {
			return 0, 0, errors.New("its ids are not in order")
		}
	}
	return int64(binary.BigEndian.Uint64(body[16:])), binary.BigEndian.Uint32(body[12:]), nil
}

// countOf is the number of ids in an object of that size; false if no object of
// this version can have that size. Every object has an id, so one without was truncated.
func countOf(size int64) (int64, bool) {
	n := size - overhead
	return n / idSize, n > 0 && n%idSize == 0
}
