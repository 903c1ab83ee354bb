package status

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/format"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
)

const (
	// leastLag is the least lag that counts as late, the same as in the alert.
	leastLag = 5 * time.Minute
	// ahead is how far in the future a time may be: clocks differ.
	ahead = 2 * time.Minute
	// lateAudit is how much later than it is due an audit may be.
	lateAudit = 30 * time.Minute
	// forwardLate is how long a report may wait to be forwarded without a start, and owedLate how long an
	// answer may be owed.
	forwardLate = 20 * time.Minute
	owedLate    = 5 * time.Minute
	// notedFor is how long the problem of a push is shown.
	notedFor = 24 * time.Hour
	// manyUnended is how many processes in a row may be killed in their first run by chance.
	manyUnended = 1
)

// judge judges what was read of one stream.
type judge struct {
	Config
	*reading
	now time.Time
	// alive is set if the function has run another stream lately.
	alive    bool
	status   Status
	problems []Problem
}

// found adds a problem.
func (j *judge) found(v Verdict, remedy, what string, args ...any) {
	if len(args) > 0 {
		what = fmt.Sprintf(what, args...)
	}
	j.problems = append(j.problems, Problem{State: v, What: what, Remedy: remedy})
	j.status.State = worse(j.status.State, v)
}

// every is the interval between two runs.
func (j *judge) every() time.Duration { return cmp.Or(j.Every, time.Minute) }

// silentAfter is how long nothing may be heard of a stream whose runs take as long as they may.
func (j *judge) silentAfter() time.Duration { return SilentAfter(j.Every, j.Longest) }

// SilentAfter is how long nothing may be heard of runs that begin that often, 0 meaning every
// minute, and take that long at most.
func SilentAfter(every, longest time.Duration) time.Duration {
	return 2*cmp.Or(every, time.Minute) + max(longest, 4*time.Minute)
}

// lagMost is the largest lag that is normal: the newest is left to settle, and the next run may
// just be due.
func (j *judge) lagMost() time.Duration {
	return max(leastLag, j.stream.Settle+2*j.every()+2*time.Minute)
}

func (j *judge) ago(at time.Time) string { return Age(j.now.Sub(at)) + " ago" }

func (j *judge) all() {
	j.describe()
	if j.connection.Problem != "" {
		j.found(Failing, "Correct the settings; idnsentinel check lists every problem.", "%s", j.connection.Problem)
		if j.connection.Tenant == "" {
			return
		}
	}
	if !j.readable() {
		return
	}
	j.future()
	if j.runsLeft() {
		j.outcome()
	}
	j.late()
	j.waiting()
	j.pushed()
	j.forwards()
	j.proof()
	j.backfills()
}

// describe fills in what needs no judgement.
func (j *judge) describe() {
	f, cp := &j.runs, j.checkpoint.Checkpoint
	j.status = Status{
		Connection: j.connection.Name, Tenant: j.connection.Tenant, Stream: j.stream.ID, Name: j.stream.Short, State: OK,
		LastRun: f.Last(), LastSuccess: f.Success, Warnings: f.Warnings, Seen: f.Seen, Recent: f.Recent,
		LateAfterSeconds: j.lagMost().Seconds(),
		Spool:            j.spool, Undelivered: j.undelivered, Conformed: j.conformed,
		Partial: j.partial, DeliveredThrough: cp.Through, Unexplained: cp.Audit.Open(),
	}
	if j.stream.Inbox != nil {
		j.status.Inbox = &j.inbox
	}
	if j.stream.Owes {
		j.status.Owed = &j.owed
		if at := j.note.At; !at.IsZero() && j.now.Sub(at) < notedFor {
			j.status.HookProblem = &HookProblem{at, j.note.Text}
		}
	}
	if j.stream.Forwards {
		j.status.Forwarding = &j.forwarding
	}
	if e := f.Failure; !e.At.IsZero() {
		j.status.LastError = &LastError{At: e.At, Since: e.Since, Count: e.Count, Text: e.Text, Over: !f.Failing()}
	}
	if j.stream.AuditAge > 0 && len(cp.Audit.Through) > 0 {
		j.status.ProvenThrough = cp.Audit.Through[0]
	}
	covered := cp.Through
	if covered.IsZero() {
		covered = f.Drained
	}
	if !covered.IsZero() {
		lag := max(0, j.now.Sub(covered).Seconds())
		j.status.LagSeconds = &lag
	}
	j.status.Completeness = cover(cp, j.stream, j.now)
}

