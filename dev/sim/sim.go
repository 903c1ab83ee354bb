package sim

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

// Result is what happened in the play of a seed.
type Result struct {
	Seed int64
	// Broken are the broken promises; none means that all was well.
	Broken []string
	// Virtual is how long it took in virtual time.
	Virtual  time.Duration
	Counts   Counts
	Events   int // rows that the source had, states of invocations included
	Rows     int // rows that arrived
	Twice    int // rows that arrived again
	Polls    int
	Requests int // to the tenant
	StateOps int
	// Starts of the workflow, and how many of them were repetitions.
	Starts, Repeated int
	// Print stands for the course of events: two plays of a seed have the same.
	Print string
}

// Run plays a seed. It must be called inside a bubble of testing/synctest.
func Run(seed int64, o Options) Result {
	w := newWorld(seed, o)
	g := &game{w: w, next: w.plan.start, over: make(chan struct{})}
	begin := time.Now()
	g.play()
	took := time.Since(begin)
	close(g.over)
	g.pushes.Wait()
	w.stop()
	sleep(10 * time.Minute) // all that still waits has come to its end by then
	w.mu.Lock()
	defer w.mu.Unlock()
	res := Result{
		Seed: seed, Broken: w.broken, Virtual: took, Counts: w.count, Events: len(w.seen.rows),
		Rows: w.seen.stored, Twice: w.seen.twice, Polls: g.polls,
	}
	for _, n := range w.requests {
		res.Requests += n
	}
	for _, n := range w.stateOps {
		res.StateOps += n
	}
	visits := []int64{}
	for _, g := range w.guests {
		visits = append(visits, g.visits.Load())
	}
	if w.flow != nil {
		res.Starts, res.Repeated = w.flow.starts, w.flow.again
		visits = append(visits, w.flow.visits.Load(), int64(res.Starts), int64(res.Repeated))
	}
	res.Print = fmt.Sprint(res.Virtual, w.count, res.Rows, res.Twice, res.Polls, w.requests, visits, w.stateOps, w.broken)
	return res
}

func newWorld(seed int64, o Options) *world {
	if o.Pushes || o.Reports || o.Backfill { // a backfill is gone with the state
		// The first takes what was pushed along. As to the others, the inbox is read without an answer of
		// a service that would show the time; that of a storage account does, the store here does not.
		o.Off = append(slices.Clone(o.Off), LostState, ClockJump, ClockBehind)
	}
	if o.Backfill { // the workspace is asked for what the runs delivered
		o.Off = append(slices.Clone(o.Off), ReadBack)
	}
	w := &world{
		o: o, dice: dice(seed), count: Counts{}, mem: &mem.Store{},
		holders: map[string]*run{}, requests: map[string]int{}, stateOps: map[mem.Op]int{}, strangers: map[string]time.Time{},
		lostRows: map[int]bool{},
	}
	w.plan = plan(seed, o, w.count, time.Now())
	w.seen.know(w.plan)
	w.invite()
	w.flow = newFlow(w)
	w.budget = []time.Duration{20 * time.Second, time.Minute, 4 * time.Minute}[w.dice.pick("budget", 0, 3)]
	w.health = w.dice.chance("health", 0, 0.3)
	sleep(time.Until(w.plan.start))
	w.log = slog.New(slog.NewTextHandler(logWriter{w}, &slog.HandlerOptions{Level: slog.LevelDebug}))

	w.tenant = &tenant.Tenant{
		ClientID: clientID, ClientSecret: secretText, Disabled: w.plan.disabled, Deprecated: w.plan.deprecated,
		RefuseIDSort: w.plan.refuseIDSort, UnstableTies: w.plan.unstableTies, Now: w.now,
	}
	for _, e := range w.plan.events {
		if e.stray {
			continue
		}
		w.tenant.AddEventAs(e.raw, e.sent, e.visible)
	}
	for _, u := range w.plan.unlisted {
		w.tenant.AddUnlisted(u.raw, u.visible)
	}
	for _, inv := range w.plan.invocations {
		w.tenant.AddInvocation(inv)
	}
	w.workspace = &workspace.Workspace{
		Compact: w.plan.readBack == "", Identify: w.identify, Poison: w.refuses,
		Now:   func() time.Time { return w.now().Add(w.plan.sinkSkew) },
		Rules: map[string]*workspace.Rule{workspace.DefaultRule: workspace.NewRule()},
	}
	w.workspace.Queries.Lost = func(table string, i int, _ workspace.Row) bool { return table == eventsStream && w.lostRows[i] }
	if o.Neighbour {
		w.neighbour = newNeighbour(w)
	}
	return w
}

