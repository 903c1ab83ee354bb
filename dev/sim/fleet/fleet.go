// Package fleet plays FAN_OUT=queue against faults, in one process and in virtual time: several
// connections, several instances of the function app, and a queue that delivers messages twice, late, out
// of order or not at all, while instances are killed. One seed decides everything.
//
// The connector is real, from the functions that the host calls on. Around it are the stand-in tenants
// and workspace, a store in memory, and the queue of this package, which does what the extension's does:
// a message at work is hidden for 10 minutes, one that failed for two, and after five deliveries it is
// poison. No two operations take the same time, so that the scheduler decides nothing.
//
// An instance that is killed has no further effect: its operations fail, its messages stay hidden, and
// its locks remain for the 30 seconds of a lease.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/functions"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/ncrontab"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

// Options say what is played.
type Options struct {
	Seed uint64
	// Connections, Instances and Ticks say how many; a tick comes each minute.
	Connections, Instances, Ticks int
	// Calm plays without faults.
	Calm bool
	// NoQueue loses every message: the queue refuses the app.
	NoQueue bool
}

// Result is what happened.
type Result struct {
	Events, Missing, Repeated int
	// Late is how long the slowest event took from its moment to the workspace.
	Late time.Duration
	// Kills, Poisoned, Doubled and Delayed count what went wrong, Together the requests to a tenant by an
	// instance that did not hold the lock of its connection.
	Kills, Poisoned, Doubled, Delayed, Together int
}

const (
	lease = 30 * time.Second
	table = "SailPointIDN_Events"
)

var errDead = errors.New("the instance was killed")

// play is one play.
type play struct {
	Options
	mu       sync.Mutex
	dice     *rand.Rand
	steps    map[string]uint64 // how often each thing was done
	number   int               // of instances so far
	store    *mem.Store
	space    *workspace.Workspace
	tenants  map[string]*tenant.Tenant // by host
	settings config.Settings
	queue    *queue
	at       []*instance
	timer    *instance
	fresh    map[string]time.Time
	result   Result
	over     sync.WaitGroup
}

// instance is one process.
type instance struct {
	*play
	name string
	h    *functions.Handler
	ctx  context.Context
	kill context.CancelFunc
	mu   sync.Mutex
	dead bool
	held map[string]bool // locks
}

// Play plays a seed. Call it inside a bubble of testing/synctest.
func Play(ctx context.Context, o Options) Result {
	p := &play{
		Options: o, dice: rand.New(rand.NewPCG(o.Seed, 15)), store: &mem.Store{}, tenants: map[string]*tenant.Tenant{},
		fresh: map[string]time.Time{}, steps: map[string]uint64{},
	}
	p.space = &workspace.Workspace{Compact: true, Identify: p.arrived}
	p.queue = &queue{play: p}
	p.settings = p.people()
	p.timer = p.launch(ctx)
	for range o.Instances {
		p.start(ctx)
	}
	for n := range o.Ticks {
		p.minute(ctx, n)
	}
	for n := 0; n < 5 && p.missing() > 0; n++ { // what came last
		p.Calm = true
		p.tick()
		p.pause(ctx, "script", time.Minute)
	}
	p.end()
	p.result.Missing = p.missing()
	p.result.Repeated = p.space.Table(table).Digest().Duplicates
	return p.result
}

// people gives each connection a tenant.
func (p *play) people() config.Settings {
	schedule, err := ncrontab.Parse("0 * * * * *", func(s string) string { return s })
	if err != nil {
		panic(err)
	}
	s := config.Settings{RunBudget: 4 * time.Minute, Schedule: schedule, PollSchedule: "0 * * * * *", FanOut: true}
	for n := range p.Connections {
		name := fmt.Sprintf("c%02d", n)
		host := name + ".api.identitynow.example"
		p.tenants[host] = &tenant.Tenant{Name: name, ClientID: "id", ClientSecret: "secret-" + name}
		s.Connections = append(s.Connections, config.Connection{
			Name: name, Tenant: name,
			Sources: []config.Source{&config.SailPoint{BaseURL: &url.URL{Scheme: "https", Host: host}, APIVersion: "v1", ClientID: "id", ClientSecret: secret.Plain("secret-" + name), Limit: 100}},
			Sink: config.Sink{IngestionAPI: config.UseDataCollector, DataCollector: config.DataCollector{
				WorkspaceID: workspace.DefaultID, SharedKey: secret.Plain(workspace.DefaultKey), URL: &url.URL{Scheme: "https", Host: workspace.DefaultID + ".ods.opinsights.azure.com"},
			}},
			InitialLookback: 24 * time.Hour, SettleDelay: time.Second, LedgerKeep: 168 * time.Hour, QuarantineKeep: 2160 * time.Hour,
		})
	}
	return s
}

