// Package recipe holds CONTRIBUTING's recipe for a new source to its word: a tiny source that
// is kept in testdata is laid over the tree by the recipe alone, built into the operator's
// command, and read.
package recipe

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	root     = "../.."
	kind     = "doorlog"
	registry = "internal/app/registry.go"
	token    = "canary-door-token"
)

// entry is the registry case of the sample.
const entry = `		{
			settings: config.DoorlogKind(),
			manual:   doorlog.Manual(),
			tables:   []schema.Table{schema.Doorlog()},
			open: func(s config.Source, _ config.Connection, o Options) source.Connector {
				own := s.(*config.Doorlog)
				return doorlog.Connect(doorlog.Config{BaseURL: own.BaseURL, Token: own.Token, HTTP: o.client()})
			},
			pageRecords: func(config.Source) int { return 100 },
		},
`

// sample is the tree's new and changed files, by their path below the root.
func sample(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS("testdata"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join("testdata", name))
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, registry))
	if err != nil {
		t.Fatal(err)
	}
	const list = "	return []kind{\n"
	const imports = "	\"github.com/idn-sentinel/idn-sentinel/internal/source\"\n"
	if strings.Count(string(text), list) != 1 || strings.Count(string(text), imports) != 1 {
		t.Fatalf("%s has another form: the recipe and this test follow it", registry)
	}
	changed := strings.Replace(string(text), list, list+entry, 1)
	files[registry] = strings.Replace(changed, imports, imports+strings.Replace(imports, "source", "source/"+kind, 1), 1)
	return files
}

// build makes the operator's command of the tree with files laid over it.
func build(t *testing.T, files map[string]string) string {
	t.Helper()
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	over := map[string]string{}
	for name, text := range files {
		copied := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		over[filepath.Join(abs, filepath.FromSlash(name))] = copied
	}
	plan, err := json.Marshal(map[string]any{"Replace": over})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, plan, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "idnsentinel")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", program, "./cmd/idnsentinel")
	cmd.Dir = abs
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the sample does not build: %v\n%s", err, out)
	}
	return program
}

// The recipe names each file that the sample touches, and no other.
func TestRecipeNamesEachFile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n### Add a source\n")
	if !ok {
		t.Fatal("CONTRIBUTING.md has no recipe for a source")
	}
	section, _, _ = strings.Cut(section, "\n### ")
	var named []string
	for _, m := range regexp.MustCompile("(?m)^[0-9]+\\. `([^`]+)`").FindAllStringSubmatch(section, -1) {
		named = append(named, strings.ReplaceAll(m[1], "<kind>", kind))
	}
	places := map[string]bool{}
	for name := range sample(t) {
		if folder := path.Dir(name) + "/"; strings.HasPrefix(name, "internal/source/") {
			name = folder
		}
		places[name] = true
	}
	var touched []string
	for name := range places {
		touched = append(touched, name)
	}
	slices.Sort(named)
	slices.Sort(touched)
	if diff := cmp.Diff(touched, named); diff != "" || len(touched) != 4 {
		t.Errorf("the sample touches %d places, CONTRIBUTING.md names %d (-touched +named):\n%s", len(touched), len(named), diff)
	}
}

// doors is a controller with n entries, and what it saw.
type doors struct {
	n     atomic.Int64
	calls atomic.Int64
}

func (d *doors) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.calls.Add(1)
	if r.Header.Get("Authorization") != "Bearer "+token || r.URL.Path != "/log" {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	after := 0
	_, _ = fmt.Sscanf(r.URL.Query().Get("after"), "%d", &after)
	var list []string
	for i := after + 1; i <= min(after+100, int(d.n.Load())); i++ {
		list = append(list, fmt.Sprintf(`{"id":"%d","at":"2026-09-01T08:%02d:%02dZ","door":"north"}`, i, i/60%60, i%60))
	}
	fmt.Fprintf(w, "[%s]", strings.Join(list, ","))
}

func run(ctx context.Context, t *testing.T, program string, wantCode int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.Getenv("TMPDIR")}
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != wantCode {
		t.Errorf("idnsentinel %s: exit status %d, want %d (%v)\n%s%s", strings.Join(args, " "), got, wantCode, err, &out, &errs)
	}
	if all := out.String() + errs.String(); strings.Contains(all, token) {
		t.Errorf("idnsentinel %s shows the token:\n%s", strings.Join(args, " "), all)
	}
	return out.String(), errs.String()
}

// The sample is read to its end, once, resumes at its checkpoint, and is checked and described
// like any other source, although nothing but the recipe's places knows of it.
func TestSampleSource(t *testing.T) {
	program := build(t, sample(t))
	controller := new(doors)
	controller.n.Store(250)
	server := httptest.NewServer(controller)
	defer server.Close()
	dir := t.TempDir()
	settings := filepath.Join(dir, "settings.json")
	rows := filepath.Join(dir, "rows.ndjson")
	values, err := json.Marshal(map[string]any{"Values": map[string]string{
		"DOORLOG_URL": server.URL, "DOORLOG_TOKEN": token,
		"INGESTION_API": "NDJSON", "NDJSON_PATH": rows,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(settings, values, 0o600); err != nil {
		t.Fatal(err)
	}

	if out, errs := run(t.Context(), t, program, 0, "check", "--settings", settings); !strings.Contains(out+errs, "the log can be read") {
		t.Errorf("check does not try the source:\n%s%s", out, errs)
	}
	poll := []string{"poll", "--settings", settings, "--state", "file://" + filepath.ToSlash(filepath.Join(dir, "state"))}
	for range 2 {
		run(t.Context(), t, program, 0, poll...)
	}
	text, err := os.ReadFile(rows)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), `"door":"north"`); got != 250 {
		t.Errorf("%d rows, want 250", got)
	}
	controller.n.Store(251)
	before := controller.calls.Load()
	run(t.Context(), t, program, 0, poll...)
	if text, err = os.ReadFile(rows); err != nil || strings.Count(string(text), "\n") != 251 {
		t.Errorf("%d rows after one more entry (%v)", strings.Count(string(text), "\n"), err)
	}
	if calls := controller.calls.Load() - before; calls > 3 {
		t.Errorf("%d requests for one entry: the run did not resume at the checkpoint", calls)
	}
	if out, _ := run(t.Context(), t, program, 0, "check", "--help"); !strings.Contains(out, "the log can be read with DOORLOG_TOKEN") {
		t.Errorf("the help does not name the check:\n%s", out)
	}
}
