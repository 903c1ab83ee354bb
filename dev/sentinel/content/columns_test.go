package content_test

import (
	"slices"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// TestColumnsThatRulesNeed: a rule that says it needs no more than the columns
// of the codeless connector's table fires on them, and one that says it does
// has an example that does not.
func TestColumnsThatRulesNeed(t *testing.T) {
	examples := load(t, content.Examples)
	rules := map[string]bool{}
	for _, r := range load(t, content.Rules) {
		rules[r.File] = true
		needs := content.ColumnsNeeded(r.File)
		complete := true
		for _, c := range examples[r.File].Fires {
			if len(c.Events) == 0 {
				continue
			}
			s := kqltest.NewScene(t, content.Now.Format(time.RFC3339), "events-isc-published", "threat-intelligence")
			s.Data.Watchlists = c.Watchlists
			for table, rows := range c.Others() {
				for _, r := range rows {
					s.Rows(table, kqltest.Row(r))
				}
			}
			events, err := c.Documents()
			if err != nil {
				t.Fatal(err)
			}
			s.ISC(docs(events)...)
			if out := execute(t, s, r); len(out.Rows) != len(c.Alerts) {
				complete = false
				if len(needs) == 0 {
					t.Errorf("%s, %s: %d alerts in the codeless connector's table, want %d; say which columns the rule needs", r.File, c.Says, len(out.Rows), len(c.Alerts))
				}
			}
		}
		if complete && len(needs) > 0 {
			t.Errorf("%s fires without %v on all of its examples", r.File, needs)
		}
		declared := kqltest.Load(t, "events-isc-published").Columns(t, kqltest.ISCTable)
		for _, n := range needs {
			if slices.ContainsFunc(declared, func(d kqltest.Column) bool { return d.Name == n }) {
				t.Errorf("%s: every table has %s", r.File, n)
			}
		}
	}
	for _, f := range content.RulesWithNeeds() {
		if !rules[f] {
			t.Errorf("no rule %s", f)
		}
	}
}
