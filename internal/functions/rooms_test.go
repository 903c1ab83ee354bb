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
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/gate"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// waiting is an app whose store is slow: pushes wait until they are let go.
type waiting struct {
	hooked
	got chan struct{}
	end chan struct{}
}

func (w *waiting) Inlet(string) source.Inlet { return w }
func (w *waiting) Receive(context.Context, []byte) source.Answer {
	w.got <- struct{}{}
	<-w.end
	return source.Answer{}
}

// A push that waits for the store holds the memory of its body, not of the largest one, however it
// was sent: else a slow store leaves no room for an access request that waits for its answer.
func TestSmallBodiesLeaveRoom(t *testing.T) {
	for _, tc := range []struct {
		name, body, encoding string
	}{
		{"chunked", `{"a":1}`, ""},
		{"gzip", zipped(`{"a":1}`), "gzip"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const posts = 20
			app := &waiting{hooked: hooked{most: 4 << 20}, got: make(chan struct{}, posts), end: make(chan struct{})}
			server := httptest.NewServer(&functions.Handler{Open: func() (functions.Poller, error) { return app, nil }})
			defer server.Close()
			var posting sync.WaitGroup
			defer posting.Wait()
			defer close(app.end)
			for range posts {
				posting.Go(func() {
					if status := sendBody(t, server.URL, tc.body, tc.encoding); status != http.StatusOK {
						t.Errorf("status %d", status)
					}
				})
			}
			late := time.After(30 * time.Second)
			for n := range posts {
				select {
				case <-app.got:
				case <-late:
					t.Fatalf("only %d of %d were received", n, posts)
				}
			}
		})
	}
}

