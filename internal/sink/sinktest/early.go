package sinktest

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// hasty is a gateway that acknowledges each post in place of the service, and does not wait for its
// body: only what fits into the buffers before it is ever taken.
type hasty struct {
	service http.RoundTripper
	status  int

	mu   sync.Mutex
	on   bool
	held chan struct{} // if set, the next answer waits for it, once seen is closed
	seen chan struct{}
	size int64 // of the last post
}

// buffers is what the buffers before the gateway take.
const buffers = 64 << 10

// RoundTrip implements [http.RoundTripper].
func (h *hasty) RoundTrip(req *http.Request) (*http.Response, error) {
	h.mu.Lock()
	on, held, seen := h.on, h.held, h.seen
	h.size, h.held = req.ContentLength, nil
	h.mu.Unlock()
	if !on {
		return h.service.RoundTrip(req)
	}
	_, _ = io.CopyN(io.Discard, req.Body, buffers)
	_ = req.Body.Close()
	if held != nil {
		close(seen)
		<-held
	}
	return &http.Response{StatusCode: h.status, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// large are records that fill more than the buffers, and hardly compress.
func large() []pipeline.Record {
	batch := records("large", 40)
	for i := range batch {
		text := make([]byte, 4<<10)
		_, _ = rand.Read(text)
		batch[i].Raw = jsontext.Value(fmt.Sprintf(`{"id":%q,"created":"2026-09-01T00:00:00Z","name":%q}`, batch[i].ID, base64.StdEncoding.EncodeToString(text)))
	}
	return batch
}

// testEarly: where an acknowledgement once came before its batch was sent, one of a batch that fits
// into the buffers on the way is not believed either. As soon as the service answers again,
// everything is delivered, and once.
func testEarly(t *testing.T, s Subject) {
	for name, inFlight := range map[string]bool{"before": false, "in flight": true} {
		t.Run(name, func(t *testing.T) {
			gateway := &hasty{on: true}
			o := s.Open(t, Setup{Gateway: func(service http.RoundTripper, status int) http.RoundTripper {
				gateway.service, gateway.status = service, status
				return gateway
			}})
			batch, small := large(), records("small", 1)
			refused := func(err error) {
				t.Helper()
				if err == nil {
					t.Error("counts as an acknowledgement")
				}
				o.checkError(t, err)
			}
			if inFlight {
				held, first := make(chan struct{}), make(chan error)
				gateway.held, gateway.seen = held, make(chan struct{})
				go func() { first <- o.Sink.Write(t.Context(), stream, small) }()
				<-gateway.seen
				refused(o.Sink.Write(t.Context(), stream, batch))
				close(held)
				refused(<-first)
			} else {
				refused(o.Sink.Write(t.Context(), stream, batch))
			}
			refused(o.Sink.Write(t.Context(), stream, small))
			refused(o.Sink.Write(t.Context(), stream, small))

			gateway.on = false
			for _, b := range [][]pipeline.Record{small, batch, records("next", 1)} {
				o.write(t, b, func() error { return o.Sink.Write(t.Context(), stream, b) })
			}
			if gateway.size > buffers {
				t.Errorf("a batch of one record has still %d bytes", gateway.size)
			}
			want := append(append(texts(small), texts(batch)...), texts(records("next", 1))...)
			if diff := cmp.Diff(want, o.stored(stream)); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}
