package e2e_test

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Peak memory (VmHWM) with LIMIT=1000 where one event is nearly as large as an event may be, or
// larger than that, or does not end. Everything beside it arrives.
func TestMemoryOfOddPages(t *testing.T) {
	const n = 3000
	for name, c := range map[string]struct {
		pad         int // bytes in the event
		quarantined int64
	}{
		"31_MB":   {31_000_000, 0},
		"40_MB":   {40_000_000, 1},
		"endless": {4 << 30, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, n, 2*time.Hour, synth.Options{Seed: 22, Rate: float64(n) / 7000, Bytes: 1024, Plain: true})
			w.env["LIMIT"], w.env["RUN_BUDGET"], w.env["LOG_LEVEL"] = "1000", "5m", "info"
			w.serve()
			odd := httptest.NewServer(&padded{Handler: w.tenant, id: []byte(w.gen.ID(1500)), pad: c.pad})
			t.Cleanup(odd.Close)
			w.env["SAILPOINT_BASE_URL"] = odd.URL
			h := w.start()
			inv := w.fire(h)
			rep := report(t, inv, events)
			if inv.Status != http.StatusOK || rep.State != pipeline.Drained || rep.Quarantined != c.quarantined || rep.Sent != n-c.quarantined {
				t.Errorf("%+v", rep)
			}
			ids := w.workspace.Table(events).IDs()
			for i := range n {
				if ids[w.gen.ID(i)] != 1 && (i != 1500 || c.quarantined == 0) {
					t.Fatalf("event %d arrived %d times", i, ids[w.gen.ID(i)])
				}
			}
			peak, err := h.PeakRSS()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("in %.0f s: peak memory %.1f MiB", inv.Duration.Seconds(), float64(peak)/(1<<20))
			if peak > maxMemory {
				t.Errorf("peak memory %d bytes, want at most %d", peak, maxMemory)
			}
		})
	}
}

// padded is a tenant one of whose events has a member of many bytes.
type padded struct {
	http.Handler
	id  []byte
	pad int
}

func (p *padded) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	p.Handler.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	maps.Copy(rw.Header(), rec.Header())
	rw.Header().Del("Content-Encoding")
	at := bytes.Index(body, p.id)
	if at < 0 {
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(body)
		return
	}
	at = bytes.LastIndex(body[:at], []byte(`{"`)) + 1
	rw.Header().Del("Content-Length")
	if p.pad < 1<<30 {
		rw.Header().Set("Content-Length", strconv.Itoa(len(body)+p.pad+len(`"pad":"",`)))
	}
	rw.WriteHeader(rec.Code)
	_, _ = rw.Write(body[:at])
	_, _ = rw.Write([]byte(`"pad":"`))
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	for left := p.pad; left > 0; left -= len(chunk) {
		if _, err := rw.Write(chunk[:min(left, len(chunk))]); err != nil {
			return
		}
	}
	_, _ = rw.Write([]byte(`",`))
	_, _ = rw.Write(body[at:])
}
