// Package readback queries a Log Analytics workspace for what has arrived in it.
//
// The ingestion services acknowledge records before they store them, and lose some
// silently: over a daily cap, over a volume limit, in a transform. So an
// acknowledgement does not prove that a record is there. [Client] counts the records
// of a table by window of event time, and lists their ids, with the Logs Query API
// (POST {endpoint}/v1/workspaces/{id}/query). [Arrivals] makes a ledger of the
// results, so that an audit can compare the source with the workspace in the same
// way as with what was acknowledged.
//
// The event time of a row is in a column such as created_t, not in TimeGenerated, which
// is when the service received it. The id is in one such as id_g (if the service takes it
// for a GUID, which it writes with dashes) or in id_s. Which members of a record these
// are, says [Table].
//
// The caller's identity needs the role Log Analytics Reader on the workspace. A
// stand-in, which is plain HTTP on this machine, needs no identity.
package readback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/entra"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/azmonitor"
)

const (
	// maxAnswer is more than the API sends: it truncates a result at 500,000 rows
	// or about 100 MB.
	maxAnswer = 128 << 20
	// serverWait is how long the service may work on a query; it allows at most 600 s.
	serverWait = 300 * time.Second
	// localToken is the token for a stand-in.
	localToken = "stand-in"
)

// Config is how to reach a workspace.
type Config struct {
	// URL is the query endpoint without the version, for example
	// https://api.loganalytics.io.
	URL *url.URL
	// Audience is the resource that the token is for, for example https://api.loganalytics.io.
	Audience    string
	WorkspaceID string
	// Credential issues tokens, and Identity is whose they are, for messages. They are not used for
	// plain HTTP.
	Credential azcore.TokenCredential
	Identity   entra.Identity
	// HTTP must wait more than five minutes for the header of an answer; nil
	// makes such a client.
	HTTP *http.Client
	// Retry is the policy for faults that may pass.
	Retry retry.Policy
	// Version is the program's, for the User-Agent header.
	Version string
}

// Client queries one workspace. It may be used by several goroutines.
type Client struct{ cfg Config }

// New returns a client. It sends nothing.
func New(cfg Config) *Client {
	if cfg.HTTP == nil {
		cfg.HTTP = transport.NewClient(transport.Config{Version: cfg.Version, HeaderTimeout: serverWait + 30*time.Second})
	}
	return &Client{cfg}
}

// ErrNoTable means that the workspace does not have the table.
var ErrNoTable = errors.New("the workspace has no such table")

// result is the table that a query returns: each row has the query's columns,
// in the query's order.
type result []row

// query runs a query on a table over the rows that the workspace received between from and to.
func (c *Client) query(ctx context.Context, table, kql string, from, to time.Time) (rows result, err error) {
	body, err := json.Marshal(struct {
		Query    string `json:"query"`
		Timespan string `json:"timespan"`
	}{kql, stamp(from) + "/" + stamp(to)})
	if err != nil {
		return nil, err
	}
	err = c.cfg.Retry.Do(ctx, nil, func(ctx context.Context) (err error) {
		rows, err = c.try(ctx, body)
		return err
	})
	if missingTable(err, table) {
		return nil, fmt.Errorf("workspace %s has no table %s_CL: nothing was ever stored there, or for the first time less than a quarter of an hour ago, "+
			"or CUSTOMER_ID names another workspace: %w: %w", c.cfg.WorkspaceID, table, ErrNoTable, err)
	}
	var column *unresolvedError
	if errors.As(err, &column) {
		return nil, fmt.Errorf("table %s_CL of the workspace lacks a column that the rows of this connector have, so they can't be compared: %w", table, err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the workspace what has arrived: %w", err)
	}
	return rows, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (c *Client) try(ctx context.Context, body []byte) (result, error) {
	address := c.cfg.URL.JoinPath("v1", "workspaces", c.cfg.WorkspaceID, "query").String()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, transport.Redact(err)
	}
	token, err := c.token(ctx)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Prefer", fmt.Sprintf("wait=%d", int(serverWait.Seconds())))
	resp, err := c.cfg.HTTP.Do(req) //nolint:bodyclose // ReadAll closes it
	if err != nil {
		return nil, c.unreachable(ctx, transport.Redact(err))
	}
	text, err := transport.ReadAll(resp, maxAnswer)
	if err != nil {
		return nil, c.unreachable(ctx, fmt.Errorf("read the answer: %w", transport.Redact(err)))
	}
	if f := transport.Gateway(resp.StatusCode, resp.Header, text, c.peer(), transport.Sent(req)...); f != nil {
		return nil, azmonitor.Failed(f)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.refused(resp, text, transport.Sent(req)...)
	}
	return decode(text, transport.Sent(req)...)
}

// token gets a token from the credential, which caches it until shortly before it expires.
func (c *Client) token(ctx context.Context) (string, error) {
	if c.cfg.URL.Scheme == "http" {
		return localToken, nil
	}
	t, err := c.cfg.Credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{strings.TrimRight(c.cfg.Audience, "/") + "/.default"}})
	remedy := "enable the managed identity of the app (AZURE_CLIENT_ID for a user-assigned one), or sign in with the Azure CLI (" + c.cfg.Identity.Login() + ")"
	switch {
	case err != nil && ctx.Err() != nil:
		return "", fmt.Errorf("sign in for the workspace: %w", context.Cause(ctx))
	case err != nil:
		return "", fmt.Errorf("sign in for the workspace: %s", azsdk.NoToken(err, remedy))
	}
	return t.Token, nil
}

