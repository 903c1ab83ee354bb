package pipeline

import "sync"

// Memory bounds what the runs of a process hold of fetched pages, all of them together. No run
// waits for another: one that finds nothing left fetches no page ahead of the one that it
// delivers, and so holds two pages more at most. A nil Memory has no bound.
type Memory struct {
	mu   sync.Mutex
	free int64
}

// NewMemory returns a bound of that many bytes.
func NewMemory(bytes int64) *Memory { return &Memory{free: bytes} }

// Free is what is left.
func (m *Memory) Free() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.free
}

// take takes n bytes if there are as many. It never waits.
func (m *Memory) take(n int64) bool {
	if m == nil {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > m.free {
		return false
	}
	m.free -= n
	return true
}

// give gives n bytes back.
func (m *Memory) give(n int64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free += n
}
