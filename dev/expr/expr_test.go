package expr_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/expr"
)

// TestLiterals: what is read of a text, and what is left of it.
func TestLiterals(t *testing.T) {
	for text, want := range map[string]struct {
		value any
		ok    bool
		rest  string
	}{
		"'it''s' , x": {"it's", true, " , x"},
		`''`:          {"", true, ""},
		"\t-12.5)":    {-12.5, true, ")"},
		"name(1)":     {nil, false, "name(1)"},
		"":            {nil, false, ""},
	} {
		r := expr.NewReader(text)
		v, ok, err := r.Literal()
		if err != nil || ok != want.ok || r.Rest() != want.rest || cmp.Diff(want.value, v) != "" {
			t.Errorf("%q: %v, %v, %v, rest %q", text, v, ok, err, r.Rest())
		}
	}
	for _, text := range []string{"'no end", "'", "1.2.3", "-"} {
		r := expr.NewReader(text)
		if _, _, err := r.Literal(); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// TestWords: names end where their letters do, and spaces ahead of them do not count.
func TestWords(t *testing.T) {
	r := expr.NewReader("  a_B9.x")
	if w := r.Word(); w != "a_B9" || r.Accept(',') || !r.Accept('.') || r.Word() != "x" || r.Peek() != 0 || r.Word() != "" {
		t.Errorf("%q, rest %q", w, r.Rest())
	}
}

// TestFunctions: those that both languages have, also where their arguments are of several kinds.
func TestFunctions(t *testing.T) {
	object := func(name string, v any) map[string]any { return map[string]any{name: v} }
	for name, tc := range map[string]struct {
		function string
		args     []any
		want     any
	}{
		"coalesce":           {"coalesce", []any{nil, "", "x"}, ""},
		"coalesce of none":   {"coalesce", []any{nil, nil}, nil},
		"contains element":   {"contains", []any{[]any{object("a", 1.0)}, object("a", 1.0)}, true},
		"contains member":    {"contains", []any{object("a", nil), "a"}, true},
		"contains part":      {"contains", []any{"abc", "bd"}, false},
		"union of arrays":    {"union", []any{[]any{1.0, 2.0}, []any{2.0, 3.0}}, []any{1.0, 2.0, 3.0}},
		"union of objects":   {"union", []any{object("a", object("b", 1.0)), object("a", object("c", 2.0))}, object("a", map[string]any{"b": 1.0, "c": 2.0})},
		"join":               {"join", []any{[]any{"a", true, nil, 1.5, []any{"b"}}, ";"}, `a;True;;1.5;["b"]`},
		"split":              {"split", []any{"a,b,", ","}, []any{"a", "b", ""}},
		"if takes one":       {"if", []any{false, "a", "b"}, "b"},
		"and":                {"and", []any{true, false}, false},
		"or":                 {"or", []any{false, true}, true},
		"equals by value":    {"equals", []any{[]any{"a"}, []any{"a"}}, true},
		"json":               {"json", []any{`{"a": [null]}`}, object("a", []any{nil})},
		"trim and lower":     {"trim", []any{"\t a "}, "a"},
		"numbers":            {"sub", []any{1.0, 2.5}, -1.5},
		"replace everywhere": {"replace", []any{"aba", "a", ""}, "b"},
	} {
		if diff := cmp.Diff(tc.want, expr.Functions()[tc.function](tc.args)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
