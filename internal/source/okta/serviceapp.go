package okta

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/signkey"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

const (
	tokenPath = "/oauth2/v1/token"
	// logsScope is the scope that reads the log.
	logsScope = "okta.logs.read"
	// assertionLife is how long an assertion is valid: long enough for clocks that differ a little.
	assertionLife = 5 * time.Minute
	// tokenLifetime is used when the answer does not state a plausible one.
	tokenLifetime = 5 * time.Minute
	// shortestLife and longestLife bound the lifetimes that are believed.
	shortestLife, longestLife = 15 * time.Second, 24 * time.Hour
	// young is the age below which a token that is refused is not replaced: another would not help,
	// and each request for one leaves an entry in the org's log.
	young = time.Minute
	// clockOff is a difference between the clocks that is worth mentioning.
	clockOff = 2 * time.Minute
)

// serviceApp signs in as a service app, with assertions signed by its key. Each request for a token
// has a DPoP proof: where the app demands one, a request without leaves a failed grant in the org's
// log, and where it does not, a proof does no harm.
type serviceApp struct {
	c   *Client
	key secret.Keeper
	// proofKey is made once in a process.
	proofKey func() (*rsa.PrivateKey, error)

	turn chan struct{} // held by the one who asks for a token

	mu       sync.Mutex // guards what follows
	current  *accessToken
	previous *accessToken // answers about it may still have to be masked
	// nonces are what the org requires in proofs, for tokens and at the log.
	nonces map[string]string
	// ahead is how far this machine's clock was ahead of the org's at the last answer.
	ahead time.Duration
}

// accessToken is a token in use.
type accessToken struct {
	text                  secret.String
	dpop                  bool
	since, renew, expires time.Time
}

func newServiceApp(c *Client) *serviceApp {
	key := c.cfg.PrivateKey
	if key == nil {
		key = secret.String{}
	}
	return &serviceApp{
		c: c, key: key, turn: make(chan struct{}, 1), nonces: map[string]string{},
		proofKey: sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }),
	}
}

// authorize implements credentials.
func (a *serviceApp) authorize(ctx context.Context, req *http.Request) error {
	t, err := a.token(ctx)
	if err != nil {
		return err
	}
	if !t.dpop {
		req.Header.Set("Authorization", "Bearer "+t.text.Reveal())
		return nil
	}
	proof, err := a.proof(req.Method, a.c.base+req.URL.Path, logsPath, t.text)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "DPoP "+t.text.Reveal())
	req.Header.Set("DPoP", proof)
	return nil
}

// token returns the token in use, or a new one.
func (a *serviceApp) token(ctx context.Context) (*accessToken, error) {
	if t := a.valid(); t != nil {
		return t, nil
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("get token: %w", ctx.Err())
	}
	if t := a.valid(); t != nil { // another one got it meanwhile
		return t, nil
	}
	t, err := a.request(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil:
		a.previous, a.current = a.current, t
		return t, nil
	case a.current != nil && errors.As(err, new(*pipeline.Retryable)) && time.Now().Before(a.current.expires):
		return a.current, nil // an outage of the token endpoint need not stop us yet
	}
	return nil, err
}

func (a *serviceApp) valid() *accessToken {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current != nil && time.Now().Before(a.current.renew) {
		return a.current
	}
	return nil
}

const getToken = "get token"

// request asks for a token. If the key is refused and has been replaced where it is kept, it asks
// once more with the new one.
func (a *serviceApp) request(ctx context.Context) (*accessToken, error) {
	return secret.Attempt(ctx, getToken, a.key, func(s secret.String) (*accessToken, error) { return a.requestWith(ctx, s) })
}

