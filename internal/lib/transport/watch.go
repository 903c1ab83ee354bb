package transport

import (
	"context"
	"net/http"
	"sync"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// Seen is the outcome of the last request under a context. Libraries that turn an error into text
// lose what [Explain] needs; Seen keeps it.
type Seen struct {
	mu     sync.Mutex
	host   string
	err    error
	resp   *http.Response // without its body
	hidden []secret.String
}

type seenKey struct{}

// Watch returns a context under which clients of this package record the outcome of each request.
func Watch(ctx context.Context) (context.Context, *Seen) {
	seen := &Seen{}
	return context.WithValue(ctx, seenKey{}, seen), seen
}

func note(req *http.Request, resp *http.Response, err error) {
	seen, ok := req.Context().Value(seenKey{}).(*Seen)
	if !ok {
		return
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	seen.host, seen.err, seen.resp = req.URL.Host, err, nil
	if resp != nil {
		seen.resp = &http.Response{StatusCode: resp.StatusCode, Status: resp.Status, Header: resp.Header}
		seen.hidden = Sent(req)
	}
}

// Failure says why peer did not answer the last request, or that something else answered in its
// place. It sets the host of peer to the request's. It is nil if the service answered, or if
// nothing was sent.
func (s *Seen) Failure(peer Peer) *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	peer.Host = s.host
	switch {
	case s.err != nil:
		return Explain(s.err, peer)
	case s.resp != nil:
		return Gateway(s.resp.StatusCode, s.resp.Header, nil, peer, s.hidden...)
	}
	return nil
}

// Host is the host of the last request.
func (s *Seen) Host() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.host
}
