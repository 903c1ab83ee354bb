package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

// Quarantine returns the store of the tenant's original records.
func (c *Connection) Quarantine() *quarantine.Store {
	q := quarantine.New(c.store, c.settings.Tenant)
	q.Keep = c.settings.QuarantineKeep
	return q
}

// Streams returns the names of the streams.
func (c *Connection) Streams() []string {
	names := make([]string, len(c.streams))
	for i, s := range c.streams {
		names[i] = s.Stream().ID
	}
	return names
}

// Named finds a stream by its name or short name, in any case.
func (c *Connection) Named(text string) (name string, ok bool) {
	for _, s := range c.streams {
		if id := s.Stream().ID; strings.EqualFold(text, id) || strings.EqualFold(text, s.Short) {
			return id, true
		}
	}
	return "", false
}

// Short is a shorter label for a report's stream.
func (a *App) Short(r pipeline.Report) string {
	for _, c := range a.connections {
		if c.Name() != r.Connection {
			continue
		}
		if s, err := c.stream(r.Stream); err == nil {
			return c.Label(s.Short)
		}
	}
	return Label(r.Connection, r.Stream)
}

// stream finds a stream by its name.
func (c *Connection) stream(name string) (stream, error) {
	for _, s := range c.streams {
		if s.Stream().ID == name {
			return s, nil
		}
	}
	return stream{}, fmt.Errorf("there is no stream %q; there are %s", name, strings.Join(c.Streams(), " and "))
}

// ResendResult is the actual or expected outcome for one original.
type ResendResult struct {
	Key string
	ID  string // of the record; "" if the original can't be read
	// Sent means that the record was delivered and its original removed.
	Sent bool
	// Changes says what was changed to make it fit.
	Changes string
	// Kept says why it remains in quarantine; "" if it doesn't.
	Kept string
}

// Resend sends the records in these entries again. It waits for a run that is active on the
// stream. It reports each entry, from one goroutine at a time.
func (c *Connection) Resend(ctx context.Context, name string, entries []quarantine.Entry, tell func(ResendResult)) pipeline.Report {
	s, err := c.stream(name)
	if err != nil {
		return pipeline.Report{Stream: name, State: pipeline.Failed, Err: err, Error: err.Error()}
	}
	r, q := c.interactiveRunner(s), c.Quarantine()
	one := make(chan struct{}, 1) // held during a report
	told := func(f ResendResult) {
		one <- struct{}{}
		defer func() { <-one }()
		tell(f)
	}
	return r.Resend(ctx, c.held(ctx, entries, told), pipeline.ResendHooks{
		Prove: func(ctx context.Context, h pipeline.Quarantined) error { return q.ProveDelete(ctx, h.Key) },
		Delivered: func(ctx context.Context, h pipeline.Quarantined) error {
			if err := q.Delete(ctx, h.Key); err != nil {
				return err
			}
			told(ResendResult{Key: h.Key, ID: h.Record.ID, Sent: true})
			return nil
		},
		Kept: func(h pipeline.Quarantined, why pipeline.Reason, detail string) {
			told(ResendResult{Key: h.Key, ID: h.Record.ID, Kept: string(why) + ": " + detail})
		},
	})
}

// Rehearse reports what [Connection.Resend] would try to send, and changes nothing.
func (c *Connection) Rehearse(ctx context.Context, name string, entries []quarantine.Entry, tell func(ResendResult)) error {
	s, err := c.stream(name)
	if err != nil {
		return err
	}
	for h, err := range c.held(ctx, entries, tell) {
		if err != nil {
			return err
		}
		fitted := pipeline.Fit(c.sink, s.Stream().Table, h.Record)
		f := ResendResult{Key: h.Key, ID: h.Record.ID, Sent: fitted.Reason == "", Changes: fitted.Changes}
		if !f.Sent {
			f.Kept = string(fitted.Reason) + ": " + fitted.Detail
		}
		tell(f)
	}
	return nil
}

// held reads originals one by one. It reports damaged ones as kept, and skips those that no
// longer exist.
func (c *Connection) held(ctx context.Context, entries []quarantine.Entry, tell func(ResendResult)) iter.Seq2[pipeline.Quarantined, error] {
	q := c.Quarantine()
	return func(yield func(pipeline.Quarantined, error) bool) {
		for _, e := range entries {
			item, err := q.Get(ctx, e.Key)
			switch {
			case errors.Is(err, quarantine.ErrGone):
				continue
			case errors.Is(err, quarantine.ErrUnreadable):
				tell(ResendResult{Key: e.Key, Kept: err.Error()})
				continue
			case err != nil:
				yield(pipeline.Quarantined{}, err)
				return
			}
			h := pipeline.Quarantined{Key: e.Key, Record: pipeline.Record{ID: item.ID, Time: item.Time, Raw: item.Raw}}
			if item.Reason == pipeline.Unreadable {
				h.Record.Flaw = "it was received like this and can't be sent as a row: inspect it (idnsentinel quarantine show), and discard it; " + item.Detail
			}
			if !yield(h, nil) {
				return
			}
		}
	}
}

const (
	// handAttempts is the number of attempts of a command, because a person is waiting.
	handAttempts = 5
	// lockPatience is how long a command waits for an active run. Runs follow each other
	// every minute, but most take only seconds.
	lockPatience = 45 * time.Second
	lockEvery    = 500 * time.Millisecond
)

// interactiveRunner returns the runner of a stream for a command, with a person waiting.
func (c *Connection) interactiveRunner(s stream) *pipeline.Runner {
	r := c.runner(s)
	r.Retry = retry.Policy{MaxAttempts: handAttempts}
	r.Locks = waitingLocks{r.Locks}
	return r
}

// waitingLocks retries a lock for a while.
type waitingLocks struct{ pipeline.Locks }

func (p waitingLocks) Lock(ctx context.Context, stream string) (context.Context, func(context.Context) error, error) {
	for end := time.Now().Add(lockPatience); ; {
		held, release, err := p.Locks.Lock(ctx, stream)
		if !errors.Is(err, pipeline.ErrLocked) || time.Now().After(end) {
			return held, release, err
		}
		timer := time.NewTimer(lockEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, nil, err
		}
	}
}
