package sentinel_test

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

var update = flag.Bool("update", false, "write the golden files anew")

type question struct{ title, query string }

// questions takes the queries out of docs/queries.md.
func questions(t *testing.T) []question {
	t.Helper()
	text, err := os.ReadFile(kqltest.Root(t, "docs", "queries.md"))
	if err != nil {
		t.Fatal(err)
	}
	var all []question
	for _, m := range regexp.MustCompile("(?s)### (\\d+\\. [^\n]*)\n(.*?)```kusto\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, question{title: m[1], query: m[3]})
		if want := needs(m[3]); !strings.HasSuffix(m[2], "\n"+want+"\n\n") {
			t.Errorf("%s: the text above the query does not end with %q", m[1], want)
		}
	}
	if blocks := strings.Count(string(text), "```kusto"); len(all) != blocks {
		t.Fatalf("docs/queries.md has %d queries, %d of them under a numbered heading", blocks, len(all))
	}
	return all
}

// needs is what the page says that a query needs.
func needs(query string) string {
	list := func(what string, names []string) string {
		slices.Sort(names)
		if names = slices.Compact(names); len(names) > 1 {
			what += "s"
		}
		return "Needs: the " + what + " `" + strings.Join(names, "`, `") + "`."
	}
	if calls := regexp.MustCompile(`\b(?:SailPointIDN|vim|ASim)\w+\(`).FindAllString(query, -1); len(calls) > 0 {
		for i := range calls {
			calls[i] = strings.TrimSuffix(calls[i], "(")
		}
		return list("function", calls)
	}
	return list("table", regexp.MustCompile(`\bSailPoint\w+_CL\b`).FindAllString(query, -1))
}

// TestQuestionsInEveryWorkspace: what uses the functions works whatever exists.
func TestQuestionsInEveryWorkspace(t *testing.T) {
	all := questions(t)
	if len(all) < 27 {
		t.Errorf("%d queries, want 27 or more", len(all))
	}
	for _, name := range []string{"no table", "only ISC", "both"} {
		ws := kqltest.Load(t, combinations[name]...)
		for _, q := range all {
			if strings.Contains(q.query, "s_CL") && name != "both" {
				continue
			}
			if c := ws.Check(t, q.query); len(c.Errors) > 0 {
				t.Errorf("%s, %s:\n%s", q.title, name, strings.Join(c.Errors, "\n"))
			}
		}
	}
}

