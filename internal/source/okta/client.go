package okta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// logsPath is the log, below the org's address.
const logsPath = "/api/v1/logs"

// PageSize is the largest page that Okta serves.
const PageSize = 1000

// Config says how to reach an org and how to sign in to it: with an API token, or as a service app.
type Config struct {
	// BaseURL is the org's address without a path, for instance https://acme.okta.com. Required.
	BaseURL *url.URL
	// Token is an API token (SSWS).
	Token secret.Keeper
	// ClientID is the service app, PrivateKey its key, as PEM or JWK. They are used if ClientID is
	// not empty.
	ClientID   string
	PrivateKey secret.Keeper

	// PageSize is the largest page to ask for; 0 means 1000.
	PageSize int
	// Lookback is how far before now the first run begins.
	Lookback time.Duration

	// HTTP must not follow redirects; nil means a client of package transport.
	HTTP *http.Client
	// Log gets what is reported once in a process; nil means nothing is logged.
	Log *slog.Logger
}

// Client speaks to one org. It is safe for concurrent use.
type Client struct {
	cfg   Config
	base  string // without a slash at its end
	http  *http.Client
	log   *slog.Logger
	creds credentials
	pace  *pace

	pages    transport.Buffers
	bodyHint atomic.Int64
	// foreign is set once a link led to another host.
	foreign atomic.Bool

	throttled atomic.Int64
}

// credentials sign in to the org.
type credentials interface {
	// authorize adds the credentials to a request.
	authorize(ctx context.Context, req *http.Request) error
	// refused hears of an answer that refuses the credentials of a request. again means that others
	// are worth a try; otherwise remedy is what a person must do.
	refused(ctx context.Context, req *http.Request, resp *http.Response, said *apiError) (again bool, remedy string)
	// hidden are the secrets that an answer may repeat.
	hidden() []secret.String
}

// NewClient returns a client. It sends nothing yet.
func NewClient(cfg Config) *Client {
	c := &Client{cfg: cfg, http: cfg.HTTP, log: cfg.Log, pace: newPace()}
	if cfg.BaseURL != nil {
		c.base = strings.TrimRight(cfg.BaseURL.String(), "/")
	}
	if c.http == nil {
		c.http = transport.NewClient(transport.Config{})
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.cfg.PageSize <= 0 || c.cfg.PageSize > PageSize {
		c.cfg.PageSize = PageSize
	}
	c.creds = newCredentials(c)
	return c
}

// answer is a page as received.
type answer struct {
	body []byte
	// next is the link to the next page as the org gave it; "" if there is none.
	next string
	// asked is when the request was sent; date is the org's clock, zero if the answer does not state
	// it.
	asked, date time.Time
	header      http.Header
}

// Limits of the body of a page. Two or three pages are in memory at a time; a single larger event is
// read into one buffer of maxBody.
const (
	smallBody = 12 << 20
	maxBody   = 32 << 20
)

// get reads a page. target is a path with a query.
func (c *Client) get(ctx context.Context, target string, limit int64) (answer, error) {
	const what = "read the System Log"
	resp, asked, err := c.authorized(ctx, what, target) //nolint:bodyclose // ReadAllHint closes it
	if err != nil {
		return answer{}, err
	}
	date, _ := http.ParseTime(resp.Header.Get("Date")) // zero if there is none
	a := answer{asked: asked, date: date, header: resp.Header}
	if a.next, err = c.next(resp, target); err != nil {
		transport.Discard(resp)
		return a, err
	}
	a.body, err = transport.ReadAllHint(resp, limit, int(c.bodyHint.Load()), c.pages.Get)
	var large *transport.TooLarge
	switch {
	case err == nil:
		c.bodyHint.Store(min(int64(len(a.body)), smallBody))
		return a, nil
	case ctx.Err() != nil:
		return a, fmt.Errorf("%s: %w", what, ctx.Err())
	case errors.As(err, &large):
		return a, &pipeline.Retryable{Err: &remote.Unreadable{Err: fmt.Errorf("%s: %w", what, err), Start: large.Start, Size: int(large.Max), Large: true}}
	}
	err = fmt.Errorf("%s: the answer broke off: %w", what, transport.Redact(err))
	return a, &pipeline.Retryable{Err: remote.Broken(err, a.body)}
}

// authorized sends a request to the log. If its credentials are refused and others are there, it
// repeats the request with them.
func (c *Client) authorized(ctx context.Context, what, target string) (*http.Response, time.Time, error) {
	for attempt := 1; ; attempt++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+target, nil)
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("%s: OKTA_ORG_URL is not usable: %w", what, transport.Redact(err))
		}
		req.Header.Set("Accept", "application/json")
		if err := c.creds.authorize(ctx, req); err != nil {
			return nil, time.Time{}, err
		}
		if err := c.pace.wait(ctx, what); err != nil {
			return nil, time.Time{}, err
		}
		asked := time.Now()
		resp, err := c.http.Do(req)
		if err != nil {
			return nil, asked, c.networkFailure(ctx, what, err)
		}
		c.pace.note(resp.StatusCode, resp.Header, time.Now())
		if resp.StatusCode == http.StatusOK {
			return resp, asked, nil
		}
		again, err := c.refused(ctx, what, req, resp)
		if !again || attempt == maxAttempts {
			return nil, asked, err
		}
	}
}

