package identityiq_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
)

const (
	plugin = "/identityiq/plugin/rest/SIEMPlugin/"
	scim   = "/identityiq/scim/v2/"
)

// client is a signed-in client of a server.
type client struct {
	t     *testing.T
	s     *identityiq.Server
	token string
}

func signIn(t *testing.T, s *identityiq.Server) *client {
	t.Helper()
	c := &client{t: t, s: s}
	status, body := c.ask(http.MethodPost, "/identityiq/oauth2/token", "grant_type=client_credentials")
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal([]byte(body), &answer) != nil || answer.AccessToken == "" {
		t.Fatalf("token: %d %s", status, body)
	}
	c.token = answer.AccessToken
	return c
}

func (c *client) ask(method, target, body string) (int, string) {
	c.t.Helper()
	req := httptest.NewRequestWithContext(c.t.Context(), method, "http://iiq.example"+target, strings.NewReader(body))
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	} else {
		req.SetBasicAuth("client", "secret")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	rec := httptest.NewRecorder()
	c.s.ServeHTTP(rec, req)
	text, err := io.ReadAll(rec.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return rec.Code, string(text)
}

// page is an answer of the plugin.
type page struct {
	ItemsPerPage, CurrentIndex, TotalResults int
	AuditEvents                              []struct{ ID string }
	Code                                     string
}

func (c *client) page(query url.Values) (p page) {
	c.t.Helper()
	status, body := c.ask(http.MethodGet, plugin+"audit-events?"+query.Encode(), "")
	if err := json.Unmarshal([]byte(body), &p); status != http.StatusOK || err != nil {
		c.t.Fatalf("%v: %d %.200s", query, status, body)
	}
	return p
}

func times(from, to int64, more ...string) url.Values {
	v := url.Values{"startTime": {strconv.FormatInt(from, 10)}, "endTime": {strconv.FormatInt(to, 10)}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

func TestTokenForms(t *testing.T) {
	for form, want := range map[identityiq.Form][2]int{
		identityiq.Either: {200, 200}, identityiq.InBody: {200, 400}, identityiq.InQuery: {400, 200},
	} {
		c := &client{t: t, s: &identityiq.Server{Token: form}}
		inBody, _ := c.ask(http.MethodPost, "/identityiq/oauth2/token", "grant_type=client_credentials")
		inQuery, _ := c.ask(http.MethodPost, "/identityiq/oauth2/token?grant_type=client_credentials", "")
		if got := [2]int{inBody, inQuery}; got != want {
			t.Errorf("form %q: got %v, want %v", form, got, want)
		}
	}
	c := &client{t: t, s: &identityiq.Server{ClientSecret: "other"}}
	if status, body := c.ask(http.MethodPost, "/identityiq/oauth2/token", "grant_type=client_credentials"); status != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %d %s", status, body)
	}
}

func TestEventParameters(t *testing.T) {
	now := time.UnixMilli(1_790_000_000_000)
	s := &identityiq.Server{Now: func() time.Time { return now }}
	for i := range 25 {
		created := now.Add(time.Duration(i-30) * time.Hour).Truncate(time.Second)
		s.AddAudit(identityiq.AuditEvent(i, created), created, time.Time{})
	}
	c := signIn(t, s)
	first, last := now.Add(-30*time.Hour).UnixMilli(), now.Add(-6*time.Hour).UnixMilli()
	for name, test := range map[string]struct {
		query         url.Values
		rows, total   int
		code, firstID string
	}{
		"both_exclusive":   {query: times(first, last), rows: 23, total: 23, firstID: identityiq.ID('a', 1)},
		"one_around":       {query: times(first-1, last+1), rows: 25, total: 25},
		"only_start":       {query: url.Values{"startTime": {strconv.FormatInt(last-1, 10)}}, rows: 1, total: 1},
		"whole_table":      {query: url.Values{}, rows: 25, total: 25},
		"page_3_of_10":     {query: times(first-1, last+1, "count", "10", "startIndex", "3"), rows: 5, total: 25, firstID: identityiq.ID('a', 20)},
		"behind_the_end":   {query: times(first-1, last+1, "count", "10", "startIndex", "4"), total: 25},
		"count_one":        {query: times(first-1, last+1, "count", "1"), rows: 1, total: 25},
		"index_error":      {query: url.Values{"startIndex": {"0"}}, code: "IndexError"},
		"count_error":      {query: url.Values{"count": {"0"}}, code: "CountError"},
		"time_error":       {query: times(last, first), code: "TimeError"},
		"negative":         {query: times(-5, first), code: "TimeError"},
		"not_a_number":     {query: url.Values{"startTime": {"2026-09-01"}}, rows: 18, total: 18},
		"odd_count_counts": {query: times(first-1, last+1, "count", "ten"), rows: 25, total: 25},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			p := c.page(test.query)
			if len(p.AuditEvents) != test.rows || p.ItemsPerPage != test.rows || p.TotalResults != test.total || p.Code != test.code {
				t.Errorf("%d rows, itemsPerPage %d, totalResults %d, code %q; want %d, %d, %q", len(p.AuditEvents), p.ItemsPerPage, p.TotalResults, p.Code, test.rows, test.total, test.code)
			}
			if test.firstID != "" && p.AuditEvents[0].ID != test.firstID {
				t.Errorf("first id %s, want %s", p.AuditEvents[0].ID, test.firstID)
			}
		})
	}
}

