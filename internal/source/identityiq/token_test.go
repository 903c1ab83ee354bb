package identityiq_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	stand "github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/source/identityiq"
)

// Both forms of a token request are in use; the one that works is remembered.
func TestTokenForms(t *testing.T) {
	for form, want := range map[stand.Form]int{stand.Either: 1, stand.InBody: 1, stand.InQuery: 2} {
		s := newServer()
		s.Token = form
		src := identityiq.NewClient(config(s)).Audits()
		for _, more := range []int{0, 1} {
			if _, err := src.Fetch(t.Context(), ""); err != nil {
				t.Fatalf("form %q: %v", form, err)
			}
			if n := s.Requests()[appContext+"/oauth2/token"]; n != want+more {
				t.Errorf("form %q: %d requests for a token, want %d", form, n, want+more)
			}
			s.RevokeTokens()
		}
		clean(t, s)
	}
}

// A token is renewed before it expires, and once where the server forgets it.
func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		src := identityiq.NewClient(config(s)).Audits()
		for range 60 {
			if _, err := src.Fetch(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
		}
		if n := s.Requests()[appContext+"/oauth2/token"]; n != 4 {
			t.Errorf("%d tokens in an hour, want one every 19 minutes", n)
		}
	})
}

// keeper is a secret that was replaced in its vault.
type keeper struct {
	secret.String
	now string
}

func (k *keeper) Renew(context.Context, secret.String) (secret.String, error) {
	return secret.New(k.now), nil
}

func TestSecretIsReplaced(t *testing.T) {
	s := newServer()
	cfg := config(s)
	cfg.ClientSecret = &keeper{secret.New("an old secret"), clientSecret}
	if _, err := identityiq.NewClient(cfg).Audits().Fetch(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

// No secret is in any error, whatever an answer repeats.
func TestSecretsStayInside(t *testing.T) {
	for name, c := range map[string]struct {
		rule fault.Rule
		want string
	}{
		"token_echo":     {fault.Rule{Kind: fault.Foreign, Path: appContext + "/oauth2/token", Status: 400, Header: "Content-Type: application/json", Body: `{"error":"invalid_request","error_description":"` + clientSecret + `"}`}, "does not accept the request for a token"},
		"unauthorized":   {fault.Rule{Kind: fault.Foreign, Path: appContext + "/oauth2/token", Status: 401, Body: clientSecret}, "IIQ_CLIENT_ID or IIQ_CLIENT_SECRET is wrong"},
		"page_echo":      {fault.Rule{Kind: fault.Foreign, Path: appContext + "/scim", Status: 500, Header: "Content-Type: text/html", Body: "<html><title>" + clientSecret + "</title>"}, "gateway"},
		"detail_echo":    {fault.Rule{Kind: fault.Foreign, Path: appContext + "/scim", Status: 400, Header: "Content-Type: application/json", Body: `{"detail":"` + clientSecret + `"}`}, "status 400"},
		"message_echo":   {fault.Rule{Kind: fault.Foreign, Path: appContext + "/scim", Header: "Content-Type: application/json", Body: `{"message":"` + clientSecret + `"}`}, "other than a list"},
		"token_is_page":  {fault.Rule{Kind: fault.Foreign, Path: appContext + "/oauth2/token", Header: "Content-Type: text/html", Body: "<html><title>Sign in " + clientSecret + "</title>"}, "IIQ_URL must end with the context"},
		"wrong_context":  {fault.Rule{Kind: fault.Foreign, Path: appContext + "/oauth2/token", Status: 404, Body: clientSecret}, "there is no token endpoint"},
		"empty_token":    {fault.Rule{Kind: fault.Foreign, Path: appContext + "/oauth2/token", Header: "Content-Type: application/json", Body: `{"access_token":""}`}, "not an OAuth token"},
		"scim_forbidden": {fault.Rule{Kind: fault.Foreign, Path: appContext + "/scim", Status: 403, Body: clientSecret}, "not allowed to read this"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.Faults = &fault.Plan{Rules: []fault.Rule{c.rule}}
			_, err := identityiq.NewClient(config(s)).Alerts().Fetch(t.Context(), "")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			for _, canary := range append(s.Tokens(), clientSecret) {
				if strings.Contains(fmt.Sprintf("%v %+v", err, err), canary) {
					t.Errorf("a secret is in %v", err)
				}
			}
			clean(t, s)
		})
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*stand.Server)
		streams []string
		want    map[string]string // the beginning of the verdict and a part of the detail, by item
	}{
		"sound":         {func(*stand.Server) {}, nil, map[string]string{"IIQ token": "ok: are accepted", "IdentityIQ": "ok: answers", "IIQ plugin": "ok: audit events can be read; the last 24 hours have 1", "IIQ lists": "ok: task results can be read; there are 0"}},
		"secret":        {func(s *stand.Server) { s.ClientSecret = "other" }, nil, map[string]string{"IIQ token": "failed: IIQ_CLIENT_SECRET is wrong", "IdentityIQ": "skipped: needs token", "IIQ plugin": "skipped: needs token", "IIQ lists": "skipped: needs token"}},
		"context":       {func(s *stand.Server) { s.Context = "/iiq" }, nil, map[string]string{"IIQ token": "failed: with its context", "IdentityIQ": "skipped: needs token", "IIQ plugin": "skipped: ", "IIQ lists": "skipped: "}},
		"plugin":        {func(s *stand.Server) { s.Plugin = stand.LoginPage }, nil, map[string]string{"IIQ token": "ok: ", "IdentityIQ": "ok: ", "IIQ plugin": "failed: SIEM plugin", "IIQ lists": "ok: "}},
		"right":         {func(s *stand.Server) { s.Rights = []string{stand.RightSCIM} }, nil, map[string]string{"IIQ token": "ok: ", "IdentityIQ": "ok: ", "IIQ plugin": "failed: siemextadministrator", "IIQ lists": "ok: "}},
		"lists":         {func(s *stand.Server) { s.Rights = []string{stand.RightEvents} }, nil, map[string]string{"IIQ token": "ok: ", "IdentityIQ": "ok: ", "IIQ plugin": "ok: ", "IIQ lists": "failed: IIQ_STREAMS"}},
		"without_audit": {func(s *stand.Server) { s.Plugin = stand.NotFound }, []string{"tasks"}, map[string]string{"IIQ token": "ok: ", "IdentityIQ": "ok: ", "IIQ lists": "ok: "}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			at := time.Now().Add(-time.Hour)
			s.AddAudit(stand.AuditEvent(1, at), at, time.Time{})
			c.change(s)
			cfg := config(s)
			if c.streams != nil {
				cfg.Streams = c.streams
			}
			got := map[string]check.Finding{}
			identityiq.Connect(cfg).Check(t.Context(), func(f check.Finding) { got[f.Item] = f })
			for item, want := range c.want {
				state, part, _ := strings.Cut(want, ": ")
				if f := got[item]; string(f.State) != state || !strings.Contains(f.Detail, part) {
					t.Errorf("%s: got %s, %s; want %s", item, f.State, f.Detail, want)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("%d findings, want %d: %v", len(got), len(c.want), got)
			}
			clean(t, s)
		})
	}
}

