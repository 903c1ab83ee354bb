package watch

import (
	"context"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

// Rates are the choices for events a second that come on top of those of the stage.
func Rates() []int { return []int{0, 10, 100, 500} }

// more makes events happen on top of those of the stage, at a rate that may change.
type more struct {
	tenant *tenant.Tenant

	mu   sync.Mutex
	rate int
	ids  []string // of what happened, the newest last
}

// run makes them until ctx ends.
func (m *more) run(ctx context.Context) {
	const pause = 200 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for batch := int64(0); ; batch++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		m.mu.Lock()
		n := m.rate * int(pause) / int(time.Second)
		m.mu.Unlock()
		now := time.Now()
		events := synth.New(synth.Options{Seed: 1_000_000 + batch, Start: now.UTC(), Rate: 1e6})
		for i := range n {
			m.tenant.AddEvent(events.Event(i), now)
			m.mu.Lock()
			m.ids = append(m.ids, events.ID(i))
			m.mu.Unlock()
		}
	}
}

func (m *more) set(rate int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rate = rate
}

// audit compares what happened up to the newest of it that arrived with the ids of the rows.
func (m *more) audit(rows map[string]int) (rate, expected, missing, twice int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, id := range m.ids {
		if n := rows[id]; n > 0 {
			expected = i + 1
			twice += n - 1
		}
	}
	for _, id := range m.ids[:expected] {
		if rows[id] == 0 {
			missing++
		}
	}
	return m.rate, expected, missing, twice
}
