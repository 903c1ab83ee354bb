package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host/queue"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// plan says what a fleet is.
type plan struct {
	connections, instances int
	behind                 int // events that one of them has to catch up on
	blobs                  bool
	set                    map[string]string // settings beside the usual ones
	calm                   bool              // none is in trouble
	// hold is how long a message at work is hidden; 0 means the 10 minutes of the extension.
	hold time.Duration
	// visibility replaces that of host.json, if not 0.
	visibility time.Duration
}

// Those in trouble, by number.
const (
	fleetWrongSecret = 0
	fleetThrottled   = 1
	fleetBehind      = 2
)

// fleet is a function app with FAN_OUT=queue: a timer, several instances with a queue trigger each, and
// a tenant for each connection.
type fleet struct {
	*world
	plan
	dir      string // of the package
	account  queue.Account
	trigger  queue.Settings
	counts   queue.Counts
	requests atomic.Int64 // to the state
	latency  atomic.Int64 // how long each answer of a tenant takes, in nanoseconds
	asked    atomic.Int64 // requests to tenants
	tenants  []*tenant.Tenant
	timer    *host.Host

	mu       sync.Mutex
	at       []*instance
	fresh    map[string]time.Time // events of the tenants, until they have arrived
	waited   []time.Duration      // from an event's moment to its arrival
	want     workspace.Digest
	failures map[string]int // runs of failed invocations, by connection and reason
	peak     int64          // of the memory of an instance
	dice     *rand.Rand
	number   int
}

// instance is one process with its queue trigger.
type instance struct {
	h     *host.Host
	kill  context.CancelFunc
	ended chan struct{}
}

func newFleet(t *testing.T, p plan) *fleet {
	t.Helper()
	f := &fleet{
		world: newWorld(t, 0, time.Hour, synth.Options{}), plan: p, dice: rand.New(rand.NewPCG(1, 2)),
		fresh: map[string]time.Time{}, failures: map[string]int{}, want: workspace.NewDigest(),
	}
	f.workspace.Compact = true
	f.workspace.Identify = func(table string, raw []byte) string {
		id := demo.Identify(table, raw)
		f.arrived(id)
		return id
	}
	f.deploy()
	f.serve()
	for _, name := range []string{"SAILPOINT_BASE_URL", "CLIENT_ID", "CLIENT_SECRET"} {
		delete(f.env, name)
	}
	f.env["FAN_OUT"], f.env["LIMIT"], f.env["LOG_LEVEL"], f.env["INITIAL_LOOKBACK"] = "queue", "1000", "info", "24h"
	f.people()
	emulator := azurite.StartQueues(t)
	f.account = queue.Account{URL: emulator.QueueURL, Name: emulator.AccountName, Key: emulator.AccountKey}
	if p.blobs {
		f.useAzurite(emulator)
		f.env["AZURE_STORAGE_BLOB_ENDPOINT"] = f.counted(emulator.ServiceURL)
	}
	for name, value := range p.set {
		f.env[name] = value
	}
	f.timer = f.launch()
	return f
}

// deploy unpacks the package for FAN_OUT=queue.
func (f *fleet) deploy() {
	f.t.Helper()
	root, err := project.Root()
	if err == nil {
		f.dir = f.t.TempDir()
		err = os.CopyFS(f.dir, os.DirFS(filepath.Join(root, "deploy", "queue")))
	}
	if err == nil {
		err = os.Symlink(handlerPath, filepath.Join(f.dir, "handler"))
	}
	if err == nil {
		f.trigger, err = queue.ReadSettings(filepath.Join(f.dir, "host.json"))
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.trigger.Hold = f.hold
	if f.visibility != 0 {
		f.trigger.Visibility = f.visibility
	}
}

// people gives each connection a tenant.
func (f *fleet) people() {
	var names []string
	for i := range f.connections {
		name := fmt.Sprintf("c%03d", i)
		one := &tenant.Tenant{Name: "org-" + name, ClientID: "id-" + name, ClientSecret: secretCanary + name}
		if i == fleetBehind && f.behind > 0 {
			one.Backlog = synth.New(synth.Options{Seed: 7, Org: one.Name, Plain: true, Bytes: 1024, Start: time.Now().Add(-23 * time.Hour), Rate: float64(f.behind) / (22.5 * 3600)})
			one.BacklogSize = f.behind
			for e := range f.behind {
				f.want.Add(one.Backlog.ID(e), one.Backlog.Event(e))
			}
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.asked.Add(1)
			pass(r.Context(), time.Duration(f.latency.Load()))
			if !f.calm && i == fleetThrottled && !strings.HasPrefix(r.URL.Path, "/oauth/") {
				w.Header().Set("Retry-After", "30")
				http.Error(w, `{"detailCode":"429.0 Too many requests"}`, http.StatusTooManyRequests)
				return
			}
			one.ServeHTTP(w, r)
		}))
		f.t.Cleanup(server.Close)
		secret := one.ClientSecret
		if !f.calm && i == fleetWrongSecret {
			secret = secretCanary + "-wrong"
		}
		prefix := strings.ToUpper(name) + "_"
		f.env[prefix+"TENANT_ID"], f.env[prefix+"SAILPOINT_BASE_URL"] = one.Name, server.URL
		f.env[prefix+"CLIENT_ID"], f.env[prefix+"CLIENT_SECRET"] = one.ClientID, secret
		names, f.tenants = append(names, name), append(f.tenants, one)
	}
	f.env["CONNECTIONS"] = strings.Join(names, ",")
}

