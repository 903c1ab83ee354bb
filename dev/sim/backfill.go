package sim

import (
	"bytes"
	"context"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/jobs"
)

const (
	// historyEvents is how many events happened before anything that the first run reads.
	historyEvents = 150
	// historyBegin and historyEnd are when they happened, before the start.
	historyBegin, historyEnd = 50 * time.Hour, 8 * time.Hour
	// backfillID is the id of the job.
	backfillID = "past"
)

// history makes the events that only a backfill delivers.
func (p *planner) history() {
	if !p.o.Backfill {
		return
	}
	g := generator()
	for n := range int64(historyEvents) {
		i := p.next
		p.next++
		created := p.start.Add(-historyBegin + p.d.span("history", n, 0, historyBegin-historyEnd)).Truncate(time.Millisecond)
		raw := bytes.ReplaceAll(g.Event(i), []byte(g.Created(i).Format(stamp)), []byte(created.Format(stamp)))
		p.events = append(p.events, event{id: g.ID(i), created: created, visible: created.Add(time.Second), raw: raw, past: true})
	}
}

// leaveBackfill makes the job, as a person does on a machine where nothing goes wrong.
func (g *game) leaveBackfill() {
	w := g.w
	if !w.o.Backfill {
		return
	}
	j := jobs.Job{
		ID: backfillID, From: w.plan.start.Add(-historyBegin).Truncate(window), To: w.plan.start.Add(-historyEnd).Truncate(window).Add(window),
		Left: true, Created: time.Now(), Events: historyEvents, State: jobs.Delivering,
	}
	err := jobs.New(w.mem, "acme").Change(context.Background(), eventsStream, func(f *jobs.File) error {
		f.Jobs = append(f.Jobs, j)
		return nil
	})
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.breaks("make the backfill: %v", err)
	}
}

// checkJobs demands that the place of a job does not pass anything that is nowhere yet. The caller
// holds the lock.
func (w *world) checkJobs(inst *instance, data []byte) {
	f, err := jobs.Decode(data)
	if err != nil {
		w.breaks("%s stores a backfill that can't be read: %v", inst, err)
		return
	}
	j := f.Find(backfillID)
	if j == nil {
		w.breaks("%s drops a backfill that is not finished", inst)
		return
	}
	passed := j.To
	if j.State == jobs.Delivering {
		place, err := pipeline.ParseJobPlace(pipeline.Cursor(j.Place))
		if err != nil {
			return // it has not begun
		}
		passed = place.Leg
	}
	for _, known := range w.seen.events {
		if known.past && known.created.Before(passed) && !known.settled {
			w.breaks("%s moves the backfill past %q of %v, which is nowhere yet", inst, known.key, known.created)
			return
		}
	}
}

// checkBackfill demands that the job is done, and proven. The caller holds the lock.
func (w *world) checkBackfill() {
	if !w.o.Backfill {
		return
	}
	f, _, err := jobs.New(w.mem, "acme").Load(context.Background(), eventsStream)
	if err != nil {
		w.breaks("the backfill can't be read: %v", err)
		return
	}
	if j := f.Find(backfillID); j == nil || j.State != jobs.Done || j.Proof.Verdict != app.VerdictComplete {
		w.breaks("in the end the backfill is not proven: %+v", j)
	}
}
