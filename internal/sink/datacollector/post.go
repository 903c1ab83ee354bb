package datacollector

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
)

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
	got, err := azmonitor.Post(s.http, req, sent, s.peer(), func(err error) error { return s.explain(ctx, err) }, s.keyText, secret.New(signature))
	if err != nil {
		return nil, err
	}
	a := newAnswer(got, now, s.keyText, secret.New(signature))
	a.keyHint = s.keyHint
	return a, nil
}

// explain classifies what kept an answer from coming.
func (s *Sink) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil { // the caller's end, not the service's fault
		return azmonitor.Ended(ctx, err)
	}
	return azmonitor.Unreachable(err, s.peer())
}

// peer names the workspace's host in error texts.
func (s *Sink) peer() transport.Peer {
	return transport.Peer{Host: s.host, Settings: "CUSTOMER_ID and logAnalyticsUri"}
}
