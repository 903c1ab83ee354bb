package datacollector_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/datacollector"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/sinktest"
)

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
		"200_page":        {answering(200, "text/html", portal), retryable, []string{"status 200 with an HTML page and the header Content-Type", "not the answer of the service"}},
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
		"200_policy":      {answering(200, "text/plain", "Access denied by policy"), retryable, []string{`status 200 with the body "Access denied by policy" is not the answer of the service`}},
		"200_line_break":  {answering(200, "", "\r\n"), retryable, []string{"is not the service's"}},
		"200_blanks":      {answering(200, "text/plain", "   "), retryable, []string{"status 200 with a body of white space is not the service's"}},
		"200_mark":        {answering(200, "text/plain", "\uFEFF"), retryable, []string{"is not the service's"}},
		"200_denied":      {answering(200, "application/json", `{"status":"denied"}`), retryable, []string{"not the answer of the service"}},
		"200_anything":    {answering(200, "text/plain", "OK"), retryable, []string{`status 200 with the body "OK" is not the service's`, "does not refuse a damaged batch"}},
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
	sinktest.NetworkErrors(t, "CUSTOMER_ID and logAnalyticsUri", func(tb testing.TB, client *http.Client) pipeline.Sink {
		return open(tb, nil, func(cfg *datacollector.Config) { cfg.HTTP = client })
	})
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
