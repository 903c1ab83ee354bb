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

// The page is readable on a phone, in the dark, without scripts and by keyboard, in every state.
func TestStatusPage(t *testing.T) {
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
	type looked struct {
		Name  string   `json:"name"`
		URL   string   `json:"url"`
		Title string   `json:"title"`
		Says  []string `json:"says"`
	}
	var list []looked
	for name, s := range scenes() {
		list = append(list, looked{name, serve(t, s), s.title, s.says})
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