// start starts an instance with the settings of the moment.
func (w *world) start() *instance {
	w.mu.Lock()
	w.instances++
	inst := &instance{w: w, id: w.instances, numbers: map[string]int64{}, dead: make(chan struct{}), runs: map[string]*run{}, cancel: func() {}}
	w.mu.Unlock()
	var door http.RoundTripper = &httpDoor{w, inst}
	if w.o.BreakHTTP != nil {
		door = w.o.BreakHTTP(door)
	}
	var store state.Store = &storeDoor{w, inst}
	if w.o.BreakStore != nil {
		store = w.o.BreakStore(store)
	}
	settings := w.settings(inst.id)
	var out io.Writer
	if w.neighbour != nil {
		w.neighbour.add(&settings)
		door, store, out = &besideDoor{door, w.neighbour, inst}, &besideStore{store, w.neighbour, inst}, w.neighbour
	}
	by := ""
	if w.o.Backfill {
		by = app.ByFunction // which works on what was left to it
	}
	a, err := app.Open(settings, app.Options{
		By:  by,
		Log: w.log, Out: out, HTTP: &http.Client{Transport: door}, Store: store, Credential: workspace.Credential{}, Wrap: func(r *pipeline.Runner) { w.wrap(inst, r) },
	})
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.breaks("open: %v", err)
		return nil
	}
	inst.app = a
	w.mu.Lock()
	w.apps = append(w.apps, a)
	w.mu.Unlock()
	c := settings.Connections[0]
	source := c.Sources[0].(*config.SailPoint)
	w.tracef("%s starts: LIMIT=%d BATCH_BYTES=%d SETTLE_DELAY=%v %s", inst, source.Limit, c.BatchBytes, c.SettleDelay, source.APIVersion)
	return inst
}

// stop ends what still runs in the background of all processes.
func (w *world) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	w.mu.Lock()
	all := slices.Clone(w.apps)
	w.mu.Unlock()
	for _, a := range all {
		a.Stop(ctx)
	}
}

// wrap puts the watching source around the real one.
func (w *world) wrap(inst *instance, r *pipeline.Runner) {
	if w.neighbour.isOf(r) {
		return
	}
	stream := r.Source.Stream().ID
	if r.AuditPolicy.Window == 0 {
		panic("sim: no audit")
	}
	if stream == eventsStream {
		r.AuditPolicy.UndatedEvery = 20 * time.Minute
	}
	name := fmt.Sprintf("jitter/%d/%s", inst.id, stream)
	r.Retry.Jitter = func(d time.Duration) time.Duration {
		return w.dice.span(name, inst.number(name), 0, d+1)
	}
	if w.o.Break != nil {
		w.o.Break(r)
	}
	r.Source = watch(w, inst, r.Source)
}

// game is the course of a play.
type game struct {
	w     *world
	main  *instance
	next  time.Time // tick
	polls int
	ticks int64

	hook     *instance                  // receives pushes; nil if nothing is pushed
	pushes   sync.WaitGroup             // under way
	over     chan struct{}              // closed at the end
	last     map[string]pipeline.Report // of the calm
	reported int                        // mismatches in the last part of the calm
}

