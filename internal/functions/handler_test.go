package functions_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// pollFunc is a Poller made of a function.
type pollFunc func(ctx context.Context) []pipeline.Report

func (f pollFunc) Poll(ctx context.Context) []pipeline.Report { return f(ctx) }

// opens returns an Open for f.
func opens(f pollFunc) func() (functions.Poller, error) {
	return func() (functions.Poller, error) { return f, nil }
}

// reports returns a poll that ends with these.
func reports(runs ...pipeline.Report) pollFunc {
	return func(context.Context) []pipeline.Report { return runs }
}

// body is an answer as the host reads it.
type body struct {
	Outputs     map[string]any
	Logs        []string
	ReturnValue struct {
		Runs  []pipeline.Report `json:"runs"`
		Error string            `json:"error"`
	}
}

// of is a report of a connection.
func of(connection string, r pipeline.Report) pipeline.Report {
	r.Connection = connection
	return r
}

// asHost makes a request look as the Functions host sends it.
func asHost(r *http.Request) {
	r.Host = "127.0.0.1:7071"
	r.Header.Set("X-Azure-Functions-InvocationId", "inv-1")
	r.Header.Set("X-Azure-Functions-HostVersion", "4.1000.0")
	r.Header.Set("User-Agent", "Azure-Functions-Host/4.1000.0")
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
}

// post fires the timer and demands what the host demands of every answer.
func post(t *testing.T, h http.Handler, envelope io.Reader) (int, body) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, functions.FunctionPath, envelope)
	r.ContentLength = -1 // chunked
	asHost(r)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, readBody(t, w)
}

func readBody(t *testing.T, w *httptest.ResponseRecorder) body {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content type is %q", got)
	}
	var b body
	if err := json.Unmarshal(w.Body.Bytes(), &b, json.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("body %q: %v", w.Body, err)
	}
	if !strings.Contains(w.Body.String(), `"ReturnValue":{"runs":[`) || !strings.Contains(w.Body.String(), `"Outputs":{}`) {
		t.Errorf("body is %s", w.Body)
	}
	return b
}

// logged returns the lines of a JSON log without their times.
func logged(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range bytes.Lines(log.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		delete(m, "time")
		lines = append(lines, m)
	}
	return lines
}

