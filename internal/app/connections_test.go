package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/internal/app"
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/check"
	"github.com/idn-sentinel/idn-sentinel/internal/lib/secret"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// crowd is a scene with several connections: tenants of their own, one workspace, one store.
type crowd struct {
	*scene
	tenants map[string]http.Handler // by name
}

// newCrowd has connections of these names, to tenants that are called the same with "-org"
// behind. Each has a secret of its own.
func newCrowd(base *scene, names ...string) *crowd {
	c := &crowd{scene: base, tenants: map[string]http.Handler{}}
	one := *base.connection()
	base.settings.Connections = nil
	for _, name := range names {
		own := one
		own.Name, own.Tenant = name, name+"-org"
		own.Sources = []config.Source{&config.SailPoint{
			BaseURL: &url.URL{Scheme: "https", Host: name + ".api.identitynow.example"}, APIVersion: "v1",
			ClientID: "id-" + name, ClientSecret: secret.Plain(canary + "-" + name), Limit: 1000,
		}}
		base.settings.Connections = append(base.settings.Connections, own)
		c.tenants[name] = &tenant.Tenant{Name: own.Tenant, ClientID: "id-" + name, ClientSecret: canary + "-" + name}
	}
	return c
}

// RoundTrip calls the service that the host belongs to.
func (c *crowd) RoundTrip(req *http.Request) (*http.Response, error) {
	name, _, _ := strings.Cut(req.URL.Host, ".")
	if t, ok := c.tenants[name]; ok {
		return fault.Transport(dated(t)).RoundTrip(req)
	}
	return fault.Transport(c.workspace).RoundTrip(req)
}

// event adds an event to a tenant's index that is just old enough to be read.
func (c *crowd) event(name string, n int) {
	at := time.Now().Add(-2 * time.Minute)
	c.tenants[name].(*tenant.Tenant).AddEvent(fmt.Appendf(nil, `{"id":"%s-%d","org":"%s-org","created":%q,"type":"AUTH"}`,
		name, n, name, at.UTC().Format("2006-01-02T15:04:05.000Z")), at)
}

func (c *crowd) options() app.Options {
	return app.Options{HTTP: &http.Client{Transport: c}, Store: c.store, Credential: c.credential, Again: time.Minute}
}

func (c *crowd) open(t *testing.T) *app.App {
	t.Helper()
	a, err := app.Open(c.settings, c.options())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// arrived counts the events in the workspace by the org that they say they are of.
func (c *crowd) arrived(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, row := range c.workspace.Table(events).Rows() {
		counts[row["org_s"]]++
		if id := row["id_s"]; !strings.HasPrefix(id, strings.TrimSuffix(row["org_s"], "-org")) {
			t.Errorf("row %q is of org %q", id, row["org_s"])
		}
	}
	return counts
}

// throttling answers every request with 429 and asks for a long pause.
var throttling = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "30")
	http.Error(w, `{"detailCode":"429.0"}`, http.StatusTooManyRequests)
})

// A connection that fails, and one that is throttled for as long as the run may take, make no
// other one wait, and nothing of one is in what is said of another.
func TestConnectionsDoNotWaitForEachOther(t *testing.T) {
	for api, base := range map[string]func() *scene{"data collector": newScene, "logs ingestion": withRule} {
		t.Run(api, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(base(), "acme", "globex", "initech", "umbrella")
				c.settings.Connections[1].Sources[0].(*config.SailPoint).ClientSecret = secret.Plain("canary-wrong")
				c.tenants["initech"] = throttling
				for n := range 3 {
					c.event("acme", n)
					c.event("umbrella", n)
				}
				late := time.AfterFunc(150*time.Second, func() { c.event("acme", 3) })
				defer late.Stop()
				a := c.open(t)
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
				defer cancel()
				begun := time.Now()
				reports := a.Poll(ctx)
				if took := time.Since(begun); took < 3*time.Minute {
					t.Errorf("the throttled one did not take its time: %v", took)
				}
				got := map[string]string{}
				for _, r := range reports {
					got[r.Connection+"/"+r.Stream] = fmt.Sprintf("%s %d", r.State, r.Sent)
					for _, other := range []string{"acme", "globex", "initech", "umbrella"} {
						if text := r.Error + strings.Join(r.Warnings, " "); other != r.Connection && strings.Contains(text, other) || strings.Contains(text, "canary") {
							t.Errorf("%s: %s", r.Connection, text)
						}
					}
				}
				want := map[string]string{
					"acme/SailPointIDN_Events": "drained 4", "acme/SailPointIDN_Triggers": "drained 0",
					"globex/SailPointIDN_Events": "failed 0", "globex/SailPointIDN_Triggers": "failed 0",
					"initech/SailPointIDN_Events": "failed 0", "initech/SailPointIDN_Triggers": "failed 0",
					"umbrella/SailPointIDN_Events": "drained 3", "umbrella/SailPointIDN_Triggers": "drained 0",
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("reports (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(map[string]int{"acme-org": 4, "umbrella-org": 3}, c.arrived(t)); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
				c.checkHealth(t, map[string]int{"acme": 8, "globex": 8, "initech": 2, "umbrella": 8})
			})
		})
	}
}

