package check

import "sync"

// Queue puts the findings of things that are checked at the same time in the order of these things.
// The findings of the first that is not done are reported at once, those of later ones are held back.
type Queue struct {
	report Report

	mu    sync.Mutex
	first int // that is not done
	held  [][]Finding
	done  []bool
}

// NewQueue is for n things. Calls of report do not overlap.
func NewQueue(n int, report Report) *Queue {
	return &Queue{report: report, held: make([][]Finding, n), done: make([]bool, n)}
}

// Report reports a finding about thing i, or holds it back.
func (q *Queue) Report(i int, f Finding) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i == q.first {
		q.report(f)
		return
	}
	q.held[i] = append(q.held[i], f)
}

// Done ends the findings about thing i.
func (q *Queue) Done(i int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done[i] = true
	for q.first < len(q.done) && q.done[q.first] {
		if q.first++; q.first == len(q.done) {
			return
		}
		for _, f := range q.held[q.first] {
			q.report(f)
		}
		q.held[q.first] = nil
	}
}
