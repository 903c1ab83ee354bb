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
	if !w.o.off(LongPause) && d.chance("after/"+string(LongPause), 0, 0.15) {
		w.happened(LongPause)
		sleep(d.span("pause", 0, ledgerKeep+2*time.Hour, 3*ledgerKeep))
		g.quietly("after a long pause")
	}
	if !w.o.off(ClockJump) && d.chance("after/"+string(ClockJump), 0, 0.15) {
		w.happened(ClockJump)
		g.jump(d.span("jump", 0, 10*time.Minute, 10*24*time.Hour))
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
func (g *game) tickQuietly(when string, want pipeline.State) {
	w := g.w
	sleep(w.plan.tick)
	g.alive()
	for _, rep := range g.poll(g.main) {
		if want != "" && rep.State != want {
			w.mu.Lock()
			w.breaks("%s: %s is not %s: %+v", when, rep.Stream, want, rep)
			w.mu.Unlock()
		}
	}
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
	// The others catch up.
	w.mu.Lock()
	w.ahead = 0
	w.mu.Unlock()
	w.tracef("the connector's clock is right again")
	// Here only the others' clocks are set. A process whose own is set forgets what it has
	// seen of them; for this one they have jumped.
	g.main = w.start()
	for !w.failed() && time.Since(begin.Add(by)) < 2*w.plan.ages[len(w.plan.ages)-1]+30*time.Minute {
		g.tickQuietly("after the clock was ahead", "")
	}
	g.quietly("after the clock was ahead")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkEnd()
}

// news makes events that happen within some time from a moment on.
func (g *game) news(from time.Time, within time.Duration) {
	w, gen := g.w, generator()
	for n := range int64(8) {
		i := len(w.plan.events) + 10 + int(n)
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
