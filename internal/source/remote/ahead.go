package remote

import (
	"fmt"
	"math"
	"time"
)

// Ahead is the error for a stream whose cursor is at a moment that is more than slack after now: until
// that moment the stream would look quiet. It is nil for any other.
func Ahead(stream string, at, now time.Time, slack time.Duration) error {
	if !at.After(now.Add(slack)) {
		return nil
	}
	by := ""
	if d := at.Sub(now); d < math.MaxInt64 { // otherwise the difference is longer than a duration can be
		by = d.Round(time.Second).String() + " "
	}
	return fmt.Errorf("the checkpoint's cursor is at %s, which is %sahead of this machine's clock, and earlier events would be skipped: "+
		"if the clock is wrong, set it; if not, an event dated in the future or a clock that was ahead moved the cursor there: set it back with "+
		"idnsentinel checkpoint set --stream %s --to TIME, a time before the last events that were delivered: the stream continues there, and repeats only records that the ledger no longer has",
		at.UTC().Format("2006-01-02T15:04:05.000Z07:00"), by, stream)
}
