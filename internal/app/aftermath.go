package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/idn-sentinel/idn-sentinel/internal/state/owed"
)

// This file is about what is done after a push was answered: the answer of a trigger that waits for one
// is posted to the tenant, too. It is stored beside the push, so that the next process posts it if this
// one dies or does not get it done. While the state is down it is posted all the same, as long as the
// process lives.

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

// keeping is the storing of answers that are owed.
type keeping struct {
	done chan struct{} // closed when the fields below are set
	name string
	err  error
}

// keep begins to store what is owed; nil if there is nothing to store.
func (m *mailbox) keep(ctx context.Context, sealed []byte) *keeping {
	if sealed == nil {
		return nil
	}
	k, at := &keeping{done: make(chan struct{})}, time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	go func() {
		defer cancel()
		defer close(k.done)
		k.name, k.err = m.owes.Put(ctx, owed.Answers{At: at, Sealed: sealed})
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
func (m *mailbox) afterwards(ctx context.Context, do func(context.Context) error, kept *keeping) {
	if !m.begin() {
		m.unposted(errors.New("too many are being posted"), kept)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), aftermath)
	go func() {
		defer cancel()
		defer m.end()
		<-time.After(answerFirst)
		var err error
		select {
		case m.slots <- struct{}{}:
			err = do(ctx)
			<-m.slots
		case <-ctx.Done():
			err = errors.New("too many are being posted")
		}
		if err != nil {
			m.unposted(err, kept)
			return
		}
		m.posted(ctx, kept)
	}()
}

// begin reports whether something more may be done after an answer; then end follows.
func (m *mailbox) begin() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.besides == besidesWaiting {
		return false
	}
	if m.besides++; m.besides == 1 {
		m.settled = make(chan struct{})
	}
	return true
}

func (m *mailbox) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.besides--; m.besides == 0 {
		close(m.settled)
	}
}

// settle waits until nothing is done after an answer any more, or ctx ends.
func (m *mailbox) settle(ctx context.Context) {
	m.mu.Lock()
	settled := m.settled
	m.mu.Unlock()
	if settled == nil {
		return
	}
	select {
	case <-settled:
	case <-ctx.Done():
	}
}

// unposted reports an answer that was not posted.
func (m *mailbox) unposted(err error, kept *keeping) {
	if kept.stored() {
		m.log.Warn("answer of a trigger was not posted yet; it is tried again", "error", err.Error())
		return
	}
	m.log.Error("answer of a trigger was not posted", "error", err.Error())
}

// posted removes what was stored of an answer that was posted.
func (m *mailbox) posted(ctx context.Context, kept *keeping) {
	if kept == nil {
		return
	}
	select {
	case <-kept.done:
	case <-ctx.Done():
		return // it is posted once more, which the tenant ignores
	}
	if kept.err == nil {
		_ = m.owes.Delete(ctx, kept.name) // see above
	}
}

// settleOwed posts the answers that another process, or this one, has left, and waits for those that are too
// young. The next tick may be minutes away.
func (m *mailbox) settleOwed(ctx context.Context) (more bool) {
	again := m.settleAll(ctx)
	if again == 0 {
		return false
	}
	pause(ctx, again)
	return ctx.Err() == nil
}

// settleAll posts what is old enough. again is when something else will be; 0 if nothing will. What could not
// be posted is left to the next tick.
func (m *mailbox) settleAll(ctx context.Context) (again time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, aftermath)
	defer cancel()
	list, err := m.owes.List(ctx, owedAtOnce)
	errs := make([]error, len(list))
	var g errgroup.Group
	g.SetLimit(besidesAtOnce)
	for i, item := range list {
		if age := time.Since(item.Stored); age < owedAfter { // the process that received it is at it
			again = max(again, owedAfter-age)
			continue
		}
		g.Go(func() error {
			errs[i] = m.settleOne(ctx, item)
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
	m.mu.Lock()
	changed := m.owing != problem
	m.owing = problem
	m.mu.Unlock()
	switch {
	case !changed:
	case problem != "":
		m.log.Error("answers of triggers could not be posted; they are tried again", "error", problem, "left", left)
	default:
		m.log.Info("all answers of triggers are posted")
	}
	return again
}

// settleOne posts the answers of one request, and removes them.
func (m *mailbox) settleOne(ctx context.Context, item owed.Item) error {
	a, ok, err := m.owes.Get(ctx, item.Name)
	if !ok {
		return err
	}
	if err == nil {
		err = m.hook.Settle(ctx, a.Sealed)
	}
	if old := time.Since(item.Stored); err != nil && old > owedFor && ctx.Err() == nil {
		m.log.Error("answer of a trigger was not posted in time and is dropped", "error", err.Error(), "age", old.String())
		err = nil
	}
	if err != nil {
		return fmt.Errorf("answer to a request of %s: %w", item.Stored.UTC().Format(time.RFC3339), err)
	}
	return m.owes.Delete(ctx, item.Name)
}
