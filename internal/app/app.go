// Package app wires the connector: settings in, runs out. It is the only place
// that knows which adapter serves which setting.
//
// A new source is a package of its own and one case in registry.go, the only file here that
// names one; a new sink is a package and one case in newSink. Nothing registers itself.
package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"golang.org/x/time/rate"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/state/pythonfn"
	"github.com/idn-sentinel/idn-sentinel/internal/state/spool"
	"github.com/idn-sentinel/idn-sentinel/internal/state/streamlock"
)

// App is the connector of one tenant. It lives as long as the process, so that
// tokens and connections last from run to run.
type App struct {
	settings   config.Settings
	connection config.Connection
	options    Options
	sources    []source.Connector
	sink       pipeline.Sink
	store      state.Store
	legacy     *pythonfn.Table // nil if no older connector is to be followed
	streams    []stream
	// uncommitted is what runs have sent and could not remember, by stream.
	uncommitted map[string]*pipeline.Uncommitted
	locks       *streamlock.Locks

	reading sync.Mutex // guards daily
	daily   map[string]*daily
}

// Options replace what settings can't name. The zero value is for production.
type Options struct {
	Log *slog.Logger
	// HTTP serves all requests to the source and the workspace; nil makes a client.
	HTTP *http.Client
	// Store keeps the state; nil opens the one that the settings name.
	Store state.Store
	// Limiter bounds the requests to the source; nil means its published limit.
	Limiter *rate.Limiter
	// Out is where NDJSON goes when no file is named; nil means stdout.
	Out io.Writer
	// Credential signs in to the workspace where that takes no key; nil means the
	// identity of the app, or of whoever is signed in.
	Credential azcore.TokenCredential
	// Look is set where nothing is kept for a later run: then nobody expects a checkpoint.
	Look bool
	// Progress is called after each commit, from the goroutine of each stream.
	Progress func(pipeline.Report)
	// Wrap, if set, may put something around the parts of each stream's runner before
	// it runs. It is for simulations, which watch what the parts do to each other.
	Wrap func(*pipeline.Runner)

	clock *transport.Clock // compares answers with this machine's clock
}

// undatedEvery is how often events without an event time are looked for: no
// range of time finds them, so it takes a search of its own.
const undatedEvery = time.Hour

// stream is one stream of a source.
type stream struct {
	source.Spec
	of source.Connector
}

// Open builds the connector. It sends nothing yet.
func Open(settings config.Settings, o Options) (*App, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	o.clock = new(transport.Clock)
	if n := len(settings.Connections); n != 1 {
		return nil, fmt.Errorf("CONNECTIONS has %d names: this version polls one connection", n)
	}
	a := &App{settings: settings, connection: settings.Connections[0], options: o, store: o.Store}
	var err error
	if a.store == nil {
		if a.store, err = newStore(settings.State, o); err != nil {
			return nil, err
		}
	}
	a.sources = openSources(a.connection, o)
	a.streams = streamsOf(a.sources)
	if a.sink, err = newSink(a.connection, a.streams, o); err != nil {
		return nil, err
	}
	if a.connection.Legacy.TableEndpoint != nil {
		if a.legacy, err = newLegacy(a.connection.Legacy, o); err != nil {
			return nil, err
		}
	}
	a.locks = streamlock.New(a.store, a.connection.Tenant)
	a.uncommitted = map[string]*pipeline.Uncommitted{}
	for _, s := range a.streams {
		a.uncommitted[s.Stream().ID] = new(pipeline.Uncommitted)
	}
	return a, nil
}

// streamsOf lists the streams of several sources.
func streamsOf(sources []source.Connector) (all []stream) {
	for _, c := range sources {
		for _, spec := range c.Streams() {
			all = append(all, stream{spec, c})
		}
	}
	return all
}

// Poll runs every stream once, side by side: one that fails does not stop the
// other. The reports are in the order of the streams. ctx carries the run's
// deadline; cancelling it is a soft stop.
func (a *App) Poll(ctx context.Context) []pipeline.Report {
	before := a.throttled()
	reports := make([]pipeline.Report, len(a.streams))
	var wg sync.WaitGroup
	for i, s := range a.streams {
		wg.Go(func() { reports[i] = a.runner(s).Run(ctx) })
	}
	wg.Wait()
	a.readBack(ctx, reports)
	if a.connection.Health {
		a.tellHealth(ctx, reports, before)
	}
	return reports
}

func (a *App) runner(s stream) *pipeline.Runner {
	name, tenant := s.Stream().ID, a.connection.Tenant
	r := &pipeline.Runner{
		Source:      s.Source,
		Sink:        a.sink,
		Locks:       a.locks,
		Clock:       runClock{a.options.clock, peers(a.settings, a.connection, a.sources), s.of.Host()},
		Longest:     longest(a.settings.RunBudget),
		Checkpoints: a.checkpoints(s),
		OpenLedger: func() pipeline.Ledger {
			return ledger.Open(ledger.Config{Store: a.store, Tenant: tenant, Stream: name, Window: s.Window})
		},
		Uncommitted: a.uncommitted[name],
		Quarantine:  a.Quarantine(),
		Auditing: pipeline.Auditing{
			Ages: a.connection.AuditAges, Window: s.Window, Keep: a.connection.LedgerKeep, UndatedEvery: undatedEvery,
		},
		Retry:    retry.Policy{},
		Log:      a.options.Log,
		Progress: a.options.Progress,
	}
	if !a.options.Look {
		r.Lookback = s.Lookback
	}
	if s.Remembers > 0 {
		r.Spool, r.Remembers = spool.New(a.store, tenant), s.Remembers
	}
	if a.options.Wrap != nil {
		a.options.Wrap(r)
	}
	return r
}

// leaseFor is how long the lock of a run stays after it was killed.
const leaseFor = 30 * time.Second

// longest is the longest that a run can hold its lock, or leave it behind.
func longest(budget time.Duration) time.Duration { return budget + pipeline.Overtime + leaseFor }

// checkpoints are those of a stream. A stream that can begin at a given moment
// begins where an older connector stopped, if there was one.
func (a *App) checkpoints(s stream) pipeline.Checkpoints {
	own := checkpoint.New(a.store, a.connection.Tenant)
	if a.legacy == nil || s.StartAt == nil {
		return own
	}
	return &pythonfn.Checkpoints{Checkpoints: own, CreatedTime: a.legacy.CreatedTime, Cursor: s.StartAt, Log: a.options.Log}
}

// opening wraps an error of building an adapter in the setting that led to it.
func opening(what, setting string, err error) error {
	return fmt.Errorf("open %s (%s): %w", what, setting, err)
}
