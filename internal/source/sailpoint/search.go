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
)

const (
	// maxBody bounds a page in memory. It fits 10,000 events of 3 KB; larger ones
	// come in smaller pages.
	maxBody = 32 << 20
	// smallBody bounds a page of smallPage events or less, for which a process is promised
	// to stay small: twice or three times as much is in memory at a time. A single event
	// that is larger is read once more, into one buffer of maxBody.
	smallBody, smallPage = 12 << 20, 1000
)

// bodyOf bounds the body of a page of that many events.
func bodyOf(limit int) int64 {
	if limit <= smallPage {
		return smallBody
	}
	return maxBody
}

// answer is a page as it came.
type answer struct {
	body []byte
	// total is how many rows the query finds in all; −1 if the service does not say.
	total int64
}

// searchPage returns a page, and adapts the page size to what went wrong.
func (c *Client) searchPage(ctx context.Context, q *query) (answer, error) {
	// A slow token endpoint says nothing about pages, so get the token before.
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

// readLarge reads an answer that was too large once more, first to see whether it ends at all, and
// then into one buffer of its size. tooLarge is the error if it does not end within maxBody.
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
		return answer{}, &pipeline.Retryable{Err: &unreadable{err: err, start: large.Start, size: int(size)}}
	}
	debug.FreeOSMemory() // what was read of it makes room for the whole
	return c.readPage(ctx, call, maxBody, int(size))
}

// readPage sends a call and reads the answer's body into one buffer.
func (c *Client) readPage(ctx context.Context, call call, limit int64, hint int) (answer, error) {
	resp, err := c.do(ctx, call) //nolint:bodyclose // ReadAllHint closes it
	if err != nil {
		return answer{}, err
	}
	body, err := transport.ReadAllHint(resp, limit, hint, c.pages.get)
	var large *transport.TooLarge
	switch {
	case err == nil:
		c.bodyHint.Store(min(int64(len(body)), smallBody))
		return answer{body, totalOf(resp.Header)}, nil
	case ctx.Err() != nil:
		return answer{}, fmt.Errorf("%s: %w", call.ep.name, ctx.Err())
	case errors.As(err, &large):
		debug.FreeOSMemory() // rare, and what was read of it is worth a page or two
		return answer{}, fmt.Errorf("%s: %w", call.ep.name, err)
	default:
		err = fmt.Errorf("%s: the answer broke off: %w", call.ep.name, transport.Redact(err))
		return answer{}, &pipeline.Retryable{Err: &unreadable{err: err, start: start(body), size: len(body)}}
	}
}

// totalOf is the number of rows that an answer says its query finds; −1 if it has none
// that is a number.
func totalOf(header http.Header) int64 {
	n, err := strconv.ParseInt(header.Get("X-Total-Count"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
