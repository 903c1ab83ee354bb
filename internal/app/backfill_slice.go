package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/readback"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
)

const (
	// longestSlice is how long a backfill holds the stream's lock without a run of the stream, so
	// that what is new is delivered within two minutes.
	longestSlice = 30 * time.Second
	// shortestSlice is what is worth beginning.
	shortestSlice = 2 * time.Second
	// saveTimeout limits the note of what a slice came to.
	saveTimeout = 10 * time.Second
	// maxJobText, maxJobWarnings and maxJobWarning bound what a job says.
	maxJobText, maxJobWarnings, maxJobWarning = 2000, 5, 500
)

// slice is a part of a job that is worked on with the stream's lock.
type slice struct {
	c      *Connection
	stream stream
	work   *jobs.Work // nil until the lock is held
	id     string
	before jobs.Counts
	// seconds is how long the job was worked on before, and begun when the slice began.
	seconds float64
	begun   time.Time
	// progress, if set, is called after each commit.
	progress func(jobs.Job)
	// unproven counts what only may be in the workspace.
	unproven func() int64
}

// slice works on a job until ctx ends, and returns the job as it is then. The report's state is
// Drained if the job is done. The error is [jobs.ErrGone] if it was cancelled.
func (c *Connection) slice(ctx context.Context, s stream, id string, progress func(jobs.Job)) (jobs.Job, pipeline.Report, error) {
	p := &slice{c: c, stream: s, id: id, begun: time.Now(), progress: progress, unproven: func() int64 { return 0 }}
	w, err := c.Backfills().Begin(ctx, s.Stream().ID, id)
	if err != nil {
		return jobs.Job{}, pipeline.Report{State: pipeline.Failed}, err
	}
	job := w.Job
	report := pipeline.Report{State: pipeline.Drained}
	if job.State == jobs.Delivering {
		job, report = p.deliver(ctx, job)
	}
	if report.State == pipeline.Drained && job.State == jobs.Proving && ctx.Err() == nil {
		job, report = p.prove(ctx, job)
	}
	if errors.Is(report.Err, jobs.ErrGone) {
		return job, report, jobs.ErrGone
	}
	return job, report, nil
}

// deliver delivers what is missing.
func (p *slice) deliver(ctx context.Context, job jobs.Job) (jobs.Job, pipeline.Report) {
	r := p.c.runner(p.stream)
	r.Progress = nil
	to := job.To
	if job.Workspace {
		to = p.endOfDay(job)
		if err := p.askWorkspace(r, job, to); err != nil {
			return p.ends(ctx, job, pipeline.Report{State: pipeline.Failed, Err: err, Error: err.Error()}, false)
		}
	}
	report := r.Backfill(ctx, pipeline.BackfillRequest{From: job.From, To: to, Checkpoints: p, Saving: p.saving})
	return p.ends(ctx, job, report, report.State == pipeline.Drained && to.Equal(job.To))
}

// endOfDay is where a slice ends that asks the workspace, which is asked about a day at a time.
func (p *slice) endOfDay(job jobs.Job) time.Time {
	at := job.From
	if place, err := pipeline.ParseJobPlace(pipeline.Cursor(job.Place)); err == nil {
		at = place.Leg
	}
	return earlier(at.UTC().Truncate(24*time.Hour).Add(24*time.Hour), job.To)
}

// Load implements [pipeline.Checkpoints]. The lock is held, so no one else works on the job.
func (p *slice) Load(ctx context.Context, stream string) (pipeline.Checkpoint, error) {
	w, err := p.c.Backfills().Begin(ctx, stream, p.id)
	if err != nil {
		return pipeline.Checkpoint{}, err
	}
	p.work, p.before, p.seconds = w, w.Counts, w.Seconds
	if w.Begun.IsZero() {
		w.Begun = p.begun
	}
	return pipeline.Checkpoint{Cursor: pipeline.Cursor(w.Place), Tag: w.Tag()}, nil
}

