package sim_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

// day is a tenant without faults, the connector with its default settings, and
// a meter at each side.
type day struct {
	t      *testing.T
	tenant *tenant.Tenant
	app    *app.App
	store  *mem.Store

	mu       sync.Mutex
	mode     string         // what the events are asked for at the moment
	requests map[string]int // by purpose
	ops      map[mem.Op]int // of the store
	rows     int            // delivered events
	sum      uint64         // of the hashes of their ids
	stored   map[string]int // sizes of the store's objects
	puts     int
	peak     int64 // of the live heap without the store, in bytes
	delay    map[string]time.Time
}

func newDay(t *testing.T, tn *tenant.Tenant) *day {
	d := &day{t: t, tenant: tn, requests: map[string]int{}, ops: map[mem.Op]int{}, stored: map[string]int{}, delay: map[string]time.Time{}}
	d.store = &mem.Store{Before: func(op mem.Op, _ string) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ops[op]++
		return nil
	}}
	tn.ClientID, tn.ClientSecret = "5f0c1a52-9d3e-4c7b-8a61-2e4b7d90c3f1", "secret"
	host := "acme.api.identitynow.com"
	doors := map[string]http.RoundTripper{host: fault.Transport(tn)}
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if door := doors[r.URL.Host]; door != nil {
			d.count(r.URL.Path)
			pause(80 * time.Millisecond)
			return door.RoundTrip(r)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
	})}
	settings := config.Settings{
		RunBudget: 4 * time.Minute,
		Connections: []config.Connection{{
			Tenant: "acme",
			Sources: []config.Source{&config.SailPoint{
				BaseURL: &url.URL{Scheme: "https", Host: host}, APIVersion: "v1", ClientID: tn.ClientID, ClientSecret: secret.Plain(tn.ClientSecret),
				Limit: 1000,
			}},
			Sink: config.Sink{
				IngestionAPI: config.UseDataCollector, BatchBytes: 4 << 20,
				DataCollector: config.DataCollector{
					WorkspaceID: workspace.DefaultID, SharedKey: secret.Plain(workspace.DefaultKey),
					URL: &url.URL{Scheme: "https", Host: workspace.DefaultID + ".ods.opinsights.azure.com"},
				},
			},
			InitialLookback: time.Hour, SettleDelay: time.Minute, LedgerKeep: 7 * 24 * time.Hour,
			AuditAges: []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour},
		}},
	}
	var err error
	if d.app, err = app.Open(settings, app.Options{HTTP: client, Store: measured{d.store, d}, Wrap: d.wrap}); err != nil {
		t.Fatal(err)
	}
	return d
}

func pause(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	<-ctx.Done()
}

func (d *day) wrap(r *pipeline.Runner) {
	if a, ok := r.Source.(auditable); ok {
		r.Source = metered{r.Source, a, d}
		r.Sink = countingSink{r.Sink, d}
	}
}

func (d *day) count(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case strings.HasPrefix(path, "/oauth/"):
		d.requests["tokens"]++
	case strings.Contains(path, "trigger-invocations"):
		d.requests["triggers"]++
	default:
		d.requests[d.mode]++
	}
}

// metered says what the events are asked for. Tail and audit follow each other.
type metered struct {
	pipeline.Source
	auditable
	d *day
}

func (m metered) set(mode string) {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.d.mode = mode
}

func (m metered) Fetch(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	m.set("tail")
	return m.Source.Fetch(ctx, after)
}

func (m metered) Count(ctx context.Context, from, to time.Time) (int64, error) {
	m.set("audit counts")
	return m.auditable.Count(ctx, from, to)
}

func (m metered) FetchWindow(ctx context.Context, from, to time.Time, after pipeline.Cursor) (pipeline.Page, error) {
	m.set("audit pages")
	return m.auditable.FetchWindow(ctx, from, to, after)
}

func (m metered) FetchUndated(ctx context.Context, after pipeline.Cursor) (pipeline.Page, error) {
	m.set("audit undated")
	return m.auditable.FetchUndated(ctx, after)
}

// countingSink adds up what was acknowledged.
type countingSink struct {
	pipeline.Sink
	d *day
}

func (c countingSink) Write(ctx context.Context, stream string, batch []pipeline.Record) error {
	err := c.Sink.Write(ctx, stream, batch)
	if err == nil {
		c.d.mu.Lock()
		defer c.d.mu.Unlock()
		for _, rec := range batch {
			c.d.rows++
			c.d.sum += fnvOf(rec.ID)
			if _, ok := c.d.delay[rec.ID]; ok {
				c.d.delay[rec.ID] = time.Now()
			}
		}
	}
	return err
}

func fnvOf(id string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, id)
	return h.Sum64()
}

// measured knows how large the store is, and looks at the heap at some of the writes:
// then a page, a batch and a window are in it.
type measured struct {
	*mem.Store
	d *day
}

func (m measured) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	etag, err := m.Store.Put(ctx, key, data, prev)
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.d.stored[key] = len(data)
	size := 0
	for _, n := range m.d.stored {
		size += n
	}
	if m.d.puts++; m.d.puts%16 == 0 {
		runtime.GC() // garbage of the store would count, too
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		m.d.peak = max(m.d.peak, int64(s.HeapAlloc)-int64(size))
	}
	return etag, err
}

