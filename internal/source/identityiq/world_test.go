package identityiq_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	stand "github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/identityiq"
)

const (
	appContext   = "/identityiq"
	clientID     = "sentinel"
	clientSecret = "canary+secret/of=the%client"
)

// config reaches h in process.
func config(h http.Handler) identityiq.Config {
	return identityiq.Config{
		BaseURL: &url.URL{Scheme: "https", Host: "iiq.acme.example", Path: appContext}, ClientID: clientID, ClientSecret: secret.New(clientSecret),
		Streams: identityiq.StreamNames(), HTTP: &http.Client{Transport: fault.Transport(h)}, Lookback: 24 * time.Hour,
	}
}

// newServer is a server that accepts the client above and no other.
func newServer() *stand.Server {
	return &stand.Server{ClientID: clientID, ClientSecret: clientSecret}
}

// once makes the first request to path fail.
func once(path string, kind fault.Kind, retryAfter string) *fault.Plan {
	return &fault.Plan{Rules: []fault.Rule{{Kind: kind, Path: path, Nth: []int{1}, RetryAfter: retryAfter}}}
}

// always makes every request to path fail.
func always(path string, r fault.Rule) *fault.Plan {
	r.Path = path
	return &fault.Plan{Rules: []fault.Rule{r}}
}

// walk reads a stream to its end and returns the records by id. It repeats what may be repeated, as
// the pipeline does.
func walk(ctx context.Context, src pipeline.Source, after pipeline.Cursor) (map[string]pipeline.Record, pipeline.Cursor, error) {
	seen := make(map[string]pipeline.Record)
	for failed := 0; ; {
		page, err := src.Fetch(ctx, after)
		var passing *pipeline.Retryable
		switch {
		case errors.As(err, &passing) && failed < 100:
			failed++
			continue
		case err != nil:
			return seen, after, err
		}
		for _, r := range page.Records {
			seen[r.ID] = r
		}
		if after = page.Next; !page.More {
			return seen, after, page.Incomplete
		}
	}
}

// clean checks that the server saw nothing that a collector must not do.
func clean(t *testing.T, s *stand.Server) {
	t.Helper()
	if v := s.Violations(); len(v) > 0 {
		t.Errorf("violations: %q", v)
	}
	if n := s.AtOnce(); n > 1 {
		t.Errorf("%d requests at a time", n)
	}
}
