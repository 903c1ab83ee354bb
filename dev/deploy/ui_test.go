package deploy_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
)

// form is the part of createUiDefinition.json that has to agree with the template.
type form struct {
	Parameters struct {
		Basics []element
		Steps  []struct {
			Name     string
			Elements []element
		}
		Outputs map[string]string
	}
}

type element struct {
	Name, Type   string
	DefaultValue any
	Visible      any
	ToolTip      string
	Constraints  struct {
		Regex         string
		Validations   []struct{ Regex, IsValid, Message string }
		Required      bool
		AllowedValues []struct{ Label, Value any }
	}
}

// value is what the form hands over when the user leaves the element alone.
func (e element) value() any {
	for _, a := range e.Constraints.AllowedValues {
		if a.Label == e.DefaultValue {
			return a.Value
		}
	}
	return e.DefaultValue
}

var (
	usedElement = regexp.MustCompile(`^.*(?:steps\('(\w+)'\)\.|basics\(')(\w+)`)
	conversion  = regexp.MustCompile(`\bint\(`)
)

// readForm returns the form, and its elements by step and name.
func readForm(t *testing.T) (f form, elements map[string]element) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "createUiDefinition.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &f, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	elements = map[string]element{}
	for _, e := range f.Parameters.Basics {
		elements["/"+e.Name] = e
	}
	for _, step := range f.Parameters.Steps {
		for _, e := range step.Elements {
			elements[step.Name+"/"+e.Name] = e
		}
	}
	return f, elements
}

// handed evaluates an expression of the form, with what the user chose in its steps. The
// two languages agree in what the form uses, but for how a step is named.
func handed(t *testing.T, expression string, steps map[string]any) any {
	t.Helper()
	template := deploy.Template{Variables: steps, Outputs: map[string]deploy.Parameter{"o": {Value: strings.NewReplacer("steps(", "variables(", "parse(", "json(", ", false)", ", false())").Replace(expression)}}}
	d, err := template.Resolve(deploy.Surroundings{}, nil)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return d.Outputs["o"]
}

// Who gives the storage account of the Python function is offered the API of its tables,
// and everybody else the current one. What is hidden counts for nothing, whether the
// portal hands over its default or nothing.
func TestTakeOverInForm(t *testing.T) {
	f, elements := readForm(t)
	current, takeOver := elements["sentinel/ingestionApi"], elements["sentinel/takeOverApi"]
	for _, e := range []element{current, takeOver} {
		var offered []any
		for _, a := range e.Constraints.AllowedValues {
			offered = append(offered, a.Value)
		}
		p := read(t).Parameters["ingestionApi"]
		if diff := cmp.Diff(p.AllowedValues, offered); diff != "" || e.ToolTip != p.Metadata["description"] {
			t.Errorf("%s (-template +form):\n%s", e.Name, diff)
		}
	}
	for _, tc := range []struct {
		legacy, current, takeOver any
		want                      string
	}{
		{"", current.value(), nil, "LogsIngestion"},
		{nil, current.value(), takeOver.value(), "LogsIngestion"},
		{"", "DataCollector", nil, "DataCollector"},
		{legacyAccount, nil, takeOver.value(), "DataCollector"},
		{legacyAccount, current.value(), takeOver.value(), "DataCollector"},
		{legacyAccount, "DataCollector", "LogsIngestion", "LogsIngestion"},
		{legacyAccount, nil, nil, "DataCollector"},
	} {
		steps := map[string]any{"sentinel": map[string]any{"legacyAccount": tc.legacy, "ingestionApi": tc.current, "takeOverApi": tc.takeOver, "makeTables": "merge"}}
		if got := handed(t, f.Parameters.Outputs["ingestionApi"], steps); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
		if shown := handed(t, current.Visible.(string), steps); shown == handed(t, takeOver.Visible.(string), steps) {
			t.Errorf("%+v: both or neither of the two are shown", tc)
		}
		if shown := handed(t, elements["sentinel/makeTables"].Visible.(string), steps); shown != (tc.want == "LogsIngestion") {
			t.Errorf("%+v: the choice of tables is shown: %v", tc, shown)
		}
	}
}

// A region without Flex Consumption is refused in the form. A list that can't be read
// refuses nothing: the deployment then fails at the plan, which is made first.
func TestRegionInForm(t *testing.T) {
	_, elements := readForm(t)
	rule := elements["hosting/instances"].Constraints.Validations[1].IsValid
	// The form's way to write a lambda, and its region, in the template's words.
	rule = strings.NewReplacer("(r) => replace(toLower(r.name), ' ', '')", "lambda('r', replace(toLower(lambdaVariables('r').name), ' ', ''))", "location()", "resourceGroup().location").Replace(rule)
	regions := func(names ...string) map[string]any {
		list := []any{}
		for _, n := range names {
			list = append(list, map[string]any{"name": n})
		}
		return map[string]any{"hosting": map[string]any{"flexRegions": map[string]any{"value": list}}}
	}
	for name, tc := range map[string]struct {
		steps map[string]any
		want  bool
	}{
		"offered":     {regions("East US", "West Europe"), true},
		"not offered": {regions("East US", "North Europe"), false},
		"no list":     {map[string]any{"hosting": map[string]any{"flexRegions": map[string]any{"value": nil}}}, true},
		"empty list":  {regions(), true},
	} {
		if got := handed(t, rule, tc.steps); got != tc.want {
			t.Errorf("%s: the form says %v", name, got)
		}
	}
}

