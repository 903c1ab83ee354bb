package sim

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
)

// Events that the source counts and does not list: the windows in which they are can't be
// explained, and are reported until a person accepts them.

// window is what an audit compares.
const window = 5 * time.Minute

// unlisted is such an event.
type unlisted struct {
	created, visible time.Time
	raw              []byte
}

// accepted is what a person has accepted, by the start of the window.
type accepted map[int64]pipeline.Difference

// isAccepted reports whether a person has accepted the window of a moment.
func (w *world) isAccepted(at time.Time) bool {
	_, ok := w.accepted[slot(at)]
	return ok
}

// slot is the window of a moment.
func slot(at time.Time) int64 { return at.Truncate(window).Unix() }

// unlisted decides which events are counted and not listed.
func (p *planner) unlistedEvents() {
	if !p.d.chance("unlisted", 0, 0.2) || p.o.off(Unlisted) || p.pageCap > 0 || p.outside != nil { // a row from outside may be taken for the one that is missing
		return
	}
	if slices.ContainsFunc(p.events, func(e event) bool { return e.flaw != sound }) {
		return // a row that can't be read is placed by counting
	}
	oldest := p.ages[len(p.ages)-1]
	for n := range int64(1 + p.d.pick("unlisted/many", 0, 3)) {
		created := p.start.Add(p.d.span("unlisted/when", n, 0, p.active)).Truncate(time.Millisecond)
		p.addUnlisted(created, created.Add(p.d.span("unlisted/late", n, 0, oldest-time.Minute)))
	}
}

func (p *planner) addUnlisted(created, visible time.Time) {
	g, i := generator(), p.next
	p.next++
	p.unlisted = append(p.unlisted, unlisted{created, visible, redated(g.Event(i), g.Created(i), created)})
	p.count[Unlisted]++
}

// accept lets a person look at the unexplained windows, early in the calm, and accept some of
// them. Meanwhile, or afterwards, one of them may grow.
func (g *game) accept(rep pipeline.Report) {
	w, d := g.w, g.w.dice
	early := time.Now().Before(w.plan.start.Add(w.plan.active + w.plan.ages[len(w.plan.ages)-1]))
	if w.accepted != nil || rep.Unexplained == 0 || rep.State != pipeline.Drained || !early || w.o.off(Accept) || !d.chance("accept", 0, 0.8) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, err := g.main.app.Connections()[0].Unexplained(ctx, eventsStream)
	if g.main.died() {
		return
	}
	w.mu.Lock()
	w.accepted = accepted{}
	w.count[Accept]++
	w.checkThat(err == nil && len(list) > 0, "a run reports %d unexplained windows, and there are %v: %v", rep.Unexplained, list, err)
	w.mu.Unlock()
	if len(list) == 0 {
		return
	}
	if d.chance("accept/some", 0, 0.5) {
		list = list[:1+d.pick("accept/some", 1, len(list))]
	}
	if d.chance("accept/grow", 0, 0.6) && g.grow(list[0].From) && d.chance("accept/stale", 0, 0.5) {
		// Audits take notice of it in between: what the person has looked at is no more.
		for range 2 + 2*w.plan.ages[0]/w.plan.tick {
			g.tickQuietly("while somebody looks at unexplained windows", "")
		}
	}
	before := w.unexplained()
	done := g.acknowledge(list)
	w.checkAccepted(before, list, done)
	if len(done) > 0 && d.chance("accept/later", 0, 0.9) {
		g.grow(done[len(done)-1].From)
	}
}

// acknowledge accepts windows as a person does, who does it again if the process died before it
// said what became of it. It returns what was accepted.
func (g *game) acknowledge(list []pipeline.Difference) []pipeline.Difference {
	w := g.w
	for {
		g.alive()
		inst, before := g.main, w.unexplained()
		done, result, err := inst.app.Connections()[0].Acknowledge(context.Background(), eventsStream, list, pipeline.Acknowledgement{By: "somebody", At: time.Now(), Why: "a test"})
		w.tracef("accepts %v of %v: %+v, %v", done, before, result, err)
		if !inst.died() {
			return done
		}
		// Only the store says what a dead process has done. Its lock expires while the next one waits.
		after := w.unexplained()
		if done = slices.DeleteFunc(before, func(d pipeline.Difference) bool { return isIn(after, d) }); len(done) > 0 {
			return done
		}
	}
}

