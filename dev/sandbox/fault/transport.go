package fault

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Transport returns a RoundTripper that serves every request, whatever its
// host, by calling h in the goroutine of the caller.
//
// What h wrote before it panicked with [http.ErrAbortHandler] arrives: a body
// that is shorter than announced, or an answer that was begun, ends with
// [io.ErrUnexpectedEOF]; with nothing written the round trip fails with a
// [net.OpError] around that error. Any other panic goes through to the caller.
// h and the reader of the body see the end of the request's context.
func Transport(h http.Handler) http.RoundTripper { return &transport{h} }

type transport struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rec := newRecorder()
	aborted := call(t.handler, rec, serverRequest(req))
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if aborted && !rec.started() {
		return nil, &net.OpError{Op: "read", Net: "in-process", Err: io.ErrUnexpectedEOF}
	}
	return rec.response(ctx, req, aborted), nil
}

// call reports whether the handler aborted the connection.
func call(h http.Handler, w http.ResponseWriter, r *http.Request) (aborted bool) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			aborted = true
		default:
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

// serverRequest is the request as a server would see it.
func serverRequest(req *http.Request) *http.Request {
	r := req.Clone(req.Context())
	r.RequestURI = req.URL.RequestURI()
	r.Host = cmp.Or(req.Host, req.URL.Host)
	r.RemoteAddr = "127.0.0.1:1"
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	if r.Body == nil {
		r.Body = http.NoBody
	}
	return r
}

// recorder keeps what a handler writes.
type recorder struct {
	header http.Header
	sent   http.Header // header as it was when the answer began
	code   int
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: make(http.Header)} }

// Header implements [http.ResponseWriter].
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements [http.ResponseWriter]. Informational answers are dropped.
func (r *recorder) WriteHeader(code int) {
	if r.started() || code < 200 {
		return
	}
	r.code = code
	r.sent = r.header.Clone()
	if n, err := strconv.Atoi(r.sent.Get("Content-Length")); err == nil && n > 0 {
		r.body.Grow(n)
	}
}

// Write implements [http.ResponseWriter].
func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// Flush implements [http.Flusher].
func (r *recorder) Flush() { r.WriteHeader(http.StatusOK) }

// started says whether any part of an answer would have left a real server.
func (r *recorder) started() bool { return r.code != 0 }

func (r *recorder) status() int { return cmp.Or(r.code, http.StatusOK) }

// copyHeader adds the recorded header to dst.
func (r *recorder) copyHeader(dst http.Header) {
	if r.started() {
		maps.Copy(dst, r.sent)
		return
	}
	maps.Copy(dst, r.header)
}

// response makes a client's view of what was recorded.
func (r *recorder) response(ctx context.Context, req *http.Request, aborted bool) *http.Response {
	header := make(http.Header)
	r.copyHeader(header)
	if header.Get("Date") == "" {
		header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	length := int64(r.body.Len())
	announced, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	switch {
	case req.Method == http.MethodHead || r.status() == http.StatusNoContent || r.status() == http.StatusNotModified:
		r.body.Reset()
		aborted = false
	case err == nil:
		// As a server does, end the body where it was announced to end.
		r.body.Truncate(int(min(announced, length)))
		aborted = length < announced
		length = announced
	case aborted:
		length = -1
	}
	if r.body.Len() == 0 && !aborted {
		return r.assemble(req, header, length, http.NoBody)
	}
	return r.assemble(req, header, length, &body{ctx: ctx, rest: r.body.Bytes(), cut: aborted})
}

func (r *recorder) assemble(req *http.Request, header http.Header, length int64, b io.ReadCloser) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(r.status()) + " " + http.StatusText(r.status()), StatusCode: r.status(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: b, ContentLength: length, Request: req,
	}
}

// body reads what was recorded; if it was cut, the end of it is an error.
type body struct {
	ctx  context.Context // of the one request that the body belongs to
	rest []byte
	cut  bool
	done bool
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	if b.done {
		return 0, http.ErrBodyReadAfterClose
	}
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if len(b.rest) == 0 {
		if b.cut {
			return 0, io.ErrUnexpectedEOF
		}
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (b *body) Close() error {
	b.done = true
	return nil
}
