package datacollector_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
)

func TestSignature(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString(workspace.DefaultKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ body, date, want string }{
		"ascii":                      {`[{"id":"1","status":"PASSED"}]`, "Mon, 04 Apr 2016 08:00:00 GMT", "uu/NY4o9tgxRJo749S9zuwtk7PNc1xtw74I+2SIZZm0="},
		"more_bytes_than_characters": {`[{"id":"2","actor":{"name":"Zoë"}}]`, "Wed, 02 Sep 2026 23:59:59 GMT", "8ZxyDXFMX0KQeEYvRS17vPHOthHur6XCG8AqgYwxnc0="},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, datacollector.Signature(key, len(c.body), c.date)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

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

func TestRequest(t *testing.T) {
	type request struct {
		Method, URL, Body string
		Header            http.Header
	}
	for name, c := range map[string]struct {
		stream    string
		change    func(*datacollector.Config)
		url       string
		timeField string
	}{
		"defaults": {"SailPointIDN_Events", nil, "https://0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1.ods.opinsights.azure.com", "created"},
		"government": {
			"SailPointIDN_Triggers",
			func(c *datacollector.Config) {
				c.URL = at("https://0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1.ods.opinsights.azure.us/")
			},
			"https://0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1.ods.opinsights.azure.us", "created",
		},
		"own_time": {
			"SailPointIDN_Health",
			func(c *datacollector.Config) { c.TimeFields = map[string]string{"SailPointIDN_Health": "ended"} },
			"https://0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1.ods.opinsights.azure.com", "ended",
		},
		"no_time": {
			"X",
			func(c *datacollector.Config) {
				c.TimeFields = map[string]string{"X": ""}
				c.URL = at("http://127.0.0.1:10000")
			},
			"http://127.0.0.1:10000", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the clock says 2000-01-01
				var got request
				sink := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					got = request{r.Method, r.URL.String(), string(body), r.Header.Clone()}
					// The transport sends it again when a kept connection turns out to be closed.
					again, err := r.GetBody()
					if err != nil {
						t.Fatal(err)
					}
					if second, _ := io.ReadAll(again); string(second) != string(body) {
						t.Errorf("the body is %s when read again", second)
					}
					if r.ContentLength != int64(len(body)) {
						t.Errorf("announced %d bytes, sent %d", r.ContentLength, len(body))
					}
				}), c.change)
				if err := sink.Write(t.Context(), c.stream, batch(2)); err != nil {
					t.Fatal(err)
				}
				want := request{http.MethodPost, c.url + "/api/logs?api-version=2016-04-01", `[{"id":"1"},{"id":"2"}]`, http.Header{
					"Authorization": {"SharedKey " + workspace.DefaultID + ":OGqPuhWS+jiImkNKz4CpVB6qH62jCKtHqSIKlW6kds4="},
					"Content-Type":  {"application/json"},
					"Log-Type":      {c.stream},
					"X-Ms-Date":     {"Sat, 01 Jan 2000 00:00:00 GMT"},
				}}
				if c.timeField != "" {
					want.Header.Set("time-generated-field", c.timeField)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A repetition is a new Write, and its signature must be young.
func TestEachWriteSignsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := open(t, &workspace.Workspace{}, nil)
		for range 3 {
			if err := sink.Write(t.Context(), "T", batch(1)); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Hour)
		}
	})
}