// requestWith asks for a token with a key. The first proof of a process has no nonce: the org
// answers with one.
func (a *serviceApp) requestWith(ctx context.Context, text secret.String) (*accessToken, error) {
	key, err := signkey.Parse(text.Reveal())
	if err != nil {
		return nil, &secret.Refused{Err: fmt.Errorf("%s: OKTA_PRIVATE_KEY %w", getToken, err)}
	}
	for attempt := 1; ; attempt++ {
		req, err := a.tokenRequest(ctx, key)
		if err != nil {
			return nil, err
		}
		resp, err := a.c.http.Do(req) //nolint:bodyclose // ReadAll closes it
		if err != nil {
			return nil, a.c.networkFailure(ctx, getToken, err)
		}
		a.note(tokenPath, resp)
		body, err := transport.ReadAll(resp, 1<<20)
		if err != nil {
			return nil, a.c.networkFailure(ctx, getToken, err)
		}
		if f := transport.Gateway(resp.StatusCode, resp.Header, body, a.c.peer(), a.hidden()...); f != nil {
			return nil, remote.Passing(getToken, f)
		}
		if resp.StatusCode == http.StatusOK {
			return a.read(body)
		}
		said := parseError(resp.StatusCode, body)
		if said.OAuth == useNonce && resp.Header.Get("DPoP-Nonce") != "" && attempt < maxAttempts {
			continue
		}
		return nil, a.tokenFailure(getToken, resp, said, body)
	}
}

// tokenRequest is a request for a token, with an assertion and a proof.
func (a *serviceApp) tokenRequest(ctx context.Context, key *signkey.Key) (*http.Request, error) {
	endpoint, now := a.c.base+tokenPath, time.Now()
	assertion, err := key.Sign(jwt.NewWithClaims(key.Method, jwt.MapClaims{
		"iss": a.c.cfg.ClientID, "sub": a.c.cfg.ClientID, "aud": endpoint, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	}))
	if err != nil {
		return nil, fmt.Errorf("%s: sign: %w", getToken, err)
	}
	proof, err := a.proof(http.MethodPost, endpoint, tokenPath, secret.String{})
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {logsScope},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("%s: OKTA_ORG_URL is not usable: %w", getToken, transport.Redact(err))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("DPoP", proof)
	return req, nil
}

// proof is a DPoP proof (RFC 9449) for a request. path names whose nonce it has; token is the one
// that it goes with, if any.
func (a *serviceApp) proof(method, address, path string, token secret.String) (string, error) {
	key, err := a.proofKey()
	if err != nil {
		return "", fmt.Errorf("make a key for DPoP: %w", err)
	}
	claims := jwt.MapClaims{"htm": method, "htu": address, "iat": time.Now().Unix(), "jti": rand.Text()}
	a.mu.Lock()
	if nonce := a.nonces[path]; nonce != "" {
		claims["nonce"] = nonce
	}
	a.mu.Unlock()
	if !token.IsZero() {
		sum := sha256.Sum256([]byte(token.Reveal()))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	t.Header["typ"] = "dpop+jwt"
	t.Header["jwk"] = map[string]string{
		"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}
	text, err := t.SignedString(crypto.PrivateKey(key))
	if err != nil {
		return "", fmt.Errorf("sign a DPoP proof: %w", err)
	}
	return text, nil
}

// note keeps what an answer says beside its body: the nonce for the next proof, and the time.
func (a *serviceApp) note(path string, resp *http.Response) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if nonce := resp.Header.Get("DPoP-Nonce"); nonce != "" {
		a.nonces[path] = nonce
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.ahead = time.Until(date) * -1
	}
}

// read reads the answer of the token endpoint.
func (a *serviceApp) read(body []byte) (*accessToken, error) {
	got, ok := remote.ReadToken(body)
	dpop := strings.EqualFold(got.Type, "DPoP")
	if !ok || !dpop && !strings.EqualFold(got.Type, "Bearer") {
		return nil, &pipeline.Retryable{Err: fmt.Errorf("get token: the answer of %s is not an OAuth token (if this persists, check OKTA_ORG_URL)", a.c.host())}
	}
	life := got.Life(remote.Lifetimes{Usual: tokenLifetime, Shortest: shortestLife, Longest: longestLife})
	now := time.Now()
	return &accessToken{text: got.Access, dpop: dpop, since: now, expires: now.Add(life), renew: now.Add(life - min(time.Minute, life/2))}, nil
}

// tokenFailure says what the user or the retry policy must do about an answer.
func (a *serviceApp) tokenFailure(what string, resp *http.Response, said *apiError, body []byte) error {
	status := resp.StatusCode
	err := fmt.Errorf("%s: status %d%s", what, status, a.c.details(status, said, body))
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		after := transport.RetryAfter(resp.Header, time.Now())
		if q := quotaOf(resp.Header, time.Now()); q.known && q.reset > 0 {
			after = q.reset + slack
		}
		if !said.own(resp.Header) {
			err = fmt.Errorf("%w: %s", err, transport.Unexpected(status, a.c.peer()))
		}
		return &pipeline.Retryable{Err: err, After: after}
	case said.dpop():
		return fmt.Errorf("%w: %s", err, a.proofRemedy())
	case said.OAuth == "invalid_scope":
		return fmt.Errorf("%w: grant the scope %s to the app of OKTA_CLIENT_ID (Admin Console, the app's tab Okta API Scopes)", err, logsScope)
	case status < http.StatusBadRequest, status == http.StatusForbidden && !said.own(resp.Header):
		return fmt.Errorf("%w: %s", err, transport.Unexpected(status, a.c.peer()))
	case said.OAuth == "invalid_client", status == http.StatusUnauthorized:
		if !said.own(resp.Header) {
			err = fmt.Errorf("%w: %s", err, strings.TrimSuffix(transport.Doubtful(a.c.peer()), ", "))
		}
		return &secret.Refused{Err: fmt.Errorf("%w: OKTA_CLIENT_ID is wrong or deactivated, or OKTA_PRIVATE_KEY does not belong to the active public key of that app, or the app signs in with a client secret: "+
			"choose Public key / Private key as its client authentication; if the app has several keys, set OKTA_PRIVATE_KEY to a JWK with its kid%s", err, a.clockNote())}
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return fmt.Errorf("%w: %s has no token endpoint: check OKTA_ORG_URL", err, a.c.host())
	}
	if !said.own(resp.Header) {
		return fmt.Errorf("%w: %s", err, transport.Unexpected(status, a.c.peer()))
	}
	return fmt.Errorf("%w: check OKTA_CLIENT_ID, OKTA_PRIVATE_KEY and that the app is an API Services integration", err)
}

