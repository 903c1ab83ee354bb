package e2e_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// maxMemory is what the process may use at most, whatever the backlog: 64 MiB.
const maxMemory = 64 << 20

// Peak memory (VmHWM) with LIMIT=1000 and a backlog of events of 1 KB, through either
// API. The million is for make soak: it takes some minutes.
func TestMemory(t *testing.T) {
	n := 200_000
	if os.Getenv("IDN_SOAK") != "" {
		n = 1_000_000
	}
	for name, serve := range map[string]func(w *world){
		"DataCollector": (*world).serve,
		"LogsIngestion": func(w *world) { w.serveRule() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the rate limit makes it wait most of the time
			w := newWorld(t, n, 24*time.Hour, synth.Options{Seed: 21, Rate: float64(n) / (23.9 * 3600), Bytes: 1024, Plain: true})
			w.workspace.Compact = true
			w.env["LIMIT"], w.env["RUN_BUDGET"], w.env["LOG_LEVEL"] = "1000", "9m", "info"
			serve(w)
			bounded(t, w)
		})
	}
}

func bounded(t *testing.T, w *world) {
	h := w.start()
	inv := w.fire(h)
	rep := report(t, inv, events)
	if inv.Status != http.StatusOK || rep.State != pipeline.Drained || rep.Sent != int64(w.n) {
		t.Fatalf("%+v", inv)
	}
	want := workspace.NewDigest()
	for i := range w.n {
		want.Add(w.gen.ID(i), w.gen.Event(i))
	}
	if got := w.workspace.Table(events).Digest(); got.Records != want.Records || got.IDs != want.IDs || got.Bytes != want.Bytes || got.Duplicates != 0 {
		t.Errorf("the table's digest is %+v, want %+v", got, want)
	}
	if p := w.tenant.PeakRequests(); p > 100 {
		t.Errorf("%d requests in 10 s, the limit is 100", p)
	}
	peak, err := h.PeakRSS()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("backlog of %d events in %.0f s: peak memory %.1f MiB", w.n, inv.Duration.Seconds(), float64(peak)/(1<<20))
	if peak > maxMemory {
		t.Errorf("peak memory %d bytes, want at most %d", peak, maxMemory)
	}
}
