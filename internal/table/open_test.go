package table_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/table"
)

func TestOpenFold(t *testing.T) {
	open := &table.Open{Parent: "context", Name: "data", Known: map[string]bool{"a": true, "b": true}}
	for name, test := range map[string]struct{ raw, want string }{
		"known only":   {`{"id":1,"context":{"data":{"a":"x" , "b":"y"}}}`, ""},
		"not there":    {`{"id":1}`, ""},
		"null":         {`{"context":{"data":null}}`, ""},
		"parent null":  {`{"context":null}`, ""},
		"text":         {`{"context":{"data":"x"}}`, ""},
		"not JSON":     {`{"context":`, ""},
		"others":       {`{"id": 1,"context":{"x":[1, 2],"data":{"a":"x", "c":"\"q\""},"y":null},"z":"w"}`, `{"id": 1,"context":{"x":[1, 2],"data":{"a":"x"},"y":null},"z":"w","context_data":"{\"a\":\"x\",\"c\":\"\\\"q\\\"\"}"}`},
		"escaped name": {`{"context":{"data":{"\u0061":"x","c":1}}}`, `{"context":{"data":{"a":"x"}},"context_data":"{\"\\u0061\":\"x\",\"c\":1}"}`},
		"nothing kept": {`{"context":{"data":{"c":1}}}`, `{"context":{"data":{}},"context_data":"{\"c\":1}"}`},
	} {
		want := test.want
		if want == "" {
			want = test.raw
		}
		got := string(open.Fold(jsontext.Value(test.raw)))
		if got != want {
			t.Errorf("%s: got\n%s, want\n%s", name, got, want)
		}
		if again := string(open.Fold(jsontext.Value(got))); again != got {
			t.Errorf("%s: folded again it is %s", name, again)
		}
	}
}

// However many members there are, they take one column, and nothing of the record is lost.
func TestOpenNeedsOneColumn(t *testing.T) {
	open := &table.Open{Parent: "context", Name: "data", Known: map[string]bool{"a": true}}
	var members []string
	for i := range 600 {
		members = append(members, fmt.Sprintf(`"key%d":"value"`, i))
	}
	raw := jsontext.Value(`{"id":"x","context":{"data":{"a":"y",` + strings.Join(members, ",") + `}}}`)
	row, changes, err := table.Classic().Conform(open.Fold(raw))
	if err != nil || len(changes) > 0 || !strings.Contains(string(row), `\"key599\":\"value\"`) {
		t.Errorf("%v, changes %v", err, changes)
	}
}

// What is folded by its bytes is what a decoder makes of it, but for blanks.
func FuzzFold(f *testing.F) {
	for _, raw := range []string{
		`{"id": 1,"context":{"x":[1, 2],"data":{"a":"x", "c":"\"q\""},"y":null},"z":"w"}`, `{"context":{"data":{"a":{},"c":{"d":[]}},"data":{"e":1}},"context":{"data":{"f":1}}}`,
		`{"context":{"data":{"c":1}}} `, `{"context":{}}`, `{"\u0063ontext":{"data":{"c":1}}}`, `{"context":{"data":{"a":"\\"},"c":"\\\""}}`, `{`, `{"context":{"data":{"c":}}}`, `{"context":{"data":[{"c":1}]}}`,
		`{"context":1,"context":{"data":{ "b" : 1 , "c" : 2 }}, "d":-1.5e3}`, `[]`, ``, `{"a":1,}`, "{\"context\":{\"data\":{\"\":0}},\"0\xe8\":{}}",
	} {
		f.Add([]byte(raw))
	}
	open := &table.Open{Parent: "context", Name: "data", Known: map[string]bool{"a": true, "b": true}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !jsontext.Value(raw).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			open.Fold(raw) // must not panic
			return
		}
		got, want := open.Fold(raw).Clone(), open.DecodedFold(raw).Clone()
		if got.Compact(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil || want.Compact(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil || string(got) != string(want) {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	})
}
