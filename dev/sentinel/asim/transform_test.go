package asim_test

import (
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

func keys[V any](m map[string]V) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// What a transform may use, from Microsoft's page "Supported KQL features in
// Azure Monitor transformations", as far as the transforms here need it; iff is
// not on that page but in rules that Microsoft ships.
const (
	maxTransform         = 15360
	transformOperators   = "ExtendOperator ProjectOperator FilterOperator ParseOperator ProjectAwayOperator ProjectRenameOperator PrintOperator"
	transformFunctions   = "tolower tostring toint tolong todatetime iff case isnull isnotnull isempty isnotempty now strcat parse_json extract"
	transformExpressions = "== != < > <= >= and or =~ !~ in !in has contains startswith endswith matches_regex + -"
)

// transformProblems says what a text has that a transform must not have.
func transformProblems(t *testing.T, text string) []string {
	t.Helper()
	ws := kqltest.Workspace{Tables: kqltest.Schemas(t, "stream-events"), Bare: true}
	problems := ws.Check(t, text).Errors
	if len(text) > maxTransform {
		problems = append(problems, "too long")
	}
	parts := ws.Parts(t, text)
	for _, list := range []struct {
		used    []string
		allowed string
	}{{parts.Operators, transformOperators}, {parts.Functions, transformFunctions}, {parts.Expressions, transformExpressions}} {
		for _, used := range list.used {
			if !slices.Contains(strings.Fields(list.allowed), strings.ReplaceAll(used, " ", "_")) {
				problems = append(problems, "not allowed in a transform: "+used)
			}
		}
	}
	return problems
}

func transformText(t *testing.T, schema string) string {
	t.Helper()
	text, err := os.ReadFile(kqltest.Root(t, "sentinel", "asim", "transforms", schema+".kql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTransformsUseWhatIsAllowed(t *testing.T) {
	for schema := range words {
		if p := transformProblems(t, transformText(t, schema)); len(p) > 0 {
			t.Errorf("%s: %s", schema, strings.Join(p, "\n"))
		}
	}
	// The check can fail.
	for text, want := range map[string]string{
		"source | summarize count() by action":                     "SummarizeOperator",
		"source | join kind=inner (source) on id":                  "JoinOperator",
		"source | extend x = coalesce(action, name)":               "coalesce",
		"source | where action has_any ('a', 'b')":                 "has_any",
		"source | extend x = dynamic([1])":                         "dynamic",
		"source | where actionn == 'x'":                            "actionn",
		"source" + strings.Repeat(" | where id != ''", 1000):       "too long",
		"source | extend x = column_ifexists('id', '') | take 100": "TakeOperator",
	} {
		if p := strings.Join(transformProblems(t, text), "\n"); !strings.Contains(p, want) {
			t.Errorf("%.50s: problems %q, want one with %q", text, p, want)
		}
	}
}

// nativeColumns are what the transforms fill, by name and type, from Microsoft's
// pages on the native tables (ASimAuthenticationEventLogs and so on); a type that is
// not told is string. A column that a table does not have, as all aliases, would
// be thrown away or make the deployment fail.
var nativeColumns = map[string]string{
	asim.Authentication: nativeCommon + "LogonProtocol TargetUsername TargetAppName TargetAppType",
	asim.AuditEvent:     nativeCommon + "Operation Object ObjectType OriginalObjectType NewValue OldValue",
	asim.UserManagement: nativeCommon + "TargetUsername GroupName NewPropertyValue PreviousPropertyValue",
}

const nativeCommon = `TimeGenerated:datetime EventCount:int EventStartTime:datetime EventEndTime:datetime EventType EventSubType EventResult EventResultDetails
	EventSeverity EventOriginalUid EventOriginalType EventMessage EventProduct EventVendor EventSchemaVersion ActorUsername SrcIpAddr DvcId DvcIdType `

func TestTransformsFillTheNativeTables(t *testing.T) {
	ws := kqltest.Workspace{Tables: kqltest.Schemas(t, "stream-events"), Bare: true}
	for schema, list := range nativeColumns {
		var want, got []string
		for _, c := range strings.Fields(list) {
			name, typ, found := strings.Cut(c, ":")
			if !found {
				typ = "string"
			}
			want = append(want, name+" "+typ)
		}
		for _, c := range ws.Check(t, transformText(t, schema)).Columns {
			got = append(got, c.Name+" "+c.Type)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-table +transform)\n%s", schema, diff)
		}
	}
}

// builtIn is what the built-in parser of a native table adds to its rows.
func builtIn(schema string, out kqltest.Table) kqltest.Table {
	for _, name := range []string{"EventSchema", "Dvc", "UpdatedPropertyName"} {
		out.Columns = append(out.Columns, kqltest.Column{Name: name, Type: "string"})
	}
	for _, row := range out.Rows {
		row["EventSchema"], row["Dvc"], row["UpdatedPropertyName"] = schema, row["DvcId"], row["EventSubType"]
	}
	return out
}

// TestTransformsCoverTheCatalogue: like the parsers, but for what a transform
// can't know: names that the catalogue lacks, and object types.
func TestTransformsCoverTheCatalogue(t *testing.T) {
	docs, want := catalogueEvents(t)
	ws := kqltest.Workspace{Tables: kqltest.Schemas(t, "stream-events"), Bare: true}
	var rows []kqltest.Row
	for _, d := range docs {
		rows = append(rows, kqltest.Row(d))
	}
	got := map[string]asim.Target{}
	for schema := range words {
		out := builtIn(schema, ws.Run(t, transformText(t, schema), kqltest.Data{Now: now, Rows: map[string][]kqltest.Row{"source": rows}}))
		checkFields(t, schema, out)
		collect(t, schema, out, got)
	}
	for id, w := range want {
		switch w.Schema {
		case asim.AuditEvent:
			w.ObjectType = "Other"
		case asim.UserManagement:
			w.EventSubType = "groups" // the property that was changed
		}
		want[id] = w
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-mapping +transforms)\n%s", diff)
	}
}

// TestParsersAndTransformsNameTheSamePeople: in the shapes that SailPoint
// publishes, and where nobody is named.
func TestParsersAndTransformsNameTheSamePeople(t *testing.T) {
	name := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	var docs []kqltest.Doc
	var rows []kqltest.Row
	for _, names := range [][2]string{
		{"AUTHENTICATION-100", ""},
		{"SUPPORT_LOGIN_AUTHENTICATE", ""},
		{"update", "AUTHENTICATION_REQUEST_PASSED"},
		{"update", "AUTHENTICATION_REQUEST_FAILED"},
		{"delete", "IDENTITY_DELETE_PASSED"},
		{"DisableAccount", ""},
		{"SOURCE_UPDATE", ""},
		{"update", "SOURCE_UPDATE_PASSED"},
		{"", "ROLE_CREATE_PASSED"},
	} {
		for _, who := range [][3]string{
			{"ann.lee", "", "carol"},
			{"System", "john.doe", "john.doe"},
			{"System", "", "Carol.Adams"},
			{"SYSTEM", "system", "o'brien@example.com"},
			{"Not Available", "", "ann"},
			{"", "mary-ann", "carol"},
			{"", "", "unknown"},
			{"", "", ""},
		} {
			d := kqltest.Doc{
				"id": "event " + strings.Join(append(names[:], who[:]...), "/"), "created": "2026-09-02T11:00:00Z", "type": "X", "status": "PASSED", "org": "acme",
				"action": name(names[0]), "technicalName": name(names[1]),
				"actor": map[string]any{"name": name(who[0])}, "target": map[string]any{"name": name(who[2])}, "attributes": map[string]any{"userId": name(who[1])},
			}
			d["id"] = strings.ReplaceAll(d["id"].(string), "-", "") // ids come out without dashes
			docs, rows = append(docs, d), append(rows, kqltest.Row(d))
		}
	}
	s := kqltest.NewScene(t, now, "events-isc")
	s.ISC(docs...)
	ws := kqltest.Workspace{Tables: kqltest.Schemas(t, "stream-events"), Bare: true}
	seen := 0
	for schema := range words {
		columns := []string{"EventOriginalUid", "EventResult", "ActorUsername"}
		if schema != asim.AuditEvent { // there a transform tells the type by words
			columns = append(columns, "TargetUsername", "EventType")
		}
		parsed := people(s.Run(t, "vim"+schema+"SailPointISC").Pick(columns...))
		transformed := people(ws.Run(t, transformText(t, schema), kqltest.Data{Now: now, Rows: map[string][]kqltest.Row{"source": rows}}).Pick(columns...))
		if diff := cmp.Diff(parsed, transformed); diff != "" {
			t.Errorf("%s (-parser +transform)\n%s", schema, diff)
		}
		seen += len(parsed)
		for uid, r := range parsed {
			if who, _ := r["TargetUsername"].(string); strings.EqualFold(who, "system") && schema == asim.Authentication {
				t.Errorf("%s: %q logs on", uid, who)
			}
		}
	}
	if seen != len(docs) {
		t.Errorf("%d events come out, want %d", seen, len(docs))
	}
}

func people(rows []kqltest.Row) map[any]kqltest.Row {
	out := map[any]kqltest.Row{}
	for _, r := range rows {
		out[r["EventOriginalUid"]] = r
	}
	return out
}
