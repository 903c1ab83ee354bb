package app

import (
	"github.com/idn-sentinel/idn-sentinel/internal/quarantine"
)

// Quarantine is where the originals of the tenant's records are kept.
func (a *App) Quarantine() *quarantine.Store {
	q := quarantine.New(a.store, a.settings.Tenant)
	q.Keep = a.settings.QuarantineKeep
	return q
}
