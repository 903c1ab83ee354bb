package config

import (
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/ncrontab"
)

// schedule reads an NCRONTAB text, and returns what is wrong with it, or "". For an invalid
// one the host only logs a line and disables the function.
func schedule(text string) (s ncrontab.Schedule, complaint string) {
	s, err := ncrontab.Parse(text, shown)
	if err != nil {
		return s, err.Error()
	}
	if _, ok := s.Next(time.Now()); !ok {
		return s, "never comes: there is no such day, as with 30 February"
	}
	return s, ""
}
