// Package azsdk is what all users of the Azure SDK here share: how often its clients retry, and
// which parts of its errors may be shown.
package azsdk

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
)

// ClientOptions fills in what o leaves open: few retries and short waits, because the run is short
// and comes again in a minute.
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
	if o.Transport == nil {
		o.Transport = NewTransport()
	}
	o.PerRetryPolicies = append(o.PerRetryPolicies[:len(o.PerRetryPolicies):len(o.PerRetryPolicies)], noPages{})
	return o
}

// noPages refuses a web page with a good status, as a portal sends it: the SDK would take it for
// the requested content.
type noPages struct{}

// Do implements [policy.Policy].
func (noPages) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	if err != nil || resp.StatusCode/100 != 2 {
		return resp, err
	}
	var start []byte
	if resp.Header.Get("Content-Type") == "" && resp.Body != nil { // the services always send one
		start, _ = io.ReadAll(io.LimitReader(resp.Body, 256))
		resp.Body = rejoined{io.MultiReader(bytes.NewReader(start), resp.Body), resp.Body}
	}
	if !transport.IsPage(resp.Header, start) {
		return resp, nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxPage)) // as much as can be read
	transport.Discard(resp)
	return nil, &pageError{resp.StatusCode, resp.Header, body, transport.Sent(req.Raw())}
}

// rejoined is a body with its beginning restored.
type rejoined struct {
	io.Reader
	io.Closer
}

// maxPage is more than the beginning of a page needs.
const maxPage = 16 << 10

// pageError is a web page in place of an answer.
type pageError struct {
	status int
	header http.Header
	body   []byte
	hidden []secret.String
}

func (e *pageError) Error() string { return fmt.Sprintf("status %d with a web page", e.status) }

// NewTransport is the transport for clients of the SDK: like every other client here, it explains
// failures, and keeps the requests of a managed identity from proxies.
func NewTransport() policy.Transporter {
	return transport.NewClient(transport.Config{Version: version.String()})
}

// Marked is a credential whose errors are a [*TokenError], so that they can be distinguished from
// errors of the service that the token is for.
type Marked struct{ azcore.TokenCredential }

// GetToken implements [azcore.TokenCredential].
func (m Marked) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	watched, seen := transport.Watch(ctx)
	token, err := m.TokenCredential.GetToken(watched, o)
	var marked *TokenError
	switch {
	case err == nil:
		return token, nil
	case errors.As(err, &marked):
		return azcore.AccessToken{}, err
	}
	return azcore.AccessToken{}, &TokenError{err: err, seen: seen}
}

// TokenError says that no token could be obtained.
type TokenError struct {
	err    error
	seen   *transport.Seen
	abroad *refusal // if another directory was asked
}

func (e *TokenError) Error() string { return e.err.Error() }
func (e *TokenError) Unwrap() error { return e.err }

// signIn describes the sign-in service in the user's terms.
func signIn() transport.Peer {
	return transport.Peer{Settings: "the managed identity of the app, or AZURE_AUTHORITY_HOST outside Azure"}
}

// Explain says why there is no token. remedy is what to do if the sign-in service itself refuses;
// it is not used if that service was not reached.
func (e *TokenError) Explain(remedy string) string {
	if e.abroad != nil {
		return e.abroad.explain(e) // it knows better what to do
	}
	f := e.seen.Failure(signIn())
	// Outside Azure the metadata service is only one of several to try.
	if f != nil && (os.Getenv("IDENTITY_ENDPOINT") != "" || !strings.HasPrefix(e.seen.Host(), "169.254.")) {
		return "the sign-in service could not be reached: " + f.Error()
	}
	return Text(e.err) + said(e.err) + ": " + remedy
}

// said is the answer of the sign-in service, in a few words, without hidden.
func said(err error, hidden ...secret.String) string {
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse == nil {
		return ""
	}
	var form struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Message     string `json:"message"` // App Service
	}
	body, _ := runtime.Payload(failed.RawResponse) // kept in memory by the library
	_ = json.Unmarshal(body, &form)                // anything else is not shown
	hidden = append(hidden[:len(hidden):len(hidden)], secret.New(os.Getenv("IDENTITY_HEADER")))
	text := FirstLine(secret.Mask(strings.TrimSpace(form.Error+" "+cmp.Or(form.Description, form.Message)), hidden...))
	return strings.TrimRight(fmt.Sprintf(" (status %d %s", failed.RawResponse.StatusCode, transport.Excerpt(text, hidden...)), " .") + ")"
}

// Explain says why the service did not answer, or that something else answered in its place. It is
// nil for an answer of the service, right or wrong.
func Explain(err error, peer transport.Peer) *transport.Failure {
	var (
		refused *azcore.ResponseError
		page    *pageError
	)
	switch {
	case errors.As(err, &page):
		return transport.Gateway(page.status, page.header, page.body, peer, page.hidden...)
	case errors.As(err, &refused):
	case transport.IsNetwork(err):
		return transport.Explain(err, peer)
	default:
		return nil // the answer was wrong
	}
	if refused.RawResponse == nil {
		return nil
	}
	body, _ := runtime.Payload(refused.RawResponse) // kept in memory by the SDK
	return transport.Gateway(refused.StatusCode, refused.RawResponse.Header, body, peer, transport.Sent(refused.RawResponse.Request)...)
}

// Status sums up an answer: its status and its code.
func Status(e *azcore.ResponseError) string {
	if e.ErrorCode == "" {
		return fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode))
	}
	return fmt.Sprintf("%d %s", e.StatusCode, e.ErrorCode)
}

// address is a URL with a query, which may be a secret.
var address = regexp.MustCompile(`(https?://[^\s"?]+)\?[^\s"]*`)

// Text is an error's text, in one line without the queries of URLs. The SDK's own texts run over
// many lines, with requests, the bodies of answers, and advice for programmers.
func Text(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the outer one prints the URL
	}
	said, _, _ := strings.Cut(FirstLine(err.Error()), "To troubleshoot, visit")
	return strings.TrimRight(address.ReplaceAllString(said, "$1"), " .")
}

// FirstLine is the first line of a text, cut to what fits in a message.
func FirstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	const most = 300
	return text.Line(s, most)
}

// NoToken says why a credential returned no token, and what to do about it.
func NoToken(err error, remedy string) string {
	var marked *TokenError
	if errors.As(err, &marked) {
		return marked.Explain(remedy)
	}
	return Text(err) + ": " + remedy
}
