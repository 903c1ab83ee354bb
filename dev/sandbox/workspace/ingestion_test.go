package workspace_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

const eventsStream = "Custom-SailPointIDN_Events"

func zip(text string) string {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func token(t *testing.T, c workspace.Credential, audience string) string {
	t.Helper()
	got, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + got.Token
}

// ingestion is a request that is right in everything that is not changed.
func ingestion(t *testing.T, body string, change func(*http.Request)) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/dataCollectionRules/"+workspace.DefaultRule+"/streams/"+eventsStream+"?api-version=2023-01-01", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", token(t, workspace.Credential{Now: at(noon)}, "https://monitor.azure.com"))
	if change != nil {
		change(r)
	}
	return r
}

func ruled(more ...schema.Table) *workspace.Workspace {
	return &workspace.Workspace{Now: at(noon), Rules: map[string]*workspace.Rule{workspace.DefaultRule: workspace.NewRule(more...)}}
}

func TestIngestionAnswers(t *testing.T) {
	zipped := func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }
	path := func(rule, stream, version string) func(*http.Request) {
		return func(r *http.Request) {
			r.URL.Path, r.URL.RawQuery = "/dataCollectionRules/"+rule+"/streams/"+stream, "api-version="+version
		}
	}
	authorized := func(text string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", text) }
	}
	for name, c := range map[string]struct {
		body   string
		change func(*http.Request)
		status int
		code   string
	}{
		"plain":          {`[{"id":"1"}]`, nil, 204, ""},
		"zipped":         {zip(`[{"id":"1"}]`), zipped, 204, ""},
		"empty_array":    {`[]`, nil, 204, ""},
		"object":         {`{"id":"1"}`, nil, 400, "InvalidPayload"},
		"no_objects":     {`[1]`, nil, 400, "InvalidPayload"},
		"cut":            {`[{"id":"1"}`, nil, 400, "InvalidPayload"},
		"not_zipped":     {`[]`, zipped, 400, "InvalidGzipPayload"},
		"zip_cut":        {zip(`[{"id":"1"}]`)[:20], zipped, 400, "InvalidGzipPayload"},
		"other_encoding": {`[]`, func(r *http.Request) { r.Header.Set("Content-Encoding", "br") }, 400, "UnsupportedContentEncoding"},
		"largest":        {"[" + strings.Repeat(" ", 1<<20-2) + "]", nil, 204, ""},
		"too_large":      {"[" + strings.Repeat(" ", 1<<20-1) + "]", nil, 413, "ContentLengthLimitExceeded"},
		"version":        {`[]`, path(workspace.DefaultRule, eventsStream, "2021-11-01-preview"), 400, "InvalidApiVersion"},
		"no_rule":        {`[]`, path("dcr-00000000000000000000000000000000", eventsStream, "2023-01-01"), 404, "NotFound"},
		"no_stream":      {`[]`, path(workspace.DefaultRule, "Custom-Other", "2023-01-01"), 404, "InvalidStream"},
		"type":           {`[]`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 400, "InvalidContentType"},
		"method":         {``, func(r *http.Request) { r.Method = http.MethodPut }, 405, "MethodNotAllowed"},
		"no_token":       {`[]`, authorized(""), 401, "InvalidToken"},
		"forged":         {`[]`, authorized("Bearer a.b.c"), 401, "InvalidToken"},
		"audience":       {`[]`, authorized(token(t, workspace.Credential{Now: at(noon)}, "https://management.azure.com")), 401, "InvalidToken"},
		"double_slash":   {`[]`, authorized(token(t, workspace.Credential{Now: at(noon)}, "https://monitor.azure.com/")), 204, ""},
		"expired":        {`[]`, authorized(token(t, workspace.Credential{Now: at(noon.Add(-time.Hour))}, "https://monitor.azure.com")), 401, "InvalidToken"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			ruled().ServeHTTP(rec, ingestion(t, c.body, c.change))
			if rec.Code != c.status || rec.Header().Get("x-ms-error-code") != c.code || rec.Header().Get("x-ms-request-id") == "" {
				t.Errorf("status %d, code %q, request %q, %s", rec.Code, rec.Header().Get("x-ms-error-code"), rec.Header().Get("x-ms-request-id"), rec.Body)
			}
			if c.code != "" && !strings.HasPrefix(rec.Body.String(), `{"error":{"code":"`+c.code+`","message":"`) {
				t.Errorf("body %s", rec.Body)
			}
		})
	}
}

