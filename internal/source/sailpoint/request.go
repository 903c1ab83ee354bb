package sailpoint

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// maxHold is the longest pause that a 429 can impose on the whole client. It equals the longest
// wait of the retry policy: services have sent absurd values.
const maxHold = 2 * time.Minute

// hold is a pause that the tenant asked for. It applies to the client id, so it holds back both
// streams. It ends by the monotonic clock: one that is set back by days must not prolong it by days.
type hold struct{ until atomic.Pointer[time.Time] }

func (h *hold) set(d time.Duration) {
	until := time.Now().Add(min(d, maxHold))
	h.until.Store(&until)
}

func (h *hold) left() time.Duration {
	until := h.until.Load()
	if until == nil {
		return 0
	}
	return time.Until(*until)
}

// waitForSlot waits until the rate limit allows a request, but not past the deadline of ctx, and
// counts the request.
func (c *Client) waitForSlot(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if left := c.hold.left(); left > 0 {
		return &pipeline.Retryable{Err: fmt.Errorf("%s: not sent: the tenant asked for a pause (status 429)", what), After: left}
	}
	if err := c.limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
		if deadline, ok := ctx.Deadline(); ok {
			return &pipeline.Retryable{
				Err:   fmt.Errorf("%s: the rate limit lets no request through before the deadline: %w", what, retry.ErrNoTime),
				After: time.Until(deadline),
			}
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	c.requests.Add(1)
	return nil
}

func (c *Client) noteThrottling(status int, after time.Duration) {
	if status != http.StatusTooManyRequests {
		return
	}
	c.throttled.Add(1)
	if after > 0 {
		c.hold.set(after)
	}
}

// call is one request to an endpoint.
type call struct {
	ep    *endpoint
	query url.Values
	body  []byte // JSON; nil for none
	// What follows is for endpoints that stand for several operations. suffix is added to the path.
	// method, scope and contentType replace those of the endpoint, and JSON.
	suffix, method, scope, contentType string
	// secrets are what the body holds: an answer may repeat it.
	secrets []secret.String
}

// do sends a call to the path that worked last, then to the others as long as they do not exist. It
// returns an answer of status 2xx, whose body the caller closes, or an error that is classified and
// can be shown.
func (c *Client) do(ctx context.Context, call call) (*http.Response, error) {
	ep := call.ep
	first := int(ep.worked.Load())
	for n := range ep.paths {
		i := (first + n) % len(ep.paths)
		resp, err := c.authorized(ctx, call, ep.paths[i]+call.suffix)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusNotFound && call.suffix == "" {
			transport.Discard(resp)
			continue
		}
		c.noteDeprecation(ep, ep.paths[i], resp)
		if resp.StatusCode/100 != 2 {
			return nil, c.refused(call, resp)
		}
		ep.worked.Store(int32(i))
		return resp, nil
	}
	return nil, c.missing(ep)
}

// authorized sends a call to one path. If the token is refused, it gets a new one and repeats the
// call once.
func (c *Client) authorized(ctx context.Context, call call, path string) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		tok, err := c.token(ctx)
		if err != nil {
			return nil, err
		}
		req, err := c.newRequest(ctx, call, path)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+tok.access.Reveal())
		resp, err := c.send(ctx, call.ep.name, req)
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, err
		}
		c.dropToken(tok)
		if attempt == 2 {
			return nil, c.refused(call, resp)
		}
		transport.Discard(resp)
	}
}

func (c *Client) newRequest(ctx context.Context, call call, path string) (*http.Request, error) {
	target := c.base + path
	if len(call.query) > 0 {
		target += "?" + call.query.Encode()
	}
	var body io.Reader
	if call.body != nil {
		body = bytes.NewReader(call.body)
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(call.method, call.ep.method), target, body)
	if err != nil {
		return nil, fmt.Errorf("%s: SAILPOINT_BASE_URL is not usable: %w", call.ep.name, transport.Redact(err))
	}
	req.Header.Set("Accept", "application/json")
	if call.body != nil {
		req.Header.Set("Content-Type", cmp.Or(call.contentType, "application/json"))
	}
	if call.ep.experimental {
		req.Header.Set("X-SailPoint-Experimental", "true")
	}
	return req, nil
}

// send sends a request under the rate limit.
func (c *Client) send(ctx context.Context, what string, req *http.Request) (*http.Response, error) {
	if err := c.waitForSlot(ctx, what); err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.networkFailure(ctx, what, err)
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		c.noteThrottling(resp.StatusCode, transport.RetryAfter(resp.Header, time.Now()))
	}
	return resp, nil
}

// noteDeprecation logs once for each endpoint that the tenant plans to remove it.
func (c *Client) noteDeprecation(ep *endpoint, path string, resp *http.Response) {
	if resp.Header.Get("X-Deprecated") == "true" && ep.deprecated.CompareAndSwap(false, true) {
		ep.warn.Store(true)
		c.log.Warn("endpoint is deprecated", "endpoint", ep.name, "path", path)
	}
}

// warnings are the warnings for the user on a page of ep, each once in a process.
func (c *Client) warnings(ep *endpoint) []string {
	if !ep.warn.CompareAndSwap(true, false) {
		return nil
	}
	return []string{fmt.Sprintf("SailPoint marks %s (%s) as deprecated: set SAILPOINT_API_VERSION to a newer one", ep.paths[ep.worked.Load()], ep.name)}
}