// A small body that unpacks to a large one takes the room of the large one.
func TestPackedBodiesAreBounded(t *testing.T) {
	const posts, fit = 8, 2
	app := &waiting{hooked: hooked{most: 4 << 20}, got: make(chan struct{}, posts), end: make(chan struct{})}
	server := httptest.NewServer(&functions.Handler{Open: func() (functions.Poller, error) { return app, nil }})
	defer server.Close()
	body := zipped(strings.Repeat("a", 4<<20))
	answers := make(chan int, posts)
	for range posts {
		go func() { answers <- sendBody(t, server.URL, body, "gzip") }()
	}
	for range posts - fit { // those for which there is no room
		if status := <-answers; status != http.StatusServiceUnavailable {
			t.Errorf("status %d", status)
		}
	}
	close(app.end)
	for range fit {
		if status := <-answers; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
}

// depositing is an app that has two inlets and a store that is down: reports wait until they are let go.
type depositing struct {
	hooked
	slot waitingSlot
}

func (d *depositing) Inlet(path string) source.Inlet {
	if path == "saas" {
		return &d.slot
	}
	return d.hooked.Inlet(path)
}

type waitingSlot struct{ waiting }

func (w *waitingSlot) Deposit(ctx context.Context, _, _ string, _ io.Reader) (source.Answer, error) {
	return w.Receive(ctx, nil), nil
}

// However many reports wait for the store, there is room for an event trigger, which an access request
// may wait for, and for small reports.
func TestReportsLeaveRoom(t *testing.T) {
	const posts = 8
	app := &depositing{hooked{most: 4 << 20}, waitingSlot{waiting{hooked: hooked{most: 30 << 20}, got: make(chan struct{}, posts), end: make(chan struct{})}}}
	server := httptest.NewServer(&functions.Handler{Open: func() (functions.Poller, error) { return app, nil }})
	defer server.Close()
	answers := make(chan int, posts)
	for range posts {
		go func() { answers <- sendTo(t, server.URL+"/api/hooks/saas", strings.Repeat("a", 100_000), "") }()
	}
	for range posts / 2 { // those for which there is no room
		if status := <-answers; status != http.StatusServiceUnavailable {
			t.Errorf("a report: status %d", status)
		}
	}
	if status := sendBody(t, server.URL, strings.Repeat("a", 4<<20), ""); status != http.StatusOK {
		t.Errorf("an event: status %d", status)
	}
	small := make(chan int, 1)
	go func() { small <- sendTo(t, server.URL+"/api/hooks/saas", `{"a":1}`, "") }()
	for range posts/2 + 1 {
		<-app.slot.got
	}
	close(app.slot.end)
	if status := <-small; status != http.StatusOK {
		t.Errorf("a small report: status %d", status)
	}
	for range posts / 2 {
		if status := <-answers; status != http.StatusOK {
			t.Errorf("a report: status %d", status)
		}
	}
}

// sendBody sends a push without a length unless it is packed.
func sendBody(t *testing.T, url, body, encoding string) int {
	return sendTo(t, url+"/api/hooks/sailpoint", body, encoding)
}

func sendTo(t *testing.T, address, body, encoding string) int {
	var from io.Reader = strings.NewReader(body)
	if encoding == "" {
		from = io.MultiReader(from)
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address, from)
	if err != nil {
		t.Error(err)
		return 0
	}
	r.Header.Set("Authorization", "Bearer canary-token")
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// Senders that have the right token and are slow keep no one else waiting: neither events nor reports.
func TestSlowSenders(t *testing.T) {
	head := func(path, rest string) string {
		return "POST /api/hooks/" + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer canary-token\r\n" + rest + "\r\n\r\n"
	}
	chunk := func(size int) string { return fmt.Sprintf("%x\r\n%s\r\n", size, strings.Repeat("a", size)) }
	const senders = 100
	for name, tc := range map[string]struct {
		path, sends string
		status      int // of its own answer
		// large is when a large body must be received, too.
		large time.Duration
	}{
		"nothing of a large body":         {"sailpoint", head("sailpoint", "Content-Length: 4194304"), 503, 0},
		"a byte of a large body":          {"sailpoint", head("sailpoint", "Content-Length: 4194304") + "a", 503, 0},
		"a byte of a body without length": {"sailpoint", head("sailpoint", "Transfer-Encoding: chunked") + chunk(1), 503, 0},
		"a byte of a packed body":         {"sailpoint", head("sailpoint", "Content-Encoding: gzip\r\nContent-Length: 4000000") + "\x1f", 503, 0},
		"a part of a large body":          {"sailpoint", head("sailpoint", "Content-Length: 4194304") + strings.Repeat("a", 100_000), 503, 3 * time.Second},
		"much of a large body":            {"sailpoint", head("sailpoint", "Content-Length: 4194304") + strings.Repeat("a", 900_000), 503, 5 * time.Second},
		"nothing of a large report":       {"saas", head("saas", "Content-Length: 30000000"), 503, 0},
		"a byte of a report":              {"saas", head("saas", "Transfer-Encoding: chunked") + chunk(1), 503, 0},
		"much of a report":                {"saas", head("saas", "Content-Length: 30000000") + strings.Repeat("a", 900_000), 503, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := &receiving{}
				ln := &pipes{make(chan net.Conn), make(chan struct{})}
				ctx, stop := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() {
					served <- functions.Serve(ctx, ln, &functions.Handler{Open: func() (functions.Poller, error) { return app, nil }})
				}()
				ask := func(sends string) (status int, took time.Duration) {
					begun := time.Now()
					conn := ln.dial()
					defer conn.Close()
					go func() { _, _ = io.WriteString(conn, sends) }()
					resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
					if err != nil {
						return 0, time.Since(begun)
					}
					defer resp.Body.Close()
					_, _ = io.Copy(io.Discard, resp.Body)
					return resp.StatusCode, time.Since(begun)
				}
				var slow sync.WaitGroup
				for range senders {
					slow.Go(func() {
						if status, _ := ask(tc.sends); tc.status != 0 && status != tc.status {
							t.Errorf("the slow sender got %d, want %d", status, tc.status)
						}
					})
				}
				synctest.Wait()
				for path, want := range map[string]int{"sailpoint": 200, "saas": 200} {
					small := head(path, "Connection: close\r\nContent-Length: 7") + `{"a":1}`
					if status, took := ask(small); status != want || took > time.Second {
						t.Errorf("%s: status %d after %v", path, status, took)
					}
				}
				<-time.After(tc.large)
				large := head(tc.path, "Connection: close\r\nContent-Length: 1000000") + strings.Repeat("a", 1_000_000)
				if status, took := ask(large); status != 200 || took > time.Second {
					t.Errorf("a large body: status %d after %v", status, took)
				}
				slow.Wait()
				stop()
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// receiving is an app that receives everything, and reads reports as they come.
type receiving struct{ hooked }

func (r *receiving) Inlet(path string) source.Inlet {
	if path == "saas" {
		return &readingSlot{receivingInlet{hooked{most: 30 << 20}}}
	}
	return &receivingInlet{hooked{most: 4 << 20}}
}

type receivingInlet struct{ hooked }

func (r *receivingInlet) Receive(context.Context, []byte) source.Answer { return source.Answer{} }

type readingSlot struct{ receivingInlet }

func (r *readingSlot) Deposit(_ context.Context, _, _ string, body io.Reader) (source.Answer, error) {
	_, err := io.Copy(io.Discard, body)
	return source.Answer{}, err
}

// late is an app that judges credentials as slowly as it may, and notes until when it has to answer.
type late struct {
	hooked
	ends chan time.Time
}

func (l *late) Inlet(string) source.Inlet { return l }

func (l *late) Admits(ctx context.Context, _ []string) (bool, error) {
	select {
	case <-time.After(gate.Patience):
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (l *late) Receive(ctx context.Context, _ []byte) source.Answer {
	if end, ok := ctx.Deadline(); ok {
		l.ends <- end
	}
	<-ctx.Done() // a store that hangs
	return source.Answer{}
}

// slowly is a body of that many bytes that takes as long.
type slowly struct {
	takes time.Duration
	rest  int
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.takes > 0 {
		<-time.After(s.takes)
		s.takes = 0
	}
	if s.rest == 0 {
		return 0, io.EOF
	}
	n := min(s.rest, len(p))
	s.rest -= n
	for i := range n {
		p[i] = ' '
	}
	return n, nil
}

// A vault that is slow, memory that is taken, and a store that hangs: together they leave a push less than
// 5 s without an answer, apart from the time that its own sender takes.
func TestOneDeadline(t *testing.T) {
	for name, sends := range map[string]time.Duration{"at once": 0, "slowly": 8 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := &late{hooked: hooked{most: 4 << 20}, ends: make(chan time.Time, 9)}
				handler := &functions.Handler{Open: func() (functions.Poller, error) { return app, nil }}
				post := func(length int64, body io.Reader) (status int) {
					r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/hooks/sailpoint", body)
					r.ContentLength = length
					r.Header.Set("Authorization", "Bearer x")
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					return w.Code
				}
				var posting sync.WaitGroup
				for range 2 { // they take all memory for large bodies, nearly as long as another one waits for it
					posting.Go(func() { post(4<<20, &slowly{rest: 4 << 20}) })
				}
				<-time.After(600 * time.Millisecond)
				begun := time.Now()
				status := post(1_000_000, &slowly{takes: sends, rest: 1_000_000})
				if took := time.Since(begun) - sends; status != http.StatusOK || took >= 5*time.Second || took < 3*time.Second {
					t.Errorf("status %d after %v", status, took)
				}
				posting.Wait()
			})
		})
	}
}
