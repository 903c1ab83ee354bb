package sailpoint_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

func TestAPIErrors(t *testing.T) {
	const (
		api  = `{"detailCode":"403 Forbidden","trackingId":"63f891e0735f4cc8","messages":[{"locale":"de-DE","text":"Nein."},{"locale":"en-US","localeOrigin":"DEFAULT","text":"The server refuses."}],"causes":[]}`
		html = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>"
	)
	type outcome struct {
		Retry bool
		After time.Duration
	}
	for name, c := range map[string]struct {
		r    reply
		want outcome
		text []string
	}{
		"forbidden":      {reply{403, nil, api}, outcome{}, []string{"search: status 403 (403 Forbidden, trackingId 63f891e0735f4cc8): The server refuses: the token", "scope sp:search:read", "CLIENT_ID"}},
		"bad_request":    {reply{400, nil, strings.ReplaceAll(api, "403 Forbidden", "400.1 Bad request content")}, outcome{}, []string{"400.1 Bad request content", "63f891e0735f4cc8", "The server refuses"}},
		"server_error":   {reply{500, nil, strings.ReplaceAll(api, "403 Forbidden", "500.0 Internal Fault")}, outcome{Retry: true}, []string{"500.0 Internal Fault", "63f891e0735f4cc8"}},
		"throttled":      {reply{429, map[string]string{"Retry-After": "4"}, `{"message":" Rate Limit Exceeded "}`}, outcome{true, 4 * time.Second}, []string{"status 429: Rate Limit Exceeded"}},
		"gateway":        {reply{502, nil, html}, outcome{Retry: true}, []string{`status 502 with a web page ("502 Bad Gateway"): a gateway between this machine and acme.api.example`}},
		"firewall":       {reply{403, nil, "<!DOCTYPE html><title>Access Denied</title>"}, outcome{}, []string{`search: status 403 with a web page ("Access Denied"): the answer is not from acme.api.example`}},
		"sign_in":        {reply{401, map[string]string{"Content-Type": "text/html"}, "<p>canary"}, outcome{}, []string{"search: status 401 with a web page: the answer is not from acme.api.example"}},
		"gateway_empty":  {reply{503, map[string]string{"Retry-After": "soon"}, ""}, outcome{Retry: true}, []string{"search: status 503"}},
		"timeout":        {reply{408, nil, ""}, outcome{Retry: true}, []string{"status 408"}},
		"bad_gateway":    {reply{504, nil, `{"message": "Endpoint request timed out"}`}, outcome{Retry: true}, []string{"Endpoint request timed out"}},
		"odd_types":      {reply{400, nil, `{"detailCode":7,"messages":"x"}`}, outcome{}, []string{`{"detailCode":7,"messages":"x"}`}},
		"long":           {reply{400, nil, strings.Repeat("y", 100_000)}, outcome{}, []string{"yyy…"}},
		"unknown_status": {reply{418, nil, "teapot"}, outcome{}, []string{"status 418: teapot"}},
		"object":         {reply{200, nil, `{"message":"Endpoint request timed out"}`}, outcome{Retry: true}, []string{"did not answer with a list", `got an object: {"message":"Endpoint request timed out"}`}},
		"in_plain_words": {reply{403, nil, "Access denied by policy"}, outcome{}, []string{"status 403: Access denied by policy: the answer is not in the form of acme.api.example, so something in between", "if nothing is in between, the token of CLIENT_ID needs the scope"}},
		"silent_503":     {reply{503, nil, ""}, outcome{Retry: true}, []string{"status 503: acme.api.example, or a gateway in front of it, is overloaded or down"}},
		"page":           {reply{200, nil, html}, outcome{Retry: true}, []string{"status 200 with a web page", "not from acme.api.example but from something in between"}},
		"nothing":        {reply{200, nil, ``}, outcome{Retry: true}, []string{"got nothing"}},
		"null":           {reply{200, nil, `null`}, outcome{Retry: true}, []string{"got null"}},
		"cut":            {reply{200, nil, `[{"id":"a"},{"id":`}, outcome{Retry: true}, []string{"the answer is damaged: element 1"}},
		"number_in_list": {reply{200, nil, `[{"id":"a"},7]`}, outcome{Retry: true}, []string{"element 1 of the array is a number"}},
		"two_values":     {reply{200, nil, `[][]`}, outcome{Retry: true}, []string{"damaged"}},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := window(t, client(t, says(c.r)).Events(), "")
			if err == nil {
				t.Fatalf("no error, but %d events", len(page.Records))
			}
			var got outcome
			if r := retryable(err); r != nil {
				got = outcome{true, r.After}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%v\n(-want +got):\n%s", err, diff)
			}
			for _, text := range c.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q is not in: %v", text, err)
				}
			}
			if len(err.Error()) > 700 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// A status that is neither a success nor an error may come with events, of which nothing is quoted.