// What receives reports of SaaS Management is shown if they are wanted, and an instance that is
// always ready for either kind of push.
func TestReportsInForm(t *testing.T) {
	f, elements := readForm(t)
	ready := strings.Replace(f.Parameters.Outputs["alwaysReadyHttp"], "int(coalesce(steps('push').alwaysReady, '0'))", "steps('push').alwaysReady", 1)
	for _, tc := range []struct {
		triggers, reports, plan string
		secret, instances       bool
	}{
		{"none", "none", "FlexConsumption", false, false},
		{"none", "secret", "FlexConsumption", true, true},
		{"token", "none", "FlexConsumption", false, true},
		{"basic", "secret", "FlexConsumption", true, true},
		{"token", "secret", "ElasticPremium", true, false},
	} {
		steps := map[string]any{
			"push":    map[string]any{"eventTriggers": tc.triggers, "saasReports": tc.reports, "alwaysReady": "2"},
			"hosting": map[string]any{"plan": tc.plan},
		}
		if shown := handed(t, elements["push/saasSecret"].Visible.(string), steps); shown != tc.secret {
			t.Errorf("%+v: the secret is shown: %v", tc, shown)
		}
		if shown := handed(t, elements["push/workflowUrl"].Visible.(string), steps); shown != tc.secret {
			t.Errorf("%+v: the workflow is shown: %v", tc, shown)
		}
		for _, url := range []string{"", "https://acme/x"} {
			steps["push"].(map[string]any)["workflowUrl"] = url
			for _, name := range []string{"push/workflowClientId", "push/workflowClientSecret"} {
				if shown := handed(t, elements[name].Visible.(string), steps); shown != (tc.secret && url != "") {
					t.Errorf("%+v, %q: %s is shown: %v", tc, url, name, shown)
				}
			}
		}
		if shown := handed(t, elements["push/alwaysReady"].Visible.(string), steps); shown != tc.instances {
			t.Errorf("%+v: the instances are shown: %v", tc, shown)
		}
		if n := handed(t, ready, steps); (plain(n) == "2") != tc.instances {
			t.Errorf("%+v: %v instances", tc, n)
		}
	}
}

// The tenant is one source of three. What belongs to it is asked for with it, and without any of the
// three the form says so.
func TestSourcesInForm(t *testing.T) {
	f, elements := readForm(t)
	rule := elements["more/oktaOrgUrl"].Constraints.Validations[1].IsValid
	for _, tc := range []struct {
		tenant, okta, iiq any
		want              bool
	}{
		{"acme", "", "", true},
		{"", "https://acme.okta.com", nil, true},
		{nil, nil, "https://iiq.acme.example/identityiq", true},
		{"acme", "https://acme.okta.com", "https://iiq.acme.example/identityiq", true},
		{"", "", "", false},
		{nil, nil, nil, false},
	} {
		steps := map[string]any{
			"sailpoint": map[string]any{"tenantId": tc.tenant, "clientId": "left over", "clientSecret": "left over", "baseUrl": "https://left.over", "apiVersion": nil},
			"more":      map[string]any{"oktaOrgUrl": tc.okta, "iiqUrl": tc.iiq},
		}
		if got := handed(t, rule, steps); got != tc.want {
			t.Errorf("%+v: the form says %v", tc, got)
		}
		tenant := tc.tenant == "acme"
		for _, name := range []string{"clientId", "clientSecret", "baseUrl", "apiVersion"} {
			if shown := handed(t, elements["sailpoint/"+name].Visible.(string), steps); shown != tenant {
				t.Errorf("%+v: %s is shown: %v", tc, name, shown)
			}
		}
		for _, name := range []string{"clientId", "clientSecret", "sailPointBaseUrl"} {
			if got := handed(t, f.Parameters.Outputs[name], steps); (got != "") != tenant {
				t.Errorf("%+v: %s is %q", tc, name, got)
			}
		}
	}
}

