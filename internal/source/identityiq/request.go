package identityiq

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

const (
	// maxBody limits a page in memory. Rows are cut out of it and written once more, so twice as much
	// is in memory at a time. A page that is larger is read in parts; a single larger row up to
	// maxRow.
	maxBody = 8 << 20
	maxRow  = 32 << 20
)

// part is the part of IdentityIQ that a call needs. It decides what is wrong when the call fails.
type part int

const (
	core part = iota
	plugin
	scim
)

// call is one request for something.
type call struct {
	what  string // for error texts
	part  part
	path  string
	query url.Values
	// limit is the size of the largest body in bytes; 0 means maxBody.
	limit int64
}

// refusal is an answer with an error status.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

// get sends a call, with the token, and returns the body of the answer. An error is classified and
// can be shown.
func (c *Client) get(ctx context.Context, call call) ([]byte, error) {
	select {
	case c.slot <- struct{}{}:
		defer func() { <-c.slot }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", call.what, ctx.Err())
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", call.what, err)
	}
	for attempt := 1; ; attempt++ {
		tok, err := c.token(ctx)
		if err != nil {
			return nil, err
		}
		resp, err := c.send(ctx, call, tok) //nolint:bodyclose // refused and read close it
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusUnauthorized && attempt == 1 {
			transport.Discard(resp) // the token may have expired, or the server was restarted
			c.tokens.put(nil)
			continue
		}
		if resp.StatusCode/100 != 2 {
			c.tokens.forgetAfter(resp.StatusCode)
			return nil, c.refused(call, resp)
		}
		return c.read(ctx, call, resp)
	}
}

// forgetAfter drops the token if the server refused it.
func (t *tokens) forgetAfter(status int) {
	if status == http.StatusUnauthorized {
		t.put(nil)
	}
}

func (c *Client) send(ctx context.Context, call call, tok *token) (*http.Response, error) {
	target := c.base + call.path
	if len(call.query) > 0 {
		target += "?" + call.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: IIQ_URL is not usable: %w", call.what, transport.Redact(err))
	}
	req.Header.Set("Accept", "application/json, application/scim+json")
	req.Header.Set("Authorization", "Bearer "+tok.access.Reveal())
	resp, err := c.http.Do(req)
	if err == nil {
		return resp, nil
	}
	var redirect *transport.Redirect
	if ctx.Err() == nil && call.part == plugin && errors.As(err, &redirect) {
		return nil, c.noPlugin(call, fmt.Sprintf("status %d", redirect.Status))
	}
	return nil, c.networkFailure(ctx, call.what, err)
}

// read reads the body of an answer with a good status.
func (c *Client) read(ctx context.Context, call call, resp *http.Response) ([]byte, error) {
	limit := call.limit
	if limit == 0 {
		limit = maxBody
	}
	header := resp.Header
	c.noteTime(header)
	body, err := transport.ReadAllHint(resp, limit, int(c.bodyHint.Load()), c.bodies.Get)
	var large *transport.TooLarge
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", call.what, ctx.Err())
	case errors.As(err, &large):
		debug.FreeOSMemory() // rare, and the part that was read takes the memory of a page or two
		err = fmt.Errorf("%s: %w", call.what, err)
		return nil, &pipeline.Retryable{Err: &remote.Unreadable{Err: err, Start: large.Start, Size: int(large.Max), Large: true}}
	case err != nil:
		err = fmt.Errorf("%s: the answer broke off: %w", call.what, transport.Redact(err))
		return nil, &pipeline.Retryable{Err: remote.Broken(err, body)}
	case transport.IsPage(header, body):
		return nil, c.page(call, header, body)
	}
	c.bodyHint.Store(min(int64(len(body)), maxBody))
	return body, nil
}

// page is the error for a web page with a good status.
func (c *Client) page(call call, header http.Header, body []byte) error {
	if call.part == plugin {
		return c.noPlugin(call, "a web page, as an application gives for an address that it does not know")
	}
	return remote.Passing(call.what, transport.Gateway(http.StatusOK, header, body, c.peer(), c.hidden()...))
}

const (
	pluginName  = "SailPoint's SIEM plugin (SIEMPlugin)"
	pluginRight = "siemextadministrator"
)

// noPlugin is the error for an answer that the plugin does not give.
func (c *Client) noPlugin(call call, answer string) error {
	return fmt.Errorf("%s: %s answered with %s: %s is not installed there, or not enabled: without it IdentityIQ offers no events; "+
		"install it, and give the user of IIQ_CLIENT_ID the right %s, or leave audit and syslog out of IIQ_STREAMS", call.what, c.host(), answer, pluginName, pluginRight)
}

// refused turns an answer with an error status into an error, and closes its body. Tomcat's own
// error pages are web pages, too: so status 401, 403 and 404 are the service's, whatever the body.
func (c *Client) refused(call call, resp *http.Response) error {
	status := resp.StatusCode
	body, _ := transport.ReadAll(resp, 64<<10) // a part of it is better than nothing
	own := status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound
	if !own {
		if f := transport.Gateway(status, resp.Header, body, c.peer(), c.hidden()...); f != nil {
			return remote.Passing(call.what, f)
		}
	}
	text := fmt.Sprintf("%s: status %d", call.what, status)
	if !transport.IsPage(resp.Header, body) {
		text += c.details(body)
	}
	err := &refusal{status, text}
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		if status == http.StatusTooManyRequests {
			c.throttled.Add(1)
		}
		if status != http.StatusTooManyRequests && err.text == fmt.Sprintf("%s: status %d", call.what, status) {
			err.text += ": " + transport.Unexpected(status, c.peer())
		}
		return &pipeline.Retryable{Err: err, After: transport.RetryAfter(resp.Header, time.Now())}
	case call.part == plugin && (status == http.StatusNotFound || status/100 == 3):
		return c.noPlugin(call, fmt.Sprintf("status %d", status))
	case status/100 == 3:
		err.text += ", a redirect, which is not followed: set IIQ_URL to the address that it leads to, if that is IdentityIQ's own"
	case status == http.StatusForbidden && call.part == plugin:
		err.text += ": the user of IIQ_CLIENT_ID needs the right " + pluginRight + " of " + pluginName +
			": give its proxy user the capability SIEM EXT Plugin Admin (not siemadministrator, which can also disable accounts)"
	case status == http.StatusForbidden:
		err.text += ": the proxy user of IIQ_CLIENT_ID is not allowed to read this: give it the right to, or leave it out of IIQ_STREAMS; if the user has it, a firewall in between may refuse the request"
	case status == http.StatusUnauthorized:
		err.text += ": IdentityIQ rejects a token that was just issued to IIQ_CLIENT_ID: check that its proxy user exists and is active"
	case status == http.StatusNotFound:
		err.text += ": IIQ_URL must be the address of IdentityIQ with its context, such as https://host/identityiq"
	}
	return err
}

// details is what the body of an error answer says, for the end of an error text.
func (c *Client) details(body []byte) string {
	var answer struct {
		Detail  string `json:"detail"`
		Message string `json:"message"`
	}
	err := json.Unmarshal(body, &answer, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	text := answer.Detail + answer.Message
	if err != nil {
		text = string(body)
	}
	if text = transport.Excerpt(text, c.hidden()...); text != "" {
		return ": " + text
	}
	return ""
}

// networkFailure classifies an error of the HTTP client.
func (c *Client) networkFailure(ctx context.Context, what string, err error) error {
	return remote.NetworkFailure(ctx, what, err, c.peer())
}
