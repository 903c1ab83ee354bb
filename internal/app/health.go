package app

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/idn-sentinel/idn-sentinel/internal/app/health"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// countTimeout limits the listing of the quarantine: a state store that is down has already
// delayed the run enough.
const countTimeout = 2 * time.Second

// healthTimeout limits the time for health rows: the run is over, and its budget may be
// used up.
const healthTimeout = 10 * time.Second

// tellHealth writes one row for each stream of a source that was run. before is how many of the
// source's requests had been throttled before. If a row can't be written, it logs a warning and the
// run doesn't fail: alerts detect the missing row.
func (c *Connection) tellHealth(ctx context.Context, of source.Connector, reports []pipeline.Report, before int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
	defer cancel()
	run, stats := c.healthRun(time.Now()), of.Stats()
	run.Throttled, run.Deprecated = stats.Throttled-before, stats.Deprecated
	rows := make([]pipeline.Record, 0, len(reports))
	for _, rep := range reports {
		if rep.State == pipeline.Locked {
			continue // the other run writes the row
		}
		waiting, err := c.waiting(ctx, rep.Stream)
		if err != nil {
			c.log.Warn("quarantine could not be counted", "stream", rep.Stream, "error", err.Error())
		}
		row, err := health.Record(run, rep, waiting)
		if err != nil {
			c.log.Warn("health row could not be made", "stream", rep.Stream, "error", err.Error())
			continue
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return
	}
	if err := c.sink.Write(ctx, schema.Health().Stream.Name, rows); err != nil {
		c.log.Warn("health rows could not be written", "error", err.Error())
	}
}

// healthRun is what the health rows of a run have in common.
func (c *Connection) healthRun(ended time.Time) health.Run {
	return health.Run{ID: uuid.NewString(), Org: c.settings.Tenant, Version: version.String(), Ended: ended}
}

// writeHealth writes the row of something that is not a run of a stream. The destination must be open.
func (c *Connection) writeHealth(ctx context.Context, rep pipeline.Report, kept int64, ended time.Time) error {
	row, err := health.Record(c.healthRun(ended), rep, kept)
	if err != nil {
		return err
	}
	return c.sink.Write(ctx, schema.Health().Stream.Name, []pipeline.Record{row})
}

// waiting is the number of undelivered records of a stream; 0 if they can't be counted.
func (c *Connection) waiting(ctx context.Context, stream string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	n, _, err := c.Quarantine().Count(ctx, stream, quarantine.Undelivered)
	if err != nil {
		return 0, err
	}
	return n, nil
}
