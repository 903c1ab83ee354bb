package transport_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
)

func TestRedactURL(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain":     {"https://acme.api.example/oauth/token", "https://acme.api.example/oauth/token"},
		"query":     {"https://acme.api.example/oauth/token?client_secret=canary&x=1", "https://acme.api.example/oauth/token"},
		"user":      {"https://user:canary@host:443/path", "https://host:443/path"},
		"two_ats":   {"https://user:can@ary@host/p", "https://host/p"},
		"fragment":  {"https://host/#canary?canary", "https://host/"},
		"no_path":   {"https://canary@host", "https://host"},
		"no_scheme": {"canary@host/path?canary", "host/path"},
		"at_path":   {"https://host/a@b?canary", "https://host/a@b"},
	} {
		t.Run(name, func(t *testing.T) {
			got := transport.Redact(&url.Error{Op: "Post", URL: c.in, Err: io.EOF}).Error()
			if diff := cmp.Diff(fmt.Sprintf("Post %q: EOF", c.want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRedactErrors(t *testing.T) {
	inner := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	posted := &url.Error{Op: "Post", URL: "https://u:canary@host/a b?\"canary", Err: inner}
	for name, err := range map[string]error{
		"plain":       posted,
		"wrapped":     fmt.Errorf("get token from %s: %w", posted.URL, posted),
		"nested":      &url.Error{Op: "Get", URL: "http://x?canary", Err: posted},
		"wrapped_far": fmt.Errorf("a: %w", fmt.Errorf("b: %w", posted)),
	} {
		t.Run(name, func(t *testing.T) {
			got := transport.Redact(err)
			if strings.Contains(got.Error(), "canary") {
				t.Errorf("not redacted: %v", got)
			}
			if !errors.Is(got, syscall.ECONNREFUSED) || !transport.IsTransient(got) {
				t.Errorf("cause is lost: %v", got)
			}
			var op *net.OpError
			if !errors.As(got, &op) {
				t.Errorf("no net.OpError in %v", got)
			}
		})
	}
	for name, in := range map[string]string{"parse_user": "https://user:can/ary@host:canary/", "parse_port": "https://host:canary"} {
		t.Run(name, func(t *testing.T) {
			_, err := url.Parse(in)
			if err == nil {
				t.Fatal("the URL is valid")
			}
			got := transport.Redact(err).Error()
			if strings.Contains(got, "can") || strings.Contains(got, "ary") {
				t.Errorf("not redacted: %v", got)
			}
		})
	}
	if err := errors.New("x"); transport.Redact(err) != err || transport.Redact(nil) != nil { //nolint:errorlint // the very same
		t.Error("an error without URL was changed")
	}
}

func TestKindsOfErrors(t *testing.T) {
	type kinds struct{ Transient, Unknown, Certificate, Timeout bool }
	do := func(err error) error { return &url.Error{Op: "Post", URL: "https://host/", Err: err} }
	for name, c := range map[string]struct {
		err  error
		want kinds
	}{
		"nil":                  {nil, kinds{}},
		"refused":              {do(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), kinds{Transient: true}},
		"reset":                {do(&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}), kinds{Transient: true}},
		"broken_pipe":          {fmt.Errorf("write: %w", syscall.EPIPE), kinds{Transient: true}},
		"no_answer":            {do(io.EOF), kinds{Transient: true}},
		"cut":                  {io.ErrUnexpectedEOF, kinds{Transient: true}},
		"deadline":             {do(context.DeadlineExceeded), kinds{Transient: true, Timeout: true}},
		"cancelled":            {do(context.Canceled), kinds{}},
		"cancelled_while_dial": {do(&net.OpError{Op: "dial", Err: context.Canceled}), kinds{}},
		"no_such_host":         {do(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}), kinds{Unknown: true}},
		"dns_timeout":          {do(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}), kinds{Transient: true, Timeout: true}},
		"dns_failure":          {do(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), kinds{Transient: true}},
		"authority":            {do(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), kinds{Certificate: true}},
		"host_name":            {do(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}), kinds{Certificate: true}},
		"no_tls":               {do(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), kinds{Certificate: true}},
		"http2":                {do(errors.New("http2: server sent GOAWAY and closed the connection")), kinds{Transient: true}},
		"idle":                 {do(errors.New("http: server closed idle connection")), kinds{Transient: true}},
		"other":                {do(errors.New("unsupported protocol scheme")), kinds{}},
		"plain":                {errors.New("anything"), kinds{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := kinds{transport.IsTransient(c.err), transport.IsUnknownHost(c.err), transport.IsCertificate(c.err), transport.IsTimeout(c.err)}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The real thing: what net/http makes of an unknown certificate and of a closed port.
func TestKindsOfRealErrors(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	resp, err := get(t, transport.NewClient(transport.Config{}), secure.URL)
	transport.Discard(resp)
	if !transport.IsCertificate(err) || transport.IsTransient(err) {
		t.Errorf("unknown authority: %v", err)
	}

	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	resp, err = get(t, transport.NewClient(transport.Config{}), closed.URL)
	transport.Discard(resp)
	if !transport.IsTransient(err) || transport.IsCertificate(err) {
		t.Errorf("closed port: %v", err)
	}

	abort := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(abort.Close)
	resp, err = get(t, transport.NewClient(transport.Config{}), abort.URL)
	transport.Discard(resp)
	if !transport.IsTransient(err) {
		t.Errorf("aborted: %v", err)
	}
}

// HTTP/2 ends a request by the reset of its stream, or of the whole connection. Both may pass, before
// the head of the answer and within its body.
func TestHTTP2ResetsAreTransient(t *testing.T) {
	for name, reset := range map[string]func(*http2.Framer) error{
		"internal error": func(fr *http2.Framer) error { return fr.WriteRSTStream(1, http2.ErrCodeInternal) },
		"cancelled":      func(fr *http2.Framer) error { return fr.WriteRSTStream(1, http2.ErrCodeCancel) },
		"too much":       func(fr *http2.Framer) error { return fr.WriteRSTStream(1, http2.ErrCodeEnhanceYourCalm) },
		"HTTP/1.1":       func(fr *http2.Framer) error { return fr.WriteRSTStream(1, http2.ErrCodeHTTP11Required) },
		"protocol error": func(fr *http2.Framer) error { return fr.WriteRawFrame(http2.FrameData, 0, 0, []byte("x")) },
	} {
		for _, head := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, head %v", name, head), func(t *testing.T) {
				client, address := resetting(t, head, reset)
				resp, err := get(t, client, address)
				if head && err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
				}
				transport.Discard(resp)
				if f := transport.Explain(err, transport.Peer{Host: "h", Settings: "S"}); !transport.IsTransient(err) || !f.Passing {
					t.Errorf("%v does not pass", err)
				}
			})
		}
	}
}

// resetting is an HTTP/2 server that resets its first request, after the head of the answer if head
// is set. The client trusts it.
func resetting(t *testing.T, head bool, reset func(*http2.Framer) error) (client *http.Client, address string) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.EnableHTTP2 = true
	s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": func(_ *http.Server, c *tls.Conn, _ http.Handler) {
		if _, err := io.CopyN(io.Discard, c, int64(len(http2.ClientPreface))); err != nil {
			return
		}
		fr := http2.NewFramer(c, c)
		_ = fr.WriteSettings()
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			if _, ok := f.(*http2.HeadersFrame); !ok {
				continue
			}
			if head {
				_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: []byte{0x88}}) // :status 200
			}
			_ = reset(fr)
		}
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Client(), s.URL
}

