package inbox

import (
	"context"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// Config says whose pushes wait in an inbox.
type Config struct {
	// Name is who pushes, in sentences.
	Name string
	// Settings sums up the settings in one line, without secrets.
	Settings string
	Stream   pipeline.Stream
	Short    string
	Table    schema.Table
	Hook     source.Hook
	Box      Box
}

// window is the width of the ledger's windows. A day has up to some 100,000 pushes, and each commit
// writes the window again.
const window = time.Hour

// Connector is an inbox for package app.
type Connector struct {
	cfg    Config
	source *Source
}

var _ source.Receiver = (*Connector)(nil)

// Connect makes a connector. It does not access the box.
func Connect(cfg Config) *Connector { return &Connector{cfg, New(cfg.Stream, cfg.Box)} }

// Name implements [source.Connector].
func (c *Connector) Name() string { return c.cfg.Name }

// Host implements [source.Connector]: pushes are dated by this machine's clock.
func (c *Connector) Host() string { return "" }

// Describe implements [source.Connector].
func (c *Connector) Describe() string { return c.cfg.Settings }

// Streams implements [source.Connector].
func (c *Connector) Streams() []source.Spec {
	return []source.Spec{{Source: c.source, Short: c.cfg.Short, Window: window, Table: c.cfg.Table}}
}

// Check implements [source.Connector]: what waits is in the state, which is checked by itself.
func (c *Connector) Check(ctx context.Context, report check.Report) {
	report.Try(ctx, "hook", func(ctx context.Context) (string, error) { return c.cfg.Settings, c.cfg.Hook.Ready(ctx) })
}

// Stats implements [source.Connector].
func (c *Connector) Stats() source.Stats { return source.Stats{} }

// Hook implements [source.Receiver].
func (c *Connector) Hook() source.Hook { return c.cfg.Hook }
