package asim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/kqltest"
)

// iiqActions is the mapping of IdentityIQ, and an action that it lacks.
func iiqActions(t *testing.T) []asim.Action {
	t.Helper()
	_, actions, err := asim.Load(kqltest.Root(t))
	if err != nil {
		t.Fatal(err)
	}
	return append(actions, asim.Action{Name: "somethingNew", Schema: "AuditEvent", EventType: "Other", ObjectType: "Other", Result: "NA"})
}

// iiqDocs is one event of each action, with servers and clients by name, by full name and
// by address.
func iiqDocs(t *testing.T) []kqltest.Doc {
	t.Helper()
	var docs []kqltest.Doc
	for i, a := range iiqActions(t) {
		docs = append(docs, kqltest.Doc{
			"id": fmt.Sprintf("c0a8019c8f1a%020x", i), "TimeGenerated": "2026-09-02T11:00:00Z", "eventTime": "2026-09-02T11:00:00Z", "action": a.Name,
			"source": []string{"ann", "Scheduler", "eve@example.com", ""}[i%4], "target": []string{"bob", "carol@example.com", ""}[i%3], "accountName": "CN=bob", "application": "AD",
			"attributeName": "memberOf", "attributeValue": "Admins", "serverHost": []string{"iiq1", "iiq2.corp.example.com", "10.0.0.5"}[i%3],
			"clientHost": []string{"192.0.2.7", "laptop1", "laptop2.corp.example.com", "2001:db8::7"}[i%4],
		})
	}
	return docs
}

// Each action of IdentityIQ comes out of exactly one parser, as the mapping says and in the words of
// the schemas, whichever kind of table it is in; one that the mapping lacks is not lost.
func TestIdentityIQ(t *testing.T) {
	docs := iiqDocs(t)
	want := map[string]string{}
	for _, r := range iiqActions(t) {
		w := words[r.Schema]
		if !slices.Contains(strings.Fields(w.types), r.EventType) || (r.ObjectType != "" && !slices.Contains(strings.Split(w.objects, "|"), r.ObjectType)) {
			t.Errorf("%s: %v has a value that the schema does not know", r.Name, r)
		}
		want[r.Name] = r.Schema + " " + r.EventType + " " + r.ObjectType + " " + r.Result
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
		for _, schema := range asim.Schemas() {
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
				if schema == asim.UserManagement && strings.HasPrefix(none, "eventresult") {
					continue
				}
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
