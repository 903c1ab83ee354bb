package readback_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/readback"
)

const (
	stream = "SailPointIDN_Events"
	window = 5 * time.Minute
	canary = "canary-token-77d1"
)

func TestNormal(t *testing.T) {
	for id, want := range map[string]string{
		"8145d82213a744ad859c36f31a84f6dd":                                 "8145d82213a744ad859c36f31a84f6dd",
		"8145d822-13a7-44ad-859c-36f31a84f6dd":                             "8145d82213a744ad859c36f31a84f6dd",
		"8145D822-13A7-44AD-859C-36F31A84F6DD":                             "8145d82213a744ad859c36f31a84f6dd",
		"8145d82213a744ad859c36f31a84f6dX":                                 "8145d82213a744ad859c36f31a84f6dX",
		"8145d822-13a744ad859c36f31a84f6dd":                                "8145d822-13a744ad859c36f31a84f6dd",
		"37e641eacc5d027fac6eaba0b336db2748fae8ba17bcb4d224bd349522a18ebe": "37e641eacc5d027fac6eaba0b336db2748fae8ba17bcb4d224bd349522a18ebe",
		"d28088ef-d370-44cb-a1a6-001a138116d3|2026-11-24T14:05:50.952Z":    "d28088ef-d370-44cb-a1a6-001a138116d3|2026-11-24T14:05:50.952Z",
		"":                                     "",
		"--------------------------------":     "--------------------------------",
		"ABCDEFAB-CDEF-ABCD-EFAB-CDEFABCDEFA-": "ABCDEFAB-CDEF-ABCD-EFAB-CDEFABCDEFA-",
	} {
		if got := readback.Normal(id); got != want {
			t.Errorf("normal(%q) = %q, want %q", id, got, want)
		}
	}
}

