package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/state/owed"
)

const (
	// answerFirst is how long the answer has to reach the sender before what follows it.
	answerFirst = 200 * time.Millisecond
	// aftermath bounds what is done after an answer, including the wait for others.
	aftermath = 2 * time.Minute
	// besidesAtOnce bounds what is done after answers at a time, and besidesWaiting what waits for that.
	besidesAtOnce  = 16
	besidesWaiting = 1000
	// owedAfter is the age from which another process takes over, and owedFor the one at which no one
	// waits for the answer any more. A tenant waits for an hour unless the subscription says otherwise;
	// an answer that comes too late is refused there, and does no harm.
	owedAfter = 90 * time.Second
	owedFor   = 24 * time.Hour
	// owedAtOnce is how many of those that are left are read in one go.
	owedAtOnce = 1000
)

// answers is what is done after a push was answered: the answer of a trigger that waits for one is posted to
// the tenant, too. It is stored beside the push, so that the next process posts it if this one dies or does
// not get it done. While the state is down it is posted all the same, as long as the process lives.
type answers struct {
	hook  source.Hook
	log   *slog.Logger
	owes  *owed.Store   // keeps what is to be posted
	slots chan struct{} // one for each request whose answers are being posted
	// settling posts what an earlier process, or this one, has left.
	settling background

	mu      sync.Mutex    // guards the fields below
	owing   string        // why answers could not be posted; "" if they could
	besides int           // requests whose answers are being posted, or wait for a slot
	settled chan struct{} // closed when there are none any more; nil if there never were any
}

func newAnswers(hook source.Hook, owes *owed.Store, log *slog.Logger) *answers {
	a := &answers{hook: hook, log: log, owes: owes, slots: make(chan struct{}, besidesAtOnce)}
	a.settling.once = a.settleOwed
	return a
}

// stop ends the posting of what is left, and waits for it and for what is posted after answers, until ctx
// ends.
func (a *answers) stop(ctx context.Context) {
	a.settling.stop(ctx)
	a.settle(ctx)
}

// keeping is the storing of answers that are owed.
type keeping struct {
	done chan struct{} // closed when the fields below are set
	name string
	err  error
}

// keep begins to store what is owed; nil if there is nothing to store.
func (a *answers) keep(ctx context.Context, sealed []byte) *keeping {
	if sealed == nil {
		return nil
	}
	k, at := &keeping{done: make(chan struct{})}, time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	go func() {
		defer cancel()
		defer close(k.done)
		k.name, k.err = a.owes.Put(ctx, owed.Answers{At: at, Sealed: sealed})
	}()
	return k
}

// await waits until it is stored, or could not be, but no longer than until a moment.
func (k *keeping) await(until time.Time) {
	if k == nil {
		return
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-k.done:
	case <-timer.C:
	}
}

// stored reports whether it is stored for certain by now.
func (k *keeping) stored() bool {
	if k == nil {
		return false
	}
	select {
	case <-k.done:
		return k.err == nil
	default:
		return false
	}
}

// afterwards does something after the answer.
func (a *answers) afterwards(ctx context.Context, do func(context.Context) error, kept *keeping) {
	if !a.begin() {
		a.unposted(errors.New("too many are being posted"), kept)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), aftermath)
	go func() {
		defer cancel()
		defer a.end()
		<-time.After(answerFirst)
		var err error
		select {
		case a.slots <- struct{}{}:
			err = do(ctx)
			<-a.slots
		case <-ctx.Done():
			err = errors.New("too many are being posted")
		}
		if err != nil {
			a.unposted(err, kept)
			return
		}
		a.posted(ctx, kept)
	}()
}

// begin reports whether something more may be done after an answer; then end follows.
func (a *answers) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.besides == besidesWaiting {
		return false
	}
	if a.besides++; a.besides == 1 {
		a.settled = make(chan struct{})
	}
	return true
}

func (a *answers) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.besides--; a.besides == 0 {
		close(a.settled)
	}
}

// settle waits until nothing is done after an answer any more, or ctx ends.
func (a *answers) settle(ctx context.Context) {
	a.mu.Lock()
	settled := a.settled
	a.mu.Unlock()
	if settled == nil {
		return
	}
	select {
	case <-settled:
	case <-ctx.Done():
	}
}

// unposted reports an answer that was not posted.
func (a *answers) unposted(err error, kept *keeping) {
	if kept.stored() {
		a.log.Warn("answer of a trigger was not posted yet; it is tried again", "error", err.Error())
		return
	}
	a.log.Error("answer of a trigger was not posted", "error", err.Error())
}

// posted removes what was stored of an answer that was posted.
func (a *answers) posted(ctx context.Context, kept *keeping) {
	if kept == nil {
		return
	}
	select {
	case <-kept.done:
	case <-ctx.Done():
		return // it is posted once more, which the tenant ignores
	}
	if kept.err == nil {
		_ = a.owes.Delete(ctx, kept.name) // see above
	}
}

// settleOwed posts the answers that another process, or this one, has left, and waits for those that are too
// young. The next tick may be minutes away.
func (a *answers) settleOwed(ctx context.Context) (more bool) {
	again := a.settleAll(ctx)
	if again == 0 {
		return false
	}
	pause(ctx, again)
	return ctx.Err() == nil
}

// settleAll posts what is old enough. again is when something else will be; 0 if nothing will. What could not
// be posted is left to the next tick.
func (a *answers) settleAll(ctx context.Context) (again time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, aftermath)
	defer cancel()
	list, err := a.owes.List(ctx, owedAtOnce)
	errs := make([]error, len(list))
	var g errgroup.Group
	g.SetLimit(besidesAtOnce)
	for i, item := range list {
		// The process that received it is at it, unless it is of a time to come: then a clock was wrong.
		if age := time.Since(item.Stored); -owedAfter < age && age < owedAfter {
			again = max(again, owedAfter-age)
			continue
		}
		g.Go(func() error {
			errs[i] = a.settleOne(ctx, item)
			return nil
		})
	}
	_ = g.Wait()
	if ctx.Err() != nil && context.Cause(ctx) == context.Canceled { //nolint:errorlint // a stop is not a failure
		return 0
	}
	problem, left := "", 0
	for _, failed := range append(errs, err) {
		if failed != nil {
			problem = failed.Error()
			left++
		}
	}
	a.mu.Lock()
	changed := a.owing != problem
	a.owing = problem
	a.mu.Unlock()
	switch {
	case !changed:
	case problem != "":
		a.log.Error("answers of triggers could not be posted; they are tried again", "error", problem, "left", left)
	default:
		a.log.Info("all answers of triggers are posted")
	}
	return again
}

// settleOne posts the answers of one request, and removes them.
func (a *answers) settleOne(ctx context.Context, item owed.Item) error {
	kept, ok, err := a.owes.Get(ctx, item.Name)
	if !ok {
		return err
	}
	if err == nil {
		err = a.hook.Settle(ctx, kept.Sealed)
	}
	if old := time.Since(item.Stored); err != nil && old > owedFor && ctx.Err() == nil {
		a.log.Error("answer of a trigger was not posted in time and is dropped", "error", err.Error(), "age", old.String())
		err = nil
	}
	if err != nil {
		return fmt.Errorf("answer to a request of %s: %w", item.Stored.UTC().Format(time.RFC3339), err)
	}
	return a.owes.Delete(ctx, item.Name)
}
