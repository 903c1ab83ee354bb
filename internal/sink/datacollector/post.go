package datacollector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// maxAnswer is how much of an answer's body is read. The service's own are
// shorter than 1 KB.
const maxAnswer = 16 << 10

// content is what is posted: so many bytes, and how to read them from the first.
type content struct {
	size int
	open func() io.Reader
}

// post sends body to the table of logType, signed as of now, and returns the
// answer. An error is what kept the answer from coming, already classified.
func (s *Sink) post(ctx context.Context, logType, timeField string, body content) (*answer, error) {
	attempt, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(attempt, http.MethodPost, s.url, nil)
	if err != nil {
		return nil, transport.Redact(err)
	}
	req, sent := transport.NewUpload(req, int64(body.size), body.open)
	defer sent.End() // the records' memory is not ours
	now := time.Now()
	date := now.UTC().Format(http.TimeFormat)
	signature := Signature([]byte(s.key.Reveal()), body.size, date)
	req.Header.Set("Authorization", "SharedKey "+s.id+":"+signature)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Log-Type", logType)
	req.Header.Set("x-ms-date", date)
	if timeField != "" {
		req.Header.Set("time-generated-field", timeField)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, s.explain(ctx, transport.Redact(err))
	}
	whole := sent.Whole()
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	transport.Discard(resp)
	if err != nil && resp.StatusCode == http.StatusOK {
		// Without its body an acknowledgement can't be told from a proxy's page.
		return nil, s.explain(ctx, fmt.Errorf("read the answer: %w", transport.Redact(err)))
	}
	a := newAnswer(resp, text, now, s.peer(), s.keyText, secret.New(signature))
	a.keyHint = s.keyHint
	a.whole = whole
	return a, nil
}

// explain classifies what kept an answer from coming.
func (s *Sink) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil { // the caller's end, not the service's fault
		if cause := context.Cause(ctx); !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return err
	}
	f := transport.Explain(err, s.peer())
	if f.Passing || f.Hop == transport.HopNetwork {
		return &pipeline.Retryable{Err: f}
	}
	return f
}

// peer names the workspace's host in error texts.
func (s *Sink) peer() transport.Peer {
	return transport.Peer{Host: s.host, Settings: "CUSTOMER_ID and logAnalyticsUri"}
}
