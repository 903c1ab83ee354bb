package logsingestion_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/sinktest"
)

const stream = "SailPointIDN_Events"

// batch has n records with ids from 1.
func batch(n int) []pipeline.Record {
	var b []pipeline.Record
	for i := 1; i <= n; i++ {
		b = append(b, pipeline.Record{ID: strconv.Itoa(i), Raw: jsontext.Value(fmt.Sprintf(`{"id":"%d"}`, i))})
	}
	return b
}

// trip is a RoundTripper.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering is a service that always gives one answer.
func answering(status int, contentType, body string, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// granting always gives the same token.
type granting string

func (g granting) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(g), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func unpacked(t *testing.T, r io.Reader) string {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRequest(t *testing.T) {
	type request struct {
		Method, URL, Body string
		Header            http.Header
	}
	var got request
	sink := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = request{r.Method, r.URL.String(), unpacked(t, r.Body), r.Header.Clone()}
		// The transport sends it again when a kept connection turns out to be closed.
		again, err := r.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		if second := unpacked(t, again); second != got.Body {
			t.Errorf("the body is %s when read again", second)
		}
		w.WriteHeader(http.StatusNoContent)
	}), func(c *logsingestion.Config) { c.Credential, c.Endpoint = granting("synthetic"), at(endpoint+"/") })
	rows := append(batch(1), pipeline.Record{ID: "2", Raw: jsontext.Value(`{"newField":{"a":1},"id":"2"}`)})
	if err := sink.Write(t.Context(), stream, rows); err != nil {
		t.Fatal(err)
	}
	if id := got.Header.Get("X-Ms-Client-Request-Id"); len(id) != 36 {
		t.Errorf("request id %q", id)
	}
	got.Header.Del("X-Ms-Client-Request-Id")
	want := request{
		http.MethodPost, endpoint + "/dataCollectionRules/dcr-0f1e2d3c4b5a49788695a4b3c2d1e0f1/streams/Custom-SailPointIDN_Events?api-version=2023-01-01",
		`[{"id":"1"},{"id":"2","idnExtra":{"newField":{"a":1}}}]`,
		http.Header{
			"Authorization": {"Bearer synthetic"}, "Content-Type": {"application/json"}, "Content-Encoding": {"gzip"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// service is an error body of the service.
func service(code string) string {
	return fmt.Sprintf(`{"error":{"code":%q,"message":"as it says"}}`, code)
}

func TestAnswers(t *testing.T) {
	const (
		permanent = "permanent"
		retryable = "retryable"
		rejected  = "rejected"
		portal    = "<html>sign in</html>"
	)
	const js = "application/json"
	for name, c := range map[string]struct {
		handler http.Handler
		kind    string
		words   []string
	}{
		"200":             {answering(200, "", ""), retryable, []string{"status 200", "in between"}},
		"200_with_page":   {answering(200, "text/html", portal), retryable, []string{"HTML page"}},
		"202":             {answering(202, "", ""), retryable, []string{"status 202"}},
		"302":             {answering(302, "", "", "Location", "https://login.example/?secret=1"), permanent, []string{"redirect", "LOGS_INGESTION_ENDPOINT"}},
		"record":          {answering(400, js, service("InvalidPayload")), rejected, []string{"status 400 InvalidPayload (as it says)", "a record of the batch"}},
		"code_in_header":  {answering(400, "", "", "x-ms-error-code", "MalformedJson"), rejected, []string{"MalformedJson"}},
		"span":            {answering(400, js, service("RecordsTimeRangeIsMoreThan30Minutes")), rejected, []string{"RecordsTimeRange"}},
		"stream":          {answering(400, js, service("InvalidStream")), permanent, []string{"has no stream Custom-SailPointIDN_Events: deploy the template", "DCR_IMMUTABLE_ID", "Everything is kept"}},
		"stream_as_404":   {answering(404, js, service("InvalidStream")), permanent, []string{"has no stream Custom-SailPointIDN_Events: deploy the template", "DCR_IMMUTABLE_ID"}},
		"no_rule_as_400":  {answering(400, js, service("NotFound")), permanent, []string{"no such data collection rule", "DCR_IMMUTABLE_ID", "Everything is kept"}},
		"not_read":        {answering(400, js, service("TimeoutExpired")), rejected, []string{"status 400 TimeoutExpired"}},
		"version":         {answering(400, js, service("InvalidApiVersion")), permanent, []string{"prox"}},
		"400_of_others":   {answering(400, "text/plain", "bad request"), permanent, []string{"status 400 with a body that is not the service's"}},
		"401":             {answering(401, "", ""), permanent, []string{"AZURE_CLIENT_ID", "https://monitor.azure.com"}},
		"403":             {answering(403, js, service("OperationFailed")), retryable, []string{"AZURE_CLIENT_ID", "DCR_IMMUTABLE_ID", "Monitoring Metrics Publisher", "may not have taken effect yet (up to 30 minutes)", "Nothing is lost", workspace.DefaultRule}},
		"404":             {answering(404, js, service("NotFound")), permanent, []string{"DCR_IMMUTABLE_ID", "LOGS_INGESTION_ENDPOINT", "no stream Custom-SailPointIDN_Events"}},
		"407":             {answering(407, "text/html", portal), permanent, []string{"proxy"}},
		"408":             {answering(408, "", ""), retryable, []string{"status 408"}},
		"413":             {answering(413, js, service("ContentLengthLimitExceeded")), rejected, []string{"too large"}},
		"418":             {answering(418, "", ""), permanent, []string{"status 418"}},
		"429":             {answering(429, "", ""), retryable, []string{"status 429"}},
		"500_and_request": {answering(500, "", "", "x-ms-request-id", "12-34"), retryable, []string{"status 500, request 12-34"}},
		"502":             {answering(502, "text/html", portal), retryable, []string{"status 502 with a web page"}},
		"599":             {answering(599, "", ""), retryable, []string{"status 599"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := open(t, c.handler, nil).Write(t.Context(), stream, batch(2))
			if err == nil {
				t.Fatal("no error")
			}
			if kind := kindOf(err); kind != c.kind {
				t.Errorf("%s, want %s", kind, c.kind)
			}
			for _, word := range append(c.words, "post 2 records to stream Custom-SailPointIDN_Events: ") {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q is missing in: %v", word, err)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("shows a query: %v", err)
			}
		})
	}
}

func kindOf(err error) string {
	var (
		retry  *pipeline.Retryable
		reject *pipeline.Rejected
	)
	switch {
	case errors.As(err, &retry):
		return "retryable"
	case errors.As(err, &reject) && reject.Ambiguous:
		return "ambiguous"
	case errors.As(err, &reject):
		return "rejected"
	}
	return "permanent"
}

func TestNetworkErrors(t *testing.T) {
	sinktest.NetworkErrors(t, "LOGS_INGESTION_ENDPOINT", func(tb testing.TB, client *http.Client) pipeline.Sink {
		return open(tb, nil, func(cfg *logsingestion.Config) { cfg.HTTP = client })
	})
}

// A service that hangs must not use up the run.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), nil)
		start := time.Now()
		err := sink.Write(t.Context(), stream, batch(1))
		if kindOf(err) != "retryable" || time.Since(start) != 2*time.Minute || !strings.Contains(err.Error(), "did not answer in time") {
			t.Errorf("got %v after %v, want a retryable error after 2m", err, time.Since(start))
		}
	})
}

