package functions_test

import (
	"context"
	"io"
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
	const posts = 8
	app := &waiting{hooked: hooked{most: 4 << 20}, got: make(chan struct{}, posts), end: make(chan struct{})}
	server := httptest.NewServer(&functions.Handler{Open: func() (functions.Poller, error) { return app, nil }})
	defer server.Close()
	body := zipped(strings.Repeat("a", 4<<20))
	answers := make(chan int, posts)
	for range posts {
		go func() { answers <- sendBody(t, server.URL, body, "gzip") }()
	}
	for range posts / 2 { // those for which there is no room
		if status := <-answers; status != http.StatusServiceUnavailable {
			t.Errorf("status %d", status)
		}
	}
	close(app.end)
	for range posts / 2 {
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
// may wait for.
func TestReportsLeaveRoom(t *testing.T) {
	const posts = 8
	app := &depositing{hooked{most: 4 << 20}, waitingSlot{waiting{hooked: hooked{most: 30 << 20}, got: make(chan struct{}, posts), end: make(chan struct{})}}}
	server := httptest.NewServer(&functions.Handler{Open: func() (functions.Poller, error) { return app, nil }})
	defer server.Close()
	answers := make(chan int, posts)
	for range posts {
		go func() { answers <- sendTo(t, server.URL+"/api/hooks/saas", `{"a":1}`, "") }()
	}
	for range posts / 2 { // those for which there is no room
		if status := <-answers; status != http.StatusServiceUnavailable {
			t.Errorf("a report: status %d", status)
		}
	}
	if status := sendBody(t, server.URL, strings.Repeat("a", 4<<20), ""); status != http.StatusOK {
		t.Errorf("an event: status %d", status)
	}
	close(app.slot.end)
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
				for range 4 { // they take all memory for bodies, nearly as long as another one waits for it
					posting.Go(func() { post(-1, &slowly{takes: 1900 * time.Millisecond, rest: 1}) })
				}
				synctest.Wait()
				begun := time.Now()
				status := post(2, &slowly{takes: sends, rest: 2})
				if took := time.Since(begun) - sends; status != http.StatusOK || took >= 5*time.Second || took < 3*time.Second {
					t.Errorf("status %d after %v", status, took)
				}
				posting.Wait()
			})
		})
	}
}