// play fires the timer until the calm is over.
func (g *game) play() {
	w := g.w
	end := w.plan.start.Add(w.plan.active + w.plan.calm)
	settled := end.Add(-10 * time.Minute)
	g.pushAll()
	g.reportAll()
	w.changeAll()
	g.leaveBackfill()
	calmRequests, calmPolls := 0, 0
	g.last = map[string]pipeline.Report{}
	for !w.failed() {
		g.next = g.next.Add(w.plan.tick)
		for !g.next.After(time.Now()) { // the host fires no second time while one is at work
			g.next = g.next.Add(w.plan.tick)
		}
		if g.next.After(end) {
			break
		}
		sleep(time.Until(g.next))
		g.ticks++
		if w.phase() != nil {
			g.roughTick()
			continue
		}
		before := w.total()
		mismatches := g.calmTick()
		if time.Now().After(settled) {
			calmRequests += w.total() - before
			calmPolls++
			g.reported += mismatches
		}
	}
	if w.failed() {
		return
	}
	g.checkEnd(calmRequests, calmPolls)
	g.afterwards()
}

// streams are those that each poll runs.
func (w *world) streams() []string {
	all := []string{eventsStream, triggersStream}
	if w.o.Pushes {
		all = append(all, pushedStream)
	}
	if w.o.Reports {
		all = append(all, reportsStream)
	}
	for _, g := range w.guests {
		all = append(all, g.streams...)
	}
	return all
}

// locks are the names of the locks that there are.
func (w *world) locks() []string {
	if w.flow == nil {
		return w.streams()
	}
	return append(w.streams(), forwardLock)
}

// checkEnd judges the calm.
func (g *game) checkEnd(calmRequests, calmPolls int) {
	w := g.w
	open := w.unexplained()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkEnd()
	w.checkInboxIsEmpty()
	w.checkReports()
	w.checkForwarded(g.last[reportsStream].Warnings)
	w.checkGuests()
	w.checkBackfill()
	w.checkUnexplained(open)
	if w.neighbour != nil {
		w.neighbour.checkEnd()
	}
	for _, stream := range w.streams() {
		if rep := g.last[stream]; rep.State != pipeline.Drained && !w.isLong(rep) {
			w.breaks("in the end %s is not drained: %+v", stream, rep)
		}
	}
	if g.reported > 0 {
		w.breaks("%d windows still differ when everything has arrived", g.reported)
	}
	// A search, a page or two of the invocations, a count, a token; nine audits' worth at the most.
	most := 8*calmPolls + 30
	if w.o.Uncounted { // what has come to each age is read, and after a pause more of it
		most += len(w.plan.ages) * 3 * calmPolls
	}
	if w.plan.pageCap > 0 {
		most += calmPolls * (4 + 2*len(w.plan.invocations)/w.plan.pageCap)
	}
	if calmRequests > most {
		w.breaks("%d requests in the last %d polls, when everything has arrived", calmRequests, calmPolls)
	}
}

func (w *world) total() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.requests {
		n += c
	}
	return n
}

// odds draws whether something happens at this tick.
func (g *game) odds(k Kind, chance float64) bool {
	if g.w.o.off(k) || !g.w.dice.chance("tick/"+string(k), g.ticks, chance) {
		return false
	}
	g.w.happened(k)
	return true
}

// calmTick polls, and returns the number of windows that differed.
func (g *game) calmTick() (mismatches int) {
	g.alive()
	g.cure()
	g.decide()
	for _, rep := range g.poll(g.main) {
		g.last[rep.Stream] = rep
		mismatches += int(rep.Mismatches)
	}
	g.accept(g.last[eventsStream])
	return mismatches
}

// alive makes sure that there is an instance.
func (g *game) alive() {
	if g.main == nil || g.main.died() {
		g.main = g.w.start()
	}
}

// roughTick is a tick at which anything may happen.
func (g *game) roughTick() {
	w, d := g.w, g.w.dice
	if g.odds(TickSkipped, 0.08) {
		return
	}
	if g.odds(TickLate, 0.1) {
		sleep(d.span("late", g.ticks, time.Second, w.plan.tick))
	}
	g.tamper()
	if g.main != nil && !g.main.died() && g.odds(Restart, 0.08) {
		g.main = w.start()
	}
	g.alive()
	g.decide()
	var wg sync.WaitGroup
	fire := func(inst *instance, after time.Duration) {
		wg.Go(func() {
			sleep(after)
			g.poll(inst)
		})
	}
	g.doom(g.main)
	fire(g.main, 0)
	if g.odds(Resend, 0.05) {
		wg.Go(func() { g.resend(g.main) })
	}
	if g.odds(SecondInstance, 0.15) {
		second := w.start()
		fire(second, d.span("second", g.ticks, 0, 10*time.Second))
	}
	if g.odds(TickDouble, 0.05) {
		fire(g.main, d.span("double", g.ticks, 0, 5*time.Second))
	}
	wg.Wait()
}

