package sim

import (
	"maps"
	"slices"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
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
	CappedPages  Kind = "capped-pages" // a page never holds more than some, whatever was asked
	OutsideRow   Kind = "outside-row"  // a search answers with a row of the year 9999 besides
	FutureEvent  Kind = "future-event" // dated minutes ahead of when it can be found
	TalkingSink  Kind = "talking-sink" // the workspace's acknowledgements have a body
	BadText      Kind = "bad-text"     // a row with a control character, an escape or a word that JSON does not have
	DeepRow      Kind = "deep-row"     // a row with more levels than can be read
	NullRow      Kind = "null-row"     // null, or another value, where a row belongs
	CutRow       Kind = "cut-row"      // a row that ends too early, and takes its page along
	HugeRow      Kind = "huge-row"     // a row that is larger than a page may be
	TwinRows     Kind = "twin-rows"    // two rows without id that are the same, byte for byte
	Unlisted     Kind = "unlisted"     // an event that is counted and on no page
	LostRow      Kind = "lost-row"     // the workspace acknowledges it and does not keep it

	// Of the guests, which are further sources beside the tenant.
	Okta         Kind = "okta"         // an Okta org is one
	IIQ          Kind = "iiq"          // an IdentityIQ server is one
	GuestTies    Kind = "guest-ties"   // several events in one millisecond
	GuestLate    Kind = "guest-late"   // found late, up to almost as late as the oldest audit looks
	GuestOutage  Kind = "guest-outage" // all of its requests fail
	GuestForeign Kind = "guest-page"   // something else answers
	OktaCursor   Kind = "okta-cursor"  // the org refuses a place in the log that it gave
	OktaApp      Kind = "okta-app"     // the org is read with a service app, which proves its key
	OktaRevoked  Kind = "okta-revoked" // all of the org's tokens become invalid
	OktaProof    Kind = "okta-proof"   // the org refuses a proof
	IIQLists     Kind = "iiq-lists"    // the server's syslog and lists are read, too
	IIQChange    Kind = "iiq-change"   // a resource of a list changes
	IIQRemoved   Kind = "iiq-removed"  // or is removed

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
	ClockJump      Kind = "clock-jump" // its clock is far ahead for some runs
	ClockBehind    Kind = "clock-behind"
	ReadBack       Kind = "read-back"  // it asks the workspace what has arrived
	Accept         Kind = "accept"     // a person accepts unexplained windows
	Resend         Kind = "resend"     // a person sends what is in quarantine again
	PushTwice      Kind = "push-twice" // the same push comes again
	PushBurst      Kind = "push-burst" // many at the same moment
	KillHook       Kind = "kill-hook"  // the process that receives
	// Of reports, which come from SaaS Management.
	ReportTwice   Kind = "report-twice"   // the same one comes again, at once or later
	ReportChanged Kind = "report-changed" // it comes again with a row more
	ReportCut     Kind = "report-cut"     // its sender is gone in the middle of it
	ReportOdd     Kind = "report-odd"     // a row of it can't be read, or all of it
	ReportLarge   Kind = "report-large"   // it is stored in several parts
	// Of the workflow that reports are forwarded to.
	Workflow    Kind = "workflow"          // there is one
	FlowRefused Kind = "workflow-refuses"  // it takes no large inputs
	FlowOff     Kind = "workflow-off"      // it is not enabled for a while
	FlowSecret  Kind = "workflow-secret"   // its secret is refused for a while
	FlowOutage  Kind = "workflow-outage"   // all of its requests fail
	FlowForeign Kind = "workflow-page"     // something else answers
	FlowRepeat  Kind = "forwarding-repeat" // a person has what is kept forwarded again
	FlowDrop    Kind = "forwarding-drop"   // or drops it
	KillFlow    Kind = "kill-forwarding"   // the process dies at a post, or at what is stored of it

	// Of the store.
	StoreBefore   Kind = "store-before" // fails, nothing happened
	StoreAfter    Kind = "store-after"  // fails, although it happened
	StoreConflict Kind = "store-conflict"
	StoreSlow     Kind = "store-slow"
	StrangerLease Kind = "stranger-lease" // somebody who is not a run holds a stream's lock
	LostMark      Kind = "lost-mark"      // a checkpoint is deleted
	LostState     Kind = "lost-state"     // everything is deleted
	LedgerPruned  Kind = "ledger-pruned"  // a window of the ledger is let go of; counted, not drawn
	LongPause     Kind = "long-pause"     // a day or two without a run, after which the ledger is pruned

	// Outages: everything of one side fails.
	TenantOutage Kind = "tenant-outage"
	SinkOutage   Kind = "sink-outage"
	StoreOutage  Kind = "store-outage"
	// These do not fail, and lie: a store that reads and does not write, a workspace that
	// refuses whatever it gets, and something in between that answers in its place.
	StoreFull   Kind = "store-full"
	SinkRefusal Kind = "sink-refusal"
	SinkForeign Kind = "sink-foreign"

	// Single requests that something else than the service answers.
	SinkEarly     Kind = "sink-early" // acknowledged before the body was sent
	SinkPage      Kind = "sink-page"
	TenantForeign Kind = "tenant-page"
)

// onTenant, onSink and onGuest are the kinds of single requests that fail.
func onTenant(k fault.Kind) Kind { return "tenant-" + Kind(k) }
func onSink(k fault.Kind) Kind   { return "sink-" + Kind(k) }
func onGuest(k fault.Kind) Kind  { return "guest-" + Kind(k) }

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
	all := append(weatherKinds(), ReportTwice, ReportChanged, ReportCut, ReportOdd, ReportLarge, Okta, IIQ, GuestTies, GuestLate, GuestOutage, GuestForeign, OktaCursor, OktaApp, OktaRevoked, OktaProof, IIQLists, IIQChange, IIQRemoved)
	all = append(all, Workflow, FlowRefused, FlowOff, FlowSecret, FlowOutage, FlowForeign, FlowRepeat, FlowDrop, KillFlow)
	for _, k := range requestFaults() {
		all = append(all, onGuest(k), onFlow(k))
	}
	return all
}

// weatherKinds are those for which each phase draws a rate: one more would change all seeds.
func weatherKinds() []Kind {
	all := []Kind{
		Ties, Burst, LateSeconds, LateMinutes, LateLongest, DoubleRow, Odd, Poison, NoID, Undated, TenantClock, SinkClock,
		RefuseIDSort, UnstableTies, FamilyOff, Deprecated, CappedPages, OutsideRow, FutureEvent, TalkingSink,
		BadText, DeepRow, NullRow, CutRow, HugeRow, TwinRows, Unlisted, LostRow,
		KillBefore, KillAfter, Stop, Restart, SecondInstance, LostLease, DeafLease, TickSkipped, TickLate, TickDouble, ClockJump, ClockBehind, ReadBack, Accept, Resend, PushTwice, PushBurst, KillHook,
		StoreBefore, StoreAfter, StoreConflict, StoreSlow, StrangerLease, LostMark, LostState, LongPause,
		TenantOutage, SinkOutage, StoreOutage, StoreFull, SinkRefusal, SinkForeign, SinkEarly, SinkPage, TenantForeign,
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
