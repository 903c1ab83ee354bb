package app

import (
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// openSources is the registry of sources. Nothing else of this package, the command line or
// the Functions entry names one.
func openSources(s config.Settings, o Options) []source.Connector {
	return []source.Connector{sailpoint.Connect(sailpoint.Config{
		Tenant: s.Tenant, BaseURL: s.BaseURL, ClientID: s.ClientID, ClientSecret: s.ClientSecret, APIVersion: s.APIVersion,
		PageSize: s.Limit, Settle: s.SettleDelay, Lookback: s.InitialLookback,
		HTTP: o.client(), Limiter: o.Limiter, Log: o.Log,
	})}
}

// Manuals are what the kinds of sources add to texts for people.
func Manuals() []source.Manual { return []source.Manual{sailpoint.Manual()} }