// doom decides what will happen to an instance during its next poll.
func (g *game) doom(inst *instance) {
	w, d, n := g.w, g.w.dice, g.ticks
	for _, k := range []Kind{KillBefore, KillAfter} {
		if !w.o.off(k) && d.chance("tick/"+string(k), n, 0.07) { // counted when it happens
			inst.mu.Lock()
			inst.killAt, inst.killHow = inst.steps+1+int64(d.pick("step", n, 1+[]int{12, 30, 80}[d.pick("far", n, 3)])), k
			inst.mu.Unlock()
		}
	}
	within := min(w.budget, 30*time.Second)
	if !w.o.off(Stop) && d.chance("tick/stop", n, 0.06) {
		after := d.span("stop", n, 0, within/4)
		time.AfterFunc(after, func() {
			w.tracef("%s is asked to stop", inst)
			w.happened(Stop)
			inst.mu.Lock()
			defer inst.mu.Unlock()
			inst.cancel()
		})
	}
	for _, k := range []Kind{LostLease, DeafLease} {
		if w.o.off(k) || !d.chance("tick/"+string(k), n, 0.1) {
			continue
		}
		// Most polls are over soon: half of the losses come while there is one.
		when := d.span("when/"+string(k), n, 0, []time.Duration{400 * time.Millisecond, within / 8}[d.pick("soon/"+string(k), n, 2)])
		deaf := time.Duration(0)
		if k == DeafLease {
			deaf = d.span("deaf", n, time.Second, 40*time.Second)
			if !w.o.off(SecondInstance) { // somebody who takes it
				second := w.start()
				time.AfterFunc(when+time.Millisecond, func() { g.poll(second) })
			}
		}
		all := w.locks()
		stream := all[d.pick("whose", n, len(all))]
		time.AfterFunc(when, func() { w.loseLease(stream, k, deaf) })
	}
}

// poll fires one instance and judges how it went.
func (g *game) poll(inst *instance) []pipeline.Report {
	if inst == nil || inst.died() {
		return nil
	}
	w := g.w
	ctx, cancel := context.WithTimeout(context.Background(), w.budget)
	defer cancel()
	inst.mu.Lock()
	inst.cancel = cancel
	inst.mu.Unlock()
	begin := time.Now()
	poll := inst.number("poll")
	w.tracef("%s polls", inst)
	reports := inst.app.Poll(context.WithValue(ctx, inPoll{}, poll))
	took := time.Since(begin)

	w.mu.Lock()
	defer w.mu.Unlock()
	g.polls++
	if inst.died() {
		for _, r := range inst.runs {
			r.killed = r.killed || !r.over
		}
		return nil // nobody hears what it says
	}
	if most := w.budget + grace; took > most {
		w.breaks("%s: the poll took %v, its budget is %v", inst, took, w.budget)
	}
	reports = slices.DeleteFunc(reports, func(rep pipeline.Report) bool { return rep.Connection == neighbourName })
	for _, rep := range reports {
		w.tracef("%s: %+v", inst, rep)
		w.checkReport(rep)
		r := inst.runOf(rep.Stream, poll)
		w.checkHeld(inst, r, rep)
		w.checkCounted(r, rep)
		if rep.Stream == triggersStream {
			w.checkSweep(r, rep)
		}
		w.checkLocked(rep, begin.Add(time.Duration(rep.Seconds*float64(time.Second))))
		w.checkAudited(r, rep)
		w.checkGreen(r, rep)
		w.checkFresh(r, rep)
		w.checkPushed(r, rep)
		w.checkBeginning(r, rep)
		for _, guest := range w.guests {
			guest.checkDrained(w, r, rep)
		}
	}
	return reports
}

// grace is how long a poll may go on behind its budget: a write under way has 3 s, all
// commits behind the end 20 s, and the store may be slow for the few operations after.
const grace = 30 * time.Second
