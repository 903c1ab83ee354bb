package sailpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/time/rate"

	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

const (
	executeScope  = "sp:workflow-execute:external"
	workflowScope = "sp:workflow:read"

	startWorkflow = "start the workflow"
	tryWorkflow   = "try the workflow"
	// maxAnswer is more than an answer to a start has.
	maxAnswer = 1 << 20
)

// WorkflowConfig says which workflow is started, and how.
type WorkflowConfig struct {
	// URL is the address of its external trigger, BaseURL that of the API which it belongs to, and of
	// the token endpoint. Required.
	URL, BaseURL *url.URL
	// ClientID and ClientSecret were made for the trigger. Required.
	ClientID     string
	ClientSecret secret.Keeper
	// Reader may be able to read what the workflow is, for checks; nil if there is none.
	Reader *Client

	// HTTP, Limiter and Log are like those of [Config], but a nil Limiter means 4 requests a second.
	HTTP    *http.Client
	Limiter *rate.Limiter
	Log     *slog.Logger
}

// Workflow is a workflow with an external trigger. Its tokens are renewed as needed. It is safe for
// concurrent use.
type Workflow struct {
	cfg    WorkflowConfig
	client *Client
}

var _ forward.Workflow = (*Workflow)(nil)

// NewWorkflow returns a workflow. It sends nothing yet.
func NewWorkflow(cfg WorkflowConfig) *Workflow {
	if cfg.HTTP == nil {
		cfg.HTTP = transport.NewClient(transport.Config{})
	}
	if cfg.Limiter == nil {
		// A tenant may start 400,000 workflows a day, which is 4.6 a second, and then 5 a second.
		cfg.Limiter = rate.NewLimiter(4, 4)
		cfg.Limiter.ReserveN(time.Now(), 3)
	}
	return &Workflow{cfg, NewClient(Config{
		BaseURL: cfg.BaseURL, ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret,
		Settings: Settings{
			Address: "WORKFLOW_URL", ClientID: "WORKFLOW_CLIENT_ID", ClientSecret: "WORKFLOW_CLIENT_SECRET",
			Remedy: "open the workflow's external trigger in SailPoint, create a new access token client there, and set both settings",
		},
		HTTP: transport.NoRedirects(cfg.HTTP), Limiter: cfg.Limiter, Log: cfg.Log,
	})}
}

// Throttled is how many requests were answered with "too many".
func (w *Workflow) Throttled() int64 { return w.client.Stats().Throttled }

// Ready implements [forward.Workflow].
func (w *Workflow) Ready(ctx context.Context) error {
	if _, err := w.client.token(ctx); err != nil {
		return err
	}
	return w.client.waitForSlot(ctx, startWorkflow)
}

// Start implements [forward.Workflow]. The post is repeated only if its token was refused.
func (w *Workflow) Start(ctx context.Context, input []byte) error {
	resp, err := w.post(ctx, startWorkflow, w.cfg.URL.String(), input) //nolint:bodyclose // ReadAll and Discard close it
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return w.refused(startWorkflow, resp, input)
	}
	body, err := transport.ReadAll(resp, maxAnswer)
	if err != nil {
		return &forward.Doubt{Err: fmt.Errorf("%s: the answer broke off: %w", startWorkflow, transport.Explain(err, w.client.peer()))}
	}
	return w.judge(body, input)
}