func TestInvocation(t *testing.T) {
	drained := pipeline.Report{Stream: "Events", State: pipeline.Drained, Fetched: 1000, Sent: 998, Duplicates: 2, LagSeconds: 61.4, Batches: 3}
	locked := pipeline.Report{Stream: "Triggers", State: pipeline.Locked}
	budget := pipeline.Report{Stream: "Triggers", State: pipeline.Budget, Fetched: 5, Sent: 4, Quarantined: 1, Warnings: []string{"late"}}
	failed := pipeline.Report{Stream: "Triggers", State: pipeline.Failed, Error: "write: workspace said 403"}
	spooled := pipeline.Report{Stream: "Triggers", State: pipeline.Failed, Spooled: 9, Error: "write: 503"}
	open := pipeline.Report{Stream: "Events", State: pipeline.Drained, Mismatches: 2, Repaired: 6, Unexplained: 1}
	repaired := pipeline.Report{Stream: "Events", State: pipeline.Drained, Mismatches: 1, Repaired: 3}
	const drainedLine = "Events: drained, 1000 fetched, 998 sent, 2 duplicates, 0 quarantined, lag 61 s"
	for _, tc := range []struct {
		name   string
		open   func() (functions.Poller, error)
		status int
		runs   []pipeline.Report
		logs   []string
		fault  string
		levels string
	}{
		{"nothing to do", opens(reports()), 200, []pipeline.Report{}, []string{}, "", ""},
		{
			"drained and locked", opens(reports(drained, locked)), 200,
			[]pipeline.Report{drained, locked},
			[]string{drainedLine, "Triggers: locked, 0 fetched, 0 sent, 0 duplicates, 0 quarantined, lag 0 s"},
			"", "",
		},
		{
			"budget with a warning", opens(reports(budget)), 200,
			[]pipeline.Report{budget},
			[]string{},
			"", "WARN",
		},
		{
			"stopped by the host", opens(reports(pipeline.Report{Stream: "Events", State: pipeline.Budget, Error: "terminated"})), 200,
			[]pipeline.Report{{Stream: "Events", State: pipeline.Budget, Error: "terminated"}},
			[]string{"Events: budget, 0 fetched, 0 sent, 0 duplicates, 0 quarantined, lag 0 s: terminated"},
			"", "",
		},
		{
			"one of two fails", opens(reports(drained, failed)), 500,
			[]pipeline.Report{drained, failed},
			[]string{},
			"", "INFO ERROR",
		},
		{
			"one of two connections fails", opens(reports(of("acme", drained), of("globex", failed))), 500,
			[]pipeline.Report{of("acme", drained), of("globex", failed)},
			[]string{},
			"", "INFO ERROR",
		},
		{
			"spooled", opens(reports(spooled, repaired)), 500,
			[]pipeline.Report{spooled, repaired},
			[]string{},
			"", "ERROR INFO",
		},
		{
			"one with a warning, one repaired, one unexplained", opens(reports(budget, of("acme", repaired), open)), 200,
			[]pipeline.Report{budget, of("acme", repaired), open},
			[]string{
				"acme/Events: drained, 0 fetched, 0 sent, 0 duplicates, 0 quarantined, lag 0 s, 1 windows incomplete, 3 records repaired",
				"Events: drained, 0 fetched, 0 sent, 0 duplicates, 0 quarantined, lag 0 s, 2 windows incomplete, 6 records repaired, 1 windows unexplained",
			},
			"", "WARN",
		},
		{
			"the whole fails", func() (functions.Poller, error) { return nil, errors.New("2 settings:\n  A: x") }, 500,
			[]pipeline.Report{},
			[]string{},
			"2 settings:\n  A: x", "ERROR",
		},
		{
			"panic", opens(func(context.Context) []pipeline.Report { panic("boom") }), 500,
			[]pipeline.Report{},
			[]string{},
			"internal error, please report it with the log of this invocation: boom", "ERROR",
		},
		{
			"base64-looking and broken text", opens(reports(pipeline.Report{Stream: "AAAA", State: pipeline.Failed, Error: "x\xff"})), 500,
			[]pipeline.Report{{Stream: "AAAA", State: pipeline.Failed, Error: "x\ufffd"}},
			[]string{},
			"", "ERROR",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			h := &functions.Handler{Open: tc.open, Log: slog.New(slog.NewJSONHandler(&out, nil))}
			status, got := post(t, h, strings.NewReader(`{"Data":{"timer":{}}}`))
			if status != tc.status {
				t.Errorf("status is %d, want %d", status, tc.status)
			}
			want := body{Outputs: map[string]any{}, Logs: tc.logs}
			want.ReturnValue.Runs, want.ReturnValue.Error = tc.runs, tc.fault
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			var levels []string
			for _, line := range logged(t, &out) {
				levels = append(levels, line["level"].(string))
				if i := len(levels) - 1; i < len(tc.runs) && tc.runs[i].Connection != "" && line["connection"] != tc.runs[i].Connection {
					t.Errorf("no connection in %v", line)
				}
				if line["invocation_id"] != "inv-1" {
					t.Errorf("no invocation id in %v", line)
				}
			}
			if diff := cmp.Diff(tc.levels, strings.Join(levels, " ")); diff != "" {
				t.Errorf("levels of the log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogLines(t *testing.T) {
	var out bytes.Buffer
	run := pipeline.Report{
		Stream: "Events", State: pipeline.Failed, Fetched: 1, Sent: 2, Duplicates: 3, Conformed: 4, Quarantined: 5,
		Spooled: 6, Batches: 7, Retries: 8, LagSeconds: 9.5, Seconds: 10.5, WindowsChecked: 11, Mismatches: 12, Repaired: 13, Unexplained: 14,
		AuditedThrough: time.Date(2026, 9, 24, 13, 0, 0, 0, time.UTC), Error: "why",
	}
	h := &functions.Handler{Open: opens(reports(run)), Log: slog.New(slog.NewJSONHandler(&out, nil))}
	post(t, h, nil)
	want := []map[string]any{{
		"level": "ERROR", "msg": "stream run failed", "invocation_id": "inv-1", "stream": "Events", "state": "failed",
		"fetched": 1.0, "sent": 2.0, "duplicates": 3.0, "conformed": 4.0, "quarantined": 5.0, "spooled": 6.0, "batches": 7.0, "retries": 8.0,
		"lag_seconds": 9.5, "seconds": 10.5, "windows_checked": 11.0, "mismatches": 12.0, "repaired": 13.0, "unexplained": 14.0,
		"audited_through": "2026-09-24T13:00:00Z", "error": "why",
	}}
	if diff := cmp.Diff(want, logged(t, &out)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}

	out.Reset()
	h = &functions.Handler{Open: opens(func(context.Context) []pipeline.Report { panic("boom") }), Log: slog.New(slog.NewJSONHandler(&out, nil))}
	post(t, h, nil)
	if lines := logged(t, &out); len(lines) != 1 || !strings.Contains(lines[0]["stack"].(string), "handler_test.go") {
		t.Errorf("log of a panic is %v", lines)
	}
}

func TestAnyBodyRuns(t *testing.T) {
	for name, envelope := range map[string]io.Reader{
		"empty":   nil,
		"garbage": strings.NewReader("<html>"),
		"cut":     io.MultiReader(strings.NewReader(`{"Data":`), brokenReader{}),
		"endless": io.LimitReader(zeros{}, 1<<26),
	} {
		t.Run(name, func(t *testing.T) {
			polls := 0
			h := &functions.Handler{Open: opens(func(context.Context) []pipeline.Report { polls++; return nil })}
			if status, _ := post(t, h, envelope); status != http.StatusOK || polls != 1 {
				t.Errorf("status %d after %d polls, want 200 after 1", status, polls)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestOtherRequests(t *testing.T) {
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 200},
		{"HEAD", "/", 200},
		{"GET", "/function", 405},
		{"POST", "/Function", 404},
		{"POST", "/function/", 404},
		{"POST", "//function", 404},
		{"POST", "/other", 404},
		{"GET", "/a/../function", 404},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			h := &functions.Handler{Open: func() (functions.Poller, error) { panic("side effect") }}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, nil))
			if w.Code != tc.want {
				t.Errorf("status is %d, want %d", w.Code, tc.want)
			}
			if b := readBody(t, w); tc.want != 200 && b.ReturnValue.Error == "" {
				t.Error("no reason in the body")
			}
		})
	}
}

// TestOpenFails: wrong settings fail each invocation with the whole message, and
// an Open that works later is used from then on, once.
func TestOpenFails(t *testing.T) {
	var out bytes.Buffer
	opened := 0
	h := &functions.Handler{
		Open: func() (functions.Poller, error) {
			if opened++; opened < 3 {
				return nil, errors.New("1 setting needs attention:\n  LIMIT: is 0")
			}
			return reports(), nil
		},
		Log: slog.New(slog.NewJSONHandler(&out, nil)),
	}
	for i, want := range []int{500, 500, 200, 200} {
		status, b := post(t, h, nil)
		if status != want {
			t.Errorf("invocation %d: status is %d, want %d", i, status, want)
		}
		if want == 500 {
			if b.ReturnValue.Error != "1 setting needs attention:\n  LIMIT: is 0" {
				t.Errorf("error is %q", b.ReturnValue.Error)
			}
		}
	}
	if opened != 3 {
		t.Errorf("opened %d times, want 3", opened)
	}
	if lines := logged(t, &out); len(lines) != 2 || lines[0]["error"] != "1 setting needs attention:\n  LIMIT: is 0" {
		t.Errorf("log is %v", lines)
	}
}

func TestUnencodableReport(t *testing.T) {
	h := &functions.Handler{Open: opens(reports(pipeline.Report{State: pipeline.Drained, LagSeconds: math.NaN()}))}
	if status, b := post(t, h, nil); status != 200 || len(b.Logs) != 1 {
		t.Errorf("status %d, body %+v", status, b)
	}
}

// TestBudget: the deadline is the budget's, and only that: the request's context
// ends at once, as when the host hangs up.
func TestBudget(t *testing.T) {
	for name, tc := range map[string]struct{ budget, want time.Duration }{
		"set": {90 * time.Second, 90 * time.Second}, "default": {0, 4 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var ended time.Duration
				h := &functions.Handler{Budget: tc.budget, Open: opens(func(ctx context.Context) []pipeline.Report {
					<-ctx.Done()
					ended = time.Since(start)
					return nil
				})}
				gone, hangUp := context.WithCancel(t.Context())
				hangUp()
				r := httptest.NewRequestWithContext(gone, http.MethodPost, functions.FunctionPath, nil)
				asHost(r)
				h.ServeHTTP(httptest.NewRecorder(), r)
				if ended != tc.want {
					t.Errorf("run ended after %v, want %v", ended, tc.want)
				}
			})
		})
	}
}

