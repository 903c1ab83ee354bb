package tabular_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/tabular"
)

// TestEveryFormHasTheSameRows: rows are the same bytes in whichever form they come, and one that is
// damaged costs only itself.
func TestEveryFormHasTheSameRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		object := rapid.Custom(func(t *rapid.T) string {
			members := rapid.MapOfN(rapid.StringN(0, 5, 10), rapid.OneOf(
				rapid.String().AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny(),
				rapid.SliceOfN(rapid.Int().AsAny(), 0, 3).AsAny(),
				rapid.Just(any(map[string]any{"rows": []any{map[string]any{"x": "]}"}}})),
			), 1, 4).Draw(t, "members")
			text, err := json.Marshal(members)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		})
		damaged := rapid.SampledFrom([]string{`{"a":NaN}`, `{"a":"\q"}`, `{"a":[1,]}`, `{"a" "b"}`, `7`, `"{"`, `[{"a":1}]`})
		rows := rapid.SliceOfN(rapid.OneOf(object, object, object, damaged), 2, 20).Draw(t, "rows")
		if strings.HasPrefix(rows[0], `{`) {
			rows[0] = `{"first":1}` // what comes first may decide about the form
		}
		rows[1] = `{"second":2}`
		var want []string
		for i, row := range rows {
			text := fmt.Sprintf("%d %s", i+1, row)
			if !json.Valid([]byte(row)) || row[0] != '{' {
				text = "!" + text
			}
			want = append(want, text)
		}
		sep := rapid.SampledFrom([]string{",", " ,\n", ", \t"}).Draw(t, "separator")
		forms := map[string]string{
			"list":       "[" + strings.Join(rows, sep) + "]",
			"lines":      strings.Join(rows, "\n"),
			"CRLF":       strings.Join(rows, "\r\n") + "\r\n",
			"below data": `{"data": {"rows" : [ {"first":1},` + strings.Join(rows[1:], sep) + " ] } }",
		}
		if rows[0] != `{"first":1}` {
			delete(forms, "below data")
		}
		for name, body := range forms {
			o := tabular.Options{ContentType: "application/json"}
			if name == "lines" || name == "CRLF" {
				o.ContentType = "application/x-ndjson"
			}
			got, end := read(panics{}, iotest.HalfReader(strings.NewReader(body)), o)
			if diff := cmp.Diff(want, got); diff != "" || end != "" {
				t.Fatalf("%s: ended with %q; rows of %q (-want +got):\n%s", name, end, body, diff)
			}
		}
	})
}

// panics ends a test within a test.
type panics struct{ testing.TB }

func (panics) Helper()           {}
func (panics) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// TestCSVIsWhatTheLibraryReads: encoding/csv, reading the whole, is the model.
func TestCSVIsWhatTheLibraryReads(t *testing.T) {
	field := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a;,"\n\t |x]{0,8}`))
	rapid.Check(t, func(t *rapid.T) {
		comma := rapid.SampledFrom([]rune{',', ';', '\t'}).Draw(t, "comma")
		records := rapid.SliceOfN(rapid.SliceOfN(field, 1, 5), 0, 12).Draw(t, "records")
		header := []string{"one", "two", "three", "four", "five"}
		var body bytes.Buffer
		w := csv.NewWriter(&body)
		w.Comma = comma
		w.UseCRLF = rapid.Bool().Draw(t, "CRLF")
		if err := w.WriteAll(append([][]string{header}, records...)); err != nil {
			t.Fatal(err)
		}
		model := csv.NewReader(bytes.NewReader(body.Bytes()))
		model.Comma = comma
		model.FieldsPerRecord = -1
		want, err := model.ReadAll()
		if err != nil {
			t.Skip("not a document that the model reads")
		}
		var got [][]string
		r := tabular.NewReader(bytes.NewReader(body.Bytes()), tabular.Options{ContentType: "text/csv"})
		for {
			row, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || row.Flaw != "" {
				t.Fatalf("%+v, %v", row, err)
			}
			var object map[string]string
			if err := json.Unmarshal(row.Raw, &object); err != nil {
				t.Fatalf("%s: %v", row.Raw, err)
			}
			var fields []string
			for _, name := range header[:len(object)] {
				fields = append(fields, object[name])
			}
			got = append(got, fields)
		}
		if diff := cmp.Diff(want[1:], got); diff != "" && len(want)+len(got) > 1 {
			t.Fatalf("records of %q (-want +got):\n%s", body.Bytes(), diff)
		}
	})
}

// FuzzReader: whatever comes, the reader ends, reads the same in any pieces, numbers each row once,
// returns objects or flaws, and drops nothing of a line.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		`[{"a":1},{"b":[2,{"c":"]"}]}]`, `{"rows":[{"a":1}],"n":1}`, `{"input":{"a":1}}`, "{\"a\":1}\n{\"b\":2}\n", "a;b\n\"1\n2\";3\n",
		`[{"a":1},{"a":`, `{"a":[{"x":1}],"b":[{"x":2}],"c":{"d":1}}`, `[{"a":"` + strings.Repeat("x", 80) + `"}]`, "a,b\n1,\"2\n3,4", `[[[[`, `{"data":{"data":{"data":{"data":{"rows":[{}]}}}}}`,
		zipped(f, `[{"a":1}]`),
	} {
		f.Add([]byte(seed), "")
		f.Add([]byte(seed), "text/csv")
		f.Add([]byte(seed), "application/jsonl")
	}
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		o := tabular.Options{ContentType: kind, MaxRow: 64, MaxExpanded: 1 << 16}
		rows, end := read(t, bytes.NewReader(body), o)
		again, endAgain := read(t, iotest.OneByteReader(bytes.NewReader(body)), o)
		if !slices.Equal(rows, again) || end != endAgain {
			t.Fatalf("in single bytes %q, %q\nas a whole %q, %q", again, endAgain, rows, end)
		}
		seen := map[string]bool{}
		var all strings.Builder
		for _, row := range rows {
			number, raw, _ := strings.Cut(row, " ")
			key := strings.TrimPrefix(number, "!")
			if seen[key] {
				t.Fatalf("two rows are number %s", key)
			}
			seen[key] = true
			all.WriteString(raw)
			switch {
			case !strings.HasPrefix(number, "!") && !strings.HasPrefix(raw, "{"):
				t.Fatalf("row %q is no object", row)
			case strings.HasPrefix(number, "!") && len(raw) > 64+1:
				t.Fatalf("a flawed row has %d bytes", len(raw))
			}
		}
		if want, got := letters(string(body)), letters(all.String()); kind == "application/jsonl" && end == "" && !bytes.HasPrefix(body, []byte("\x1f\x8b")) && want != got {
			t.Fatalf("of %q only %q came", want, got)
		}
	})
}

// letters is a text without what may surround and divide rows.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n\x00\ufeff", r) {
			return -1
		}
		return r
	}, s)
}
