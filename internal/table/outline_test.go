package table_test

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
	"github.com/idn-sentinel/idn-sentinel/internal/table"
)

// outlineOf is what a walk says of a record; nothing if it can't be walked.
func outlineOf(shapes *jsonwalk.Shapes, raw []byte) (o jsonwalk.Outline) {
	page := append(append([]byte{'['}, raw...), ']')
	_ = shapes.Walk(page, []string{"id"}, func(e jsonwalk.Element) error {
		o = e.Outline
		return nil
	})
	return o
}

// checkOutline: what an outline says fits, Conform would not have changed.
func checkOutline(tb rapid.TB, rules *table.Rules, shapes *jsonwalk.Shapes, raw jsontext.Value) (fits bool) {
	tb.Helper()
	fits = rules.FitsOutline(outlineOf(shapes, raw))
	if _, changes, err := rules.Conform(raw); fits && (err != nil || changes != nil) {
		tb.Fatalf("fits by its outline, but: %v, changes %q: %s", err, changes, raw)
	}
	return fits
}

// Ordinary events are known to fit without a look at them.
func TestFitsOutline(t *testing.T) {
	var shapes jsonwalk.Shapes
	rules := table.Classic()
	for name, test := range map[string]struct {
		raw  string
		fits bool
	}{
		"event":                     {string(event()), true},
		"many names":                {string(wide()), true},
		"null under a long name":    {`{"a234567890123456789012345678901234567890123456":null}`, false}, // another has a value there
		"value under the same name": {`{"a234567890123456789012345678901234567890123456":1}`, false},
		"reserved":                  {`{"rawdata":1}`, false},
		"twice, in two ways":        {`{"a_b":1,"a":{"b":2}}`, false},
		"column twice":              {`{"a":1,"a":2}`, false},
		"no object":                 {`[]`, false},
		"objects in an array":       {`{"a":[{"b_c":1,"b":{"c":2},"too long for a column, and with blanks in it":[[{}]]},{"b_c":2}]}`, true},
		"twice in an array":         {`{"a":[{"b":1,"b":2}]}`, false},
		"number in an array":        {`{"a":[{"b":12345678901234567}]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				if got := checkOutline(t, rules, &shapes, jsontext.Value(test.raw)); got != test.fits {
					t.Errorf("fits: %v, want %v", got, test.fits)
				}
			}
		})
	}
	if rules.FitsOutline(jsonwalk.Outline{}) {
		t.Error("nothing is known, and it fits")
	}
}

// A verdict about one record holds for all of its shape, whichever came first.
func TestOutlines(t *testing.T) {
	known := 0
	rapid.Check(t, func(t *rapid.T) {
		var shapes jsonwalk.Shapes
		rules := small()
		for range rapid.IntRange(1, 6).Draw(t, "records") {
			if checkOutline(t, rules, &shapes, jsontext.Value(objects().Draw(t, "record"))) {
				known++
			}
		}
	})
	if known == 0 {
		t.Error("no record was known to fit")
	}
}

func FuzzOutline(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"c":"x"}}`), []byte(`{"a":null,"b":{"c":[1,"2"]}}`))
	f.Add([]byte(event()), []byte(wide()))
	f.Add([]byte(`{"a":"\u00e9"}`), []byte("{\"a\":\"\xff\"}"))
	f.Add([]byte(`{"a":1e400}`), []byte(`{"a":12345678901234567890}`))
	f.Add([]byte(`{"a":[{"b":1,"b":2}]}`), []byte(`{"a":[[["\ud800"]]]}`))
	f.Add([]byte(`{"a":[{"b":1,"c":{"b":2}}]}`), []byte(`{"a":[{"b":1,"c":{"b":2,"b":3}}]}`))
	f.Add([]byte(`{"a":[{"\u0062":1,"b":{}},[{}]]}`), []byte("{\"a\":[{\"\xff\":1}]}"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var shapes jsonwalk.Shapes
		for _, raw := range [][]byte{first, second, first} {
			if !jsontext.Value(raw).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
				continue // a page has sound objects only
			}
			checkOutline(t, table.Classic(), &shapes, raw)
			checkOutline(t, &table.Rules{MaxName: 22, MaxColumns: 3, MaxValue: 64, Reserved: []string{"tenant"}}, &shapes, raw)
		}
	})
}