// TestOverlap: two invocations run at the same time. If one waited for the
// other, neither would end.
func TestOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var both sync.WaitGroup
		both.Add(2)
		h := &functions.Handler{Open: opens(func(context.Context) []pipeline.Report {
			both.Done()
			both.Wait()
			return nil
		})}
		codes := make(chan int, 2)
		for range 2 {
			go func() {
				status, _ := post(t, h, nil)
				codes <- status
			}()
		}
		if a, b := <-codes, <-codes; a != 200 || b != 200 {
			t.Errorf("statuses are %d and %d", a, b)
		}
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("terminated signal")
		var got error
		h := &functions.Handler{Open: opens(func(ctx context.Context) []pipeline.Report {
			<-ctx.Done()
			got = context.Cause(ctx)
			return []pipeline.Report{{Stream: "Events", State: pipeline.Budget}}
		})}
		code := make(chan int)
		go func() {
			status, _ := post(t, h, nil)
			code <- status
		}()
		synctest.Wait()
		h.Stop(cause)
		h.Stop(errors.New("again"))
		if status := <-code; status != 200 || !errors.Is(got, cause) {
			t.Errorf("status %d, cause %v", status, got)
		}
		if status, b := post(t, h, nil); status != 500 || !strings.Contains(b.ReturnValue.Error, "stopping: terminated signal") {
			t.Errorf("after the stop: status %d, %q", status, b.ReturnValue.Error)
		}
	})
}

func BenchmarkInvocation(b *testing.B) {
	h := &functions.Handler{Open: opens(reports(pipeline.Report{Stream: "Events", State: pipeline.Drained}, pipeline.Report{Stream: "Triggers", State: pipeline.Drained}))}
	const envelope = `{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"2026-09-24T13:08:00.0096035+00:00","Next":"2026-09-24T13:09:00+00:00","LastUpdated":"2026-09-24T13:08:00.0096035+00:00"},"IsPastDue":false}},"Metadata":{}}`
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, functions.FunctionPath, strings.NewReader(envelope)))
	}
}
