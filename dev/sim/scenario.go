package sim

import (
	"bytes"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
)

// scenario is what a seed decides before anything runs.
type scenario struct {
	start  time.Time
	active time.Duration // faults and arrivals
	calm   time.Duration // audits catch up
	tick   time.Duration
	ages   []time.Duration
	phases []phase

	events      []event
	invocations []synth.Invocation

	refuseIDSort, unstableTies, deprecated bool
	disabled                               []string
	sinkSkew                               time.Duration

	pageCap   int    // rows that a page of the tenant holds at most; 0 means as asked for
	outside   []byte // a row that every search brings, wherever it looks; nil means none
	sinkTalks bool
	last      int  // number of the generator's event that comes next
	huge      bool // there is a row that makes its page huge
	unlisted  []unlisted
	readBack  config.DailyReadBack // what is done once everything has arrived, "" for nothing
}

// event is a document of the index with what will be known of it.
type event struct {
	id      string // "" if it has none
	created time.Time
	visible time.Time
	raw     []byte
	poison  bool
	stray   bool // searches bring it although they do not ask for it
	past    bool // only a backfill brings it
	// sent is what goes out in the place of raw, nil if that is raw, and flaw how it is told
	// from others then.
	sent []byte
	flaw flaw
}

// phase is a part of the active time with its own weather.
type phase struct {
	begin, until time.Duration // since the start
	rates        map[Kind]float64
	// outage is the one of the outages that lasts for the whole phase, or "".
	outage Kind
	// way says which way it takes, where there are several.
	way int
	// down are the guests of which each request fails for the whole phase.
	down []Kind
	// off is a family of paths that answers 404 for the whole phase, or "".
	off string
}

// generator makes the text of all events. It is expensive to make.
var generator = sync.OnceValue(func() *synth.Generator { //nolint:gochecknoglobals // immutable
	return synth.New(synth.Options{Seed: 1, Plain: true, Bytes: 700, Canary: canary})
})

// canary is part of each secret in a trigger's payload.
const canary = "canary-of-a-trigger-9b2d"

// planner makes a scenario.
type planner struct {
	*scenario
	o     Options
	rng   *rand.Rand
	d     dice // for what does not change the throws of rng
	count Counts
	next  int // number of the next event of the generator
}

// plan decides everything that is decided beforehand. now is the bubble's time.
func plan(seed int64, o Options, count Counts, now time.Time) *scenario {
	p := &planner{scenario: &scenario{}, o: o, rng: rand.New(rand.NewPCG(uint64(seed), 0x5e11)), d: dice(seed), count: count}
	// Some runs cross midnight, where the ledger's day and the triggers' windows end.
	p.start = now.Truncate(24 * time.Hour).Add(20*time.Hour + time.Duration(p.rng.Int64N(int64(5*time.Hour))))
	p.ages = pick(p.rng, [][]time.Duration{
		{5 * time.Minute, 15 * time.Minute},
		{10 * time.Minute, 30 * time.Minute},
		{5 * time.Minute, 15 * time.Minute, 40 * time.Minute},
		{20 * time.Minute},
	})
	oldest := p.ages[len(p.ages)-1]
	p.active = p.between(30*time.Minute, 90*time.Minute)
	// A window is looked at when it is that old, or as much later; then there may be no time left once.
	p.calm = 2*oldest + 30*time.Minute
	p.tick = pick(p.rng, []time.Duration{time.Minute, time.Minute, 2 * time.Minute, 5 * time.Minute})
	p.weather()
	p.tenant()
	p.arrivals()
	p.outsider()
	p.triggers()
	p.trickle()
	p.oddities()
	p.unlistedEvents()
	p.history()
	if p.d.chance("read-back", 0, 0.1) && !p.o.off(ReadBack) {
		p.readBack = pick2(p.d, "read-back", 1, config.ReportReadBack, config.RepairReadBack)
	}
	p.last = p.next
	return p.scenario
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

func (p *planner) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(p.rng.Int64N(int64(hi-lo)))
}

