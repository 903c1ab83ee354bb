package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// Redact returns err without the user, password, query and fragment of the URL that net/http puts
// into its errors. [errors.As] and [errors.Is] still find what they found before. Call it on an
// error of an http.Client before wrapping it.
func Redact(err error) error {
	var found *url.Error
	if !errors.As(err, &found) {
		return err
	}
	clean := &url.Error{Op: found.Op, URL: redactURL(found.URL), Err: Redact(found.Err)}
	if found.Op == "parse" {
		// The parts of this text can't be separated reliably, and the details of the error quote
		// some of it.
		clean.URL, clean.Err = "…", errors.New("not a valid URL")
	}
	if err == error(found) { //nolint:errorlint // err itself, not an error inside it
		return clean
	}
	text := strings.ReplaceAll(err.Error(), found.Error(), clean.Error())
	text = strings.ReplaceAll(text, strconv.Quote(found.URL), strconv.Quote(clean.URL))
	return &redacted{text: strings.ReplaceAll(text, found.URL, clean.URL), err: clean}
}

// redacted is an error that wrapped a *url.Error, with its text redacted.
type redacted struct {
	text string
	err  error
}

func (e *redacted) Error() string { return e.text }
func (e *redacted) Unwrap() error { return e.err }

// redactURL keeps scheme, host and path. It works on text, because a URL that can't be parsed needs
// it most.
func redactURL(s string) string {
	s, _, _ = strings.Cut(s, "#")
	s, _, _ = strings.Cut(s, "?")
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "", s
	}
	host, path, slash := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	if ok {
		host = scheme + "://" + host
	}
	if slash {
		return host + "/" + path
	}
	return host
}

// IsUnknownHost reports whether the name of the host does not exist. Callers add which setting
// holds the name.
func IsUnknownHost(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// IsCertificate reports whether the service failed to prove its identity, or does not speak TLS.
func IsCertificate(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
		header       tls.RecordHeaderError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) ||
		errors.As(err, &invalid) || errors.As(err, &header)
}

// IsTimeout reports whether err is a time-out in any phase of an exchange.
func IsTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// IsNetwork reports whether err means that an exchange failed, as opposed to an error in the
// answer.
func IsNetwork(err error) bool {
	var (
		failed   *url.Error
		known    *Failure
		proxy    *ProxyError
		redirect *Redirect
	)
	return errors.As(err, &failed) || errors.As(err, &known) || errors.As(err, &proxy) || errors.As(err, &redirect) ||
		IsTransient(err) || IsUnknownHost(err) || IsCertificate(err)
}

// IsTransient reports whether err is a failure of the network that may pass: a connection that was
// refused, reset or ended too early, a time-out, a name server that did not answer. It is false for
// an unknown host, an invalid certificate, a redirect, and a cancelled context. A deadline of the
// caller's own context looks like any other time-out: check the context first.
func IsTransient(err error) bool {
	var redirect *Redirect
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, &redirect), IsUnknownHost(err), IsCertificate(err):
		return false
	case IsTimeout(err), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return true
	}
	for _, errno := range []syscall.Errno{
		syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.EPIPE,
		syscall.ETIMEDOUT, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	var (
		op  *net.OpError
		dns *net.DNSError
	)
	if errors.As(err, &op) || errors.As(err, &dns) || errors.As(err, new(streamError)) {
		return true
	}
	// Some failures of a connection are plain texts, and those of HTTP/2 have types that net/http does
	// not export.
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if strings.HasPrefix(inner.Error(), "connection error: ") { // HTTP/2, before the head of an answer or after it
			return true
		}
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		text := failed.Err.Error()
		for _, s := range []string{"http2:", "http: server closed idle connection", "http: connection has been closed", "malformed HTTP"} {
			if strings.Contains(text, s) {
				return true
			}
		}
	}
	return false
}

// streamError is the reset of an HTTP/2 stream. net/http does not export the type, but [errors.As]
// fills any struct that has its fields.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string {
	return fmt.Sprintf("HTTP/2 stream %d: error %d: %v", e.StreamID, e.Code, e.Cause)
}
