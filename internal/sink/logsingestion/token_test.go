package logsingestion_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
)

// scripted is a credential that counts, and fails on purpose.
type scripted struct {
	err    error
	life   time.Duration
	always string        // the same token each time
	stated time.Duration // what the token says of its life; 0 is the truth

	mu    sync.Mutex
	asked []policy.TokenRequestOptions
}

func (s *scripted) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, o)
	if s.err != nil {
		return azcore.AccessToken{}, s.err
	}
	token, err := workspace.Credential{Life: s.life}.GetToken(ctx, o)
	if s.stated != 0 {
		token.ExpiresOn = time.Now().Add(s.stated)
	}
	if s.always != "" {
		token.Token = s.always
	}
	return token, err
}

// with opens a sink with a credential.
func with(t *testing.T, service http.Handler, c azcore.TokenCredential) *logsingestion.Sink {
	return open(t, service, func(cfg *logsingestion.Config) { cfg.Credential = c })
}

// One token serves many writes, and is replaced before it ends.
func TestTokenIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &scripted{life: time.Hour}
		sink := with(t, newWorkspace(), c)
		for range 120 {
			if err := sink.Write(t.Context(), stream, batch(1)); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
		}
		if len(c.asked) != 3 {
			t.Errorf("asked %d times in two hours, want 3", len(c.asked))
		}
	})
}

// Whatever a token says about its end, the credential is not asked with every batch, and a token
// that lasts for ever is used for ever.
func TestTokenLifetimes(t *testing.T) {
	for name, test := range map[string]struct {
		life time.Duration
		most int // askings within ten minutes
	}{
		"ended ten days ago": {-240 * time.Hour, 21},
		"ends now":           {-time.Nanosecond, 21},
		"ends in a minute":   {time.Minute, 21},
		"ten years":          {10 * 365 * 24 * time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &scripted{life: time.Hour, stated: test.life}
				sink := with(t, newWorkspace(), c)
				for range 600 {
					if err := sink.Write(t.Context(), stream, batch(1)); err != nil {
						t.Fatal(err)
					}
					<-time.After(time.Second)
				}
				if len(c.asked) > test.most {
					t.Errorf("asked %d times in ten minutes, want at most %d", len(c.asked), test.most)
				}
			})
		})
	}
}

// An identity service that is down does no harm while the token lasts.
func TestTokenOutlivesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &scripted{life: time.Hour}
		sink := with(t, newWorkspace(), c)
		if err := sink.Write(t.Context(), stream, batch(1)); err != nil {
			t.Fatal(err)
		}
		c.err = errors.New("down")
		<-time.After(58 * time.Minute)
		if err := sink.Write(t.Context(), stream, batch(1)); err != nil {
			t.Errorf("with two minutes left: %v", err)
		}
		<-time.After(2 * time.Minute)
		if err := sink.Write(t.Context(), stream, batch(1)); kindOf(err) != "retryable" {
			t.Errorf("with none left: %v", err)
		}
	})
}

func TestAudiences(t *testing.T) {
	for host, audience := range map[string]string{
		"x.westeurope-1.ingest.monitor.azure.com":   "https://monitor.azure.com",
		"x.usgovvirginia-1.ingest.monitor.azure.us": "https://monitor.azure.us",
		"X.CHINANORTH3-1.INGEST.MONITOR.AZURE.CN":   "https://monitor.azure.cn",
		"127.0.0.1:1": "https://monitor.azure.com",
	} {
		t.Run(host, func(t *testing.T) {
			c := &scripted{}
			ws := newWorkspace()
			ws.Rules[workspace.DefaultRule].Audience = audience
			sink := open(t, ws, func(cfg *logsingestion.Config) { cfg.Endpoint, cfg.Credential = at("https://"+host), c })
			if err := sink.Write(t.Context(), stream, batch(1)); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{audience + "/.default"}, c.asked[0].Scopes); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
		})
	}
}

