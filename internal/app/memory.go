package app

import "github.com/idn-sentinel/idn-sentinel/internal/config"

const (
	// baseMemory is what the Go runtime aims to stay under with one connection at a LIMIT of up
	// to 1000: the 64 MiB that are promised for the whole process, less what the runtime does
	// not count, above all the pages of the binary itself.
	baseMemory = 48 << 20
	// connectionMemory is added for each further connection, of which 8 MiB are promised.
	connectionMemory = 6 << 20
	// eventMemory is added for each event of a page beyond 1000: pages of 1 KB an event that
	// are gathered, fetched ahead, and in flight, twice over for garbage.
	eventMemory = 10 << 10
	// pageMemory is what all connections together hold of fetched pages beyond what each
	// needs in any case: what one with a backlog can make use of.
	pageMemory = 24 << 20
)

// MemoryLimit is a soft limit of memory in bytes for the number of connections and the largest
// pages that the settings ask for. One that is below what the pages take makes the runtime
// collect garbage without end.
func MemoryLimit(s config.Settings) int64 {
	return baseMemory + int64(max(len(s.Connections)-1, 0))*connectionMemory + beyond(s)
}

// beyond is what pages of more than 1000 events take.
func beyond(s config.Settings) int64 {
	limit := 0
	for _, c := range s.Connections {
		limit = max(limit, largestPage(c))
	}
	return int64(max(limit-1000, 0)) * eventMemory
}
