package tabular_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/tabular"
)

// read returns the rows of a report, a line each, and how it ended: "" if well. A good row is its
// number and its bytes; "!" marks one with a flaw.
func read(t testing.TB, src io.Reader, o tabular.Options) (rows []string, end string) {
	t.Helper()
	r := tabular.NewReader(src, o)
	for {
		row, err := r.Next()
		var broken *tabular.Broken
		switch {
		case errors.Is(err, io.EOF):
			return rows, ""
		case errors.As(err, &broken) && broken.Kept:
			return rows, broken.Why + " (kept)"
		case errors.As(err, &broken):
			return rows, broken.Why
		case err != nil:
			return rows, "fault: " + err.Error()
		}
		text := fmt.Sprintf("%d %s", row.Number, row.Raw)
		if row.Piece > 0 {
			text = fmt.Sprintf("%d.%d %s", row.Number, row.Piece, row.Raw)
		}
		if row.Flaw != "" {
			text = "!" + text
		}
		if rows = append(rows, text); len(rows) > 100_000 {
			t.Fatal("the report has no end")
		}
	}
}

func zipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type reports map[string]struct {
	kind, body string
	want       []string
	end        string
}

func (rs reports) run(t *testing.T) {
	for name, c := range rs {
		t.Run(name, func(t *testing.T) {
			for form, src := range map[string]io.Reader{
				"whole":         strings.NewReader(c.body),
				"byte for byte": iotest.OneByteReader(strings.NewReader(c.body)),
				"gzip":          strings.NewReader(zipped(t, c.body)),
				"gzip twice":    strings.NewReader(zipped(t, zipped(t, c.body))),
			} {
				rows, end := read(t, src, tabular.Options{ContentType: c.kind, MaxRow: 60})
				if diff := cmp.Diff(c.want, rows); diff != "" || end != c.end {
					t.Errorf("%s: ended with %q, want %q; rows (-want +got):\n%s", form, end, c.end, diff)
				}
			}
		})
	}
}