// What the service makes of an id is the same id, and different ids stay different.
func FuzzNormal(f *testing.F) {
	f.Add("8145d82213a744ad859c36f31a84f6dd", "x")
	f.Add("8145D822-13a7-44ad-859c-36f31a84f6dd", "8145d822-13a7-44ad-859c-36f31a84f6d-")
	f.Fuzz(func(t *testing.T, a, b string) {
		n := readback.Normal(a)
		if readback.Normal(n) != n {
			t.Errorf("normal(%q) = %q, which is not normal", a, n)
		}
		bare := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
		if n == readback.Normal(b) && bare(a) != bare(b) {
			t.Errorf("%q and %q are taken for the same", a, b)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"tables":[{"name":"PrimaryResult","columns":[],"rows":[["2026-09-24T13:00:00Z",3]]}]}`))
	f.Add([]byte(`{"tables":[{"name":"PrimaryResult","rows":[]}],"error":{"code":"PartialError","details":[{"code":"a","innererror":{"code":"b"}}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, err := readback.Decode(body)
		if err != nil {
			return
		}
		again, err := json.Marshal(map[string]any{"tables": []any{map[string]any{"name": "PrimaryResult", "rows": rows}}})
		if err != nil {
			t.Fatalf("what was decoded can't be encoded: %v", err)
		}
		got, err := readback.Decode(again)
		if err != nil || len(got) != len(rows) {
			t.Errorf("%d rows become %d, %v", len(rows), len(got), err)
		}
		if partial, err := readback.Decode(append(again[:len(again)-1], `,"error":{"code":"PartialError"}}`...)); err == nil {
			t.Errorf("a part of a result is taken for all of it: %v", partial)
		}
	})
}

// world is a workspace with some rows in it, under the clock of synctest.
type world struct {
	t         *testing.T
	workspace *workspace.Workspace
	begin     time.Time
	records   []pipeline.Record
	last      *http.Request
	answer    func(*http.Request) *http.Response // instead of the workspace; nil or a nil response for none
	down      error                              // of every request
}

func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	if w.down != nil {
		return nil, w.down
	}
	w.last = req.Clone(context.Background())
	if w.answer != nil {
		if resp := w.answer(req); resp != nil {
			return resp, nil
		}
	}
	return fault.Transport(w.workspace).RoundTrip(req)
}

// newWorld has 60 records, one a minute, with ids of all kinds, of which the
// workspace has those that keep says.
func newWorld(t *testing.T, keep func(i int) bool) *world {
	t.Helper()
	w := &world{t: t, workspace: &workspace.Workspace{}, begin: time.Now().UTC()}
	sink, err := datacollector.New(datacollector.Config{
		WorkspaceID: workspace.DefaultID, Key: secret.New(workspace.DefaultKey), HTTP: &http.Client{Transport: w},
	})
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(2 * time.Hour)
	var batch []pipeline.Record
	for i := range 60 {
		at := w.begin.Add(time.Duration(i) * time.Minute)
		id := []string{
			fmt.Sprintf("%032x", i), fmt.Sprintf("%064x", i), fmt.Sprintf("0000%04X-13a7-44ad-859c-36f31a84f6dd", i), fmt.Sprintf("id %d", i), "",
		}[i%5]
		raw := fmt.Sprintf(`{"id":%q,"org":"acme","created":%q,"type":"t"}`, id, at.Format("2006-01-02T15:04:05.000Z"))
		if id == "" {
			id, raw = fmt.Sprintf("sha256:%064x", i), fmt.Sprintf(`{"created":%q,"n":%d}`, at.Format("2006-01-02T15:04:05.000Z"), i)
		}
		rec := pipeline.Record{ID: id, Time: at, Raw: jsontext.Value(raw)}
		w.records = append(w.records, rec)
		if keep(i) {
			batch = append(batch, rec)
		}
	}
	for _, b := range [][]pipeline.Record{batch, batch[:min(3, len(batch))]} { // some of them twice
		if len(b) > 0 {
			if err := sink.Write(t.Context(), stream, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

func (w *world) client(u string) *readback.Client {
	w.t.Helper()
	where, err := url.Parse(u)
	if err != nil {
		w.t.Fatal(err)
	}
	return readback.New(readback.Config{
		URL: where, Audience: "https://api.loganalytics.us", WorkspaceID: workspace.DefaultID, Credential: credential{},
		HTTP: &http.Client{Transport: w}, Retry: retry.Policy{MaxAttempts: 3},
	})
}

func (w *world) arrivals(l pipeline.Ledger) *readback.Arrivals {
	return &readback.Arrivals{
		Client: w.client("http://127.0.0.1:1"), Table: readback.Table{Name: stream, Time: "created", ID: "id"}, From: w.begin, To: w.begin.Add(time.Hour), Window: window, Delivered: l,
		Sample: func(context.Context) (pipeline.Page, error) { return pipeline.Page{Records: w.records[:10]}, nil },
	}
}

type credential struct{}

func (credential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if cmp.Diff([]string{"https://api.loganalytics.us/.default"}, o.Scopes) != "" {
		return azcore.AccessToken{}, fmt.Errorf("scopes %v", o.Scopes)
	}
	return azcore.AccessToken{Token: canary, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// memory is a ledger that notes what is committed.
type memory struct{ claimed, committed map[string]bool }

func (m *memory) Claim(_ context.Context, records []pipeline.Record) ([]bool, error) {
	for _, r := range records {
		m.claimed[r.ID] = true
	}
	return make([]bool, len(records)), nil
}

func (m *memory) Prove(_ context.Context, claimed []pipeline.Record) error {
	for _, r := range claimed {
		if !m.claimed[r.ID] {
			return errors.New("proven without a claim: " + r.ID)
		}
	}
	return nil
}

func (m *memory) Commit(_ context.Context, delivered []pipeline.Record) error {
	for _, r := range delivered {
		if !m.claimed[r.ID] {
			return errors.New("committed without a claim: " + r.ID)
		}
		m.committed[r.ID] = true
	}
	return nil
}

func (m *memory) Count(context.Context, time.Time, time.Time) (int64, error) {
	return 0, errors.New("asked for a count")
}

func TestArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := map[int]bool{3: true, 4: true, 22: true, 40: true, 59: true}
		w := newWorld(t, func(i int) bool { return !lost[i] })
		ledger := &memory{map[string]bool{}, map[string]bool{}}
		a := w.arrivals(ledger)
		count := func(from, to int, want int64) {
			t.Helper()
			n, err := a.Count(t.Context(), w.begin.Add(time.Duration(from)*window), w.begin.Add(time.Duration(to)*window))
			if err != nil || n != want {
				t.Errorf("windows %d to %d: %d, %v; want %d", from, to, n, err, want)
			}
		}
		// Those without an id, every fifth, count as nothing.
		count(0, 12, 45)
		count(0, 1, 3)
		count(1, 4, 12)
		count(4, 5, 3)
		fresh, err := a.Claim(t.Context(), w.records)
		if err != nil {
			t.Fatal(err)
		}
		var missing []pipeline.Record
		for i, is := range fresh {
			if is != lost[i] {
				t.Errorf("record %d (%s): missing %t, want %t", i, w.records[i].ID, is, lost[i])
			}
			if is {
				missing = append(missing, w.records[i])
			}
		}
		again, err := a.Claim(t.Context(), w.records)
		if err != nil {
			t.Fatal(err)
		}
		for i, is := range again {
			if is {
				t.Errorf("record %d is claimed twice", i)
			}
		}
		if err := a.Commit(t.Context(), missing); err != nil {
			t.Fatal(err)
		}
		if len(ledger.committed) != len(missing) {
			t.Errorf("the ledger knows %v", ledger.committed)
		}
		count(0, 12, 50)
		count(0, 1, 5)
		if a.Unproven() != 10 {
			t.Errorf("%d records are unproven, want 10: those without an id that may be there", a.Unproven())
		}
		if _, err := a.Count(t.Context(), w.begin.Add(-window), w.begin); err == nil {
			t.Error("a count outside of the audit: no error")
		}
	})
}

// A window with more ids than the service returns at once is listed in parts.
func TestManyIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(i int) bool { return i%7 != 0 })
		lists, parts := 0, map[string]bool{}
		w.answer = func(req *http.Request) *http.Response {
			body, _ := req.GetBody()
			text, _ := io.ReadAll(body)
			if strings.Contains(string(text), "bin(When") { // so many, as far as is told
				return response(200, fmt.Sprintf(`{"tables":[{"name":"PrimaryResult","rows":[[%q,1,%d]]}]}`, w.begin.Format(time.RFC3339), 2*readback.PerList+1))
			}
			lists++
			if _, part, ok := strings.Cut(string(text), "hash(strcat(IdG, IdS), 3) == "); ok {
				parts[part[:1]] = true
			}
			return nil
		}
		fresh, err := w.arrivals(nil).Claim(t.Context(), w.records[:5])
		if diff := cmp.Diff([]bool{true, false, false, false, false}, fresh); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if lists != 3 || len(parts) != 3 {
			t.Errorf("%d lists of the parts %v, want 3", lists, parts)
		}
	})
}

func response(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name    string
		arrange func(w *world)
		want    string
	}{
		{"no role", func(w *world) { w.workspace.Queries.NoReader = true }, "give the identity that queries the role Log Analytics Reader"},
		{"no table", func(w *world) { w.workspace = &workspace.Workspace{} }, "has no table SailPointIDN_Events_CL: nothing was ever stored there"},
		{"another workspace", func(w *world) { w.workspace.ID = "another" }, "check CUSTOMER_ID"},
		{"a cut result", func(w *world) { w.workspace.Queries.MaxRows = 2 }, "returned only a part of the result: PartialError"},
		{"token of another cloud", func(w *world) {
			w.answer = func(*http.Request) *http.Response {
				return response(403, `{"error":{"code":"InvalidAuthenticationTokenAudience","message":"wrong audience"}}`)
			}
		}, "are of the same cloud"},
		{"always busy", func(w *world) {
			w.answer = func(*http.Request) *http.Response { return response(429, `{"error":{"code":"ThrottledError"}}`) }
		}, "status 429 ThrottledError (gave up after 3 attempts)"},
		{"a page of a proxy", func(w *world) {
			w.answer = func(*http.Request) *http.Response { return response(200, "<html>") }
		}, "status 200 with a web page"},
		{"no table in the answer", func(w *world) {
			w.answer = func(*http.Request) *http.Response { return response(200, `{"tables":[]}`) }
		}, "no table PrimaryResult"},
		{"another row", func(w *world) {
			w.answer = func(*http.Request) *http.Response {
				return response(200, `{"tables":[{"name":"PrimaryResult","rows":[[1]]}]}`)
			}
		}, "a row has 1 columns, not 3"},
		{"another type", func(w *world) {
			w.answer = func(*http.Request) *http.Response {
				return response(200, `{"tables":[{"name":"PrimaryResult","rows":[["x","y","z"]]}]}`)
			}
		}, "read the answer: "},
		{"no such column", func(w *world) {
			w.answer = func(*http.Request) *http.Response {
				return response(400, `{"error":{"code":"BadArgumentError","innererror":{"code":"SemanticError","innererror":{"code":"SEM0100","message":"'where' operator: Failed to resolve column or scalar expression named 'created_t'"}}}}`)
			}
		}, "table SailPointIDN_Events_CL of the workspace lacks a column"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(int) bool { return true })
				test.arrange(w)
				_, err := w.client("https://api.loganalytics.us").Count(t.Context(), stream, w.begin, w.begin.Add(time.Hour), window)
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), canary) {
					t.Errorf("%v, want %q", err, test.want)
				}
				if is := errors.Is(err, readback.ErrNoTable); is != (test.name == "no table") {
					t.Errorf("it is taken for a missing table: %t", is)
				}
			})
		})
	}
}

