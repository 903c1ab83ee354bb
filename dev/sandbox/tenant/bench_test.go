package tenant_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

// sink is a client that throws the answer away.
type sink struct {
	header http.Header
	bytes  int
	status int
}

func (s *sink) Header() http.Header { return s.header }

func (s *sink) WriteHeader(code int) { s.status = code }

func (s *sink) Write(b []byte) (int, error) {
	s.bytes += len(b)
	return len(b), nil
}

// deep is a request for a page in the middle of n events.
func deep(gen *synth.Generator, n int) string {
	return fmt.Sprintf(`{"indices":["events"],"queryType":"DSL","queryDsl":{"range":{"created":{"gte":%q,"lt":%q}}},"sort":["created","id"],"searchAfter":[%q,%q]}`,
		gen.Created(0).Format(time.RFC3339Nano), gen.Created(n-1).Format(time.RFC3339Nano),
		gen.Created(n/2).Format(time.RFC3339Nano), gen.ID(n/2))
}

func benchmarkPage(b *testing.B, h *tenant.Tenant, body string) {
	b.Helper()
	token := login(b, h, "id")
	w := &sink{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/search/v1?limit=1000", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		w.bytes = 0
		h.ServeHTTP(w, r)
	}
	if w.status != http.StatusOK || w.bytes < 500_000 {
		b.Fatalf("status %d, %d bytes", w.status, w.bytes)
	}
	b.SetBytes(int64(w.bytes))
}

// Pages of 1000 events of 1 KB each.
func BenchmarkPage(b *testing.B) {
	gen := synth.New(synth.Options{})
	off := tenant.RateLimit{Off: true}
	b.Run("added", func(b *testing.B) {
		const n = 20_000
		h := &tenant.Tenant{RateLimit: off}
		for i := range n {
			h.AddEvent(gen.Event(i), time.Time{})
		}
		benchmarkPage(b, h, deep(gen, n))
	})
	b.Run("backlog", func(b *testing.B) {
		const n = 1_000_000
		benchmarkPage(b, &tenant.Tenant{RateLimit: off, Backlog: gen, BacklogSize: n}, deep(gen, n))
	})
}

func BenchmarkAddEvent(b *testing.B) {
	gen := synth.New(synth.Options{})
	events := make([][]byte, 1000)
	for i := range events {
		events[i] = gen.Event(i)
	}
	h := &tenant.Tenant{}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		h.AddEvent(events[i%len(events)], time.Time{})
		i++
	}
}

// A page of a backlog must not cost memory per event.
func TestPageAllocations(t *testing.T) {
	gen := synth.New(synth.Options{})
	h := &tenant.Tenant{RateLimit: tenant.RateLimit{Off: true}, Backlog: gen, BacklogSize: 100_000}
	token := login(t, h, "id")
	body := deep(gen, 100_000)
	allocations := func(limit int) float64 {
		return testing.AllocsPerRun(20, func() {
			r := httptest.NewRequest(http.MethodPost, fmt.Sprintf("/search/v1?limit=%d", limit), strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+token)
			h.ServeHTTP(&sink{header: make(http.Header)}, r)
		})
	}
	few, many := allocations(10), allocations(1000)
	if many > few+50 {
		t.Errorf("%v allocations for 10 events, %v for 1000", few, many)
	}
}
