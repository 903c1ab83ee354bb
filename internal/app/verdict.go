package app

import (
	"fmt"
	"slices"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// The verdicts of an audit.
const (
	VerdictComplete   = "complete"
	VerdictIncomplete = "incomplete"
	VerdictUnknown    = "unknown"
)

// How a complete audit was proven.
const (
	// ProofIDs: each record that the source lists was found by its id.
	ProofIDs = "ids"
	// ProofCount: the number of different ids that certainly belong to this connection
	// agrees, and where it differed, the ids were compared.
	ProofCount = "own count"
)

// Verdict is the outcome of an audit of one stream. Scripts rely on the JSON names.
type Verdict struct {
	Connection string    `json:"connection,omitzero"`
	Stream     string    `json:"stream"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Verdict    string    `json:"verdict"`
	Why        string    `json:"why"`
	// Proof says how a complete verdict was proven.
	Proof     string `json:"proof,omitzero"`
	Source    int64  `json:"source"`
	Delivered int64  `json:"delivered"`
	Missing   int64  `json:"missing"`
	Repaired  int64  `json:"repaired"`
	// Unexplained is how many more records the source counts than it lists.
	Unexplained int64                 `json:"unexplained,omitzero"`
	Waiting     int                   `json:"undelivered_in_quarantine"`
	Windows     []pipeline.WindowDiff `json:"windows"`
	Notes       []string              `json:"notes,omitempty"`
}

// Judge turns the findings of an audit, or its error, into a verdict.
func (c *Connection) Judge(name string, q AuditRequest, done AuditResult, err error) Verdict {
	j := Verdict{Connection: c.Name(), Stream: name, From: q.From, To: q.To, Windows: []pipeline.WindowDiff{}}
	j.judge(done, err, q)
	return j
}

func (j *Verdict) judge(done AuditResult, err error, q AuditRequest) {
	j.Source, j.Delivered, j.Missing, j.Repaired, j.Waiting = done.Source, done.Delivered, done.Missing, 0, done.Waiting
	j.Unexplained = done.Unexplained
	for _, w := range done.Windows {
		j.Windows = append(j.Windows, w)
		j.Repaired += w.Repaired
	}
	j.Notes = append(j.Notes, done.Warnings...)
	left := j.Missing - j.Repaired - done.Refused
	if done.NotYetVisible > 0 && left > 0 {
		j.Notes = append(j.Notes, fmt.Sprintf("%s can't be judged yet: records were sent there less than %s ago", windows(done.NotYetVisible), text.Duration(q.Settle)))
	}
	missing := func(w pipeline.WindowDiff) bool { return w.Missing > w.Repaired+w.Refused }
	if slices.ContainsFunc(j.Windows, func(w pipeline.WindowDiff) bool { return missing(w) && w.From.Before(done.Since) }) {
		j.Notes = append(j.Notes, fmt.Sprintf("the first run began at %s (INITIAL_LOOKBACK): earlier events were never requested; idnsentinel backfill delivers them", stamp(done.Since)))
	}
	if slices.ContainsFunc(j.Windows, func(w pipeline.WindowDiff) bool { return missing(w) && w.To.After(done.Through) }) {
		j.Notes = append(j.Notes, fmt.Sprintf("the stream is delivered through %s: the next runs deliver later events", stamp(done.Through)))
	}
	j.decide(done, err, q, left, missing)
	switch {
	case j.Verdict != VerdictComplete:
	case done.Identified == done.Source && done.Source > 0:
		j.Proof = ProofIDs
	default:
		j.Proof = ProofCount
	}
}

// decide sets the verdict and its reason. left is the number of records missing after the
// repair; missing reports whether a window has any.
func (j *Verdict) decide(done AuditResult, err error, q AuditRequest, left int64, missing func(pipeline.WindowDiff) bool) {
	switch {
	case left > 0 && done.Error != "":
		j.Verdict, j.Why = VerdictIncomplete, fmt.Sprintf("%d records or more are missing, and the audit ended early: %s", left, done.Error)
	case done.State == pipeline.Locked:
		j.Verdict, j.Why = VerdictUnknown, "another run is active on the stream: try again later"
	case done.State == pipeline.Budget:
		j.Verdict, j.Why = VerdictUnknown, "stopped before the end"
	case done.State == pipeline.Failed:
		j.Verdict, j.Why = VerdictUnknown, done.Error
	case err != nil:
		j.Verdict, j.Why = VerdictUnknown, err.Error()
	case left > 0:
		n := 0
		for _, w := range j.Windows {
			if missing(w) {
				n++
			}
		}
		j.Verdict = VerdictIncomplete
		j.Why = fmt.Sprintf("%d of %d records are missing, in %s", left, j.Source, windows(n))
		if !q.Repair {
			j.Why += "; --repair delivers them"
		}
	case j.Unexplained > 0:
		j.Verdict = VerdictIncomplete
		j.Why = fmt.Sprintf("everything the source lists was delivered, but it counts %d more records than it lists: nothing is known about them; "+
			"idnsentinel audit accept acknowledges such windows", j.Unexplained)
	case j.Waiting > 0:
		j.Verdict = VerdictIncomplete
		j.Why = fmt.Sprintf("%d of %d records could not be delivered and are in quarantine: idnsentinel quarantine list --reason undelivered shows why", j.Waiting, j.Source)
	case done.NotYetVisible > 0:
		j.Verdict = VerdictUnknown
		j.Why = fmt.Sprintf("counts differ in %s that records were sent to less than %s ago: the workspace may not show them yet; try again later", windows(done.NotYetVisible), text.Duration(q.Settle))
	case done.Unproven > 0:
		j.Verdict = VerdictUnknown
		j.Why = fmt.Sprintf("%d of %d records have no id, or a time outside of the range, so it can't be proven which rows of the workspace are theirs; all others are there", done.Unproven, j.Source)
	case j.Repaired > 0:
		j.Verdict = VerdictComplete
		j.Why = fmt.Sprintf("%d of %d records were missing and have been delivered now", j.Repaired, j.Source)
	default:
		j.Verdict = VerdictComplete
		j.Why = fmt.Sprintf("all %d records that the source shows were delivered", j.Source)
		if q.Workspace {
			j.Why = fmt.Sprintf("all %d records that the source shows are in the workspace", j.Source)
		}
	}
}

func windows(n int) string {
	if n == 1 {
		return "1 window"
	}
	return fmt.Sprintf("%d windows", n)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
