package synth_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

func TestInvocations(t *testing.T) {
	g := synth.New(synth.Options{Seed: 1, Canary: "CANARY"})
	seen := make(map[string]bool)
	ids := make(map[string]bool)
	secrets, failed := 0, 0
	for i := range 300 {
		inv := g.Invocation(i)
		again := g.Invocation(i)
		if diff := gocmp.Diff(inv, again); diff != "" {
			t.Fatalf("invocation %d differs from itself:\n%s", i, diff)
		}
		raw := jsontext.Value(inv.AppendJSON(nil))
		if !raw.IsValid() || !inv.Input.IsValid() || bytes.Contains(raw, []byte("${")) {
			t.Fatalf("invocation %d is no JSON: %s", i, raw)
		}
		if inv.Completed.Before(inv.Created) {
			t.Errorf("completed %v before created %v", inv.Completed, inv.Created)
		}
		seen[inv.TriggerID], ids[inv.ID] = true, true
		if bytes.Contains(raw, []byte("CANARY")) {
			secrets++
		}
		if inv.Failed() {
			failed++
		}
	}
	want := g.TriggerIDs()
	slices.Sort(want)
	if diff := gocmp.Diff(want, slices.Sorted(maps.Keys(seen))); diff != "" || len(want) != 42 {
		t.Errorf("%d triggers, want 42 (-want +got):\n%s", len(want), diff)
	}
	if len(ids) != 300 || secrets < 15 || failed < 3 {
		t.Errorf("%d ids, %d with a secret, %d failed", len(ids), secrets, failed)
	}
}

func TestInvocationJSON(t *testing.T) {
	created := time.Date(2026, 9, 1, 10, 0, 0, 250e6, time.UTC)
	base := synth.Invocation{
		ID: "9a6ad30e-8a05-4fc5-a6ec-0ca0e4cd2d2f", TriggerID: "idn:identity-created", SubscriptionID: "s", SubscriptionName: `A "b"`,
		Created: created, Input: jsontext.Value(`{"a":1}`),
	}
	const start = `{"id":"9a6ad30e-8a05-4fc5-a6ec-0ca0e4cd2d2f","triggerId":"idn:identity-created","subscriptionName":"A \"b\"","subscriptionId":"s",` +
		`"type":"REAL_TIME","created":"2026-09-01T10:00:00.250Z","startInvocationInput":{"triggerId":"idn:identity-created","input":{"a":1},"contentJson":{}}`
	completed := `,"completed":"2026-09-01T10:00:01.250Z","completeInvocationInput":`
	for name, c := range map[string]struct {
		change func(*synth.Invocation)
		want   string
	}{
		"in_flight": {func(*synth.Invocation) {}, start + "}"},
		"in_flight_null": {
			func(inv *synth.Invocation) { inv.ID = inv.ID[:35] + "0" },
			strings.Replace(start, "cd2d2f", "cd2d20", 1) + `,"completed":null,"completeInvocationInput":null}`,
		},
		"completed": {
			func(inv *synth.Invocation) { inv.Completed = created.Add(time.Second) },
			start + completed + `{"localizedError":null,"output":null}}`,
		},
		"failed": {
			func(inv *synth.Invocation) { inv.Completed, inv.Error = created.Add(time.Second), "no" },
			start + completed + `{"localizedError":{"locale":"en-US","message":"no"},"output":null}}`,
		},
		"answered": {
			func(inv *synth.Invocation) {
				inv.Completed, inv.Output = created.Add(time.Second), jsontext.Value(`{"x":[]}`)
			},
			start + completed + `{"localizedError":null,"output":{"x":[]}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inv := base
			c.change(&inv)
			got := string(inv.AppendJSON(nil))
			if diff := gocmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var v any
			if err := json.Unmarshal([]byte(got), &v); err != nil {
				t.Error(err)
			}
		})
	}
}
