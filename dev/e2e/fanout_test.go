package e2e_test

import (
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// A queue full of old messages, messages that are none, and an instance of another app at the same
// queue: each is named, everything arrives, and what was given up is in the state and in the status.
func TestFanOutBadInput(t *testing.T) {
	f := newFleet(t, plan{
		connections: 4, instances: 1, calm: true, hold: 6 * time.Second, visibility: time.Second,
		set: map[string]string{"SETTLE_DELAY": "1s", "RUN_BUDGET": "20s"},
	})
	now := time.Now()
	old := message(t, fanout.Message{Connection: "c000", Tenant: "org-c000", Tick: now.Add(-time.Hour), Expires: now.Add(-time.Hour + 2*time.Minute)})
	for range 60 {
		f.put(old)
	}
	odd := map[string]string{
		"no JSON":          "canary, not a message",
		"newer":            strings.Replace(old, `"version":1`, `"version":9`, 1),
		"gone":             message(t, fanout.Message{Connection: "gone", Tenant: "gone", Tick: now}),
		"of another state": message(t, fanout.Message{Connection: "c001", Tenant: "elsewhere", Tick: now}),
	}
	for _, text := range odd {
		f.put(text)
	}
	f.scale(1)
	f.happens(3)
	for deadline := time.Now().Add(time.Minute + 3*loaded); time.Now().Before(deadline); {
		f.tick()
		f.wait(2 * time.Second)
		if _, poisoned := f.queued(); poisoned == len(odd) && f.left() == 0 {
			break
		}
	}
	if _, poisoned := f.queued(); poisoned != len(odd) || f.left() != 0 {
		t.Errorf("%d messages were given up, want %d; %d events did not arrive", poisoned, len(odd), f.left())
	}
	said := strings.Join(f.stderr(), "\n")
	for _, want := range []string{"not a message of this app", "newer version", `\"gone\"`, "two apps share the queue", "message given up"} {
		if !strings.Contains(said, want) {
			t.Errorf("stderr lacks %q", want)
		}
	}
	note, err := os.ReadFile(filepath.Join(f.stateDir, "fan-out", "poison.json"))
	if err != nil || !strings.Contains(string(note), `"total":4`) {
		t.Errorf("%v: %s", err, note)
	}
	shown := f.status()
	if !strings.Contains(shown, "gave up") || !strings.Contains(shown, f.queue().Poison().Name) {
		t.Errorf("status:\n%s", shown)
	}
	if strings.Contains(said+shown+string(note), "canary, not") {
		t.Error("what a stranger wrote is shown")
	}
}

// An instance of another app takes messages from the same queue: it says so, and they come back.
func TestFanOutTwoApps(t *testing.T) {
	f := newFleet(t, plan{
		connections: 4, instances: 1, calm: true, hold: 6 * time.Second, visibility: time.Second,
		set: map[string]string{"SETTLE_DELAY": "1s", "RUN_BUDGET": "20s"},
	})
	other := &fleet{world: f.world, plan: f.plan, dir: f.dir, trigger: f.trigger, account: f.account, failures: map[string]int{}}
	w := *f.world
	w.env = map[string]string{}
	for name, value := range f.env {
		if !strings.HasPrefix(name, "C0") {
			w.env[name] = value
		}
	}
	maps.Copy(w.env, map[string]string{"CONNECTIONS": "elsewhere", "ELSEWHERE_OKTA_ORG_URL": "http://127.0.0.1:1", "ELSEWHERE_OKTA_API_TOKEN": "00" + strings.Repeat("x", 40), "STATE_URL": "file://" + t.TempDir()})
	other.world = &w
	other.scale(1)
	f.scale(1)
	f.happens(3)
	found := func() bool {
		other.mu.Lock()
		defer other.mu.Unlock()
		return slices.ContainsFunc(slices.Collect(maps.Keys(other.failures)), func(text string) bool {
			return strings.Contains(text, "two apps share the queue") && strings.Contains(text, "AzureWebJobsStorage")
		})
	}
	// Which of the two takes a message is chance: on a busy machine one of them may take all of a tick.
	for deadline := time.Now().Add(time.Minute + 3*loaded); (f.left() > 0 || !found()) && time.Now().Before(deadline); {
		f.tick()
		f.wait(2 * time.Second)
	}
	other.stop()
	f.stop()
	f.complete(0)
	if !found() {
		t.Errorf("the other app said %v", other.failures)
	}
}

// The ordinary package with FAN_OUT=queue polls all connections in one process, and says what is missing.
func TestFanOutInTheOrdinaryPackage(t *testing.T) {
	f := newFleet(t, plan{connections: 4, calm: true, set: map[string]string{"SETTLE_DELAY": "1s"}})
	dir := t.TempDir()
	if err := os.Symlink(handlerPath, filepath.Join(dir, "handler")); err != nil {
		t.Fatal(err)
	}
	f.dir = dir
	h := f.launch()
	f.happens(1)
	f.wait(2 * time.Second)
	inv, err := h.FireInto(t.Context(), f.account)
	if err != nil || inv.Status != http.StatusOK || len(inv.Work) != 0 || len(inv.Runs) != 2*f.connections {
		t.Fatalf("%v: %+v", err, inv)
	}
	for _, r := range inv.Runs {
		if said := strings.Join(r.Warnings, " "); r.State != pipeline.Drained || !strings.Contains(said, "FAN_OUT") || !strings.Contains(said, "released-package-queue.zip") {
			t.Errorf("%+v", r)
		}
	}
	if f.left() != 0 {
		t.Errorf("%d events did not arrive", f.left())
	}
}

// message is one that this version of the app puts into the queue.
func message(t *testing.T, m fanout.Message) string {
	t.Helper()
	text, err := fanout.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// put puts a message into the queue.
func (f *fleet) put(text string) {
	f.t.Helper()
	if err := f.queue().Send(f.t.Context(), text); err != nil {
		f.t.Fatal(err)
	}
}

// stderr is what the instances have said.
func (f *fleet) stderr() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.at {
		all = append(all, one.h.Stderr()...)
	}
	return all
}

// status is what the command says.
func (f *fleet) status() string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), loaded)
	defer cancel()
	out, err := f.command(ctx, "status").CombinedOutput()
	if err != nil {
		f.t.Logf("status: %v", err)
	}
	f.quiet([]string{string(out)})
	return string(out)
}
