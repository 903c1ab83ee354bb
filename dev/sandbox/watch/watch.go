// Package watch runs the connector between stand-ins and shows what happens on one page: the tables
// as they fill, how complete they are, the connector's runs and log, and buttons for faults and for
// more events.
//
// The page has no scripts and refreshes itself.
package watch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// Fault is something that can go wrong here.
type Fault string

// The faults. Throttle and Outage last until they are switched off; the others happen once.
const (
	Throttle Fault = "throttle" // the tenant answers 429
	Outage   Fault = "outage"   // the workspace answers 503
	Late     Fault = "late"     // an event of half an hour ago becomes visible now
	Poison   Fault = "poison"   // an event comes that the workspace rejects
	Kill     Fault = "kill"     // the connector is killed, and started again after a second
)

// Faults lists all faults.
func Faults() []Fault { return []Fault{Throttle, Outage, Late, Poison, Kill} }

// Watch is a running stage.
type Watch struct {
	stage     *demo.Stage
	connector *connector
	throttled atomic.Bool
	down      atomic.Bool
	extra     atomic.Int64 // events that faults added
	rate      float64      // events a second of the stage
	more      *more
	server    *http.Server
	runs      sync.WaitGroup
	stop      context.CancelFunc
}

// Config says what to watch. Connector and State are required.
type Config struct {
	Stage demo.StageConfig
	// Connector is the path of the idnsentinel binary, and State the folder of its state.
	Connector, State string
	// Address is where the page is; "" means a free port.
	Address string
	// Faults are there from the beginning.
	Faults []Fault
}

// Start starts everything. [Watch.Close] stops it.
func Start(ctx context.Context, cfg Config) (w *Watch, address string, err error) {
	w = &Watch{rate: cfg.Stage.Rate}
	cfg.Stage.Tenant = func(h http.Handler) http.Handler { return refuse(h, &w.throttled, http.StatusTooManyRequests) }
	cfg.Stage.Workspace = func(h http.Handler) http.Handler { return refuse(h, &w.down, http.StatusServiceUnavailable) }
	cfg.Stage.Poison = func(raw []byte) bool { return strings.Contains(string(raw), synth.PoisonText) }
	if w.stage, err = demo.NewStage(ctx, cfg.Stage); err != nil {
		return nil, "", err
	}
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Address)
	if err != nil {
		w.stage.Close()
		return nil, "", err
	}
	for _, fault := range cfg.Faults {
		if err := w.Do(fault); err != nil {
			_ = ln.Close()
			w.stage.Close()
			return nil, "", err
		}
	}
	// Short, so that a fault is in the log while its button is still in mind.
	w.connector = &connector{path: cfg.Connector, env: slices.Concat(w.stage.Settings(cfg.State), []string{"POLL_SCHEDULE=*/10 * * * * *", "RUN_BUDGET=15s"})}
	ctx, w.stop = context.WithCancel(ctx)
	w.more = &more{tenant: w.stage.Tenant}
	w.runs.Go(func() { w.more.run(ctx) })
	w.runs.Go(func() { w.connector.run(ctx) })
	w.server = &http.Server{Handler: http.NewCrossOriginProtection().Handler(w), ReadHeaderTimeout: 10 * time.Second}
	w.runs.Go(func() { _ = w.server.Serve(ln) }) // Close ends it
	return w, "http://" + ln.Addr().String() + "/", nil
}

// Settings are those of the connector.
func (w *Watch) Settings(state string) []string { return w.stage.Settings(state) }

// Rows is how many rows have arrived.
func (w *Watch) Rows() int { return w.stage.Workspace.Stats().Rows }

// Close stops everything.
func (w *Watch) Close() {
	w.stop()
	_ = w.server.Close()
	w.runs.Wait()
	w.stage.Close()
}

// Do makes a fault happen, or switches one on or off.
func (w *Watch) Do(f Fault) error {
	switch f {
	case Throttle:
		w.throttled.Store(!w.throttled.Load())
	case Outage:
		w.down.Store(!w.down.Load())
	case Late, Poison:
		o := synth.Options{Seed: 1000 + w.extra.Add(1), Start: time.Now().UTC().Add(-30 * time.Minute)}
		if f == Poison {
			o.Start, o.With = time.Now().UTC(), map[int]synth.Shape{0: synth.Poison}
		}
		w.stage.Tenant.AddEvent(synth.New(o).Event(0), time.Now())
	case Kill:
		if w.connector != nil {
			w.connector.kill()
		}
	default:
		return fmt.Errorf("%q is not a fault: use one of %v", f, Faults())
	}
	return nil
}

// More has so many events a second happen on top of those of the stage: one of [Rates].
func (w *Watch) More(rate string) error {
	n, err := strconv.Atoi(rate)
	if err != nil || !slices.Contains(Rates(), n) {
		return fmt.Errorf("%q is not a rate: use one of %v", rate, Rates())
	}
	w.more.set(n)
	return nil
}

// refuse answers with a status while a fault is on.
func refuse(h http.Handler, on *atomic.Bool, status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !on.Load() {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", "2")
		http.Error(w, `{"error":"`+http.StatusText(status)+`"}`, status)
	})
}

var errUnknownPath = errors.New("there is nothing at this address")
