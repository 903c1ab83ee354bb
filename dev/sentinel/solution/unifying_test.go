package solution_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

const workspaceID = "/subscriptions/" + deploy.Subscription + "/resourceGroups/connector/providers/Microsoft.OperationalInsights/workspaces/soc-logs"

// install deploys the content into a world, with a choice of asimFunctions.
func install(t *testing.T, world *deploy.World, choice string) deploy.Deployment {
	t.Helper()
	template, err := deploy.Read(kqltest.Root(t, "sentinel", "Package", "mainTemplate.json"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := template.Resolve(deploy.Surroundings{World: world}, map[string]any{"workspace": "soc-logs", "asimFunctions": choice})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// custom are the properties of the custom unifying functions in a world, by alias.
func custom(world *deploy.World) map[string]map[string]any {
	found := map[string]map[string]any{}
	for _, id := range world.IDs() {
		properties, _ := world.Get(id)["properties"].(map[string]any)
		if alias, _ := properties["functionAlias"].(string); strings.HasSuffix(alias, "Custom") {
			found[alias] = properties
		}
	}
	return found
}

// signatures are Microsoft's, in the order in which the built-in parsers know them, from
// ASIM/deploy/EmptyCustomUnifyingParsers in Azure/Azure-Sentinel.
var signatures = map[string]string{
	"Im_AuthenticationCustom":   "starttime: datetime, endtime: datetime, username_has_any: dynamic, targetappname_has_any: dynamic, srcipaddr_has_any_prefix: dynamic, srchostname_has_any: dynamic, eventtype_in: dynamic, eventresultdetails_in: dynamic, eventresult: string, disabled: bool, pack: bool",
	"Im_AuditEventCustom":       "starttime: datetime, endtime: datetime, srcipaddr_has_any_prefix: dynamic, actorusername_has_any: dynamic, operation_has_any: dynamic, eventtype_in: dynamic, eventresult: string, object_has_any: dynamic, newvalue_has_any: dynamic, disabled: bool, pack: bool",
	"Im_UserManagementCustom":   "starttime: datetime, endtime: datetime, srcipaddr_has_any_prefix: dynamic, targetusername_has_any: dynamic, actorusername_has_any: dynamic, eventtype_in: dynamic, disabled: bool, pack: bool",
	"ASim_AuthenticationCustom": "disabled: bool, pack: bool",
	"ASim_AuditEventCustom":     "disabled: bool, pack: bool",
	"ASim_UserManagementCustom": "disabled: bool, pack: bool",
}

func TestUnifyingFunctionsAreMade(t *testing.T) {
	for _, choice := range []string{"create", "extend"} {
		world := deploy.NewWorld()
		install(t, world, choice)
		made := custom(world)
		got := map[string]string{}
		for alias, p := range made {
			got[alias] = regexp.MustCompile(` = [^,]+`).ReplaceAllString(fmt.Sprint(p["functionParameters"]), "")
		}
		if diff := cmp.Diff(signatures, got); diff != "" {
			t.Errorf("%s (-Microsoft's +ours)\n%s", choice, diff)
		}
		// What calls a parser is made after it.
		first := slices.IndexFunc(world.History, func(id string) bool { return strings.HasSuffix(id, "Custom") })
		for _, id := range world.History[first:] {
			if strings.Contains(id, "/savedSearches/vim") || strings.Contains(id, "/savedSearches/ASim") && !strings.HasSuffix(id, "Custom") {
				t.Errorf("%s is made after what calls it", id)
			}
		}
		// Again, and nothing changes.
		install(t, world, choice)
		if diff := cmp.Diff(made, custom(world)); diff != "" {
			t.Errorf("%s again\n%s", choice, diff)
		}
	}
}

func TestUnifyingFunctionsAreNotTouchedUnasked(t *testing.T) {
	world := deploy.NewWorld()
	d := install(t, world, "none")
	if made := custom(world); len(made) > 0 {
		t.Errorf("none makes %v", slices.Sorted(maps.Keys(made)))
	}
	lines, _ := d.Outputs["asimLines"].([]any)
	if len(lines) != 12 || !slices.Contains(lines, any("Im_UserManagementCustom: vimUserManagementSailPointISC(starttime = starttime, endtime = endtime, srcipaddr_has_any_prefix = srcipaddr_has_any_prefix, targetusername_has_any = targetusername_has_any, actorusername_has_any = actorusername_has_any, eventtype_in = eventtype_in, disabled = disabled, pack = pack)")) {
		t.Errorf("lines to add by hand: %v", lines)
	}
}

// Functions that somebody has are never replaced: create leaves them alone, and extend
// keeps their text, whatever it is, and adds the parsers that it lacks.
func TestExistingUnifyingFunctionsStay(t *testing.T) {
	for _, tc := range []struct {
		name, params, body string
	}{
		{"Microsoft's empty one", "starttime:datetime=datetime(null),endtime:datetime=datetime(null),srcipaddr_has_any_prefix: dynamic=dynamic([]),targetusername_has_any: dynamic=dynamic([]),actorusername_has_any: dynamic=dynamic([]),eventtype_in: dynamic=dynamic([]),disabled:bool=false,pack:bool=false", "union ASimEmptyView\n"},
		{"with lets, a comment and a semicolon", "starttime: datetime = datetime(null), endtime: datetime = datetime(null), srcipaddr_has_any_prefix: dynamic = dynamic([]), targetusername_has_any: dynamic = dynamic([]), actorusername_has_any: dynamic = dynamic([]), eventtype_in: dynamic = dynamic([]), disabled: bool = false, pack: bool = false", "let own = () { datatable(TimeGenerated: datetime, EventType: string)[datetime(2026-09-02), 'UserCreated'] };\n// ours\nown()\n| where (isnull(starttime) or TimeGenerated >= starttime) and not(disabled);\n"},
		{"of a time before pack", "starttime:datetime=datetime(null),endtime:datetime=datetime(null),eventtype_in:dynamic=dynamic([]),disabled:bool=false", "datatable(EventType: string)['UserCreated']"},
	} {
		const name = "Im_UserManagementCustom"
		id := workspaceID + "/savedSearches/" + name
		before := map[string]any{"category": "Security", "displayName": "theirs", "functionAlias": name, "functionParameters": tc.params, "query": tc.body, "version": 1.0, "tags": []any{map[string]any{"name": "owner", "value": "soc"}}}
		world := deploy.NewWorld()
		world.Put(id, map[string]any{"properties": maps.Clone(before)})
		install(t, world, "create")
		if diff := cmp.Diff(before, custom(world)[name]); diff != "" {
			t.Errorf("%s: create changed it\n%s", tc.name, diff)
		}
		install(t, world, "extend")
		after := maps.Clone(custom(world)[name])
		query, _ := after["query"].(string)
		after["query"] = before["query"]
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s: extend changed more than the query\n%s", tc.name, diff)
		}
		if !strings.Contains(query, strings.TrimSuffix(strings.TrimSpace(tc.body), ";")) {
			t.Errorf("%s: its text is gone:\n%s", tc.name, query)
		}
		install(t, world, "extend")
		if again := custom(world)[name]["query"]; again != query {
			t.Errorf("%s: extended twice:\n%s", tc.name, again)
		}
		// It runs, with its own rows and ours, and passes on what it is asked for.
		s := kqltest.NewScene(t, "2026-09-02T12:00:00Z", "events-isc", "iiq-audit-dcr")
		s.Functions = append(s.Functions, kqltest.Function{Name: name, Params: tc.params, Body: query}, kqltest.Function{Name: "ASimEmptyView", Body: "datatable (EventType:string) []"})
		s.ISC(kqltest.Doc{"id": "1", "created": "2026-09-02T11:00:00Z", "type": "X", "action": "CreateAccount", "status": "PASSED"}, kqltest.Doc{"id": "2", "created": "2026-09-02T11:00:00Z", "type": "X", "action": "DeleteAccount", "status": "PASSED"})
		s.DCR(kqltest.IIQTable, kqltest.Doc{"id": "c0a8019c8f1a00000000000000000000", "TimeGenerated": "2026-09-02T11:00:00Z", "eventTime": "2026-09-02T11:00:00Z", "action": "createAccount", "source": "ann"})
		theirs := strings.Count(tc.body, "'UserCreated'")
		if got := len(s.Run(t, name+"(eventtype_in = dynamic(['UserCreated']))").Rows); got != theirs+2 {
			t.Errorf("%s: %d rows, want %d", tc.name, got, theirs+2)
		}
		if got := len(s.Run(t, name+"(disabled = true) | where EventType != 'UserCreated' or isnotempty(column_ifexists('EventVendor', ''))").Rows); got != 0 {
			t.Errorf("%s: %d rows though disabled", tc.name, got)
		}
	}
}

// The functions give what the parsers give, for every filter.
func TestUnifyingFunctionsPassFiltersOn(t *testing.T) {
	s, _ := load(t)
	scene := kqltest.NewScene(t, "2026-09-02T12:00:00Z", "events-isc", "iiq-audit-dcr")
	scene.Functions = append(scene.Functions, s.Unifying...)
	for i, action := range []string{"AUTHENTICATION-100", "AUTHENTICATION-245", "CreateAccount", "DeleteAccount", "SOURCE_UPDATE", "API_CLIENT_CREATED"} {
		scene.ISC(kqltest.Doc{
			"id": strconv.Itoa(i), "created": fmt.Sprintf("2026-09-02T1%d:00:00Z", i%2), "type": "X", "action": action, "operation": "OP" + strconv.Itoa(i), "status": "PASSED", "actor": kqltest.Doc{"name": "ann" + strconv.Itoa(i)},
			"target": kqltest.Doc{"name": "t" + strconv.Itoa(i)}, "ipAddress": fmt.Sprintf("10.%d.0.1", i), "attributes": kqltest.Doc{"attributeValue": "v" + strconv.Itoa(i), "cloudAppName": "app" + strconv.Itoa(i)},
		})
	}
	for i, action := range []string{"login", "loginFailure", "createAccount", "deleteAccount", "update", "run"} {
		scene.DCR(kqltest.IIQTable, kqltest.Doc{
			"id": fmt.Sprintf("c0a8019c8f1a%020x", i), "TimeGenerated": fmt.Sprintf("2026-09-02T1%d:00:00Z", i%2), "eventTime": "2026-09-02T11:00:00Z", "action": action, "source": "ann" + strconv.Itoa(i), "target": "t" + strconv.Itoa(i),
			"attributeValue": "v" + strconv.Itoa(i), "clientHost": []string{"10.0.0.1", "laptop1"}[i%2],
		})
	}
	filters := map[string]any{
		"starttime": "2026-09-02T10:30:00Z", "endtime": "2026-09-02T10:30:00Z", "username_has_any": []any{"t1", "ann0"}, "targetappname_has_any": []any{"app0"}, "srcipaddr_has_any_prefix": []any{"10.0.", "10.3.", "10.4."},
		"srchostname_has_any": []any{"laptop1"}, "eventtype_in": []any{"Logon", "Set", "UserCreated"}, "eventresultdetails_in": []any{"User locked"}, "eventresult": "Success", "disabled": true, "pack": true,
		"actorusername_has_any": []any{"ann3", "ann4"}, "operation_has_any": []any{"OP4", "update"}, "object_has_any": []any{"t4"}, "newvalue_has_any": []any{"v5"}, "targetusername_has_any": []any{"t2"},
	}
	// The values are in a table, so that a query is analysed once.
	var columns []kqltest.Column
	none := kqltest.Row{"eventresult": "*", "disabled": false, "pack": false}
	for name, value := range filters {
		typ := "string"
		switch value.(type) {
		case bool:
			typ = "bool"
		case []any:
			typ, none[name] = "dynamic", []any{}
		case string:
			if strings.HasSuffix(name, "time") {
				typ = "datetime"
			}
		}
		columns = append(columns, kqltest.Column{Name: name, Type: typ})
	}
	scene.Tables["Trial"] = kqltest.Schema(columns)
	for _, f := range s.Unifying {
		schema := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(f.Name, "Im_"), "ASim_"), "Custom")
		kind := map[bool]string{true: "vim", false: "ASim"}[strings.HasPrefix(f.Name, "Im_")]
		var given, passed []string
		for _, p := range asim.Parameters(f) {
			given = append(given, "let "+p+" = toscalar(Trial | project "+p+");\n")
			passed = append(passed, p+" = "+p)
		}
		lets, arguments := strings.Join(given, ""), "("+strings.Join(passed, ", ")+") | project EventUid"
		for _, p := range append(asim.Parameters(f), "") {
			trial := maps.Clone(none)
			if p != "" {
				trial[p] = filters[p]
			}
			scene.Data.Rows["Trial"] = []kqltest.Row{trial}
			var want []string
			for _, product := range asim.Products() {
				want = append(want, scene.Run(t, lets+kind+schema+product+arguments).Strings("EventUid")...)
			}
			got := scene.Run(t, lets+f.Name+arguments).Strings("EventUid")
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-parsers +unifying)\n%s", f.Name, p, diff)
			}
			if p == "" && len(got) != 4 || p == "disabled" && len(got) != 0 {
				t.Errorf("%s, %s: %d rows", f.Name, p, len(got))
			}
		}
	}
}
