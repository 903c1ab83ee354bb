package jsonwalk_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
)

// outlines are those of a page's elements, with their skeletons.
func outlines(t *testing.T, shapes *jsonwalk.Shapes, page string) (found []jsonwalk.Outline, skeletons []string) {
	t.Helper()
	if err := shapes.Walk([]byte(page), []string{"id"}, func(e jsonwalk.Element) error {
		found = append(found, e.Outline)
		skeletons = append(skeletons, skeleton(e.Outline.Shape))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found, skeletons
}

func skeleton(s *jsonwalk.Shape) (text string) {
	if s != nil {
		s.Verdict(new(int), func(skeleton []byte) bool { text = string(skeleton); return true })
	}
	return text
}

func TestOutline(t *testing.T) {
	for name, c := range map[string]struct {
		element, want string
		longest       int
	}{
		"empty":                 {`{ }`, `{}`, 0},
		"members":               {`{"id":"four","b":true,"c":null}`, `{"id":0,"b":0,"c":0}`, 4},
		"objects":               {`{"a":{"b":{},"c":1.5}, "d" : {"e":"x"}}`, `{"a":{"b":{},"c":0},"d":{"e":0}}`, 1},
		"twice":                 {`{"a":1,"a":{"a":2}}`, `{"a":0,"a":{"a":0}}`, 0},
		"array":                 {`{"a":[ 1,"twelve", null]}`, `{"a":0}`, 19},
		"ASCII behind a quote":  {`{"a":"b","c":"é"}`, `{"a":0,"c":0}`, 2},
		"escapes":               {`{"a":"\"\\\n"}`, `{"a":0}`, 6},
		"name with escapes":     {`{"\u0061":1}`, `{"\u0061":0}`, 0},
		"valid Unicode":         {`{"a":"Ünal"}`, `{"a":0}`, 5},
		"invalid Unicode":       {"{\"a\":\"\xff\"}", ``, 0},
		"invalid, in an array":  {"{\"a\":[\"\xc3\"]}", ``, 0},
		"half a pair":           {`{"a":"\ud800"}`, ``, 0},
		"15 digits":             {`{"a":123456789012345}`, `{"a":0}`, 0},
		"16 digits":             {`{"a":1234567890123456}`, ``, 0},
		"exponent":              {`{"a":1e400}`, ``, 0},
		"exponent in capitals":  {`{"a":[1E400]}`, ``, 0},
		"objects in an array":   {`{"a":[{"b":1,"c":{"b":2,"c":{}}},{},{"b":1,"c":[{"b":"x"}]}]}`, `{"a":0}`, 55},
		"array in an array":     {`{"a":[[]]}`, `{"a":0}`, 4},
		"twice in an array":     {`{"a":[{"b":1,"b":2}]}`, ``, 0},
		"twice around another":  {`{"a":[{"b":1,"c":{"d":{}},"b":2}]}`, ``, 0},
		"twice, further inside": {`{"a":[[{"b":{"c":1,"c":2}}]]}`, ``, 0},
		"escaped in an array":   {`{"a":[{"\u0062":1}]}`, ``, 0},
		"invalid in an array":   {"{\"a\":[{\"\xff\":1}]}", ``, 0},
		"name of a whole page":  {`{"` + strings.Repeat("x", 300) + `":1}`, ``, 0},
		"deep, but not too far": {`{"a":` + strings.Repeat(`{"b":`, 60) + "1" + strings.Repeat("}", 61), `{"a":` + strings.Repeat(`{"b":`, 60) + "0" + strings.Repeat("}", 61), 0},
		"too deep":              {`{"a":` + strings.Repeat(`{"b":`, 70) + "1" + strings.Repeat("}", 71), ``, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var shapes jsonwalk.Shapes
			for _, when := range []string{"new", "known"} {
				got, skeletons := outlines(t, &shapes, "["+c.element+"]")
				if skeletons[0] != c.want || got[0].Longest != c.longest {
					t.Errorf("%s: %q, longest %d; want %q, %d", when, skeletons[0], got[0].Longest, c.want, c.longest)
				}
			}
		})
	}
}

// Elements have the same shape if their names are the same, and only then.
func TestShapes(t *testing.T) {
	var shapes jsonwalk.Shapes
	got, _ := outlines(t, &shapes, `[{"a":1,"b":{"c":2}}, {"a":"x" , "b":{"c":[]}}, {"a":1,"b":{},"c":2}, {"b":1,"a":{"c":2}}, {"a":1}, {"a":1,"ab":1}]`)
	if got[0].Shape != got[1].Shape {
		t.Error("same names, another shape")
	}
	for i := range got[1:] {
		for j := range i {
			if got[i+1].Shape.Equal(got[j].Shape) {
				t.Errorf("elements %d and %d have the same shape", i+1, j)
			}
		}
	}
	if one, same := got[0].Shape, got[1].Shape; !one.Equal(same) || one.Equal(nil) || (*jsonwalk.Shape)(nil).Equal(one) {
		t.Error("Equal")
	}
}

// What was decided is asked again by another only.
func TestVerdict(t *testing.T) {
	var shapes jsonwalk.Shapes
	got, _ := outlines(t, &shapes, `[{"a":1}]`)
	one, other := new(int), new(int)
	asked := 0
	for i, by := range []*int{one, one, one, other} {
		ok := got[0].Shape.Verdict(by, func([]byte) bool { asked++; return asked == 1 })
		if ok != (by == one) {
			t.Errorf("question %d: %v", i, ok)
		}
	}
	if asked != 2 {
		t.Errorf("decided %d times, want 2", asked)
	}
}

// Elements that are all different are walked all the same, and what is remembered stays small.
func TestShapesAreBounded(t *testing.T) {
	for name, element := range map[string]func(i int) string{
		"names": func(i int) string { return fmt.Sprintf(`{"id":"a","n%d":1,"b":{}}`, i) },
		"paths": func(i int) string {
			return fmt.Sprintf(`{"a%d":1,"b%d":{"c%d":{"d%d":1}},"id":"a"}`, i%60, i/60%60, i%59, i%58)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var shapes jsonwalk.Shapes
			known := 0
			for i := range 5000 {
				if err := shapes.Walk([]byte("["+element(i)+"]"), []string{"id"}, func(e jsonwalk.Element) error {
					if e.Outline.Shape != nil {
						known++
					}
					if string(e.Picks[0].Text) != "a" || string(e.Raw) != element(i) {
						t.Errorf("%s: %q, %s", element(i), e.Picks[0].Text, e.Raw)
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			}
			if known == 0 || known > 2500 {
				t.Errorf("%d of 5000 have an outline", known)
			}
		})
	}
}

// A walk with outlines finds what one without finds, whatever was walked before.
func FuzzShapes(f *testing.F) {
	for _, seed := range quickSeeds() {
		f.Add([]byte(seed), []byte(`[{"id":"a","b":{"c":[1]}}]`), "id")
	}
	f.Add(page(2), page(2), "created")
	f.Fuzz(func(t *testing.T, body, before []byte, name string) {
		if !utf8.ValidString(name) {
			return // names are written by programmers
		}
		var shapes jsonwalk.Shapes
		ignore := func(jsonwalk.Element) error { return nil }
		_ = shapes.Walk(before, []string{name}, ignore)
		want, wantErr := collect(body, name, jsonwalk.Walk)
		for range 2 {
			got, err := collect(body, name, shapes.Walk)
			if diff := cmp.Diff(want, got); diff != "" || err != wantErr {
				t.Fatalf("error %q, want %q; elements (-want +got):\n%s", err, wantErr, diff)
			}
		}
	})
}
