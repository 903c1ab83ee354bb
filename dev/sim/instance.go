package sim

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// instance is one process.
type instance struct {
	w     *world
	id    int64
	app   *app.App
	doubt doubt

	mu      sync.Mutex
	numbers map[string]int64 // of the operations by name
	steps   int64
	killAt  int64 // at that step; 0 means never
	killHow Kind
	dead    chan struct{} // closed when it dies
	isDead  bool
	cancel  context.CancelFunc // of the poll that is under way
	runs    map[string]*run    // by stream, the latest
	all     []*run

	boxFaults int // of the store, at the reports; guarded by the lock of the world
}

func (i *instance) String() string { return fmt.Sprintf("instance %d", i.id) }

// number counts the operations of a name, from 1.
func (i *instance) number(name string) int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.numbers[name]++
	return i.numbers[name]
}

// step counts an operation and returns how the instance dies at it, if it does.
func (i *instance) step() Kind {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.steps++
	if i.killAt > 0 && i.steps == i.killAt {
		return i.killHow
	}
	return ""
}

// die ends the instance: nothing that it does has an effect any more.
func (i *instance) die(how Kind, where string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.isDead {
		return
	}
	i.isDead = true
	close(i.dead)
	i.w.killed(i, how, where)
	i.cancel() // it only ends what has no effect any more
}

func (i *instance) died() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.isDead
}

// wait lets virtual time pass.
func (i *instance) wait(ctx context.Context, d time.Duration) error {
	if i.died() {
		return errDead
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-i.dead:
	}
	if i.died() {
		return errDead
	}
	return nil
}

// inPoll is the key of a context under which a poll has its number.
type inPoll struct{}

// pollOf returns the number of the poll that a context belongs to, 0 if it belongs to none.
func pollOf(ctx context.Context) int64 {
	n, _ := ctx.Value(inPoll{}).(int64)
	return n
}

// runOf returns the run of a stream that a poll began, nil if none: one that did not get the lock
// is no run, and the run of another poll, of a timer that fired twice, has a report of its own. The
// lock of the world is held.
func (i *instance) runOf(stream string, poll int64) *run {
	for _, r := range i.all {
		if r.stream == stream && r.poll == poll {
			return r
		}
	}
	return nil
}

// storeFailed notes that the run that key belongs to could not rely on the store.
func (i *instance) storeFailed(key string) {
	if strings.HasPrefix(key, boxPrefix) {
		i.w.mu.Lock()
		i.boxFaults++
		i.w.mu.Unlock()
		return
	}
	parts := strings.Split(key, "/")
	if len(parts) < 3 || parts[1] != "ledger" && parts[1] != "spool" {
		return
	}
	i.w.mu.Lock()
	defer i.w.mu.Unlock()
	if r := i.runs[parts[2]]; r != nil {
		r.storeFault = true
	}
}

// run is one run of a stream, from its lock on.
type run struct {
	inst   *instance
	stream string
	poll   int64 // the number of the poll that it belongs to, 0 if none
	began  time.Time
	after  int    // how many commits there had been before
	phase  *phase // in which it began
	first  bool   // there was no checkpoint
	over   bool
	deaf   time.Duration // how long it does not notice that its lease is lost

	killed, leaseLost, storeFault bool

	unreadable int // rows that it was the first to put into quarantine because they can't be read

	pages      []page
	passed     int // pages up to the checkpoint
	deliveries []*delivery
}

// page is what a fetch of the tail returned.
type page struct {
	after, next pipeline.Cursor
	keys        []string
	asked       time.Time // by everybody else's clock
}

// delivery is a batch that the workspace stored.
type delivery struct {
	run   *run
	rows  []*row
	clean bool // the sink of a living instance got an unambiguous answer
	// crowded: a run that had lost its lease may have been at work beside it, and have written
	// the ledger in between, so that the commit of this batch met a conflict.
	crowded bool
}

// excused says whether the connector could not know that the batch had arrived.
func (d *delivery) excused() bool {
	// In doubt about an answer the sink posts one record by itself, to see how the service
	// answers that; the batch then has it again.
	if d.run.phase != nil && d.run.phase.outage == SinkForeign && len(d.rows) == 1 {
		return true
	}
	return !d.clean || d.run.killed || d.run.leaseLost || d.run.storeFault
}

func (r *run) String() string {
	return fmt.Sprintf("%s %s", r.inst, strings.TrimPrefix(r.stream, "SailPointIDN_"))
}
