package kql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/kql"
)

func noon() time.Time { return time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC) }

func db() kql.Database {
	at := func(minutes int) time.Time { return noon().Add(-time.Duration(minutes) * time.Minute) }
	events := &kql.Table{
		Columns: []kql.Column{
			{Name: "id_s", Type: kql.String},
			{Name: "created_t", Type: kql.Datetime},
			{Name: "type_s", Type: kql.String},
			{Name: "count_d", Type: kql.Real},
			{Name: "ok_b", Type: kql.Bool},
			{Name: "Extra", Type: kql.Dynamic},
		},
		Rows: [][]any{
			{"a", at(0), "AUTH", 1.0, true, kql.Value(`{"x":{"y":7},"l":["p","q"]}`)},
			{"b", at(3), "AUTH", 2.5, false, nil},
			{"c", at(61), "SSO login", nil, nil, nil},
			{"c", at(1500), "SSO login", 4.0, true, nil},
		},
	}
	return kql.Database{Now: noon(), Table: func(name string) *kql.Table {
		if name == "T_CL" {
			return events
		}
		return nil
	}}
}

func show(t *kql.Table) string {
	var lines []string
	for _, row := range t.Rows {
		var cells []string
		for _, v := range row {
			cells = append(cells, kql.Text(v))
		}
		lines = append(lines, strings.Join(cells, ","))
	}
	return strings.Join(lines, ";")
}

