package content_test

import (
	"encoding/csv"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/internal/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/internal/sentinel/kqltest"
)

// earlier are the rules of the earlier solution, whose ids stay.
var earlier = map[string]string{
	"48bb92e2-bad4-4fd4-9684-26cb188299b7": "SailPointIdentityNowEventType",
	"2151e8ea-4838-4c74-be12-4d6a950dde7a": "SailPointIdentityNowEventTypeTechnicalName",
	"c3835197-fd07-447e-a0ac-7540d51a1f64": "SailPointIdentityNowFailedEvents",
	"175b79ef-0fc3-4b27-b92a-89b2db6c85c2": "SailPointIdentityNowFailedEventsBasedOnTime",
	"2a215222-bfc5-4858-a530-6d4088ebfa15": "SailPointIdentityNowUserWithFailedEvent",
	"08330c3d-487e-4f5e-a539-1e7d06dea786": "SailPointIdentityNowAlertForTriggers",
}

// identifiers are those entity types and identifiers of Sentinel that the content uses.
var identifiers = map[string][]string{"Account": {"Name"}, "IP": {"Address"}, "CloudApplication": {"Name"}}

var (
	guid    = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	version = regexp.MustCompile(`^\d+\.\d+\.\d+$`)
)

func TestRuleFiles(t *testing.T) {
	rules, ids, names := load(t, content.Rules), map[string]string{}, map[string]bool{}
	if len(rules) < 26 {
		t.Errorf("%d rules, want the 6 of the earlier solution and 20 or more", len(rules))
	}
	for _, r := range rules {
		t.Run(r.File, func(t *testing.T) {
			if !guid.MatchString(r.ID) || ids[r.ID] != "" {
				t.Errorf("id %q: want a GUID of its own (%s)", r.ID, ids[r.ID])
			}
			ids[r.ID] = r.Name
			if names[r.Name] {
				t.Errorf("another rule is called %q too", r.Name)
			}
			names[r.Name] = true
			if !version.MatchString(r.Version) || r.Kind != "Scheduled" || r.Status != "Available" || r.TriggerOperator != "gt" || r.TriggerThreshold != 0 {
				t.Errorf("version %s, kind %s, status %s, trigger %s %d", r.Version, r.Kind, r.Status, r.TriggerOperator, r.TriggerThreshold)
			}
			if !slices.Contains([]string{"High", "Medium", "Low", "Informational"}, r.Severity) {
				t.Errorf("severity %q", r.Severity)
			}
			if !slices.Contains([]string{"SingleAlert", "AlertPerResult"}, r.EventGroupingSettings.AggregationKind) {
				t.Errorf("event grouping %q", r.EventGroupingSettings.AggregationKind)
			}
			if len(r.Description) < 40 {
				t.Errorf("description %q", r.Description)
			}
			attack(t, r.Tactics, r.RelevantTechniques)
			timing(t, r)
			connectors(t, r.Query, r.RequiredDataConnectors)
			actions(t, r.Query)
		})
	}
	for id, name := range earlier {
		if ids[id] != name {
			t.Errorf("rule %s is called %q, was %q", id, ids[id], name)
		}
	}
	for _, h := range load(t, content.Hunts) {
		if ids[h.ID] != "" {
			t.Errorf("hunting query %s has the id of %s", h.Name, ids[h.ID])
		}
		ids[h.ID] = h.Name
	}
}

// attack checks that each technique belongs to one of the tactics, and each
// tactic has one of the techniques.
func attack(t *testing.T, tactics, techniques []string) {
	t.Helper()
	if len(tactics) == 0 || len(techniques) == 0 {
		t.Error("want tactics and techniques")
	}
	covered := map[string]bool{}
	for _, id := range techniques {
		technique, ok := content.TechniqueOf(id)
		if !ok {
			t.Errorf("technique %s is not in the table", id)
		}
		shared := false
		for _, tactic := range technique.Tactics {
			if slices.Contains(tactics, tactic) {
				shared, covered[tactic] = true, true
			}
		}
		if !shared {
			t.Errorf("technique %s belongs to %v, not to %v", id, technique.Tactics, tactics)
		}
	}
	for _, tactic := range tactics {
		if !covered[tactic] {
			t.Errorf("no technique of %v belongs to tactic %s", techniques, tactic)
		}
	}
}

