package sailpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

const (
	// tokenTimeout limits a request for a token.
	tokenTimeout = 30 * time.Second
	// tokenLifetime is used when the answer does not state a plausible one. A token that expires
	// earlier is replaced on the first 401.
	tokenLifetime = 5 * time.Minute
	// SailPoint documents lifetimes of 15 to 43200 s. Others are not trusted.
	shortestLife = 15 * time.Second
	longestLife  = 12 * time.Hour
	// renewPause is the time between attempts to replace a token that is still valid.
	renewPause = 10 * time.Second
	// maxToken limits the body of an answer of the token endpoint.
	maxToken = 1 << 20
)

// token is an access token.
type token struct {
	access  secret.String
	renew   time.Time // when to ask for the next one
	expires time.Time
}

// tokens caches the one token that a client needs at a time.
type tokens struct {
	mu      sync.Mutex
	current *token
	// previous is the token before: answers about it may still have to be masked.
	previous *token
	pending  *tokenCall
}

// secrets are the tokens that an answer may show.
func (t *tokens) secrets() (out []secret.String) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tok := range []*token{t.current, t.previous} {
		if tok != nil {
			out = append(out, tok.access)
		}
	}
	return out
}

// tokenCall is a request in progress, shared by all who wait for it.
type tokenCall struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int // guarded by tokens.mu
	tok     *token
	err     error
}

// token returns the cached token or waits for a new one. Each request for a token may leave an
// entry in the tenant's own audit log, so there are no more than needed.
func (c *Client) token(ctx context.Context) (*token, error) {
	tok, call := c.tokenOrCall(ctx)
	if tok != nil {
		return tok, nil
	}
	select {
	case <-call.done:
		return call.tok, call.err
	case <-ctx.Done():
		c.tokens.mu.Lock()
		defer c.tokens.mu.Unlock()
		if call.waiting--; call.waiting == 0 {
			call.cancel()
			c.tokens.forget(call)
		}
		return nil, c.networkFailure(ctx, "get token", ctx.Err())
	}
}

// tokenOrCall returns the cached token, or the request for a new one, which it joins or starts.
func (c *Client) tokenOrCall(ctx context.Context) (*token, *tokenCall) {
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	if t := c.tokens.current; t != nil && time.Now().Before(t.renew) {
		return t, nil
	}
	call := c.tokens.pending
	if call == nil {
		call = &tokenCall{done: make(chan struct{})}
		// The request does not end with the first caller, but with the last.
		ctx, call.cancel = context.WithTimeout(context.WithoutCancel(ctx), tokenTimeout)
		c.tokens.pending = call
		go c.renewToken(ctx, call)
	}
	call.waiting++
	return nil, call
}

// forget makes room for the next call. The caller holds the lock.
func (t *tokens) forget(call *tokenCall) {
	if t.pending == call {
		t.pending = nil
	}
}

// renewToken completes call.
func (c *Client) renewToken(ctx context.Context, call *tokenCall) {
	defer call.cancel()
	tok, err := c.requestToken(ctx)
	switch {
	case err == nil || ctx.Err() == nil:
	case errors.As(err, new(*transport.Failure)):
		err = &pipeline.Retryable{Err: err}
	default:
		err = &pipeline.Retryable{Err: fmt.Errorf("get token: no answer within %v", tokenTimeout)}
	}

	defer close(call.done)
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	var passing *pipeline.Retryable
	if old := c.tokens.current; old != nil && errors.As(err, &passing) && time.Now().Before(old.expires) {
		// The old token is valid for a little longer: an outage of the token endpoint need not stop
		// us.
		tok, err = &token{access: old.access, expires: old.expires, renew: time.Now().Add(renewPause)}, nil
	}
	if err == nil {
		if old := c.tokens.current; old != nil {
			c.tokens.previous = old
		}
		c.tokens.current = tok
	}
	c.tokens.forget(call)
	call.tok, call.err = tok, err
}

// dropToken drops t, which the API refused, unless it has been replaced already.
func (c *Client) dropToken(t *token) {
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	if c.tokens.current == t {
		c.tokens.previous, c.tokens.current = t, nil
	}
}

// requestToken asks for a token. If the secret is refused and has been replaced where it is kept,
// it asks once more with the new one.
func (c *Client) requestToken(ctx context.Context) (*token, error) {
	const what = "get token"
	return secret.Attempt(ctx, what, c.cfg.ClientSecret, func(s secret.String) (*token, error) { return c.askForToken(ctx, what, s) })
}

