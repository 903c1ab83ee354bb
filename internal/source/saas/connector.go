package saas

import (
	"context"
	"errors"
	"net/http"
	"strings"

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
}

// Connector receives the reports of one connection.
type Connector struct {
	cfg    Config
	gate   *gate.Gate
	source *Source
}

var _ source.Depositor = (*Connector)(nil)

// Connect makes a connector. It does not access the box.
func Connect(cfg Config) *Connector { return &Connector{cfg, gate.New(cfg.Secret), New(cfg.Box)} }

// Manual describes the kind for people.
func Manual() source.Manual {
	return source.Manual{Checks: []source.Check{{Item: "saas hook", Lines: []string{"where SaaS Management reports are received, if they are"}}}}
}

// Name implements [source.Connector].
func (c *Connector) Name() string { return "SaaS Management" }

// Host implements [source.Connector]: reports are dated by this machine's clock.
func (c *Connector) Host() string { return "" }

// Describe implements [source.Connector].
func (c *Connector) Describe() string {
	return "SaaS Management reports are received at " + c.cfg.Address
}

// Streams implements [source.Connector].
func (c *Connector) Streams() []source.Spec {
	return []source.Spec{{Source: c.source, Short: "Reports", Window: window, Table: schema.Reports()}}
}

// Check implements [source.Connector]: what waits is in the state, which is checked by itself.
func (c *Connector) Check(ctx context.Context, report check.Report) {
	report.Try(ctx, "saas hook", func(ctx context.Context) (string, error) { return c.Describe(), c.Ready(ctx) })
}

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
		return source.Deposited{}, &source.Unacceptable{Status: http.StatusBadRequest, Why: "the report is empty"}
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
