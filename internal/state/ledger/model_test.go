package ledger_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

var errFault = errors.New("fault")

// faults fails operations of a store before or after they took effect, as drawn.
type faults struct {
	mu   sync.Mutex
	left []bool // for the operations to come: whether each fails
}

func (f *faults) next(mem.Op, string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.left) == 0 {
		return nil
	}
	fail := f.left[0]
	f.left = f.left[1:]
	if fail {
		return errFault
	}
	return nil
}

// model is the ledger as a set, with runs that begin anew whenever the process dies.
type model struct {
	before, after faults
	store         *mem.Store
	ledger        *ledger.Ledger
	stored        map[string]bool
	claimed       map[string]bool // in this run, not stored
}

// record is one of a few, so that duplicates are common. Its time is its own.
func drawRecord(t *rapid.T) pipeline.Record {
	n := rapid.IntRange(0, 120).Draw(t, "record")
	r := rec(fmt.Sprint("id-", n), noon.Add(time.Duration(n%40)*2*time.Minute))
	if n%17 == 0 {
		r.Time = time.Time{}
	}
	return r
}

func (m *model) open(window time.Duration) {
	m.ledger = ledger.Open(ledger.Config{Store: m.store, Tenant: "t", Stream: "s", Window: window, CacheBytes: 1000})
	m.claimed = map[string]bool{}
}

// fail draws which of the coming operations fail.
func (m *model) fail(t *rapid.T) {
	m.before.left = rapid.SliceOfN(rapid.Bool(), 0, 6).Draw(t, "fail before")
	m.after.left = rapid.SliceOfN(rapid.Bool(), 0, 6).Draw(t, "fail after")
}

func (m *model) claim(t *rapid.T) {
	records := rapid.SliceOfN(rapid.Custom(drawRecord), 0, 30).Draw(t, "records")
	m.fail(t)
	fresh, err := m.ledger.Claim(t.Context(), records)
	if err != nil {
		if !errors.Is(err, errFault) {
			t.Fatal(err)
		}
		m.before.left, m.after.left = nil, nil
		if fresh, err = m.ledger.Claim(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range records {
		if want := !m.stored[r.ID] && !m.claimed[r.ID]; fresh[i] != want {
			t.Fatalf("record %d, %s: fresh is %v, want %v", i, r.ID, fresh[i], want)
		}
		if fresh[i] {
			m.claimed[r.ID] = true
		}
	}
}

func (m *model) commit(t *rapid.T) {
	var delivered []pipeline.Record
	for n := range 121 {
		r := rec(fmt.Sprint("id-", n), noon.Add(time.Duration(n%40)*2*time.Minute))
		if n%17 == 0 {
			r.Time = time.Time{}
		}
		if m.claimed[r.ID] && rapid.Bool().Draw(t, "delivered") {
			delivered = append(delivered, r)
		}
	}
	m.fail(t)
	if err := m.ledger.Commit(t.Context(), delivered); err != nil {
		if !errors.Is(err, errFault) {
			t.Fatal(err)
		}
		m.before.left, m.after.left = nil, nil
		if err := m.ledger.Commit(t.Context(), delivered); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range delivered {
		m.stored[r.ID] = true
		delete(m.claimed, r.ID)
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{stored: map[string]bool{}}
		m.store = &mem.Store{Before: m.before.next, After: m.after.next}
		window := rapid.SampledFrom([]time.Duration{time.Minute, 5 * time.Minute, 24 * time.Hour}).Draw(t, "window")
		m.open(window)
		t.Repeat(map[string]func(*rapid.T){
			"claim":  m.claim,
			"commit": m.commit,
			"crash":  func(*rapid.T) { m.open(window) },
			"": func(t *rapid.T) {
				m.before.left, m.after.left = nil, nil
				dated := int64(0)
				for n := range 121 {
					if n%17 != 0 && m.stored[fmt.Sprint("id-", n)] {
						dated++
					}
				}
				if got, err := m.ledger.Count(t.Context(), noon.Truncate(24*time.Hour), noon.Truncate(24*time.Hour).Add(24*time.Hour)); err != nil || got != dated {
					t.Fatalf("Count = %d, %v; want %d", got, err, dated)
				}
			},
		})
	})
}
