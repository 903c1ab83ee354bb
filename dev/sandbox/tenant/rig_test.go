package tenant_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

const base = "https://synthetic.api.identitynow.example"

// answer is what a client sees.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

// do sends a request to the tenant.
func do(t testing.TB, h http.Handler, method, path, token, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := fault.Transport(h).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(raw)}
}

// form is the body of a token request.
func form(grant, id, secret string) string {
	return url.Values{"grant_type": {grant}, "client_id": {id}, "client_secret": {secret}}.Encode()
}

// login gets a token for a client id.
func login(t testing.TB, h http.Handler, id string) string {
	t.Helper()
	got := do(t, h, http.MethodPost, "/oauth/token", "", form("client_credentials", id, "s3cret"), "Content-Type", "application/x-www-form-urlencoded")
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(got.Body), &body); err != nil || got.Status != http.StatusOK {
		t.Fatalf("token: %d %s (%v)", got.Status, got.Body, err)
	}
	return body.AccessToken
}

// ids returns the ids of a page, and fails if it is none.
func ids(t testing.TB, a answer) []string {
	t.Helper()
	var list []struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal([]byte(a.Body), &list, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("page: %d %.500s (%v)", a.Status, a.Body, err)
	}
	out := []string{}
	for _, e := range list {
		out = append(out, e.ID)
	}
	return out
}

// fixed is a clock that stands still.
func fixed(at time.Time) func() time.Time { return func() time.Time { return at } }

// noon is the moment of most tests.
func noon() time.Time { return time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC) }

// small is a tenant of five events: two ties, one without id, one without created
// time, one that is indexed late.
func small() *tenant.Tenant {
	t := &tenant.Tenant{Now: fixed(noon())}
	for _, raw := range []string{
		`{"id":"c","created":"2026-09-01T10:00:01.000Z","type":"AUTH","action":"AUTHENTICATION-103"}`,
		`{"id":"b","created":"2026-09-01T10:00:01.000Z","type":"SSO"}`,
		`{"created":"2026-09-01T10:00:01.000Z","type":"AUTH"}`,
		`{"id":"a","created":"2026-09-01T10:00:00.000Z","type":"AUTH"}`,
		`{"id":"n","created":null,"type":"SSO"}`,
	} {
		t.AddEvent([]byte(raw), time.Time{})
	}
	t.AddEvent([]byte(`{"id":"late","created":"2026-09-01T10:00:02.000Z"}`), noon().Add(time.Minute))
	return t
}

// pass lets time go by on the fake clock of a bubble.
func pass(d time.Duration) { <-time.After(d) }