// Save implements [pipeline.Checkpoints].
func (p *slice) Save(ctx context.Context, _ string, next pipeline.Checkpoint) (pipeline.Checkpoint, error) {
	w := p.work
	if next.Cursor != pipeline.Cursor(w.Place) {
		place, err := pipeline.ParseJobPlace(next.Cursor)
		if err != nil {
			return next, err
		}
		w.Place = string(next.Cursor)
		w.Through = place.Newest
		w.Updated, w.Failure = time.Now(), jobs.Failure{}
	}
	w.Seconds = p.seconds + time.Since(p.begun).Seconds()
	if err := w.Save(ctx); err != nil {
		return next, err
	}
	if p.progress != nil {
		p.progress(w.Job)
	}
	next.Tag = w.Tag()
	return next, nil
}

// saving takes over the numbers of the run.
func (p *slice) saving(r pipeline.Report) {
	p.work.Counts = jobs.Counts{
		Fetched: p.before.Fetched + r.Fetched, Sent: p.before.Sent + r.Sent, Known: p.before.Known + r.Duplicates,
		Conformed: p.before.Conformed + r.Conformed, Quarantined: p.before.Quarantined + r.Quarantined, Unproven: p.before.Unproven + p.unproven(),
	}
}

// ends notes what the slice came to, unless it did not come to work. If the
// note can't be made, only the place counts.
func (p *slice) ends(ctx context.Context, job jobs.Job, report pipeline.Report, whole bool) (jobs.Job, pipeline.Report) {
	if report.State == pipeline.Locked || errors.Is(report.Err, jobs.ErrGone) || errors.Is(report.Err, jobs.ErrMoved) {
		return job, report
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if p.work == nil {
		w, err := p.c.Backfills().Begin(ctx, p.stream.Stream().ID, p.id)
		if err != nil {
			return job, report
		}
		p.work, p.seconds = w, w.Seconds
	}
	w := p.work
	for _, text := range report.Warnings {
		p.warn(text)
	}
	switch {
	case report.State == pipeline.Failed:
		said := text.Line(secret.Mask(text.Cut(report.Error, longestError), p.c.secrets()...), maxJobText)
		w.Failure = jobs.Failure{At: time.Now(), Count: w.Failure.Count + 1, Text: said}
	case whole:
		w.State = jobs.Proving
	}
	w.Updated, w.Seconds = time.Now(), p.seconds+time.Since(p.begun).Seconds()
	if err := w.Save(ctx); err != nil {
		if !errors.Is(err, jobs.ErrGone) && !errors.Is(err, jobs.ErrMoved) {
			p.c.log.Warn("backfill: the outcome of a slice was not stored", "job", p.id, "error", err.Error())
		}
		return job, pipeline.Report{State: pipeline.Failed, Err: err, Error: err.Error()}
	}
	p.begun, p.seconds = time.Now(), w.Seconds
	if p.progress != nil {
		p.progress(w.Job)
	}
	return w.Job, report
}

// warn adds a warning to the job.
func (p *slice) warn(what string) {
	what = text.Line(secret.Mask(text.Cut(what, longestError), p.c.secrets()...), maxJobWarning)
	for _, known := range p.work.Warnings {
		if known == what {
			return
		}
	}
	if len(p.work.Warnings) < maxJobWarnings {
		p.work.Warnings = append(p.work.Warnings, what)
	}
}

// prove compares the range with the source, and delivers what came meanwhile.
func (p *slice) prove(ctx context.Context, job jobs.Job) (jobs.Job, pipeline.Report) {
	name := p.stream.Stream().ID
	verdict, report, err := p.verdict(ctx, job)
	if err != nil {
		report = pipeline.Report{State: pipeline.Failed, Err: err, Error: err.Error()}
	}
	if report.State != pipeline.Drained {
		if report.State == pipeline.Failed {
			return p.ends(ctx, job, report, false)
		}
		return job, report
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	w, err := p.c.Backfills().Begin(ctx, name, p.id)
	if err == nil {
		now := time.Now()
		w.State, w.Ended, w.Updated, w.Failure = jobs.Done, now, now, jobs.Failure{}
		w.Counts.Sent += verdict.Repaired
		w.Seconds += time.Since(p.begun).Seconds()
		w.Proof = jobs.Proof{At: now, Verdict: verdict.Verdict, Why: verdict.Why, By: verdict.Proof, Source: verdict.Source, Delivered: verdict.Delivered}
		err = w.Save(ctx)
	}
	if err != nil {
		return job, pipeline.Report{State: pipeline.Failed, Err: err, Error: err.Error()}
	}
	if p.progress != nil {
		p.progress(w.Job)
	}
	return w.Job, report
}

// verdict says whether everything of the range was delivered. A source that can't count was read
// from one end to the other, and each record that it listed is in the ledger.
func (p *slice) verdict(ctx context.Context, job jobs.Job) (Verdict, pipeline.Report, error) {
	c, s, name := p.c, p.stream, p.stream.Stream().ID
	q := AuditRequest{AuditRequest: pipeline.AuditRequest{From: job.From, To: job.To, Repair: true}}
	r := c.runner(s)
	r.Progress = nil
	p.unproven = func() int64 { return 0 } // that of the delivery is in the job
	if _, counts := s.Source.(pipeline.Counter); !counts {
		n, err := r.OpenLedger().Count(ctx, job.From, job.To)
		if err != nil {
			return Verdict{}, pipeline.Report{}, err
		}
		result := pipeline.AuditResult{Report: pipeline.Report{Stream: name, State: pipeline.Drained}, From: job.From, To: job.To, Source: n, Delivered: n, Identified: n}
		return p.judged(ctx, job, q, result)
	}
	if job.Workspace {
		if err := p.askWorkspace(r, job, job.To); err != nil {
			return Verdict{}, pipeline.Report{}, err
		}
	}
	result := r.Audit(ctx, q.AuditRequest)
	if result.State != pipeline.Drained {
		return Verdict{}, result.Report, nil
	}
	return p.judged(ctx, job, q, result)
}

func (p *slice) judged(ctx context.Context, job jobs.Job, q AuditRequest, result pipeline.AuditResult) (Verdict, pipeline.Report, error) {
	done := AuditResult{AuditResult: result, Unproven: job.Counts.Unproven + p.unproven()}
	var err error
	done.Waiting, err = p.c.undelivered(ctx, p.stream.Stream().ID, job.From, job.To)
	return p.c.Judge(p.stream.Stream().ID, q, done, err), result.Report, err
}

// askWorkspace makes r look for what the ledger does not know in the workspace, from the job's place
// to a moment.
func (p *slice) askWorkspace(r *pipeline.Runner, job jobs.Job, to time.Time) error {
	q := AuditRequest{AuditRequest: pipeline.AuditRequest{From: job.From, To: to}}
	if place, err := pipeline.ParseJobPlace(pipeline.Cursor(job.Place)); err == nil && place.Leg.Before(to) {
		q.From = place.Leg.UTC().Truncate(p.stream.Window)
	}
	own := r.OpenLedger
	var arrivals *readback.Arrivals
	unproven, err := p.c.lookInWorkspace(r, p.stream, &q)
	if err != nil {
		return err
	}
	p.unproven = unproven
	inWorkspace := r.OpenLedger
	r.OpenLedger = func() pipeline.Ledger {
		var ok bool
		if arrivals, ok = inWorkspace().(*readback.Arrivals); !ok {
			panic("app: the ledger of the workspace has another type")
		}
		// The source is busy with the next pages. Which org is ours, the records say that are looked for.
		arrivals.Sample = nil
		return &joined{Ledger: own(), arrivals: arrivals}
	}
	return nil
}

// joined is the ledger of a job that asks the workspace: a record is new only if neither the ledger
// nor the workspace has it. What the workspace has is recorded in the ledger, so it is asked once.
type joined struct {
	pipeline.Ledger
	arrivals *readback.Arrivals
}

// Claim implements [pipeline.Ledger].
func (j *joined) Claim(ctx context.Context, records []pipeline.Record) ([]bool, error) {
	fresh, err := j.Ledger.Claim(ctx, records)
	if err != nil {
		return nil, err
	}
	var ask, found []pipeline.Record
	var at []int
	for i, is := range fresh {
		if is {
			ask, at = append(ask, records[i]), append(at, i)
		}
	}
	if len(ask) == 0 {
		return fresh, nil
	}
	missing, err := j.arrivals.Claim(ctx, ask)
	if err != nil {
		return nil, err
	}
	j.arrivals.Forget() // the ledger has the claims
	for i, is := range missing {
		if fresh[at[i]] = is; !is {
			found = append(found, ask[i])
		}
	}
	if len(found) == 0 {
		return fresh, nil
	}
	if err := j.Commit(ctx, found); err != nil {
		return nil, fmt.Errorf("record what the workspace has: %w", err)
	}
	return fresh, nil
}
