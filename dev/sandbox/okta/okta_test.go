package okta_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/okta"
)

const host = "acme.okta.com"

// clock is a clock that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newOrg() (*okta.Org, *clock) {
	c := &clock{time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)}
	return &okta.Org{Host: host, Now: c.now}, c
}

func event(id string, published, persisted time.Time) okta.Event {
	raw := fmt.Appendf(nil, `{"uuid":%q,"published":%q}`, id, published.Format("2006-01-02T15:04:05.000Z"))
	return okta.Event{UUID: id, Published: published, Persisted: persisted, Raw: raw}
}

// get sends a request with an API token, and returns the ids and the next link.
func get(t *testing.T, o *okta.Org, target string) (ids []string, next string, answer *http.Response) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	r.Header.Set("Authorization", "SSWS token")
	answer = serve(o, r)
	var list []struct {
		UUID string `json:"uuid"`
	}
	_ = json.NewDecoder(answer.Body).Decode(&list) // an error answer has no list
	for _, e := range list {
		ids = append(ids, e.UUID)
	}
	for _, line := range answer.Header.Values("Link") {
		if m := regexp.MustCompile(`^<(.*)>; rel="next"$`).FindStringSubmatch(line); m != nil {
			next = m[1]
		}
	}
	return ids, next, answer
}

func serve(o *okta.Org, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	return w.Result()
}

// A polling request follows the order in which events are persisted, and always has a next link.
func TestPolling(t *testing.T) {
	o, c := newOrg()
	begin := c.at
	o.Add(event("a", begin.Add(-3*time.Minute), time.Time{}), event("b", begin.Add(-2*time.Minute), time.Time{}),
		event("late", begin.Add(-150*time.Second), begin.Add(20*time.Minute)))
	ids, next, _ := get(t, o, "https://"+host+"/api/v1/logs?since=2026-09-01T11:00:00Z&sortOrder=ASCENDING&limit=1")
	if diff := cmp.Diff([]string{"a"}, ids); diff != "" {
		t.Error(diff)
	}
	ids, next, _ = get(t, o, next)
	if diff := cmp.Diff([]string{"b"}, ids); diff != "" {
		t.Error(diff)
	}
	ids, quiet, _ := get(t, o, next)
	if len(ids) != 0 || quiet != next {
		t.Errorf("an empty page has %v and the link %s, want the same again", ids, quiet)
	}
	c.at = begin.Add(20 * time.Minute)
	ids, _, _ = get(t, o, quiet)
	if diff := cmp.Diff([]string{"late"}, ids); diff != "" {
		t.Error(diff)
	}
}

// A bounded request is in the order of published, and its last page has no next link.
func TestBounded(t *testing.T) {
	o, c := newOrg()
	o.Add(event("b", c.at.Add(-2*time.Minute), time.Time{}), event("a", c.at.Add(-3*time.Minute), c.at.Add(-time.Minute)), event("c", c.at, time.Time{}))
	var all []string
	for at := "https://" + host + "/api/v1/logs?since=2026-09-01T11:00:00Z&until=2026-09-01T12:00:00Z&sortOrder=ASCENDING&limit=1"; at != ""; {
		ids, next, _ := get(t, o, at)
		all, at = append(all, ids...), next
	}
	if diff := cmp.Diff([]string{"a", "b"}, all); diff != "" {
		t.Error(diff)
	}
}

func TestRefusals(t *testing.T) {
	o, _ := newOrg()
	o.RefuseCursors = http.StatusBadRequest
	for name, query := range map[string]string{
		"since and after":  "since=2026-09-01T11:00:00Z&after=cF8xXzE",
		"limit":            "limit=1001",
		"since too old":    "since=2026-01-01T00:00:00Z",
		"after of another": "after=17",
		"after refused":    "after=cF8xXzE",
	} {
		if _, _, answer := get(t, o, "https://"+host+"/api/v1/logs?"+query); answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", name, answer.StatusCode)
		}
	}
}

// The limit holds for a minute of the org's clock, and each answer shows it.
func TestRateLimit(t *testing.T) {
	o, c := newOrg()
	o.RateLimit, o.Others = 5, 2
	for i := range 4 {
		_, _, answer := get(t, o, "https://"+host+"/api/v1/logs")
		want := []string{"2", "1", "0", "0"}[i]
		if got := answer.Header.Get("X-Rate-Limit-Remaining"); got != want || (answer.StatusCode == http.StatusTooManyRequests) != (i == 3) {
			t.Errorf("request %d: status %d, %s remain, want %s", i, answer.StatusCode, got, want)
		}
		if got, want := answer.Header.Get("X-Rate-Limit-Reset"), strconv.FormatInt(c.at.Unix()+60, 10); got != want {
			t.Errorf("reset %s, want %s", got, want)
		}
	}
	c.at = c.at.Add(time.Minute)
	if _, _, answer := get(t, o, "https://"+host+"/api/v1/logs"); answer.StatusCode != http.StatusOK {
		t.Errorf("status %d in the next minute", answer.StatusCode)
	}
}

var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// client is a client of the service app that a case can make err.
type client struct {
	o         *okta.Org
	now       time.Time
	assertion jwt.MapClaims
	proof     jwt.MapClaims
	header    map[string]any
	without   bool // a proof
}

