package okta

import (
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// Connector is the org of a [Client] for package app.
type Connector struct{ client *Client }

var (
	_ source.Connector = (*Connector)(nil)
	_ source.Rated     = (*Connector)(nil)
)

// Connect makes a client for an org. It sends nothing yet.
func Connect(cfg Config) *Connector { return &Connector{NewClient(cfg)} }

// Manual is this kind of source in texts for people.
func Manual() source.Manual {
	return source.Manual{
		Service: "Okta",
		Checks: []source.Check{
			{Item: itemLog, Lines: []string{"OKTA_ORG_URL is an Okta org, token or key are accepted, and", "the System Log can be read"}},
			{Item: itemLimit, Lines: []string{"what the org says about its rate limit"}},
		},
	}
}

// auditAge is how old events are when they are read again, and how often that is done. What a day has
// not shown does not come, and a request for each thousand events once a day is little.
const auditAge = 24 * time.Hour

const (
	itemLog   = "okta log"
	itemLimit = "okta limit"
)

// Name implements [source.Connector].
func (c *Connector) Name() string { return "Okta" }

// Host implements [source.Connector].
func (c *Connector) Host() string { return c.client.cfg.BaseURL.Host }

// Describe implements [source.Connector]. It omits the client id, which is easily swapped with its
// key.
func (c *Connector) Describe() string {
	return fmt.Sprintf("Okta org %s, pages of %d events", c.client.cfg.BaseURL, c.client.cfg.PageSize)
}

// Streams implements [source.Connector].
func (c *Connector) Streams() []source.Spec {
	logs := c.client.Logs()
	return []source.Spec{{
		Source: logs, Short: "Okta", Window: window, AuditAges: []time.Duration{auditAge},
		Lookback: min(c.client.cfg.Lookback, remembered), StartAt: logs.StartAt, TimeOf: timeOf,
		Inherits: logs.inherit, Table: schema.Okta(),
	}}
}

// Rate implements [source.Rated].
func (c *Connector) Rate() source.Rate {
	return source.Rate{PerSecond: float64(c.client.pace.limiter.Limit()), Page: c.client.cfg.PageSize}
}

// Stats implements [source.Connector].
func (c *Connector) Stats() source.Stats { return source.Stats{Throttled: c.client.throttled.Load()} }
