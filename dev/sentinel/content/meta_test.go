package content_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
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
var identifiers = map[string][]string{"Account": {"Name", "UPNSuffix"}, "IP": {"Address"}, "CloudApplication": {"Name"}}

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
			if !version.MatchString(r.Version) || r.Status != "Available" {
				t.Errorf("version %s, status %s", r.Version, r.Status)
			}
			if !slices.Contains([]string{"High", "Medium", "Low", "Informational"}, r.Severity) {
				t.Errorf("severity %q", r.Severity)
			}
			if !slices.Contains([]string{"SingleAlert", "AlertPerResult"}, r.EventGroupingSettings.AggregationKind) {
				t.Errorf("event grouping %q", r.EventGroupingSettings.AggregationKind)
			}
			if len(r.Description) < 40 || !strings.Contains(r.Description, "\nTriage: ") {
				t.Errorf("description %q: want what happened, and a line \"Triage: ...\" with what to do", r.Description)
			}
			if r.AlertDetailsOverride.AlertDescriptionFormat == "" {
				t.Error("want an alertDescriptionFormat")
			}
			for _, problem := range slices.Concat(attack(r.Tactics, r.RelevantTechniques), timing(r), connectors(r.Query, r.RequiredDataConnectors), unknown(t, r.Query)) {
				t.Error(problem)
			}
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

// attack lists what does not fit: each technique must belong to one of the
// tactics, and each tactic must have one of the techniques.
func attack(tactics, techniques []string) []string {
	var problems []string
	if len(tactics) == 0 || len(techniques) == 0 {
		problems = append(problems, "want tactics and techniques")
	}
	covered := map[string]bool{}
	for _, id := range techniques {
		technique, ok := content.TechniqueOf(id)
		if !ok {
			problems = append(problems, "technique "+id+" is not in the table")
			continue
		}
		shared := false
		for _, tactic := range technique.Tactics {
			if slices.Contains(tactics, tactic) {
				shared, covered[tactic] = true, true
			}
		}
		if !shared {
			problems = append(problems, fmt.Sprintf("technique %s belongs to %v, not to %v", id, technique.Tactics, tactics))
		}
	}
	for _, tactic := range tactics {
		if !covered[tactic] {
			problems = append(problems, fmt.Sprintf("no technique of %v belongs to tactic %s", techniques, tactic))
		}
	}
	return problems
}

// timing lists offences against what Sentinel demands of kind, period and frequency.
// The query of a scheduled rule must read the whole period, and tell old rows
// from new by the frequency.
func timing(r content.Rule) []string {
	if r.Kind == content.NRT {
		return nearRealTime(r)
	}
	var problems []string
	if r.Kind != content.Scheduled || r.TriggerOperator != "gt" || r.TriggerThreshold != 0 {
		problems = append(problems, fmt.Sprintf("kind %s, trigger %s %d", r.Kind, r.TriggerOperator, r.TriggerThreshold))
	}
	frequency, errF := content.Duration(r.QueryFrequency)
	period, errP := content.Duration(r.QueryPeriod)
	const day = 24 * time.Hour
	if errF != nil || errP != nil || frequency < 5*time.Minute || period < frequency || period > 14*day || (period >= 2*day && frequency < time.Hour) {
		problems = append(problems, fmt.Sprintf("frequency %s, period %s", r.QueryFrequency, r.QueryPeriod))
	}
	// Rows that are older than two days when they come get the time of receipt,
	// so two days of TimeGenerated hold whatever has come since the last run.
	if period < 2*day {
		problems = append(problems, "period "+r.QueryPeriod+": want two days or more, for rows that come late")
	}
	for _, m := range regexp.MustCompile(`starttime = ago\((\w+)\)`).FindAllStringSubmatch(r.Query, -1) {
		// Another table may be read for the whole period, such as that of indicators.
		if m[1] != r.QueryPeriod && !regexp.MustCompile(`TimeGenerated >=? ago\(`+r.QueryPeriod+`\)`).MatchString(r.Query) {
			problems = append(problems, "starttime = ago("+m[1]+"), but the period is "+r.QueryPeriod)
		}
	}
	if !strings.Contains(r.Query, "starttime = ago(") {
		problems = append(problems, "the query does not say from when it reads")
	}
	if !strings.Contains(r.Query, "ago("+r.QueryFrequency+")") {
		problems = append(problems, "the query does not know what the last run saw, "+r.QueryFrequency+" ago")
	}
	return problems
}

