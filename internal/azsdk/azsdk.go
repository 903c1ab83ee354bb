// Package azsdk is what all users of the Azure SDK here share: how patient its
// clients are, and what of its errors may be shown.
package azsdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// ClientOptions fills in what o leaves open: few tries and short waits, because
// the run that asks is short and comes again in a minute.
func ClientOptions(o policy.ClientOptions) policy.ClientOptions {
	if o.Retry.MaxRetries == 0 {
		o.Retry.MaxRetries = 3
	}
	if o.Retry.TryTimeout == 0 {
		o.Retry.TryTimeout = 15 * time.Second
	}
	if o.Retry.RetryDelay == 0 {
		o.Retry.RetryDelay = 300 * time.Millisecond
	}
	if o.Retry.MaxRetryDelay == 0 {
		o.Retry.MaxRetryDelay = 5 * time.Second
	}
	if o.Telemetry.ApplicationID == "" {
		o.Telemetry.ApplicationID = "idn-sentinel"
	}
	return o
}

// Marked is a credential whose errors are a [*TokenError], so that they can be told
// from those of the service that is asked with its token.
type Marked struct{ azcore.TokenCredential }

// GetToken implements [azcore.TokenCredential].
func (m Marked) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := m.TokenCredential.GetToken(ctx, o)
	if err != nil {
		return azcore.AccessToken{}, &TokenError{err}
	}
	return token, nil
}

// TokenError says that there is no token.
type TokenError struct{ err error }

func (e *TokenError) Error() string { return e.err.Error() }
func (e *TokenError) Unwrap() error { return e.err }

// Status is an answer in a few words: its status and its code.
func Status(e *azcore.ResponseError) string {
	if e.ErrorCode == "" {
		return fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode))
	}
	return fmt.Sprintf("%d %s", e.StatusCode, e.ErrorCode)
}

// address is a URL with a query, which may be a secret.
var address = regexp.MustCompile(`(https?://[^\s"?]+)\?[^\s"]*`)

// Text is what an error says, in one line without the queries of URLs. The SDK's
// own texts go on for many lines, with requests, the bodies of answers, and
// advice for programmers.
func Text(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the outer one prints the URL
	}
	text, _, _ := strings.Cut(FirstLine(err.Error()), "To troubleshoot, visit")
	return strings.TrimRight(address.ReplaceAllString(text, "$1"), " .")
}

// FirstLine is the first line of a text, or as much of it as a message bears.
func FirstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.TrimSpace(s)
}