func TestJSON(t *testing.T) {
	deep := strings.Repeat("[", 25) + strings.Repeat("]", 25)
	reports{
		"list":            {body: `[{"a":1}, {"a" : 2.0}]`, want: []string{`1 {"a":1}`, `2 {"a" : 2.0}`}},
		"empty list":      {body: ` [ ] `},
		"object":          {body: `{"a":1}`, want: []string{`1 {"a":1}`}},
		"pretty object":   {body: "{\n \"a\": 1,\n \"b\": {\"c\": []}\n}\n", want: []string{"1 {\n \"a\": 1,\n \"b\": {\"c\": []}\n}"}},
		"empty object":    {body: `{}`, want: []string{`1 {}`}},
		"list below key":  {body: `{"rows":[{"a":1},{"a":2}]}`, want: []string{`1 {"a":1}`, `2 {"a":2}`}},
		"empty below key": {body: `{"rows":[]}`},
		"surroundings": {
			body: `{"generated":"now","rows":[{"a":1}],"total":1}`,
			want: []string{`1 {"a":1}`, `0 {"generated":"now","rows":[],"total":1}`},
		},
		"empty rows, and more":       {body: `{"reportName":"Apps","rows":[]}`, want: []string{`0 {"reportName":"Apps","rows":[]}`}},
		"empty data.rows, and more":  {body: `{"n":0,"data":{"rows":[]}}`, want: []string{`0 {"n":0,"data":{"rows":[]}}`}},
		"lines, one with empty rows": {body: "{\"a\":1}\n{\"n\":0,\"rows\":[]}\n", want: []string{`1 {"a":1}`, `2 {"n":0,"rows":[]}`}},
		"two lists":                  {body: `{"a":[{"x":1}],"b":[{"x":2}]}`, want: []string{`1 {"x":1}`, `2 {"x":2}`}},
		"lists of texts":             {body: `{"a":"x","tags":["a","b"]}`, want: []string{`1 {"a":"x","tags":["a","b"]}`}},
		"empty list in a row":        {body: `{"a":"x","tags":[]}`, want: []string{`1 {"a":"x","tags":[]}`}},
		"input object":               {body: `{"input":{"a":1}}`, want: []string{`1 {"a":1}`}},
		"input list":                 {body: `{"input":[{"a":1},{"a":2}]}`, want: []string{`1 {"a":1}`, `2 {"a":2}`}},
		"input with rows":            {body: `{"input":{"rows":[{"a":1}],"n":1}}`, want: []string{`1 {"a":1}`, `0 {"input":{"rows":[],"n":1}}`}},
		"input and more":             {body: `{"input":{"a":1},"b":2}`, want: []string{`1 {"input":{"a":1},"b":2}`}},
		"input as text":              {body: `{"input":"x"}`, want: []string{`1 {"input":"x"}`}},
		"data.rows":                  {body: `{"data":{"rows":[{"a":1}]}}`, want: []string{`1 {"a":1}`}},
		"Data.Rows":                  {body: `{"Data":{"Rows":[{"a":1}]}}`, want: []string{`1 {"a":1}`}},
		"data as a row":              {body: `{"data":{"a":1}}`, want: []string{`1 {"data":{"a":1}}`}},
		"input.data.rows":            {body: `{"input":{"data":{"rows":[{"a":1}]}}}`, want: []string{`1 {"a":1}`}},
		"not looked into":            {body: `{"x":{"rows":[{"a":1}]}}`, want: []string{`1 {"x":{"rows":[{"a":1}]}}`}},
		"BOM":                        {body: "\xef\xbb\xbf[{\"a\":1}]", want: []string{`1 {"a":1}`}},
		"one after the other":        {body: "[{\"a\":1}]\n[{\"a\":2}]", want: []string{`1 {"a":1}`, `2 {"a":2}`}},
		"two surroundings":           {body: `{"n":1,"r":[{"a":1}]}{"n":2,"r":[{"a":2}]}`, want: []string{`1 {"a":1}`, `0 {"n":1,"r":[]}`, `2 {"a":2}`, `0.2 {"n":2,"r":[]}`}},
		"wrong content type":         {kind: "text/plain", body: `[{"a":1}]`, want: []string{`1 {"a":1}`}},
		"duplicate keys":             {body: `[{"a":1,"a":2}]`, want: []string{`1 {"a":1,"a":2}`}},
		"invalid UTF-8":              {body: "[{\"a\":\"\xff\"}]", want: []string{"1 {\"a\":\"\xff\"}"}},
		"brackets in texts":          {body: `[{"a":"]}\"{"},{"b":"\\"}]`, want: []string{`1 {"a":"]}\"{"}`, `2 {"b":"\\"}`}},
		"deep":                       {body: `[{"a":` + deep + `}]`, want: []string{`1 {"a":` + deep + `}`}},

		"elements of other kinds": {body: `[1,{"a":1},"x",null,[2]]`, want: []string{`!1 1`, `2 {"a":1}`, `!3 "x"`, `!4 null`, `!5 [2]`}},
		"element is no JSON":      {body: `[{"a":1},{"a":NaN},{"a":"\x"},{"a":2,},{"a":3}]`, want: []string{`1 {"a":1}`, `!2 {"a":NaN}`, `!3 {"a":"\x"}`, `!4 {"a":2,}`, `5 {"a":3}`}},
		"commas":                  {body: `[,{"a":1}{"a":2},,{"a":3},]`, want: []string{`1 {"a":1}`, `2 {"a":2}`, `3 {"a":3}`}},
		"cut within a row":        {body: `[{"a":1},{"a":`, want: []string{`1 {"a":1}`, `!2.1 {"a":`}, end: "it ends within a row (kept)"},
		"cut between rows":        {body: `[{"a":1},`, want: []string{`1 {"a":1}`}, end: "it ends before its list of rows does (kept)"},
		"cut after the list":      {body: `{"n":1,"rows":[{"a":1}]`, want: []string{`1 {"a":1}`}, end: "it ends within what surrounds its rows (kept)"},
		"cut within surroundings": {body: `{"rows":[{"a":1}],"n":`, want: []string{`1 {"a":1}`, `!2.1 ,"n":`}, end: "it ends within what surrounds its rows (kept)"},
		"cut within an object":    {body: `{"a":`, want: []string{`!1.1 {"a":`}, end: "it ends within a row (kept)"},
		"missing bracket": {
			body: `[{"a":1},{"b":[2},{"a":3}]`, want: []string{`1 {"a":1}`, `!2.1 {"b":[2},{"a":3}]`},
			end: "it is not divided into rows: a bracket is missing or one too many (kept)",
		},
		"colon for a row":       {body: `[{"a":1},:]`, want: []string{`1 {"a":1}`, `!2 :`}},
		"bracket too many":      {body: `[{"a":1},}]`, want: []string{`1 {"a":1}`, `!2.1 }]`}, end: "it is not divided into rows: a bracket is missing or one too many (kept)"},
		"something after it":    {body: `[{"a":1}] x ]`, want: []string{`1 {"a":1}`, `!2.1 x ]`}},
		"surroundings no JSON":  {body: `{"n":nope,"rows":[{"a":1}]}`, want: []string{`1 {"a":1}`, `!0 {"n":nope,"rows":[]}`}},
		"not an object at all":  {body: `{"a" 1}`, want: []string{`!1 {"a" 1}`}},
		"too large":             {body: `[{"a":1},{"b":"` + strings.Repeat("x", 70) + `"},{"a":2}]`, want: []string{`1 {"a":1}`, `!2.1 {"b":"` + strings.Repeat("x", 54), `!2.2 ` + strings.Repeat("x", 16) + `"}`, `3 {"a":2}`}},
		"too large an object":   {body: `{"b":"` + strings.Repeat("x", 120) + `"}`, want: []string{`!1.1 {"b":"` + strings.Repeat("x", 54), `!1.2 ` + strings.Repeat("x", 60), `!1.3 ` + strings.Repeat("x", 6) + `"}`}},
		"too large and damaged": {body: `[{"b":"` + strings.Repeat("x", 70) + `"],{"a":1}]`, want: []string{`!1.1 {"b":"` + strings.Repeat("x", 54), `!1.2 ` + strings.Repeat("x", 16) + `"`, `!2.1 ],{"a":1}]`}, end: "it is not divided into rows: a bracket is missing or one too many (kept)"},
		"a string":              {body: `"hello"`, end: "it is a single JSON value and not a list or an object"},
		"a number":              {body: ` 17 `, end: "it is a single JSON value and not a list or an object"},
		"null":                  {body: `null`, end: "it is a single JSON value and not a list or an object"},
		"empty":                 {body: "", end: "it is empty"},
		"blank":                 {body: " \r\n", end: "it is empty"},
		"HTML":                  {body: "<html>", end: "it is HTML or XML: expected JSON or CSV"},
		"UTF-16":                {body: "\xff\xfe[\x00]\x00", end: "it is encoded in UTF-16, and UTF-8 is expected"},
	}.run(t)
}

