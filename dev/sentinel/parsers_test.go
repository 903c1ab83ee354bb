package sentinel_test

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

const now = "2026-09-02T12:00:00Z"

// combinations are workspaces by the tables that exist.
var combinations = map[string][]string{
	"no table":                      {},
	"only triggers":                 {"triggers-classic"},
	"only DCR triggers":             {"triggers-dcr"},
	"only published":                {"events-published", "triggers-published"},
	"only classic":                  {"events-classic"},
	"only DCR":                      {"events-dcr"},
	"only ISC":                      {"events-isc"},
	"ISC as published":              {"events-isc-published"},
	"both":                          {"events-classic", "events-isc", "triggers-classic", "health"},
	"both, DCR":                     {"events-dcr", "events-isc", "triggers-dcr", "health"},
	"both as published":             {"events-published", "events-isc-published", "triggers-published"},
	"only the first codeless table": {"events-v2"},
	"every table of events":         {"events-classic", "events-isc", "events-v2"},
	"only health":                   {"health"},
	"only IdentityIQ":               {"iiq-audit-dcr"},
}

// TestFunctionsInEveryWorkspace: no error, and the same columns whatever exists.
func TestFunctionsInEveryWorkspace(t *testing.T) {
	want := map[string][]kqltest.Column{}
	for _, name := range slices.Sorted(maps.Keys(combinations)) {
		ws := kqltest.Load(t, combinations[name]...)
		t.Run(name, func(t *testing.T) {
			if len(ws.Functions) < 3 {
				t.Fatalf("%d functions", len(ws.Functions))
			}
			for _, f := range ws.Functions {
				got := ws.MustCheck(t, f.Name)
				if want[f.Name] == nil {
					want[f.Name] = got
				}
				if diff := cmp.Diff(want[f.Name], got); diff != "" {
					t.Errorf("%s: columns differ (-other workspaces +this)\n%s", f.Name, diff)
				}
				if f.Head["category"] == "ASIM" && !slices.Contains([]string{"no table", "both", "both, DCR"}, name) {
					continue // they read SailPointIDNEvents only
				}
				// The interpreter also fails where the parser is too lenient, and where a value has not its column's type.
				if out := ws.Run(t, f.Name+" | count", kqltest.Data{Now: now}); f.Head["rows"] == "" && out.Rows[0]["Count"] != 0.0 {
					t.Errorf("%s: rows from nowhere", f.Name)
				}
			}
		})
	}
}

// TestFewColumns: a table may have any one column only.
func TestFewColumns(t *testing.T) {
	for parser, schema := range map[string]string{
		"SailPointIDNEvents": "events-classic", "SailPointIDNTriggers": "triggers-classic", "SailPointIDNHealth": "health",
	} {
		ws := kqltest.Load(t, schema)
		for table := range ws.Tables {
			all := ws.Columns(t, table)
			want := ws.MustCheck(t, parser)
			for i := 0; i < len(all); i += 29 {
				few := kqltest.Load(t)
				few.Tables[table] = kqltest.Schema(append([]kqltest.Column{{Name: "TimeGenerated", Type: "datetime"}}, all[max(1, i)]))
				if diff := cmp.Diff(want, few.MustCheck(t, parser)); diff != "" {
					t.Errorf("%s with %s only: (-all +few)\n%s", table, all[i].Name, diff)
				}
			}
		}
	}
}

func TestEventsKeepTheContract(t *testing.T) {
	ws := kqltest.Load(t, "events-isc-published")
	got := map[string]string{}
	for _, c := range ws.MustCheck(t, "SailPointIDNEvents") {
		got[c.Name] = c.Type
	}
	contract := ws.Columns(t, kqltest.ISCTable)
	if len(contract) != 40 {
		t.Fatalf("the published table has %d columns, want 40", len(contract))
	}
	for _, c := range contract {
		if got[c.Name] != c.Type {
			t.Errorf("column %s is %q, want %s", c.Name, got[c.Name], c.Type)
		}
	}
}

