// Package browser looks at the connector's pages in a headless browser.
package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/nodetools"
	"github.com/idn-sentinel/idn-sentinel/dev/project"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/watch"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/state"
	"github.com/idn-sentinel/idn-sentinel/internal/state/checkpoint"
	"github.com/idn-sentinel/idn-sentinel/internal/state/mem"
	"github.com/idn-sentinel/idn-sentinel/internal/state/runs"
	"github.com/idn-sentinel/idn-sentinel/internal/status"
	"github.com/idn-sentinel/idn-sentinel/internal/status/page"
)

// scene is what the state holds of each stream.
type scene struct {
	title string
	says  []string
	fill  func(ctx context.Context, store state.Store, stream string) error
}

// end leaves the outcome of a run and a checkpoint.
func end(ctx context.Context, store state.Store, rep pipeline.Report, lag time.Duration, change func(*pipeline.Checkpoint)) error {
	now := time.Now()
	cp := pipeline.Checkpoint{Since: now.Add(-5 * 24 * time.Hour), Through: now.Add(-lag)}
	cp.Audit.Through = []time.Time{cp.Through.Add(-10 * time.Minute)}
	if change != nil {
		change(&cp)
	}
	if _, err := checkpoint.New(store, "acme").Save(ctx, rep.Stream, cp); err != nil {
		return err
	}
	for n := range 12 {
		if err := runs.New(store, "acme").End(ctx, rep, runs.Program{By: "function", Version: "v1.2.0"}, now.Add(time.Duration(n-12)*time.Minute)); err != nil {
			return err
		}
	}
	return nil
}

func scenes() map[string]scene {
	drained := func(stream string) pipeline.Report {
		return pipeline.Report{Stream: stream, State: pipeline.Drained, Sent: 120, Seconds: 1.4}
	}
	return map[string]scene{
		"empty": {"Failing", []string{"No run has left anything", "No run has left an outcome."}, func(context.Context, state.Store, string) error { return nil }},
		"normal": {"OK", []string{"Data flows", "Nothing.", "Proven complete up to"}, func(ctx context.Context, store state.Store, stream string) error {
			return end(ctx, store, drained(stream), time.Minute, nil)
		}},
		"lagging": {"Late", []string{"It lags", "RUN_BUDGET"}, func(ctx context.Context, store state.Store, stream string) error {
			rep := drained(stream)
			rep.State = pipeline.Budget
			return end(ctx, store, rep, 7*time.Hour, nil)
		}},
		"failing": {"Failing", []string{"times in a row", "CLIENT_SECRET"}, func(ctx context.Context, store state.Store, stream string) error {
			rep := drained(stream)
			rep.State, rep.Error = pipeline.Failed, "get token: status 401 invalid_client: the secret has expired or is another client's: set CLIENT_SECRET to a new one, in the vault if it is kept there, at https://acme.api.identitynow.example/oauth/token"
			return end(ctx, store, rep, 3*time.Hour, nil)
		}},
		"holes": {"Needs attention", []string{"unexplained", "idnsentinel audit accept"}, func(ctx context.Context, store state.Store, stream string) error {
			return end(ctx, store, drained(stream), time.Minute, func(cp *pipeline.Checkpoint) {
				for n := range 5 {
					cp.Audit.Unexplained = append(cp.Audit.Unexplained, pipeline.Difference{From: cp.Through.Add(-time.Duration(n*n*5+3) * time.Hour).Truncate(time.Hour), Source: 9, Ledger: 8})
				}
			})
		}},
	}
}

