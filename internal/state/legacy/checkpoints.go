package legacy

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

var _ pipeline.Checkpoints = (*Checkpoints)(nil)

// Checkpoints adds an older connector's checkpoint to those of this one: a stream without one of its
// own begins where the older connector stopped.
type Checkpoints struct {
	pipeline.Checkpoints
	// Beginning is where the stream begins; its zero value if the older connector left nothing.
	Beginning func(context.Context) (source.Beginning, error)
	Log       *slog.Logger
}

// Load implements [pipeline.Checkpoints].
func (c *Checkpoints) Load(ctx context.Context, stream string) (pipeline.Checkpoint, error) {
	saved, err := c.Checkpoints.Load(ctx, stream)
	if err != nil || saved.Tag != "" {
		return saved, err
	}
	begin, err := c.Beginning(ctx)
	if err != nil {
		return pipeline.Checkpoint{}, fmt.Errorf("begin where the old connector stopped: %w", err)
	}
	if begin.Cursor == "" {
		return saved, nil
	}
	saved.Cursor = begin.Cursor
	c.Log.Info("beginning where the old connector stopped", "stream", stream, "begins", begin.Says)
	return saved, nil
}
