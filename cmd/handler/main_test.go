package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
)

// asHandler makes this test binary the handler itself.
const asHandler = "HANDLER_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asHandler) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func start(t *testing.T, settings ...string) *host.Host {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.Start(t.Context(), host.Config{
		Path: path, Dir: t.TempDir(), Env: append(settings, asHandler+"=1", "GORACE=atexit_sleep_ms=0"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// TestWrongSettings: the process listens, every invocation fails with all
// problems by name, stderr says so, and a damaged secret is in neither.
func TestWrongSettings(t *testing.T) {
	const canary = "canary-7d2e"
	h := start(t, "TENANT_ID=acme", "LIMIT=0", "GRANT_TYPE=password", "CLIENT_SECRET='"+canary+"'",
		"CUSTOMER_ID=0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1", "SHARED_KEY=%"+canary, "LOG_LEVEL=debug")
	var told []string
	for range 2 {
		inv, err := h.Fire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if inv.Status != 500 || len(inv.Runs) != 0 {
			t.Errorf("invocation is %+v", inv)
		}
		told = append(told, inv.Error)
		told = append(told, inv.Logs...)
		for _, want := range []string{"6 settings need attention", "CLIENT_ID: ", "CLIENT_SECRET: ", "GRANT_TYPE: ", "LIMIT: ", "SHARED_KEY: ", "STATE_URL: "} {
			if !strings.Contains(inv.Error, want) {
				t.Errorf("answer lacks %q: %s", want, inv.Error)
			}
		}
	}
	if exit, err := h.Terminate(t.Context()); err != nil || exit.Code != 0 {
		t.Errorf("after SIGTERM: %+v, %v", exit, err)
	}
	out, log := strings.Join(h.Stdout(), "\n"), strings.Join(h.Stderr(), "\n")
	for text, want := range map[string]int{`"msg":"invocation failed"`: 2, `"level":"ERROR"`: 2, "LIMIT: is": 2} {
		if got := strings.Count(log, text); got != want || strings.Contains(out, text) {
			t.Errorf("%q is on stderr %d times, want %d there and none on stdout:\n%s\n%s", text, got, want, log, out)
		}
	}
	for text, want := range map[string]int{`"msg":"listening"`: 1, `"msg":"stopping"`: 1} {
		if got := strings.Count(out, text); got != want {
			t.Errorf("%q is on stdout %d times, want %d:\n%s", text, got, want, out)
		}
	}
	if answers := strings.Join(told, "\n"); strings.Contains(answers+log+out, canary) {
		t.Errorf("a secret is shown: %s\n%s\n%s", answers, log, out)
	}
}

// TestWrongSettingsOfOneConnection: it fails by itself, and another connection gets as far
// as it can.
func TestWrongSettingsOfOneConnection(t *testing.T) {
	const tenant, id = "http://127.0.0.1:1", "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1"
	h := start(t, "CONNECTIONS=acme,globex", "ACME_SAILPOINT_BASE_URL="+tenant, "ACME_CLIENT_ID="+id, "GLOBEX_TENANT_ID=globex", "GLOBEX_CLIENT_ID=x",
		"CLIENT_SECRET=x", "INGESTION_API=NDJSON", "STATE_URL=file:state", "RUN_BUDGET=1s")
	inv, err := h.Fire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	says := map[string]string{"acme": "127.0.0.1:1", "globex": "connection globex: 1 setting needs attention:\n  GLOBEX_CLIENT_ID: "}
	for _, r := range inv.Runs {
		if want := says[r.Connection]; want == "" || r.State != "failed" || !strings.Contains(r.Error, want) || strings.Contains(r.Error, "GLOBEX") != (r.Connection == "globex") {
			t.Errorf("%+v", r)
		}
	}
	if len(inv.Runs) != 4 {
		t.Errorf("%d runs, want two of each connection: %s", len(inv.Runs), inv.Error)
	}
}

// TestPortTaken: a process that can't listen must not end with 0, after which
// the host would not start it again, and says why on stderr.
func TestPortTaken(t *testing.T) {
	h := start(t)
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	port := h.URL()[strings.LastIndex(h.URL(), ":")+1:]
	second := exec.CommandContext(t.Context(), path)
	second.Env = append(second.Environ(), asHandler+"=1", "FUNCTIONS_CUSTOMHANDLER_PORT="+port)
	out, err := second.CombinedOutput()
	if err == nil || second.ProcessState.ExitCode() != 1 || !strings.HasPrefix(string(out), "handler: listen for the Functions host: ") {
		t.Errorf("%v: %s", err, out)
	}
}
