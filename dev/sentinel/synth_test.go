package sentinel_test

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// TestEventsOfOddShapes sends synthetic events, with all the oddities of real
// ones, through each kind of table. What comes out is the same.
func TestEventsOfOddShapes(t *testing.T) {
	const n = 200
	g := synth.New(synth.Options{Start: time.Date(2026, 9, 2, 10, 0, 0, 0, time.UTC)})
	var docs []kqltest.Doc
	for i := range n {
		var d kqltest.Doc
		if err := json.Unmarshal(g.Event(i), &d, jsontext.AllowDuplicateNames(true)); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		docs = append(docs, d)
	}
	const query = `SailPointIDNEvents | sort by Id asc | project-away Attributes, Raw, SourceTable, SourceSystem`
	classic := kqltest.NewScene(t, now)
	classic.Classic(kqltest.EventsTable, docs...)
	dcr := kqltest.NewScene(t, now, "events-dcr")
	dcr.DCR(kqltest.EventsTable, docs...)
	isc := kqltest.NewScene(t, now, "events-isc")
	isc.ISC(docs...)
	want := isc.Run(t, query)
	if len(want.Rows) != n {
		t.Errorf("%d rows, want %d", len(want.Rows), n)
	}
	for name, s := range map[string]*kqltest.Scene{"classic": classic, "DCR": dcr} {
		if diff := cmp.Diff(want, s.Run(t, query)); diff != "" {
			t.Errorf("%s (-ISC +%s)\n%s", name, name, diff)
		}
	}
}