func newClient(o *okta.Org, now time.Time) *client {
	o.App = &okta.App{ClientID: "0oaclient", Keys: map[string]crypto.PublicKey{"k1": appKey().Public()}}
	jwk := map[string]any{"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(appKey().N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(appKey().E)).Bytes())}
	return &client{
		o: o, now: now,
		assertion: jwt.MapClaims{"iss": "0oaclient", "sub": "0oaclient", "aud": "https://" + host + "/oauth2/v1/token", "exp": now.Add(5 * time.Minute).Unix()},
		proof:     jwt.MapClaims{"htm": http.MethodPost, "htu": "https://" + host + "/oauth2/v1/token", "iat": now.Unix()},
		header:    map[string]any{"typ": "dpop+jwt", "jwk": jwk},
	}
}

func sign(header map[string]any, claims jwt.MapClaims) string {
	if _, ok := claims["jti"]; !ok {
		claims["jti"] = rand.Text()
		defer delete(claims, "jti")
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	for name, value := range header {
		token.Header[name] = value
	}
	text, err := token.SignedString(appKey())
	if err != nil {
		panic(err)
	}
	return text
}

func (c *client) token(t *testing.T) (status int, answer map[string]any, nonce string) {
	t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {okta.ScopeLogs},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {sign(map[string]any{"kid": "k1"}, c.assertion)},
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+host+"/oauth2/v1/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !c.without {
		r.Header.Set("DPoP", sign(c.header, c.proof))
	}
	resp := serve(c.o, r)
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer, resp.Header.Get("DPoP-Nonce")
}

// A token is given for a right assertion and a right proof with a nonce, and serves only with proofs
// of the same key for itself.
func TestDPoP(t *testing.T) {
	o, clk := newOrg()
	c := newClient(o, clk.at)
	status, answer, nonce := c.token(t)
	if status != http.StatusBadRequest || answer["error"] != "use_dpop_nonce" || nonce == "" {
		t.Fatalf("the first request got %d %v, nonce %q", status, answer, nonce)
	}
	c.proof["nonce"] = nonce
	status, answer, _ = c.token(t)
	if status != http.StatusOK || answer["token_type"] != "DPoP" || answer["expires_in"] != 3600.0 {
		t.Fatalf("got %d %v", status, answer)
	}
	access, _ := answer["access_token"].(string)
	sum := sha256.Sum256([]byte(access))
	right := jwt.MapClaims{"htm": http.MethodGet, "htu": "https://" + host + "/api/v1/logs", "iat": clk.at.Unix(), "ath": base64.RawURLEncoding.EncodeToString(sum[:])}
	for name, want := range map[string]struct {
		scheme string
		change func(jwt.MapClaims)
		status int
	}{
		"right":       {"DPoP", func(jwt.MapClaims) {}, http.StatusOK},
		"as Bearer":   {"Bearer", func(jwt.MapClaims) {}, http.StatusUnauthorized},
		"other ath":   {"DPoP", func(m jwt.MapClaims) { m["ath"] = "x" }, http.StatusBadRequest},
		"other htu":   {"DPoP", func(m jwt.MapClaims) { m["htu"] = "https://" + host + "/api/v1/logs?limit=1" }, http.StatusBadRequest},
		"other htm":   {"DPoP", func(m jwt.MapClaims) { m["htm"] = "POST" }, http.StatusBadRequest},
		"old":         {"DPoP", func(m jwt.MapClaims) { m["iat"] = clk.at.Add(-6 * time.Minute).Unix() }, http.StatusBadRequest},
		"without jti": {"DPoP", func(m jwt.MapClaims) { m["jti"] = "" }, http.StatusBadRequest},
	} {
		claims := jwt.MapClaims{}
		for k, v := range right {
			claims[k] = v
		}
		want.change(claims)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/api/v1/logs?limit=7", nil)
		r.Header.Set("Authorization", want.scheme+" "+access)
		r.Header.Set("DPoP", sign(c.header, claims))
		if got := serve(o, r).StatusCode; got != want.status {
			t.Errorf("%s: status %d, want %d", name, got, want.status)
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*client)
		code   string
	}{
		"no proof":              {func(c *client) { c.without = true }, "invalid_dpop_proof"},
		"proof of another time": {func(c *client) { c.proof["iat"] = c.now.Add(10 * time.Minute).Unix() }, "invalid_dpop_proof"},
		"proof without its typ": {func(c *client) { c.header["typ"] = "JWT" }, "invalid_dpop_proof"},
		"private key in proof":  {func(c *client) { c.header["jwk"].(map[string]any)["d"] = "AQAB" }, "invalid_dpop_proof"},
		"assertion expired":     {func(c *client) { c.assertion["exp"] = c.now.Add(-time.Minute).Unix() }, "invalid_client"},
		"assertion too long":    {func(c *client) { c.assertion["exp"] = c.now.Add(2 * time.Hour).Unix() }, "invalid_client"},
		"audience":              {func(c *client) { c.assertion["aud"] = "https://" + host }, "invalid_client"},
		"subject":               {func(c *client) { c.assertion["sub"] = "other" }, "invalid_client"},
	} {
		o, clk := newOrg()
		c := newClient(o, clk.at)
		test.change(c)
		if status, answer, _ := c.token(t); status/100 != 4 || answer["error"] != test.code {
			t.Errorf("%s: got %d %v, want %s", name, status, answer, test.code)
		}
	}
}

func TestGeneratorMakesEvents(t *testing.T) {
	g := okta.Generator{Seed: 1}
	seen := map[string]bool{}
	for i := range 300 {
		var doc struct {
			UUID      string    `json:"uuid"`
			Published time.Time `json:"published"`
			Type      string    `json:"eventType"`
		}
		if err := json.Unmarshal(g.Raw(i), &doc); err != nil {
			t.Fatalf("event %d: %v\n%s", i, err, g.Raw(i))
		}
		if doc.UUID != g.UUID(i) || !doc.Published.Equal(g.Published(i)) || seen[doc.UUID] {
			t.Errorf("event %d is %+v", i, doc)
		}
		seen[doc.UUID] = true
	}
}
