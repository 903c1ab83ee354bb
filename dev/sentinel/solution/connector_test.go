package solution_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// page is what the tests read of the connector page.
type page struct {
	ID        string
	DataTypes []struct{ Name, LastDataReceivedQuery string }
	Criteria  []struct {
		Type  string
		Value []string
	} `json:"connectivityCriterias"`
	GraphQueries  []struct{ MetricName, Legend, BaseQuery string }
	SampleQueries []struct{ Description, Query string }
	Permissions   struct {
		ResourceProvider []struct{ Provider string }
		Customs          []struct{ Name string }
	}
	InstructionSteps []struct{ Title, Description string }
	Metadata         struct{ ID string }
}

func connector(t *testing.T) page {
	t.Helper()
	s, _ := load(t)
	var p page
	if err := json.Unmarshal(s.Connector, &p, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	return p
}

// written are the tables that the connector writes, as their schemas are called, and in the order of the page.
// Each kind of table of the events counts: their columns differ, what the page asks is the same.
var written = map[string][]string{
	"as data collection rules fill them": {"events-dcr", "events-isc", "triggers-dcr", "health", "saas-reports", "iiq-audit-dcr", "iiq-syslog-dcr", "iiq-taskresults-dcr", "iiq-policyviolations-dcr", "iiq-alerts-dcr", "okta"},
	"classic":                            {"events-classic", "events-isc", "triggers-classic", "health"},
	"as published":                       {"events-published", "events-isc-published", "triggers-published"},
}

// TestConnectorPage: ids as before, and every table that the connector writes is offered, in both lists.
func TestConnectorPage(t *testing.T) {
	p := connector(t)
	if p.ID != "SailPointIdentityNow" || p.Metadata.ID != "43066e76-ae15-4df2-b4ef-83b629f56823" {
		t.Errorf("ids %s, %s", p.ID, p.Metadata.ID)
	}
	var offered, drawn []string
	for _, d := range p.DataTypes {
		offered = append(offered, d.Name)
	}
	for _, q := range p.GraphQueries {
		drawn = append(drawn, q.Legend)
	}
	want := slices.Sorted(maps.Keys(kqltest.Schemas(t, written["as data collection rules fill them"]...)))
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(offered))); diff != "" {
		t.Errorf("tables (-written +offered)\n%s", diff)
	}
	if diff := cmp.Diff(offered, drawn); diff != "" {
		t.Errorf("graphs (-tables +drawn)\n%s", diff)
	}
	// The way in is the Logs Ingestion API, for which nobody needs a key of the workspace.
	if len(p.Permissions.ResourceProvider) != 1 || p.Permissions.ResourceProvider[0].Provider != "Microsoft.OperationalInsights/workspaces" {
		t.Errorf("permissions %v", p.Permissions)
	}
	var steps strings.Builder
	for i, step := range p.InstructionSteps {
		if step.Title == "" || step.Description == "" {
			t.Errorf("step %d has no title or no text", i)
		}
		steps.WriteString(step.Title + "\n" + step.Description + "\n")
	}
	said := steps.String()
	for _, want := range []string{"[Deploy To Azure]", "Logs Ingestion API", "azuredeploy.json/createUIDefinitionUri/"} {
		if !strings.Contains(said, want) {
			t.Errorf("the steps do not say %s", want)
		}
	}
	if before, _, _ := strings.Cut(said, "Only to take over"); strings.Contains(before, "Data Collector") || strings.Contains(said, "SHARED_KEY") {
		t.Error("the steps lead to the Data Collector API")
	}
}

// TestConnectorQueries: every query of the page is right about every table, whichever of the others exist:
// with rows, without rows, and where the table is missing.
func TestConnectorQueries(t *testing.T) {
	p := connector(t)
	const at = "2026-09-02T11:00:00Z"
	none := kqltest.NewScene(t, "2026-09-02T12:00:00Z")
	for name, schemas := range written {
		for i, schema := range schemas {
			t.Run(name+"/"+schema, func(t *testing.T) {
				empty := kqltest.NewScene(t, "2026-09-02T12:00:00Z", schemas...)
				full := kqltest.NewScene(t, "2026-09-02T12:00:00Z", schema) // no other table
				table := slices.Collect(maps.Keys(full.Tables))[0]
				full.Rows(table, kqltest.Row{"TimeGenerated": at})
				if name != "as published" || i > 0 {
					empty.Rows(p.DataTypes[0].Name, kqltest.Row{"TimeGenerated": "2026-08-01T00:00:00Z"}) // old, and elsewhere
				}
				index := slices.IndexFunc(p.DataTypes, func(d struct{ Name, LastDataReceivedQuery string }) bool { return d.Name == table })
				last, graph := p.DataTypes[index].LastDataReceivedQuery, p.GraphQueries[index].BaseQuery
				if got := full.Run(t, last).Pick("Time"); len(got) != 1 || got[0]["Time"] != at {
					t.Errorf("last data %v, want %s", got, at)
				}
				if got := full.Run(t, graph+"\n| summarize n = count() by bin(TimeGenerated, 1h)").Pick("n"); len(got) != 1 || got[0]["n"] != 1.0 {
					t.Errorf("graph %v", got)
				}
				if got := full.Run(t, p.Criteria[0].Value[0]).Pick("IsConnected"); !cmp.Equal(got, []kqltest.Row{{"IsConnected": true}}) {
					t.Errorf("rows: connected %v", got)
				}
				if got := empty.Run(t, p.Criteria[0].Value[0]).Pick("IsConnected"); !cmp.Equal(got, []kqltest.Row{{"IsConnected": false}}) {
					t.Errorf("no new rows: connected %v", got)
				}
				if index > 0 {
					if got := empty.Run(t, last).Rows; len(got) != 0 {
						t.Errorf("no rows: last data %v", got)
					}
				}
				if got := none.Run(t, last).Rows; len(got) != 0 {
					t.Errorf("no table: last data %v", got)
				}
				if got := none.Run(t, graph).Rows; len(got) != 0 {
					t.Errorf("no table: graph %v", got)
				}
			})
		}
	}
	for _, q := range p.SampleQueries {
		if got := none.Run(t, q.Query).Rows; len(got) != 0 {
			t.Errorf("no table: %s shows %v", q.Description, got)
		}
	}
	if got := none.Run(t, p.Criteria[0].Value[0]).Pick("IsConnected"); !cmp.Equal(got, []kqltest.Row{{"IsConnected": false}}) {
		t.Errorf("no table: connected %v", got)
	}
}

// TestSampleQueriesShowRows: each sample query shows the rows of the table that it is about.
func TestSampleQueriesShowRows(t *testing.T) {
	p := connector(t)
	s := kqltest.NewScene(t, "2026-09-02T12:00:00Z", written["as data collection rules fill them"]...)
	const at = "2026-09-02T11:00:00Z"
	for table := range s.Tables {
		row := kqltest.Row{"TimeGenerated": at}
		for _, c := range s.Columns(t, table) {
			if value, ok := map[string]string{"id_s": "1", "Id": "2", "status_s": "FAILED", "Status": "FAILED"}[c.Name]; ok {
				row[c.Name] = value
			}
		}
		s.Rows(table, row)
	}
	for _, q := range p.SampleQueries {
		if got := s.Run(t, q.Query).Rows; len(got) == 0 {
			t.Errorf("%s: no row", q.Description)
		}
	}
}
