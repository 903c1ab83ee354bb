package logsingestion

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

const (
	// early is how long before its expiry a token is replaced.
	early = 5 * time.Minute
	// usable is how long a token must still be valid to be sent at all.
	usable = 30 * time.Second
	// askEvery is how long a new token is used, whatever its expiry says: if it seems expired
	// already (because the clock is ahead, or the credential returns old tokens), every batch
	// would request a new one. The service decides whether it is valid.
	askEvery = 30 * time.Second
)

// tokens caches one token, because not every credential does.
type tokens struct {
	credential azcore.TokenCredential
	identity   entra.Identity
	audience   string

	turn    chan struct{} // a lock for current: holds an element while it is free
	current azcore.AccessToken
	given   time.Time // when the credential returned it
}

func newTokens(credential azcore.TokenCredential, identity entra.Identity, audience string) *tokens {
	t := &tokens{credential: credential, identity: identity, audience: audience, turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	return t
}

// get returns a token other than refused, unless the credential returns that one
// again. claims is what the service asked for when it refused it.
func (t *tokens) get(ctx context.Context, refused, claims string) (string, error) {
	select {
	case <-t.turn:
	case <-ctx.Done():
		return "", ended(ctx, ctx.Err())
	}
	defer func() { t.turn <- struct{}{} }()
	now := time.Now()
	have := t.current.Token != "" && t.current.Token != refused
	if have && now.Sub(t.given) < askEvery {
		return t.current.Token, nil
	}
	if have && t.current.ExpiresOn.After(now.Add(early)) && (t.current.RefreshOn.IsZero() || t.current.RefreshOn.After(now)) {
		return t.current.Token, nil
	}
	token, err := t.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{t.audience + "/.default"}, Claims: claims})
	switch {
	case err == nil:
		t.current, t.given = token, time.Now()
	case ctx.Err() != nil:
		return "", ended(ctx, ctx.Err())
	case have && t.current.ExpiresOn.After(now.Add(usable)):
		// The current token is still valid.
	default:
		return "", t.explain(err)
	}
	return t.current.Token, nil
}

// explain classifies a credential's error.
func (t *tokens) explain(err error) error {
	var (
		failed   *azidentity.AuthenticationFailedError
		terminal bool
	)
	var final interface{ NonRetriable() }
	switch {
	case errors.As(err, &failed):
		status := 0
		if failed.RawResponse != nil {
			status = failed.RawResponse.StatusCode
		}
		terminal = status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
	case errors.As(err, &final):
		terminal = true
	}
	remedy := "give the function app a managed identity (AZURE_CLIENT_ID names a user-assigned one), or sign in with the Azure CLI (" + t.identity.Login() + ")"
	out := &unsigned{fmt.Sprintf("no token for %s: %s", t.audience, azsdk.NoToken(err, remedy))}
	if terminal {
		return out
	}
	return &pipeline.Retryable{Err: out}
}

// unsigned is the error without a token.
type unsigned struct{ text string }

func (e *unsigned) Error() string { return e.text }

// Unsigned reports whether an error means that there is no token to send to the rule with.
func Unsigned(err error) bool {
	var none *unsigned
	return errors.As(err, &none)
}

var challenge = regexp.MustCompile(`claims="([A-Za-z0-9+/=_-]+)"`)

// claimsOf returns the claims that a 401 requests for a new token, "" if none.
func claimsOf(h http.Header) string {
	m := challenge.FindStringSubmatch(h.Get("WWW-Authenticate"))
	if m == nil {
		return ""
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if text, err := encoding.DecodeString(m[1]); err == nil {
			return string(text)
		}
	}
	return ""
}
