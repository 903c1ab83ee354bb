package app

import (
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/forward"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/source/identityiq"
	"github.com/idn-sentinel/idn-sentinel/internal/source/inbox"
	"github.com/idn-sentinel/idn-sentinel/internal/source/okta"
	"github.com/idn-sentinel/idn-sentinel/internal/source/saas"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
	boxes "github.com/idn-sentinel/idn-sentinel/internal/state/inbox"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// kind is everything that the rest of the program needs to know about a kind of source.
type kind struct {
	settings config.Kind
	manual   source.Manual
	// tables are the tables that its streams fill.
	tables []schema.Table
	// open takes the settings that settings.Read returned. It sends nothing.
	open func(config.Source, config.Connection, Options) source.Connector
	// pageRecords is the number of records in its largest page. Memory limits depend on it.
	pageRecords func(config.Source) int
}

// kinds is the registry of sources. Nothing else in this package, the command line or the
// Functions entry names a source.
func kinds() []kind {
	return []kind{
		{
			settings: config.SailPointKind(),
			manual:   sailpoint.Manual(),
			tables:   schema.SailPoint(),
			open: func(s config.Source, c config.Connection, o Options) source.Connector {
				own := s.(*config.SailPoint)
				return sailpoint.Connect(sailpoint.Config{
					Tenant: c.Tenant, BaseURL: own.BaseURL, ClientID: own.ClientID, ClientSecret: o.keeper(own.ClientSecret), APIVersion: own.APIVersion,
					PageSize: own.Limit, Settle: c.SettleDelay, Lookback: c.InitialLookback,
					HTTP: o.client(), Limiter: o.Limiter, Log: o.Log,
				})
			},
			pageRecords: func(s config.Source) int { return s.(*config.SailPoint).Limit },
		},
		oktaKind(),
		{
			settings: config.EventTriggersKind(),
			manual:   source.Manual{Checks: []source.Check{{Item: "hook", Lines: []string{"where event triggers are received, if they are"}}}},
			tables:   nil, // they go into a table of the tenant
			open: func(s config.Source, c config.Connection, o Options) source.Connector {
				own := s.(*config.EventTriggers)
				cfg := sailpoint.HookConfig{
					Token: o.keeper(own.Token), Previous: o.keeper(own.TokenPrevious), Username: own.Username, Password: o.keeper(own.Password),
					Refuse: own.Refuse, Approver: own.Approver, HTTP: o.client(),
				}
				for _, other := range c.Sources {
					if tenant, ok := other.(*config.SailPoint); ok {
						cfg.BaseURL = tenant.BaseURL
					}
				}
				stream := sailpoint.PushedStream()
				return inbox.Connect(inbox.Config{
					Name: "the inbox of event triggers", Settings: "event triggers are received at " + HookAddress(c.Name, "sailpoint"),
					Stream: stream, Short: "Triggers pushed", Table: schema.Triggers(),
					Hook: sailpoint.NewHook(cfg), Box: boxes.New(o.Store, c.Tenant, stream.ID),
				})
			},
			pageRecords: func(config.Source) int { return 0 },
		},
		{
			settings:    config.SaaSKind(),
			manual:      saas.Manual(),
			tables:      []schema.Table{schema.Reports()},
			open:        openReports,
			pageRecords: func(config.Source) int { return 0 },
		},
		identityIQ(),
	}
}

// openReports opens what receives reports, and what forwards them.
func openReports(s config.Source, c config.Connection, o Options) source.Connector {
	own := s.(*config.SaaS)
	box := reports.New(o.Store, c.Tenant, saas.StreamID)
	cfg := saas.Config{Secret: o.keeper(own.Secret), Address: HookAddress(c.Name, "saas"), Box: box}
	if own.Workflow != nil {
		workflow := workflowOf(own.Workflow, c, o)
		box.Forward, cfg.Workflow = true, workflow
		cfg.Forward = &forward.Forwarder{Queue: box, Workflow: workflow, ByRow: own.Workflow.ByRow, Repeats: own.Workflow.Repeat}
	}
	return saas.Connect(cfg)
}

// workflowOf opens the workflow that reports are forwarded to. A tenant of the same connection may be
// able to read what it is.
func workflowOf(w *config.Workflow, c config.Connection, o Options) *sailpoint.Workflow {
	cfg := sailpoint.WorkflowConfig{
		URL: w.URL, BaseURL: w.BaseURL, ClientID: w.ClientID, ClientSecret: o.keeper(w.ClientSecret), HTTP: o.client(), Log: o.Log,
	}
	for _, other := range c.Sources {
		if tenant, ok := other.(*config.SailPoint); ok {
			cfg.Reader = sailpoint.NewClient(sailpoint.Config{
				BaseURL: tenant.BaseURL, ClientID: tenant.ClientID, ClientSecret: o.keeper(tenant.ClientSecret), HTTP: o.client(), Log: o.Log,
			})
		}
	}
	return sailpoint.NewWorkflow(cfg)
}

func oktaKind() kind {
	return kind{
		settings: config.OktaKind(),
		manual:   okta.Manual(),
		tables:   []schema.Table{schema.Okta()},
		open: func(s config.Source, c config.Connection, o Options) source.Connector {
			own := s.(*config.Okta)
			return okta.Connect(okta.Config{
				BaseURL: own.BaseURL, Token: o.keeper(own.Token), ClientID: own.ClientID, PrivateKey: o.keeper(own.PrivateKey),
				Lookback: c.InitialLookback, HTTP: o.client(), Log: o.Log,
			})
		},
		pageRecords: func(config.Source) int { return okta.PageSize },
	}
}

// identityIQ is an IdentityIQ server.
func identityIQ() kind {
	return kind{
		settings: config.IdentityIQKind(),
		manual:   identityiq.Manual(),
		tables:   schema.IdentityIQ(),
		open: func(s config.Source, c config.Connection, o Options) source.Connector {
			own := s.(*config.IdentityIQ)
			return identityiq.Connect(identityiq.Config{
				BaseURL: own.BaseURL, ClientID: own.ClientID, ClientSecret: o.keeper(own.ClientSecret), Streams: own.Streams,
				Settle: c.SettleDelay, Lookback: c.InitialLookback, HTTP: o.client(), Log: o.Log,
			})
		},
		pageRecords: func(config.Source) int { return identityiq.PageRecords },
	}
}
