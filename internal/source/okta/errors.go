package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// refusal is an answer with an error status.
type refusal struct {
	status     int
	code, text string
	proof      bool // a DPoP proof was refused
}

func (e *refusal) Error() string { return e.text }

// apiError is what an answer with an error status says, in the form of the API or of OAuth.
type apiError struct {
	Code    string `json:"errorCode"`
	Summary string `json:"errorSummary"`
	ID      string `json:"errorId"`
	Causes  []struct {
		Summary string `json:"errorSummary"`
	} `json:"errorCauses"`
	OAuth       string `json:"error"`
	Description string `json:"error_description"`
}

// dpop reports whether a proof was refused.
func (e *apiError) dpop() bool {
	for _, code := range []string{e.Code, e.OAuth} {
		if code == invalidProof || code == useNonce {
			return true
		}
	}
	return false
}

// own reports whether an answer with an error status is in the form of the org.
func (e *apiError) own(header http.Header) bool {
	return e.Code != "" || e.OAuth != "" || strings.Contains(header.Get("WWW-Authenticate"), "error=")
}

// The error codes of DPoP.
const (
	invalidProof = "invalid_dpop_proof"
	useNonce     = "use_dpop_nonce"
)

// parseError reads the body of an answer with an error status. One that can't be read says nothing.
func parseError(status int, body []byte) *apiError {
	said := new(apiError)
	lenient := json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if status < http.StatusBadRequest || json.Unmarshal(body, said, lenient) != nil {
		return new(apiError)
	}
	return said
}

// details is what an answer says, for the end of an error text.
func (c *Client) details(status int, said *apiError, body []byte) string {
	texts := []string{strings.TrimSuffix(said.Summary+said.Description, ".")}
	for _, cause := range said.Causes {
		texts = append(texts, strings.TrimSuffix(cause.Summary, "."))
	}
	text := strings.Join(texts, ": ")
	code := said.Code + said.OAuth
	if text == "" && code == "" && status >= http.StatusBadRequest { // else the body may be events, or a token
		text = string(body)
	}
	out := ""
	if code != "" {
		out += " " + c.excerpt(code)
	}
	if said.ID != "" {
		out += " (errorId " + c.excerpt(said.ID) + ")"
	}
	if text = c.excerpt(text); text != "" {
		out += ": " + text
	}
	return out
}

// excerpt makes a text from the service fit for an error: short, printable, and without the secrets
// that it may repeat.
func (c *Client) excerpt(text string) string { return transport.Excerpt(text, c.creds.hidden()...) }

// host names the org in error texts.
func (c *Client) host() string {
	if c.cfg.BaseURL == nil {
		return "(no OKTA_ORG_URL)"
	}
	return c.cfg.BaseURL.Host
}

// peer names the org in error texts.
func (c *Client) peer() transport.Peer {
	return transport.Peer{Host: c.host(), Settings: "OKTA_ORG_URL"}
}

// networkFailure classifies an error of the HTTP client.
func (c *Client) networkFailure(ctx context.Context, what string, err error) error {
	failed := remote.NetworkFailure(ctx, what, err, c.peer())
	if ctx.Err() == nil && transport.IsTimeout(err) {
		return &slow{failed}
	}
	return failed
}

// slow is a failure of a request that took too long: a smaller page may not.
type slow struct{ error }

func (s *slow) Unwrap() error { return s.error }

// isSlow reports whether a request may have failed because its page was too large to be served in
// time.
func isSlow(err error) bool {
	var refused *refusal
	if errors.As(err, &refused) {
		return refused.status == http.StatusGatewayTimeout || refused.status == http.StatusInternalServerError && (refused.code == "E0000009" || refused.code == "E0000053")
	}
	return errors.As(err, new(*slow))
}

// malformed is the error for an answer of status 200 that is not a list of events. It never means
// that there are none.
func (c *Client) malformed(a answer, walked, recovered error) error {
	const what = "read the System Log"
	if f := transport.Gateway(http.StatusOK, a.header, a.body, c.peer(), c.creds.hidden()...); f != nil {
		return remote.Passing(what, f)
	}
	err := fmt.Errorf("%s: the answer is damaged: %w", what, walked)
	var array *jsonwalk.NotAnArray
	if errors.As(walked, &array) {
		err = fmt.Errorf("%s: the answer is not a list of events: %w", what, &jsonwalk.NotAnArray{Got: array.Got, Excerpt: c.excerpt(string(a.body))})
	}
	if errors.Is(recovered, jsonwalk.ErrDoubtful) {
		return &pipeline.Retryable{Err: err}
	}
	return &pipeline.Retryable{Err: remote.Broken(err, a.body)}
}
