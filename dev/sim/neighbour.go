package sim

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
)

const (
	neighbourName = "neighbour"
	neighbourHost = neighbourName + ".api.identitynow.com"
)

// neighbour is the tenant of a second connection in the same app. While the weather is bad it
// refuses the secret, throttles, or does not answer, for minutes at a time: none of that may
// change what is promised for the tenant beside it. It dies with the instance, has a state of
// its own, and writes lines of JSON.
type neighbour struct {
	w      *world
	tenant *tenant.Tenant
	mem    *mem.Store
	ids    map[string]bool // of its events

	mu  sync.Mutex
	out bytes.Buffer
}

func newNeighbour(w *world) *neighbour {
	n := &neighbour{w: w, mem: &mem.Store{}, ids: map[string]bool{}}
	n.tenant = &tenant.Tenant{ClientID: clientID, ClientSecret: secretText, Now: w.now}
	const events = 400
	for i := range events {
		id := fmt.Sprintf("neighbour-%03d", i)
		at := w.plan.start.Add(w.plan.active * time.Duration(i) / events)
		n.ids[id] = true
		n.tenant.AddEvent(fmt.Appendf(nil, `{"id":%q,"created":%q,"type":"AUTH"}`, id, at.UTC().Format("2006-01-02T15:04:05.000Z")), at.Add(10*time.Second))
	}
	return n
}

// add adds the connection to the settings.
func (n *neighbour) add(s *config.Settings) {
	s.Connections[0].Name = "acme"
	s.Connections = append(s.Connections, config.Connection{
		Name: neighbourName, Tenant: neighbourName,
		Sources: []config.Source{&config.SailPoint{
			BaseURL: &url.URL{Scheme: "https", Host: neighbourHost}, APIVersion: "v1", ClientID: clientID, ClientSecret: clientSecret(), Limit: 25,
		}},
		Sink:            config.Sink{IngestionAPI: config.UseNDJSON},
		InitialLookback: 6 * time.Hour, SettleDelay: 30 * time.Second, LedgerKeep: ledgerKeep,
	})
}

// Write implements [io.Writer].
func (n *neighbour) Write(lines []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.out.Write(lines)
}

// isOf reports whether a runner is one of the neighbour.
func (n *neighbour) isOf(r *pipeline.Runner) bool {
	keys, ok := r.Checkpoints.(interface{ Key(stream string) string })
	return n != nil && ok && strings.HasPrefix(keys.Key(""), neighbourName+"/")
}

// moods of the neighbour, each for some minutes.
const (
	friendly = iota
	refusing
	throttling
	hanging
	moods
)

// besideDoor is the way to the neighbour's tenant, and to everything else.
type besideDoor struct {
	http.RoundTripper
	n    *neighbour
	inst *instance
}

// RoundTrip implements [http.RoundTripper]. The neighbour answers as its mood is.
func (d *besideDoor) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != neighbourHost {
		return d.RoundTripper.RoundTrip(req)
	}
	n, inst := d.n, d.inst
	if err := inst.wait(req.Context(), 20*time.Millisecond); err != nil {
		return nil, err
	}
	mood := friendly
	if n.w.phase() != nil {
		mood = n.w.dice.pick("mood", int64(n.w.now().Sub(n.w.plan.start)/(5*time.Minute)), moods)
	}
	handler := http.Handler(n.tenant)
	switch mood {
	case refusing:
		handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			http.Error(rw, `{"error":"invalid_client"}`, http.StatusUnauthorized)
		})
	case throttling:
		handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "20")
			http.Error(rw, "{}", http.StatusTooManyRequests)
		})
	case hanging:
		if err := inst.wait(req.Context(), headerTimeout); err != nil {
			return nil, err
		}
		return nil, timeout{}
	}
	resp, err := fault.Transport(handler).RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
	if resp != nil {
		resp.Header.Set("Date", n.w.now().UTC().Format(http.TimeFormat))
	}
	return resp, err
}

// besideStore keeps the neighbour's state apart, where nothing goes wrong but that the
// instance dies.
type besideStore struct {
	state.Store
	n    *neighbour
	inst *instance
}

func (s *besideStore) own(key string) bool { return strings.HasPrefix(key, neighbourName+"/") }

func (s *besideStore) Get(ctx context.Context, key string) (state.Object, error) {
	if !s.own(key) {
		return s.Store.Get(ctx, key)
	}
	if err := s.inst.wait(ctx, time.Millisecond); err != nil {
		return state.Object{}, err
	}
	return s.n.mem.Get(ctx, key)
}

func (s *besideStore) Put(ctx context.Context, key string, data []byte, prev state.ETag) (state.ETag, error) {
	if !s.own(key) {
		return s.Store.Put(ctx, key, data, prev)
	}
	if err := s.inst.wait(ctx, time.Millisecond); err != nil {
		return "", err
	}
	return s.n.mem.Put(ctx, key, data, prev)
}

func (s *besideStore) Delete(ctx context.Context, key string) error {
	if !s.own(key) {
		return s.Store.Delete(ctx, key)
	}
	if err := s.inst.wait(ctx, time.Millisecond); err != nil {
		return err
	}
	return s.n.mem.Delete(ctx, key)
}

func (s *besideStore) List(ctx context.Context, prefix string) iter.Seq2[state.Info, error] {
	if !s.own(prefix) {
		return s.Store.List(ctx, prefix)
	}
	return s.n.mem.List(ctx, prefix)
}

// Lock frees what a dead instance can't.
func (s *besideStore) Lock(ctx context.Context, key string) (context.Context, func(context.Context) error, error) {
	if !s.own(key) {
		return s.Store.Lock(ctx, key)
	}
	if err := s.inst.wait(ctx, time.Millisecond); err != nil {
		return nil, nil, err
	}
	held, release, err := s.n.mem.Lock(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	done := make(chan struct{})
	var once sync.Once
	free := func() (err error) {
		once.Do(func() { close(done); err = release(context.Background()) })
		return err
	}
	go func() {
		select {
		case <-s.inst.dead:
			_ = free()
		case <-done:
		}
	}()
	return held, func(context.Context) error { return free() }, nil
}

// checkEnd demands that all of the neighbour has arrived, and nothing else has with it.
func (n *neighbour) checkEnd() {
	n.mu.Lock()
	defer n.mu.Unlock()
	missing := len(n.ids)
	seen := map[string]bool{}
	for line := range bytes.Lines(n.out.Bytes()) {
		var row struct {
			Record struct {
				ID string `json:"id"`
			} `json:"record"`
		}
		err := json.Unmarshal(line, &row)
		switch id := row.Record.ID; {
		case err != nil || !n.ids[id]:
			n.w.breaks("the neighbour was given %s", line)
			return
		case !seen[id]:
			seen[id] = true
			missing--
		}
	}
	if missing > 0 {
		n.w.breaks("%d events of the neighbour have not arrived", missing)
	}
}
