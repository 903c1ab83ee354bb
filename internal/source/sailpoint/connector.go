package sailpoint

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// Connector is the tenant of a [Client] for package app.
type Connector struct{ client *Client }

var (
	_ source.Connector = (*Connector)(nil)
	_ source.Sharer    = (*Connector)(nil)
	_ source.Rated     = (*Connector)(nil)
)

// Connect makes a client for a tenant. It sends nothing yet.
func Connect(cfg Config) *Connector { return &Connector{NewClient(cfg)} }

// Manual is this kind of source in texts for people.
func Manual() source.Manual {
	return source.Manual{
		Service: "SailPoint IdentityNow (Identity Security Cloud)",
		Checks: []source.Check{
			{Item: itemTenant, Lines: []string{"the tenant's host answers"}},
			{Item: itemToken, Lines: []string{"CLIENT_ID and CLIENT_SECRET give an access token"}},
			{Item: itemSearch, Lines: []string{"events can be read (scope " + searchScope + ")"}},
			{Item: itemTriggers, Lines: []string{"trigger invocations can be read", "(scope " + triggersScope + ")"}},
		},
	}
}

// Name implements [source.Connector].
func (c *Connector) Name() string { return "SailPoint" }

// Host implements [source.Connector].
func (c *Connector) Host() string { return c.client.cfg.BaseURL.Host }

// Describe implements [source.Connector]. It omits the client id, which is easily swapped with its
// secret.
func (c *Connector) Describe() string {
	cfg := c.client.cfg
	return fmt.Sprintf("tenant %s at %s, API version %s, pages of %d events", cfg.Tenant, cfg.BaseURL, cfg.APIVersion, cfg.PageSize)
}

// Streams implements [source.Connector].
func (c *Connector) Streams() []source.Spec {
	events := c.client.Events()
	return []source.Spec{
		{
			Source: events, Short: "Events", Window: window, Lookback: c.client.cfg.Lookback, StartAt: events.StartAt, TimeOf: timeOf,
			Inherits: events.inherit, Table: schema.Events(),
		},
		{
			Source: c.client.Triggers(), Short: "Triggers", Window: 24 * time.Hour, // each sweep spans two days
			Lookback: TriggersRemembered, Remembers: TriggersRemembered, Table: schema.Triggers(),
		},
	}
}

// Share implements [source.Sharer].
func (c *Connector) Share(beside bool) { c.client.share(beside) }

// Rate implements [source.Rated].
func (c *Connector) Rate() source.Rate {
	return source.Rate{PerSecond: float64(c.client.limiter.Limit()), Page: c.client.size.get()}
}

// Stats implements [source.Connector].
func (c *Connector) Stats() source.Stats {
	s := c.client.Stats()
	return source.Stats{Throttled: s.Throttled, Deprecated: s.Deprecated}
}

const (
	itemTenant   = "tenant"
	itemToken    = "token"
	itemSearch   = "search"
	itemTriggers = "triggers"
)

// Check implements [source.Connector]: host, credentials, and the two scopes.
func (c *Connector) Check(ctx context.Context, report check.Report) {
	if !c.checkTenant(ctx, report) {
		report.Skip(itemSearch, "needs token")
		report.Skip(itemTriggers, "needs token")
		return
	}
	report.Try(ctx, itemSearch, c.checkSearch)
	report.Try(ctx, itemTriggers, func(ctx context.Context) (string, error) {
		return "trigger invocations can be read (scope " + triggersScope + ")", c.client.CheckTriggers(ctx)
	})
}

// checkTenant checks the host and the credentials. The tenant's info distinguishes a wrong host
// from wrong credentials, but it is documented only loosely: a host that issues tokens is right
// even without it.
func (c *Connector) checkTenant(ctx context.Context, report check.Report) bool {
	host := c.Host()
	detail, infoErr := check.Attempt(ctx, check.Attempts, func(ctx context.Context) (string, error) {
		info, err := c.client.Info(ctx)
		switch {
		case err != nil:
			return "", err
		case info.TenantName == "":
			return host + " answers", nil
		case c.foreign(info.TenantName):
			return "", &foreignTenant{host: host, says: text.Line(info.TenantName, 60), set: c.client.cfg.Tenant}
		}
		return fmt.Sprintf("%s answers for the tenant %s, pod %s", host, text.Line(info.TenantName, 60), text.Line(info.Pod, 60)), nil
	})
	attempts := check.Attempts
	if infoErr != nil {
		attempts = 1 // the host has been tried enough
	}
	_, tokenErr := check.Attempt(ctx, attempts, func(ctx context.Context) (string, error) { return "", c.client.Token(ctx) })
	switch {
	case ctx.Err() != nil:
		report.Skip(itemTenant, "stopped")
		report.Skip(itemToken, "stopped")
		return false
	case infoErr == nil:
		report.Pass(itemTenant, detail)
	case errors.As(infoErr, new(*foreignTenant)):
		report.Fail(itemTenant, infoErr)
	case tokenErr == nil:
		report.Pass(itemTenant, host+" gives tokens, but does not say who it is: "+infoErr.Error())
	default:
		report.Fail(itemTenant, infoErr)
		report.Skip(itemToken, "needs tenant")
		return false
	}
	if tokenErr != nil {
		report.Fail(itemToken, tokenErr)
		return false
	}
	report.Pass(itemToken, "CLIENT_ID and CLIENT_SECRET are accepted")
	return true
}

// checkSearch reads one event, and counts a day's events as information for the reader.
func (c *Connector) checkSearch(ctx context.Context) (string, error) {
	if err := c.client.CheckSearch(ctx); err != nil {
		return "", err
	}
	now := time.Now()
	n, err := c.client.Count(ctx, now.Add(-24*time.Hour), now)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("events can be read (scope "+searchScope+"); the last 24 hours have %d", n), nil
}

// foreign reports whether the host answers for another tenant than the one that its records are kept
// for. A host that is named after the tenant is believed whatever it calls itself.
func (c *Connector) foreign(name string) bool {
	set := c.client.cfg.Tenant
	label, _, _ := strings.Cut(c.client.cfg.BaseURL.Hostname(), ".")
	return set != "" && !strings.ContainsAny(set+name, ".") && !strings.EqualFold(name, set) && !strings.EqualFold(label, set)
}

// foreignTenant is the error for a host of another tenant.
type foreignTenant struct{ host, says, set string }

func (f *foreignTenant) Error() string {
	return fmt.Sprintf("%s answers for the tenant %s, and TENANT_ID is %s: the events of %[2]s would be kept as those of %[3]s; correct SAILPOINT_BASE_URL or TENANT_ID", f.host, f.says, f.set)
}
