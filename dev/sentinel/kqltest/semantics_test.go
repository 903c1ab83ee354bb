package kqltest_test

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// expressions are checked by hand against the documentation of the Kusto query
// language. The value is that of a column X of one row.
var expressions = []struct {
	kql  string
	want any
}{
	// null: equality with a value is false, of two nulls null; the rest is null
	{`int(null) == 1`, false},
	{`int(null) != 1`, true},
	{`int(null) == int(null)`, nil},
	{`int(null) != int(null)`, nil},
	{`int(null) > 1`, nil},
	{`int(null) > 1 or true`, true},
	{`int(null) > 1 and false`, false},
	{`int(null) > 1 and true`, nil},
	{`not(int(null) > 1)`, nil},
	{`iff(int(null) > 1, 'a', 'b')`, "b"},
	{`case(int(null) > 1, 'a', true, 'c', 'b')`, "c"},
	{`isnull(int(null))`, true},
	{`isnull(dynamic(null))`, true},
	{`isnull(parse_json('null'))`, true},
	{`isnull('')`, false},
	{`isempty('')`, true},
	{`isempty(int(null))`, true},
	{`isnotempty(' ')`, true},
	{`int(null) + 1`, nil},
	{`int(null) in (1, 2)`, false},
	{`coalesce('', 'b')`, "b"},
	{`coalesce(int(null), 7)`, 7.0},
	{`coalesce(tostring(dynamic(null)), '')`, ""},
	{`tostring(dynamic({"a": 1}).b)`, ""},
	{`strcat('a', tostring(dynamic(null)), 1)`, "a1"},
	{`max_of(1, 3, 2)`, 3.0},
	// text
	{`'Foo' == 'foo'`, false},
	{`'Foo' =~ 'foo'`, true},
	{`'Foo' !~ 'bar'`, true},
	{`'the quick fox' has 'quick'`, true},
	{`'the quickest fox' has 'quick'`, false},
	{`'the quickest fox' contains 'QUICK'`, true},
	{`'the quickest fox' contains_cs 'QUICK'`, false},
	{`'10.1.2.3' has '1.2'`, true},
	{`'10.11.2.3' has '1.2'`, false},
	{`'a-b c' has 'a-b'`, true},
	{`'Forbidden' !has 'forbid'`, true},
	{`'abc' hasprefix 'AB'`, true},
	{`'abc' startswith 'AB'`, true},
	{`'abc' startswith_cs 'AB'`, false},
	{`'abc' !endswith 'BC'`, false},
	{`'a b' has_any ('x', 'B')`, true},
	{`'a b' has_all ('a', 'x')`, false},
	{`'a b' has_any (dynamic(['x', 'b']))`, true},
	{`'Foo' in ('foo', 'bar')`, false},
	{`'Foo' in~ ('foo', 'bar')`, true},
	{`'Foo' !in~ ('foo', 'bar')`, false},
	{`2 in (1, 2)`, true},
	{`'b' in (dynamic(['a', 'b']))`, true},
	{`'login-failed' matches regex @'^(?:log)\w+-F'`, false},
	{`'login-failed' matches regex '(?i)^LOGIN'`, true},
	{`extract('a(b+)c', 1, 'xabbc')`, "bb"},
	{`extract('a(b+)c', 1, 'x')`, ""},
	{`replace_string('a-b-c', '-', '')`, "abc"},
	{`replace_regex('a1b22', @'\d+', '#')`, "a#b#"},
	{`split('a.b.c', '.')[1]`, "b"},
	{`substring('abcdef', 2, 3)`, "cde"},
	{`strlen('Zoë')`, 3.0},
	{`tolower('ABC')`, "abc"},
	{`trim('x', 'xax')`, "a"},
	{`indexof('abc', 'z')`, -1.0},
	// numbers
	{`7 / 2`, 3.0},
	{`7 / 2.0`, 3.5},
	{`-7 % 3`, -1.0},
	{`bin(7, 5)`, 5.0},
	{`bin(-7, 5)`, -10.0},
	{`bin(7.7, 0.5)`, 7.5},
	{`round(2.345, 2)`, 2.35},
	{`tolong('12')`, 12.0},
	{`tolong('x')`, nil},
	{`toreal('1.5')`, 1.5},
	{`todouble('')`, nil},
	{`tobool('true')`, true},
	{`3 between (1 .. 3)`, true},
	{`4 !between (1 .. 3)`, true},
	// time; now is 2026-09-02T10:20:30Z
	{`now()`, "2026-09-02T10:20:30Z"},
	{`ago(1d)`, "2026-09-01T10:20:30Z"},
	{`bin(now(), 1h)`, "2026-09-02T10:00:00Z"},
	{`startofday(now())`, "2026-09-02T00:00:00Z"},
	{`startofweek(now())`, "2026-08-30T00:00:00Z"},
	{`datetime(2026-09-02) - datetime(2026-09-01T12:00:00Z)`, "12:00:00"},
	{`datetime(2026-09-02) + 36h`, "2026-09-03T12:00:00Z"},
	{`now() between (ago(1h) .. 2h)`, true},
	{`datetime_diff('hour', datetime(2026-09-02T10:01:00Z), datetime(2026-09-02T08:59:00Z))`, 2.0},
	{`datetime_diff('day', datetime(2026-09-01), datetime(2026-09-02))`, -1.0},
	{`todatetime('2026-09-02T10:20:30.123Z')`, "2026-09-02T10:20:30.123Z"},
	{`todatetime('nonsense')`, nil},
	{`1d / 1h`, 24.0},
	{`2 * 90m`, "03:00:00"},
	{`hourofday(now())`, 10.0},
	{`dayofweek(now())`, "3.00:00:00"},
	{`isnull(todatetime(''))`, true},
	// dynamic
	{`parse_json('{"a":{"b":[1,"x"]}}').a.b[1]`, "x"},
	{`parse_json('{"a":1}')['a']`, 1.0},
	{`parse_json('{"a":1}').b`, nil},
	{`parse_json('not json')`, "not json"},
	{`tostring(parse_json('{"a":[1,2.5,true]}'))`, `{"a":[1,2.5,true]}`},
	{`tostring(parse_json('{"a":true}').a)`, "true"},
	{`todynamic('[3,4]')[-1]`, 4.0},
	{`array_length(dynamic([1, 2]))`, 2.0},
	{`array_length(dynamic([]))`, 0.0},
	{`array_length(parse_json('{"a": 1}'))`, nil},
	{`bag_pack('a', 1, 'b', 'x')`, map[string]any{"a": 1.0, "b": "x"}},
	{`bag_keys(dynamic({"a": 1, "b": 2}))`, []any{"a", "b"}},
	{`set_has_element(dynamic(['a', 'b']), 'b')`, true},
	{`pack_array(1, 'a')`, []any{1.0, "a"}},
	{`dynamic({"a": "x"}).a == 'x'`, true},
	{`dynamic({"a": 1}).b == 'x'`, false},
	{`has_any_ipv4_prefix('from 10.1.2.3 today', '10.1.')`, true},
	{`has_any_ipv4_prefix('from 110.1.2.3', dynamic(['10.1.']))`, false},
	{`ipv4_is_private('192.168.4.5')`, true},
	{`parse_ipv6_mask('fe80::85d:e82c:9446:7994', 64)`, "fe80:0000:0000:0000:0000:0000:0000:0000"},
	{`parse_ipv6_mask('fe80::85d:e82c:9446:7994', 120)`, "fe80:0000:0000:0000:085d:e82c:9446:7900"},
	{`parse_ipv6_mask('192.168.255.255', 120)`, "0000:0000:0000:0000:0000:ffff:c0a8:ff00"},
	{`parse_ipv6_mask('2001:db8::1::2', 64)`, ""},
	{`parse_ipv6_mask('', 64)`, ""},
	{`column_ifexists('missing', 'default')`, "default"},
	{`column_ifexists('one', 'default')`, "1"},
}

