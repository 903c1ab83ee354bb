package functions_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/poison"
)

// spread is an app whose connections are polled one by one.
type spread struct {
	runs     []pipeline.Report
	err      error // of Work
	messages []string
	worked   []fanout.Message
	given    []poison.Note
	panics   bool          // Work
	followed chan struct{} // closed by FollowUp
}

func (s *spread) Poll(context.Context) []pipeline.Report { panic("one process polls everything") }

func (s *spread) Messages(time.Time) ([]string, error) { return s.messages, nil }

func (s *spread) Accepts(fanout.Message) error { return s.err }

func (s *spread) Work(_ context.Context, m fanout.Message) ([]pipeline.Report, error) {
	s.worked = append(s.worked, m)
	if s.panics {
		panic("odd")
	}
	return s.runs, s.err
}

func (s *spread) GaveUp(_ context.Context, n poison.Note) error {
	s.given = append(s.given, n)
	return nil
}

func (s *spread) FollowUp(context.Context, time.Time) []pipeline.Report {
	if s.followed != nil {
		close(s.followed)
	}
	return s.runs
}

// message is one for acme, sent some time ago and valid for two minutes.
func message(t *testing.T, ago time.Duration) string {
	t.Helper()
	tick := time.Now().Add(-ago)
	text, err := fanout.Encode(fanout.Message{App: "app-1", Connection: "acme", Tenant: "acme", Tick: tick, Expires: tick.Add(2 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// item is an invocation by the queue trigger: the message is JSON text inside a JSON string.
func item(text string, deliveries int) string {
	return fmt.Sprintf(`{"Data":{"item":%s},"Metadata":{"DequeueCount":"%d","Id":"\"1\"","sys":{"MethodName":"work"}}}`, strconv.Quote(strconv.Quote(text)), deliveries)
}

// invoke sends an invocation as the host does.
func invoke(t *testing.T, h *functions.Handler, path, text string) (int, body) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(text))
	asHost(r)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var b body
	if err := json.Unmarshal(w.Body.Bytes(), &b, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return w.Code, b
}

// The answer decides what the queue does with a message: only what the next tick's message would not
// mend is a failure, and that once.
func TestWork(t *testing.T) {
	passing := &pipeline.Retryable{Err: errors.New("429"), After: time.Minute}
	failed := func(err error) []pipeline.Report {
		return []pipeline.Report{
			{Stream: "Events", State: pipeline.Failed, Err: err, Error: err.Error()},
			{Stream: "Triggers", State: pipeline.Drained},
		}
	}
	run := func(s pipeline.State) []pipeline.Report { return []pipeline.Report{{Stream: "Events", State: s}} }
	for name, tc := range map[string]struct {
		runs       []pipeline.Report
		err        error
		panics     bool
		text       string // "" is a fresh message
		deliveries int
		off        bool
		status     int
		worked     bool
		given      string // what the note says; "" for none
		logs       string
	}{
		"drained":                          {runs: run(pipeline.Drained), deliveries: 1, status: 200, worked: true},
		"budget":                           {runs: run(pipeline.Budget), deliveries: 1, status: 200, worked: true},
		"locked":                           {runs: run(pipeline.Locked), deliveries: 1, status: 200, worked: true},
		"the source says wait":             {runs: failed(fmt.Errorf("fetch: %w", passing)), deliveries: 1, status: 200, worked: true, logs: "stream run failed"},
		"the state did not answer in time": {runs: failed(fmt.Errorf("save checkpoint: %w", context.DeadlineExceeded)), deliveries: 1, status: 200, worked: true, logs: "save checkpoint"},
		"another process was faster":       {runs: failed(fmt.Errorf("save checkpoint: %w", state.ErrConflict)), deliveries: 1, status: 200, worked: true},
		"a wrong secret":                   {runs: failed(errors.New("401: CLIENT_SECRET")), deliveries: 1, status: 500, worked: true, logs: "CLIENT_SECRET"},
		"a wrong secret, delivered again":  {runs: failed(errors.New("401: CLIENT_SECRET")), deliveries: 2, status: 200, worked: true, logs: "CLIENT_SECRET"},
		"its runs were killed four times":  {runs: run(pipeline.Drained), deliveries: 5, status: 200, worked: true, given: "process was killed", logs: "message given up"},
		"it panics":                        {panics: true, deliveries: 1, status: 500, worked: true, logs: "internal error"},
		"it panics, the last time":         {panics: true, deliveries: 5, status: 500, worked: true, given: "process was killed", logs: "internal error"},
		"another app's":                    {err: errors.New("two apps share the queue"), deliveries: 1, status: 500, worked: true, logs: "two apps"},
		"another app's, the last time":     {err: errors.New("two apps share the queue"), deliveries: 5, status: 500, worked: true, given: "two apps", logs: "message given up"},
		"no JSON":                          {text: "canary", deliveries: 1, status: 500, logs: "not a message of this app"},
		"no JSON, the last time":           {text: "canary", deliveries: 5, status: 500, given: "not a message of this app", logs: "message given up"},
		"of a newer version":               {text: `{"version":9,"connection":"canary"}`, deliveries: 2, status: 500, logs: "newer version"},
		"stale":                            {text: message(t, 3*time.Minute), deliveries: 1, status: 200},
		"stale, the last time":             {text: message(t, 3*time.Minute), deliveries: 5, status: 200},
		"FAN_OUT was turned off meanwhile": {deliveries: 1, off: true, status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			app := &spread{runs: tc.runs, err: tc.err, panics: tc.panics}
			h := &functions.Handler{FanOut: !tc.off, Open: func() (functions.Poller, error) { return app, nil }, Log: slog.New(slog.NewJSONHandler(&out, nil))}
			text := tc.text
			if text == "" {
				text = message(t, 0)
			}
			status, b := invoke(t, h, functions.WorkPath, item(text, tc.deliveries))
			if status != tc.status || (len(app.worked) == 1) != tc.worked {
				t.Errorf("status %d, %d runs; %+v", status, len(app.worked), b)
			}
			if b.ReturnValue.Runs == nil && status == http.StatusOK {
				t.Errorf("the answer lacks the list of runs: %+v", b)
			}
			said := fmt.Sprint(b, out.String(), app.given)
			if !strings.Contains(out.String(), tc.logs) || strings.Contains(said, "canary") {
				t.Errorf("said: %s", said)
			}
			if given := fmt.Sprint(app.given); (len(app.given) == 1) != (tc.given != "") || len(app.given) > 1 || !strings.Contains(given, tc.given) {
				t.Errorf("given up: %s", given)
			}
			if tc.worked && app.worked[0].Connection != "acme" {
				t.Errorf("worked on %+v", app.worked[0])
			}
		})
	}
}

// A tick is followed up after its answer; a process that is stopping does not.
func TestTickIsFollowedUp(t *testing.T) {
	var out bytes.Buffer
	app := &spread{messages: []string{"m"}, runs: []pipeline.Report{{Connection: "acme", Stream: "Events", State: pipeline.Drained}}, followed: make(chan struct{})}
	h := &functions.Handler{FanOut: true, Open: func() (functions.Poller, error) { return app, nil }, Log: slog.New(slog.NewJSONHandler(&out, nil))}
	if status, b := invoke(t, h, functions.FunctionPath, "{}"); status != http.StatusOK || len(b.ReturnValue.Runs) != 0 {
		t.Errorf("%d: %+v", status, b)
	}
	<-app.followed
	h.Stop(errors.New("enough"))
	h.Quiet(t.Context()) // until the follow-up has ended
	if said := out.String(); !strings.Contains(said, "acme") || !strings.Contains(said, "polled what no instance had polled") {
		t.Errorf("said: %s", said)
	}
}

// Only the host may bring a message: it starts a run.
func TestWorkOfStrangers(t *testing.T) {
	app := &spread{}
	h := &functions.Handler{FanOut: true, Open: func() (functions.Poller, error) { return app, nil }}
	for name, odd := range map[string]func(*http.Request){
		"no invocation id": func(r *http.Request) { r.Header.Del("X-Azure-Functions-InvocationId") },
		"a web page":       func(r *http.Request) { r.Header.Set("Origin", "https://example.com") },
		"from outside":     func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") },
	} {
		r := httptest.NewRequest(http.MethodPost, functions.WorkPath, strings.NewReader(item(message(t, 0), 1)))
		asHost(r)
		odd(r)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || len(app.worked) > 0 {
			t.Errorf("%s: status %d, %d runs", name, w.Code, len(app.worked))
		}
	}
}

// With FAN_OUT=queue a tick polls nothing: its answer holds a message for each connection.
func TestTickFansOut(t *testing.T) {
	app := &spread{messages: []string{message(t, 0), message(t, 0)}}
	h := &functions.Handler{FanOut: true, Open: func() (functions.Poller, error) { return app, nil }}
	status, b := invoke(t, h, functions.FunctionPath, "{}")
	if diff := cmp.Diff(map[string]any{"work": []any{app.messages[0], app.messages[1]}}, b.Outputs); status != http.StatusOK || diff != "" || b.ReturnValue.Runs == nil {
		t.Errorf("status %d, %+v (-want +got):\n%s", status, b, diff)
	}
	h = &functions.Handler{FanOut: true, Open: func() (functions.Poller, error) { return nil, errors.New("CONNECTIONS is odd") }}
	if status, b = invoke(t, h, functions.FunctionPath, "{}"); status != http.StatusInternalServerError || len(b.Outputs) > 0 || !strings.Contains(b.ReturnValue.Error, "CONNECTIONS") {
		t.Errorf("with invalid settings: status %d, %+v", status, b)
	}
}

// Without the bindings of its package, FAN_OUT=queue would put messages into nothing.
func TestCanFanOut(t *testing.T) {
	root := "../.."
	packages := map[string]map[string]string{
		"for the queue": {"function": "deploy/queue/function", "work": "deploy/queue/work"},
		"ordinary":      {"function": "function"},
		"without work":  {"function": "deploy/queue/function"},
		"mixed":         {"function": "function", "work": "deploy/queue/work"},
		"empty":         {},
	}
	for name, from := range packages {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for to, folder := range from {
				text, err := os.ReadFile(filepath.Join(root, folder, "function.json"))
				if err == nil {
					err = os.MkdirAll(filepath.Join(dir, to), 0o755)
				}
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, to, "function.json"), text, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := functions.CanFanOut(dir); (err == nil) != (name == "for the queue") {
				t.Errorf("%v", err)
			}
		})
	}
}