// A private CA is trusted through SSL_CERT_FILE alone: the error names it, and nothing skips the
// verification.
func TestPrivateCA(t *testing.T) {
	s := newServer()
	server := serveTLS(t, s)
	cfg := config(nil)
	cfg.HTTP = nil
	cfg.BaseURL.Host = strings.TrimPrefix(server, "https://")
	_, err := identityiq.NewClient(cfg).Alerts().Fetch(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), "SSL_CERT_FILE") || len(s.Requests()) > 0 {
		t.Errorf("got %v after %v", err, s.Requests())
	}
}

// A lifetime that is not a number costs nothing, and a huge one is not taken for none.
func TestOddTokenAnswers(t *testing.T) {
	for lifetime, requests := range map[string]int{`"NaN"`: 4, "NaN": 4, "-1": 4, "null": 4, "1e400": 1, `"86400"`: 1} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.TokenTTL = 24 * time.Hour
			cfg := config(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != appContext+"/oauth2/token" {
					s.ServeHTTP(w, r)
					return
				}
				answer := httptest.NewRecorder()
				s.ServeHTTP(answer, r)
				maps.Copy(w.Header(), answer.Header())
				w.Header().Del("Content-Length")
				w.WriteHeader(answer.Code)
				_, _ = w.Write(regexp.MustCompile(`"expires_in":\d+`).ReplaceAll(answer.Body.Bytes(), []byte(`"expires_in":`+lifetime)))
			}))
			src := identityiq.NewClient(cfg).Audits()
			for range 40 {
				if _, err := src.Fetch(t.Context(), ""); err != nil {
					t.Fatalf("%s: %v", lifetime, err)
				}
				<-time.After(time.Minute)
			}
			if n := s.Requests()[appContext+"/oauth2/token"]; n > requests {
				t.Errorf("%s: %d tokens in 40 minutes, want at most %d", lifetime, n, requests)
			}
		})
	}
}