// odds draws whether something of a kind happens. The dice are thrown in any
// case, so that one kind that is off does not change the rest.
func (p *planner) odds(k Kind, chance float64) bool {
	hit := p.rng.Float64() < chance
	if !hit || p.o.off(k) {
		return false
	}
	p.count[k]++
	return true
}

// weather makes the phases.
func (p *planner) weather() {
	for at := time.Duration(0); at < p.active; {
		long := p.between(3*time.Minute, 25*time.Minute)
		ph := phase{rates: map[Kind]float64{}}
		heavy := p.rng.Float64() < 0.3
		for _, k := range weatherKinds() {
			rate := p.rng.Float64() * 0.03
			if p.rng.Float64() < 0.15 {
				rate *= 5
			}
			if heavy {
				rate *= 2
			}
			if p.rng.Float64() < 0.4 {
				ph.rates[k] = rate
			}
		}
		switch which := p.rng.IntN(13); {
		case which == 0 && !p.o.off(TenantOutage):
			ph.outage = TenantOutage
		case which == 1 && !p.o.off(SinkOutage):
			ph.outage = SinkOutage
		case which == 2 && !p.o.off(StoreOutage):
			ph.outage = StoreOutage
		case which == 3 && !p.o.off(StoreFull):
			ph.outage = StoreFull
		case which == 4 && !p.o.off(SinkRefusal):
			ph.outage = SinkRefusal
		case which == 5 && !p.o.off(SinkForeign):
			ph.outage = SinkForeign
		}
		ph.way = p.rng.IntN(1 << 16)
		if ph.outage != "" {
			long = p.between(time.Minute, 60*time.Minute)
			p.count[ph.outage]++
		}
		if off := pick(p.rng, []string{"v1", "v2025", "v3", "beta"}); p.rng.IntN(10) == 0 && !p.o.off(FamilyOff) {
			ph.off = off
			p.count[FamilyOff]++
		}
		ph.begin = at
		at = min(at+long, p.active)
		ph.until = at
		p.phases = append(p.phases, ph)
	}
}

// tenant decides what kind of tenant it is.
func (p *planner) tenant() {
	p.refuseIDSort = p.odds(RefuseIDSort, 0.25)
	p.unstableTies = p.odds(UnstableTies, 0.4)
	p.deprecated = p.odds(Deprecated, 0.3)
	// Whatever is off for good or for a phase, one path stays for each operation.
	choice := pick(p.rng, [][]string{{"v1"}, {"v2025"}, {"v3", "beta"}, {"v2026", "v2024"}})
	if p.odds(FamilyOff, 0.3) {
		p.disabled = choice
	}
	skew := p.between(-13*time.Minute, 13*time.Minute)
	if p.odds(SinkClock, 0.3) {
		p.sinkSkew = skew
	}
	most := pick(p.rng, []int{3, 10, 50})
	// Pages of an order that changes, and that nothing decides, lack rows.
	if p.odds(CappedPages, 0.25) && (!p.refuseIDSort || !p.unstableTies) {
		p.pageCap = most
	}
	p.sinkTalks = !p.o.Rule && p.odds(TalkingSink, 0.1)
}

// outsider makes a row that no window asks for and every search brings.
func (p *planner) outsider() {
	if !p.odds(OutsideRow, 0.1) {
		return
	}
	i, g := p.next, generator()
	p.next++
	created := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	p.outside = redated(g.Event(i), g.Created(i), created)
	// It need not be delivered: its time has not come.
	p.events = append(p.events, event{id: g.ID(i), created: created, visible: p.start.Add(-time.Hour), raw: p.outside, stray: true})
}

// more is the number of one more event of the generator.
func (s *scenario) more() int {
	s.last++
	return s.last
}

const stamp = "2006-01-02T15:04:05.000Z"

// redated moves an event to another time.
func redated(raw []byte, from, to time.Time) []byte {
	return bytes.ReplaceAll(raw, []byte(from.Format(stamp)), []byte(to.Format(stamp)))
}