// grow adds an event to a window that audits still compare.
func (g *game) grow(at time.Time) bool {
	w := g.w
	oldest := w.plan.ages[len(w.plan.ages)-1]
	if time.Since(at)+max(w.plan.ages[0], window)+3*w.plan.tick+window > oldest {
		return false
	}
	gen := generator()
	i := w.plan.more()
	created := at.Add(time.Minute)
	u := unlisted{created, time.Now(), redated(gen.Event(i), gen.Created(i), created)}
	w.tenant.AddUnlisted(u.raw, u.visible)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan.unlisted = append(w.plan.unlisted, u)
	w.tracef("one more event of the window from %v is counted and not listed", at)
	return true
}

// unexplained are the windows of the stored checkpoint.
func (w *world) unexplained() []pipeline.Difference {
	o, err := w.mem.Get(context.Background(), "acme/checkpoints/"+eventsStream+".json")
	if err != nil {
		return nil
	}
	f, err := checkpoint.Decode(o.Data)
	if err != nil {
		return nil
	}
	return f.Checkpoint.Audit.Unexplained
}

// checkThat notes a broken promise if it does not hold. The caller holds the lock.
func (w *world) checkThat(holds bool, format string, args ...any) {
	if !holds {
		w.breaks(format, args...)
	}
}

// isIn reports whether d is one of these differences, with the same numbers.
func isIn(list []pipeline.Difference, d pipeline.Difference) bool {
	return slices.ContainsFunc(list, func(o pipeline.Difference) bool {
		return o.From.Equal(d.From) && o.Source == d.Source && o.Ledger == d.Ledger
	})
}

// checkAccepted demands that exactly those windows are accepted whose numbers were named.
func (w *world) checkAccepted(before, named, done []pipeline.Difference) {
	after := w.unexplained()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range before {
		want := isIn(named, d)
		w.checkThat(isIn(done, d) == want, "accepted: %v, named: %v, of %v", done, named, before)
		w.checkThat(isIn(after, d) == !want, "left after %v were named of %v: %v", named, before, after)
		if want {
			w.accepted[slot(d.From)] = d
		}
	}
	w.checkThat(len(done) <= len(named), "%v are accepted, and %v were named", done, named)
}

// checkUnexplained demands that every window that the source can't explain is reported, unless
// somebody has accepted just that.
func (w *world) checkUnexplained(open []pipeline.Difference) {
	many, all, twice := map[int64]int64{}, map[int64]int64{}, map[int64]bool{}
	for _, u := range w.plan.unlisted {
		many[slot(u.created)]++
	}
	seen := map[string]bool{}
	for _, e := range w.plan.events {
		if !e.stray {
			at := slot(e.created)
			all[at]++
			twice[at] = twice[at] || e.flaw != sound || seen[e.key()] // which may be listed on two pages
			seen[e.key()] = true
		}
	}
	for at, n := range many {
		shown := slices.ContainsFunc(open, func(d pipeline.Difference) bool { return slot(d.From) == at })
		took, ok := w.accepted[at]
		settled := ok && took.Source == all[at]+n
		// If more events of the window came and were delivered, the difference is what was accepted. Only
		// an audit that had to read the window for them looks at it anew.
		same := ok && took.Source-took.Ledger == n
		w.checkThat(shown || settled || same, "the source counts %d events more than it lists in the window from %v, and that is not reported; accepted is %v of %d", n, time.Unix(at, 0).UTC(), took, all[at])
		w.checkThat(!shown || !settled, "the window from %v is accepted, and is reported again: %v", time.Unix(at, 0).UTC(), open)
	}
	for _, d := range open {
		w.checkThat(many[slot(d.From)] > 0 || twice[slot(d.From)], "a window is reported as unexplained that lacks nothing: %v", d)
	}
}

// checkGreen demands that a drained run which has just audited counts what the source does not
// list. The caller holds the lock.
func (w *world) checkGreen(r *run, rep pipeline.Report) {
	if r == nil || rep.Stream != eventsStream || rep.State != pipeline.Drained || rep.WindowsChecked == 0 || rep.Unexplained > 0 || len(w.accepted) > 0 {
		return
	}
	if slices.ContainsFunc(rep.Warnings, func(text string) bool { return strings.Contains(text, "audit was not possible") }) {
		return
	}
	for _, u := range w.plan.unlisted {
		// Audits compare what is between the youngest and the oldest age, and each time one period more.
		seen := u.visible.Add(w.plan.ages[0] + window)
		if u.created.Before(rep.AuditedThrough) && seen.Before(r.began) && w.calm(seen) {
			w.breaks("%s is drained and reports nothing unexplained, and the source counts an event of %v that it does not list", r, u.created)
			return
		}
	}
}

// calm says whether nothing goes wrong at a moment.
func (w *world) calm(at time.Time) bool { return w.plan.phase(at) == nil }
