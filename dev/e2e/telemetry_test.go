package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// Application Insights gets each run of a stream once: a good one as information at its
// invocation, one with a warning as a warning, a failed one as an error.
func TestTelemetryOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 50, time.Hour, synth.Options{Seed: 32, Rate: 1})
	w.env["LOG_LEVEL"], w.env["RUN_BUDGET"] = "info", "2s"
	w.serve()
	for _, tc := range []struct {
		name   string
		failed bool
		want   host.Severity
	}{
		{"the first run warns that there is no checkpoint", false, host.Warning},
		{"a good run", false, host.Information},
		{"a failed run", true, host.Error},
	} {
		if tc.failed {
			w.tenant.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.WrongShape, Path: "/search"}}}
		}
		h := w.start()
		inv := w.fire(h)
		h.Close() // the traces are whole once the process has ended
		var got []host.Trace
		for _, trace := range h.Traces() {
			if strings.Contains(trace.Message, events) {
				got = append(got, trace)
			}
		}
		if len(got) != 1 || got[0].Severity != tc.want || (got[0].Invocation == inv.ID) != (tc.want == host.Information) {
			t.Errorf("%s: traces about %s are %+v, want one of severity %s", tc.name, events, got, tc.want)
		}
	}
}