// arrivals makes the events.
func (p *planner) arrivals() {
	n := int(float64(40) * (1 + 24*p.rng.Float64()*p.rng.Float64()))
	if p.o.MaxEvents > 0 {
		n = min(n, p.o.MaxEvents)
	}
	backlog := 30 * time.Minute
	clock, clockUntil := time.Duration(0), time.Duration(-1)
	var times []time.Duration
	for len(times) < n {
		at := p.between(-backlog, p.active)
		group, within := 1, time.Millisecond
		switch size := 2 + p.rng.IntN(60); {
		case p.odds(Ties, 0.03):
			group = size
		case p.odds(Burst, 0.03):
			group, within = size, time.Second
		}
		at = at.Truncate(within)
		for range min(group, n-len(times)) {
			times = append(times, at+time.Duration(p.rng.Int64N(int64(within))).Truncate(time.Millisecond))
		}
	}
	slices.Sort(times)
	for _, at := range times {
		if at > clockUntil { // a piece of time with one error of the clock
			clock, clockUntil = 0, at+p.between(time.Minute, 30*time.Minute)
			skew := p.between(-4*time.Minute, time.Minute)
			if p.odds(TenantClock, 0.2) {
				clock = skew
			}
		}
		p.arrive(p.start.Add(at), clock)
	}
}

// arrive makes the event that happens at the moment at, by a clock that is off by clock.
func (p *planner) arrive(at time.Time, clock time.Duration) {
	oldest := p.ages[len(p.ages)-1]
	late := p.between(0, 2*time.Second)
	seconds, minutes, longest := p.between(2*time.Second, 20*time.Second), p.between(time.Minute, 5*time.Minute), oldest-p.between(30*time.Second, 3*time.Minute)
	switch {
	case p.odds(LateSeconds, 0.5):
		late = seconds
	case p.odds(LateMinutes, 0.04):
		late = minutes
	case p.odds(LateLongest, 0.02):
		late = longest
	}
	created := at.Add(clock).Truncate(time.Millisecond)
	visible := at.Add(late)
	if latest := created.Add(oldest - 10*time.Second); visible.After(latest) {
		visible = latest
	}
	if early := p.between(time.Minute, 20*time.Minute); p.odds(FutureEvent, 0.01) {
		created, visible = created.Add(early).Truncate(time.Millisecond), at
	}

	i := p.next
	p.next++
	g := generator()
	var shape synth.Shape
	odd := pick(p.rng, []synth.Shape{synth.BigNumber, synth.InvalidUTF8, synth.DuplicateKey, synth.SpacedNames, synth.Escapes | synth.BigNumber, synth.Whitespace, synth.LongTokens})
	if odd == synth.LongTokens && p.rng.IntN(8) > 0 {
		odd = synth.BigNumber // they are long indeed
	}
	e := event{id: g.ID(i), created: created, visible: visible}
	switch {
	case p.odds(Odd, 0.03):
		shape = odd
	case p.odds(Poison, 0.01):
		shape, e.poison = synth.Poison, true
	case p.odds(NoID, 0.005):
		shape, e.id = synth.NoID, ""
	case p.odds(Undated, 0.005):
		shape, e.created = synth.NullCreated, time.Time{}
	}
	e.raw = redated(g.EventWith(i, shape), g.Created(i), created)
	p.events = append(p.events, e)
	if p.odds(DoubleRow, 0.005) && e.id != "" {
		again := e
		again.raw = bytes.Replace(e.raw, []byte(`"attributes":{`), []byte(`"attributes":{"reindexed":"yes",`), 1)
		again.visible = visible.Add(p.between(0, 5*time.Minute))
		if latest := created.Add(oldest - 10*time.Second); again.visible.After(latest) {
			again.visible = latest
		}
		p.events = append(p.events, again)
	}
}

// trickle makes what a real tenant never stops to bring: an event for each run until
// nearly the end. A record that is refused alone waits for one that is taken.
func (p *planner) trickle() {
	g := generator()
	for at := p.active; at < p.active+p.calm-15*time.Minute; at += p.tick {
		i := p.next
		p.next++
		created := p.start.Add(at).Truncate(time.Millisecond)
		const layout = "2006-01-02T15:04:05.000Z"
		raw := bytes.ReplaceAll(g.Event(i), []byte(g.Created(i).Format(layout)), []byte(created.Format(layout)))
		p.events = append(p.events, event{id: g.ID(i), created: created, visible: created.Add(time.Second), raw: raw})
	}
}

