package sim

import (
	"maps"
	"slices"

	"github.com/idn-sentinel/idn-sentinel/internal/sandbox/fault"
)

// Kind names something that can go wrong, or be odd.
type Kind string

// The kinds. Each is counted, and can be switched off by its name.
const (
	// Of the data.
	Ties         Kind = "ties"         // many events in one millisecond
	Burst        Kind = "burst"        // many events in one second
	LateSeconds  Kind = "late-seconds" // indexed up to 20 s late
	LateMinutes  Kind = "late-minutes" // indexed minutes late
	LateLongest  Kind = "late-longest" // indexed almost as late as the oldest audit looks
	DoubleRow    Kind = "double-row"   // the index has an event twice
	Odd          Kind = "odd-event"    // a row that has to be changed to fit the table
	Poison       Kind = "poison"       // a row that the sink refuses
	NoID         Kind = "no-id"        // an event without id
	Undated      Kind = "undated"      // an event without created
	TenantClock  Kind = "tenant-clock" // the tenant's clock is off, and jumps
	SinkClock    Kind = "sink-clock"   // the workspace's clock is off
	RefuseIDSort Kind = "refuse-id-sort"
	UnstableTies Kind = "unstable-ties"
	FamilyOff    Kind = "family-off" // a family of paths answers 404
	Deprecated   Kind = "deprecated"

	// Of the process.
	KillBefore     Kind = "kill-before" // ahead of the effect of an operation
	KillAfter      Kind = "kill-after"  // behind it
	Stop           Kind = "stop"        // asked to end
	Restart        Kind = "restart"     // with other settings
	SecondInstance Kind = "second-instance"
	LostLease      Kind = "lost-lease"
	DeafLease      Kind = "deaf-lease" // lost, and noticed only later
	TickSkipped    Kind = "tick-skipped"
	TickLate       Kind = "tick-late"
	TickDouble     Kind = "tick-double"

	// Of the store.
	StoreBefore   Kind = "store-before" // fails, nothing happened
	StoreAfter    Kind = "store-after"  // fails, although it happened
	StoreConflict Kind = "store-conflict"
	StoreSlow     Kind = "store-slow"

	// Outages: everything of one side fails.
	TenantOutage Kind = "tenant-outage"
	SinkOutage   Kind = "sink-outage"
	StoreOutage  Kind = "store-outage"
)

// onTenant and onSink are the kinds of single requests that fail.
func onTenant(k fault.Kind) Kind { return "tenant-" + Kind(k) }
func onSink(k fault.Kind) Kind   { return "sink-" + Kind(k) }

// requestFaults are what may happen to a request. At the sink, [fault.ResetAfter]
// and [fault.Cut] are the ambiguous acknowledgements.
func requestFaults() []fault.Kind {
	return []fault.Kind{
		fault.TooManyRequests, fault.ServerError, fault.BadGateway, fault.Unavailable, fault.Unauthorized, fault.Reset,
		fault.Cut, fault.Malformed, fault.WrongShape, fault.ResetAfter, fault.Slow,
	}
}

// Kinds returns all kinds.
func Kinds() []Kind {
	all := []Kind{
		Ties, Burst, LateSeconds, LateMinutes, LateLongest, DoubleRow, Odd, Poison, NoID, Undated, TenantClock, SinkClock,
		RefuseIDSort, UnstableTies, FamilyOff, Deprecated,
		KillBefore, KillAfter, Stop, Restart, SecondInstance, LostLease, DeafLease, TickSkipped, TickLate, TickDouble,
		StoreBefore, StoreAfter, StoreConflict, StoreSlow, TenantOutage, SinkOutage, StoreOutage,
	}
	for _, k := range requestFaults() {
		all = append(all, onTenant(k))
		if k != fault.Unauthorized { // the workspace knows no tokens
			all = append(all, onSink(k))
		}
	}
	return all
}

// Counts is how often each kind happened.
type Counts map[Kind]int

// Add adds others.
func (c Counts) Add(others Counts) {
	for k, n := range others {
		c[k] += n
	}
}

// Sorted returns the kinds that happened, by name.
func (c Counts) Sorted() []Kind { return slices.Sorted(maps.Keys(c)) }