// checkHealth demands that many rows of each connection, each with its org.
func (c *crowd) checkHealth(t *testing.T, want map[string]int) {
	t.Helper()
	rows := map[string]int{}
	for _, row := range c.workspace.Table("SailPointIDN_Health").Rows() {
		rows[row["connection_s"]]++
		if row["org_s"] != row["connection_s"]+"-org" {
			t.Errorf("health row of %q says org %q", row["connection_s"], row["org_s"])
		}
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("health rows (-want +got):\n%s", diff)
	}
}

// Without a slow one each connection is polled once.
func TestConnectionsArePolledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(newScene(), "acme", "umbrella")
		c.event("acme", 0)
		begun := time.Now()
		for _, r := range c.open(t).Poll(t.Context()) {
			if r.State != pipeline.Drained {
				t.Errorf("%+v", r)
			}
		}
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
		c.checkHealth(t, map[string]int{"acme": 2, "umbrella": 2})
	})
}

// A connection whose destination can't be opened fails by itself, and is tried again.
func TestConnectionThatCannotBeOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(newScene(), "acme", "globex")
		broken := &c.settings.Connections[1]
		broken.Sink = config.Sink{IngestionAPI: config.UseNDJSON, NDJSONPath: filepath.Join(t.TempDir(), "absent", "file")}
		c.event("acme", 0)
		c.event("globex", 0)
		a := c.open(t)
		for range 2 {
			for _, r := range a.Poll(t.Context()) {
				if failed := r.State == pipeline.Failed; failed != (r.Connection == "globex") || failed && !strings.Contains(r.Error, "connection globex: ") {
					t.Errorf("%+v", r)
				}
			}
			<-time.After(time.Minute)
		}
		if err := a.Err(); err == nil || !strings.Contains(err.Error(), "NDJSON_PATH") {
			t.Errorf("%v", err)
		}
		if diff := cmp.Diff(map[string]int{"acme-org": 1}, c.arrived(t)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		c.settings.Connections = c.settings.Connections[1:]
		if _, err := app.Open(c.settings, c.options()); err == nil || !strings.Contains(err.Error(), "connection globex: ") {
			t.Errorf("nothing can be opened: %v", err)
		}
	})
}

// A connection whose settings are wrong fails by itself, also where not even an address of
// its source is known.
func TestConnectionWithWrongSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(newScene(), "acme")
		wrong, err := config.Load(app.SettingKinds(), config.Values("settings", map[string]string{
			"CONNECTIONS": "globex", "GLOBEX_TENANT_ID": "no tenant", "GLOBEX_CLIENT_ID": "short", "STATE_URL": "file:///x",
		}))
		if problems := new(config.Problems); !errors.As(err, &problems) || problems.Whole {
			t.Fatalf("%+v", err)
		}
		c.settings.Connections = append(c.settings.Connections, wrong.Connections...)
		c.event("acme", 0)
		reports := c.open(t).Poll(t.Context())
		for _, r := range reports {
			if failed := r.State == pipeline.Failed; failed != (r.Connection == "globex") || failed && (!strings.Contains(r.Error, "connection globex: ") || !strings.Contains(r.Error, "GLOBEX_CLIENT_ID: ")) {
				t.Errorf("%+v", r)
			}
		}
		if diff := cmp.Diff(map[string]int{"acme-org": 1}, c.arrived(t)); diff != "" || len(reports) != 4 {
			t.Errorf("%d reports, rows (-want +got):\n%s", len(reports), diff)
		}
	})
}

