// Package app builds the connector from its settings and runs it. It is the only place that
// knows which adapter serves which setting.
//
// An [App] is the process; a [Connection] is one customer tenant or org. A new source is a
// package of its own and a case in registry.go, the only file here that names sources; a
// new sink is a package and a case in newSink. Nothing registers itself.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"golang.org/x/time/rate"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/azsdk"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/keyvault"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// App is the connector. It lives as long as the process, so that runs share tokens and
// network connections.
type App struct {
	options     Options
	connections []*Connection
	fansOut     bool // FAN_OUT is queue, also if this is not the function app
	queueAt     config.Queue
	queue       queueWatch
	turns       chan struct{} // has room for the connections that are followed up at a time
}

// Options contains what settings can't express. The zero value is for production.
type Options struct {
	Log *slog.Logger
	// HTTP sends all requests to sources and workspaces; nil creates a client.
	HTTP *http.Client
	// Store keeps the state; nil opens the store in the settings.
	Store state.Store
	// Limiter limits the requests to each source; nil means its published limit.
	Limiter *rate.Limiter
	// Out receives NDJSON if no file is set; nil means stdout.
	Out io.Writer
	// Credential signs in to a workspace that doesn't use a key; nil means the identity of
	// the app, or the user who is signed in.
	Credential azcore.TokenCredential
	// Person is set if the settings belong to an app that runs elsewhere: then its managed identity
	// is not here, and a person signs in.
	Person bool
	// By is what runs the streams, for instance [ByFunction]; "" means [ByCommand]. It is stored with
	// each run, so that a person's run is not taken for one of the function.
	By string
	// Look is set if nothing is kept for a later run: then a missing checkpoint is normal.
	Look bool
	// Beside is set if another process may run the same streams: what this one asks without holding a
	// stream's lock then stays within a small share of the source's rate limit.
	Beside bool
	// Again is how long after the start of its last run a connection is polled again while
	// others are still running, so that none has to wait for a slow one; 0 means never.
	Again time.Duration
	// FanOut is set if the connections are spread over several processes: then each is polled by
	// one at a time, so that the rate limit of its client id holds.
	FanOut bool
	// Notice, if set, is a warning in the report of every stream.
	Notice string
	// Site is the name of the function app; "" if it is unknown.
	Site string
	// Progress is called after each commit, from the goroutine of each stream.
	Progress func(pipeline.Report)
	// Wrap, if set, may wrap the parts of each stream's runner before it runs. Simulations
	// use it to observe how the parts interact.
	Wrap func(*pipeline.Runner)

	clock *transport.Clock // compares the time in answers with this machine's clock
	// vaults hold the secrets that settings refer to. keeps, if set, is called for each that
	// an adapter needs.
	vaults *keyvault.Vaults
	keeps  func(*keyvault.Secret)
	// identities are who signs in, each with its tokens.
	identities *azsdk.Identities
	// keepers, if set, collects the keepers that sources are given.
	keepers *keepers
}

// prepared replaces zero values by their defaults.
func (o Options) prepared() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	o.clock = new(transport.Clock)
	if o.identities == nil {
		o.identities = newIdentities(o)
	}
	if o.vaults == nil {
		o.vaults = newVaults(o)
	}
	return o
}

// Open builds the connector. It sends nothing yet. It fails if no connection can be opened.
// If only some can't, each [App.Poll] tries them again, and [App.Err] returns their errors.
func Open(settings config.Settings, o Options) (*App, error) {
	o = o.prepared()
	shared, err := newShared(settings, o)
	if err != nil {
		return nil, err
	}
	a := &App{options: o, fansOut: settings.FanOut, queueAt: settings.Queue, turns: make(chan struct{}, fanout.AtOnce)}
	failed := 0
	for _, one := range settings.Connections {
		c := newConnection(one, shared)
		if c.open() != nil {
			failed++
		}
		a.connections = append(a.connections, c)
	}
	if failed == len(a.connections) {
		return nil, a.Err()
	}
	return a, nil
}

// Err says which connections can't be opened, and why.
func (a *App) Err() error {
	var errs []error
	for _, c := range a.connections {
		errs = append(errs, c.open())
	}
	return errors.Join(errs...)
}

// Connections returns all connections, in the order of the settings.
func (a *App) Connections() []*Connection { return slices.Clone(a.connections) }

// Poll runs every stream of every connection once, concurrently: a failure of one doesn't
// stop another. The reports are in the order of the connections and their streams. ctx
// carries the run's deadline; cancelling it is a soft stop.
func (a *App) Poll(ctx context.Context) []pipeline.Report {
	if a.options.FanOut { // a person asked for it: every tick has messages, and memory is meant for so many
		return pollSome(ctx, a.connections, fanout.AtOnce)
	}
	return pollAll(ctx, a.connections, a.options.Again)
}

// Stop ends what runs in the background, softly, and waits for it until ctx ends. No others
// begin afterwards.
func (a *App) Stop(ctx context.Context) {
	var wg sync.WaitGroup
	for _, c := range a.connections {
		for _, m := range c.mailboxes {
			wg.Go(func() { m.stop(ctx) })
		}
		for _, f := range c.forwardings {
			wg.Go(func() { f.runs.stop(ctx) })
		}
	}
	wg.Wait()
}

// Select removes all connections except the named one from the settings. "" keeps all.
func Select(s *config.Settings, name string) error {
	if name == "" {
		return nil
	}
	names := make([]string, len(s.Connections))
	for i, c := range s.Connections {
		if strings.EqualFold(c.Name, name) && c.Name != "" {
			s.Connections = s.Connections[i : i+1]
			return nil
		}
		names[i] = c.Name
	}
	if len(names) == 1 && names[0] == "" {
		return fmt.Errorf("there is no connection %q: CONNECTIONS is not set, so there is one connection without a name", name)
	}
	return fmt.Errorf("there is no connection %q: CONNECTIONS has %s", name, strings.Join(names, ", "))
}

// opening adds the adapter and its setting to an error.
func opening(what, setting string, err error) error {
	return fmt.Errorf("open %s (%s): %w", what, setting, err)
}
