package deploy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

const now = "2026-09-02T12:00:00Z"

type alert struct {
	query  string
	window time.Duration
	// dimensions are the columns whose values each have an alert of their own.
	dimensions []string
}

func alerts(t *testing.T, d deploy.Deployment) map[string]alert {
	t.Helper()
	windows := map[string]time.Duration{"PT15M": 15 * time.Minute, "PT1H": time.Hour}
	site := only(t, d, "Microsoft.Web/sites").Name
	got := map[string]alert{}
	for _, r := range ofType(d, "Microsoft.Insights/scheduledQueryRules") {
		criteria := dig(r.Body, "properties", "criteria", "allOf").([]any)
		query, _ := dig(criteria[0], "query").(string)
		window, ok := windows[dig(r.Body, "properties", "windowSize").(string)]
		if !ok {
			t.Errorf("rule %s has an odd window", r.Name)
		}
		a := alert{query: query, window: window}
		for _, d := range dig(criteria[0], "dimensions").([]any) {
			if diff := cmp.Diff([]any{"*"}, dig(d, "values")); diff != "" || dig(d, "operator") != "Include" {
				t.Errorf("rule %s is not split by every value of %v", r.Name, d)
			}
			a.dimensions = append(a.dimensions, dig(d, "name").(string))
		}
		got[strings.TrimPrefix(r.Name, site+"-")] = a
	}
	return got
}

// run is a row of the health table, as one run of a healthy stream writes it,
// with changes.
func run(stream, ago string, changes map[string]any) kqltest.Doc {
	back, err := time.ParseDuration(ago)
	if err != nil {
		panic(err)
	}
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		panic(err)
	}
	row := kqltest.Doc{
		"TimeGenerated": at.Add(-back).Format(time.RFC3339), "stream": stream, "state": "drained", "org": "acme",
		"lag_seconds": 61.5, "quarantine_waiting": 0.0, "mismatches": 0.0, "repaired": 0.0, "unexplained": 0.0,
	}
	maps.Copy(row, changes)
	return row
}

const events, triggers = "SailPointIDN_Events", "SailPointIDN_Triggers"

// TestAlerts executes the query of every rule on a quarter of an hour or more
// of runs, and looks which rules fire for which streams.
func TestAlerts(t *testing.T) {
	healthy := []kqltest.Doc{run(events, "2m", nil), run(triggers, "2m", nil)}
	for _, tc := range []struct {
		name string
		rows []kqltest.Doc
		want map[string][]string
	}{
		{"healthy", healthy, nil},
		{"nothing ever ran", nil, map[string][]string{"silent": {events, triggers}}},
		{"stopped an hour ago", []kqltest.Doc{run(events, "50m", nil), run(triggers, "50m", nil)}, map[string][]string{"silent": {events, triggers}}},
		{"one stream fails", []kqltest.Doc{run(events, "2m", map[string]any{"state": "failed"}), run(triggers, "2m", nil)}, map[string][]string{"silent": {events}}},
		{"budget is a success", []kqltest.Doc{run(events, "2m", map[string]any{"state": "budget"}), run(triggers, "2m", nil)}, nil},
		{"another connector's runs do not count", []kqltest.Doc{
			run(events, "2m", map[string]any{"org": "acme2"}), run(triggers, "2m", map[string]any{"org": "other"}),
		}, map[string][]string{"silent": {events, triggers}}},
		{"a demo tenant", []kqltest.Doc{
			run(events, "2m", map[string]any{"org": "acme.api.identitynow-demo.com"}), run(triggers, "2m", map[string]any{"org": "acme.api.identitynow-demo.com"}),
		}, nil},
		{"lagging", append([]kqltest.Doc{run(events, "1m", map[string]any{"lag_seconds": 1801.0})}, healthy...), map[string][]string{"lagging": {events}}},
		{"caught up", append([]kqltest.Doc{run(events, "5m", map[string]any{"lag_seconds": 90000.0})}, healthy...), nil},
		{"quarantine", append([]kqltest.Doc{run(triggers, "1m", map[string]any{"quarantine_waiting": 3.0})}, healthy...), map[string][]string{"quarantine": {triggers}}},
		{"quarantine emptied", append([]kqltest.Doc{run(triggers, "9m", map[string]any{"quarantine_waiting": 3.0})}, healthy...), nil},
		{"late events found and delivered", append([]kqltest.Doc{run(events, "9m", map[string]any{"mismatches": 1.0, "repaired": 4.0})}, healthy...), nil},
		{"a difference that is explained", append([]kqltest.Doc{run(events, "9m", map[string]any{"mismatches": 1.0})}, healthy...), nil},
		{"a window that is not explained", []kqltest.Doc{run(events, "40m", map[string]any{"mismatches": 1.0, "unexplained": 1.0}), run(events, "1m", map[string]any{"unexplained": 1.0}), run(triggers, "1m", nil)}, map[string][]string{"audit": {events}}},
		{"hidden by a repair", []kqltest.Doc{run(events, "1m", map[string]any{"mismatches": 2.0, "repaired": 6.0, "unexplained": 1.0}), run(triggers, "1m", nil)}, map[string][]string{"audit": {events}}},
		{"a failed run, which could not read the checkpoint, hides nothing", []kqltest.Doc{
			run(events, "9m", map[string]any{"unexplained": 1.0, "quarantine_waiting": 2.0}),
			run(events, "2m", map[string]any{"state": "failed"}), run(triggers, "2m", nil),
		}, map[string][]string{"audit": {events}, "quarantine": {events}}},
		{"explained since", append([]kqltest.Doc{run(events, "40m", map[string]any{"mismatches": 1.0, "unexplained": 1.0})}, healthy...), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := map[string][]string{}
			for name, a := range alerts(t, deployed(t, "", nil)) {
				s := kqltest.NewScene(t, now, "health")
				for _, row := range tc.rows {
					if at, _ := row["TimeGenerated"].(string); at >= before(a.window) { // Azure Monitor cuts the rows to the window
						s.Classic(kqltest.HealthTable, row)
					}
				}
				if fired := s.Run(t, a.query).Strings("stream_s"); len(fired) > 0 {
					got[name] = slices.Compact(fired)
				}
			}
			if tc.want == nil {
				tc.want = map[string][]string{}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("rules that fire, with their streams (-want +got):\n%s", diff)
			}
		})
	}
}

