package workspace_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/workspace"
)

// store posts rows, each on its own, and returns their table.
func store(t *testing.T, timeField string, rows ...string) *workspace.Table {
	t.Helper()
	ws := &workspace.Workspace{Now: at(noon)}
	for _, row := range rows {
		p := post{body: "[" + row + "]", header: map[string]string{"time-generated-field": timeField}}
		if got := serve(ws, p.request(noon)); got.Status != 200 {
			t.Fatalf("%s: %+v", row, got)
		}
	}
	return ws.Table("T")
}

// own drops the columns that each table has, and those of each row.
func own(table *workspace.Table) (columns []string, rows []workspace.Row) {
	for _, c := range table.Columns()[12:] {
		columns = append(columns, c.Name+" "+c.Type)
	}
	for _, row := range table.Rows() {
		for _, name := range []string{"TenantId", "Type", "SourceSystem", "TimeGenerated"} {
			delete(row, name)
		}
		rows = append(rows, row)
	}
	return columns, rows
}

func TestColumns(t *testing.T) {
	type want struct {
		Columns []string
		Rows    []workspace.Row
		Losses  []string
	}
	long := strings.Repeat("x", 33000)
	for name, c := range map[string]struct {
		rows []string
		want want
	}{
		"types": {
			[]string{`{"s":"x","e":"","b":true,"d":1.50,"t":"2026-09-01T10:00:00.123+02:00","a":[ 1, "x" ],"n":null,"o":{"p":{"q":false}},"z":{}}`},
			want{
				[]string{"s_s string", "e_s string", "b_b bool", "d_d real", "t_t datetime", "a_s string", "o_p_q_b bool"},
				[]workspace.Row{{"s_s": "x", "e_s": "", "b_b": "true", "d_d": "1.5", "t_t": "2026-09-01T08:00:00.123Z", "a_s": `[1,"x"]`, "o_p_q_b": "false"}},
				nil,
			},
		},
		"guids": {
			[]string{`{"a":"8145d82213a744ad859c36f31a84f6dd","b":"9909ED01-A74C-4874-8ABF-D2678E3AE23D","c":"{2d1ec18a-84cc-4659-bf75-a1ce4d56a9c5}","d":"8145d822-13a744ad859c36f31a84f6dd"}`},
			want{
				[]string{"a_g string", "b_g string", "c_s string", "d_s string"},
				[]workspace.Row{{
					"a_g": "8145d822-13a7-44ad-859c-36f31a84f6dd", "b_g": "9909ED01-A74C-4874-8ABF-D2678E3AE23D",
					"c_s": "{2d1ec18a-84cc-4659-bf75-a1ce4d56a9c5}", "d_s": "8145d822-13a744ad859c36f31a84f6dd",
				}},
				nil,
			},
		},
		"dates_of_other_forms": {
			[]string{`{"a":"2026-09-01","b":"2026-09-01 10:00:00","c":"2026-09-01T10:00","d":"2026-13-01T10:00:00Z","e":"2026-09-01T10:00:00+0000"}`},
			want{
				[]string{"a_s string", "b_s string", "c_t datetime", "d_s string", "e_t datetime"},
				[]workspace.Row{{"a_s": "2026-09-01", "b_s": "2026-09-01 10:00:00", "c_t": "2026-09-01T10:00:00Z", "d_s": "2026-13-01T10:00:00Z", "e_t": "2026-09-01T10:00:00Z"}},
				nil,
			},
		},
		"convertible_text_goes_into_the_first_column": {
			[]string{`{"n":1,"b":true,"s":"x"}`, `{"n":"2","b":"False","s":"3"}`},
			want{
				[]string{"n_d real", "b_b bool", "s_s string"},
				[]workspace.Row{{"n_d": "1", "b_b": "true", "s_s": "x"}, {"n_d": "2", "b_b": "false", "s_s": "3"}},
				nil,
			},
		},
		"other_values_get_a_second_column": {
			[]string{`{"n":1,"b":true,"s":"x"}`, `{"n":"x","b":2,"s":3}`, `{"n":"4","b":"5"}`},
			want{
				[]string{"n_d real", "b_b bool", "s_s string", "n_s string", "b_d real", "s_d real"},
				[]workspace.Row{{"n_d": "1", "b_b": "true", "s_s": "x"}, {"n_s": "x", "b_d": "2", "s_d": "3"}, {"n_s": "4", "b_d": "5"}},
				nil,
			},
		},
		"one_property_in_two_columns_by_value": {
			[]string{`{"id":"8145d82213a744ad859c36f31a84f6dd"}`, `{"id":"x"}`},
			want{[]string{"id_g string", "id_s string"}, []workspace.Row{{"id_g": "8145d822-13a7-44ad-859c-36f31a84f6dd"}, {"id_s": "x"}}, nil},
		},
		"computer_has_no_suffix": {[]string{`{"Computer":"host"}`}, want{nil, []workspace.Row{{"Computer": "host"}}, nil}},
		"value_cut":              {[]string{`{"a":"` + long + `"}`}, want{[]string{"a_s string"}, []workspace.Row{{"a_s": long[:32766]}}, []string{"row 1: value of a_s truncated from 33000 to 32766 bytes"}}},
		"digits_lost":            {[]string{`{"a":9007199254740993,"b":1e400}`}, want{[]string{"a_d real", "b_d real"}, []workspace.Row{{"a_d": "9.007199254740992e+15", "b_d": "+Inf"}}, []string{"row 1: digits of a", "row 1: digits of b"}}},
		"name_of_45":             {[]string{`{"` + strings.Repeat("n", 45) + `":"x"}`}, want{[]string{strings.Repeat("n", 45) + "_s string"}, []workspace.Row{{strings.Repeat("n", 45) + "_s": "x"}}, nil}},
		"name_of_46":             {[]string{`{"` + strings.Repeat("n", 46) + `":"x"}`}, want{nil, []workspace.Row{{}}, []string{"row 1: column name " + strings.Repeat("n", 46) + "_s is longer than 45 without its suffix"}}},
		"characters":             {[]string{`{"a b":1}`}, want{nil, []workspace.Row{{}}, []string{`row 1: column name "a b_d" has characters that are not allowed`}}},
		"clash":                  {[]string{`{"a":{"b":1},"a_b":2}`}, want{[]string{"a_b_d real"}, []workspace.Row{{"a_b_d": "2"}}, []string{"row 1: two values for column a_b_d"}}},
		"repeated_name":          {[]string{`{"a":1,"a":"x"}`}, want{[]string{"a_d real", "a_s string"}, []workspace.Row{{"a_d": "1", "a_s": "x"}}, []string{`row 1: name "a" twice in one object`}}},
		"broken_text":            {[]string{"{\"a\":\"\xff\",\"b\":[\"\xff\"]}"}, want{[]string{"a_s string", "b_s string"}, []workspace.Row{{"a_s": "\uFFFD", "b_s": "[\"\uFFFD\"]"}}, []string{"row 1: broken text in a", "row 1: array in b has repeated names or broken text"}}},
	} {
		t.Run(name, func(t *testing.T) {
			table := store(t, "", c.rows...)
			columns, rows := own(table)
			if diff := cmp.Diff(c.want, want{columns, rows, table.Losses()}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestColumnsOfEachTable(t *testing.T) {
	table := store(t, "", `{"a":1}`)
	want := workspace.Row{"TenantId": workspace.DefaultID, "Type": "T_CL", "SourceSystem": "RestAPI", "TimeGenerated": "2026-09-02T12:00:00Z", "a_d": "1"}
	if diff := cmp.Diff([]workspace.Row{want}, table.Rows()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(table.Columns()); n != 13 {
		t.Errorf("%d columns", n)
	}
}

func TestColumn501GoesToAdditionalFields(t *testing.T) {
	var row strings.Builder
	for i := range 490 {
		fmt.Fprintf(&row, `,"c%d":%d`, i, i)
	}
	table := store(t, "", "{"+row.String()[1:]+"}", `{"c489":"again","c0":7}`)
	rows := table.Rows()
	if len(table.Columns()) != 500 || rows[0]["c487_d"] != "487" || rows[0]["AdditionalFields"] != `{"c488":488,"c489":489}` {
		t.Errorf("%d columns, AdditionalFields %s", len(table.Columns()), rows[0]["AdditionalFields"])
	}
	if rows[1]["c0_d"] != "7" || rows[1]["AdditionalFields"] != `{"c489":"again"}` {
		t.Errorf("second row %v", rows[1])
	}
}

func TestTimeGenerated(t *testing.T) {
	now := noon.Format(time.RFC3339)
	for name, c := range map[string]struct{ field, row, want string }{
		"not_asked_for": {"", `{"created":"2026-09-02T11:00:00Z"}`, now},
		"taken":         {"created", `{"created":"2026-09-02T11:00:00.5Z"}`, "2026-09-02T11:00:00.5Z"},
		"absent":        {"created", `{"id":"1"}`, now},
		"null":          {"created", `{"created":null}`, now},
		"no_time":       {"created", `{"created":"yesterday"}`, now},
		"nearly_2_days": {"created", `{"created":"2026-08-31T12:00:01Z"}`, "2026-08-31T12:00:01Z"},
		"over_2_days":   {"created", `{"created":"2026-08-31T11:59:59Z"}`, now},
		"nearly_1_day":  {"created", `{"created":"2026-09-03T11:59:59Z"}`, "2026-09-03T11:59:59Z"},
		"over_1_day":    {"created", `{"created":"2026-09-03T12:00:01Z"}`, now},
	} {
		t.Run(name, func(t *testing.T) {
			if got := store(t, c.field, c.row).Rows()[0]["TimeGenerated"]; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestRowsGrow(t *testing.T) {
	ws := &workspace.Workspace{Now: at(noon)}
	for i := 1; i <= 3; i++ {
		serve(ws, post{body: `[{"a":"x"}]`}.request(noon))
		if got := len(ws.Table("T").Rows()); got != i {
			t.Errorf("%d rows after %d posts", got, i)
		}
	}
	if diff := cmp.Diff("T_CL", ws.Tables()[0].Name()); diff != "" || len(ws.Tables()) != 1 {
		t.Error(diff)
	}
}
