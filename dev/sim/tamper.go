package sim

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/quarantine"
)

// What somebody does to the state, and what is expected of the connector then.

// full says whether the store does not take a write that it is asked for. That is all
// writes, those that replace or remove something, or those of one kind of object.
func (w *world) full(ph *phase, op mem.Op, key string) bool {
	if ph.outage != StoreFull || op != mem.Put && op != mem.Delete {
		return false
	}
	exists := func() bool {
		_, err := w.mem.Get(context.Background(), key)
		return err == nil
	}
	switch ph.way % 4 {
	case 0: // no room
		return op == mem.Put
	case 1: // a legal hold
		return exists()
	case 2: // another process holds a lease on some windows of the ledger
		return strings.Contains(key, "/ledger/") && w.dice.chance("leased"+key, int64(ph.way), 0.5) && exists()
	}
	return strings.Contains(key, "/checkpoints/")
}

// checkFull demands that a run does not send what it could have known that it can't
// remember. The caller holds the lock.
func (w *world) checkFull(r *run, known *row) {
	ph := r.phase
	if ph == nil || ph.outage != StoreFull || ph != w.phase() {
		return
	}
	if ph.way%4 == 0 {
		w.breaks("%s delivers %q although the store has taken no writes since before it began", r, known.key)
		return
	}
	again := func(d *delivery) bool {
		return d.run.phase == ph && d.clean && !d.crowded && !d.run.killed && !d.run.leaseLost
	}
	earlier := known.deliveries[known.wiped:]
	if known.twins > 1 && (len(earlier) < known.twins || slices.ContainsFunc(earlier, (*delivery).excused)) {
		return // nothing says which of the twins comes
	}
	if !r.leaseLost && !known.crossed(r) && slices.ContainsFunc(earlier, again) {
		w.breaks("%s delivers %q, which another run had delivered since the store takes no writes", r, known.key)
	}
}

// tamper lets somebody meddle with the state, between two polls.
func (g *game) tamper() {
	w, d, n := g.w, g.w.dice, g.ticks
	all := w.locks()
	stream := all[d.pick("tamper", n, len(all))]
	if d.chance("tick/"+string(StrangerLease), n, 0.02) && !w.o.off(StrangerLease) {
		w.lease(stream, d.span("stranger", n, time.Minute, 40*time.Minute))
	}
	if !w.idle() {
		return
	}
	if d.chance("tick/"+string(LostMark), n, 0.01) && !w.o.off(LostMark) {
		w.lose("acme/checkpoints/"+stream+".json", LostMark)
	}
	if d.chance("tick/"+string(LostState), n, 0.005) && !w.o.off(LostState) {
		w.lose("", LostState)
	}
}

// idle says whether no run is at work.
func (w *world) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running == 0 && len(w.holders) == 0
}

// lease takes a stream's lock for somebody who is not a run, if it is free.
func (w *world) lease(stream string, long time.Duration) {
	long = min(long, time.Until(w.plan.start.Add(w.plan.active)))
	_, release, err := w.mem.Lock(context.Background(), "acme/locks/"+stream)
	if err != nil {
		return
	}
	w.tracef("somebody takes the lock of %s for %v", stream, long)
	w.mu.Lock()
	w.count[StrangerLease]++
	w.strangers[stream] = time.Now()
	w.mu.Unlock()
	time.AfterFunc(long, func() {
		w.mu.Lock()
		delete(w.strangers, stream)
		w.mu.Unlock()
		_ = release(context.Background())
	})
}

// checkLocked demands that a lock that nobody gives back is no excuse for ever. The
// caller holds the lock. at is when the run found it locked: another stream may have kept the
// poll longer.
func (w *world) checkLocked(rep pipeline.Report, at time.Time) {
	since, held := w.strangers[rep.Stream]
	if held && rep.State == pipeline.Failed { // which is said, for whatever reason
		w.strangers[rep.Stream] = time.Now()
	}
	// The longest run, with the lease that it leaves behind, and then two ticks that are
	// skipped or late; the stream has to be found locked first.
	most := w.budget + pipeline.Overtime + leaseFor + 4*w.plan.tick + time.Minute
	if held && rep.State == pipeline.Locked && at.Sub(since) > most {
		w.breaks("%s is reported as locked, and somebody has held its lock for %v", rep.Stream, at.Sub(since))
	}
}

// unnoticed: runs that can't use the state don't find out that a lock is held.
func (w *world) unnoticed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for stream := range w.strangers {
		w.strangers[stream] = time.Now()
	}
}