// Surroundings may be as long as the report.
func TestLongSurroundings(t *testing.T) {
	body := `{` + strings.Repeat(`"some name":"some text","rows":[{"a":1}],`, 3) + `"end":1}`
	rows, end := read(t, strings.NewReader(body), tabular.Options{MaxRow: 60})
	want := []string{
		`1 {"a":1}`, `!0 {"some name":"some text","rows":[]`, `2 {"a":1}`, `!0.2 ,"some name":"some text","rows":[]`, `3 {"a":1}`,
		`!0.3 ,"some name":"some text","rows":[],"end":1}`,
	}
	if diff := cmp.Diff(want, rows); diff != "" || end != "" {
		t.Errorf("ended with %q; rows (-want +got):\n%s", end, diff)
	}
}

func TestLines(t *testing.T) {
	reports{
		"lines":               {body: "{\"a\":1}\n{\"a\":2}\r\n\n{\"a\":3}", want: []string{`1 {"a":1}`, `2 {"a":2}`, `3 {"a":3}`}},
		"lists are not rows":  {body: "{\"a\":[{\"b\":1}]}\n{\"a\":[{\"b\":2}]}\n", want: []string{`1 {"a":[{"b":1}]}`, `2 {"a":[{"b":2}]}`}},
		"one line by type":    {kind: "application/x-ndjson; charset=utf-8", body: `{"rows":[{"a":1}]}`, want: []string{`1 {"rows":[{"a":1}]}`}},
		"damaged in between":  {body: "{\"a\":1}\n{\"a\":\n{\"a\":3}\nx\n", want: []string{`1 {"a":1}`, `!2 {"a":`, `3 {"a":3}`, `!4 x`}},
		"damaged at first":    {body: "{\"a\":\"x\n{\"a\":2}\n", want: []string{`!1 {"a":"x`, `2 {"a":2}`}},
		"no JSON by type":     {kind: "application/jsonl", body: "x\n{\"a\":2}\n", want: []string{`!1 x`, `2 {"a":2}`}},
		"cut":                 {body: "{\"a\":1}\n{\"a\":2}\n{\"a\"", want: []string{`1 {"a":1}`, `2 {"a":2}`, `!3 {"a"`}},
		"not lines":           {body: "{\"rows\":[\n{\"a\":1}\n]}", want: []string{`1 {"a":1}`}},
		"too large":           {body: "{\"a\":1}\n{\"b\":\"" + strings.Repeat("x", 70) + "\"}\n{\"a\":3}", want: []string{`1 {"a":1}`, `!2.1 {"b":"` + strings.Repeat("x", 54), `!2.2 ` + strings.Repeat("x", 16) + `"}`, `3 {"a":3}`}},
		"too large and alone": {body: "{\"a\":1}\n{\"b\":\"" + strings.Repeat("x", 70) + `"}`, want: []string{`1 {"a":1}`, `!2.1 {"b":"` + strings.Repeat("x", 54), `!2.2 ` + strings.Repeat("x", 16) + `"}`}},
		"two in one line":     {body: "{\"a\":1}\n{\"a\":2}{\"a\":3}\n", want: []string{`1 {"a":1}`, `!2 {"a":2}{"a":3}`}},
		"space around":        {body: "  {\"a\":1}  \n\t{\"a\":2}\t\n", want: []string{`1 {"a":1}`, `2 {"a":2}`}},
	}.run(t)
}

