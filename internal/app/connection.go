package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/transport"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
	"github.com/idn-sentinel/idn-sentinel/internal/state/legacy"
	"github.com/idn-sentinel/idn-sentinel/internal/state/spool"
	"github.com/idn-sentinel/idn-sentinel/internal/state/streamlock"
)

// Connection is one customer tenant or org: its sources, its state, and the destination of
// its rows.
type Connection struct {
	settings config.Connection
	*shared
	log     *slog.Logger
	clock   *transport.Clock // compares the sources' clocks with this machine's
	sources []source.Connector
	parts   []part
	streams []stream // of all parts, in their order
	locks   *streamlock.Locks
	// uncommitted holds, by stream, what runs sent but could not commit.
	uncommitted map[string]*pipeline.Uncommitted

	opening sync.Mutex      // guards sink and legacy while they are opened
	sink    pipeline.Sink   // nil until then
	legacy  *legacy.Account // nil if there is no older connector to follow

	mailboxes   []*mailbox    // of the sources that receive
	forwardings []*forwarding // of the sources that pass on what they received

	looking looking

	journal journal
	keepers *keepers // of the sources' secrets

	followed atomic.Bool // a follow-up of a tick is waiting for its turn, see [App.FollowUp]

	reading sync.Mutex // guards daily
	daily   map[string]*daily
}

// undatedEvery is how often to look for events without an event time. They take a separate
// search, because no time range includes them.
const undatedEvery = time.Hour

// stream is one stream of a source.
type stream struct {
	source.Spec
	of source.Connector
}

// part is a source with its streams. They are polled together, because they share its rate limit; the
// parts of a connection don't wait for each other.
type part struct {
	of      source.Connector
	streams []stream
}

// partsOf lists several sources with their streams.
func partsOf(sources []source.Connector) (all []part) {
	for _, c := range sources {
		p := part{of: c}
		for _, spec := range c.Streams() {
			p.streams = append(p.streams, stream{spec, c})
		}
		all = append(all, p)
	}
	return all
}

func newConnection(settings config.Connection, s *shared) *Connection {
	c := &Connection{settings: settings, shared: s, log: s.options.Log, clock: new(transport.Clock), uncommitted: map[string]*pipeline.Uncommitted{}, keepers: new(keepers)}
	if settings.Name != "" {
		c.log = c.log.With("connection", settings.Name)
	}
	o := s.options
	o.Log, o.clock, o.Store, o.keepers = c.log, c.clock, s.store, c.keepers
	c.sources = openSources(settings, o)
	c.beside(true)
	c.parts = partsOf(c.sources)
	c.streams = allStreams(c.parts)
	c.locks = streamlock.New(c.store, settings.Tenant)
	for _, s := range c.streams {
		c.uncommitted[s.Stream().ID] = new(pipeline.Uncommitted)
	}
	c.mailboxes = newMailboxes(c)
	c.forwardings = newForwardings(c)
	return c
}

// streamsOf lists the streams of several sources.
func streamsOf(sources []source.Connector) []stream { return allStreams(partsOf(sources)) }

func allStreams(parts []part) (all []stream) {
	for _, p := range parts {
		all = append(all, p.streams...)
	}
	return all
}

// open opens the destination and the old connector's checkpoint, unless they are open.
func (c *Connection) open() (err error) {
	c.opening.Lock()
	defer c.opening.Unlock()
	if c.sink != nil {
		return nil
	}
	if len(c.settings.Problems) > 0 {
		return c.named(&config.Problems{List: c.settings.Problems})
	}
	if c.settings.Legacy.TableEndpoint != nil {
		if c.legacy, err = newLegacy(c.settings.Legacy, c.options); err != nil {
			return c.named(err)
		}
	}
	if c.sink, err = c.shared.sink(c.settings.Sink); err != nil {
		return c.named(err)
	}
	return nil
}

// named adds the name of the connection to an error.
func (c *Connection) named(err error) error {
	if c.settings.Name == "" {
		return err
	}
	return fmt.Errorf("connection %s: %w", c.settings.Name, err)
}

// Name is the connection's name; "" if CONNECTIONS is not set.
func (c *Connection) Name() string { return c.settings.Name }

// Settings returns the settings of the connection.
func (c *Connection) Settings() config.Connection { return c.settings }

// Label names a stream in messages: "acme/Events" if the connection has a name, "Events" if
// not.
func (c *Connection) Label(stream string) string { return Label(c.settings.Name, stream) }