func TestStatusMapping(t *testing.T) {
	const (
		permanent = "permanent"
		retryable = "retryable"
		rejected  = "rejected"
		ambiguous = "ambiguous"
	)
	service := func(code string) string { return fmt.Sprintf(`{"Error":%q,"Message":"as documented"}`, code) }
	const portal = `<html><title>Sign in</title></html>`
	for name, c := range map[string]struct {
		handler http.Handler
		kind    string
		words   []string // that the message must have
	}{
		"200_cut":         {answering(200, "application/json", `{"Error":"InvalidData`), retryable, []string{"not the answer of the service"}},
		"200_page":        {answering(200, "text/html", portal), retryable, []string{"status 200 with an HTML page", "not the answer of the service"}},
		"200_message":     {answering(200, "application/json", `{"message":"timed out"}`), retryable, []string{"timed out"}},
		"202":             {answering(202, "", ""), permanent, []string{"status 202", "logAnalyticsUri"}},
		"204":             {answering(204, "", ""), permanent, []string{"status 204", "not delivered"}},
		"302":             {answering(302, "text/html", "", "Location", "https://login.example/?token=secret"), permanent, []string{"status 302", "redirect"}},
		"307":             {answering(307, "", "", "Location", "https://other.example/"), permanent, []string{"status 307", "redirect"}},
		"closed":          {answering(400, "application/json", service("InactiveCustomer")), permanent, []string{"InactiveCustomer (as documented)", "CUSTOMER_ID"}},
		"workspace_id":    {answering(400, "application/json", service("InvalidCustomerId")), permanent, []string{"CUSTOMER_ID"}},
		"version":         {answering(400, "application/json", service("InvalidApiVersion")), permanent, []string{"logAnalyticsUri"}},
		"no_version":      {answering(400, "application/json", service("MissingApiVersion")), permanent, []string{"logAnalyticsUri"}},
		"no_type":         {answering(400, "application/json", service("MissingContentType")), permanent, []string{"Content-Type", "prox"}},
		"other_type":      {answering(400, "application/json", service("UnsupportedContentType")), permanent, []string{"Content-Type", "prox"}},
		"no_table":        {answering(400, "application/json", service("MissingLogType")), permanent, []string{"table's name"}},
		"bad_table":       {answering(400, "application/json", service("InvalidLogType")), permanent, []string{"table's name"}},
		"format":          {answering(400, "application/json", service("InvalidDataFormat")), rejected, []string{"InvalidDataFormat", "a record of the batch"}},
		"format_and_mark": {answering(400, "application/json", "\uFEFF"+service("InvalidDataFormat")), rejected, []string{"InvalidDataFormat"}},
		"400_of_others":   {answering(400, "text/plain", "bad request"), permanent, []string{"status 400 with a body that is not the service's"}},
		"401":             {answering(401, "", ""), permanent, []string{"status 401", "everything is kept"}},
		"403":             {answering(403, "application/json", service("InvalidAuthorization")), permanent, []string{"SHARED_KEY", "CUSTOMER_ID", "proxy", "DisableLocalAuth"}},
		"403 of a wall":   {answering(403, "text/html", "<html><title>Blocked by policy</title>"), permanent, []string{`status 403 with a web page ("Blocked by policy")`, "something in between (a firewall, a proxy, a portal)"}},
		"404":             {answering(404, "", ""), ambiguous, []string{"too large", "CUSTOMER_ID", "logAnalyticsUri"}},
		"407":             {answering(407, "text/html", portal), permanent, []string{"proxy"}},
		"408":             {answering(408, "", ""), retryable, []string{"status 408"}},
		"413":             {answering(413, "text/html", portal), rejected, []string{"too large"}},
		"200_policy":      {answering(200, "text/plain", "Access denied by policy"), retryable, []string{"not the answer of the service"}},
		"200_line_break":  {answering(200, "", "\r\n"), retryable, []string{"is not the service's"}},
		"200_blanks":      {answering(200, "text/plain", "   "), retryable, []string{"is not the service's"}},
		"200_mark":        {answering(200, "text/plain", "\uFEFF"), retryable, []string{"is not the service's"}},
		"200_denied":      {answering(200, "application/json", `{"status":"denied"}`), retryable, []string{"not the answer of the service"}},
		"200_anything":    {answering(200, "text/plain", "OK"), retryable, []string{`"OK"`, "not the service's", "does not refuse a damaged batch"}},
		"418":             {answering(418, "", ""), permanent, []string{"status 418"}},
		"429":             {answering(429, "", ""), retryable, []string{"status 429"}},
		"500":             {answering(500, "application/json", service("UnspecifiedError")), retryable, []string{"status 500 UnspecifiedError"}},
		"502":             {answering(502, "text/html", portal), retryable, []string{"status 502 with a web page"}},
		"503":             {answering(503, "application/json", service("ServiceUnavailable")), retryable, []string{"ServiceUnavailable"}},
		"599":             {answering(599, "", ""), retryable, []string{"status 599"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := open(t, c.handler, nil).Write(t.Context(), "T", batch(2))
			if err == nil {
				t.Fatal("no error")
			}
			var (
				retry  *pipeline.Retryable
				reject *pipeline.Rejected
				kind   = permanent
			)
			switch {
			case errors.As(err, &retry):
				kind = retryable
			case errors.As(err, &reject) && reject.Ambiguous:
				kind = ambiguous
			case errors.As(err, &reject):
				kind = rejected
			}
			if kind != c.kind {
				t.Errorf("%s, want %s", kind, c.kind)
			}
			for _, word := range append(c.words, "post 2 records to T_CL: ") {
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

// wordy is a service that has something to say when it says yes.
type wordy struct {
	workspace.Workspace
	yes   string // the body
	posts int
}

func (w *wordy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.posts++
	rec := httptest.NewRecorder()
	w.Workspace.ServeHTTP(rec, r)
	maps.Copy(rw.Header(), rec.Header())
	rw.Header().Del("Content-Length")
	rw.WriteHeader(rec.Code)
	if rec.Code == http.StatusOK {
		_, _ = io.WriteString(rw, w.yes)
		return
	}
	_, _ = rw.Write(rec.Body.Bytes())
}

// That the service acknowledges without a body is known from the field only. One that
// does otherwise, and refuses a damaged batch in its own words, is believed; it is
// asked once, and the run says so.
func TestServiceThatAcknowledgesInWords(t *testing.T) {
	for name, yes := range map[string]string{
		"text": "OK", "object": `{}`, "list": `[]`, "status": `{"status":"accepted"}`, "message": `{"Message":"stored"}`, "counts": `{"accepted":2,"failed":0,"errors":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			service := &wordy{yes: yes}
			sink := open(t, service, nil)
			for range 5 {
				if err := sink.Write(t.Context(), "T", batch(2)); err != nil {
					t.Fatal(err)
				}
			}
			// Four more posts were refused, and two had the first record again.
			if rows := service.Table("T_CL").Count(); rows != 12 || service.posts != 11 {
				t.Errorf("%d rows after %d posts, want 12 after 11", rows, service.posts)
			}
			notices := sink.Notices("T")
			if len(notices) != 1 || !strings.Contains(notices[0], "count as delivered") || len(sink.Notices("T")) != 0 {
				t.Errorf("notices %q", notices)
			}
		})
	}
}

// Who shares a sink profits from what was found out, and does not hear what others were answered.
func TestSharedSink(t *testing.T) {
	service := &wordy{yes: "OK"}
	sink := open(t, service, nil)
	other := sink.Share()
	for range 2 {
		if err := sink.Write(t.Context(), "T", batch(2)); err != nil {
			t.Fatal(err)
		}
	}
	if n := other.(pipeline.Noticer).Notices("T"); len(n) != 0 {
		t.Errorf("the other one hears %q", n)
	}
	if n := sink.Notices("T"); len(n) != 1 {
		t.Errorf("notices %q", n)
	}
	asked := service.posts
	if err := other.Write(t.Context(), "T", batch(2)); err != nil || service.posts != asked+1 {
		t.Errorf("%v after %d posts, want one", err, service.posts-asked)
	}
	if n := other.(pipeline.Noticer).Notices("T"); len(n) != 1 {
		t.Errorf("notices of the other one %q", n)
	}
}

// Without a body there is nothing to ask. White space is a body: a proxy's, for all that is known.
func TestServiceThatAcknowledgesSilently(t *testing.T) {
	for name, yes := range map[string]string{"nothing": ""} {
		t.Run(name, func(t *testing.T) {
			service := &wordy{yes: yes}
			sink := open(t, service, nil)
			if err := sink.Write(t.Context(), "T", batch(2)); err != nil || service.posts != 1 {
				t.Fatalf("%v after %d posts", err, service.posts)
			}
			// From then on words are somebody else's.
			service.yes = "fine"
			var retry *pipeline.Retryable
			if err := sink.Write(t.Context(), "T", batch(2)); !errors.As(err, &retry) || service.posts != 2 {
				t.Errorf("%v after %d posts, want a retryable error", err, service.posts)
			}
		})
	}
}

// Something that comes to acknowledge in words in the middle of a process is believed
// once the last silent acknowledgement is long ago, so nothing stops for ever.
func TestServiceThatBeginsToSpeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &wordy{}
		sink := open(t, service, nil)
		if err := sink.Write(t.Context(), "T", batch(2)); err != nil {
			t.Fatal(err)
		}
		service.yes = "fine"
		if err := sink.Write(t.Context(), "T", batch(2)); err == nil {
			t.Error("believed at once")
		}
		<-time.After(11 * time.Minute)
		if err := sink.Write(t.Context(), "T", batch(2)); err != nil || len(sink.Notices("T")) != 1 {
			t.Error(err)
		}
	})
}

// A gateway that answers some posts in the place of a service that works: whichever
// they are, what counts as delivered is there.
func TestGatewayThatAnswersSome(t *testing.T) {
	for name, answers := range map[string]func(n int) bool{
		"the first":        func(n int) bool { return n == 1 },
		"the first three":  func(n int) bool { return n <= 3 },
		"one in two":       func(n int) bool { return n%2 == 1 },
		"the other in two": func(n int) bool { return n%2 == 0 },
		"one in three":     func(n int) bool { return n%3 == 1 },
		"two in three":     func(n int) bool { return n%3 != 0 },
		"one in five":      func(n int) bool { return n%5 == 1 },
		"for a while":      func(n int) bool { return n > 4 && n < 9 },
	} {
		for _, body := range []string{"OK", `{"status":"up"}`, "{}", "Zugriff verweigert"} {
			t.Run(name+"/"+body, func(t *testing.T) {
				var ws workspace.Workspace
				posts := 0
				sink := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if posts++; answers(posts) {
						_, _ = io.Copy(io.Discard, r.Body)
						_, _ = io.WriteString(w, body)
						return
					}
					ws.ServeHTTP(w, r)
				}), nil)
				stored, acknowledged := 0, 0
				for i := range 20 {
					one := []pipeline.Record{{ID: strconv.Itoa(i), Raw: jsontext.Value(fmt.Sprintf(`{"id":"%d"}`, i))}}
					if sink.Write(t.Context(), "T", one) != nil {
						continue
					}
					acknowledged++
					if slices.ContainsFunc(ws.Table("T").Raw(), func(raw []byte) bool { return string(raw) == string(one[0].Raw) }) {
						stored++
					}
				}
				if acknowledged != stored || acknowledged == 0 {
					t.Errorf("%d acknowledged, %d of them stored", acknowledged, stored)
				}
			})
		}
	}
}

// A proxy that is nice to small posts and damaged ones, but not to everything, is seen
// through by the way it answers.
func TestPolicyOfAProxy(t *testing.T) {
	var ws workspace.Workspace
	sink := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.HasPrefix(string(body), "[[") {
			r.Body = io.NopCloser(bytes.NewReader(body))
			ws.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Via", "1.1 filter")
		_, _ = io.WriteString(w, "thank you")
	}), nil)
	var retry *pipeline.Retryable
	if err := sink.Write(t.Context(), "T", batch(2)); !errors.As(err, &retry) || !strings.Contains(err.Error(), "in another way") {
		t.Errorf("got %v, want a retryable error", err)
	}
}

// A 413 for a record far below the service's limit is not about the record.
func TestTooLargeForWhom(t *testing.T) {
	for name, c := range map[string]struct {
		bytes    int
		rejected bool
	}{"small": {1_000, false}, "a third": {10_000_000, false}, "most of it": {29_000_000, true}} {
		t.Run(name, func(t *testing.T) {
			one := []pipeline.Record{{ID: "1", Raw: jsontext.Value(`{"id":"` + strings.Repeat("x", c.bytes) + `"}`)}}
			err := open(t, answering(413, "", ""), nil).Write(t.Context(), "T", one)
			var rejected *pipeline.Rejected
			if errors.As(err, &rejected) != c.rejected || err == nil {
				t.Errorf("got %v, rejected: want %v", err, c.rejected)
			}
			if !c.rejected && !strings.Contains(err.Error(), "proxy or gateway") {
				t.Errorf("%v blames nobody", err)
			}
		})
	}
}

func TestForbiddenLooksAtTheClock(t *testing.T) {
	for name, c := range map[string]struct {
		ahead time.Duration // of our clock
		words []string
		not   string
	}{
		"right":       {0, []string{"SHARED_KEY does not belong to CUSTOMER_ID"}, "clock"},
		"4_min_off":   {4 * time.Minute, []string{"SHARED_KEY"}, "clock"},
		"8_min_off":   {8 * time.Minute, []string{"SHARED_KEY", "clock is also off by 8 minutes, ahead of"}, "set the clock"},
		"20_min_off":  {20 * time.Minute, []string{"off by 20 minutes, ahead of the service's", "set the clock"}, "SHARED_KEY"},
		"1_hour_late": {-time.Hour, []string{"off by 60 minutes, behind the service's", "set the clock"}, "SHARED_KEY"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ws := &workspace.Workspace{Now: func() time.Time { return time.Now().Add(-c.ahead) }, Key: base64.StdEncoding.EncodeToString([]byte("another"))}
				err := open(t, ws, nil).Write(t.Context(), "T", batch(1))
				if err == nil {
					t.Fatal("no error")
				}
				for _, word := range c.words {
					if !strings.Contains(err.Error(), word) {
						t.Errorf("%q is missing in: %v", word, err)
					}
				}
				if strings.Contains(err.Error(), c.not) {
					t.Errorf("%q is in: %v", c.not, err)
				}
			})
		})
	}
	t.Run("no_date", func(t *testing.T) {
		err := open(t, answering(403, "", "", "Date", "now"), nil).Write(t.Context(), "T", batch(1))
		if err == nil || !strings.Contains(err.Error(), "no date") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNetworkErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		retryable bool
		words     string
	}{
		"refused":     {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, true, "if this persists, check CUSTOMER_ID and logAnalyticsUri, and that this machine is allowed to connect"},
		"cut":         {io.ErrUnexpectedEOF, true, "unexpected EOF"},
		"odd":         {errors.New("no idea"), true, "no idea"},
		"no_host":     {&net.DNSError{IsNotFound: true, Name: "host"}, false, "CUSTOMER_ID and logAnalyticsUri"},
		"certificate": {&tls.CertificateVerificationError{Err: errors.New("unknown authority")}, false, "TLS-inspecting proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			sink := open(t, nil, func(cfg *datacollector.Config) {
				cfg.HTTP = &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) { return nil, c.err })}
			})
			err := sink.Write(t.Context(), "T", batch(1))
			var retry *pipeline.Retryable
			if errors.As(err, &retry) != c.retryable || !strings.Contains(err.Error(), c.words) || !errors.Is(err, c.err) {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error(), "api-version") {
				t.Errorf("shows the query: %v", err)
			}
		})
	}
}

// A service that hangs must not use up the run.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), nil)
		start := time.Now()
		err := sink.Write(t.Context(), "T", batch(1))
		var retry *pipeline.Retryable
		if !errors.As(err, &retry) || time.Since(start) != 2*time.Minute {
			t.Errorf("got %v after %v, want a retryable error after 2m", err, time.Since(start))
		}
	})
}

// A 200 whose body breaks off is no acknowledgement: it may be a proxy's page.
func TestBrokenBodyOf200(t *testing.T) {
	sink := open(t, nil, func(cfg *datacollector.Config) {
		cfg.HTTP = &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))}, nil
		})}
	})
	err := sink.Write(t.Context(), "T", batch(1))
	var retry *pipeline.Retryable
	if !errors.As(err, &retry) {
		t.Errorf("got %v", err)
	}
}

// A service that repeats the request in its answer must not make an error show it.
func TestSecretsInAnswers(t *testing.T) {
	var authorization string
	echo := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			authorization = r.Header.Get("Authorization")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"Error":"X %s","Message":"got %s and %s, %s"}`, workspace.DefaultKey, authorization, workspace.DefaultKey, strings.Repeat("long ", 1000))
		})
	}
	for _, status := range []int{200, 202, 400, 403, 404, 413, 418, 429, 500} {
		sink := open(t, echo(status), nil)
		for what, err := range map[string]error{"write": sink.Write(t.Context(), "T", batch(1)), "check": sink.Check(t.Context())} {
			_, signature, _ := strings.Cut(authorization, ":")
			text := fmt.Sprintf("%v %+v %#v", err, err, err)
			if err == nil || strings.Contains(text, signature) || strings.Contains(text, workspace.DefaultKey) {
				t.Errorf("%s, status %d: %v", what, status, err)
			}
			if len(err.Error()) > 1500 {
				t.Errorf("%s, status %d: an error of %d bytes", what, status, len(err.Error()))
			}
		}
	}
	sink := open(t, echo(200), nil)
	key, _ := base64.StdEncoding.DecodeString(workspace.DefaultKey)
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(form, sink) + fmt.Sprintf(form, *sink)
		if strings.Contains(text, workspace.DefaultKey) || strings.Contains(text, string(key)) || strings.Contains(text, "0 1 2 3 4 5") {
			t.Errorf("%s shows the key: %s", form, text)
		}
	}
}

func TestBadTableNames(t *testing.T) {
	sink := open(t, &workspace.Workspace{}, nil)
	for _, stream := range []string{"", "1a", "a-b", "a b", "a\nb", strings.Repeat("a", 101)} {
		err := sink.Write(t.Context(), stream, batch(1))
		if err == nil || !strings.Contains(err.Error(), "letters, digits and _") {
			t.Errorf("%q: got %v", stream, err)
		}
	}
}

func TestKey(t *testing.T) {
	for name, c := range map[string]struct {
		key string
		ok  bool
	}{
		"good": {workspace.DefaultKey, true},
		"line": {" " + workspace.DefaultKey + "\r\n", true},
		"none": {"", false},
		"cut":  {workspace.DefaultKey[:50], false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := datacollector.New(datacollector.Config{WorkspaceID: workspace.DefaultID, Key: secret.New(c.key)})
			if (err == nil) != c.ok {
				t.Fatalf("got %v", err)
			}
			if err != nil && (!strings.Contains(err.Error(), "SHARED_KEY is not base64") || strings.Contains(err.Error(), workspace.DefaultKey[:20])) {
				t.Errorf("names no setting or shows the key: %v", err)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	for configured, want := range map[int]int{0: 4 << 20, -1: 4 << 20, 1000: 1000, 30_000_000: 29_999_999, 1 << 40: 29_999_999} {
		limits := open(t, nil, func(c *datacollector.Config) { c.BatchBytes = configured }).Limits()
		if limits.BatchBytes != want || limits.RecordBytes != 29_999_998 {
			t.Errorf("BatchBytes %d gives %d, want %d; RecordBytes %d", configured, limits.BatchBytes, want, limits.RecordBytes)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Run("right", func(t *testing.T) {
		ws := &workspace.Workspace{}
		if err := open(t, ws, nil).Check(t.Context()); err != nil {
			t.Error(err)
		}
		if len(ws.Tables()) != 0 || ws.Stats().Batches != 0 || ws.Stats().Requests != 1 {
			t.Errorf("stats %+v", ws.Stats())
		}
	})
	t.Run("taken_and_thrown_away", func(t *testing.T) {
		if err := open(t, answering(200, "", ""), nil).Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
	for name, c := range map[string]struct {
		handler http.Handler
		word    string
	}{
		"wrong_key":  {&workspace.Workspace{Key: base64.StdEncoding.EncodeToString([]byte("x"))}, "SHARED_KEY"},
		"clock":      {&workspace.Workspace{Now: func() time.Time { return time.Now().Add(time.Hour) }}, "set the clock"},
		"wrong_host": {answering(404, "", ""), "the address is wrong"},
		"busy":       {answering(503, "", ""), "status 503"},
	} {
		t.Run(name, func(t *testing.T) {
			err := open(t, c.handler, nil).Check(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.word) || !strings.HasPrefix(err.Error(), "check workspace "+workspace.DefaultID) {
				t.Errorf("got %v", err)
			}
			var rejected *pipeline.Rejected
			if errors.As(err, &rejected) {
				t.Errorf("a check is rejected: %v", err)
			}
		})
	}
	t.Run("short_key", func(t *testing.T) {
		short := func(c *datacollector.Config) { c.Key = secret.New(base64.StdEncoding.EncodeToString(make([]byte, 48))) }
		if err := open(t, &workspace.Workspace{}, short).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "SHARED_KEY has 48 bytes where the keys of workspaces have 64") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := open(t, &workspace.Workspace{}, nil).Check(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
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