// counted is the address of a storage account behind a counter of requests.
func (f *fleet) counted(address string) string {
	to, err := url.Parse(address)
	if err != nil {
		f.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			f.requests.Add(1)
			r.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host})
			r.Out.Host = to.Host
		},
		Transport:    &http.Transport{MaxIdleConnsPerHost: 100},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewServer(proxy)
	f.t.Cleanup(server.Close)
	return server.URL + to.Path
}

// launch starts a handler process in the package's folder.
func (f *fleet) launch() *host.Host {
	f.t.Helper()
	return f.startAs(host.Config{Path: "handler", Dir: f.dir})
}

// scale starts instances until there are n.
func (f *fleet) scale(n int) {
	f.t.Helper()
	for {
		f.mu.Lock()
		enough := len(f.at) >= n
		f.mu.Unlock()
		if enough {
			return
		}
		h := f.launch()
		ctx, cancel := context.WithCancel(f.t.Context())
		one := &instance{h: h, kill: cancel, ended: make(chan struct{})}
		go func() {
			defer close(one.ended)
			if err := h.Listen(ctx, f.account, f.trigger, &f.counts, f.saw); err != nil {
				f.t.Error(err)
			}
		}()
		f.mu.Lock()
		f.at = append(f.at, one)
		f.mu.Unlock()
	}
}

// saw looks at the answer to one message.
func (f *fleet) saw(_ queue.Message, inv host.Invocation, err error) {
	if err != nil || inv.Status == http.StatusOK {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range inv.Runs {
		if r.State == pipeline.Failed {
			f.failures[r.Connection+" "+r.Error]++
		}
	}
	if inv.Error != "" {
		f.failures[inv.Error]++
	}
}

// strike kills an instance at random, process and trigger, and starts another.
func (f *fleet) strike() {
	f.mu.Lock()
	i := f.dice.IntN(len(f.at))
	one := f.at[i]
	f.at = slices.Delete(f.at, i, i+1)
	f.mu.Unlock()
	f.measure(one)
	one.kill()
	one.h.Kill()
	<-one.ended
	f.scale(f.instances)
}

// measure notes the memory of an instance.
func (f *fleet) measure(one *instance) {
	peak, err := one.h.PeakRSS()
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.peak = max(f.peak, peak)
}

// stop ends all instances as a kill does.
func (f *fleet) stop() {
	f.mu.Lock()
	all := f.at
	f.at = nil
	f.mu.Unlock()
	for _, one := range all {
		f.measure(one)
		one.kill()
		one.h.Kill()
		<-one.ended
	}
}

// tick fires the timer.
func (f *fleet) tick() {
	f.t.Helper()
	inv, err := f.timer.FireInto(f.t.Context(), f.account)
	if err != nil || inv.Status != http.StatusOK || len(inv.Work) != f.connections {
		f.t.Fatalf("tick: %v, %+v", err, inv)
	}
	f.quiet(inv.Work, inv.Logs)
}

// happens adds an event to each tenant but that with the backlog.
func (f *fleet) happens(each int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, one := range f.tenants {
		for range each {
			if !f.calm && i == fleetBehind {
				break
			}
			f.number++
			at := time.Now().UTC().Truncate(time.Millisecond)
			id := fmt.Sprintf("%032x", f.number)
			raw := fmt.Appendf(nil, `{"id":%q,"org":%q,"created":%q,"type":"AUTH","action":"x","details":%q}`, id, one.Name, at.Format("2006-01-02T15:04:05.000Z"), strings.Repeat("d", 800))
			one.AddEvent(raw, time.Time{})
			if !f.calm && (i == fleetWrongSecret || i == fleetThrottled) {
				continue
			}
			f.fresh[id] = at
			f.want.Add(id, raw)
		}
	}
}

// arrived notes when an event came to the workspace.
func (f *fleet) arrived(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at, ok := f.fresh[id]; ok {
		delete(f.fresh, id)
		f.waited = append(f.waited, time.Since(at))
	}
}

// left is how many events have not arrived.
func (f *fleet) left() int {
	f.mu.Lock()
	want := f.want.Records
	f.mu.Unlock()
	return want - f.workspace.Table(events).Digest().Records
}

// freshness is the time from event to workspace that a share of them does not exceed.
func (f *fleet) freshness(share float64) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Sorted(slices.Values(f.waited))
	if len(all) == 0 {
		return 0
	}
	return all[min(len(all)-1, int(share*float64(len(all))))]
}