// readable reports whether the state could be read.
func (j *judge) readable() bool {
	err := j.runsErr
	switch {
	case replaceable(err):
		j.found(Attention, "Nothing: the next run replaces it. If it comes again, two apps share one state (STATE_URL).", "What the last runs came to can't be read: %v.", err)
		err = nil
	case errors.Is(err, format.ErrNewer):
		j.found(Unknown, "Use the idnsentinel of the same release as the function app, or a later one.", "What the last runs came to can't be read: %v.", err)
		return false
	}
	if err == nil && errors.Is(j.checkpointErr, checkpoint.ErrUnusable) {
		j.found(Failing, "Do what the message says; idnsentinel check confirms it.", "The checkpoint can't be used: %v.", j.checkpointErr)
		return false
	}
	for _, err := range []error{err, j.checkpointErr, j.listErr} {
		if err != nil {
			j.found(Unknown, mayRead(err), "The state can't be read: %v.", err)
			return false
		}
	}
	return true
}

// mayRead says what is needed to read the state, which failed with an error.
func mayRead(err error) string {
	if errors.Is(err, fs.ErrPermission) { // only of files; the blob service has errors of its own
		what := "the folder"
		if at := (*fs.PathError)(nil); errors.As(err, &at) {
			what = at.Path
		}
		return "The state is in a folder (STATE_URL), and the user of this program must be allowed to read and write " + what + ", and to enter every folder above it: ls -ld shows owner and mode. Whatever runs the connector needs the same: run this command as its user."
	}
	return "Check that this program may read the state: the settings STATE_URL and AZURE_STORAGE_… or AzureWebJobsStorage, the role Storage Blob Data Owner, and the firewall of the storage account. The function needs the same."
}

// replaceable reports whether outcomes can't be read, and the next run replaces them.
func replaceable(err error) bool {
	return errors.Is(err, runs.ErrDamaged) || errors.Is(err, runs.ErrForeign)
}

// future finds moments that have not come yet: then ages say nothing.
func (j *judge) future() {
	for _, at := range []time.Time{j.runs.Last(), j.runs.Begun, j.checkpoint.Updated} {
		if early := at.Sub(j.now); early > ahead {
			j.found(Unknown, "Set the clock of this machine, or look at the clock of the function's; idnsentinel check compares it with the services'.",
				"The clocks differ: a run ended %s in the future.", Age(early))
			return
		}
	}
}

// runsLeft finds out whether anything runs, and reports whether the outcome of the last run counts.
func (j *judge) runsLeft() bool {
	f, last, own := &j.runs, j.runs.ByItself().At, j.program()
	start := own.start
	if j.alive {
		start = "The " + own.name + " runs, but not this: compare CONNECTIONS, and the settings that turn this stream on, with its settings; then restart it."
	}
	switch {
	case f.Last().IsZero() && j.checkpoint.Stream == "":
		j.found(Failing, start+" If it runs, it uses another state: compare "+own.place+" and TENANT_ID with its settings.",
			"No run has left anything in this state%s.", j.attempt())
		return false
	case f.Last().IsZero():
		v, remedy := Attention, "Install this release where the connector runs, if that has not been done."
		if j.now.Sub(j.checkpoint.Updated) > j.silentAfter() && !j.covers() {
			v, remedy = Failing, start
		}
		if v == Attention && replaceable(j.runsErr) {
			return false // it has been said already
		}
		j.found(v, remedy, "No run has left an outcome, only a checkpoint of %s: a version that leaves none runs, or ran%s.", j.ago(j.checkpoint.Updated), j.attempt())
		return false
	case last.IsZero() && len(f.Seen) > 0:
		j.found(Failing, start, "The %s has never run: every run was started by hand, the last %s.", own.name, j.ago(f.Last()))
		return true
	case j.now.Sub(last) > j.silentAfter():
		by := "No run has left an outcome for " + Age(j.now.Sub(last)) + j.attempt()
		if f.Last().After(last) {
			by = "The " + own.name + " has not run for " + Age(j.now.Sub(last)) + ": later runs were started by hand" + j.attempt()
		}
		j.found(Failing, start+" A run that can't write to the state leaves no outcome either: idnsentinel check tests that.", "%s.", by)
		return true
	case f.Unended > manyUnended:
		j.found(Failing, "Look at the log of the app for the reason: usually memory (a larger instance, or a smaller LIMIT), or RUN_BUDGET beyond functionTimeout of host.json.",
			"%d processes in a row ended in their first run without an outcome, the last %s: they were killed.", f.Unended, j.ago(f.Begun))
	}
	return true
}

