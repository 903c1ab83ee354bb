package workflow_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/workflow"
)

const schema = `"$schema":"https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#","contentVersion":"1.0.0.0",
	"triggers":{"When":{"type":"ApiConnectionWebhook","inputs":{"path":"/incident-creation"}}}`

func parse(t *testing.T, parameters, actions string) *workflow.Definition {
	t.Helper()
	d, err := workflow.Parse([]byte(`{` + schema + `,"parameters":` + parameters + `,"actions":` + actions + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestExpressions: values that the reference of the language gives, or that follow from it.
func TestExpressions(t *testing.T) {
	trigger := map[string]any{"name": "O'Brien", "list": []any{"a", "b", "a"}, "empty": []any{}, "n": 3.0, "none": nil, "deep": map[string]any{"a": map[string]any{"b": "c"}}}
	for expression, want := range map[string]any{
		"plain":                 "plain",
		"@@plain":               "@plain",
		"a @@{b}":               "a @{b}",
		"@triggerBody()?['n']":  3.0,
		"n=@{triggerBody()?.n}": "n=3",
		"@{triggerBody()?['none']}|@{true}|@{triggerBody()?['list']}":    `|True|["a","b","a"]`,
		"@concat('it''s ', triggerBody()?['name'])":                      "it's O'Brien",
		"@encodeUriComponent(concat('a b/', triggerBody()?['name']))":    "a%20b%2FO%27Brien",
		"@decodeUriComponent('%0A')":                                     "\n",
		"@triggerBody()?['deep']?['x']?['y']":                            nil,
		"@triggerBody()['deep']['a'].b":                                  "c",
		"@union(triggerBody()?['list'], createArray('c'))":               []any{"a", "b", "c"},
		"@first(triggerBody()?['empty'])":                                nil,
		"@last(triggerBody()?['empty'])":                                 nil,
		"@concat(last(split('a@b@c', '@')), last('xy'), last(''))":       "cy",
		"@join(take(split('/a/b/c', '/'), 3), '/')":                      "/a/b",
		"@take('äöü', 2)":                                                "äö",
		"@if(greater(length(triggerBody()?['list']), 2), 'many', 'few')": "many",
		"@coalesce(triggerBody()?['none'], 'x')":                         "x",
		"@equals(triggerBody()?['none'], '')":                            false,
		"@and(not(empty('a')), or(false, contains('abc', 'b')))":         true,
		"@addDays('2026-12-31T10:00:00.0000000Z', 14)":                   "2027-01-14T10:00:00.0000000Z",
		"@json('{\"a\":[1]}')?['a']":                                     []any{1.0},
		"@string(1.5)":                                                   "1.5",
		"@replace('a<b', '<', '&lt;')":                                   "a&lt;b",
	} {
		d := parse(t, `{}`, string(must(t, map[string]any{"X": map[string]any{"type": "Compose", "inputs": expression}})))
		run := d.Run(workflow.Environment{Trigger: trigger})
		if got := run.Of("X")[0]; got.Status != workflow.Succeeded || !cmp.Equal(want, got.Outputs) {
			t.Errorf("%s: %v %s, want %v", expression, got.Outputs, got.Error, want)
		}
		if problems := d.Check(); len(problems) > 0 {
			t.Errorf("%s: %v", expression, problems)
		}
	}
	for expression, want := range map[string]string{
		"@triggerBody()['missing']":        "no property",
		"@triggerBody()?['empty']?[0]":     "can't be taken",
		"@length(triggerBody()?['none'])":  "no length",
		"@toLower(triggerBody()?['none'])": "nil",
		"@if(true, 1, length(null))":       "no length",
		"@triggerBody(":                    "neither",
		"@concat('a'":                      "missing",
		"@{concat('a')":                    "} is missing",
		"@nosuch()":                        "not supported",
	} {
		d := parse(t, `{}`, string(must(t, map[string]any{"X": map[string]any{"type": "Compose", "inputs": expression}})))
		if got := d.Run(workflow.Environment{Trigger: trigger}).Of("X")[0]; got.Status != workflow.Failed || !strings.Contains(got.Error, want) {
			t.Errorf("%s: %s %q, want an error with %q", expression, got.Status, got.Error, want)
		}
	}
}

func must(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestStates: which actions run after others that failed or were skipped, and how the whole ends.
func TestStates(t *testing.T) {
	const bad, good = `{"type":"Compose","inputs":"@json('{')","runAfter":%s}`, `{"type":"Compose","inputs":"x","runAfter":%s}`
	after := func(format, name string, states ...string) string {
		runAfter := "{}"
		if name != "" {
			runAfter = fmt.Sprintf(`{%q:["%s"]}`, name, strings.Join(states, `","`))
		}
		return fmt.Sprintf(format, runAfter)
	}
	for _, tc := range []struct{ name, actions, states, whole string }{
		{"all well", `{"A":` + after(good, "") + `,"B":` + after(good, "A", "Succeeded") + `}`, "A Succeeded, B Succeeded", "Succeeded"},
		{"failure", `{"A":` + after(bad, "") + `,"B":` + after(good, "A", "Succeeded") + `}`, "A Failed, B Skipped", "Failed"},
		{"caught", `{"A":` + after(bad, "") + `,"B":` + after(good, "A", "Succeeded", "Failed") + `}`, "A Failed, B Succeeded", "Succeeded"},
		{"caught behind a skipped one", `{"A":` + after(bad, "") + `,"B":` + after(good, "A", "Succeeded") + `,"C":` + after(good, "B", "Skipped") + `}`, "A Failed, B Skipped, C Succeeded", "Succeeded"},
		{"caught on one side", `{"A":` + after(bad, "") + `,"B":` + after(good, "A", "Failed") + `,"C":` + after(good, "A", "Succeeded") + `}`, "A Failed, B Succeeded, C Skipped", "Failed"},
		{"branches of a condition", `{"I":{"type":"If","expression":{"and":[{"equals":["@toLower('A')","a"]}]},"actions":{"A":` + after(good, "") + `},"else":{"actions":{"B":` + after(good, "") + `}}}}`, "I Succeeded, B Skipped, A Succeeded", "Succeeded"},
		{"failure inside", `{"S":{"type":"Scope","actions":{"A":` + after(bad, "") + `}},"B":` + after(good, "S", "Failed") + `}`, "S Failed, A Failed, B Succeeded", "Succeeded"},
		{"nothing to choose", `{"W":{"type":"Switch","expression":"x","cases":{"a":{"case":"y","actions":{"A":` + after(good, "") + `}}}}}`, "W Succeeded, A Skipped", "Succeeded"},
		{"told to fail", `{"A":{"type":"Terminate","inputs":{"runStatus":"Failed"}},"B":` + after(good, "A", "Succeeded") + `}`, "A Succeeded, B Skipped", "Failed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run := parse(t, `{}`, tc.actions).Run(workflow.Environment{})
			var states []string
			for _, e := range run.History {
				states = append(states, e.Action+" "+e.Status)
			}
			if got := strings.Join(states, ", "); got != tc.states || run.Status != tc.whole {
				t.Errorf("%s: %s, want %s: %s", run.Status, got, tc.whole, tc.states)
			}
		})
	}
}

// TestLoops: both loops, what they may refer to, and limits.
func TestLoops(t *testing.T) {
	d := parse(t, `{}`, `{
		"N":{"type":"InitializeVariable","inputs":{"variables":[{"name":"N","type":"string","value":""}]}},
		"Each":{"type":"Foreach","foreach":"@createArray('a','b')","runAfter":{"N":["Succeeded"]},"runtimeConfiguration":{"concurrency":{"repetitions":1}},
			"actions":{"Add":{"type":"AppendToStringVariable","inputs":{"name":"N","value":"@{items('Each')}@{item()}"}}}},
		"Loop":{"type":"Until","expression":"@equals(variables('N'),'never')","limit":{"count":100,"timeout":"PT10M"},"runAfter":{"Each":["Succeeded"]},
			"actions":{"Pause":{"type":"Wait","inputs":{"interval":{"count":120,"unit":"Second"}}}}}}`)
	if problems := d.Check(); len(problems) > 0 {
		t.Error(problems)
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	run := d.Run(workflow.Environment{Start: start, UntilLimit: workflow.TimedOut})
	if run.Variable("N") != "aabb" || run.Now().Sub(start) != 10*time.Minute || run.Status != workflow.Failed {
		t.Errorf("%v, %v, %s", run.Variable("N"), run.Now().Sub(start), run.Status)
	}
}

// TestCheckFinds: each kind of fault is reported.
func TestCheckFinds(t *testing.T) {
	const variable = `"V":{"type":"InitializeVariable","inputs":{"variables":[{"name":"V","type":"string","value":"@parameters('P')"}]}},"R":{"type":"Compose","inputs":"@variables('V')","runAfter":{"V":["Succeeded"]}}`
	http := func(more, body string) string {
		return `{"type":"Http","inputs":{"method":"GET","uri":"https://a.example"` + body + `}` + more + `}`
	}
	const quiet, policy, secure = `,"operationOptions":"DisableAsyncPattern"`, `,"retryPolicy":{"type":"none"}`, `,"runtimeConfiguration":{"secureData":{"properties":["inputs","outputs"]}}`
	for _, tc := range []struct{ name, actions, want string }{
		{"unknown type", `"A":{"type":"JavaScriptCode"}`, "A: type JavaScriptCode"},
		{"no such neighbor", `"A":{"type":"Compose","runAfter":{"B":["Succeeded"]}}`, "A: runs after B"},
		{"no such state", `"A":{"type":"Compose","runAfter":{"R":["Done"]}}`, "in the state Done"},
		{"circle", `"A":{"type":"Compose","runAfter":{"B":["Succeeded"]}},"B":{"type":"Compose","runAfter":{"A":["Succeeded"]}}`, "run after each other"},
		{"syntax", `"A":{"type":"Compose","inputs":"@concat('a'"}`, "missing"},
		{"unknown function", `"A":{"type":"Compose","inputs":"@concatenate('a')"}`, "concatenate() is not known"},
		{"arguments", `"A":{"type":"Compose","inputs":"@replace('a','b')"}`, "replace() has 2 arguments"},
		{"not reached", `"A":{"type":"Compose","inputs":"@body('R')"}`, "has not been reached"},
		{"inside a loop", `"L":{"type":"Foreach","foreach":"@createArray(1)","runtimeConfiguration":{"concurrency":{"repetitions":1}},"actions":{"I":{"type":"Compose","inputs":"@item()"}}},"A":{"type":"Compose","inputs":"@outputs('I')","runAfter":{"L":["Succeeded"]}}`, "has not been reached"},
		{"side by side", `"L":{"type":"Foreach","foreach":"@createArray(1)","actions":{}}`, "side by side"},
		{"item outside", `"A":{"type":"Compose","inputs":"@item()"}`, "outside of a loop"},
		{"unknown parameter", `"A":{"type":"Compose","inputs":"@parameters('Q')"}`, `no parameter "Q"`},
		{"unknown variable", `"A":{"type":"SetVariable","inputs":{"name":"W","value":"x"}}`, "no variable W"},
		{"set from itself", `"A":{"type":"SetVariable","inputs":{"name":"V","value":"@{variables('V')}x"},"runAfter":{"V":["Succeeded"]}}`, "from itself"},
		{"endless", `"A":{"type":"Until","expression":"@equals(1,1)","actions":{}}`, "without limits"},
		{"retries", `"A":` + http(quiet, ""), "no policy for retries"},
		{"asynchronous", `"A":` + http("", policy), "DisableAsyncPattern"},
		{"open sign-in", `"A":` + http(quiet, policy+`,"authentication":{"type":"Raw","value":"x"}`), "inputs are not secure"},
		{"secret in a variable", `"S":` + http(quiet+secure, policy) + `,"A":{"type":"Compose","inputs":"@body('S')","runAfter":{"S":["Succeeded"]}}`, "reads the secure outputs of S"},
		{"long expression", `"A":{"type":"Compose","inputs":"@concat('` + strings.Repeat("a", 8192) + `')"}`, "letters"},
		{"long name", `"` + strings.Repeat("A", 81) + `":{"type":"Compose"}`, "81 letters"},
		{"deep", strings.Repeat(`"S":{"type":"Scope","actions":{`, 9) + `"A":{"type":"Compose"}` + strings.Repeat(`}}`, 9), "in 9 others"},
		{"twice", `"A":{"type":"Scope","actions":{"R":{"type":"Compose"}}}`, "two actions of that name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			problems := strings.Join(parse(t, `{"P":{"type":"String"}}`, `{`+variable+`,`+tc.actions+`}`).Check(), "\n")
			if !strings.Contains(problems, tc.want) {
				t.Errorf("%q, want %q", problems, tc.want)
			}
		})
	}
	d := parse(t, `{"P":{"type":"String"},"Idle":{"type":"String"}}`, `{`+variable+`,"S":`+http(quiet+secure, policy)+`,"A":{"type":"Compose","inputs":"@outputs('S')?['statusCode']","runAfter":{"S":["Failed"]}}}`)
	if diff := cmp.Diff([]string{"nothing uses the parameter Idle"}, d.Check()); diff != "" {
		t.Error(diff)
	}
}

// TestRequests: retries by the policy, and what of a request the history keeps.
func TestRequests(t *testing.T) {
	d := parse(t, `{}`, `{"A":{"type":"Http","operationOptions":"DisableAsyncPattern","runtimeConfiguration":{"secureData":{"properties":["inputs"]}},
		"inputs":{"method":"GET","uri":"https://a.example/x","retryPolicy":{"type":"fixed","count":2,"interval":"PT10S"},"authentication":{"type":"Raw","value":"secret"}}}}`)
	for _, tc := range []struct {
		answers  []int
		attempts int
		status   string
	}{{[]int{200}, 1, workflow.Succeeded}, {[]int{429, 500, 200}, 3, workflow.Succeeded}, {[]int{0, 503, 503}, 3, workflow.Failed}, {[]int{404}, 1, workflow.Failed}, {[]int{401}, 1, workflow.Failed}} {
		i := 0
		run := d.Run(workflow.Environment{HTTP: func(workflow.Request) workflow.Response { i++; return workflow.Response{Status: tc.answers[i-1]} }})
		e := run.Of("A")[0]
		if e.Attempts != tc.attempts || e.Status != tc.status || e.Inputs != nil {
			t.Errorf("%v: %+v", tc.answers, e)
		}
	}
}