// askForToken sends the client credentials in the form body: in a URL the secret would end up in
// the logs of every proxy.
func (c *Client) askForToken(ctx context.Context, what string, clientSecret secret.String) (*token, error) {
	if err := c.waitForSlot(ctx, what); err != nil {
		return nil, err
	}
	c.tokenRequests.Add(1)
	client := *c.http
	life := tokenLifetime
	client.Transport = tokenTransport{client.Transport, c, &life}
	conf := clientcredentials.Config{
		ClientID:     c.cfg.ClientID,
		ClientSecret: clientSecret.Reveal(),
		TokenURL:     c.base + "/oauth/token",
		AuthStyle:    oauth2.AuthStyleInParams,
	}
	got, err := conf.Token(context.WithValue(ctx, oauth2.HTTPClient, &client))
	if err == nil && strings.ContainsFunc(got.AccessToken, unicode.IsControl) {
		err = errors.New("control characters in the token") // can't be sent in a header
	}
	if err != nil {
		return nil, c.tokenFailure(ctx, what, err)
	}
	now := time.Now()
	early := time.Minute
	if life <= 2*time.Minute {
		early = life / 2
	}
	return &token{access: secret.New(got.AccessToken), expires: now.Add(life), renew: now.Add(life - early)}, nil
}

// tokenFailure says what the user or the retry policy must do about err. The errors of package
// oauth2 may print the whole answer, so they are never shown.
func (c *Client) tokenFailure(ctx context.Context, what string, err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		var failed interface{ Timeout() bool } // a *url.Error
		if errors.As(err, &failed) {
			return c.networkFailure(ctx, what, err)
		}
		return &pipeline.Retryable{Err: fmt.Errorf("%s: the answer of %s is not an OAuth token (if this persists, check %s)", what, c.host(), c.cfg.Settings.Address)}
	}
	status := refused.Response.StatusCode
	answer := fmt.Sprintf("%s: status %d", what, status)
	coded := oauthCode.MatchString(refused.ErrorCode)
	if coded {
		answer += " " + refused.ErrorCode
	}
	names := c.cfg.Settings
	remedy := names.ClientID + " or " + names.ClientSecret + " is wrong, expired or deleted: " + names.Remedy
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		after := transport.RetryAfter(refused.Response.Header, time.Now())
		c.noteThrottling(status, after)
		return &pipeline.Retryable{Err: errors.New(answer + ": " + transport.Unexpected(status, c.peer())), After: after}
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return fmt.Errorf("%s: %s has no token endpoint: check %s", answer, c.host(), names.Address)
	case coded:
		return &secret.Refused{Err: fmt.Errorf("%s: %s%s", answer, remedy, c.legacyHint())}
	case status == http.StatusBadRequest, status == http.StatusUnauthorized:
		return &secret.Refused{Err: fmt.Errorf("%s without an error code of OAuth: something in between (a firewall, a proxy) may have answered instead of the token endpoint: "+
			"allow requests of this machine to %s; if nothing is in between, %s%s", answer, c.host(), remedy, c.legacyHint())}
	default:
		return fmt.Errorf("%s without an error code of OAuth: the answer is not from the token endpoint but from something in between (a firewall, a proxy): "+
			"allow requests of this machine to %s", answer, c.host())
	}
}

// oauthCode matches an error code of RFC 6749; nothing else of the answer is repeated.
var oauthCode = regexp.MustCompile(`^[a-z_]{3,40}$`)

// legacyHint recognises client ids of a kind that SailPoint no longer supports.
func (c *Client) legacyHint() string {
	if len(c.cfg.ClientID) == 16 && !strings.Contains(c.cfg.ClientID, "-") {
		return "; this " + c.cfg.Settings.ClientID + " has 16 characters and no dashes: it is a legacy ID, which no longer works"
	}
	return ""
}

// tokenTransport prepares the answer of the token endpoint for package oauth2, which takes an
// answer labelled as plain text for a form, hides the cause when a body ends too early, does not
// show who answered, and refuses a token whose lifetime is not a whole number.
type tokenTransport struct {
	base   http.RoundTripper
	client *Client
	life   *time.Duration // of the token, if the answer states one
}

func (t tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 3 {
		return resp, nil // the client refuses it
	}
	body, err := transport.ReadAll(resp, maxToken)
	switch {
	case errors.As(err, new(*transport.TooLarge)):
		body = nil // not a token, and not a page that is too large: the caller would ask for smaller ones
	case err != nil:
		return nil, err
	}
	if f := transport.Gateway(resp.StatusCode, resp.Header, body, t.client.peer(), t.client.hidden()...); f != nil {
		t.client.noteThrottling(resp.StatusCode, f.After)
		return nil, f
	}
	if resp.StatusCode/100 == 2 {
		body = t.plain(body)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		resp.Header.Set("Content-Type", "application/json")
	}
	return resp, nil
}

// plain is the token of an answer without its lifetime, and without whatever else could keep package
// oauth2 from reading it. An answer that holds no token, or says what is wrong, stays as it is.
func (t tokenTransport) plain(body []byte) []byte {
	got, ok := remote.ReadToken(body)
	if !ok {
		return body
	}
	*t.life = got.Life(remote.Lifetimes{Usual: tokenLifetime, Shortest: shortestLife, Longest: longestLife})
	rest, err := json.Marshal(struct {
		Access string `json:"access_token"`
		Type   string `json:"token_type,omitempty"`
	}{got.Access.Reveal(), got.Type})
	if err != nil {
		return body
	}
	return rest
}
