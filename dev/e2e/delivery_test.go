package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/fault"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// 30,000 events, 400 of them in one millisecond across page borders, with every
// odd shape: exactly the source's set, each once, and byte for byte but where
// the table's rules forbid it; then the original lies in quarantine.
func TestEverythingOnce(t *testing.T) {
	w := newWorld(t, 30_000, 24*time.Hour, synth.Options{Seed: 1, Rate: 1, Ties: 400, TieEvery: 2900, With: map[int]synth.Shape{
		77: synth.Huge, 78: synth.InvalidUTF8,
	}})
	inv := synth.New(synth.Options{Seed: 1, Start: time.Now().Add(-time.Hour)})
	for i := range 600 {
		w.tenant.AddInvocation(inv.Invocation(i))
	}
	w.serve()
	h := w.start()
	got := w.fire(h)
	if got.Status != http.StatusOK {
		t.Fatalf("%+v\n%s", got, strings.Join(h.Stderr(), "\n"))
	}
	rep := report(t, got, events)
	if rep.State != pipeline.Drained || rep.Sent != 30_000 || rep.Duplicates != 0 || rep.Quarantined != 0 {
		t.Errorf("%+v", rep)
	}
	w.complete(0)
	w.bytesEqual(rep)

	// Invocations: each state once, however often they are listed.
	if rep := report(t, got, triggers); rep.State != pipeline.Drained || rep.Sent != 600 {
		t.Errorf("%+v", rep)
	}
	again := w.fire(h)
	for _, rep := range again.Runs {
		if rep.State != pipeline.Drained || rep.Sent != 0 {
			t.Errorf("second run: %+v", rep)
		}
	}
	for id, n := range w.workspace.Table(triggers).IDs() {
		if n != 1 {
			t.Errorf("invocation %s came %d times", id, n)
		}
	}
	w.stateIsQuiet()
}

// bytesEqual compares what arrived with the source, and what was changed with quarantine.
func (w *world) bytesEqual(rep pipeline.Report) {
	w.t.Helper()
	source := make(map[string][]byte, w.n)
	for i := range w.n {
		source[w.gen.ID(i)] = w.gen.Event(i)
	}
	changed := map[string]bool{}
	for _, raw := range w.workspace.Table(events).Raw() {
		if !jsontext.Value(raw).IsValid() {
			w.t.Fatalf("not JSON: %.200s", raw)
		}
		id := idOf(raw)
		if bytes.Equal(raw, source[id]) {
			continue
		}
		if !bytes.Contains(raw, []byte(`"idnConformed":`)) {
			w.t.Errorf("%q was changed and does not say so: %.300s", id, raw)
		}
		changed[id] = true
	}
	if int64(len(changed)) != rep.Conformed || len(changed) == 0 {
		w.t.Errorf("%d rows differ from the source, %d were reported", len(changed), rep.Conformed)
	}
	originals := 0
	files, err := filepath.Glob(filepath.Join(w.stateDir, "*", "quarantine", events, "conformed", "*", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			w.t.Fatal(err)
		}
		_, original, _ := bytes.Cut(data, []byte("\n"))
		for id := range changed {
			if bytes.Equal(original, source[id]) {
				originals++
			}
		}
	}
	if originals != len(changed) {
		w.t.Errorf("quarantine holds %d untouched originals of %d changed rows", originals, len(changed))
	}
}

// idOf reads the id of a row, whatever else is odd about it.
func idOf(raw []byte) string {
	var row struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &row, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		panic(fmt.Sprintf("row %.100q: %v", raw, err))
	}
	return row.ID
}

// A whole tick of sink failure fails with 500 and moves nothing; the next delivers.
func TestSinkDownForATick(t *testing.T) {
	for name, serve := range ingestionAPIs() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3000, time.Hour, synth.Options{Seed: 2, Rate: 1})
			w.workspace.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Unavailable, To: 8}}}
			w.env["RUN_BUDGET"] = "3s"
			serve(w)
			h := w.start()
			begin := time.Now()
			inv := w.fire(h)
			if inv.Status != http.StatusInternalServerError || !strings.Contains(report(t, inv, events).Error, "503") {
				t.Errorf("status %d, %+v", inv.Status, inv.Runs)
			}
			if d := time.Since(begin); d > 3*time.Second+loaded {
				t.Errorf("the run took %v, its budget is 3s", d)
			}
			if files, _ := filepath.Glob(filepath.Join(w.stateDir, "*", "checkpoints", events+".json")); len(files) != 0 {
				t.Errorf("checkpoint of an undelivered stream: %v", files)
			}
			// With time to spare: a budget that ends on a busy machine while a batch is accepted repeats it.
			h.Close()
			w.env["RUN_BUDGET"] = "60s"
			h = w.start()
			for range 8 { // the remaining faults of the plan
				if inv = w.fire(h); inv.Status == http.StatusOK {
					break
				}
			}
			if rep := report(t, inv, events); rep.State != pipeline.Drained {
				t.Errorf("%+v", rep)
			}
			w.complete(0)
		})
	}
}

