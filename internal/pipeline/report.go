package pipeline

import "time"

// State is how a run of one stream ended.
type State string

// The ways a run ends. Only Failed is a failure.
const (
	// Drained: everything the source had is delivered.
	Drained State = "drained"
	// Budget: time is up; the next run continues from the checkpoint.
	Budget State = "budget"
	// Failed: see the error. The checkpoint covers what was acknowledged before.
	Failed State = "failed"
	// Locked: another run is active on the stream.
	Locked State = "locked"
)

// Report is what one run of one stream did. The JSON names are part of the
// external contract.
type Report struct {
	// Connection is the connection of the stream; "" if there is only one. The caller sets it.
	Connection  string  `json:"connection,omitzero"`
	Stream      string  `json:"stream"`
	State       State   `json:"state"`
	Fetched     int64   `json:"fetched"`          // records read from the source
	Sent        int64   `json:"sent"`             // records acknowledged by the sink
	Duplicates  int64   `json:"duplicates"`       // records recognised as delivered before
	Conformed   int64   `json:"conformed"`        // sent, but changed to fit the table
	Quarantined int64   `json:"quarantined"`      // records kept in quarantine instead of sent
	Spooled     int64   `json:"spooled,omitzero"` // records kept in the spool because the sink is down
	Batches     int64   `json:"batches"`          // acknowledged writes
	Retries     int64   `json:"retries"`          // attempts repeated, both sides
	LagSeconds  float64 `json:"lag_seconds"`      // age of the oldest moment that is not yet covered
	Seconds     float64 `json:"seconds"`          // duration of the run
	// What the audit of this run did, and how far the stream is proven complete.
	WindowsChecked int64     `json:"windows_checked,omitzero"`
	Mismatches     int64     `json:"mismatches,omitzero"` // windows whose counts differed
	Repaired       int64     `json:"repaired,omitzero"`   // records that the audit found missing and delivered
	AuditedThrough time.Time `json:"audited_through,omitzero"`
	// Unexplained is the number of windows, found by this run or an earlier one, in which the source
	// counts more than was delivered, although everything that it lists was. Each remains until the
	// counts agree or a person acknowledges it.
	Unexplained int64 `json:"unexplained,omitzero"`

	Error string `json:"error,omitempty"`
	// Err is the failure itself, so that a caller can examine its class. Error is its text,
	// followed by what happens next where that is known.
	Err error `json:"-"`

	Warnings []string `json:"warnings,omitempty"`
}