// A refused token is replaced once, with the claims that were asked for.
func TestRefusedToken(t *testing.T) {
	const claims = `{"access_token":{"nbf":{"essential":true}}}`
	refuse := func(times int, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if times--; times >= 0 {
				w.Header().Set("WWW-Authenticate", `Bearer realm="", error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(claims))+`"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	t.Run("once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ws, c := newWorkspace(), &stepping{}
			sink := with(t, refuse(1, ws), c)
			if err := sink.Write(t.Context(), stream, batch(2)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"", claims}, c.claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			if ws.Table(stream).Count() != 2 {
				t.Errorf("%d rows", ws.Table(stream).Count())
			}
		})
	})
	t.Run("twice", func(t *testing.T) {
		c := &stepping{}
		err := with(t, refuse(9, newWorkspace()), c).Write(t.Context(), stream, batch(2))
		if kindOf(err) != "permanent" || len(c.claims) != 2 {
			t.Errorf("%v after %d tokens", err, len(c.claims))
		}
	})
	t.Run("no other token", func(t *testing.T) {
		c := &scripted{always: "one"}
		requests := 0
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { requests++; w.WriteHeader(http.StatusUnauthorized) })
		if err := with(t, h, c).Write(t.Context(), stream, batch(2)); kindOf(err) != "permanent" || requests != 2 {
			t.Errorf("%v after %d requests", err, requests)
		}
	})
	t.Run("by a fault", func(t *testing.T) {
		ws := newWorkspace()
		ws.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Unauthorized, Nth: []int{1}}}}
		if err := with(t, ws, &stepping{}).Write(t.Context(), stream, batch(2)); err != nil {
			t.Error(err)
		}
	})
}

// stepping gives another token each time.
type stepping struct{ claims []string }

func (s *stepping) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	s.claims = append(s.claims, o.Claims)
	return workspace.Credential{Life: time.Hour + time.Duration(len(s.claims))*time.Second}.GetToken(ctx, o)
}

// final is an error that says of itself that it won't go away.
type final struct{ error }

func (final) NonRetriable() {}

func TestNoToken(t *testing.T) {
	long := "first line\n" + strings.Repeat("RESPONSE {\"secret\":\"canary\"}\n", 100)
	for name, c := range map[string]struct {
		err  error
		kind string
		text string
	}{
		"unavailable":  {final{errors.New("no managed identity endpoint found")}, "permanent", "no managed identity endpoint found"},
		"bad_identity": {&azidentity.AuthenticationFailedError{RawResponse: &http.Response{StatusCode: http.StatusBadRequest, Status: "400 Bad Request", Header: http.Header{}, Body: http.NoBody}}, "permanent", "authentication failed"},
		"busy":         {&azidentity.AuthenticationFailedError{RawResponse: &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody}}, "retryable", "no token"},
		"network":      {errors.New(long), "retryable", "first line"},
		"address": {
			errors.New(`Get "http://127.0.0.1:1/msi?resource=canary": connection refused. To troubleshoot, visit https://aka.ms/x?canary`), "retryable",
			`Get "http://127.0.0.1:1/msi": connection refused: give the function app`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := with(t, newWorkspace(), &scripted{err: c.err}).Write(t.Context(), stream, batch(1))
			for _, word := range []string{c.text, "no token for https://monitor.azure.com", "AZURE_CLIENT_ID"} {
				if !strings.Contains(fmt.Sprint(err), word) {
					t.Errorf("%q is missing in: %v", word, err)
				}
			}
			if kindOf(err) != c.kind || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "canary") {
				t.Errorf("%s: %v", kindOf(err), err)
			}
		})
	}
}

// Waiting for a token ends with the context.
func TestCancelledForAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := with(t, newWorkspace(), waiting{})
		stop := errors.New("run budget is spent")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, stop)
		defer cancel()
		for range 2 { // one at work, one in the queue
			go func() { _ = sink.Write(ctx, stream, batch(1)) }()
		}
		if err := sink.Write(ctx, stream, batch(1)); !errors.Is(err, stop) || kindOf(err) != "permanent" {
			t.Errorf("got %v", err)
		}
	})
}

// waiting is a credential that never comes back by itself.
type waiting struct{}

func (waiting) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	<-ctx.Done()
	return azcore.AccessToken{}, ctx.Err()
}
