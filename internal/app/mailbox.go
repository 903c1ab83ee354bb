package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/state/hooknote"
	boxes "github.com/idn-sentinel/idn-sentinel/internal/state/inbox"
	"github.com/idn-sentinel/idn-sentinel/internal/state/owed"
)

const (
	// gatherPushes is how long the first push of a group waits for others, so that a burst of
	// hundreds costs some writes, not hundreds.
	gatherPushes = 15 * time.Millisecond
	// groupBytes ends a group early.
	groupBytes = 2 << 20
	// groupsInFlight is how many groups are written at a time. With a slow store the next group
	// waits, and grows.
	groupsInFlight = 4
	// unstoredBytes bounds what waits for the store. What comes beyond it is refused at once.
	unstoredBytes = 16 << 20
	// storeTimeout bounds the writing of a group, which outlives the request.
	storeTimeout = 30 * time.Second
	// runsApart is the least time between the beginnings of two runs for pushes: what arrives
	// meanwhile is delivered together.
	runsApart = time.Second
	// lockedApart is the wait after a run that found another one at work.
	lockedApart = 2 * time.Second
	// failedApart is the wait after a run that failed.
	failedApart = 15 * time.Second
	// healthApart is the least time between two health rows for runs of pushes.
	healthApart = time.Minute
	// notesApart is the least time after which a problem of a push is noted again.
	notesApart = 10 * time.Minute
)

var errBusy = errors.New("too much waits to be stored")

// mailbox takes the pushes for one stream of a connection: it stores them in groups, and runs the
// stream when something is stored.
type mailbox struct {
	c       *Connection
	stream  stream
	door    door
	hook    source.Hook      // nil if deposit is set
	deposit source.Depositor // nil if hook is set
	box     *boxes.Box
	log     *slog.Logger
	writes  chan struct{} // a slot for each group that is written
	answers *answers      // of the hook's triggers; nil if deposit is set
	// notes is what the status knows of the problems of pushes.
	notes *hooknote.Store
	// runs of the stream follow pushes. What they do not get done is done by the next tick of the timer.
	runs background

	mu       sync.Mutex // guards the fields below
	open     *group     // nil if none is gathering
	unstored int        // bytes
	down     bool       // the last group could not be stored
	shut     bool       // the last request could not be judged
	warnings []string   // for the report of the next run
	noted    string     // the last of them that the status knows
	notedAt  time.Time  // when that was

	sum  []pipeline.Report // of the runs since the last health row; one at most
	told time.Time         // when that was

	left   []pipeline.Report // of the runs since an outcome was stored; one at most
	leftAt time.Time         // when that was
	failed bool              // what the outcome was
}

// group is a number of pushes that share an object.
type group struct {
	records []pipeline.Record
	bytes   int
	full    chan struct{}
	done    chan struct{} // closed when err is set
	err     error
}

// newMailboxes returns a mailbox for each source of a connection that receives.
func newMailboxes(c *Connection) (list []*mailbox) {
	for _, s := range c.streams {
		m := &mailbox{c: c, stream: s, writes: make(chan struct{}, groupsInFlight)}
		switch of := s.of.(type) {
		case source.Receiver:
			m.hook = of.Hook()
			m.door = m.hook
		case source.Depositor:
			m.deposit, m.door = of, of
		default:
			continue
		}
		name := s.Stream().ID
		m.runs.once = m.runApart
		m.notes, m.box = hooknote.New(c.store, c.settings.Tenant, name), boxes.New(c.store, c.settings.Tenant, name)
		m.log = c.log.With("hook", HookAddress(c.settings.Name, m.door.Path()), "stream", name)
		if m.hook != nil {
			m.answers = newAnswers(m.hook, owed.New(c.store, c.settings.Tenant, name), m.log)
		}
		list = append(list, m)
	}
	return list
}

// door is what a [source.Hook] and a [source.Depositor] have in common.
type door interface {
	source.Gate
	Path() string
	MaxBody() int64
}

