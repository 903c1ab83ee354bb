package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// What is played with twelve tenants in one app.
const (
	connections    = 12
	wrongSecret    = 0 // the number of the tenant whose secret is wrong
	throttledOne   = 1 // of the one that answers 429 only
	behindOne      = 2 // of the one with a backlog
	backlog        = 60_000
	eventsEachTick = 150
	ticks          = 3
	// moreMemory is what each connection after the first may add to the memory: 8 MiB.
	moreMemory = 8 << 20
)

// street is twelve tenants, one workspace, and one app between them.
type street struct {
	*world
	gens    []*synth.Generator
	tenants []*tenant.Tenant
	behind  map[int]int       // events of a tenant's backlog
	added   []int             // events of each tenant's generator that its index has
	org     map[string]string // of each event, by id
	orgs    []string          // of each tenant
}

func connectionName(i int) string { return fmt.Sprintf("t%02d", i+1) }

// newStreet has tenants that are backlog events behind, each as many as the list says for its number.
func newStreet(t *testing.T, serve func(*world), behind map[int]int) *street {
	t.Helper()
	s := &street{world: newWorld(t, 1, time.Hour, synth.Options{}), org: map[string]string{}, behind: behind}
	s.workspace.Identify = demo.Identify
	serve(s.world)
	for _, name := range []string{"SAILPOINT_BASE_URL", "CLIENT_ID", "CLIENT_SECRET"} {
		delete(s.env, name)
	}
	names := make([]string, connections)
	for i := range connections {
		names[i] = connectionName(i)
		n, seed := behind[i], int64(100+i)
		org := "org-" + names[i]
		gen := synth.New(synth.Options{Seed: seed, Org: org, Plain: true, Bytes: 1024, Start: time.Now().Add(-23 * time.Hour), Rate: float64(max(n, 3000)) / (22 * 3600)})
		one := &tenant.Tenant{Name: org, ClientID: "id-" + names[i], ClientSecret: secretCanary + names[i], Backlog: gen, BacklogSize: n}
		s.gens, s.tenants, s.orgs, s.added = append(s.gens, gen), append(s.tenants, one), append(s.orgs, org), append(s.added, n)
		for e := range n {
			s.org[gen.ID(e)] = org
		}
		var handler http.Handler = one
		if i == throttledOne && s.troubled() {
			handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/oauth/") {
					one.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Retry-After", "4")
				http.Error(w, `{"detailCode":"429.0 Too many requests"}`, http.StatusTooManyRequests)
			})
		}
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		secret := one.ClientSecret
		if i == wrongSecret && s.troubled() {
			secret = secretCanary + "-wrong"
		}
		prefix := strings.ToUpper(names[i]) + "_"
		s.env[prefix+"TENANT_ID"], s.env[prefix+"SAILPOINT_BASE_URL"] = org, server.URL
		s.env[prefix+"CLIENT_ID"], s.env[prefix+"CLIENT_SECRET"] = one.ClientID, secret
	}
	s.env["CONNECTIONS"] = strings.Join(names, ",")
	s.env["LIMIT"], s.env["RUN_BUDGET"], s.env["LOG_LEVEL"] = "1000", "12s", "info"
	return s
}

// troubled says whether one has a wrong secret and one is throttled.
func (s *street) troubled() bool { return s.behind[wrongSecret] == 0 }

// happen adds some events to every index but that of the one with the backlog.
func (s *street) happen(n int) {
	for i, one := range s.tenants {
		for range n {
			if i == behindOne {
				break
			}
			e := s.added[i]
			s.added[i]++
			s.org[s.gens[i].ID(e)] = s.orgs[i]
			one.AddEvent(s.gens[i].Event(e), time.Time{})
		}
	}
}

// healthy says whether nothing is wrong with a tenant, and it has no backlog.
func healthy(i int) bool { return i != wrongSecret && i != throttledOne && i != behindOne }

