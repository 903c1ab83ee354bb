package table_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/idn-sentinel/idn-sentinel/internal/table"
)

func declared() *table.Declared {
	return &table.Declared{MaxValue: 256, Extra: "extra", Columns: map[string]table.Kind{
		"id": table.Text, "at": table.Moment, "n": table.Number, "ok": table.Truth, "attributes": table.Any, "extra": table.Any, table.Marker: table.Text,
	}}
}

func TestAppendRow(t *testing.T) {
	for name, c := range map[string]struct{ raw, want string }{
		"all_declared":    {`{ "id":"1", "at":"2026-09-01T00:00:00.123Z","n":-1.50,"ok":true,"attributes":{"x":[1]} }`, `{ "id":"1", "at":"2026-09-01T00:00:00.123Z","n":-1.50,"ok":true,"attributes":{"x":[1]} }`},
		"empty":           {`{}`, `{}`},
		"null":            {`{"id":null,"at":null,"n":null,"ok":null,"attributes":null}`, `{"id":null,"at":null,"n":null,"ok":null,"attributes":null}`},
		"undeclared":      {`{"id":"1","new":{"a": 1},"old":null}`, `{"id":"1","extra":{"new":{"a": 1},"old":null}}`},
		"only_undeclared": {`{"new":1}`, `{"extra":{"new":1}}`},
		"other_kinds":     {`{"id":1,"at":"yesterday","n":"1","ok":"true","attributes":"text"}`, `{"attributes":"text","extra":{"id":1,"at":"yesterday","n":"1","ok":"true"}}`},
		"numeric_zone":    {`{"at":"2026-09-01T00:00:07+0000"}`, `{"at":"2026-09-01T00:00:07+0000"}`},
		"no_such_day":     {`{"at":"2026-02-30T00:00:07Z"}`, `{"extra":{"at":"2026-02-30T00:00:07Z"}}`},
		"escaped_name":    {`{"\u0069d":"1"}`, `{"id":"1"}`},
		"given_extra":     {`{"id":"1","extra":{"new":1}}`, `{"id":"1","extra":{"new":1}}`},
		"both_extras":     {`{"extra":{"new":1},"newer":2,"id":"1"}`, `{"id":"1","extra":{"newer":2,"extra":{"new":1}}}`},
		"twice":           {`{"new":1,"new":2}`, `{"extra":{"new":1,"new":2}}`},
		"no_object":       {`[1]`, `[1]`},
		"no_JSON":         {`{"id":`, `{"id":`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := declared().AppendRow([]byte("before,"), jsontext.Value(c.raw))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("before,"+c.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	raw := jsontext.Value(`{"new":"` + strings.Repeat("x", 300) + `"}`)
	if _, err := declared().AppendRow(nil, raw); err == nil || !strings.Contains(err.Error(), "308 bytes") && !strings.Contains(err.Error(), "more than the 256") {
		t.Errorf("got %v", err)
	}
}

func TestDeclaredConform(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, c := range map[string]struct {
		raw, want string // want "": fits
	}{
		"fits":            {`{ "id":"1", "attributes":{"a":{"b":1.5}}, "new":[1,{"c":null}] }`, ""},
		"longest_text":    {`{"id":"` + long(256) + `"}`, ""},
		"longest_escaped": {`{"id":"` + strings.Repeat(`\n`, 256) + `"}`, ""},
		"longest_object":  {`{"attributes": {"a": "` + long(248) + `"}}`, ""},
		"escaped_name":    {`{"\u0069d":"1"}`, ""},
		"long_text":       {`{"id":"` + long(257) + `"}`, `{"id":"` + long(256) + `","idnConformed":"id: value truncated from 257 to 256 bytes"}`},
		"long_object":     {`{"attributes":{"k":1,"a":"` + long(300) + `"}}`, `{"attributes":{"k":1,"a":"` + long(242) + `"},"idnConformed":"attributes: value truncated from 314 to 256 bytes"}`},
		"many_members":    {`{"attributes":[` + strings.Repeat(`1,`, 200) + `1]}`, `{"attributes":"[` + strings.Repeat("1,", 63) + `1","idnConformed":"attributes: value truncated from 403 to 130 bytes"}`},
		"twice":           {`{"id":"1","id":"2"}`, `{"id":"1","idnConformed":"id: name given twice, the second is id_2","extra":{"id_2":"2"}}`},
		"twice_inside":    {`{"attributes":{"a":1,"a":2}}`, `{"attributes":{"a":1,"a_2":2},"idnConformed":"attributes: repeated names, broken text or long numbers repaired"}`},
		"big_number":      {`{"n":12345678901234567890,"attributes":[9007199254740993]}`, `{"attributes":["9007199254740993"],"idnConformed":"n: number sent as text; attributes: repeated names, broken text or long numbers repaired","extra":{"n":"12345678901234567890"}}`},
		"invalid_text":    {"{\"id\":\"\xff\"}", `{"id":"` + "\uFFFD" + `","idnConformed":"id: invalid Unicode replaced"}`},
		"invalid_name":    {"{\"\xff\":1}", `{"idnConformed":"invalid Unicode in a name replaced","extra":{"` + "\uFFFD" + `":1}}`},
		"own_marker":      {`{"idnConformed":"mine","id":"` + long(257) + `"}`, `{"id":"` + long(256) + `","idnConformed":"id: value truncated from 257 to 256 bytes","extra":{"idnConformed":"mine"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			row, changes, err := declared().Conform(jsontext.Value(c.raw))
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				c.want = c.raw
			}
			if diff := cmp.Diff(c.want, string(row)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (changes != nil) != (c.raw != c.want) {
				t.Errorf("changes %q", changes)
			}
		})
	}
	t.Run("many extras", func(t *testing.T) {
		raw := `{"id":"1","a":"` + long(200) + `","b":"` + long(200) + `"}`
		row, changes, err := declared().Conform(jsontext.Value(raw))
		if err != nil || len(changes) != 1 || !strings.Contains(changes[0], "without a column of their own truncated from 415 to 255 bytes") {
			t.Errorf("%s, %q, %v", row, changes, err)
		}
	})
	for _, raw := range []string{`[1]`, `1`, ``, `{"a":1`, `{}{}`, `{"a" 1}`} {
		if row, _, err := declared().Conform(jsontext.Value(raw)); err == nil {
			t.Errorf("%s became %s", raw, row)
		}
	}
}

// value draws any JSON value, broken in the ways that are to be mended.
func value(t *rapid.T, depth int) string {
	kinds := []string{"text", "number", "word", "broken"}
	if depth > 0 {
		kinds = append(kinds, "object", "array", "object")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "text":
		b, err := jsontext.AppendQuote(nil, rapid.StringN(0, 300, -1).Draw(t, "text"))
		if err != nil {
			return `""`
		}
		return string(b)
	case "number":
		return rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,3})?`).Draw(t, "number")
	case "broken":
		return rapid.SampledFrom([]string{"\"\xff\"", `"\ud800"`, `"\u00e9"`}).Draw(t, "broken")
	case "object":
		return object(t, depth-1)
	case "array":
		var all []string
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			all = append(all, value(t, depth-1))
		}
		return "[" + strings.Join(all, " , ") + "]"
	}
	return rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "word")
}

func object(t *rapid.T, depth int) string {
	names := []string{`"id"`, `"at"`, `"n"`, `"attributes"`, `"extra"`, `"idnConformed"`, `"new"`, `"\u0069d"`, `"id_2"`, "\"\xff\"", `""`}
	var all []string
	for range rapid.IntRange(0, 6).Draw(t, "members") {
		all = append(all, rapid.SampledFrom(names).Draw(t, "name")+": "+value(t, depth))
	}
	return "{" + strings.Join(all, ",") + "}"
}

// Whatever comes: a conformed row is valid JSON, conforms, is sent as it is or
// with its undeclared members gathered, and no value in what is sent is too long
// or without a column.
func TestDeclaredProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := declared()
		raw := jsontext.Value(object(t, 3))
		before := string(raw)
		row, changes, err := d.Conform(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if string(raw) != before {
			t.Fatalf("the record was written to")
		}
		if changes == nil && string(row) != before {
			t.Errorf("changed without a word: %s", row)
		}
		again, more, err := d.Conform(row)
		if err != nil || more != nil || string(again) != string(row) {
			t.Errorf("%s\nis %s\nand that does not conform: %q %v", raw, row, more, err)
		}
		sent, err := d.AppendRow(nil, row)
		if err != nil || !jsontext.Value(sent).IsValid() {
			t.Fatalf("sent %s, %v", sent, err)
		}
		var members map[string]jsontext.Value
		if err := json.Unmarshal(sent, &members); err != nil {
			t.Fatal(err)
		}
		for name, v := range members {
			if d.Columns[name] == table.Undeclared {
				t.Errorf("%s has no column: %s", name, sent)
			}
			v = v.Clone()
			_ = v.Compact()
			size := len(v)
			if v.Kind() == '"' {
				text, _ := jsontext.AppendUnquote(nil, v)
				size = len(text)
			}
			if size > d.MaxValue && name != table.Marker {
				t.Errorf("%s has %d bytes", name, size)
			}
		}
		if changes == nil {
			keepsMembers(t, raw, members)
		}
	})
}