// unreachable classifies the error of a request without an answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	return azmonitor.Unreachable(ctx, err, c.peer())
}

// peer names the query endpoint in error texts.
func (c *Client) peer() transport.Peer {
	return transport.Peer{Host: c.cfg.URL.Host, Settings: "LOG_ANALYTICS_QUERY_URL"}
}

// problem is an error in the API's format.
type problem struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Inner   *problem `json:"innererror"`
	Details []struct {
		Code    string   `json:"code"`
		Message string   `json:"message"`
		Inner   *problem `json:"innererror"`
	} `json:"details"`
}

// text joins the codes and messages, from the outer to the inner error. hidden are secrets
// that they may repeat.
func (p *problem) text(hidden ...secret.String) string {
	var parts []string
	add := func(code, message string) {
		if code != "" {
			parts = append(parts, strings.TrimSpace(code+" "+message))
		}
	}
	for at := p; at != nil; at = at.Inner {
		add(at.Code, at.Message)
		for _, d := range at.Details {
			add(d.Code, d.Message)
			for in := d.Inner; in != nil; in = in.Inner {
				add(in.Code, in.Message)
			}
		}
	}
	const most, examined = 600, 16 << 10
	return text.Line(secret.Mask(text.Cut(strings.Join(parts, ": "), examined), hidden...), most)
}

// refused classifies an answer other than 200.
func (c *Client) refused(resp *http.Response, body []byte, hidden ...secret.String) error {
	var answer struct {
		Error problem `json:"error"`
	}
	_ = json.Unmarshal(body, &answer) // a proxy's answer has another form
	said := answer.Error.text(hidden...)
	err := fmt.Errorf("status %d %s", resp.StatusCode, said)
	denied := resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusNotFound
	switch {
	case said == "" && denied:
		err = fmt.Errorf("status %d: %s", resp.StatusCode, strings.TrimSuffix(transport.Doubtful(c.peer()), ", "))
	case said == "":
		err = fmt.Errorf("status %d: %s", resp.StatusCode, transport.Unexpected(resp.StatusCode, c.peer()))
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized, strings.Contains(said, "InvalidAuthenticationToken"):
		return fmt.Errorf("%w: the sign-in is not accepted: check that LOG_ANALYTICS_QUERY_URL and logAnalyticsUri are of the same cloud", err)
	case resp.StatusCode == http.StatusForbidden && c.cfg.Identity.Abroad():
		return fmt.Errorf("%w: an owner of the workspace gives the service principal of %s the role Log Analytics Reader on the workspace; it takes some minutes to take effect", err, c.cfg.Identity)
	case resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: give the identity that queries the role Log Analytics Reader on the workspace; it takes some minutes to take effect", err)
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: there is no workspace %s: check CUSTOMER_ID and LOG_ANALYTICS_QUERY_URL", err, c.cfg.WorkspaceID)
	case resp.StatusCode == http.StatusBadRequest && strings.Contains(said, unresolved):
		return &unresolvedError{err, said}
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode >= http.StatusInternalServerError:
		return &pipeline.Retryable{Err: err, After: transport.RetryAfter(resp.Header, time.Now())}
	}
	return err
}

// unresolved is the error code for a query that names a missing table or column.
const unresolved = "SEM0100"

// unresolvedError means that a query names something that the workspace does not have.
type unresolvedError struct {
	error
	said string
}

// missingTable reports whether the workspace lacks this table. If only a column is missing,
// there may be rows.
func missingTable(err error, table string) bool {
	var e *unresolvedError
	return errors.As(err, &e) && strings.Contains(e.said, "resolve table") && strings.Contains(e.said, table+"_CL")
}

// errPartial means that a result is incomplete.
var errPartial = errors.New("the workspace returned only a part of the result")

// decode reads the answer to a query.
func decode(body []byte, hidden ...secret.String) (result, error) {
	var answer struct {
		Tables []struct {
			Name string `json:"name"`
			Rows result `json:"rows"`
		} `json:"tables"`
		Error *problem `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("read the answer: it is not the result of a query: %w", err)
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("%w: %s", errPartial, answer.Error.text(hidden...))
	}
	for _, t := range answer.Tables {
		if t.Name == "PrimaryResult" {
			return t.Rows, nil
		}
	}
	return nil, errors.New("read the answer: it has no table PrimaryResult")
}
