package app

import (
	"context"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Unexplained returns the windows of a stream for which the source counts more records than
// it lists.
func (c *Connection) Unexplained(ctx context.Context, name string) ([]pipeline.Difference, error) {
	s, err := c.stream(name)
	if err != nil {
		return nil, err
	}
	return c.interactiveRunner(s).Unexplained(ctx)
}

// Acknowledge marks unexplained windows as acknowledged and returns those it marked. It
// waits for a run that is active on the stream.
func (c *Connection) Acknowledge(ctx context.Context, name string, windows []pipeline.Difference, word pipeline.Acknowledgement) ([]pipeline.Difference, pipeline.Report, error) {
	s, err := c.stream(name)
	if err != nil {
		return nil, pipeline.Report{}, err
	}
	done, rep := c.interactiveRunner(s).Acknowledge(ctx, windows, word)
	return done, rep, nil
}