func TestCSV(t *testing.T) {
	long := strings.Repeat("x", 70)
	reports{
		"commas":               {body: "Name,Email\nA,a@b\nB,\n", want: []string{`1 {"Name":"A","Email":"a@b"}`, `2 {"Name":"B","Email":""}`}},
		"semicolons":           {body: "Name;Email\r\nA,1;a@b\r\n", want: []string{`1 {"Name":"A,1","Email":"a@b"}`}},
		"tabs":                 {body: "Name\tEmail\nA,1;2\ta@b", want: []string{`1 {"Name":"A,1;2","Email":"a@b"}`}},
		"tabs by type":         {kind: "text/tab-separated-values", body: "Na,me\nA,1\n", want: []string{`1 {"Na,me":"A,1"}`}},
		"CSV by type":          {kind: "text/csv", body: "[a],b\n1,2\n", want: []string{`1 {"[a]":"1","b":"2"}`}},
		"quotes over lines":    {body: "Name,Note\n\"A\",\"one\ntwo, \"\"three\"\"\"\nB,b\n", want: []string{`1 {"Name":"A","Note":"one\ntwo, \"three\""}`, `2 {"Name":"B","Note":"b"}`}},
		"BOM":                  {body: "\xef\xbb\xbfName,Email\nA,b\n", want: []string{`1 {"Name":"A","Email":"b"}`}},
		"quoted header":        {body: "\"Na;me\",\"E\"\nA,b\n", want: []string{`1 {"Na;me":"A","E":"b"}`}},
		"duplicate names":      {body: "a,a,,a_2,\n1,2,3,4,5\n", want: []string{`1 {"a":"1","a_3":"2","column_3":"3","a_2":"4","column_5":"5"}`}},
		"fewer fields":         {body: "a,b\n1\n", want: []string{`1 {"a":"1"}`}},
		"more fields":          {body: "a,column_3\n1,2,3,4\n1,2\n", want: []string{`1 {"a":"1","column_3":"2","column_4":"3","column_5":"4"}`, `2 {"a":"1","column_3":"2"}`}},
		"one column":           {body: "Name\nA\n\nB\n", want: []string{`1 {"Name":"A"}`, `2 {"Name":"B"}`}},
		"header alone":         {body: "Name,Email\n"},
		"one word":             {body: "hello", end: "it is neither JSON nor CSV: it has one line without separators"},
		"quote within a field": {body: "a,b\n5\",x\n", want: []string{`1 {"a":"5\"","b":"x"}`}},
		"characters":           {body: "a,b\nü\x01,\"\\\t\"\n", want: []string{`1 {"a":"ü\u0001","b":"\\\t"}`}},
		"invalid UTF-8":        {body: "a,b\n\xfc,1\n", want: []string{"1 {\"a\":\"\xfc\",\"b\":\"1\"}"}},
		"quote that stays":     {body: "a,b\n1,\"2\n3,4\n", want: []string{`!1 1,"2`, `2 {"a":"3","b":"4"}`}},
		"text after a quote":   {body: "a,b\n\"1\"x,2\n3,4\n", want: []string{`!1 "1"x,2`, `2 {"a":"3","b":"4"}`}},
		"header that stays":    {body: "\"a,b\n1,2\n", end: "its header can't be read: a quoted field does not end"},
		"too large":            {body: "a,b\n1," + long + "\n3,4\n", want: []string{`!1.1 1,` + strings.Repeat("x", 58), `!1.2 ` + strings.Repeat("x", 12), `2 {"a":"3","b":"4"}`}},
		"quote over too much":  {body: "a,b\n1,\"2\n" + strings.Repeat("3,4\n", 20), want: append([]string{`!1 1,"2`}, numbered(2, 20, `{"a":"3","b":"4"}`)...)},
		"JSON that is none":    {body: "Name {x},Email\nA,b\n", want: []string{`1 {"Name {x}":"A","Email":"b"}`}},
		"blank lines first":    {body: "\n\r\nName,Email\nA,b\n", want: []string{`1 {"Name":"A","Email":"b"}`}},
	}.run(t)
}