// launch starts a process.
func (p *play) launch(ctx context.Context) *instance {
	p.number++
	one := &instance{play: p, name: fmt.Sprint("instance ", p.number), held: map[string]bool{}}
	one.ctx, one.kill = context.WithCancel(ctx)
	one.h = &functions.Handler{FanOut: true, Budget: p.settings.RunBudget, Log: slog.New(slog.DiscardHandler), Open: func() (functions.Poller, error) {
		return app.Open(p.settings, app.Options{HTTP: &http.Client{Transport: one}, Store: door{one}, By: app.ByFunction, FanOut: true, Site: "app"})
	}}
	return one
}

// start starts a process with a queue trigger.
func (p *play) start(ctx context.Context) {
	one := p.launch(ctx)
	p.mu.Lock()
	p.at = append(p.at, one)
	p.mu.Unlock()
	p.over.Go(one.listen)
}

// minute is a tick and what happens until the next one.
func (p *play) minute(ctx context.Context, n int) {
	p.tick()
	for range 12 { // an event of each tenant every five seconds
		p.pause(ctx, "script", 5*time.Second)
		p.happen()
		if !p.Calm && p.roll(10) == 0 {
			p.strike(ctx)
		}
	}
	if !p.Calm && n == 1 {
		p.queue.put("no message at all", 0)
	}
}

// tick fires the timer.
func (p *play) tick() {
	messages := p.timer.fire()
	if p.NoQueue {
		return
	}
	for _, text := range messages {
		late := time.Duration(0)
		if !p.Calm && p.roll(8) == 0 {
			late = time.Duration(p.roll(200)) * time.Second
			p.result.Delayed++
		}
		p.queue.put(text, late)
		if !p.Calm && p.roll(8) == 0 {
			p.queue.put(text, time.Duration(p.roll(90))*time.Second)
			p.result.Doubled++
		}
	}
}

// happen adds an event to each tenant.
func (p *play) happen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.settings.Connections {
		p.result.Events++
		now := time.Now().UTC().Truncate(time.Millisecond)
		id := fmt.Sprintf("%032x", p.result.Events)
		p.fresh[id] = now
		p.tenants[c.Tenant+".api.identitynow.example"].AddEvent(fmt.Appendf(nil, `{"id":%q,"org":%q,"created":%q,"type":"AUTH","action":"x"}`, id, c.Tenant, now.Format("2006-01-02T15:04:05.000Z")), time.Time{})
	}
}

// arrived notes when an event came to the workspace.
func (p *play) arrived(of string, raw []byte) string {
	id := demo.Identify(of, raw)
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.fresh[id]; ok {
		delete(p.fresh, id)
		p.result.Late = max(p.result.Late, time.Since(at))
	}
	return id
}

func (p *play) missing() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.fresh)
}

// strike kills an instance and starts another.
func (p *play) strike(ctx context.Context) {
	i := p.roll(len(p.at))
	p.mu.Lock()
	one := p.at[i]
	p.at = append(p.at[:i:i], p.at[i+1:]...)
	p.mu.Unlock()
	p.result.Kills++
	one.die()
	p.start(ctx)
}

// die ends an instance without a word. Its locks remain until their lease ends.
func (i *instance) die() {
	i.mu.Lock()
	i.dead = true
	held := i.held
	i.held = map[string]bool{}
	i.mu.Unlock()
	i.kill()
	i.h.Stop(errDead)
	for key := range held {
		i.over.Go(func() {
			<-time.After(lease)
			i.store.BreakLock(key)
		})
	}
}

