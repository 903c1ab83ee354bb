package app

import "github.com/idn-sentinel/idn-sentinel/internal/config"

const (
	// baseMemory is what the Go runtime aims to stay under at a LIMIT of up to 1000: the
	// 64 MiB that are promised for the whole process, less what the runtime does not
	// count, above all the pages of the binary itself.
	baseMemory = 48 << 20
	// eventMemory is added for each event of a page beyond that: pages of 1 KB an event that
	// are gathered, fetched ahead, and on their way, twice over for garbage.
	eventMemory = 10 << 10
)

// MemoryLimit is a soft limit of memory in bytes for the largest pages that the settings
// ask for. One that is below what the pages take makes the runtime collect garbage without
// end.
func MemoryLimit(s config.Settings) int64 {
	limit := 0
	for _, c := range s.Connections {
		limit = max(limit, largestPage(c))
	}
	return baseMemory + int64(max(limit-1000, 0))*eventMemory
}
