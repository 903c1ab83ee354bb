package identityiq

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// The names of the streams in IIQ_STREAMS.
const (
	Audit      = "audit"
	Syslog     = "syslog"
	Tasks      = "tasks"
	Violations = "violations"
	AlertsName = "alerts"
)

// StreamNames are the streams that can be read, in the order in which they are reported.
func StreamNames() []string { return []string{Audit, Syslog, Tasks, Violations, AlertsName} }

// PageRecords is the number of records in the largest page.
const PageRecords = pageRows

// Connector is the server of a [Client] for package app.
type Connector struct {
	client *Client
	specs  []source.Spec
}

var _ source.Connector = (*Connector)(nil)

// Connect makes a client for a server. It sends nothing yet.
func Connect(cfg Config) *Connector {
	c := NewClient(cfg)
	all := map[string]source.Spec{
		Audit:      c.events(c.Audits(), "IIQ audit", schema.IIQAudit()),
		Syslog:     c.events(c.Syslog(), "IIQ syslog", schema.IIQSyslog()),
		Tasks:      c.list(c.TaskResults(), "IIQ tasks", schema.IIQTaskResults()),
		Violations: c.list(c.PolicyViolations(), "IIQ policy", schema.IIQPolicyViolations()),
		AlertsName: c.list(c.Alerts(), "IIQ alerts", schema.IIQAlerts()),
	}
	connector := &Connector{client: c}
	for _, name := range StreamNames() {
		if slices.Contains(cfg.Streams, name) {
			connector.specs = append(connector.specs, all[name])
		}
	}
	return connector
}

func (c *Client) events(e *Events, short string, table schema.Table) source.Spec {
	return source.Spec{Source: e, Short: short, Window: ledgerWindow, Lookback: c.cfg.Lookback, StartAt: e.StartAt, TimeOf: parsePlace, Table: table}
}

func (c *Client) list(r *Resources, short string, table schema.Table) source.Spec {
	return source.Spec{Source: r, Short: short, Window: 24 * time.Hour, Lookback: c.cfg.Lookback, StartAt: r.StartAt, TimeOf: timeOfSweep, Table: table}
}

const (
	itemAddress = "IdentityIQ"
	itemToken   = "IIQ token"
	itemPlugin  = "IIQ plugin"
	itemLists   = "IIQ lists"
)

// Manual is this kind of source in texts for people.
func Manual() source.Manual {
	return source.Manual{
		Service: "SailPoint IdentityIQ",
		Checks: []source.Check{
			{Item: itemToken, Lines: []string{"IIQ_CLIENT_ID and IIQ_CLIENT_SECRET give an access token"}},
			{Item: itemAddress, Lines: []string{"IdentityIQ answers at IIQ_URL"}},
			{Item: itemPlugin, Lines: []string{"the SIEM plugin is there, and a page of events can be read", "(right " + pluginRight + ")"}},
			{Item: itemLists, Lines: []string{"task results, policy violations and alerts", "can be read"}},
		},
	}
}

// Name implements [source.Connector].
func (c *Connector) Name() string { return "IdentityIQ" }

// Host implements [source.Connector].
func (c *Connector) Host() string { return c.client.host() }

// Describe implements [source.Connector].
func (c *Connector) Describe() string {
	return fmt.Sprintf("IdentityIQ at %s, streams %s", c.client.base, strings.Join(c.client.cfg.Streams, ", "))
}

// Streams implements [source.Connector].
func (c *Connector) Streams() []source.Spec { return c.specs }

// Stats implements [source.Connector].
func (c *Connector) Stats() source.Stats { return source.Stats{Throttled: c.client.throttled.Load()} }

// Check implements [source.Connector].
func (c *Connector) Check(ctx context.Context, report check.Report) {
	works := report.Try(ctx, itemToken, func(ctx context.Context) (string, error) {
		return "IIQ_CLIENT_ID and IIQ_CLIENT_SECRET are accepted by " + c.Host(), c.client.signIn(ctx)
	})
	if !works {
		report.Skip(itemAddress, "needs token")
	} else {
		report.Try(ctx, itemAddress, c.client.ping)
	}
	for _, item := range []string{itemPlugin, itemLists} {
		var specs []source.Spec
		for _, s := range c.specs {
			if _, isEvents := s.Source.(*Events); isEvents == (item == itemPlugin) {
				specs = append(specs, s)
			}
		}
		switch {
		case len(specs) == 0:
		case !works:
			report.Skip(item, "needs token")
		default:
			report.Try(ctx, item, func(ctx context.Context) (string, error) { return readOne(ctx, specs) })
		}
	}
}

// readOne reads a row of each stream, and says how many there are.
func readOne(ctx context.Context, specs []source.Spec) (string, error) {
	var said []string
	for _, s := range specs {
		switch src := s.Source.(type) {
		case *Events:
			now := time.Now().Truncate(time.Millisecond)
			got, err := src.read(ctx, window{now.Add(-24 * time.Hour), now}, 1, 1)
			if err != nil {
				return "", err
			}
			said = append(said, fmt.Sprintf("%s can be read; the last 24 hours have %s", src.what, number(got.total)))
		case *Resources:
			got, err := src.read(ctx, 1, 1)
			if err != nil {
				return "", err
			}
			said = append(said, fmt.Sprintf("%s can be read; there are %s", src.what, number(got.total)))
		}
	}
	return strings.Join(said, ". "), nil
}

func number(total int64) string {
	if total < 0 {
		return "an unknown number"
	}
	return strconv.FormatInt(total, 10)
}

// signIn gets a token.
func (c *Client) signIn(ctx context.Context) error {
	select {
	case c.slot <- struct{}{}:
		defer func() { <-c.slot }()
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", getToken, ctx.Err())
	}
	_, err := c.token(ctx)
	return err
}

// ping asks the server whether it is there. Its answer is a JSON string.
func (c *Client) ping(ctx context.Context) (string, error) {
	const what = "ping"
	body, err := c.get(ctx, call{what: what, path: "/rest/ping"})
	if err != nil {
		return "", err
	}
	if jsontext.Value(body).Kind() != jsontext.KindString {
		return "", &pipeline.Retryable{Err: fmt.Errorf("%s: %s/rest/ping did not answer like IdentityIQ (%s): IIQ_URL must be its address with its context, such as https://host/identityiq",
			what, c.base, text.Line(string(body), 60))}
	}
	return c.base + " answers", nil
}
