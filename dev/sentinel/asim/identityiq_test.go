package asim_test

import (
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// iiqMapping is mapping/iiq.csv: action, schema, event type, object type, result.
func iiqMapping(t *testing.T) [][]string {
	t.Helper()
	f, err := os.Open(kqltest.Root(t, "sentinel", "mapping", "iiq.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// Each action of IdentityIQ comes out of exactly one parser, as the mapping says and in the words of
// the schemas, whichever kind of table it is in; one that the mapping lacks is not lost.
func TestIdentityIQ(t *testing.T) {
	want := map[string]string{"somethingNew": "AuditEvent Other Other NA"}
	var docs []kqltest.Doc
	for _, r := range append(iiqMapping(t), []string{"somethingNew", "AuditEvent", "Other", "Other", "NA"}) {
		action, schema, eventType, object, result := r[0], r[1], r[2], r[3], r[4]
		w := words[schema]
		if !slices.Contains(strings.Fields(w.types), eventType) || (object != "" && !slices.Contains(strings.Split(w.objects, "|"), object)) {
			t.Errorf("%s: %v has a value that the schema does not know", action, r)
		}
		want[action] = strings.TrimSpace(strings.Join([]string{schema, eventType, object, result}, " "))
		if object == "" {
			want[action] = schema + " " + eventType + "  " + result
		}
		docs = append(docs, kqltest.Doc{
			"TimeGenerated": "2026-09-02T11:00:00Z",
			"eventTime":     "2026-09-02T11:00:00Z", "action": action, "source": "ann", "target": "bob", "serverHost": "iiq1", "clientHost": "192.0.2.7",
		})
	}
	for i := range docs { // each its own id
		id := []byte("c0a8019c8f1a00000000000000000000")
		copy(id[28:], []byte{'0', '0', "0123456789abcdef"[i/16], "0123456789abcdef"[i%16]})
		docs[i]["id"] = string(id)
	}
	for _, table := range []string{"classic", "declared"} {
		s := kqltest.NewScene(t, now, "iiq-audit-dcr")
		if table == "classic" {
			s = kqltest.NewScene(t, now)
			s.Classic(kqltest.IIQTable, docs...)
		} else {
			s.DCR(kqltest.IIQTable, docs...)
		}
		got := map[string]string{}
		for _, schema := range []string{"Authentication", "AuditEvent"} {
			out := s.Run(t, "vim"+schema+"SailPointIIQ")
			for _, row := range out.Rows {
				text := func(name string) string { s, _ := row[name].(string); return s }
				got[text("EventOriginalType")] = schema + " " + text("EventType") + " " + text("ObjectType") + " " + text("EventResult")
				for name := range mandatory {
					if row[name] == nil || row[name] == "" {
						t.Errorf("%s: %s of %s is empty", schema, name, text("EventOriginalType"))
					}
				}
			}
			if diff := cmp.Diff(out, s.Run(t, "ASim"+schema+"SailPointIIQ")); diff != "" {
				t.Errorf("%s (-vim +ASim)\n%s", schema, diff)
			}
			for _, none := range []string{"disabled = true", "starttime = datetime(2026-09-02T11:30Z)", "srcipaddr_has_any_prefix = dynamic(['10.'])", "eventtype_in = dynamic(['Elevate'])", "eventresult = 'Partial'"} {
				if out := s.Run(t, "vim"+schema+"SailPointIIQ("+none+")"); len(out.Rows) > 0 {
					t.Errorf("%s(%s): %d rows", schema, none, len(out.Rows))
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-mapping +parsers)\n%s", table, diff)
		}
	}
}
