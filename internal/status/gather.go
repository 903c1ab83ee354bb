package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/hooknote"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
	"github.com/idn-sentinel/idn-sentinel/internal/state/owed"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
	"github.com/idn-sentinel/idn-sentinel/internal/state/reports"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
)

// reading is what was read of a stream.
type reading struct {
	connection Connection
	stream     Stream

	runs       runs.File
	checkpoint checkpoint.File
	jobs       jobs.File

	spool, inbox, owed, undelivered, conformed Count

	forwarding Forwarding
	note       hooknote.Note

	// partial is set if there was no room for what waits, for backfills, and for what pushes have left.
	partial bool

	mu sync.Mutex
	// Why each could not be read; listErr is about what waits and what pushes have left.
	runsErr, checkpointErr, jobsErr, listErr error
}

func (r *reading) label() string { return label(r.connection.Name, r.stream.Short) }

// gather reads what is known of each stream: first the two objects that show how its runs are, of all of
// them; then up to two objects, up to five listings of a page each, and how far the forwarding of each
// report is. Of more than mostInFull streams the second part is read of some, those in trouble first.
func gather(ctx context.Context, c Config) []*reading {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	g := gathering{store: c.Store, slots: make(chan struct{}, atOnce)}
	var all, known []*reading
	for _, connection := range c.Connections {
		for _, stream := range connection.Streams {
			r := &reading{connection: connection, stream: stream}
			all = append(all, r)
			if connection.Tenant != "" { // unknown, because of invalid settings
				known = append(known, r)
				g.vital(ctx, r)
			}
		}
	}
	g.under.Wait()
	if len(known) > mostInFull {
		known = slices.Clone(known)
		slices.SortStableFunc(known, func(a, b *reading) int { return b.suspect() - a.suspect() })
	}
	for i, r := range known {
		if r.partial = i >= mostInFull; !r.partial {
			g.rest(ctx, r)
		}
	}
	g.under.Wait()
	return all
}

// suspect is larger the more a person needs to know about the stream.
func (r *reading) suspect() int {
	switch {
	case r.runsErr != nil || r.checkpointErr != nil || r.runs.Failing():
		return 2
	case len(r.runs.Warnings) > 0 || r.runs.Drained.Before(r.runs.Last()):
		return 1
	}
	return 0
}

// gathering reads several things at the same time.
type gathering struct {
	store state.Store
	slots chan struct{}
	under sync.WaitGroup
}

// do does something once a slot is free, and keeps its error.
func (g *gathering) do(ctx context.Context, r *reading, fail *error, something func() error) {
	g.under.Go(func() {
		var err error
		select {
		case g.slots <- struct{}{}:
			err = something()
			<-g.slots
		case <-ctx.Done():
			err = state.ContextErr(ctx)
		}
		if err == nil {
			return
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("the state did not answer within %v", Timeout)
		}
		r.mu.Lock() // several share listErr
		defer r.mu.Unlock()
		*fail = err
	})
}

// vital reads how the runs of a stream are, and how far it is delivered.
func (g *gathering) vital(ctx context.Context, r *reading) {
	tenant, stream := r.connection.Tenant, r.stream.ID
	g.do(ctx, r, &r.runsErr, func() (err error) {
		r.runs, err = runs.New(g.store, tenant).Load(ctx, stream)
		return err
	})
	g.do(ctx, r, &r.checkpointErr, func() (err error) {
		r.checkpoint, err = checkpoint.New(g.store, tenant).Read(ctx, stream)
		return err
	})
}

// rest reads what waits, and what else there may be of a stream.
func (g *gathering) rest(ctx context.Context, r *reading) {
	tenant, stream := r.connection.Tenant, r.stream.ID
	if r.stream.Backfills {
		g.do(ctx, r, &r.jobsErr, func() (err error) {
			r.jobs, _, err = jobs.New(g.store, tenant).Load(ctx, stream)
			return err
		})
	}
	list := map[string]*Count{
		"/quarantine/" + stream + "/" + string(quarantine.Undelivered) + "/": &r.undelivered,
		"/quarantine/" + stream + "/" + string(quarantine.Conformed) + "/":   &r.conformed,
		"/spool/" + stream + "/": &r.spool,
	}
	if r.stream.Inbox != nil {
		list["/inbox/"+stream+"/"+*r.stream.Inbox] = &r.inbox
	}
	if r.stream.Owes {
		list[owed.Prefix(stream)] = &r.owed
		g.do(ctx, r, &r.listErr, func() (err error) {
			r.note, err = hooknote.New(g.store, tenant, stream).Read(ctx)
			return err
		})
	}
	if r.stream.Forwards {
		g.do(ctx, r, &r.listErr, func() error { return r.forwarding.read(ctx, reports.New(g.store, tenant, stream)) })
	}
	for prefix, count := range list {
		g.do(ctx, r, &r.listErr, func() error { return count.of(ctx, g.store, tenant+prefix) })
	}
}

// read reads how far the forwarding is, of up to forwardsMost reports.
func (f *Forwarding) read(ctx context.Context, of *reports.Store) error {
	list, problems, more, err := of.Forwardings(ctx, forwardsMost)
	if err != nil {
		return err
	}
	f.Unreadable, f.Waiting.More = problems, more
	add := func(n *Count, at time.Time) (first bool) {
		n.N++
		if first = n.Oldest.IsZero() || at.Before(n.Oldest); first {
			n.Oldest = at
		}
		return first
	}
	for _, e := range list {
		switch {
		case e.Done():
		case e.Kept():
			if add(&f.Kept, e.Received) {
				f.Why = e.Why()
			}
		default:
			if add(&f.Waiting, e.Received) {
				f.Failures = e.Failures
			}
		}
		f.Doubts, f.Refused = f.Doubts+int64(len(e.Doubts)), f.Refused+int64(len(e.Refused))
	}
	return nil
}

// of counts objects, up to countMost.
func (n *Count) of(ctx context.Context, store state.Store, prefix string) error {
	for info, err := range store.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if n.N == countMost {
			n.More = true
			return nil
		}
		n.N++
		if at := info.Modified.UTC(); n.Oldest.IsZero() || at.Before(n.Oldest) {
			n.Oldest = at
		}
	}
	return nil
}
