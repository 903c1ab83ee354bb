// Package azmonitor is what the clients of Azure Monitor have in common: those of the two
// ingestion APIs, and the one of the query API.
//
// It turns an HTTP exchange into an [Answer], or into an error that says which hop failed
// and whether a retry may help. Each client decides what an answer means.
package azmonitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// maxAnswer is how much of the answer to a post is read. The services' answers are shorter than 2 KB.
const maxAnswer = 16 << 10

// Client returns a client that follows no redirects, which would send credentials elsewhere.
// For nil, it makes a client of package transport.
func Client(c *http.Client) *http.Client {
	if c == nil {
		return transport.NewClient(transport.Config{})
	}
	return transport.NoRedirects(c)
}

// Answer is the response of the service, or of something in between, to a post.
type Answer struct {
	Status  int
	Header  http.Header
	Trailer http.Header
	Whole   bool // it came after the whole body was sent
	// Doubtful says that it proves nothing for an upload of this size, see [Early].
	Doubtful bool
	Empty    bool
	Page     bool // HTML
	// Body is the beginning of the body, without white space around it.
	Body []byte
	// Code and Message come from the service's error body, if the client knows its form.
	// Request is the service's id for the exchange. All three are safe to show.
	Code, Message, Request string
	// Peer is the service that was asked.
	Peer transport.Peer
	// Gateway says who sent the answer if the service did not, else nil.
	Gateway *transport.Failure
}

// Post sends a request and reads the answer. unreachable classifies the error if there is none.
func Post(client *http.Client, req *http.Request, sent *transport.Upload, peer transport.Peer, unreachable func(error) error, hidden ...secret.String) (*Answer, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, unreachable(transport.Redact(err))
	}
	whole := sent.Whole()
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	transport.Discard(resp)
	if err != nil && resp.StatusCode < http.StatusMultipleChoices {
		// Without its body an acknowledgement can't be distinguished from a proxy's page.
		return nil, unreachable(fmt.Errorf("read the answer: %w", transport.Redact(err)))
	}
	empty := len(body) == 0                                          // white space is a body, too
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\uFEFF"))) // some Windows servers send a byte order mark
	return &Answer{
		Status: resp.StatusCode, Header: resp.Header, Trailer: resp.Trailer, Whole: whole, Empty: empty, Body: body,
		Page:    len(body) > 0 && (strings.Contains(resp.Header.Get("Content-Type"), "html") || body[0] == '<'),
		Request: shown(resp.Header, "x-ms-request-id", hidden),
		Peer:    peer,
		Gateway: transport.Gateway(resp.StatusCode, resp.Header, body, peer, hidden...),
	}, nil
}

// shown returns a header in a form that is safe to show.
func shown(h http.Header, name string, hidden []secret.String) string {
	if value := h.Get(name); value != "" {
		return transport.Excerpt(value, hidden...)
	}
	return ""
}

// String describes the answer, without a remedy.
func (a *Answer) String() string {
	text := fmt.Sprintf("status %d", a.Status)
	switch {
	case a.Code != "":
		text += " " + a.Code
	case a.Page:
		text += " with an HTML page"
	case !a.Empty && a.Message == "":
		text += " with a body that is not the service's"
	}
	if a.Message != "" {
		text += " (" + a.Message + ")"
	}
	if a.Request != "" {
		text += ", request " + a.Request
	}
	return text
}

// NotAnAck names what shows that an answer without a body is not an acknowledgement: a header as in
// [transport.NotAnAck], or such a trailer. "" means nothing.
func (a *Answer) NotAnAck() string {
	if name := transport.NotAnAck(a.Header); name != "" {
		return "the header " + name
	}
	if name := transport.NotAnAck(a.Trailer); name != "" {
		return "the trailer " + name
	}
	return ""
}

// Early is the error for an acknowledgement that came before the whole batch was sent, or may have.
func (a *Answer) Early() error {
	if a.Whole {
		return &pipeline.Retryable{Err: fmt.Errorf("%v is doubtful, because such an answer to another batch came before that was sent to its end: "+
			"the batch counts as not delivered and is sent again; check proxies and gateways", a)}
	}
	return &pipeline.Retryable{Err: fmt.Errorf("%v came before the batch was sent to its end, so something in between answered and not the service: "+
		"the batch counts as not delivered; check proxies and gateways", a)}
}

// Other judges a status that the service does not document for the request. It returns nil
// for one below 300. address is the setting that holds the service's address.
func (a *Answer) Other(address string) error {
	switch {
	case a.Status == http.StatusRequestEntityTooLarge:
		return &pipeline.Rejected{Err: fmt.Errorf("%v: the batch is too large", a)}
	case a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooManyRequests, a.Status >= http.StatusInternalServerError:
		return a.retryable()
	case a.Status >= http.StatusBadRequest && a.Gateway != nil:
		return a.Gateway
	case a.Status >= http.StatusBadRequest:
		return fmt.Errorf("%v: %s; everything is kept and sent again by the next run", a, transport.Unexpected(a.Status, a.Peer))
	case a.Status >= http.StatusMultipleChoices:
		return fmt.Errorf("%v is a redirect, and redirects are not followed: check %s, and whether a proxy asks for a sign-in", a, address)
	}
	return nil
}

// Small is the error for a record that is refused as too large although the service takes
// larger ones.
func (a *Answer) Small(size, limit int) error {
	return fmt.Errorf("%v for %d bytes, far less than the %d that the service takes: a proxy or gateway in between has a smaller limit. Raise it there; "+
		"everything is kept and sent again by the next run", a, size, limit)
}

func (a *Answer) retryable() error {
	now, err := http.ParseTime(a.Header.Get("Date")) // a date in Retry-After follows the service's clock
	if err != nil {
		now = time.Now()
	}
	err = errors.New(a.String())
	switch {
	case a.Gateway != nil:
		err = a.Gateway
	case a.Code == "":
		err = fmt.Errorf("%v: %s", a, transport.Unexpected(a.Status, a.Peer))
	}
	return &pipeline.Retryable{Err: err, After: transport.RetryAfter(a.Header, now)}
}

// Unreachable classifies the error of an exchange with peer that got no answer. Once ctx has
// ended, nothing is worth repeating; if its time was up, peer may be why.
func Unreachable(ctx context.Context, err error, peer transport.Peer) error {
	switch {
	case ctx.Err() == nil:
		return Failed(transport.Explain(err, peer))
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return transport.Explain(err, peer)
	}
	return Ended(ctx, err)
}

// Failed makes a failure retryable if it may pass.
func Failed(f *transport.Failure) error {
	if f.Passing || f.Hop == transport.HopNetwork {
		return &pipeline.Retryable{Err: f, After: f.After}
	}
	return f
}

// Ended is the error of an exchange that the end of ctx interrupted.
func Ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// Wrap adds what failed to the error, and keeps its class.
func Wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