// Who can't get there is told where to look.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(int) bool { return true })
		w.down = errors.New("connection refused")
		_, err := w.client("https://api.loganalytics.us").Count(t.Context(), stream, w.begin, w.begin.Add(time.Hour), window)
		if err == nil || !strings.Contains(err.Error(), "no answer from api.loganalytics.us: if this persists, check LOG_ANALYTICS_QUERY_URL") || !strings.Contains(err.Error(), "gave up after 3 attempts") {
			t.Errorf("%v", err)
		}
	})
}

// What passes is asked again, with a token of the right audience; each query spans
// a day at the most.
func TestRetriesAndSplits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(int) bool { return true })
		calls := 0
		w.answer = func(req *http.Request) *http.Response {
			if calls++; calls == 1 {
				return response(503, "")
			}
			return nil
		}
		from := w.begin.Truncate(24 * time.Hour).Add(-48 * time.Hour)
		counts, err := w.client("https://api.loganalytics.us").Count(t.Context(), stream, from, w.begin.Add(time.Hour), window)
		if err != nil || len(counts) != 12 || calls != 4 {
			t.Errorf("%d windows, %d calls, %v; want 12 and 4", len(counts), calls, err)
		}
		if got := w.last.Header.Get("Authorization"); got != "Bearer "+canary {
			t.Errorf("Authorization %q", got)
		}
		if got := w.last.URL.String(); got != "https://api.loganalytics.us/v1/workspaces/"+workspace.DefaultID+"/query" {
			t.Errorf("URL %s", got)
		}
	})
}

