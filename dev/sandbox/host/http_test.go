package host_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
)

// fileIn writes a file of the function app.
func fileIn(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const hookFunction = `{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","authLevel":"anonymous","methods":["post"],"route":"hooks/{*path}"},{"type":"http","direction":"out","name":"res"}]}`

// The front end finds the function by its route, and passes the request on as host.json says: with
// path, query and headers, and the body streamed, or only if it has a length.
func TestFrontEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		hostJSON, chunked, arrivesFor string
	}{
		"proxies":            {`{"customHandler":{"enableProxyingHttpRequest":true,"enableForwardingHttpRequest":true}}`, "chunked body", "func-acme.example"},
		"forwards, unknown":  {`{"customHandler":{"enableForwardingHttpRequest":true}}`, "", "127.0.0.1:"},
		"proxies, and alone": {`{"customHandler":{"enableProxyingHttpRequest":true}}`, "chunked body", "func-acme.example"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t, "echo")
			fileIn(t, cfg.Dir, "host.json", tc.hostJSON)
			fileIn(t, cfg.Dir, "hooks/function.json", hookFunction)
			fileIn(t, cfg.Dir, "function/function.json", `{"bindings":[{"type":"timerTrigger","name":"timer"}]}`)
			front := httptest.NewServer(start(t, cfg))
			defer front.Close()
			send := func(method, path string, body io.Reader) (int, string) {
				t.Helper()
				r, err := http.NewRequest(method, front.URL+path, body)
				if err != nil {
					t.Fatal(err)
				}
				r.Host = "func-acme.example"
				r.Header.Set("Authorization", "Bearer x")
				r.Header.Set("X-Azure-Functions-InvocationId", "forged")
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				text, _ := io.ReadAll(resp.Body)
				return resp.StatusCode, string(text)
			}
			status, got := send("POST", "/api/hooks/a/b?c=d", strings.NewReader("whole body"))
			for _, want := range []string{"POST /api/hooks/a/b?c=d for " + tc.arrivesFor, "Bearer x", "X-Forwarded-For", "whole body"} {
				if status != http.StatusTeapot || !strings.Contains(got, want) || strings.Contains(got, "forged") {
					t.Errorf("status %d, want %q in:\n%s", status, want, got)
				}
			}
			if _, got := send("POST", "/api/hooks/a", io.MultiReader(strings.NewReader("chunked body"))); !strings.HasSuffix(got, "\n"+tc.chunked) {
				t.Errorf("a chunked request arrives as:\n%s", got)
			}
			for _, path := range []string{"/function", "/api/function", "/api/hookst", "/hooks/a", "/"} {
				if status, got := send("POST", path, strings.NewReader("x")); status != http.StatusNotFound || strings.Contains(got, "POST") {
					t.Errorf("%s: status %d %s", path, status, got)
				}
			}
			if status, _ := send("GET", "/api/hooks/a", nil); status != http.StatusNotFound {
				t.Errorf("another method: status %d", status)
			}
		})
	}
}

var _ http.Handler = (*host.Host)(nil)
