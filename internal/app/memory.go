package app

import (
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
)

const (
	// baseMemory is the Go runtime's soft limit with one connection and a LIMIT of up to
	// 1000: the promised 64 MiB for the whole process, minus what the runtime doesn't
	// count, mainly the pages of the binary itself.
	baseMemory = 43 << 20
	// connectionMemory is added for each further connection, for which 8 MiB are promised.
	connectionMemory = 6 << 20
	// idleMemory is added for each connection that is not being polled, if only some are at a time.
	idleMemory = 256 << 10
	// eventMemory is added for each event of a page beyond 1000. It allows for events of 1
	// KB in pages that are gathered, prefetched and in flight, doubled for garbage.
	eventMemory = 10 << 10
	// pageMemory is how much fetched data all sources together may hold beyond what
	// each always needs. It is enough for one source with a backlog.
	pageMemory = 24 << 20
	// sourceMemory is what each further source of a connection takes of that for its own
	// needs: a page that is fetched and one that is sent, and what the runtime adds.
	sourceMemory = 6 << 20
)

// MemoryLimit returns a soft memory limit in bytes for the number of connections and their
// largest pages. A limit below what the pages take would make the runtime collect garbage
// constantly.
func MemoryLimit(s config.Settings) int64 {
	n := int64(len(s.Connections))
	busy := n
	if s.FanOut {
		busy = min(n, fanout.AtOnce)
	}
	return baseMemory + max(busy-1, 0)*connectionMemory + (n-busy)*idleMemory + beyond(s)
}

// beyond is the memory for pages of more than 1000 events.
func beyond(s config.Settings) int64 {
	limit := 0
	for _, c := range s.Connections {
		limit = max(limit, largestPage(c))
	}
	return int64(max(limit-1000, 0)) * eventMemory
}

// MemoryLimit is that limit for the connections of the app.
func (a *App) MemoryLimit() int64 {
	var s config.Settings
	for _, c := range a.connections {
		s.Connections = append(s.Connections, c.settings)
	}
	return MemoryLimit(s)
}