// With HTTP/2 a 204 can have a body. It is not the service's, whatever it holds, and neither is one
// that breaks off.
func TestBodyOf204(t *testing.T) {
	for name, c := range map[string]struct {
		body  io.Reader
		words string
	}{
		"words":  {strings.NewReader("Access denied by policy"), ": status 204 with a body is not the answer of the service"},
		"broken": {iotest.ErrReader(io.ErrUnexpectedEOF), "read the answer"},
	} {
		t.Run(name, func(t *testing.T) {
			sink := open(t, nil, func(cfg *logsingestion.Config) {
				cfg.HTTP = &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
					_, _ = io.Copy(io.Discard, r.Body)
					return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: io.NopCloser(c.body)}, nil
				})}
			})
			if err := sink.Write(t.Context(), stream, batch(1)); kindOf(err) != "retryable" || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v, want it to say %q", err, c.words)
			}
		})
	}
}

// A service that repeats the request in its answer must not make an error show the token.
func TestTokenInAnswers(t *testing.T) {
	const token = "synthetic.token.of-the-canary"
	for _, status := range []int{200, 202, 400, 401, 403, 404, 413, 418, 429, 500} {
		echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("x-ms-request-id", r.Header.Get("Authorization"))
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":{"code":"X %s","message":"got %s, %s"}}`, token, r.Header.Get("Authorization"), strings.Repeat("long ", 1000))
		})
		sink := open(t, echo, func(c *logsingestion.Config) { c.Credential = granting(token) })
		for what, err := range map[string]error{"write": sink.Write(t.Context(), stream, batch(1)), "check": sink.Check(t.Context())} {
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); err == nil || strings.Contains(text, token) {
				t.Errorf("%s, status %d: %v", what, status, err)
			}
			if len(err.Error()) > 1500 {
				t.Errorf("%s, status %d: an error of %d bytes", what, status, len(err.Error()))
			}
		}
	}
}

func TestUnknownStream(t *testing.T) {
	err := open(t, newWorkspace(), nil).Write(t.Context(), "Other", batch(1))
	if kindOf(err) != "permanent" || !strings.Contains(err.Error(), "no such stream") {
		t.Errorf("got %v", err)
	}
}

func TestNeedsACredential(t *testing.T) {
	_, err := logsingestion.New(logsingestion.Config{Endpoint: at(endpoint), RuleID: workspace.DefaultRule})
	if err == nil || !strings.Contains(err.Error(), "credential") {
		t.Errorf("got %v", err)
	}
}

