package datacollector

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
)

// content is the body of a post: its size, and a function that reads it from the start.
type content struct {
	size int
	open func() io.Reader
}

// post sends body to the table of logType with a new signature, and returns the
// answer. If the key is refused, nothing was ingested, and it sends the body again with the
// next key. If there is no answer, it returns a classified error.
func (s *Sink) post(ctx context.Context, logType, timeField string, body content) (*answer, error) {
	current, err := s.keys.first(ctx)
	if err != nil {
		return nil, err
	}
	var refused []key
	for {
		a, err := s.postWith(ctx, current, logType, timeField, body)
		if err != nil {
			return nil, err
		}
		if !a.refusesKey() {
			s.keys.accepted(current, refused)
			return a, nil
		}
		refused = append(refused, current)
		next, failed, ok := s.keys.next(ctx, refused)
		if !ok {
			a.keyNames, a.keyNotes = s.keys.names(refused), s.keys.notes(refused)
			if failed != nil {
				a.keyNotes = strings.TrimPrefix(a.keyNotes+". "+failed.Error(), ". ")
			}
			return a, nil
		}
		current = next
	}
}

// postWith sends body, signed with a key.
func (s *Sink) postWith(ctx context.Context, with key, logType, timeField string, body content) (*answer, error) {
	attempt, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(attempt, http.MethodPost, s.url, nil)
	if err != nil {
		return nil, transport.Redact(err)
	}
	req, sent := transport.NewUpload(req, int64(body.size), body.open)
	defer sent.End() // the caller owns the records' memory
	now := time.Now()
	date := now.UTC().Format(http.TimeFormat)
	signature := Signature([]byte(with.bytes.Reveal()), body.size, date)
	req.Header.Set("Authorization", "SharedKey "+s.id+":"+signature)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Log-Type", logType)
	req.Header.Set("x-ms-date", date)
	if timeField != "" {
		req.Header.Set("time-generated-field", timeField)
	}
	hidden := append(s.keys.known(), with.text, secret.New(signature))
	got, err := azmonitor.Post(s.http, req, sent, s.peer(), func(err error) error { return s.explain(ctx, err) }, hidden...)
	if err != nil {
		return nil, err
	}
	a := newAnswer(got, now, hidden...)
	a.key = with
	return a, nil
}

// explain classifies the error of a post without an answer.
func (s *Sink) explain(ctx context.Context, err error) error {
	return azmonitor.Unreachable(ctx, err, s.peer())
}

// peer names the workspace's host in error texts.
func (s *Sink) peer() transport.Peer {
	return transport.Peer{Host: s.host, Settings: "CUSTOMER_ID and logAnalyticsUri"}
}