// run polls each minute until the end.
func (d *day) run(until time.Time) {
	for time.Now().Before(until) {
		pause(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
		reports := d.app.Poll(ctx)
		cancel()
		for _, rep := range reports {
			if rep.State != pipeline.Drained {
				d.t.Fatalf("%+v", rep)
			}
		}
	}
}

// take returns the numbers so far and begins anew.
func (d *day) take() (requests map[string]int, ops map[mem.Op]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	requests, ops = d.requests, d.ops
	d.requests, d.ops = map[string]int{}, map[mem.Op]int{}
	return requests, ops
}

func sum[K comparable](m map[K]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// A long time at a steady rate: every event once, and what it costs. With
// IDN_SOAK it is the day at 50 events a second, otherwise some hours at 2.
func TestSteadyDay(t *testing.T) {
	for _, late := range []int{0, 100} {
		t.Run(fmt.Sprintf("%d late a day", late), func(t *testing.T) {
			hours, rate := 4, 2.0
			if os.Getenv("IDN_SOAK") != "" {
				hours, rate = 24, 50
			}
			synctest.Test(t, func(t *testing.T) { steady(t, hours, rate, late) })
		})
	}
}

func steady(t *testing.T, hours int, rate float64, late int) {
	start := time.Now().Add(time.Minute)
	long := time.Duration(hours) * time.Hour
	n := int(long.Seconds() * rate)
	gen := synth.New(synth.Options{Seed: 5, Start: start, Rate: rate, Plain: true})
	tn := &tenant.Tenant{Backlog: gen, BacklogSize: n, IndexDelay: 5 * time.Second}
	d := newDay(t, tn)
	want := uint64(0)
	for i := range n {
		want += fnvOf(gen.ID(i))
	}
	// Late ones are of another stream of the generator, indexed up to two hours late.
	lates := late * hours / 24
	other := synth.New(synth.Options{Seed: 6, Start: start, Rate: float64(lates) / long.Seconds(), Plain: true})
	for i := range lates {
		tn.AddEvent(other.Event(i), other.Created(i).Add(time.Duration(i%120+2)*time.Minute))
		d.delay[other.ID(i)] = time.Time{}
	}
	d.run(start.Add(long + 3*time.Minute))
	requests, ops := d.take()
	arrived := 0
	for i := range lates {
		id := other.ID(i)
		if !d.delay[id].IsZero() {
			arrived++
			want += fnvOf(id)
		} else if old := time.Since(other.Created(i)); old > time.Duration(i%120+2+11)*time.Minute {
			t.Errorf("event %d is %v old, was indexed %d min late and has not arrived", i, old, i%120+2)
		}
	}
	if d.rows != n+arrived || d.sum != want {
		t.Errorf("%d rows arrived, want %d and %d late ones, each once", d.rows, n, arrived)
	}
	if p := tn.PeakRequests(); p > 100 {
		t.Errorf("%d requests in 10 s, the limit is 100", p)
	}
	audits := requests["audit counts"] + requests["audit pages"] + requests["audit undated"]
	per := func(n int) string { return fmt.Sprintf("%.1f", float64(n)/float64(hours)) }
	t.Logf("%d h at %.0f events/s, %d of %d late ones arrived by audits", hours, rate, arrived, lates)
	t.Logf("requests an hour: %s; tail %s, triggers %s, tokens %s, audit counts %s, audit pages %s, undated %s; the audits are %.1f %% of all",
		per(sum(requests)), per(requests["tail"]), per(requests["triggers"]), per(requests["tokens"]),
		per(requests["audit counts"]), per(requests["audit pages"]), per(requests["audit undated"]), 100*float64(audits)/float64(sum(requests)))
	t.Logf("state operations an hour: %s; %v; %.0f in a million events", per(sum(ops)), ops, float64(sum(ops))*1e6/float64(n))
	t.Logf("peak of the live heap, stand-ins included, state left out: %.1f MiB", float64(d.peak)/(1<<20))

	// Quiet runs: nothing has come for half an hour.
	pause(30 * time.Minute)
	d.run(time.Now().Add(2 * time.Minute))
	d.take()
	d.run(time.Now())
	const quiet = 60
	for range quiet {
		d.run(time.Now().Add(time.Nanosecond))
	}
	requests, ops = d.take()
	t.Logf("a quiet run: %.1f requests, %.1f state operations %v in %d runs of both streams", float64(sum(requests))/quiet, float64(sum(ops))/quiet, ops, quiet)
}

// An event that appears late, by up to the oldest of AUDIT_AGES, is in the sink within
// ten minutes after that.
func TestLateEvents(t *testing.T) {
	const events = 300
	const within = 10 * time.Minute
	for name, late := range map[string]time.Duration{
		"30 s": 30 * time.Second, "90 s": 90 * time.Second, "4 min": 4 * time.Minute, "10 min": 10 * time.Minute, "1 h": time.Hour,
		"3 h": 3 * time.Hour, "8 h": 8 * time.Hour, "20 h": 20 * time.Hour, "24 h": 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gen := synth.New(synth.Options{Seed: 7, Start: time.Now().Add(7 * time.Minute), Rate: 1. / 60, Plain: true})
				tn := &tenant.Tenant{IndexDelay: 5 * time.Second}
				d := newDay(t, tn)
				for i := range events { // before it and behind it, so that the tail passes it
					if i != 60 {
						tn.AddEvent(gen.Event(i), time.Time{})
					}
				}
				tn.AddEvent(gen.Event(60), gen.Created(60).Add(late))
				id := gen.ID(60)
				d.delay[id] = time.Time{}
				d.run(gen.Created(60).Add(late + within))
				if d.delay[id].IsZero() {
					t.Errorf("it has not arrived within %v", within)
				}
				t.Logf("indexed %v late, in the sink %v after that", late, d.delay[id].Sub(gen.Created(60).Add(late)).Truncate(time.Second))
			})
		})
	}
}