// What the workspace has not stored, or does not show yet, has not arrived.
func TestLostAndLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(int) bool { return true })
		w.workspace.Queries.Lost = func(_ string, _ int, row workspace.Row) bool { return row["id_s"] == "id 3" }
		w.workspace.Queries.Latency = 10 * time.Minute
		for i, want := range []int64{0, 47} {
			n, err := w.arrivals(nil).Count(t.Context(), w.begin, w.begin.Add(time.Hour))
			if err != nil || n != want {
				t.Errorf("count %d: %d, %v; want %d", i, n, err, want)
			}
			<-time.After(11 * time.Minute)
		}
	})
}

func TestNormalOfWhatTheServiceWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hex := rapid.StringMatching(`[0-9a-f]{32}`).Draw(t, "id")
		dashed := hex[:8] + "-" + hex[8:12] + "-" + hex[12:16] + "-" + hex[16:20] + "-" + hex[20:]
		if readback.Normal(hex) != readback.Normal(dashed) || readback.Normal(strings.ToUpper(dashed)) != hex {
			t.Fatalf("%q and %q are not the same", hex, dashed)
		}
	})
}

// A record that the source lists outside of the range asked for was not looked for, so it does
// not count as arrived.
func TestOutsideOfTheAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(int) bool { return true })
		a := w.arrivals(nil)
		outside := []pipeline.Record{
			{ID: "early", Time: w.begin.Add(-time.Hour), Raw: jsontext.Value(`{"id":"early","org":"acme"}`)},
			{ID: "late", Time: w.begin.Add(time.Hour), Raw: jsontext.Value(`{"id":"late","org":"acme"}`)},
		}
		for range 2 { // pages may overlap
			fresh, err := a.Claim(t.Context(), append(outside, w.records[0]))
			if diff := cmp.Diff([]bool{false, false, false}, fresh); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		}
		if a.Unproven() != 2 {
			t.Errorf("%d records are unproven, want the 2 outside", a.Unproven())
		}
	})
}
