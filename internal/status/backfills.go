package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
)

const (
	// idleBackfill is how long a job may rest that no one has left to the function.
	idleBackfill = 15 * time.Minute
	// recentBackfill is how long a finished job is shown.
	recentBackfill = 24 * time.Hour
)

// backfills shows the jobs that are not finished, or ended lately, and judges them.
func (j *judge) backfills() {
	if j.jobsErr != nil {
		j.found(Attention, "Do what the message says. Nothing else depends on it, but the ledger is not pruned meanwhile.", "The backfills can't be read: %v.", j.jobsErr)
		return
	}
	for i := range j.jobs.Jobs {
		job := &j.jobs.Jobs[i]
		if past(job, j.now) {
			continue
		}
		b := Backfill{
			ID: job.ID, From: job.From, To: job.To, State: job.State, Verdict: job.Proof.Verdict, Percent: job.Percent(), Events: job.Events,
			Fetched: job.Counts.Fetched, Sent: job.Counts.Sent, Left: job.Left, Updated: job.Updated, Text: job.Progress(),
		}
		if job.State == jobs.Done {
			b.Text = job.Proof.Verdict + ": " + strings.TrimRight(job.Proof.Why, ".")
		}
		j.status.Backfills = append(j.status.Backfills, b)
		if what, remedy := BackfillProblem(job, j.now, j.silentAfter()); what != "" {
			j.found(Attention, remedy, "%s", what)
		}
	}
}

// past reports whether a job is not shown any more.
func past(job *jobs.Job, now time.Time) bool {
	return job.Finished() && (now.Sub(job.Ended) > recentBackfill || job.State == jobs.Cancelled)
}

// BackfillProblem says what a person should know about a job, and what to do; "" if nothing is wrong with
// it, or it ended long ago. silent is how long nothing may be heard of runs, see [SilentAfter].
func BackfillProblem(job *jobs.Job, now time.Time, silent time.Duration) (what, remedy string) {
	if past(job, now) {
		return "", ""
	}
	touched := job.Updated
	if touched.IsZero() {
		touched = job.Created
	}
	idle := now.Sub(touched)
	const complete = "complete" // the verdict of an audit
	switch {
	case job.State == jobs.Done && job.Proof.Verdict == complete:
	case job.State == jobs.Done:
		return fmt.Sprintf("The backfill %s ended as %s: %s", job.ID, job.Proof.Verdict, job.Proof.Why),
			"Do what the verdict says; idnsentinel audit compares the range again as long as the ledger knows it."
	case job.Failure.Text != "":
		return fmt.Sprintf("The backfill %s failed: %s", job.ID, job.Failure.Text),
			"Do what the message says; it is then continued by the function, or by idnsentinel jobs resume. idnsentinel jobs cancel ends it."
	case job.Left && idle > silent+idleBackfill:
		return fmt.Sprintf("The backfill %s was left to the function, and nothing has worked on it for %s.", job.ID, Age(idle)),
			"It is continued once runs read the stream to its end and have time left: see the other problems. idnsentinel jobs resume continues it at once."
	case !job.Left && idle > idleBackfill:
		return fmt.Sprintf("The backfill %s has rested for %s, at %d%%.", job.ID, Age(idle), job.Percent()),
			"idnsentinel jobs resume " + job.ID + " continues it (with --leave in the function), idnsentinel jobs cancel " + job.ID + " ends it."
	}
	return "", ""
}
