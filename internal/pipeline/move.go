package pipeline

import (
	"context"
	"slices"
	"time"
)

// Skipped is the reason of windows that a person moved the checkpoint past. Whether everything in
// them was delivered is for an audit to say.
const Skipped Acceptance = "skipped"

// Place is where a person lets a stream continue.
type Place struct {
	Cursor Cursor
	// At is the moment of the cursor: what happened then or later follows.
	At time.Time
	// Was returns the moment of the cursor that is replaced, for a stream that does not know up to
	// when it is delivered.
	Was func(Cursor) (time.Time, error)
}

// Moved is what a [Runner.Move] does, or would do.
type Moved struct {
	Before, After Checkpoint
	// Damaged is why the checkpoint before it could not be read; nil if it could.
	Damaged error
	// From and To bound the event time that is read again, or, if Ahead is set, not at all by the
	// runs to come. Both are zero if the stream had no place before.
	From, To time.Time
	Ahead    bool
	// At is the moment of the new place, and Skipped what counts as unexplained.
	At      time.Time
	Skipped Difference
}

// Replacer is a [Checkpoints] that can replace a checkpoint that can't be read.
type Replacer interface {
	// Damaged reports whether a failed Load means that there is one to replace.
	Damaged(err error) bool
	// Replace stores next in the place of what is damaged. It fails if that was written by a newer
	// version.
	Replace(ctx context.Context, stream string, next Checkpoint) (Checkpoint, error)
}

// Move sets the checkpoint, and says what that means. It needs the stream's lock. With rehearse,
// which needs no lock, nothing changes.
//
// What was delivered is still known afterwards: on the way back it is not sent twice, as far as the
// ledger remembers. On the way ahead the range that is passed over counts as unexplained until a
// person acknowledges it. Audits go by what they have compared, and not by the cursor, so they
// deliver what they reach of it.
func (r *Runner) Move(ctx context.Context, to Place, rehearse bool) (m Moved, rep Report) {
	move := func(ctx context.Context, s *session) (State, error) {
		err := s.load(ctx)
		replacer, ok := s.Checkpoints.(Replacer)
		switch {
		case err != nil && (!ok || !replacer.Damaged(err)):
			return s.outcome(ctx, err, 0)
		case err != nil:
			m = Moved{Damaged: err, At: to.At, After: Checkpoint{Cursor: to.Cursor}}
			if err = nil; !rehearse {
				_, err = replacer.Replace(ctx, s.report.Stream, m.After)
			}
		default:
			m = s.saved.moved(to, s.AuditPolicy.Window)
			if s.next = m.After; !rehearse {
				err = s.saveCheckpoint(ctx)
			}
		}
		if err != nil {
			return s.outcome(ctx, err, 0)
		}
		return Drained, nil
	}
	if !rehearse {
		rep = r.locked(ctx, move)
		return m, rep // after move has set m
	}
	s := r.newSession()
	s.end(move(ctx, s))
	return m, s.report
}

// moved returns the checkpoint at another place. width is the width of a window.
func (c Checkpoint) moved(to Place, width time.Duration) Moved {
	m := Moved{Before: c, After: c, At: to.At}
	m.After.Cursor = to.Cursor
	old := c.Through
	if old.IsZero() && c.Cursor != "" && to.Was != nil {
		old, _ = to.Was(c.Cursor) // unknown is zero
	}
	if old.IsZero() {
		return m
	}
	m.From, m.To, m.Ahead = to.At, old, to.At.After(old)
	if m.Ahead {
		m.From, m.To = old, to.At
	}
	if !c.Through.IsZero() {
		m.After.Through = to.At
	}
	if !c.Since.IsZero() && to.At.Before(c.Since) {
		m.After.Since = to.At
	}
	if m.Ahead {
		from, end := old.Truncate(width), to.At.Truncate(time.Second) // a person can type it
		width = max(width, time.Second)
		m.Skipped = Difference{From: from, To: end, Windows: int64((end.Sub(from) + width - 1) / width), Reason: Skipped}
		m.After.Audit.Unexplained = append(slices.Clone(c.Audit.Unexplained), m.Skipped)
	}
	return m
}

// Adopt stores the checkpoint that [Checkpoints] finds for a stream without one, for instance an
// older connector's. It needs the stream's lock. before is what was there; after, what is.
func (r *Runner) Adopt(ctx context.Context) (before, after Checkpoint, rep Report) {
	rep = r.locked(ctx, func(ctx context.Context, s *session) (State, error) {
		if err := s.load(ctx); err != nil {
			return s.outcome(ctx, err, 0)
		}
		before, after = s.saved, s.saved
		if s.saved.Tag != "" || s.saved.Cursor == "" {
			return Drained, nil
		}
		s.next = s.saved
		if err := s.saveCheckpoint(ctx); err != nil {
			return s.outcome(ctx, err, 0)
		}
		after = s.saved
		return Drained, nil
	})
	return before, after, rep
}

// Skipped reports whether the checkpoint was moved past the windows.
func (d Difference) Skipped() bool { return d.Reason == Skipped }
