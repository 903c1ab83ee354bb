package transport

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// roundTripper names the program in each request and watches each body: net/http has no time-out of
// its own for a body that stalls.
type roundTripper struct {
	*http.Transport
	proxies *proxies
	agent   string
	stall   time.Duration
}

// RoundTrip implements [http.RoundTripper]. It keeps a User-Agent that is already set.
func (rt *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	req = req.Clone(ctx)
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", rt.agent)
	}
	resp, err := rt.send(req)
	note(req, resp, err)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	watched := &watchedBody{body: resp.Body, ctx: ctx, cancel: cancel, limit: rt.stall}
	watched.timer = time.AfterFunc(rt.stall, func() { cancel(errStalled{}) })
	watched.timer.Stop() // runs only during a Read
	resp.Body = watched
	return resp, nil
}

// send also records in an error which proxy the request went through, and how far it got.
func (rt *roundTripper) send(req *http.Request) (*http.Response, error) {
	proxy, err := rt.proxies.of(req.URL)
	if err != nil || proxy == nil {
		return rt.Transport.RoundTrip(req)
	}
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
		// With a proxy that speaks TLS itself, the first handshake is the proxy's.
		TLSHandshakeStart: func() { connected.Store(proxy.Scheme != "https") },
	}
	resp, err := rt.Transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		return nil, &viaProxy{err: err, host: proxy.Host, setting: rt.proxies.setting, signed: proxy.User != nil, connected: connected.Load()}
	}
	return resp, nil
}

// watchedBody cancels its request when no byte arrives for a while.
type watchedBody struct {
	body   io.ReadCloser
	ctx    context.Context //nolint:containedctx // of the one request that the body belongs to
	cancel context.CancelCauseFunc
	limit  time.Duration
	timer  *time.Timer
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.limit)
	n, err := b.body.Read(p)
	b.timer.Stop()
	if err != nil && err != io.EOF {
		if cause, ok := context.Cause(b.ctx).(errStalled); ok { //nolint:errorlint // set above, never wrapped
			err = cause
		}
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.timer.Stop()
	err := b.body.Close()
	b.cancel(nil)
	return err
}

// errStalled is a [net.Error], like the time-outs of net/http.
type errStalled struct{}

func (errStalled) Error() string   { return "the body of the answer stalled" }
func (errStalled) Timeout() bool   { return true }
func (errStalled) Temporary() bool { return true }
