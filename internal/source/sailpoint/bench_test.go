package sailpoint_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// canned answers every request with the same body, without the cost of a server.
type canned struct {
	body   []byte
	length int64 // -1: not announced, as when it comes compressed
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	body, length := c.body, c.length
	if strings.HasSuffix(r.URL.Path, "/oauth/token") {
		body = []byte(goodToken(1, "749").body)
		length = int64(len(body))
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: length, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// source is a source over one canned page.
func source(body []byte, length int64, n int) *sailpoint.Client {
	cfg := config(nil)
	cfg.PageSize, cfg.Lookback = n+1, 50*365*24*time.Hour // the page's events are old
	cfg.HTTP = &http.Client{Transport: canned{body, length}}
	return sailpoint.NewClient(cfg)
}

// eventPage is a page of n events of about 1 KB.
func eventPage(n int) []byte {
	g := synth.New(synth.Options{Seed: 1, Bytes: 1024, Plain: true})
	body := []byte{'['}
	for i := range n {
		body = append(g.AppendEvent(body, i), ',')
	}
	body[len(body)-1] = ']'
	return body
}

func BenchmarkFetchEvents(b *testing.B) {
	body := eventPage(1000)
	for name, length := range map[string]int64{"announced": int64(len(body)), "chunked": -1} {
		b.Run(name, func(b *testing.B) {
			src := source(body, length, 1000).Events()
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				page, err := src.Fetch(b.Context(), "")
				if err != nil || len(page.Records) != 1000 {
					b.Fatal(len(page.Records), err)
				}
				page.Release()
			}
		})
	}
}

// A page's memory is used for another one once the page is released, and not before.
func TestPagesAreUsedAgain(t *testing.T) {
	const n = 500
	body := eventPage(n)
	src := source(body, int64(len(body)), n).Events()
	fetch := func() pipeline.Page {
		page, err := src.Fetch(t.Context(), "")
		if err != nil || len(page.Records) != n || page.Release == nil {
			t.Fatal(len(page.Records), err)
		}
		return page
	}
	spoil := func(page pipeline.Page) {
		for _, r := range page.Records {
			for i := range r.Raw {
				r.Raw[i] = '!'
			}
		}
	}
	released, held := fetch(), fetch()
	released.Release()
	for range 20 { // the pool gives and takes as it likes
		page := fetch()
		spoil(page)
		page.Release()
	}
	for i, r := range held.Records {
		if !bytes.Contains(body, r.Raw) {
			t.Fatalf("record %d of a page that is in use has become %.20s", i, r.Raw)
		}
	}

	// What is left are the records and their ids; and the race detector makes pools forget.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 50
	for range rounds {
		fetch().Release()
	}
	runtime.ReadMemStats(&after)
	if per := int(after.TotalAlloc-before.TotalAlloc) / rounds; per > len(body)*3/4 {
		t.Errorf("%d bytes are allocated for a page of %d", per, len(body))
	}
}

// BenchmarkReadPage is the floor under BenchmarkFetchEvents: the same bytes, read and dropped.
func BenchmarkReadPage(b *testing.B) {
	body := eventPage(1000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.Copy(io.Discard, bytes.NewReader(bytes.Clone(body))); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFetchTriggers(b *testing.B) {
	g := synth.New(synth.Options{Seed: 3, Start: time.Now().Add(-time.Hour)})
	body := []byte{'['}
	for i := range 200 {
		body = append(g.Invocation(i).AppendJSON(body), ',')
	}
	body[len(body)-1] = ']'
	src := source(body, int64(len(body)), 200).Triggers()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		page, err := src.Fetch(b.Context(), "")
		if err != nil || len(page.Records) != 200 {
			b.Fatal(len(page.Records), err)
		}
	}
}

// A page of events costs a handful of allocations for itself and none for each event.
func TestFetchAllocations(t *testing.T) {
	allocs := func(n int, announced bool) float64 {
		body := eventPage(n)
		length := int64(-1)
		if announced {
			length = int64(len(body))
		}
		src := source(body, length, n).Events()
		fetch := func() {
			page, err := src.Fetch(context.Background(), pipeline.Cursor(""))
			if err != nil || len(page.Records) != n {
				t.Fatal(len(page.Records), err)
			}
		}
		fetch() // gets the token
		return testing.AllocsPerRun(5, fetch)
	}
	few, many := allocs(10, true), allocs(500, true)
	if perEvent := (many - few) / 490; perEvent > 0.05 {
		t.Errorf("%s allocations per event, want none", strconv.FormatFloat(perEvent, 'g', 3, 64))
	}
	// Growing buffers are a few more, and the race detector makes pools forget.
	if chunked := allocs(500, false); chunked > many+30 {
		t.Errorf("%v allocations for a page whose length is not announced, %v for another", chunked, many)
	}
	if few > 100 {
		t.Errorf("%v allocations for a page, want at most 100", few)
	}
}
