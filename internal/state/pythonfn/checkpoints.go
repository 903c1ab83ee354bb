package pythonfn

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// overlap is how far before the function's time the stream begins, at least.
// Events that were indexed even later are found by comparing with the workspace,
// see docs/migrate.md. It is also the width of the audited windows.
const overlap = 5 * time.Minute

// Begin is where the stream begins if the function stopped at that time: five to
// ten minutes earlier, on the border of a window. Audits compare whole windows, and
// would add the rest of a window in whose middle the stream began.
func Begin(stopped time.Time) time.Time { return stopped.Add(-overlap).Truncate(overlap) }

var _ pipeline.Checkpoints = (*Checkpoints)(nil)

// Checkpoints adds the function's checkpoint to those of the connector: a
// stream without one of its own begins where the function stopped.
type Checkpoints struct {
	pipeline.Checkpoints
	// CreatedTime is [Table.CreatedTime].
	CreatedTime func(context.Context) (time.Time, error)
	// Cursor returns the source's cursor before everything that happened at a time or later.
	Cursor func(time.Time) pipeline.Cursor
	Log    *slog.Logger
}

// Load implements [pipeline.Checkpoints].
func (c *Checkpoints) Load(ctx context.Context, stream string) (pipeline.Checkpoint, error) {
	saved, err := c.Checkpoints.Load(ctx, stream)
	if err != nil || saved.Tag != "" {
		return saved, err
	}
	at, err := c.CreatedTime(ctx)
	if err != nil {
		return pipeline.Checkpoint{}, fmt.Errorf("begin where the old connector stopped: %w", err)
	}
	if at.IsZero() {
		return saved, nil
	}
	begin := Begin(at)
	saved.Cursor = c.Cursor(begin)
	c.Log.Info("beginning where the old connector stopped", "stream", stream, "created_time", at, "from", begin)
	return saved, nil
}