// The plugin's own limit bounds a page, whatever count says, and page numbers count in it.
func TestEventLimit(t *testing.T) {
	s := &identityiq.Server{EventLimit: 7}
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for i := range 20 {
		s.AddAudit(identityiq.AuditEvent(i, at), at, time.Time{})
	}
	c := signIn(t, s)
	got := map[string]bool{}
	for n := 1; n <= 3; n++ {
		for _, e := range c.page(times(at.UnixMilli()-1, at.UnixMilli()+1, "count", "5000", "startIndex", strconv.Itoa(n))).AuditEvents {
			got[e.ID] = true
		}
	}
	if len(got) != 20 {
		t.Errorf("%d rows on three pages of 7", len(got))
	}
}

func TestLateCommit(t *testing.T) {
	now := time.UnixMilli(1_790_000_000_000)
	s := &identityiq.Server{Now: func() time.Time { return now }}
	created := now.Add(-time.Hour)
	s.AddAudit(identityiq.AuditEvent(1, created), created, now.Add(10*time.Minute))
	c := signIn(t, s)
	query := times(created.UnixMilli()-1, created.UnixMilli()+1)
	before := c.page(query).TotalResults
	now = now.Add(10 * time.Minute)
	if after := c.page(query).TotalResults; before != 0 || after != 1 {
		t.Errorf("%d rows before the commit and %d after it", before, after)
	}
}

func TestAccess(t *testing.T) {
	for name, test := range map[string]struct {
		server *identityiq.Server
		path   string
		status int
		text   string
	}{
		"ping":            {&identityiq.Server{}, "/identityiq/rest/ping", 200, "Ping"},
		"plugin_absent":   {&identityiq.Server{Plugin: identityiq.NotFound}, plugin + "audit-events", 404, ""},
		"login_page":      {&identityiq.Server{Plugin: identityiq.LoginPage}, plugin + "audit-events", 200, "<html>"},
		"redirect":        {&identityiq.Server{Plugin: identityiq.Redirect}, plugin + "syslog-events", 302, ""},
		"right_missing":   {&identityiq.Server{Rights: []string{identityiq.RightSCIM}}, plugin + "audit-events", 403, ""},
		"scim":            {&identityiq.Server{Rights: []string{identityiq.RightSCIM}}, scim + "Alerts", 200, `"Resources":[]`},
		"no_scim":         {&identityiq.Server{Rights: []string{identityiq.RightEvents}}, scim + "Alerts", 403, ""},
		"foreign_path":    {&identityiq.Server{}, "/other/rest/ping", 404, "Not Found"},
		"another_context": {&identityiq.Server{Context: "/iiq8.3"}, "/iiq8.3/rest/ping", 200, "Ping"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &client{t: t, s: test.server}
			context := "/identityiq"
			if test.server.Context != "" {
				context = test.server.Context
			}
			_, body := c.ask(http.MethodPost, context+"/oauth2/token", "grant_type=client_credentials")
			var answer struct {
				AccessToken string `json:"access_token"`
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatal(err)
			}
			c.token = answer.AccessToken
			if status, body := c.ask(http.MethodGet, test.path, ""); status != test.status || !strings.Contains(body, test.text) {
				t.Errorf("%d %.100s, want %d with %q", status, body, test.status, test.text)
			}
			c.token = "another"
			if status, _ := c.ask(http.MethodGet, context+"/rest/ping", ""); status != http.StatusUnauthorized {
				t.Errorf("a foreign token: %d", status)
			}
		})
	}
}

func TestLists(t *testing.T) {
	s := &identityiq.Server{TextTotal: true}
	at := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	for i := range 5 {
		id, raw := identityiq.TaskResult(i, at, at.Add(time.Minute), "Success")
		s.Put(identityiq.TaskResults, id, raw)
	}
	id, raw := identityiq.TaskResult(2, at, at.Add(time.Hour), "Error")
	s.Put(identityiq.TaskResults, id, raw)
	c := signIn(t, s)
	status, body := c.ask(http.MethodGet, scim+"TaskResults?startIndex=3&count=2&sortBy=id", "")
	var got struct {
		TotalResults string
		Resources    []struct {
			ID               string
			CompletionStatus string
		}
	}
	if err := json.Unmarshal([]byte(body), &got); status != http.StatusOK || err != nil {
		t.Fatalf("%d %v %s", status, err, body)
	}
	if got.TotalResults != "5," || len(got.Resources) != 2 || got.Resources[0].ID != id || got.Resources[0].CompletionStatus != "Error" {
		t.Errorf("got %+v, want id %q", got, id)
	}
	if !strings.Contains(body, `"lastModified":"2026-09-01T08:00:00.000-05:00"`) {
		t.Errorf("times have no offset: %s", body)
	}
}

func TestViolationsAreNoted(t *testing.T) {
	s := &identityiq.Server{ClientSecret: "secret"}
	c := signIn(t, s)
	_, _ = c.ask(http.MethodGet, "/identityiq/rest/ping?access_token="+url.QueryEscape(c.token), "")
	_, _ = c.ask(http.MethodPost, scim+"Alerts", "{}")
	want := []string{"credentials in the URL of GET /identityiq/rest/ping", "POST /identityiq/scim/v2/Alerts: a collector only reads"}
	if diff := cmp.Diff(want, s.Violations()); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}