// proofRemedy is what a person must do about a refused proof.
func (a *serviceApp) proofRemedy() string {
	if note := a.clockNote(); note != "" {
		return strings.TrimPrefix(note, "; ")
	}
	return "the org does not accept the DPoP proof of this request: a proxy may have changed its address or headers; check OKTA_ORG_URL, which must be the address at which the org issues tokens"
}

// clockNote says that the clock is off, if it is.
func (a *serviceApp) clockNote() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ahead.Abs() < clockOff {
		return ""
	}
	direction := "ahead of"
	if a.ahead < 0 {
		direction = "behind"
	}
	return fmt.Sprintf("; this machine's clock is %v %s the org's, and signatures are valid for some minutes only: set the clock", a.ahead.Abs().Round(time.Second), direction)
}

// refused implements credentials.
func (a *serviceApp) refused(_ context.Context, req *http.Request, resp *http.Response, said *apiError) (again bool, remedy string) {
	a.note(logsPath, resp)
	_, used, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	switch {
	case resp.StatusCode == http.StatusForbidden:
		return false, "the app of OKTA_CLIENT_ID needs the scope " + logsScope + " and, under Admin roles, a role that may read the System Log (Read-only Administrator or Report Administrator)"
	case strings.Contains(resp.Header.Get("WWW-Authenticate"), useNonce) || said.OAuth == useNonce || said.Code == useNonce:
		return resp.Header.Get("DPoP-Nonce") != "", a.proofRemedy()
	case said.dpop() || strings.Contains(resp.Header.Get("WWW-Authenticate"), invalidProof):
		return false, a.proofRemedy()
	}
	return a.drop(used), "the org rejects a token that it has just issued to OKTA_CLIENT_ID: check that OKTA_ORG_URL and OKTA_CLIENT_ID belong to the same org" + a.clockNote()
}

// drop drops the token that the org refused, unless it has been replaced already, and reports
// whether another one is worth a try.
func (a *serviceApp) drop(used string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil || a.current.text.Reveal() != used {
		return true
	}
	old := time.Since(a.current.since) >= young
	a.previous, a.current = a.current, nil
	return old
}

// hidden implements credentials.
func (a *serviceApp) hidden() []secret.String {
	out := a.key.Known()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range []*accessToken{a.current, a.previous} {
		if t != nil {
			out = append(out, t.text)
		}
	}
	return out
}
