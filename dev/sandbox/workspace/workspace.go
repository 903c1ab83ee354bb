package workspace

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
)

// The identity of the zero Workspace: an invented id, and the key that is the
// bytes 0x00 to 0x3f.
const (
	DefaultID  = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1"
	DefaultKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
)

// Workspace is an http.Handler. The zero value is ready for use. Its fields must
// not change once it serves, its methods may be called at any time.
type Workspace struct {
	// ID and Key are the workspace's id and its shared key in base64; "" means
	// DefaultID and DefaultKey. SecondaryKey, if set, is as good as Key.
	ID, Key, SecondaryKey string
	// Now is the service's clock; nil means time.Now.
	Now func() time.Time
	// Faults makes requests fail on purpose.
	Faults *fault.Plan
	// Queries is how it answers questions.
	Queries Queries

	// MaxBody is the largest body in bytes; 0 means 30,000,000.
	MaxBody int
	// TooLarge is the status of the answer to a larger one; 0 means 404, which is
	// the one documented. Some front ends say 413.
	TooLarge int
	// DiscardReserved lets a record with a reserved name vanish, as one report from
	// the field says, instead of refusing its batch, as the documentation says.
	DiscardReserved bool
	// Poison marks records that the service can't take: a batch with one of them is
	// refused with InvalidDataFormat.
	Poison func(raw []byte) bool

	// Rules are the data collection rules that fill the workspace's tables, by
	// immutable id; see [NewRule].
	Rules map[string]*Rule

	// Compact keeps counts and digests only: Raw and Rows have nothing to show.
	Compact bool
	// Identify returns the source id of a record of a table; nil means its
	// top-level member "id".
	Identify func(table string, raw []byte) string

	// OnAck is called when a batch of n rows is stored, before the answer is
	// written; AfterAck when the answer has been handed to the network. They are
	// where a test kills the client.
	OnAck, AfterAck func(n int)

	once    sync.Once
	handler http.Handler

	mu     sync.Mutex
	tables map[string]*Table
	stats  Stats
}

// Stats are what happened so far.
type Stats struct {
	Requests    int         // that reached the handler, so without those that met a fault before it
	Batches     int         // posts that were acknowledged
	Rows        int         // in them
	Duplicates  int         // rows whose id the table had already
	LargestBody int         // bytes on the wire of the largest acknowledged post
	Wire, Raw   int64       // bytes of the acknowledged posts, as they came and unpacked
	LargestRows int         // rows of the largest acknowledged post
	Answers     map[int]int // answers by status
}

// ServeHTTP implements [http.Handler].
func (w *Workspace) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.once.Do(func() {
		mux := http.NewServeMux()
		mux.HandleFunc("/api/logs", w.collect)
		mux.HandleFunc("/v1/workspaces/", w.query)
		mux.HandleFunc("/dataCollectionRules/{rule}/streams/{stream}", w.ingest)
		mux.HandleFunc("/", func(rw http.ResponseWriter, _ *http.Request) { w.answer(rw, refusal{status: http.StatusNotFound}) })
		w.handler = w.Faults.Wrap(mux)
	})
	w.handler.ServeHTTP(rw, r)
}

// Stats returns what happened so far.
func (w *Workspace) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	s.Answers = make(map[int]int, len(w.stats.Answers))
	for status, n := range w.stats.Answers {
		s.Answers[status] = n
	}
	return s
}

// Table returns a table by its name, with or without "_CL". One that nothing was
// posted to is empty.
func (w *Workspace) Table(name string) *Table {
	name = strings.TrimSuffix(name, "_CL") + "_CL"
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.tables[name]
	if t == nil {
		t = newTable(name, cmp.Or(w.ID, DefaultID), w.Compact)
		if w.tables == nil {
			w.tables = make(map[string]*Table)
		}
		w.tables[name] = t
	}
	return t
}

// Tables returns the tables that have rows, by name.
func (w *Workspace) Tables() []*Table {
	w.mu.Lock()
	defer w.mu.Unlock()
	var tables []*Table
	for _, t := range w.tables {
		if t.Count() > 0 {
			tables = append(tables, t)
		}
	}
	slices.SortFunc(tables, func(a, b *Table) int { return strings.Compare(a.name, b.name) })
	return tables
}

func (w *Workspace) now() time.Time {
	if w.Now != nil {
		return w.Now()
	}
	return time.Now()
}
