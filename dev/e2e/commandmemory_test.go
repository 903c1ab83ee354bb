package e2e_test

import (
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// The commands that move data keep the promise of the function: a poll of a backlog, and an audit that
// compares each window.
func TestMemoryOfCommands(t *testing.T) {
	const n = 15_000
	w := newWorld(t, n, 24*time.Hour, synth.Options{Seed: 22, Rate: float64(n) / (23.9 * 3600), Bytes: 1024, Plain: true})
	w.workspace.Compact = true
	w.env["LIMIT"], w.env["RUN_BUDGET"] = "1000", "9m"
	w.serve()
	for _, args := range [][]string{
		{"poll"},
		{"audit", "--from", "-4h", "--each-window"},
	} {
		cmd := w.command(context.WithoutCancel(t.Context()), args...)
		peak := peakOf(t, cmd)
		t.Logf("idnsentinel %s: peak memory %.1f MiB", strings.Join(args, " "), float64(peak)/(1<<20))
		if peak > maxMemory {
			t.Errorf("%q: peak memory %d bytes, want at most %d", args, peak, maxMemory)
		}
	}
	if got := w.workspace.Table(events).Digest().Records; got != n {
		t.Errorf("%d rows, want %d", got, n)
	}
}

// peakOf runs a command and returns its largest resident memory in bytes.
func peakOf(t *testing.T, cmd *exec.Cmd) int64 {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", cmd.Args[1:], err, out)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Skip("this system does not tell")
	}
	return usage.Maxrss << 10
}
