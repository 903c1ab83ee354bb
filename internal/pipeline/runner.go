package pipeline

import (
	"context"
	"log/slog"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/retry"
)

// Runner runs one stream. The adapters are required, the rest has useful zero values.
type Runner struct {
	Source      Source
	Sink        Sink
	Locks       Locks
	Checkpoints Checkpoints
	// OpenLedger opens the stream's ledger for one run.
	OpenLedger func() Ledger
	Quarantine Quarantine
	// Spool, if set, takes what the sink does not, so that the checkpoint can advance
	// before the source forgets. The run counts as failed all the same.
	Spool Spool
	// Uncommitted, if set, carries from run to run what was acknowledged and could not be
	// committed.
	Uncommitted *Uncommitted
	// Memory, if set, bounds the pages that are held. The runners of a process share it.
	Memory *Memory
	// Remembers is how long the source keeps a record; 0 means for ever. A run that
	// comes later than that after the last that read to the end warns of what may be lost.
	Remembers time.Duration
	// Clock, if set, is asked before anything that a wrong clock would make destructive: a run
	// whose clock is off delivers, and then fails without auditing and pruning.
	Clock Clock
	// Longest is the longest that a run can hold the stream's lock, see [Overtime]. Held for
	// longer with nothing saved, the lock can't belong to a run, and the run fails
	// instead of being [Locked]. 0 means no limit.
	Longest time.Duration
	// Lookback is how far back a stream begins that has no checkpoint. Where it is set, a run
	// without one warns: it is the first, or its state is gone.
	Lookback time.Duration
	// AuditPolicy says how closed windows are audited; the zero value audits nothing.
	AuditPolicy AuditPolicy
	Retry       retry.Policy
	Log         *slog.Logger
	// Progress, if set, is called after every commit with the numbers so far.
	Progress func(Report)
	// Saving, if set, is called with the numbers so far before the checkpoint moves.
	Saving func(Report)
	// Needed, if set, returns the moment from which on something else needs the ledger; zero if
	// nothing does. Later windows are not removed, however old they are.
	Needed func(ctx context.Context) (time.Time, error)
}

// Run does one run: it delivers what the source has until nothing is left, the
// deadline of ctx comes near, ctx is cancelled (both end as [Budget]), or
// something fails that does not pass. It never panics.
func (r *Runner) Run(ctx context.Context) Report {
	return r.locked(ctx, func(ctx context.Context, s *session) (State, error) { return s.run(ctx) })
}
