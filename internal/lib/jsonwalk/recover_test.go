package jsonwalk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
)

// found is what Recover makes of an element.
type found struct {
	Raw, ID string
	Sound   bool
}

func recovered(page []byte) (got []found, rest string, err error) {
	tail, err := jsonwalk.Recover(page, []string{"id"}, func(e jsonwalk.Element) error {
		got = append(got, found{string(e.Raw), string(e.Picks[0].Text), e.Flaw == ""})
		return nil
	})
	return got, string(tail), err
}

const a, b = `{"id":"a"}`, `{"x":[1,{"y":"}],["}], "id":"b"}`

// What breaks the rules costs itself; what is beside it comes as it is.
func TestRecover(t *testing.T) {
	deep := `{"id":"deep","x":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`
	for name, c := range map[string]struct {
		broken, id string
	}{
		"control":         {"{\"n\":\"\x01\n\",\"id\":\"c\"}", "c"},
		"control_in_id":   {"{\"id\":\"\x01\"}", ""},
		"control_in_name": {"{\"n\x02\":1,\"id\":\"c\"}", "c"},
		"escape":          {`{"n":"\x \u12","id":"c"}`, "c"},
		"nul":             {"{\"id\":\"c\",\x00\"n\":1}", "c"},
		"word":            {`{"n":NaN,"id":"c"}`, "c"},
		"number":          {`{"id":"c","n":01.}`, "c"},
		"deep":            {deep, "deep"},
		"null":            {`null`, ""},
		"boolean":         {`true`, ""},
		"bare_number":     {`17`, ""},
		"string":          {`"],{"`, ""},
		"array":           {`[{"id":"x"},{}]`, ""},
		"not_json":        {`undefined`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, rest, err := recovered([]byte("[" + a + "," + c.broken + " ,\n" + b + "]"))
			if err != nil {
				t.Fatal(err)
			}
			want := []found{{a, "a", true}, {c.broken, c.id, false}, {b, "b", true}}
			if diff := cmp.Diff(want, got); diff != "" || rest != "" {
				t.Errorf("elements, rest %q (-want +got):\n%s", rest, diff)
			}
		})
	}
}

// What stands around the elements costs none of them.
func TestRecoverAround(t *testing.T) {
	both := []found{{a, "a", true}, {b, "b", true}}
	for name, c := range map[string]struct{ page, rest string }{
		"bom":            {"\xef\xbb\xbf[" + a + "," + b + "]", ""},
		"nul":            {"\x00[" + a + "\x00,\x00" + b + "\x00]\x00\x00", ""},
		"trailing_comma": {"[" + a + "," + b + ",]", ""},
		"two_commas":     {"[," + a + ",," + b + "]", ""},
		"no_comma":       {"[" + a + b + "]", ""},
		"rest":           {"[" + a + "," + b + "]<!-- gateway -->\n", "<!-- gateway -->"},
	} {
		t.Run(name, func(t *testing.T) {
			got, rest, err := recovered([]byte(c.page))
			if diff := cmp.Diff(both, got); diff != "" || rest != c.rest || err != nil {
				t.Errorf("rest %q, error %v (-want +got):\n%s", rest, err, diff)
			}
		})
	}
}

