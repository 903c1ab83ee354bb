package sinktest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Answers is a sink whose service may answer anything.
type Answers struct {
	// Open makes a sink that posts through client.
	Open func(tb testing.TB, client *http.Client) pipeline.Sink
	// Acknowledges reports whether the service documents this answer for a batch that
	// it stored.
	Acknowledges func(status int, body []byte) bool
	// Refuses reports whether the service documents this answer for a record that it
	// can't take.
	Refuses func(status int, body []byte) bool
	Secrets []string
}

// ownCredentials in a body stands for the Authorization header of the request, which
// proxies like to repeat in their pages.
const ownCredentials = "{authorization}"

// FuzzAnswers is a fuzz target: whatever answers a post, and whenever, no batch counts
// as delivered but by the documented answer to all of it, no record is blamed but by
// the documented refusal, and the error can be shown to anybody.
func FuzzAnswers(f *testing.F, a Answers) {
	f.Helper()
	for _, status := range []int{100, 103, 200, 201, 202, 203, 204, 206, 207, 302, 304, 307, 400, 401, 403, 404, 407, 408, 411, 413, 417, 421, 429, 451, 500, 502, 503, 507, 511, 599} {
		for _, early := range []bool{false, true} {
			f.Add(status, "application/json", "", "", []byte{}, early, true)
			f.Add(status, "text/plain", "7", "", []byte("Access denied by policy "+ownCredentials), early, false)
			f.Add(status, "application/json", "Sun, 29 Nov 2026 08:00:00 GMT", "Sun, 29 Nov 2026 07:00:00 GMT", []byte(`{"status":"denied"}`), early, true)
		}
	}
	f.Add(200, "application/json", "", "", []byte("\xef\xbb\xbf \r\n"), false, false)
	f.Add(200, "text/html", "", "", []byte("<html><title>Sign in</title>"), false, false)
	f.Add(400, "application/json", "-1", "junk", []byte(`{"Error":"InvalidDataFormat","Message":"`+ownCredentials+`"}`), false, true)
	f.Add(400, "application/json", "1e300", "", []byte(`{"error":{"code":"InvalidPayload","message":"`+ownCredentials+`"}}`), false, true)
	f.Add(404, "", "\x00", "\x00", []byte("\xff\xfe\x00{"), true, true)

	f.Fuzz(func(t *testing.T, status int, contentType, retryAfter, date string, body []byte, early, single bool) {
		if status < 100 || status > 999 {
			status = 100 + (status%900+900)%900
		}
		answer := &anything{status: status, body: body, early: early, header: http.Header{
			"Content-Type": {contentType}, "Retry-After": {retryAfter}, "Date": {date},
		}}
		batch := records("a", 2)
		if single {
			batch = batch[:1]
		}
		sink := a.Open(t, &http.Client{Transport: answer})
		err := sink.Write(t.Context(), stream, batch)
		if err == nil {
			if early || !a.Acknowledges(status, body) {
				t.Fatalf("status %d with %q counts as an acknowledgement, before the body was read: %v", status, body, early)
			}
			return
		}
		if !early && a.Acknowledges(status, body) {
			t.Fatalf("status %d with %q is no acknowledgement: %v", status, body, err)
		}
		Opened{Secrets: append(answer.shown, a.Secrets...)}.checkError(t, err)
		text := err.Error()
		if !utf8.ValidString(text) || strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
			t.Errorf("an error that can't be shown: %q", text)
		}
		var (
			rejected  *pipeline.Rejected
			retryable *pipeline.Retryable
		)
		if errors.As(err, &rejected) && !rejected.Ambiguous && single && !a.Refuses(status, body) {
			t.Errorf("status %d with %q blames the record: %v", status, body, err)
		}
		if errors.As(err, &retryable) && (retryable.After < 0 || retryable.After > 1e6*time.Second) {
			t.Errorf("a wait of %v", retryable.After)
		}
	})
}

// anything is a service that gives the same answer to every post.
type anything struct {
	status int
	header http.Header
	body   []byte
	early  bool     // without having read the request
	shown  []string // what no error may repeat
}

// RoundTrip implements [http.RoundTripper].
func (a *anything) RoundTrip(req *http.Request) (*http.Response, error) {
	if !a.early {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return nil, err
		}
	}
	if err := req.Body.Close(); err != nil {
		return nil, err
	}
	credentials := req.Header.Get("Authorization")
	_, token, _ := strings.Cut(credentials, " ")
	if _, signature, ok := strings.Cut(token, ":"); ok {
		token = signature
	}
	a.shown = append(a.shown, token)
	body := bytes.ReplaceAll(a.body, []byte(ownCredentials), []byte(credentials))
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header.Clone(), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		Request: req,
	}, nil
}

// NetworkErrors is a test of posts that get no answer. settings are those that hold the address of
// the service; open makes a sink that posts through client.
func NetworkErrors(t *testing.T, settings string, open func(tb testing.TB, client *http.Client) pipeline.Sink) {
	t.Helper()
	for name, c := range map[string]struct {
		err       error
		retryable bool
		words     string
	}{
		"refused":     {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, true, "if this persists, check " + settings + ", and that this machine is allowed to connect"},
		"cut":         {io.ErrUnexpectedEOF, true, "unexpected EOF"},
		"odd":         {errors.New("no idea"), true, "no idea"},
		"no_host":     {&net.DNSError{IsNotFound: true, Name: "host"}, false, settings},
		"certificate": {&tls.CertificateVerificationError{Err: errors.New("unknown authority")}, false, "TLS-inspecting proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			err := open(t, &http.Client{Transport: unanswered{c.err}}).Write(t.Context(), stream, records("a", 1))
			Opened{}.checkError(t, err)
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

// unanswered is a network on which every request fails.
type unanswered struct{ err error }

// RoundTrip implements [http.RoundTripper].
func (u unanswered) RoundTrip(*http.Request) (*http.Response, error) { return nil, u.err }
