package app

import (
	"context"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Unexplained are the windows of a stream of which the source counts more than it lists.
func (c *Connection) Unexplained(ctx context.Context, name string) ([]pipeline.Difference, error) {
	s, err := c.stream(name)
	if err != nil {
		return nil, err
	}
	return c.interactiveRunner(s).Unexplained(ctx)
}

// Acknowledge takes windows off the unexplained ones and returns what it took off. It waits
// for a run that is at work on the stream.
func (c *Connection) Acknowledge(ctx context.Context, name string, windows []pipeline.Difference, word pipeline.Acknowledgement) ([]pipeline.Difference, pipeline.Report, error) {
	s, err := c.stream(name)
	if err != nil {
		return nil, pipeline.Report{}, err
	}
	done, rep := c.interactiveRunner(s).Acknowledge(ctx, windows, word)
	return done, rep, nil
}
