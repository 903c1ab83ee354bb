package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lockedOut ends a run that found its stream locked. Usually another run is at work, which
// is just as good. A lock that outlasts every run is a failure: nothing is delivered until
// it is released.
func (s *session) lockedOut(ctx context.Context, locked error) (State, error) {
	if err := s.load(ctx); err != nil {
		return s.outcome(ctx, err, 0)
	}
	if s.Longest == 0 {
		return Locked, nil
	}
	if off := s.clockOff(); off != nil { // by which any lock may seem to be an old one
		return Failed, off
	}
	since, err := s.Locks.Since(ctx, s.report.Stream, s.saved.Tag)
	if err != nil {
		return s.outcome(ctx, err, 0)
	}
	if held := time.Since(since); held > s.Longest {
		return Failed, Stuck(locked, held, s.Longest)
	}
	return Locked, nil
}

// Stuck is the error for a lock that has been held for too long.
func Stuck(locked error, held, longest time.Duration) error {
	text := "it has been for %v with nothing saved, and no run takes longer than %v, so nothing is delivered until it is released"
	var of *LockedError
	if errors.As(locked, &of) && of.Remedy != "" {
		text += ": " + of.Remedy
	}
	return fmt.Errorf("%w; "+text, locked, held.Round(time.Second), longest)
}