// program is what should run the streams by itself.
type program struct {
	name  string
	start string // how to make it run
	place string // the settings that say where the state is
}

func (j *judge) program() program {
	if by := j.runs.ByItself().By; by == runs.ByServe {
		return program{"service", "Start idnsentinel serve if it is stopped, and read its log; docs/run-anywhere.md says how.", "STATE_URL"}
	}
	return program{"function", "Look at Invocations of the function in the portal: start the app if it is stopped, and follow docs/no-rows.md if there is no function or no invocation.", "STATE_URL, AZURE_STORAGE_…"}
}

// heard reports whether the function has run a stream lately.
func (j *judge) heard(of *reading) bool {
	last := of.runs.ByItself().At
	return !last.IsZero() && j.now.Sub(last) <= j.silentAfter()
}

// covers reports whether the stream is delivered up to now.
func (j *judge) covers() bool {
	through := j.checkpoint.Checkpoint.Through
	return !through.IsZero() && j.now.Sub(through) <= j.lagMost()
}

// attempt says what is known of a run that has begun.
func (j *judge) attempt() string {
	if j.runs.Begun.IsZero() {
		return ""
	}
	if j.now.Sub(j.runs.Begun) <= j.silentAfter() {
		return "; one began " + j.ago(j.runs.Begun)
	}
	return "; one began " + j.ago(j.runs.Begun) + " and left none: its process was killed, or could not write to the state"
}

// outcome judges the last run.
func (j *judge) outcome() {
	f := &j.runs
	if f.Failing() {
		e, often := f.Failure, ""
		if e.Count > 1 {
			often = fmt.Sprintf(" (%d times in a row, since %s)", e.Count, e.Since.Format(time.RFC3339))
		}
		j.found(Failing, remedyFor(e.Text, e.Passing), "The last run failed%s: %s", often, e.Text)
	}
	for _, w := range f.Warnings {
		j.found(Attention, "Do what the warning says, if it says anything to do; idnsentinel check tests every part separately.", "The last run warns: %s", w)
	}
}

// remedyFor says what to do about a failure beyond what its text says.
func remedyFor(text string, passing bool) string {
	switch {
	case strings.Contains(text, "status 429"):
		return "Nothing at first: the next run continues where this one stopped. If it lasts, another program uses the same client or tenant up to its limit: give the connector a client of its own (CLIENT_ID), and let no idnsentinel audit run meanwhile."
	case passing:
		return "Nothing at first: the next run continues where this one stopped. If it lasts, idnsentinel check shows which part does not answer."
	}
	return "Do what the message says; the next run then continues where this one stopped. idnsentinel check tests every part separately."
}

// late judges how far the stream lags.
func (j *judge) late() {
	through := j.checkpoint.Checkpoint.Through
	if through.IsZero() || j.covers() || j.failing() {
		return
	}
	remedy := "Look at the log of the last run. A search ends SETTLE_DELAY before now; a source that indexes late delays everything by itself."
	if recent := j.runs.Recent; len(recent) > 0 && recent[0].State == pipeline.Budget {
		remedy = "Nothing as long as it falls: the runs use their whole time to catch up. If it grows, raise RUN_BUDGET, and LIMIT to 10000."
	}
	j.found(Late, remedy, "It lags: it is delivered only up to %s, %s.", through.Format(time.RFC3339), j.ago(through))
}

func (j *judge) failing() bool { return j.status.State == Failing }

// waiting judges what waits.
func (j *judge) waiting() {
	if n := j.spool; n.N > 0 {
		j.found(Late, "Nothing to save: it is sent with the first run that reaches the workspace. idnsentinel check tests the workspace.",
			"%s in the spool, the oldest for %s, because the workspace did not accept them.", waits(n, "batch", "batches"), Age(j.now.Sub(n.Oldest)))
	}
	if n := j.inbox; n.N > 0 && j.now.Sub(n.Oldest) > j.every()+2*time.Minute {
		j.found(Late, "Look at the last error of the stream. An object that can't be read stays, and the error names it; everything else in the inbox is delivered.",
			"%s in the inbox, the oldest for %s: what was pushed is not delivered.", waits(n, "object", "objects"), Age(j.now.Sub(n.Oldest)))
	}
	if n := j.undelivered; n.N > 0 {
		j.found(Attention, "idnsentinel quarantine list shows why; correct that, then idnsentinel quarantine resend, or discard what is not needed.",
			"%s undelivered in quarantine, the oldest for %s: missing in the workspace.", counted(n, "record is", "records are"), Age(j.now.Sub(n.Oldest)))
	}
}

