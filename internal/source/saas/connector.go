package saas

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/gate"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

const (
	// MaxBody is the size of the largest report as it is sent, in bytes.
	MaxBody = 30 << 20
	// maxName bounds the name of a report.
	maxName = 100
)

// Config says where reports come from.
type Config struct {
	// Secret is what a sender must present.
	Secret secret.Keeper
	// Address is the path of the hook.
	Address string
	Box     Box
	// Forward passes reports on to a workflow, and Workflow tries it without starting it. Both are nil
	// if nothing is passed on.
	Forward  *forward.Forwarder
	Workflow interface {
		Check(ctx context.Context) (detail string, err error)
	}
}

// ForwardingID is the name of the lock and the health rows of the forwarding.
const ForwardingID = "SailPointSaaS_Forwarding"

// Connector receives the reports of one connection.
type Connector struct {
	cfg    Config
	gate   *gate.Gate
	source *Source
}

var (
	_ source.Depositor = (*Connector)(nil)
	_ source.Forwarder = (*Connector)(nil)
)

// Connect makes a connector. It does not access the box.
func Connect(cfg Config) *Connector { return &Connector{cfg, gate.New(cfg.Secret), New(cfg.Box)} }

// Manual describes the kind for people.
func Manual() source.Manual {
	return source.Manual{Checks: []source.Check{
		{Item: itemHook, Lines: []string{"where SaaS Management reports are received, if they are"}},
		{Item: itemWorkflow, Lines: []string{"reports can be forwarded, if they are: credentials,", "scope, and whether the workflow is enabled; starts nothing"}},
	}}
}

const (
	itemHook     = "saas hook"
	itemWorkflow = "workflow"
)

// Name implements [source.Connector].
func (c *Connector) Name() string { return "SaaS Management" }

// Host implements [source.Connector]: reports are dated by this machine's clock.
func (c *Connector) Host() string { return "" }

// Describe implements [source.Connector].
func (c *Connector) Describe() string {
	text := "SaaS Management reports are received at " + c.cfg.Address
	switch {
	case c.cfg.Forward == nil:
	case c.cfg.Forward.ByRow:
		text += ", and each row is forwarded to a workflow (WORKFLOW_URL)"
	default:
		text += ", and forwarded to a workflow (WORKFLOW_URL)"
	}
	return text
}

// Streams implements [source.Connector].
func (c *Connector) Streams() []source.Spec {
	return []source.Spec{{Source: c.source, Short: "Reports", Window: window, Table: schema.Reports()}}
}

// Check implements [source.Connector]: what waits is in the state, which is checked by itself.
func (c *Connector) Check(ctx context.Context, report check.Report) {
	report.Try(ctx, itemHook, func(ctx context.Context) (string, error) { return c.Describe(), c.Ready(ctx) })
	if c.cfg.Workflow != nil {
		report.Try(ctx, itemWorkflow, c.cfg.Workflow.Check)
	}
}

// Forwarding implements [source.Forwarder].
func (c *Connector) Forwarding() (string, *forward.Forwarder) { return ForwardingID, c.cfg.Forward }

// Stats implements [source.Connector].
func (c *Connector) Stats() source.Stats { return source.Stats{} }

// Path implements [source.Depositor].
func (c *Connector) Path() string { return "saas" }

// MaxBody implements [source.Depositor].
func (c *Connector) MaxBody() int64 { return MaxBody }

// Admits implements [source.Gate]. How SaaS Management presents the secret is documented nowhere, so
// it is accepted as a Bearer token, alone, and as the password of Basic authentication.
func (c *Connector) Admits(ctx context.Context, authorization []string) (bool, error) {
	if len(authorization) != 1 || strings.TrimSpace(authorization[0]) == "" {
		return false, nil
	}
	value := strings.TrimSpace(authorization[0])
	given := []string{value}
	if scheme, token, found := strings.Cut(value, " "); found && strings.EqualFold(scheme, "bearer") {
		given = append(given, strings.TrimSpace(token))
	}
	if _, password, found := (&http.Request{Header: http.Header{"Authorization": {value}}}).BasicAuth(); found {
		given = append(given, password)
	}
	return c.gate.Admits(ctx, func(want secret.String) (ok bool) {
		for _, text := range given {
			ok = gate.Equal(text, want.Reveal()) || ok
		}
		return ok
	})
}

// Ready implements [source.Gate].
func (c *Connector) Ready(ctx context.Context) error { return c.gate.Ready(ctx) }

// Deposit implements [source.Depositor].
func (c *Connector) Deposit(ctx context.Context, d source.Upload) (source.Deposited, error) {
	switch encoding := strings.ToLower(strings.TrimSpace(d.ContentEncoding)); encoding {
	case "", "identity", "gzip", "x-gzip":
	default:
		return source.Deposited{}, &source.Unacceptable{Status: http.StatusUnsupportedMediaType, Why: "the Content-Encoding is neither gzip nor identity"}
	}
	r, again, err := c.cfg.Box.Put(ctx, nameOf(d.Rest), text.Line(d.ContentType, maxName), d.At, d.Body)
	if isEmpty(err) {
		return source.Deposited{}, &source.Unacceptable{Status: http.StatusBadRequest, Why: "the report is empty, or it had no Content-Length, without which some versions of the Functions host drop it"}
	}
	return source.Deposited{ID: r.ID, Bytes: r.Bytes, Again: again}, err
}

// isEmpty reports whether an error says that there was nothing to store.
func isEmpty(err error) bool {
	var empty interface{ Empty() bool }
	return errors.As(err, &empty) && empty.Empty()
}

// nameOf is the name of a report in its address.
func nameOf(rest string) string { return text.Line(strings.Trim(rest, "/"), maxName) }
