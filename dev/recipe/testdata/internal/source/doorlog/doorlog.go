// Package doorlog reads the log of a door controller, the smallest source that there is: one
// stream, one token, one call.
//
//	GET {DOORLOG_URL}/log?after=17
//	Authorization: Bearer …
//
//	[{"id":"18","at":"2026-09-01T08:00:00Z","door":"north","badge":"4711"}, …]
//
// The numbers rise. An empty list is the end.
package doorlog

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// maxBody bounds an answer, in bytes.
const maxBody = 8 << 20

// Config is how to reach a controller.
type Config struct {
	BaseURL *url.URL
	Token   secret.String
	HTTP    *http.Client
}

// Connector is a door controller.
type Connector struct{ cfg Config }

var (
	_ source.Connector = (*Connector)(nil)
	_ pipeline.Source  = (*log)(nil)
)

// Connect makes a connector. It sends nothing yet.
func Connect(cfg Config) *Connector { return &Connector{cfg} }

// Manual is what texts for people say about this kind of source.
func Manual() source.Manual {
	return source.Manual{
		Service: "Door log",
		Checks:  []source.Check{{Item: "doors", Lines: []string{"the log can be read with DOORLOG_TOKEN"}}},
	}
}

// Name implements [source.Connector].
func (c *Connector) Name() string { return "the door controller" }

// Host implements [source.Connector].
func (c *Connector) Host() string { return c.cfg.BaseURL.Host }

// Describe implements [source.Connector].
func (c *Connector) Describe() string { return "doors at " + c.cfg.BaseURL.String() }

// Streams implements [source.Connector].
func (c *Connector) Streams() []source.Spec {
	return []source.Spec{{Source: (*log)(c), Short: "Doors", Window: time.Hour, Table: schema.Doorlog()}}
}

// Check implements [source.Connector].
func (c *Connector) Check(ctx context.Context, report check.Report) {
	report.Try(ctx, "doors", func(ctx context.Context) (string, error) {
		_, err := (*log)(c).Fetch(ctx, "")
		return "the log can be read", err
	})
}

// Stats implements [source.Connector].
func (c *Connector) Stats() source.Stats { return source.Stats{} }

type log Connector

// Stream implements [pipeline.Source].
func (l *log) Stream() pipeline.Stream { return pipeline.Stream{ID: "Doorlog", Table: "Doorlog"} }

// Fetch implements [pipeline.Source]. The cursor is the number of the last entry, in quotes.
func (l *log) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	if after == "" {
		after = `"0"`
	}
	body, err := l.get(ctx, string(after[1:len(after)-1]))
	if err != nil {
		return pipeline.Page{}, err
	}
	page := pipeline.Page{Next: after}
	err = jsonwalk.Walk(body, []string{"id", "at"}, func(e jsonwalk.Element) error {
		at, _ := time.Parse(time.RFC3339, string(e.Picks[1].Text))
		rec := pipeline.Record{ID: string(e.Picks[0].Text), Time: at, Raw: e.Raw}
		page.Records, page.Next = append(page.Records, rec), pipeline.Cursor(`"`+rec.ID+`"`)
		return nil
	})
	page.More = len(page.Records) > 0
	return page, err
}

func (l *log) get(ctx context.Context, after string) ([]byte, error) {
	u := l.cfg.BaseURL.JoinPath("log")
	u.RawQuery = url.Values{"after": {after}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+l.cfg.Token.Reveal())
	resp, err := l.cfg.HTTP.Do(req)
	if err != nil {
		f := transport.Explain(err, transport.Peer{Host: u.Host, Settings: "DOORLOG_URL"})
		if f.Passing {
			return nil, &pipeline.Retryable{Err: f, After: f.After}
		}
		return nil, f
	}
	defer transport.Discard(resp)
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests, s >= http.StatusInternalServerError:
		return nil, &pipeline.Retryable{Err: fmt.Errorf("door log: status %d", s), After: transport.RetryAfter(resp.Header, time.Now())}
	case s != http.StatusOK:
		return nil, fmt.Errorf("door log: status %d: check DOORLOG_TOKEN", s)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxBody))
}
