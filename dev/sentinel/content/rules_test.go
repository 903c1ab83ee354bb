package content_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// everything is a workspace with every table, each in a form that has all columns.
var everything = []string{"events-dcr", "events-isc", "triggers-dcr", "health", "iiq-audit-dcr", "threat-intelligence"}

// TestRulesOnTheirExamples executes each rule on its examples: as events of
// either table, and again one frequency later, when it must not repeat itself. (No
// row is in two runs of a near-real-time rule.)
func TestRulesOnTheirExamples(t *testing.T) {
	examples := load(t, content.Examples)
	for _, r := range load(t, content.Rules) {
		t.Run(r.File, func(t *testing.T) {
			frequency, err := r.Every()
			if err != nil {
				t.Fatal(err)
			}
			e := examples[r.File]
			for i, c := range e.Fires {
				if len(c.Alerts) == 0 {
					t.Errorf("fires %d: the example tells no alerts", i+1)
					continue
				}
				for _, table := range []string{kqltest.ISCTable, kqltest.EventsTable} {
					if table == kqltest.EventsTable && len(c.Events) == 0 {
						continue
					}
					s := scene(t, c, table)
					if diff := cmp.Diff(wanted(t, c), got(t, execute(t, s, r), c)); diff != "" {
						t.Errorf("%s, in %s (-want +got)\n%s", c.Says, table, diff)
					}
					if table == kqltest.ISCTable && r.Kind != content.NRT {
						s.Data.Now = content.Now.Add(frequency).Format(time.RFC3339)
						if again := s.Run(t, r.Query); len(again.Rows) > 0 {
							t.Errorf("%s: the next run alerts again: %v", c.Says, again.Rows)
						}
					}
				}
			}
			for _, c := range e.Quiet {
				if out := execute(t, scene(t, c, kqltest.ISCTable), r); len(out.Rows) > 0 {
					t.Errorf("%s: want no alert, got %v", c.Says, out.Rows)
				}
			}
		})
	}
}

// execute runs a rule in a scene as Sentinel would: at the scene's time, or for
// each minute in which rows came in.
func execute(t *testing.T, s *kqltest.Scene, r content.Rule) kqltest.Table {
	t.Helper()
	if r.Kind == content.NRT {
		return s.RunNRT(t, r.Query)
	}
	return s.Run(t, r.Query)
}

// load reads content of the project.
func load[T any](t *testing.T, read func(sentinel string) (T, error)) T {
	t.Helper()
	v, err := read(kqltest.Root(t, "sentinel"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// scene is a workspace with the rows of a case, its events in one of the tables.
func scene(t *testing.T, c content.Case, table string) *kqltest.Scene {
	t.Helper()
	s := kqltest.NewScene(t, content.Now.Format(time.RFC3339), everything...)
	s.Data.Watchlists = c.Watchlists
	events, err := c.Documents()
	if err != nil {
		t.Fatalf("%s: %v", c.Says, err)
	}
	if table == kqltest.ISCTable {
		s.ISC(docs(events)...)
	} else {
		s.DCR(table, docs(events)...)
	}
	audits, err := c.AuditEvents()
	if err != nil {
		t.Fatalf("%s: %v", c.Says, err)
	}
	s.DCR(kqltest.IIQTable, docs(audits)...)
	for table, rows := range c.Others() {
		for _, r := range rows {
			s.Rows(table, kqltest.Row(r))
		}
	}
	for table, rows := range map[string][]map[string]any{kqltest.TriggersTable: c.Triggers, kqltest.HealthTable: c.Health} {
		timed, err := content.Timed(rows)
		if err != nil {
			t.Fatalf("%s: %v", c.Says, err)
		}
		s.DCR(table, docs(timed)...)
	}
	return s
}

func docs(in []map[string]any) []kqltest.Doc {
	out := make([]kqltest.Doc, 0, len(in))
	for _, d := range in {
		out = append(out, kqltest.Doc(d))
	}
	return out
}

// wanted and got give rows as sorted lines of JSON with the columns that the
// case names.
func wanted(t *testing.T, c content.Case) []string {
	t.Helper()
	var lines []string
	for _, a := range c.Alerts {
		if !slices.Equal(columns(a), columns(c.Alerts[0])) {
			t.Fatalf("%s: the alerts name different columns", c.Says)
		}
		lines = append(lines, line(t, a))
	}
	slices.Sort(lines)
	return lines
}

func got(t *testing.T, out kqltest.Table, c content.Case) []string {
	t.Helper()
	var lines []string
	for _, r := range out.Pick(columns(c.Alerts[0])...) {
		lines = append(lines, line(t, r))
	}
	slices.Sort(lines)
	return lines
}

func columns[V any](row map[string]V) []string { return slices.Sorted(maps.Keys(row)) }

func line(t *testing.T, row map[string]any) string {
	t.Helper()
	text, err := json.Marshal(row, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), `"`, "")
}
