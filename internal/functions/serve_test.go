package functions_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// listen opens a free port as the host would name it.
func listen(t *testing.T) net.Listener {
	t.Helper()
	t.Setenv("FUNCTIONS_CUSTOMHANDLER_PORT", "0")
	ln, err := functions.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// fire posts an invocation and returns status and body; 0 if there was no answer.
func fire(ln net.Listener) (int, string) {
	req, err := http.NewRequest(http.MethodPost, "http://"+ln.Addr().String()+functions.FunctionPath, strings.NewReader("{}"))
	if err != nil {
		return 0, err.Error()
	}
	asHost(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func TestListen(t *testing.T) {
	busy := listen(t)
	_, busyPort, _ := net.SplitHostPort(busy.Addr().String())
	if host, _, _ := net.SplitHostPort(busy.Addr().String()); host != "127.0.0.1" {
		t.Errorf("listens on %s", host)
	}
	for _, tc := range []struct{ name, port, old, says string }{
		{"taken", busyPort, "", "in use"},
		{"older name", "", busyPort, "in use"},
		{"newer name wins", "x", busyPort, `FUNCTIONS_CUSTOMHANDLER_PORT is "x"`},
		{"out of range", "70000", "", "not a port number"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("FUNCTIONS_CUSTOMHANDLER_PORT", tc.port)
			t.Setenv("FUNCTIONS_HTTPWORKER_PORT", tc.old)
			if _, err := functions.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error is %v, want one with %q", err, tc.says)
			}
		})
	}
}

// TestServeStops: a run in progress is cancelled with the cause and still
// answers its client.
func TestServeStops(t *testing.T) {
	ln := listen(t)
	ctx, stop := context.WithCancelCause(t.Context())
	var out bytes.Buffer
	h := &functions.Handler{Log: slog.New(slog.NewJSONHandler(&out, nil)), Open: opens(func(ctx context.Context) []pipeline.Report {
		stop(errors.New("terminated"))
		<-ctx.Done()
		return []pipeline.Report{{Stream: "Events", State: pipeline.Budget, Error: context.Cause(ctx).Error()}}
	})}
	served := make(chan error, 1)
	go func() { served <- functions.Serve(ctx, ln, h) }()
	status, body := fire(ln)
	if status != 200 || !strings.Contains(body, `"error":"terminated"`) {
		t.Errorf("status %d, body %s", status, body)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if status, _ := fire(ln); status != 0 {
		t.Errorf("an invocation after the stop got %d", status)
	}
	if lines := logged(t, &out); len(lines) != 1 || lines[0]["msg"] != "stopping" || lines[0]["cause"] != "terminated" {
		t.Errorf("log is %v", lines)
	}
}

// TestServeDoesNotWaitForever: a run that does not react is cut off after the grace.
func TestServeDoesNotWaitForever(t *testing.T) {
	ln := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	h := &functions.Handler{Grace: time.Millisecond, Open: opens(func(context.Context) []pipeline.Report {
		stop()
		<-release
		return nil
	})}
	served := make(chan error, 1)
	go func() { served <- functions.Serve(ctx, ln, h) }()
	if status, _ := fire(ln); status != 0 {
		t.Errorf("status is %d, want a broken connection", status)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestClientGoes: a client that hangs up ends its request, but not the run.
func TestClientGoes(t *testing.T) {
	hangUp, result := make(chan struct{}), make(chan error, 1)
	requests := make(chan context.Context, 1)
	h := &functions.Handler{Open: opens(func(ctx context.Context) []pipeline.Report {
		close(hangUp)
		<-(<-requests).Done()
		result <- ctx.Err()
		return nil
	})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r.Context()
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	gone, cancel := context.WithCancel(t.Context())
	go func() { <-hangUp; cancel() }()
	r, err := http.NewRequestWithContext(gone, http.MethodPost, server.URL+functions.FunctionPath, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	asHost(r)
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
		t.Error("the client got an answer")
	}
	if err := <-result; err != nil {
		t.Errorf("the run ended with %v", err)
	}
}

func TestServeFails(t *testing.T) {
	ln := listen(t)
	_ = ln.Close()
	if err := functions.Serve(t.Context(), ln, &functions.Handler{}); err == nil {
		t.Error("serving on a closed port is no error")
	}
}

// stoppable is a poller that works between invocations.
type stoppable struct {
	hooked
	stopped chan struct{}
	once    sync.Once
}

func (s *stoppable) Stop(context.Context)      { s.once.Do(func() { close(s.stopped) }) }
func (s *stoppable) Inlet(string) source.Inlet { return s }
func (s *stoppable) Receive(ctx context.Context, _ []byte) source.Answer {
	select {
	case <-s.stopped:
	case <-time.After(10 * time.Second):
		return source.Answer{Status: http.StatusTeapot}
	}
	return source.Answer{}
}

// What runs between invocations is asked to end at once, not after the last request has its answer:
// a long upload would leave it no time.
func TestServeStopsPushesAtOnce(t *testing.T) {
	ln := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	app := &stoppable{hooked: hooked{most: 100}, stopped: make(chan struct{})}
	h := &functions.Handler{Grace: 20 * time.Second, Open: func() (functions.Poller, error) { stop(); return app, nil }}
	served := make(chan error, 1)
	go func() { served <- functions.Serve(ctx, ln, h) }()
	if status := sendBody(t, "http://"+ln.Addr().String(), "{}", ""); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}