// pushed judges what a push asked for.
func (j *judge) pushed() {
	if n := j.owed; n.N > 0 && j.now.Sub(n.Oldest) > owedLate {
		j.found(Attention, "Look at the log of the app for the reason; idnsentinel check tests whether the tenant answers. If the token of the hook was replaced without WEBHOOK_TOKEN_PREVIOUS, they can't be posted any more, and are dropped after a day. Then unsubscribe what waits for answers: idnsentinel triggers list.",
			"%s for answers of this app, the oldest for %s, and the tenant has not accepted them.", waits(n, "access request", "access requests"), Age(j.now.Sub(n.Oldest)))
	}
	if p := j.status.HookProblem; p != nil {
		j.found(Attention, "Do what the message says; it is shown for a day after the last push that had it.", "What was pushed %s needs attention: %s.", j.ago(p.At), strings.TrimSuffix(p.Text, "."))
	}
}

// forwards judges how far reports are passed on to the workflow. Their rows do not wait for that.
func (j *judge) forwards() {
	f := &j.forwarding
	if n := f.Kept; n.N > 0 {
		j.found(Attention, "Look at the executions of the workflow; then idnsentinel forwarding list, and idnsentinel forwarding repeat or drop. The rows are not affected.",
			"%s not passed on to the workflow in full, the oldest of %s: %s.", counted(n, "report is", "reports are"), n.Oldest.Format(time.RFC3339), f.Why)
	}
	if n := f.Waiting; n.N > 0 && j.now.Sub(n.Oldest) > forwardLate && f.Failures > 0 {
		j.found(Attention, "idnsentinel check tests the client, its scope and the trigger, and the log of the app says what failed. It is tried for three days. The rows are not affected.",
			"%s to be passed on to the workflow, the oldest for %s; %d attempts in a row failed.", waits(n, "report", "reports"), Age(j.now.Sub(n.Oldest)), f.Failures)
	}
	for _, text := range f.Unreadable {
		j.found(Attention, "Restore an earlier copy of the object, or delete it: then the report is not passed on.", "The forwarding of a report can't be read: %s.", text)
	}
}

// proof judges how far the stream is proven complete.
func (j *judge) proof() {
	if n := j.status.Unexplained; n > 0 {
		windows := "windows are"
		if n == 1 {
			windows = "window is"
		}
		why := "the source counts more than it lists"
		if slices.ContainsFunc(j.checkpoint.Checkpoint.Audit.Unexplained, pipeline.Difference.Skipped) {
			why = "the source counts more than it lists, or a person moved the checkpoint past them"
		}
		j.found(Attention, "idnsentinel audit accept lists them; idnsentinel audit --each-window looks again.",
			"%d %s unexplained: %s.", n, windows, why)
	}
	proven := j.status.ProvenThrough
	if j.stream.AuditAge == 0 || proven.IsZero() || j.failing() || !j.covers() {
		return
	}
	if behind := j.now.Sub(proven); behind > 2*j.stream.AuditAge+j.stream.Window+lateAudit {
		j.found(Attention, "Audits need the source to answer counts: see the warnings of the runs. idnsentinel audit tries one now.",
			"It is proven complete only up to %s, %s.", proven.Format(time.RFC3339), j.ago(proven))
	}
}

// waits says how many objects wait.
func waits(n Count, one, many string) string {
	if n.N == 1 {
		return "1 " + one + " waits"
	}
	return counted(n, one, many) + " wait"
}

func counted(n Count, one, many string) string {
	switch {
	case n.More:
		return "More than " + itoa(n.N) + " " + many
	case n.N == 1:
		return "1 " + one
	}
	return itoa(n.N) + " " + many
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// Age writes a duration for people: 45s, 12m, 3h20m, 5d4h.
func Age(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(0, d).Round(time.Second)
	two := func(unit time.Duration, name string, part time.Duration, partName string) string {
		text := fmt.Sprintf("%d%s", d/unit, name)
		if rest := d % unit / part; rest > 0 {
			text += fmt.Sprintf("%d%s", rest, partName)
		}
		return text
	}
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 2*day:
		return two(time.Hour, "h", time.Minute, "m")
	}
	return two(day, "d", time.Hour, "h")
}
