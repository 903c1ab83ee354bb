package pipeline_test

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
)

// outlined is a sink that knows of each outline that it fits, and changes all that it is shown.
type outlined struct{ pipeline.Sink }

func (outlined) Limits() pipeline.Limits { return pipeline.Limits{RecordBytes: 20} }

func (outlined) FitsOutline(_ string, o jsonwalk.Outline) bool { return o.Shape != nil }

func (outlined) Fit(string, jsontext.Value) (jsontext.Value, []string, error) {
	return jsontext.Value(`{"changed":1}`), []string{"changed"}, nil
}

// A record that fits by its outline is not looked at, but measured all the same. The outline of
// one that is changed says nothing about the row.
func TestFitOutline(t *testing.T) {
	known := jsonwalk.Outline{Shape: new(jsonwalk.Shape)}
	for name, test := range map[string]struct {
		rec    pipeline.Record
		row    string
		reason pipeline.Reason
	}{
		"known to fit": {pipeline.Record{Raw: jsontext.Value(`{"a":1}`), Outline: known}, `{"a":1}`, ""},
		"too large":    {pipeline.Record{Raw: jsontext.Value(`{"a":1,"b":2,"c":3,"d":4}`), Outline: known}, "", pipeline.Unfit},
		"not known":    {pipeline.Record{Raw: jsontext.Value(`{"a":1}`), Outline: jsonwalk.Outline{Longest: 1}}, `{"changed":1}`, ""},
		"unreadable":   {pipeline.Record{Raw: jsontext.Value(`{"a`), Flaw: "cut", Outline: known}, "", pipeline.Unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			f := pipeline.Fit(outlined{}, "table", test.rec)
			if f.Reason != test.reason || f.Reason == "" && string(f.Row.Raw) != test.row {
				t.Errorf("%+v", f)
			}
			if f.Changes != "" && f.Row.Outline != (jsonwalk.Outline{}) {
				t.Error("the row has the outline of the record")
			}
		})
	}
}
