package functions_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
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