// A panic in what belongs to one connection is a failure of that one.
func TestPanicOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(newScene(), "acme", "globex")
		c.event("acme", 0)
		o := c.options()
		o.Wrap = func(r *pipeline.Runner) {
			if r.Checkpoints.(interface{ Key(string) string }).Key("x") == "globex-org/checkpoints/x.json" {
				panic("boom")
			}
		}
		a, err := app.Open(c.settings, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range a.Poll(t.Context()) {
			if failed := r.State == pipeline.Failed; failed != (r.Connection == "globex") || failed && !strings.Contains(r.Error, "boom") {
				t.Errorf("%+v", r)
			}
		}
	})
}

// A panic after the streams have run fails their reports, and hides none of them.
func TestPanicAfterTheStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(newScene(), "acme", "globex")
		c.event("acme", 0)
		o := c.options()
		o.HTTP.Transport = panicking{c}
		a, err := app.Open(c.settings, o)
		if err != nil {
			t.Fatal(err)
		}
		sent := int64(0)
		reports := a.Poll(t.Context())
		for _, r := range reports {
			sent += r.Sent
			if r.State != pipeline.Failed || !strings.Contains(r.Error, "boom") {
				t.Errorf("%+v", r)
			}
		}
		if len(reports) != 4 || sent != 1 {
			t.Errorf("%d reports, %d sent", len(reports), sent)
		}
	})
}

// panicking panics instead of posting health rows.
type panicking struct{ *crowd }

func (p panicking) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Log-Type") == "SailPointIDN_Health" {
		panic("boom")
	}
	return p.crowd.RoundTrip(req)
}

// A check goes through all connections, and each finding bears the name of its own.
func TestCheckOfConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(newScene(), "acme", "globex")
		c.settings.Connections[1].Sources[0].(*config.SailPoint).ClientSecret = secret.Plain("canary-wrong")
		failed, items := map[string]string{}, map[string]int{}
		app.Check(t.Context(), c.settings, c.options(), func(f check.Finding) {
			items[f.Connection]++
			if f.State == check.Failed {
				failed[f.Connection] += f.Item
			}
		})
		if diff := cmp.Diff(map[string]string{"globex": "token"}, failed); diff != "" {
			t.Errorf("failed (-want +got):\n%s", diff)
		}
		if n := len(everything()); items["acme"] != n || items["globex"] != n {
			t.Errorf("findings: %v, want %d of each", items, n)
		}
	})
}

// Connections whose tenants do not answer are waited for at the same time, and the findings of each
// stay together.
func TestCheckOfSilentConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []string{"acme", "globex", "hooli", "initech", "umbrella"}
		c := newCrowd(newScene(), names...)
		o := c.options()
		o.HTTP = &http.Client{Transport: silent{}}
		began := time.Now()
		var order []string
		app.Check(t.Context(), c.settings, o, func(f check.Finding) {
			if len(order) == 0 || order[len(order)-1] != f.Connection {
				order = append(order, f.Connection)
			}
		})
		all := time.Since(began)
		c.settings.Connections = c.settings.Connections[:1]
		began = time.Now()
		app.Check(t.Context(), c.settings, o, func(check.Finding) {})
		if one := time.Since(began); all > one+time.Second {
			t.Errorf("five connections took %v, one takes %v", all, one)
		}
		if diff := cmp.Diff(names, order); diff != "" {
			t.Errorf("findings (-want +got):\n%s", diff)
		}
	})
}

// silent accepts requests and never answers.
type silent struct{}

func (silent) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// One connection is chosen by its name, and an unknown name is answered with those there are.
func TestSelect(t *testing.T) {
	for _, tc := range []struct {
		names      []string
		name, says string
		want       int
	}{
		{[]string{"acme", "globex"}, "", "", 2},
		{[]string{"acme", "globex"}, "GLOBEX", "", 1},
		{[]string{"acme", "globex"}, "initech", "CONNECTIONS has acme, globex", 2},
		{[]string{""}, "", "", 1},
		{[]string{""}, "acme", "CONNECTIONS is not set", 1},
	} {
		c := newCrowd(newScene(), tc.names...)
		err := app.Select(&c.settings, tc.name)
		if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) || len(c.settings.Connections) != tc.want {
			t.Errorf("%q of %q: %v, %d are left", tc.name, tc.names, err, len(c.settings.Connections))
		}
	}
}
