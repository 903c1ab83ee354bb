package sim

import (
	"fmt"
	"strings"
	"time"
)

// Totals are the sums over many plays.
type Totals struct {
	Seeds, Failed                                  int
	Virtual                                        time.Duration
	Events, Rows, Twice, Polls, Requests, StateOps int
	Counts                                         Counts
}

// Add adds a play.
func (t *Totals) Add(r Result) {
	if t.Counts == nil {
		t.Counts = Counts{}
	}
	t.Seeds++
	if len(r.Broken) > 0 {
		t.Failed++
	}
	t.Virtual += r.Virtual
	t.Events += r.Events
	t.Rows += r.Rows
	t.Twice += r.Twice
	t.Polls += r.Polls
	t.Requests += r.Requests
	t.StateOps += r.StateOps
	t.Counts.Add(r.Counts)
}

func (t Totals) String() string {
	return fmt.Sprintf("%d seeds, %d failed: %.0f days of virtual time, %d polls, %d records at the source, %d rows arrived, %d of them again, %d requests to the tenant, %d state operations",
		t.Seeds, t.Failed, t.Virtual.Hours()/24, t.Polls, t.Events, t.Rows, t.Twice, t.Requests, t.StateOps)
}

// Table lists how often each kind happened.
func (t Totals) Table() string {
	var b strings.Builder
	for _, k := range t.Counts.Sorted() {
		fmt.Fprintf(&b, "  %-26s %8d\n", k, t.Counts[k])
	}
	return b.String()
}
