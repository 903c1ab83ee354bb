package sailpoint_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

const (
	clientID     = "5a9f5f2c-0d1e-4a53-9d5c-6f8f0c9f2b11"
	clientSecret = "canary+secret/of=the%client"
)

// unlimited is for tests that are not about the rate limit.
func unlimited() *rate.Limiter { return rate.NewLimiter(rate.Inf, 1) }

// config reaches h in process.
func config(h http.Handler) sailpoint.Config {
	return sailpoint.Config{
		BaseURL:      &url.URL{Scheme: "https", Host: "acme.api.example"},
		ClientID:     clientID,
		ClientSecret: secret.New(clientSecret),
		HTTP:         &http.Client{Transport: fault.Transport(h)},
		Limiter:      unlimited(),
		PageSize:     250,
		Lookback:     24 * time.Hour,
	}
}

// newTenant is a tenant that accepts the client above and no other.
func newTenant() *tenant.Tenant {
	return &tenant.Tenant{ClientID: clientID, ClientSecret: clientSecret, RateLimit: tenant.RateLimit{Off: true}}
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

// recordID is the id that the record of an event must have.
func recordID(e tenant.Event) string {
	if e.ID != "" {
		return e.ID
	}
	sum := sha256.Sum256(e.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// wanted is what a walk over all events of tn must yield: the bytes by record
// id, nil where one id has several documents.
func wanted(tn *tenant.Tenant) map[string][]byte {
	want := make(map[string][]byte)
	for e := range tn.Events() {
		if e.Created.IsZero() {
			continue // no range of time finds it
		}
		id := recordID(e)
		raw := e.Raw
		if _, twice := want[id]; twice {
			raw = nil
		}
		want[id] = raw
	}
	return want
}

// oddEvents adds n synthetic events, created from the given time on, a second
// apart, with all their oddities: a quarter of them in each of two milliseconds, some
// without id, one without created, one id twice.
func oddEvents(tn *tenant.Tenant, from time.Time, n int) {
	for _, raw := range synthetic(from, n) {
		tn.AddEvent(raw, time.Time{})
	}
}

// synthetic makes the events of oddEvents, once for each time and number: bubbles of
// testing/synctest all begin at the same moment.
func synthetic(from time.Time, n int) [][]byte {
	key := fmt.Sprint(from.UnixMilli(), n)
	if made, ok := syntheticMade.Load(key); ok {
		return made.([][]byte)
	}
	g := synth.New(synth.Options{Seed: 11, Start: from, Rate: 1, Bytes: 800, Ties: n / 4, TieEvery: n / 2, With: map[int]synth.Shape{
		7: synth.NoID, n/2 - 2: synth.NoID, n/2 - 1: synth.NoID, 30: synth.InvalidUTF8, 31: synth.NullCreated, 60: synth.NoID,
	}})
	events := [][]byte{g.Resynced(100, time.Hour)}
	for i := range n {
		events = append(events, g.Event(i))
	}
	syntheticMade.Store(key, events)
	return events
}

var syntheticMade sync.Map

// walk reads a stream to its end and returns the records by id. It repeats what
// may be repeated, as the pipeline does.
func walk(ctx context.Context, src pipeline.Source, after pipeline.Cursor) (map[string]pipeline.Record, pipeline.Cursor, error) {
	seen := make(map[string]pipeline.Record)
	for {
		page, err := fetch(ctx, src, after)
		if err != nil {
			return seen, after, err
		}
		for _, r := range page.Records {
			seen[r.ID] = r
		}
		if after = page.Next; !page.More {
			return seen, after, nil
		}
	}
}

// undatedIDs are the ids of all records that FetchUndated lists.
func undatedIDs(t *testing.T, src pipeline.Undated) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	var after pipeline.Cursor
	for more := true; more; {
		page, err := src.FetchUndated(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			ids[r.ID] = true
		}
		after, more = page.Next, page.More
	}
	return ids
}

// walkFast is walk without waits.
func walkFast(ctx context.Context, src pipeline.Source) (map[string]pipeline.Record, pipeline.Cursor, error) {
	seen := make(map[string]pipeline.Record)
	var after pipeline.Cursor
	for {
		page, err := src.Fetch(ctx, after)
		switch {
		case retryable(err) != nil:
			continue
		case err != nil:
			return seen, after, err
		}
		for _, r := range page.Records {
			seen[r.ID] = r
		}
		if after = page.Next; !page.More {
			return seen, after, nil
		}
	}
}

// windowed is the stream of the events of a window.
type windowed struct {
	*sailpoint.Events
	from, to time.Time
}

func (w windowed) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	return w.FetchWindow(ctx, w.from, w.to, after)
}

// fetch repeats a fetch until it works or fails for good.
func fetch(ctx context.Context, src pipeline.Source, after pipeline.Cursor) (pipeline.Page, error) {
	for range 1000 {
		page, err := src.Fetch(ctx, after)
		var passing *pipeline.Retryable
		if !errors.As(err, &passing) {
			return page, err
		}
		select {
		case <-time.After(max(passing.After, time.Second)):
		case <-ctx.Done():
			return pipeline.Page{}, ctx.Err()
		}
	}
	return pipeline.Page{}, errors.New("a thousand attempts failed")
}

// sameAs compares what came with what should have.
func sameAs(t *testing.T, want map[string][]byte, got map[string]pipeline.Record) {
	t.Helper()
	wrong := 0
	for id, raw := range want {
		r, ok := got[id]
		if ok && (raw == nil || string(raw) == string(r.Raw)) {
			continue
		}
		if wrong++; wrong <= 3 {
			t.Errorf("event %q: came %v, bytes %.100q, want %.100q", id, ok, r.Raw, raw)
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			if wrong++; wrong <= 3 {
				t.Errorf("event %q came and does not exist", id)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d differences between %d events and %d that came", wrong, len(want), len(got))
	}
}

// logBook is a log that tests can read.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logBook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func retryable(err error) *pipeline.Retryable {
	var r *pipeline.Retryable
	if errors.As(err, &r) {
		return r
	}
	return nil
}

// pass lets time pass, in a bubble of testing/synctest.
func pass(d time.Duration) { <-time.After(d) }

func unsupported(err error) bool { return errors.Is(err, pipeline.ErrUnsupported) }
