package pipeline_test

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// What the source can't read goes into quarantine, once, and holds nothing up.
func TestUnreadable(t *testing.T) {
	w := newWorld(t, 25)
	broken := []string{"e00003", "e00011", "e00024"}
	for _, i := range []int{3, 11, 24} {
		w.records[i].Raw, w.records[i].Flaw = jsontext.Value("nul\x00"), "it is not JSON"
	}
	w.fit = func(raw jsontext.Value) (jsontext.Value, []string, error) {
		if !raw.IsValid() {
			t.Errorf("the column rules got %q", raw)
		}
		return raw, nil, nil
	}
	rep := w.runner().Run(t.Context())
	w.complete(broken...)
	for _, id := range broken {
		if w.kept[id] != pipeline.Unreadable || !w.ledger[id] {
			t.Errorf("%s is in quarantine as %q, in the ledger: %v", id, w.kept[id], w.ledger[id])
		}
	}
	if rep.State != pipeline.Drained || rep.Quarantined != 3 || rep.Sent != 22 {
		t.Errorf("got %+v", rep)
	}
	if len(rep.Warnings) != 1 || !strings.Contains(rep.Warnings[0], "idnsentinel quarantine list --reason unreadable") {
		t.Errorf("warnings %q", rep.Warnings)
	}
	again := w.runner().Run(t.Context())
	if diff := cmp.Diff([]string(nil), again.Warnings); diff != "" || again.Quarantined != 0 {
		t.Errorf("another run: %+v", again)
	}
}

// What could not be read is never sent again, whatever its bytes look like.
func TestResendOfUnreadable(t *testing.T) {
	w := newWorld(t, 1)
	rec := w.records[0]
	rec.Flaw = "what came of it was cut"
	var kept []string
	rep := w.runner().Resend(t.Context(), func(yield func(pipeline.Quarantined, error) bool) {
		yield(pipeline.Quarantined{Key: "k", Record: rec}, nil)
	}, pipeline.ResendHooks{
		Kept: func(_ pipeline.Quarantined, why pipeline.Reason, detail string) {
			kept = append(kept, string(why)+": "+detail)
		},
	})
	if diff := cmp.Diff([]string{"unreadable: what came of it was cut"}, kept); diff != "" || rep.Sent != 0 || len(w.delivered) > 0 {
		t.Errorf("report %+v (-want +got):\n%s", rep, diff)
	}
}