// keepsMembers: what did not have to be changed is all there.
func keepsMembers(t *rapid.T, raw jsontext.Value, sent map[string]jsontext.Value) {
	var want, extra map[string]jsontext.Value
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	got := maps.Clone(sent)
	if _, given := want["extra"]; sent["extra"].Kind() == '{' {
		if err := json.Unmarshal(sent["extra"], &extra); err != nil {
			t.Fatal(err)
		}
		if !given || extra["extra"] != nil {
			delete(got, "extra")
			maps.Copy(got, extra)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("members (-want +got):\n%s\n%s", diff, raw)
	}
	for name := range want {
		w, g := want[name].Clone(), got[name].Clone()
		_, _ = w.Compact(), g.Compact()
		if string(w) != string(g) {
			t.Errorf("%s: %s became %s", name, w, g)
		}
	}
}

const declaredEvent = `{"id":"001909ce8cc3b519436197105426b18b5fc6ca179803c0c3702e9038107bec78","at":"2023-06-01T22:01:37.818Z","n":1,"attributes":{"sourceName":"Active Directory","accountName":"CN=Colt Spears,OU=Sales","objects":["ACCOUNT",{"a":1}]}}`

func TestDeclaredDoesNotAllocate(t *testing.T) {
	d, raw := declared(), jsontext.Value(declaredEvent)
	dst := make([]byte, 0, 2*len(raw))
	if n := testing.AllocsPerRun(100, func() {
		if _, changes, err := d.Conform(raw); changes != nil || err != nil {
			t.Fatal(changes, err)
		}
		if row, err := d.AppendRow(dst, raw); err != nil || len(row) != len(raw) {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a record that fits", n)
	}
}

func BenchmarkDeclared(b *testing.B) {
	d, raw := declared(), jsontext.Value(declaredEvent)
	dst := make([]byte, 0, 2*len(raw))
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, changes, _ := d.Conform(raw); changes != nil {
			b.Fatal(changes)
		}
		_, _ = d.AppendRow(dst, raw)
	}
}

func FuzzDeclared(f *testing.F) {
	f.Add([]byte(declaredEvent))
	f.Add([]byte(`{"a":{"a":1,"a":2},"new":"\ud800"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := declared()
		row, _, err := d.Conform(raw)
		if err != nil {
			return
		}
		if again, changes, err := d.Conform(row); err != nil || changes != nil || string(again) != string(row) {
			t.Errorf("%q: %q does not conform: %q, %v", raw, row, changes, err)
		}
		if sent, err := d.AppendRow(nil, row); err != nil || !jsontext.Value(sent).IsValid() {
			t.Errorf("%q: sent %q, %v", raw, sent, err)
		}
	})
}