func TestExpressions(t *testing.T) {
	var ws kqltest.Workspace
	for _, e := range expressions {
		t.Run(e.kql, func(t *testing.T) {
			// A row in front of the expression keeps the parser from folding constants.
			out := ws.Run(t, "datatable(one: string)['1'] | extend X = "+e.kql, kqltest.Data{Now: "2026-09-02T10:20:30Z"})
			if diff := cmp.Diff(e.want, out.Rows[0]["X"]); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// numbers is a table of four rows; queries has what operators make of it.
const numbers = `let T = datatable(k: string, n: long, t: datetime, d: dynamic)[
	'a', 1, datetime(2026-01-01), dynamic([1, 2]),
	'b', long(null), datetime(null), dynamic(null),
	'a', 3, datetime(2026-01-03), dynamic(['x']),
	'', 2, datetime(2026-01-02), dynamic([])];
	let U = datatable(k: string, v: string)['a', 'one', 'a', 'two', 'c', 'three'];
	`

var queries = []struct {
	name, kql string
	want      string // rows as JSON arrays
}{
	{"where drops null", `T | where n > 1 | project n`, `[3] [2]`},
	{"not equal keeps null", `T | where n != 3 | project n`, `[1] [null] [2]`},
	{"sort is descending, nulls last", `T | sort by n | project n`, `[3] [2] [1] [null]`},
	{"ascending has nulls first", `T | sort by n asc | project n`, `[null] [1] [2] [3]`},
	{"two keys", `T | sort by k asc, n desc | project k, n`, `["",2] ["a",3] ["a",1] ["b",null]`},
	{"top", `T | top 2 by n | project n`, `[3] [2]`},
	{"count", `T | count`, `[4]`},
	{"aggregates skip nulls", `T | summarize count(), sum(n), avg(n), min(n), max(n), dcount(n)`, `[4,6,2,1,3,3]`},
	{"aggregates of nothing", `T | where false | summarize count(), max(n), make_set(k)`, `[0,null,[]]`},
	{"groups of nothing", `T | where false | summarize count() by k`, ``},
	{"groups", `T | summarize c = count(), s = make_set(n) by k | sort by k asc`, `["",1,[2]] ["a",2,[1,3]] ["b",1,[]]`},
	{"countif", `T | summarize countif(n > 1), dcountif(k, n > 1)`, `[2,2]`},
	{"a set takes the elements of arrays", `datatable(n: int, a: dynamic)[1, dynamic(['x', 'y']), 2, dynamic(['y', 'z', null]), 3, dynamic([['x']]), 4, dynamic([])] | summarize make_set(a), make_set_if(a, n > 1), array_length(make_set(a, 2))`, `[["x","y","z",["x"]],["y","z",["x"]],2]`},
	{"a set takes text and arrays of a dynamic column", `datatable(a: dynamic)[dynamic('x'), dynamic(['x', 'y']), dynamic({'k': ['x']}), dynamic(null)] | summarize make_set(a)`, `[["x","y",{"k":["x"]}]]`},
	{"a list keeps arrays whole", `datatable(a: dynamic)[dynamic(['x', 'y']), dynamic(['y'])] | summarize make_list(a), make_list_if(a, true)`, `[[["x","y"],["y"]],[["x","y"],["y"]]]`},
	{"empty text is kept in sets", `T | summarize make_set(k)`, `[["a","b",""]]`},
	{"arithmetic of aggregates", `T | summarize share = 100.0 * countif(n > 1) / count()`, `[50]`},
	{"arg_max with star", `T | summarize arg_max(n, *) by k | sort by k asc | project k, n, t`, `["",2,"2026-01-02T00:00:00Z"] ["a",3,"2026-01-03T00:00:00Z"] ["b",null,null]`},
	{"arg_min with columns", `T | summarize arg_min(n, t) by k | where k == 'a'`, `["a",1,"2026-01-01T00:00:00Z"]`},
	{"take_any", `T | summarize take_any(n) by k | where k == 'a'`, `["a",1]`},
	{"percentile", `range x from 1 to 10 step 1 | summarize percentile(x, 90)`, `[9]`},
	{"bins count from the year 1", `T | where isnotnull(t) | summarize count() by bin(t, 2d) | sort by t asc`, `["2026-01-01T00:00:00Z",2] ["2026-01-03T00:00:00Z",1]`},
	{"distinct", `T | distinct k`, `["a"] ["b"] [""]`},
	{"mv-expand keeps the row of an empty array", `T | mv-expand d | project k, d`, `["a",1] ["a",2] ["b",null] ["a","x"] ["",null]`},
	{"mv-expand of a text is called like it", `print s = '[1,{"a":2}]' | mv-expand todynamic(s) | project s`, `[1] [{"a":2}]`},
	{"mv-expand to a type", `T | where n == 1 | mv-expand d to typeof(string) | project d`, `["1"] ["2"]`},
	{"inner", `T | project k, n | join kind=inner U on k | project k, n, v`, `["a",1,"one"] ["a",1,"two"] ["a",3,"one"] ["a",3,"two"]`},
	{"innerunique takes one left row per key", `T | project k, n | join kind=innerunique U on k | project n, v`, `[1,"one"] [1,"two"]`},
	{"leftouter", `T | where n == 2 or n == 1 | project k, n | join kind=leftouter U on $left.k == $right.k`, `["a",1,"a","one"] ["a",1,"a","two"] ["",2,"",""]`},
	{"leftanti", `T | join kind=leftanti U on k | project k`, `["b"] [""]`},
	{"leftsemi", `T | join kind=leftsemi U on k | project n`, `[1] [3]`},
	{"null joins nothing", `T | project n | join kind=inner (T | project n) on n | project n`, `[1] [3] [2]`},
	{"lookup", `T | project k, n | lookup (U | summarize v = max(v) by k) on k`, `["a",1,"two"] ["b",null,""] ["a",3,"two"] ["",2,""]`},
	{"union by name", `T | where n == 1 | project k, n | union (U | where k == 'c')`, `["a",1,""] ["c",null,"three"]`},
	{"union of what exists", `union isfuzzy=true (T | where n == 1 | project n), Missing, (Missing2 | extend n = 2)`, `[1]`},
	{"project-away and -rename", `T | take 1 | project-away t, d | project-rename m = n`, `["a",1]`},
	{"extend replaces in place", `T | take 1 | project k, n | extend k = 'z', x = n + 1`, `["z",1,2]`},
	{"prev", `range x from 1 to 3 step 1 | serialize | extend p = prev(x)`, `[1,null] [2,1] [3,2]`},
	{"functions with defaults", `let f = (a: long, b: long = 10) { a + b }; print f(1), f(1, b = 2)`, `[11,3]`},
	{"functions over tables", `let f = (x: (k: string, n: long), least: long) { x | where n >= least }; T | project k, n | invoke f(2)`, `["a",3] ["",2]`},
	{"views", `let f = view () { T | where n == 1 }; union f, f | count`, `[2]`},
	{"toscalar", `let m = toscalar(T | summarize max(n)); T | where n == m | project k`, `["a"]`},
	{"in a table", `T | where k in ((U | project k)) | project n`, `[1] [3]`},
	{"query parameters have their defaults", `declare query_parameters(least: long = 2); T | where n >= least | project n`, `[3] [2]`},
	{"names in brackets", `T | take 1 | project ['a b'] = k`, `["a"]`},
	{"pack_all skips the empty", `T | where k == '' | project k, n | project b = pack_all(true)`, `[{"n":2}]`},
}

func TestQueries(t *testing.T) {
	var ws kqltest.Workspace
	for _, q := range queries {
		t.Run(q.name, func(t *testing.T) {
			text := numbers + q.kql
			if head, rest, ok := strings.Cut(q.kql, "; "); ok && strings.HasPrefix(head, "declare") {
				text = head + "; " + numbers + rest
			}
			out := ws.Run(t, text, kqltest.Data{Now: "2026-09-02T10:20:30Z"})
			if diff := cmp.Diff(q.want, rowsText(t, out)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// rowsText writes rows as JSON arrays, separated by a space.
func rowsText(t *testing.T, out kqltest.Table) string {
	t.Helper()
	var rows []string
	for _, r := range out.Rows {
		var cells []any
		for _, c := range out.Columns {
			cells = append(cells, r[c.Name])
		}
		rows = append(rows, jsonText(t, cells))
	}
	return strings.Join(rows, " ")
}

func TestRowsOfTables(t *testing.T) {
	ws := kqltest.Workspace{Tables: map[string]jsontext.Value{"T": jsontext.Value(`{"TimeGenerated":"datetime","n":"long"}`)}}
	data := kqltest.Data{Now: "2026-09-02T10:20:30Z", Rows: map[string][]kqltest.Row{"T": {
		{"TimeGenerated": "2026-09-01T00:00:00Z", "n": 1},
		{"TimeGenerated": "2026-09-01T00:00:00Z", "$ingested": "2026-09-02T00:00:00Z"},
	}}}
	out := ws.Run(t, `T | where n > 0 or true | project n, Type, at = ingestion_time()`, data)
	want := `[1,"T","2026-09-01T00:00:00Z"] [null,"T","2026-09-02T00:00:00Z"]`
	if diff := cmp.Diff(want, rowsText(t, out)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for name, row := range map[string]kqltest.Row{
		"no column x":    {"x": 1},
		`"1" is no long`: {"n": "1"},
		"1.5 is no long": {"n": 1.5},
		"is no datetime": {"TimeGenerated": "yesterday"},
	} {
		_, err := ws.TryRun(t, `T`, kqltest.Data{Now: data.Now, Rows: map[string][]kqltest.Row{"T": {row}}})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("row %v: %v; want %q", row, err, name)
		}
	}
}

// TestPlaces: the places of addresses are the stand-in's own. Berlin and Paris are
// 878 km apart on the ellipsoid, a little less on the sphere.
func TestPlaces(t *testing.T) {
	var ws kqltest.Workspace
	for query, want := range map[string]string{
		`print a = tostring(geo_info_from_ip_address('203.0.113.7').country), b = isnull(geo_info_from_ip_address('10.0.0.1').latitude)`:             `["Germany",true]`,
		`print a = round(geo_distance_2points(13.4, 52.52, 2.35, 48.86) / 1000.0), b = isnull(geo_distance_2points(real(null), 52.52, 2.35, 48.86))`: `[877,true]`,
	} {
		if got := rowsText(t, ws.Run(t, query, kqltest.Data{Now: "2026-09-02T10:20:30Z"})); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

func TestWatchlists(t *testing.T) {
	var ws kqltest.Workspace
	data := kqltest.Data{Now: "2026-09-02T10:20:30Z", Watchlists: map[string][]string{"Trusted": {"10.0.0.0/8", "ann"}}}
	for query, want := range map[string]string{
		`_GetWatchlist('Trusted') | project SearchKey`:                                               `["10.0.0.0/8"] ["ann"]`,
		`_GetWatchlist('Absent') | project SearchKey`:                                                ``,
		`print n = array_length(toscalar(_GetWatchlist('Absent') | summarize make_list(SearchKey)))`: `[0]`,
	} {
		if got := rowsText(t, ws.Run(t, query, data)); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

// TestUnknownConstructs shows that the interpreter says what it can't do.
func TestUnknownConstructs(t *testing.T) {
	var ws kqltest.Workspace
	for query, want := range map[string]string{
		`print x = tostring(1 == 1)`:                                      "a bool as text",
		`print x = rand()`:                                                "function rand()",
		`range x from 1 to 2 step 1 | summarize tdigest(x)`:               "tdigest()",
		`range x from 1 to 2 step 1 | sample 1`:                           "operator SampleOperator",
		`range x from 1 to 2 step 1 | reduce by tostring(x)`:              "ReduceByOperator",
		`print x = 'a' matches regex @'(?U)a'`:                            "regular expression flags U",
		`datatable(d: dynamic)[dynamic([1])] | where d == d`:              "comparison of dynamic",
		`datatable(d: dynamic)[dynamic({})] | where tostring(d.x) == d.y`: "isempty()",
		`print x = 1 | union kind=inner (print x = 2)`:                    "union kind=inner",
		`print x = 1 | union (print x = 'a')`:                             "different types",
		`union isfuzzy=true (print x = 1), (Missing | extend y = 1)`:      "column y, from columns of different types or a missing table",
		`print a = dynamic([1]), b = dynamic([2]) | mv-expand a, b`:       "mv-expand of several columns",
	} {
		_, err := ws.TryRun(t, query, kqltest.Data{Now: "2026-09-02T10:20:30Z"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want an error with %q", query, err, want)
		}
	}
}

// TestCheckCanFail seeds faults that the check must find.
func TestCheckCanFail(t *testing.T) {
	ws := kqltest.Workspace{
		Tables:    map[string]jsontext.Value{"Events_CL": jsontext.Value(`{"TimeGenerated":"datetime","status_s":"string","n_d":"real"}`)},
		Functions: []kqltest.Function{{Name: "Parser", Params: "starttime: datetime = datetime(null)", Body: "Events_CL | where isnull(starttime) or TimeGenerated >= starttime"}},
	}
	for name, c := range map[string]struct{ query, want string }{
		"unknown column":             {`Events_CL | where state_s == 'x'`, "state_s"},
		"unknown column of function": {`Parser(ago(1d)) | project State`, "State"},
		"misspelt table":             {`Event_CL | count`, "Event_CL"},
		"misspelt function":          {`Parsers() | count`, "Parsers"},
		"wrong type":                 {`Events_CL | where n_d has 'x'`, "string"},
		"too many arguments":         {`Parser(ago(1d), 2)`, "argument"},
		"unknown argument":           {`Parser(start = now())`, "argument name"},
		"no operator":                {`Events_CL | wher n_d > 1`, "KS176"},
		"unbalanced":                 {`Events_CL | where (n_d > 1`, ")"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ws.Check(t, c.query)
			if len(got.Errors) == 0 || !strings.Contains(strings.Join(got.Errors, "\n"), c.want) {
				t.Errorf("errors %q; want one with %q", got.Errors, c.want)
			}
		})
	}
	got := ws.MustCheck(t, `Parser | summarize Last = max(TimeGenerated), n = count() by status_s`)
	want := []kqltest.Column{{Name: "status_s", Type: "string"}, {Name: "Last", Type: "datetime"}, {Name: "n", Type: "long"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got)\n%s", diff)
	}
}