// Label names a connection's stream in messages.
func Label(connection, stream string) string {
	if connection == "" {
		return stream
	}
	return connection + "/" + stream
}

// poll polls every source of the connection in these rounds: a failure of one doesn't stop another,
// nor does it wait for another. The reports are in the order of the streams. ctx carries the run's
// deadline; cancelling it is a soft stop. poll never panics.
func (c *Connection) poll(ctx context.Context, r *rounds) (reports []pipeline.Report) {
	reports = blank(c.streams)
	waiting := len(c.parts)
	defer func() { r.finished(waiting) }()
	defer c.recovered(reports) // the result is named, so that a panic does not drop it
	ctx, locks, release := c.alone(ctx)
	defer release()
	if locks != nil && r.onlyIfFree {
		return nil
	}
	c.beside(c.options.Look)
	waiting = 0
	var all sync.WaitGroup
	from := 0
	for _, p := range c.parts {
		to := from + len(p.streams)
		mine := reports[from:to:to]
		from = to
		all.Go(func() {
			first := true
			r.repeat(ctx, func() {
				if later := c.round(ctx, p, locks); first {
					copy(mine, later)
				} else {
					merge(mine, later)
				}
				first = false
			})
		})
	}
	all.Wait()
	return reports
}

// blank are the reports of runs of which nothing is known yet.
func blank(streams []stream) []pipeline.Report {
	reports := make([]pipeline.Report, len(streams))
	for i, s := range streams {
		reports[i].Stream = s.Stream().ID
	}
	return reports
}

// round runs every stream of a source once, concurrently, and does what follows a run. locks, if not
// nil, replace the connection's own. It never panics.
func (c *Connection) round(ctx context.Context, p part, locks pipeline.Locks) (reports []pipeline.Report) {
	reports = blank(p.streams)
	defer c.recovered(reports)
	if err := c.open(); err != nil {
		c.fail(reports, err)
		c.ends(ctx, reports)
		return reports
	}
	c.nudge(p)
	begun := c.begins(ctx, p.streams)
	before := p.of.Stats().Throttled
	var wg sync.WaitGroup
	for i, s := range p.streams {
		wg.Go(func() {
			defer c.recovered(reports[i : i+1])
			runner := c.runner(s)
			if locks != nil {
				runner.Locks = locks
			}
			reports[i] = c.report(runner.Run(ctx))
			if c.options.Notice != "" {
				reports[i].Warnings = union(reports[i].Warnings, []string{c.options.Notice})
			}
			for _, m := range c.mailboxes {
				if m.stream.Stream().ID != s.Stream().ID {
					continue
				}
				if err := m.unready(ctx); err != nil {
					reports[i].Warnings = union(reports[i].Warnings, []string{"pushes are answered with 503, because credentials can't be checked: " + err.Error()})
				}
			}
			c.readBack(ctx, s, &reports[i])
		})
	}
	wg.Wait()
	c.warnOfForwardings(reports)
	outcomes := slices.Clone(reports) // a panic below changes the reports
	wg.Go(func() {
		begun()
		c.ends(ctx, outcomes)
	})
	if c.settings.Health {
		c.tellHealth(ctx, p.of, reports, before)
	}
	wg.Wait()
	c.workOnJobs(ctx, p.streams, reports)
	return reports
}

// nudge has what runs in the background beside the streams of a source look for something to do.
func (c *Connection) nudge(p part) {
	for _, f := range c.forwardings {
		if f.of == p.of {
			f.runs.nudge()
		}
	}
	for _, m := range c.mailboxes {
		if m.stream.of == p.of && m.answers != nil && !c.options.Look {
			m.answers.settling.nudge()
		}
	}
}

