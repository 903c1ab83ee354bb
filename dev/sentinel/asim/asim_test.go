package asim_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

const now = "2026-09-02T12:00:00Z"

func mapping(t *testing.T) []asim.Event {
	t.Helper()
	events, _, err := asim.Load(kqltest.Root(t))
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// TestEveryNameIsMapped compares with the catalogue that the synthetic events
// are made of.
func TestEveryNameIsMapped(t *testing.T) {
	text, err := os.ReadFile(kqltest.Root(t, "dev", "sandbox", "synth", "catalogue.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "type,") {
			want = append(want, strings.TrimSpace(line))
		}
	}
	var got []string
	for _, e := range mapping(t) {
		got = append(got, strings.Join([]string{e.Type, e.Action, e.TechnicalName}, ","))
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) != 672 {
		t.Errorf("the catalogue has %d names, want 672", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mapping (-catalogue +mapping)\n%s", diff)
	}
}

// words are the values that the schemas allow.
var words = map[string]struct{ types, subTypes, details, objects string }{
	asim.Authentication: {
		"Logon Logoff Elevate", "|Interactive|Service|AssumeRole",
		"|No such user or password|No such user|Incorrect password|Incorrect key|Account expired|Password expired|User locked|User disabled|Logon violates policy|Session expired|Other", "",
	},
	asim.AuditEvent: {
		"Set Read Create Delete Execute Install Clear Enable Disable Initialize Start Stop Other", "", "",
		"Cloud Resource|Configuration Atom|Policy Rule|Event Log|Scheduled Task|Service|Directory Service Object|Other",
	},
	asim.UserManagement: {"UserCreated UserDeleted UserModified UserLocked UserUnlocked UserDisabled UserEnabled PasswordChanged PasswordReset GroupCreated GroupDeleted GroupModified UserAddedToGroup UserRemovedFromGroup GroupEnumerated UserRead GroupRead", "", "", ""},
}

func TestMappingUsesTheSchemasWords(t *testing.T) {
	in := func(v, list, sep string) bool { return slices.Contains(strings.Split(list, sep), v) }
	for _, e := range mapping(t) {
		w, ok := words[e.Schema]
		if !ok || !in(e.EventType, w.types, " ") || !in(e.EventSubType, w.subTypes, "|") || !in(e.Result, "|Success|Partial|Failure|NA", "|") ||
			!in(e.ResultDetails, w.details, "|") || !in(e.ObjectType, w.objects, "|") {
			t.Errorf("%s: %+v has a value that the schema does not know", e.Key(), e.Target)
		}
		if e.ResultDetails != "" && e.Result != "Failure" {
			t.Errorf("%s: details %q of no failure", e.Key(), e.ResultDetails)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	const head = "type,action,technicalName,schema,eventType,eventSubType,eventResult,eventResultDetails,objectType,logonProtocol\n"
	for name, text := range map[string]string{
		"no header":         "AUTH,A,,AuditEvent,Set,,,,Other,\n",
		"both names":        head + "AUTH,A,B,AuditEvent,Set,,,,Other,\n",
		"no name":           head + "AUTH,,,AuditEvent,Set,,,,Other,\n",
		"two meanings":      head + "AUTH,A,,AuditEvent,Set,,,,Other,\nX,,a,AuditEvent,Delete,,,,Other,\n",
		"a quote in a name": head + "AUTH,A'B,,AuditEvent,Set,,,,Other,\n",
		"a missing cell":    head + "AUTH,A,,AuditEvent,Set,,,,Other\n",
	} {
		if _, err := asim.Read(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestGenerated fails when somebody forgot go generate.
func TestGenerated(t *testing.T) {
	events, actions, err := asim.Load(kqltest.Root(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range asim.Generate(events, actions) {
		got, err := os.ReadFile(kqltest.Root(t, "sentinel", "asim", filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
			continue
		}
		if string(got) != want {
			t.Errorf("sentinel/asim/%s is stale: run go generate ./dev/sentinel/asim", name)
		}
	}
}

// catalogueEvents is one event of every name, and what the model makes of it.
func catalogueEvents(t *testing.T) (docs []kqltest.Doc, want map[string]asim.Target) {
	t.Helper()
	want = map[string]asim.Target{}
	statuses := []string{"PASSED", "FAILED", "STARTED", "ACTION"}
	for i, e := range mapping(t) {
		id := strings.ReplaceAll("event "+e.Type+" "+e.Action+"/"+e.TechnicalName, "-", "") // ids come out without dashes
		status := statuses[i%len(statuses)]
		docs = append(docs, kqltest.Doc{
			"id": id, "created": "2026-09-02T11:00:00Z", "type": e.Type, "action": e.Action, "technicalName": e.TechnicalName, "status": status, "name": "Some event", "operation": "OP",
			"actor": kqltest.Doc{"name": "ann.lee"}, "target": kqltest.Doc{"name": "colt@example.com"}, "org": "acme", "ipAddress": "203.0.113.7",
			"attributes": kqltest.Doc{"attributeName": "groups", "attributeValue": "Admins", "previousValue": "none", "sourceName": "AD"},
		})
		target := e.Target
		if target.Result == "" {
			target.Result = map[string]string{"PASSED": "Success", "FAILED": "Failure", "STARTED": "NA", "ACTION": "NA"}[status]
		}
		if target.Schema != asim.AuditEvent && target.Result == "Failure" && target.ResultDetails == "" {
			target.ResultDetails = "Other"
		}
		if slices.Contains([]string{"UserCreated", "UserModified", "GroupCreated", "GroupModified"}, target.EventType) {
			target.EventSubType = "groups" // the attribute
		}
		want[id] = target
	}
	// What the catalogue does not know is not lost.
	for id, doc := range map[string]kqltest.Doc{
		"unknown action":           {"action": "QUANTUM_LEAP", "technicalName": "QUANTUM_LEAP_PASSED", "status": "PASSED"},
		"an action yet to come":    {"action": "SOURCE_WARP_DRIVE_DELETED", "status": "FAILED"},
		"a failure yet to come":    {"action": "WARP_SCHEDULE_CREATE_FAILED", "status": "PASSED"},
		"no action and no name":    {"status": "FAILED"},
		"technical name by action": {"action": "X", "technicalName": "ROLE_CREATE_PASSED", "status": "PASSED"},
	} {
		doc["id"], doc["created"], doc["type"] = id, "2026-09-02T11:00:00Z", "NEW"
		docs = append(docs, doc)
	}
	want["unknown action"] = asim.Target{Schema: asim.AuditEvent, EventType: "Other", Result: "Success", ObjectType: "Other"}
	want["an action yet to come"] = asim.Target{Schema: asim.AuditEvent, EventType: "Delete", Result: "Failure", ObjectType: "Service"}
	want["a failure yet to come"] = asim.Target{Schema: asim.AuditEvent, EventType: "Create", Result: "Failure", ObjectType: "Scheduled Task"}
	want["no action and no name"] = asim.Target{Schema: asim.AuditEvent, EventType: "Other", Result: "Failure", ObjectType: "Other"}
	want["technical name by action"] = asim.Target{Schema: asim.AuditEvent, EventType: "Create", Result: "Success", ObjectType: "Directory Service Object"}
	return docs, want
}

// mandatory are the fields that must be there and filled, with their types.
var mandatory = map[string]string{
	"TimeGenerated": "datetime", "EventCount": "int", "EventStartTime": "datetime", "EventEndTime": "datetime", "EventType": "string", "EventResult": "string",
	"EventProduct": "string", "EventVendor": "string", "EventSchema": "string", "EventSchemaVersion": "string", "Dvc": "string", "EventSeverity": "string",
}

// own are further fields of each schema; a trailing ? means that it may be empty.
var own = map[string][]string{
	asim.Authentication: {"TargetUsername?", "TargetAppName", "SrcIpAddr?", "EventSubType?", "EventResultDetails?"},
	asim.AuditEvent:     {"Operation", "Object", "ObjectType", "ActorUsername?", "SrcIpAddr?", "NewValue?", "OldValue?"},
	asim.UserManagement: {"ActorUsername", "TargetUsername?", "GroupName?", "UpdatedPropertyName?", "PreviousPropertyValue?", "NewPropertyValue?"},
}

func checkFields(t *testing.T, schema string, out kqltest.Table) {
	t.Helper()
	types := map[string]string{}
	for _, c := range out.Columns {
		types[c.Name] = c.Type
	}
	need := map[string]bool{} // name: must be filled
	for name, typ := range mandatory {
		need[name] = true
		if types[name] != typ {
			t.Errorf("%s: %s is %q, want %s", schema, name, types[name], typ)
		}
	}
	for _, name := range own[schema] {
		plain, optional := strings.CutSuffix(name, "?")
		need[plain] = !optional
		if types[plain] != "string" {
			t.Errorf("%s: %s is %q, want string", schema, plain, types[plain])
		}
	}
	for _, row := range out.Rows {
		for name, filled := range need {
			if filled && (row[name] == nil || row[name] == "") {
				t.Errorf("%s: %s of %v is empty", schema, name, row["EventOriginalUid"])
			}
		}
	}
}

// TestParsersCoverTheCatalogue runs every name through the three parsers: each
// event comes out of exactly one, as the mapping says.
func TestParsersCoverTheCatalogue(t *testing.T) {
	docs, want := catalogueEvents(t)
	s := kqltest.NewScene(t, now)
	s.Classic(kqltest.EventsTable, docs...)
	got := map[string]asim.Target{}
	for schema := range words {
		out := s.Run(t, "vim"+schema+"SailPointISC")
		checkFields(t, schema, out)
		collect(t, schema, out, got)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-mapping +parsers)\n%s", diff)
	}
}

func collect(t *testing.T, schema string, out kqltest.Table, got map[string]asim.Target) {
	t.Helper()
	for _, row := range out.Rows {
		id, _ := row["EventOriginalUid"].(string)
		if other, twice := got[id]; twice {
			t.Errorf("%s is in %s and %s", id, other.Schema, schema)
		}
		text := func(name string) string { s, _ := row[name].(string); return s }
		if text("EventSchema") != schema {
			t.Errorf("%s: EventSchema %q in %s", id, text("EventSchema"), schema)
		}
		got[id] = asim.Target{
			Schema: schema, EventType: text("EventType"), EventSubType: text("EventSubType"), Result: text("EventResult"), ResultDetails: text("EventResultDetails"),
			ObjectType: text("ObjectType"), LogonProtocol: text("LogonProtocol"),
		}
	}
}

func TestParameterlessForms(t *testing.T) {
	docs, _ := catalogueEvents(t)
	s := kqltest.NewScene(t, now)
	s.Classic(kqltest.EventsTable, docs[len(docs)-60:]...)
	for schema := range words {
		full, plain := s.Run(t, "vim"+schema+"SailPointISC"), s.Run(t, "ASim"+schema+"SailPointISC")
		if diff := cmp.Diff(full, plain); diff != "" {
			t.Errorf("%s (-vim +ASim)\n%s", schema, diff)
		}
		if off := s.Run(t, "ASim"+schema+"SailPointISC(disabled = true)"); len(off.Rows) > 0 {
			t.Errorf("%s: %d rows though disabled", schema, len(off.Rows))
		}
	}
}

// parameters are those by which the unifying parsers call ours.
var parameters = map[string]string{
	asim.Authentication: "starttime endtime username_has_any targetappname_has_any srcipaddr_has_any_prefix srchostname_has_any eventtype_in eventresultdetails_in eventresult disabled pack",
	asim.AuditEvent:     "starttime endtime srcipaddr_has_any_prefix actorusername_has_any operation_has_any eventtype_in eventresult object_has_any newvalue_has_any disabled pack",
	asim.UserManagement: "starttime endtime srcipaddr_has_any_prefix targetusername_has_any actorusername_has_any eventtype_in disabled pack",
}

func TestFilters(t *testing.T) {
	event := func(id, created, action, actor, target, ip, value string) kqltest.Doc {
		return kqltest.Doc{
			"id": id, "created": created, "type": "T", "action": action, "operation": "OP " + id, "status": "PASSED", "actor": kqltest.Doc{"name": actor}, "target": kqltest.Doc{"name": target}, "ipAddress": ip,
			"attributes": kqltest.Doc{"attributeValue": value, "cloudAppName": "App " + id},
		}
	}
	s := kqltest.NewScene(t, now)
	s.Classic(kqltest.EventsTable,
		event("1", "2026-09-02T10:00:00Z", "AUTHENTICATION-100", "ann.lee", "ann.lee", "10.1.0.1", "v"), event("2", "2026-09-02T11:00:00Z", "AUTHENTICATION-245", "bob", "bob", "10.2.0.1", "v"),
		event("3", "2026-09-02T10:00:00Z", "API_CLIENT_CREATED", "ann.lee", "client one", "10.1.0.1", "alpha"), event("4", "2026-09-02T11:00:00Z", "TOKEN_CLAIMS_CHANGE", "bob", "client two", "10.2.0.1", "beta"),
		event("5", "2026-09-02T10:00:00Z", "CreateAccount", "ann.lee", "carl", "10.1.0.1", "v"), event("6", "2026-09-02T11:00:00Z", "DeleteAccount", "bob", "dora", "10.2.0.1", "v"))
	cases := map[string]map[string]string{ // schema: arguments: ids
		asim.Authentication: {
			"": "1 2", "starttime = datetime(2026-09-02T10:30Z)": "2", "endtime = datetime(2026-09-02T10:30Z)": "1", "username_has_any = dynamic(['ann'])": "1", "targetappname_has_any = dynamic(['2'])": "2",
			"srcipaddr_has_any_prefix = dynamic(['10.1.'])": "1", "srchostname_has_any = dynamic(['h'])": "", "eventtype_in = dynamic(['Logoff'])": "", "eventresultdetails_in = dynamic(['User locked'])": "2", "eventresult = 'Success'": "1", "disabled = true": "",
		},
		asim.AuditEvent: {
			"": "3 4", "starttime = datetime(2026-09-02T10:30Z)": "4", "endtime = datetime(2026-09-02T10:30Z)": "3", "srcipaddr_has_any_prefix = dynamic(['10.2.'])": "4", "actorusername_has_any = dynamic(['bob'])": "4", "operation_has_any = dynamic(['3'])": "3",
			"eventtype_in = dynamic(['Create'])": "3", "eventresult = 'Failure'": "", "object_has_any = dynamic(['two'])": "4", "newvalue_has_any = dynamic(['alpha'])": "3", "disabled = true": "",
		},
		asim.UserManagement: {
			"": "5 6", "starttime = datetime(2026-09-02T10:30Z)": "6", "endtime = datetime(2026-09-02T10:30Z)": "5", "srcipaddr_has_any_prefix = dynamic(['10.1.'])": "5", "targetusername_has_any = dynamic(['dora'])": "6", "actorusername_has_any = dynamic(['lee'])": "5",
			"eventtype_in = dynamic(['UserDeleted'])": "6", "disabled = true": "",
		},
	}
	for schema, filters := range cases {
		for args, want := range filters {
			out := s.Run(t, "vim"+schema+"SailPointISC("+args+")")
			if got := strings.Join(out.Strings("EventOriginalUid"), " "); got != want {
				t.Errorf("%s(%s): events %q, want %q", schema, args, got, want)
			}
		}
		for _, p := range strings.Fields(parameters[schema]) {
			if p != "pack" && !slices.ContainsFunc(slices.Collect(keys(filters)), func(a string) bool { return strings.HasPrefix(a, p+" ") }) {
				t.Errorf("%s: no case for %s", schema, p)
			}
		}
	}
	for _, f := range s.Functions {
		schema, ok := strings.CutSuffix(strings.TrimPrefix(f.Name, "vim"), "SailPointISC")
		if !ok || !strings.HasPrefix(f.Name, "vim") {
			continue
		}
		var names []string
		for _, m := range regexp.MustCompile(`(\w+): `).FindAllStringSubmatch(f.Params, -1) {
			names = append(names, m[1])
		}
		if got := strings.Join(names, " "); got != parameters[schema] {
			t.Errorf("%s has parameters %s, want %s", f.Name, got, parameters[schema])
		}
	}
}
