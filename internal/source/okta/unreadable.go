package okta

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source/remote"
)

// trouble is a place in the log after which pages can't be read.
type trouble struct {
	cause *remote.Unreadable // the last answer that could not be read, nil once one was
	at    spot
	times int
	limit int // the page size on the way past an event; 0 means the usual size
	good  int // successive pages of that size that were read
}

// spot is where a page begins: the link to it, and the window that it belongs to, if any.
type spot struct {
	next string
	from time.Time
}

// sound notes a page of limit events that was read: after several in a row, the unreadable event is
// further away than it seemed, and pages grow again.
func (t *trouble) sound(limit, full int) {
	t.times, t.cause = 0, nil
	if t.good++; t.limit > 0 && t.good > 1 {
		t.limit, t.good = 2*limit, 0
	}
	if t.limit >= full {
		t.limit = 0
	}
}

// again counts a page after that place that could not be read.
func (t *trouble) again(at spot) int {
	if t.at != at {
		t.at, t.times = at, 0
	}
	t.times++
	return t.times
}

// explain prefers the error of an unreadable answer to the error that there was no time to read it
// again.
func (t *trouble) explain(err error) error {
	if t.cause == nil || !errors.Is(err, retry.ErrNoTime) {
		return err
	}
	return &pipeline.Retryable{Err: t.cause}
}

// hops is how far after an unreadable event one is looked for that can be read.
const hops = 4

// stepOver makes a record of what was received of the one event that q asks for. The event is
// blamed, and not the connection, only if it fails again and again while one after it can be read
// each time.
func (l *Logs) stepOver(ctx context.Context, q *query, a *read, bad *remote.Unreadable) (*read, error) {
	if a.next == "" && !q.bounded() {
		return nil, &pipeline.Retryable{Err: bad}
	}
	var beside pipeline.Record
	distance := 0
	for range bad.Rounds() {
		rec, n, err := l.beside(ctx, q, a.next)
		if err != nil || n == 0 {
			return nil, doubted(err, bad)
		}
		beside, distance = rec, n
		_, err = l.try(ctx, q.target(1), 1)
		var again *remote.Unreadable
		if !errors.As(err, &again) {
			return nil, doubted(err, bad)
		}
		if again.SaysMore(bad) {
			bad = again // what is kept is the most that was received
		}
	}
	sum := sha256.Sum256(bad.Start)
	rec := pipeline.Record{ID: fmt.Sprintf("unreadable:%d before %s", distance, beside.ID), Time: between(q.at.Newest, beside.Time), Raw: bad.Start}
	rec.Flaw = fmt.Sprintf("this event can't be read: each time it was requested alone the answer was unreadable, while a later one could be read: %v; "+
		"%d bytes of the answer were received and %d are kept, SHA-256 %s", bad.Err, bad.Size, len(bad.Start), hex.EncodeToString(sum[:]))
	l.trouble = trouble{}
	return &read{rows: &rows{records: []pipeline.Record{rec}}, answer: a.answer, limit: 1}, nil
}

// doubted is the error if an event may not be at fault.
func doubted(err error, bad *remote.Unreadable) error {
	if err == nil || errors.As(err, new(*remote.Unreadable)) {
		return &pipeline.Retryable{Err: bad}
	}
	return err
}

// beside reads the first sound event after the one that q asks for, and says how far away it is; 0
// means that there is none. next leads there; "" if the event is the last one of its window.
func (l *Logs) beside(ctx context.Context, q *query, next string) (rec pipeline.Record, distance int, err error) {
	target := boundedTarget(q.to, time.Now(), 1)
	if next != "" {
		target = place{Next: next}.target(1)
	}
	for n := 1; n <= hops; n++ {
		r, err := l.try(ctx, target, 1)
		var bad *remote.Unreadable
		switch {
		case err == nil && len(r.records) > 0:
			return r.records[0], n, nil
		case err != nil && !errors.As(err, &bad):
			return rec, 0, err
		case r.next == "" || err == nil:
			return rec, 0, nil
		}
		target = place{Next: r.next}.target(1)
	}
	return rec, 0, nil
}
