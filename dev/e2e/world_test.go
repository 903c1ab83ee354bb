package e2e_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/demo"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

const (
	events   = "SailPointIDN_Events"
	triggers = "SailPointIDN_Triggers"

	clientID = "5f0c1a52-9d3e-4c7b-8a61-2e4b7d90c3f1"
	// The canaries: wherever one of them is printed, a secret is.
	secretCanary = "canary-client-secret-7e1f"
	keyCanary    = workspace.DefaultKey
)

// loaded is what a machine that is busy with other things may add to the length of
// anything. What a step really takes is for the benchmarks to say.
const loaded = 20 * time.Second

// handlerPath and commandPath are the binaries under test, built once.
var handlerPath, commandPath string

func TestMain(m *testing.M) {
	if os.Getenv(standInsEnv) != "" {
		os.Exit(serveFree())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	handlerPath, commandPath = filepath.Join(dir, "handler"), filepath.Join(dir, "idnsentinel")
	// As they ship: without cgo and without the race detector's memory.
	cmd := exec.Command("go", "build", "-trimpath", "-o", dir, "../../cmd/handler", "../../cmd/idnsentinel")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// world is a tenant, a workspace and the settings to connect them.
type world struct {
	t   testing.TB
	gen *synth.Generator
	n   int // events of the generator

	tenant    *tenant.Tenant
	workspace *workspace.Workspace
	env       map[string]string
	stateDir  string
}

// newWorld has n events that began that long ago, and file state.
func newWorld(t testing.TB, n int, ago time.Duration, o synth.Options) *world {
	t.Helper()
	o.Start = time.Now().Add(-ago).UTC().Truncate(time.Millisecond)
	w := &world{t: t, gen: synth.New(o), n: n, stateDir: filepath.Join(t.TempDir(), "state")}
	w.tenant = &tenant.Tenant{ClientID: clientID, ClientSecret: secretCanary, Backlog: w.gen, BacklogSize: n}
	w.workspace = &workspace.Workspace{Identify: demo.Identify}
	w.env = map[string]string{
		"CLIENT_ID": clientID, "CLIENT_SECRET": secretCanary,
		"CUSTOMER_ID": workspace.DefaultID, "SHARED_KEY": keyCanary,
		"STATE_URL": "file://" + w.stateDir, "INITIAL_LOOKBACK": "8760h", "SETTLE_DELAY": "1s", "LOG_LEVEL": "debug",
	}
	return w
}

// serve opens the doors. Set the stand-ins up before.
func (w *world) serve() {
	t := httptest.NewServer(w.tenant)
	w.t.Cleanup(t.Close)
	w.env["SAILPOINT_BASE_URL"] = t.URL
	w.serveWorkspace()
}

// serveWorkspace opens that door alone.
func (w *world) serveWorkspace() {
	ws := httptest.NewServer(w.workspace)
	w.t.Cleanup(ws.Close)
	w.env["logAnalyticsUri"] = ws.URL
}

// environ is the environment of a process with the settings.
func (w *world) environ() []string {
	env := make([]string, 0, len(w.env))
	for name, value := range w.env {
		env = append(env, name+"="+value)
	}
	return env
}

// command is idnsentinel with the settings.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, commandPath, args...)
	cmd.Env = append(w.environ(), "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"))
	return cmd
}

// ingestionAPIs open the doors for either way of ingestion.
func ingestionAPIs() map[string]func(*world) {
	return map[string]func(*world){
		"DataCollector": func(w *world) { w.serve() },
		"LogsIngestion": func(w *world) { w.serveRule() },
	}
}

// start starts the handler as the host does.
func (w *world) start() *host.Host {
	w.t.Helper()
	return w.startAs(host.Config{Path: handlerPath})
}

// startAs starts it as cfg says, with the settings.
func (w *world) startAs(cfg host.Config) *host.Host {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second+loaded)
	defer cancel()
	cfg.Env = w.environ()
	h, err := host.Start(ctx, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		h.Close()
		w.quiet(h.Stdout(), h.Stderr())
	})
	return h
}

// fire fires the timer once.
func (w *world) fire(h *host.Host) host.Invocation {
	w.t.Helper()
	inv, err := h.Fire(w.t.Context())
	if err != nil {
		w.t.Fatalf("fire: %v\n%s", err, strings.Join(h.Stderr(), "\n"))
	}
	w.quiet([]string{inv.Error}, inv.Logs)
	for _, r := range inv.Runs {
		w.quiet([]string{r.Error}, r.Warnings)
	}
	return inv
}

// report picks the report of a stream.
func report(t testing.TB, inv host.Invocation, stream string) pipeline.Report {
	t.Helper()
	for _, r := range inv.Runs {
		if r.Stream == stream {
			return r
		}
	}
	t.Fatalf("no report of %s in %+v", stream, inv)
	return pipeline.Report{}
}

// quiet fails the test if any text shows a secret.
func (w *world) quiet(texts ...[]string) {
	w.t.Helper()
	secrets := append([]string{secretCanary, keyCanary}, w.tenant.Tokens()...)
	for _, list := range texts {
		for _, text := range list {
			for _, s := range secrets {
				if strings.Contains(text, s) {
					w.t.Errorf("a secret is shown: %s", strings.ReplaceAll(text, s, "CANARY"))
				}
			}
		}
	}
}

// stateIsQuiet looks for secrets, and for what else a test knows to be one, in every file of the state.
func (w *world) stateIsQuiet(others ...string) {
	w.t.Helper()
	err := filepath.WalkDir(w.stateDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		w.quiet([]string{path, string(data)})
		for _, other := range others {
			if strings.Contains(string(data), other) {
				w.t.Errorf("%s holds a secret", path)
			}
		}
		return err
	})
	if err != nil {
		w.t.Error(err)
	}
}

// complete demands that the table holds the source's set: every event, each
// once but for at most repeats, and nothing else.
func (w *world) complete(repeats int) {
	w.t.Helper()
	ids := w.workspace.Table(events).IDs()
	missing, twice := 0, 0
	for i := range w.n {
		n := ids[w.gen.ID(i)]
		delete(ids, w.gen.ID(i))
		if n == 0 {
			missing++
		} else {
			twice += n - 1
		}
	}
	if missing > 0 || twice > repeats || len(ids) > 0 {
		w.t.Errorf("%d of %d events are missing, %d came more than once (allowed: %d), %d unknown ids came", missing, w.n, twice, repeats, len(ids))
	}
	if v := w.tenant.Violations(); len(v) > 0 {
		w.t.Errorf("the tenant saw what must not be: %q", v)
	}
	if p := w.tenant.PeakRequests(); p > 100 {
		w.t.Errorf("%d requests in 10 s, the limit is 100", p)
	}
}
