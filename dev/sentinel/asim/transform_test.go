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

// nativeColumns are columns of the native tables, from Microsoft's pages on them
// (azure-monitor/reference/tables/asimauthenticationeventlogs and so on), as far as the
// transforms fill them; a type that is not told is string. A column that a table does not
// have, as all aliases, would be thrown away or make the deployment fail.
var nativeColumns = map[string]string{
	asim.Authentication: nativeCommon + "LogonProtocol LogonMethod TargetUsername TargetUsernameType TargetUserId TargetUserIdType TargetUserType TargetAppName TargetAppId TargetAppType TargetHostname DvcAction",
	asim.AuditEvent:     nativeCommon + "Operation Object ObjectId ObjectType OriginalObjectType NewValue OldValue ValueType TargetAppName TargetAppType TargetHostname",
	asim.UserManagement: nativeCommon + "TargetUsername TargetUsernameType TargetUserId TargetUserIdType TargetUserType GroupName GroupNameType GroupId GroupIdType GroupType NewPropertyValue PreviousPropertyValue",
}

const nativeCommon = `TimeGenerated:datetime EventCount:int EventStartTime:datetime EventEndTime:datetime EventType EventSubType EventResult EventResultDetails
	EventSeverity EventOriginalUid EventOriginalType EventOriginalSubType EventOriginalResultDetails EventMessage EventProduct EventProductVersion EventVendor EventSchemaVersion
	ActorUsername ActorUsernameType ActorUserId ActorUserIdType ActorUserType SrcIpAddr DvcHostname DvcId DvcIdType `

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
