package logsingestion_test

import (
	"net/http"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/internal/pipeline"
	"github.com/idn-sentinel/idn-sentinel/internal/sink/logsingestion"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// Two tables that declare one name with different types: a record is made to fit the table that it
// goes to, whichever was declared last.
func TestColumnsOfOneTableDoNotRuleAnother(t *testing.T) {
	declare := func(name string, kind schema.Type) schema.Stream {
		return schema.Stream{Name: name, Columns: []schema.Column{
			{Name: "id", Type: schema.String},
			{Name: "target", Type: kind},
			{Name: schema.Extra, Type: schema.Dynamic},
			{Name: "idnConformed", Type: schema.String},
		}}
	}
	objects, texts := declare("Objects", schema.Dynamic), declare("Texts", schema.String)
	// A name that comes twice is what has to be changed in each.
	object, text := jsontext.Value(`{"id":"1","id":"2","target":{"name":"x"}}`), jsontext.Value(`{"id":"1","id":"2","target":"x"}`)
	for order, declared := range map[string][]schema.Stream{
		"objects first": {objects, texts},
		"texts first":   {texts, objects},
	} {
		t.Run(order, func(t *testing.T) {
			var bodies []string
			sink := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				bodies = append(bodies, unpacked(t, r.Body))
				w.WriteHeader(http.StatusNoContent)
			}), func(c *logsingestion.Config) { c.Streams = declared })
			for _, send := range []struct {
				table string
				raw   jsontext.Value
			}{{"Objects", object}, {"Texts", text}, {"Texts", object}} {
				row, changes, err := sink.Fit(send.table, send.raw)
				if err != nil || changes == nil {
					t.Fatalf("%s: %s, %q, %v", send.table, row, changes, err)
				}
				if err := sink.Write(t.Context(), send.table, []pipeline.Record{{ID: "1", Raw: row}}); err != nil {
					t.Fatal(err)
				}
			}
			const marker, second = `"idnConformed":"id: name given twice, the second is id_2"`, `"id_2":"2"`
			want := []string{
				`[{"id":"1","target":{"name":"x"},` + marker + `,"idnExtra":{` + second + `}}]`,
				`[{"id":"1","target":"x",` + marker + `,"idnExtra":{` + second + `}}]`,
				`[{"id":"1",` + marker + `,"idnExtra":{` + second + `,"target":{"name":"x"}}}]`,
			}
			if diff := cmp.Diff(want, bodies); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}
