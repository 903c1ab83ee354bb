package ledger_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
)

// oneObject gives the same object for each key and drops what is written, so
// that what is measured is the ledger.
type oneObject struct {
	state.Store
	data []byte
}

func (s oneObject) Get(context.Context, string) (state.Object, error) {
	if s.data == nil {
		return state.Object{}, state.ErrNotFound
	}
	return state.Object{Data: slices.Clone(s.data), ETag: "1"}, nil
}

func (s oneObject) Put(context.Context, string, []byte, state.ETag) (state.ETag, error) {
	return "2", nil
}

// manyRecords are within one window.
func manyRecords(from, n int) []pipeline.Record {
	records := make([]pipeline.Record, n)
	for i := range records {
		records[i] = rec(fmt.Sprintf("2c9180835d2e5168015d32f8%08d", from+i), noon.Add(time.Duration(i)*time.Millisecond))
	}
	return records
}

func windowWith(records []pipeline.Record) []byte {
	o := ledger.Object{Start: noon.Unix(), Width: 5 * time.Minute}
	for _, r := range records {
		o.IDs = append(o.IDs, ledger.HashOf(r.ID))
	}
	slices.SortFunc(o.IDs, byBytes)
	return ledger.Encode(o)
}

// BenchmarkPage is a run with one page of 1,000 new records whose window holds
// 15,000 ids already: read, claim, commit.
func BenchmarkPage(b *testing.B) {
	store := oneObject{data: windowWith(manyRecords(0, 15_000))}
	page := manyRecords(15_000, 1000)
	b.ReportAllocs()
	for b.Loop() {
		l := open(store)
		if _, err := l.Claim(b.Context(), page); err != nil {
			b.Fatal(err)
		}
		if err := l.Commit(b.Context(), page); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(page)), "ns/record")
}

// BenchmarkKnownPage is a page of which every record was delivered before.
func BenchmarkKnownPage(b *testing.B) {
	page := manyRecords(0, 1000)
	l := open(oneObject{data: windowWith(manyRecords(0, 15_000))})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Claim(b.Context(), page); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(page)), "ns/record")
}

// BenchmarkBacklog delivers 1,000,000 records of one hour in pages of 1,000.
func BenchmarkBacklog(b *testing.B) {
	const total, pageSize = 1_000_000, 1000
	page := make([]pipeline.Record, pageSize)
	b.ReportAllocs()
	for b.Loop() {
		l := open(oneObject{})
		for n := 0; n < total; n += pageSize {
			for i := range page {
				page[i] = rec(fmt.Sprintf("2c9180835d2e5168015d32f8%08d", n+i), noon.Add(time.Duration(n+i)*3600*time.Microsecond))
			}
			if _, err := l.Claim(b.Context(), page); err != nil {
				b.Fatal(err)
			}
			if err := l.Commit(b.Context(), page); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*total), "ns/record")
}

// TestMemory: what stays in memory depends on the cache, not on how much was delivered.
func TestMemory(t *testing.T) {
	const cacheBytes = 64 << 10
	l := ledger.Open(ledger.Config{Store: oneObject{}, Tenant: "acme", Stream: "s", CacheBytes: cacheBytes})
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := live()
	for n := 0; n < 80_000; n += 2000 { // 40 windows of 2,000 ids, together 1.3 MB
		page := manyRecords(n, 2000)
		for i := range page {
			page[i].Time = noon.Add(time.Duration(n/2000) * 5 * time.Minute)
		}
		if _, err := l.Claim(t.Context(), page); err != nil {
			t.Fatal(err)
		}
		if err := l.Commit(t.Context(), page); err != nil {
			t.Fatal(err)
		}
	}
	if grown := live() - before; grown > cacheBytes+512<<10 {
		t.Errorf("%d KB are in use after 80,000 records, with a cache of %d KB", grown>>10, cacheBytes>>10)
	}
	runtime.KeepAlive(l)
}

// TestAllocations: what is allocated depends on pages and windows, not on records.
func TestAllocations(t *testing.T) {
	l := open(oneObject{data: windowWith(manyRecords(0, 15_000))})
	known := manyRecords(0, 1000)
	if n := testing.AllocsPerRun(10, func() {
		if _, err := l.Claim(t.Context(), known); err != nil {
			t.Fatal(err)
		}
	}); n > 3 {
		t.Errorf("Claim of 1,000 known records allocates %v times", n)
	}
	from := 15_000
	pages := make([][]pipeline.Record, 0, 15)
	for range cap(pages) {
		pages = append(pages, manyRecords(from, 1000))
		from += 1000
	}
	if n := testing.AllocsPerRun(10, func() {
		page := pages[0]
		pages = pages[1:]
		if _, err := l.Claim(t.Context(), page); err != nil {
			t.Fatal(err)
		}
		if err := l.Commit(t.Context(), page); err != nil {
			t.Fatal(err)
		}
	}); n > 30 {
		t.Errorf("Claim and Commit of 1,000 new records allocate %v times", n)
	}
}
