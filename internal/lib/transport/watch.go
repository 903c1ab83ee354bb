package transport

import (
	"context"
	"net/http"
	"sync"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// Seen is what the last request under a context met. Libraries that make a text of
// an error lose what [Explain] needs; this keeps it for them.
type Seen struct {
	mu     sync.Mutex
	host   string
	err    error
	resp   *http.Response // without its body
	hidden []secret.String
}

type seenKey struct{}

// Watch returns a context under which clients of this package note what each
// request met.
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

// Failure says what kept peer, which is filled in with the host of the last
// request, from answering it, or that something else answered in its place. It is
// nil if the service answered, or nothing was sent.
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

// Host is where the last request went.
func (s *Seen) Host() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.host
}
