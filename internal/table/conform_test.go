package table_test

import (
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/table"
)

// small are rules that a test case can break in one line.
func small() *table.Rules {
	return &table.Rules{MaxName: 22, MaxColumns: 4, MaxValue: 64, Reserved: []string{"RawData"}}
}

func TestRecordsThatFitComeBackAsTheyAre(t *testing.T) {
	long := strings.Repeat("x", 64)
	for name, raw := range map[string]string{
		"empty":                  `{}`,
		"all_kinds":              `{"a":"x","b":1,"c":true,"d":[1,"x",null]}`,
		"white_space":            " {\n\t\"a\" : { \"b\" : [ 1 , 2 ] } ,\r\n \"c\" : false }\n",
		"flattened":              `{"actor":{"name":"Zoë","id":"1"},"b":{}}`,
		"null_is_no_column":      `{"a":1,"b":2,"c":3,"d":4,"e":null,"f":null}`,
		"null_has_no_length":     `{"` + long + `":null}`,
		"underscores":            `{"_type":"event","_version":"v2"}`,
		"reserved_further_down":  `{"x":{"RawData":1}}`,
		"reserved_within":        `{"RawDatas":1,"awData":2}`,
		"name_at_the_limit":      `{"` + strings.Repeat("n", 22) + `":1}`,
		"joined_name_at_limit":   `{"` + strings.Repeat("n", 10) + `":{"` + strings.Repeat("m", 11) + `":1}}`,
		"name_with_escape":       `{"\u0061ctor":1}`,
		"value_at_the_limit":     `{"a":"` + long + `"}`,
		"escapes_count_decoded":  `{"a":"` + strings.Repeat(`\n`, 64) + `","b":"` + strings.Repeat(`\u00eb`, 32) + `","c":"` + strings.Repeat(`\ud83d\ude00`, 16) + `"}`,
		"array_counts_compacted": `{"a":[ ` + strings.Repeat(" ", 100) + `"x" ]}`,
		"array_names_are_free":   `{"a":[{"RawData":1,"b c":2},{"RawData":1}],"b":[{"x":{"x":1}}]}`,
		"same_name_elsewhere":    `{"a":{"x":1},"b":{"x":2},"x":3}`,
		"object_beside_a_column": `{"a":{"b":{}},"a_b":1}`, // both flatten to a_b, one has no value
		"case_differs":           `{"name":1,"Name":2}`,
		"decimals":               `{"a":0.1,"b":1.50,"c":-0.0,"d":1e20}`,
		"largest_integer":        `{"a":9007199254740992,"b":-9007199254740992,"c":1000000000000000,"d":0}`,
		"empty_string":           `{"ipAddress":"","details":""}`,
		"text_in_all_widths":     `{"a":"é","b":"€","c":"😀","d":"~\u007f"}`,
		"own_columns":            `{"idnConformed":"x","idnSurplus":"y"}`,
	} {
		t.Run(name, func(t *testing.T) {
			row, changes, err := small().Conform(jsontext.Value(raw))
			if err != nil || changes != nil || string(row) != raw {
				t.Fatalf("got %s, %q, %v", row, changes, err)
			}
			if unsafe.SliceData(row) != unsafe.SliceData([]byte(row)) || len(row) != len(raw) {
				t.Error("a copy came back")
			}
		})
	}
}

