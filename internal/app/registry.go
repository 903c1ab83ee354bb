package app

import (
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// kind is a kind of source: everything that the rest of the program needs to know of it.
type kind struct {
	settings config.Kind
	manual   source.Manual
	// tables are those that its streams fill.
	tables []schema.Table
	// open gets the settings that settings.Read returned. It sends nothing.
	open func(config.Source, config.Connection, Options) source.Connector
	// pageRecords is how many records its largest page has. Memory limits follow it.
	pageRecords func(config.Source) int
}

// kinds is the registry of sources. Nothing else of this package, the command line or the
// Functions entry names one.
func kinds() []kind {
	return []kind{
		{
			settings: config.SailPointKind(),
			manual:   sailpoint.Manual(),
			tables:   schema.SailPoint(),
			open: func(s config.Source, c config.Connection, o Options) source.Connector {
				own := s.(*config.SailPoint)
				return sailpoint.Connect(sailpoint.Config{
					Tenant: c.Tenant, BaseURL: own.BaseURL, ClientID: own.ClientID, ClientSecret: own.ClientSecret, APIVersion: own.APIVersion,
					PageSize: own.Limit, Settle: c.SettleDelay, Lookback: c.InitialLookback,
					HTTP: o.client(), Limiter: o.Limiter, Log: o.Log,
				})
			},
			pageRecords: func(s config.Source) int { return s.(*config.SailPoint).Limit },
		},
	}
}