func numbered(from, n int, text string) (rows []string) {
	for i := range n {
		rows = append(rows, fmt.Sprintf("%d %s", from+i, text))
	}
	return rows
}

// What a report calls itself is known before its first row.
func TestName(t *testing.T) {
	for body, want := range map[string]string{
		`{"reportName":"Apps \u00fc","rows":[{"name":"x"}]}`: "Apps ü",
		`{"data":{"name":"Apps","rows":[{"name":"x"}]}}`:     "Apps",
		`{"rows":[{"name":"x"}],"name":"late"}`:              "",
		`{"name":7,"rows":[{"a":1}]}`:                        "",
		`[{"name":"x"}]`:                                     "",
		`{"name":"x"}`:                                       "",
		"name\nx\ny\n":                                       "",
	} {
		r := tabular.NewReader(strings.NewReader(body), tabular.Options{})
		if _, err := r.Next(); err != nil || r.Name() != want {
			t.Errorf("%s: name %q, %v, want %q", body, r.Name(), err, want)
		}
	}
}

func TestFlawsSayWhy(t *testing.T) {
	for body, want := range map[string]string{
		`[7]`:                        "it is a number, not an object",
		`[{"a":NaN}]`:                "it is not valid JSON at byte 5",
		`[{"a":1},{"secret`:          "the report can't be read from here on: it ends within a row",
		"a,b\n\"1\"x,2":              "a quoted field is followed by something other than a separator, at byte 3",
		"{\"a\":1}\n{\"a\":1} {}":    "something follows its last bracket, at byte",
		"{\"a\":1}\n{\"secret\":\"x": "it is not valid JSON: it ends too early",
	} {
		r := tabular.NewReader(strings.NewReader(body), tabular.Options{})
		for {
			row, err := r.Next()
			if err != nil {
				t.Errorf("%s: %v before a flaw", body, err)
				break
			}
			if row.Flaw == "" {
				continue
			}
			if !strings.HasPrefix(row.Flaw, want) || strings.Contains(row.Flaw, "secret") {
				t.Errorf("%s: flaw %q, want %q", body, row.Flaw, want)
			}
			break
		}
	}
}