// TestQuestions executes the queries on a made-up day of a tenant. The results
// are in testdata/queries.golden; read the difference before you update it.
func TestQuestions(t *testing.T) {
	s := tenantDay(t)
	var b strings.Builder
	for _, q := range questions(t) {
		out := s.Run(t, q.query)
		if len(out.Rows) == 0 {
			t.Errorf("%s: no row", q.title)
		}
		b.WriteString(q.title + "\n")
		if strings.Contains(q.query, "s_CL") {
			for _, r := range out.Rows { // too many columns to read
				b.WriteString("  " + jsonText(t, r["TimeGenerated"]) + "\n")
			}
			continue
		}
		for _, r := range out.Rows {
			var cells []any
			for _, c := range out.Columns {
				cells = append(cells, r[c.Name])
			}
			b.WriteString("  " + jsonText(t, cells) + "\n")
		}
	}
	const golden = "testdata/queries.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tenantDay is a small tenant at noon of 2 September 2026.
func tenantDay(t *testing.T) *kqltest.Scene {
	t.Helper()
	s := kqltest.NewScene(t, now, "events-classic", "events-isc", "triggers-classic", "health")
	ids := 0
	event := func(created, typ, action, status, actor, target, ip string, attributes kqltest.Doc) kqltest.Doc {
		ids++
		return kqltest.Doc{
			"id": "e" + string(rune('a'+ids/26)) + string(rune('a'+ids%26)), "created": "2026-09-" + created + ":00Z", "type": typ, "action": action, "name": action, "technicalName": action, "status": status,
			"actor": kqltest.Doc{"name": actor}, "target": kqltest.Doc{"name": target}, "ipAddress": ip, "attributes": attributes,
		}
	}
	ad := kqltest.Doc{"sourceName": "Active Directory"}
	s.Classic(kqltest.EventsTable,
		event("01T09:00", "AUTH", "AUTHENTICATION-100", "PASSED", "ann.lee", "ann.lee", "203.0.113.7", nil),
		event("02T08:00", "AUTH", "AUTHENTICATION-100", "PASSED", "ann.lee", "ann.lee", "198.51.100.9", nil),
		event("02T02:30", "AUTH", "AUTHENTICATION-103", "PASSED", "bob", "bob", "203.0.113.8", nil),
		event("02T09:01", "AUTH", "AUTHENTICATION-240", "FAILED", "ann.lee", "ann.lee", "192.0.2.66", nil),
		event("02T09:02", "AUTH", "AUTHENTICATION-240", "FAILED", "bob", "bob", "192.0.2.66", nil),
		event("02T09:03", "AUTH", "AUTHENTICATION-245", "FAILED", "colt", "colt", "192.0.2.66", nil),
		event("02T09:04", "AUTH", "AUTHENTICATION-100", "PASSED", "colt", "colt", "192.0.2.66", nil),
		event("02T08:50", "PASSWORD_ACTIVITY", "forgotPasswordChange", "PASSED", "colt", "colt", "192.0.2.66", nil),
		event("02T09:30", "AUTH", "PERSONAL_ACCESS_TOKEN_CREATED", "PASSED", "colt", "token one", "192.0.2.66", nil),
		event("02T09:40", "USER_MANAGEMENT", "USER_ADMIN_GRANT", "PASSED", "bob", "colt", "203.0.113.8", nil),
		event("02T09:45", "AUTH", "LOCKOUT_CONFIGURATION_UPDATED", "PASSED", "colt", "lockout", "192.0.2.66", nil),
		event("02T09:50", "SOURCE_MANAGEMENT", "SOURCE_DELETE", "PASSED", "colt", "HR", "192.0.2.66", kqltest.Doc{"sourceName": "HR"}),
		event("02T09:55", "WORKFLOW", "WORKFLOW_DISABLED", "PASSED", "colt", "joiner", "192.0.2.66", nil),
		event("02T09:56", "WORKFLOW", "WORKFLOW_EXECUTION_CANCELLED", "PASSED", "colt", "joiner", "192.0.2.66", nil),
	)
	s.ISC(
		event("02T10:00", "PROVISIONING", "CreateAccount", "PASSED", "System", "dora", "", ad),
		event("02T10:01", "PROVISIONING", "DisableAccount", "FAILED", "System", "emil", "", kqltest.Doc{"sourceName": "Active Directory", "errors": []any{"no connection", "again"}}),
		event("02T10:02", "PROVISIONING", "DisableAccount", "FAILED", "System", "fay", "", kqltest.Doc{"sourceName": "Active Directory", "errors": []any{"no connection"}}),
		event("02T10:05", "ACCESS_ITEM", "AddEntitlement", "PASSED", "System", "colt", "", kqltest.Doc{"attributeName": "memberOf", "attributeValue": "Domain Admins"}),
		event("02T10:10", "ACCESS_REQUEST", "ACCESS_REQUEST_REQUESTED", "PASSED", "colt", "colt", "192.0.2.66", nil),
		event("02T10:11", "ACCESS_REQUEST", "ACCESS_REQUEST_APPROVED", "PASSED", "colt", "Colt", "192.0.2.66", kqltest.Doc{"accessItemName": "Payroll", "accessItemType": "ROLE", "comment": "ok"}),
		event("02T10:12", "ACCESS_REQUEST", "ACCESS_REQUEST_REJECTED", "PASSED", "bob", "ann.lee", "203.0.113.8", nil),
		event("02T10:20", "SOD_POLICY", "DELETE_SOD_POLICY", "PASSED", "colt", "Pay and approve", "192.0.2.66", nil),
		event("02T10:30", "SOURCE_MANAGEMENT", "SOURCE_ACCOUNT_AGGREGATION_FAILED", "FAILED", "System", "Active Directory", "", ad),
		event("02T10:40", "SOURCE_MANAGEMENT", "SOURCE_ACCOUNT_AGGREGATION_PASSED", "PASSED", "System", "Active Directory", "", ad),
	)
	late := event("02T10:50", "SSO", "APP_LAUNCH_SAML", "PASSED", "bob", "CRM", "203.0.113.8", nil)
	late["$ingested"] = "2026-09-02T11:20:00Z"
	s.ISC(late)
	invocation := func(id string, more kqltest.Doc) kqltest.Doc {
		d := kqltest.Doc{"id": id, "triggerId": "idn:identity-created", "subscriptionName": "hr", "created": "2026-09-02T10:00:00Z"}
		for k, v := range more {
			d[k] = v
		}
		return d
	}
	s.Classic(kqltest.TriggersTable, invocation("i1", nil), invocation("i2", kqltest.Doc{"completed": "2026-09-02T10:00:05Z"}),
		invocation("i3", kqltest.Doc{"completed": "2026-09-02T10:00:05Z", "completeInvocationInput": kqltest.Doc{"localizedError": `{"message":"timed out"}`}}))
	run := func(at, id, stream, state string, sent, mismatches int) kqltest.Doc {
		return kqltest.Doc{"TimeGenerated": "2026-09-02T" + at + ":00Z", "run_id": id, "stream": stream, "state": state, "sent": sent, "mismatches": mismatches, "repaired": mismatches, "lag_seconds": 65, "quarantine_waiting": 0, "audited_through": "2026-09-02T11:00:00Z"}
	}
	s.Classic(kqltest.HealthTable, run("11:50", "r1", "SailPointIDN_Events", "failed", 3, 0), run("11:55", "r2", "SailPointIDN_Events", "drained", 20, 1), run("11:55", "r2", "SailPointIDN_Triggers", "drained", 3, 0))
	return s
}