// timing checks what Sentinel demands of period and frequency, and that the
// query reads the whole period, and tells old rows from new by the frequency.
func timing(t *testing.T, r content.Rule) {
	t.Helper()
	frequency, err := content.Duration(r.QueryFrequency)
	if err != nil {
		t.Fatal(err)
	}
	period, err := content.Duration(r.QueryPeriod)
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	if frequency < 5*time.Minute || period < frequency || period > 14*day || (period >= 2*day && frequency < time.Hour) {
		t.Errorf("frequency %s, period %s", r.QueryFrequency, r.QueryPeriod)
	}
	// Rows that are older than two days when they come get the time of receipt,
	// so two days of TimeGenerated hold whatever has come since the last run.
	if period < 2*day {
		t.Errorf("period %s: want two days or more, for rows that come late", r.QueryPeriod)
	}
	for _, m := range regexp.MustCompile(`starttime = ago\((\w+)\)`).FindAllStringSubmatch(r.Query, -1) {
		if m[1] != r.QueryPeriod && m[1] != "2d" {
			t.Errorf("starttime = ago(%s), but the period is %s", m[1], r.QueryPeriod)
		}
	}
	if !strings.Contains(r.Query, "starttime = ago("+r.QueryPeriod+")") {
		t.Errorf("the query does not read the period, %s", r.QueryPeriod)
	}
	if !strings.Contains(r.Query, "ago("+r.QueryFrequency+")") {
		t.Errorf("the query does not know what the last run saw, %s ago", r.QueryFrequency)
	}
}

