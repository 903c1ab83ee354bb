package pipeline_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// An original that can't be kept stops the run before its row is sent, whether the row was
// changed, can't be made, or is refused: otherwise the original is gone.
func TestOriginalsThatCantBeKept(t *testing.T) {
	full := errors.New("disk full")
	change := func(raw jsontext.Value) (jsontext.Value, []string, error) {
		return append(raw[:len(raw):len(raw)], ' '), []string{"changed"}, nil
	}
	unfit := func(raw jsontext.Value) (jsontext.Value, []string, error) { return nil, nil, errors.New("no row") }
	refuse := func(_ int, batch []pipeline.Record) (bool, error) {
		if batch[0].ID == "e00000" {
			return false, &pipeline.Rejected{Err: errors.New("refused")}
		}
		return true, nil
	}
	for name, test := range map[string]struct {
		records int
		conform func(jsontext.Value) (jsontext.Value, []string, error)
		onWrite func(int, []pipeline.Record) (bool, error)
		writes  int
		kept    []string
	}{
		"of a changed row": {records: 1, conform: change, writes: 0},
		"of no row":        {records: 1, conform: unfit, writes: 0, kept: []string{"e00000"}},
		"of a refused row": {records: 2, onWrite: refuse, writes: 5, // the halves, and the refused one twice more
			kept: []string{"e00000"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, test.records)
				w.fit, w.onWrite, w.keepErr = test.conform, test.onWrite, full
				rep := w.run(time.Minute)
				if rep.State != pipeline.Failed || !strings.Contains(rep.Error, "disk full") || w.writes != test.writes || w.checkpoint.Tag != "" {
					t.Errorf("%d writes, checkpoint %+v, %+v", w.writes, w.checkpoint, rep)
				}
				w.keepErr = nil
				if test.onWrite != nil { // a refusal is believed beside a record that is taken
					w.records = newWorld(t, test.records+1).records
				}
				if rep := w.run(time.Minute); rep.State != pipeline.Drained {
					t.Errorf("%+v", rep)
				}
				w.complete(test.kept...)
			})
		})
	}
}
