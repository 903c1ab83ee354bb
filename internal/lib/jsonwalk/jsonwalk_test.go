package jsonwalk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
)

// pick is a Pick that outlives the visit.
type pick struct {
	Kind jsonwalk.Kind
	Text string
}

// element is an Element that outlives the visit.
type element struct {
	Index int
	Raw   string
	Picks []pick
}

// walk collects what Walk hands out.
func walk(page string, names ...string) (got []element, err error) {
	err = jsonwalk.Walk([]byte(page), names, func(e jsonwalk.Element) error {
		kept := element{Index: e.Index, Raw: string(e.Raw)}
		for _, p := range e.Picks {
			kept.Picks = append(kept.Picks, pick{p.Kind, string(p.Text)})
		}
		got = append(got, kept)
		return nil
	})
	return got, err
}

func TestElements(t *testing.T) {
	text := func(s string) pick { return pick{jsonwalk.String, s} }
	var (
		absent = pick{Kind: jsonwalk.Absent}
		null   = pick{Kind: jsonwalk.Null}
		other  = pick{Kind: jsonwalk.Other}
	)
	for name, c := range map[string]struct {
		page string
		want []element
	}{
		"empty":          {" [ \n ] ", nil},
		"bytes_are_kept": {`[ {"id" : "a", "n":1.0e+2 } ,{"id":"b"}]`, []element{{0, `{"id" : "a", "n":1.0e+2 }`, []pick{text("a"), absent}}, {1, `{"id":"b"}`, []pick{text("b"), absent}}}},
		"empty_object":   {`[{}]`, []element{{0, `{}`, []pick{absent, absent}}}},
		"null":           {`[{"created":null,"id":null}]`, []element{{0, `{"created":null,"id":null}`, []pick{null, null}}}},
		"other_types":    {`[{"id":7,"created":{"id":"x"}}]`, []element{{0, `{"id":7,"created":{"id":"x"}}`, []pick{{jsonwalk.Number, "7"}, other}}}},
		"nested_id":      {`[{"actor":{"id":"x"},"list":[{"id":"y"}]}]`, []element{{0, `{"actor":{"id":"x"},"list":[{"id":"y"}]}`, []pick{absent, absent}}}},
		"last_wins":      {`[{"id":"a","id":null,"id":"b"}]`, []element{{0, `{"id":"a","id":null,"id":"b"}`, []pick{text("b"), absent}}}},
		"last_null_wins": {`[{"id":"a","id":null}]`, []element{{0, `{"id":"a","id":null}`, []pick{null, absent}}}},
		"escapes":        {`[{"i\u0064":"a\u00e9\n\"","created":""}]`, []element{{0, `{"i\u0064":"a\u00e9\n\"","created":""}`, []pick{text("aé\n\""), text("")}}}},
		"invalid_utf8":   {"[{\"name\":\"\xff\",\"id\":\"a\"}]", []element{{0, "{\"name\":\"\xff\",\"id\":\"a\"}", []pick{text("a"), absent}}}},
		"mangled_id":     {"[{\"id\":\"a\xff\"}]", []element{{0, "{\"id\":\"a\xff\"}", []pick{other, absent}}}},
		"half_surrogate": {`[{"id":"\ud800"}]`, []element{{0, `{"id":"\ud800"}`, []pick{other, absent}}}},
		"case_counts":    {`[{"ID":"a","Created":"b"}]`, []element{{0, `{"ID":"a","Created":"b"}`, []pick{absent, absent}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := walk(c.page, "id", "created")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("elements (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct{ page, want string }{
		"object":       {`{"message":"Endpoint request timed out"}`, `expected a JSON array, got an object: {"message":"Endpoint request timed out"}`},
		"html":         {"<html>\r\n <body>Bad\tGateway</body>", `expected a JSON array, got something other than JSON: <html> <body>Bad Gateway</body>`},
		"nothing":      {"  ", `expected a JSON array, got nothing`},
		"null":         {"null", `expected a JSON array, got null: null`},
		"number":       {"-1", `expected a JSON array, got a number: -1`},
		"element":      {`[{},7]`, `element 1 of the array is a number, not an object`},
		"null_element": {`[null]`, `element 0 of the array is null, not an object`},
		"array_in_it":  {`[[]]`, `element 0 of the array is an array, not an object`},
		"two_values":   {`[]{"a":1}`, `unexpected data after the array: {"a":1}`},
		"comma":        {`[{},]`, ``},
		"name":         {`[{1:2}]`, ``},
		"control":      {"[{\"id\":\"\x01\"}]", ``},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := walk(c.page, "id")
			if err == nil {
				t.Fatal("no error")
			}
			if c.want != "" && err.Error() != c.want {
				t.Errorf("got  %q\nwant %q", err, c.want)
			}
		})
	}
}

func TestErrorsAreTyped(t *testing.T) {
	_, err := walk(`{}`)
	var array *jsonwalk.NotAnArray
	if !errors.As(err, &array) || array.Got != "an object" {
		t.Errorf("got %v, want NotAnArray with an object", err)
	}
	_, err = walk(`[{},{},"x"]`)
	var object *jsonwalk.NotAnObject
	if !errors.As(err, &object) || object.Index != 2 {
		t.Errorf("got %v, want NotAnObject with index 2", err)
	}
}

// A page that ends too early at any byte is an error, and says that it was cut.
func TestCutPages(t *testing.T) {
	whole := string(page(2))
	for n := 1; n < len(whole); n++ {
		if _, err := walk(whole[:n], "id"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut behind %q: got %v, want unexpected EOF", whole[:n], err)
		}
	}
}

func TestVisitorEndsTheWalk(t *testing.T) {
	stop := errors.New("stop")
	visits := 0
	err := jsonwalk.Walk([]byte(`[{},{},{}]`), nil, func(e jsonwalk.Element) error {
		visits++
		if e.Index == 1 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || visits != 2 {
		t.Errorf("got %v after %d visits, want the visitor's error after 2", err, visits)
	}
}

// Elements are part of the page, and appending to one can't write into the next.
func TestElementsAreSubSlices(t *testing.T) {
	body := page(3)
	original := bytes.Clone(body)
	err := jsonwalk.Walk(body, nil, func(e jsonwalk.Element) error {
		at := bytes.Index(body, e.Raw)
		if at < 0 || unsafe.SliceData(e.Raw) != unsafe.SliceData(body[at:]) {
			t.Errorf("element %d is a copy", e.Index)
		}
		_ = append(e.Raw, '!')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(original, body) {
		t.Error("the page was changed")
	}
}

func TestExcerpt(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"empty":   {"", ""},
		"spaces":  {"  a \t\r\n b  ", "a b"},
		"control": {"a\x00b\x1bc\u202ed", "a b c·d"},
		"invalid": {"a\xffb", "a·b"},
		"long":    {strings.Repeat("x", 500), strings.Repeat("x", 159) + "…"},
		"exact":   {strings.Repeat("x", 159), strings.Repeat("x", 159)},
		"runes":   {strings.Repeat("é", 100), strings.Repeat("é", 79) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, jsonwalk.Excerpt([]byte(c.in))); diff != "" {
				t.Errorf("excerpt (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoAllocationsForElements(t *testing.T) {
	names := []string{"id", "created"}
	allocs := func(n int) float64 {
		body := page(n)
		return testing.AllocsPerRun(20, func() {
			if err := jsonwalk.Walk(body, names, func(jsonwalk.Element) error { return nil }); err != nil {
				t.Fatal(err)
			}
		})
	}
	one, many := allocs(1), allocs(1000)
	if many > one {
		t.Errorf("%v allocations for 1000 elements, but %v for one", many, one)
	}
	if one > 20 {
		t.Errorf("%v allocations for a page, want at most 20", one)
	}
}

// reference is what encoding/json makes of a page. ok is false if the page is no list of objects.
func reference(body []byte, name string) (got []element, ok bool) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !json.Valid(body) || bytes.TrimSpace(body)[0] != '[' {
		return nil, false
	}
	var raws []json.RawMessage
	if json.Unmarshal(body, &raws) != nil {
		return nil, false
	}
	for i, raw := range raws {
		var members map[string]json.RawMessage
		if raw == nil || raw[0] != '{' || json.Unmarshal(raw, &members) != nil {
			return nil, false
		}
		p := pick{}
		if value, found := members[name]; found {
			p = refer(value)
		}
		got = append(got, element{Index: i, Raw: string(raw), Picks: []pick{p}})
	}
	return got, true
}

func refer(value json.RawMessage) pick {
	var s string
	switch {
	case value == nil || string(value) == "null":
		return pick{Kind: jsonwalk.Null}
	case value[0] == '-' || value[0] >= '0' && value[0] <= '9':
		return pick{jsonwalk.Number, string(value)}
	case value[0] != '"' || json.Unmarshal(value, &s) != nil || !utf8.Valid(value):
		return pick{Kind: jsonwalk.Other}
	}
	return pick{jsonwalk.String, s}
}

// Walk finds the elements and picks that encoding/json finds, and accepts the
// same pages.
func FuzzWalk(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[{}]`, `[{"id":"a"},{"id":null},{"id":1},{}]`, `{"a":[]}`, `[{"id":"a","id":"b"}]`, `[{"i\u0064":"\ud83d\ude00"}]`,
		"[{\"id\":\"\xff\"}]", `[{"id":"\ud800"}]`, `[1]`, `[{"a":[1,-0.5e7,true,{"id":"x"}]}] `, `[{"id":"a"}`, `[{"":""}]x`, ` null`,
	} {
		f.Add([]byte(seed), "id")
	}
	f.Add(page(2), "created")
	f.Add([]byte(`[{"a\"b":"1","a\\b":"2"}]`), `a\"b`)
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		if !utf8.ValidString(name) {
			return // names are written by programmers
		}
		got, err := walk(string(body), name)
		want, ok := reference(body, name)
		if (err == nil) != ok {
			t.Fatalf("walk said %v, encoding/json accepts it: %v", err, ok)
		}
		if !ok {
			return
		}
		for i := range want {
			// encoding/json replaces half a surrogate pair, which Walk does not take for text.
			if got[i].Picks[0].Kind == jsonwalk.Other && strings.ContainsRune(want[i].Picks[0].Text, utf8.RuneError) {
				want[i].Picks[0] = pick{Kind: jsonwalk.Other}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("elements (-want +got):\n%s", diff)
		}
	})
}

// quickSeeds are pages that the quick walk leaves to the decoder in every way.
func quickSeeds() []string {
	return []string{
		`[]`, ` [ { } ] `, `[{"id":"a"},{"id":null},{"id":-1.5e+7},{}]`, `[{"a":[[],{},[{"id":"x"}],true,false,null,0]}]`,
		`[{"id":"\ud83d\ude00\/\u00e9"}]`, "[{\"id\":\"\xff\"}]", `[{"id":"\ud800"}]`, `[{"i\u0064":"a"}]`, `[{"id":"a"}`, `[{"id":"a"},`,
		`[{"id":"a"} {`, `[{"id":"a"},7]`, `[{"id":"a"}]x`, `[{"id":01}]`, `[{"id":1.}]`, `[{"id":-}]`, `[{"id":1e}]`, `[{"id":"\x"}]`,
		`[{"id":"\u12G4"}]`, "[{\"id\":\"1234567\x01\"}]", `[{"id":tru}]`, `[{"id",1}]`, `[{"id":1,}]`, `[{"a":[1,]}]`, `[,{}]`, `[{},]`, ``, `{`, `null`,
		`[{"id":"` + strings.Repeat("x", 30) + `\"` + strings.Repeat("é", 9) + `"}]`,
		`[{"a":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `,"id":"deep"},{"id":"b"}]`,
		`[{"a":` + strings.Repeat(`{"b":`, 70) + `1` + strings.Repeat("}", 70) + `}]`,
	}
}

// collect is what a walk hands out, and its error.
func collect(body []byte, name string, walk func([]byte, []string, func(jsonwalk.Element) error) error) (got []element, message string) {
	err := walk(body, []string{name}, func(e jsonwalk.Element) error {
		got = append(got, element{e.Index, string(e.Raw), []pick{{e.Picks[0].Kind, string(e.Picks[0].Text)}}})
		return nil
	})
	return got, fmt.Sprint(err)
}

// Walk finds in a page what the decoder alone finds, and ends with the same error.
func FuzzQuick(f *testing.F) {
	for _, seed := range quickSeeds() {
		f.Add([]byte(seed), "id")
	}
	f.Add(page(2), "created")
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		if !utf8.ValidString(name) {
			return // names are written by programmers
		}
		got, err := collect(body, name, jsonwalk.Walk)
		want, wantErr := collect(body, name, jsonwalk.WalkSlowly)
		if diff := cmp.Diff(want, got); diff != "" || err != wantErr {
			t.Fatalf("error %q, want %q; elements (-want +got):\n%s", err, wantErr, diff)
		}
	})
}

// Ordinary pages need no decoder, also those with escapes and deep attributes.
func TestOrdinaryPagesAreQuick(t *testing.T) {
	for _, body := range []string{string(page(3)), `[]`, " [ {\"a\" : [ { } , [ ] , -1.5e3 ] , \"b\":\"\\u00e9\\\\\" }\n] "} {
		if !jsonwalk.IsQuick([]byte(body)) {
			t.Errorf("the decoder is needed for %.60s", body)
		}
	}
}
