package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mark"
)

const (
	// readBackDay is how much time one read-back covers, and the interval between them.
	readBackDay = 24 * time.Hour
	// readBackHour is used instead for a source that can't count: it reads each window by a request of
	// its own, and those of a day would take longer than a run.
	readBackHour = time.Hour
	// readBackAge is how old events are when they are looked for. By then the audits of
	// windows have found late ones.
	readBackAge = 24 * time.Hour
	// readBackAgain is how long to wait after a failed read-back.
	readBackAgain = time.Hour
	// readBackLong is after how long a run begins no other read-back, so that new events don't wait
	// for one that catches up after a pause.
	readBackLong = 30 * time.Second
)

// daily is what this process knows about the read-back of a stream.
type daily struct {
	active  sync.Mutex
	through time.Time // zero before the mark is loaded
	etag    state.ETag
	next    time.Time
	// span is how much time the next one covers. One that a run had no time for is tried again with
	// half of it.
	span, longest time.Duration
}

// readBack queries the workspace after a drained run of a stream for what has arrived of an
// earlier time. It adds the results to that run as warnings. A failed query is a warning, too.
func (c *Connection) readBack(ctx context.Context, s stream, report *pipeline.Report) {
	if c.settings.ReadBack.Daily == config.NoReadBack || c.settings.ReadBack.Daily == "" {
		return
	}
	d := c.dailyOf(s)
	if !s.audited() || !d.active.TryLock() { // a second invocation adds nothing
		return
	}
	defer d.active.Unlock()
	for begin := time.Now(); time.Since(begin) < readBackLong; {
		if report.State != pipeline.Drained || ctx.Err() != nil || time.Now().Before(d.next) {
			return
		}
		warning, more, err := c.readBackOf(ctx, s.Stream().ID, d)
		if err != nil {
			d.next, d.through = time.Now().Add(readBackAgain), time.Time{}
			warning = "read-back was not possible: " + err.Error()
		}
		if warning != "" {
			report.Warnings = append(report.Warnings, warning)
		}
		if !more || err != nil || s.counts() {
			return
		}
	}
}

// counts reports whether the source of a stream can count, so that it reads only what differs.
func (s stream) counts() bool {
	_, ok := s.Source.(pipeline.Counter)
	return ok
}

// longestReadBack is how much time one read-back of a stream covers at most.
func (s stream) longestReadBack() time.Duration {
	if s.counts() {
		return readBackDay
	}
	return readBackHour
}

// dailyOf is what is known about the read-back of a stream.
func (c *Connection) dailyOf(s stream) *daily {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.daily == nil {
		c.daily = map[string]*daily{}
	}
	name := s.Stream().ID
	if c.daily[name] == nil {
		c.daily[name] = &daily{span: s.longestReadBack(), longest: s.longestReadBack()}
	}
	return c.daily[name]
}

// readBackOf does the read-back of one stream if it is due, and advances the mark. more is true if it
// did, so that the next one may be due.
func (c *Connection) readBackOf(ctx context.Context, name string, d *daily) (warning string, more bool, err error) {
	key := c.settings.Tenant + "/readback/" + name + ".json"
	to := time.Now().Add(-readBackAge).UTC().Truncate(readBackBorder)
	if d.through.IsZero() {
		if err := c.loadMark(ctx, name, key, d); err != nil {
			return "", false, err
		}
	}
	if to.Sub(d.through) < d.span {
		d.next = d.through.Add(d.span + readBackAge)
		return "", false, nil
	}
	to = d.through.Add(d.span) // after a pause: one at a time
	if fresh, err := c.writtenSince(ctx, name, d.through, to, time.Now().Add(-DefaultSettle)); err != nil || fresh {
		// The workspace may not show recent data yet, for instance what was sent after a
		// pause. Continuing would skip windows that can't be judged.
		d.next = time.Now().Add(DefaultSettle)
		return "", false, err
	}
	repair := c.settings.ReadBack.Daily == config.RepairReadBack
	done, err := c.Audit(ctx, name, AuditRequest{
		AuditRequest: pipeline.AuditRequest{From: d.through, To: to, Repair: repair},
		Workspace:    true, Settle: DefaultSettle,
	})
	of := "the day"
	if d.span != readBackDay {
		of = "the " + text.Duration(d.span)
	}
	switch {
	case d.span > readBackBorder && (done.State == pipeline.Budget || ctx.Err() != nil || errors.Is(done.Err, retry.ErrNoTime)):
		d.span = max(d.span/2, readBackBorder).Truncate(readBackBorder)
		return "", false, nil //nolint:nilerr // having no time left does not count as a failure
	case err != nil:
		return "", false, err
	case done.State != pipeline.Drained:
		return "", false, errors.New(cmp.Or(done.Error, "it was cut short"))
	case done.Missing > 0 && repair:
		warning = fmt.Sprintf("the workspace lacked %d of %d events of %s from %s; they were sent again", done.Missing, done.Source, of, d.through.Format(time.RFC3339))
		if done.Refused > 0 {
			warning += fmt.Sprintf(", but %d of them were rejected and are in quarantine", done.Refused)
		}
	case done.Missing > 0:
		warning = fmt.Sprintf("the workspace lacks %d of %d events of %s from %s: idnsentinel audit --workspace --repair sends them again, READ_BACK=repair does so every day", done.Missing, done.Source, of, d.through.Format(time.RFC3339))
	case done.Unproven > 0:
		warning = fmt.Sprintf("%d of %d events of %s from %s have no id, or another time, so whether the workspace has them can't be proven", done.Unproven, done.Source, of, d.through.Format(time.RFC3339))
	}
	if done.NotYetVisible > 0 {
		// Another process has sent data meanwhile that the workspace may not show yet.
		d.next = time.Now().Add(DefaultSettle)
		if !repair { // it is reported next time
			warning = ""
		}
		return warning, false, nil
	}
	data, err := mark.Encode(mark.Mark{Through: to})
	if err != nil {
		return "", false, err
	}
	if d.etag, err = c.store.Put(ctx, key, data, d.etag); err != nil {
		return "", false, err
	}
	d.through = to
	d.span = min(2*d.span, d.longest)
	return warning, true, nil
}

// loadMark reads up to where the stream was read back. The first day begins where the
// stream does: earlier events were never delivered, so they are not missing.
func (c *Connection) loadMark(ctx context.Context, name, key string, d *daily) error {
	o, err := c.store.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		cp, err := checkpoint.New(c.store, c.settings.Tenant).Load(ctx, name)
		if err != nil {
			return err
		}
		// Whole windows only: the stream begins inside the one before.
		d.through, d.etag = cp.Since.Truncate(readBackBorder).Add(readBackBorder), state.Absent
		return nil
	}
	if err != nil {
		return err
	}
	m, err := mark.Decode(o.Data)
	switch {
	case errors.Is(err, format.ErrNewer):
		return fmt.Errorf("%q: %w", key, err)
	case err != nil:
		return fmt.Errorf("%q is damaged: %w: delete it, then the read-back begins again with the stream", key, err)
	case m.Through.After(time.Now()): // until then it would say nothing
		return fmt.Errorf("%q says that %s is read back up to %s, which is still to come: if this machine's clock is right, delete it, then the read-back begins again with the stream", key, name, m.Through.UTC().Format(time.RFC3339))
	}
	d.through, d.etag = m.Through, o.ETag
	return nil
}

// readBackBorder is a window boundary of every stream that can be audited.
const readBackBorder = 5 * time.Minute
