package sailpoint_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// When the token is renewed: a minute early, at half of a short life.
func TestTokenRenewal(t *testing.T) {
	for name, c := range map[string]struct {
		ttl     string
		good    time.Duration // still the first token
		renewed time.Duration // the second
	}{
		"long":    {"749", 688 * time.Second, 690 * time.Second},
		"day":     {"43200", 43139 * time.Second, 43141 * time.Second},
		"border":  {"120", 59 * time.Second, 61 * time.Second},
		"short":   {"15", 7 * time.Second, 8 * time.Second},
		"text":    {`"749"`, 688 * time.Second, 690 * time.Second},
		"missing": {"null", 239 * time.Second, 241 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := says(reply{body: `[]`})
				s.token = func(n int) reply { return goodToken(n, c.ttl) }
				cl := client(t, s)
				begin := time.Now()
				for _, at := range []time.Duration{0, c.good, c.renewed} {
					pass(time.Until(begin.Add(at)))
					if err := cl.Token(t.Context()); err != nil {
						t.Fatal(err)
					}
					want := 1
					if at == c.renewed {
						want = 2
					}
					if s.tokens != want {
						t.Errorf("%d tokens after %v, want %d", s.tokens, at, want)
					}
				}
			})
		})
	}
}

// Whatever an answer says of the token's lifetime, there is a token, and there are neither
// requests for one all the time nor none for ever.
func TestTokenLifetimes(t *testing.T) {
	const usual, shortest, longest = 4 * time.Minute, 7500 * time.Millisecond, 12*time.Hour - time.Minute
	for ttl, renewed := range map[string]time.Duration{
		"-1": usual, "0": usual, "-0.5": usual, "null": usual, "true": usual, "{}": usual, "[749]": usual, `""`: usual, `"soon"`: usual, `"NaN"`: usual, "-1e400": usual,
		"NaN": usual, "-Infinity": usual, "+749": usual, "0749": usual, "749,\"odd\":\"\x01\"": 689 * time.Second, `749,"token_type":7`: 689 * time.Second,
		"0.5": shortest, "1": shortest, "14.9": shortest, "15": shortest, `"15.0"`: shortest,
		"748.9": 688900 * time.Millisecond, `" 749 "`: 689 * time.Second, `"749"`: 689 * time.Second, "7.49e2": 689 * time.Second,
		"43200": longest, "43201": longest, "2147483648": longest, "99999999999999999999": longest, "1e300": longest, "1e400": longest, `"Infinity"`: longest,
	} {
		t.Run(ttl, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := says(reply{body: `[]`})
				s.token = func(n int) reply { return goodToken(n, ttl) }
				cl := client(t, s)
				begin := time.Now()
				for _, at := range []time.Duration{0, 0, renewed - 10*time.Millisecond, renewed + 10*time.Millisecond} {
					pass(time.Until(begin.Add(at)))
					if err := cl.Token(t.Context()); err != nil {
						t.Fatal(err)
					}
					want := 1
					if at > renewed {
						want = 2
					}
					if s.tokens != want {
						t.Fatalf("%d tokens after %v, want %d", s.tokens, at, want)
					}
				}
			})
		})
	}
}

// Whoever needs a token at the same time shares one request, also when the
// first of them gives up.
func TestTokenIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant()
		tn.Faults = always("/oauth/token", fault.Rule{Kind: fault.Slow, Delay: 5 * time.Second})
		cl := sailpoint.NewClient(config(tn))
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := cl.Token(impatient); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("impatient: %v", err)
			}
		})
		synctest.Wait()
		for range 8 {
			wg.Go(func() {
				if err := cl.Token(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := cl.Stats().TokenRequests; n != 1 {
			t.Errorf("%d requests for a token, want 1", n)
		}
	})
}

// With the last who waits the request ends, and the next caller begins anew.
func TestTokenRequestIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant()
		tn.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Slow, Delay: time.Hour, Nth: []int{1}}}}
		cl := sailpoint.NewClient(config(tn))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := cl.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := cl.Token(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTokenRequestTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant()
		tn.Faults = always("/oauth/token", fault.Rule{Kind: fault.Slow, Delay: time.Hour})
		begin := time.Now()
		err := sailpoint.NewClient(config(tn)).Token(t.Context())
		if retryable(err) == nil || time.Since(begin) != 30*time.Second {
			t.Errorf("got %v after %v, want an error to retry after 30s", err, time.Since(begin))
		}
	})
}