func FuzzRedact(f *testing.F) {
	f.Add("https", "host", "path")
	f.Add("http", "127.0.0.1:80", "a/b@c")
	f.Fuzz(func(t *testing.T, scheme, host, path string) {
		if strings.ContainsAny(scheme+host, "/?#@:") {
			return
		}
		const canary = "c4n4ry"
		in := fmt.Sprintf("%s://u:%s@%s/%s?k=%s#%s", scheme, canary, host, path, canary, canary)
		if strings.Contains(scheme+host+path, canary) || strings.ContainsAny(path, "?#") {
			return
		}
		got := transport.Redact(&url.Error{Op: "Get", URL: in, Err: io.EOF}).Error()
		if strings.Contains(got, canary) {
			t.Errorf("%q shows the secret: %s", in, got)
		}
	})
}

// A name server knows hosts, not ports.
func TestUnknownHostHasNoPort(t *testing.T) {
	peer := transport.Peer{Host: "acme.example:443", Settings: "S"}
	for want, dns := range map[string]*net.DNSError{
		"there is no host acme.example: check S":              {Err: "no such host", Name: "acme.example", IsNotFound: true},
		"the name server did not answer for acme.example: if": {Err: "server misbehaving", Name: "acme.example", IsTemporary: true},
	} {
		if text := transport.Explain(&net.OpError{Op: "dial", Err: dns}, peer).Error(); !strings.HasPrefix(text, want) {
			t.Errorf("%q, want %q", text, want)
		}
	}
}

// Only what certainly was not sent counts as unsent: the rest may have been done.
func TestUnsent(t *testing.T) {
	do := func(err error) error { return &url.Error{Op: "Post", URL: "https://x/", Err: err} }
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"refused":        {do(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), true},
		"dial timed out": {do(&net.OpError{Op: "dial", Err: context.DeadlineExceeded}), true},
		"no such host":   {do(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}), true},
		"certificate":    {do(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), true},
		"reset":          {do(&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}), false},
		"broken pipe":    {do(&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}), false},
		"no answer":      {do(io.EOF), false},
		"deadline":       {do(context.DeadlineExceeded), false},
		"idle":           {do(errors.New("http: server closed idle connection")), false},
		"garbage":        {do(tls.RecordHeaderError{Msg: "oversized record"}), false},
		"none":           {nil, false},
	} {
		if got := transport.Unsent(tc.err); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	if resp, err := get(t, transport.NewClient(transport.Config{}), closed.URL); !transport.Unsent(err) {
		transport.Discard(resp)
		t.Errorf("a closed port: %v", err)
	}
}
