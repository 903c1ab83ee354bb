package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// history is a world with a past that the first run does not reach, and with events that happen now.
type history struct {
	*world
	mu      sync.Mutex
	made    map[string]time.Time // live events, and when they became visible
	arrived map[string]time.Time
	rows    map[string]int // that arrived, by id
	count   int            // of them, without the live events
	peak    int64          // of the memory of all processes
	stop    chan struct{}
	making  sync.WaitGroup
}

// newHistory has n events of three days, two days ago.
func newHistory(t *testing.T, n int) *history {
	w := newWorld(t, n, 120*time.Hour, synth.Options{Seed: 31, Rate: float64(n) / (71.9 * 3600), Bytes: 1024, Plain: true})
	h := &history{world: w, made: map[string]time.Time{}, arrived: map[string]time.Time{}, rows: map[string]int{}, stop: make(chan struct{})}
	w.workspace.Identify = func(table string, row []byte) string {
		id := demo.Identify(table, row)
		if table != events {
			return id
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.rows[id]++
		if !strings.HasPrefix(id, "live") {
			h.count++
		} else if _, known := h.arrived[id]; !known {
			h.arrived[id] = time.Now()
		}
		return id
	}
	w.env["LIMIT"], w.env["LOG_LEVEL"], w.env["INITIAL_LOOKBACK"], w.env["AUDIT_AGES"] = "1000", "info", "15m", "off"
	if !w.long() {
		w.env["BATCH_BYTES"] = "300000" // else a kill may repeat half of it
	}
	w.workspace.Compact = true
	w.serve()
	return h
}

// live makes an event each second until the returned function is called.
func (h *history) live() (end func()) {
	h.making.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-h.stop:
				return
			case now := <-tick.C:
				id := fmt.Sprintf("live%06d", i)
				h.tenant.AddEvent(fmt.Appendf(nil, `{"id":%q,"created":%q,"type":"AUTH"}`, id, now.UTC().Format("2006-01-02T15:04:05.000Z")), now)
				h.mu.Lock()
				h.made[id] = now
				h.mu.Unlock()
			}
		}
	})
	return func() { close(h.stop); h.making.Wait() }
}

// slowest is how long the slowest of the live events took, those of the last moments left out.
func (h *history) slowest() (worst time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for id, at := range h.made {
		until, ok := h.arrived[id]
		if !ok {
			until = now
		}
		worst = max(worst, until.Sub(at))
	}
	return worst
}

// run runs idnsentinel, which is sent a signal when so many more rows of the history have arrived; 0 means
// none.
func (h *history) run(sig syscall.Signal, behind int, args ...string) (status int, out string) {
	h.t.Helper()
	cmd := h.command(h.t.Context(), args...)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	end := h.watch(cmd.Process, sig, behind)
	_ = cmd.Wait() // the status says it
	end()
	h.quiet([]string{text.String()})
	return cmd.ProcessState.ExitCode(), text.String()
}

// came is how many rows of the history have arrived, repeated ones included.
func (h *history) came() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// watch notes the largest memory of a process until the returned function is called, and sends it a signal
// when so many more rows of the history have arrived; 0 means none.
func (h *history) watch(p *os.Process, sig syscall.Signal, behind int) (end func()) {
	behind += h.came()
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if peak, err := host.PeakRSS(p.Pid); err == nil {
					h.mu.Lock()
					h.peak = max(h.peak, peak)
					h.mu.Unlock()
				}
				if sig != 0 && h.came() >= behind {
					_ = p.Signal(sig)
					sig = 0
				}
			}
		}
	})
	return func() { close(done); watching.Wait() }
}

// jobRow is a job as jobs list --json shows it.
type jobRow struct {
	ID      string
	State   string
	Seconds float64
	Counts  struct{ Fetched, Sent, Known int64 }
	Proof   struct{ Verdict, By, Why string }
}

func (h *history) job() jobRow {
	h.t.Helper()
	status, out := h.run(0, 0, "jobs", "list", "--json")
	var rows []jobRow
	if err := json.Unmarshal([]byte(out), &rows); err != nil || status != 0 || len(rows) != 1 {
		h.t.Fatalf("jobs list: %d, %v\n%s", status, err, out)
	}
	return rows[0]
}