// A token endpoint that is down does not matter while the token is good.
func TestTokenOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := says(reply{body: `[]`})
		s.token = func(n int) reply {
			if n == 1 {
				return goodToken(n, "600")
			}
			return reply{status: 503}
		}
		cl := client(t, s)
		src := cl.Events()
		begin := time.Now()
		for time.Since(begin) < 599*time.Second {
			if _, err := window(t, src, ""); err != nil {
				t.Fatalf("after %v: %v", time.Since(begin), err)
			}
			pass(3 * time.Second)
		}
		if n := cl.Stats().TokenRequests; n > 8 {
			t.Errorf("%d requests for a token, want one every 10 s in the last minute", n)
		}
		pass(2 * time.Second)
		if _, err := window(t, src, ""); retryable(err) == nil {
			t.Errorf("with an expired token: %v, want an error to retry", err)
		}
	})
}

// A refused token is replaced once; a second refusal is an error.
func TestTokenRefused(t *testing.T) {
	jwt := reply{status: 401, body: `{"error":"JWT validation failed: JWT is expired"}`}
	for name, c := range map[string]struct {
		answers                 []reply
		requests, tokens        int
		failed                  bool
		requestsNext, tokenNext int // after a second fetch
	}{
		"once":  {[]reply{jwt, {body: `[]`}}, 2, 2, false, 3, 2},
		"twice": {[]reply{jwt, jwt, {body: `[]`}}, 2, 2, true, 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := inTurn(c.answers...)
			src := client(t, s).Events()
			_, err := window(t, src, "")
			if (err != nil) != c.failed || retryable(err) != nil {
				t.Errorf("got %v", err)
			}
			if c.failed && !strings.Contains(err.Error(), "JWT is expired") {
				t.Errorf("got %v, want what the service said", err)
			}
			if len(s.asked()) != c.requests || s.tokens != c.tokens {
				t.Errorf("%d requests and %d tokens, want %d and %d", len(s.asked()), s.tokens, c.requests, c.tokens)
			}
			if _, err := window(t, src, ""); err != nil {
				t.Error(err)
			}
			if len(s.asked()) != c.requestsNext || s.tokens != c.tokenNext {
				t.Errorf("then %d requests and %d tokens, want %d and %d", len(s.asked()), s.tokens, c.requestsNext, c.tokenNext)
			}
		})
	}
}

// Two streams whose token is refused at the same time need one new token, not two.
func TestTokenRefusedForBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant()
		// The second refusal comes when the first has led to a new token already.
		tn.Faults = &fault.Plan{Rules: []fault.Rule{
			{Kind: fault.Slow, Path: "/search", Delay: time.Second},
			{Kind: fault.Slow, Path: "/trigger", Delay: 5 * time.Second},
		}}
		cl := sailpoint.NewClient(config(tn))
		if err := cl.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		tn.RevokeTokens()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := cl.Events().Fetch(t.Context(), ""); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := cl.Triggers().Fetch(t.Context(), ""); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if n := cl.Stats().TokenRequests; n != 2 {
			t.Errorf("%d tokens, want 2", n)
		}
	})
}

