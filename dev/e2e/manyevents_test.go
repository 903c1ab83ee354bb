package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// One body of the largest size with as many events as fit takes no more memory than is promised, and is
// delivered as any other.
func TestPushOfManyEvents(t *testing.T) {
	const events = 20_000
	w := newWorld(t, 0, time.Hour, synth.Options{Seed: 35})
	w.receives()
	w.workspace.Compact = true
	w.serve()
	h, front := w.startApp(true)
	var body strings.Builder
	body.WriteByte('[')
	for n := range events {
		if n > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"identity":{"id":"2c9180%010d","name":"a.b"},"_metadata":{"triggerType":"fireAndForget","triggerId":"idn:identity-created","invocationId":%q}}`, n, pushID(n))
	}
	body.WriteByte(']')
	if n := body.Len(); n > 4<<20 || n < 3<<20 {
		t.Fatalf("the body has %d bytes", n)
	}
	if idle, err := h.PeakRSS(); err == nil {
		t.Logf("before: %.1f MiB", float64(idle)/(1<<20))
	}
	begun := time.Now()
	if code, text := postPush(t.Context(), front.URL+"/api/hooks/sailpoint", body.String(), nil); code != http.StatusOK {
		t.Fatalf("status %d: %s", code, text)
	}
	took := time.Since(begun)
	received, _ := h.PeakRSS()
	eventually(t, 60*time.Second+loaded, "all rows", func() bool { return w.workspace.Table(triggers).Digest().Records >= events })
	peak, err := h.PeakRSS()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events in %d bytes, answered in %v: peak memory %.1f MiB when answered, %.1f MiB when delivered", events, body.Len(), took.Round(time.Millisecond), float64(received)/(1<<20), float64(peak)/(1<<20))
	if n := w.workspace.Table(triggers).Digest(); n.Records != events || n.Duplicates != 0 {
		t.Errorf("%d rows, %d of them twice, want %d", n.Records, n.Duplicates, events)
	}
	if peak > maxMemory {
		t.Errorf("peak memory %d bytes, want at most %d", peak, maxMemory)
	}
}