// nearRealTime lists offences against the limits of near-real-time rules
// (docs/adr/0042-near-real-time.md). Such a rule sees the rows of one minute: what
// it compared with the past, or with when a row came, would always be empty.
func nearRealTime(r content.Rule) []string {
	var problems []string
	if r.QueryFrequency+r.QueryPeriod+r.TriggerOperator != "" || r.TriggerThreshold != 0 {
		problems = append(problems, "near real time has neither frequency and period nor trigger")
	}
	for _, m := range regexp.MustCompile(`\b(IngestionTime|join|lookup|materialize)\b`).FindAllString(r.Query, -1) {
		problems = append(problems, m+": near real time sees the rows of one minute, once")
	}
	if n := strings.Count(r.Query, "SailPointIDNEvents("); n != 1 {
		problems = append(problems, fmt.Sprintf("near real time reads the events once, not %d times", n))
	}
	if !strings.Contains(r.Query, "starttime = ago(2d)") {
		problems = append(problems, "the query does not say from when it reads: rows that came in this minute are two days old at most, or have its time")
	}
	return problems
}

// perCustomer is how many near-real-time rules a customer of Sentinel can have; those of
// other products count, too.
const perCustomer = 50

// TestNearRealTime: few rules in near real time, and one rule that sees what comes
// too late for them.
func TestNearRealTime(t *testing.T) {
	names := func(query string) []string {
		var all []string
		for _, list := range regexp.MustCompile(`dynamic\(\[([^\]]*)\]\)`).FindAllStringSubmatch(query, -1) {
			for _, m := range regexp.MustCompile(`'([^']*)'`).FindAllStringSubmatch(list[1], -1) {
				all = append(all, m[1])
			}
		}
		return all
	}
	var urgent, late []string
	count := 0
	for _, r := range load(t, content.Rules) {
		switch {
		case r.Kind == content.NRT:
			count++
			urgent = append(urgent, names(r.Query)...)
		case r.File == "SailPointISCUrgentEventsCameLate":
			late = names(r.Query)
		}
	}
	slices.Sort(urgent)
	slices.Sort(late)
	if diff := cmp.Diff(slices.Compact(urgent), late); diff != "" {
		t.Errorf("SailPointISCUrgentEventsCameLate has not the events of all near-real-time rules (-want +got)\n%s", diff)
	}
	if count > perCustomer/5 {
		t.Errorf("%d rules in near real time: a customer can have %d in all", count, perCustomer)
	}
}

