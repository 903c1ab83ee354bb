package cli

import (
	"os"
	"runtime/debug"
)

// holdMemory sets the soft memory limit for a command that moves data, so that it keeps the promise that
// the function keeps, until the returned function is called. GOMEMLIMIT takes precedence.
func holdMemory(limit int64) (restore func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(limit)
	return func() { debug.SetMemoryLimit(before) }
}
