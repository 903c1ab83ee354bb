package functions_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// hooked is an app with one inlet.
type hooked struct {
	got  [][]byte
	most int64
	// closed, if set, is why credentials can't be checked.
	closed error
}

func (h *hooked) Poll(context.Context) []pipeline.Report { return nil }
func (h *hooked) Inlet(path string) source.Inlet {
	if path != "sailpoint" {
		return nil
	}
	return h
}
func (h *hooked) MaxBody() int64 { return h.most }
func (h *hooked) Admits(_ context.Context, authorization []string) (bool, error) {
	return len(authorization) == 1 && authorization[0] == "Bearer canary-token", h.closed
}

func (h *hooked) Receive(_ context.Context, body []byte) source.Answer {
	h.got = append(h.got, body)
	return source.Answer{}
}

// unread fails the test if anything of a body is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

// What is refused without its body is refused before that is read, and the log shows the path and
// no value.
func TestHookRefusesBeforeTheBody(t *testing.T) {
	for _, tc := range []struct {
		name, method, path string
		header             map[string]string
		length             int64
		want               int
	}{
		{"no credentials", "POST", "/api/hooks/sailpoint", nil, 2, 401},
		{"wrong credentials", "POST", "/api/hooks/sailpoint", map[string]string{"Authorization": "Bearer canary-wrong"}, 2, 401},
		{"empty credentials", "POST", "/api/hooks/sailpoint", map[string]string{"Authorization": ""}, 2, 401},
		{"in another case", "POST", "/API/Hooks/sailpoint", nil, 2, 401},
		{"unknown path", "POST", "/api/hooks/elsewhere", map[string]string{"Authorization": "Bearer canary-token"}, 2, 404},
		{"no path", "POST", "/api/hooks/", map[string]string{"Authorization": "Bearer canary-token"}, 2, 404},
		{"too large", "POST", "/api/hooks/sailpoint", map[string]string{"Authorization": "Bearer canary-token"}, 1001, 413},
		{"another method", "GET", "/api/hooks/sailpoint", map[string]string{"Authorization": "Bearer canary-token"}, 2, 405},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			app := &hooked{most: 1000}
			h := &functions.Handler{Open: func() (functions.Poller, error) { return app, nil }, Log: slog.New(slog.NewJSONHandler(&out, nil))}
			r := httptest.NewRequest(tc.method, tc.path, unread{t})
			r.ContentLength = tc.length
			for name, value := range tc.header {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tc.want || len(app.got) > 0 || w.Body.Len() == 0 {
				t.Errorf("status %d %s, want %d", w.Code, w.Body, tc.want)
			}
			if log := out.String(); !strings.Contains(log, tc.path) || strings.Contains(log+w.Body.String(), "canary") {
				t.Errorf("the log lacks the path, or shows a value:\n%s\n%s", log, w.Body)
			}
		})
	}
}

// While credentials can't be checked, the sender is asked to come again: 401 would be final. The body
// is not read, and neither answer nor log shows why in a stranger's words or a secret.
func TestHookNotReady(t *testing.T) {
	var out bytes.Buffer
	app := &hooked{most: 1000, closed: errors.New("canary-vault")}
	h := &functions.Handler{Open: func() (functions.Poller, error) { return app, nil }, Log: slog.New(slog.NewJSONHandler(&out, nil))}
	r := httptest.NewRequest(http.MethodPost, "/api/hooks/sailpoint", unread{t})
	r.ContentLength = 2
	r.Header.Set("Authorization", "Bearer canary-other")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || len(app.got) > 0 {
		t.Errorf("status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if said := out.String() + w.Body.String(); strings.Contains(said, "canary") || !strings.Contains(out.String(), "the credentials can't be checked") {
		t.Errorf("said: %s", said)
	}
}

// A body arrives as it was sent, or its refusal says what is wrong.
func TestHookBodies(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		encoding   string
		chunked    bool
		want       int
		got        string
	}{
		{"plain", `{"a":1}`, "", false, 200, `{"a":1}`},
		{"chunked", `{"a":1}`, "", true, 200, `{"a":1}`},
		{"gzip", zipped(`{"a":1}`), "gzip", false, 200, `{"a":1}`},
		{"gzip that is not", `{"a":1}`, "gzip", false, 400, ""},
		{"gzip that breaks off", zipped(strings.Repeat("a", 500))[:20], "gzip", false, 400, ""},
		{"gzip that grows", zipped(strings.Repeat("a", 1001)), "gzip", false, 413, ""},
		{"another encoding", `{"a":1}`, "br", false, 415, ""},
		{"empty", "", "", false, 400, ""},
		{"empty and chunked", "", "", true, 400, ""},
		{"as large as may be", strings.Repeat("a", 1000), "", false, 200, strings.Repeat("a", 1000)},
		{"one more, chunked", strings.Repeat("a", 1001), "", true, 413, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := &hooked{most: 1000}
			server := httptest.NewServer(&functions.Handler{Open: func() (functions.Poller, error) { return app, nil }})
			defer server.Close()
			var body io.Reader = strings.NewReader(tc.body)
			if tc.chunked {
				body = io.MultiReader(body)
			}
			r, err := http.NewRequest(http.MethodPost, server.URL+"/api/hooks/sailpoint", body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer canary-token")
			if tc.encoding != "" {
				r.Header.Set("Content-Encoding", tc.encoding)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tc.want || len(text) == 0 || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("status %d %s, want %d", resp.StatusCode, text, tc.want)
			}
			if tc.want == http.StatusOK && (len(app.got) != 1 || string(app.got[0]) != tc.got || string(text) != "{}") {
				t.Errorf("got %q, answered %s", app.got, text)
			}
		})
	}
}

// With settings that can't be used a push is not durable.
func TestHookWithInvalidSettings(t *testing.T) {
	h := &functions.Handler{Open: func() (functions.Poller, error) { return nil, errors.New("TENANT_ID is missing") }}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/hooks/sailpoint", unread{t}))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "TENANT_ID") {
		t.Errorf("status %d, Retry-After %q, %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
}

// A request that the platform has passed on from outside starts no run, whatever else it looks like.
func TestForwardedRequestsStartNoRun(t *testing.T) {
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-ARR-SSL", "X-Arr-Log-Id", "Forwarded", "X-Original-URL"} {
		h, polls := counts()
		r := httptest.NewRequest(http.MethodPost, functions.FunctionPath, strings.NewReader("{}"))
		r.Host = "127.0.0.1"
		r.Header.Set("X-Azure-Functions-InvocationId", "1")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(name, "x")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || polls.Load() != 0 {
			t.Errorf("%s: status %d, %d runs", name, w.Code, polls.Load())
		}
	}
}
