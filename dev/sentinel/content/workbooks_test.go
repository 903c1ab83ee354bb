package content_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// parameters are what stands for the parameters of workbooks in tests.
var parameters = strings.NewReplacer(
	"{TimeRange:start}", "datetime(2026-08-19T12:00:00Z)",
	"{TimeRange:end}", "datetime(2026-09-02T12:00:00Z)",
	"{TimeRange:grain}", "1h",
	"{EventType}", "'*'",
	"{Org}", "'*'",
	"{Actor:escapejson}", "Eve",
)

// tenant has the rows of those examples that fire, as one tenant: every kind
// of thing that the tiles show.
func tenant(t *testing.T) *kqltest.Scene {
	t.Helper()
	all := content.Case{Says: "all examples"}
	examples := load(t, content.Examples)
	for _, file := range slices.Sorted(mapKeys(examples)) {
		for _, c := range examples[file].Fires {
			for _, e := range c.Events {
				e.Times = 1
				all.Events = append(all.Events, e)
			}
			all.Triggers, all.Health, all.IIQ = append(all.Triggers, c.Triggers...), append(all.Health, c.Health...), append(all.IIQ, c.IIQ...)
		}
	}
	for i, h := range all.Health { // each example calls its runs r1, r2, …
		row := map[string]any{}
		for k, v := range h {
			row[k] = v
		}
		row["run_id"] = strings.Repeat("0", i+1)
		all.Health[i] = row
	}
	all.Events = append(all.Events, content.Event{At: "-5h", Type: "CERTIFICATION", Action: "remediate", Actor: "rita", Target: "nobody.else", Attributes: map[string]any{"accessItemName": "Payroll"}})
	s := scene(t, all, kqltest.ISCTable)
	maps.Copy(s.Tables, kqltest.Schemas(t, "incidents"))
	s.Rows("SecurityAlert", kqltest.Row{"TimeGenerated": "2026-09-01T12:00:00Z", "SystemAlertId": "a1", "ExtendedProperties": `{"Query":"SailPointIDNEvents(starttime = ago(2d))"}`},
		kqltest.Row{"TimeGenerated": "2026-09-01T12:00:00Z", "SystemAlertId": "a2", "ExtendedProperties": `{"Query":"SigninLogs"}`})
	s.Rows("SecurityIncident", kqltest.Row{"TimeGenerated": "2026-09-01T12:01:00Z", "CreatedTime": "2026-09-01T12:01:00Z", "IncidentNumber": 1, "Title": "ours", "AlertIds": []any{"a1"}},
		kqltest.Row{"TimeGenerated": "2026-09-01T12:01:00Z", "CreatedTime": "2026-09-01T12:01:00Z", "IncidentNumber": 2, "Title": "of others", "AlertIds": []any{"a2"}})
	return s
}

// TestWorkbooks: each query of a tile has no error where no table exists, and
// gives rows where there are some.
func TestWorkbooks(t *testing.T) {
	books := load(t, content.Workbooks)
	if len(books) != 2 {
		t.Errorf("%d workbooks, want 2", len(books))
	}
	none, full := kqltest.Load(t), tenant(t)
	for _, w := range books {
		if len(w.Queries) < 12 {
			t.Errorf("%s: %d queries", w.File, len(w.Queries))
		}
		names := map[string]bool{}
		for _, tile := range w.Queries {
			t.Run(w.File+"/"+tile.Name, func(t *testing.T) {
				if names[tile.Name] {
					t.Error("another tile has this name")
				}
				names[tile.Name] = true
				query := parameters.Replace(tile.Query)
				if m := regexp.MustCompile(`\{\w+(:\w+)?\}`).FindString(query); m != "" {
					t.Errorf("parameter %s is not known", m)
				}
				if c := none.Check(t, query); len(c.Errors) > 0 {
					t.Error(strings.Join(c.Errors, "\n"))
				}
				if out := full.Run(t, query); len(out.Rows) == 0 {
					t.Error("no row")
				}
			})
		}
	}
}

// TestWorkbookNumbers looks at what some tiles say, on a few rows.
func TestWorkbookNumbers(t *testing.T) {
	c := content.Case{
		Events: []content.Event{
			{At: "-2h", Type: "AUTH", Action: "AUTHENTICATION-240", Status: "FAILED", Actor: "eve", Target: "eve", IP: "192.0.2.66", Times: 3},
			{At: "-2h", Arrived: "-90m", Type: "PROVISIONING", Action: "CreateAccount", Actor: "System", Target: "ann"},
		},
		Health: []map[string]any{
			{"at": "-2h", "run_id": "r1", "stream": "SailPointIDN_Events", "state": "drained", "sent": 4, "lag_seconds": 120, "quarantine_waiting": 0},
			{"at": "-1h", "run_id": "r2", "stream": "SailPointIDN_Events", "state": "failed", "sent": 1, "lag_seconds": 3600, "quarantine_waiting": 2, "error": "no"},
		},
	}
	s := scene(t, c, kqltest.ISCTable)
	for name, want := range map[string]string{
		"SailPointISCIdentityActivity/numbers":   `{Name:Addresses,Value:1} {Name:Events,Value:4} {Name:Failed,Value:3} {Name:Targets,Value:2} {Name:Users,Value:2}`,
		"SailPointISCIdentityActivity/types":     `{EventType:AUTH,Failed %:100} {EventType:PROVISIONING,Failed %:0}`,
		"SailPointISCConnectorHealth/streams":    `{Failed:1,Lag in minutes:60,QuarantineWaiting:2,Runs:2,State:failed}`,
		"SailPointISCConnectorHealth/delay":      `{Median:2,P95:30}`,
		"SailPointISCConnectorHealth/quarantine": `{Waiting:0} {Waiting:2}`,
	} {
		columns := regexp.MustCompile(`[{,]([\w %]+):`).FindAllStringSubmatch(strings.SplitN(want, "}", 2)[0], -1)
		var picked []string
		for _, m := range columns {
			picked = append(picked, m[1])
		}
		var lines []string
		for _, r := range s.Run(t, parameters.Replace(query(t, name))).Pick(picked...) {
			lines = append(lines, line(t, r))
		}
		slices.Sort(lines)
		if got := strings.Join(lines, " "); got != want {
			t.Errorf("%s\nwant %s\ngot  %s", name, want, got)
		}
	}
}

