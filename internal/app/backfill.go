package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/text"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/version"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
	"github.com/idn-sentinel/idn-sentinel/internal/state/ledger"
)

// BackfillRequest says what to deliver once more.
type BackfillRequest struct {
	Stream string
	// From and To are the borders of ledger windows.
	From, To time.Time
	// Workspace asks the workspace which records are there, for those that the ledger does not know.
	Workspace bool
	// Leave leaves the job to the function.
	Leave bool
}

// Estimate is what a backfill is expected to do.
type Estimate struct {
	Stream string    `json:"stream"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	// Events is how many the source counts, and Known how many the ledger knows; Events is −1 if the
	// source can't count.
	Events int64 `json:"events"`
	Known  int64 `json:"known"`
	// Requests is how many the source gets, and Seconds how long that takes at the highest rate at
	// which it is asked. −1 if that is unknown.
	Requests int64   `json:"requests"`
	Seconds  float64 `json:"seconds"`
	// Rate is that rate, in requests a second; 0 if there is none.
	Rate float64 `json:"requests_per_second,omitzero"`
	// Repeats are parts of the range whose events may come a second time.
	Repeats []Repeat `json:"may_repeat,omitempty"`
}

// Repeat is a part of a range whose events may come a second time.
type Repeat struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Events is how many of them the ledger does not know; −1 if the source can't count.
	Events int64  `json:"events"`
	Why    string `json:"why"`
}

// Left is how many events are left to send; −1 if that is unknown.
func (e Estimate) Left() int64 {
	if e.Events < 0 {
		return -1
	}
	return max(0, e.Events-e.Known)
}

// ErrNoCheckpoint means that nothing was ever delivered of a stream.
var ErrNoCheckpoint = errors.New("there is no checkpoint: nothing of this stream was ever delivered with this state; let the function run first, or correct STATE_URL if it differs from the function's")

// OverlapError means that an unfinished job covers a part of the range.
type OverlapError struct{ Job jobs.Job }

func (e *OverlapError) Error() string {
	return fmt.Sprintf("the backfill %s, which is not finished, covers %s to %s: continue it with idnsentinel jobs resume %[1]s, or end it with idnsentinel jobs cancel %[1]s",
		e.Job.ID, stamp(e.Job.From), stamp(e.Job.To))
}

// readable explains why a stream can't be read again; nil if it can.
func (c *Connection) readable(name string) error {
	s, err := c.stream(name)
	if err != nil || s.audited() {
		return err
	}
	return fmt.Errorf("%s can't be read again: its source has no search by time, and shows only what is recent or was pushed; only %s can be backfilled", c.Short(name), cmp.Or(strings.Join(c.Audited(), " and "), "other sources"))
}

// Short returns the short name of a stream.
func (c *Connection) Short(name string) string {
	if s, err := c.stream(name); err == nil {
		return s.Short
	}
	return name
}

// Backfills is where the jobs of the connection are.
func (c *Connection) Backfills() *jobs.Store { return jobs.New(c.store, c.settings.Tenant) }

// Estimate says what a backfill would do. It asks the source for a few counts at most, and with
// Workspace whether the workspace answers.
func (c *Connection) Estimate(ctx context.Context, q BackfillRequest) (Estimate, error) {
	e := Estimate{Stream: q.Stream, From: q.From, To: q.To, Events: -1, Requests: -1, Seconds: -1}
	if err := c.readable(q.Stream); err != nil {
		return e, err
	}
	s, err := c.stream(q.Stream)
	if err != nil {
		return e, err
	}
	cp, err := c.checkpoints(s).Load(ctx, q.Stream)
	switch {
	case err != nil:
		return e, err
	case cp.Tag == "":
		return e, ErrNoCheckpoint
	}
	file, _, err := c.Backfills().Load(ctx, q.Stream)
	if err != nil {
		return e, err
	}
	for _, j := range file.Open() {
		if j.Overlaps(q.From, q.To) {
			return e, &OverlapError{j}
		}
	}
	if q.Workspace {
		reader, err := c.reader()
		if err == nil {
			err = reader.MayAsk(ctx, s.inWorkspace())
		}
		if err != nil {
			return e, fmt.Errorf("--workspace asks the workspace, which does not answer: %w", err)
		}
	}
	defer c.shares(ctx)()
	count := c.counting(s)
	if e.Events, e.Known, err = count(ctx, q.From, q.To); err != nil {
		return e, err
	}
	if !q.Workspace {
		if e.Repeats, err = c.repeats(ctx, s, q, cp, file, count); err != nil {
			return e, err
		}
	}
	c.beside(false) // who works on it has the whole rate
	e.cost(s)
	return e, nil
}

// counting counts what the source and the ledger have; −1 if the source can't count.
func (c *Connection) counting(s stream) func(ctx context.Context, from, to time.Time) (want, have int64, err error) {
	known := ledger.Open(ledger.Config{Store: c.store, Tenant: c.settings.Tenant, Stream: s.Stream().ID, Window: s.Window})
	policy := c.interactiveRunner(s).Retry
	return func(ctx context.Context, from, to time.Time) (want, have int64, err error) {
		if !from.Before(to) {
			return 0, 0, nil
		}
		if have, err = known.Count(ctx, from, to); err != nil {
			return 0, 0, err
		}
		src, ok := s.Source.(pipeline.Counter)
		if !ok {
			return -1, have, nil
		}
		err = policy.Do(ctx, nil, func(ctx context.Context) (err error) {
			want, err = src.Count(ctx, from, to)
			return err
		})
		if err != nil {
			err = fmt.Errorf("count the events of the range: %w", err)
		}
		return want, have, err
	}
}

// cost fills in how much the source is asked.
func (e *Estimate) cost(s stream) {
	of, ok := s.of.(source.Rated)
	if !ok {
		return
	}
	rate := of.Rate()
	e.Rate = rate.PerSecond
	if e.Events < 0 || rate.Page <= 0 {
		return
	}
	// The pages, the end of each day, and a few counts.
	days := int64(math.Ceil(e.To.Sub(e.From).Hours() / 24))
	e.Requests = (e.Events+int64(rate.Page)-1)/int64(rate.Page) + days + 2
	if e.Rate > 0 {
		e.Seconds = float64(e.Requests) / e.Rate
	}
}

// repeats are the parts of a range of which the ledger may have forgotten what was delivered.
func (c *Connection) repeats(ctx context.Context, s stream, q BackfillRequest, cp pipeline.Checkpoint, file jobs.File, count func(context.Context, time.Time, time.Time) (int64, int64, error)) (list []Repeat, err error) {
	keep := c.settings.LedgerKeep
	forgotten := earlier(time.Now().Add(-keep).UTC().Truncate(s.Window).Add(s.Window), q.To)
	if !q.From.Before(forgotten) {
		return nil, nil
	}
	add := func(from, to time.Time, why string) error {
		if !from.Before(to) {
			return nil
		}
		want, have, err := count(ctx, from, to)
		if err != nil || want >= 0 && want <= have {
			return err
		}
		n := int64(-1)
		if want >= 0 {
			n = want - have
		}
		list = append(list, Repeat{From: from, To: to, Events: n, Why: why})
		return nil
	}
	begun := cp.Since.UTC().Truncate(s.Window)
	delivered := q.From
	if begun.After(delivered) {
		delivered = begun
	}
	for _, j := range file.Jobs { // before the stream began, only backfills have delivered anything
		if j.State == jobs.Delivering || j.Counts.Fetched == 0 || !j.Overlaps(q.From, earlier(begun, forgotten)) {
			continue
		}
		from := q.From
		if j.From.After(from) {
			from = j.From
		}
		if err := add(from, earlier(earlier(j.To, begun), forgotten), fmt.Sprintf("the backfill %s has read this before, and the ledger keeps ids for %s (LEDGER_KEEP)", j.ID, text.Duration(keep))); err != nil {
			return nil, err
		}
	}
	err = add(delivered, forgotten, fmt.Sprintf("the runs have delivered this, and the ledger keeps ids for %s (LEDGER_KEEP)", text.Duration(keep)))
	return list, err
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// AddBackfill makes a job of a request.
func (c *Connection) AddBackfill(ctx context.Context, q BackfillRequest, e Estimate) (jobs.Job, error) {
	j := jobs.Job{
		ID: strings.ToLower(rand.Text()[:6]), Connection: c.Name(), From: q.From, To: q.To, Workspace: q.Workspace, Left: q.Leave,
		Created: time.Now(), Version: version.String(), Events: e.Events, State: jobs.Delivering,
	}
	return j, c.Backfills().Change(ctx, q.Stream, func(f *jobs.File) error {
		for _, other := range f.Open() {
			if other.Overlaps(j.From, j.To) {
				return &OverlapError{other}
			}
		}
		if len(f.Open()) >= jobs.MaxOpen {
			return fmt.Errorf("%d backfills wait already: idnsentinel jobs list shows them", jobs.MaxOpen)
		}
		f.Jobs = append(f.Jobs, j)
		return nil
	})
}

// StreamJob is a job and its stream.
type StreamJob struct {
	Connection *Connection
	Stream     string
	jobs.Job
}

// Jobs lists the jobs of all streams of the connection, the unfinished ones first. The error joins
// those of the streams whose jobs can't be read.
func (c *Connection) Jobs(ctx context.Context) (list []StreamJob, err error) {
	var errs []error
	for _, name := range c.Audited() {
		f, _, err := c.Backfills().Load(ctx, name)
		if err != nil {
			errs = append(errs, err)
		}
		for _, j := range f.Jobs {
			list = append(list, StreamJob{c, name, j})
		}
	}
	slices.SortStableFunc(list, func(a, b StreamJob) int {
		rank := func(j *jobs.Job) int {
			if j.Finished() {
				return 1
			}
			return 0
		}
		return rank(&a.Job) - rank(&b.Job)
	})
	return list, errors.Join(errs...)
}

// CancelJob ends a job. What it has delivered stays delivered. It fails if the job is finished.
func (c *Connection) CancelJob(ctx context.Context, stream, id string) error {
	return c.changeJob(ctx, stream, id, func(j *jobs.Job) { j.State, j.Ended = jobs.Cancelled, time.Now() })
}

// LeaveJob leaves a job to the function, or takes it back.
func (c *Connection) LeaveJob(ctx context.Context, stream, id string, leave bool) error {
	return c.changeJob(ctx, stream, id, func(j *jobs.Job) { j.Left = leave })
}

func (c *Connection) changeJob(ctx context.Context, stream, id string, do func(*jobs.Job)) error {
	return c.Backfills().Change(ctx, stream, func(f *jobs.File) error {
		j := f.Find(id)
		switch {
		case j == nil:
			return fmt.Errorf("there is no backfill %q", id)
		case j.Finished():
			return fmt.Errorf("the backfill %s is %s already", id, j.State)
		}
		do(j)
		return nil
	})
}

// needed is the moment from which on the ledger of a stream is needed by backfills.
func (c *Connection) needed(name string) func(context.Context) (time.Time, error) {
	return func(ctx context.Context) (time.Time, error) {
		f, _, err := c.Backfills().Load(ctx, name)
		return f.Needed(), err
	}
}