// connectors checks that the tables named are those that the functions in the query read.
func connectors(t *testing.T, query string, required []content.RequiredConnector) {
	t.Helper()
	reads := map[string][]string{
		"SailPointIDNEvents":   {kqltest.EventsTable, kqltest.ISCTable},
		"SailPointIDNTriggers": {kqltest.TriggersTable},
		"SailPointIDNHealth":   {kqltest.HealthTable},
	}
	var want []string
	for _, f := range slices.Sorted(mapKeys(reads)) {
		if regexp.MustCompile(`\b` + f + `\b`).MatchString(query) {
			want = append(want, reads[f]...)
		}
	}
	if len(required) != 1 || required[0].ConnectorID != "SailPointIdentityNow" || !slices.Equal(required[0].DataTypes, want) {
		t.Errorf("requiredDataConnectors %v, but the query reads %v", required, want)
	}
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// catalogue has the names of all audit events and of their types, in lower case.
func catalogue(t *testing.T) (names, types map[string]bool) {
	t.Helper()
	f, err := os.Open(kqltest.Root(t, "sentinel", "mapping", "asim.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	names, types = map[string]bool{}, map[string]bool{}
	for _, r := range rows[1:] {
		types[r[0]] = true
		names[strings.ToLower(r[1]+r[2])] = true
	}
	return names, types
}

// notNames are words in lists that are no names of events.
var notNames = []string{"FAILED", "PASSED", "idn:aggregation-accounts-collected"}

// actions checks that the lists in a query hold names from the catalogue.
func actions(t *testing.T, query string) {
	t.Helper()
	names, types := catalogue(t)
	lists := regexp.MustCompile(`dynamic\(\[([^\]]*)\]\)`).FindAllStringSubmatch(query, -1)
	lists = append(lists, regexp.MustCompile(`Action (?:=~|!~|in~) \(?('[^)\n]*?')[)\s]`).FindAllStringSubmatch(query, -1)...)
	for _, l := range lists {
		for _, m := range regexp.MustCompile(`'([^']*)'`).FindAllStringSubmatch(l[1], -1) {
			if !names[strings.ToLower(m[1])] && !types[m[1]] && !slices.Contains(notNames, m[1]) {
				t.Errorf("%q is not in the catalogue of audit events", m[1])
			}
		}
	}
}

// TestExamples: every rule has both kinds, of events that exist.
func TestExamples(t *testing.T) {
	names, types := catalogue(t)
	examples := load(t, content.Examples)
	known := map[string]bool{}
	for _, r := range load(t, content.Rules) {
		known[r.File] = true
		if e := examples[r.File]; len(e.Fires) == 0 || len(e.Quiet) == 0 {
			t.Errorf("%s: %d examples that fire, %d that don't", r.File, len(e.Fires), len(e.Quiet))
		}
	}
	for _, h := range load(t, content.Hunts) {
		known[h.File] = true
	}
	for file, e := range examples {
		if !known[file] {
			t.Errorf("examples %s: no such rule or hunting query", file)
		}
		for _, c := range slices.Concat(e.Fires, e.Quiet) {
			if c.Says == "" || len(c.Events)+len(c.Triggers)+len(c.Health) == 0 {
				t.Errorf("%s: a case says nothing, or has no rows", file)
			}
			for _, ev := range c.Events {
				if !names[strings.ToLower(ev.Action)] || !types[ev.Type] {
					t.Errorf("%s: no action %q or type %q in the catalogue", file, ev.Action, ev.Type)
				}
			}
		}
	}
}

// workspaces are what a query must get along with. That the functions give the
// same columns of every other combination of tables is tested where they are.
var workspaces = map[string][]string{"no table": nil, "every table": everything}

// TestRuleColumns: no error in any workspace, and what a rule names is in its result.
func TestRuleColumns(t *testing.T) {
	rules := load(t, content.Rules)
	for name, schemas := range workspaces {
		ws := kqltest.Load(t, schemas...)
		for _, r := range rules {
			c := ws.Check(t, r.Query)
			if len(c.Errors) > 0 {
				t.Errorf("%s, %s:\n%s", r.File, name, strings.Join(c.Errors, "\n"))
				continue
			}
			for _, problem := range undefined(r, c.Columns) {
				t.Errorf("%s, %s: %s", r.File, name, problem)
			}
		}
	}
}

// undefined lists what a rule wants of its result and does not get.
func undefined(r content.Rule, columns []kqltest.Column) []string {
	var problems []string
	column := func(where, name string) {
		if !slices.ContainsFunc(columns, func(c kqltest.Column) bool { return c.Name == name }) {
			problems = append(problems, where+": no column "+name)
		}
	}
	if len(r.EntityMappings) == 0 || len(r.EntityMappings) > 10 {
		problems = append(problems, "want 1 to 10 entity mappings")
	}
	for _, e := range r.EntityMappings {
		for _, f := range e.FieldMappings {
			if !slices.Contains(identifiers[e.EntityType], f.Identifier) {
				problems = append(problems, "entity "+e.EntityType+" has no identifier "+f.Identifier)
			}
			column("entity "+e.EntityType, f.ColumnName)
		}
	}
	if len(r.CustomDetails) > 20 {
		problems = append(problems, "more than 20 custom details")
	}
	for name, c := range r.CustomDetails {
		if len(name) > 20 {
			problems = append(problems, "custom detail "+name+" is longer than 20 characters")
		}
		column("custom detail "+name, c)
	}
	title := regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(r.AlertDetailsOverride.AlertDisplayNameFormat, -1)
	if len(title) > 3 {
		problems = append(problems, "more than 3 columns in the title")
	}
	for _, m := range title {
		column("title", m[1])
	}
	return problems
}

// TestUndefinedIsFound seeds the faults that the check is for.
func TestUndefinedIsFound(t *testing.T) {
	columns := []kqltest.Column{{Name: "ActorName", Type: "string"}}
	account := func(column string) []content.EntityMapping {
		return []content.EntityMapping{{EntityType: "Account", FieldMappings: []content.FieldMapping{{Identifier: "Name", ColumnName: column}}}}
	}
	for name, r := range map[string]content.Rule{
		"no entity":        {},
		"misspelt entity":  {EntityMappings: account("ActorNmae")},
		"custom detail":    {EntityMappings: account("ActorName"), CustomDetails: map[string]string{"Who": "Actor"}},
		"title":            {EntityMappings: account("ActorName"), AlertDetailsOverride: content.AlertDetailsOverride{AlertDisplayNameFormat: "{{Actor}}"}},
		"long detail name": {EntityMappings: account("ActorName"), CustomDetails: map[string]string{"ALongerNameThanTwenty": "ActorName"}},
	} {
		if len(undefined(r, columns)) != 1 {
			t.Errorf("%s: found %v", name, undefined(r, columns))
		}
	}
	if p := undefined(content.Rule{EntityMappings: account("ActorName")}, columns); len(p) > 0 {
		t.Errorf("found %v in a sound rule", p)
	}
}