func TestRecordsThatDoNotFit(t *testing.T) {
	type want struct {
		Row     string // without the marker, which is the changes joined
		Changes []string
	}
	x64 := strings.Repeat("x", 64)
	for name, c := range map[string]struct {
		raw  string
		want want
	}{
		"name_too_long": {
			`{"attributes":{"directoryRolesDeltaToken":"t"},"b":1}`,
			want{`"attributes_di_e1e62c5d":"t","b":1`, []string{"attributes.directoryRolesDeltaToken: column is attributes_di_e1e62c5d"}},
		},
		"name_just_too_long": {
			`{"a2345678901234567890123":1}`,
			want{`"a234567890123_ca52b7b3":1`, []string{"a2345678901234567890123: column is a234567890123_ca52b7b3"}},
		},
		"joined_name_just_too_long": {
			`{"b":{"b23456789012345678901":2}}`,
			want{`"b_b2345678901_c828c881":2`, []string{"b.b23456789012345678901: column is b_b2345678901_c828c881"}},
		},
		"names_alike_when_shortened": {
			`{"a234567890123456789012345":1,"a234567890123456789012346":2}`,
			want{`"a234567890123_0b71e010":1,"a234567890123_0e71e4c9":2`, []string{
				"a234567890123456789012345: column is a234567890123_0b71e010",
				"a234567890123456789012346: column is a234567890123_0e71e4c9",
			}},
		},
		"characters": {
			`{"a b":1,"c-d":{"é":2}}`,
			want{`"a_b":1,"c_d__":2`, []string{"a b: column is a_b", "c-d.é: column is c_d__"}},
		},
		"mended_name_gives_way": {
			`{"a b":1,"a-b":2,"a_b":3}`,
			want{`"a_b_2":1,"a_b_3":2,"a_b":3`, []string{"a b: column is a_b_2", "a-b: column is a_b_3"}},
		},
		"empty_name":     {`{"":1,"a":{"":2}}`, want{`"_":1,"a__":2`, []string{": column is _", "a.: column is a__"}}},
		"reserved":       {`{"rawdata":"x"}`, want{`"rawdata_value":"x"`, []string{"rawdata: column is rawdata_value"}}},
		"reserved_null":  {`{"RawData":null,"a":1}`, want{`"a":1`, []string{"RawData: null left out"}}},
		"reserved_above": {`{"RawData":{"a":1}}`, want{`"RawData_a":1`, []string{"RawData: object with a name that no column can have"}}},
		"misspelt_null":  {`{"a b":null,"a":1}`, want{`"a":1`, []string{"a b: null left out"}}},
		"misspelt_empty": {`{"a b":{},"a":1}`, want{`"a":1`, []string{"a b: object with a name that no column can have"}}},
		"collision": {
			`{"a":{"b":1},"a_b":"x"}`,
			want{`"a_b":1,"a_b_2":"x"`, []string{"a_b: column is a_b_2"}},
		},
		"name_twice": {
			`{"a":1,"a":2,"a_2":3}`,
			want{`"a":1,"a_3":2,"a_2":3`, []string{"a: column is a_3", "a: name given twice"}},
		},
		"name_twice_once_null":    {`{"a":1,"a":null}`, want{`"a":1`, []string{"a: name given twice"}}},
		"name_twice_once_escaped": {`{"a":1,"\u0061":2}`, want{`"a":1,"a_2":2`, []string{"a: column is a_2", "a: name given twice"}}},
		"objects_twice":           {`{"a":{"x":1},"a":{"y":2}}`, want{`"a_x":1,"a_y":2`, []string{"a: name given twice"}}},
		"string_too_long": {
			`{"attributes":{"x":"` + x64 + `y"}}`,
			want{`"attributes_x":"` + x64 + `"`, []string{"attributes.x: value truncated from 65 to 64 bytes"}},
		},
		"string_cut_at_a_character": {
			`{"a":"` + x64[:63] + `é"}`,
			want{`"a":"` + x64[:63] + `"`, []string{"a: value truncated from 65 to 63 bytes"}},
		},
		"array_too_long": {
			`{"a":[ "` + x64 + `" ]}`,
			want{`"a":"[\"` + x64[:62] + `"`, []string{"a: array text truncated from 68 to 64 bytes"}},
		},
		"array_with_names_twice": {`{"a":[{"b":1,"b":2}]}`, want{`"a":"[{\"b\":1,\"b\":2}]"`, []string{"a: array sent as text"}}},
		"array_with_names_twice_once_escaped": {
			`{"a":[{"b":1,"\u0062":2}]}`,
			want{`"a":"[{\"b\":1,\"\\u0062\":2}]"`, []string{"a: array sent as text"}},
		},
		"array_with_long_number": {`{"a":[ 12345678901234567890 ]}`, want{`"a":"[12345678901234567890]"`, []string{"a: array sent as text"}}},
		"array_with_bad_text":    {"{\"a\":[\"\xff\"]}", want{`"a":"[\"` + "\uFFFD" + `\"]"`, []string{"a: array sent as text"}}},
		"array_with_half_pair":   {`{"a":["\ud800"]}`, want{`"a":"[\"\\ud800\"]"`, []string{"a: array sent as text"}}},
		"integer":                {`{"a":9007199254740993}`, want{`"a":"9007199254740993"`, []string{"a: number sent as text"}}},
		"integer_exact_but_above": {
			`{"a":9007199254740994,"b":9990000000000000}`,
			want{`"a":"9007199254740994","b":"9990000000000000"`, []string{"a: number sent as text", "b: number sent as text"}},
		},
		"digits":              {`{"a":0.12345678901234567890}`, want{`"a":"0.12345678901234567890"`, []string{"a: number sent as text"}}},
		"too_large":           {`{"a":-1e400}`, want{`"a":"-1e400"`, []string{"a: number sent as text"}}},
		"too_small":           {`{"a":1e-400}`, want{`"a":"1e-400"`, []string{"a: number sent as text"}}},
		"number_too_long":     {`{"a":1` + strings.Repeat("1", 64) + `}`, want{`"a":"` + strings.Repeat("1", 64) + `"`, []string{"a: number truncated from 65 to 64 digits"}}},
		"invalid_utf8":        {"{\"a\":\"x\xc3(\",\"b\":2}", want{`"a":"x` + "\uFFFD" + `(","b":2`, []string{"a: invalid Unicode replaced"}}},
		"half_pair":           {`{"a":"\ud83dx"}`, want{`"a":"` + "\uFFFDx" + `"`, []string{"a: invalid Unicode replaced"}}},
		"half_pair_and_other": {`{"a":"\ud83d\u0041"}`, want{`"a":"` + "\uFFFDA" + `"`, []string{"a: invalid Unicode replaced"}}},
		"half_pair_behind":    {`{"a":"\ude00"}`, want{`"a":"` + "\uFFFD" + `"`, []string{"a: invalid Unicode replaced"}}},
		"invalid_in_name":     {"{\"a\xff\":1}", want{`"a_":1`, []string{"a\uFFFD: column is a_"}}},
		"too_many_columns": {
			`{"o":{"x":[ 1, 2 ],"y":12345678901234567890},"a":1,"b":2,"c":"3"}`,
			want{`"a":1,"b":2,"idnSurplus":"{\"o_x\":[1,2],\"o_y\":12345678901234567890,\"c\":\"3\"}"`, []string{
				"3 of 5 values have no column of their own: collected in idnSurplus",
			}},
		},
		"surplus_too_long": {
			`{"a":1,"b":2,"c":3,"d":"` + x64 + `","e":5}`,
			want{`"a":1,"b":2,"idnSurplus":"{\"c\":3,\"e\":5}"`, []string{
				"3 of 5 values have no column of their own: collected in idnSurplus, 1 of them did not fit there",
			}},
		},
		"marker_needs_a_column_too": {
			`{"a":9007199254740993,"b":2,"c":3,"d":4}`,
			want{`"a":"9007199254740993","b":2,"idnSurplus":"{\"c\":3,\"d\":4}"`, []string{
				"a: number sent as text",
				"2 of 4 values have no column of their own: collected in idnSurplus",
			}},
		},
		"own_columns_give_way": {
			`{"idnConformed":"x","idnSurplus":"y","a b":1}`,
			want{`"idnConformed_2":"x","idnSurplus_2":"y","a_b":1`, []string{
				"idnConformed: column is idnConformed_2", "idnSurplus: column is idnSurplus_2", "a b: column is a_b",
			}},
		},
		"line_break_in_name": {`{"a\nb":1}`, want{`"a_b":1`, []string{"a?b: column is a_b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			original := strings.Clone(c.raw)
			row, changes, err := small().Conform(jsontext.Value(c.raw))
			if err != nil {
				t.Fatal(err)
			}
			if c.raw != original {
				t.Error("the record was written to")
			}
			checkRow(t, small(), row)
			body, marker, _ := strings.Cut(string(row), `,"idnConformed":`)
			if diff := cmp.Diff(c.want, want{strings.TrimPrefix(body, "{"), changes}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			text, err := jsontext.AppendUnquote(nil, strings.TrimSuffix(marker, "}"))
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(changes, "; "); !strings.HasPrefix(all, string(text)) || len(text) < min(len(all), 61) {
				t.Errorf("marker %q, changes %q", text, changes)
			}
		})
	}
}

// Rules of another table may reserve names that only flattening or mending makes.
func TestReservedNamesThatAreMade(t *testing.T) {
	rules := small()
	rules.Reserved = []string{"a_b", "c_d", "c_d_value"}
	for raw, want := range map[string]string{
		`{"a":{"b":1}}`: `{"a_b_value":1,"idnConformed":"a.b: column is a_b_value"}`,
		`{"a b":1}`:     `{"a_b_value":1,"idnConformed":"a b: column is a_b_value"}`,
		`{"c":{"d":1}}`: `{"c_d_value_2":1,"idnConformed":"c.d: column is c_d_value_2"}`,
		`{"a":{"c":1}}`: `{"a":{"c":1}}`,
	} {
		row, _, err := rules.Conform(jsontext.Value(raw))
		if err != nil || string(row) != want {
			t.Errorf("%s gave %s, %v, want %s", raw, row, err, want)
		}
		checkRow(t, rules, row)
	}
}

func TestNotOneObject(t *testing.T) {
	for name, c := range map[string]struct{ raw, want string }{
		"nothing":          {``, "record is not one JSON object: it ends too early"},
		"white_space":      {" \n", "record is not one JSON object: it ends too early"},
		"array":            {`[{}]`, "record is not a JSON object"},
		"string":           {`"x"`, "record is not a JSON object"},
		"two":              {`{}{}`, "record is more than one JSON object"},
		"cut":              {`{"a":"secret`, "record is not one JSON object: it ends too early"},
		"cut_in_name":      {`{"a`, "record is not one JSON object: it ends too early"},
		"junk_behind":      {`{"a":1}x`, "record is not one JSON object: syntax error at byte 7"},
		"comma_at_end":     {`{"a":1,}`, "record is not one JSON object: syntax error at byte 6"},
		"comma_in_array":   {`{"a":[1,]}`, "record is not one JSON object: syntax error at byte 8"},
		"comma_first":      {`{,"a":1}`, "record is not one JSON object: syntax error at byte 1"},
		"no_colon":         {`{"a" 1}`, "record is not one JSON object: syntax error at byte 5"},
		"no_value":         {`{"a":}`, "record is not one JSON object: syntax error at byte 5"},
		"word":             {`{"a":secret}`, "record is not one JSON object: syntax error at byte 5"},
		"leading_zero":     {`{"a":01}`, "record is not one JSON object: syntax error at byte 6"},
		"control_in_text":  {"{\"a\":\"x\ny\"}", "record is not one JSON object: syntax error at byte 7"},
		"unknown_escape":   {`{"a":"\x"}`, "record is not one JSON object: syntax error at byte 6"},
		"mismatched":       {`{"a":[1}`, "record is not one JSON object: syntax error at byte 7"},
		"too_deep_to_read": {strings.Repeat(`{"a":`, 10001) + `1` + strings.Repeat(`}`, 10001), "record is not one JSON object: syntax error at byte 50000"},
	} {
		t.Run(name, func(t *testing.T) {
			row, changes, err := small().Conform(jsontext.Value(c.raw))
			if err == nil || row != nil || changes != nil {
				t.Fatalf("got %s, %q, %v", row, changes, err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestClassicTable(t *testing.T) {
	rules := table.Classic()
	record := func(n int) jsontext.Value {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"c%d":"%s"`, i, strings.Repeat("v", 50))
		}
		return jsontext.Value("{" + b.String()[1:] + "}")
	}
	for name, c := range map[string]struct {
		raw     jsontext.Value
		changes []string
	}{
		"longest_known_name": {jsontext.Value(`{"attributes":{"directoryRolesDeltaToken_before":"x"}}`), nil},
		"name_of_43":         {jsontext.Value(`{"` + strings.Repeat("n", 43) + `":"x"}`), nil},
		"columns":            {record(488), nil},
		"name_of_45":         {jsontext.Value(`{"` + strings.Repeat("n", 45) + `":"x"}`), nil},
		"published_by_okta":  {jsontext.Value(`{"authenticationContext":{"authenticationProvider":"x"}}`), nil},
		"value":              {jsontext.Value(`{"a":"` + strings.Repeat("x", 32000) + `"}`), nil},
		"value_of_two_bytes": {jsontext.Value(`{"a":"` + strings.Repeat("é", 16000) + `"}`), nil},
		// The shortened name is what it was when 43 was the limit.
		"name_of_46": {
			jsontext.Value(`{"` + strings.Repeat("n", 46) + `":"x"}`),
			[]string{strings.Repeat("n", 46) + ": column is " + strings.Repeat("n", 34) + "_dfc3107d"},
		},
		"value_cut_by_the_service": {
			jsontext.Value(`{"a":"` + strings.Repeat("x", 32767) + `"}`),
			[]string{"a: value truncated from 32767 to 32000 bytes"},
		},
		"value_of_two_bytes_too_long": {
			jsontext.Value(`{"a":"` + strings.Repeat("é", 16001) + `"}`),
			[]string{"a: value truncated from 32002 to 32000 bytes"},
		},
		"tenant":       {jsontext.Value(`{"tenant":"acme"}`), []string{"tenant: column is tenant_value"}},
		"time":         {jsontext.Value(`{"timegenerated":"x"}`), []string{"timegenerated: column is timegenerated_value"}},
		"computer":     {jsontext.Value(`{"Computer":"x"}`), []string{"Computer: column is Computer_value"}},
		"column_489":   {record(489), []string{"3 of 489 values have no column of their own: collected in idnSurplus"}},
		"many_columns": {record(2000), []string{"1514 of 2000 values have no column of their own: collected in idnSurplus, 981 of them did not fit there"}},
		"value_of_70000": {
			jsontext.Value(`{"attributes":{"x":"` + strings.Repeat("x", 70000) + `"}}`),
			[]string{"attributes.x: value truncated from 70000 to 32000 bytes"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			row, changes, err := rules.Conform(c.raw)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.changes, changes); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			checkRow(t, rules, row)
		})
	}
}

func TestSayingWhatChangedIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, `,"%s %d":1`, strings.Repeat("long name ", 20), i)
	}
	row, changes, err := table.Classic().Conform(jsontext.Value("{" + b.String()[1:] + "}"))
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) != 33 || changes[32] != "and 68 more" {
		t.Errorf("%d changes, the last %q", len(changes), changes[len(changes)-1])
	}
	checkRow(t, table.Classic(), row)
	if marker := len(row) - strings.Index(string(row), `"idnConformed"`); marker > 3000 {
		t.Errorf("marker of %d bytes", marker)
	}
}

// A record made to be slow must not be.
func TestHostileRecordsAreCheap(t *testing.T) {
	for name, raw := range map[string]string{
		"one_name_often": "{" + strings.Repeat(`"a":1,`, 100_000) + `"b":1}`,
		"deep":           strings.Repeat(`{"a":`, 9_999) + `1` + strings.Repeat(`}`, 9_999),
		"deep_array":     `{"a":` + strings.Repeat(`[`, 9_999) + strings.Repeat(`]`, 9_999) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			row, _, err := table.Classic().Conform(jsontext.Value(raw))
			if err != nil {
				t.Fatal(err)
			}
			checkRow(t, table.Classic(), row)
		})
	}
	for name, raw := range map[string]string{
		"endless_arrays":  `{"a":` + strings.Repeat(`[`, 1<<20),
		"endless_objects": strings.Repeat(`{"a":`, 1<<20),
		"endless_within":  `{"a":[` + strings.Repeat(`{"a":`, 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			defer debug.SetMaxStack(debug.SetMaxStack(16 << 20))
			if _, _, err := table.Classic().Conform(jsontext.Value(raw)); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestIsExact(t *testing.T) {
	for lit, want := range map[string]bool{
		"0": true, "-0": true, "0.0": true, "0e999": true, "1": true, "-1": true, "0.1": true, "0.10": true,
		"123456789012345": true, "1234567890123456": true, "9007199254740992": true,
		"9007199254740993": false, "9007199254740994": false, "-9007199254740993": false,
		"10000000000000000": false, "9999999999999990": false, "100000000000000000000": false,
		"1e20": true, "1E+20": true, "1.0e-20": true, "9007199254740994.0": true,
		"0.1234567890123456": true, "0.12345678901234567": false, "0.30000000000000004": true,
		"3.141592653589793": true, "3.1415926535897932": false,
		"1.7976931348623157e308": true, "1.7976931348623159e308": false, "1e309": false,
		"5e-324": true, "4e-324": false, "2.2250738585072014e-308": true, "1e-400": false,
		"0.000000000000000000000000000000000000000000000000001": true,
		"1.000000000000000000000000000000000000000000000000000": true,
		"100000.0000000000000000000000000000000000000000000001": false,
		"0e99999999999999999999":                                true, "1e99999999999999999999": false, "1e-99999999999999999999": false,
	} {
		if got := table.IsExact(lit); got != want {
			t.Errorf("IsExact(%s) = %v, want %v", lit, got, want)
		}
	}
}
