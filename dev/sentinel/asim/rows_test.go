package asim_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// The parser and the transform of a schema see one event, the one in a table of the
// workspace, the other in the stream that fills the native table. What they make of it is
// the same, column by column, with these exceptions, which are all there are:
//
//   - Columns of the parsers that the native tables do not have, or that Microsoft's
//     parser of the native table adds when it is asked ([atQueryTime]).
//   - Dashes in ids: the tables of the workspace hold ids in two spellings, of which the
//     parsers make one; a native table has them as SailPoint wrote them ([sameSpelling]).
//   - The spaces in a list or an object that is stored as text.
const atQueryTime = `Type EventUid EventSchema Dvc DvcIpAddr DvcDomain DvcDomainType DvcFQDN Hostname Src SrcHostname SrcDomain SrcDomainType IpAddr Dst AdditionalFields
	User Application LogonTarget Value UpdatedPropertyName TargetIpAddr TargetDomain TargetDomainType DvcAction`

var (
	guid   = regexp.MustCompile(`\b([0-9a-fA-F]{8})-([0-9a-fA-F]{4})-([0-9a-fA-F]{4})-([0-9a-fA-F]{4})-([0-9a-fA-F]{12})\b`)
	idName = regexp.MustCompile(`(Uid|UserId|ObjectId|GroupId|AppId)$`)
)

func sameSpelling(column string, v any) any {
	s, ok := v.(string)
	switch {
	case v == nil:
		return ""
	case !ok:
		return v
	case idName.MatchString(column):
		return strings.ReplaceAll(s, "-", "")
	case strings.HasPrefix(s, "{") || strings.HasPrefix(s, "["):
		return strings.ReplaceAll(s, " ", "")
	}
	return guid.ReplaceAllString(s, "$1$2$3$4$5")
}

// rowsToCompare are the events of a test, each with an id of its own: the whole catalogue, what
// a generated tenant does, the shapes that SailPoint publishes, and poor ones.
func rowsToCompare(t *testing.T) []kqltest.Doc {
	t.Helper()
	docs, _ := catalogueEvents(t)
	for i, e := range mapping(t) { // some a second time, with other details or hardly any
		if e.Schema == asim.AuditEvent && i%5 > 0 {
			continue
		}
		d := kqltest.Doc{
			"id": fmt.Sprintf("2c9180857%023d", i), "created": "2026-09-02T11:30:00.123Z", "type": e.Type, "action": e.Action, "technicalName": e.TechnicalName, "org": "acme", "_version": "v7",
			"status": []string{"PASSED", "failed", "FAILED", ""}[i%4], "operation": []string{"", "OP"}[i%2], "name": fmt.Sprintf("Event %d", i),
		}
		if i%3 > 0 {
			d["actor"] = kqltest.Doc{"name": []string{"ann.lee@example.com", "System"}[i%2], "id": "0f8fad5bd9cb469fa16570867728950e"}
			d["attributes"] = kqltest.Doc{
				"accessItemName": "Finance", "accessItemId": "6ba7b8109dad11d180b400c04fd430c8", "cloudAppName": "Payroll", "appId": "123", "sourceId": "2c918085", "info": "some info",
				"userId": "carol", "capability": "ORG_ADMIN", "errors": []string{"first", "second"},
			}
		}
		if i%7 > 0 {
			d["target"] = kqltest.Doc{"name": []string{"carol", "Admins"}[i%2], "id": "7c9e6679742540de944be07fc1f90ae7"}
		}
		docs = append(docs, d)
	}
	tenant := synth.New(synth.Options{Seed: 7, Start: time.Date(2026, 9, 2, 10, 0, 0, 0, time.UTC)})
	for i := range 150 {
		var d kqltest.Doc
		if err := json.Unmarshal(tenant.Event(i), &d, jsontext.AllowDuplicateNames(true)); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		docs = append(docs, d)
	}
	for i, names := range [][2]string{
		{"AUTHENTICATION-100", ""},
		{"SUPPORT_LOGIN_AUTHENTICATE", ""},
		{"update", "AUTHENTICATION_REQUEST_PASSED"},
		{"update", "AUTHENTICATION_REQUEST_FAILED"},
		{"delete", "IDENTITY_DELETE_PASSED"},
		{"DisableAccount", ""},
		{"SOURCE_UPDATE", ""},
		{"update", "SOURCE_UPDATE_PASSED"},
		{"", "ROLE_CREATE_PASSED"},
		{"SOMETHING_NEW_REMOVED", ""},
	} {
		for j, who := range [][3]string{
			{"ann.lee", "", "carol"},
			{"System", "john.doe", "john.doe"},
			{"System", "", "Carol.Adams"},
			{"SYSTEM", "system", "o'brien@example.com"},
			{"Not Available", "", "ann"},
			{"", "mary-ann", "carol"},
			{"System", "0f8fad5b-d9cb-469f-a165-70867728950e", ""},
			{"", "", "unknown"},
			{"", "", ""},
		} {
			docs = append(docs, kqltest.Doc{
				"id": fmt.Sprintf("person %d %d", i, j), "created": "2026-09-02T11:00:00Z", "type": "X", "status": "PASSED", "org": []string{"acme", ""}[j%2],
				"action": named(names[0]), "technicalName": named(names[1]),
				"actor": map[string]any{"name": named(who[0])}, "target": map[string]any{"name": named(who[2])}, "attributes": map[string]any{"userId": named(who[1])},
			})
		}
	}
	return docs
}

