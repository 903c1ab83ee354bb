package sailpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/address"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

const (
	// callbackTotal bounds all attempts to post an answer, and callbackOnce each of them.
	callbackTotal = time.Minute
	callbackOnce  = 10 * time.Second
)

// callbackPath is the path of an invocation's completion, per service or below a legacy version.
var callbackPath = regexp.MustCompile(`^(?:/(?:beta|v\d{4}))?/trigger-invocations/(?:v1/)?([0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12})/complete$`)

var errForeign = errors.New("the callback address is not one of this tenant")

// callbackTarget returns the address to post an answer to. The one in the body comes from the
// internet: only its path is used, and only if the rest is the tenant's own.
func (h *Hook) callbackTarget(text string) (*url.URL, error) {
	base := h.cfg.BaseURL
	u, err := url.Parse(text)
	switch {
	case base == nil || base.Host == "" || err != nil:
		return nil, errForeign
	case u.Scheme != base.Scheme || !strings.EqualFold(u.Host, base.Host):
		return nil, errForeign
	case u.Scheme != "https" && !address.Loopback(base.Hostname()):
		return nil, errForeign
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" || !callbackPath.MatchString(u.EscapedPath()):
		return nil, errForeign
	}
	return &url.URL{Scheme: base.Scheme, Host: base.Host, Path: u.Path}, nil
}

// complete posts an answer. If the invocation needs none any more, that is not an error.
func (h *Hook) complete(ctx context.Context, target *url.URL, key secret.String, output []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callbackTotal)
	defer cancel()
	body, err := json.Marshal(struct {
		Secret string         `json:"secret"`
		Output jsontext.Value `json:"output"`
	}{key.Reveal(), output}, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return errors.New("encode the answer of a trigger")
	}
	return retry.Policy{}.Do(ctx, nil, func(ctx context.Context) error { return h.postOnce(ctx, target, body, key) })
}

func (h *Hook) postOnce(ctx context.Context, target *url.URL, answer []byte, key secret.String) error {
	ctx, cancel := context.WithTimeout(ctx, callbackOnce)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(answer))
	if err != nil {
		return fmt.Errorf("answer a trigger at %s: %w", target.Host, errForeign)
	}
	req.Header.Set("Content-Type", "application/json")
	client := *h.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		why := secret.Mask(transportText(err), key)
		return &pipeline.Retryable{Err: fmt.Errorf("answer a trigger at %s: %s", target.Host, why)}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // a part of it shows who answers
	what, peer := "answer a trigger at "+target.Host, transport.Peer{Host: target.Host, Settings: "TENANT_ID or SAILPOINT_BASE_URL"}
	if f := transport.Gateway(resp.StatusCode, resp.Header, body, peer, key); f != nil {
		return remote.Passing(what, f)
	}
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout, s >= 500:
		return &pipeline.Retryable{Err: fmt.Errorf("%s: status %d", what, s), After: transport.RetryAfter(resp.Header, time.Now())}
	case s >= 300 && s < 400:
		return fmt.Errorf("%s: status %d redirects, which is not followed", what, s)
	case s < 300 && s != http.StatusNoContent: // if it is the tenant's all the same, it refuses the next attempt
		return &pipeline.Retryable{Err: fmt.Errorf("%s: status %d, but the tenant accepts an answer with 204: something in between may have answered", what, s)}
	}
	return nil // accepted, or it was complete already
}

// transportText is an error of a client without the address, whose path names the invocation.
func transportText(err error) string {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err.Error()
	}
	return err.Error()
}