func TestOddStatusIsNotQuoted(t *testing.T) {
	for _, status := range []int{http.StatusMultipleChoices, http.StatusNotModified + 1, 399} {
		_, err := window(t, client(t, says(reply{status, nil, `[{"id":"a","actor":{"name":"canary"}}]`})).Events(), "")
		if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "acme.api.example does not give such an answer") {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

func TestTriggersNameTheirScope(t *testing.T) {
	err := client(t, says(reply{status: 403})).CheckTriggers(t.Context())
	if err == nil || !strings.Contains(err.Error(), "sp:trigger-service-invocation-status:read") || retryable(err) != nil {
		t.Errorf("got %v", err)
	}
}

// failing is a RoundTripper that fails.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestNetworkErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		retry bool
		text  string
	}{
		"unknown_host": {&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "acme.api.example", IsNotFound: true}}, false, "there is no host acme.api.example: check TENANT_ID or SAILPOINT_BASE_URL"},
		"dns_down":     {&net.DNSError{Err: "server misbehaving", IsTemporary: true}, true, "server misbehaving"},
		"refused":      {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, true, "no answer from acme.api.example: if this persists, check TENANT_ID or SAILPOINT_BASE_URL"},
		"redirect":     {&transport.Redirect{Status: 302, To: "https://login.example/"}, false, "SAILPOINT_BASE_URL"},
		"unsupported":  {errors.New("unsupported protocol scheme"), false, "unsupported protocol scheme"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(nil)
			cfg.HTTP = &http.Client{Transport: failing{c.err}}
			_, err := window(t, sailpoint.NewClient(cfg).Events(), "")
			if err == nil || (retryable(err) != nil) != c.retry || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want retry %v and %q", err, c.retry, c.text)
			}
		})
	}
}

// A body that ends because the caller has enough is the caller's doing.
func TestCancelledWhileReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg := config(nil)
	cfg.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/oauth/token") {
			return canned{}.RoundTrip(r)
		}
		body := io.NopCloser(readFunc(func([]byte) (int, error) { cancel(); return 0, ctx.Err() }))
		return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: body}, nil
	})}
	if _, err := sailpoint.NewClient(cfg).Events().Fetch(ctx, ""); !errors.Is(err, context.Canceled) || retryable(err) != nil {
		t.Errorf("got %v, want the cancellation", err)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// With real sockets and the program's own transport.
func TestRealConnection(t *testing.T) {
	tn := newTenant()
	oddEvents(tn, time.Now().Add(-time.Hour), 600)
	server := httptest.NewServer(tn)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(nil)
	cfg.BaseURL, cfg.HTTP = base, nil
	cl := sailpoint.NewClient(cfg)
	got, _, err := walk(t.Context(), cl.Events(), "")
	if err != nil {
		t.Error(err)
	}
	sameAs(t, wanted(tn), got)
	server.Close()
	if _, err := cl.Events().Fetch(t.Context(), ""); retryable(err) == nil {
		t.Errorf("from a closed port: %v, want an error to retry", err)
	}
}

// No wait for the rate limit goes past the deadline: the error comes at once.
func TestRateLimitKeepsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(says(reply{body: `[]`}))
		cfg.Limiter = rate.NewLimiter(rate.Every(time.Minute), 1)
		src := sailpoint.NewClient(cfg).Events() // the token takes the one that is there
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := src.Fetch(ctx, "")
		if r := retryable(err); r == nil || r.After < 10*time.Second || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 0 {
			t.Errorf("got %v after %v, want the deadline's error at once", err, time.Since(begin))
		}
	})
}

