package workspace_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

// noon is a moment that tests set the clock to.
var noon = time.Date(2026, 9, 2, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// post is a request that the service takes; a case changes one thing of it.
type post struct {
	method, path, body string
	header             map[string]string // nil values come from valid
	unsigned           bool              // Authorization is as in header
	key                string
	chunked            bool
}

// valid completes the post and signs it.
func (p post) request(date time.Time) *http.Request {
	if p.method == "" {
		p.method = http.MethodPost
	}
	if p.path == "" {
		p.path = "/api/logs?api-version=2016-04-01"
	}
	r := httptest.NewRequest(p.method, p.path, strings.NewReader(p.body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Log-Type", "T")
	r.Header.Set("x-ms-date", date.UTC().Format(http.TimeFormat))
	for name, value := range p.header {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
	if !p.unsigned {
		key := p.key
		if key == "" {
			key = workspace.DefaultKey
		}
		secret, _ := base64.StdEncoding.DecodeString(key)
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "POST\n%d\n%s\nx-ms-date:%s\n/api/logs", len(p.body), r.Header.Get("Content-Type"), r.Header.Get("x-ms-date"))
		r.Header.Set("Authorization", "SharedKey "+workspace.DefaultID+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if p.chunked {
		r.ContentLength = -1
	}
	return r
}

type answer struct {
	Status int
	Code   string
}

func serve(ws *workspace.Workspace, r *http.Request) answer {
	rec := httptest.NewRecorder()
	ws.ServeHTTP(rec, r)
	_, code, _ := strings.Cut(rec.Body.String(), `{"Error":"`)
	code, _, _ = strings.Cut(code, `"`)
	return answer{rec.Code, code}
}

// The vectors of the signature are facts about the service, not about this code.
func TestSignatureVectors(t *testing.T) {
	for name, c := range map[string]struct {
		body, date, signature string
		want                  answer
	}{
		"ascii": {
			`[{"id":"1","status":"PASSED"}]`, "Mon, 04 Apr 2016 08:00:00 GMT", "uu/NY4o9tgxRJo749S9zuwtk7PNc1xtw74I+2SIZZm0=",
			answer{200, ""},
		},
		"more_bytes_than_characters": {
			`[{"id":"2","actor":{"name":"Zoë"}}]`, "Wed, 02 Sep 2026 23:59:59 GMT", "8ZxyDXFMX0KQeEYvRS17vPHOthHur6XCG8AqgYwxnc0=",
			answer{200, ""},
		},
		"characters_counted": {
			`[{"id":"2","actor":{"name":"Zoë"}}]`, "Wed, 02 Sep 2026 23:59:59 GMT", "8TqsKi05LjDkI9UN1t9UrvzijbIeAVhdIfrYo1DMm/Q=",
			answer{403, "InvalidAuthorization"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			date, err := http.ParseTime(c.date)
			if err != nil {
				t.Fatal(err)
			}
			p := post{body: c.body, unsigned: true, header: map[string]string{
				"Authorization": "SharedKey " + workspace.DefaultID + ":" + c.signature,
			}}
			if diff := cmp.Diff(c.want, serve(&workspace.Workspace{Now: at(date)}, p.request(date))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	h := func(pairs ...string) map[string]string {
		m := make(map[string]string)
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	const row = `[{"id":"1"}]`
	secondKey := base64.StdEncoding.EncodeToString([]byte("second"))
	for name, c := range map[string]struct {
		post post
		off  time.Duration // of the client's clock
		want answer
	}{
		"rows":              {post{body: row}, 0, answer{200, ""}},
		"one_object":        {post{body: `{"id":"1"}`}, 0, answer{200, ""}},
		"no_rows":           {post{body: `[]`}, 0, answer{200, ""}},
		"clock_14_min_off":  {post{body: row}, 14 * time.Minute, answer{200, ""}},
		"clock_ahead":       {post{body: row}, 16 * time.Minute, answer{403, "InvalidAuthorization"}},
		"clock_behind":      {post{body: row}, -16 * time.Minute, answer{403, "InvalidAuthorization"}},
		"second_key":        {post{body: row, key: secondKey}, 0, answer{200, ""}},
		"wrong_key":         {post{body: row, key: base64.StdEncoding.EncodeToString([]byte("wrong"))}, 0, answer{403, "InvalidAuthorization"}},
		"no_authorization":  {post{body: row, unsigned: true}, 0, answer{403, "InvalidAuthorization"}},
		"bearer":            {post{body: row, unsigned: true, header: h("Authorization", "Bearer x")}, 0, answer{403, "InvalidAuthorization"}},
		"other_workspace":   {post{body: row, unsigned: true, header: h("Authorization", "SharedKey ffffffff-3c4b-4978-8695-a4b3c2d1e0f1:x")}, 0, answer{403, "InvalidAuthorization"}},
		"no_guid":           {post{body: row, unsigned: true, header: h("Authorization", "SharedKey name:x")}, 0, answer{400, "InvalidCustomerId"}},
		"no_date":           {post{body: row, header: h("x-ms-date", "")}, 0, answer{403, "InvalidAuthorization"}},
		"date_not_in_gmt":   {post{body: row, header: h("x-ms-date", "Wed, 02 Sep 2026 12:00:00 UTC")}, 0, answer{403, "InvalidAuthorization"}},
		"no_version":        {post{body: row, path: "/api/logs"}, 0, answer{400, "MissingApiVersion"}},
		"other_version":     {post{body: row, path: "/api/logs?api-version=2023-01-01"}, 0, answer{400, "InvalidApiVersion"}},
		"other_path":        {post{body: row, path: "/api/log?api-version=2016-04-01"}, 0, answer{404, ""}},
		"get":               {post{method: http.MethodGet}, 0, answer{405, ""}},
		"no_content_type":   {post{body: row, header: h("Content-Type", "")}, 0, answer{400, "MissingContentType"}},
		"charset":           {post{body: row, header: h("Content-Type", "application/json; charset=utf-8")}, 0, answer{400, "UnsupportedContentType"}},
		"no_log_type":       {post{body: row, header: h("Log-Type", "")}, 0, answer{400, "MissingLogType"}},
		"log_type_dash":     {post{body: row, header: h("Log-Type", "a-b")}, 0, answer{400, "InvalidLogType"}},
		"log_type_digit":    {post{body: row, header: h("Log-Type", "1a")}, 0, answer{400, "InvalidLogType"}},
		"log_type_of_100":   {post{body: row, header: h("Log-Type", strings.Repeat("a", 100))}, 0, answer{200, ""}},
		"log_type_of_101":   {post{body: row, header: h("Log-Type", strings.Repeat("a", 101))}, 0, answer{400, "InvalidLogType"}},
		"no_length":         {post{body: row, chunked: true}, 0, answer{411, ""}},
		"largest":           {post{body: `[{"id":"` + strings.Repeat("x", 989) + `"}]`}, 0, answer{200, ""}},
		"too_large":         {post{body: `[{"id":"` + strings.Repeat("x", 990) + `"}]`}, 0, answer{404, ""}},
		"not_json":          {post{body: `[{"id":"1"}`}, 0, answer{400, "InvalidDataFormat"}},
		"empty":             {post{body: ``}, 0, answer{400, "InvalidDataFormat"}},
		"text":              {post{body: `"x"`}, 0, answer{400, "InvalidDataFormat"}},
		"junk_behind":       {post{body: row + `x`}, 0, answer{400, "InvalidDataFormat"}},
		"not_objects":       {post{body: `[{"id":"1"},2]`}, 0, answer{400, "InvalidDataFormat"}},
		"reserved":          {post{body: `[{"id":"1"},{"id":"2","rawdata":null}]`}, 0, answer{400, "InvalidDataFormat"}},
		"reserved_tenant":   {post{body: `[{"Tenant":1}]`}, 0, answer{400, "InvalidDataFormat"}},
		"reserved_time":     {post{body: `[{"\u0054imeGenerated":1}]`}, 0, answer{400, "InvalidDataFormat"}},
		"reserved_deeper":   {post{body: `[{"a":{"RawData":1}}]`}, 0, answer{200, ""}},
		"poison":            {post{body: `[{"id":"1"},{"id":"poison"}]`}, 0, answer{400, "InvalidDataFormat"}},
		"repeated_name":     {post{body: `[{"a":1,"a":2}]`}, 0, answer{200, ""}},
		"stranger_bad_body": {post{body: `[[]`, key: base64.StdEncoding.EncodeToString([]byte("wrong"))}, 0, answer{403, "InvalidAuthorization"}},
	} {
		t.Run(name, func(t *testing.T) {
			ws := &workspace.Workspace{
				Now: at(noon), MaxBody: 1000, SecondaryKey: secondKey,
				Poison: func(raw []byte) bool { return strings.Contains(string(raw), "poison") },
			}
			got := serve(ws, c.post.request(noon.Add(c.off)))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			stats := ws.Stats()
			if stats.Answers[got.Status] != 1 || stats.Requests != 1 || (stats.Batches == 1) != (got.Status == 200) {
				t.Errorf("stats %+v", stats)
			}
			if got.Status != 200 && len(ws.Tables()) != 0 {
				t.Error("something was stored although the post was refused")
			}
		})
	}
}

func TestOptions(t *testing.T) {
	t.Run("other_status_for_too_large", func(t *testing.T) {
		ws := &workspace.Workspace{Now: at(noon), MaxBody: 5, TooLarge: http.StatusRequestEntityTooLarge}
		if got := serve(ws, post{body: `[{"id":"1"}]`}.request(noon)); got.Status != 413 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("reserved_record_vanishes", func(t *testing.T) {
		ws := &workspace.Workspace{Now: at(noon), DiscardReserved: true}
		if got := serve(ws, post{body: `[{"id":"1"},{"id":"2","tenant":"x"}]`}.request(noon)); got.Status != 200 {
			t.Errorf("got %+v", got)
		}
		if diff := cmp.Diff(map[string]int{"1": 1}, ws.Table("T").IDs()); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
	})
	t.Run("own_id_and_key", func(t *testing.T) {
		ws := &workspace.Workspace{Now: at(noon), ID: "aaaaaaaa-3c4b-4978-8695-a4b3c2d1e0f1"}
		if got := serve(ws, post{body: `[]`}.request(noon)); got.Status != 403 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("identify", func(t *testing.T) {
		ws := &workspace.Workspace{Now: at(noon), Identify: func(table string, raw []byte) string { return table + string(raw[:2]) }}
		serve(ws, post{body: `[{"id":"1"}]`}.request(noon))
		if diff := cmp.Diff(map[string]int{`T{"`: 1}, ws.Table("T").IDs()); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
	})
}

func TestRowsAreKeptByteForByte(t *testing.T) {
	ws := &workspace.Workspace{Now: at(noon)}
	rows := []string{`{"id":"1","a":[1,2]}`, `{ "id" : "2" }`, "{\"id\":\"1\",\"x\":\"\\u00eb \xff\"}", `{}`, `{ }`}
	serve(ws, post{body: "[" + rows[0] + "," + rows[1] + " ]"}.request(noon))
	serve(ws, post{body: "[ " + rows[2] + "\n, " + rows[3] + "," + rows[4] + "]"}.request(noon))
	var got []string
	for _, raw := range ws.Table("T_CL").Raw() {
		got = append(got, string(raw))
	}
	if diff := cmp.Diff(rows, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"1": 2, "2": 1, "": 2}, ws.Table("T").IDs()); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	want := workspace.Stats{Requests: 2, Batches: 2, Rows: 5, Duplicates: 1, LargestBody: 38, Wire: 75, Raw: 75, LargestRows: 3, Answers: map[int]int{200: 2}}
	if diff := cmp.Diff(want, ws.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

func TestCompactKeepsDigests(t *testing.T) {
	ws := &workspace.Workspace{Now: at(noon), Compact: true}
	serve(ws, post{body: `[{"id":"1"},{"id":"2","a":1},{"id":"1"}]`}.request(noon))
	serve(ws, post{body: `[{"id":"2"},{"id":"3"}]`}.request(noon))
	want := workspace.NewDigest()
	for _, row := range []string{`{"id":"3"}`, `{"id":"2","a":1}`, `{"id":"1"}`} {
		want.Add(row[7:8], []byte(row))
	}
	want.Duplicates = 2
	got := ws.Table("T").Digest()
	if got.Records != want.Records || got.Duplicates != 2 || got.IDs != want.IDs || got.Bytes != want.Bytes {
		t.Errorf("digest %+v, want %+v", got, want)
	}
	if tb := ws.Table("T"); tb.Count() != 5 || tb.Raw() != nil || tb.IDs() != nil || tb.Rows() != nil {
		t.Errorf("a compact table kept rows: %d, %v, %v, %v", tb.Count(), tb.Raw(), tb.IDs(), tb.Rows())
	}
	want.Add("4", []byte(`{"id":"4"}`))
	if got.IDs == want.IDs || got.Bytes == want.Bytes {
		t.Error("another set has the same digest")
	}
}

// The hooks are where tests kill a client: what they promise is the order.
func TestHooks(t *testing.T) {
	var (
		mu     sync.Mutex
		events []string
	)
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, fmt.Sprintf(format, args...))
	}
	after := make(chan struct{})
	release := make(chan struct{})
	ws := &workspace.Workspace{Now: at(noon)}
	ws.OnAck = func(n int) { note("stored %d of %d", ws.Table("T").Count(), n) }
	ws.AfterAck = func(n int) {
		<-after // the client has its answer although the handler has not returned
		note("after %d", n)
		close(release)
	}
	server := httptest.NewServer(ws)
	defer server.Close()
	r := post{body: `[{"id":"1"},{"id":"2"}]`}.request(noon)
	out, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL+"/api/logs?api-version=2016-04-01", r.Body)
	if err != nil {
		t.Fatal(err)
	}
	out.Header = r.Header
	out.ContentLength = r.ContentLength
	res, err := server.Client().Do(out)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	note("client has %d", res.StatusCode)
	close(after)
	<-release
	if diff := cmp.Diff([]string{"stored 2 of 2", "client has 200", "after 2"}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestFaults(t *testing.T) {
	ws := &workspace.Workspace{Now: at(noon), Faults: &fault.Plan{Rules: []fault.Rule{{Kind: fault.Unavailable, Nth: []int{1}}}}}
	if got := serve(ws, post{body: `[]`}.request(noon)); got.Status != 503 {
		t.Errorf("got %+v", got)
	}
	if got := serve(ws, post{body: `[]`}.request(noon)); got.Status != 200 {
		t.Errorf("got %+v", got)
	}
}

func TestConcurrentPosts(t *testing.T) {
	ws := &workspace.Workspace{Now: at(noon)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 25 {
				serve(ws, post{body: fmt.Sprintf(`[{"id":"%d"}]`, i*25+j)}.request(noon))
				_ = ws.Table("T").Rows()
				_ = ws.Stats()
			}
		})
	}
	wg.Wait()
	if n := len(ws.Table("T").IDs()); n != 200 || ws.Table("T").Count() != 200 || len(ws.Table("T").Rows()) != 200 {
		t.Errorf("%d ids of %d rows", n, ws.Table("T").Count())
	}
}

func BenchmarkPost(b *testing.B) {
	row := `{"id":"%032d","created":"2026-09-02T11:00:00Z","actor":{"name":"x"},"attributes":{"text":"` + strings.Repeat("x", 850) + `"}}`
	var body strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&body, ","+row, i)
	}
	for name, compact := range map[string]bool{"full": false, "compact": true} {
		b.Run(name, func(b *testing.B) {
			ws := &workspace.Workspace{Now: at(noon), Compact: compact}
			p := post{body: "[" + body.String()[1:] + "]"}
			b.SetBytes(int64(len(p.body)))
			b.ReportAllocs()
			for b.Loop() {
				if got := serve(ws, p.request(noon)); got.Status != 200 {
					b.Fatal(got)
				}
			}
		})
	}
}