func TestRun(t *testing.T) {
	const whole = "2026-09-01T12:00:00.0000000Z"
	for name, c := range map[string]struct{ query, want string }{
		"count":             {`T_CL | count`, "4"},
		"where_ago":         {`T_CL | where created_t > ago(1h) | project id_s`, "a;b"},
		"where_datetime":    {`T_CL | where created_t >= datetime(2026-09-01 11:57) | project id_s`, "a;b"},
		"between":           {`T_CL | where created_t between (datetime(2026-09-01) .. datetime(2026-09-01T11:57:00Z)) | project id_s`, "b;c"},
		"between_span":      {`T_CL | where created_t between (datetime(2026-09-01) .. 11h) | project id_s`, "c"},
		"not_between":       {`T_CL | where count_d !between (1 .. 3) | project id_s`, "c"},
		"equal":             {`T_CL | where type_s == "AUTH" and ok_b | project id_s`, "a"},
		"not_equal_null":    {`T_CL | where count_d != 1 | project id_s`, "b;c;c"},
		"equal_ignore_case": {`T_CL | where type_s =~ 'auth' | count`, "2"},
		"in":                {`T_CL | where id_s in ("a", "c") | count`, "3"},
		"not_in":            {`T_CL | where id_s !in ("a", "c") | count`, "1"},
		"in_ignore_case":    {`T_CL | where id_s in~ ("A") | count`, "1"},
		"contains":          {`T_CL | where type_s contains "so LO" | count`, "2"},
		"not_contains_cs":   {`T_CL | where type_s !contains_cs "sso" | count`, "4"},
		"has":               {`T_CL | where type_s has "login" | count`, "2"},
		"has_no_part":       {`T_CL | where type_s has "log" | count`, "0"},
		"startswith":        {`T_CL | where type_s startswith "sso" | count`, "2"},
		"not_endswith":      {`T_CL | where type_s !endswith "TH" | count`, "2"},
		"regex":             {`T_CL | where type_s matches regex @"^A\w+$" | count`, "2"},
		"or_not":            {`T_CL | where id_s == 'a' or not(type_s == 'AUTH') | count`, "3"},
		"and_before_or":     {`T_CL | where id_s == 'a' or id_s == 'b' and ok_b | count`, "1"},
		"parentheses":       {`T_CL | where (id_s == 'a' or id_s == 'b') and ok_b == true | count`, "1"},
		"summarize_count":   {`T_CL | summarize count() by type_s`, "AUTH,2;SSO login,2"},
		"summarize_names":   {`T_CL | summarize N = count(), Ids = dcount(id_s) by Kind = tolower(type_s)`, "auth,2,2;sso login,2,1"},
		"summarize_bin":     {`T_CL | summarize count() by bin(created_t, 1h)`, whole + ",1;2026-09-01T11:00:00.0000000Z,1;2026-09-01T10:00:00.0000000Z,1;2026-08-31T11:00:00.0000000Z,1"},
		"summarize_none":    {`T_CL | where false | summarize count()`, "0"},
		"summarize_only_by": {`T_CL | summarize by id_s`, "a;b;c"},
		"numbers":           {`T_CL | summarize sum(count_d), avg(count_d), min(count_d), max(count_d), countif(ok_b), sumif(count_d, ok_b), dcountif(id_s, ok_b)`, "7.5,2.5,1,4,2,5,2"},
		"arg_max":           {`T_CL | summarize arg_max(created_t, type_s) by id_s | where id_s == "c" | project created_t`, "2026-09-01T10:59:00.0000000Z"},
		"arg_min_star":      {`T_CL | summarize arg_min(created_t, *) by id_s | count`, "3"},
		"take_any":          {`T_CL | summarize take_any(*) by id_s | count`, "3"},
		"make_set":          {`T_CL | summarize make_set(id_s)`, `["a","b","c"]`},
		"make_set_arrays":   {`T_CL | summarize make_set(parse_json('["x","y",null,["x"]]')), make_set(parse_json('{"k":[1]}'))`, `["x","y",["x"]],[{"k":[1]}]`},
		"make_list":         {`T_CL | summarize make_list(count_d)`, `[1,2.5,4]`},
		"distinct":          {`T_CL | distinct type_s`, "AUTH;SSO login"},
		"distinct_all":      {`T_CL | project id_s | distinct *`, "a;b;c"},
		"take":              {`T_CL | take 2 | project id_s`, "a;b"},
		"top":               {`T_CL | top 2 by count_d | project id_s`, "c;b"},
		"sort":              {`T_CL | sort by created_t asc | project id_s`, "c;c;b;a"},
		"sort_nulls":        {`T_CL | order by count_d asc nulls last, id_s | project count_d`, "1;2.5;4;"},
		"project":           {`T_CL | take 1 | project Id = id_s, Double = count_d * 2, L = strlen(type_s)`, "a,2,4"},
		"project_away":      {`T_CL | take 1 | project-away created_t, Extra, ok_b`, "a,AUTH,1"},
		"project_keep":      {`T_CL | take 1 | project-keep type_s, id_s`, "a,AUTH"},
		"project_rename":    {`T_CL | take 1 | project-rename Id = id_s | project Id`, "a"},
		"extend":            {`T_CL | take 1 | extend type_s = "x", More = strcat(id_s, "-", 1) | project type_s, More`, "x,a-1"},
		"column_ifexists":   {`T_CL | take 1 | project A = column_ifexists('id_s', ''), B = column_ifexists('none', 'n')`, "a,n"},
		"dynamic":           {`T_CL | take 1 | project Extra.x.y, Extra["l"][1], isnull(Extra.none)`, "7,q,True"},
		"dynamic_compare":   {`T_CL | where Extra.x.y == 7 | count`, "1"},
		"expand":            {`T_CL | take 2 | mv-expand L = Extra.l | project id_s, L`, "a,p;a,q;b,"},
		"expand_itself":     {`print d = dynamic([1, null, {"a":2}, []]), k = 7 | mv-expand d | project d, k`, `1,7;,7;{"a":2},7;[],7`},
		"expand_an_object":  {`print d = dynamic({"a":[1],"b":2}) | mv-expand d`, `{"a":[1]};{"b":2}`},
		"expand_nothing":    {`print d = dynamic([]) | mv-expand d | count`, "1"},
		"expand_a_text":     {`print s = '[{"a":{"b":"x"}},{"a":{"b":"y"}}]' | mv-expand todynamic(s) | where s.a.b == "y" | project s`, `{"a":{"b":"y"}}`},
		"named_after":       {`print d = dynamic({"a":1}) | summarize count() by tostring(d.a) | project d_a, count_`, "1,1"},
		"iff_case":          {`T_CL | take 1 | project iff(isempty(id_s), 1, 2), case(false, "x", id_s == "a", "y", "z"), coalesce("", "w")`, "2,y,w"},
		"dates":             {`print now() - ago(90m), startofday(now()), todatetime("2026-09-01T12:00:00Z") == now()`, "01:30:00,2026-09-01T00:00:00.0000000Z,True"},
		"numbers_of_texts":  {`print tolong("12") + 1, todouble("1.5"), toint("x"), tobool("TRUE"), 7 / 2, 7 % 4, -3 + 1.5`, "13,1.5,,True,3,3,-1.5"},
		"spans":             {`print 1d + 2h, 1h / 30m, timespan(1.02:03:04), -5m`, "1.02:00:00,2,1.02:03:04,-00:05:00"},
		"let":               {"let from = ago(1h);\nlet kind = 'AUTH';\nT_CL | where created_t > from and type_s == kind // the newest\n| count", "2"},
		"escapes":           {`print "a\"b", 'c"d', @'e\f', "\t"`, "a\"b,c\"d,e\\f,\t"},
		"parse_json":        {`print parse_json('{"a":[1,2]}').a[0]`, "1"},
		"bracketed_name":    {`T_CL | take 1 | project ['id_s']`, "a"},
		"division_by_zero":  {`print 1 / 0, 1 % 0`, ","},
		"semicolon":         {`T_CL | count;`, "4"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := kql.Run(c.query, db())
			if err != nil {
				t.Fatal(err)
			}
			if show(got) != c.want {
				t.Errorf("got %q, want %q", show(got), c.want)
			}
		})
	}
}

