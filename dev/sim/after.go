package sim

import (
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// ledgerKeep is LEDGER_KEEP. Pruning has its turn once a day.
const ledgerKeep = 24 * time.Hour

// afterwards plays on, once everything has arrived, what takes days: nothing of it may
// send a row again or lose a new one.
func (g *game) afterwards() {
	w, d := g.w, g.w.dice
	g.readBack()
	if !w.o.off(LongPause) && d.chance("after/"+string(LongPause), 0, 0.15) && !w.failed() {
		w.happened(LongPause)
		sleep(d.span("pause", 0, ledgerKeep+2*time.Hour, 3*ledgerKeep))
		g.quietly("after a long pause")
	}
	if !w.o.off(ClockJump) && d.chance("after/"+string(ClockJump), 0, 0.15) && !w.failed() {
		w.happened(ClockJump)
		g.jump(d.span("jump", 0, 10*time.Minute, 10*24*time.Hour))
	}
	if !w.o.off(ClockBehind) && d.chance("after/"+string(ClockBehind), 0, 0.1) && !w.failed() {
		w.happened(ClockBehind)
		g.fallBehind(pick2(d, "behind", 0, d.span("behind", 1, 10*time.Minute, time.Hour), d.span("behind", 2, time.Hour, 10*24*time.Hour)))
	}
}

// quietly polls some times, when there is nothing new, and once more with another instance.
func (g *game) quietly(when string) {
	w := g.w
	w.mu.Lock()
	before := w.seen.stored
	w.mu.Unlock()
	for i := range 6 {
		if i == 4 {
			g.main = w.start()
		}
		g.tickQuietly(when, pipeline.Drained)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.seen.stored - before; n > 0 {
		w.breaks("%d rows are delivered %s, and there was nothing new", n, when)
	}
}

// tickQuietly polls at the next tick and demands that each run ends as it should.
func (g *game) tickQuietly(when string, want pipeline.State) (reports []pipeline.Report) {
	w := g.w
	sleep(w.plan.tick)
	g.alive()
	reports = g.poll(g.main)
	for _, rep := range reports {
		if want != "" && rep.State != want && !w.isLong(rep) {
			w.mu.Lock()
			w.breaks("%s: %s is not %s: %+v", when, rep.Stream, want, rep)
			w.mu.Unlock()
		}
	}
	return reports
}

// isLong reports whether a run may have met its budget although nothing is wrong: a sweep of small pages at
// the allowed rate may take longer than the shortest run.
func (w *world) isLong(rep pipeline.Report) bool {
	return rep.State == pipeline.Budget && w.plan.pageCap > 0 && w.budget < time.Minute
}

// jump lets the connector's clock be ahead of all others for some runs. Virtual time does
// not go back: it goes ahead while everybody else's stands, and the others catch up at the
// end. What happens meanwhile is behind a cursor that followed the wrong clock.
func (g *game) jump(by time.Duration) {
	w := g.w
	w.mu.Lock()
	begin := w.now()
	w.mu.Unlock()
	sleep(by)
	w.mu.Lock()
	w.ahead = by
	w.mu.Unlock()
	w.tracef("the connector's clock is %v ahead", by)
	g.news(begin, by)
	for range 1 + w.dice.pick("runs ahead", 0, 3) {
		g.tickQuietly("while the clock is ahead", "")
	}
	g.right("after the clock was ahead", begin.Add(by))
}

// fallBehind lets the connector's clock be behind all others for some runs: the others go
// ahead, and stand once it is set. Nothing may be green meanwhile.
func (g *game) fallBehind(by time.Duration) {
	w := g.w
	w.mu.Lock()
	begin := w.now()
	w.ahead = -by
	w.mu.Unlock()
	w.tracef("the connector's clock is %v behind", by)
	g.main = w.start() // for the one that is there the others have jumped
	g.news(begin, by)
	for range 1 + w.dice.pick("runs behind", 0, 3) {
		for _, rep := range g.tickQuietly("while the clock is behind", "") {
			w.mu.Lock()
			w.checkThat(rep.State != pipeline.Drained, "%s is drained, and the clock is %v behind: %+v", rep.Stream, by, rep)
			w.mu.Unlock()
		}
	}
	sleep(by)
	g.right("after the clock was behind", time.Now())
}

// right is what has to be once the connector's clock is right again, at the moment from.
func (g *game) right(when string, from time.Time) {
	w := g.w
	w.mu.Lock()
	w.ahead = 0
	w.mu.Unlock()
	w.tracef("the connector's clock is right again")
	// Here only the others' clocks are set. A process whose own is set forgets what it has
	// seen of them; for this one they have jumped.
	g.main = w.start()
	for !w.failed() && time.Since(from) < 2*w.plan.ages[len(w.plan.ages)-1]+30*time.Minute {
		g.tickQuietly(when, "")
	}
	g.quietly(when)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkEnd()
}

// news makes events that happen within some time from a moment on.
func (g *game) news(from time.Time, within time.Duration) {
	w, gen := g.w, generator()
	for n := range int64(8) {
		i := w.plan.more()
		at := from.Add(w.dice.span("news", n, time.Minute, within)).Truncate(time.Millisecond)
		raw := redated(gen.Event(i), gen.Created(i), at)
		w.tenant.AddEvent(raw, at)
		w.mu.Lock()
		r := &row{key: gen.ID(i), id: gen.ID(i), raws: [][]byte{raw}, created: at, visible: at, wanted: true}
		w.seen.add(r)
		w.seen.insert(r)
		w.mu.Unlock()
	}
}