// connectors tells when the tables named are not those that the functions in the query read.
func connectors(query string, required []content.RequiredConnector) []string {
	reads := map[string][]string{
		"SailPointIDNEvents":   {kqltest.EventsTable, kqltest.ISCTable},
		"SailPointIDNTriggers": {kqltest.TriggersTable},
		"SailPointIDNHealth":   {kqltest.HealthTable},
		"SailPointIIQEvents":   {kqltest.IIQTable},
	}
	var want []string
	for _, f := range slices.Sorted(mapKeys(reads)) {
		if regexp.MustCompile(`\b` + f + `\b`).MatchString(query) {
			want = append(want, reads[f]...)
		}
	}
	if len(required) != 1 || required[0].ConnectorID != "SailPointIdentityNow" || !slices.Equal(required[0].DataTypes, want) {
		return []string{fmt.Sprintf("requiredDataConnectors %v, but the query reads %v", required, want)}
	}
	return nil
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

// iiqActions has the actions of IdentityIQ, in lower case.
func iiqActions(t *testing.T) map[string]bool {
	t.Helper()
	f, err := os.Open(kqltest.Root(t, "sentinel", "mapping", "iiq.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, r := range rows[1:] {
		names[strings.ToLower(r[0])] = true
	}
	return names
}

// notNames are words in lists that are no names of events.
var notNames = []string{
	"FAILED", "PASSED", "idn:aggregation-accounts-collected",
	// Technical names that SailPoint's example of a logon has, with a generic action.
	"AUTHENTICATION_REQUEST_PASSED", "AUTHENTICATION_REQUEST_FAILED",
	// Kinds of indicators.
	"ipv4-addr", "ipv6-addr", "network-traffic",
	// Names of sources, and lifecycle states.
	"Active Directory", "AD", "Entra", "Azure AD", "LDAP", "Okta", "IdentityNow", "inactive", "terminated", "disabled", "leaver", "suspended", "archived",
}

// unknown lists names in a query's lists and comparisons that the catalogue lacks.
func unknown(t *testing.T, query string) []string {
	t.Helper()
	names, types := catalogue(t)
	if strings.Contains(query, "SailPointIIQEvents") {
		names, types = iiqActions(t), nil
	}
	lists := regexp.MustCompile(`dynamic\(\[([^\]]*)\]\)`).FindAllStringSubmatch(query, -1)
	lists = append(lists, regexp.MustCompile(`(?:Action|Activity) !?(?:=~|~|in~|in|==) *(\([^()]*'[^()]*\)|'[^']*')`).FindAllStringSubmatch(query, -1)...)
	var problems []string
	for _, l := range lists {
		for _, m := range regexp.MustCompile(`'([^']*)'`).FindAllStringSubmatch(l[1], -1) {
			if !names[strings.ToLower(m[1])] && !types[m[1]] && !slices.Contains(notNames, m[1]) {
				problems = append(problems, fmt.Sprintf("%q is not in the catalogue of audit events", m[1]))
			}
		}
	}
	return problems
}

// TestWhoDidIt: queries take the user from the columns that know of System, not
// from the actor's name. IdentityIQ has columns of its own.
func TestWhoDidIt(t *testing.T) {
	queries := map[string]string{}
	for _, r := range load(t, content.Rules) {
		queries[r.File] = r.Query
	}
	for _, h := range load(t, content.Hunts) {
		queries[h.File] = h.Query
	}
	for _, w := range load(t, content.Workbooks) {
		for _, tile := range w.Queries {
			queries[w.File+"/"+tile.Name] = tile.Query
		}
	}
	for name, query := range queries {
		if regexp.MustCompile(`\bActorName\b`).MatchString(query) {
			t.Errorf("%s: ActorName: want User (UserKey to compare), or DoneBy for what was done to others", name)
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
			if c.Says == "" || len(c.Events)+len(c.Triggers)+len(c.Health)+len(c.IIQ) == 0 {
				t.Errorf("%s: a case says nothing, or has no rows", file)
			}
			for _, ev := range c.IIQ {
				if action, _ := ev["action"].(string); !iiqActions(t)[strings.ToLower(action)] {
					t.Errorf("%s: no action %q of IdentityIQ in the mapping", file, action)
				}
			}
			for _, ev := range c.Events {
				named := strings.ToLower(ev.Action)
				if slices.Contains([]string{"create", "update", "delete"}, named) {
					named = strings.ToLower(ev.TechnicalName)
				}
				if !slices.Contains(notNames, strings.ToUpper(named)) && !names[named] || !types[ev.Type] {
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
		// Sentinel joins accounts by both together; a name alone may be of anybody.
		has := map[string]bool{}
		for _, f := range e.FieldMappings {
			has[f.Identifier] = true
			if !slices.Contains(identifiers[e.EntityType], f.Identifier) {
				problems = append(problems, "entity "+e.EntityType+" has no identifier "+f.Identifier)
			}
			column("entity "+e.EntityType, f.ColumnName)
		}
		if e.EntityType == "Account" && len(has) != len(identifiers["Account"]) {
			problems = append(problems, "an account needs Name and UPNSuffix")
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
	for where, format := range map[string]string{"title": r.AlertDetailsOverride.AlertDisplayNameFormat, "description": r.AlertDetailsOverride.AlertDescriptionFormat} {
		named := regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(format, -1)
		if len(named) > 3 {
			problems = append(problems, "more than 3 columns in the "+where)
		}
		for _, m := range named {
			column(where, m[1])
		}
	}
	return problems
}

// TestChecksFind seeds the faults that the checks of rules are for.
func TestChecksFind(t *testing.T) {
	sound := content.Rule{
		Kind: content.Scheduled, TriggerOperator: "gt",
		QueryFrequency: "1h", QueryPeriod: "2d", Tactics: []string{"Persistence"}, RelevantTechniques: []string{"T1098"},
		Query:                  "SailPointIDNEvents(starttime = ago(2d), action_in = dynamic(['USER_ADMIN_GRANT']))\n| where IngestionTime > ago(1h) and Action !~ 'passwordChange'",
		RequiredDataConnectors: []content.RequiredConnector{{ConnectorID: "SailPointIdentityNow", DataTypes: []string{kqltest.EventsTable, kqltest.ISCTable}}},
	}
	problems := func(change func(*content.Rule)) []string {
		r := sound
		change(&r)
		return slices.Concat(attack(r.Tactics, r.RelevantTechniques), timing(r), connectors(r.Query, r.RequiredDataConnectors), unknown(t, r.Query))
	}
	if p := problems(func(*content.Rule) {}); len(p) > 0 {
		t.Fatalf("found %v in a sound rule", p)
	}
	replace := func(from, to string) func(*content.Rule) {
		return func(r *content.Rule) { r.Query = strings.ReplaceAll(r.Query, from, to) }
	}
	for name, change := range map[string]func(*content.Rule){
		"technique of another tactic": func(r *content.Rule) { r.RelevantTechniques = []string{"T1098", "T1110"} },
		"tactic without technique":    func(r *content.Rule) { r.Tactics = []string{"Persistence", "Impact"} },
		"no such technique":           func(r *content.Rule) { r.RelevantTechniques = []string{"T1098", "T9999"} },
		"action that does not exist":  replace("USER_ADMIN_GRANT", "USER_ADMIN_GRANTED"),
		"compared with no action":     replace("passwordChange", "passwordChanged"),
		"another function":            replace("SailPointIDNEvents", "SailPointIDNHealth"),
		"period not read":             func(r *content.Rule) { r.QueryPeriod = "14d" },
		"frequency not known":         replace("ago(1h)", "ago(2h)"),
		"often, with a long period": func(r *content.Rule) {
			r.QueryFrequency = "5m"
			r.Query = strings.ReplaceAll(r.Query, "ago(1h)", "ago(5m)")
		},
		"near real time with a frequency": func(r *content.Rule) {
			r.Kind = content.NRT
			r.Query = strings.ReplaceAll(r.Query, "IngestionTime > ago(1h) and ", "")
		},
		"near real time with a look at the past": func(r *content.Rule) {
			r.Kind, r.QueryFrequency, r.QueryPeriod, r.TriggerOperator = content.NRT, "", "", ""
		},
		"no such sub-technique": func(r *content.Rule) { r.RelevantTechniques = []string{"T1098", "T1098.099"} },
		"wrong connector":       func(r *content.Rule) { r.RequiredDataConnectors = nil },
	} {
		if p := problems(change); len(p) != 1 {
			t.Errorf("%s: found %v", name, p)
		}
	}
}

// TestUndefinedIsFound seeds the faults that the check is for.
func TestUndefinedIsFound(t *testing.T) {
	columns := []kqltest.Column{{Name: "ActorName", Type: "string"}, {Name: "Suffix", Type: "string"}}
	account := func(column string) []content.EntityMapping {
		return []content.EntityMapping{{EntityType: "Account", FieldMappings: []content.FieldMapping{{Identifier: "Name", ColumnName: column}, {Identifier: "UPNSuffix", ColumnName: "Suffix"}}}}
	}
	nameOnly := account("ActorName")
	nameOnly[0].FieldMappings[1].Identifier = "Name"
	for name, r := range map[string]content.Rule{
		"no entity":        {},
		"name alone":       {EntityMappings: nameOnly},
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
