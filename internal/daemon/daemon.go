// Package daemon runs the connector as one long-running process, without Azure Functions:
// beside an IdentityIQ, in a container, or to try it.
//
//	schedule ──▶ Tick ──────────┐              POLL_SCHEDULE, in UTC, as the timer function
//	                            ├──▶ functions.Handler ──▶ app.App
//	listener ──▶ Hooks, Status ─┘              /api/hooks/…, /api/status…, the same paths and rules
//
// What the Functions host does for the function, this package does here, the same way:
//
//   - The first run begins at once. A tick that passes during a run is followed by one run,
//     however many have passed, and two runs of the schedule never overlap.
//   - The clock may jump, and the machine may sleep: what counts is the time of day.
//   - A stop is soft and bounded. Runs are asked to end, requests get their answer, and what is
//     not finished in time continues from the checkpoint.
//   - Several processes may have the same state, also the function: the lock of each stream keeps
//     them apart. While one works on a stream, the others report "locked", and continue it when
//     that one ends. All of them receive pushes.
package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/functions"
)

const (
	// DefaultGrace is how long a stop may take: less than the ten seconds after which container
	// runtimes kill.
	DefaultGrace = 8 * time.Second
	// longestAnswer bounds a request, from its header to the end of the answer. A report is read for
	// up to three minutes.
	longestAnswer = 5 * time.Minute
	// mostConnections bounds what strangers can open.
	mostConnections = 512
	// maxHeader bounds the header of a request, in bytes.
	maxHeader = 64 << 10
)

// ErrCutShort is returned if the grace was not enough.
var ErrCutShort = errors.New("stopped before everything in flight had ended: the next start continues from the checkpoint, and may send batches in flight again")

// Schedule says when the next run is due. [ncrontab.Schedule] is one.
type Schedule interface {
	Next(after time.Time) (time.Time, bool)
}

// Config says what to run. Handler and Schedule are required.
type Config struct {
	// Handler does the runs and receives the pushes.
	Handler *functions.Handler
	// Schedule is read in UTC.
	Schedule Schedule
	// Listener is where pushes come in; nil for nowhere.
	Listener net.Listener
	// TLS, if set, is spoken on it.
	TLS *tls.Config
	// Access says who may see the status; the zero value allows no one.
	Access Access
	// Grace bounds a stop; 0 means [DefaultGrace].
	Grace time.Duration
	// Log may be nil.
	Log *slog.Logger
	// Ready, if set, is called once pushes are received and the first run begins; Stopping when the
	// process is asked to stop.
	Ready, Stopping func()
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// Run runs until ctx ends, and then stops softly. It returns nil after a stop in order,
// [ErrCutShort] after one that took too long, and another error if the listener fails.
func Run(ctx context.Context, c Config) error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	server := c.server()
	broken := make(chan error, 1)
	if c.Listener != nil {
		go func() { broken <- c.serve(server) }()
	}
	if c.Ready != nil {
		c.Ready()
	}
	ticking, stopTicking := context.WithCancelCause(ctx)
	var ticks sync.WaitGroup
	ticks.Go(func() { c.tick(ticking) })

	var failed error
	select {
	case err := <-broken:
		failed = fmt.Errorf("serve the listener: %w", err)
	case <-ctx.Done():
	}
	if c.Stopping != nil {
		c.Stopping()
	}
	cause := failed
	if cause == nil {
		cause = context.Cause(ctx)
	}
	c.Log.Info("stopping", "cause", cause.Error(), "grace", c.Grace.String())
	stopTicking(cause)
	err := c.stop(ctx, cause, server, &ticks)
	if failed != nil {
		return failed
	}
	return err
}

// stop ends everything softly, within the grace.
func (c Config) stop(ctx context.Context, cause error, server *http.Server, ticks *sync.WaitGroup) error {
	c.Handler.Stop(cause)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Grace)
	defer cancel()
	shut := make(chan error, 1)
	go func() { shut <- server.Shutdown(last) }()
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		c.Handler.Drain(last)
		ticks.Wait()
	}()
	err := <-shut // it keeps to last
	if err != nil {
		_ = server.Close()
	}
	select {
	case <-quiet:
	case <-last.Done():
	}
	c.Handler.Drain(last) // what the last pushes began
	if err != nil || last.Err() != nil {
		return ErrCutShort
	}
	return nil
}

// serve serves the listener. The limit is below TLS, because the server only recognizes connections
// with TLS that nothing else wraps.
func (c Config) serve(server *http.Server) error {
	ln := newConnections(c.Listener, mostConnections)
	if c.TLS != nil {
		return server.ServeTLS(ln, "", "")
	}
	return server.Serve(ln)
}

func (c Config) server() *http.Server {
	var http1 http.Protocols // with HTTP/2 a connection has many requests, and the limit of connections bounds nothing
	http1.SetHTTP1(true)
	return &http.Server{
		Protocols:         &http1,
		TLSConfig:         c.TLS,
		Handler:           answered(c.routes()),
		ConnContext:       withConnection,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second, // the hooks set their own for bodies
		WriteTimeout:      longestAnswer,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug), // what strangers send needs no warning
	}
}

// tick does the runs.
func (c Config) tick(ctx context.Context) {
	for ctx.Err() == nil {
		begun := c.now()
		c.Handler.Tick(ctx)
		if !c.await(ctx, begun) {
			return
		}
	}
}

// now is the time of day, without the monotonic clock, which stands still while a machine sleeps.
func (c Config) now() time.Time { return c.Now().Round(0) }

// clockCheck is how often a wait looks at the clock.
const clockCheck = 30 * time.Second

// await waits for the first time of the schedule after from. It returns false when ctx ends.
func (c Config) await(ctx context.Context, from time.Time) bool {
	due, ok := c.Schedule.Next(from.UTC())
	for ctx.Err() == nil {
		now := c.now()
		if now.Before(from) { // the clock was set back
			from = now
			due, ok = c.Schedule.Next(from.UTC())
		}
		wait := clockCheck
		if ok {
			if !now.Before(due) {
				return true
			}
			wait = min(wait, due.Sub(now))
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return false
}
