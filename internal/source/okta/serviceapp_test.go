package okta_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	source "github.com/idn-sentinel/idn-sentinel/internal/source/okta"
)

var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func appPEM() string {
	raw, err := x509.MarshalPKCS8PrivateKey(appKey())
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

// newApp is an org with a service app, and how to sign in to it.
func newApp() (*okta.Org, source.Config) {
	o := newOrg()
	o.App = &okta.App{ClientID: "0oa1client", Keys: map[string]crypto.PublicKey{"": appKey().Public()}}
	cfg := config(o)
	cfg.Token, cfg.ClientID, cfg.PrivateKey = nil, "0oa1client", secret.New(appPEM())
	return o, cfg
}

// One token serves for an hour, got with a proof at once and no failed grant in the org's log.
func TestServiceApp(t *testing.T) {
	for name, change := range map[string]func(*okta.App){
		"DPoP":           func(*okta.App) {},
		"without DPoP":   func(a *okta.App) { a.NoDPoP = true },
		"nonces rotated": func(a *okta.App) { a.NonceLife, a.StrictNonce = 10*time.Minute, true },
		"nonces for the log": func(a *okta.App) {
			a.NonceLife, a.StrictNonce, a.NonceAtLog = 10*time.Minute, true, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o, cfg := newApp()
				change(o.App)
				want := fill(o, 250)
				cfg.PageSize = 100
				s := source.NewClient(cfg).Logs()
				ids, at := walk(t, s, "")
				if len(ids) != len(want) {
					t.Errorf("%d events came of %d", len(ids), len(want))
				}
				for range 3 { // over the life of three tokens
					<-time.After(61 * time.Minute)
					_, at = walk(t, s, at)
				}
				requests, failed := o.Tokens()
				if failed > 0 || requests > 8 {
					t.Errorf("%d requests for tokens, %d of which failed", requests, failed)
				}
				// The org may revoke a token before its time.
				<-time.After(5 * time.Minute)
				o.RevokeTokens()
				walk(t, s, at)
			})
		})
	}
}

func TestServiceAppFailures(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*okta.Org, *source.Config)
		want   []string
	}{
		"another key": {func(o *okta.Org, _ *source.Config) {
			other, _ := rsa.GenerateKey(rand.Reader, 2048)
			o.App.Keys[""] = other.Public()
		}, []string{"invalid_client", "OKTA_PRIVATE_KEY"}},
		"scope": {func(o *okta.Org, _ *source.Config) { o.App.Scopes = []string{"okta.users.read"} }, []string{"invalid_scope", "okta.logs.read"}},
		"role":  {func(o *okta.Org, _ *source.Config) { o.NoRole = true }, []string{"403", "Admin roles"}},
		"clock ahead": {func(o *okta.Org, _ *source.Config) {
			o.Now = func() time.Time { return time.Now().Add(-10 * time.Minute) }
		}, []string{"invalid_dpop_proof", "clock is 10m0s ahead"}},
		"clock behind": {func(o *okta.Org, _ *source.Config) {
			o.Now = func() time.Time { return time.Now().Add(10 * time.Minute) }
		}, []string{"clock is 10m0s behind"}},
		"key from a vault": {func(_ *okta.Org, c *source.Config) { c.PrivateKey = secret.New("canary-not-a-key") }, []string{"OKTA_PRIVATE_KEY", "neither PEM"}},
		"no app":           {func(o *okta.Org, _ *source.Config) { o.App = nil }, []string{"invalid_client", "OKTA_CLIENT_ID"}},
		"html":             {func(o *okta.Org, _ *source.Config) { o.Page = []byte("<html><title>Sign In</title></html>") }, []string{"web page", "OKTA_ORG_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o, cfg := newApp()
				fill(o, 10)
				test.change(o, &cfg)
				_, err := source.NewClient(cfg).Logs().Fetch(t.Context(), "")
				if err == nil {
					t.Fatal("no error")
				}
				text := err.Error()
				for _, w := range test.want {
					if !strings.Contains(text, w) {
						t.Errorf("the error lacks %q: %v", w, err)
					}
				}
				for _, s := range append(o.Access(), "canary", "eyJ", appPEM()[40:80]) {
					if strings.Contains(text, s) || strings.Contains(fmt.Sprintf("%+v", cfg), "canary") {
						t.Errorf("a secret is shown: %v", err)
					}
				}
			})
		})
	}
}

// An outage of the token endpoint is worth another try, and does not stop what has a valid token.
func TestTokenOutage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o, cfg := newApp()
		want := fill(o, 50)
		o.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Unavailable, Path: okta.TokenPath, Nth: []int{1, 4}}}}
		s := source.NewClient(cfg).Logs()
		ids, at := walk(t, s, "")
		if len(ids) != len(want) {
			t.Errorf("%d events came of %d", len(ids), len(want))
		}
		<-time.After(59*time.Minute + 10*time.Second) // about to expire
		if _, err := s.Fetch(t.Context(), at); err != nil {
			t.Error(err)
		}
		if n := o.Requests()[okta.TokenPath]; n != 4 {
			t.Errorf("%d requests for tokens", n)
		}
	})
}

// Whatever surrounds a token, and whatever is said of its lifetime, the log is read.
func TestOddTokenAnswers(t *testing.T) {
	for _, lifetime := range []string{`"3600"`, "1e400", "-1", "NaN", "null", "3600,\"odd\":\"\x01\""} {
		inBubble(t, func(t *testing.T) {
			o, cfg := newApp()
			want := fill(o, 10)
			cfg.HTTP = &http.Client{Transport: fault.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != okta.TokenPath {
					o.ServeHTTP(w, r)
					return
				}
				answer := httptest.NewRecorder()
				o.ServeHTTP(answer, r)
				maps.Copy(w.Header(), answer.Header())
				w.Header().Del("Content-Length")
				w.WriteHeader(answer.Code)
				_, _ = w.Write(bytes.Replace(answer.Body.Bytes(), []byte(`"expires_in":3600`), []byte(`"expires_in":`+lifetime), 1))
			}))}
			if ids, _ := walk(t, source.NewClient(cfg).Logs(), ""); len(ids) != len(want) {
				t.Errorf("%q: %d events came of %d", lifetime, len(ids), len(want))
			}
		})
	}
}
