package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

// serve starts a server whose handlers are let go before it closes.
func serve(t *testing.T, h func(w http.ResponseWriter, r *http.Request, end <-chan struct{})) string {
	t.Helper()
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r, end) }))
	t.Cleanup(func() { close(end); server.Close() })
	return server.URL
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(req)
}

func TestUserAgent(t *testing.T) {
	var got []string
	url := serve(t, func(_ http.ResponseWriter, r *http.Request, _ <-chan struct{}) { got = append(got, r.UserAgent()) })
	for _, version := range []string{"", "1.2.3"} {
		resp, err := get(t, transport.NewClient(transport.Config{Version: version}), url)
		if err != nil {
			t.Fatal(err)
		}
		transport.Discard(resp)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "sdk")
	resp, err := transport.NewClient(transport.Config{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	transport.Discard(resp)
	if diff := cmp.Diff([]string{"idn-sentinel/dev", "idn-sentinel/1.2.3", "sdk"}, got); diff != "" {
		t.Errorf("user agents (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"sdk"}, req.Header.Values("User-Agent")); diff != "" {
		t.Errorf("the caller's request was changed:\n%s", diff)
	}
}

func TestRedirectIsAnError(t *testing.T) {
	var followed atomic.Bool
	url := serve(t, func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
		if r.URL.Path != "/" {
			followed.Store(true)
			return
		}
		http.Redirect(w, r, "https://user:canary@login.example/sign-in?token=canary", http.StatusFound)
	})
	resp, err := get(t, transport.NewClient(transport.Config{}), url+"/?key=canary")
	transport.Discard(resp)
	err = transport.Redact(err)
	var redirect *transport.Redirect
	if !errors.As(err, &redirect) {
		t.Fatalf("got %v, want a Redirect", err)
	}
	if diff := cmp.Diff(&transport.Redirect{Status: 302, To: "https://login.example/sign-in"}, redirect); diff != "" {
		t.Errorf("redirect (-want +got):\n%s", diff)
	}
	if strings.Contains(err.Error(), "canary") || followed.Load() || transport.IsTransient(err) {
		t.Errorf("followed %v, transient %v: %v", followed.Load(), transport.IsTransient(err), err)
	}
}

func TestTimeouts(t *testing.T) {
	silent := serve(t, func(_ http.ResponseWriter, _ *http.Request, end <-chan struct{}) { <-end })
	stalls := serve(t, func(w http.ResponseWriter, _ *http.Request, end <-chan struct{}) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-end
	})
	client := transport.NewClient(transport.Config{HeaderTimeout: 30 * time.Millisecond, StallTimeout: 30 * time.Millisecond})

	t.Run("head", func(t *testing.T) {
		resp, err := get(t, client, silent)
		transport.Discard(resp)
		if !transport.IsTimeout(err) || !transport.IsTransient(err) {
			t.Errorf("got %v, want a time-out that is transient", err)
		}
	})
	t.Run("body", func(t *testing.T) {
		resp, err := get(t, client, stalls)
		if err != nil {
			t.Fatal(err)
		}
		_, err = transport.ReadAll(resp, 1<<20)
		if !transport.IsTimeout(err) || !transport.IsTransient(err) || !strings.Contains(err.Error(), "stalled") {
			t.Errorf("got %v, want a time-out that is transient", err)
		}
	})
	t.Run("own_context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, stalls, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.NewClient(transport.Config{}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := transport.ReadAll(resp, 1<<20); !errors.Is(err, context.Canceled) || transport.IsTransient(err) {
			t.Errorf("got %v, want the cancellation, not transient", err)
		}
	})
}

func TestConnectionIsReused(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 100_000))
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := transport.NewClient(transport.Config{})
	for i := range 10 {
		resp, err := get(t, client, server.URL)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			transport.Discard(resp)
		} else if _, err := transport.ReadAll(resp, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for 10 requests, want 1", n)
	}
}

// response makes a response whose body is not announced when length is -1.
func response(body io.Reader, length int64) *http.Response {
	return &http.Response{Body: io.NopCloser(body), ContentLength: length}
}

func TestReadAll(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 1000)
	for name, c := range map[string]struct {
		length, limit int64
		hint          int
		large         bool
	}{
		"announced":           {length: 10_000, limit: 1 << 20},
		"announced_exactly":   {length: 10_000, limit: 10_000},
		"announced_too_large": {length: 10_000, limit: 9_999, large: true},
		"chunked":             {length: -1, limit: 1 << 20},
		"chunked_exactly":     {length: -1, limit: 10_000},
		"chunked_too_large":   {length: -1, limit: 9_999, large: true},
		"hint_small":          {length: -1, limit: 1 << 20, hint: 3},
		"hint_large":          {length: -1, limit: 10_000, hint: 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := transport.ReadAllHint(response(bytes.NewReader(body), c.length), c.limit, c.hint, nil)
			var large *transport.TooLarge
			if errors.As(err, &large) != c.large || !c.large && err != nil {
				t.Fatalf("got error %v, want too large: %v", err, c.large)
			}
			if !c.large && !bytes.Equal(body, got) {
				t.Errorf("got %d other bytes", len(got))
			}
		})
	}
}

func TestReadAllMakesOneBuffer(t *testing.T) {
	body := make([]byte, 1<<20)
	for name, length := range map[string]int64{"announced": 1 << 20, "hint": -1} {
		t.Run(name, func(t *testing.T) {
			allocs := testing.AllocsPerRun(10, func() {
				if got, err := transport.ReadAllHint(response(bytes.NewReader(body), length), 1<<30, 1<<20, nil); err != nil || len(got) != 1<<20 {
					t.Fatal(len(got), err)
				}
			})
			if allocs > 4 { // the response, two readers, and the buffer
				t.Errorf("%v allocations, want at most 4", allocs)
			}
		})
	}
}

func TestCutBody(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	resp, err := get(t, transport.NewClient(transport.Config{}), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transport.ReadAll(resp, 100); !errors.Is(err, io.ErrUnexpectedEOF) || !transport.IsTransient(err) {
		t.Errorf("got %v, want unexpected EOF", err)
	}
}

func TestDiscardNothing(t *testing.T) {
	transport.Discard(nil)
	transport.Discard(&http.Response{})
}

func BenchmarkReadAll(b *testing.B) {
	body := make([]byte, 1<<20)
	for name, length := range map[string]int64{"announced": 1 << 20, "chunked": -1} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := transport.ReadAll(response(bytes.NewReader(body), length), 1<<30); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
