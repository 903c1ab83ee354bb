package daemon

import "time"

// SetClock replaces the clock that decides when files are looked at.
func (c *Certificate) SetClock(now func() time.Time) { c.now = now }