// The choices of the content are shown if it is installed, and a warning if the native ASIM tables
// are filled and the parsers are made visible as well.
func TestContentInForm(t *testing.T) {
	f, elements := readForm(t)
	for _, tc := range []struct {
		content, asim, tables, api any
		choices, warning           bool
	}{
		{"none", nil, false, "LogsIngestion", false, false},
		{nil, "create", true, "LogsIngestion", false, false},
		{"none", "create", true, "LogsIngestion", false, false},
		{"install", "none", true, "LogsIngestion", true, false},
		{"install", "create", false, "LogsIngestion", true, false},
		{"install", "create", true, "LogsIngestion", true, true},
		{"installAndEnable", "extend", true, "LogsIngestion", true, true},
		{"install", "extend", true, "DataCollector", true, false},
	} {
		steps := map[string]any{"sentinel": map[string]any{"content": tc.content, "asimFunctions": tc.asim, "createWatchlists": nil, "alsoAsimTables": tc.tables, "ingestionApi": tc.api, "legacyAccount": ""}}
		for _, name := range []string{"asimFunctions", "createWatchlists"} {
			if shown := handed(t, elements["sentinel/"+name].Visible.(string), steps); shown != tc.choices {
				t.Errorf("%+v: %s is shown: %v", tc, name, shown)
			}
		}
		if shown := handed(t, elements["sentinel/twice"].Visible.(string), steps); shown != tc.warning {
			t.Errorf("%+v: the warning is shown: %v", tc, shown)
		}
		if got := handed(t, f.Parameters.Outputs["createWatchlists"], steps); got != false {
			t.Errorf("%+v: createWatchlists is %v", tc, got)
		}
	}
}

// onCommandLine are parameters that the form does not ask for: it has no list with
// secrets, and a mirror, a second workspace and a change of token are rare.
var onCommandLine = []string{"connectionName", "contentUrl", "firstTenantWorkspace", "moreTenants", "moreTenantSecrets", "moreWorkspaceKeys", "packageUrl", "telemetryWorkspaceResourceId", "webhookTokenPrevious", "workspaceAppId"}

// The form asks for every parameter but the address of the package, and offers
// what the template takes.
func TestForm(t *testing.T) {
	f, elements := readForm(t)
	template := read(t)
	// The portal asks for the region by itself.
	want := slices.DeleteFunc(slices.Sorted(maps.Keys(template.Parameters)), func(name string) bool {
		return slices.Contains(onCommandLine, name)
	})
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(f.Parameters.Outputs))); diff != "" {
		t.Errorf("outputs of the form (-want +got):\n%s", diff)
	}
	for name, output := range f.Parameters.Outputs {
		if name == "location" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if name == "ingestionApi" || name == "tags" { // TestTakeOverInForm, TestTags
				return
			}
			m := usedElement.FindStringSubmatch(output)
			if m == nil {
				t.Fatalf("output %s names no element", output)
			}
			e, ok := elements[m[1]+"/"+m[2]]
			if !ok {
				t.Fatalf("output %s names an element that is not there", output)
			}
			p := template.Parameters[name]
			if e.ToolTip != p.Metadata["description"] {
				t.Errorf("tool tip %q is not the parameter's description", e.ToolTip)
			}
			if password := e.Type == "Microsoft.Common.PasswordBox"; password != p.Secret() {
				t.Errorf("password box %v, secret %v", password, p.Secret())
			}
			text := e.Type == "Microsoft.Common.TextBox"
			// It is not documented that the portal passes a drop-down's number on as a number.
			if number := p.Type == "int"; number != conversion.MatchString(output) {
				t.Errorf("output %s and parameter of type %s", output, p.Type)
			} else if number && e.Visible != nil && !strings.Contains(output, "int(coalesce(") {
				t.Errorf("output %s: what is hidden may have no value", output)
			}
			if optional := p.Secret() && p.DefaultValue == ""; optional {
				if e.Constraints.Required && e.Visible == nil { // what is hidden is not demanded
					t.Error("the form demands what the template does not need")
				}
				return
			}
			if p.DefaultValue == nil {
				if !e.Constraints.Required {
					t.Error("the template needs a value and the form does not")
				}
				return
			}
			shown, meant := plain(e.value()), plain(p.DefaultValue)
			if shown != meant {
				t.Errorf("default is %q in the form and %q in the template", shown, meant)
			}
			if len(e.Constraints.Validations) > 0 {
				e.Constraints.Regex = e.Constraints.Validations[0].Regex
			}
			hidden := meant == "" && e.Constraints.Required && e.Visible != nil
			if text && !hidden && !regexp.MustCompile(e.Constraints.Regex).MatchString(meant) {
				t.Errorf("the form refuses the default %q", meant)
			}
			var offered []any
			for _, a := range e.Constraints.AllowedValues {
				offered = append(offered, a.Value)
			}
			if diff := cmp.Diff(p.AllowedValues, offered); diff != "" {
				t.Errorf("offered values (-template +form):\n%s", diff)
			}
		})
	}
}

// plain writes a default as a text box shows it.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