// The rule's rates are kept, not hit.
func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := open(t, newWorkspace(), nil)
		start := time.Now()
		const n, burst = 640, 100
		for range n {
			if err := sink.Write(t.Context(), stream, batch(1)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < (n-burst)*time.Minute/12_000 || took > (n-burst)*time.Minute/10_000 {
			t.Errorf("%d requests took %v", n, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := sink.Write(ctx, stream, batch(1)); kindOf(err) != "retryable" {
			t.Errorf("no time left to wait for the rate: %v", err)
		}
	})
}

func TestCheck(t *testing.T) {
	ws := newWorkspace()
	if err := open(t, ws, nil).Check(t.Context()); err != nil {
		t.Error(err)
	}
	if len(ws.Tables()) != 0 || ws.Stats().Batches != 0 || ws.Stats().Requests != 3 {
		t.Errorf("stats %+v", ws.Stats())
	}
	noHealth := newWorkspace()
	rule := noHealth.Rules[workspace.DefaultRule]
	rule.Streams = rule.Streams[:2]
	broken := newWorkspace()
	broken.Rules[workspace.DefaultRule].Broken = "InvalidSomething"
	later := newWorkspace()
	later.Rules[workspace.DefaultRule].Granted = time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		handler http.Handler
		word    string
	}{
		"no_rule":   {&workspace.Workspace{}, "DCR_IMMUTABLE_ID"},
		"no_stream": {noHealth, "no stream Custom-SailPointIDN_Health"},
		"role":      {later, "Monitoring Metrics Publisher"},
		"busy":      {answering(503, "", ""), "status 503"},
		"setup":     {broken, "the configuration is wrong"},
		"not_read":  {answering(400, "application/json", service("TimeoutExpired")), "gave up reading"},
		"refused":   {answering(413, "", ""), "status 413"},
	} {
		t.Run(name, func(t *testing.T) {
			err := open(t, c.handler, nil).Check(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.word) || !strings.HasPrefix(err.Error(), "check stream Custom-") || kindOf(err) == "rejected" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A single record that is refused goes into quarantine, so it must be at fault: it
// is not if the service takes no empty batch either, or did not read the record.
func TestSingleRecord(t *testing.T) {
	const record = `{"error":{"code":"Odd","message":"as it says"}}`
	then := func(status int) http.Handler { // an answer to records, and one to an empty batch
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if unpacked(t, r.Body) == "[]" {
				w.WriteHeader(status)
				return
			}
			answering(400, "application/json", record).ServeHTTP(w, r)
		})
	}
	// A connection that is too slow for a record is not for an empty batch.
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if unpacked(t, r.Body) == "[]" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answering(400, "application/json", service("TimeoutExpired")).ServeHTTP(w, r)
	})
	broken := newWorkspace()
	broken.Rules[workspace.DefaultRule].Broken = "InvalidSomething"
	for name, c := range map[string]struct {
		handler http.Handler
		kind    string
		words   []string
	}{
		"record":    {then(204), "rejected", []string{"status 400 Odd", "a record of the batch"}},
		"setup":     {broken, "permanent", []string{"status 400 InvalidSomething", "even an empty batch is rejected", "DCR_IMMUTABLE_ID", "LOGS_INGESTION_ENDPOINT", "classic table", "Everything is kept"}},
		"role":      {then(403), "retryable", []string{"Monitoring Metrics Publisher"}},
		"busy":      {then(503), "retryable", []string{"status 503"}},
		"no_stream": {then(404), "permanent", []string{"DCR_IMMUTABLE_ID"}},
		"not_read":  {answering(400, "application/json", service("ReadyBody_ClientConnectionAbort")), "retryable", []string{"gave up reading", "prox"}},
		"slow":      {slow, "retryable", []string{"gave up reading"}},
	} {
		t.Run(name, func(t *testing.T) {
			sink := open(t, c.handler, nil)
			if err := sink.Write(t.Context(), stream, batch(2)); kindOf(err) != "rejected" {
				t.Errorf("two records: got %v, want a rejection, so that they are halved", err)
			}
			err := sink.Write(t.Context(), stream, batch(1))
			if kindOf(err) != c.kind {
				t.Errorf("%s: %v, want %s", kindOf(err), err, c.kind)
			}
			for _, word := range append(c.words, "post 1 records to stream Custom-SailPointIDN_Events: ") {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("%q is missing in: %v", word, err)
				}
			}
		})
	}
}

// A role that has not spread yet is waited for, and nothing is lost.
func TestRoleSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ws := newWorkspace()
		ws.Rules[workspace.DefaultRule].Granted = time.Now().Add(25 * time.Minute)
		sink := open(t, ws, nil)
		tries := 0
		for {
			err := sink.Write(t.Context(), stream, batch(3))
			if err == nil {
				break
			}
			var retry *pipeline.Retryable
			if !errors.As(err, &retry) || retry.After == 0 {
				t.Fatalf("got %v", err)
			}
			timer := time.NewTimer(retry.After)
			<-timer.C
			tries++
		}
		if tries != 50 || ws.Table(stream).Count() != 3 {
			t.Errorf("%d tries, %d rows", tries, ws.Table(stream).Count())
		}
	})
}

// at is an address as settings have it.
func at(text string) *url.URL {
	u, err := address.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}
