package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
)

// Checkpoint is what is stored about how far a stream is.
type Checkpoint struct {
	File checkpoint.File
	// At is the moment of the cursor; zero if the stream has none.
	At time.Time
	// Short is the stream's name for people.
	Short string
}

// Stored is the checkpoint itself.
func (c *Checkpoint) Stored() pipeline.Checkpoint { return c.File.Checkpoint }

// Checkpoint reads how far a stream is.
func (c *Connection) Checkpoint(ctx context.Context, name string) (Checkpoint, error) {
	s, err := c.stream(name)
	if err != nil {
		return Checkpoint{}, err
	}
	out := Checkpoint{Short: s.Short}
	out.File, err = checkpoint.New(c.store, c.settings.Tenant).Read(ctx, name)
	if cursor := out.Stored().Cursor; err == nil && s.TimeOf != nil && cursor != "" {
		out.At, err = s.TimeOf(cursor)
	}
	return out, err
}

// ErrNotMovable means that a stream can't begin at a moment or a cursor of a person's choice.
var ErrNotMovable = errors.New("its source has no place for a moment")

// MoveCheckpoint sets the checkpoint of a stream to a moment, or to a cursor if there is one, and
// waits for a run that is active on the stream. With rehearse it only says what that would mean.
func (c *Connection) MoveCheckpoint(ctx context.Context, name string, at time.Time, cursor pipeline.Cursor, rehearse bool) (pipeline.Moved, pipeline.Report, error) {
	s, err := c.stream(name)
	switch {
	case err != nil:
		return pipeline.Moved{}, pipeline.Report{}, err
	case s.StartAt == nil || s.TimeOf == nil:
		return pipeline.Moved{}, pipeline.Report{}, ErrNotMovable
	case cursor == "":
		cursor = s.StartAt(at)
	}
	if at, err = s.TimeOf(cursor); err != nil {
		return pipeline.Moved{}, pipeline.Report{}, err
	}
	r := c.interactiveRunner(s)
	r.Checkpoints = checkpoint.New(c.store, c.settings.Tenant)
	m, rep := r.Move(ctx, pipeline.Place{Cursor: cursor, At: at, Was: s.TimeOf}, rehearse)
	return m, rep, nil
}

// AdoptCheckpoint stores where an older connector stopped as the checkpoint of a stream that has
// none. It waits for a run that is active on the stream. after.Cursor is empty if there is nothing to
// adopt; the tags of both are equal if nothing had to be done.
func (c *Connection) AdoptCheckpoint(ctx context.Context, name string) (before, after pipeline.Checkpoint, rep pipeline.Report, err error) {
	s, err := c.stream(name)
	if err != nil {
		return before, after, rep, err
	}
	if err := c.open(); err != nil {
		return before, after, rep, fmt.Errorf("open where the older connector stopped: %w", err)
	}
	before, after, rep = c.interactiveRunner(s).Adopt(ctx)
	return before, after, rep, nil
}

// Inheriting returns the streams that may begin where an older connector stopped.
func (c *Connection) Inheriting() (names []string) {
	for _, s := range c.streams {
		if s.Inherits != nil {
			names = append(names, s.Stream().ID)
		}
	}
	return names
}

// Follows reports whether there is an older connector whose checkpoint may be continued.
func (c *Connection) Follows() bool {
	c.opening.Lock()
	defer c.opening.Unlock()
	return c.legacy != nil
}

// Audits reports whether audits compare the windows of a stream.
func (c *Connection) Audits(name string) bool {
	s, err := c.stream(name)
	return err == nil && s.audited() && len(c.auditAges(s)) > 0
}