// triggers makes the invocations.
func (p *planner) triggers() {
	n := 3 + p.rng.IntN(12)
	if p.rng.IntN(40) == 0 {
		n = 240 + p.rng.IntN(60) // more than a page
	}
	if p.o.MaxEvents > 0 {
		n = min(n, p.o.MaxEvents)
	}
	for i := range n {
		inv := generator().Invocation(i)
		inv.Created = p.start.Add(p.between(-30*time.Minute, p.active)).Truncate(time.Millisecond)
		lasts := p.between(100*time.Millisecond, 2*time.Minute)
		if p.rng.IntN(4) == 0 {
			lasts = p.between(2*time.Minute, 40*time.Minute)
		}
		inv.Completed = inv.Created.Add(lasts).Truncate(time.Millisecond)
		p.invocations = append(p.invocations, inv)
	}
}

// settings are those that the n-th start of an instance finds.
func (w *world) settings(n int64) config.Settings {
	d := w.dice
	tenant := &config.SailPoint{
		BaseURL: tenantURL(), APIVersion: "v1", ClientID: clientID, ClientSecret: clientSecret(), Limit: 100,
	}
	s := config.Connection{
		Tenant: "acme", Sources: []config.Source{tenant},
		Sink:            config.Sink{IngestionAPI: config.UseDataCollector, BatchBytes: 64 << 10, DataCollector: collector()},
		InitialLookback: 6 * time.Hour, SettleDelay: 30 * time.Second, AuditAges: w.plan.ages, LedgerKeep: ledgerKeep, Health: w.health,
	}
	if w.o.Pushes {
		s.Sources = append(s.Sources, &config.EventTriggers{Token: secret.Plain(pushToken)})
	}
	if w.o.Reports {
		s.Sources = append(s.Sources, &config.SaaS{Secret: secret.Plain(reportsSecret), Workflow: w.flow.settings(n)})
	}
	for _, g := range w.guests {
		s.Sources = append(s.Sources, g.settings())
	}
	app := func() config.Settings {
		w.ask(&s)
		if w.o.Settings != nil {
			w.o.Settings(&s)
		}
		return config.Settings{RunBudget: w.budget, Connections: []config.Connection{s}}
	}
	if w.o.Rule {
		s.IngestionAPI = config.UseLogsIngestion
		s.LogsIngestion = config.LogsIngestion{Endpoint: &url.URL{Scheme: "https", Host: ruleHost}, RuleID: workspace.DefaultRule}
	}
	if w.o.off(Restart) {
		return app()
	}
	tenant.Limit = []int{7, 25, 100, 1000}[d.pick("limit", n, 4)]
	s.BatchBytes = []int{4 << 10, 32 << 10, 256 << 10, 4 << 20}[d.pick("batch", n, 4)]
	s.SettleDelay = []time.Duration{0, 5 * time.Second, 30 * time.Second, time.Minute, 3 * time.Minute}[d.pick("settle", n, 5)]
	tenant.APIVersion = []string{"v1", "v2026", "v2025", "v2024", "v3", "beta"}[d.pick("version", n, 6)]
	s.AuditAges = w.plan.ages[d.pick("ages", n, len(w.plan.ages)):] // the oldest stays: the calm is made for it
	return app()
}

// phase returns the weather at a moment; nil in the calm.
func (s *scenario) phase(now time.Time) *phase {
	since := now.Sub(s.start)
	for i := range s.phases {
		if since < s.phases[i].until {
			return &s.phases[i]
		}
	}
	return nil
}

// retryAfter are values of the header of that name, as services send them.
func retryAfter(d dice, n int64, now time.Time) string {
	switch d.pick("retry-after", n, 5) {
	case 0:
		return "3"
	case 1:
		return now.Add(7 * time.Second).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	case 2:
		return "soon"
	case 3:
		return "45"
	}
	return ""
}