// The parts that hash() makes are all there is, and each of them has some.
func TestHash(t *testing.T) {
	rows := 0
	for part := range 2 {
		got, err := kql.Run(fmt.Sprintf(`T_CL | where hash(id_s, 2) == %d | count`, part), db())
		if err != nil {
			t.Fatal(err)
		}
		n, _ := got.Rows[0][0].(int64)
		rows += int(n)
	}
	if rows != 4 {
		t.Errorf("%d rows in the parts, want 4", rows)
	}
}

func TestRunRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		query    string
		semantic bool
		text     string
	}{
		"no_table":         {`Nothing_CL | count`, true, "'count' operator: Failed to resolve table or column expression named 'Nothing_CL'"},
		"no_column":        {`T_CL | where nothing == 1`, true, "'where' operator: Failed to resolve column or scalar expression named 'nothing'"},
		"no_column_away":   {`T_CL | project-away nothing`, true, "nothing"},
		"no_function":      {`T_CL | where geo_distance(id_s) > 1`, true, "geo_distance"},
		"no_aggregate":     {`T_CL | summarize percentile(count_d, 5)`, true, "percentile"},
		"arguments":        {`T_CL | where ago() < created_t`, true, "ago"},
		"types":            {`T_CL | where created_t > 5`, true, "datetime and long"},
		"arithmetic":       {`T_CL | extend x = id_s * 2`, true, "string"},
		"where_no_bool":    {`T_CL | where id_s`, true, "bool"},
		"operator":         {`T_CL | mv-apply Extra`, false, "mv"},
		"expand_two":       {`T_CL | mv-expand Extra, Extra`, true, "one column at a time"},
		"expand_a_text":    {`T_CL | mv-expand id_s`, true, "is a string"},
		"no_operator":      {`T_CL |`, false, "<EOF>"},
		"no_query":         {``, false, "<EOF>"},
		"open_quote":       {`T_CL | where id_s == "a`, false, "[1,21]"},
		"open_parenthesis": {`T_CL | where (id_s == "a"`, false, "<EOF>"},
		"second_line":      {"T_CL\n| take x", false, "[2,7]"},
		"sign":             {`T_CL # comment`, false, "#"},
		"bad_datetime":     {`T_CL | where created_t > datetime(yesterday)`, false, "yesterday"},
		"bad_dynamic":      {`print dynamic({"a":)`, false, ""},
		"too_deep":         {`print ` + strings.Repeat("(", 500), false, "("},
		"too_negative":     {`print ` + strings.Repeat("- ", 500) + "1", false, ""},
		"rest":             {`T_CL | count ) `, false, ")"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := kql.Run(c.query, db())
			var wrong *kql.Error
			if !errors.As(err, &wrong) || wrong.Semantic != c.semantic || !strings.Contains(wrong.Message, c.text) {
				t.Errorf("got %v and %v, want an error (semantic: %v) with %q", got, err, c.semantic, c.text)
			}
		})
	}
}

// Whatever the text, there is a table or an Error.
func FuzzRun(f *testing.F) {
	for _, q := range []string{`T_CL | count`, `T_CL | summarize arg_max(created_t, *) by bin(count_d, 2)`, `print -(1h) * 2, dynamic([1]), "\`, `let a = 1; T_CL | where id_s has a`, `T_CL | where Extra.x[0] in~ (1, @'')`} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		table, err := kql.Run(query, db())
		var wrong *kql.Error
		if err != nil && !errors.As(err, &wrong) {
			t.Fatalf("%v is no Error", err)
		}
		if err == nil {
			for _, row := range table.Rows {
				if len(row) != len(table.Columns) {
					t.Fatalf("a row of %d cells for %d columns", len(row), len(table.Columns))
				}
			}
		}
	})
}
