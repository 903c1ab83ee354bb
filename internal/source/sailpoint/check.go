package sailpoint

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Count returns the number of events with created at or after from and before to, both in whole
// milliseconds. It costs the service little.
func (c *Client) Count(ctx context.Context, from, to time.Time) (int64, error) {
	q := query{from: from.Truncate(time.Millisecond), to: to.Truncate(time.Millisecond)}
	resp, err := c.do(ctx, q.call(c.count)) //nolint:bodyclose // Discard closes it
	if err != nil {
		return 0, err
	}
	transport.Discard(resp)
	n := totalOf(resp.Header)
	if n < 0 {
		return 0, fmt.Errorf("%s: the answer has no numeric X-Total-Count", c.count.name)
	}
	return n, nil
}

// Token ensures that there is an access token. Its error says what is wrong with the credentials or
// the host.
func (c *Client) Token(ctx context.Context) error {
	_, err := c.token(ctx)
	return err
}

// CheckSearch makes the smallest search, which needs the scope sp:search:read.
func (c *Client) CheckSearch(ctx context.Context) error {
	now := time.Now().Truncate(time.Millisecond)
	_, err := c.Events().search(ctx, place{}, query{from: now.Add(-time.Hour), to: now, limit: 1})
	return err
}

// CheckTriggers reads one trigger invocation, which needs the scope
// sp:trigger-service-invocation-status:read.
func (c *Client) CheckTriggers(ctx context.Context) error {
	_, _, err := c.Triggers().read(ctx, 0, 1)
	return err
}

// Info is what a tenant says about itself.
type Info struct {
	TenantID       string `json:"tenantId"`
	TenantName     string `json:"tenantName"`
	Pod            string `json:"pod"`
	TokenEndpoint  string `json:"tokenEndpoint"`
	CloudDomainURL string `json:"cloudDomainUrl"`
}

// Info asks the tenant's host for the tenant. That needs no credentials, so it distinguishes a
// wrong host from wrong credentials.
func (c *Client) Info(ctx context.Context) (Info, error) {
	const what = "get tenant info"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/oauth/info", nil)
	if err != nil {
		return Info{}, fmt.Errorf("%s: SAILPOINT_BASE_URL is not usable: %w", what, transport.Redact(err))
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.send(ctx, what, req) //nolint:bodyclose // every branch closes it
	if err != nil {
		return Info{}, err
	}
	switch status := resp.StatusCode; {
	case status == http.StatusOK:
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		return Info{}, c.refused(call{ep: &endpoint{name: what}}, resp)
	default: // no credentials were sent, so they can't be at fault
		transport.Discard(resp)
		return Info{}, &refusal{status, fmt.Sprintf("%s: status %d: %s does not answer like the SailPoint API: check TENANT_ID or SAILPOINT_BASE_URL", what, status, c.host())}
	}
	body, err := transport.ReadAll(resp, 1<<20)
	if err != nil {
		return Info{}, c.networkFailure(ctx, what, err)
	}
	var info Info
	if err := json.Unmarshal(body, &info, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return Info{}, &pipeline.Retryable{Err: fmt.Errorf("%s: the answer is not from a SailPoint tenant: %s", what, c.excerpt(string(body)))}
	}
	return info, nil
}