// named is a name, or none.
func named(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// agreement is a world in which both forms of an event can be seen.
type agreement struct {
	docs   []kqltest.Doc
	scenes map[string]*kqltest.Scene
	stream []kqltest.Row
}

func newAgreement(t *testing.T, kinds ...string) *agreement {
	t.Helper()
	a := agreement{docs: rowsToCompare(t), scenes: map[string]*kqltest.Scene{}}
	for _, d := range a.docs {
		a.stream = append(a.stream, kqltest.Row(d))
	}
	for _, kind := range kinds {
		switch kind {
		case "events table": // in two forms, each with half of the events
			half := len(a.docs) / 2
			a.scenes[kind] = kqltest.NewScene(t, now, "events-dcr")
			a.scenes[kind].DCR(kqltest.EventsTable, a.docs[:half]...)
			a.scenes[kind].Classic(kqltest.EventsTable, a.docs[half:]...)
		case "ISC":
			a.scenes[kind] = kqltest.NewScene(t, now, "events-isc")
			a.scenes[kind].ISC(a.docs...)
		}
	}
	return &a
}

func (a *agreement) parse(t *testing.T, kind, schema string) kqltest.Table {
	t.Helper()
	return a.scenes[kind].Run(t, "vim"+schema+"SailPointISC")
}

func (a *agreement) transform(t *testing.T, text string) kqltest.Table {
	t.Helper()
	bare := kqltest.Workspace{Tables: kqltest.Schemas(t, "stream-events"), Bare: true}
	return bare.Run(t, text, kqltest.Data{Now: now, Rows: map[string][]kqltest.Row{"source": a.stream}})
}

func TestParsersAndTransformsAgree(t *testing.T) {
	a := newAgreement(t, "events table", "ISC")
	seen := map[string]int{}
	for _, schema := range asim.Schemas() {
		transformed := a.transform(t, transformText(t, schema))
		for kind := range a.scenes {
			parsed := a.parse(t, kind, schema)
			seen[kind] += len(parsed.Rows)
			for _, p := range differences(parsed, transformed) {
				t.Errorf("%s, %s: %s", kind, schema, p)
			}
		}
	}
	for kind, n := range seen {
		if n != len(a.docs) {
			t.Errorf("%s: %d events come out, want %d", kind, n, len(a.docs))
		}
	}
}

// Each fault makes a transform differ from the parser.
func TestDisagreementIsNoticed(t *testing.T) {
	a := newAgreement(t, "ISC")
	parsed := map[string]kqltest.Table{}
	for _, schema := range asim.Schemas() {
		parsed[schema] = a.parse(t, "ISC", schema)
	}
	for _, fault := range []struct{ schema, of, to string }{
		{asim.Authentication, "isnotempty(userId), userId,", ""},
		{asim.Authentication, "TargetAppId = tostring(attributes.appId)", "TargetAppId = ''"},
		{asim.Authentication, "eventResult == 'Failure', 'Other', ''", "''"},
		{asim.Authentication, "DvcHostname = org,\n", ""},
		{asim.AuditEvent, "key matches regex @'schedul', 'Scheduled Task',", ""},
		{asim.AuditEvent, "status =~ 'FAILED', 'Failure'", "status == 'FAILED', 'Failure'"},
		{asim.AuditEvent, "isnotempty(tostring(attributes.accessItemName)), tostring(attributes.accessItemName), ", ""},
		{asim.UserManagement, "isempty(groupId), '', 'UID'", "isempty(groupId), '', 'Other'"},
		{asim.UserManagement, "iff(ofGroup, '', tostring(target.id))", "tostring(target.id)"},
		{asim.UserManagement, "'user_unlock', ", ""},
	} {
		text := transformText(t, fault.schema)
		if !strings.Contains(text, fault.of) {
			t.Errorf("%s: the fault %q no longer applies", fault.schema, fault.of)
			continue
		}
		if len(differences(parsed[fault.schema], a.transform(t, strings.ReplaceAll(text, fault.of, fault.to)))) == 0 {
			t.Errorf("%s: nobody notices %q", fault.schema, fault.of)
		}
	}
}

// differences says where the rows of a parser and of a transform differ.
func differences(parsed, transformed kqltest.Table) []string {
	var problems []string
	inTransform := map[string]bool{}
	for _, c := range transformed.Columns {
		inTransform[c.Name] = true
		if !slices.Contains(parsed.Columns, c) {
			problems = append(problems, fmt.Sprintf("the parser lacks %s %s", c.Name, c.Type))
		}
	}
	for _, c := range parsed.Columns {
		if !inTransform[c.Name] && !slices.Contains(strings.Fields(atQueryTime), c.Name) {
			problems = append(problems, "the transform lacks "+c.Name)
		}
	}
	byID := func(out kqltest.Table) map[any]kqltest.Row {
		rows := map[any]kqltest.Row{}
		for _, r := range out.Rows {
			plain := kqltest.Row{}
			for column := range inTransform {
				plain[column] = sameSpelling(column, r[column])
			}
			rows[plain["EventOriginalUid"]] = plain
		}
		return rows
	}
	want, got := byID(parsed), byID(transformed)
	for id, w := range want {
		if diff := cmp.Diff(w, got[id]); diff != "" {
			problems = append(problems, fmt.Sprintf("%v (-parser +transform)\n%s", id, diff))
		}
	}
	if len(want) != len(got) {
		problems = append(problems, fmt.Sprintf("%d rows of the parser, %d of the transform", len(want), len(got)))
	}
	return problems
}

// A logon has one row, whatever SailPoint records on the way to it, and nobody called
// System logs on where the event names a person.
func TestOneLogonCountsOnce(t *testing.T) {
	event := func(action, actor string, attributes kqltest.Doc) kqltest.Doc {
		return kqltest.Doc{
			"id": action + actor, "created": "2026-09-02T11:00:00Z", "type": "AUTH", "action": action, "status": "PASSED", "org": "acme",
			"actor": kqltest.Doc{"name": actor}, "target": kqltest.Doc{"name": "ann"}, "attributes": attributes,
		}
	}
	s := kqltest.NewScene(t, now, "events-isc")
	for _, action := range []string{"SAML2-31", "SAML2-142", "MFA_ON_LOGIN_AUTHENTICATE", "TOKEN_VERIFICATION_PASSED", "AUTHENTICATION-103"} {
		s.ISC(event(action, "System", kqltest.Doc{"userId": "ann"}))
	}
	got := s.Run(t, "vimAuthenticationSailPointISC | where EventType == 'Logon' and EventResult == 'Success'").Pick("EventOriginalType", "TargetUsername", "User", "ActorUserType")
	want := []kqltest.Row{{"EventOriginalType": "AUTHENTICATION-103", "TargetUsername": "ann", "User": "ann", "ActorUserType": ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
