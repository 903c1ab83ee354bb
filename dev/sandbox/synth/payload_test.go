package synth_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/synth"
)

// Each trigger of the API document is played at least once as the document has it
// today. Others of its payloads may have the older shapes of SailPoint's examples.
func TestPayloadsHaveTodaysShapes(t *testing.T) {
	text, err := os.ReadFile("testdata/payloads.txt")
	if err != nil {
		t.Fatal(err)
	}
	g := synth.New(synth.Options{Seed: 3})
	played := make(map[string][]any)
	for i := range 200 {
		inv := g.Invocation(i)
		var input any
		if err := json.Unmarshal(inv.Input, &input); err != nil {
			t.Fatal(err)
		}
		played[inv.TriggerID] = append(played[inv.TriggerID], input)
	}
	triggers := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if line[0] == '#' || len(fields) == 0 {
			continue
		}
		triggers++
		t.Run(strings.TrimPrefix(fields[0], "idn:"), func(t *testing.T) {
			var first string
			for _, input := range played[fields[0]] {
				wrong := differs(input, fields[1:])
				if wrong == "" {
					return
				}
				first = wrong
			}
			t.Errorf("none of %d payloads has the shape; one differs in %s", len(played[fields[0]]), first)
		})
	}
	if triggers != 30 {
		t.Errorf("%d triggers, want 30", triggers)
	}
}

// differs returns the first member that a payload lacks or has otherwise.
func differs(payload any, members []string) string {
	for _, m := range members {
		path, kind, _ := strings.Cut(m, ":")
		if !has(payload, strings.Split(strings.ReplaceAll(path, "[]", ".[]"), "."), kind) {
			return fmt.Sprintf("%s (want %s)", path, kind)
		}
	}
	return ""
}

// has says whether every value that a path leads to is there and of a kind. What is
// null or an empty array on the way leads to none.
func has(v any, path []string, kind string) bool {
	if len(path) == 0 {
		return is(v, kind)
	}
	if v == nil {
		return true // whether it may be null is said of itself
	}
	if path[0] == "[]" {
		list, ok := v.([]any)
		for _, one := range list {
			ok = ok && has(one, path[1:], kind)
		}
		return ok
	}
	object, _ := v.(map[string]any)
	member, ok := object[path[0]]
	return ok && has(member, path[1:], kind)
}

func is(v any, kind string) bool {
	kind, nullable := strings.CutSuffix(kind, "?")
	switch v := v.(type) {
	case nil:
		return nullable || kind == "*"
	case string:
		if kind == "t" {
			_, err := time.Parse(time.RFC3339, v)
			return err == nil
		}
		return kind == "s" || kind == "*"
	case bool:
		return kind == "b" || kind == "*"
	case float64:
		return kind == "n" || kind == "*"
	case []any:
		return kind == "a" || kind == "*"
	}
	return kind == "o" || kind == "*"
}

// The check above finds what it looks for.
func TestDiffers(t *testing.T) {
	for name, c := range map[string]struct {
		payload, members string
		want             bool
	}{
		"same":          {`{"a":[{"b":"x"}],"c":null}`, "a:a a[].b:s c:s?", false},
		"missing":       {`{"a":[{}]}`, "a[].b:s", true},
		"no_array":      {`{"a":{"b":"x"}}`, "a[].b:s", true},
		"null":          {`{"a":null}`, "a:s", true},
		"number":        {`{"a":3}`, "a:s", true},
		"no_time":       {`{"a":"2026-09-01T10:00:00.000+0000"}`, "a:t", true},
		"time":          {`{"a":"2026-09-01T10:00:00.000Z"}`, "a:t", false},
		"below_a_null":  {`{"a":null}`, "a:a? a[].b:s", false},
		"missing_outer": {`{}`, "a.b:s", true},
	} {
		t.Run(name, func(t *testing.T) {
			var v any
			if err := json.Unmarshal([]byte(c.payload), &v); err != nil {
				t.Fatal(err)
			}
			if got := differs(v, strings.Fields(c.members)); (got != "") != c.want {
				t.Errorf("differs in %q", got)
			}
		})
	}
}
