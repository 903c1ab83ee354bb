package sinktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// notDone are the faults that mean that nothing was stored, and done those after
// which it was.
func notDone() []fault.Kind {
	return []fault.Kind{fault.TooManyRequests, fault.ServerError, fault.BadGateway, fault.Unavailable, fault.Reset, fault.WrongShape, fault.Early, fault.Foreign}
}

func done() []fault.Kind { return []fault.Kind{fault.ResetAfter, fault.Cut} }

// once is a plan that lets the first request fail.
func once(rule fault.Rule) Setup {
	rule.Nth = []int{1}
	return Setup{Faults: &fault.Plan{Rules: []fault.Rule{rule}}}
}

// testTransient: a fault that may pass is retryable, and the same batch gets
// through when it has passed.
func testTransient(t *testing.T, s Subject) {
	for _, kind := range notDone() {
		t.Run(string(kind), func(t *testing.T) {
			o := s.Open(t, once(fault.Rule{Kind: kind}))
			batch := records("a", 5)
			err := o.Sink.Write(t.Context(), stream, batch)
			o.checkError(t, err)
			var retryable *pipeline.Retryable
			if !errors.As(err, &retryable) || retryable.After != 0 {
				t.Errorf("got %v, want a retryable error without a wait", err)
			}
			if got := o.stored(stream); got != nil {
				t.Errorf("stored %q", got)
			}
			o.write(t, batch, func() error { return o.Sink.Write(t.Context(), stream, batch) })
			if diff := cmp.Diff(texts(batch), o.stored(stream)); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

// testForeign: what the service is not known to answer with is no acknowledgement,
// and is not the records' fault either.
func testForeign(t *testing.T, s Subject) {
	for name, rule := range map[string]fault.Rule{
		"a yes before the body was read":    {Kind: fault.Early},
		"no content before it was read":     {Kind: fault.Early, Status: http.StatusNoContent},
		"a policy's refusal with 200":       {Kind: fault.Foreign},
		"a denial as JSON with 200":         {Kind: fault.Foreign, Body: `{"status":"denied"}`},
		"a page with 200":                   {Kind: fault.Foreign, Body: "<html><title>Sign in</title></html>"},
		"a message with 200":                {Kind: fault.Foreign, Body: `{"message":"Endpoint request timed out"}`},
		"half a JSON text with 200":         {Kind: fault.Foreign, Body: `{"error":`},
		"created":                           {Kind: fault.Foreign, Status: http.StatusCreated, Body: "created"},
		"accepted":                          {Kind: fault.Foreign, Status: http.StatusAccepted, Body: "queued"},
		"non-authoritative, from a proxy":   {Kind: fault.Foreign, Status: http.StatusNonAuthoritativeInfo, Body: "cached"},
		"an empty page with 200":            {Kind: fault.Foreign, Header: "Content-Type: text/html; charset=utf-8"},
		"an empty page, no content":         {Kind: fault.Foreign, Status: http.StatusNoContent, Header: "Content-Type: text/html"},
		"a way to a sign-in with 200":       {Kind: fault.Foreign, Header: "Location: https://portal.example/"},
		"a way to a sign-in, no content":    {Kind: fault.Foreign, Status: http.StatusNoContent, Header: "Location: https://portal.example/"},
		"a page that moves on with 200":     {Kind: fault.Foreign, Header: "Refresh: 0; url=https://portal.example/"},
		"a page that moves on, no content":  {Kind: fault.Foreign, Status: http.StatusNoContent, Header: "Refresh: 0"},
		"a proxy's error code with 200":     {Kind: fault.Foreign, Header: "X-Squid-Error: ERR_ACCESS_DENIED 0"},
		"no content, and a body":            {Kind: fault.Foreign, Status: http.StatusNoContent, Header: "Content-Length: 24"},
		"a proxy's error code, no content":  {Kind: fault.Foreign, Status: http.StatusNoContent, Header: "X-Squid-Error: ERR_ACCESS_DENIED 0"},
		"a challenge with 200":              {Kind: fault.Foreign, Header: "Proxy-Authenticate: Basic"},
		"an error code with no content":     {Kind: fault.Foreign, Status: http.StatusNoContent, Header: "X-Ms-Error-Code: InvalidStream"},
		"a redirect":                        {Kind: fault.Foreign, Status: http.StatusFound, Body: "see there"},
		"a request too large for something": {Kind: fault.Foreign, Status: http.StatusRequestEntityTooLarge, Body: "<html>413</html>"},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.Open(t, once(rule))
			batch := records("a", 1)
			err := o.Sink.Write(t.Context(), stream, batch)
			if err == nil {
				t.Fatal("counts as an acknowledgement")
			}
			o.checkError(t, err)
			var rejected *pipeline.Rejected
			if errors.As(err, &rejected) {
				t.Errorf("blames the record: %v", err)
			}
			if got := o.stored(stream); got != nil {
				t.Fatalf("stored %q", got)
			}
			o.write(t, batch, func() error { return o.Sink.Write(t.Context(), stream, batch) })
			if diff := cmp.Diff(texts(batch), o.stored(stream)); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

// gateway is a function as a hop.
type gateway func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (g gateway) RoundTrip(req *http.Request) (*http.Response, error) { return g(req) }

// testTrailer: what has more to say after an acknowledgement is not the service.
func testTrailer(t *testing.T, s Subject) {
	o := s.Open(t, Setup{Gateway: func(_ http.RoundTripper, status int) http.RoundTripper {
		return gateway(func(req *http.Request) (*http.Response, error) {
			_, _ = io.Copy(io.Discard, req.Body)
			return &http.Response{StatusCode: status, Header: http.Header{}, Trailer: http.Header{"X-Ms-Error-Code": {"denied"}}, Body: http.NoBody, Request: req}, nil
		})
	}})
	err := o.Sink.Write(t.Context(), stream, records("a", 1))
	o.checkError(t, err)
	var retryable *pipeline.Retryable
	if !errors.As(err, &retryable) || !strings.Contains(err.Error(), "the trailer X-Ms-Error-Code is not the answer of the service") {
		t.Errorf("got %v, want a retryable error that names the trailer", err)
	}
}

func testRetryAfter(t *testing.T, s Subject) {
	for name, c := range map[string]struct {
		value func(now time.Time) string
		want  time.Duration
	}{
		"absent":    {func(time.Time) string { return "" }, 0},
		"seconds":   {func(time.Time) string { return "7" }, 7 * time.Second},
		"zero":      {func(time.Time) string { return "0" }, 0},
		"negative":  {func(time.Time) string { return "-5" }, 0},
		"junk":      {func(time.Time) string { return "soon" }, 0},
		"date":      {func(now time.Time) string { return now.Add(90 * time.Second).UTC().Format(http.TimeFormat) }, 90 * time.Second},
		"past_date": {func(now time.Time) string { return now.Add(-time.Hour).UTC().Format(http.TimeFormat) }, 0},
	} {
		for _, kind := range []fault.Kind{fault.TooManyRequests, fault.Unavailable} {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := s.Open(t, once(fault.Rule{Kind: kind, RetryAfter: c.value(time.Now())}))
					err := o.Sink.Write(t.Context(), stream, records("a", 1))
					o.checkError(t, err)
					var retryable *pipeline.Retryable
					if !errors.As(err, &retryable) || retryable.After != c.want {
						t.Errorf("got %v, want a retryable error with a wait of %v", err, c.want)
					}
				})
			})
		}
	}
}

// testLostAcknowledgement: when the answer is lost the batch may be stored, and
// must not count as delivered.
func testLostAcknowledgement(t *testing.T, s Subject) {
	for _, kind := range done() {
		t.Run(string(kind), func(t *testing.T) {
			o := s.Open(t, once(fault.Rule{Kind: kind}))
			batch := records("a", 5)
			err := o.Sink.Write(t.Context(), stream, batch)
			o.checkError(t, err)
			var retryable *pipeline.Retryable
			if !errors.As(err, &retryable) {
				t.Errorf("got %v, want a retryable error", err)
			}
			if diff := cmp.Diff(texts(batch), o.stored(stream)); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

// testPoison: halving a rejected batch finds the one bad record.
func testPoison(t *testing.T, s Subject) {
	batch := records("a", 50)
	const bad = 33
	o := s.Open(t, Setup{Poison: func(raw []byte) bool { return strings.Contains(string(raw), `"id":"a33"`) }})
	var (
		write func(batch []pipeline.Record)
		found []string
	)
	write = func(batch []pipeline.Record) {
		err := o.Sink.Write(t.Context(), stream, batch)
		if err == nil {
			return
		}
		o.checkError(t, err)
		var rejected *pipeline.Rejected
		if !errors.As(err, &rejected) || rejected.Ambiguous {
			t.Fatalf("got %v, want a plain rejection", err)
		}
		if len(batch) == 1 {
			found = append(found, batch[0].ID)
			return
		}
		write(batch[:len(batch)/2])
		write(batch[len(batch)/2:])
	}
	write(batch)
	if diff := cmp.Diff([]string{batch[bad].ID}, found); diff != "" {
		t.Errorf("poison (-want +got):\n%s", diff)
	}
	want := append(texts(batch[:bad]), texts(batch[bad+1:])...)
	if diff := cmp.Diff(want, o.stored(stream)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func testCancelled(t *testing.T, s Subject) {
	stop := errors.New("run budget is spent")
	for name, c := range map[string]struct {
		end  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, context.DeadlineExceeded},
		"cause": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, time.Second, stop)
		}, stop},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := s.Open(t, once(fault.Rule{Kind: fault.Slow, Delay: time.Minute}))
				ctx, cancel := c.end(t.Context())
				defer cancel()
				start := time.Now()
				err := o.Sink.Write(ctx, stream, records("a", 3))
				o.checkError(t, err)
				var retryable *pipeline.Retryable
				if !errors.Is(err, c.want) || errors.As(err, &retryable) {
					t.Errorf("got %v, want %v, and nothing to repeat", err, c.want)
				}
				if took := time.Since(start); took != time.Second {
					t.Errorf("returned after %v, want 1s", took)
				}
			})
		})
	}
}

