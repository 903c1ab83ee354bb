package sailpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

const (
	// maxBody limits a page in memory. It fits 10,000 events of 3 KB; larger events come in smaller
	// pages.
	maxBody = 32 << 20
	// smallBody limits a page of at most smallPage events, so that the process stays small: two or
	// three times as much is in memory at a time. A single larger event is read again, into one
	// buffer of maxBody.
	smallBody, smallPage = 12 << 20, 1000
)

// bodyOf is the limit for the body of a page of that many events.
func bodyOf(limit int) int64 {
	if limit <= smallPage {
		return smallBody
	}
	return maxBody
}

// answer is a page as received.
type answer struct {
	body []byte
	// total is how many rows the query finds in all; −1 if the service does not say.
	total int64
}

// searchPage returns a page, and adapts the page size to failures.
func (c *Client) searchPage(ctx context.Context, q *query) (answer, error) {
	// A slow token endpoint says nothing about pages, so get the token first.
	if _, err := c.token(ctx); err != nil {
		return answer{}, err
	}
	page, err := c.readPage(ctx, q.call(c.search), bodyOf(q.limit), int(c.bodyHint.Load()))
	var (
		refused *refusal
		large   *transport.TooLarge
	)
	if q.limit == 1 && errors.As(err, &large) {
		page, err = c.readLarge(ctx, q.call(c.search), err)
	}
	if err == nil {
		return page, nil
	}
	status := 0
	if errors.As(err, &refused) {
		status = refused.status
	}
	switch {
	case errors.As(err, &large), status == http.StatusRequestEntityTooLarge:
		c.size.failed(q.limit, 1)
		return answer{}, tooLarge(q.limit, err)
	case status == http.StatusGatewayTimeout, status == http.StatusRequestTimeout,
		status == 0 && transport.IsTimeout(err) && ctx.Err() == nil:
		c.size.failed(q.limit, minPage)
	}
	return answer{}, err
}

// readLarge requests an answer that was too large again, first to see whether it ends at all, and
// then to read it into one buffer of its size. tooLarge is the error if it does not end within
// maxBody.
func (c *Client) readLarge(ctx context.Context, call call, tooLarge error) (answer, error) {
	var large *transport.TooLarge
	errors.As(tooLarge, &large)
	resp, err := c.do(ctx, call)
	if err != nil {
		return answer{}, err
	}
	size, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody+1))
	_ = resp.Body.Close()
	if size > maxBody {
		return answer{}, tooLarge
	}
	if err != nil {
		err = fmt.Errorf("%s: the answer broke off: %w", call.ep.name, transport.Redact(err))
		return answer{}, &pipeline.Retryable{Err: &remote.Unreadable{Err: err, Start: large.Start, Size: int(size)}}
	}
	debug.FreeOSMemory() // frees the part that was read, to make room for the whole
	return c.readPage(ctx, call, maxBody, int(size))
}

// readPage sends a call and reads the answer's body into one buffer.
func (c *Client) readPage(ctx context.Context, call call, limit int64, hint int) (answer, error) {
	resp, err := c.do(ctx, call) //nolint:bodyclose // ReadAllHint closes it
	if err != nil {
		return answer{}, err
	}
	body, err := transport.ReadAllHint(resp, limit, hint, c.pages.Get)
	var large *transport.TooLarge
	switch {
	case err == nil:
		c.bodyHint.Store(min(int64(len(body)), smallBody))
		return answer{body, totalOf(resp.Header)}, nil
	case ctx.Err() != nil:
		return answer{}, fmt.Errorf("%s: %w", call.ep.name, ctx.Err())
	case errors.As(err, &large):
		debug.FreeOSMemory() // rare, and the part that was read takes the memory of a page or two
		return answer{}, fmt.Errorf("%s: %w", call.ep.name, err)
	default:
		err = fmt.Errorf("%s: the answer broke off: %w", call.ep.name, transport.Redact(err))
		return answer{}, &pipeline.Retryable{Err: remote.Broken(err, body)}
	}
}

// totalOf is the number of rows that the query finds, according to the answer; −1 if it does not
// state a valid number.
func totalOf(header http.Header) int64 {
	n, err := strconv.ParseInt(header.Get("X-Total-Count"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