// end ends everything.
func (p *play) end() {
	p.mu.Lock()
	all := append([]*instance{p.timer}, p.at...)
	p.mu.Unlock()
	for _, one := range all {
		one.die()
	}
	p.over.Wait()
}

// roll is a number below n.
func (p *play) roll(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dice.IntN(n)
}

// takes is how long something takes this time, up to some milliseconds: by the seed and by what it is, not
// by the dice, which several may roll at the same moment.
func (p *play) takes(what string, most int) time.Duration {
	p.mu.Lock()
	p.steps[what]++
	n := p.steps[what]
	p.mu.Unlock()
	h := fnv.New64a()
	fmt.Fprint(h, p.Seed, what, n)
	return time.Millisecond + time.Duration(h.Sum64()%uint64(most*int(time.Millisecond)))
}

// pause lets time pass, and a little more.
func (p *play) pause(ctx context.Context, what string, d time.Duration) {
	timer := time.NewTimer(d + p.takes(what, 10))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// RoundTrip is all that a process sends.
func (i *instance) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := i.operate(req.Context(), req.Method+req.URL.Host+req.URL.Path, 50); err != nil {
		return nil, err
	}
	one := i.tenants[req.URL.Host]
	if one == nil {
		return fault.Transport(i.space).RoundTrip(req)
	}
	name, _, _ := strings.Cut(req.URL.Host, ".")
	i.mu.Lock()
	alone := i.held[name+"/locks/connection"]
	i.mu.Unlock()
	if !alone {
		i.play.mu.Lock()
		i.result.Together++
		i.play.mu.Unlock()
	}
	return fault.Transport(one).RoundTrip(req)
}

func (i *instance) isDead() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.dead
}

// operate takes the time of an operation. A process that is killed before it ends has no effect.
func (i *instance) operate(ctx context.Context, what string, most int) error {
	timer := time.NewTimer(i.takes(i.name+what, most))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	switch {
	case i.isDead():
		return errDead
	case ctx.Err() != nil:
		return state.ContextErr(ctx)
	}
	return nil
}

// door is the store of a process.
type door struct{ *instance }

func (d door) Get(ctx context.Context, key string) (o state.Object, err error) {
	if err = d.operate(ctx, "Get"+key, 20); err == nil {
		o, err = d.store.Get(ctx, key)
	}
	return o, err
}

func (d door) Put(ctx context.Context, key string, data []byte, prev state.ETag) (tag state.ETag, err error) {
	if err = d.operate(ctx, "Put"+key, 20); err == nil {
		tag, err = d.store.Put(ctx, key, data, prev)
	}
	return tag, err
}

func (d door) Delete(ctx context.Context, key string) error {
	if err := d.operate(ctx, "Delete"+key, 20); err != nil {
		return err
	}
	return d.store.Delete(ctx, key)
}

func (d door) List(ctx context.Context, prefix string) iter.Seq2[state.Info, error] {
	if err := d.operate(ctx, "List"+prefix, 20); err != nil {
		return func(yield func(state.Info, error) bool) { yield(state.Info{}, err) }
	}
	return d.store.List(ctx, prefix)
}

func (d door) Lock(ctx context.Context, key string) (context.Context, func(context.Context) error, error) {
	if err := d.operate(ctx, "Lock"+key, 20); err != nil {
		return nil, nil, err
	}
	held, release, err := d.store.Lock(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	d.mu.Lock()
	dead := d.dead
	d.held[key] = true
	d.mu.Unlock()
	if dead { // between the operation and here
		d.store.BreakLock(key)
		return nil, nil, errDead
	}
	return held, func(ctx context.Context) error {
		if err := d.operate(context.WithoutCancel(ctx), "Release"+key, 20); err != nil {
			return err
		}
		d.mu.Lock()
		delete(d.held, key)
		d.mu.Unlock()
		return release(ctx)
	}, nil
}

// Shown is the result in a line.
func (r Result) Shown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d events, %d missing, %d repeated, the slowest after %v; %d kills, %d messages doubled, %d late, %d given up, %d requests without the lock",
		r.Events, r.Missing, r.Repeated, r.Late.Round(time.Second), r.Kills, r.Doubled, r.Delayed, r.Poisoned, r.Together)
	return b.String()
}
