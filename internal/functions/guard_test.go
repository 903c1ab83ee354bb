package functions_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// counts returns a handler that counts its runs.
func counts() (*functions.Handler, *atomic.Int64) {
	var polls atomic.Int64
	return &functions.Handler{Open: opens(func(context.Context) []pipeline.Report {
		polls.Add(1)
		return []pipeline.Report{{Stream: "canary"}}
	})}, &polls
}

// TestStrangers: what a browser, or a form in it, can send starts no run and reads no
// report, and what the host sends always does, in each of its forms.
func TestStrangers(t *testing.T) {
	ln := listen(t)
	h, polls := counts()
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- functions.Serve(ctx, ln, h) }()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}()
	_, port, _ := net.SplitHostPort(ln.Addr().String())

	const none = "-" // removes a header
	for _, tc := range []struct {
		name   string
		host   string
		header map[string]string
		runs   bool
	}{
		{"the host", "127.0.0.1:" + port, nil, true},
		{"the host on its own machine", "localhost:" + port, nil, true},
		{"the host, IPv6", "[::1]:" + port, nil, true},
		{"the host without a port", "127.0.0.1", nil, true},
		{"the host in capitals", "LOCALHOST:" + port, nil, true},
		{"the host with a trace", "127.0.0.1:" + port, map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, true},
		{"another version of the host", "127.0.0.1:" + port, map[string]string{"User-Agent": "Azure-Functions-Host/5.0", "X-Azure-Functions-HostVersion": none}, true},
		{"JSON without a character set", "127.0.0.1:" + port, map[string]string{"Content-Type": "application/json"}, true},
		{"no content type", "127.0.0.1:" + port, map[string]string{"Content-Type": none}, true},

		{"DNS rebinding", "evil.example:" + port, nil, false},
		{"DNS rebinding to the address of a public service", "127.0.0.1.nip.io:" + port, nil, false},
		{"DNS rebinding to a name that looks local", "localhost.evil.example", nil, false},
		{"an address of the network", "192.168.0.7:" + port, nil, false},
		{"a page of another site", "127.0.0.1:" + port, map[string]string{"Origin": "https://evil.example"}, false},
		{"a page of a file", "127.0.0.1:" + port, map[string]string{"Origin": "null"}, false},
		{"a page of this port", "127.0.0.1:" + port, map[string]string{"Origin": "http://127.0.0.1:" + port}, false},
		{"a browser without an origin", "127.0.0.1:" + port, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, false},
		{"a form", "127.0.0.1:" + port, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, false},
		{"a plain text", "127.0.0.1:" + port, map[string]string{"Content-Type": "text/plain;charset=UTF-8"}, false},
		{"no invocation", "127.0.0.1:" + port, map[string]string{"X-Azure-Functions-InvocationId": none}, false},
		{"a plain POST", "127.0.0.1:" + port, map[string]string{"X-Azure-Functions-InvocationId": none, "Content-Type": none}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := polls.Load()
			req, err := http.NewRequest(http.MethodPost, "http://"+ln.Addr().String()+functions.FunctionPath, strings.NewReader(`{"Data":{"timer":{}}}`))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = -1 // chunked
			asHost(req)
			req.Host = tc.host
			for name, value := range tc.header {
				if req.Header.Set(name, value); value == none {
					req.Header.Del(name)
				}
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if ran := polls.Load() > before; ran != tc.runs || (resp.StatusCode == http.StatusOK) != tc.runs {
				t.Errorf("status %d, a run: %v, want one: %v", resp.StatusCode, ran, tc.runs)
			}
			if !tc.runs && (resp.StatusCode != http.StatusForbidden || strings.Contains(string(body), "canary") || !strings.Contains(string(body), "only the Functions host")) {
				t.Errorf("status %d, body %s", resp.StatusCode, body)
			}
		})
	}
}

// TestEndlessEnvelope: of a body only as much is read as an invocation may have, and the run is done.
func TestEndlessEnvelope(t *testing.T) {
	const most, all = 1 << 20, 8 << 20
	runs := 0
	h := &functions.Handler{Open: opens(func(context.Context) []pipeline.Report { runs++; return nil })}
	body := strings.NewReader(strings.Repeat("x", all))
	r := httptest.NewRequest(http.MethodPost, functions.FunctionPath, body)
	r.Host = "127.0.0.1"
	asHost(r)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if read := all - body.Len(); read > most+64<<10 || runs != 1 || w.Code != http.StatusOK || w.Header().Get("Connection") != "close" {
		t.Errorf("%d bytes read, %d runs, status %d, header %v", read, runs, w.Code, w.Header())
	}
}

