package okta_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	source "github.com/idn-sentinel/idn-sentinel/internal/source/okta"
)

// canned answers every request with the same page, without the cost of a server.
type canned struct{ body []byte }

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	header := http.Header{
		"Link":               {`<https://` + host + `/api/v1/logs?after=x&sortOrder=ASCENDING>; rel="next"`},
		"X-Rate-Limit-Limit": {"1000000000"}, "X-Rate-Limit-Remaining": {"1000000000"}, // the pace is not what is measured
	}
	return &http.Response{StatusCode: http.StatusOK, Header: header, ContentLength: int64(len(c.body)), Body: io.NopCloser(bytes.NewReader(c.body)), Request: r}, nil
}

// eventPage is a page of n events of all kinds.
func eventPage(n int) []byte {
	g := okta.Generator{Seed: 2, Start: time.Now().Add(-time.Hour), Every: time.Second}
	body := []byte{'['}
	for i := range n {
		body = append(append(body, g.Raw(i)...), ',')
	}
	body[len(body)-1] = ']'
	return body
}

// cannedLogs is the stream of an org with one page.
func cannedLogs(body []byte) *source.Logs {
	cfg := config(nil)
	cfg.HTTP = &http.Client{Transport: canned{body}}
	return source.NewClient(cfg).Logs()
}

func fetch(tb testing.TB, logs *source.Logs, n int) pipeline.Page {
	tb.Helper()
	page, err := logs.Fetch(tb.Context(), "")
	if err != nil || len(page.Records) != n {
		tb.Fatal(len(page.Records), err)
	}
	return page
}

// BenchmarkFetch is BenchmarkFetchEvents of package sailpoint, for a page of Okta.
func BenchmarkFetch(b *testing.B) {
	body := eventPage(1000)
	logs := cannedLogs(body)
	fetch(b, logs, 1000).Release()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		fetch(b, logs, 1000).Release()
	}
}

// BenchmarkWalk is the walk alone, the floor under BenchmarkFetch: reading the page twice would
// take twice as long.
func BenchmarkWalk(b *testing.B) {
	body := eventPage(1000)
	var shapes jsonwalk.Shapes
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := shapes.Walk(body, []string{"uuid", "published"}, func(jsonwalk.Element) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// A page costs a handful of allocations for itself and none for each event.
func TestFetchAllocations(t *testing.T) {
	allocs := func(n int) float64 {
		logs := cannedLogs(eventPage(n))
		fetch(t, logs, n).Release() // remembers the structures of events, and the pace
		return testing.AllocsPerRun(5, func() { fetch(t, logs, n).Release() })
	}
	few, many := allocs(10), allocs(500)
	if perEvent := (many - few) / 490; perEvent > 0.05 || few > 100 {
		t.Errorf("%.3g allocations for each event, want none; %v for a page, want at most 100", perEvent, few)
	}
}