// Ten days behind, 60,000 events: all of them, from where it stopped.
func TestGapOfTenDays(t *testing.T) {
	w := newWorld(t, 60_000, 240*time.Hour, synth.Options{Seed: 3, Rate: 60_000 / (239.9 * 3600)})
	w.serve()
	h := w.start()
	if rep := report(t, w.fire(h), events); rep.State != pipeline.Drained || rep.Fetched != 60_000 {
		t.Errorf("%+v", rep)
	}
	w.complete(0)
}

// A budget that ends in the middle is no failure, and the next tick goes on.
func TestBudgetEnds(t *testing.T) {
	w := newWorld(t, 10_000, 24*time.Hour, synth.Options{Seed: 4, Rate: 1})
	// The tenant's slowness is what ends the budget, so that it does so on a fast
	// machine, and a slow one still gets some pages done in it.
	w.tenant.Faults = &fault.Plan{Rules: []fault.Rule{{Kind: fault.Slow, Path: "/search", Delay: 300 * time.Millisecond}}}
	w.env["RUN_BUDGET"], w.env["LIMIT"] = "4s", "500"
	w.serve()
	h := w.start()
	states := map[pipeline.State]int{}
	for range 30 {
		inv := w.fire(h)
		if inv.Status != http.StatusOK || inv.Duration > 4*time.Second+loaded {
			t.Fatalf("status %d after %v: %+v", inv.Status, inv.Duration, inv.Runs)
		}
		rep := report(t, inv, events)
		states[rep.State]++
		if rep.State == pipeline.Drained {
			break
		}
	}
	if states[pipeline.Budget] == 0 || states[pipeline.Drained] != 1 {
		t.Errorf("states %v", states)
	}
	w.complete(0)
}

// One poison record in a batch: the others arrive, it lies in quarantine.
func TestPoison(t *testing.T) {
	w := newWorld(t, 2500, time.Hour, synth.Options{Seed: 5, Rate: 1})
	bad := w.gen.ID(1234)
	w.workspace.Poison = func(raw []byte) bool { return idOf(raw) == bad }
	w.serve()
	h := w.start()
	rep := report(t, w.fire(h), events)
	if rep.State != pipeline.Drained || rep.Sent != 2499 || rep.Quarantined != 1 {
		t.Errorf("%+v", rep)
	}
	files, _ := filepath.Glob(filepath.Join(w.stateDir, "*", "quarantine", events, "undelivered", "*", "*"))
	found := false
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		head, original, _ := bytes.Cut(data, []byte("\n"))
		if bytes.Contains(head, []byte("InvalidDataFormat")) {
			found = bytes.Equal(original, w.gen.Event(1234))
		}
	}
	if !found {
		t.Errorf("the refused record is not in quarantine with its reason: %v", files)
	}
	if rep := report(t, w.fire(h), events); rep.State != pipeline.Drained || rep.Sent+rep.Quarantined != 0 {
		t.Errorf("second run: %+v", rep)
	}
}

// One stream that fails does not stop the other.
func TestOneStreamFails(t *testing.T) {
	w := newWorld(t, 100, time.Hour, synth.Options{Seed: 6, Rate: 1})
	w.tenant.Scopes = []string{"sp:search:read"}
	w.serve()
	h := w.start()
	inv := w.fire(h)
	if inv.Status != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", inv.Status)
	}
	if rep := report(t, inv, events); rep.State != pipeline.Drained || rep.Sent != 100 {
		t.Errorf("%+v", rep)
	}
	if rep := report(t, inv, triggers); rep.State != pipeline.Failed || !strings.Contains(rep.Error, "sp:trigger-service-invocation-status:read") {
		t.Errorf("the failure does not name the missing scope: %+v", rep)
	}
}
