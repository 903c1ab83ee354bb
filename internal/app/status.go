package app

import (
	"context"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
)

// Status says how each stream is, from what the runs of any process have left in the state. It
// takes a few seconds at most.
func (a *App) Status(ctx context.Context) status.Snapshot { return status.Take(ctx, a.statusConfig()) }

func (a *App) statusConfig() status.Config {
	c := status.Config{Version: version.String(), FanOut: a.fansOut}
	for _, one := range a.connections {
		c.Store, c.Longest, c.Every = one.store, longest(one.budget), one.every(time.Now())
		c.Connections = append(c.Connections, one.described())
	}
	return c
}

// described is what a snapshot needs to know about a connection.
func (c *Connection) described() status.Connection {
	d := status.Connection{Name: c.settings.Name, Tenant: c.settings.Tenant}
	if list := c.settings.Problems; len(list) > 0 {
		d.Problem = (&config.Problems{List: list}).Error()
	} else if err := c.open(); err != nil {
		d.Problem = err.Error()
	}
	for _, s := range c.streams {
		one := status.Stream{ID: s.Stream().ID, Short: s.Short, Window: s.Window, Backfills: s.audited()}
		if s.StartAt != nil {
			one.Settle = c.settings.SettleDelay
		}
		if ages := c.auditAges(s); s.audited() && len(ages) > 0 {
			one.AuditAge = ages[0]
		}
		switch s.of.(type) {
		case source.Receiver:
			one.Inbox, one.Owes = new(string), true
		case source.Depositor:
			below := "waiting/" // what else is there are the parts of reports
			one.Inbox = &below
		}
		if of, ok := s.of.(source.Forwarder); ok {
			_, does := of.Forwarding()
			one.Forwards = does != nil
		}
		d.Streams = append(d.Streams, one)
	}
	return d
}

// interval returns how long the pause between two runs is at a moment: the longer of the next two,
// because a schedule may pause at night.
func interval(s config.Settings) func(time.Time) time.Duration {
	return func(now time.Time) time.Duration {
		now = now.UTC()
		first, ok := s.Schedule.Next(now)
		second, again := s.Schedule.Next(first)
		if !ok || !again {
			return 0 // unknown
		}
		return max(first.Sub(now), second.Sub(first))
	}
}

// secondTick returns the second tick after one, but a minute later at least: a message may wait some
// seconds in the queue.
func secondTick(s config.Settings) func(time.Time) time.Time {
	// early is how much before its time a tick may come.
	const early = 2 * time.Second
	return func(at time.Time) time.Time {
		first, _ := s.Schedule.Next(at.UTC().Add(early))
		second, ok := s.Schedule.Next(first)
		if least := at.UTC().Add(time.Minute); ok && second.Before(least) {
			return least
		}
		return second
	}
}
