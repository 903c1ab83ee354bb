package identityiq

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

const (
	// tokenLifetime is IdentityIQ's own default, for an answer that states no plausible lifetime. A
	// token that expires earlier is replaced on the first 401.
	tokenLifetime = 20 * time.Minute
	// shortestLife and longestLife bound the lifetimes that are believed; an administrator sets them.
	shortestLife, longestLife = 15 * time.Second, 24 * time.Hour
	// maxToken bounds the body of an answer of the token endpoint.
	maxToken = 64 << 10
)

// token is an access token.
type token struct {
	access secret.String
	renew  time.Time
}

// tokens caches the one token that a client needs. The holder of the slot changes it.
type tokens struct {
	mu sync.Mutex
	// current is nil if there is none. Answers about the previous one may still have to be masked.
	current, previous *token
	// inQuery is set once the server has taken the grant type in the query and not in the body.
	inQuery bool
}

func (t *tokens) get() *token {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

func (t *tokens) put(next *token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		t.previous = t.current
	}
	t.current = next
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

// token returns the cached token or asks for a new one. The caller holds the slot.
func (c *Client) token(ctx context.Context) (*token, error) {
	if t := c.tokens.get(); t != nil && time.Now().Before(t.renew) {
		return t, nil
	}
	t, err := c.requestToken(ctx)
	if err != nil {
		return nil, err
	}
	c.tokens.put(t)
	return t, nil
}

const getToken = "get token"

// requestToken asks for a token. If the secret is refused and has been replaced where it is kept,
// it asks once more with the new one.
func (c *Client) requestToken(ctx context.Context) (*token, error) {
	return secret.Attempt(ctx, getToken, c.cfg.ClientSecret, func(s secret.String) (*token, error) { return c.eitherForm(ctx, s) })
}

// grantRefused is an answer of the token endpoint that a request in the other form may not get.
type grantRefused struct{ error }

// eitherForm asks for a token in the form that worked last, and if the server may want the other
// one, in that.
func (c *Client) eitherForm(ctx context.Context, clientSecret secret.String) (*token, error) {
	tok, err := c.askForToken(ctx, clientSecret, c.tokens.inQuery)
	var refused *grantRefused
	if !errors.As(err, &refused) {
		return tok, err
	}
	tok, other := c.askForToken(ctx, clientSecret, !c.tokens.inQuery)
	switch {
	case other == nil:
		c.tokens.inQuery = !c.tokens.inQuery
		return tok, nil
	case errors.As(other, &refused):
		return nil, err
	}
	return nil, other
}

// askForToken sends the client's credentials as HTTP Basic: nowhere but in that header are they safe
// from the logs of what is in between. The grant type goes into the body or, for servers that only
// look there, into the query.
func (c *Client) askForToken(ctx context.Context, clientSecret secret.String, inQuery bool) (*token, error) {
	const grant = "grant_type=client_credentials"
	target, body := c.base+"/oauth2/token", grant
	if inQuery {
		target, body = target+"?"+grant, ""
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: IIQ_URL is not usable: %w", getToken, transport.Redact(err))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(c.cfg.ClientID, clientSecret.Reveal())
	resp, err := c.http.Do(req) //nolint:bodyclose // ReadAll closes it
	if err != nil {
		return nil, c.networkFailure(ctx, getToken, err)
	}
	answer, err := transport.ReadAll(resp, maxToken)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", getToken, ctx.Err())
	case err != nil:
		return nil, &pipeline.Retryable{Err: fmt.Errorf("%s: the answer broke off: %w", getToken, transport.Redact(err))}
	case resp.StatusCode/100 == 2:
		return c.readToken(resp.Header, answer)
	}
	return nil, c.tokenRefused(resp, answer)
}

// readToken reads the answer to a request for a token.
func (c *Client) readToken(header http.Header, body []byte) (*token, error) {
	if f := transport.Gateway(http.StatusOK, header, body, c.peer(), c.hidden()...); f != nil {
		// A page with status 200 is what an application gives for an address that it does not know.
		return nil, fmt.Errorf("%s: %w; IIQ_URL must end with the context of IdentityIQ, such as /identityiq", getToken, f)
	}
	answer, ok := remote.ReadToken(body)
	if !ok {
		return nil, &pipeline.Retryable{Err: fmt.Errorf("%s: the answer of %s is not an OAuth token (if this persists, check IIQ_URL)", getToken, c.host())}
	}
	life := answer.Life(remote.Lifetimes{Usual: tokenLifetime, Shortest: shortestLife, Longest: longestLife})
	early := time.Minute
	if life <= 2*time.Minute {
		early = life / 2
	}
	return &token{access: answer.Access, renew: time.Now().Add(life - early)}, nil
}

// oauthCode matches an error code of RFC 6749; nothing else of the answer is repeated.
var oauthCode = regexp.MustCompile(`^[a-z_]{3,40}$`)

// tokenRefused says what an answer with an error status means.
func (c *Client) tokenRefused(resp *http.Response, body []byte) error {
	status := resp.StatusCode
	var answer struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &answer, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	text := fmt.Sprintf("%s: status %d", getToken, status)
	if oauthCode.MatchString(answer.Error) {
		text += " " + answer.Error
	}
	if status == http.StatusProxyAuthRequired || status == http.StatusNetworkAuthenticationRequired {
		return remote.Passing(getToken, transport.Gateway(status, resp.Header, body, c.peer(), c.hidden()...))
	}
	const remedy = "IIQ_CLIENT_ID or IIQ_CLIENT_SECRET is wrong, or the client was deleted: " +
		"in IdentityIQ, create a client under Global Settings, API Authentication, and set both settings"
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		if f := transport.Gateway(status, resp.Header, body, c.peer(), c.hidden()...); f != nil {
			return remote.Passing(getToken, f)
		}
		return &pipeline.Retryable{Err: errors.New(text + ": " + transport.Unexpected(status, c.peer())), After: transport.RetryAfter(resp.Header, time.Now())}
	case status == http.StatusNotFound:
		return fmt.Errorf("%s: there is no token endpoint at %s/oauth2/token: IIQ_URL must be the address of IdentityIQ with its context, such as https://host/identityiq", text, c.base)
	case status == http.StatusUnauthorized, answer.Error == "invalid_client", answer.Error == "unauthorized_client":
		doubt := ""
		if answer.Error == "" {
			doubt = transport.Doubtful(c.peer())
		}
		return &secret.Refused{Err: fmt.Errorf("%s: %s%s", text, doubt, remedy)}
	case status/100 == 3:
		return fmt.Errorf("%s: %s", text, transport.Unexpected(status, c.peer()))
	case status == http.StatusForbidden:
		return fmt.Errorf("%s: IdentityIQ, or something in between (a firewall, a proxy), does not let this machine ask for a token: allow its requests to %s", text, c.host())
	}
	return &grantRefused{fmt.Errorf("%s: IdentityIQ does not accept the request for a token, with the grant type in the body or in the query: check IIQ_URL, and that OAuth is on under Global Settings, API Authentication", text)}
}