// TestStatusByRebinding: on a developer's own machine a web page that points its own name there neither
// reads the status nor starts a run; in Azure the front end passes any name on.
func TestStatusByRebinding(t *testing.T) {
	for name, tc := range map[string]struct {
		env    map[string]string
		host   string
		served bool
	}{
		"own machine":                        {nil, "127.0.0.1:7071", true},
		"own machine, by name":               {nil, "localhost:7071", true},
		"own machine, rebinding":             {nil, "evil.example:7071", false},
		"Core Tools, rebinding":              {map[string]string{"AZURE_FUNCTIONS_ENVIRONMENT": "development", "WEBSITE_HOSTNAME": "localhost:7071"}, "evil.example", false},
		"in Azure":                           {map[string]string{"WEBSITE_SITE_NAME": "func-acme"}, "func-acme.azurewebsites.net", true},
		"in Azure, with a domain of its own": {map[string]string{"WEBSITE_SITE_NAME": "func-acme", "AZURE_FUNCTIONS_ENVIRONMENT": "Production"}, "audit.acme.example", true},
		"in a container":                     {map[string]string{"WEBSITE_HOSTNAME": "localhost:80"}, "audit.acme.example", true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{"AZURE_FUNCTIONS_ENVIRONMENT", "WEBSITE_SITE_NAME", "WEBSITE_HOSTNAME", "CONTAINER_APP_NAME", "KUBERNETES_SERVICE_HOST"} {
				t.Setenv(name, tc.env[name])
			}
			runs := 0
			h := &functions.Handler{AnyHost: functions.Deployed(), Open: opens(func(context.Context) []pipeline.Report { runs++; return nil })}
			for _, r := range []*http.Request{
				httptest.NewRequest(http.MethodGet, "/api/status", nil), httptest.NewRequest(http.MethodGet, "/API/Status/health", nil), httptest.NewRequest(http.MethodPost, "/api/status/run", nil),
			} {
				r.Host = tc.host
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if served := w.Code != http.StatusForbidden; served != tc.served {
					t.Errorf("%s %s: status %d %s", r.Method, r.URL.Path, w.Code, w.Body)
				}
			}
			if (runs > 0) != tc.served {
				t.Errorf("%d runs", runs)
			}
		})
	}
}

// pipes is a listener whose connections are pipes, so that time can be virtual.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipes) Close() error   { close(l.closed); return nil }
func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (l *pipes) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	return client
}

// TestSlowRequests: a request that never ends, a connection on which nothing is said
// and one that is not used hold nothing for long, and a run may take its time.
func TestSlowRequests(t *testing.T) {
	const head = "POST /function HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Azure-Functions-InvocationId: i\r\nContent-Type: application/json\r\n"
	for name, tc := range map[string]struct {
		sends  string
		status int // of the answer, 0 for none
		within time.Duration
		runs   int64
	}{
		"nothing is sent":                   {"", 0, time.Minute, 0},
		"half a head":                       {head, 0, time.Minute, 0},
		"a body that never ends":            {head + "Content-Length: 100\r\n\r\n{", 200, time.Minute, 1},
		"chunks that never end":             {head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", 200, time.Minute, 1},
		"a stranger's body that never ends": {"POST /function HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 100\r\n\r\n{", 403, time.Minute, 0},
		"a body for another path":           {"POST /other HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{", 404, time.Minute, 0},
		"a body for the liveness ping":      {"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{", 200, time.Minute, 0},
		"a connection that is not used":     {head + "Content-Length: 2\r\n\r\n{}", 200, 6 * time.Minute, 1},
		"endless headers":                   {head + strings.Repeat("X-More: "+strings.Repeat("x", 1000)+"\r\n", 200), 431, time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, polls := counts()
				ln := &pipes{make(chan net.Conn), make(chan struct{})}
				ctx, stop := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- functions.Serve(ctx, ln, h) }()
				conn := ln.dial()
				go func() { _, _ = io.WriteString(conn, tc.sends) }()
				start := time.Now()
				status := 0
				reader := bufio.NewReader(conn)
				if resp, err := http.ReadResponse(reader, nil); err == nil {
					status = resp.StatusCode
					_, _ = io.Copy(io.Discard, resp.Body)
				}
				_, _ = io.Copy(io.Discard, reader) // until the handler closes
				if took := time.Since(start); status != tc.status || took > tc.within || polls.Load() != tc.runs {
					t.Errorf("status %d and %d runs, closed after %v, want %d and %d within %v", status, polls.Load(), took, tc.status, tc.runs, tc.within)
				}
				_ = conn.Close()
				stop()
				if err := <-served; err != nil {
					t.Errorf("Serve: %v", err)
				}
			})
		})
	}
}

// TestConnectionOutlivesRuns: the time for reading a request does not end the run, nor
// the connection, on which the host sends the next invocation.
func TestConnectionOutlivesRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := &pipes{make(chan net.Conn), make(chan struct{})}
		h := &functions.Handler{Budget: 9 * time.Minute, Open: opens(func(ctx context.Context) []pipeline.Report {
			select {
			case <-time.After(8 * time.Minute):
			case <-ctx.Done():
				return []pipeline.Report{{Stream: "Events", State: pipeline.Failed, Error: context.Cause(ctx).Error()}}
			}
			return nil
		})}
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- functions.Serve(ctx, ln, h) }()
		conn := ln.dial()
		reader := bufio.NewReader(conn)
		for range 3 {
			fmt.Fprintf(conn, "POST /function HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Azure-Functions-InvocationId: i\r\nContent-Length: 2\r\n\r\n{}")
			resp, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK || resp.Close {
				t.Fatalf("status %d, %v, closes: %v", resp.StatusCode, err, resp.Close)
			}
			<-time.After(time.Minute) // virtual
		}
		_ = conn.Close()
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}
