package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/poison"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
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

// ownAccount is what to do about two apps that share a queue.
const ownAccount = ": give each app a storage account of its own (AzureWebJobsStorage), or the queue delivers each message to either of them"

// addressee is the connection that a message is for.
func (a *App) addressee(m fanout.Message) (*Connection, error) {
	const remedy = ownAccount
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
	if err := a.tellWork(ctx, n.Connection, fmt.Sprintf("a message in the queue was given up after %d deliveries: %s", n.Deliveries, n.Reason), n.At); err != nil {
		errs = append(errs, fmt.Errorf("health row of a message that was given up: %w", err))
	}
	return errors.Join(errs...)
}

// tellWork writes a health row about the queue into the workspace of a connection, or else of the first
// one that works.
func (a *App) tellWork(ctx context.Context, connection, text string, at time.Time) error {
	var to *Connection
	for _, c := range a.connections {
		if !c.settings.Health || c.open() != nil {
			continue
		}
		if c.settings.Name == connection {
			to = c
			break
		}
		to = cmp.Or(to, c)
	}
	if to == nil {
		return nil
	}
	rep := pipeline.Report{Connection: connection, Stream: workStream, State: pipeline.Failed, Error: text}
	return to.writeHealth(ctx, rep, 0, at)
}

// The process with the timer looks, some time after each tick, which connections no instance has polled
// since. An instance that is killed leaves some unpolled: their messages stay hidden for 10 minutes, and
// the next tick is late for what happened right after the last poll. It looks again until the next tick,
// because the locks of a killed process last half a minute.
const (
	overdueAfter = 30 * time.Second
	overdueAgain = 10 * time.Second
	overdueUntil = time.Minute
)

// FollowUp is for the process with the timer, after a tick: it polls the connections that no instance has
// polled, and looks at the queue from time to time. It returns when that is done, usually before the next
// tick. ctx should leave it a minute more than a run.
func (a *App) FollowUp(ctx context.Context, tick time.Time) []pipeline.Report {
	a.watchQueue(ctx, false)
	every := cmp.Or(a.connections[0].every(tick), time.Minute)
	var mu sync.Mutex
	var all []pipeline.Report
	polled := 0
	var follow sync.WaitGroup
	for _, c := range a.connections {
		if c.settings.Tenant == "" || !c.followed.CompareAndSwap(false, true) {
			continue // nothing is known of it, or an earlier tick's is still waiting for its turn
		}
		follow.Go(func() {
			defer c.followed.Store(false)
			reports := a.catchUp(ctx, c, tick, every)
			mu.Lock()
			defer mu.Unlock()
			if all = append(all, reports...); len(reports) > 0 {
				polled++
			}
		})
	}
	follow.Wait()
	if polled > len(a.connections)/2 {
		a.watchQueue(ctx, true)
	}
	return all
}

// catchUp polls a connection if no one has since the tick, and no one does. It polls as many at once as
// any instance.
func (a *App) catchUp(ctx context.Context, c *Connection, tick time.Time, every time.Duration) []pipeline.Report {
	for at := min(overdueAfter, every/2); at < min(every, overdueUntil); at += overdueAgain {
		pause(ctx, time.Until(tick.Add(at)))
		select {
		case a.turns <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		overdue := c.overdue(ctx, tick)
		var reports []pipeline.Report
		if overdue {
			poll, cancel := context.WithTimeout(ctx, c.budget)
			r := newRounds(len(c.parts), 0)
			r.onlyIfFree = true
			reports = c.poll(poll, r)
			cancel()
		}
		<-a.turns
		if !overdue || reports != nil {
			return reports
		}
	}
	return nil
}

// overdue reports whether a stream of the connection has had no run that ended since a tick.
func (c *Connection) overdue(ctx context.Context, tick time.Time) bool {
	for _, stream := range c.Streams() {
		f, err := c.Runs().Load(ctx, stream)
		if err != nil || ctx.Err() != nil { // a poll would fail, too
			return false
		}
		if !slices.ContainsFunc(f.Seen, func(s runs.Seen) bool { return !s.At.Before(tick) && s.State != pipeline.Locked }) {
			return true
		}
	}
	return false
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
	// Not a lock of [streamlock]: those leave notes, and remove them, for a person who asks about a stream.
	held, unlock, err := c.store.Lock(ctx, c.settings.Tenant+"/locks/"+connectionLock)
	switch {
	case errors.Is(err, state.ErrLocked):
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
	locked := &pipeline.LockedError{Err: t.err}
	var of *state.LockedError
	if errors.As(t.err, &of) {
		locked.Remedy = of.Remedy
	}
	return nil, nil, locked
}