// lose removes what is stored under a key, or all of it.
func (w *world) lose(prefix string, kind Kind) {
	var keys []string
	for info, err := range w.mem.List(context.Background(), "") {
		if err == nil && strings.HasPrefix(info.Key, prefix) {
			keys = append(keys, info.Key)
		}
	}
	if len(keys) == 0 {
		return
	}
	w.tracef("%s: %d objects", kind, len(keys))
	for _, key := range keys {
		_ = w.mem.Delete(context.Background(), key)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count[kind]++
	if !strings.HasSuffix(prefix, triggersStream+".json") {
		w.audited = time.Time{}
	}
	for stream := range w.strangers { // the note of since when it is held is void
		w.strangers[stream] = time.Now()
	}
	if kind != LostState {
		return
	}
	clear(w.seen.spool)
	for _, known := range w.seen.rows {
		known.settled = known.settled && len(known.deliveries) > 0
		known.wiped = len(known.deliveries)
		known.committed, known.by = 0, nil
		known.kept, known.zombie = false, false
		known.spooled, known.copies = 0, 0
	}
}

// loads notes whether a run found a checkpoint.
func (w *world) loads(inst *instance, stream string, none bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := inst.runs[stream]; r != nil && !r.over {
		r.first = none
	}
}

// checkBeginning demands a warning where a stream began without a checkpoint. The caller
// holds the lock.
//
// An inbox begins with whatever is in it: without a checkpoint nothing of it is missed.
func (w *world) checkBeginning(r *run, rep pipeline.Report) {
	if r == nil || !r.first || r.stream == pushedStream || r.stream == reportsStream || r.leaseLost || r != r.inst.runs[rep.Stream] || rep.State != pipeline.Drained {
		return
	}
	if !slices.ContainsFunc(rep.Warnings, func(text string) bool { return strings.Contains(text, "no checkpoint") }) {
		w.breaks("%s began without a checkpoint and does not say so: %q", r, rep.Warnings)
	}
}

// checkAudited holds a green run to what its audit claims: what was visible when the run
// began, of the time up to which it has just compared, is settled or counted as
// unexplained. The caller holds the lock.
func (w *world) checkAudited(r *run, rep pipeline.Report) {
	// What is read again and not counted is found when its window comes to the next age.
	if r == nil || w.o.Uncounted || rep.Stream != eventsStream || rep.State != pipeline.Drained || rep.WindowsChecked == 0 || !rep.AuditedThrough.After(w.audited) {
		return
	}
	if slices.ContainsFunc(rep.Warnings, func(text string) bool { return strings.Contains(text, "audit was not possible") }) {
		return
	}
	w.audited = rep.AuditedThrough // which a run whose audit did not come to its end repeats
	if rep.Mismatches > 0 {        // what shows up while an audit narrows down may hide as much until the next one
		return
	}
	if rep.Unexplained > 0 {
		return
	}
	for _, e := range w.seen.events {
		if !e.created.Before(rep.AuditedThrough) {
			return
		}
		if !e.past && !e.settled && !w.isAccepted(e.created) && e.visible.Before(r.began) {
			w.breaks("%s is drained and has audited through %v with nothing unexplained, and %q of %v, visible since %v, is nowhere", r, rep.AuditedThrough, e.key, e.created, e.visible)
			return
		}
	}
}

// future is how far ahead of everybody's clock a checkpoint may be: what the clocks of
// tenant and connector may differ by.
const future = 5 * time.Minute

// checkFuture demands that no place is kept that has not come yet. The caller holds the lock.
func (w *world) checkFuture(r *run, cp pipeline.Checkpoint) {
	latest := w.now().Add(future)
	var at struct {
		place
		From, Since time.Time
	}
	_ = json.Unmarshal([]byte(cp.Cursor), &at, json.MatchCaseInsensitiveNames(true))
	if at.Created.After(latest) || at.From.After(latest) || at.Since.After(latest) || cp.Through.After(latest) {
		w.breaks("%s keeps a place in the future: %s, through %v", r, cp.Cursor, cp.Through)
	}
}

// checkRefused demands that nothing goes into quarantine only because the workspace takes
// nothing at all. The caller holds the lock.
func (w *world) checkRefused(inst *instance, item quarantine.Item, known *row) {
	r := inst.runs[item.Stream]
	if item.Reason != pipeline.RejectedBySink || known.poison || r == nil || known.refusedBy != nil {
		return // or a resend that was refused, too: it is there already
	}
	// It had seen the workspace take records when that began to refuse everything. The phase may
	// be over by the time that its answer is noted.
	known.onset = w.refusing != nil && r.phase != w.refusing
	if r.phase != nil && r.phase.outage == SinkRefusal && !known.onset {
		w.breaks("%s puts %q into quarantine, and the workspace has refused everything since before it began", r, known.key)
	}
}

// checkPruned demands that no window of the ledger goes that is still needed. The caller
// holds the lock.
func (w *world) checkPruned(key string) {
	parts := strings.SplitN(key, "/", 4)
	if len(parts) < 4 || parts[1] != "ledger" || parts[3] == "probe" {
		return
	}
	w.count[LedgerPruned]++
	start, err := time.Parse("2006-01-02/150405", parts[3])
	if err != nil || w.now().Sub(start) < ledgerKeep {
		w.breaks("%q is removed, %v after it began", key, w.now().Sub(start))
	}
}

// resend lets a person send what was refused again.
func (g *game) resend(inst *instance) (reports []pipeline.Report) {
	w := g.w
	if inst == nil || inst.died() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	streams := []string{eventsStream, triggersStream}
	for _, guest := range w.guests {
		streams = append(streams, guest.streams...)
	}
	for _, stream := range streams {
		var entries []quarantine.Entry
		for e, err := range inst.app.Connections()[0].Quarantine().List(ctx, stream, quarantine.Undelivered) {
			if err != nil {
				w.tracef("%s: list quarantine: %v", inst, err)
				return reports
			}
			entries = append(entries, e)
		}
		rep := inst.app.Connections()[0].Resend(ctx, stream, entries, func(f app.ResendResult) { w.tracef("%s: resend: %+v", inst, f) })
		w.tracef("%s: resend: %+v", inst, rep)
		reports = append(reports, rep)
	}
	return reports
}

// cure makes the workspace take what it used to refuse, once in the calm, and sends it.
func (g *game) cure() {
	w := g.w
	if w.cured || w.o.off(Resend) || !w.dice.chance("cure", 0, 0.3) {
		return
	}
	w.mu.Lock()
	w.cured = true
	w.count[Resend]++
	w.mu.Unlock()
	for _, rep := range g.resend(g.main) {
		if rep.State != pipeline.Drained && !g.main.died() {
			w.mu.Lock()
			w.breaks("resend: %+v", rep)
			w.mu.Unlock()
		}
	}
}