// Where a bracket, quote, comma or colon is missing, a neighbour could be taken along.
func TestRecoverUndivided(t *testing.T) {
	for name, broken := range map[string]string{
		"quote":           `{"n":"Ad"am","id":"c"}`,
		"open_quote":      `{"n":"Adam}`,
		"open_name":       `{"n:1}`,
		"bracket":         `{"n":[}`,
		"other_bracket":   `{"n":[1}}`,
		"extra_bracket":   `{"n":1}}`,
		"comma_in_object": `{"n":1 "id":"c"}`,
		"colon":           `{"n" 1}`,
		"name":            `{1:2}`,
		"no_value":        `{"n":,"id":"c"}`,
		"word_glued":      `{"n":1{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := recovered([]byte("[" + a + "," + broken + "," + b + "]"))
			var undivided *jsonwalk.Undivided
			if !errors.As(err, &undivided) {
				t.Errorf("got %v, want Undivided", err)
			}
		})
	}
	whole := string(page(2))
	for n := 1; n < len(whole); n++ {
		if _, _, err := recovered([]byte(whole[:n])); err == nil {
			t.Fatalf("a page that is cut after %d bytes was divided", n)
		}
	}
	var array *jsonwalk.NotAnArray
	if _, _, err := recovered([]byte(`{"a":[]}`)); !errors.As(err, &array) {
		t.Errorf("an object: got %v, want NotAnArray", err)
	}
}

// A page of brackets or quotes is read in time and without recursion.
func TestRecoverIsLinear(t *testing.T) {
	const n = 4 << 20
	for name, c := range map[string]string{
		"open":   strings.Repeat("[", n),
		"nested": strings.Repeat("[", n/2) + strings.Repeat("]", n/2),
		"nulls":  "[" + strings.Repeat("null,", n/5) + "]",
		"quotes": `["` + strings.Repeat(`\"`, n/2) + `"]`,
		"broken": "[" + strings.Repeat("{\"a\":\"\x01\"},", n/10) + "]",
		"names":  "[{" + strings.Repeat(`"id":"`+strings.Repeat("x", 1<<10)+`",`, n>>10) + "\x00\"b\":1}]",
	} {
		begin := time.Now()
		_, _, _ = recovered([]byte(c))
		if took := time.Since(begin); took > 20*time.Second { // quadratic time would be hours
			t.Errorf("%s: %d bytes took %v", name, len(c), took)
		}
	}
}

// FuzzRecover: whatever stands between two sound elements, either they come byte for byte
// or the page is not divided; every element is a part of the page; and Recover agrees with
// Walk on pages that Walk accepts.
func FuzzRecover(f *testing.F) {
	for _, seed := range []string{
		``, `null`, "{\"n\":\"\x01\"}", `{"n":"Ad"am"}`, `[[[[`, `]]]`, `{"a":{"b":[1,2,{"c":"d"}]}}`, `"`, `"}`, `\`, `{"id":"\"`, "\x00", `,,`, `{}{}`, `{"id":7}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, middle []byte) {
		body := []byte("[" + a + "," + string(middle) + "," + b + "]")
		original := bytes.Clone(body)
		var raws [][]byte
		rest, err := jsonwalk.Recover(body, []string{"id"}, func(e jsonwalk.Element) error {
			if e.Flaw == "" && !json.Valid(e.Raw) && bytes.IndexByte(e.Raw, '"') < 0 {
				t.Errorf("a broken element has no flaw: %q", e.Raw)
			}
			raws = append(raws, e.Raw)
			return nil
		})
		if !bytes.Equal(original, body) {
			t.Fatal("the page was changed")
		}
		at := 0
		for _, raw := range raws {
			i := bytes.Index(body[at:], raw)
			if i < 0 || len(raw) == 0 {
				t.Fatalf("element %q is not a part of the page", raw)
			}
			at += i + len(raw)
		}
		if len(raws) > 0 && unsafe.SliceData(raws[0]) != unsafe.SliceData(body[max(bytes.Index(body, raws[0]), 0):]) {
			t.Error("an element is a copy")
		}
		if err == nil && len(rest) == 0 && (string(raws[0]) != a || string(raws[len(raws)-1]) != b) {
			t.Errorf("a sound element was lost: %q", raws)
		}
		var walked [][]byte
		if jsonwalk.Walk(body, nil, func(e jsonwalk.Element) error { walked = append(walked, e.Raw); return nil }) == nil {
			if diff := cmp.Diff(walked, raws); diff != "" {
				t.Errorf("Walk and Recover differ (-walk +recover):\n%s", diff)
			}
		}
	})
}