// check demands that all of the history arrived and is proven, and that each kill repeats no more than
// the batches in flight, of the backfill and of a run beside it.
func (h *history) check(kills int) {
	h.t.Helper()
	repeats := kills * 2 * pipeline.Parallel * h.workspace.Stats().LargestRows
	h.mu.Lock()
	ids := h.rows
	missing, twice := 0, 0
	for i := range h.n {
		switch n := ids[h.gen.ID(i)]; n {
		case 0:
			missing++
		default:
			twice += n - 1
		}
	}
	for id := range h.made {
		twice += max(0, ids[id]-1)
	}
	h.mu.Unlock()
	if missing > 0 || twice > repeats {
		h.t.Errorf("%d of %d events are missing, %d came more than once (allowed: %d)", missing, h.n, twice, repeats)
	}
	if v := h.tenant.Violations(); len(v) > 0 {
		h.t.Errorf("the tenant saw what must not be: %q", v)
	}
	if p := h.tenant.PeakRequests(); p > 100 {
		h.t.Errorf("%d requests in 10 s, the limit is 100", p)
	}
	j := h.job()
	if j.Proof.Verdict != "complete" || j.Proof.By == "" || j.Counts.Fetched < int64(h.n) {
		h.t.Errorf("%+v", j)
	}
	h.stateIsQuiet()
	took := h.slowest()
	if took > 2*time.Minute {
		h.t.Errorf("a live event took %v", took)
	}
	if h.peak > maxMemory {
		h.t.Errorf("peak memory %.1f MiB", float64(h.peak)/(1<<20))
	}
	h.t.Logf("%d events: %.0f s of work, %.0f events a second, %d repeated; peak memory %.1f MiB; the slowest live event took %v",
		h.n, j.Seconds, float64(j.Counts.Fetched)/j.Seconds, twice, float64(h.peak)/(1<<20), took.Round(time.Second))
}

// sizeOfHistory is a million events for make soak, which takes minutes.
func sizeOfHistory() int {
	if os.Getenv("IDN_SOAK") != "" {
		return 1_000_000
	}
	return 30_000
}

// long reports whether it is the size for make soak.
func (w *world) long() bool { return w.n > 100_000 }

// A backfill by a command is killed over and over, stopped by Ctrl-C, and resumed: nothing is lost,
// and little repeated. What happens meanwhile arrives within two minutes.
func TestBackfillByCommand(t *testing.T) {
	t.Parallel() // the rate limit makes it wait most of the time
	h := newHistory(t, sizeOfHistory())
	defer h.live()()
	if status, out := h.run(0, 0, "poll"); status != 0 {
		t.Fatalf("poll: %d\n%s", status, out)
	}
	period := []string{"--from", "-121h", "--to", "-24h", "--stream", "Events", "--yes"}
	if status, out := h.run(0, 0, append([]string{"backfill", "--dry-run"}, period...)...); status != 0 || !strings.Contains(out, fmt.Sprintf("%d events", h.n)) {
		t.Fatalf("estimate: %d\n%s", status, out)
	}
	const kills = 3
	status, out := h.run(syscall.SIGKILL, h.n/6, append([]string{"backfill"}, period...)...)
	if status != -1 {
		t.Fatalf("it ended before it was killed: %d\n%s", status, out)
	}
	id := h.job().ID
	for range kills - 1 {
		if status, out = h.run(syscall.SIGKILL, h.n/6, "jobs", "resume", id); status != -1 {
			t.Fatalf("it ended before it was killed: %d\n%s", status, out)
		}
	}
	if status, out = h.run(syscall.SIGINT, h.n/8, "jobs", "resume", id); status != 130 || !strings.Contains(out, "jobs resume "+id) {
		t.Errorf("Ctrl-C: %d\n%s", status, out)
	}
	before := h.job()
	if before.State != "delivering" || before.Counts.Fetched == 0 || before.Counts.Fetched >= int64(h.n) {
		t.Errorf("after Ctrl-C: %+v", before)
	}
	if status, out = h.run(0, 0, "jobs", "resume", id); status != 0 || !strings.Contains(out, "complete") {
		t.Fatalf("the rest: %d\n%s", status, out)
	}
	h.check(kills)
}

// A backfill that is left to a service, which is killed over and over.
func TestBackfillByService(t *testing.T) {
	t.Parallel()
	h := newHistory(t, sizeOfHistory())
	h.env["POLL_SCHEDULE"] = "*/6 * * * * *"
	if h.long() {
		h.env["POLL_SCHEDULE"] = "0 * * * * *"
	}
	defer h.live()()
	if status, out := h.run(0, 0, "poll"); status != 0 {
		t.Fatalf("poll: %d\n%s", status, out)
	}
	status, out := h.run(0, 0, "backfill", "--from", "-121h", "--to", "-24h", "--leave", "--yes")
	if status != 0 || !strings.Contains(out, "left to the function") {
		t.Fatalf("%d\n%s", status, out)
	}
	const kills = 3
	for n := range kills + 1 {
		behind := h.came() + h.n/6
		s := h.startService()
		end := h.watch(s.cmd.Process, 0, 0)
		eventually(t, 10*time.Minute+loaded, "its share of the history", func() bool { return h.came() >= behind })
		if n == kills {
			eventually(t, 10*time.Minute+loaded, "the end of the backfill", func() bool {
				<-time.After(time.Second) // each look takes a process
				return h.job().State == "done"
			})
		}
		end()
		s.kill()
	}
	h.check(kills)
}