func TestRoleAndRate(t *testing.T) {
	ws := ruled()
	rule := ws.Rules[workspace.DefaultRule]
	rule.Granted, rule.RequestsPerMinute = noon.Add(time.Minute), 2
	now := noon
	ws.Now = func() time.Time { return now }
	var got []int
	for _, seconds := range []int{0, 59, 60, 60, 61, 119, 120} {
		now = noon.Add(time.Duration(seconds) * time.Second)
		rec := httptest.NewRecorder()
		ws.ServeHTTP(rec, ingestion(t, `[]`, nil))
		got = append(got, rec.Code)
		if after := rec.Header().Get("Retry-After"); (rec.Code == 429) != (after != "") || seconds == 61 && after != "59" {
			t.Errorf("after %d s: status %d, Retry-After %q", seconds, rec.Code, after)
		}
	}
	if diff := cmp.Diff([]int{403, 403, 204, 204, 429, 429, 204}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBrokenRule(t *testing.T) {
	ws := ruled()
	ws.Rules[workspace.DefaultRule].Broken = "InvalidSomething"
	for _, body := range []string{`[]`, `[{"id":"1"}]`} {
		rec := httptest.NewRecorder()
		ws.ServeHTTP(rec, ingestion(t, body, nil))
		if rec.Code != 400 || rec.Header().Get("x-ms-error-code") != "InvalidSomething" || ws.Stats().Rows != 0 {
			t.Errorf("%s: %d %s", body, rec.Code, rec.Body)
		}
	}
}

// What the rule makes of an event is what the Data Collector API makes of it, as
// far as the table has the columns.
func TestMappedRow(t *testing.T) {
	const event = `{"id":"8145d82213a744ad859c36f31a84f6dd","created":"2026-09-02T11:59:00.123Z","synced":"2026-09-02T11:59:01Z","type":"AUTH","action":"A","technicalName":"T","name":"N",
		"operation":"O","status":"PASSED","actor":{"name":"ann","id":"8145d82213a744ad859c36f31a84f6dd"},"target":{"name":"8145d82213a744ad859c36f31a84f6dd"},"objects":["A", "B"],
		"details":"text","trackingNumber":"x","ipAddress":"10.1.2.3","org":"acme","pod":"p","stack":"s","_type":"event","_version":"v7",
		"attributes":{"sourceName":"AD","info":"8145d822-13a7-44ad-859c-36f31a84f6dd","groupsDeltaToken_after":"g","disabled":{"before":"true"},"nested":{"x":1}}}`
	ws := ruled(schema.ISC())
	rec := httptest.NewRecorder()
	ws.ServeHTTP(rec, ingestion(t, "["+event+"]", nil))
	serve(ws, post{body: "[" + event + "]", header: map[string]string{"Log-Type": "Classic", "time-generated-field": "created"}}.request(noon))
	if rec.Code != 204 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	classic, row := ws.Table("Classic").Rows()[0], ws.Table("SailPointIDN_Events").Rows()[0]
	same := 0
	for name, value := range classic {
		if own, ok := row[name]; ok && name != "Type" {
			same++
			if own != value {
				t.Errorf("%s is %q, in the classic table %q", name, own, value)
			}
		}
	}
	if same < 20 {
		t.Errorf("%d columns in common", same)
	}
	for name, want := range map[string]string{
		"TimeGenerated": "2026-09-02T11:59:00.123Z", "id_g": "8145d822-13a7-44ad-859c-36f31a84f6dd", "id_s": "", "actor_name_s": "ann", "actor_name_g": "",
		"target_name_g": "8145d822-13a7-44ad-859c-36f31a84f6dd", "attributes_info_g": "8145d822-13a7-44ad-859c-36f31a84f6dd", "attributes_groupsDeltaToken_after_s": "g",
		"attributes_disabled_before_s": "true", "objects_s": `["A","B"]`, "docVersion_s": "v7", "actor_id_s": "8145d82213a744ad859c36f31a84f6dd",
		"Target": `{"name":"8145d82213a744ad859c36f31a84f6dd"}`,
	} {
		if row[name] != want {
			t.Errorf("%s is %q, want %q", name, row[name], want)
		}
	}
	isc := ws.Table("SailPointISC_Events").Rows()[0]
	if isc["EventType"] != "AUTH" || isc["SourceSystem"] != "RestAPI" || isc["ActorName"] != "ann" || isc["AttributesGroupsDeltaTokenAfter"] != "g" {
		t.Errorf("ISC row %v", isc)
	}
	if stats := ws.Stats(); stats.Rows != 2 {
		t.Errorf("a row that fills two tables counts once: %+v", stats)
	}
	for _, name := range []string{"SailPointIDN_Events", "SailPointISC_Events"} {
		if losses := ws.Table(name).Losses(); losses != nil {
			t.Errorf("%s: losses %q", name, losses)
		}
	}
}

// The service says 204 to all of this.
func TestIngestionLosses(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"undeclared":  {`{"id":"1","newField":1}`, `row 1: member "newField" is not declared: dropped`},
		"other_type":  {`{"id":1}`, `row 1: value of id is not a string: dropped`},
		"no_time":     {`{"created":"yesterday"}`, `row 1: value of created is not a datetime: dropped`},
		"long":        {`{"name":"` + strings.Repeat("x", 65537) + `"}`, `row 1: value of name has 65537 bytes, more than 65536`},
		"long_object": {`{"attributes":{"a":"` + strings.Repeat("x", 65537) + `"}}`, `row 1: value of attributes has 65545 bytes, more than 65536`},
		"twice":       {`{"id":"1","id":"2"}`, `row 1: name "id" twice in one object`},
		"digits":      {`{"attributes":{"n":12345678901234567890}}`, `row 1: digits of attributes`},
	} {
		t.Run(name, func(t *testing.T) {
			ws := ruled()
			rec := httptest.NewRecorder()
			ws.ServeHTTP(rec, ingestion(t, "["+c.body+"]", nil))
			losses := ws.Table("SailPointIDN_Events").Losses()
			if rec.Code != 204 || len(losses) == 0 || losses[0] != c.want {
				t.Errorf("%d, losses %q, want %q first", rec.Code, losses, c.want)
			}
		})
	}
	t.Run("more than 50 MiB", func(t *testing.T) {
		ws := ruled()
		rec := httptest.NewRecorder()
		ws.ServeHTTP(rec, ingestion(t, zip(`[{"id":"1"},`+strings.Repeat(" ", 50<<20)+`{"id":"2"}]`), func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }))
		events := ws.Table("SailPointIDN_Events")
		if rec.Code != 204 || events.Count() != 0 || len(events.Losses()) != 1 {
			t.Errorf("%d, %d rows, losses %q", rec.Code, events.Count(), events.Losses())
		}
	})
}

