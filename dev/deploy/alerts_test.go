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
		got[strings.TrimPrefix(r.Name, site+"-")] = alert{query, window}
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
		{"behind", append([]kqltest.Doc{run(events, "1m", map[string]any{"lag_seconds": 1801.0})}, healthy...), map[string][]string{"behind": {events}}},
		{"caught up", append([]kqltest.Doc{run(events, "5m", map[string]any{"lag_seconds": 90000.0})}, healthy...), nil},
		{"quarantine", append([]kqltest.Doc{run(triggers, "1m", map[string]any{"quarantine_waiting": 3.0})}, healthy...), map[string][]string{"quarantine": {triggers}}},
		{"quarantine emptied", append([]kqltest.Doc{run(triggers, "9m", map[string]any{"quarantine_waiting": 3.0})}, healthy...), nil},
		{"late events found and delivered", append([]kqltest.Doc{run(events, "9m", map[string]any{"mismatches": 1.0, "repaired": 4.0})}, healthy...), nil},
		{"a difference that is explained", append([]kqltest.Doc{run(events, "9m", map[string]any{"mismatches": 1.0})}, healthy...), nil},
		{"a window that is not explained", []kqltest.Doc{run(events, "40m", map[string]any{"mismatches": 1.0, "unexplained": 1.0}), run(events, "1m", map[string]any{"unexplained": 1.0}), run(triggers, "1m", nil)}, map[string][]string{"audit": {events}}},
		{"hidden by a repair", []kqltest.Doc{run(events, "1m", map[string]any{"mismatches": 2.0, "repaired": 6.0, "unexplained": 1.0}), run(triggers, "1m", nil)}, map[string][]string{"audit": {events}}},
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
	for name, a := range alerts(t, deployed(t, "", nil)) {
		list, _, _ := strings.Cut(strings.SplitN(a.query, "datatable(", 2)[1], ")")
		for column := range strings.SplitSeq(list, ", ") {
			n, typ, _ := strings.Cut(column, ": ")
			if known[n] != typ {
				t.Errorf("%s: column %s is %q in the table, %q in the query", name, n, known[n], typ)
			}
		}
		ws.MustCheck(t, a.query)
	}
}

// Alerts go where the user says, stand in the workspace's region, and can be
// left out.
func TestAlertRules(t *testing.T) {
	for _, mail := range []string{"", "soc@example.com"} {
		d := deployed(t, "", map[string]any{"alertEmail": mail})
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
			if r.Body["location"] != "northeurope" || dig(r.Body, "properties", "skipQueryValidation") != true {
				t.Errorf("rule %s is in %v", r.Name, r.Body["location"])
			}
			if diff := cmp.Diff([]any{workspace}, dig(r.Body, "properties", "scopes")); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
		}
	}
	for _, off := range []string{"alertsEnabled", "healthTable"} {
		if n := len(ofType(deployed(t, "", map[string]any{off: false}), "Microsoft.Insights/scheduledQueryRules")); n != 0 {
			t.Errorf("%s=false: %d rules", off, n)
		}
	}
}
