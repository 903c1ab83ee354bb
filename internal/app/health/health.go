// Package health makes the rows of the health table: one for each stream and run. They
// allow alerts on silence, lag, faults and incomplete data in the same place as the data.
//
// The Data Collector API derives the column names: the number lag_seconds becomes
// lag_seconds_d, the text state becomes state_s, the time audited_through becomes
// audited_through_t, and the run id, which looks like a GUID, becomes run_id_g.
package health

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// maxText limits the error and the warnings, far below the limit of a column.
const maxText = 4000

// Run describes the run as a whole.
type Run struct {
	ID      string // a GUID
	Org     string // the tenant ("tenant" itself is a reserved column name)
	Version string
	Ended   time.Time
	// Throttled is how many requests to the source were answered with 429 in this run.
	Throttled int64
	// Deprecated is set if the source marks the API in use as deprecated.
	Deprecated bool
}

// row is the JSON of one row. Numbers are always present, so that charts have no gaps;
// texts and times only if they are not empty.
type row struct {
	Ended             time.Time      `json:"ended"`
	Stream            string         `json:"stream"`
	State             pipeline.State `json:"state"`
	Fetched           int64          `json:"fetched"`
	Sent              int64          `json:"sent"`
	Duplicates        int64          `json:"duplicates"`
	Conformed         int64          `json:"conformed"`
	Quarantined       int64          `json:"quarantined"`
	QuarantineWaiting int64          `json:"quarantine_waiting"`
	Spooled           int64          `json:"spooled"`
	Batches           int64          `json:"batches"`
	Retries           int64          `json:"retries"`
	Throttled         int64          `json:"throttled"`
	LagSeconds        float64        `json:"lag_seconds"`
	Seconds           float64        `json:"seconds"`
	Error             string         `json:"error,omitempty"`
	Warnings          string         `json:"warnings,omitempty"`
	Deprecated        bool           `json:"deprecated"`
	AuditedThrough    time.Time      `json:"audited_through,omitzero"`
	WindowsChecked    int64          `json:"windows_checked"`
	Mismatches        int64          `json:"mismatches"`
	Repaired          int64          `json:"repaired"`
	Unexplained       int64          `json:"unexplained"`
	Connection        string         `json:"connection,omitempty"`
	Org               string         `json:"org"`
	Version           string         `json:"version"`
	RunID             string         `json:"run_id"`
}

// Record makes the row of one stream. waiting is the number of its undelivered records in
// quarantine.
func Record(run Run, rep pipeline.Report, waiting int64) (pipeline.Record, error) {
	raw, err := json.Marshal(row{
		Ended: run.Ended.UTC(), Stream: rep.Stream, State: rep.State,
		Fetched: rep.Fetched, Sent: rep.Sent, Duplicates: rep.Duplicates, Conformed: rep.Conformed,
		Quarantined: rep.Quarantined, QuarantineWaiting: waiting, Spooled: rep.Spooled,
		Batches: rep.Batches, Retries: rep.Retries, Throttled: run.Throttled,
		LagSeconds: rep.LagSeconds, Seconds: rep.Seconds,
		Error: text.Cut(rep.Error, maxText), Warnings: text.Cut(strings.Join(rep.Warnings, "; "), maxText), Deprecated: run.Deprecated,
		AuditedThrough: rep.AuditedThrough.UTC(), WindowsChecked: rep.WindowsChecked, Mismatches: rep.Mismatches, Repaired: rep.Repaired, Unexplained: rep.Unexplained,
		Connection: rep.Connection, Org: run.Org, Version: run.Version, RunID: run.ID,
	})
	return pipeline.Record{ID: run.ID + "/" + rep.Stream, Time: run.Ended, Raw: raw}, err
}
