package pipeline_test

import (
	"errors"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// Pages are given back when all of them is settled, and not where anything of them is kept
// or something has failed. That nobody uses one afterwards is checked in every test, see lend.
func TestPagesAreReleased(t *testing.T) {
	refuse := func(id string) func(int, []pipeline.Record) (bool, error) {
		return func(_ int, batch []pipeline.Record) (bool, error) {
			for _, r := range batch {
				if r.ID == id {
					return false, &pipeline.Rejected{Err: errors.New("refused")}
				}
			}
			return true, nil
		}
	}
	for name, c := range map[string]struct {
		setup    func(*world)
		state    pipeline.State
		released int
	}{
		"all delivered":    {func(*world) {}, pipeline.Drained, 6}, // of which one is empty
		"delivered before": {func(w *world) { w.deliveredBefore() }, pipeline.Drained, 6},
		"one is changed":   {func(w *world) { w.fit = changes("e00007") }, pipeline.Drained, 1},
		"one is refused":   {func(w *world) { w.onWrite = refuse("e00007") }, pipeline.Drained, 1},
		"a write fails": {func(w *world) {
			w.onWrite = func(int, []pipeline.Record) (bool, error) { return false, errors.New("broken") }
		}, pipeline.Failed, 1},
		"the ledger fails":      {func(w *world) { w.onCommit = func(int) error { return errors.New("broken") } }, pipeline.Failed, 1},
		"the state is not sure": {func(w *world) { w.onProve = func(int) error { return errors.New("broken") } }, pipeline.Failed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 50)
			c.setup(w)
			report := w.runner().Run(t.Context())
			if report.State != c.state || w.released != c.released {
				t.Errorf("%d pages released, want %d; %+v", w.released, c.released, report)
			}
		})
	}
}

func (w *world) deliveredBefore() {
	for _, r := range w.records {
		w.ledger[r.ID], w.delivered[r.ID] = true, 1
	}
}

// changes is a column rule that the record of that id does not fit.
func changes(id string) func(jsontext.Value) (jsontext.Value, []string, error) {
	return func(raw jsontext.Value) (jsontext.Value, []string, error) {
		if string(raw) == `{"id":"`+id+`"}` {
			return jsontext.Value(`{"id":"` + id + `","changed":true}`), []string{"changed"}, nil
		}
		return raw, nil, nil
	}
}