// complete demands that each event is there, and no more than repeats of them twice.
func (f *fleet) complete(repeats int) {
	f.t.Helper()
	got := f.workspace.Table(events).Digest()
	f.mu.Lock()
	defer f.mu.Unlock()
	if got.Records != f.want.Records || got.IDs != f.want.IDs || got.Duplicates > repeats {
		f.t.Errorf("%d records in the workspace, want %d; %d twice, at most %d may be", got.Records, f.want.Records, got.Duplicates, repeats)
	}
	for i, one := range f.tenants {
		if p := one.PeakRequests(); p > 100 {
			f.t.Errorf("tenant %d saw %d requests in 10 s, the limit is 100", i, p)
		}
	}
	for why, n := range f.failures {
		if !strings.HasPrefix(why, "c000 ") {
			f.t.Errorf("%d runs failed: %s", n, why)
		}
	}
}

// queue is that of the messages.
func (f *fleet) queue() queue.Queue {
	return queue.Queue{Account: f.account, Name: "idn-sentinel-work"}
}

// queued is how many messages are in the queue and how many were given up.
func (f *fleet) queued() (waiting, poisoned int) {
	f.t.Helper()
	q := f.queue()
	waiting, err := q.Len(f.t.Context())
	if err == nil {
		poisoned, err = q.Poison().Len(f.t.Context())
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return waiting, poisoned
}

// Twenty connections, four instances, kills: what is not in trouble arrives once, and the queue gives
// nothing up. One has a wrong secret, one is throttled, one has a backlog.
func TestFanOut(t *testing.T) {
	f := newFleet(t, plan{
		connections: 20, instances: 4, behind: 20_000, hold: 6 * time.Second, visibility: 2 * time.Second,
		set: map[string]string{"SETTLE_DELAY": "1s", "RUN_BUDGET": "5s"},
	})
	f.scale(f.instances)
	const ticks, perTick = 6, 5
	for n := range ticks {
		f.happens(perTick)
		f.tick()
		f.wait(time.Second)
		if n%2 == 1 {
			f.strike()
		}
	}
	deadline := time.Now().Add(time.Minute + 3*loaded)
	for f.left() > 0 && time.Now().Before(deadline) {
		f.tick()
		f.wait(2 * time.Second)
	}
	f.stop()
	f.complete(3 * 4000) // what was in flight in the three that were killed
	waiting, poisoned := f.queued()
	if poisoned != 0 {
		t.Errorf("%d messages were given up", poisoned)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.ContainsFunc(slices.Collect(maps.Keys(f.failures)), func(why string) bool {
		return strings.HasPrefix(why, "c000 ") && strings.Contains(why, "CLIENT_SECRET")
	}) {
		t.Error("no invocation failed for the connection with a wrong secret")
	}
	if most := f.counts.Most.Load(); most > 16 {
		t.Errorf("an instance worked on %d messages at once", most)
	}
	t.Logf("%d messages, %d done, %d failed, %d left; peak memory of an instance %.1f MiB", f.counts.Received.Load(), f.counts.Succeeded.Load(), f.counts.Failed.Load(), waiting, float64(f.peak)/(1<<20))
}

// wait lets time pass.
func (f *fleet) wait(d time.Duration) { pass(f.t.Context(), d) }

func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// The same with 200 connections, 8 instances and 1,000,000 events to catch up on, at the pace of the
// real thing: a tick each minute, the default settings but for a SETTLE_DELAY of a second, kills at
// random. It takes as long as IDN_FLEET says (make fleet), and the limit of freshness is for a machine
// that does nothing else: docs/scale.md has what was measured.
func TestFleet(t *testing.T) {
	lasts, err := time.ParseDuration(os.Getenv("IDN_FLEET"))
	if err != nil {
		t.Skip("IDN_FLEET says how long, for instance 15m")
	}
	p := plan{connections: 200, instances: 8, behind: 1_000_000, blobs: true}
	if n, err := strconv.Atoi(os.Getenv("IDN_FLEET_CONNECTIONS")); err == nil && n > 3 { // for a look at a part of it
		p.connections, p.instances, p.behind = n, max(2, n/25), 5000*n
	}
	f := newFleet(t, p)
	f.scale(f.instances)
	for n, begun := 0, time.Now(); time.Since(begun) < lasts; n++ {
		f.tick()
		for range 12 { // one event for each tenant every five seconds
			f.happens(1)
			f.wait(5*time.Second - time.Since(begun)%(5*time.Second))
		}
		if n%2 == 1 {
			f.strike()
		}
		waiting, poisoned := f.queued()
		t.Logf("%v: %d events have not arrived; %d messages wait, %d given up; from event to workspace p50 %v, p99 %v, at most %v", time.Since(begun).Round(time.Second),
			f.left(), waiting, poisoned, f.freshness(0.5).Round(time.Second), f.freshness(0.99).Round(time.Second), f.freshness(1).Round(time.Second))
	}
	for deadline := time.Now().Add(30 * time.Minute); f.left() > 0 && time.Now().Before(deadline); {
		f.tick()
		f.wait(time.Minute)
	}
	f.stop()
	f.complete(int(lasts/(2*time.Minute)+1) * 20_000)
	if _, poisoned := f.queued(); poisoned != 0 {
		t.Errorf("%d messages were given up", poisoned)
	}
	// An event waits 60 s for a tick; if the instance that polls its connection is killed, the process with the
	// timer does it 30 to 60 s after that tick, as the locks of the killed process last 30 s.
	if most, worst := 2*time.Minute, f.freshness(1); worst > most {
		t.Errorf("an event arrived after %v, want at most %v", worst, most)
	}
	polls := float64(f.counts.Succeeded.Load() + f.counts.Failed.Load())
	t.Logf("events from source to workspace: p50 %v, p99 %v, at most %v", f.freshness(0.5), f.freshness(0.99), f.freshness(1))
	t.Logf("%d repeated; for each poll: %.1f requests to sources, %.1f to the state, %.2f to the workspace; peak memory of an instance %.1f MiB", f.workspace.Table(events).Digest().Duplicates,
		float64(f.asked.Load())/polls, float64(f.requests.Load())/polls, float64(f.workspace.Stats().Requests)/polls, float64(f.peak)/(1<<20))
}

// Where the sources answer slowly and nothing else is scarce, four instances do four times the work
// of one.
func TestFleetGrows(t *testing.T) {
	if os.Getenv("IDN_FLEET") == "" {
		t.Skip("IDN_FLEET is not set")
	}
	const connections, warmUps, slow = 64, 15, 15 * time.Second
	took := map[int]time.Duration{}
	for _, n := range []int{1, 4} {
		f := newFleet(t, plan{connections: connections, instances: n, calm: true, set: map[string]string{"SETTLE_DELAY": "0s", "AUDIT_AGES": "off"}})
		f.trigger.MaxPolling = 200 * time.Millisecond // how soon the first message is seen is another matter
		f.scale(n)
		f.latency.Store(int64(300 * time.Millisecond)) // so that all get their share
		for tick := range int64(warmUps) {             // until each instance has a token of nearly each tenant
			f.happens(1)
			f.tick()
			f.until((tick + 1) * connections)
		}
		f.happens(20)
		f.latency.Store(int64(slow))
		begun := time.Now()
		f.tick()
		f.until(warmUps*connections + connections*7/8) // the others may have had to ask for a token first
		took[n] = time.Since(begun)
		f.until((warmUps + 1) * connections)
		if left := f.left(); left != 0 {
			t.Errorf("%d instances: %d events did not arrive", n, left)
		}
		f.stop()
		f.timer.Close()
		t.Logf("%d instances: %d of %d connections in %v", n, connections*7/8, connections, took[n])
	}
	ratio := took[1].Seconds() / took[4].Seconds()
	t.Logf("4 instances do %.1f times the work of one", ratio)
	if ratio < 3 {
		t.Errorf("4 instances do %.1f times the work of one", ratio)
	}
}

// until waits until that many messages are done.
func (f *fleet) until(n int64) {
	f.t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); f.counts.Succeeded.Load() < n; {
		if time.Now().After(deadline) {
			f.t.Fatalf("%d of %d messages are done", f.counts.Succeeded.Load(), n)
		}
		f.wait(20 * time.Millisecond)
	}
}
