package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/deploy"
)

// output plays a template with one output.
func output(t *testing.T, expression string) (any, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.json")
	source := `{"$schema":"","contentVersion":"1.0.0.0",
		"parameters":{"p":{"type":"string","defaultValue":"[concat(parameters('q'), '!')]"},"q":{"type":"string","defaultValue":"hey"}},
		"variables":{"list":["a",["b"]],"map":{"k":{"n":7}},"loop":"[variables('loop')]"},
		"resources":[],"outputs":{"o":{"type":"string","value":"` + expression + `"}}}`
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	template, err := deploy.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := template.Resolve(deploy.Surroundings{}, nil)
	return d.Outputs["o"], err
}

func TestExpressions(t *testing.T) {
	for _, tc := range []struct {
		expression string
		want       any
	}{
		{"plain", "plain"},
		{"[[not an expression]", "[not an expression]"},
		{"['it''s']", "it's"},
		{"[parameters('p')]", "hey!"},
		{"[variables('map').k['n']]", 7.0},
		{"[variables('list')[1][0]]", "b"},
		{"[concat(variables('list'), createArray('c'))]", []any{"a", []any{"b"}, "c"}},
		{"[format('{0}-{1}-{0}', 'x', 3)]", "x-3-x"},
		{"[toLower(string(true()))]", "true"},
		{"[if(true(), 'yes', variables('none'))]", "yes"},
		{"[if(false(), variables('none').x[0], 'no')]", "no"},
		{"[resourceId('A.B/cs/ds', 'c', 'd')]", "/subscriptions/" + deploy.Subscription + "/resourceGroups/connector/providers/A.B/cs/c/ds/d"},
		{"[createObject('a', null(), 'b', -1)]", map[string]any{"a": nil, "b": -1.0}},
		{"[last(split('a//b', '//'))]", "b"},
		{"[and(not(empty('')), true())]", false},
		{"[filter(createArray('a', 'bb', 'c'), lambda('s', equals(length(lambdaVariables('s')), 1)))]", []any{"a", "c"}},
		{"[map(range(1, 2), lambda('i', map(createArray('x'), lambda('s', format('{0}{1}', lambdaVariables('s'), lambdaVariables('i'))))))]", []any{[]any{"x1"}, []any{"x2"}}},
		{"[toObject(createArray('a'), lambda('n', toUpper(lambdaVariables('n'))), lambda('n', 1))]", map[string]any{"A": 1.0}},
		{"[if(true(), 'yes', map(variables('none'), lambda('n', lambdaVariables('other'))))]", "yes"},
		{"[union(createArray('a', 'b'), createArray('b'))]", []any{"a", "b"}},
		{"[union(createObject('a', createObject('b', 1, 'c', 2)), createObject('a', createObject('c', 3)))]", map[string]any{"a": map[string]any{"b": 1.0, "c": 3.0}}},
		{"[coalesce(tryGet(variables('map'), 'k', 'x'), tryGet(variables('map'), 'k', 'n'))]", 7.0},
		{"[and(contains(createArray('a'), 'a'), contains('bcd', 'cd'), contains(variables('map'), 'k'))]", true},
		{"[join(createArray('a', 'b'), ', ')]", "a, b"},
		{"[substring('abc', 1, 1)]", "b"},
	} {
		got, err := output(t, tc.expression)
		if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", tc.expression, err, diff)
		}
	}
	for expression, says := range map[string]string{
		"[variables('none')]":      "no variable none",
		"[variables('loop')]":      "refers to itself",
		"[parameters('none')]":     "no parameter none",
		"[variables('map').x]":     "no property x",
		"[toObject2('a')]":         "don't know this function",
		"[concat('a']":             "missing in concat()",
		"['a]":                     "does not end",
		"[toLower('a') 'b']":       "unexpected",
		"[toLower(1)]":             "arguments",
		"[copyIndex()]":            "no copy loop",
		"[resourceId('A.B/c')]":    "as many names",
		"[reference('elsewhere')]": "nothing is known",
		"[fail('say no')]":         "say no",
		"[lambdaVariables('n')]":   "no lambda around it",
		"[map(createArray('a'), lambda('n', lambdaVariables('m')))]": "no lambda around it",
		"[variables('list')['a']]":                                   "can't be taken",
		"[concat('a', concat('b']]":                                  "missing",
	} {
		if got, err := output(t, expression); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s gives %v, %v, want an error with %q", expression, got, err, says)
		}
	}
}