func TestMappedTimeGenerated(t *testing.T) {
	for created, want := range map[string]string{
		`"2026-09-02T11:59:00Z"`: "2026-09-02T11:59:00Z",
		`"2026-08-31T12:00:01Z"`: "2026-08-31T12:00:01Z",
		`"2026-08-31T11:59:59Z"`: "2026-09-02T12:00:00Z",
		`"2026-09-03T12:00:01Z"`: "2026-09-02T12:00:00Z",
		`null`:                   "2026-09-02T12:00:00Z",
	} {
		ws := ruled()
		ws.ServeHTTP(httptest.NewRecorder(), ingestion(t, fmt.Sprintf(`[{"created":%s}]`, created), nil))
		if got := ws.Table("SailPointIDN_Events").Rows()[0]["TimeGenerated"]; got != want {
			t.Errorf("created %s: %s, want %s", created, got, want)
		}
	}
}

// A process finds its identity as in a function app.
func TestIdentity(t *testing.T) {
	server := httptest.NewServer(workspace.Identity())
	defer server.Close()
	t.Setenv("IDENTITY_ENDPOINT", server.URL+"/msi/token")
	t.Setenv("IDENTITY_HEADER", workspace.IdentityHeader)
	credential, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://monitor.azure.com/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	ws := ruled()
	ws.Now = nil
	rec := httptest.NewRecorder()
	ws.ServeHTTP(rec, ingestion(t, `[]`, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+got.Token) }))
	if rec.Code != 204 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	stranger := httptest.NewRecorder() // the SDK would give it the token that it keeps
	workspace.Identity().ServeHTTP(stranger, httptest.NewRequest(http.MethodGet, "/msi/token?api-version=2019-08-01&resource=https://monitor.azure.com", http.NoBody))
	if stranger.Code != http.StatusBadRequest {
		t.Errorf("a token for a stranger: %d %s", stranger.Code, stranger.Body)
	}
}