// TestWorkbookTellsApart: incidents of other rules are not ours, and what was removed, under whatever
// letters, was removed.
func TestWorkbookTellsApart(t *testing.T) {
	if got := tenant(t).Run(t, parameters.Replace(query(t, "SailPointISCIdentityActivity/incidents"))).Strings("Title"); !slices.Equal(got, []string{"ours"}) {
		t.Errorf("incidents %v", got)
	}
	revoke := func(target, item string) content.Event {
		return content.Event{At: "-5h", Type: "CERTIFICATION", Action: "remediate", Actor: "rita", Target: target, Attributes: map[string]any{"accessItemName": item}}
	}
	remove := func(at, target, item string) content.Event {
		return content.Event{At: at, Type: "ACCESS_ITEM", Action: "RemoveEntitlement", Actor: "System", Target: target, Attributes: map[string]any{"attributeValue": item}}
	}
	s := scene(t, content.Case{Events: []content.Event{
		revoke("ann", "Payroll"), remove("-4h", "ANN", "payroll"),
		revoke("bob", "Payroll"), remove("-4h", "bob", "Other"),
		revoke("carol", "Payroll"), remove("-6h", "carol", "Payroll"),
		revoke("dan", "Payroll"),
	}}, kqltest.ISCTable)
	if got := s.Run(t, parameters.Replace(query(t, "SailPointISCIdentityActivity/revoked"))).Strings("Identity"); !slices.Equal(got, []string{"bob", "carol", "dan"}) {
		t.Errorf("revoked and not removed: %v", got)
	}
}

// TestWorkbookShowsPeople: names with an apostrophe, a quote or a backslash, in
// any case, and logons that SailPoint records as done by System. Sentinel puts
// the name of the selected row in with the escapes of JSON.
func TestWorkbookShowsPeople(t *testing.T) {
	for _, name := range []string{`O'Brien`, `"quoted" \name`, `john.doe@example.com`} {
		escaped, err := json.Marshal(strings.ToUpper(name))
		if err != nil {
			t.Fatal(err)
		}
		s := scene(t, content.Case{Events: []content.Event{
			{At: "-2h", Type: "AUTH", Action: "AUTHENTICATION-100", Actor: "System", Target: name, Attributes: map[string]any{"userId": name}},
			{At: "-2h", Org: "globex", Type: "SOURCE_MANAGEMENT", Action: "SOURCE_UPDATE", Actor: name, Target: "HR"},
			{At: "-2h", Type: "PROVISIONING", Action: "DisableAccount", Actor: "System", Target: name},
		}}, kqltest.ISCTable)
		selected := strings.NewReplacer("{Actor:escapejson}", strings.Trim(string(escaped), `"`), "{Org}", "'acme'")
		did := s.Run(t, parameters.Replace(selected.Replace(query(t, "SailPointISCIdentityActivity/drill-down"))))
		done := s.Run(t, parameters.Replace(selected.Replace(query(t, "SailPointISCIdentityActivity/done to actor"))))
		if len(did.Rows) != 1 || len(done.Rows) != 1 {
			t.Errorf("%s: did %v, was done to %v", name, did.Rows, done.Rows)
		}
	}
}

// TestWorkbookCountsRowsOfTables: of each table, also where both have an event.
func TestWorkbookCountsRowsOfTables(t *testing.T) {
	s := kqltest.NewScene(t, content.Now.Format(time.RFC3339), everything...)
	doc := kqltest.Doc{"id": "e1", "created": "2026-09-02T11:00:00Z", "type": "AUTH"}
	s.ISC(doc)
	s.DCR(kqltest.EventsTable, doc)
	out := s.Run(t, parameters.Replace(query(t, "SailPointISCConnectorHealth/tables")))
	if got := strings.Join(out.Strings("Table"), " "); got != kqltest.EventsTable+" "+kqltest.ISCTable {
		t.Errorf("rows in %s", got)
	}
}

func query(t *testing.T, name string) string {
	t.Helper()
	for _, w := range load(t, content.Workbooks) {
		for _, tile := range w.Queries {
			if w.File+"/"+tile.Name == name {
				return tile.Query
			}
		}
	}
	t.Fatalf("no tile %s", name)
	return ""
}
