package table_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/table"
)

// large are records of some 4 MB that no table holds as they are.
func large() map[string]jsontext.Value {
	members := func(sep string) string {
		var b strings.Builder
		for i := range 120_000 {
			fmt.Fprintf(&b, `%s"f%06d":"%020d"`, sep, i, i)
			sep = ","
		}
		return b.String()
	}
	const head, tail = `{"id":"a","created":"2026-09-01T00:00:00Z"`, `,"status":"PASSED"}`
	return map[string]jsontext.Value{
		"members at the top":     jsontext.Value(head + members(",") + tail),
		"members of an object":   jsontext.Value(head + `,"attributes":{` + members("") + "}" + tail),
		"an array of numbers":    jsontext.Value(head + `,"attributes":[1` + strings.Repeat(",1", 2_000_000) + "]" + tail),
		"an array in an object":  jsontext.Value(head + `,"attributes":{"list":[1` + strings.Repeat(",1", 2_000_000) + "]}" + tail),
		"a text of escapes":      jsontext.Value(head + `,"attributes":"` + strings.Repeat(`\u0041`, 700_000) + `"` + tail),
		"a text in an object":    jsontext.Value(head + `,"attributes":{"text":"` + strings.Repeat(`\u0041é`, 500_000) + `"}` + tail),
		"the same name":          jsontext.Value(head + strings.Repeat(`,"f":1`, 700_000) + tail),
		"names that fit nowhere": jsontext.Value(head + strings.Repeat(`,"f":{"a b":null}`, 250_000) + tail),
	}
}

// A record of any size and make costs little more memory than itself, and the row says whose it is.
func TestLargeRecords(t *testing.T) {
	events := &table.Declared{MaxValue: 64_000, Extra: "Extra", Columns: map[string]table.Kind{
		"id": table.Text, "created": table.Text, "status": table.Text, "attributes": table.Any, "Extra": table.Any, table.Marker: table.Text,
	}}
	for name, raw := range large() {
		for kind, conform := range map[string]func(jsontext.Value) (jsontext.Value, []string, error){
			"classic": table.Classic().Conform, "declared": events.Conform,
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				row, changes, err := conform(raw)
				runtime.ReadMemStats(&after)
				if err != nil || len(changes) == 0 || len(row) > 2<<20 {
					t.Fatalf("a row of %d bytes, %d changes, %v", len(row), len(changes), err)
				}
				for _, member := range []string{`"id":"a"`, `"created":"2026-09-01T00:00:00Z"`} {
					if !bytes.Contains(row, []byte(member)) {
						t.Errorf("the row lacks %s: %.200s", member, row)
					}
				}
				if strings.Contains(name, "attributes") && !bytes.Contains(row, []byte(`"status":"PASSED"`)) {
					t.Errorf("the row lacks what follows the attributes: %.200s", row)
				}
				if again, changes, err := conform(row); err != nil || len(changes) > 0 || !bytes.Equal(again, row) {
					t.Errorf("the row does not fit itself: %q, %v", changes, err)
				}
				if cost := int(after.TotalAlloc - before.TotalAlloc); cost > 3*len(raw)+4<<20 {
					t.Errorf("%d bytes were allocated for a record of %d", cost, len(raw))
				} else {
					t.Logf("%d bytes for %d", cost, len(raw))
				}
			})
		}
	}
}