func before(window time.Duration) string {
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		panic(err)
	}
	return at.Add(-window).Format(time.RFC3339)
}

// One silent tenant of three fires, by its own name, and the others do not. Windows and
// quarantines of each are its own as well.
func TestAlertsOfTenants(t *testing.T) {
	three := []any{
		map[string]any{"connection": "a", "org": "acme", "streams": []any{events, triggers}},
		map[string]any{"connection": "g", "org": "globex", "streams": []any{events, triggers}},
		map[string]any{"connection": "i", "org": "initech", "streams": []any{events, triggers}},
	}
	template := read(t)
	template.Variables["watched"] = three
	d, err := template.Resolve(deploy.Surroundings{WorkspaceKey: canaryKey}, map[string]any{
		"tenantId": "acme", "clientId": "x", "clientSecret": canaryClient, "workspaceResourceId": workspace, "ingestionApi": "DataCollector",
	})
	if err != nil {
		t.Fatal(err)
	}
	of := func(connection, org string, more map[string]any) map[string]any {
		row := map[string]any{"connection": connection, "org": org}
		maps.Copy(row, more)
		return row
	}
	s := kqltest.NewScene(t, now, "health")
	for _, row := range []kqltest.Doc{
		run(events, "3m", of("a", "acme", map[string]any{"unexplained": 1.0})), run(triggers, "3m", of("a", "acme", nil)),
		run(events, "2m", of("g", "globex", map[string]any{"state": "failed"})), run(triggers, "2m", of("g", "globex", nil)),
		run(events, "1m", of("i", "Initech.api.identitynow-demo.com", map[string]any{"quarantine_waiting": 3.0, "lag_seconds": 7200.0})), run(triggers, "1m", of("i", "Initech.api.identitynow-demo.com", nil)),
		run(events, "1m", of("z", "else", map[string]any{"unexplained": 1.0})), // another connector's
	} {
		s.Classic(kqltest.HealthTable, row)
	}
	got := map[string][]string{}
	for name, a := range alerts(t, d) {
		if diff := cmp.Diff([]string{"org_s", "connection_s", "stream_s"}, a.dimensions); diff != "" {
			t.Errorf("%s: dimensions (-want +got):\n%s", name, diff)
		}
		for _, row := range s.Run(t, a.query).Pick(a.dimensions...) {
			got[name] = append(got[name], fmt.Sprint(row["org_s"], "/", row["connection_s"], "/", row["stream_s"]))
		}
	}
	want := map[string][]string{
		"silent":     {"globex/g/" + events},
		"lagging":    {"Initech.api.identitynow-demo.com/i/" + events},
		"quarantine": {"Initech.api.identitynow-demo.com/i/" + events},
		"audit":      {"acme/a/" + events},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules that fire (-want +got):\n%s", diff)
	}
}

