package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

// request sends a request to the front end, and returns status, content type and body.
func request(t *testing.T, method, url, accept string) (code int, kind, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) == 0 || strings.Contains(string(text), "canary") {
		t.Errorf("%s %s: %q", method, url, text)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(text)
}

// Through either kind of host the status is a page, JSON and a status code, and a run can be asked
// for. Another process reads the same from the state.
func TestStatusFunction(t *testing.T) {
	for name, proxies := range map[string]bool{"proxying": true, "forwarding": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 50, time.Hour, synth.Options{Seed: 41})
			w.serve()
			_, front := w.startApp(proxies)
			at := front.URL + "/api/status"
			if code, _, body := request(t, "GET", at+"/health", "*/*"); code != http.StatusServiceUnavailable || !strings.Contains(body, "No run has left anything") {
				t.Errorf("before the first run: %d: %s", code, body)
			}
			if code, _, body := request(t, "POST", at+"/run", "*/*"); code != http.StatusOK || !strings.Contains(body, `"state": "drained"`) {
				t.Errorf("run: %d: %s", code, body)
			}
			code, kind, body := request(t, "GET", at, "application/json")
			var s status.Snapshot
			if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK || kind != "application/json" || len(s.Streams) != 2 || !s.State.Flows() || s.Seconds > 5 {
				t.Errorf("%d %s, %v: %s", code, kind, err, body)
			}
			if code, kind, body := request(t, "GET", at+"?code=canary-function-key", "text/html"); code != http.StatusOK || !strings.HasPrefix(kind, "text/html") || !strings.Contains(body, "Connector status") {
				t.Errorf("%d %s: %s", code, kind, body)
			}
			_, other := w.startApp(proxies)
			if code, _, body := request(t, "GET", other.URL+"/api/status/health", "*/*"); code != http.StatusOK {
				t.Errorf("another process: %d: %s", code, body)
			}
		})
	}
}

// With settings that can't be read the page says which.
func TestStatusOfInvalidSettings(t *testing.T) {
	w := newWorld(t, 0, time.Hour, synth.Options{Seed: 42})
	w.serve()
	w.env["STATE_URL"] = "ftp://nowhere"
	_, front := w.startApp(true)
	if code, _, body := request(t, "GET", front.URL+"/api/status/health", "*/*"); code != http.StatusServiceUnavailable || !strings.Contains(body, "STATE_URL") {
		t.Errorf("%d: %s", code, body)
	}
}
