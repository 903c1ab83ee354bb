package sailpoint

import (
	"context"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/source"
)

// overlap is how far before the Python function's time the stream begins, at least. The function
// searched strictly later than its checkpoint and sent one page of results, so events of the same
// millisecond and events that were indexed late may be missing around the point where it stopped.
// Those that it did send are sent again. Events that were indexed even later are found by comparing
// with the workspace, see docs/migrate.md.
const overlap = window

// beginAfter is where the stream begins if the Python function stopped at that time: five to ten
// minutes earlier, on the border of a window. Audits compare whole windows, and would add the rest of
// a window in whose middle the stream began.
func beginAfter(stopped time.Time) time.Time { return stopped.Add(-overlap).Truncate(overlap) }

// inherit begins where the Python function stopped.
func (e *Events) inherit(ctx context.Context, old source.Legacy) (source.Beginning, error) {
	stopped, err := old.CreatedTime(ctx)
	if err != nil || stopped.IsZero() {
		return source.Beginning{}, err
	}
	begin := beginAfter(stopped)
	return source.Beginning{
		Cursor: e.StartAt(begin),
		Says:   fmt.Sprintf("at %s, since the old connector stopped at %s", begin.Format(time.RFC3339), stopped.Format(time.RFC3339)),
	}, nil
}