// A name that is typed in can't change the queries.
func TestAlertsOfOddNames(t *testing.T) {
	for _, a := range alerts(t, deployed(t, "", map[string]any{"tenantId": `ac'"me\`})) {
		kqltest.Load(t, "health").MustCheck(t, a.query)
	}
}

// A new workspace has no table yet: the rules have to work all the same, since
// silence from the very start is what one of them is for.
func TestAlertsWithoutTable(t *testing.T) {
	none := kqltest.Load(t)
	for name, a := range alerts(t, deployed(t, "", nil)) {
		out := none.Run(t, a.query, kqltest.Data{Now: now})
		if fires := len(out.Rows) > 0; fires != (name == "silent") {
			t.Errorf("%s fires: %v", name, fires)
		}
	}
}

// The columns that the queries ask for are those of the table, by name and type.
func TestAlertColumns(t *testing.T) {
	known := map[string]string{}
	ws := kqltest.Load(t, "health")
	for _, c := range ws.Columns(t, kqltest.HealthTable) {
		known[c.Name] = c.Type
	}
	for name, a := range alerts(t, deployed(t, "", map[string]any{"ingestionApi": "DataCollector"})) {
		list, _, _ := strings.Cut(strings.SplitN(a.query, "datatable(TimeGenerated", 2)[1], ")")
		for column := range strings.SplitSeq("TimeGenerated"+list, ", ") {
			n, typ, _ := strings.Cut(column, ": ")
			if known[n] != typ {
				t.Errorf("%s: column %s is %q in the table, %q in the query", name, n, known[n], typ)
			}
		}
		ws.MustCheck(t, a.query)
	}
}

// The platform is watched without the workspace: the metric of executions differs by
// plan, and the window is one that metric alerts have.
func TestStoppedAlert(t *testing.T) {
	for _, tc := range []struct{ plan, silentAfter, metric, window string }{
		{"FlexConsumption", "PT15M", "OnDemandFunctionExecutionCount", "PT15M"},
		{"ElasticPremium", "PT15M", "FunctionExecutionCount", "PT15M"},
		{"Dedicated", "PT2H", "FunctionExecutionCount", "PT6H"},
		{"Consumption", "P1D", "FunctionExecutionCount", "P1D"},
	} {
		for _, health := range []bool{true, false} { // it needs no rows of the connector
			d := deployed(t, "", map[string]any{"hostingPlan": tc.plan, "silentAfter": tc.silentAfter, "healthTable": health, "alertEmail": "soc@example.com"})
			site := only(t, d, "Microsoft.Web/sites").Name
			r := metricAlert(t, d, site+"-stopped")
			type outcome struct{ Metric, Window, Aggregation, Operator, Threshold, Location any }
			c := dig(r.Body, "properties", "criteria", "allOf").([]any)[0]
			got := outcome{dig(c, "metricName"), dig(r.Body, "properties", "windowSize"), dig(c, "timeAggregation"), dig(c, "operator"), dig(c, "threshold"), r.Body["location"]}
			if diff := cmp.Diff(outcome{tc.metric, tc.window, "Total", "LessThan", 1.0, "global"}, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.plan, diff)
			}
			scope := text(t, dig(r.Body, "properties", "scopes"))
			if !strings.HasSuffix(scope, `/providers/Microsoft.Web/sites/`+site+`"]`) || !strings.Contains(text(t, dig(r.Body, "properties", "actions")), "/actionGroups/") {
				t.Errorf("%s: scope %s, actions %v", tc.plan, scope, dig(r.Body, "properties", "actions"))
			}
		}
	}
}