// recovered, when deferred, turns a panic into a failure of these reports, because a fault
// of one connection must not stop another.
func (c *Connection) recovered(reports []pipeline.Report) {
	if p := recover(); p != nil {
		c.log.Error("poll panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		c.fail(reports, fmt.Errorf("internal error: %v", p))
	}
}

// fail marks every report as failed, and keeps its other contents.
func (c *Connection) fail(reports []pipeline.Report, err error) {
	for i := range reports {
		r := &reports[i]
		r.Connection, r.State = c.settings.Name, pipeline.Failed
		r.Err = errors.Join(r.Err, err)
		r.Error = r.Err.Error()
	}
}

// report adds the name of the connection to a report.
func (c *Connection) report(r pipeline.Report) pipeline.Report {
	r.Connection = c.settings.Name
	return r
}

func (c *Connection) runner(s stream) *pipeline.Runner {
	name, tenant := s.Stream().ID, c.settings.Tenant
	r := &pipeline.Runner{
		Source:      s.Source,
		Sink:        c.sink,
		Locks:       c.locks,
		Clock:       c.runClock(s),
		Longest:     longest(c.budget),
		Checkpoints: c.checkpoints(s),
		OpenLedger:  func() pipeline.Ledger { return c.openLedger(s) },
		Uncommitted: c.uncommitted[name],
		Quarantine:  c.Quarantine(),
		AuditPolicy: pipeline.AuditPolicy{
			Ages: c.auditAges(s), Window: s.Window, Keep: c.settings.LedgerKeep, UndatedEvery: undatedEvery,
		},
		Memory: c.memory,
		Needed: c.needed(name),
		Retry:  retry.Policy{},
		Log:    c.log,
	}
	if c.options.Progress != nil {
		r.Progress = func(r pipeline.Report) { c.options.Progress(c.report(r)) }
	}
	if !c.options.Look {
		r.Lookback = s.Lookback
	}
	if s.Remembers > 0 && !c.options.Look {
		r.Spool, r.Remembers = spool.New(c.store, tenant), s.Remembers
	}
	if c.options.Wrap != nil {
		c.options.Wrap(r)
	}
	return r
}

// auditAges are the ages that the stream has for itself, if any and if audits are not off, or else the ones in the settings.
func (c *Connection) auditAges(s stream) []time.Duration {
	keep := c.settings.LedgerKeep
	forgotten := func(age time.Duration) bool { return age+s.Window >= keep }
	if len(s.AuditAges) == 0 || len(c.settings.AuditAges) == 0 || slices.ContainsFunc(s.AuditAges, forgotten) {
		return c.settings.AuditAges
	}
	return s.AuditAges
}

// ledgerReach is how much the times may differ under which two streams deliver the same record, or
// one that was pushed twice comes again.
const ledgerReach = time.Hour

// openLedger opens the ledger of a stream for a run. If other streams fill the same table, theirs
// are looked into as well.
func (c *Connection) openLedger(s stream) pipeline.Ledger {
	beside := &ledger.Beside{Ledger: c.ledger(s), Reach: ledgerReach}
	for _, other := range c.streams {
		if other.Table.Name == s.Table.Name && other.Stream().ID != s.Stream().ID {
			beside.Others = append(beside.Others, c.ledger(other))
		}
	}
	if _, pushed := s.of.(source.Receiver); !pushed && len(beside.Others) == 0 {
		return beside.Ledger
	}
	return beside
}

// ledger is the stream's own.
func (c *Connection) ledger(s stream) *ledger.Ledger {
	return ledger.Open(ledger.Config{Store: c.store, Tenant: c.settings.Tenant, Stream: s.Stream().ID, Window: s.Window})
}

// beginning is where a stream begins that continues from an older connector. If a user named its
// account, and no other of the streams may be meant, it must have left a place there.
func beginning(ctx context.Context, s stream, streams []stream, old *legacy.Account, named bool) (source.Beginning, error) {
	begin, err := s.Inherits(ctx, old)
	if err != nil || begin.Cursor != "" || !named {
		return begin, err
	}
	for _, other := range streams {
		if other.Inherits != nil && other.Stream().ID != s.Stream().ID {
			return begin, nil
		}
	}
	return begin, fmt.Errorf("LEGACY_CHECKPOINT names %s, and no older connector left a place of %s there: name the account in which it did, or set LEGACY_CHECKPOINT=off to begin at INITIAL_LOOKBACK",
		old.Host(), s.Short)
}

// leaseFor is how long a killed run's lock remains.
const leaseFor = 30 * time.Second

// longest is how long a run can hold its lock, including a lock that it leaves when killed.
func longest(budget time.Duration) time.Duration { return budget + pipeline.Overtime + leaseFor }

// checkpoints returns the checkpoints of a stream, which may begin where an older connector stopped.
func (c *Connection) checkpoints(s stream) pipeline.Checkpoints {
	own := resuming{checkpoint.New(c.store, c.settings.Tenant), s, c.ledger(s)}
	if c.legacy == nil || s.Inherits == nil {
		return own
	}
	return &legacy.Checkpoints{Checkpoints: own, Beginning: func(ctx context.Context) (source.Beginning, error) {
		return beginning(ctx, s, c.streams, c.legacy, c.settings.Legacy.Named)
	}, Log: c.log}
}