// tick fires the timer and demands that the healthy ones are drained by it.
func (s *street) tick(h *host.Host) host.Invocation {
	s.t.Helper()
	inv := s.fire(h)
	if inv.Status != http.StatusInternalServerError || len(inv.Runs) != 2*connections {
		s.t.Fatalf("status %d, %d runs: %+v", inv.Status, len(inv.Runs), inv)
	}
	for n, r := range inv.Runs {
		i := n / 2
		if want := connectionName(i); r.Connection != want {
			s.t.Errorf("run %d is of %q, want %q", n, r.Connection, want)
		}
		for other := range connections {
			if text := r.Error + strings.Join(r.Warnings, " "); other != i && (strings.Contains(text, connectionName(other)) || strings.Contains(text, s.orgs[other])) {
				s.t.Errorf("%s: %s is told of another: %s", r.Connection, r.Stream, text)
			}
		}
		switch {
		case healthy(i) && (r.State != pipeline.Drained || r.Stream == events && r.Sent != eventsEachTick):
			s.t.Errorf("%s %s: %s, %d sent: %s", r.Connection, r.Stream, r.State, r.Sent, r.Error)
		case (i == wrongSecret || i == throttledOne) && (r.State != pipeline.Failed || r.Sent != 0):
			s.t.Errorf("%s %s: %s, %d sent: %s", r.Connection, r.Stream, r.State, r.Sent, r.Error)
		case i == wrongSecret && !strings.Contains(r.Error, "CLIENT_SECRET"):
			s.t.Errorf("%s %s: %s", r.Connection, r.Stream, r.Error)
		}
	}
	return inv
}

// arrived demands that each row is of the tenant that it says it is of, each event once.
func (s *street) arrived() {
	s.t.Helper()
	seen := map[string]bool{}
	counts := map[string]int{}
	for _, raw := range s.workspace.Table(events).Raw() {
		var row struct {
			ID  string `json:"id"`
			Org string `json:"org"`
		}
		if err := json.Unmarshal(raw, &row); err != nil {
			s.t.Fatal(err)
		}
		if row.Org == "" || row.Org != s.org[row.ID] || seen[row.ID] {
			s.t.Fatalf("row %s is of org %q, want %q; seen before: %v", row.ID, row.Org, s.org[row.ID], seen[row.ID])
		}
		seen[row.ID] = true
		counts[row.Org]++
	}
	for i, org := range s.orgs {
		want := s.added[i]
		if s.troubled() && (i == wrongSecret || i == throttledOne) {
			want = 0
		}
		if counts[org] != want {
			s.t.Errorf("%d rows of %s, want %d", counts[org], org, want)
		}
	}
	for _, row := range s.workspace.Table("SailPointIDN_Health").Rows() {
		if row["org_s"] != "org-"+row["connection_s"] {
			s.t.Errorf("a health row of %q says org %q", row["connection_s"], row["org_s"])
		}
	}
}

// Twelve tenants in one app: one has a wrong secret, one is throttled, one has a backlog. The
// other nine are drained in every tick, within 8 MiB of memory for each further connection, and
// every row is of the right one.
func TestTwelveTenants(t *testing.T) {
	for name, serve := range ingestionAPIs() {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t, serve, map[int]int{behindOne: backlog})
			h := s.start()
			state, took := pipeline.State(""), []string{}
			for range ticks {
				s.happen(eventsEachTick)
				inv := s.tick(h)
				state = inv.Runs[2*behindOne].State
				took = append(took, fmt.Sprintf("%.0f s (backlog: %s, %d sent)", inv.Duration.Seconds(), state, inv.Runs[2*behindOne].Sent))
			}
			if state != pipeline.Drained {
				t.Errorf("after %d ticks the one with a backlog is %s", ticks, state)
			}
			s.arrived()
			s.bounded(h, fmt.Sprintf("one with %d events to catch up on: ticks of %s", backlog, strings.Join(took, ", ")))
		})
	}
}

// bounded demands that memory stayed within what is promised.
func (s *street) bounded(h *host.Host, what string) {
	s.t.Helper()
	peak, err := h.PeakRSS()
	if err != nil {
		s.t.Fatal(err)
	}
	const most = maxMemory + (connections-1)*moreMemory
	s.t.Logf("%d tenants, %s; peak memory %.1f MiB of %d", connections, what, float64(peak)/(1<<20), most>>20)
	if peak > most {
		s.t.Errorf("peak memory %d bytes, want at most %d", peak, most)
	}
}

// All of them have a backlog at once.
func TestTwelveBacklogs(t *testing.T) {
	const each = 10_000
	for name, serve := range ingestionAPIs() {
		t.Run(name, func(t *testing.T) {
			behind := map[int]int{}
			for i := range connections {
				behind[i] = each
			}
			s := newStreet(t, serve, behind)
			s.env["RUN_BUDGET"] = "4m"
			h := s.start()
			inv := s.fire(h)
			for _, r := range inv.Runs {
				if r.State != pipeline.Drained || r.Stream == events && r.Sent != each {
					t.Errorf("%s %s: %s, %d sent: %s", r.Connection, r.Stream, r.State, r.Sent, r.Error)
				}
			}
			s.arrived()
			s.bounded(h, fmt.Sprintf("each with %d events to catch up on, in %.0f s", each, inv.Duration.Seconds()))
		})
	}
}
