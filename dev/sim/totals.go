package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
)

// Totals are the sums over many plays.
type Totals struct {
	Seeds, Failed                                  int
	Virtual                                        time.Duration
	Events, Rows, Twice, Polls, Requests, StateOps int
	Starts, Repeated                               int
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
	t.Starts += r.Starts
	t.Repeated += r.Repeated
	t.Counts.Add(r.Counts)
}

func (t Totals) String() string {
	text := fmt.Sprintf("%d seeds, %d failed: %.0f days of virtual time, %d polls, %d records at the source, %d rows arrived, %d of them again, %d requests to the tenant, %d state operations",
		t.Seeds, t.Failed, t.Virtual.Hours()/24, t.Polls, t.Events, t.Rows, t.Twice, t.Requests, t.StateOps)
	if t.Starts > 0 {
		text += fmt.Sprintf(", %d starts of the workflow, %d of them repetitions", t.Starts, t.Repeated)
	}
	return text
}

// Table lists how often each kind happened.
func (t Totals) Table() string {
	var b strings.Builder
	for _, k := range t.Counts.Sorted() {
		fmt.Fprintf(&b, "  %-26s %8d\n", k, t.Counts[k])
	}
	return b.String()
}

// Markdown are the rows of docs/measurements.md.
func (t Totals) Markdown() string {
	var b strings.Builder
	row := func(what string, numbers ...int) {
		texts := make([]string, len(numbers))
		for i, n := range numbers {
			texts[i] = thousands(n)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", what, strings.Join(texts, ", "))
	}
	row("days of virtual time", int(t.Virtual.Hours()/24))
	row("runs", t.Polls)
	row("records at the source", t.Events)
	row("rows that arrived, of them a second time", t.Rows, t.Twice)
	row("requests to SailPoint, state operations", t.Requests, t.StateOps)
	b.WriteByte('\n')
	for _, line := range faults() {
		numbers := make([]int, len(line.kinds))
		for i, k := range line.kinds {
			numbers[i] = t.Counts[k]
		}
		row(line.what, numbers...)
	}
	return b.String()
}

type faultLine struct {
	what  string
	kinds []Kind
}

// faults are the lines of what was done to the connector.
func faults() []faultLine {
	tenant := func(kinds ...fault.Kind) (all []Kind) {
		for _, k := range kinds {
			all = append(all, onTenant(k))
		}
		return all
	}
	sink := func(kinds ...fault.Kind) (all []Kind) {
		for _, k := range kinds {
			all = append(all, onSink(k))
		}
		return all
	}
	guest := func(kinds ...fault.Kind) (all []Kind) {
		for _, k := range kinds {
			all = append(all, onGuest(k))
		}
		return all
	}
	return []faultLine{
		{"process killed before, after a step", []Kind{KillBefore, KillAfter}},
		{"asked to stop in the middle", []Kind{Stop}},
		{"restarted with other settings", []Kind{Restart}},
		{"a second instance started", []Kind{SecondInstance}},
		{"lease lost, noticed at once, late", []Kind{LostLease, DeafLease}},
		{"timer skipped, late, fired twice", []Kind{TickSkipped, TickLate, TickDouble}},
		{"connector's clock fast, slow for some runs; a day or more without a run", []Kind{ClockJump, ClockBehind, LongPause}},
		{"events that are counted and not listed; a person accepted unexplained windows", []Kind{Unlisted, Accept}},
		{"rows that the workspace acknowledged and did not keep; read-backs", []Kind{LostRow, ReadBack}},
		{"state store failed before, after an operation; conflict; slow", []Kind{StoreBefore, StoreAfter, StoreConflict, StoreSlow}},
		{"outages of minutes to hours: tenant, workspace, store", []Kind{TenantOutage, SinkOutage, StoreOutage}},
		{"store that takes no writes, or not all, for as long", []Kind{StoreFull}},
		{"lock held by something that is not a run; checkpoint deleted; all of the state deleted", []Kind{StrangerLease, LostMark, LostState}},
		{"windows of the ledger pruned; quarantine sent again", []Kind{LedgerPruned, Resend}},
		{"tenant answered 429, 500, 502, 503, 401", tenant(fault.TooManyRequests, fault.ServerError, fault.BadGateway, fault.Unavailable, fault.Unauthorized)},
		{"tenant's answer cut, malformed, of another shape, slow; connection reset before, in the answer", tenant(fault.Cut, fault.Malformed, fault.WrongShape, fault.Slow, fault.Reset, fault.ResetAfter)},
		{"a page of something between the two: for the tenant, the workspace", []Kind{TenantForeign, SinkPage}},
		{"plays with an Okta org, an IdentityIQ server beside the tenant; outages of them; places in the log refused", []Kind{Okta, IIQ, GuestOutage, OktaCursor}},
		{"these answered 429, 500, 502, 503, 401", guest(fault.TooManyRequests, fault.ServerError, fault.BadGateway, fault.Unavailable, fault.Unauthorized)},
		{"their answer cut, malformed, of another shape, slow; connection reset before, in the answer; a page of something between the two", append(guest(fault.Cut, fault.Malformed, fault.WrongShape, fault.Slow, fault.Reset, fault.ResetAfter), GuestForeign)},
		{"their events found late, in one millisecond", []Kind{GuestLate, GuestTies}},
		{"workspace answered 429, 500, 502, 503, slowly", sink(fault.TooManyRequests, fault.ServerError, fault.BadGateway, fault.Unavailable, fault.Slow)},
		{"workspace reset the connection; took the batch and lost the answer; cut, malformed, of another shape", sink(fault.Reset, fault.ResetAfter, fault.Cut, fault.Malformed, fault.WrongShape)},
		{"acknowledged before the batch was sent", []Kind{SinkEarly}},
		{"for minutes to hours: workspace refuses everything, something else answers in its place", []Kind{SinkRefusal, SinkForeign}},
		{"workspaces whose acknowledgements have a body", []Kind{TalkingSink}},
		{"clock of the tenant, of the workspace off", []Kind{TenantClock, SinkClock}},
		{"events indexed late by seconds, minutes, nearly the oldest audit; dated ahead", []Kind{LateSeconds, LateMinutes, LateLongest, FutureEvent}},
		{"events in one millisecond, bursts, rows listed twice", []Kind{Ties, Burst, DoubleRow}},
		{"records to be changed, refused alone, without id, without time", []Kind{Odd, Poison, NoID, Undated}},
		{"rows with text that JSON does not have, too deep, null, cut, larger than a page may be; the same without id", []Kind{BadText, DeepRow, NullRow, CutRow, HugeRow, TwinRows}},
		{"tenants that don't sort by id, with unstable order, with small pages, with a row of the year 9999 in every search", []Kind{RefuseIDSort, UnstableTies, CappedPages, OutsideRow}},
	}
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