// maxAttempts bounds how often a request is repeated with other credentials: with a token that was
// replaced, and then with another nonce.
const maxAttempts = 3

// refused turns an answer with another status than 200 into an error, and closes its body. again
// means that the request may be repeated at once, with other credentials.
func (c *Client) refused(ctx context.Context, what string, req *http.Request, resp *http.Response) (again bool, err error) {
	defer transport.Discard(resp)
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // a part of it is better than nothing
	if f := transport.Gateway(resp.StatusCode, resp.Header, body, c.peer(), c.creds.hidden()...); f != nil {
		return false, remote.Passing(what, f)
	}
	said := parseError(resp.StatusCode, body)
	text := fmt.Sprintf("%s: status %d%s", what, resp.StatusCode, c.details(resp.StatusCode, said, body))
	e := &refusal{status: resp.StatusCode, code: said.Code, text: text, proof: said.dpop()}
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests:
		c.throttled.Add(1)
		return false, &pipeline.Retryable{Err: e, After: c.pace.held()}
	case s == http.StatusRequestTimeout, s >= http.StatusInternalServerError:
		if !said.own(resp.Header) {
			e.text += ": " + transport.Unexpected(s, c.peer())
		}
		return false, &pipeline.Retryable{Err: e, After: transport.RetryAfter(resp.Header, time.Now())}
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusBadRequest && said.dpop():
		again, remedy := c.creds.refused(ctx, req, resp, said)
		if !said.own(resp.Header) {
			remedy = transport.Doubtful(c.peer()) + remedy
		}
		e.text += ": " + remedy
		return again, e
	case s == http.StatusNotFound:
		e.text += ": " + c.host() + " has no System Log there: check OKTA_ORG_URL, which is the address of the org without -admin and without a path"
	case !said.own(resp.Header):
		e.text += ": " + transport.Unexpected(s, c.peer())
	}
	return false, e
}

// next is the link to the next page of the one at target. Whatever its host, requests stay at the
// configured one.
func (c *Client) next(resp *http.Response, target string) (string, error) {
	link := nextOf(resp.Header.Values("Link"))
	if link == "" {
		return "", nil
	}
	u, err := url.Parse(link)
	if err != nil || u.Path != logsPath || u.RawQuery == "" {
		return "", &pipeline.Retryable{Err: errors.New("read the System Log: the answer's next link does not lead to the log: something between this machine and " + c.host() + " may have changed it")}
	}
	if other := otherThan(target, u); other != "" {
		return "", &pipeline.Retryable{Err: fmt.Errorf("read the System Log: the answer's next link %s: something between this machine and %s may have changed it", other, c.host())}
	}
	if u.Host != "" && !strings.EqualFold(u.Host, c.cfg.BaseURL.Host) && c.foreign.CompareAndSwap(false, true) {
		c.log.Warn("the org's links lead to another host; requests stay at the configured one", "configured", c.cfg.BaseURL.Host, "link", u.Host)
	}
	return link, nil
}
