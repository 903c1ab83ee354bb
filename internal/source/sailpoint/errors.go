package sailpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// refusal is an answer with an error status.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

// refused turns an answer with an error status into an error, and closes its body.
func (c *Client) refused(call call, resp *http.Response) error {
	ep := call.ep
	defer transport.Discard(resp)
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // a part of it is better than nothing
	if f := transport.Gateway(resp.StatusCode, resp.Header, body, c.peer(), append(c.hidden(), call.secrets...)...); f != nil {
		return remote.Passing(ep.name, f)
	}
	err := &refusal{resp.StatusCode, fmt.Sprintf("%s: status %d", ep.name, resp.StatusCode)}
	if resp.StatusCode >= http.StatusBadRequest { // else the body may be events
		err.text += c.details(body, call.secrets...)
	}
	doubt := ""
	if !ownForm(body) {
		doubt = transport.Doubtful(c.peer())
	}
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout, s >= 500:
		if !ownForm(body) {
			err.text += ": " + transport.Unexpected(s, c.peer())
		}
		return &pipeline.Retryable{Err: err, After: transport.RetryAfter(resp.Header, time.Now())}
	case s < http.StatusBadRequest:
		err.text += ": " + transport.Unexpected(s, c.peer())
	case s == http.StatusForbidden:
		err.text += ": " + doubt + "the token of CLIENT_ID needs the scope " + cmp.Or(call.scope, ep.scope) + ", and its user must have the level ORG_ADMIN"
	case s == http.StatusUnauthorized:
		err.text += ": " + doubt + "the API rejects a token that was just issued to CLIENT_ID: check that SAILPOINT_BASE_URL and CLIENT_ID belong to the same tenant"
	case !ownForm(body):
		err.text += ": " + transport.Unexpected(s, c.peer())
	}
	return err
}

// ownForm reports whether the body of an error answer is an object, as in all forms of the API.
func ownForm(body []byte) bool {
	var members map[string]jsontext.Value
	return json.Unmarshal(body, &members, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) == nil && len(members) > 0
}

// missing is the error when no path of ep exists.
func (c *Client) missing(ep *endpoint) error {
	return &refusal{http.StatusNotFound, fmt.Sprintf("%s: status 404 at %s for each of %s: check TENANT_ID or SAILPOINT_BASE_URL, and SAILPOINT_API_VERSION",
		ep.name, c.host(), strings.Join(ep.paths, ", "))}
}

// details is what the body of an error answer says, for the end of an error text. The API has three
// forms; gateways in front of it have their own.
func (c *Client) details(body []byte, secrets ...secret.String) string {
	var api struct {
		DetailCode string `json:"detailCode"`
		TrackingID string `json:"trackingId"`
		Messages   []struct {
			Locale string `json:"locale"`
			Text   string `json:"text"`
		} `json:"messages"`
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	lenient := json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	err := json.Unmarshal(body, &api, lenient)
	text := strings.TrimSpace(api.Error + " " + api.Message)
	for i, m := range api.Messages {
		if i == 0 || strings.HasPrefix(m.Locale, "en") {
			text = strings.TrimSuffix(m.Text, ".") // the remedy follows after a colon
		}
	}
	if err != nil || text == "" && api.DetailCode == "" {
		text = string(body)
	}
	var facts []string
	if api.DetailCode != "" {
		facts = append(facts, c.excerpt(api.DetailCode, secrets...))
	}
	if api.TrackingID != "" {
		facts = append(facts, "trackingId "+c.excerpt(api.TrackingID, secrets...))
	}
	out := ""
	if len(facts) > 0 {
		out = " (" + strings.Join(facts, ", ") + ")"
	}
	if text = c.excerpt(text, secrets...); text != "" {
		out += ": " + text
	}
	return out
}

// excerpt makes a text from a service fit for an error: short, printable, and without the secrets
// that an echoing proxy may have put into it.
func (c *Client) excerpt(text string, secrets ...secret.String) string {
	return transport.Excerpt(text, append(c.hidden(), secrets...)...)
}

// hidden are the secrets that an answer may repeat.
func (c *Client) hidden() []secret.String {
	return append(c.tokens.secrets(), c.cfg.ClientSecret.Known()...)
}

// peer names the tenant in error texts.
func (c *Client) peer() transport.Peer {
	return transport.Peer{Host: c.host(), Settings: c.cfg.Settings.Address}
}

// networkFailure classifies an error of the HTTP client.
func (c *Client) networkFailure(ctx context.Context, what string, err error) error {
	return remote.NetworkFailure(ctx, what, err, c.peer())
}

// malformed is the error for an answer of status 200 with the wrong content. It may come from a
// gateway, so it may pass; it never means that there is nothing.
func (c *Client) malformed(what string, body []byte, err error) error {
	if f := transport.Gateway(http.StatusOK, nil, body, c.peer(), c.hidden()...); f != nil {
		return remote.Passing(what, f)
	}
	var array *jsonwalk.NotAnArray
	if errors.As(err, &array) {
		err = &jsonwalk.NotAnArray{Got: array.Got, Excerpt: c.excerpt(string(body))}
		return &pipeline.Retryable{Err: fmt.Errorf("%s: the service did not answer with a list: %w", what, err)}
	}
	return &pipeline.Retryable{Err: fmt.Errorf("%s: the answer is damaged: %w", what, err)}
}

// host names the tenant in error texts.
func (c *Client) host() string {
	if c.cfg.BaseURL == nil {
		return "(no SAILPOINT_BASE_URL)"
	}
	return c.cfg.BaseURL.Host
}
