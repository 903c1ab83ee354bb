package workspace

import (
	"bytes"
	"hash/crc64"
	"hash/fnv"
	"maps"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// Table is one custom table.
type Table struct {
	name      string
	workspace string // its id
	compact   bool

	mu     sync.Mutex
	rows   []stored
	ids    map[string]int      // how often each came; nil if compact
	seen   map[uint64]struct{} // hashes of the ids, if compact
	digest Digest
	// dropped says which batches were lost after their acknowledgement.
	dropped []string

	schema columns
}

// stored is a row as it came.
type stored struct {
	raw       []byte
	timeField string
	received  time.Time
	via       *schema.Table // the rule's flow that it came through; nil for the Data Collector API
}

func newTable(name, workspace string, compact bool) *Table {
	t := &Table{name: name, workspace: workspace, compact: compact, digest: NewDigest()}
	t.schema = newColumns(t)
	if compact {
		t.seen = make(map[uint64]struct{})
	} else {
		t.ids = make(map[string]int)
	}
	return t
}

// add stores a batch and returns how many of its ids the table had already.
// Of how it came only the bytes are missing.
func (t *Table) add(batch []item, how stored) (duplicates int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, it := range batch {
		var known bool
		if t.compact {
			h := hashOf(it.id)
			_, known = t.seen[h]
			t.seen[h] = struct{}{}
		} else {
			known = t.ids[it.id] > 0
			t.ids[it.id]++
			row := how
			row.raw = it.raw
			t.rows = append(t.rows, row)
		}
		if known && it.id != "" {
			duplicates++
			t.digest.Duplicates++
			continue
		}
		t.digest.Add(it.id, it.raw)
	}
	return duplicates
}

// Name returns the name, with "_CL".
func (t *Table) Name() string { return t.name }

// Count returns the number of rows, duplicates included.
func (t *Table) Count() int {
	d := t.Digest()
	return d.Records + d.Duplicates
}

// Digest returns a digest of the rows that does not depend on their order.
func (t *Table) Digest() Digest {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.digest
}

// IDs returns how often each id came; "" stands for records without one. Nil if
// the workspace is compact.
func (t *Table) IDs() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.ids)
}

// Raw returns the rows in order of arrival as the bytes that came. Nil if the
// workspace is compact.
func (t *Table) Raw() [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	var raw [][]byte
	for _, r := range t.rows {
		raw = append(raw, bytes.Clone(r.raw))
	}
	return raw
}

// Digest stands for a set of records: two sets are equal if their digests are,
// in whatever order they came.
type Digest struct {
	Records    int // without repetitions
	Duplicates int // repetitions of an id
	IDs        uint64
	Bytes      uint64

	polynomial *crc64.Table
}

// NewDigest returns the digest of no records. Add what a table should hold, and
// compare with [Table.Digest].
func NewDigest() Digest { return Digest{polynomial: crc64.MakeTable(crc64.ECMA)} }

// Add adds a record that is not in the set yet.
func (d *Digest) Add(id string, raw []byte) {
	d.Records++
	d.IDs += hashOf(id)
	d.Bytes += crc64.Checksum(raw, d.polynomial)
}

func hashOf(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return h.Sum64()
}
