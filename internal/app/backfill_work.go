package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
)

const (
	// backfillLockedFor is how long to wait for a run that holds the stream.
	backfillLockedFor = time.Second
	// backfillFailures is how often in a row a slice may fail before a command gives up. The wait
	// after a failure grows by backfillPause.
	backfillFailures = 5
	backfillPause    = 5 * time.Second
	// longestPause is how long the function leaves a job alone that fails.
	longestPause = 10 * time.Minute
)

// Working is the progress of a job.
type Working struct {
	jobs.Job
	// Waits says what it waits for; "" for nothing.
	Waits string
}

// WorkOn works on a job until it is finished, and keeps the stream itself up to date meanwhile. progress
// is called with the progress. The error is the cause of ctx if that ended, [jobs.ErrGone] if the
// job was cancelled, or why it can't continue; the job stays then. A job that another process has
// finished is finished.
func (c *Connection) WorkOn(ctx context.Context, name, id string, progress func(Working)) (job jobs.Job, err error) {
	s, err := c.stream(name)
	if err != nil {
		return job, err
	}
	if err := c.open(); err != nil {
		return job, err
	}
	c.beside(false)
	defer c.beside(true)
	var tail time.Time // when the last run that read to the end began
	failures := 0
	for {
		if ctx.Err() != nil {
			return job, context.Cause(ctx)
		}
		report, waits := c.goesFirst(ctx, s, &tail)
		if report.State == "" || report.State == pipeline.Drained {
			cut, cancel := context.WithTimeout(ctx, longestSlice)
			var next jobs.Job
			next, report, err = c.slice(cut, s, id, func(j jobs.Job) { progress(Working{Job: j}) })
			cancel()
			if next.ID != "" {
				job = next
			}
			switch {
			case errors.Is(err, jobs.ErrGone):
				if f, _, failed := c.Backfills().Load(ctx, name); failed == nil {
					if now := f.Find(id); now != nil && now.State == jobs.Done { // by another process
						return *now, nil
					}
				}
				return job, err
			case err != nil:
				report.State, report.Err, report.Error = pipeline.Failed, err, err.Error()
			case job.Finished():
				return job, nil
			}
		}
		switch report.State {
		case pipeline.Locked:
			waits = "another run is active on the stream"
			progress(Working{job, waits})
			pause(ctx, backfillLockedFor)
		case pipeline.Failed:
			if failures++; failures >= backfillFailures && ctx.Err() == nil {
				return job, fmt.Errorf("%d attempts in a row failed: %w", failures, report.Err)
			}
			progress(Working{job, "it failed and is tried again: " + report.Error})
			pause(ctx, time.Duration(failures)*backfillPause)
		default:
			failures = 0
			if waits != "" {
				progress(Working{job, waits})
			}
		}
	}
}

// goesFirst does a run of the stream itself, unless one has read it to its end lately, and says what
// a backfill waits for. tail is when the last such run began.
func (c *Connection) goesFirst(ctx context.Context, s stream, tail *time.Time) (report pipeline.Report, waits string) {
	if !tail.IsZero() && time.Since(*tail) < longestSlice {
		return report, ""
	}
	begun := time.Now()
	report = c.tailOf(ctx, s)
	if report.State == pipeline.Drained {
		*tail = begun
	}
	if report.State == pipeline.Budget {
		waits = "the stream itself goes first: it lags " + lagOf(report)
	}
	return report, waits
}

// tailOf does a run of the stream itself.
func (c *Connection) tailOf(ctx context.Context, s stream) pipeline.Report {
	ctx, cancel := context.WithTimeout(ctx, c.budget)
	defer cancel()
	r := c.runner(s)
	r.Progress = nil
	report := c.report(r.Run(ctx))
	c.ends(ctx, []pipeline.Report{report})
	return report
}

func lagOf(r pipeline.Report) string {
	return time.Duration(r.LagSeconds * float64(time.Second)).Round(time.Second).String()
}

// workOnJobs spends a share of the time on jobs that were left to the function, after runs of these
// streams that read them to their ends. Nothing that happens here changes the outcome of that run.
func (c *Connection) workOnJobs(ctx context.Context, streams []stream, reports []pipeline.Report) {
	if c.options.By != ByFunction && c.options.By != ByServe {
		return
	}
	for i, s := range streams {
		if s.audited() && reports[i].State == pipeline.Drained && ctx.Err() == nil {
			c.workOnJob(ctx, s)
		}
	}
}

// jobTime is how much of the time between two runs, and of what is left of the budget, a backfill may
// use.
func (c *Connection) jobTime(ctx context.Context) time.Duration {
	every := c.every(time.Now())
	if every <= 0 {
		every = time.Minute
	}
	most := min(every/2, max(longestSlice, every/4))
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline)/2)
	}
	return most
}

// workOnJob works on the first job of a stream that was left to the function.
func (c *Connection) workOnJob(ctx context.Context, s stream) {
	name := s.Stream().ID
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("backfill panicked", "stream", name, "panic", fmt.Sprint(p))
		}
	}()
	most := c.jobTime(ctx)
	if most < shortestSlice {
		return
	}
	file, _, err := c.Backfills().Load(ctx, name)
	if err != nil {
		c.log.Warn("backfill: the jobs can't be read", "stream", name, "error", err.Error())
		return
	}
	for _, j := range file.Open() {
		if !j.Left || time.Since(j.Failure.At) < min(time.Duration(j.Failure.Count)*time.Minute, longestPause) {
			continue
		}
		cut, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		for again := true; again; {
			job, report, err := c.slice(cut, s, j.ID, nil)
			if err != nil {
				report.State, report.Error = pipeline.Failed, err.Error()
			}
			c.logSlice(name, j.ID, job, report)
			deadline, _ := cut.Deadline()
			again = report.State == pipeline.Drained && !job.Finished() && time.Until(deadline) >= shortestSlice
		}
		return
	}
}

// logSlice logs what a slice came to.
func (c *Connection) logSlice(stream, id string, job jobs.Job, report pipeline.Report) {
	attrs := []any{"stream", stream, "job", id, "state", string(job.State), "fetched", report.Fetched, "sent", report.Sent, "known", report.Duplicates}
	if !job.Through.IsZero() {
		attrs = append(attrs, "through", job.Through)
	}
	if report.State == pipeline.Failed {
		c.log.Warn("backfill failed", append(attrs, "error", report.Error)...)
		return
	}
	c.log.Info("backfill", attrs...)
}
