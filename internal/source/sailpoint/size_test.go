package sailpoint_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// limitOf is the page size of a request.
func limitOf(r request) (n int) {
	query, _ := url.ParseQuery(r.Query)
	n, _ = strconv.Atoi(query.Get("limit"))
	return n
}

// limits are the page sizes that were asked for, in order, without repetitions.
func limits(s *script) (out []int) {
	for _, r := range s.asked() {
		if n := limitOf(r); len(out) == 0 || out[len(out)-1] != n {
			out = append(out, n)
		}
	}
	return out
}

// rowsFrom makes a page of n events, all at once.
func rowsFrom(serial *int, n int) string { return rowsAt("2026-09-01T00:00:00.000Z", serial, n) }

func rowsAt(created string, serial *int, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		*serial++
		fmt.Fprintf(&b, `{"id":"%08d","created":%q}`, *serial, created)
	}
	return "[" + b.String() + "]"
}

// A service that can't serve large pages in time gets smaller ones, down to 50.
func TestPageSizeShrinks(t *testing.T) {
	for name, c := range map[string]struct {
		status, most int
		want         []int
	}{
		"gateway_timeout": {504, 300, []int{1000, 500, 250}},
		"request_timeout": {408, 100, []int{1000, 500, 250, 125, 62}},
		"too_slow_at_all": {504, 0, []int{1000, 500, 250, 125, 62, 50}},
		"too_large":       {413, 20, []int{1000, 500, 250, 125, 62, 31, 15}},
		"other_error":     {503, 300, []int{1000}},
	} {
		t.Run(name, func(t *testing.T) {
			serial := 0
			s := &script{answer: func(_ int, r request, _ http.Header) reply {
				if limitOf(r) > c.most {
					return reply{status: c.status}
				}
				return reply{body: rowsFrom(&serial, limitOf(r))}
			}}
			cfg := config(s)
			cfg.PageSize = 1000
			src := sailpoint.NewClient(cfg).Events()
			var err error
			for range 12 {
				if _, err = window(t, src, ""); err != nil && retryable(err) == nil {
					break
				}
			}
			if diff := cmp.Diff(c.want, limits(s)); diff != "" {
				t.Errorf("page sizes (-want +got):\n%s", diff)
			}
			if err != nil && retryable(err) == nil {
				t.Errorf("in the end: %v", err)
			}
		})
	}
}

// After a while larger pages are tried again, and less often if that fails.
func TestPageSizeGrowsBack(t *testing.T) {
	serial := 0
	s := &script{answer: func(n int, r request, _ http.Header) reply {
		if limitOf(r) > 60 && n < 120 {
			return reply{status: 504}
		}
		return reply{body: rowsFrom(&serial, limitOf(r))}
	}}
	cfg := config(s)
	cfg.PageSize = 100
	src := sailpoint.NewClient(cfg).Events()
	for range 500 {
		if _, err := window(t, src, ""); err != nil && retryable(err) == nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]int{100, 50, 75, 50, 75, 50, 75, 50, 75, 100}, limits(s)); diff != "" {
		t.Errorf("page sizes (-want +got):\n%s", diff)
	}
}

// Time-outs of the client's own, here of its context's making, count too.
func TestPageSizeShrinksOnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := says(reply{body: `[]`})
		cfg := config(s)
		inner := cfg.HTTP.Transport
		cfg.HTTP.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.RawQuery, "limit=250") {
				return nil, timeout{}
			}
			return inner.RoundTrip(r)
		})
		src := sailpoint.NewClient(cfg).Events()
		if _, err := window(t, src, ""); retryable(err) == nil {
			t.Fatalf("got %v", err)
		}
		if _, err := window(t, src, ""); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{125}, limits(s)); diff != "" {
			t.Errorf("page sizes (-want +got):\n%s", diff)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type timeout struct{}

func (timeout) Error() string { return "timeout awaiting response headers" }
func (timeout) Timeout() bool { return true }

// A page that does not fit into memory is refused by its announced length, and
// asked for in smaller pieces.
func TestHugePages(t *testing.T) {
	var asked []string
	cfg := config(nil)
	cfg.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		length := int64(2)
		if !strings.HasSuffix(r.URL.Path, "/oauth/token") {
			asked = append(asked, r.URL.RawQuery)
			if limitOf(request{Query: r.URL.RawQuery}) > 20 {
				length = 40_000_000
			}
		}
		return canned{[]byte(`[]`), length}.RoundTrip(r)
	})}
	if _, _, err := walkFast(t.Context(), sailpoint.NewClient(cfg).Events()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"limit=250", "limit=125", "limit=62", "limit=31", "limit=15"}, asked); diff != "" {
		t.Errorf("page sizes (-want +got):\n%s", diff)
	}
}

// An event of 1.5 MB comes as it is.
func TestHugeEvent(t *testing.T) {
	tn := newTenant()
	g := synth.New(synth.Options{Seed: 2, Start: time.Now().Add(-time.Hour), Plain: true, With: map[int]synth.Shape{1: synth.Huge}})
	for i := range 3 {
		tn.AddEvent(g.Event(i), time.Time{})
	}
	got, _, err := walkFast(t.Context(), sailpoint.NewClient(config(tn)).Events())
	if err != nil {
		t.Fatal(err)
	}
	sameAs(t, wanted(tn), got)
}

// What says nothing about pages does not change their size: a token endpoint
// that is slow, and a check that asks for one row.
func TestPageSizeStays(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		op   func(*sailpoint.Client) error
	}{
		"token": {"/oauth/token", func(cl *sailpoint.Client) error { _, err := window(t, cl.Events(), ""); return err }},
		"check": {"limit=1", func(cl *sailpoint.Client) error { return cl.CheckSearch(t.Context()) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := says(reply{body: `[]`})
			cfg := config(s)
			inner, slow := cfg.HTTP.Transport, true
			cfg.HTTP.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if slow && strings.HasSuffix(r.URL.String(), c.path) {
					return nil, timeout{}
				}
				return inner.RoundTrip(r)
			})
			cl := sailpoint.NewClient(cfg)
			if err := c.op(cl); retryable(err) == nil {
				t.Fatalf("got %v", err)
			}
			slow = false
			if _, err := window(t, cl.Events(), ""); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]int{250}, limits(s)); diff != "" {
				t.Errorf("page sizes (-want +got):\n%s", diff)
			}
		})
	}
}
