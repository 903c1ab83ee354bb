package sentinel_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// summary is the template of the summary rule, as far as a test reads it.
type summary struct {
	Parameters map[string]struct {
		DefaultValue  string
		AllowedValues []string
	}
	Variables struct {
		Queries map[string]string
	}
	Resources []struct {
		Properties struct {
			RuleType       string
			RuleDefinition struct {
				Query            string
				BinSize          int
				DestinationTable string
			}
		}
	}
}

func readSummary(t *testing.T) summary {
	t.Helper()
	text, err := os.ReadFile(kqltest.Root(t, "sentinel", "Summary Rules", "SailPointDailyActivity.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s summary
	if err := json.Unmarshal(text, &s, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	return s
}

// logon is one of Identity Security Cloud.
func logon(id, at, actor, ip string) kqltest.Doc {
	d := kqltest.Doc{"id": id, "created": at, "type": "AUTH", "action": "AUTHENTICATION-100", "technicalName": "AUTHENTICATION-100", "org": "acme"}
	if actor != "" {
		d["actor"] = kqltest.Doc{"name": actor}
	}
	if ip != "" {
		d["ipAddress"] = ip
	}
	return d
}

// TestSummaryRule: its query leaves the same rows, whichever table holds the events. Such a rule may not
// call saved functions, so there is one for each table, and that of new deployments is the default.
func TestSummaryRule(t *testing.T) {
	s := readSummary(t)
	rule, table := s.Resources[0].Properties, s.Parameters["table"]
	if rule.RuleType != "User" || rule.RuleDefinition.BinSize != 1440 || rule.RuleDefinition.Query != "[variables('queries')[parameters('table')]]" || table.DefaultValue != "SailPointIDN_Events_CL" {
		t.Errorf("%+v, %+v", rule, table)
	}
	docs := []kqltest.Doc{
		logon("1", "2026-09-01T10:00:00Z", "Ann", "203.0.113.7"),
		logon("2", "2026-09-01T11:00:00Z", "ann", "203.0.113.8"),
		logon("3", "2026-09-01T11:30:00Z", "ann", ""),
		logon("4", "2026-09-01T12:00:00Z", "", "203.0.113.9"),
	}
	want := []kqltest.Row{{
		"Org": "acme", "Actor": "ann", "EventType": "AUTH", "Action": "AUTHENTICATION-100", "TechnicalName": "AUTHENTICATION-100",
		"Events": 3.0, "Addresses": 2.0, "FirstSeen": "2026-09-01T10:00:00Z", "LastSeen": "2026-09-01T11:30:00Z",
	}}
	for _, name := range table.AllowedValues {
		scene := kqltest.NewScene(t, now, map[string]string{"SailPointIDN_Events_CL": "events-dcr", "SailPointISC_Events_CL": "events-isc"}[name])
		if name == kqltest.ISCTable {
			scene.ISC(docs...)
		} else {
			scene.DCR(name, docs...)
		}
		if diff := cmp.Diff(want, scene.Run(t, s.Variables.Queries[name]).Rows); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	if len(table.AllowedValues) != len(s.Variables.Queries) {
		t.Errorf("%d tables, %d queries", len(table.AllowedValues), len(s.Variables.Queries))
	}
}

// TestQueryOverSummary: the query of sentinel/README.md finds who was silent for a month, in what the rule
// leaves of each day.
func TestQueryOverSummary(t *testing.T) {
	page, err := os.ReadFile(kqltest.Root(t, "sentinel", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := readSummary(t)
	destination := s.Resources[0].Properties.RuleDefinition.DestinationTable
	m := regexp.MustCompile("(?s)```kusto\n(" + destination + "\n.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatalf("sentinel/README.md has no query over %s", destination)
	}
	const source = "SailPointIDN_Events_CL"
	ws, columns := kqltest.Load(t, "events-dcr"), map[string]string{"TimeGenerated": "datetime"}
	for _, c := range ws.MustCheck(t, s.Variables.Queries[source]) {
		columns[c.Name] = c.Type
	}
	declared, err := json.Marshal(columns)
	if err != nil {
		t.Fatal(err)
	}
	out := kqltest.Workspace{Tables: map[string]jsontext.Value{destination: declared}}
	var left []kqltest.Row
	for day, logons := range map[string][]string{
		"2026-06-10": {"Ann", "bob", "o'brien"}, "2026-06-20": {"ann"}, "2026-08-10": {"bob"}, "2026-08-31": {"eve"}, "2026-09-01": {"bob", "ANN", "new", "O'Brien"},
	} {
		scene := kqltest.NewScene(t, day+"T23:59:00Z", "events-dcr")
		for _, actor := range logons {
			scene.DCR(source, logon(day+actor, day+"T10:00:00Z", actor, "203.0.113.7"))
		}
		for _, row := range scene.Run(t, s.Variables.Queries[source]).Rows {
			row["TimeGenerated"] = day + "T00:00:00Z"
			left = append(left, row)
		}
	}
	var silent []string
	for _, row := range out.Run(t, string(m[1]), kqltest.Data{Now: now, Rows: map[string][]kqltest.Row{destination: left}}).Pick("Org", "Actor") {
		silent = append(silent, row["Org"].(string)+"/"+row["Actor"].(string))
	}
	if got := strings.Join(silent, " "); got != "acme/ann acme/o'brien" && got != "acme/o'brien acme/ann" {
		t.Errorf("silent for a month and active again: %s", got)
	}
}
