package app

import (
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/source/sailpoint"
)

// openSources is the registry of sources. Nothing else of this package, the command line or
// the Functions entry names one.
func openSources(c config.Connection, o Options) (list []source.Connector) {
	for _, settings := range c.Sources {
		switch s := settings.(type) {
		case *config.SailPoint:
			list = append(list, sailpoint.Connect(sailpoint.Config{
				Tenant: c.Tenant, BaseURL: s.BaseURL, ClientID: s.ClientID, ClientSecret: s.ClientSecret, APIVersion: s.APIVersion,
				PageSize: s.Limit, Settle: c.SettleDelay, Lookback: c.InitialLookback,
				HTTP: o.client(), Limiter: o.Limiter, Log: o.Log,
			}))
		}
	}
	return list
}

// largestPage is how many records the largest page of the sources has.
func largestPage(c config.Connection) (most int) {
	for _, settings := range c.Sources {
		switch s := settings.(type) {
		case *config.SailPoint:
			most = max(most, s.Limit)
		}
	}
	return most
}

// Manuals are what the kinds of sources add to texts for people.
func Manuals() []source.Manual { return []source.Manual{sailpoint.Manual()} }