func metricAlert(t *testing.T, d deploy.Deployment, name string) deploy.Resource {
	t.Helper()
	for _, r := range ofType(d, "Microsoft.Insights/metricAlerts") {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no metric alert %s", name)
	return deploy.Resource{}
}

// What the data collection rule drops is kept in the workspace, and two alerts report
// it: one by the rule's metric, one by those rows.
func TestIngestionErrors(t *testing.T) {
	d := deployed(t, "", map[string]any{"ingestionApi": "LogsIngestion"})
	rule := "/subscriptions/" + deploy.Subscription + "/resourceGroups/connector/providers/Microsoft.Insights/dataCollectionRules/" + only(t, d, "Microsoft.Insights/dataCollectionRules").Name
	errors := only(t, d, "Microsoft.Insights/diagnosticSettings").Body
	if errors["scope"] != rule || dig(errors, "properties", "workspaceId") != workspace || text(t, dig(errors, "properties", "logs")) != `[{"category":"LogErrors","enabled":true}]` {
		t.Errorf("diagnostic setting is %s", text(t, errors))
	}
	metric := metricAlert(t, d, only(t, d, "Microsoft.Web/sites").Name+"-transform")
	if diff := cmp.Diff([]any{rule}, dig(metric.Body, "properties", "scopes")); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	a := alerts(t, d)["ingestion"]
	for _, tc := range []struct {
		name string
		rows []kqltest.Doc
		want []string
	}{
		{"no table", nil, nil},
		{"ours", []kqltest.Doc{{"_ResourceId": strings.ToLower(rule), "InputStreamId": "Custom-" + events}}, []string{"Custom-" + events}},
		{"another rule's", []kqltest.Doc{{"_ResourceId": rule + "2", "InputStreamId": "Custom-" + events}}, nil},
	} {
		if got := runErrors(t, a.query, tc.rows); !slices.Equal(got, tc.want) {
			t.Errorf("%s: fires for %v, want %v", tc.name, got, tc.want)
		}
	}
	if n := len(ofType(deployed(t, "", map[string]any{"ingestionApi": "DataCollector"}), "Microsoft.Insights/diagnosticSettings")); n != 0 {
		t.Errorf("%d diagnostic settings without a rule", n)
	}
}

// runErrors runs a query over rows of DCRLogErrors; none means that there is no such table.
func runErrors(t *testing.T, query string, rows []kqltest.Doc) []string {
	t.Helper()
	if rows != nil {
		var values []string
		for _, r := range rows {
			values = append(values, fmt.Sprintf("datetime(%s), '%s', '%s'", now, r["InputStreamId"], r["_ResourceId"]))
		}
		query = "let DCRLogErrors = datatable(TimeGenerated: datetime, InputStreamId: string, _ResourceId: string)[" + strings.Join(values, ", ") + "]; " + query
	}
	return kqltest.Load(t).Run(t, query, kqltest.Data{Now: now}).Strings("InputStreamId")
}

// Alerts go where the user says, stand in the workspace's region, and can be
// left out.
func TestAlertRules(t *testing.T) {
	for _, mail := range []string{"", "soc@example.com"} {
		d := deployed(t, "", map[string]any{"alertEmail": mail, "ingestionApi": "DataCollector"})
		rules := ofType(d, "Microsoft.Insights/scheduledQueryRules")
		if len(rules) != 4 {
			t.Errorf("%d rules, want 4", len(rules))
		}
		groups := ofType(d, "Microsoft.Insights/actionGroups")
		for _, r := range rules {
			actions := fmt.Sprint(dig(r.Body, "properties", "actions", "actionGroups"))
			if sent := strings.Contains(actions, "/actionGroups/"); sent != (mail != "") || len(groups) == 1 != sent {
				t.Errorf("mail %q: rule %s goes to %s, %d groups", mail, r.Name, actions, len(groups))
			}
			if r.Nested == "" || r.Body["location"] != "northeurope" || dig(r.Body, "properties", "skipQueryValidation") != true {
				t.Errorf("rule %s is in %v", r.Name, r.Body["location"])
			}
			if diff := cmp.Diff([]any{workspace}, dig(r.Body, "properties", "scopes")); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
		}
	}
	for off, want := range map[string]int{"alertsEnabled": 0, "healthTable": 1} {
		d := deployed(t, "", map[string]any{off: false, "ingestionApi": "LogsIngestion"})
		if n := len(ofType(d, "Microsoft.Insights/scheduledQueryRules")); n != want {
			t.Errorf("%s=false: %d rules, want %d", off, n, want)
		}
		if n := len(ofType(d, "Microsoft.Insights/metricAlerts")); n != 2*want {
			t.Errorf("%s=false: %d metric alerts, want %d", off, n, 2*want)
		}
	}
}