func TestTokenErrors(t *testing.T) {
	json := map[string]string{"Content-Type": "application/json"}
	const remedy = "CLIENT_ID or CLIENT_SECRET is wrong, expired or deleted"
	type outcome struct {
		Retry bool
		After time.Duration
	}
	for name, c := range map[string]struct {
		token reply
		want  outcome
		text  []string
	}{
		"bad_secret":     {reply{401, json, `{"error":"invalid_client","error_description":"Bad client credentials"}`}, outcome{}, []string{"status 401 invalid_client", remedy}},
		"bad_secret_400": {reply{400, json, `{"error":"invalid_client"}`}, outcome{}, []string{"status 400 invalid_client", remedy}},
		"error_in_200":   {reply{200, json, `{"error":"invalid_client"}`}, outcome{}, []string{remedy}},
		"forbidden":      {reply{403, json, `{"error":"access_denied"}`}, outcome{}, []string{"status 403 access_denied", remedy}},
		"firewall":       {reply{403, nil, `<html><title>Request blocked</title>canary-body</html>`}, outcome{}, []string{`status 403 with a web page ("Request blocked"): the answer is not from acme.api.example but from something in between`}},
		"firewall_text":  {reply{403, nil, `canary-body`}, outcome{}, []string{"status 403 without an error code of OAuth", "allow requests of this machine to acme.api.example"}},
		"sign_in_page":   {reply{511, nil, `canary-body`}, outcome{}, []string{"this network requires a sign-in on a web page"}},
		"not_found":      {reply{404, nil, ``}, outcome{}, []string{"acme.api.example has no token endpoint", "TENANT_ID", "SAILPOINT_BASE_URL"}},
		"throttled":      {reply{429, map[string]string{"Retry-After": "7"}, `{"message":" Rate Limit Exceeded "}`}, outcome{true, 7 * time.Second}, []string{"status 429"}},
		"unavailable":    {reply{503, map[string]string{"Retry-After": "2"}, `canary-body`}, outcome{true, 2 * time.Second}, []string{"status 503"}},
		"html_200":       {reply{200, map[string]string{"Content-Type": "text/html"}, `<html>canary-body</html>`}, outcome{Retry: true}, []string{"status 200 with a web page", "SAILPOINT_BASE_URL"}},
		"list_200":       {reply{200, json, `["canary-body"]`}, outcome{Retry: true}, []string{"not an OAuth token"}},
		"no_token_200":   {reply{200, json, `{"expires_in":7}`}, outcome{Retry: true}, []string{"not an OAuth token"}},
		"damaged_200":    {reply{200, json, `{"access_token":"canary-body`}, outcome{Retry: true}, []string{"not an OAuth token"}},
		"too_large_200":  {reply{200, json, `{"access_token":"canary-body` + strings.Repeat("x", 2<<20) + `"}`}, outcome{Retry: true}, []string{"not an OAuth token"}},
		"odd_code":       {reply{400, json, `{"error":"canary-body=1","error_description":"canary-body"}`}, outcome{}, []string{remedy, "without an error code of OAuth"}},
		"filter_400":     {reply{400, json, `{"message":"canary-body"}`}, outcome{}, []string{"status 400 without an error code of OAuth", "something in between", "allow requests of this machine to acme.api.example", remedy}},
		"filter_401":     {reply{401, nil, `canary-body`}, outcome{}, []string{"status 401 without an error code of OAuth", "something in between", remedy}},
		"spring_400":     {reply{400, json, `{"status":400,"error":"Bad Request","path":"/oauth/token"}`}, outcome{}, []string{"status 400 without an error code of OAuth"}},
		"filter_451":     {reply{451, nil, `canary-body`}, outcome{}, []string{"status 451 without an error code of OAuth", "the answer is not from the token endpoint"}},
		"filter_413":     {reply{413, json, `{}`}, outcome{}, []string{"status 413 without an error code of OAuth", "the answer is not from the token endpoint"}},
		"token_in_lines": {reply{200, json, `{"access_token":"canary-body\r\nX: y","token_type":"bearer"}`}, outcome{Retry: true}, []string{"not an OAuth token"}},
		"token_with_nul": {reply{200, json, `{"access_token":"canary-body\u0000","token_type":"bearer"}`}, outcome{Retry: true}, []string{"not an OAuth token"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := says(reply{body: `[]`})
			s.token = func(int) reply { return c.token }
			err := client(t, s).Token(t.Context())
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
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats the answer: %v", err)
			}
		})
	}
}

// An answer that is labelled as plain text is a token all the same.
func TestTokenWithoutContentType(t *testing.T) {
	s := says(reply{body: `[]`})
	s.token = func(n int) reply {
		r := goodToken(n, "749")
		r.header = map[string]string{"Content-Type": "text/plain; charset=utf-8"}
		return r
	}
	if err := client(t, s).Token(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLegacyClientID(t *testing.T) {
	for id, hint := range map[string]bool{"abcdefgh12345678": true, clientID: false, "abcd-fgh12345678": false} {
		s := says(reply{body: `[]`})
		s.token = func(int) reply { return reply{status: 401} }
		cfg := config(s)
		cfg.ClientID = id
		err := sailpoint.NewClient(cfg).Token(t.Context())
		if err == nil || strings.Contains(err.Error(), "legacy") != hint {
			t.Errorf("%s: got %v, want a hint: %v", id, err, hint)
		}
	}
}

// The credentials travel in the body of the request, and only there.
func TestTokenRequest(t *testing.T) {
	var method, path, query, kind, auth, id, got, grant string
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, path, query, kind, auth = r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Content-Type"), r.Header.Get("Authorization")
		id, got, grant = r.PostFormValue("client_id"), r.PostFormValue("client_secret"), r.PostFormValue("grant_type")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(goodToken(1, "749").body))
	})
	if err := sailpoint.NewClient(config(h)).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"POST", "/oauth/token", "", "application/x-www-form-urlencoded", "", clientID, clientSecret, "client_credentials"}
	if diff := cmp.Diff(want, []string{method, path, query, kind, auth, id, got, grant}); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}
