package workspace_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// sample is a value that fills a column of this form.
func sample(f schema.Field) any {
	switch {
	case f.Form == schema.GUID:
		return "8145d82213a744ad859c36f31a84f6dd"
	case f.Form == schema.Time, f.Form == schema.Generated, f.Type == schema.DateTime:
		return "2026-09-02T11:59:00Z"
	case f.Form == schema.Number, f.Type == schema.Real:
		return 5
	case f.Form == schema.Truth, f.Type == schema.Bool:
		return true
	case f.From == "objects":
		return []any{"A", "B"}
	case f.Type == schema.Dynamic:
		return map[string]any{"a": 1}
	}
	return "some text"
}

// nested makes an object with a value at a path.
func nested(path string, value any) map[string]any {
	first, rest, deeper := strings.Cut(path, ".")
	if deeper {
		value = nested(rest, value)
	}
	return map[string]any{first: value}
}

// Every column that the earlier solution published gets a value from the place
// that docs/compatibility.md names, whichever way the record comes. The table of the
// codeless connector comes through a rule only.
func TestPublishedColumnsAreFilled(t *testing.T) {
	for _, c := range []struct {
		table     schema.Table
		published int
		classic   bool
	}{{schema.Events(), 66, true}, {schema.Triggers(), 54, true}, {schema.ISC(), 40, false}} {
		name := strings.TrimSuffix(c.table.Name, "_CL")
		tried := 0
		for _, f := range c.table.Fields {
			if !f.Published {
				continue
			}
			tried++
			record := map[string]any{}
			if f.From != "" {
				record = nested(f.From, sample(f))
			}
			text, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			ws := ruled(schema.ISC())
			r := ingestion(t, "["+string(text)+"]", nil)
			r.URL.Path = strings.Replace(r.URL.Path, eventsStream, "Custom-"+c.table.Stream.Name, 1)
			ws.ServeHTTP(httptest.NewRecorder(), r)
			if rows := ws.Table(name).Rows(); len(rows) != 1 || rows[0][f.Name] == "" {
				t.Errorf("%s: %s is empty for %s", c.table.Name, f.Name, text)
			}
			if !c.classic {
				continue
			}
			serve(ws, post{body: "[" + string(text) + "]", header: map[string]string{"Log-Type": "Classic", "time-generated-field": "created"}}.request(noon))
			if rows := ws.Table("Classic").Rows(); len(rows) != 1 || rows[0][f.Name] == "" {
				t.Errorf("Data Collector API: %s is empty for %s", f.Name, text)
			}
		}
		if tried != c.published {
			t.Errorf("%s: %d columns, want %d", c.table.Name, tried, c.published)
		}
	}
}