// serve serves the page of a scene.
func serve(t *testing.T, s scene) string {
	t.Helper()
	store := &mem.Store{}
	connection := status.Connection{Tenant: "acme"}
	for _, stream := range []string{"Events", "Triggers pushed"} {
		one := status.Stream{ID: "SailPointIDN_" + stream[:6], Short: stream, Window: 5 * time.Minute, AuditAge: 5 * time.Minute}
		connection.Streams = append(connection.Streams, one)
		if err := s.fill(t.Context(), store, one.ID); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(page.New(page.Config{
		Snapshot: func(ctx context.Context) status.Snapshot {
			return status.Take(ctx, status.Config{Store: store, Version: "v1.2.0", Connections: []status.Connection{connection}})
		},
		Run: func(context.Context) ([]pipeline.Report, error) {
			return []pipeline.Report{{Stream: "Events", State: pipeline.Drained, Sent: 3}}, nil
		},
	}))
	t.Cleanup(server.Close)
	return server.URL + page.Path + "?code=key-of-the-function"
}

// looked is a page that the browser looks at.
type looked struct {
	Name  string   `json:"name"`
	URL   string   `json:"url"`
	Title string   `json:"title"`
	Says  []string `json:"says"`
	// Faults are the buttons of the sandbox that are pressed; nil for a page with one button.
	Faults []cause `json:"faults"`
	// Search finds one of many connections; nil for a page without.
	Search *found `json:"search"`
}

// found is a text to search for, what the page shows then, and what only the page of everything does.
type found struct {
	Text  string `json:"text"`
	Shows string `json:"shows"`
	Hides string `json:"hides"`
}

// cause is a fault of the sandbox: its button, and what the page shows soon after.
type cause struct {
	Label string `json:"label"`
	Shows string `json:"shows"`
	Lasts bool   `json:"lasts"`
}

// The page is readable on a phone, in the dark, without scripts and by keyboard, in every state.
func TestStatusPage(t *testing.T) {
	var list []looked
	for name, s := range scenes() {
		list = append(list, looked{Name: name, URL: serve(t, s), Title: s.title, Says: s.says})
	}
	list = append(list, looked{
		Name: "fleet", URL: serveFleet(t, 300), Title: "Failing", Says: []string{"6 of 600 streams (6 of 300 connections) are failing", "acme049/Events", "400 more streams are not shown"},
		Search: &found{"acme123", "2 streams found", "acme049/Events"},
	})
	lookAt(t, list)
}

// serveFleet serves the page of many connections, of which one in fifty fails.
func serveFleet(t *testing.T, n int) string {
	t.Helper()
	store, cfg := &mem.Store{}, status.Config{Version: "v1.2.0"}
	cfg.Store = store
	now := time.Now()
	for i := range n {
		c := status.Connection{Name: fmt.Sprintf("acme%03d", i), Tenant: fmt.Sprintf("org-%03d", i)}
		for _, short := range []string{"Events", "Triggers"} {
			one := status.Stream{ID: "SailPointIDN_" + short, Short: short, Window: 5 * time.Minute}
			c.Streams = append(c.Streams, one)
			rep := pipeline.Report{Stream: one.ID, State: pipeline.Drained, Sent: 12, Seconds: 1.2}
			if i%50 == 49 && short == "Events" {
				rep.State, rep.Error = pipeline.Failed, fmt.Sprintf("get token of org-%03d: status 401 invalid_client: set CLIENT_SECRET to a new one", i)
			}
			if _, err := checkpoint.New(store, c.Tenant).Save(t.Context(), one.ID, pipeline.Checkpoint{Since: now.Add(-50 * time.Hour), Through: now.Add(-time.Minute)}); err != nil {
				t.Fatal(err)
			}
			if err := runs.New(store, c.Tenant).End(t.Context(), rep, runs.Program{By: "function", Version: "v1.2.0"}, now); err != nil {
				t.Fatal(err)
			}
		}
		cfg.Connections = append(cfg.Connections, c)
	}
	server := httptest.NewServer(page.New(page.Config{
		Snapshot: func(ctx context.Context) status.Snapshot { return status.Take(ctx, cfg) },
		Run:      func(context.Context) ([]pipeline.Report, error) { return nil, nil },
	}))
	t.Cleanup(server.Close)
	return server.URL + page.Path + "?code=key-of-the-function"
}

// The page of the sandbox likewise, while the real connector runs; each fault is caused by keyboard,
// and shows.
func TestSandboxPage(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "idnsentinel")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/idnsentinel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	w, address, err := watch.Start(t.Context(), watch.Config{
		Stage:     demo.StageConfig{Seed: 3, Past: 5 * time.Minute, Rate: 1},
		Connector: program, State: filepath.Join(dir, "state"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for end := time.Now().Add(time.Minute); w.Rows() < 100 && time.Now().Before(end); {
		<-time.After(100 * time.Millisecond)
	}
	lookAt(t, []looked{{
		Name: "sandbox", URL: address + "?still=1", Title: "Sandbox",
		Says: []string{"All data is synthetic", "Complete", "Faults", "SailPointIDN_Events_CL: ", "Runs of the connector", "More events a second", "Log of the connector"},
		Faults: []cause{
			{"Workspace outage", "503", true},
			{"Throttle the tenant", "429", true},
			{"Poison event", `"quarantined":1`, false},
			{"Late event", "rows", false},
			{"Kill the connector", "(start 2)", false},
		},
	}})
}

// lookAt has a browser look at pages.
func lookAt(t *testing.T, list []looked) {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the browser's package is for Linux on amd64")
	}
	root, err := project.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "dev", "browser")
	if err := nodetools.InstallIn(t.Context(), dir, "@sparticuz/chromium", "playwright-core"); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join(dir, "look.mjs")) // so that a change of it is not answered from the test cache
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--input-type=module", "--eval", string(script))
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(input)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	var wrong []string
	if err == nil {
		err = json.Unmarshal(out, &wrong)
	}
	if err != nil {
		t.Fatal(fmt.Errorf("look at the pages: %w\n%s%s", err, out, &complaints))
	}
	for _, text := range wrong {
		t.Error(text)
	}
}
