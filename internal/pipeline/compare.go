package pipeline

import (
	"context"
	"time"
)

// auditable is what is asked of a source whose windows are compared by their counts.
type auditable interface {
	Counter
	WindowReader
}

// comparison compares source and ledger by their counts, and narrows down where they differ.
type comparison struct {
	*session
	ledger Ledger
	src    auditable
	// known is the difference in a range that is known and needs no look.
	known func(from, to time.Time) int64
	// found is called for each window that differs by another number.
	found func(ctx context.Context, from, to time.Time, have, want int64) error
	// checked, if set, is called when windows are done.
	checked func()
}

// compare compares [from, to), and narrows it down where it differs. It returns the counts
// of the whole.
func (c comparison) compare(ctx context.Context, from, to time.Time) (have, want int64, err error) {
	if !c.pace.timeLeft(ctx) {
		return 0, 0, errNoTime
	}
	if have, want, err = c.counts(ctx, from, to); err != nil {
		return have, want, err
	}
	return have, want, c.narrow(ctx, from, to, have, want)
}

// narrow halves [from, to), whose counts are given, as long as they differ. Only one half of
// the two is counted: the other has the rest.
func (c comparison) narrow(ctx context.Context, from, to time.Time, have, want int64) error {
	pieces := int64(to.Sub(from) / c.AuditPolicy.Window)
	if c.checked != nil {
		defer c.checked()
	}
	switch {
	case want-have == c.known(from, to):
		c.report.WindowsChecked += pieces
		return nil
	case pieces == 1:
		c.report.WindowsChecked++
		c.report.Mismatches++
		return c.found(ctx, from, to, have, want)
	case !c.pace.timeLeft(ctx):
		return errNoTime
	}
	mid := from.Add(time.Duration(pieces/2) * c.AuditPolicy.Window)
	first, wanted, err := c.counts(ctx, from, mid)
	if err != nil {
		return err
	}
	if err := c.narrow(ctx, from, mid, first, wanted); err != nil {
		return err
	}
	return c.narrow(ctx, mid, to, have-first, want-wanted)
}

// counts asks the ledger and the source.
func (c comparison) counts(ctx context.Context, from, to time.Time) (have, want int64, err error) {
	if have, err = c.ledger.Count(ctx, from, to); err != nil {
		return 0, 0, err
	}
	err = c.Retry.Do(ctx, c.countRetry("count"), func(ctx context.Context) (err error) {
		want, err = c.src.Count(ctx, from, to)
		return err
	})
	if err != nil {
		return 0, 0, &auditError{err}
	}
	return have, want, nil
}