// event fills every member that the parser knows.
func event(t *testing.T) kqltest.Doc {
	t.Helper()
	text, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var d kqltest.Doc
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestEventsFromEveryTable: one event looks the same out of each table.
func TestEventsFromEveryTable(t *testing.T) {
	doc := event(t)
	rows := map[string]kqltest.Row{}
	for name, put := range map[string]func() *kqltest.Scene{
		"classic": func() *kqltest.Scene {
			s := kqltest.NewScene(t, now)
			s.Classic(kqltest.EventsTable, doc)
			return s
		},
		"DCR": func() *kqltest.Scene {
			s := kqltest.NewScene(t, now, "events-dcr")
			s.DCR(kqltest.EventsTable, doc)
			return s
		},
		"ISC": func() *kqltest.Scene {
			s := kqltest.NewScene(t, now, "events-isc")
			s.ISC(doc)
			return s
		},
	} {
		out := put().Run(t, "SailPointIDNEvents")
		if len(out.Rows) != 1 {
			t.Fatalf("%s: %d rows", name, len(out.Rows))
		}
		row := out.Rows[0]
		for _, c := range out.Columns {
			optional := c.Name == "Raw" || c.Name == "Attributes" || c.Name == "SourceSystem"
			if v := row[c.Name]; !optional && (v == nil || v == "") {
				t.Errorf("%s: column %s is empty", name, c.Name)
			}
		}
		for _, n := range []string{"SourceTable", "SourceSystem", "Attributes"} {
			delete(row, n)
		}
		rows[name] = row
	}
	if diff := cmp.Diff(rows["ISC"], rows["classic"]); diff != "" {
		t.Errorf("classic differs (-ISC +classic)\n%s", diff)
	}
	if diff := cmp.Diff(rows["ISC"], rows["DCR"]); diff != "" {
		t.Errorf("DCR differs (-ISC +DCR)\n%s", diff)
	}
}

const (
	hex32 = "8145d82213a744ad859c36f31a84f6dd"
	uuid  = "8145d822-13a7-44ad-859c-36f31a84f6dd"
	hex64 = "001909ce8cc3b519436197105426b18b5fc6ca179803c0c3702e9038107bec78"
)

func TestEventsOddRows(t *testing.T) {
	at := func(minute string) string { return "2026-09-02T11:" + minute + ":00Z" }
	cases := []struct {
		name    string
		schemas []string
		put     func(*kqltest.Scene)
		query   string
		want    []kqltest.Row
	}{
		{
			name: "ids of 32 and 64 digits and with dashes", schemas: []string{"events-classic"},
			put: func(s *kqltest.Scene) {
				s.Classic(kqltest.EventsTable, kqltest.Doc{"id": hex32, "created": at("01")}, kqltest.Doc{"id": hex64, "created": at("02")},
					kqltest.Doc{"id": "aaaaaaaa-13a7-44ad-859c-36f31a84f6dd", "created": at("03")})
			},
			query: "SailPointIDNEvents | sort by TimeGenerated asc | project Id",
			want:  []kqltest.Row{{"Id": hex32}, {"Id": hex64}, {"Id": "aaaaaaaa13a744ad859c36f31a84f6dd"}},
		},
		{
			name: "both suffixes exist", schemas: []string{"events-classic"},
			put: func(s *kqltest.Scene) {
				s.Rows(kqltest.EventsTable, kqltest.Row{"TimeGenerated": at("01"), "id_g": uuid, "actor_name_g": uuid, "actor_name_s": "", "details_g": uuid, "attributes_sourceId_g": uuid},
					kqltest.Row{"TimeGenerated": at("02"), "id_s": "x", "actor_name_s": "Ann", "details_s": "see log", "attributes_sourceId_s": "source", "attributes_info_g": uuid})
			},
			query: "SailPointIDNEvents | sort by TimeGenerated asc | project Id, ActorName, Details, AttributesSourceId, AttributesInfo",
			want: []kqltest.Row{
				{"Id": hex32, "ActorName": hex32, "Details": hex32, "AttributesSourceId": hex32, "AttributesInfo": ""},
				{"Id": "x", "ActorName": "Ann", "Details": "see log", "AttributesSourceId": "source", "AttributesInfo": hex32},
			},
		},
		{
			name: "one event in both tables and sent twice", schemas: []string{"events-classic", "events-isc"},
			put: func(s *kqltest.Scene) {
				s.Classic(kqltest.EventsTable, kqltest.Doc{"id": hex32, "created": at("01"), "status": "classic"}, kqltest.Doc{"id": hex32, "created": at("01"), "status": "classic"})
				s.ISC(kqltest.Doc{"id": hex32, "created": at("01"), "status": "second", "$ingested": at("09")}, kqltest.Doc{"id": uuid, "created": at("01"), "status": "first", "$ingested": at("08")})
			},
			query: "SailPointIDNEvents | project Id, Status, SourceTable",
			want:  []kqltest.Row{{"Id": hex32, "Status": "first", "SourceTable": kqltest.ISCTable}},
		},
		{
			name: "the row that came first", schemas: []string{"events-classic"},
			put: func(s *kqltest.Scene) {
				s.Classic(kqltest.EventsTable, kqltest.Doc{"id": "1", "created": at("01"), "status": "late", "$ingested": at("30")}, kqltest.Doc{"id": "1", "created": at("01"), "status": "early", "$ingested": at("02")})
			},
			query: "SailPointIDNEvents | project Status, IngestionTime",
			want:  []kqltest.Row{{"Status": "early", "IngestionTime": at("02")}},
		},
		{
			name: "an event is as old as its first copy, whichever copy is shown", schemas: []string{"events-classic", "events-isc"},
			put: func(s *kqltest.Scene) {
				s.Classic(kqltest.EventsTable, kqltest.Doc{"id": "1", "created": at("01"), "status": "classic", "$ingested": at("02")})
				s.ISC(kqltest.Doc{"id": "1", "created": at("01"), "status": "isc", "$ingested": at("30")})
			},
			query: "SailPointIDNEvents | project Status, IngestionTime",
			want:  []kqltest.Row{{"Status": "isc", "IngestionTime": at("02")}},
		},
		{
			name: "the first table of the codeless connector", schemas: []string{"events-v2"},
			put: func(s *kqltest.Scene) {
				s.Rows(kqltest.V2Table, kqltest.Row{"TimeGenerated": at("01"), "Id": uuid, "EventType": "AUTH", "ActorName": "Ann.Lee", "TargetName": "x", "Org": "acme", "$ingested": at("02")})
			},
			query: "SailPointIDNEvents(eventtype_in = dynamic(['AUTH'])) | project Id, UserKey, Org, IpAddress, IngestionTime, SourceTable",
			want:  []kqltest.Row{{"Id": hex32, "UserKey": "ann.lee", "Org": "acme", "IpAddress": "", "IngestionTime": at("02"), "SourceTable": kqltest.V2Table}},
		},
		{
			name: "one event in three tables: the one with the most columns", schemas: []string{"events-classic", "events-isc", "events-v2"},
			put: func(s *kqltest.Scene) {
				v2 := func(id string) kqltest.Row {
					return kqltest.Row{"TimeGenerated": at("01"), "Id": id, "$ingested": at("02")}
				}
				s.Rows(kqltest.V2Table, v2("1"), v2("2"), v2("3"))
				s.Classic(kqltest.EventsTable, kqltest.Doc{"id": "1", "created": at("01"), "$ingested": at("03")}, kqltest.Doc{"id": "2", "created": at("01"), "$ingested": at("03")})
				s.ISC(kqltest.Doc{"id": "1", "created": at("01"), "$ingested": at("04")})
			},
			query: "SailPointIDNEvents | sort by Id asc | project Id, IngestionTime, SourceTable",
			want: []kqltest.Row{
				{"Id": "1", "IngestionTime": at("02"), "SourceTable": kqltest.ISCTable},
				{"Id": "2", "IngestionTime": at("02"), "SourceTable": kqltest.EventsTable},
				{"Id": "3", "IngestionTime": at("02"), "SourceTable": kqltest.V2Table},
			},
		},
		{
			name: "rows without an id are all kept", schemas: []string{"events-classic", "events-isc"},
			put: func(s *kqltest.Scene) {
				s.Classic(kqltest.EventsTable, kqltest.Doc{"created": at("01")}, kqltest.Doc{"created": at("01")}, kqltest.Doc{"id": "", "created": at("01")})
				s.ISC(kqltest.Doc{"created": at("01")}, kqltest.Doc{"id": "1", "created": at("01")})
			},
			query: "SailPointIDNEvents | summarize n = count() by Id | sort by Id asc",
			want:  []kqltest.Row{{"Id": "", "n": 4.0}, {"Id": "1", "n": 1.0}},
		},
		{
			name: "a row that is all null", schemas: []string{"events-classic"},
			put: func(s *kqltest.Scene) {
				s.Rows(kqltest.EventsTable, kqltest.Row{"TimeGenerated": at("01")})
			},
			query: "SailPointIDNEvents | project Created, Objects, Status",
			want:  []kqltest.Row{{"Created": nil, "Objects": nil, "Status": ""}},
		},
		{
			name: "filters", schemas: []string{"events-classic", "events-isc"},
			put: func(s *kqltest.Scene) {
				doc := func(id, minute, typ, actor, ip string) kqltest.Doc {
					return kqltest.Doc{"id": id, "created": at(minute), "type": typ, "action": "A-" + id, "status": "PASSED", "actor": kqltest.Doc{"name": actor}, "target": kqltest.Doc{"name": "Target " + id}, "ipAddress": ip}
				}
				s.Classic(kqltest.EventsTable, doc("1", "01", "AUTH", "ann.lee", "10.1.2.3"), doc("2", "02", "AUTH", "bob", "10.11.2.3"))
				s.ISC(doc("3", "03", "SSO", "ann.lee", "10.1.9.9"), doc("4", "04", "AUTH", "annabel", "10.1.2.3"))
			},
			query: `print a = toscalar(SailPointIDNEvents(starttime = datetime(2026-09-02T11:02Z)) | summarize make_set(Id)),
				b = toscalar(SailPointIDNEvents(endtime = datetime(2026-09-02T11:02Z)) | summarize make_set(Id)),
				c = toscalar(SailPointIDNEvents(eventtype_in = dynamic(['auth'])) | summarize make_set(Id)),
				d = toscalar(SailPointIDNEvents(actorname_has_any = dynamic(['ann', 'x'])) | summarize make_set(Id)),
				e = toscalar(SailPointIDNEvents(ipaddr_has_any_prefix = dynamic(['10.1.'])) | summarize make_set(Id)),
				f = toscalar(SailPointIDNEvents(action_in = dynamic(['A-2']), status_in = dynamic(['passed'])) | summarize make_set(Id)),
				g = toscalar(SailPointIDNEvents(targetname_has_any = dynamic(['4'])) | summarize make_set(Id)),
				h = toscalar(SailPointIDNEvents(disabled = true) | summarize make_set(Id))`,
			want: []kqltest.Row{{
				"a": []any{"2", "3", "4"}, "b": []any{"1", "2"}, "c": []any{"1", "2", "4"}, "d": []any{"1", "3"}, "e": []any{"1", "3", "4"},
				"f": []any{"2"}, "g": []any{"4"}, "h": []any{},
			}},
		},
		{
			name: "pack keeps the whole row", schemas: []string{"events-classic"},
			put: func(s *kqltest.Scene) {
				s.Classic(kqltest.EventsTable, kqltest.Doc{"id": "1", "created": at("01"), "attributes": kqltest.Doc{"odd": "value"}})
			},
			query: "SailPointIDNEvents(pack = true) | project v = tostring(Raw.attributes_odd_s)",
			want:  []kqltest.Row{{"v": "value"}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := kqltest.NewScene(t, now, c.schemas...)
			c.put(s)
			if diff := cmp.Diff(c.want, s.Run(t, c.query).Rows); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTriggers(t *testing.T) {
	invocation := func(id string, more kqltest.Doc) kqltest.Doc {
		d := kqltest.Doc{
			"id": id, "triggerId": "idn:identity-created", "subscriptionId": uuid, "subscriptionName": "Audit of identities", "type": "REAL_TIME", "created": "2026-09-02T11:00:00.000Z",
			"Body": kqltest.Doc{
				"identity": kqltest.Doc{"id": hex32, "name": "Ann Lee", "type": "IDENTITY"}, "attributes": kqltest.Doc{"department": "IT", "isManager": true},
				"_metadata": kqltest.Doc{"triggerId": "idn:identity-created", "invocationId": id}, "searchResults": kqltest.Doc{"Account": kqltest.Doc{"count": "3"}}, "stats": kqltest.Doc{"added": 5},
			},
			"Metadata": kqltest.Doc{"triggerId": "idn:identity-created", "invocationId": id},
		}
		for k, v := range more {
			d[k] = v
		}
		return d
	}
	failed := kqltest.Doc{"completed": "2026-09-02T11:00:30Z", "$ingested": "2026-09-02T11:01:00Z", "completeInvocationInput": kqltest.Doc{"localizedError": `{"locale":"en-US","message":"no answer"}`}}
	docs := []kqltest.Doc{
		invocation(uuid, failed), // the completed row first: order must not matter
		invocation(uuid, kqltest.Doc{"$ingested": "2026-09-02T11:02:00Z"}),
		invocation("bbbbbbbb-13a7-44ad-859c-36f31a84f6dd", kqltest.Doc{"completed": "2026-09-02T11:00:10Z"}),
		invocation("cccccccc-13a7-44ad-859c-36f31a84f6dd", nil),
		{"TimeGenerated": "2026-09-02T11:00:00Z", "Metadata": kqltest.Doc{"triggerId": "idn:saved-search-complete"}},
		{"TimeGenerated": "2026-09-02T11:00:00Z", "Metadata": kqltest.Doc{"triggerId": "idn:saved-search-complete"}},
	}
	want := []kqltest.Row{
		{"InvocationId": "", "TriggerId": "idn:saved-search-complete", "State": "", "ErrorMessage": "", "IdentityId": "", "Department": "", "AccountCount": nil, "StatsAdded": nil},
		{"InvocationId": "", "TriggerId": "idn:saved-search-complete", "State": "", "ErrorMessage": "", "IdentityId": "", "Department": "", "AccountCount": nil, "StatsAdded": nil},
		{"InvocationId": hex32, "TriggerId": "idn:identity-created", "State": "failed", "ErrorMessage": "no answer", "IdentityId": hex32, "Department": "IT", "AccountCount": 3.0, "StatsAdded": 5.0},
		{"InvocationId": "bbbbbbbb13a744ad859c36f31a84f6dd", "TriggerId": "idn:identity-created", "State": "completed", "ErrorMessage": "", "IdentityId": hex32, "Department": "IT", "AccountCount": 3.0, "StatsAdded": 5.0},
		{"InvocationId": "cccccccc13a744ad859c36f31a84f6dd", "TriggerId": "idn:identity-created", "State": "pending", "ErrorMessage": "", "IdentityId": hex32, "Department": "IT", "AccountCount": 3.0, "StatsAdded": 5.0},
	}
	const query = "SailPointIDNTriggers | sort by InvocationId asc | project InvocationId, TriggerId, State, ErrorMessage, IdentityId, Department, AccountCount, StatsAdded"
	for name, put := range map[string]func(*kqltest.Scene){
		"triggers-classic": func(s *kqltest.Scene) { s.Classic(kqltest.TriggersTable, docs...) },
		"triggers-dcr":     func(s *kqltest.Scene) { s.DCR(kqltest.TriggersTable, docs...) },
	} {
		t.Run(name, func(t *testing.T) {
			s := kqltest.NewScene(t, now, name)
			put(s)
			if diff := cmp.Diff(want, s.Run(t, query).Rows); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for filter, n := range map[string]float64{
				`triggerid_in = dynamic(['idn:saved-search-complete'])`: 2, `subscriptionname_has_any = dynamic(['identities'])`: 3,
				`identityname_has_any = dynamic(['lee'])`: 3, `starttime = datetime(2026-09-02T11:00:01Z)`: 0, `endtime = datetime(2026-09-02T10:59:59Z)`: 0, `disabled = true`: 0,
			} {
				if got := s.Run(t, "SailPointIDNTriggers("+filter+") | count").Rows[0]["Count"]; got != n {
					t.Errorf("%s: %v rows, want %v", filter, got, n)
				}
			}
		})
	}
}

func TestHealth(t *testing.T) {
	s := kqltest.NewScene(t, now, "health")
	run := func(id, stream, state string) kqltest.Doc {
		return kqltest.Doc{"TimeGenerated": "2026-09-02T11:00:00Z", "run_id": id, "stream": stream, "state": state, "ended": "2026-09-02T11:00:00Z", "spooled": 2, "fetched": 10, "lag_seconds": 61.5, "deprecated": false, "audited_through": "2026-09-02T10:00:00Z"}
	}
	s.Classic(kqltest.HealthTable, run(uuid, "SailPointIDN_Events", "drained"), run(uuid, "SailPointIDN_Events", "drained"), run(uuid, "SailPointIDN_Triggers", "failed"), run("", "SailPointIDN_Events", "locked"))
	want := []kqltest.Row{
		{"RunId": "", "Stream": "SailPointIDN_Events", "State": "locked", "Fetched": 10.0, "Spooled": 2.0, "Ended": "2026-09-02T11:00:00Z", "LagSeconds": 61.5, "Deprecated": false, "AuditedThrough": "2026-09-02T10:00:00Z", "Repaired": nil},
		{"RunId": hex32, "Stream": "SailPointIDN_Events", "State": "drained", "Fetched": 10.0, "Spooled": 2.0, "Ended": "2026-09-02T11:00:00Z", "LagSeconds": 61.5, "Deprecated": false, "AuditedThrough": "2026-09-02T10:00:00Z", "Repaired": nil},
		{"RunId": hex32, "Stream": "SailPointIDN_Triggers", "State": "failed", "Fetched": 10.0, "Spooled": 2.0, "Ended": "2026-09-02T11:00:00Z", "LagSeconds": 61.5, "Deprecated": false, "AuditedThrough": "2026-09-02T10:00:00Z", "Repaired": nil},
	}
	out := s.Run(t, "SailPointIDNHealth | sort by RunId asc, Stream asc | project RunId, Stream, State, Fetched, Spooled, Ended, LagSeconds, Deprecated, AuditedThrough, Repaired")
	if diff := cmp.Diff(want, out.Rows); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	out = s.Run(t, "SailPointIDNHealth(stream_in = dynamic(['SailPointIDN_Events']), state_in = dynamic(['drained', 'failed']))")
	if len(out.Rows) != 1 {
		t.Errorf("%d rows, want 1", len(out.Rows))
	}
}

// TestEventsWithoutDeduplication: distinct_ids = false gives every row, and the filters leave the same events.
func TestEventsWithoutDeduplication(t *testing.T) {
	s := kqltest.NewScene(t, now, "events-dcr", "events-isc")
	twice := kqltest.Doc{"id": "1", "created": "2026-09-01T10:00:00Z", "type": "AUTH", "action": "AUTHENTICATION-100", "status": "PASSED", "actor": kqltest.Doc{"name": "ann"}}
	s.DCR(kqltest.EventsTable, twice)
	s.ISC(twice, kqltest.Doc{"id": "2", "created": "2026-09-01T11:00:00Z", "type": "AUTH", "action": "update", "technicalName": "AUTHENTICATION_REQUEST_PASSED", "status": "PASSED", "actor": kqltest.Doc{"name": "bob"}})
	for query, want := range map[string]int{
		"SailPointIDNEvents()":                     2,
		"SailPointIDNEvents(distinct_ids = false)": 3,
		"SailPointIDNEvents(distinct_ids = false, eventtype_in = dynamic(['auth']))":                       3,
		"SailPointIDNEvents(distinct_ids = false, action_in = dynamic(['authentication-100']))":            2,
		"SailPointIDNEvents(distinct_ids = false, action_in = dynamic(['AUTHENTICATION_REQUEST_PASSED']))": 1,
		"SailPointIDNEvents(distinct_ids = false, status_in = dynamic(['FAILED']))":                        0,
		"SailPointIDNEvents(distinct_ids = false, disabled = true)":                                        0,
	} {
		if got := len(s.Run(t, query).Rows); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
}
