package azmonitor_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
)

const canary = "canary-0123456789"

type service func(*http.Request) (*http.Response, error)

func (s service) RoundTrip(req *http.Request) (*http.Response, error) { return s(req) }

// post sends a body to a service that answers after it has read so much of it.
func post(t *testing.T, status int, header http.Header, body io.Reader, reads int64) (*azmonitor.Answer, error) {
	t.Helper()
	client := &http.Client{Transport: service(func(req *http.Request) (*http.Response, error) {
		_, _ = io.CopyN(io.Discard, req.Body, reads)
		if status == 0 {
			return nil, errors.New("connection reset by " + canary)
		}
		return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(body), Request: req}, nil
	})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://rule.example/x?code="+canary, nil)
	if err != nil {
		t.Fatal(err)
	}
	req, sent := transport.NewUpload(req, 5, func() io.Reader { return strings.NewReader("[1,2]") })
	defer sent.End()
	peer := transport.Peer{Host: "rule.example", Settings: "ENDPOINT"}
	return azmonitor.Post(client, req, sent, peer, func(err error) error { return azmonitor.Unreachable(t.Context(), err, peer) }, secret.New(canary))
}

// What an answer makes of a batch: sent again later, refused, or the end of the run.
func TestOther(t *testing.T) {
	page := http.Header{"Content-Type": {"text/html"}}
	for name, test := range map[string]struct {
		status int
		header http.Header
		body   string
		says   string // of the error; "" if there is nothing to say
		class  string
	}{
		"ok":          {200, nil, "", "", ""},
		"redirect":    {302, nil, "", "status 302 is a redirect, and redirects are not followed: check ENDPOINT", "permanent"},
		"teapot":      {418, nil, "x", "status 418 with a body that is not the service's: rule.example does not give such an answer, so something in between (a firewall, a proxy) may have", "permanent"},
		"too large":   {413, nil, "", "the batch is too large", "rejected"},
		"time-out":    {408, nil, "", "status 408", "retryable"},
		"throttled":   {429, http.Header{"Retry-After": {"7"}, "X-Ms-Request-Id": {"r-1 " + canary}}, "", "status 429, request r-1 (secret)", "retryable"},
		"unavailable": {503, nil, "", "status 503", "retryable"},
		"a gateway":   {503, page, "<html><title>Bad " + canary + "</title>", `status 503 with a web page ("Bad (secret)")`, "retryable"},
		"a portal":    {403, page, "<html>", "status 403 with a web page: the answer is not from rule.example", "permanent"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.header == nil {
				test.header = http.Header{}
			}
			a, err := post(t, test.status, test.header, strings.NewReader(test.body), 5)
			if err != nil || !a.Whole || a.Empty != (test.body == "") {
				t.Fatalf("%+v, %v", a, err)
			}
			err = a.Other("ENDPOINT")
			if test.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), canary) {
				t.Fatalf("%v, want it to say %q", err, test.says)
			}
			var again *pipeline.Retryable
			var refused *pipeline.Rejected
			wrapped := azmonitor.Wrap(err, "post")
			class := "permanent"
			switch {
			case errors.As(wrapped, &again):
				class = "retryable"
			case errors.As(wrapped, &refused):
				class = "rejected"
			}
			if class != test.class || !strings.HasPrefix(wrapped.Error(), "post: ") {
				t.Errorf("%v is %s, want %s", wrapped, class, test.class)
			}
			if name == "throttled" && again.After != 7*time.Second {
				t.Errorf("again after %v", again.After)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// What came before the batch was sent is noticed, and so is an answer that breaks off.
func TestHalf(t *testing.T) {
	a, err := post(t, 204, http.Header{}, http.NoBody, 2)
	var again *pipeline.Retryable
	if err != nil || a.Whole || !errors.As(a.Early(), &again) {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := post(t, 204, http.Header{}, broken{}, 5); !errors.As(err, &again) {
		t.Errorf("an acknowledgement that breaks off: %v", err)
	}
	if a, err := post(t, 400, http.Header{}, broken{}, 5); err != nil || a.Status != 400 {
		t.Errorf("a refusal that breaks off: %+v, %v", a, err)
	}
	if _, err := post(t, 0, nil, nil, 5); !errors.As(err, &again) || strings.Contains(err.Error(), "code=") {
		t.Errorf("no answer: %v", err)
	}
}

// With HTTP/2 something may take back after the body what the head has said.
func TestTrailer(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusNoContent} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			w.Header().Set(http.TrailerPrefix+"X-Ms-Error-Code", "denied")
		}))
		s.EnableHTTP2 = true
		s.StartTLS()
		defer s.Close()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req, sent := transport.NewUpload(req, 5, func() io.Reader { return strings.NewReader("[1,2]") })
		a, err := azmonitor.Post(s.Client(), req, sent, transport.Peer{}, func(err error) error { return err })
		if err != nil || a.Status != status || !a.Empty || a.NotAnAck() != "the trailer X-Ms-Error-Code" {
			t.Errorf("%+v, %v", a, err)
		}
	}
}

func TestEnded(t *testing.T) {
	cause := errors.New("the lock was lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := azmonitor.Ended(ctx, ctx.Err()); !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := azmonitor.Ended(ctx, cause); err.Error() != cause.Error() {
		t.Errorf("said twice: %v", err)
	}
}

// What the end of the time interrupts says what to check, and is not worth repeating. A person who
// stops it needs no advice.
func TestUnreachableInTime(t *testing.T) {
	peer := transport.Peer{Host: "rule.example", Settings: "ENDPOINT"}
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	var again *pipeline.Retryable
	err := azmonitor.Unreachable(late, late.Err(), peer)
	if errors.As(err, &again) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer from rule.example: if this persists, check ENDPOINT") {
		t.Error(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := azmonitor.Unreachable(stopped, stopped.Err(), peer); errors.As(err, &again) || !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "ENDPOINT") {
		t.Error(err)
	}
}

// A redirect is not followed, whoever made the client.
func TestClient(t *testing.T) {
	given := &http.Client{}
	if got := azmonitor.Client(given); got == given || !errors.Is(got.CheckRedirect(nil, nil), http.ErrUseLastResponse) {
		t.Error("a given client follows redirects")
	}
	if azmonitor.Client(nil).CheckRedirect == nil {
		t.Error("its own client follows redirects")
	}
}

// A date in Retry-After is the service's, so it is compared with the service's clock.
func TestRetryAfterByTheServicesClock(t *testing.T) {
	service := time.Now().Add(-3 * time.Hour).UTC() // this machine's clock is ahead
	for name, test := range map[string]struct {
		date string
		want time.Duration
	}{
		"with its date":    {service.Format(http.TimeFormat), 90 * time.Second},
		"without its date": {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Retry-After": {service.Add(90 * time.Second).Format(http.TimeFormat)}}
			if test.date != "" {
				header.Set("Date", test.date)
			}
			a, err := post(t, http.StatusTooManyRequests, header, strings.NewReader(""), 5)
			if err != nil {
				t.Fatal(err)
			}
			var retry *pipeline.Retryable
			if err := a.Other("ENDPOINT"); !errors.As(err, &retry) || retry.After != test.want {
				t.Errorf("got %v, pause %v, want %v", err, retry, test.want)
			}
		})
	}
}