// A pause that the tenant asks for holds both streams back, but not for ever.
func TestPauseIsShared(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		pause  time.Duration
	}{
		"seconds": {"7", 7 * time.Second},
		"absurd":  {"86400", 2 * time.Minute},
		"none":    {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTenant()
				tn.Faults = once("/search", fault.TooManyRequests, c.header)
				cl := sailpoint.NewClient(config(tn))
				if _, err := cl.Events().Fetch(t.Context(), ""); retryable(err) == nil {
					t.Fatalf("got %v", err)
				}
				sent := cl.Stats().Requests
				_, err := cl.Triggers().Fetch(t.Context(), "")
				r := retryable(err)
				if c.pause == 0 {
					if err != nil {
						t.Errorf("without a pause: %v", err)
					}
					return
				}
				if r == nil || r.After != c.pause || cl.Stats().Requests != sent {
					t.Fatalf("got %v after %d more requests, want a pause of %v", err, cl.Stats().Requests-sent, c.pause)
				}
				pass(c.pause)
				if _, err := cl.Triggers().Fetch(t.Context(), ""); err != nil {
					t.Errorf("after the pause: %v", err)
				}
			})
		})
	}
}

func TestStats(t *testing.T) {
	s := inTurn(reply{status: 429}, reply{body: `[]`, header: map[string]string{"X-Deprecated": "true"}})
	cl := client(t, s)
	for range 2 {
		_, _ = window(t, cl.Events(), "")
	}
	want := sailpoint.Stats{Requests: 3, Throttled: 1, TokenRequests: 1, Deprecated: true}
	if diff := cmp.Diff(want, cl.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// Whatever the service does, neither the secret nor the token shows up in an
// error, the log or the printed client, not even if the service echoes them.
func TestSecretsAreKept(t *testing.T) {
	statuses := []int{200, 302, 400, 401, 403, 404, 408, 413, 418, 429, 500, 502, 503}
	for _, status := range statuses {
		for _, tokenToo := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d_%v", status, tokenToo), func(t *testing.T) {
				h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_ = r.ParseForm()
					if r.URL.Path == "/oauth/token" && !tokenToo {
						w.Header().Set("Content-Type", "application/json")
						_, _ = fmt.Fprint(w, goodToken(1, "749").body)
						return
					}
					w.Header().Set("Location", "https://evil.example/?"+r.Form.Encode())
					w.WriteHeader(status)
					_, _ = fmt.Fprintf(w, "%s %s %s %s", r.Header.Get("Authorization"), r.Form.Get("client_secret"), r.Form.Encode(), url.QueryEscape(clientSecret)+clientSecret)
				})
				log := &logBook{}
				cfg := config(h)
				cfg.Log = log.logger()
				cfg.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				cl := sailpoint.NewClient(cfg)
				var texts []string
				for _, op := range []func(context.Context) error{
					cl.Token, cl.CheckSearch, cl.CheckTriggers,
					func(ctx context.Context) error { _, err := cl.Info(ctx); return err },
					func(ctx context.Context) error { _, err := cl.Count(ctx, time.Time{}, time.Now()); return err },
				} {
					for err := op(t.Context()); err != nil; err = errors.Unwrap(err) {
						texts = append(texts, err.Error(), fmt.Sprintf("%+v %#v", err, err))
					}
				}
				texts = append(texts, log.String(), fmt.Sprintf("%+v %#v", cl, cfg), fmt.Sprint(cl.Stats()))
				for _, text := range texts {
					for _, canary := range []string{clientSecret, url.QueryEscape(clientSecret), "canary-token"} {
						if strings.Contains(text, canary) {
							t.Errorf("%q shows up in %.300s", canary, text)
						}
					}
				}
			})
		}
	}
}