// put returns nil once the records are durable. After an error they may be, or become so.
func (m *mailbox) put(ctx context.Context, records []pipeline.Record, within time.Duration) error {
	groups, err := m.join(ctx, records)
	if err != nil {
		return err
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	for _, g := range groups {
		select {
		case <-g.done:
			if err == nil {
				err = g.err
			}
		case <-timer.C:
			return fmt.Errorf("the state did not store it within %v", within)
		}
	}
	return err
}

// join adds records to groups: to the one that is gathering, or new ones. A push of thousands of events
// is divided, so that neither the object that is written nor the page that is read of it is larger than
// others.
func (m *mailbox) join(ctx context.Context, records []pipeline.Record) (groups []*group, err error) {
	size := 0
	for i := range records {
		size += sizeOf(&records[i])
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unstored > 0 && m.unstored+size > unstoredBytes {
		return nil, errBusy
	}
	m.unstored += size
	for len(records) > 0 {
		n, bytes := 0, 0
		for n < len(records) && bytes < groupBytes {
			bytes += sizeOf(&records[n])
			n++
		}
		groups = append(groups, m.add(ctx, records[:n:n], bytes))
		records = records[n:]
	}
	return groups, nil
}

// sizeOf is what a record counts.
func sizeOf(r *pipeline.Record) int { return len(r.Raw) + len(r.ID) }

// add adds records to the group that is gathering, or begins one.
func (m *mailbox) add(ctx context.Context, records []pipeline.Record, size int) *group {
	g := m.open
	if g == nil {
		g = &group{full: make(chan struct{}), done: make(chan struct{})}
		m.open = g
		go m.store(context.WithoutCancel(ctx), g)
	}
	g.records = append(g.records, records...)
	if g.bytes += size; g.bytes >= groupBytes {
		m.open = nil
		close(g.full)
	}
	return g
}

// store writes a group once it has gathered.
func (m *mailbox) store(ctx context.Context, g *group) {
	timer := time.NewTimer(gatherPushes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.full:
	}
	m.writes <- struct{}{}
	m.mu.Lock()
	if m.open == g {
		m.open = nil
	}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	g.err = m.box.Put(ctx, g.records)
	<-m.writes
	m.mu.Lock()
	m.unstored -= g.bytes
	m.mu.Unlock()
	close(g.done)
}

// noteOutage logs when the state begins to refuse pushes, and when it takes them again.
func (m *mailbox) noteOutage(err error) {
	m.mu.Lock()
	changed := m.down != (err != nil)
	m.down = err != nil
	m.mu.Unlock()
	switch {
	case !changed:
	case err != nil:
		m.log.Error("pushes can't be stored: their senders are asked to try again", "error", err.Error())
	default:
		m.log.Info("pushes are stored again")
	}
}

// judged logs when requests can't be judged any more, and when they can again.
func (m *mailbox) judged(err error) {
	m.mu.Lock()
	changed := m.shut != (err != nil)
	m.shut = err != nil
	m.mu.Unlock()
	switch {
	case !changed:
	case err != nil:
		m.log.Error("credentials of pushes can't be checked: their senders are asked to try again", "error", err.Error())
	default:
		m.log.Info("credentials of pushes can be checked again")
	}
}

func (m *mailbox) isShut() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shut
}

// unready returns why requests can't be judged, once one could not be.
func (m *mailbox) unready(ctx context.Context) error {
	if !m.isShut() {
		return nil
	}
	err := m.door.Ready(ctx)
	if ctx.Err() == nil {
		m.judged(err)
	}
	return err
}

// warn adds a warning to the report of the next run, and notes it for the status.
func (m *mailbox) warn(ctx context.Context, text string) {
	m.mu.Lock()
	m.warnings = union(m.warnings, []string{text})
	due := text != m.noted || time.Since(m.notedAt) >= notesApart
	if due {
		m.noted, m.notedAt = text, time.Now()
	}
	m.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	go func() {
		defer cancel()
		_ = m.notes.Write(ctx, hooknote.Note{At: time.Now(), Text: text}) // it is in the log, too
	}()
}

// stop ends a run softly, and waits for it and for what is done after answers, until ctx ends. Nothing
// runs afterwards.
func (m *mailbox) stop(ctx context.Context) {
	m.runs.stop(ctx)
	if m.answers != nil {
		m.answers.stop(ctx)
	}
}

// runApart runs the stream, and keeps its distance from the next run.
func (m *mailbox) runApart(ctx context.Context) (more bool) {
	apart := runsApart
	rep := m.runOnce(ctx)
	switch rep.State {
	case pipeline.Locked: // that run may have looked before the last push was stored
		more, apart = true, lockedApart
	case pipeline.Failed:
		apart = failedApart
	default:
	}
	pause(ctx, apart)
	return more
}

// runOnce runs the stream, and reports what went wrong.
func (m *mailbox) runOnce(ctx context.Context) pipeline.Report {
	ctx, cancel := context.WithTimeout(ctx, m.c.budget)
	defer cancel()
	reports := []pipeline.Report{{Stream: m.stream.Stream().ID}}
	func() {
		defer m.c.recovered(reports)
		if err := m.c.open(); err != nil {
			m.c.fail(reports, err)
			return
		}
		reports[0] = m.c.report(m.c.runner(m.stream).Run(ctx))
	}()
	rep := reports[0]
	m.leave(ctx, rep)
	switch rep.State {
	case pipeline.Locked:
		return rep
	case pipeline.Failed:
		m.log.Error("pushed records were not delivered; they are kept", "error", rep.Error)
	default:
		m.log.Debug("pushed records delivered", "sent", rep.Sent, "duplicates", rep.Duplicates, "seconds", rep.Seconds)
	}
	m.addHealth(ctx, rep)
	return rep
}

// leave stores the outcome of the runs since the last one, at most once a minute unless it differs.
func (m *mailbox) leave(ctx context.Context, rep pipeline.Report) {
	if rep.State == pipeline.Locked {
		return // the other run leaves its own
	}
	failed := rep.State == pipeline.Failed
	m.mu.Lock()
	if failed == m.failed && len(m.left) > 0 {
		merge(m.left, []pipeline.Report{rep})
	} else {
		m.left = []pipeline.Report{rep}
	}
	if due := failed != m.failed || time.Since(m.leftAt) >= healthApart; !due {
		m.mu.Unlock()
		return
	}
	sum := m.left
	m.left, m.leftAt, m.failed = nil, time.Now(), failed
	m.mu.Unlock()
	m.c.ends(ctx, sum)
}

// addHealth writes a health row for the runs since the last one, at most once a minute.
func (m *mailbox) addHealth(ctx context.Context, rep pipeline.Report) {
	if m.c.open() != nil {
		return // there is nowhere to write it
	}
	m.mu.Lock()
	rep.Warnings = union(rep.Warnings, m.warnings)
	m.warnings = nil
	if len(m.sum) == 0 {
		m.sum = []pipeline.Report{rep}
	} else {
		merge(m.sum, []pipeline.Report{rep})
	}
	due := m.c.settings.Health && time.Since(m.told) >= healthApart
	var sum []pipeline.Report
	if due {
		sum, m.sum, m.told = m.sum, nil, time.Now()
	}
	m.mu.Unlock()
	if due {
		m.c.tellHealth(ctx, m.stream.of, sum, m.stream.of.Stats().Throttled)
	}
}
