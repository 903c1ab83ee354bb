package logsingestion

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/google/uuid"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
)

// send posts body, and repeats it once with a new token if the token is refused.
// If there is no answer, it returns a classified error.
func (s *Sink) send(ctx context.Context, address string, b body) (*answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	defer cancel()
	token, err := s.tokens.get(ctx, "", "")
	if err != nil {
		return nil, err
	}
	a, err := s.post(ctx, address, b, token)
	if err != nil || a.Status != http.StatusUnauthorized {
		return a, err
	}
	again, err := s.tokens.get(ctx, token, claimsOf(a.Header))
	if err != nil {
		return nil, err
	}
	// A managed identity may return the same token, which its library caches for hours.
	// Then this repeats the request unchanged, in case the refusal was a glitch.
	return s.post(ctx, address, b, again)
}

var errTimeout = errors.New("the service did not answer in time")

// ended is the error of what the end of ctx interrupted: the caller stopped, or
// the time for one post ran out.
func ended(ctx context.Context, err error) error { return late(azmonitor.Ended(ctx, err)) }

// late makes the end of the time for one post worth repeating.
func late(err error) error {
	if errors.Is(err, errTimeout) {
		return &pipeline.Retryable{Err: err}
	}
	return err
}

// post sends one request.
func (s *Sink) post(ctx context.Context, address string, b body, token string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return nil, transport.Redact(err)
	}
	req, sent := transport.NewUpload(req, int64(len(b.wire)), func() io.Reader { return bytes.NewReader(b.wire) })
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("x-ms-client-request-id", uuid.NewString())
	got, err := azmonitor.Post(s.http, req, sent, s.peer(), func(err error) error { return s.classify(ctx, err) }, secret.New(token))
	if err != nil {
		return nil, err
	}
	return newAnswer(got, secret.New(token)), nil
}

// classify classifies the error of a request without an answer.
func (s *Sink) classify(ctx context.Context, err error) error {
	return late(azmonitor.Unreachable(ctx, err, s.peer()))
}

// peer names the endpoint in error texts.
func (s *Sink) peer() transport.Peer {
	return transport.Peer{Host: s.endpoint.Host, Settings: "LOGS_INGESTION_ENDPOINT"}
}
