// Package app wires the connector: settings in, runs out. It is the only place
// that knows which adapter serves which setting.
//
// An [App] is the process; a [Connection] is one customer tenant or org. A new source is a
// package of its own and one case in registry.go, the only file here that names one; a new
// sink is a package and one case in newSink. Nothing registers itself.
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
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"golang.org/x/time/rate"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
)

// App is the connector. It lives as long as the process, so that tokens and network
// connections last from run to run.
type App struct {
	options     Options
	connections []*Connection
}

// Options replace what settings can't name. The zero value is for production.
type Options struct {
	Log *slog.Logger
	// HTTP serves all requests to sources and workspaces; nil makes a client.
	HTTP *http.Client
	// Store keeps the state; nil opens the one that the settings name.
	Store state.Store
	// Limiter bounds the requests to each source; nil means its published limit.
	Limiter *rate.Limiter
	// Out is where NDJSON goes when no file is named; nil means stdout.
	Out io.Writer
	// Credential signs in to the workspace where that takes no key; nil means the
	// identity of the app, or of whoever is signed in.
	Credential azcore.TokenCredential
	// Look is set where nothing is kept for a later run: then nobody expects a checkpoint.
	Look bool
	// Again is how long after the begin of its last run a connection is polled again while
	// others are still at work, so that a slow one makes no other wait; 0 means not at all.
	Again time.Duration
	// Progress is called after each commit, from the goroutine of each stream.
	Progress func(pipeline.Report)
	// Wrap, if set, may put something around the parts of each stream's runner before
	// it runs. It is for simulations, which watch what the parts do to each other.
	Wrap func(*pipeline.Runner)

	clock *transport.Clock // compares answers with this machine's clock
}

// prepared fills in what the zero value stands for.
func (o Options) prepared() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	o.clock = new(transport.Clock)
	return o
}

// Open builds the connector. It sends nothing yet. It fails if no connection can be opened;
// one of several that can't is tried again by each [App.Poll], and its error is in [App.Err].
func Open(settings config.Settings, o Options) (*App, error) {
	o = o.prepared()
	shared, err := newShared(settings, o)
	if err != nil {
		return nil, err
	}
	a := &App{options: o}
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

// Err says which connections could not be opened, and why.
func (a *App) Err() error {
	var errs []error
	for _, c := range a.connections {
		errs = append(errs, c.open())
	}
	return errors.Join(errs...)
}

// Connections are all of them, in the order of the settings.
func (a *App) Connections() []*Connection { return slices.Clone(a.connections) }

// Poll runs every stream of every connection once, side by side: one that fails does not
// stop another. The reports are in the order of the connections and their streams. ctx
// carries the run's deadline; cancelling it is a soft stop.
func (a *App) Poll(ctx context.Context) []pipeline.Report {
	return pollAll(ctx, a.connections, a.options.Again)
}

// Select leaves only the connection of a name in the settings. "" leaves all.
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

// opening wraps an error of building an adapter in the setting that led to it.
func opening(what, setting string, err error) error {
	return fmt.Errorf("open %s (%s): %w", what, setting, err)
}