func TestGzip(t *testing.T) {
	const text = `[{"a":1},{"a":2}]`
	whole := zipped(t, text)
	big := zipped(t, "["+strings.Repeat(`{"a":"x"},`, 20_000)+"{}]")
	for name, c := range map[string]struct {
		body, end string
		rows      int
	}{
		"two members":     {zipped(t, text[:9]) + zipped(t, text[9:]), "", 2},
		"cut":             {whole[:len(whole)-9], "it is compressed with gzip and damaged: unexpected EOF", -1},
		"cut header":      {whole[:5], "it is compressed with gzip and damaged: unexpected EOF", 0},
		"changed":         {whole[:len(whole)-8] + "xxxx" + whole[len(whole)-4:], "it is compressed with gzip and damaged: gzip: invalid checksum", -1},
		"trailing":        {whole + "more than that", "it is compressed with gzip and damaged: gzip: invalid header", 2},
		"header alone":    {"\x1f\x8b", "it is compressed with gzip and damaged: unexpected EOF", 0},
		"thrice":          {zipped(t, zipped(t, whole)), "it is neither JSON nor CSV: it has one line without separators", -1},
		"expands too far": {big, "it has more than 0 MiB once it is decompressed", -1},
		"cut in a row":    {big[:len(big)/2], "it is compressed with gzip and damaged: unexpected EOF", -1},
	} {
		t.Run(name, func(t *testing.T) {
			rows, end := read(t, strings.NewReader(c.body), tabular.Options{MaxExpanded: 100_000})
			if name == "thrice" { // whatever it is taken for, it is not a report
				if end == "" || len(rows) > 1 {
					t.Errorf("%d rows and no error", len(rows))
				}
				return
			}
			if end != c.end || c.rows >= 0 && len(rows) != c.rows {
				t.Errorf("%d rows, ended with %q; want %d and %q", len(rows), end, c.rows, c.end)
			}
		})
	}
}

// A stream that fails is not a bad report: no row is returned that may be a part of one, and it can
// be read again.
func TestFaultOfTheStream(t *testing.T) {
	fault := errors.New("connection lost")
	for name, body := range map[string]string{
		"list":             `{"n":1,"rows":[` + strings.Repeat(`{"a":1},{"a":22},`, 10) + `{"a":NaN}],"m":2}`,
		"lines":            strings.Repeat("{\"a\":1}\n{\"a\":22}\n{\"a\":NaN}\n", 10),
		"lines with lists": strings.Repeat("{\"a\":[{\"b\":1}]}\n", 10),
		"CSV":              "a,b\n" + strings.Repeat("1,2\n11,\"2\n2\"\n\"1\"x,3\n", 10),
		"gzip":             zipped(t, "a,b\n1,2\n11,22\n"),
		"large":            `[{"a":"` + strings.Repeat("x", 300) + `"},{"a":1}]`,
	} {
		t.Run(name, func(t *testing.T) {
			o := tabular.Options{MaxRow: 60}
			whole, _ := read(t, strings.NewReader(body), o)
			for cut := range len(body) {
				rows, end := read(t, iotest.OneByteReader(io.MultiReader(strings.NewReader(body[:cut]), iotest.ErrReader(fault))), o)
				if end != "fault: connection lost" {
					t.Fatalf("cut at %d: ended with %q", cut, end)
				}
				if len(rows) > len(whole) || !slices.Equal(whole[:len(rows)], rows) {
					t.Fatalf("cut at %d: rows %q are not the beginning of %q", cut, rows, whole)
				}
			}
		})
	}
}