// judge reads an answer of status 200, which may report a failure.
func (w *Workflow) judge(body, input []byte) error {
	if f := transport.Gateway(http.StatusOK, nil, body, w.client.peer(), w.client.hidden()...); f != nil {
		return &forward.Doubt{Err: fmt.Errorf("%s: %w", startWorkflow, f)}
	}
	var answer struct {
		ID      string `json:"workflowExecutionId"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(body, &answer, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return &forward.Doubt{Err: fmt.Errorf("%s: the answer of %s is not one of a workflow: check WORKFLOW_URL", startWorkflow, w.client.host())}
	}
	said := w.excerpt(answer.Message, input)
	switch {
	case answer.ID != "" && said == "":
		return nil
	case answer.ID != "":
		return &forward.Doubt{Err: fmt.Errorf("%s: the answer names execution %s, and a failure: %s", startWorkflow, w.excerpt(answer.ID, input), said)}
	case said == "":
		return &forward.Doubt{Err: fmt.Errorf("%s: the answer names neither an execution nor a failure", startWorkflow)}
	}
	return fmt.Errorf("%s: status 200, but it was not started: %s: check in SailPoint that the workflow of WORKFLOW_URL exists, is enabled, and has an external trigger", startWorkflow, said)
}

// post posts once, or twice if the token was refused. An error that leaves open whether the post arrived
// is a [*forward.Doubt].
func (w *Workflow) post(ctx context.Context, what, target string, input []byte) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		tok, err := w.client.token(ctx)
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(input))
		if err != nil {
			return nil, fmt.Errorf("%s: WORKFLOW_URL is not usable: %w", what, transport.Redact(err))
		}
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+tok.access.Reveal())
		resp, err := w.client.http.Do(req)
		if err != nil {
			return nil, w.unanswered(what, err)
		}
		if resp.StatusCode != http.StatusUnauthorized || attempt == 2 {
			return resp, nil
		}
		transport.Discard(resp)
		w.client.dropToken(tok)
		if err := w.client.waitForSlot(ctx, what); err != nil {
			return nil, err
		}
	}
}

// unanswered classifies an error of the HTTP client.
func (w *Workflow) unanswered(what string, err error) error {
	f := transport.Explain(err, w.client.peer())
	if transport.Unsent(err) || errors.As(err, new(*transport.Redirect)) {
		return remote.Passing(what, f)
	}
	return &forward.Doubt{Err: fmt.Errorf("%s: %w", what, f)}
}

// refused classifies an answer with an error status, and closes its body.
func (w *Workflow) refused(what string, resp *http.Response, input []byte) error {
	defer transport.Discard(resp)
	c := w.client
	status := resp.StatusCode
	after := transport.RetryAfter(resp.Header, time.Now())
	c.noteThrottling(status, after)
	body, _ := transport.ReadAll(resp, maxAnswer) // a part of it is better than nothing
	text := fmt.Errorf("%s: status %d%s", what, status, w.details(body, input))
	gateway := transport.Gateway(status, resp.Header, body, c.peer(), c.hidden()...)
	if gateway != nil {
		text = fmt.Errorf("%s: %w", what, gateway)
	}
	switch {
	case status == http.StatusTooManyRequests:
		return &pipeline.Retryable{Err: text, After: after}
	case status == http.StatusRequestTimeout, status >= 500:
		return &forward.Doubt{Err: &pipeline.Retryable{Err: text, After: after}}
	case gateway != nil:
		return text
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%w: a token that was just issued to WORKFLOW_CLIENT_ID is rejected: check that it belongs to the workflow of WORKFLOW_URL", text)
	case status == http.StatusForbidden:
		return fmt.Errorf("%w: the token of WORKFLOW_CLIENT_ID needs the scope %s: create the client at the external trigger of the workflow of WORKFLOW_URL, or give it this scope", text, executeScope)
	case status/100 == 3:
		return fmt.Errorf("%w: redirects are not followed: check WORKFLOW_URL", text)
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return fmt.Errorf("%w: there is no external trigger at WORKFLOW_URL: copy the address from the workflow's trigger again", text)
	}
	return &forward.Refused{Err: text}
}

// details is what an error answer says, without what it repeats of the input.
func (w *Workflow) details(body, input []byte) string {
	if echoes(string(body), input) {
		return " (its text repeats the input and is not shown)"
	}
	return w.client.details(body)
}

func (w *Workflow) excerpt(text string, input []byte) string {
	if echoes(text, input) {
		return "(a text that repeats the input and is not shown)"
	}
	return w.client.excerpt(text)
}

// echoes reports whether a text repeats some of what was posted, which only the
// workflow may see. Words of the API's own are shorter than this, or not in an input.
func echoes(text string, input []byte) bool {
	const length = 8
	own := `{"input":{"report":"workflowExecutionId":"message":"`
	for i := 0; i+length <= len(text); i++ {
		if part := text[i : i+length]; !strings.Contains(own, part) && bytes.Contains(input, []byte(part)) {
			return true
		}
	}
	return false
}

// Check tries the workflow without starting it: credentials, scope and address, and, if Reader may read
// it, whether it is enabled.
func (w *Workflow) Check(ctx context.Context) (string, error) {
	if err := w.Ready(ctx); err != nil {
		return "", err
	}
	input := []byte(`{"input":{"check":true}}`)
	resp, err := w.post(ctx, tryWorkflow, w.cfg.URL.String()+"/test", input) //nolint:bodyclose // both branches close it
	var doubt *forward.Doubt
	if errors.As(err, &doubt) { // a test may be repeated
		return "", &pipeline.Retryable{Err: doubt.Err}
	}
	if err != nil {
		return "", err
	}
	if resp.StatusCode/100 != 2 {
		err := w.refused(tryWorkflow, resp, nil)
		if errors.As(err, &doubt) {
			return "", doubt.Err
		}
		return "", err
	}
	transport.Discard(resp)
	return w.checkEnabled(ctx)
}

// checkEnabled says whether the workflow is enabled.
func (w *Workflow) checkEnabled(ctx context.Context) (string, error) {
	const works = "WORKFLOW_CLIENT_ID gets a token, and the external trigger takes an input (scope " + executeScope + "); nothing was started"
	if w.cfg.Reader == nil {
		return works + "; whether the workflow is enabled can't be read without a tenant in this connection", nil
	}
	id := path.Base(w.cfg.URL.Path)
	ep := newEndpoint("read the workflow", http.MethodGet, workflowScope, paths("", []string{"v2025", "v3"}, func(v string) string {
		if v == perService {
			return "/workflows/v1/" + id
		}
		return "/" + v + "/workflows/" + id
	}))
	resp, err := w.cfg.Reader.do(ctx, call{ep: ep}) //nolint:bodyclose // ReadAll closes it
	var refused *refusal
	if errors.As(err, &refused) && refused.status == http.StatusForbidden {
		return works + "; whether the workflow is enabled can't be read, because the token of CLIENT_ID lacks the scope " + workflowScope, nil
	}
	if errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return "", fmt.Errorf("the tenant has no workflow %s: copy WORKFLOW_URL from the workflow's external trigger again", id)
	}
	if err != nil {
		return "", err
	}
	body, err := transport.ReadAll(resp, 16*maxAnswer) // a workflow's steps are in it
	if err != nil {
		return "", w.cfg.Reader.networkFailure(ctx, ep.name, err)
	}
	var flow struct {
		Enabled *bool `json:"enabled"`
		Trigger struct {
			Type string `json:"type"`
		} `json:"trigger"`
	}
	if err := json.Unmarshal(body, &flow, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return "", w.cfg.Reader.malformed(ep.name, body, err)
	}
	switch {
	case flow.Enabled != nil && !*flow.Enabled:
		return "", errors.New("the workflow of WORKFLOW_URL is not enabled: turn it on in SailPoint, under Workflows")
	case flow.Trigger.Type != "" && flow.Trigger.Type != "EXTERNAL":
		return "", fmt.Errorf("the workflow of WORKFLOW_URL has the trigger %s: choose External Trigger", w.cfg.Reader.excerpt(flow.Trigger.Type))
	}
	return works + "; the workflow is enabled", nil
}
