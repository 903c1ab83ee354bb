package sailpoint_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// reply is what a scripted service answers.
type reply struct {
	status int // 0 means 200
	header map[string]string
	body   string
}

// request is what it was asked.
type request struct {
	Method, Path, Query, Body string
}

// script is a service that answers as it is told, and keeps what it was asked.
// Tokens it gives to anybody.
type script struct {
	// answer is called with each request but those for tokens, n counting from 1.
	answer func(n int, r request, header http.Header) reply
	// token answers a request for a token, n counting from 1; nil means always.
	token func(n int) reply

	mu       sync.Mutex
	requests []request
	tokens   int
}

// goodToken is a token that is valid for the given time.
func goodToken(n int, ttl string) reply {
	return reply{header: map[string]string{"Content-Type": "application/json"}, body: `{"access_token":"canary-token-` + strings.Repeat("x", n) + `","token_type":"bearer","expires_in":` + ttl + `}`}
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	var out reply
	if r.URL.Path == "/oauth/token" {
		s.tokens++
		out = goodToken(s.tokens, "749")
		if s.token != nil {
			out = s.token(s.tokens)
		}
	} else {
		req := request{r.Method, r.URL.Path, r.URL.RawQuery, string(body)}
		s.requests = append(s.requests, req)
		out = s.answer(len(s.requests), req, r.Header)
	}
	s.mu.Unlock()
	for k, v := range out.header {
		w.Header().Set(k, v)
	}
	if out.status != 0 {
		w.WriteHeader(out.status)
	}
	_, _ = io.WriteString(w, out.body)
}

// asked returns the requests so far.
func (s *script) asked() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.requests...)
}

// says makes a script that always answers the same.
func says(r reply) *script {
	return &script{answer: func(int, request, http.Header) reply { return r }}
}

// inTurn makes a script that answers one reply after the other, the last one for ever.
func inTurn(replies ...reply) *script {
	return &script{answer: func(n int, _ request, _ http.Header) reply { return replies[min(n, len(replies))-1] }}
}

// client is one for h with page size 2.
func client(t *testing.T, h http.Handler) *sailpoint.Client {
	t.Helper()
	cfg := config(h)
	cfg.PageSize = 2
	return sailpoint.NewClient(cfg)
}

// moment is a time on the first of September 2026.
func moment(t *testing.T, clock string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, "2026-09-01T"+clock+"Z")
	if err != nil {
		t.Fatal(err)
	}
	return at
}
