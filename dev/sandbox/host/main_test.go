package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// modeVariable makes this test binary a handler, or something that should be one.
const modeVariable = "HOST_TEST_MODE"

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVariable); mode != "" {
		os.Exit(child(mode))
	}
	os.Exit(m.Run())
}

// child is the process under the stand-in.
func child(mode string) int {
	switch mode {
	case "parent":
		return parent()
	case "deaf":
		<-context.Background().Done()
	case "exit 0", "exit 3":
		fmt.Fprintln(os.Stderr, "one\ntwo\nthree\nlast words")
		code, _ := strconv.Atoi(mode[5:])
		return code
	case "exit 200 once":
		if first("exited") {
			return 200
		}
		mode = "drained"
	case "exit 0 later":
		mode = "quit"
	}
	if mode == "echo" {
		return echo()
	}
	if body, status, media, ok := badAnswer(mode); ok {
		return misbehave(body, status, media)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ln, err := functions.Listen(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	h := &functions.Handler{
		Log:  functions.NewLog(os.Stdout, os.Stderr, slog.LevelDebug),
		Open: func() (functions.Poller, error) { return poller(mode), nil },
	}
	if mode == "settings" {
		h.Open = func() (functions.Poller, error) {
			return nil, errors.New("1 setting needs attention:\n  LIMIT: is 0")
		}
	}
	if err := functions.Serve(ctx, ln, h); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// first is true once for each name and app directory.
func first(name string) bool {
	f, err := os.OpenFile(filepath.Join(os.Getenv("FUNCTIONS_APP_ROOT_PATH"), name), os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	return err == nil
}

// poller behaves as its name says.
type poller string

func (p poller) Poll(ctx context.Context) []pipeline.Report {
	fmt.Fprintln(os.Stdout, "polling") // what tests wait for
	run := pipeline.Report{Stream: "Events", State: pipeline.Drained, Fetched: 7, Sent: 7}
	switch p {
	case "failed":
		run.State, run.Error = pipeline.Failed, "write: 403, Warning: stale"
	case "warns":
		run.Warnings = []string{"the clock is off"}
	case "panic":
		panic("boom")
	case "wait":
		<-ctx.Done()
		run.State, run.Error = pipeline.Budget, context.Cause(ctx).Error()
	case "hang once":
		if first("hung") {
			<-context.Background().Done()
		}
	case "quit":
		os.Exit(0)
	}
	return []pipeline.Report{run}
}

// badAnswer is an answer that the host can't take.
func badAnswer(mode string) (body string, status int, media string, ok bool) {
	const good, asJSON = `{"Outputs":{},"Logs":[],"ReturnValue":{"runs":[]}}`, "application/json"
	switch mode {
	case "empty":
		return "", 200, asJSON, true
	case "text":
		return good, 200, "text/plain", true
	case "no type":
		return good, 200, "", true
	case "redirect":
		return good, 302, asJSON, true
	case "accepted":
		return good, 202, asJSON, true
	case "cut":
		return good[:20], 200, asJSON, true
	case "base64":
		return `{"Outputs":{},"Logs":[],"ReturnValue":"AAAA"}`, 200, asJSON, true
	case "no outputs":
		return `{"Logs":[],"ReturnValue":{"runs":[]}}`, 200, asJSON, true
	case "no runs":
		return `{"Outputs":{},"Logs":[],"ReturnValue":{}}`, 500, asJSON, true
	case "odd logs":
		return `{"Outputs":{},"Logs":[1],"ReturnValue":{"runs":[]}}`, 200, asJSON, true
	}
	return "", 0, "", false
}

// echo answers each request with what it consists of.
func echo() int {
	ln, err := net.Listen("tcp4", "127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"))
	if err != nil {
		return 1
	}
	_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintln(w, r.Method, r.RequestURI, "for", r.Host)
		_ = r.Header.Write(w)
		fmt.Fprintln(w)
		_, _ = io.Copy(w, r.Body)
	}))
	return 1
}

// misbehave answers every invocation in the same way.
func misbehave(body string, status int, media string) int {
	ln, err := net.Listen("tcp4", "127.0.0.1:"+os.Getenv("FUNCTIONS_HTTPWORKER_PORT"))
	if err != nil {
		return 1
	}
	_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = []string{media}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		if r.URL.Path != "/" {
			_, _ = w.Write([]byte(body))
		}
	}))
	return 1
}

// parent starts a handler, says where it is, and waits to be killed.
func parent() int {
	path, err := os.Executable()
	if err != nil {
		return 1
	}
	h, err := host.Start(context.Background(), host.Config{Path: path, Env: []string{modeVariable + "=drained"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, strings.TrimPrefix(h.URL(), "http://"))
	<-context.Background().Done()
	return 0
}