// testAnyFaults: whatever happens, repeating until there is no error delivers
// everything, and twice only what was stored behind a lost answer.
func testAnyFaults(t *testing.T, s Subject) {
	rapid.Check(t, func(rt *rapid.T) {
		var rules []fault.Rule
		for range rapid.IntRange(0, 4).Draw(rt, "rules") {
			rules = append(rules, fault.Rule{
				Kind: rapid.SampledFrom(append(notDone(), done()...)).Draw(rt, "kind"),
				Rate: rapid.Float64Range(0.01, 0.5).Draw(rt, "rate"),
			})
		}
		plan := &fault.Plan{Seed: rapid.Int64().Draw(rt, "seed"), Rules: rules}
		o := s.Open(t, Setup{Faults: plan})
		sent := make(map[string]int)
		for b := range 5 {
			batch := records(fmt.Sprintf("%d-", b), 3)
			for _, text := range texts(batch) {
				sent[text]++
			}
			for attempt := 0; ; attempt++ {
				err := o.Sink.Write(t.Context(), stream, batch)
				if err == nil {
					break
				}
				o.checkError(rt, err)
				var retryable *pipeline.Retryable
				if !errors.As(err, &retryable) || attempt > 1000 {
					rt.Fatalf("attempt %d: %v", attempt, err)
				}
			}
		}
		stored := make(map[string]int)
		extra := 0
		for _, text := range o.stored(stream) {
			if stored[text]++; stored[text] > 1 {
				extra++
			}
		}
		for text := range sent {
			if stored[text] == 0 {
				rt.Errorf("acknowledged and not stored: %s", text)
			}
		}
		injected := plan.Injected()
		if repeated := 3 * (injected[fault.ResetAfter] + injected[fault.Cut]); extra != repeated || len(stored) != len(sent) {
			rt.Errorf("%d rows of %d ids, %d of them repeated, want %d", len(stored)+extra, len(stored), extra, repeated)
		}
	})
}
