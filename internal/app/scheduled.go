package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mark"
)

const (
	// readBackEvery is how much time one read-back covers, and the interval between them.
	readBackEvery = 24 * time.Hour
	// readBackAge is how old events are when they are looked for. By then the audits of
	// windows have found late ones.
	readBackAge = 24 * time.Hour
	// readBackAgain is how long to wait after a failed read-back.
	readBackAgain = time.Hour
)

// daily is what this process knows about the read-back of a stream.
type daily struct {
	through time.Time // zero before the mark is loaded
	etag    state.ETag
	next    time.Time
}

// readBack queries the workspace once a day, after a drained run, for what has arrived of
// an earlier day. It adds the results to that run as warnings. A failed query is a warning,
// too.
func (c *Connection) readBack(ctx context.Context, reports []pipeline.Report) {
	if c.settings.ReadBack.Daily == config.NoReadBack || c.settings.ReadBack.Daily == "" {
		return
	}
	c.reading.Lock() // one at a time; a second invocation adds nothing
	defer c.reading.Unlock()
	for i, s := range c.streams {
		if !s.audited() || reports[i].State != pipeline.Drained || ctx.Err() != nil {
			continue
		}
		if c.daily == nil {
			c.daily = map[string]*daily{}
		}
		name := s.Stream().ID
		if c.daily[name] == nil {
			c.daily[name] = &daily{}
		}
		d := c.daily[name]
		if time.Now().Before(d.next) {
			continue
		}
		warning, err := c.readBackOf(ctx, name, d)
		if err != nil {
			d.next, d.through = time.Now().Add(readBackAgain), time.Time{}
			warning = "read-back was not possible: " + err.Error()
		}
		if warning != "" {
			reports[i].Warnings = append(reports[i].Warnings, warning)
		}
	}
}

// readBackOf does the read-back of one stream if it is due, and advances the mark.
func (c *Connection) readBackOf(ctx context.Context, name string, d *daily) (warning string, err error) {
	key := c.settings.Tenant + "/readback/" + name + ".json"
	to := time.Now().Add(-readBackAge).UTC().Truncate(readBackBorder)
	if d.through.IsZero() {
		if err := c.loadMark(ctx, name, key, d); err != nil {
			return "", err
		}
	}
	if to.Sub(d.through) < readBackEvery {
		d.next = d.through.Add(readBackEvery + readBackAge)
		return "", nil
	}
	to = d.through.Add(readBackEvery) // after a pause: one day at a time
	if fresh, err := c.writtenSince(ctx, name, d.through, to, time.Now().Add(-DefaultSettle)); err != nil || fresh {
		// The workspace may not show recent data yet, for instance what was sent after a
		// pause. Continuing would skip windows that can't be judged.
		d.next = time.Now().Add(DefaultSettle)
		return "", err
	}
	repair := c.settings.ReadBack.Daily == config.RepairReadBack
	done, err := c.Audit(ctx, name, AuditRequest{
		AuditRequest: pipeline.AuditRequest{From: d.through, To: to, Repair: repair},
		Workspace:    true, Settle: DefaultSettle,
	})
	switch {
	case err != nil:
		return "", err
	case done.State != pipeline.Drained:
		return "", errors.New(cmp.Or(done.Error, "it was cut short"))
	case done.Missing > 0 && repair:
		warning = fmt.Sprintf("the workspace lacked %d of %d events of the day from %s; they were sent again", done.Missing, done.Source, d.through.Format(time.RFC3339))
		if done.Refused > 0 {
			warning += fmt.Sprintf(", but %d of them were rejected and are in quarantine", done.Refused)
		}
	case done.Missing > 0:
		warning = fmt.Sprintf("the workspace lacks %d of %d events of the day from %s: idnsentinel audit --workspace --repair sends them again, READ_BACK=repair does so every day", done.Missing, done.Source, d.through.Format(time.RFC3339))
	case done.Unproven > 0:
		warning = fmt.Sprintf("%d of %d events of the day from %s have no id, or another time, so whether the workspace has them can't be proven", done.Unproven, done.Source, d.through.Format(time.RFC3339))
	}
	if done.NotYetVisible > 0 {
		// Another process has sent data meanwhile that the workspace may not show yet.
		d.next = time.Now().Add(DefaultSettle)
		if !repair { // it is reported next time
			warning = ""
		}
		return warning, nil
	}
	data, err := mark.Encode(mark.Mark{Through: to})
	if err != nil {
		return "", err
	}
	if d.etag, err = c.store.Put(ctx, key, data, d.etag); err != nil {
		return "", err
	}
	d.through = to
	return warning, nil
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
	}
	d.through, d.etag = m.Through, o.ETag
	return nil
}

// readBackBorder is a window boundary of every stream that can be audited.
const readBackBorder = 5 * time.Minute
