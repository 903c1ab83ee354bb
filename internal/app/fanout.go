package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/poison"
	"github.com/idn-sentinel/idn-sentinel/internal/state/streamlock"
)

// workStream is the name under which the health table says that a message was given up.
const workStream = "Work"

// Messages are what the timer puts into the queue: one for each connection, also for those with
// invalid settings, because the run that a message starts says so.
func (a *App) Messages(tick time.Time) ([]string, error) {
	var all []string
	for _, c := range a.connections {
		text, err := fanout.Encode(fanout.Message{App: a.options.Site, Connection: c.settings.Name, Tenant: c.settings.Tenant, Tick: tick, Expires: c.ticks(tick)})
		if err != nil {
			return nil, c.named(err)
		}
		all = append(all, text)
	}
	return all, nil
}

// Accepts says why a message is not for this app, or not any more; nil if it is.
func (a *App) Accepts(m fanout.Message) error {
	_, err := a.addressee(m)
	return err
}

// Work polls the connection that a message names. An error means that the message is not for this
// app, or not any more.
func (a *App) Work(ctx context.Context, m fanout.Message) ([]pipeline.Report, error) {
	c, err := a.addressee(m)
	if err != nil {
		return nil, err
	}
	return pollAll(ctx, []*Connection{c}, a.options.Again), nil
}

// addressee is the connection that a message is for.
func (a *App) addressee(m fanout.Message) (*Connection, error) {
	const remedy = ": give each app a storage account of its own (AzureWebJobsStorage), or the queue delivers each message to either of them"
	if a.options.Site != "" && m.App != "" && m.App != a.options.Site {
		return nil, fmt.Errorf("the message is for the function app %q, and this is %q: two apps share the queue %s"+remedy, m.App, a.options.Site, fanout.Queue)
	}
	i := slices.IndexFunc(a.connections, func(c *Connection) bool { return c.settings.Name == m.Connection })
	switch {
	case i < 0 && m.Connection == "":
		return nil, errors.New("the message is for an app without CONNECTIONS: this setting was added a moment ago, or two apps share the queue " + fanout.Queue + remedy)
	case i < 0:
		return nil, fmt.Errorf("the message is for the connection %q, which CONNECTIONS does not list: it was removed a moment ago, or two apps share the queue %s"+remedy, m.Connection, fanout.Queue)
	}
	c := a.connections[i]
	if m.Tenant != "" && c.settings.Tenant != "" && m.Tenant != c.settings.Tenant {
		return nil, fmt.Errorf("the message is for the tenant %q, and the connection here has %q: its settings were changed a moment ago, or two apps share the queue %s"+remedy, m.Tenant, c.settings.Tenant, fanout.Queue)
	}
	return c, nil
}

// GaveUp notes that the queue has delivered a message for the last time: in the state, where the
// status finds it, and as a row of the health table, where an alert does.
func (a *App) GaveUp(ctx context.Context, n poison.Note) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
	defer cancel()
	var errs []error
	store := a.connections[0].store
	if err := poison.Add(ctx, store, n); err != nil {
		errs = append(errs, fmt.Errorf("note the message that was given up: %w", err))
	}
	return errors.Join(append(errs, a.tellGaveUp(ctx, n))...)
}

// tellGaveUp writes the row into the workspace of the message's connection, or else of the first
// one that works.
func (a *App) tellGaveUp(ctx context.Context, n poison.Note) error {
	var to *Connection
	for _, c := range a.connections {
		if !c.settings.Health || c.open() != nil {
			continue
		}
		if c.settings.Name == n.Connection {
			to = c
			break
		}
		to = cmp.Or(to, c)
	}
	if to == nil {
		return nil
	}
	rep := pipeline.Report{Connection: n.Connection, Stream: workStream, State: pipeline.Failed, Error: fmt.Sprintf("a message in the queue was given up after %d deliveries: %s", n.Deliveries, n.Reason)}
	if err := to.writeHealth(ctx, rep, 0, n.At); err != nil {
		return fmt.Errorf("health row of a message that was given up: %w", err)
	}
	return nil
}

// connectionLock is the lock of a connection as a whole, beside those of its streams.
const connectionLock = "connection"

// alone makes sure that no other process polls the connection, if connections are spread over
// several: each has a rate limit of its own, and one client id must not get two. While another one
// does, locks refuse every stream. A lock that can't be taken for another reason is
// left to the streams, whose errors say more.
func (c *Connection) alone(ctx context.Context) (held context.Context, locks pipeline.Locks, release func()) {
	if !c.options.FanOut || c.settings.Tenant == "" {
		return ctx, nil, func() {}
	}
	held, unlock, err := c.locks.Lock(ctx, connectionLock)
	switch {
	case errors.Is(err, pipeline.ErrLocked):
		return ctx, taken{c.locks, err}, func() {}
	case err != nil:
		return ctx, nil, func() {}
	}
	return held, nil, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTimeout)
		defer cancel()
		if err := unlock(ctx); err != nil {
			c.log.Warn("lock of the connection was not released; it expires on its own", "error", err.Error())
		}
	}
}

// taken are the locks of streams whose connection is locked.
type taken struct {
	*streamlock.Locks
	err error
}

// Lock implements [pipeline.Locks].
func (t taken) Lock(context.Context, string) (context.Context, func(context.Context) error, error) {
	return nil, nil, t.err
}
