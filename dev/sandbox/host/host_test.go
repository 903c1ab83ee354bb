package host_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// config runs this test binary in the given mode, in an empty app directory.
func config(t *testing.T, mode string) host.Config {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return host.Config{Path: path, Dir: t.TempDir(), Env: []string{
		modeVariable + "=" + mode,
		"GORACE=atexit_sleep_ms=0", // under the race detector a process waits a second at its end
	}}
}

func start(t *testing.T, cfg host.Config) *host.Host {
	t.Helper()
	h, err := host.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func fire(t *testing.T, h *host.Host) host.Invocation {
	t.Helper()
	inv, err := h.Fire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// finalOutput ends the process and returns its standard output: before that,
// lines may still be on their way when the answer to an invocation is here.
func finalOutput(t *testing.T, h *host.Host) string {
	t.Helper()
	if exit, err := h.Terminate(t.Context()); err != nil || exit.Code != 0 {
		t.Errorf("exit is %+v, %v", exit, err)
	}
	return strings.Join(h.Stdout(), "\n")
}

// watch is an output that tells of the first line with a text.
type watch struct {
	text string
	seen chan struct{}
}

func watchFor(text string) *watch { return &watch{text, make(chan struct{})} }

func (w *watch) Write(line []byte) (int, error) {
	select {
	case <-w.seen:
	default:
		if strings.Contains(string(line), w.text) {
			close(w.seen)
		}
	}
	return len(line), nil
}

// TestEveryFormIsUnderstood fires until each form of the request was sent twice:
// the handler understands all of them, and says so at debug level.
func TestEveryFormIsUnderstood(t *testing.T) {
	h := start(t, config(t, "drained"))
	forms, ids := map[string]int{}, []string{}
	want := []pipeline.Report{{Stream: "Events", State: pipeline.Drained, Fetched: 7, Sent: 7}}
	for range 14 {
		inv := fire(t, h)
		forms[inv.Form]++
		ids = append(ids, inv.ID)
		if inv.Status != 200 || inv.ID == "" || inv.Duration <= 0 || len(inv.Logs) != 1 {
			t.Errorf("invocation is %+v", inv)
		}
		if diff := cmp.Diff(want, inv.Runs); diff != "" {
			t.Errorf("%s: runs (-want +got):\n%s", inv.Form, diff)
		}
	}
	if len(forms) != 7 {
		t.Errorf("forms sent: %v", forms)
	}
	log := finalOutput(t, h)
	for _, id := range ids {
		if got := strings.Count(log, `"invocation_id":"`+id+`"`); got != 1 {
			t.Errorf("invocation %s is in %d lines of the log, want 1", id, got)
		}
	}
	for text, want := range map[string]int{
		"timer could not be decoded": 0, "invocation started": 14, `"past_due":true`: 2,
		`"due":"0001-01-01T00:00:00Z"`: 2, // the null status
		"stream run finished":          0, // the answer says it
	} {
		if got := strings.Count(log, text); got != want {
			t.Errorf("%q is in the log %d times, want %d", text, got, want)
		}
	}
	if lines := h.Stderr(); len(lines) != 0 {
		t.Errorf("stderr, which the host shows as errors: %q", lines)
	}
}

func TestFailuresAreAnswered(t *testing.T) {
	for _, tc := range []struct{ mode, says string }{
		{"failed", "write: 403"}, {"panic", "internal error"}, {"settings", "LIMIT: is 0"},
	} {
		t.Run(tc.mode, func(t *testing.T) {
			h := start(t, config(t, tc.mode))
			for range 2 { // it goes on
				inv := fire(t, h)
				says := []string{inv.Error}
				for _, r := range inv.Runs {
					says = append(says, r.Error)
				}
				if inv.Status != 500 || !strings.Contains(strings.Join(says, "\n"), tc.says) {
					t.Errorf("invocation is %+v", inv)
				}
			}
			finalOutput(t, h)
			if log := strings.Join(h.Stderr(), "\n"); strings.Count(log, `"level":"ERROR"`) != 2 {
				t.Errorf("stderr does not report two errors:\n%s", log)
			}
			if h.Restarts() != 0 {
				t.Errorf("%d restarts", h.Restarts())
			}
		})
	}
}

// TestTelemetry: whatever happens in a run, Application Insights gets it once, with the
// severity that it has. A failure stays an error although its text has the word that the
// host looks for in warnings.
func TestTelemetry(t *testing.T) {
	for _, tc := range []struct {
		mode, says string
		severity   host.Severity
		atRun      bool // shown at the invocation
	}{
		{"drained", "7 fetched", host.Information, true},
		{"warns", "the clock is off", host.Warning, false},
		{"failed", "write: 403", host.Error, false},
		{"panic", "boom", host.Error, false},
		{"settings", "LIMIT: is 0", host.Error, false},
	} {
		t.Run(tc.mode, func(t *testing.T) {
			h := start(t, config(t, tc.mode))
			inv := fire(t, h)
			finalOutput(t, h)
			var got []host.Trace
			for _, trace := range h.Traces() {
				if strings.Contains(trace.Message, tc.says) {
					got = append(got, trace)
				} else if trace.Severity != host.Information {
					t.Errorf("%s: %s", trace.Severity, trace.Message)
				}
			}
			if len(got) != 1 || got[0].Severity != tc.severity || (got[0].Invocation == inv.ID) != tc.atRun {
				t.Errorf("traces with %q are %+v, want one of severity %s", tc.says, got, tc.severity)
			}
		})
	}
}

func TestBadAnswersAreRefused(t *testing.T) {
	for mode, says := range map[string]string{
		"empty": "answer is empty", "text": `content type is "text/plain"`, "no type": "content type", "redirect": "status is 302",
		"accepted": "status is 202", "cut": "not a JSON object", "base64": "ReturnValue", "no outputs": "Outputs", "no runs": "list of runs",
		"odd logs": "logs",
	} {
		t.Run(mode, func(t *testing.T) {
			h := start(t, config(t, mode))
			if inv, err := h.Fire(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("error is %v, want one with %q (%+v)", err, says, inv)
			}
		})
	}
}

// TestPortOpensQuickly: the promise is 100 ms on an idle machine; under the race
// detector and beside other tests only the order of magnitude can be held.
func TestPortOpensQuickly(t *testing.T) {
	h := start(t, config(t, "drained"))
	if after := h.ReadyAfter(); after <= 0 || after > 3*time.Second {
		t.Errorf("ready after %v", after)
	}
}

// TestTerminate: a run in progress is told, answers, and the process ends with 0.
func TestTerminate(t *testing.T) {
	cfg, polling := config(t, "wait"), watchFor("polling")
	cfg.Output = polling
	h := start(t, cfg)
	type result struct {
		inv host.Invocation
		err error
	}
	fired := make(chan result, 1)
	go func() {
		inv, err := h.Fire(context.Background())
		fired <- result{inv, err}
	}()
	<-polling.seen
	exit, err := h.Terminate(t.Context())
	if err != nil || exit.Code != 0 {
		t.Errorf("exit is %+v, %v", exit, err)
	}
	got := <-fired
	if got.err != nil || got.inv.Status != 200 || got.inv.Runs[0].State != pipeline.Budget || !strings.Contains(got.inv.Runs[0].Error, "terminated") {
		t.Errorf("invocation is %+v, %v", got.inv, got.err)
	}
	if _, err := h.Fire(t.Context()); err == nil || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("firing after the end: %v", err)
	}
	if h.Restarts() != 0 {
		t.Error("it was started again")
	}
}

// TestKill: a run in progress is cut off, and there is no further process.
func TestKill(t *testing.T) {
	cfg, polling := config(t, "wait"), watchFor("polling")
	cfg.Output = polling
	h := start(t, cfg)
	fired := make(chan error, 1)
	go func() {
		_, err := h.Fire(context.Background())
		fired <- err
	}()
	<-polling.seen
	if exit := h.Kill(); exit.Code != -1 || !strings.Contains(exit.Status, "killed") {
		t.Errorf("exit is %+v", exit)
	}
	if err := <-fired; err == nil {
		t.Error("the invocation got an answer")
	}
	h.Kill() // again is fine
	if h.Restarts() != 0 {
		t.Error("it was started again")
	}
}

// TestCrash: what ends by itself is started again, and what waits for it is served.
func TestCrash(t *testing.T) {
	h := start(t, config(t, "drained"))
	for want := 1; want <= 2; want++ {
		p, err := os.FindProcess(h.PID())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		for {
			// An invocation may meet the process while it dies.
			if _, err := h.Fire(t.Context()); err == nil && h.Restarts() == want {
				break
			}
			if t.Context().Err() != nil {
				t.Fatal("it was not started again")
			}
		}
	}
	if p, err := os.FindProcess(h.PID()); err != nil || p.Kill() != nil {
		t.Fatal(err)
	}
	<-h.Done() // the third time was one too many
	if _, err := h.Fire(t.Context()); err == nil || !strings.Contains(err.Error(), "failed 3 times, last: signal: killed") {
		t.Errorf("firing after the third crash: %v", err)
	}
}

func TestFunctionTimeout(t *testing.T) {
	cfg := config(t, "hang once")
	cfg.FunctionTimeout = 200 * time.Millisecond
	h := start(t, cfg)
	if inv, err := h.Fire(t.Context()); err == nil || !strings.Contains(err.Error(), "function timeout") || inv.Duration < cfg.FunctionTimeout {
		t.Errorf("%+v, %v", inv, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for { // a slow machine may miss the short timeout again
		if _, err := h.Fire(ctx); err == nil {
			break
		} else if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	if h.Restarts() == 0 {
		t.Error("the process was not killed")
	}
}

func TestStartFails(t *testing.T) {
	for mode, says := range map[string]string{
		"exit 3": `the process failed 3 times, last: exit status 3; stderr: ["two" "three" "last words"]`,
		"exit 0": "not started again",
		"deaf":   "no answer on its port within 50ms",
	} {
		t.Run(mode, func(t *testing.T) {
			cfg := config(t, mode)
			if mode == "deaf" {
				cfg.InitTimeout = 50 * time.Millisecond
			}
			if _, err := host.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("error is %v, want one with %q", err, says)
			}
		})
	}
	t.Run("no such file", func(t *testing.T) {
		if _, err := host.Start(t.Context(), host.Config{Path: "nothing", Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := host.Start(ctx, config(t, "deaf")); err == nil || !strings.Contains(err.Error(), "canceled") {
			t.Errorf("error is %v", err)
		}
	})
}

func TestExitCodes(t *testing.T) {
	t.Run("200 is an intended restart", func(t *testing.T) {
		h := start(t, config(t, "exit 200 once"))
		if fire(t, h); h.Restarts() != 1 {
			t.Errorf("%d restarts, want 1", h.Restarts())
		}
	})
	t.Run("0 is the end", func(t *testing.T) {
		h := start(t, config(t, "exit 0 later"))
		if _, err := h.Fire(t.Context()); err == nil {
			t.Error("no error from a process that ended")
		}
		<-h.Done()
		if _, err := h.Fire(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("second invocation: %v", err)
		}
		if h.Restarts() != 0 {
			t.Error("it was started again")
		}
	})
}
